//! What people were last told, and how far the journal has been read: moved on in one transaction.

use std::collections::BTreeMap;

use amphi_engine::core::{AmphiId, CallRank, Timestamp};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

/// The passage time somebody was last told, in the amphi's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// When their turn was expected.
    pub at: Timestamp,
    /// When they were told.
    pub told_at: Timestamp,
    /// SEQUENCE of their calendar entry.
    pub sequence: u32,
}

/// What everybody of an amphi was last told.
pub type ToldOfAll = BTreeMap<CallRank, Told>;

/// An amphi whose journal holds entries that have not been read for mails.
#[derive(Debug, Clone, Copy)]
pub struct Unread {
    /// Which.
    pub amphi: AmphiId,
    /// Last entry that has been read.
    pub after: u64,
}

/// The amphis with news: one look at the end of each journal, which is one step in an index.
pub async fn unread(pool: &PgPool) -> Result<Vec<Unread>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT a.id, coalesce(c.seq, 0) AS "seq!" FROM amphis a
           LEFT JOIN mail_cursor c ON c.amphi_id = a.id
           CROSS JOIN LATERAL (SELECT seq FROM events WHERE amphi_id = a.id ORDER BY seq DESC LIMIT 1) AS last
           WHERE last.seq > coalesce(c.seq, 0) ORDER BY a.id"#
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| Unread { amphi: AmphiId(row.id), after: row.seq.unsigned_abs() }).collect())
}

/// The amphis that are published and not over, and what everybody of each was last told.
pub async fn watched(pool: &PgPool) -> Result<BTreeMap<AmphiId, ToldOfAll>, sqlx::Error> {
    let rows = sqlx::query_as!(
        ToldRow,
        "SELECT amphi_id, call_rank, at_ms, told_at_ms, sequence FROM announced_times
         JOIN mail_cursor USING (amphi_id) WHERE watched"
    )
    .fetch_all(pool)
    .await?;
    let mut watched: BTreeMap<_, ToldOfAll> = BTreeMap::new();
    for row in rows {
        watched.entry(AmphiId(row.amphi_id)).or_default().extend(row.read());
    }
    Ok(watched)
}

/// How far a journal has been read.
#[derive(Debug, Clone, Copy)]
pub struct Cursor {
    /// Last entry that has been read.
    pub seq: u64,
    /// Published and not over, as far as has been read.
    pub watched: bool,
}

/// Holds the cursor of an amphi until the end of the transaction, and says where it stands.
pub async fn hold_cursor(connection: &mut PgConnection, amphi: AmphiId) -> Result<Cursor, sqlx::Error> {
    sqlx::query!(
        "INSERT INTO mail_cursor (amphi_id, seq, watched) VALUES ($1, 0, false) ON CONFLICT (amphi_id) DO NOTHING",
        amphi.0
    )
    .execute(&mut *connection)
    .await?;
    let row = sqlx::query!("SELECT seq, watched FROM mail_cursor WHERE amphi_id = $1 FOR UPDATE", amphi.0)
        .fetch_one(connection)
        .await?;
    Ok(Cursor { seq: row.seq.unsigned_abs(), watched: row.watched })
}

/// Moves the cursor on.
pub async fn move_cursor(
    connection: &mut PgConnection,
    amphi: AmphiId,
    to: Cursor,
) -> Result<(), sqlx::Error> {
    let seq = i64::try_from(to.seq).unwrap_or(i64::MAX);
    sqlx::query!(
        "UPDATE mail_cursor SET seq = $2, watched = $3 WHERE amphi_id = $1",
        amphi.0,
        seq,
        to.watched,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What everybody of an amphi was last told.
pub async fn of(connection: &mut PgConnection, amphi: AmphiId) -> Result<ToldOfAll, sqlx::Error> {
    let rows = sqlx::query_as!(
        ToldRow,
        "SELECT amphi_id, call_rank, at_ms, told_at_ms, sequence FROM announced_times WHERE amphi_id = $1",
        amphi.0
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().filter_map(|row| row.read()).collect())
}

struct ToldRow {
    amphi_id: Uuid,
    call_rank: i32,
    at_ms: i64,
    told_at_ms: i64,
    sequence: i32,
}

impl ToldRow {
    fn read(&self) -> Option<(CallRank, Told)> {
        let rank = CallRank(u16::try_from(self.call_rank).ok()?);
        let (at, told_at) = (Timestamp(self.at_ms), Timestamp(self.told_at_ms));
        Some((rank, Told { at, told_at, sequence: self.sequence.unsigned_abs() }))
    }
}

/// Writes down what these people are being told.
pub async fn note(
    connection: &mut PgConnection,
    amphi: AmphiId,
    told: &[(CallRank, Told)],
) -> Result<(), sqlx::Error> {
    if told.is_empty() {
        return Ok(());
    }
    let ranks: Vec<i32> = told.iter().map(|(rank, _)| i32::from(rank.0)).collect();
    let at: Vec<i64> = told.iter().map(|(_, told)| told.at.0).collect();
    let told_at: Vec<i64> = told.iter().map(|(_, told)| told.told_at.0).collect();
    let sequences: Vec<i32> =
        told.iter().map(|(_, told)| i32::try_from(told.sequence).unwrap_or(i32::MAX)).collect();
    sqlx::query!(
        "INSERT INTO announced_times (amphi_id, call_rank, at_ms, told_at_ms, sequence)
         SELECT $1, t.* FROM UNNEST($2::integer[], $3::bigint[], $4::bigint[], $5::integer[]) AS t
         ON CONFLICT (amphi_id, call_rank) DO UPDATE
         SET at_ms = excluded.at_ms, told_at_ms = excluded.told_at_ms, sequence = excluded.sequence",
        amphi.0,
        &ranks,
        &at,
        &told_at,
        &sequences,
    )
    .execute(connection)
    .await?;
    Ok(())
}
