//! From the outbox to a mail server, over SMTP.
//!
//! At least once: whoever dies between a server's "taken" and writing it down leaves the mail to be sent
//! again, the very same, under the same Message-ID. A server that refuses one mail costs that mail an
//! attempt; a server that cannot be asked costs nobody anything, and is asked less and less often.
//! Invariant: no address, name or subject in a log; a server's own words go to the outbox only.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use amphi_engine::clock::Clock;
use amphi_engine::core::{Millis, Timestamp};
use amphi_engine::metrics::{Mailing, meters};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp;
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::message::{CalendarEntry, Recipient, one_line};
use super::outbox::{self, Claimed};

/// Mails under way at the same time, each on a connection of its own: mail services allow few from one
/// client. No more than these are taken in hand, because whoever dies with them delays them.
const UNDER_WAY_MAX: u8 = 4;
/// Longest wait for one answer of the server…
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// …and for all that one mail takes.
const DELIVERED_WITHIN: Duration = Duration::from_secs(120);
/// How long mails stay claimed: longer than any of them may take, so that nobody else sends them meanwhile.
const CLAIMED_FOR: Millis = Millis::from_minutes(3);
/// How often is looked for mails that are due.
const LOOK_EVERY: Millis = Millis::from_secs(2);
/// After a refusal a mail is tried again after this time, then after four times as long, and so on…
const AGAIN_FIRST: Millis = Millis::from_secs(15);
/// …up to this.
const AGAIN_MOST: Millis = Millis::from_minutes(60);
/// Refusals after which a mail is given up: the pauses before add up to more than 8 hours, which outlasts
/// greylisting and a full mailbox that somebody empties.
pub const REFUSALS_MAX: i32 = 12;
/// A server that cannot be asked is asked again after this time, then after twice as long, and so on…
const SERVER_AGAIN_FIRST: Millis = Millis::from_secs(5);
/// …up to this: an outage of an hour must not cost another one.
const SERVER_AGAIN_MOST: Millis = Millis::from_minutes(5);

/// Replies that say something about us or the server rather than about the mail (RFC 5321, 4954):
/// closing, TLS or sign-in not possible now, sign-in required, refused or too weak.
const ABOUT_THE_SERVER: [u16; 7] = [421, 432, 454, 530, 534, 535, 538];

/// Sends what is due.
pub struct Sender {
    /// The database.
    pub pool: PgPool,
    /// The server.
    pub server: MailServer,
    /// Whom mails come from.
    pub from: Recipient,
    /// Real time.
    pub clock: Arc<dyn Clock>,
}

/// A mail server, as it was configured.
#[derive(Clone)]
pub struct MailServer(AsyncSmtpTransport<Tokio1Executor>);

/// An address of a mail server that cannot be used. Does not repeat it: it holds a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("l’adresse du serveur de courriel s’écrit smtp://utilisateur:motdepasse@hôte:port ou smtps://…")]
pub struct MailServerError;

impl MailServer {
    /// Reads `smtps://user:password@host:port`, or `smtp://…`, which asks for STARTTLS unless the host is
    /// this machine or the address says `?tls=opportunistic`. To be called in a Tokio runtime.
    ///
    /// # Errors
    /// [`MailServerError`]
    pub fn from_url(url: &str) -> Result<Self, MailServerError> {
        let guarded = match url.strip_prefix("smtp://") {
            Some(rest) if !rest.contains("tls=") && !is_this_machine(rest) => {
                format!("{url}{}tls=required", if url.contains('?') { '&' } else { '?' })
            }
            _ => url.to_owned(),
        };
        let builder =
            AsyncSmtpTransport::<Tokio1Executor>::from_url(&guarded).map_err(|_| MailServerError)?;
        let pool = PoolConfig::new().max_size(UNDER_WAY_MAX.into());
        Ok(Self(builder.timeout(Some(ANSWER_WITHIN)).pool_config(pool).build()))
    }
}

fn is_this_machine(after_scheme: &str) -> bool {
    let authority = after_scheme.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]")
}

/// Reads `Nom <adresse>` or `adresse`.
///
/// # Errors
/// What is wrong, for the console.
pub fn mailbox(text: &str) -> Result<Recipient, String> {
    let mailbox: Mailbox = text
        .parse()
        .map_err(|_| format!("« {text} » n’est pas une adresse : écrivez « Amphi <amphi@exemple.fr> »"))?;
    Ok(Recipient { name: mailbox.name.unwrap_or_default(), address: mailbox.email.to_string() })
}

/// What one round of sending did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Taken by the server.
    pub sent: usize,
    /// Refused, to be tried again.
    pub refused: usize,
    /// Given up.
    pub given_up: usize,
    /// Put back, because no server could be asked.
    pub put_back: usize,
}

impl Round {
    fn measure(&self) {
        let count = |what, mails: usize| meters().mails.of(what).increment(mails as u64);
        count(Mailing::Sent, self.sent);
        count(Mailing::Refused, self.refused);
        count(Mailing::GivenUp, self.given_up);
        count(Mailing::PutBack, self.put_back);
    }
}

enum Delivery {
    Sent,
    RefusedForNow(String),
    RefusedForGood(String),
    NoServer(String),
}

impl Sender {
    /// Sends until `stop` says so.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut server_again = SERVER_AGAIN_FIRST;
        loop {
            let pause = match self.send_due().await {
                Ok(round) if round.put_back > 0 => {
                    let pause = server_again;
                    server_again = Millis(server_again.0 * 2).min(SERVER_AGAIN_MOST);
                    tracing::warn!(mails = round.put_back, "the mail server cannot be asked; mails wait");
                    pause
                }
                Ok(round) => {
                    server_again = SERVER_AGAIN_FIRST;
                    if round == Round::default() { LOOK_EVERY } else { Millis::ZERO }
                }
                Err(error) => {
                    tracing::warn!(%error, "the outbox cannot be read");
                    LOOK_EVERY
                }
            };
            tokio::select! {
                // First: between two rounds without pause it must be heard, too.
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                () = self.clock.sleep_until(self.clock.now() + pause) => {}
            }
        }
    }

    /// Sends the mails that are due, up to a bound.
    ///
    /// # Errors
    /// When the database does not answer; mails in hand are due again later.
    pub async fn send_due(&self) -> Result<Round, sqlx::Error> {
        let now = self.clock.now();
        let claimed = outbox::claim(&self.pool, now, now + CLAIMED_FOR, UNDER_WAY_MAX.into()).await?;
        let mut under_way = JoinSet::new();
        for mail in claimed {
            let (server, message) = (self.server.clone(), assemble(&mail, &self.from, now));
            under_way.spawn(async move {
                let delivery = match message {
                    Ok(message) => server.deliver(message).await,
                    Err(error) => Delivery::RefusedForGood(error),
                };
                (mail, delivery)
            });
        }
        let mut round = Round::default();
        while let Some(done) = under_way.join_next().await {
            let (mail, delivery) = done.map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))?;
            self.enter(&mail, delivery, &mut round).await?;
        }
        round.measure();
        Ok(round)
    }

    async fn enter(&self, mail: &Claimed, delivery: Delivery, round: &mut Round) -> Result<(), sqlx::Error> {
        let (id, kind, now) = (mail.id, mail.kind.as_str(), self.clock.now());
        match delivery {
            Delivery::Sent => {
                round.sent += 1;
                outbox::sent(&self.pool, id, now).await
            }
            Delivery::RefusedForNow(error) if mail.attempts + 1 < REFUSALS_MAX => {
                round.refused += 1;
                outbox::refused(&self.pool, id, &error, Some(now + again_after(mail.attempts))).await
            }
            Delivery::RefusedForNow(error) | Delivery::RefusedForGood(error) => {
                round.given_up += 1;
                tracing::warn!(mail = %id, amphi = %mail.amphi, kind, "a mail is given up; the control room says which");
                outbox::refused(&self.pool, id, &error, None).await
            }
            Delivery::NoServer(error) => {
                round.put_back += 1;
                outbox::put_back(&self.pool, id, &error, now).await
            }
        }
    }
}

/// How long after a refusal a mail is tried again, when `refusals` came before it.
fn again_after(refusals: i32) -> Millis {
    let factor = 4_i64.saturating_pow(refusals.unsigned_abs().min(10));
    Millis(AGAIN_FIRST.0.saturating_mul(factor)).min(AGAIN_MOST)
}

impl MailServer {
    async fn deliver(&self, message: Message) -> Delivery {
        match tokio::time::timeout(DELIVERED_WITHIN, self.0.send(message)).await {
            Ok(Ok(_)) => Delivery::Sent,
            Ok(Err(error)) => judged(&error),
            Err(_) => Delivery::NoServer("le serveur ne répond pas à temps".to_owned()),
        }
    }
}

/// Whether a failure says something about the mail, or about the server.
fn judged(error: &smtp::Error) -> Delivery {
    let said = error.to_string();
    match error.status().map(u16::from) {
        Some(code) if ABOUT_THE_SERVER.contains(&code) => Delivery::NoServer(said),
        Some(_) if error.is_permanent() => Delivery::RefusedForGood(said),
        Some(_) => Delivery::RefusedForNow(said),
        None => Delivery::NoServer(said),
    }
}

/// The mail as it travels: text, HTML and calendar entry as alternatives of one another, and the entry
/// once more as a file, for programs that do not know it otherwise.
fn assemble(mail: &Claimed, from: &Recipient, now: Timestamp) -> Result<Message, String> {
    let sender = address(from)?;
    let host = sender.email.domain().to_owned();
    let mut alternatives = MultiPart::alternative()
        .singlepart(SinglePart::plain(mail.text.clone()))
        .singlepart(SinglePart::html(mail.html.clone()));
    if let Some(entry) = &mail.calendar {
        alternatives = alternatives.singlepart(calendar_part(entry)?);
    }
    let whole = match &mail.calendar {
        Some(entry) => MultiPart::mixed().multipart(alternatives).singlepart(
            Attachment::new("convocation.ics".to_owned())
                .body(entry.text.clone(), content_type("application/ics; charset=utf-8")?),
        ),
        None => alternatives,
    };
    let automatic =
        HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
    Message::builder()
        .from(sender)
        .to(address(&mail.recipient)?)
        .subject(mail.subject.clone())
        .message_id(Some(format!("<{}@{host}>", mail.id)))
        .date(SystemTime::UNIX_EPOCH + Duration::from_millis(now.0.max(0).unsigned_abs()))
        .raw_header(automatic)
        .multipart(whole)
        .map_err(|error| error.to_string())
}

fn calendar_part(entry: &CalendarEntry) -> Result<SinglePart, String> {
    let kind = format!("text/calendar; charset=utf-8; method={}", entry.method.code());
    Ok(SinglePart::builder().header(content_type(&kind)?).body(entry.text.clone()))
}

fn content_type(kind: &str) -> Result<ContentType, String> {
    ContentType::parse(kind).map_err(|error| error.to_string())
}

fn address(of: &Recipient) -> Result<Mailbox, String> {
    let name = Some(one_line(&of.name)).filter(|name| !name.is_empty());
    // The error does not repeat the address; the outbox holds it beside.
    let email = of.address.parse().map_err(|_| "cette adresse n’en est pas une".to_owned())?;
    Ok(Mailbox::new(name, email))
}
