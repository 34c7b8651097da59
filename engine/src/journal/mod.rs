//! The journal: what has happened in each amphi, durably, in order, chained by SHA-256.
//!
//! Two implementations pass one conformance suite (`conformance.rs`): [`PostgresJournal`], which the
//! server uses, and [`MemoryJournal`], for tests and simulations. Invariants: entries are never
//! changed; a write that carries a stale epoch does nothing; no seat and no person is assigned twice,
//! across amphis too. What the entries mean is the core's business, not the journal's.

mod chain;
#[cfg(test)]
mod conformance;
mod cursor;
mod memory;
mod postgres;

use amphi_core::{Actor, AmphiId, CommandId, Event, InternId, Period, Timestamp};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

pub use chain::{Entry, EntryError, Hash, genesis_hash, header_line};
pub use cursor::events_after;
pub use memory::MemoryJournal;
pub use postgres::PostgresJournal;

/// Right to write to an amphi, until somebody else acquires it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Carried by every write; a newer lease makes this one stale.
    pub epoch: u64,
    /// Last instant at which the previous owner was certainly in service, if there was one (A10).
    /// Whoever took the amphi over and went before it wrote anything does not count: it has not given back
    /// what it was told to.
    pub previous_seen_at: Option<Timestamp>,
}

/// An amphi that was taken over, and everything that was written in it.
#[derive(Debug)]
pub struct Taken {
    /// The right to write.
    pub lease: Lease,
    /// Every entry, in order, with its chain checked.
    pub entries: Vec<Entry>,
}

/// A seat taken by one of the entries of an [`Append`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAssignment {
    /// Entry of the choice.
    pub seq: u64,
    /// Which post.
    pub post: u16,
    /// What it takes there.
    pub place: Place,
    /// For which semester.
    pub period: Period,
    /// Who.
    pub intern: InternId,
}

/// What an assignment takes of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// One of its seats, from 1.
    Seat(u16),
    /// No seat, but the one supernumerary placement of its site and period (3.3): the IMOTEP number.
    Supernumerary(String),
}

/// A seat given back by one of the entries of an [`Append`]; before any is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// Entry of the choice that no longer stands.
    pub choice_seq: u64,
    /// Entry that undid it.
    pub seq: u64,
}

/// What one command adds to the journal of one amphi; written whole or not at all.
#[derive(Debug, Clone)]
pub struct Append {
    /// Which amphi.
    pub amphi: AmphiId,
    /// Epoch of the writer's lease.
    pub epoch: u64,
    /// At least one, consecutive, following what is there.
    pub entries: Vec<Entry>,
    /// Seats that these entries give back.
    pub releases: Vec<Release>,
    /// Seats that these entries take.
    pub assignments: Vec<NewAssignment>,
}

/// Why an [`Append`] did not take place, or may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Somebody else owns the amphi now. Nothing was written.
    #[error("another server owns this amphi")]
    Fenced,
    /// This person holds a placement of the period in another amphi. Nothing was written.
    #[error("the intern already holds a placement of this period")]
    PersonTaken(InternId),
    /// The site already has its supernumerary intern for the period. Nothing was written.
    #[error("the site already has a supernumerary intern for this period")]
    SiteTaken,
    /// The journal does not stand where the writer thought, or a seat is taken that the writer
    /// thought free. Nothing was written; the writer's state is wrong.
    #[error("the journal does not stand where the writer believed: {0}")]
    Stale(String),
    /// No answer, or a broken one. It may have been written: reload, and look.
    #[error("the journal gave no answer: {0}")]
    Unknown(String),
}

/// Why the journal could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// There is no such amphi.
    #[error("there is no such amphi")]
    NotFound,
    /// Another live server owns it.
    #[error("another server owns this amphi")]
    OwnedByAnother,
    /// An entry cannot be read, or breaks the chain.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// No answer, or a broken one.
    #[error("the journal gave no answer: {0}")]
    Unavailable(String),
}

/// Where amphis keep what has happened to them.
pub trait Journal: Send + Sync + 'static {
    /// Makes room for a new amphi; repeating it does nothing.
    fn create<'a>(
        &'a self,
        amphi: AmphiId,
        title: &'a str,
        period: Period,
    ) -> BoxFuture<'a, Result<(), JournalError>>;

    /// Takes ownership; from then on, writes of whoever owned the amphi before fail.
    ///
    /// Refused while another server that owns it is alive.
    fn acquire(&self, amphi: AmphiId) -> BoxFuture<'_, Result<Lease, JournalError>>;

    /// Gives up ownership of everything this server owns, after a last heartbeat at `now`.
    fn release_all(&self, now: Timestamp) -> BoxFuture<'_, Result<(), JournalError>>;

    /// Every entry of an amphi, in order, with its chain checked.
    fn load(&self, amphi: AmphiId) -> BoxFuture<'_, Result<Vec<Entry>, JournalError>>;

    /// Takes ownership of several amphis and reads them; the answers stand in the order of `amphis`, and none
    /// depends on another one's.
    fn take<'a>(&'a self, amphis: &'a [AmphiId]) -> BoxFuture<'a, Vec<Result<Taken, JournalError>>> {
        async move {
            let mut taken = Vec::with_capacity(amphis.len());
            for amphi in amphis {
                taken.push(match self.acquire(*amphi).await {
                    Ok(lease) => self.load(*amphi).await.map(|entries| Taken { lease, entries }),
                    Err(error) => Err(error),
                });
            }
            taken
        }
        .boxed()
    }

    /// The hash up to entry `seq`; `None` when there is no such entry, or no such amphi.
    fn hash_at(&self, amphi: AmphiId, seq: u64) -> BoxFuture<'_, Result<Option<Hash>, JournalError>> {
        async move {
            match self.load(amphi).await {
                Ok(entries) => Ok(entries.iter().find(|entry| entry.seq == seq).map(|entry| entry.hash)),
                Err(JournalError::NotFound) => Ok(None),
                Err(error) => Err(error),
            }
        }
        .boxed()
    }

    /// Writes, durably: when it answers `Ok`, no crash loses it.
    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), AppendError>>;

    /// Who of `interns` holds a live placement of `period` outside `amphi`.
    fn placed_elsewhere<'a>(
        &'a self,
        amphi: AmphiId,
        period: Period,
        interns: &'a [InternId],
    ) -> BoxFuture<'a, Result<Vec<InternId>, JournalError>>;

    /// The amphis that are neither closed nor annulled.
    fn unfinished(&self) -> BoxFuture<'_, Result<Vec<AmphiId>, JournalError>>;

    /// Notes that this server is in service at `now` (A10); says which of the amphis it has `in_service` are no
    /// longer its own.
    fn heartbeat<'a>(
        &'a self,
        now: Timestamp,
        in_service: &'a [AmphiId],
    ) -> BoxFuture<'a, Result<Vec<AmphiId>, JournalError>>;
}

/// Chains `events` after `previous` and numbers them after `last_seq`.
///
/// The command's id, if there is one, stands at one entry only, given by its index: the one that is what
/// was asked, and that a receipt names.
pub fn chained(
    previous: Hash,
    last_seq: u64,
    epoch: u64,
    command_id: Option<(CommandId, usize)>,
    at: Timestamp,
    actor: Actor,
    events: &[Event],
) -> Vec<Entry> {
    let mut previous = previous;
    let mut entries = Vec::with_capacity(events.len());
    for (index, event) in events.iter().enumerate() {
        let id = command_id.and_then(|(id, at)| (at == index).then_some(id));
        let seq = last_seq + 1 + index as u64;
        let entry = Entry::new(previous, seq, epoch, id, at, &actor, event);
        previous = entry.hash;
        entries.push(entry);
    }
    entries
}
