//! The two tables of this folder.

use amphi_engine::core::{AmphiId, CallRank, Digest, ProxyId};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::{
    CODE_ATTEMPTS_MAX, CODE_VALID_MINUTES, CODES_PER_LINK_MAX, Holder, LINKS_PER_PROXY_MAX, Record,
    SENT_AGAIN_AFTER_SECONDS,
};

/// Documents that one holder may file: the first was not the right one, the second is blurred…
const DOCUMENTS_PER_PROXY_MAX: i64 = 5;

struct Row {
    id: Uuid,
    amphi_id: Uuid,
    call_rank: i32,
    holder_name: String,
    holder_email: String,
    holder_phone: String,
    instructions: String,
    links_sent: i32,
    code_waits: bool,
    confirmed: bool,
    ended: bool,
}

impl From<Row> for Record {
    fn from(row: Row) -> Self {
        Self {
            id: ProxyId(row.id),
            amphi: AmphiId(row.amphi_id),
            rank: CallRank(u16::try_from(row.call_rank).unwrap_or(u16::MAX)),
            holder: Holder { name: row.holder_name, email: row.holder_email, phone: row.holder_phone },
            instructions: row.instructions,
            links_sent: row.links_sent,
            code_waits: row.code_waits,
            confirmed: row.confirmed,
            ended: row.ended,
        }
    }
}

/// Writes a proxy down before the room is asked for it; a second time changes nothing. `false`: the id
/// belongs to somebody else's.
pub async fn write_down(
    pool: &PgPool,
    (id, amphi, rank): (ProxyId, AmphiId, CallRank),
    holder: &Holder,
    instructions: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query!(
        "INSERT INTO proxies (id, amphi_id, call_rank, holder_name, holder_email, holder_phone, instructions)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
        id.0,
        amphi.0,
        i32::from(rank.0),
        holder.name,
        holder.email,
        holder.phone,
        instructions,
    )
    .execute(pool)
    .await?;
    let there = by_id(pool, id).await?;
    Ok(there.is_some_and(|record| (record.amphi, record.rank) == (amphi, rank)))
}

/// Forgets a proxy that the room does not know and of which nobody was told.
pub async fn forget(pool: &PgPool, id: ProxyId) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM proxies WHERE id = $1 AND links_sent = 0", id.0).execute(pool).await?;
    Ok(())
}

pub async fn by_id(pool: &PgPool, id: ProxyId) -> Result<Option<Record>, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT id, amphi_id, call_rank, holder_name, holder_email, holder_phone, instructions, links_sent,
                  confirmed_at IS NOT NULL AS "confirmed!", ended_at IS NOT NULL AS "ended!",
                  (code_hash IS NOT NULL AND code_expires_at > now() AND code_attempts < $2) AS "code_waits!"
           FROM proxies WHERE id = $1"#,
        id.0,
        CODE_ATTEMPTS_MAX,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(Record::from))
}

/// The proxy whose link holds the secret with this hash.
pub async fn by_secret(pool: &PgPool, hash: &[u8]) -> Result<Option<Record>, sqlx::Error> {
    let id = sqlx::query_scalar!("SELECT id FROM proxies WHERE secret_hash = $1", hash)
        .fetch_optional(pool)
        .await?;
    match id {
        Some(id) => by_id(pool, ProxyId(id)).await,
        None => Ok(None),
    }
}

/// A proxy that has not ended as far as the table knows.
pub struct Alive {
    pub id: ProxyId,
    pub amphi: AmphiId,
    pub rank: CallRank,
    pub links_sent: i32,
    /// Older than a form takes to be carried out.
    pub settled: bool,
}

/// All of them.
pub async fn alive(pool: &PgPool) -> Result<Vec<Alive>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, amphi_id, call_rank, links_sent, created_at < now() - interval '1 minute' AS "settled!"
           FROM proxies WHERE ended_at IS NULL ORDER BY amphi_id, call_rank, id"#
    )
    .fetch_all(pool)
    .await?;
    let alive = rows.into_iter().map(|row| Alive {
        id: ProxyId(row.id),
        amphi: AmphiId(row.amphi_id),
        rank: CallRank(u16::try_from(row.call_rank).unwrap_or(u16::MAX)),
        links_sent: row.links_sent,
        settled: row.settled,
    });
    Ok(alive.collect())
}

/// Replaces the secret; gives the number of the link, or nothing when `sent_before` is no longer how many
/// were sent, when the last one is too fresh, or when there have been enough.
pub async fn new_link(
    connection: &mut PgConnection,
    id: ProxyId,
    hash: &[u8],
    sent_before: i32,
) -> Result<Option<i32>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE proxies SET secret_hash = $2, links_sent = links_sent + 1, link_sent_at = now(),
                            code_hash = NULL, codes_sent = 0
         WHERE id = $1 AND ended_at IS NULL AND links_sent = $3 AND links_sent < $4
           AND (link_sent_at IS NULL OR link_sent_at <= now() - make_interval(secs => $5))
         RETURNING links_sent",
        id.0,
        hash,
        sent_before,
        LINKS_PER_PROXY_MAX,
        f64::from(SENT_AGAIN_AFTER_SECONDS),
    )
    .fetch_optional(connection)
    .await
}

/// Replaces the code; gives its number, or nothing when the last one is too fresh or when there have been
/// enough.
pub async fn new_code(
    connection: &mut PgConnection,
    id: ProxyId,
    hash: &[u8],
) -> Result<Option<i32>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE proxies SET code_hash = $2, code_sent_at = now(), code_attempts = 0, codes_sent = codes_sent + 1,
                            code_expires_at = now() + make_interval(mins => $3)
         WHERE id = $1 AND ended_at IS NULL AND codes_sent < $4
           AND (code_sent_at IS NULL OR code_sent_at <= now() - make_interval(secs => $5))
         RETURNING codes_sent",
        id.0,
        hash,
        CODE_VALID_MINUTES,
        CODES_PER_LINK_MAX,
        f64::from(SENT_AGAIN_AFTER_SECONDS),
    )
    .fetch_optional(connection)
    .await
}

/// What trying a code came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// It is the code; it has served.
    Right,
    /// It is not; so many attempts are left.
    Wrong { left: i32 },
    /// No code may be tried: none was sent, or it is too old, or was tried too often.
    NoCode,
}

/// Tries a code. One statement: two attempts at once count as two.
pub async fn try_code(pool: &PgPool, id: ProxyId, hash: &[u8]) -> Result<Tried, sqlx::Error> {
    let row = sqlx::query!(
        r#"UPDATE proxies SET code_attempts = code_attempts + 1,
                  confirmed_at = CASE WHEN code_hash = $2 THEN coalesce(confirmed_at, now()) ELSE confirmed_at END,
                  code_hash = CASE WHEN code_hash = $2 THEN NULL ELSE code_hash END
           WHERE id = $1 AND ended_at IS NULL AND code_hash IS NOT NULL AND code_expires_at > now()
             AND code_attempts < $3
           RETURNING code_hash IS NULL AS "right!", code_attempts"#,
        id.0,
        hash,
        CODE_ATTEMPTS_MAX,
    )
    .fetch_optional(pool)
    .await?;
    Ok(match row {
        None => Tried::NoCode,
        Some(row) if row.right => Tried::Right,
        Some(row) => Tried::Wrong { left: CODE_ATTEMPTS_MAX - row.code_attempts },
    })
}

/// Notes that the journal has ended a proxy: its link and its code are good for nothing. Says whether that
/// is new.
pub async fn end(connection: &mut PgConnection, id: ProxyId) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query!(
        "UPDATE proxies SET ended_at = now(), secret_hash = NULL, code_hash = NULL
         WHERE id = $1 AND ended_at IS NULL",
        id.0
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected() > 0)
}

/// A signed document.
pub struct Document {
    pub kind: String,
    pub bytes: Vec<u8>,
}

/// Keeps a document; the same one twice is one. `false`: there are enough.
pub async fn keep_document(
    pool: &PgPool,
    proxy: ProxyId,
    document: Digest,
    kind: &str,
    bytes: &[u8],
) -> Result<bool, sqlx::Error> {
    sqlx::query!(
        "INSERT INTO proxy_documents (proxy_id, sha256, kind, bytes)
         SELECT $1, $2, $3, $4 WHERE (SELECT count(*) FROM proxy_documents WHERE proxy_id = $1) < $5
         ON CONFLICT (proxy_id, sha256) DO NOTHING",
        proxy.0,
        &document.0[..],
        kind,
        bytes,
        DOCUMENTS_PER_PROXY_MAX,
    )
    .execute(pool)
    .await?;
    let there = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM proxy_documents WHERE proxy_id = $1 AND sha256 = $2) AS "there!""#,
        proxy.0,
        &document.0[..],
    )
    .fetch_one(pool)
    .await?;
    Ok(there)
}

/// The document that the journal names.
pub async fn document(
    pool: &PgPool,
    proxy: ProxyId,
    document: Digest,
) -> Result<Option<Document>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT kind, bytes FROM proxy_documents WHERE proxy_id = $1 AND sha256 = $2",
        proxy.0,
        &document.0[..],
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Document { kind: row.kind, bytes: row.bytes }))
}
