//! The outbox: mails written down with what causes them, until a server has taken them.
//!
//! A mail waits (`next_attempt_at` set), is sent (`sent_at` set), or is given up (neither): then it stays,
//! with the reason, for administrators to see, and its body for thirty days, in which it can be retried. To whom
//! a mail went is forgotten after a year; of a proxy's, the whole mail with the proxy (`retention.rs`).

use amphi_engine::core::{AmphiId, CallRank, Timestamp};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::message::{CalendarEntry, CalendarMethod, Mail, Recipient};

/// Given-up mails that are told one by one; more than these are a sign of one common cause.
const GIVEN_UP_SHOWN_MAX: i64 = 50;

/// Puts mails in the outbox, to be sent from `now` (wall clock) on; says how many of them were new.
///
/// In the transaction of whatever causes them: then there is one mail exactly if there is a cause. In one statement: a
/// session that is published tells hundreds at once.
///
/// # Errors
/// When the database does not answer.
pub async fn enqueue(
    connection: &mut PgConnection,
    mails: &[Mail],
    now: Timestamp,
) -> Result<usize, sqlx::Error> {
    if mails.is_empty() {
        return Ok(0);
    }
    let column = |of: fn(&Mail) -> &str| mails.iter().map(of).collect::<Vec<&str>>();
    let calendars = |of: fn(&CalendarEntry) -> &str| {
        mails.iter().map(|mail| mail.calendar.as_ref().map(of)).collect::<Vec<Option<&str>>>()
    };
    // In the order of the mails: those of one amphi go out in the order in which it came about.
    let ids: Vec<Uuid> = mails.iter().map(|_| Uuid::now_v7()).collect();
    let amphis: Vec<Uuid> = mails.iter().map(|mail| mail.amphi.0).collect();
    let ranks: Vec<Option<i32>> = mails.iter().map(|mail| mail.rank.map(|rank| i32::from(rank.0))).collect();
    let proxies: Vec<Option<Uuid>> = mails.iter().map(|mail| mail.proxy.map(|proxy| proxy.0)).collect();
    let written = sqlx::query!(
        "INSERT INTO outbox (id, amphi_id, call_rank, kind, recipient, recipient_name, subject, body_text, body_html,
                             calendar, calendar_method, dedupe_key, proxy_id, created_at, next_attempt_at)
         SELECT m.*, $14, $14
         FROM UNNEST($1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::text[], $11::text[], $12::text[], $13::uuid[]) AS m
         ON CONFLICT (dedupe_key) DO NOTHING",
        &ids,
        &amphis,
        &ranks as &[Option<i32>],
        &column(|mail| mail.kind.code()) as &[&str],
        &column(|mail| &mail.recipient.address) as &[&str],
        &column(|mail| &mail.recipient.name) as &[&str],
        &column(|mail| &mail.message.subject) as &[&str],
        &column(|mail| &mail.message.text) as &[&str],
        &column(|mail| &mail.message.html) as &[&str],
        &calendars(|entry| &entry.text) as &[Option<&str>],
        &calendars(|entry| entry.method.code()) as &[Option<&str>],
        &column(|mail| &mail.dedupe_key) as &[&str],
        &proxies as &[Option<Uuid>],
        utc(now),
    )
    .execute(connection)
    .await?;
    Ok(usize::try_from(written.rows_affected()).unwrap_or(usize::MAX))
}

/// A mail on its way.
pub(super) struct Claimed {
    pub id: Uuid,
    pub amphi: AmphiId,
    pub kind: String,
    pub recipient: Recipient,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub calendar: Option<CalendarEntry>,
    pub attempts: i32,
}

/// Takes up to `limit` mails that are due at `now`, the oldest first. They are due again at `until`:
/// whoever dies with them in hand leaves them to the next sender.
pub(super) async fn claim(
    pool: &PgPool,
    now: Timestamp,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<Claimed>, sqlx::Error> {
    let rows = sqlx::query!(
        "UPDATE outbox SET next_attempt_at = $2
         WHERE id IN (SELECT id FROM outbox WHERE next_attempt_at <= $1
                      ORDER BY next_attempt_at, id LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING id, amphi_id, kind, recipient, recipient_name, subject, body_text, body_html, calendar,
                   calendar_method, attempts",
        utc(now),
        utc(until),
        limit,
    )
    .fetch_all(pool)
    .await?;
    let calendar = |text: Option<String>, method: Option<String>| {
        let method = match method?.as_str() {
            "CANCEL" => CalendarMethod::Cancel,
            _ => CalendarMethod::Request,
        };
        Some(CalendarEntry { method, text: text? })
    };
    let claimed = rows.into_iter().map(|row| Claimed {
        id: row.id,
        amphi: AmphiId(row.amphi_id),
        kind: row.kind,
        recipient: Recipient { name: row.recipient_name, address: row.recipient },
        subject: row.subject,
        text: row.body_text,
        html: row.body_html,
        calendar: calendar(row.calendar, row.calendar_method),
        attempts: row.attempts,
    });
    let mut claimed: Vec<Claimed> = claimed.collect();
    // Written first, sent first; an update returns its rows in any order.
    claimed.sort_unstable_by_key(|mail| mail.id);
    Ok(claimed)
}

/// A server has taken the mail. What it said is no longer needed here.
pub(super) async fn sent(pool: &PgPool, id: Uuid, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE outbox SET sent_at = $2, next_attempt_at = NULL, last_error = NULL,
                           body_text = '', body_html = '', calendar = NULL
         WHERE id = $1",
        id,
        utc(now),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// A server has refused the mail; it is tried again at `again`, or given up.
pub(super) async fn refused(
    pool: &PgPool,
    id: Uuid,
    error: &str,
    again: Option<Timestamp>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE outbox SET attempts = attempts + 1, last_error = $2, next_attempt_at = $3,
                           given_up_at = CASE WHEN $3::timestamptz IS NULL THEN now() END
         WHERE id = $1",
        id,
        error,
        again.map(utc),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// No server could be asked: the mail is due again at `again`, and this was no attempt.
pub(super) async fn put_back(
    pool: &PgPool,
    id: Uuid,
    error: &str,
    again: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE outbox SET last_error = $2, next_attempt_at = $3 WHERE id = $1",
        id,
        error,
        utc(again),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Where the mails of one amphi stand, for its administrators.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Not sent yet.
    pub waiting: i64,
    /// Taken by a server.
    pub sent: i64,
    /// Given up, in all.
    pub given_up: i64,
    /// Why mails wait, as a server, or the lack of one, said last.
    pub trouble: Option<String>,
    /// Those given up, the latest first, up to a bound.
    pub failures: Vec<Failed>,
}

/// A mail that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Whose turn it was about.
    pub rank: Option<CallRank>,
    /// [`MailKind::code`](super::MailKind::code).
    pub kind: String,
    /// To which address; empty once that is forgotten.
    pub recipient: String,
    /// What the server said.
    pub error: String,
}

/// Where the mails of `amphi` stand.
///
/// # Errors
/// When the database does not answer.
pub async fn standing(pool: &PgPool, amphi: AmphiId) -> Result<Standing, sqlx::Error> {
    let counts = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE next_attempt_at IS NOT NULL) AS "waiting!",
                  count(*) FILTER (WHERE sent_at IS NOT NULL) AS "sent!",
                  count(*) FILTER (WHERE next_attempt_at IS NULL AND sent_at IS NULL) AS "given_up!"
           FROM outbox WHERE amphi_id = $1"#,
        amphi.0
    )
    .fetch_one(pool)
    .await?;
    let trouble = sqlx::query_scalar!(
        r#"SELECT last_error AS "last_error!" FROM outbox
           WHERE amphi_id = $1 AND next_attempt_at IS NOT NULL AND last_error IS NOT NULL
           ORDER BY next_attempt_at DESC LIMIT 1"#,
        amphi.0
    )
    .fetch_optional(pool)
    .await?;
    let failures = sqlx::query!(
        "SELECT call_rank, kind, recipient, last_error FROM outbox
         WHERE amphi_id = $1 AND next_attempt_at IS NULL AND sent_at IS NULL ORDER BY id DESC LIMIT $2",
        amphi.0,
        GIVEN_UP_SHOWN_MAX,
    )
    .fetch_all(pool)
    .await?;
    let failures = failures.into_iter().map(|row| Failed {
        rank: row.call_rank.and_then(|rank| u16::try_from(rank).ok()).map(CallRank),
        kind: row.kind,
        recipient: row.recipient,
        error: row.last_error.unwrap_or_default(),
    });
    Ok(Standing {
        waiting: counts.waiting,
        sent: counts.sent,
        given_up: counts.given_up,
        trouble,
        failures: failures.collect(),
    })
}

pub(super) fn utc(at: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at.0).unwrap_or_default()
}
