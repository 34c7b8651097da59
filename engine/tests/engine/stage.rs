//! The stage on which rooms are played: one server, one clock, one amphi, and people who watch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use amphi_engine::clock::{Clock as _, ManualClock};
use amphi_engine::core::{
    Actor, CallRank, Command, CommandId, Rejection, Setup, Snapshot, Standing, Timestamp,
};
use amphi_engine::fanout::{End, Line, Pocket, Said, ViewerKey};
use amphi_engine::journal::{Entry, Journal as _, MemoryJournal};
use amphi_engine::protocol::{CloseCode, Outcome, Position, Receipt, Role, ServerMessage};
use amphi_engine::registry::Registry;
use amphi_engine::room::Room;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::faulty::FaultyJournal;
use crate::scene::{ADMINISTRATOR, NOVEMBER, amphi, at, intern};

/// One server with one amphi (number 1).
pub struct Stage {
    pub clock: ManualClock,
    pub journal: Arc<FaultyJournal>,
    pub registry: Arc<Registry>,
    pub room: Arc<Room>,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// An id that a test names.
pub fn id(number: u128) -> CommandId {
    CommandId(Uuid::from_u128(0xC000_0000 + number))
}

pub fn suspend() -> Command {
    Command::Suspend { reason: "Panne de réseau".to_owned() }
}

/// An id that no other command has.
pub fn fresh_id() -> CommandId {
    id(1_000_000 + u128::from(NEXT_ID.fetch_add(1, Ordering::Relaxed)))
}

impl Stage {
    /// Published at 08:00.
    pub async fn published(setup: Setup) -> Self {
        let clock = ManualClock::at(at("08:00"));
        let journal = FaultyJournal::new(MemoryJournal::new());
        let registry = Registry::new(journal.clone(), Arc::new(clock.clone()));
        let room = publish(&registry, 1, setup).await;
        Self { clock, journal, registry, room }
    }

    /// Opened at 08:30, half an hour before the first turn.
    pub async fn opened(setup: Setup) -> Self {
        let stage = Self::published(setup).await;
        stage.until("08:30").await;
        done(stage.does(ADMINISTRATOR, Command::Open).await);
        stage
    }

    /// Opened, and the turn of rank 1 begun at 09:00 sharp.
    pub async fn begun(setup: Setup) -> Self {
        let stage = Self::opened(setup).await;
        stage.until("09:00").await;
        stage
    }

    /// The same amphi on a new server, taken into service at `when`. The old server's clock stands still
    /// from then on: whoever was killed does nothing more.
    pub async fn taken_over(self, when: Timestamp) -> Self {
        let clock = ManualClock::at(when);
        let journal = FaultyJournal::new(self.journal.store.another_server());
        let registry = Registry::new(journal.clone(), Arc::new(clock.clone()));
        let room = registry.room(amphi(1)).await.unwrap();
        settle(&room).await;
        Self { clock, journal, registry, room }
    }

    /// `kill -9` of this server, and a new one at `when`.
    pub async fn crashes_and_returns(self, when: &str) -> Self {
        self.journal.store.die();
        self.taken_over(at(when)).await
    }

    /// An orderly restart: stopped now, back at `when`.
    pub async fn restarts(self, when: &str) -> Self {
        self.registry.stop().await.unwrap();
        self.taken_over(at(when)).await
    }

    /// Moves the clock and waits until the room has done what was due.
    pub async fn until(&self, when: &str) {
        self.clock.set(at(when));
        settle(&self.room).await;
    }

    pub async fn does(&self, actor: Actor, command: Command) -> Outcome {
        self.asks(actor, command, fresh_id()).await
    }

    pub async fn asks(&self, actor: Actor, command: Command, id: CommandId) -> Outcome {
        self.room.ask(actor, command, id).await.unwrap()
    }

    /// Sends without waiting for the answer.
    pub fn sends(&self, actor: Actor, command: Command) -> Asked {
        self.sends_as(actor, command, fresh_id())
    }

    pub fn sends_as(&self, actor: Actor, command: Command, id: CommandId) -> Asked {
        let (reply, outcome) = tokio::sync::oneshot::channel();
        let submitted = self.room.submit(actor, command, Some(id), move |outcome| {
            let _ = reply.send(outcome);
        });
        submitted.unwrap();
        Asked(outcome)
    }

    pub fn watches(&self, role: Role) -> Viewer {
        Viewer::joins(&self.room, role, None)
    }

    pub fn snapshot(&self) -> Snapshot {
        snapshot(&self.room)
    }

    pub fn position(&self) -> Position {
        self.room.read(|ledger| ledger.position())
    }

    pub fn receipt(&self, rank: u16) -> Option<Receipt> {
        self.room.read(|ledger| ledger.receipt(CallRank(rank)).cloned())
    }

    pub fn standing(&self, rank: u16) -> Standing {
        self.room.read(|ledger| ledger.amphi().standing(CallRank(rank))).unwrap()
    }

    /// Whose turn is open, and until when.
    pub fn turn(&self) -> Option<(u16, Timestamp)> {
        self.room.read(|ledger| ledger.amphi().turn().map(|turn| (turn.rank.0, turn.deadline)))
    }

    pub async fn entries(&self) -> Vec<Entry> {
        self.journal.load(amphi(1)).await.unwrap()
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// A command on its way.
pub struct Asked(tokio::sync::oneshot::Receiver<Outcome>);

impl Asked {
    /// The answer, if it has come.
    pub fn answer(&mut self) -> Option<Outcome> {
        self.0.try_recv().ok()
    }

    pub async fn answered(self) -> Outcome {
        self.0.await.expect("an answer")
    }

    /// Waits until it is certain that no answer comes from this room.
    pub async fn was_dropped(self) -> bool {
        self.0.await.is_err()
    }
}

/// Drafts and publishes an amphi.
pub async fn publish(registry: &Registry, number: u128, setup: Setup) -> Arc<Room> {
    let room = registry.create(amphi(number), &setup.title, NOVEMBER).await.unwrap();
    for command in [Command::Draft(Box::new(setup)), Command::Publish] {
        done(room.ask(ADMINISTRATOR, command, fresh_id()).await.unwrap());
    }
    room
}

/// Waits until `room` has handled everything that was sent to it, and what was due by now.
pub async fn settle(room: &Room) {
    let nobody = intern(0);
    let refused = room.ask(nobody, Command::Resume, fresh_id()).await.unwrap();
    assert_eq!(refused, Outcome::Refused { rejection: Rejection::Forbidden });
}

/// Whether a connection of that role is let in, and if not, how it is closed.
pub fn comes(room: &Arc<Room>, role: Role) -> Option<CloseCode> {
    room.join(&Line::new(role, Pocket::new()), None).err()
}

/// Lets other tasks run until `reached`; a test fails rather than hang.
pub async fn eventually(what: &str, mut reached: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if reached() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("never: {what}");
}

/// Waits until `room` has stopped.
pub async fn stopped(room: &Room) {
    eventually("the room stops", || !room.is_in_service()).await;
}

pub fn snapshot(room: &Room) -> Snapshot {
    room.read(|ledger| ledger.amphi().snapshot()).unwrap()
}

#[track_caller]
pub fn done(outcome: Outcome) -> Option<Receipt> {
    match outcome {
        Outcome::Done { receipt, .. } => receipt.map(|receipt| *receipt),
        other => panic!("not done: {other:?}"),
    }
}

#[track_caller]
pub fn refused(outcome: Outcome) -> Rejection {
    match outcome {
        Outcome::Refused { rejection } => rejection,
        other => panic!("not refused: {other:?}"),
    }
}

/// Runs `stop` beside the test.
pub fn stopping(registry: &Arc<Registry>) -> JoinHandle<()> {
    let registry = Arc::clone(registry);
    tokio::spawn(async move { registry.stop().await.unwrap() })
}

/// Somebody who is connected, and reads when the test says so.
pub struct Viewer {
    pub welcome: ServerMessage,
    pub closed: Option<CloseCode>,
    /// How often public frames were dropped for it.
    pub fell_behind: usize,
    pub line: Arc<Line>,
    pocket: Arc<Pocket>,
    /// Came with the welcome.
    unread: Vec<ServerMessage>,
    room: Arc<Room>,
    key: ViewerKey,
}

impl Viewer {
    pub fn joins(room: &Arc<Room>, role: Role, resume: Option<Position>) -> Self {
        let pocket = Pocket::new();
        let line = Line::new(role, pocket.clone());
        let key = room.join(&line, resume).unwrap();
        let mut unread = read(&pocket, &line);
        let (welcome, closed, room) = (unread.remove(0), None, Arc::clone(room));
        Self { welcome, closed, fell_behind: 0, line, pocket, unread, room, key }
    }

    /// Everything that waits, as a connection would write it now.
    pub fn reads(&mut self) -> Vec<ServerMessage> {
        let mut messages = std::mem::take(&mut self.unread);
        loop {
            if let Some(End::Closed(code)) = self.line.ended() {
                self.closed = Some(code);
                return messages;
            }
            messages.extend(read(&self.pocket, &self.line));
            if !self.line.is_behind() {
                return messages;
            }
            self.fell_behind += 1;
            self.resyncs();
        }
    }

    /// The kinds of message that wait, in one line.
    pub fn kinds(&mut self) -> String {
        let kind = |message: &ServerMessage| {
            let value = serde_json::to_value(message).unwrap();
            value["type"].as_str().unwrap().to_owned()
        };
        self.reads().iter().map(kind).collect::<Vec<_>>().join(" ")
    }

    /// As when it sends `resync`.
    pub fn resyncs(&self) {
        self.room.catch_up(&self.line);
    }

    pub fn leaves(self) {
        self.room.leave(self.key);
    }
}

fn read(pocket: &Pocket, line: &Line) -> Vec<ServerMessage> {
    let text = |said| match said {
        Said::Text(text) => Some(serde_json::from_str(&text).unwrap()),
        Said::Close => None,
    };
    pocket.read(line).into_iter().filter_map(text).collect()
}
