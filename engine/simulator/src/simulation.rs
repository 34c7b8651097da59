//! Plays a plan on the real engine, in one thread, in time that stands still unless it is waited for.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use amphi_engine::core::Timestamp;
use amphi_engine::journal::{Journal as _, MemoryJournal};
use amphi_engine::protocol::Role;
use tokio::time::Instant;

use crate::clock::WallClock;
use crate::device::{Device, Witness};
use crate::journal::Lag;
use crate::oracle::{Counts, Oracle, Promise, SharedOracle, Violation};
use crate::panics;
use crate::plan::{Clockwork, MORNING, Plan, Step, When, amphi_id, mixed};
use crate::server::{Machine, Server};

/// Longest wait for a deadline that a step may name: beyond, it is played at once.
const NEAR_MS: i64 = 180_000;
/// No world lasts longer than this, in simulated time; one that does hangs.
const WORLD_LASTS_AT_MOST: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How often each thing happened.
    pub counts: Counts,
    /// The last hash of each journal: two runs of one plan that agree here agree in every entry.
    pub digest: Vec<String>,
}

/// A world being played.
pub struct Simulation<'p> {
    pub(crate) plan: &'p Plan,
    pub(crate) oracle: SharedOracle,
    pub(crate) machines: Vec<Machine>,
    pub(crate) devices: Vec<Device>,
    store: MemoryJournal,
    lag: Lag,
    servers_started: usize,
}

/// Plays `plan`; `tells` what happens, or keeps silent.
///
/// # Errors
/// The first promise that was broken.
pub fn run(plan: &Plan, tells: bool) -> Result<Report, Violation> {
    play(plan, Lag::Drawn(mixed(plan.seed)), tells, async |simulation| {
        simulation.begin().await;
        for step in &plan.steps {
            simulation.step(step).await?;
        }
        simulation.finish().await
    })
}

/// Sets `plan`'s world up and lets `scene` play in it.
///
/// # Errors
/// What `scene` says, or that something panicked or hung.
pub fn play<T>(
    plan: &Plan,
    lag: Lag,
    tells: bool,
    scene: impl AsyncFnOnce(&mut Simulation) -> Result<T, Violation>,
) -> Result<T, Violation> {
    // One task at a time between two looks of the driver: crash points are counted in task switches.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .event_interval(1)
        .build()
        .expect("a runtime without I/O");
    panics::forget();
    let result = runtime.block_on(async {
        let mut simulation = Simulation::new(plan, lag, tells);
        let oracle = Arc::clone(&simulation.oracle);
        let played = tokio::time::timeout(WORLD_LASTS_AT_MOST, scene(&mut simulation)).await;
        let sound = |what: String| {
            let step = lock(&oracle).step;
            Err(Violation { promise: Promise::Sound, what, step })
        };
        match (played, panics::last()) {
            (_, Some(panic)) => sound(format!("panic: {panic}")),
            (Err(_), None) => sound("the world hangs".to_owned()),
            (Ok(result), None) => result,
        }
    });
    drop(runtime);
    result
}

pub(crate) fn lock(oracle: &SharedOracle) -> MutexGuard<'_, Oracle> {
    oracle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'p> Simulation<'p> {
    fn new(plan: &'p Plan, lag: Lag, tells: bool) -> Self {
        let oracle = Oracle::of((0..plan.world.amphis.len()).map(amphi_id), tells);
        let machines = (0..plan.world.servers.max(1)).map(|_| Machine {
            wall: WallClock::at(MORNING),
            server: None,
            replaced: Vec::new(),
            back_at: None,
        });
        let machines = machines.collect();
        let store = MemoryJournal::new();
        Self { plan, oracle, machines, devices: Vec::new(), store, lag, servers_started: 0 }
    }

    pub(crate) fn oracle(&self) -> MutexGuard<'_, Oracle> {
        lock(&self.oracle)
    }

    /// Starts the servers and brings every amphi as far as it is when the steps begin.
    pub(crate) async fn begin(&mut self) {
        for machine in 0..self.machines.len() {
            self.start_server(machine).await;
        }
        for amphi in 0..self.plan.world.amphis.len() {
            self.bring_about(amphi).await;
            self.devices.push(Device::new(amphi, Role::Administrator));
            self.devices.push(Device::new(amphi, Role::Spectator));
            let last = self.devices.len() - 1;
            self.connect(last).await;
        }
    }

    async fn step(&mut self, step: &Step) -> Result<(), Violation> {
        self.oracle().step = step.number;
        self.wait(step.when).await;
        self.act(step.number, &step.act).await;
        self.look().await
    }

    /// Lets time pass, and servers come back when their time has come.
    pub(crate) async fn pass(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            let back = self.machines.iter().filter_map(|machine| machine.back_at).min();
            let Some(back) = back.filter(|back| *back <= until) else { break };
            tokio::time::sleep_until(back).await;
            for machine in 0..self.machines.len() {
                if self.machines[machine].back_at.is_some_and(|at| at <= back) {
                    self.start_server(machine).await;
                }
            }
        }
        tokio::time::sleep_until(until).await;
    }

    async fn wait(&mut self, when: When) {
        let (amphi, ms, announced) = match when {
            When::After(ms) => return self.pass(Duration::from_millis(ms.into())).await,
            When::AroundDeadline { amphi, ms } => (amphi, ms, false),
            When::AroundAnnouncedEnd { amphi, ms } => (amphi, ms, true),
        };
        let amphi = self.amphi(amphi);
        let state = self.oracle().book(amphi_id(amphi)).state();
        let due = if announced { state.turn().map(|turn| turn.deadline) } else { state.next_deadline() };
        let left = due.map(|due| (due - self.shows(amphi)).0 + i64::from(ms));
        if let Some(left @ 1..=NEAR_MS) = left {
            self.pass(Duration::from_millis(left.unsigned_abs())).await;
        }
    }

    /// What the clock of the server of `amphi` shows, or the machine's while there is none.
    pub(crate) fn shows(&self, amphi: usize) -> Timestamp {
        let machine = &self.machines[self.machine_of(amphi)];
        machine.server.as_ref().map_or_else(|| machine.wall.shows(), |server| server.clock.now())
    }

    /// How often the servers in service have called their journals.
    pub(crate) fn journal_calls(&self) -> u64 {
        self.machines.iter().filter_map(|machine| Some(machine.server.as_ref()?.journal.calls())).sum()
    }

    pub(crate) fn amphi(&self, number: u8) -> usize {
        usize::from(number) % self.plan.world.amphis.len()
    }

    pub(crate) fn machine_of(&self, amphi: usize) -> usize {
        amphi % self.machines.len()
    }

    pub(crate) async fn start_server(&mut self, index: usize) {
        self.servers_started += 1;
        let (number, world) = (self.servers_started, &self.plan.world);
        let machine = &mut self.machines[index];
        machine.back_at = None;
        let mut server = Server::start(number, &self.store, &machine.wall, world, self.lag, &self.oracle);
        let amphis = (0..world.amphis.len()).filter(|amphi| self.machine_of(*amphi) == index);
        let amphis: Vec<usize> = amphis.collect();
        let mut made = Vec::with_capacity(amphis.len());
        for amphi in &amphis {
            made.push(server.create(*amphi).await);
        }
        // One by one, too: that is how a room comes back that went out of service alone.
        if number.is_multiple_of(2) {
            server.open_together(&amphis).await;
        }
        for (amphi, made) in amphis.into_iter().zip(made) {
            let known = made && server.room(amphi).await.is_some();
            self.oracle().count(if known { "room.opened" } else { "room.not_opened" });
        }
        self.machines[index].server = Some(server);
        self.oracle().count("server.started");
    }

    /// Connects a device to whoever serves its amphi now. Whether it was let in.
    pub(crate) async fn connect(&mut self, device: usize) -> bool {
        let amphi = self.devices[device].amphi;
        let steady = self.plan.world.clockwork == Clockwork::Steady;
        let machine = self.machine_of(amphi);
        let Some(server) = &mut self.machines[machine].server else { return false };
        let Some(room) = server.room(amphi).await else { return false };
        let (oracle, clock, number) = (Arc::clone(&self.oracle), Arc::clone(&server.clock), server.number);
        let witness = Witness { oracle, clock, server: number, steady };
        self.devices[device].disconnect();
        self.devices[device].connect(number, &room, witness).is_ok()
    }

    /// The journal as a whole, once everything has ended.
    pub(crate) async fn stored(&self, amphi: usize) -> Vec<amphi_engine::journal::Entry> {
        self.store.load(amphi_id(amphi)).await.unwrap_or_default()
    }
}
