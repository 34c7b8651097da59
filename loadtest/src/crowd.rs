//! Many clients: connected in good order, waited for, and compared at the end.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::client::{Phase, Viewer};
use crate::clock;
use crate::door::Door;
use crate::process_figures::{cpu_seconds, cpu_seconds_of_all, family_of};
use crate::room::{Receipt, Room};
use crate::state::PublicState;

/// Handshakes and first snapshots that are under way at the same time.
const AT_ONCE: usize = 64;
/// Handshakes before the first of them says hello: it must, within 5 s.
const BATCH: usize = 500;
/// How often everybody's position is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What connecting a crowd took.
#[derive(Debug, Default)]
pub struct Arrival {
    connections: usize,
    handshake_seconds: f64,
    handshake_server_cpu: Option<f64>,
    snapshot_seconds: f64,
    snapshot_server_cpu: Option<f64>,
}

impl Arrival {
    /// Nobody came.
    pub fn is_empty(&self) -> bool {
        self.connections == 0
    }

    /// CPU of the server for one handshake, in µs.
    pub fn handshake_micros(&self) -> Option<f64> {
        Some(self.handshake_server_cpu? * 1e6 / self.connections.max(1) as f64)
    }

    /// For the report.
    pub fn to_json(&self) -> Value {
        let each = |cpu: Option<f64>| cpu.map(|cpu| (cpu * 1e6 / self.connections.max(1) as f64).round());
        json!({
            "connections": self.connections,
            "at_once": AT_ONCE,
            "handshakes_per_second": (self.connections as f64 / self.handshake_seconds.max(1e-9)).round(),
            "handshake_server_cpu_us_each": each(self.handshake_server_cpu),
            "first_snapshots_per_second": (self.connections as f64 / self.snapshot_seconds.max(1e-9)).round(),
            "first_snapshot_server_cpu_us_each": each(self.snapshot_server_cpu),
        })
    }
}

/// Connects all of `viewers`: upgrades first, batch by batch, then hello and snapshot, so that both can be
/// told apart in the server's CPU time.
///
/// # Errors
/// When one cannot connect; which, and why.
pub async fn arrive(viewers: &[Rc<Viewer>], server: Option<u32>) -> Result<Arrival> {
    let mut arrival = Arrival { connections: viewers.len(), ..Arrival::default() };
    let cpu = || server.and_then(|pid| cpu_seconds(pid).ok());
    let spent = |from: Option<f64>| Some(cpu()? - from?);
    let add = |sum: Option<f64>, more: Option<f64>| Some(sum.unwrap_or(0.0) + more?);
    for batch in viewers.chunks(BATCH) {
        let (began, cpu_before) = (clock::now(), cpu());
        let handshakes = batch.iter().map(async |viewer| {
            let opened = viewer.handshake().await;
            (viewer, opened)
        });
        let opened: Vec<_> = stream::iter(handshakes).buffer_unordered(AT_ONCE).collect().await;
        arrival.handshake_seconds += seconds_since(began);
        arrival.handshake_server_cpu = add(arrival.handshake_server_cpu, spent(cpu_before));

        let (began, cpu_before) = (clock::now(), cpu());
        let hellos = opened.into_iter().map(async |(viewer, opened)| {
            let begun = opened.with_context(|| viewer.name()).and_then(|opened| viewer.begin(opened));
            match begun {
                Ok(()) => viewer.ready().await,
                // A server that was kept waiting for a hello has closed; who may, comes back.
                Err(_) if viewer.room.reconnect => viewer.get_in().await,
                Err(problem) => Err(problem),
            }
        });
        let ready: Vec<Result<()>> = stream::iter(hellos).buffer_unordered(AT_ONCE).collect().await;
        ready.into_iter().collect::<Result<()>>()?;
        arrival.snapshot_seconds += seconds_since(began);
        arrival.snapshot_server_cpu = add(arrival.snapshot_server_cpu, spent(cpu_before));
    }
    Ok(arrival)
}

/// Seconds since `began`.
pub fn seconds_since(began: Instant) -> f64 {
    clock::now().saturating_duration_since(began).as_secs_f64()
}

/// Waits until every client that has not failed, or gone for good, knows everything anybody knows.
///
/// # Errors
/// When that takes longer than `within`: who is behind, and how far.
pub async fn all_caught_up(room: &Room, viewers: &[Rc<Viewer>], within: Duration) -> Result<()> {
    let began = clock::now();
    loop {
        let told = room.chain.borrow().frontier().map_or(0, |state| state.seq);
        let last = told.max(room.answered_seq.get());
        let behind = |viewer: &&Rc<Viewer>| {
            let counts = match viewer.phase() {
                Phase::Failed => false,
                Phase::Away => room.reconnect,
                Phase::Hello | Phase::Welcomed | Phase::Live => true,
            };
            counts && viewer.position().is_none_or(|position| position.seq < last)
        };
        let Some(first) = viewers.iter().find(behind) else { return Ok(()) };
        if clock::now() > began + within {
            let count = viewers.iter().filter(behind).count();
            anyhow::bail!(
                "{count} clients are behind after {} s; {} is at {:?} and others at {last}",
                within.as_secs(),
                first.name(),
                first.position().map(|position| position.seq)
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Compares everything that was told with fresh snapshots, one per door of `fresh`; notes a fault for each
/// client whose final state is another one, and for each acknowledgement without its change.
///
/// # Errors
/// When a fresh client cannot connect.
pub async fn reckon(room: &Rc<Room>, viewers: &[Rc<Viewer>], fresh: &[Door]) -> Result<PublicState> {
    const WITHIN: Duration = Duration::from_secs(30);
    if let Err(problem) = all_caught_up(room, viewers, WITHIN).await {
        room.fault("the crowd", format!("{problem:#}"));
    }
    let mut end = None;
    for (index, door) in fresh.iter().enumerate() {
        let client = Viewer::new(viewers.len() + 1 + index, door.clone(), room);
        client.connect().await.with_context(|| format!("a fresh {}", door.role))?;
        end = client.position();
        client.go_away();
    }
    let end = end.context("no fresh client")?;
    // Changes that came while the fresh clients connected reach the others, too.
    drop(all_caught_up(room, viewers, WITHIN).await);
    for viewer in viewers.iter().filter(|viewer| viewer.phase() != Phase::Failed) {
        let position = viewer.position().map(|position| position.seq);
        if position != Some(end.seq) {
            let what = format!("its last state is at {position:?}, a fresh snapshot at {}", end.seq);
            room.fault(viewer.name(), what);
        }
    }
    let chain = room.chain.borrow();
    for wrong in chain.settle() {
        room.fault("all clients", wrong);
    }
    check_acknowledgements(room);
    let state = chain.frontier().context("no state")?;
    ensure!(state.seq == end.seq, "the changes lead to {}, a fresh snapshot is at {}", state.seq, end.seq);
    Ok(state.clone())
}

/// Whether `state` says what `receipt` says: somebody chose before anybody here was told anything.
fn holds(state: &PublicState, receipt: &Receipt) -> bool {
    let participant = state.participants().get(usize::from(receipt.rank).wrapping_sub(1));
    participant.is_some_and(|one| {
        one["standing"] == "placed"
            && one["post"] == receipt.post
            && one["seat"] == receipt.seat
            && one["at"] == receipt.at
    })
}

/// Every receipt has its change, and every seat somebody was seen to take has its receipt.
fn check_acknowledgements(room: &Room) {
    let chain = room.chain.borrow();
    let receipts = room.receipts.borrow();
    for given in receipts.iter() {
        let receipt = &given.receipt;
        let step = chain.steps().find(|step| step.from_seq < receipt.seq && receipt.seq <= step.to.seq);
        let matching = step.is_some_and(|step| {
            step.placed.iter().any(|placed| {
                placed.rank == receipt.rank
                    && placed.post == receipt.post
                    && placed.seat == receipt.seat
                    && placed.at == receipt.at
            }) && given.outcome_seq.is_none_or(|seq| receipt.seq <= seq && seq <= step.to.seq)
        });
        let before = chain.base().is_some_and(|base| receipt.seq <= base.seq && holds(base, receipt));
        if !matching && !before {
            let what =
                format!("acknowledged without a matching change: {receipt:?}, seq {:?}", given.outcome_seq);
            room.fault(given.client.clone(), what);
        }
    }
    for placed in chain.steps().flat_map(|step| &step.placed) {
        if !receipts.iter().any(|given| given.receipt.rank == placed.rank) {
            room.fault(format!("rank {}", placed.rank), format!("placed without a receipt: {placed:?}"));
        }
    }
}

/// CPU time of server, databases and generator over a stretch of time.
#[derive(Debug)]
pub struct CpuWatch {
    server: Option<u32>,
    postgres: Vec<u32>,
    before: (Option<f64>, f64, f64),
    began: Instant,
}

impl CpuWatch {
    /// Begins now.
    pub fn start(server: Option<u32>, postgres: Vec<u32>) -> Self {
        let before = Self::read(server, &postgres);
        Self { server, postgres, before, began: clock::now() }
    }

    fn read(server: Option<u32>, postgres: &[u32]) -> (Option<f64>, f64, f64) {
        let own = cpu_seconds(std::process::id()).unwrap_or(0.0);
        (server.and_then(|pid| cpu_seconds(pid).ok()), cpu_seconds_of_all(postgres), own)
    }

    /// What was used since.
    pub fn stop(&self) -> CpuUsed {
        // Those that were started meanwhile, too.
        let now = Self::read(self.server, &family_of(self.postgres.clone()));
        CpuUsed {
            wall: seconds_since(self.began),
            server: now.0.zip(self.before.0).map(|(now, before)| now - before),
            postgres: (!self.postgres.is_empty()).then_some(now.1 - self.before.1),
            generator: now.2 - self.before.2,
        }
    }
}

/// Seconds, each.
#[derive(Debug, Clone, Copy)]
pub struct CpuUsed {
    /// By the clock on the wall.
    pub wall: f64,
    /// The server's process.
    pub server: Option<f64>,
    /// The databases' processes together.
    pub postgres: Option<f64>,
    /// This process.
    pub generator: f64,
}

impl CpuUsed {
    /// For the report.
    pub fn to_json(self) -> Value {
        json!({
            "window_seconds": round3(self.wall),
            "server_cpu_seconds": self.server.map(round3),
            "postgres_cpu_seconds": self.postgres.map(round3),
            "generator_cpu_seconds": round3(self.generator),
        })
    }
}

/// To three digits behind the point.
pub fn round3(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
