//! Mails: what happens in an amphi, told to whom it concerns, once.
//!
//! What is to be told is read from the journal with a cursor (`announcing.rs`), never from a request: an
//! amphi published by the command line, by a page, or just before a crash gets its mails all the same.
//! Cursor, mails and what people were told move on in one transaction; sending comes afterwards
//! (`sender.rs`), at least once, each time the same mail under the same Message-ID. What mails say is pure
//! (`convocation.rs`, `proxies.rs`, `calendar.rs`). Invariant: no address and no name in a log.

pub mod announcing;
mod calendar;
mod choices;
mod convocation;
pub(crate) mod desk;
mod message;
pub mod outbox;
pub mod proxies;
pub mod retry;
pub mod sender;
pub mod server;
pub mod sink;
pub mod sink_pages;
mod told;

use amphi_engine::core::{AmphiId, CallRank, Timestamp};
use amphi_engine::protocol::Role;

use crate::doors::Door;
use crate::links::{LINK_VALID_DAYS, LinkKey};

pub use convocation::Setting;
pub use message::{CalendarEntry, CalendarMethod, Mail, MailKind, Message, Recipient};

/// What mails need to know of the site that sends them.
#[derive(Clone)]
pub struct MailSite {
    /// Scheme and host under which people reach this server, without a final slash.
    pub public_url: String,
    /// What signs personal links.
    pub links: LinkKey,
    /// Whom mails come from.
    pub from: Recipient,
}

impl MailSite {
    /// The personal link of the intern at `rank`, good for 60 days from `now` or from the turn, whichever
    /// is later: an amphi may be published months ahead.
    pub(crate) fn link(
        &self,
        amphi: AmphiId,
        rank: CallRank,
        now: Timestamp,
        turn: Option<Timestamp>,
    ) -> String {
        let from = turn.map_or(now, |turn| turn.max(now));
        let expires_at = from.0 / 1_000 + LINK_VALID_DAYS * 24 * 60 * 60;
        let door = Door { amphi, role: Role::Intern { rank } };
        format!("{}/entrer/{}", self.public_url, self.links.sign(door, expires_at))
    }
}
