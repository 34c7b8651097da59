//! Reading on in a journal: for those who follow what happens and keep a cursor of their own.

use amphi_core::{AmphiId, Event};
use sqlx::PgPool;

use super::JournalError;

/// Entries read at once: some tens of kilobytes; whoever follows comes back for the rest.
const READ_AT_ONCE_MAX: i64 = 500;

/// What happened in `amphi` after entry `seq`, in order, with the number of each entry; the first 500.
///
/// It is written, but the room may not have applied it yet: compare with where its ledger stands. The
/// chain is not checked again; the room does so when it loads.
///
/// # Errors
/// [`JournalError::Unavailable`], or [`JournalError::Damaged`] when an entry cannot be read.
pub async fn events_after(
    pool: &PgPool,
    amphi: AmphiId,
    seq: u64,
) -> Result<Vec<(u64, Event)>, JournalError> {
    let rows = sqlx::query!(
        "SELECT seq, payload FROM events WHERE amphi_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        amphi.0,
        i64::try_from(seq).unwrap_or(i64::MAX),
        READ_AT_ONCE_MAX,
    )
    .fetch_all(pool)
    .await?;
    let read = |seq: i64, payload: &str| {
        let event = serde_json::from_str(payload);
        let damaged = |_| JournalError::Damaged(format!("entry {seq} cannot be read"));
        Ok((seq.unsigned_abs(), event.map_err(damaged)?))
    };
    rows.iter().map(|row| read(row.seq, &row.payload)).collect()
}
