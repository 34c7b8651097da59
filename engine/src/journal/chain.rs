//! One entry of the journal, its line in an export, and the hash that chains it.
//!
//! An exported journal is text: a header line, then one JSON line per entry. Each entry's hash is
//! SHA-256 over the hash before it (32 bytes) and the line itself without its `hash` field; the first
//! one follows the SHA-256 of the header line. So every byte of an export is covered, and whoever
//! checks it needs no canonical form of JSON: only the bytes of the file.

use std::fmt;
use std::str::FromStr;

use amphi_core::planted::{self, Bug};
use amphi_core::{Actor, AmphiId, CommandId, Event, Timestamp};
use sha2::{Digest, Sha256};

/// SHA-256 of a journal up to an entry.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Hash {
    type Err = ();
    /// Reads 64 lower-case hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(());
        }
        let mut hash = [0; 32];
        for (index, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).map_err(|_| ())?;
        }
        Ok(Self(hash))
    }
}

/// The first line of an export.
pub fn header_line(amphi: AmphiId) -> String {
    format!(r#"{{"format":"amphi-journal","version":1,"amphi":"{amphi}"}}"#)
}

/// What the first entry of an amphi is chained to.
pub fn genesis_hash(amphi: AmphiId) -> Hash {
    Hash(Sha256::digest(header_line(amphi)).into())
}

/// One entry: a fact, its place, who caused it, and the hash of everything up to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Place in the journal of its amphi, from 1, without holes.
    pub seq: u64,
    /// Epoch of the server that wrote it.
    pub epoch: u64,
    /// The command that caused it; at the entry that is what was asked only.
    pub command_id: Option<CommandId>,
    /// When.
    pub at: Timestamp,
    /// Who caused it: an [`Actor`] as JSON.
    pub actor: String,
    /// What happened: an [`Event`] as JSON.
    pub payload: String,
    /// Hash of the journal up to and including this entry.
    pub hash: Hash,
}

/// An entry that does not say what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Its hash is not what the chain gives.
    #[error("entry {0} breaks the chain")]
    Chain(u64),
    /// Another number was due.
    #[error("entry {found} stands where {due} is due")]
    Sequence {
        /// The number that was due.
        due: u64,
        /// The number found.
        found: u64,
    },
    /// Its actor or payload cannot be read.
    #[error("entry {0} cannot be read: {1}")]
    Unreadable(u64, String),
}

impl Entry {
    /// An entry that follows `previous`.
    pub fn new(
        previous: Hash,
        seq: u64,
        epoch: u64,
        command_id: Option<CommandId>,
        at: Timestamp,
        actor: &Actor,
        event: &Event,
    ) -> Self {
        let actor = serde_json::to_string(actor).expect("an actor is plain data");
        let payload = serde_json::to_string(event).expect("an event is plain data");
        let mut entry = Self { seq, epoch, command_id, at, actor, payload, hash: previous };
        entry.hash = entry.hash_after(previous);
        entry
    }

    /// This entry's line without its hash: what is hashed.
    fn body(&self) -> String {
        let command_id = match self.command_id {
            Some(id) => format!("\"{id}\""),
            None => "null".to_owned(),
        };
        format!(
            r#"{{"seq":{},"epoch":{},"command_id":{command_id},"at":{},"actor":{},"payload":{}}}"#,
            self.seq, self.epoch, self.at.0, self.actor, self.payload
        )
    }

    /// This entry's line in an export.
    pub fn line(&self) -> String {
        let mut line = self.body();
        line.pop();
        line.push_str(&format!(r#","hash":"{}"}}"#, self.hash));
        line
    }

    /// The hash this entry must have after `previous`.
    pub fn hash_after(&self, previous: Hash) -> Hash {
        let mut sha = Sha256::new();
        sha.update(if planted::is(Bug::HashNotChained) { [0; 32] } else { previous.0 });
        sha.update(self.body());
        Hash(sha.finalize().into())
    }

    /// Who caused it.
    ///
    /// # Errors
    /// [`EntryError::Unreadable`]
    pub fn read_actor(&self) -> Result<Actor, EntryError> {
        serde_json::from_str(&self.actor).map_err(|e| EntryError::Unreadable(self.seq, e.to_string()))
    }

    /// What happened.
    ///
    /// # Errors
    /// [`EntryError::Unreadable`]
    pub fn read_event(&self) -> Result<Event, EntryError> {
        serde_json::from_str(&self.payload).map_err(|e| EntryError::Unreadable(self.seq, e.to_string()))
    }
}

/// Checks numbers and hashes of a whole journal.
pub(super) fn check_chain(amphi: AmphiId, entries: &[Entry]) -> Result<(), EntryError> {
    let mut previous = genesis_hash(amphi);
    for (index, entry) in entries.iter().enumerate() {
        let due = index as u64 + 1;
        if entry.seq != due {
            return Err(EntryError::Sequence { due, found: entry.seq });
        }
        if entry.hash != entry.hash_after(previous) {
            return Err(EntryError::Chain(entry.seq));
        }
        previous = entry.hash;
    }
    Ok(())
}
