//! The amphis in service on this server.
//!
//! A sharded map from amphi to room. No guard of the map leaves this module or lives across an await:
//! guards are `Send`, and would deadlock there.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use amphi_core::{AmphiId, Period, Timestamp};
use dashmap::DashMap;
use futures_util::StreamExt as _;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::eligibility::{Eligibility, EverybodyIsEligible};
use crate::journal::{Journal, JournalError};
use crate::limits::HEARTBEAT_EVERY;
use crate::metrics::meters;
use crate::persons::Persons;
use crate::room::{Room, Surroundings};

/// Attempts to take over an amphi whose last owner has not quite gone yet…
const TAKEOVER_ATTEMPTS: u32 = 20;
/// …and the pause between them.
const TAKEOVER_PAUSE: Duration = Duration::from_millis(100);

/// Amphis taken over in one statement at the start: enough that the statement does not count beside what is
/// read, few enough that what is read fits in memory, even of the longest ones (some MB each).
const OPENED_TOGETHER: usize = 32;
/// Statements under way at the same time: while one is answered, what others have read is replayed.
const OPENINGS_AT_ONCE: usize = 4;

type Slot = Arc<Mutex<Option<Arc<Room>>>>;

/// All rooms of this server, and what they share.
pub struct Registry {
    rooms: DashMap<AmphiId, Slot>,
    surroundings: Surroundings,
}

impl Registry {
    /// A registry without rooms; they open when they are first asked for.
    pub fn new(journal: Arc<dyn Journal>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::asking(journal, clock, Arc::new(EverybodyIsEligible))
    }

    /// A registry that asks `eligibility` before a session opens.
    pub fn asking(
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
        eligibility: Arc<dyn Eligibility>,
    ) -> Arc<Self> {
        let persons = Arc::new(Persons::default());
        let stopping = CancellationToken::new();
        let owners = TaskTracker::new();
        let pulse = Arc::default();
        let surroundings = Surroundings { journal, clock, eligibility, persons, pulse, stopping, owners };
        Arc::new(Self { rooms: DashMap::new(), surroundings })
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.surroundings.clock.now()
    }

    /// Where amphis keep what has happened to them; reading it takes no ownership.
    pub fn journal(&self) -> &Arc<dyn Journal> {
        &self.surroundings.journal
    }

    /// The room of an amphi, taken into service if it is not yet; waits a moment for a last owner that
    /// has not quite gone.
    ///
    /// # Errors
    /// [`JournalError`]: unknown amphi, owned by another live server, damaged journal, no answer.
    pub async fn room(&self, amphi: AmphiId) -> Result<Arc<Room>, JournalError> {
        let mut attempt = 1;
        loop {
            match self.room_once(amphi).await {
                Err(JournalError::OwnedByAnother) if attempt < TAKEOVER_ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(TAKEOVER_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    async fn room_once(&self, amphi: AmphiId) -> Result<Arc<Room>, JournalError> {
        if self.surroundings.stopping.is_cancelled() {
            return Err(stopping());
        }
        let (slot, mut room) = self.slot(amphi).await;
        if let Some(room) = room.as_ref().filter(|room| room.is_in_service()) {
            return Ok(Arc::clone(room));
        }
        let opened = Room::open(amphi, self.surroundings.clone()).await;
        self.keep(amphi, &slot, &mut room, opened)
    }

    /// The place of an amphi's room, held. Whoever waited for one that was given up meanwhile begins
    /// anew: two places would be two rooms of one amphi.
    async fn slot(&self, amphi: AmphiId) -> (Slot, OwnedMutexGuard<Option<Arc<Room>>>) {
        loop {
            let slot = Arc::clone(&self.rooms.entry(amphi).or_default());
            let room = Arc::clone(&slot).lock_owned().await;
            if self.rooms.get(&amphi).is_some_and(|kept| Arc::ptr_eq(&kept, &slot)) {
                return (slot, room);
            }
        }
    }

    /// Makes a new amphi, as an empty draft.
    ///
    /// # Errors
    /// [`JournalError`]
    pub async fn create(
        &self,
        amphi: AmphiId,
        title: &str,
        period: Period,
    ) -> Result<Arc<Room>, JournalError> {
        self.surroundings.journal.create(amphi, title, period).await?;
        self.room(amphi).await
    }

    /// Takes every unfinished amphi into service; says how many came, and how many could not.
    ///
    /// # Errors
    /// [`JournalError`] when the journal cannot even say which there are.
    pub async fn open_unfinished(self: &Arc<Self>) -> Result<(usize, usize), JournalError> {
        let mut left = self.surroundings.journal.unfinished().await?;
        let (mut opened, mut failed) = (0, 0);
        for attempt in 1..=TAKEOVER_ATTEMPTS {
            let mut waits_for_its_owner = Vec::new();
            let mut opening = futures_util::stream::iter(left.chunks(OPENED_TOGETHER))
                .map(|amphis| {
                    // In a task of its own: reading what was written is work for every core.
                    let (registry, amphis) = (Arc::clone(self), amphis.to_vec());
                    tokio::spawn(async move { registry.open_together(&amphis).await })
                })
                .buffered(OPENINGS_AT_ONCE);
            while let Some(tried) = opening.next().await {
                for (amphi, result) in tried.unwrap_or_else(|broken| resume_unwind(broken.into_panic())) {
                    match result {
                        Ok(()) => opened += 1,
                        // Only waiting helps against an owner that has not quite gone, and only against it.
                        Err(JournalError::OwnedByAnother) if attempt < TAKEOVER_ATTEMPTS => {
                            waits_for_its_owner.push(amphi);
                        }
                        Err(error) => {
                            tracing::error!(%amphi, %error, "the amphi could not be taken into service");
                            failed += 1;
                        }
                    }
                }
            }
            drop(opening);
            if waits_for_its_owner.is_empty() {
                break;
            }
            left = waits_for_its_owner;
            tokio::time::sleep(TAKEOVER_PAUSE).await;
        }
        Ok((opened, failed))
    }

    /// Takes these amphis into service, in one go where that can be, without waiting for owners that go.
    pub async fn open_together(&self, amphis: &[AmphiId]) -> Vec<(AmphiId, Result<(), JournalError>)> {
        let mut opened = self.take_together(amphis).await;
        for (amphi, result) in &mut opened {
            // What kept all of them from opening may concern only one.
            if matches!(result, Err(JournalError::Unavailable(_))) {
                *result = self.room_once(*amphi).await.map(|_| ());
            }
        }
        opened
    }

    async fn take_together(&self, amphis: &[AmphiId]) -> Vec<(AmphiId, Result<(), JournalError>)> {
        if self.surroundings.stopping.is_cancelled() {
            return amphis.iter().map(|amphi| (*amphi, Err(stopping()))).collect();
        }
        let mut opened = Vec::with_capacity(amphis.len());
        let (mut wanted, mut slots) = (Vec::new(), Vec::new());
        // In their order, so that two who open the same ones do not wait for one another.
        for amphi in amphis {
            let (slot, room) = self.slot(*amphi).await;
            if room.as_ref().is_some_and(|room| room.is_in_service()) {
                opened.push((*amphi, Ok(())));
            } else {
                wanted.push(*amphi);
                slots.push((slot, room));
            }
        }
        // Nothing is asked where all of them are in service.
        if wanted.is_empty() {
            return opened;
        }
        let taken = self.surroundings.journal.take(&wanted).await;
        for ((amphi, (slot, mut room)), taken) in wanted.into_iter().zip(slots).zip(taken) {
            let result = taken.and_then(|taken| Room::open_taken(amphi, self.surroundings.clone(), &taken));
            let result = self.keep(amphi, &slot, &mut room, result);
            opened.push((amphi, result.map(|_| ())));
        }
        opened
    }

    /// Keeps a room that was opened, or gives its place up.
    fn keep(
        &self,
        amphi: AmphiId,
        slot: &Slot,
        place: &mut Option<Arc<Room>>,
        opened: Result<Arc<Room>, JournalError>,
    ) -> Result<Arc<Room>, JournalError> {
        match opened {
            Ok(room) => {
                *place = Some(Arc::clone(&room));
                Ok(room)
            }
            Err(error) => {
                // Ids that do not exist must not fill the map.
                self.rooms.remove_if(&amphi, |_, kept| Arc::ptr_eq(kept, slot));
                Err(error)
            }
        }
    }

    /// Says once a second that this server is alive, until it stops.
    pub async fn keep_alive(&self) {
        while !self.surroundings.stopping.is_cancelled() {
            self.beat().await;
            tokio::time::sleep(HEARTBEAT_EVERY).await;
        }
    }

    /// One heartbeat; rooms whose amphi another server has taken meanwhile go out of service, so that nobody
    /// looks at a state that is not the amphi's any more (P5).
    pub async fn beat(&self) {
        // Listed before it is asked: whatever is opened meanwhile is not judged by an older answer.
        let rooms = self.in_service();
        let amphis: Vec<AmphiId> = rooms.iter().map(|room| room.id()).collect();
        match self.surroundings.journal.heartbeat(self.now(), &amphis).await {
            Ok(lost) => {
                for room in rooms.iter().filter(|room| lost.contains(&room.id())) {
                    tracing::warn!(amphi = %room.id(), "another server has taken this amphi over");
                    room.step_down();
                }
            }
            Err(error) => {
                meters().heartbeats_failed.increment(1);
                tracing::warn!(%error, "no heartbeat could be written");
            }
        }
    }

    /// The rooms in service now; those that are just being opened are left out.
    fn in_service(&self) -> Vec<Arc<Room>> {
        let room = |slot: &Slot| slot.try_lock().ok().and_then(|room| room.clone());
        let rooms = self.rooms.iter().filter_map(|entry| room(entry.value()));
        rooms.filter(|room| room.is_in_service()).collect()
    }

    /// Stops every room once what it has under way is finished, closes its sockets, and gives up
    /// ownership: a successor takes over at once.
    ///
    /// # Errors
    /// [`JournalError`] when the last heartbeat could not be written; the amphis are free all the same.
    pub async fn stop(&self) -> Result<(), JournalError> {
        // From here on rooms stop, at once where nothing is under way: what a slow write of one of them
        // takes is no time that the turns of the others were served (A10).
        let served_until = self.now();
        self.surroundings.stopping.cancel();
        self.surroundings.owners.close();
        self.surroundings.owners.wait().await;
        self.surroundings.journal.release_all(served_until).await
    }
}

fn stopping() -> JournalError {
    JournalError::Unavailable("this server is stopping".to_owned())
}
