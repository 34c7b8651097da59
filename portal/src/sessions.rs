//! Sessions: what a browser remembers, revocable, in a table of our own.
//!
//! The cookie holds a random secret; the table holds its SHA-256, so that a leaked table opens nothing.

use amphi_engine::core::{AmphiId, ProxyId};
use axum::http::{HeaderMap, header};
use axum_extra::extract::cookie::CookieJar;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;
use uuid::Uuid;

use crate::doors::Door;

/// How long a browser stays signed in (domain 7), from the last time that it opened a link.
pub const SESSION_DAYS: i32 = 30;

/// What a session cookie is called and whether it travels over TLS only.
#[derive(Debug, Clone, Copy)]
pub struct CookiePolicy {
    /// Served over TLS: then the cookie is bound to this host and to TLS.
    pub secure: bool,
}

impl CookiePolicy {
    fn name(self) -> &'static str {
        if self.secure { "__Host-amphi" } else { "amphi" }
    }

    /// The secret the browser sent, if any.
    pub fn secret(self, headers: &HeaderMap) -> Option<String> {
        CookieJar::from_headers(headers).get(self.name()).map(|cookie| cookie.value().to_owned())
    }

    /// The header value that makes the browser remember `secret`.
    pub fn remember(self, secret: &str) -> String {
        self.cookie(secret, i64::from(SESSION_DAYS))
    }

    /// The header value that makes the browser forget.
    pub fn forget(self) -> String {
        self.cookie("", 0)
    }

    fn cookie(self, value: &str, days: i64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        let seconds = days * 24 * 60 * 60;
        format!("{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}", self.name())
    }
}

fn hash_of(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// The session of the browser with this secret, and the doors it has open; none without a door.
///
/// # Errors
/// When the database does not answer.
pub async fn doors(pool: &PgPool, secret: &str) -> Result<Option<(Uuid, Vec<Door>)>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT s.id, d.amphi_id, d.role, d.call_rank, d.proxy_id FROM sessions s
         JOIN session_doors d ON d.session_id = s.id
         WHERE s.secret_hash = $1 AND s.expires_at > now()
         ORDER BY d.amphi_id, d.role, d.call_rank",
        hash_of(secret)
    )
    .fetch_all(pool)
    .await?;
    let doors = rows.iter().filter_map(|row| {
        Door::from_columns(AmphiId(row.amphi_id), &row.role, row.call_rank, row.proxy_id.map(ProxyId))
    });
    let doors = doors.collect();
    Ok(rows.first().map(|row| (row.id, doors)))
}

/// Opens `door` for the browser with this secret, or for a new session, which is good for [`SESSION_DAYS`] from now
/// on: whoever opens their link again before their turn is not signed out in the middle of it. Returns the secret
/// that the browser is to remember as long.
///
/// # Errors
/// When the database does not answer; then nothing is opened.
pub async fn open(pool: &PgPool, secret: Option<&str>, door: Door) -> Result<String, sqlx::Error> {
    let (role, rank) = door.role_columns();
    let proxy = door.proxy().map(|proxy| proxy.0);
    if let Some(secret) = secret {
        let opened = sqlx::query!(
            "WITH session AS (
                 UPDATE sessions SET expires_at = now() + make_interval(days => $2)
                 WHERE secret_hash = $1 AND expires_at > now() RETURNING id
             )
             INSERT INTO session_doors (session_id, amphi_id, role, call_rank, proxy_id)
             SELECT id, $3, $4, $5, $6 FROM session
             ON CONFLICT (session_id, amphi_id, role, call_rank) DO UPDATE SET proxy_id = excluded.proxy_id",
            hash_of(secret),
            SESSION_DAYS,
            door.amphi.0,
            role,
            rank,
            proxy,
        )
        .execute(pool)
        .await?;
        if opened.rows_affected() > 0 {
            return Ok(secret.to_owned());
        }
    }
    let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    // One statement: a session without its door would be of no use.
    sqlx::query!(
        "WITH session AS (
             INSERT INTO sessions (id, secret_hash, expires_at)
             VALUES ($1, $2, now() + make_interval(days => $3)) RETURNING id
         )
         INSERT INTO session_doors (session_id, amphi_id, role, call_rank, proxy_id)
         SELECT id, $4, $5, $6, $7 FROM session",
        Uuid::now_v7(),
        hash_of(&secret),
        SESSION_DAYS,
        door.amphi.0,
        role,
        rank,
        proxy,
    )
    .execute(pool)
    .await?;
    Ok(secret)
}

/// Has the session of the browser with this secret last as long as a new one would, from now on.
///
/// # Errors
/// When the database does not answer.
pub async fn renew(pool: &PgPool, secret: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE sessions SET expires_at = now() + make_interval(days => $2)
         WHERE secret_hash = $1 AND expires_at > now()",
        hash_of(secret),
        SESSION_DAYS,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Ends the session of the browser with this secret; says which it was.
///
/// # Errors
/// When the database does not answer.
pub async fn end(pool: &PgPool, secret: &str) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!("DELETE FROM sessions WHERE secret_hash = $1 RETURNING id", hash_of(secret))
        .fetch_optional(pool)
        .await
}

/// The value of `Authorization: Bearer`, for programs.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}
