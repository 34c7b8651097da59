//! The journal as a simulated server sees it: slow, failing, and cut off when the server is killed.
//!
//! Every call lets others run before and after, so that whatever can happen in between does. A killed
//! server never gets another answer: its tasks stand still for good at the await where they were.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amphi_engine::core::{AmphiId, InternId, Period, Timestamp};
use amphi_engine::journal::{Append, AppendError, Entry, Journal, JournalError, Lease, MemoryJournal};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::oracle::{Oracle, Promise, SharedOracle};
use crate::plan::{Fate, GIVE_UP_MS, WriteFault, mixed};

/// How long a call takes when nothing is wrong.
#[derive(Debug, Clone, Copy)]
pub enum Lag {
    /// A few task switches, sometimes some ms; drawn from this.
    Drawn(u64),
    /// One task switch before and one after.
    OneSwitch,
}

/// No server calls its journal more often in one world, unless it goes round in circles.
const CALLS_MAX: u64 = 20_000;

/// One server's way to the journal.
pub struct SimulatedJournal {
    store: MemoryJournal,
    server: usize,
    lag: Lag,
    oracle: SharedOracle,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    killed: bool,
    /// Whether a write that was under way when the server was killed still takes place.
    write_lands: bool,
    calls: u64,
    writes: VecDeque<WriteFault>,
    failing_reads: u32,
    outage_until: Option<Instant>,
}

impl SimulatedJournal {
    /// The journal of `server`, over its connection to the store.
    pub fn new(store: MemoryJournal, server: usize, lag: Lag, oracle: SharedOracle) -> Arc<Self> {
        Arc::new(Self { store, server, lag, oracle, state: Arc::default() })
    }

    /// From now on nothing is heard of the server any more.
    pub fn kill(&self, write_lands: bool) {
        let mut state = self.state();
        state.killed = true;
        state.write_lands = write_lands;
        drop(state);
        self.store.die();
    }

    /// The store takes the server for dead; it goes on all the same.
    pub fn lose_the_lock(&self) {
        self.store.die();
    }

    /// Plans what happens to the next write that has no plan yet.
    pub fn plan_write(&self, fault: WriteFault) {
        self.state().writes.push_back(fault);
    }

    /// Makes the next `times` reads fail.
    pub fn fail_reads(&self, times: u32) {
        self.state().failing_reads += times;
    }

    /// No answer to anything until `until`.
    pub fn outage(&self, until: Instant) {
        self.state().outage_until = Some(until);
    }

    /// Forgets every fault that is still planned.
    pub fn heal(&self) {
        let mut state = self.state();
        state.writes.clear();
        state.failing_reads = 0;
        state.outage_until = None;
    }

    /// How often it was called.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets others run; never returns once the server is killed.
    async fn lag(&self) {
        let drawn = {
            let mut state = self.state();
            state.calls += 1;
            if state.calls > CALLS_MAX {
                state.killed = true;
                self.oracle().broken(Promise::Progress, "a server asks its journal without end");
            }
            match self.lag {
                Lag::OneSwitch => 0,
                Lag::Drawn(seed) => mixed(seed ^ ((self.server as u64) << 32) ^ state.calls),
            }
        };
        // One call in eight takes some ms, the others one to four task switches.
        if matches!(self.lag, Lag::Drawn(_)) && drawn.is_multiple_of(8) {
            tokio::time::sleep(Duration::from_millis(1 + (drawn >> 3) % 40)).await;
        }
        for _ in 0..=(drawn >> 32) % 4 {
            tokio::task::yield_now().await;
        }
        self.still_alive().await;
    }

    async fn still_alive(&self) {
        if self.state().killed {
            std::future::pending::<()>().await;
        }
    }

    fn in_outage(&self) -> bool {
        self.state().outage_until.is_some_and(|until| Instant::now() < until)
    }

    /// A call that changes nothing, which may fail.
    async fn read<T>(
        &self,
        call: impl Future<Output = Result<T, JournalError>> + Send,
    ) -> Result<T, JournalError> {
        self.lag().await;
        if self.in_outage() {
            self.oracle().count("fault.outage");
            return Err(JournalError::Unavailable("outage".to_owned()));
        }
        let fails = {
            let mut state = self.state();
            let fails = state.failing_reads > 0;
            state.failing_reads = state.failing_reads.saturating_sub(1);
            fails
        };
        if fails {
            self.oracle().count("fault.read_failed");
            return Err(JournalError::Unavailable("planned".to_owned()));
        }
        let result = call.await;
        self.lag().await;
        result
    }

    fn oracle(&self) -> MutexGuard<'_, Oracle> {
        self.oracle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self, append: Append) -> Result<(), AppendError> {
        let fault = self.state().writes.pop_front();
        self.lag().await;
        if self.in_outage() {
            self.oracle().count("fault.outage");
            return Err(unknown());
        }
        let WriteFault { delay_ms, fate } = fault.unwrap_or(WriteFault { delay_ms: 0, fate: Fate::Written });
        if fault.is_some() {
            self.oracle().count(fault_name(delay_ms, fate));
        }
        if delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(delay_ms.min(GIVE_UP_MS).into())).await;
        }
        if self.state().killed && !self.state().write_lands {
            self.still_alive().await;
        }
        match fate {
            Fate::Written => {
                let written = put(&self.store, &self.oracle, append).await;
                self.lag().await;
                written
            }
            Fate::AnswerLost => {
                // Whatever it says, nobody hears it.
                let _ = put(&self.store, &self.oracle, append).await;
                self.lag().await;
                Err(unknown())
            }
            Fate::NotWritten => Err(unknown()),
            Fate::LandsLater { ms } => {
                // By another connection: this server's own one is gone, and its epoch decides.
                let (store, oracle) = (self.store.another_server(), Arc::clone(&self.oracle));
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(ms.into())).await;
                    if put(&store, &oracle, append).await.is_ok() {
                        lock(&oracle).count("fault.landed_later");
                    }
                });
                Err(unknown())
            }
        }
    }
}

/// Writes, and shows the oracle what was written.
async fn put(store: &MemoryJournal, oracle: &SharedOracle, append: Append) -> Result<(), AppendError> {
    let written = store.append(append.clone()).await;
    match &written {
        Ok(()) => lock(oracle).written(&append),
        Err(AppendError::Fenced) => lock(oracle).count("journal.fenced"),
        Err(AppendError::PersonTaken(_)) => lock(oracle).count("journal.person_taken"),
        Err(AppendError::SiteTaken) => lock(oracle).count("journal.site_taken"),
        Err(AppendError::Stale(_)) => lock(oracle).count("journal.stale"),
        Err(AppendError::Unknown(_)) => {}
    }
    written
}

fn lock(oracle: &SharedOracle) -> MutexGuard<'_, Oracle> {
    oracle.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unknown() -> AppendError {
    AppendError::Unknown("planned".to_owned())
}

fn fault_name(delay_ms: u32, fate: Fate) -> &'static str {
    match fate {
        Fate::Written if delay_ms > 0 => "fault.slow",
        Fate::Written => "fault.none",
        Fate::AnswerLost => "fault.answer_lost",
        Fate::NotWritten => "fault.not_written",
        Fate::LandsLater { .. } => "fault.lands_later",
    }
}

impl Journal for SimulatedJournal {
    fn create<'a>(
        &'a self,
        amphi: AmphiId,
        title: &'a str,
        period: Period,
    ) -> BoxFuture<'a, Result<(), JournalError>> {
        self.store.create(amphi, title, period)
    }

    fn acquire(&self, amphi: AmphiId) -> BoxFuture<'_, Result<Lease, JournalError>> {
        async move {
            self.read(async move {
                let lease = self.store.acquire(amphi).await?;
                self.oracle().acquired(self.server, amphi, lease.epoch);
                Ok(lease)
            })
            .await
        }
        .boxed()
    }

    fn release_all(&self, now: Timestamp) -> BoxFuture<'_, Result<(), JournalError>> {
        self.store.release_all(now)
    }

    fn load(&self, amphi: AmphiId) -> BoxFuture<'_, Result<Vec<Entry>, JournalError>> {
        self.read(self.store.load(amphi)).boxed()
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), AppendError>> {
        self.write(append).boxed()
    }

    fn placed_elsewhere<'a>(
        &'a self,
        amphi: AmphiId,
        period: Period,
        interns: &'a [InternId],
    ) -> BoxFuture<'a, Result<Vec<InternId>, JournalError>> {
        self.read(self.store.placed_elsewhere(amphi, period, interns)).boxed()
    }

    fn unfinished(&self) -> BoxFuture<'_, Result<Vec<AmphiId>, JournalError>> {
        self.read(self.store.unfinished()).boxed()
    }

    fn heartbeat<'a>(
        &'a self,
        now: Timestamp,
        in_service: &'a [AmphiId],
    ) -> BoxFuture<'a, Result<Vec<AmphiId>, JournalError>> {
        if self.in_outage() || self.state().killed {
            return std::future::ready(Err(JournalError::Unavailable("outage".to_owned()))).boxed();
        }
        self.store.heartbeat(now, in_service)
    }
}
