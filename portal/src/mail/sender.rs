//! From the outbox to a mail server, over SMTP.
//!
//! At least once: whoever dies between a server's "taken" and writing it down leaves the mail to be sent
//! again, the very same, under the same Message-ID. A refusal that is about one mail costs that mail an attempt;
//! a server that cannot be asked, or refuses us rather than a recipient, costs nobody anything, and is asked less
//! and less often. Where a refusal does not say which it is, what became of the others does: a server that takes
//! nothing from us says nothing about recipients.
//! Invariant: no address, name or subject in a log; a server's own words go to the outbox only.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use amphi_engine::clock::Clock;
use amphi_engine::core::{Millis, Timestamp};
use amphi_engine::metrics::{Mailing, meters};
use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::message::{CalendarEntry, Recipient, one_line};
use super::outbox::{self, Claimed};
use super::server::{MailServer, Refusal, Step};

/// Mails under way at the same time, each on a connection of its own: mail services allow few from one
/// client. No more than these are taken in hand, because whoever dies with them delays them.
const UNDER_WAY_MAX: u8 = 4;
/// Longest wait for all that one mail takes.
const DELIVERED_WITHIN: Duration = Duration::from_secs(120);
/// How long mails stay claimed: longer than any of them may take, so that nobody else sends them meanwhile.
const CLAIMED_FOR: Millis = Millis::from_minutes(3);
/// How often is looked for mails that are due.
const LOOK_EVERY: Millis = Millis::from_secs(2);
/// After a refusal a mail is tried again after this time, then after four times as long, and so on…
const AGAIN_FIRST: Millis = Millis::from_secs(15);
/// …up to this.
const AGAIN_MOST: Millis = Millis::from_minutes(60);
/// Refusals after which a mail is given up: the pauses before add up to 7 hours and 21 minutes, which outlasts
/// greylisting and a full mailbox that somebody empties.
pub const REFUSALS_MAX: i32 = 12;
/// A server that cannot be asked is asked again after this time, then after twice as long, and so on…
const SERVER_AGAIN_FIRST: Millis = Millis::from_secs(5);
/// …up to this: an outage of an hour must not cost another one.
const SERVER_AGAIN_MOST: Millis = Millis::from_minutes(5);

/// Replies that say something about us or the server rather than about the mail (RFC 5321, 4954):
/// closing, TLS or sign-in not possible now, sign-in required, refused or too weak.
const ABOUT_US: [u16; 7] = [421, 432, 454, 530, 534, 535, 538];
/// Replies to a recipient that say that there is nobody, where no enhanced code says more (RFC 5321, 7504).
const NOBODY_THERE: [u16; 5] = [550, 551, 552, 553, 556];
/// Words of servers that refuse whoever sends, although they say it of a recipient: Postfix asks about the sender only
/// then, and Exim knows no enhanced codes.
const WORDS_ABOUT_US: [&str; 4] = ["sender", "relay", "authenticat", "mail from"];

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
    /// Refused for good, as was everything in this round: to be tried again, the fault may be ours.
    pub doubted: usize,
    /// Given up.
    pub given_up: usize,
    /// Put back, because no server could be asked, or because it refuses us.
    pub put_back: usize,
}

impl Round {
    fn measure(&self) {
        let count = |what, mails: usize| meters().mails.of(what).increment(mails as u64);
        count(Mailing::Sent, self.sent);
        count(Mailing::Refused, self.refused + self.doubted);
        count(Mailing::GivenUp, self.given_up);
        count(Mailing::PutBack, self.put_back);
    }
}

/// What a mail that was not taken failed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The mail itself: it cannot be assembled.
    Mail,
    /// There is nobody to take it, the server says.
    Recipient,
    /// It is not taken now.
    Moment,
    /// Us: no server could be asked, or it refuses our sender, our sign-in, our relaying, so many mails a day.
    Ours,
}

/// What the other mails of a round say about a refusal.
#[derive(Debug, Clone, Copy)]
struct Evidence {
    /// The server has taken a mail from us.
    takes: bool,
    /// It has refused several for good, and done nothing else.
    refuses_all: bool,
}

impl Evidence {
    fn of(sent: usize, refused: &[(Claimed, Fault, String)]) -> Self {
        let count = |which: &[Fault]| refused.iter().filter(|(_, fault, _)| which.contains(fault)).count();
        let for_good = count(&[Fault::Recipient, Fault::Ours]);
        Self { takes: sent > 0, refuses_all: sent == 0 && for_good > 1 && count(&[Fault::Moment]) == 0 }
    }
}

impl Sender {
    /// Sends until `stop` says so.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut server_again = SERVER_AGAIN_FIRST;
        loop {
            let pause = match self.send_due().await {
                Ok(round) if round.put_back + round.doubted > 0 => {
                    let pause = server_again;
                    server_again = Millis(server_again.0 * 2).min(SERVER_AGAIN_MOST);
                    if round.put_back > 0 {
                        let mails = round.put_back;
                        tracing::warn!(mails, "the mail server cannot be asked, or refuses us; mails wait");
                    }
                    if round.doubted > 0 {
                        let mails = round.doubted;
                        tracing::warn!(
                            mails,
                            "the mail server refuses every recipient: is --mail-from right?"
                        );
                    }
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
        let mut round = Round::default();
        if claimed.is_empty() {
            self.server.hang_up().await;
            return Ok(round);
        }
        let mut under_way = JoinSet::new();
        for mail in claimed {
            let (server, message) = (self.server.clone(), assemble(&mail, &self.from, now));
            under_way.spawn(async move {
                let delivered = match message {
                    Ok(message) => deliver(&server, &message).await,
                    Err(error) => Err((Fault::Mail, error)),
                };
                (mail, delivered)
            });
        }
        let mut refused = Vec::new();
        while let Some(done) = under_way.join_next().await {
            let (mail, delivered) = done.map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))?;
            match delivered {
                // At once: whoever dies before sends it twice.
                Ok(()) => {
                    outbox::sent(&self.pool, mail.id, self.clock.now()).await?;
                    round.sent += 1;
                }
                Err((fault, error)) => refused.push((mail, fault, error)),
            }
        }
        let evidence = Evidence::of(round.sent, &refused);
        for (mail, fault, error) in &refused {
            self.enter(mail, *fault, error, evidence, &mut round).await?;
        }
        round.measure();
        Ok(round)
    }

    /// Enters what is to become of a mail that was not taken.
    async fn enter(
        &self,
        mail: &Claimed,
        fault: Fault,
        error: &str,
        evidence: Evidence,
        round: &mut Round,
    ) -> Result<(), sqlx::Error> {
        let (id, kind, now) = (mail.id, mail.kind.as_str(), self.clock.now());
        if fault == Fault::Ours && !evidence.takes {
            round.put_back += 1;
            return outbox::put_back(&self.pool, id, error, now).await;
        }
        let doubted = fault == Fault::Recipient && evidence.refuses_all;
        let hopeless = matches!(fault, Fault::Mail | Fault::Recipient) && !doubted;
        if hopeless || mail.attempts + 1 >= REFUSALS_MAX {
            round.given_up += 1;
            tracing::warn!(
                mail = %id, amphi = %mail.amphi, kind,
                "a mail is given up; the control room says which, and `amphi mails retry` sends it again"
            );
            return outbox::refused(&self.pool, id, error, None).await;
        }
        if doubted {
            round.doubted += 1;
        } else {
            round.refused += 1;
        }
        outbox::refused(&self.pool, id, error, Some(now + again_after(mail.attempts))).await
    }
}

/// How long after a refusal a mail is tried again, when `refusals` came before it.
fn again_after(refusals: i32) -> Millis {
    let factor = 4_i64.saturating_pow(refusals.unsigned_abs().min(10));
    Millis(AGAIN_FIRST.0.saturating_mul(factor)).min(AGAIN_MOST)
}

async fn deliver(server: &MailServer, message: &Message) -> Result<(), (Fault, String)> {
    match tokio::time::timeout(DELIVERED_WITHIN, server.take(message)).await {
        Ok(taken) => taken.map_err(|refusal| (fault(&refusal), refusal.said)),
        Err(_) => Err((Fault::Ours, "le serveur ne répond pas à temps".to_owned())),
    }
}

/// What a refusal is about, as far as it says so itself.
fn fault(refusal: &Refusal) -> Fault {
    let Some(code) = refusal.code else { return Fault::Ours };
    match refusal.step {
        // Of the mail, nothing but its sender was said.
        Step::Connecting | Step::Sender => Fault::Ours,
        _ if ABOUT_US.contains(&code) => Fault::Ours,
        _ if code < 500 => Fault::Moment,
        step => match enhanced_code(&refusal.said) {
            // The sender's address; too many mails.
            Some((5, 1, 7 | 8) | (5, 4, 5)) => Fault::Ours,
            // The recipient's address, mailbox, and the way there.
            Some((5, 1, 1..) | (5, 2 | 4, _)) => Fault::Recipient,
            // No more than the code itself.
            None | Some((5, 0, _) | (5, 1, 0)) => {
                let said = refusal.said.to_lowercase();
                let about_us = WORDS_ABOUT_US.iter().any(|word| said.contains(word));
                let nobody = step == Step::Recipient && NOBODY_THERE.contains(&code) && !about_us;
                if nobody { Fault::Recipient } else { Fault::Ours }
            }
            // A policy, mostly (5.7.x): against us, or what we write.
            Some(_) => Fault::Ours,
        },
    }
}

/// The enhanced status code of a refusal (RFC 3463), wherever it stands: `5.1.1`, or `(#5.1.1)`.
fn enhanced_code(said: &str) -> Option<(u16, u16, u16)> {
    said.split_whitespace().find_map(|word| {
        let mut parts = word.trim_matches(|c: char| !c.is_ascii_digit()).split('.').map(str::parse::<u16>);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Ok(class @ 4..=5)), Some(Ok(subject @ 0..=7)), Some(Ok(detail @ 0..=999)), None) => {
                Some((class, subject, detail))
            }
            _ => None,
        }
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_at_fault_is_told_by_the_step_the_codes_and_the_words() {
        use Step::{Connecting, Content, Recipient, Sender};
        let cases = [
            (Connecting, None, "Connection refused", Fault::Ours),
            (Connecting, Some(554), "5.7.1 blocked", Fault::Ours),
            (Connecting, Some(550), "go away", Fault::Ours),
            (Sender, Some(550), "sender not allowed", Fault::Ours),
            (Sender, Some(553), "5.1.1 nobody of that name", Fault::Ours),
            (Sender, Some(452), "4.3.1 no room", Fault::Ours),
            (Recipient, None, "connection reset", Fault::Ours),
            (Recipient, Some(421), "closing", Fault::Ours),
            (Recipient, Some(530), "5.7.0 sign in first", Fault::Ours),
            (Recipient, Some(450), "4.2.0 greylisted", Fault::Moment),
            (Recipient, Some(452), "4.2.2 mailbox full", Fault::Moment),
            (Recipient, Some(550), "5.1.1 user unknown", Fault::Recipient),
            (Recipient, Some(554), "5.1.1 user unknown", Fault::Recipient),
            (Recipient, Some(553), "sorry, no mailbox here by that name. (#5.1.1)", Fault::Recipient),
            (Recipient, Some(550), "5.1.10 null MX", Fault::Recipient),
            (Recipient, Some(552), "5.2.2 mailbox full", Fault::Recipient),
            (Recipient, Some(550), "5.4.1 Recipient address rejected: Access denied", Fault::Recipient),
            (Recipient, Some(550), "no such mailbox", Fault::Recipient),
            (Recipient, Some(551), "5.0.0 moved", Fault::Recipient),
            (Recipient, Some(553), "5.1.0 mailbox name not allowed", Fault::Recipient),
            // Who sends, said of a recipient.
            (Recipient, Some(553), "5.7.1 Sender address rejected: not owned by user", Fault::Ours),
            (Recipient, Some(550), "5.1.8 Sender address rejected: Domain not found", Fault::Ours),
            (Recipient, Some(550), "5.1.0 Sender rejected", Fault::Ours),
            (Recipient, Some(550), "relay not permitted", Fault::Ours),
            (Recipient, Some(554), "5.7.1 Relay access denied", Fault::Ours),
            (Recipient, Some(550), "5.4.5 Daily user sending quota exceeded", Fault::Ours),
            (Recipient, Some(554), "no", Fault::Ours),
            (Recipient, Some(503), "5.5.1 bad sequence", Fault::Ours),
            (Recipient, Some(550), "4.4.1 come back later", Fault::Ours),
            // What we write.
            (Content, Some(554), "5.7.1 spam", Fault::Ours),
            (Content, Some(550), "looks like spam", Fault::Ours),
            (Content, Some(550), "5.4.5 Daily user sending quota exceeded", Fault::Ours),
            (Content, Some(552), "5.2.2 mailbox full", Fault::Recipient),
            (Content, Some(451), "4.3.0 later", Fault::Moment),
        ];
        for (step, code, said, expected) in cases {
            let refusal = Refusal { step, code, said: format!("permanent error (550): {said}") };
            assert_eq!(fault(&refusal), expected, "{refusal:?}");
        }
    }

    #[test]
    fn an_enhanced_code_is_no_address_and_no_version() {
        for (said, code) in [
            ("5.1.1 unknown", Some((5, 1, 1))),
            ("permanent error (550): 5.7.26 not signed", Some((5, 7, 26))),
            ("unknown (#5.1.1)", Some((5, 1, 1))),
            ("192.0.2.7 is listed", None),
            ("5.4.3.2 is listed", None),
            ("Postfix 3.7.11", None),
            ("no 5.1", None),
        ] {
            assert_eq!(enhanced_code(said), code, "{said}");
        }
    }

    #[test]
    fn the_pauses_between_refusals_add_up_to_what_is_said_of_them() {
        let pauses = (0..REFUSALS_MAX - 1).map(|refusals| again_after(refusals).0).sum::<i64>();
        assert_eq!(pauses, (7 * 3_600 + 21 * 60 + 15) * 1_000);
    }
}
