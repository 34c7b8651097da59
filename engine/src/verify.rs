//! Checks an exported journal offline: the chain, the receipts, and the allocation.
//!
//! The chain and the receipts here; what the entries say in `reading.rs`. It needs nothing but the bytes
//! of the file.

mod reading;

use std::collections::BTreeMap;

use amphi_core::{Actor, AmphiId, CallRank, CommandId, Event, PostNumber, Timestamp};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use reading::Reading;

/// What a sound journal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Which amphi.
    pub amphi: AmphiId,
    /// Its title.
    pub title: String,
    /// Number of entries.
    pub entries: u64,
    /// Hash of the whole journal.
    pub hash: String,
    /// Who holds what.
    pub allocation: BTreeMap<CallRank, Allocation>,
    /// Choices that no longer stand, by their entry: annulled, rewound or exchanged.
    pub undone: BTreeMap<u64, Undone>,
    /// Versions of wishes, by their entry.
    pub wishes: BTreeMap<u64, WishVersion>,
    /// Whether the session was closed.
    pub closed: bool,
}

/// A choice that no longer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// Whose.
    pub rank: CallRank,
    /// Which post it was.
    pub post: PostNumber,
    /// Hash of the journal up to it.
    pub hash: String,
    /// Entry that undid it.
    pub by: u64,
}

/// One version of somebody's wishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WishVersion {
    /// Whose.
    pub rank: CallRank,
    /// From 1.
    pub version: u32,
    /// When.
    pub at: Timestamp,
    /// Hash of the journal up to it.
    pub hash: String,
}

/// What a receipt proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof<'a> {
    /// A choice that stands.
    Choice(CallRank, &'a Allocation),
    /// A choice that was made, and later undone.
    UndoneChoice(&'a Undone),
    /// A version of somebody's wishes.
    Wishes(&'a WishVersion),
}

/// One seat taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// Which post.
    pub post: PostNumber,
    /// Which of its seats; `None` for a supernumerary choice.
    pub seat: Option<u16>,
    /// When.
    pub at: Timestamp,
    /// Entry of the choice.
    pub seq: u64,
    /// Hash of the journal up to it.
    pub hash: String,
}

/// What is wrong with a journal, and where; in French, for whoever checks one by hand reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ligne {line} : {problem}")]
pub struct Fault {
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    amphi: AmphiId,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    seq: u64,
    epoch: u64,
    command_id: Option<CommandId>,
    at: Timestamp,
    actor: Actor,
    payload: Event,
    hash: String,
}

/// Checks a whole export.
///
/// # Errors
/// The first [`Fault`]. A journal cut at the end of a line is sound as far as it goes: only a receipt,
/// or the last hash in the minutes, shows that something is missing.
pub fn verify(journal: &[u8]) -> Result<Verified, Fault> {
    let text = std::str::from_utf8(journal)
        .map_err(|error| fault(line_of(journal, error.valid_up_to()), "ce n’est pas du texte UTF-8"))?;
    let Some(text) = text.strip_suffix('\n') else {
        return Err(fault(text.lines().count().max(1), "la dernière ligne est coupée"));
    };
    let mut lines = text.split('\n');
    let header_line = lines.next().unwrap_or_default();
    let header: Header = serde_json::from_str(header_line)
        .map_err(|_| fault(1, "ce n’est pas un journal exporté : la première ligne n’est pas l’en-tête"))?;
    if header.format != "amphi-journal" || header.version != 1 {
        return Err(fault(1, "ce n’est pas un journal d’une version connue ici"));
    }
    let mut hash: [u8; 32] = Sha256::digest(header_line).into();
    let mut reading = Reading::default();
    for (index, line) in lines.enumerate() {
        let number = index + 2;
        hash = link(hash, line).map_err(|problem| fault(number, problem))?;
        let entry: Line =
            serde_json::from_str(line).map_err(|error| fault(number, format!("illisible : {error}")))?;
        debug_assert_eq!(entry.hash, hexadecimal(hash));
        reading.enter(&entry, index as u64 + 1).map_err(|problem| fault(number, problem))?;
    }
    Ok(Verified {
        amphi: header.amphi,
        title: reading.title(),
        entries: reading.entries,
        hash: hexadecimal(hash),
        closed: reading.is_closed(),
        undone: reading.undone,
        wishes: reading.wish_versions,
        allocation: reading.allocation,
    })
}

/// Checks that a receipt in one line (`AMPHI:SEQ:HASH`) names a choice of this journal, or a version of
/// somebody's wishes.
///
/// # Errors
/// What does not fit.
pub fn check_receipt<'a>(verified: &'a Verified, receipt: &str) -> Result<Proof<'a>, String> {
    let parts: Vec<&str> = receipt.trim().split(':').collect();
    let [amphi, seq, hash] = parts[..] else {
        return Err("un reçu s’écrit AMPHI:ÉCRITURE:EMPREINTE".to_owned());
    };
    if amphi != verified.amphi.to_string() {
        return Err(format!("le reçu est de l’amphi {amphi}, le journal de l’amphi {}", verified.amphi));
    }
    let seq: u64 = seq.parse().map_err(|_| "le numéro d’écriture du reçu n’est pas un nombre".to_owned())?;
    let named = verified.allocation.iter().find(|(_, allocation)| allocation.seq == seq);
    let named = named.map(|(rank, allocation)| (&allocation.hash, Proof::Choice(*rank, allocation)));
    let undone = || verified.undone.get(&seq).map(|undone| (&undone.hash, Proof::UndoneChoice(undone)));
    let wishes = || verified.wishes.get(&seq).map(|wishes| (&wishes.hash, Proof::Wishes(wishes)));
    match named.or_else(undone).or_else(wishes) {
        Some((right, proof)) if right == hash => Ok(proof),
        Some(_) => Err(format!("l’écriture {seq} de ce journal a une autre empreinte")),
        None => Err(format!("l’écriture {seq} de ce journal n’est ni un choix, ni une liste de vœux")),
    }
}

fn fault(line: usize, problem: impl Into<String>) -> Fault {
    Fault { line, problem: problem.into() }
}

fn line_of(bytes: &[u8], offset: usize) -> usize {
    bytes[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
}

fn hexadecimal(hash: [u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hash of the journal up to `line`, which must end in it: `…,"hash":"64 digits"}`.
fn link(previous: [u8; 32], line: &str) -> Result<[u8; 32], String> {
    const TAIL: usize = r#","hash":""}"#.len() + 64;
    let (body, tail) = line
        .len()
        .checked_sub(TAIL)
        .and_then(|cut| line.split_at_checked(cut))
        .ok_or("trop court pour une écriture")?;
    let mut sha = Sha256::new();
    sha.update(previous);
    sha.update(body);
    sha.update("}");
    let hash: [u8; 32] = sha.finalize().into();
    if tail != format!(r#","hash":"{}"}}"#, hexadecimal(hash)) {
        return Err(
            "l’empreinte ne correspond pas : cette écriture, ou une précédente, a été modifiée".to_owned()
        );
    }
    Ok(hash)
}
