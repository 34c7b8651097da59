//! A device: what it was sent, and the screen it made of it.
//!
//! It does what `PROTOCOL.md` asks of a client and nothing more: a snapshot replaces, a change is laid
//! over the state it follows, anything else is a fault of the server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amphi_engine::clock::Clock;
use amphi_engine::core::{AmphiId, Snapshot};
use amphi_engine::fanout::{Line, Pocket, Said, ViewerKey};
use amphi_engine::protocol::{CloseCode, Position, Role, ServerMessage};
use amphi_engine::room::Room;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::oracle::{Promise, SharedOracle};

/// Somebody's phone, laptop, or the screen on the wall.
pub struct Device {
    /// Index of the amphi.
    pub amphi: usize,
    /// What it may see.
    pub role: Role,
    screen: Arc<Mutex<Screen>>,
    connection: Option<Connection>,
    was_long_away: bool,
}

/// What a device shows.
#[derive(Default)]
struct Screen {
    snapshot: Option<Snapshot>,
    position: Option<Position>,
    /// Whether it believes that what it shows is current.
    connected: bool,
}

struct Connection {
    server: usize,
    room: Arc<Room>,
    key: ViewerKey,
    line: Arc<Line>,
    reading: watch::Sender<bool>,
    reader: JoinHandle<()>,
}

/// What a device needs to tell the oracle what it is told.
#[derive(Clone)]
pub struct Witness {
    /// Whom.
    pub oracle: SharedOracle,
    /// The clock of the server that tells it.
    pub clock: Arc<dyn Clock>,
    /// Which server that is.
    pub server: usize,
    /// Whether that clock runs as a stopwatch does.
    pub steady: bool,
}

impl Device {
    /// A device that is not connected.
    pub fn new(amphi: usize, role: Role) -> Self {
        Self { amphi, role, screen: Arc::default(), connection: None, was_long_away: false }
    }

    /// Connects to a room of `server`; says where it was, if it was anywhere. Whether it was let in.
    pub fn connect(&mut self, server: usize, room: &Arc<Room>, witness: Witness) -> Result<(), CloseCode> {
        let resume = self.screen().position;
        let pocket = Pocket::new();
        let line = Line::new(self.role, pocket.clone());
        let key = room.join(&line, resume)?;
        self.screen().connected = true;
        let (reading, may_read) = watch::channel(true);
        let reader = Reader {
            room: Arc::clone(room),
            key,
            line: Arc::clone(&line),
            pocket,
            screen: Arc::clone(&self.screen),
            witness,
        };
        let reader = tokio::spawn(reader.read(may_read));
        self.connection = Some(Connection { server, room: Arc::clone(room), key, line, reading, reader });
        Ok(())
    }

    /// Whether it is connected, or believes so.
    pub fn is_connected(&self) -> bool {
        self.connection.is_some() && self.screen().connected
    }

    /// Which server it is connected to, as it believes.
    pub fn server(&self) -> Option<usize> {
        self.connection.as_ref().filter(|_| self.is_connected()).map(|connection| connection.server)
    }

    /// Loses its connection; the server notices.
    pub fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.reader.abort();
            connection.room.leave(connection.key);
        }
        self.screen().connected = false;
    }

    /// The server it was connected to is dead.
    pub fn cut_off(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.reader.abort();
        }
        self.screen().connected = false;
    }

    /// Stops reading, or reads again: every second time after so long that its room has no more of what it lacks.
    pub fn reads(&mut self, reads: bool) {
        if let Some(connection) = &self.connection {
            let read_before = connection.reading.send_replace(reads);
            let returns = reads && !read_before;
            self.was_long_away ^= returns;
            if returns && self.was_long_away {
                connection.line.fall_behind();
            }
        }
    }

    /// Whether it reads what it is sent.
    pub fn is_reading(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| *connection.reading.borrow())
    }

    /// Asks for a snapshot.
    pub fn resync(&self) {
        if let Some(connection) = &self.connection {
            connection.room.catch_up(&connection.line);
        }
    }

    /// Which entry its screen shows, and at which its room stands, once there is something to show.
    pub fn stands(&self) -> Option<(u64, u64)> {
        let connection = self.connection.as_ref().filter(|_| self.is_connected())?;
        let room = connection.room.read(|ledger| ledger.amphi().setup().map(|_| ledger.position().seq))?;
        Some((self.screen().position.map_or(0, |position| position.seq), room))
    }

    fn screen(&self) -> MutexGuard<'_, Screen> {
        lock(&self.screen)
    }
}

/// The task that reads what a device is sent.
struct Reader {
    room: Arc<Room>,
    key: ViewerKey,
    line: Arc<Line>,
    pocket: Arc<Pocket>,
    screen: Arc<Mutex<Screen>>,
    witness: Witness,
}

impl Reader {
    async fn read(self, mut may_read: watch::Receiver<bool>) {
        loop {
            if may_read.wait_for(|reads| *reads).await.is_err() {
                return;
            }
            for said in self.pocket.read(&self.line) {
                if let Said::Text(text) = said {
                    self.frame(&text);
                }
            }
            if self.line.ended().is_some() {
                lock(&self.screen).connected = false;
                lock(&self.witness.oracle).count("screen.closed");
                return self.room.leave(self.key);
            }
            if self.line.is_behind() {
                lock(&self.witness.oracle).count("screen.fell_behind");
                self.room.catch_up(&self.line);
                continue;
            }
            tokio::select! {
                biased;
                _ = may_read.changed() => {}
                () = self.line.news() => {}
            }
        }
    }

    fn frame(&self, frame: &str) {
        let mut oracle = lock(&self.witness.oracle);
        match serde_json::from_str::<ServerMessage>(frame) {
            Ok(ServerMessage::Me(me)) => {
                if let Some(receipt) = &me.receipt {
                    oracle.receipt_shown(receipt);
                }
            }
            Ok(message) => {
                let shown = lock(&self.screen).receive(message);
                match shown {
                    Ok(Some((position, snapshot))) => {
                        let amphi: AmphiId = self.room.id();
                        oracle.shown(amphi, position, &snapshot);
                        if let Some(turn) = &snapshot.now.turn {
                            let Witness { clock, server, steady, .. } = &self.witness;
                            // Two servers at once need not have the same time: the successor's counts.
                            let steady = *steady && !oracle.is_replaced(*server);
                            oracle.announced(amphi, position.seq, turn, clock.now(), steady);
                        }
                    }
                    Ok(None) => {}
                    Err(problem) => oracle.broken(Promise::P5, problem),
                }
            }
            Err(error) => oracle.broken(Promise::P5, format!("a message cannot be read: {error}: {frame}")),
        }
    }
}

impl Screen {
    /// Takes a message in; what it shows afterwards, if that changed.
    fn receive(&mut self, message: ServerMessage) -> Result<Option<(Position, Snapshot)>, String> {
        match message {
            ServerMessage::Snapshot { epoch, seq, snapshot } => {
                self.position = Some(Position { epoch, seq });
                self.snapshot = Some(*snapshot);
            }
            ServerMessage::Change { epoch, from_seq, seq, change } => {
                let (Some(position), Some(snapshot)) = (&mut self.position, &mut self.snapshot) else {
                    // An amphi without a list can be annulled; there is nothing to show of it.
                    return Ok(None);
                };
                if position.seq != from_seq {
                    return Err(format!(
                        "a change from {from_seq} to {seq} was sent to a screen at {}",
                        position.seq
                    ));
                }
                *position = Position { epoch, seq };
                snapshot.overlay(&change);
            }
            ServerMessage::Welcome { .. }
            | ServerMessage::Me(_)
            | ServerMessage::Presence { .. }
            | ServerMessage::Dossiers { .. }
            | ServerMessage::Outlook { .. }
            | ServerMessage::Outcome { .. }
            | ServerMessage::Busy { .. }
            | ServerMessage::Clock { .. }
            | ServerMessage::Service { .. } => return Ok(None),
        }
        Ok(self.position.zip(self.snapshot.clone()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
