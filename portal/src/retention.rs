//! How long what names somebody or opens a door is kept, and the one sweep that forgets it.
//!
//! | what | is kept |
//! |---|---|
//! | a proxy with its documents, its doors and its mails | as long as its form says |
//! | to whom a mail went, and its subject | twelve months; kind, rank, dates and key stay |
//! | the body of a mail that was given up | thirty days; of one that was sent, not at all (`mail/outbox.rs`) |
//! | a session that is over, with its doors | a day |
//! | who lost something of a session | a day, which `passes.rs` relies on |
//!
//! Their SQL stands here and not beside the owners of the tables: it is one promise, read in one place. The times
//! are those of Postgres. Every server sweeps, and two at the same moment do not matter: what one has in hand the
//! other passes over, and nothing is forgotten twice. Some rows at a time, because the choices beside a sweep are in
//! a hurry and forgetting is not.

use std::time::Duration;

use sqlx::PgPool;

use crate::Portal;
use crate::proxies::KEPT_MONTHS as PROXIES_KEPT_MONTHS;

/// How long the outbox says to whom a mail went: it outlasts every contest about a session ("I was never told"), and
/// no more than the technical log is kept (domain 7).
pub const MAILS_KEPT_MONTHS: i32 = 12;
/// How long a mail that was given up can be sent again as it was written (`mail/retry.rs`): weeks, in which whoever
/// runs the site mends what it was refused for. Not for ever, because its links open doors.
pub const GIVEN_UP_BODIES_KEPT_DAYS: i32 = 30;
/// A session that is over opens nothing. Kept for the watch of the passes, which looks for those that end.
const ENDED_SESSIONS_KEPT_DAYS: i32 = 1;
/// How long is noted that a session lost something. A server hears of it within the second; whoever has heard
/// nothing for long asks about everybody ([`crate::passes`]).
pub(crate) const LOSSES_KEPT_DAYS: i32 = 1;

/// How often is swept: often enough that little is found.
const SWEPT_EVERY: Duration = Duration::from_secs(3_600);
/// Not at the start, when everybody comes back.
const FIRST_SWEPT_AFTER: Duration = Duration::from_secs(300);
/// Rows of one table that one statement forgets, which takes some milliseconds…
const AT_ONCE: i64 = 500;
/// …and the pause before the next ones.
const PAUSE: Duration = Duration::from_millis(50);

impl Portal {
    /// Sweeps once an hour; runs until it is dropped.
    pub async fn watch_retention(&self) {
        tokio::time::sleep(FIRST_SWEPT_AFTER).await;
        loop {
            match forget_what_is_old(&self.pool).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "what was kept long enough is forgotten"),
                Err(error) => tracing::warn!(%error, "what was kept long enough stays until the next hour"),
            }
            tokio::time::sleep(SWEPT_EVERY).await;
        }
    }
}

/// Forgets whatever has been kept long enough; says how many rows that were. What somebody else has in hand is left
/// to the next sweep.
///
/// # Errors
/// When the database does not answer; what was forgotten stays so.
pub async fn forget_what_is_old(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let mut forgotten = 0;
    loop {
        let some = forget_some(pool).await?;
        if some == 0 {
            return Ok(forgotten);
        }
        forgotten += some;
        tokio::time::sleep(PAUSE).await;
    }
}

/// One step. Whatever it counts it will not find again.
async fn forget_some(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let proxies = sqlx::query!(
        "DELETE FROM proxies WHERE id IN (
             SELECT id FROM proxies WHERE created_at < now() - make_interval(months => $1)
             LIMIT $2 FOR UPDATE SKIP LOCKED)",
        PROXIES_KEPT_MONTHS,
        AT_ONCE,
    )
    .execute(pool)
    .await?;
    // Whoever might still have waited for one waits no longer; it is given up.
    let mails = sqlx::query!(
        "UPDATE outbox SET recipient = '', recipient_name = '', subject = '', body_text = '', body_html = '',
                           calendar = NULL, calendar_method = NULL, last_error = NULL, next_attempt_at = NULL
         WHERE id IN (
             SELECT id FROM outbox WHERE recipient <> '' AND created_at < now() - make_interval(months => $1)
             ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        MAILS_KEPT_MONTHS,
        AT_ONCE,
    )
    .execute(pool)
    .await?;
    let bodies = sqlx::query!(
        "UPDATE outbox SET body_text = '', body_html = '', calendar = NULL, calendar_method = NULL
         WHERE id IN (
             SELECT id FROM outbox WHERE next_attempt_at IS NULL AND sent_at IS NULL AND body_text <> ''
               AND given_up_at < now() - make_interval(days => $1)
             ORDER BY given_up_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        GIVEN_UP_BODIES_KEPT_DAYS,
        AT_ONCE,
    )
    .execute(pool)
    .await?;
    let sessions = sqlx::query!(
        "DELETE FROM sessions WHERE id IN (
             SELECT id FROM sessions WHERE expires_at < now() - make_interval(days => $1)
             ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        ENDED_SESSIONS_KEPT_DAYS,
        AT_ONCE,
    )
    .execute(pool)
    .await?;
    // These have no name but their place, which nobody changes.
    let losses = sqlx::query!(
        "DELETE FROM session_losses WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM session_losses WHERE noted_at < now() - make_interval(days => $1)
             LIMIT $2 FOR UPDATE SKIP LOCKED))",
        LOSSES_KEPT_DAYS,
        AT_ONCE,
    )
    .execute(pool)
    .await?;
    Ok([proxies, mails, bodies, sessions, losses].iter().map(|done| done.rows_affected()).sum())
}
