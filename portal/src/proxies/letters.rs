//! The three mails of a proxy, put in the outbox in the transaction that causes them.

use amphi_engine::clock::wall_clock_now;
use amphi_engine::core::{Millis, Snapshot, Timestamp};
use sqlx::PgConnection;

use super::{CODE_VALID_MINUTES, Record};
use crate::Portal;
use crate::mail::outbox;
use crate::mail::proxies::ProxyMail;
use crate::mail::{MailSite, Recipient, Setting};

/// What every letter about a proxy needs.
pub(super) struct Letters<'a> {
    pub snapshot: &'a Snapshot,
    pub record: &'a Record,
    /// First and last name of the intern.
    pub principal: &'a str,
    pub site: MailSite,
}

impl<'a> Letters<'a> {
    pub fn new(portal: &Portal, snapshot: &'a Snapshot, record: &'a Record, principal: &'a str) -> Self {
        // Whom it comes from is the sender's business; no calendar entry goes with these.
        let from = Recipient { name: String::new(), address: String::new() };
        let site = MailSite { public_url: portal.public_url.clone(), links: portal.links.clone(), from };
        Self { snapshot, record, principal, site }
    }

    pub async fn given(
        &self,
        outbox: &mut PgConnection,
        secret: &str,
        number: i32,
        expected_at: Option<Timestamp>,
    ) -> Result<(), sqlx::Error> {
        let link = format!("{}{}", self.site.public_url, super::entering::path(secret));
        let instructions = &self.record.instructions;
        self.put(outbox, &number.to_string(), |mail| mail.given(&link, instructions, expected_at)).await
    }

    pub async fn code(&self, outbox: &mut PgConnection, code: &str, number: i32) -> Result<(), sqlx::Error> {
        let valid_for = Millis::from_minutes(i64::from(CODE_VALID_MINUTES));
        let occasion = format!("{}.{number}", self.record.links_sent);
        self.put(outbox, &occasion, |mail| mail.code(code, valid_for)).await
    }

    pub async fn ended(&self, outbox: &mut PgConnection, reason: &str) -> Result<(), sqlx::Error> {
        self.put(outbox, "fin", |mail| mail.ended(reason)).await
    }

    async fn put(
        &self,
        connection: &mut PgConnection,
        occasion: &str,
        write: impl FnOnce(&ProxyMail<'_>) -> crate::mail::Mail,
    ) -> Result<(), sqlx::Error> {
        let now = wall_clock_now();
        let holder = &self.record.holder;
        let mail = write(&ProxyMail {
            setting: &Setting::new(self.snapshot, &self.site, now),
            rank: self.record.rank,
            proxy: self.record.id,
            principal: self.principal,
            holder: &Recipient { name: holder.name.clone(), address: holder.email.clone() },
            occasion: &format!("{}:{occasion}", self.record.id),
        });
        outbox::enqueue(connection, &[mail], now).await?;
        Ok(())
    }
}
