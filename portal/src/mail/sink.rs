//! A mail server that delivers to nobody: it keeps the last mails in memory, to be looked at.
//!
//! For tests, demonstrations and rehearsals: the sender speaks to it over TCP like to any server. It
//! understands what RFC 5321 asks of one (4.5.1), without extensions but SIZE and 8BITMIME, and every
//! reading is bounded. Deliberately absent: storage, relaying, sign-in, TLS.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amphi_engine::clock::wall_clock_now;
use amphi_engine::core::Timestamp;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Mails kept: every convocation, change and receipt of the demonstration, some times over.
const KEPT_MAX: usize = 1_000;
/// Largest mail, as announced by SIZE; ours have some tens of kilobytes.
const MAIL_BYTES_MAX: usize = 512 * 1024;
/// Longest line, of a command or of a mail: RFC 5321 asks for 1,000 at least.
const LINE_BYTES_MAX: u64 = 4_096;
/// Recipients of one mail: RFC 5321 asks for 100 at least.
const RECIPIENTS_MAX: usize = 100;
/// Senders at the same time.
const SESSIONS_MAX: usize = 16;
/// A sender that says nothing for so long is gone (RFC 5321 recommends 5 minutes).
const SILENT_AT_MOST: Duration = Duration::from_secs(300);

/// A mail as it was delivered.
#[derive(Debug, Clone)]
pub struct KeptMail {
    /// Counts from 1, in order of arrival.
    pub number: u64,
    /// When it came (wall clock).
    pub received_at: Timestamp,
    /// The envelope's recipients.
    pub recipients: Vec<String>,
    /// Headers and body (RFC 5322).
    pub raw: Arc<[u8]>,
}

/// The last mails.
#[derive(Debug, Default)]
pub struct MailSink {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    mails: VecDeque<KeptMail>,
    received: u64,
}

impl MailSink {
    /// The mails that are kept, the latest first.
    pub fn mails(&self) -> Vec<KeptMail> {
        self.kept().mails.iter().rev().cloned().collect()
    }

    /// One of them.
    pub fn mail(&self, number: u64) -> Option<KeptMail> {
        self.kept().mails.iter().find(|mail| mail.number == number).cloned()
    }

    /// How many have come in all.
    pub fn received(&self) -> u64 {
        self.kept().received
    }

    fn keep(&self, recipients: Vec<String>, raw: Vec<u8>) {
        let mut kept = self.kept();
        kept.received += 1;
        let mail =
            KeptMail { number: kept.received, received_at: wall_clock_now(), recipients, raw: raw.into() };
        kept.mails.push_back(mail);
        if kept.mails.len() > KEPT_MAX {
            kept.mails.pop_front();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing in here panics half way.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes mails on `listener`, until it is dropped.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let sessions = Arc::new(Semaphore::new(SESSIONS_MAX));
        loop {
            let Ok(place) = Arc::clone(&sessions).acquire_owned().await else { return };
            // Out of descriptors, or a sender that is gone already: the next one may fare better.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::task::yield_now().await;
                continue;
            };
            let sink = Arc::clone(&self);
            tokio::spawn(async move {
                if let Err(error) = sink.session(stream).await {
                    tracing::debug!(%error, "a sender of mails went away");
                }
                drop(place);
            });
        }
    }

    /// One sender, from greeting to farewell.
    pub(super) async fn session(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
        let mut session = Session { stream: BufReader::new(stream), envelope: None };
        session.say("220 amphi.localhost garde les courriels et n’en distribue aucun").await?;
        while let Some(line) = session.line().await? {
            let Ok(line) = line else {
                session.say("500 line too long").await?;
                continue;
            };
            let line = String::from_utf8_lossy(&line).into_owned();
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "QUIT" => return session.say("221 bye").await,
                "DATA" => session.data(self).await?,
                verb => {
                    let reply = session.reply(verb, rest);
                    session.say(&reply).await?;
                }
            }
        }
        Ok(())
    }
}

/// A connection; the envelope of the mail in progress, once MAIL has begun it.
struct Session<S> {
    stream: BufReader<S>,
    envelope: Option<Vec<String>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    async fn say(&mut self, reply: &str) -> std::io::Result<()> {
        self.stream.write_all(reply.as_bytes()).await?;
        self.stream.write_all(b"\r\n").await?;
        self.stream.flush().await
    }

    /// The next line without its end; an inner error when it is too long (it is read to its end), `None`
    /// at the end of the connection.
    async fn line(&mut self) -> std::io::Result<Option<Result<Vec<u8>, ()>>> {
        let mut too_long = false;
        loop {
            let mut line = Vec::new();
            let mut bounded = (&mut self.stream).take(LINE_BYTES_MAX);
            let read = tokio::time::timeout(SILENT_AT_MOST, bounded.read_until(b'\n', &mut line)).await??;
            if read == 0 {
                return Ok(None);
            }
            if line.last() != Some(&b'\n') {
                too_long = true;
                continue;
            }
            line.truncate(line.len() - 1);
            if line.last() == Some(&b'\r') {
                line.truncate(line.len() - 1);
            }
            return Ok(Some(if too_long { Err(()) } else { Ok(line) }));
        }
    }

    fn reply(&mut self, verb: &str, rest: &str) -> String {
        let after = |keyword: &str| {
            let (start, path) = rest.split_at_checked(keyword.len())?;
            start
                .eq_ignore_ascii_case(keyword)
                .then(|| path.trim_start().split(' ').next().unwrap_or_default())
        };
        match verb {
            "HELO" => {
                self.envelope = None;
                "250 amphi.localhost".to_owned()
            }
            "EHLO" => {
                self.envelope = None;
                format!("250-amphi.localhost\r\n250-SIZE {MAIL_BYTES_MAX}\r\n250 8BITMIME")
            }
            "MAIL" if self.envelope.is_some() => "503 one mail at a time".to_owned(),
            "MAIL" => match after("FROM:") {
                Some(_) => {
                    self.envelope = Some(Vec::new());
                    "250 ok".to_owned()
                }
                None => "501 MAIL FROM:<address>".to_owned(),
            },
            "RCPT" => match (&mut self.envelope, after("TO:")) {
                (None, _) => "503 MAIL first".to_owned(),
                (_, None | Some("" | "<>")) => "501 RCPT TO:<address>".to_owned(),
                (Some(recipients), _) if recipients.len() >= RECIPIENTS_MAX => "452 too many".to_owned(),
                (Some(recipients), Some(path)) => {
                    recipients.push(path.trim_matches(['<', '>']).to_owned());
                    "250 ok".to_owned()
                }
            },
            "RSET" => {
                self.envelope = None;
                "250 ok".to_owned()
            }
            "NOOP" => "250 ok".to_owned(),
            "VRFY" => "252 perhaps".to_owned(),
            _ => "502 not known here".to_owned(),
        }
    }

    /// Takes the mail itself, to the line with a single dot.
    async fn data(&mut self, sink: &MailSink) -> std::io::Result<()> {
        let recipients = match self.envelope.take() {
            Some(recipients) if !recipients.is_empty() => recipients,
            envelope => {
                self.envelope = envelope;
                return self.say("503 RCPT first").await;
            }
        };
        self.say("354 go on").await?;
        let mut raw = Vec::new();
        let mut too_large = false;
        loop {
            let Some(line) = self.line().await? else { return Ok(()) };
            let Ok(line) = line else {
                too_large = true;
                continue;
            };
            if line == b"." {
                break;
            }
            // A dot that begins a line travels doubled (RFC 5321, 4.5.2).
            let line = line.strip_prefix(b".").unwrap_or(&line);
            too_large |= raw.len() + line.len() > MAIL_BYTES_MAX;
            if !too_large {
                raw.extend_from_slice(line);
                raw.extend_from_slice(b"\r\n");
            }
        }
        if too_large {
            return self.say("552 too large").await;
        }
        sink.keep(recipients, raw);
        self.say("250 kept").await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the sink answers to `said`, its greeting left out.
    async fn answers(sink: &MailSink, said: &str) -> Vec<String> {
        let (mut near, far) = tokio::io::duplex(4 * MAIL_BYTES_MAX);
        near.write_all(said.as_bytes()).await.unwrap();
        near.shutdown().await.unwrap();
        sink.session(far).await.unwrap();
        let mut heard = String::new();
        near.read_to_string(&mut heard).await.unwrap();
        heard.lines().skip(1).map(str::to_owned).collect()
    }

    fn codes(answers: &[String]) -> String {
        answers.iter().map(|answer| &answer[..3]).collect::<Vec<_>>().join(" ")
    }

    #[tokio::test]
    async fn a_mail_is_kept_as_it_was_written() {
        let sink = MailSink::default();
        let said = "EHLO a\r\nMAIL FROM:<a@b.fr> SIZE=30\r\nrcpt to: <c@d.fr>\r\nRCPT TO:<e@f.fr>\r\nDATA\r\n\
                    Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n";
        let answers = answers(&sink, said).await;
        assert_eq!(codes(&answers), "250 250 250 250 250 250 354 250 221");
        let kept = sink.mails().pop().unwrap();
        assert_eq!((kept.number, kept.recipients.join(" ").as_str()), (1, "c@d.fr e@f.fr"));
        assert_eq!(&*kept.raw, b"Subject: x\r\n\r\n.dot\r\n");
    }

    #[tokio::test]
    async fn commands_out_of_order_are_refused_and_nothing_is_kept() {
        let sink = MailSink::default();
        let said = "HELO a\r\nDATA\r\nRCPT TO:<c@d.fr>\r\nMAIL <a@b.fr>\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\nDATA\r\n\
                    RCPT TO:<>\r\nRSET\r\nRCPT TO:<c@d.fr>\r\nAUTH PLAIN\r\nVRFY x\r\nNOOP\r\n";
        let answers = answers(&sink, said).await;
        assert_eq!(codes(&answers), "250 503 503 501 250 503 503 501 250 503 502 252 250");
        assert_eq!(sink.received(), 0);
    }

    #[tokio::test]
    async fn every_reading_is_bounded() {
        let sink = MailSink::default();
        let long = "x".repeat(3 * LINE_BYTES_MAX as usize);
        let rcpt = "RCPT TO:<c@d.fr>\r\n".repeat(RECIPIENTS_MAX + 1);
        let line = format!("{}\r\n", "y".repeat(1_000));
        let large = line.repeat(MAIL_BYTES_MAX / 1_000 + 1);
        let begin = "MAIL FROM:<a@b.fr>\r\nRCPT TO:<c@d.fr>\r\nDATA\r\n";
        let said = format!(
            "{long}\r\nMAIL FROM:<a@b.fr>\r\n{rcpt}RSET\r\n{begin}{large}.\r\n{begin}{long}\r\n.\r\nQUIT\r\n"
        );
        let answers = answers(&sink, &said).await;
        let accepted = "250 ".repeat(1 + RECIPIENTS_MAX);
        assert_eq!(codes(&answers), format!("500 {accepted}452 250 250 250 354 552 250 250 354 552 221"));
        // A mail that breaks off is none.
        super::tests::answers(&sink, &format!("{begin}Subject: x\r\n")).await;
        assert_eq!(sink.received(), 0);
        for _ in 0..=KEPT_MAX {
            sink.keep(vec!["c@d.fr".to_owned()], Vec::new());
        }
        assert_eq!((sink.mails().len(), sink.received()), (KEPT_MAX, KEPT_MAX as u64 + 1));
        assert_eq!((sink.mail(1).is_none(), sink.mails()[0].number), (true, KEPT_MAX as u64 + 1));
    }
}
