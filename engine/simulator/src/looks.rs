//! What is looked at after every step, and how a world ends: faults stop, and everybody's turn passes.

use std::time::Duration;

use amphi_engine::core::{Amphi, Command, Status};

use crate::oracle::{Promise, Violation};
use crate::plan::{ClockShift, GIVE_UP_MS, amphi_id};
use crate::simulation::{Report, Simulation};

/// Task switches after which a screen that reads has shown what its room has told.
const SWITCHES_TO_READ: usize = 200;
/// Rounds in which an amphi must end once faults have stopped, per participant and besides.
const ROUNDS: (usize, usize) = (6, 40);

impl Simulation<'_> {
    /// Looks at every room and every screen.
    pub(crate) async fn look(&mut self) -> Result<(), Violation> {
        self.check_rooms(false);
        self.check_screens().await;
        match self.oracle().violation() {
            Some(violation) => Err(violation),
            None => Ok(()),
        }
    }

    /// Every room that is in service says what the journal says, and none has stopped by itself.
    pub(crate) fn check_rooms(&mut self, byte_for_byte: bool) {
        for machine in &self.machines {
            let Some(server) = &machine.server else { continue };
            for (_, room) in server.rooms() {
                if !room.is_in_service() {
                    let what = format!("the room of {} stopped by itself", room.id());
                    self.oracle().broken(Promise::Progress, what);
                    continue;
                }
                let (position, live) = room.read(|ledger| (ledger.position(), Amphi::clone(ledger.amphi())));
                let now = server.clock.now();
                let mut oracle = self.oracle();
                oracle.compare_live(position, &live, byte_for_byte);
                oracle.check_forecasts(&live, now);
            }
        }
    }

    /// Every screen that believes itself current has what its room has (P5).
    async fn check_screens(&mut self) {
        for index in 0..self.devices.len() {
            let mut seen = None;
            for _ in 0..SWITCHES_TO_READ {
                let device = &self.devices[index];
                seen = device.stands().filter(|(shown, room)| device.is_reading() && shown != room);
                if seen.is_none() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            if let Some((shown, room)) = seen {
                let role = self.devices[index].role;
                let what =
                    format!("a screen ({role:?}) believes itself current at {shown}; its room is at {room}");
                self.oracle().broken(Promise::P5, what);
            }
        }
    }

    /// Faults stop; every amphi must come to its end, and everything is looked at once more.
    pub(crate) async fn finish(&mut self) -> Result<Report, Violation> {
        self.heal().await;
        for amphi in 0..self.plan.world.amphis.len() {
            self.play_to_the_end(amphi).await;
        }
        self.conclude().await
    }

    /// Everything is looked at once more, and the servers are stopped.
    pub(crate) async fn conclude(&mut self) -> Result<Report, Violation> {
        self.retry().await;
        self.pass(Duration::from_secs(30)).await;
        for index in 0..self.devices.len() {
            if !self.devices[index].is_connected() {
                self.connect(index).await;
            }
            self.devices[index].reads(true);
        }
        self.pass(Duration::from_millis(1)).await;
        self.check_rooms(true);
        self.check_screens().await;
        self.stop_everything().await;
        let mut digest = Vec::new();
        for amphi in 0..self.plan.world.amphis.len() {
            let stored = self.stored(amphi).await;
            digest.push(stored.last().map(|entry| entry.hash.to_string()).unwrap_or_default());
            self.oracle().check_journal(amphi_id(amphi), &stored);
            self.oracle().count("amphi");
        }
        let mut oracle = self.oracle();
        oracle.check_answers();
        match oracle.violation() {
            Some(violation) => Err(violation),
            None => Ok(Report { counts: oracle.counts().clone(), digest }),
        }
    }

    async fn heal(&mut self) {
        for index in 0..self.machines.len() {
            let machine = &mut self.machines[index];
            machine.wall.shift(ClockShift::Steady);
            machine.replaced.iter().chain(&machine.server).for_each(|server| server.journal.heal());
            if machine.server.is_none() {
                self.start_server(index).await;
            }
        }
        self.devices.iter_mut().for_each(|device| device.reads(true));
        // What was under way when the faults stopped still takes its time.
        self.pass(Duration::from_millis(2 * u64::from(GIVE_UP_MS))).await;
    }

    /// Everybody's turn passes, and the session is closed.
    async fn play_to_the_end(&mut self, amphi: usize) {
        let people = self.plan.world.amphis[amphi].setup.participants.len();
        for _ in 0..ROUNDS.0 * people + ROUNDS.1 {
            if self.oracle().violation().is_some() {
                return;
            }
            let state = self.oracle().book(amphi_id(amphi)).state();
            let command = match state.status() {
                Status::Closed | Status::Annulled { .. } => return,
                Status::Draft if state.setup().is_none() => {
                    Command::Draft(Box::new(self.plan.world.amphis[amphi].setup.clone()))
                }
                Status::Draft => Command::Publish,
                Status::Published => {
                    self.open(amphi).await;
                    continue;
                }
                Status::Suspended { .. } => Command::Resume,
                Status::Open => match state.next_deadline() {
                    None => Command::Close,
                    Some(due) => {
                        let left_ms = (due - self.shows(amphi)).0.max(0).unsigned_abs();
                        self.pass(Duration::from_millis(left_ms + 100)).await;
                        continue;
                    }
                },
            };
            // A refusal means that things have moved on meanwhile: look again.
            self.insist(amphi, command).await;
        }
        let state = self.oracle().book(amphi_id(amphi)).state();
        let what = format!("faults have stopped, and amphi {amphi} does not end: {:?}", state.progress());
        self.oracle().broken(Promise::Progress, what);
    }

    async fn stop_everything(&mut self) {
        for index in 0..self.machines.len() {
            let machine = &mut self.machines[index];
            let servers: Vec<_> = machine.replaced.drain(..).chain(machine.server.take()).collect();
            for server in servers {
                if !server.stop().await {
                    self.oracle().broken(Promise::Progress, "a server does not stop");
                }
            }
        }
    }
}
