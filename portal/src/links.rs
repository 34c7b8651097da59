//! Personal links: an address that opens one door, signed by this server, until it expires.
//!
//! The token holds amphi, role, rank and expiry, and an HMAC-SHA256 over them; nothing is stored. Real
//! accounts replace it for interns and administrators; invitations keep it.

use amphi_engine::core::AmphiId;
use amphi_engine::protocol::Role;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sqlx::PgPool;
use uuid::Uuid;

use crate::doors::Door;

/// How long a link is good: published weeks before an amphi, used until its minutes are signed.
pub const LINK_VALID_DAYS: i64 = 60;

const BODY_BYTES: usize = 1 + 16 + 1 + 2 + 8;
const VERSION: u8 = 1;

/// The key that signs links.
#[derive(Clone)]
pub struct LinkKey([u8; 32]);

impl LinkKey {
    /// The key of this database, made at the first start.
    ///
    /// # Errors
    /// When the database does not answer, or holds something else than a key.
    pub async fn load(pool: &PgPool) -> Result<Self, sqlx::Error> {
        let fresh: [u8; 32] = rand::random();
        sqlx::query!(
            "INSERT INTO site (id, link_key) VALUES (1, $1) ON CONFLICT (id) DO NOTHING",
            &fresh[..]
        )
        .execute(pool)
        .await?;
        let key = sqlx::query_scalar!("SELECT link_key FROM site WHERE id = 1").fetch_one(pool).await?;
        let key = key.try_into().map_err(|_| sqlx::Error::Decode("the link key is not a key".into()))?;
        Ok(Self(key))
    }

    /// Notes the address under which this site is reached, for those who make links elsewhere.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn publish_address(pool: &PgPool, public_url: &str) -> Result<(), sqlx::Error> {
        sqlx::query!("UPDATE site SET public_url = $1 WHERE id = 1", public_url).execute(pool).await?;
        Ok(())
    }

    /// The address under which this site was last reached.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn address(pool: &PgPool) -> Result<Option<String>, sqlx::Error> {
        Ok(sqlx::query_scalar!("SELECT public_url FROM site WHERE id = 1")
            .fetch_optional(pool)
            .await?
            .flatten())
    }

    /// A key that is known, for tests without a database.
    #[cfg(test)]
    pub(crate) fn fixed(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The token that opens `door` until `expires_at` (seconds since 1970).
    pub fn sign(&self, door: Door, expires_at: i64) -> String {
        let mut token = body(door, expires_at);
        let signature = self.mac(&token).finalize().into_bytes();
        token.extend_from_slice(&signature);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The door that `token` opens at `now`, and until when (seconds since 1970), if it is ours and has not
    /// expired.
    pub fn verify(&self, token: &str, now: i64) -> Option<(Door, i64)> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (body, signature) = bytes.split_at_checked(BODY_BYTES)?;
        self.mac(body).verify_slice(signature).ok()?;
        let amphi = AmphiId(Uuid::from_slice(&body[1..17]).ok()?);
        let role = match body[17] {
            0 => "intern",
            1 => "administrator",
            2 => "spectator",
            _ => return None,
        };
        let rank = u16::from_be_bytes([body[18], body[19]]);
        let expires_at = i64::from_be_bytes(body[20..28].try_into().ok()?);
        let door = Door::from_columns(amphi, role, i32::from(rank), None)?;
        (body[0] == VERSION && now < expires_at).then_some((door, expires_at))
    }

    fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(b"amphi personal link");
        mac.update(body);
        mac
    }
}

fn body(door: Door, expires_at: i64) -> Vec<u8> {
    let (_, rank) = door.role_columns();
    let role = match door.role {
        Role::Intern { .. } => 0,
        Role::Administrator => 1,
        Role::Spectator => 2,
        // Opens nothing: a proxy ends, what is signed does not. Its link is in a table (`proxies/`).
        Role::Holder { .. } => 3,
    };
    let rank = u16::try_from(rank).expect("ranks are 16 bits wide");
    let mut body = Vec::with_capacity(BODY_BYTES + 32);
    body.push(VERSION);
    body.extend_from_slice(door.amphi.0.as_bytes());
    body.push(role);
    body.extend_from_slice(&rank.to_be_bytes());
    body.extend_from_slice(&expires_at.to_be_bytes());
    body
}

#[cfg(test)]
mod tests {
    use amphi_engine::core::CallRank;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn door(role: Role) -> Door {
        Door { amphi: AmphiId(Uuid::from_u128(7)), role }
    }

    #[test]
    fn a_link_opens_its_door_until_it_expires() {
        let key = LinkKey([1; 32]);
        for role in [Role::Intern { rank: CallRank(490) }, Role::Administrator, Role::Spectator] {
            let token = key.sign(door(role), NOW + 10);
            assert_eq!(key.verify(&token, NOW), Some((door(role), NOW + 10)));
            assert_eq!(key.verify(&token, NOW + 10), None);
            assert_eq!(LinkKey([2; 32]).verify(&token, NOW), None, "another server's key");
        }
    }

    #[test]
    fn a_link_changed_anywhere_opens_nothing() {
        let key = LinkKey([1; 32]);
        let token = key.sign(door(Role::Intern { rank: CallRank(12) }), NOW + 10);
        let bytes = URL_SAFE_NO_PAD.decode(&token).expect("our own token");
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            assert_eq!(key.verify(&URL_SAFE_NO_PAD.encode(changed), NOW), None, "byte {index}");
        }
        for length in 0..bytes.len() {
            assert_eq!(key.verify(&URL_SAFE_NO_PAD.encode(&bytes[..length]), NOW), None);
        }
        assert_eq!(key.verify("", NOW), None);
        assert_eq!(key.verify("é", NOW), None);
    }
}
