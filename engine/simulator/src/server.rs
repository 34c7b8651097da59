//! Simulated machines and the servers on them: the engine's own registry, over a simulated journal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use amphi_engine::clock::Clock;
use amphi_engine::core::{Ineligibility, InternId};
use amphi_engine::eligibility::Eligibility;
use amphi_engine::journal::{Journal as _, MemoryJournal};
use amphi_engine::registry::Registry;
use amphi_engine::room::Room;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::clock::WallClock;
use crate::journal::{Lag, SimulatedJournal};
use crate::oracle::SharedOracle;
use crate::plan::{World, amphi_id};
use crate::simulation::lock;

/// How long a room may take to open: a write given up, and a dozen attempts to take over.
const ROOM_WITHIN: Duration = Duration::from_secs(30);

/// A machine: its clock, the server on it, and those that were replaced and go on unaware.
pub struct Machine {
    /// What its wall clock shows.
    pub wall: WallClock,
    /// The server in service.
    pub server: Option<Server>,
    /// Servers that the journal takes for dead, and that are not.
    pub replaced: Vec<Server>,
    /// When the next server starts, while there is none.
    pub back_at: Option<Instant>,
}

/// A server process.
pub struct Server {
    /// Its number among all that ever ran.
    pub number: usize,
    /// Its journal.
    pub journal: Arc<SimulatedJournal>,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Its rooms.
    pub registry: Arc<Registry>,
    rooms: BTreeMap<usize, Arc<Room>>,
    heartbeat: JoinHandle<()>,
    oracle: SharedOracle,
}

impl Server {
    /// A server that starts now.
    pub fn start(
        number: usize,
        store: &MemoryJournal,
        wall: &WallClock,
        world: &World,
        lag: Lag,
        oracle: &SharedOracle,
    ) -> Self {
        let journal = SimulatedJournal::new(store.another_server(), number, lag, Arc::clone(oracle));
        let clock = wall.for_a_server(world.clockwork);
        let accounts = Arc::new(Accounts { ineligible: world.ineligible.clone() });
        let registry = Registry::asking(journal.clone(), Arc::clone(&clock), accounts);
        let heartbeat = tokio::spawn({
            let registry = Arc::clone(&registry);
            async move { registry.keep_alive().await }
        });
        Self {
            number,
            journal,
            clock,
            registry,
            rooms: BTreeMap::new(),
            heartbeat,
            oracle: Arc::clone(oracle),
        }
    }

    /// The room of an amphi, if this server has it or can have it.
    pub async fn room(&mut self, amphi: usize) -> Option<Arc<Room>> {
        let opening = self.registry.room(amphi_id(amphi));
        let room = tokio::time::timeout(ROOM_WITHIN, opening).await.ok()?.ok()?;
        self.rooms.insert(amphi, Arc::clone(&room));
        lock(&self.oracle).in_service(amphi_id(amphi));
        Some(room)
    }

    /// Opens many at once, as a start does.
    pub async fn open_together(&self, amphis: &[usize]) {
        let amphis: Vec<_> = amphis.iter().map(|amphi| amphi_id(*amphi)).collect();
        // What is not open then is opened when it is asked for.
        let _ = tokio::time::timeout(ROOM_WITHIN, self.registry.open_together(&amphis)).await;
    }

    /// Makes the room of a new amphi.
    pub async fn create(&self, amphi: usize) -> bool {
        let id = amphi_id(amphi);
        let created = self.journal.create(id, "Amphi", crate::plan::PERIOD).await;
        created.is_ok()
    }

    /// The rooms it has opened.
    pub fn rooms(&self) -> impl Iterator<Item = (usize, &Arc<Room>)> {
        self.rooms.iter().map(|(amphi, room)| (*amphi, room))
    }

    /// `kill -9`: from now on nothing is heard of it.
    pub fn kill(self, write_lands: bool) {
        self.heartbeat.abort();
        self.journal.kill(write_lands);
    }

    /// The journal takes it for dead. It goes on.
    pub fn lose_the_lock(&self) {
        self.heartbeat.abort();
        self.journal.lose_the_lock();
    }

    /// An orderly stop. Whether it ended.
    pub async fn stop(self) -> bool {
        self.heartbeat.abort();
        tokio::time::timeout(ROOM_WITHIN * 4, self.registry.stop()).await.is_ok()
    }
}

/// The accounts, as far as the engine asks: some speak against their owner.
struct Accounts {
    ineligible: Vec<InternId>,
}

impl Eligibility for Accounts {
    fn check<'a>(
        &'a self,
        interns: &'a [InternId],
    ) -> BoxFuture<'a, Result<Vec<(InternId, Ineligibility)>, String>> {
        async move {
            tokio::task::yield_now().await;
            let found = interns.iter().filter(|intern| self.ineligible.contains(intern));
            Ok(found.map(|intern| (*intern, Ineligibility::NotValidated)).collect())
        }
        .boxed()
    }
}
