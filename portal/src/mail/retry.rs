//! Given-up mails, put in the queue once more: for whoever has mended what they were refused for.
//!
//! Left alone is what could only mislead: a code that has expired, and what has no body any more.

use amphi_engine::core::{AmphiId, Timestamp};
use sqlx::PgPool;

use super::message::MailKind;
use super::outbox::utc;

/// What became of the mails that were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retried {
    /// In the queue again, with all their attempts before them.
    pub waiting: u64,
    /// Given up as before.
    pub left: i64,
}

/// Puts the given-up mails of `amphi`, or of all, in the queue again, due at `now` (wall clock); they go out in the
/// order in which they were written.
///
/// # Errors
/// When the database does not answer.
pub async fn retry(pool: &PgPool, amphi: Option<AmphiId>, now: Timestamp) -> Result<Retried, sqlx::Error> {
    let amphi = amphi.map(|amphi| amphi.0);
    let again = sqlx::query!(
        "UPDATE outbox SET next_attempt_at = $2, attempts = 0
         WHERE sent_at IS NULL AND next_attempt_at IS NULL AND body_text <> '' AND kind <> $3
           AND amphi_id = coalesce($1::uuid, amphi_id)",
        amphi,
        utc(now),
        MailKind::ProxyCode.code(),
    )
    .execute(pool)
    .await?;
    let left = sqlx::query_scalar!(
        r#"SELECT count(*) AS "left!" FROM outbox
           WHERE sent_at IS NULL AND next_attempt_at IS NULL AND amphi_id = coalesce($1::uuid, amphi_id)"#,
        amphi,
    )
    .fetch_one(pool)
    .await?;
    Ok(Retried { waiting: again.rows_affected(), left })
}
