//! Checks an exported journal offline: the chain, the receipts, and the allocation.
//!
//! A second, small reading of the rules, written from the specification. It shares no code with the
//! core beyond the event types: what `decide` got wrong, this must not repeat. It needs nothing but the
//! bytes of the file.

use std::collections::{BTreeMap, BTreeSet};

use amphi_core::setup::Setup;
use amphi_core::{AmphiId, CallRank, ChoiceManner, CommandId, Event, PostNumber, Timestamp};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// How long after its deadline a turn is closed (A9), as the specification says it.
const GRACE_MS: i64 = 2_000;

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
    /// Whether the session was closed.
    pub closed: bool,
}

/// One seat taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// Which post.
    pub post: PostNumber,
    /// Which of its seats.
    pub seat: u16,
    /// When.
    pub at: Timestamp,
    /// Entry of the choice.
    pub seq: u64,
    /// Hash of the journal up to it.
    pub hash: String,
}

/// What is wrong with a journal, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
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
    #[serde(rename = "actor")]
    _actor: serde_json::Value,
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
        .map_err(|error| fault(line_of(journal, error.valid_up_to()), "not UTF-8 text"))?;
    let Some(text) = text.strip_suffix('\n') else {
        return Err(fault(text.lines().count(), "the last line is cut short"));
    };
    let mut lines = text.split('\n');
    let header_line = lines.next().unwrap_or_default();
    let header: Header = serde_json::from_str(header_line)
        .map_err(|_| fault(1, "this is not an exported journal: its first line is not the header"))?;
    if header.format != "amphi-journal" || header.version != 1 {
        return Err(fault(1, "this is not a journal of a version known here"));
    }
    let mut hash: [u8; 32] = Sha256::digest(header_line).into();
    let mut reading = Reading::default();
    for (index, line) in lines.enumerate() {
        let number = index + 2;
        hash = link(hash, line).map_err(|problem| fault(number, problem))?;
        let entry: Line =
            serde_json::from_str(line).map_err(|error| fault(number, format!("unreadable: {error}")))?;
        debug_assert_eq!(entry.hash, hexadecimal(hash));
        reading.enter(&entry, index as u64 + 1).map_err(|problem| fault(number, problem))?;
    }
    Ok(Verified {
        amphi: header.amphi,
        title: reading.setup.as_ref().map(|setup| setup.title.clone()).unwrap_or_default(),
        entries: reading.entries,
        hash: hexadecimal(hash),
        allocation: reading.allocation,
        closed: reading.closed,
    })
}

/// Checks that a receipt in one line (`AMPHI:SEQ:HASH`) names a choice of this journal.
///
/// # Errors
/// What does not fit.
pub fn check_receipt<'a>(
    verified: &'a Verified,
    receipt: &str,
) -> Result<(CallRank, &'a Allocation), String> {
    let parts: Vec<&str> = receipt.trim().split(':').collect();
    let [amphi, seq, hash] = parts[..] else {
        return Err("a receipt is written AMPHI:SEQ:HASH".to_owned());
    };
    if amphi != verified.amphi.to_string() {
        return Err(format!("the receipt is of amphi {amphi}, the journal of {}", verified.amphi));
    }
    let seq: u64 = seq.parse().map_err(|_| "the entry number of the receipt is not a number".to_owned())?;
    let named = verified.allocation.iter().find(|(_, allocation)| allocation.seq == seq);
    match named {
        Some((rank, allocation)) if allocation.hash == hash => Ok((*rank, allocation)),
        Some(_) => Err(format!("entry {seq} of this journal has another hash")),
        None => Err(format!("entry {seq} of this journal is not a choice that still stands")),
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
        .ok_or("too short for an entry")?;
    let mut sha = Sha256::new();
    sha.update(previous);
    sha.update(body);
    sha.update("}");
    let hash: [u8; 32] = sha.finalize().into();
    if tail != format!(r#","hash":"{}"}}"#, hexadecimal(hash)) {
        return Err("the hash does not fit: this entry, or one before, was changed".to_owned());
    }
    Ok(hash)
}

/// What has been read so far.
#[derive(Default)]
struct Reading {
    entries: u64,
    epoch: u64,
    last_at: Option<Timestamp>,
    command_ids: BTreeSet<CommandId>,
    setup: Option<Box<Setup>>,
    planned_at: Vec<Timestamp>,
    turn: Option<(CallRank, Timestamp)>,
    had_turn: BTreeSet<CallRank>,
    gone: BTreeSet<CallRank>,
    seats: BTreeSet<(PostNumber, u16)>,
    allocation: BTreeMap<CallRank, Allocation>,
    suspended: bool,
    closed: bool,
}

impl Reading {
    fn enter(&mut self, line: &Line, due: u64) -> Result<(), String> {
        if line.seq != due {
            return Err(format!("entry {} stands where {due} is due", line.seq));
        }
        if line.epoch < self.epoch {
            return Err("written by a server that had been replaced".to_owned());
        }
        if self.last_at.is_some_and(|last| line.at < last) {
            return Err("time runs backwards".to_owned());
        }
        if line.command_id.is_some_and(|id| !self.command_ids.insert(id)) {
            return Err("the same command twice".to_owned());
        }
        if self.closed {
            return Err("something happened after the end".to_owned());
        }
        (self.entries, self.epoch, self.last_at) = (due, line.epoch, Some(line.at));
        self.read(line)
    }

    fn read(&mut self, line: &Line) -> Result<(), String> {
        match &line.payload {
            Event::Drafted { setup } if self.planned_at.is_empty() => self.setup = Some(setup.clone()),
            Event::Drafted { .. } => return Err("drafted after publication".to_owned()),
            Event::Published { planned_at } => self.planned_at.clone_from(planned_at),
            Event::TurnOpened { rank, deadline } => self.open_turn(*rank, line.at, *deadline)?,
            Event::TurnClosed { rank, .. } => match self.turn.take() {
                Some((open, _)) if open == *rank => {}
                _ => return Err(format!("the turn of rank {rank} ends without being open")),
            },
            Event::ChoiceCommitted { rank, post, seat, manner } => {
                self.choose(line, *rank, *post, *seat, *manner)?;
            }
            Event::Suspended { .. } => self.suspended = true,
            Event::Resumed { deadline } => {
                self.suspended = false;
                self.move_deadline(*deadline)?;
            }
            Event::ServiceInterrupted { deadline, .. } => self.move_deadline(*deadline)?,
            Event::PlacedElsewhere { rank } | Event::Withdrawn { rank, .. } => {
                self.gone.insert(*rank);
            }
            Event::Closed { unplaced } => self.close(unplaced)?,
            Event::Annulled { .. } => {
                self.closed = true;
                self.allocation.clear();
            }
            Event::Opened
            | Event::TurnSkipped { .. }
            | Event::ChoiceHeld { .. }
            | Event::HeldChoiceRefused { .. }
            | Event::HeldChoiceReleased { .. } => {}
        }
        Ok(())
    }

    /// Nobody is called before the convoked time, and turns follow the list (A6).
    fn open_turn(&mut self, rank: CallRank, at: Timestamp, deadline: Timestamp) -> Result<(), String> {
        let planned = self.planned_at.get(rank.index()).ok_or("a turn of a rank that does not exist")?;
        if at < *planned {
            return Err(format!("rank {rank} was called before the planned time"));
        }
        if self.turn.is_some() || self.suspended {
            return Err(format!("the turn of rank {rank} opens during another, or while suspended"));
        }
        if self.had_turn.last().is_some_and(|last| *last >= rank) {
            return Err(format!("rank {rank} was called out of order"));
        }
        self.had_turn.insert(rank);
        self.turn = Some((rank, deadline));
        Ok(())
    }

    /// An announced deadline is only ever moved later (A10, P4).
    fn move_deadline(&mut self, new: Option<Timestamp>) -> Result<(), String> {
        if let (Some((_, deadline)), Some(new)) = (&mut self.turn, new) {
            if new < *deadline {
                return Err("a turn was cut short".to_owned());
            }
            *deadline = new;
        }
        Ok(())
    }

    /// No seat twice, no person twice (P2); in one's turn, or after it.
    fn choose(
        &mut self,
        line: &Line,
        rank: CallRank,
        post: PostNumber,
        seat: u16,
        manner: ChoiceManner,
    ) -> Result<(), String> {
        let setup = self.setup.as_ref().ok_or("a choice before there was a list")?;
        let seats = setup.posts.get(post.index()).map_or(0, |post| post.seats);
        if seat == 0 || seat > seats {
            return Err(format!("post {post} has no seat {seat}"));
        }
        if self.suspended || self.gone.contains(&rank) || !self.had_turn.contains(&rank) {
            return Err(format!("rank {rank} chose without being allowed to"));
        }
        let own_turn = self.turn.filter(|(open, _)| *open == rank);
        let fits = match (manner, own_turn) {
            (ChoiceManner::InTurn, Some((_, deadline))) => line.at <= deadline,
            (ChoiceManner::InGrace, Some((_, deadline))) => {
                line.at > deadline && (line.at - deadline).0 < GRACE_MS
            }
            (ChoiceManner::Late, None) => true,
            (ChoiceManner::LateHeld, None) => self.turn.is_none(),
            _ => false,
        };
        if !fits {
            return Err(format!("the choice of rank {rank} is not what it says it is"));
        }
        let free = (1..=seats).filter(|seat| !self.seats.contains(&(post, *seat))).count();
        if manner == ChoiceManner::Late && self.turn.is_some() && free == 1 {
            return Err(format!("the late rank {rank} took the last seat of post {post} from an open turn"));
        }
        if !self.seats.insert((post, seat)) {
            return Err(format!("seat {seat} of post {post} is given twice"));
        }
        let allocation = Allocation { post, seat, at: line.at, seq: line.seq, hash: line.hash.clone() };
        if self.allocation.insert(rank, allocation).is_some() {
            return Err(format!("rank {rank} is placed twice"));
        }
        Ok(())
    }

    /// Whoever never chose is listed (3.3).
    fn close(&mut self, unplaced: &[CallRank]) -> Result<(), String> {
        let never_chose: Vec<CallRank> = self
            .had_turn
            .iter()
            .filter(|rank| !self.allocation.contains_key(rank) && !self.gone.contains(rank))
            .copied()
            .collect();
        if never_chose != unplaced {
            return Err("the list of those who never chose is not right".to_owned());
        }
        self.closed = true;
        Ok(())
    }
}
