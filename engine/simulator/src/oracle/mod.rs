//! The oracle: sees every write, every answer and every message, and says which promise was broken.
//!
//! It believes the journal and nothing else. What it knows of an amphi comes from the entries that were
//! written, so that a room, an answer or a screen that says otherwise is found out at once.

mod answers;
mod deeds;
mod screens;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amphi_engine::core::{
    Amphi, AmphiId, CallRank, Event, InternId, Period, PostNumber, ProxyId, Snapshot, Timestamp,
};
use amphi_engine::journal::Entry;
use tokio::time::Instant;

pub use answers::Asked;

/// The oracle, as everybody who must show it something holds it. Never locked while a room is looked at:
/// rooms answer under their own lock.
pub type SharedOracle = Arc<Mutex<Oracle>>;

/// How often each thing happened.
pub type Counts = BTreeMap<String, u64>;

/// A promise (of `reliability.md`) that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub promise: Promise,
    /// What was seen, and where.
    pub what: String,
    /// The step of the plan after which it was seen.
    pub step: u32,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after step {}: {}", self.promise, self.step, self.what)
    }
}

/// What the oracle watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// An acknowledged choice survives any crash.
    P1,
    /// No seat twice, no person twice, across amphis too.
    P2,
    /// A command id acts at most once; a retry returns the first outcome.
    P3,
    /// A turn never expires before its announced deadline.
    P4,
    /// What a screen shows was true at a stated moment, and it knows when it is behind.
    P5,
    /// Nobody does what they may not.
    P7,
    /// State by replay = state live.
    C8,
    /// Times never run backwards.
    C10,
    /// The journal's own contract: fence, chain, a second reading of the rules.
    Journal,
    /// A room goes on as long as it owns its amphi; when faults stop, everybody's turn passes.
    Progress,
    /// Nothing panics, nothing hangs.
    Sound,
}

/// What the journal says of one amphi.
pub struct Book {
    /// Every entry that was written, in order.
    pub entries: Vec<Entry>,
    /// The state after each entry; the first is that of an empty journal.
    states: Vec<Arc<Amphi>>,
    snapshots: BTreeMap<u64, Option<Arc<Snapshot>>>,
    epoch: u64,
    /// The entries that opened a turn.
    openings: Vec<u64>,
    /// What was told of the turn that each of them opened.
    announced: BTreeMap<u64, Announced>,
}

/// Somebody who may hold one placement for a period.
type Person = (Period, InternId);

/// What can be taken once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Seat(AmphiId, PostNumber, u16),
    /// The supernumerary place of a site, by its IMOTEP number.
    Supernumerary(Period, String),
}

/// How long an amphi has been out of service, and since when it is.
#[derive(Debug, Clone, Copy, Default)]
struct Outage {
    before: Duration,
    since: Option<Instant>,
}

/// What clients were told about the end of one turn.
#[derive(Debug, Clone, Copy)]
struct Announced {
    /// The latest deadline told.
    deadline: Timestamp,
    /// The latest moment at which somebody's countdown would have ended, by a stopwatch that stands still
    /// while no server serves the amphi (A10); only where the servers' clocks run as a stopwatch does.
    countdown_ends: Option<Duration>,
}

/// See the module's head.
pub struct Oracle {
    books: BTreeMap<AmphiId, Book>,
    asked: Vec<Asked>,
    places: BTreeMap<Place, (AmphiId, CallRank)>,
    persons: BTreeMap<Person, (AmphiId, CallRank)>,
    ever_placed: BTreeSet<(Person, AmphiId)>,
    silenced: BTreeSet<usize>,
    replaced: BTreeSet<usize>,
    outages: BTreeMap<AmphiId, Outage>,
    counts: Counts,
    violation: Option<Violation>,
    /// The step that is being played.
    pub step: u32,
    tells: bool,
    began: Instant,
}

impl Oracle {
    /// An oracle that has seen nothing of `amphis` yet; `tells` what it sees, or keeps silent.
    pub fn of(amphis: impl Iterator<Item = AmphiId>, tells: bool) -> SharedOracle {
        let books = amphis.map(|id| (id, Book::new(id))).collect();
        Arc::new(Mutex::new(Self {
            books,
            asked: Vec::new(),
            places: BTreeMap::new(),
            persons: BTreeMap::new(),
            ever_placed: BTreeSet::new(),
            silenced: BTreeSet::new(),
            replaced: BTreeSet::new(),
            outages: BTreeMap::new(),
            counts: Counts::new(),
            violation: None,
            step: 0,
            tells,
            began: Instant::now(),
        }))
    }

    /// Tells what happens, for whoever replays a plan and wants to see.
    pub fn tell(&self, what: impl FnOnce() -> String) {
        if self.tells {
            let since = self.began.elapsed().as_millis();
            println!("step {:>3} {since:>8} ms  {}", self.step, what());
        }
    }

    /// Notes that something happened once more.
    pub fn count(&mut self, what: &str) {
        match self.counts.get_mut(what) {
            Some(count) => *count += 1,
            None => {
                self.counts.insert(what.to_owned(), 1);
            }
        }
    }

    /// How often each thing happened.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Notes a broken promise; the first one counts.
    pub fn broken(&mut self, promise: Promise, what: impl Into<String>) {
        let step = self.step;
        self.violation.get_or_insert_with(|| Violation { promise, what: what.into(), step });
    }

    /// The first broken promise, if there is one.
    pub fn violation(&self) -> Option<Violation> {
        self.violation.clone()
    }

    /// From now on nothing that `server` says is heard: it was killed.
    pub fn silence(&mut self, server: usize) {
        self.silenced.insert(server);
    }

    /// The journal takes `server` for dead, and it is not.
    pub fn replaced(&mut self, server: usize) {
        self.replaced.insert(server);
    }

    /// Whether the journal took `server` for dead while it was not.
    pub fn is_replaced(&self, server: usize) -> bool {
        self.replaced.contains(&server)
    }

    /// From now on nobody serves `amphi`: its server was killed, or stopped.
    pub fn out_of_service(&mut self, amphi: AmphiId) {
        self.outages.entry(amphi).or_default().since.get_or_insert_with(Instant::now);
    }

    /// Somebody serves `amphi` again.
    pub fn in_service(&mut self, amphi: AmphiId) {
        let outage = self.outages.entry(amphi).or_default();
        outage.before += outage.since.take().map_or(Duration::ZERO, |since| since.elapsed());
    }

    /// A stopwatch that runs while somebody serves `amphi`.
    fn stopwatch(&self, amphi: AmphiId) -> Duration {
        let outage = self.outages.get(&amphi).copied().unwrap_or_default();
        let now = outage.since.unwrap_or_else(Instant::now);
        (now - self.began).saturating_sub(outage.before)
    }

    /// What the journal says of `amphi`.
    pub fn book(&self, amphi: AmphiId) -> &Book {
        &self.books[&amphi]
    }

    fn book_mut(&mut self, amphi: AmphiId) -> &mut Book {
        self.books.get_mut(&amphi).expect("every amphi of the world has its book")
    }
}

impl Book {
    fn new(id: AmphiId) -> Self {
        Self {
            entries: Vec::new(),
            states: vec![Arc::new(Amphi::new(id))],
            snapshots: BTreeMap::new(),
            epoch: 0,
            openings: Vec::new(),
            announced: BTreeMap::new(),
        }
    }

    /// The amphi as the journal has it.
    pub fn state(&self) -> Arc<Amphi> {
        Arc::clone(self.states.last().expect("the first state is always there"))
    }

    /// The amphi after entry `seq`, if that was written.
    pub fn state_at(&self, seq: u64) -> Option<Arc<Amphi>> {
        self.states.get(usize::try_from(seq).ok()?).map(Arc::clone)
    }

    /// The last proxy that was revoked, and who had given it.
    pub fn former_holder(&self) -> Option<(CallRank, ProxyId)> {
        self.entries.iter().rev().find_map(|entry| match entry.read_event() {
            Ok(Event::ProxyRevoked { rank, proxy, .. }) => Some((rank, proxy)),
            _ => None,
        })
    }

    /// The entry that opened the turn that was the last one at entry `seq`.
    fn opening_before(&self, seq: u64) -> Option<u64> {
        self.openings.iter().rev().copied().find(|opening| *opening <= seq)
    }

    /// What everybody may see after entry `seq`, if that was written.
    fn snapshot_at(&mut self, seq: u64) -> Option<Arc<Snapshot>> {
        let state = self.state_at(seq)?;
        self.snapshots.entry(seq).or_insert_with(|| state.snapshot().map(Arc::new)).clone()
    }
}
