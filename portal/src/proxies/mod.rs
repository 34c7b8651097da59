//! Proxies (A5, 3.4): who acts for an absent intern, from the form to the last choice.
//!
//! The journal knows that a proxy was given, and which; this folder knows to whom. Invariant: the room
//! decides whether a proxy is in force, the table follows it ([`following`]), never the other way round: a
//! crash between the two is mended by asking the room again.
//!
//! A proxy is given in this order, so that a crash in between leaves nothing wrong:
//! 1. the row, without a secret: it opens nothing, and nobody was told;
//! 2. `GiveProxy` in the room, under the id of the form: sent twice, it acts once;
//! 3. the secret's hash, and the mail that carries the secret, in one transaction.
//!
//! A crash after 1 leaves a row the room knows nothing of: it is forgotten. A crash after 2 leaves a proxy
//! whose holder was not told: the link is made and sent then.
//!
//! The secret is in the mail alone; the table holds its SHA-256, and the outbox empties the mail once it is sent, or
//! thirty days after it was given up. A code, sent to the same address, has to be shown once in each browser. Both
//! are worth nothing once the room says that the proxy is used or over.

pub mod document;
pub mod entering;
mod following;
pub mod giving;
mod letters;
pub mod overseeing;
mod store;

use amphi_engine::core::{AmphiId, CallRank, ProxyId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;
use crate::{Portal, people};

/// How long a code is good.
pub(crate) const CODE_VALID_MINUTES: i32 = 10;
/// Codes that may be tried before another one has to be sent: five of a million.
pub(crate) const CODE_ATTEMPTS_MAX: i32 = 5;
/// Codes sent per link. Whoever has the link can try fifty of a million; then the intern sends another link.
pub(crate) const CODES_PER_LINK_MAX: i32 = 10;
/// Between two mails of the same kind: enough for a mail to arrive.
pub(crate) const SENT_AGAIN_AFTER_SECONDS: i32 = 60;
/// Links sent per proxy: a wrong address is not mended by more mails, but by another proxy.
pub(crate) const LINKS_PER_PROXY_MAX: i32 = 20;
/// How long all this is kept from the day on which the proxy is given, its mails and documents included, as the form
/// says; as long as the technical log (domain 7). Forgotten by `retention.rs`.
pub(crate) const KEPT_MONTHS: i32 = 12;

/// Whom an intern names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Holder {
    /// First and last name.
    pub name: String,
    /// Address, in its one spelling.
    pub email: String,
    /// Telephone.
    pub phone: String,
}

/// A row of the table.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub id: ProxyId,
    pub amphi: AmphiId,
    pub rank: CallRank,
    pub holder: Holder,
    pub instructions: String,
    pub links_sent: i32,
    /// A code was sent, and may still be tried.
    pub code_waits: bool,
    /// A code was shown.
    pub confirmed: bool,
    /// The table knows that it has ended.
    pub ended: bool,
}

/// 32 random bytes, as they travel in an address.
fn new_secret() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// Six digits, each as likely.
fn new_code() -> String {
    format!("{:06}", rand::random_range(0..1_000_000_u32))
}

/// What the table holds of a secret.
fn secret_hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// What the table holds of a code. Bound to its proxy, so that equal codes do not look equal.
fn code_hash(proxy: ProxyId, code: &str) -> Vec<u8> {
    Sha256::new().chain_update(proxy.0.as_bytes()).chain_update(code.as_bytes()).finalize().to_vec()
}

/// For whom the holder of `proxy` acts, and what they were told: name and instructions.
pub(crate) async fn principal(
    portal: &Portal,
    amphi: AmphiId,
    rank: CallRank,
    proxy: ProxyId,
) -> Result<Option<(String, String)>, Failure> {
    let Some(record) = store::by_id(&portal.pool, proxy).await? else { return Ok(None) };
    let name = people::name(&portal.pool, amphi, rank).await?;
    Ok(Some((name, record.instructions)))
}
