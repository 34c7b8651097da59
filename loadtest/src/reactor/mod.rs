//! Many connections on one thread, without a task each.
//!
//! One epoll (through `mio`), one read buffer for all; a connection at rest is a socket and some hundred bytes. Whoever
//! uses it calls [`Reactor::turn`] again and again and is told, connection by connection, what came and when it was
//! read. Invariants: a connection that was closed from this side is never heard of again; one that ended otherwise is
//! told with [`Event::Ended`], once, as the last thing; no more than [`Settings::at_once`] handshakes are under way.
//!
//! Everything but `turn` may be called from within the callback. Absent: queues for what is sent (frames from here are
//! small; a socket that does not take one whole is broken), threads, TLS, any knowledge of the amphi.

mod connection;
mod drive;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mio::event::Event as Readiness;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use slab::Slab;

use self::connection::Connection;
pub use self::connection::{End, Event, Request, Target};
pub use self::drive::drive;
use crate::clock;

/// How much one read may take. One buffer for all connections: one at rest has none.
const READ_BUFFER_BYTES: usize = 256 * 1024;
/// Readiness told by one system call: what is done between two looks at the other tasks.
const EVENTS_AT_ONCE: usize = 256;
/// The system's timer is good to a millisecond; the last stretch before an instant is spent polling.
const POLLED: Duration = Duration::from_micros(1_500);
/// Connections per source address, which has some 28,000 ports to one server; the fewer are free, the longer the kernel
/// looks for one.
pub const CONNECTIONS_PER_SOURCE: usize = 4_000;
const WAKER: Token = Token(usize::MAX);

/// How a reactor works.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Handshakes under way at the same time; the others wait in order.
    pub at_once: usize,
    /// How long a handshake may take, from when it is begun.
    pub open_within: Duration,
    /// Never sleep: where CPU is compared, a sleeping client's wake-up is charged to the server.
    pub spin: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { at_once: 64, open_within: Duration::from_secs(20), spin: false }
    }
}

/// Names one connection, also after it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    slot: usize,
    /// Tells it from others that had the slot before.
    serial: u64,
}

/// What was read and answered.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traffic {
    /// Bytes read from all sockets.
    pub bytes: u64,
    /// Pings answered.
    pub pings: u64,
    /// System calls that read.
    pub reads: u64,
}

enum Slot<T> {
    Waiting(u64, Box<(Target, T)>),
    Begun(Rc<Connection<T>>),
}

/// See the [module](self). `T` says whose connection it is.
pub struct Reactor<T> {
    settings: Settings,
    poll: RefCell<Poll>,
    events: RefCell<Events>,
    registry: Registry,
    waker: Waker,
    slots: RefCell<Slab<Slot<T>>>,
    next_serial: Cell<u64>,
    /// Connections whose handshake has not begun.
    queue: RefCell<VecDeque<ConnectionId>>,
    /// Handshakes under way, and until when; in order, because all have the same time.
    deadlines: RefCell<VecDeque<(Instant, ConnectionId)>>,
    opening: Cell<usize>,
    buffer: RefCell<Box<[u8]>>,
    traffic: Cell<Traffic>,
}

impl<T> Reactor<T> {
    /// A reactor without connections.
    ///
    /// # Errors
    /// When the system has no epoll left.
    pub fn new(settings: Settings) -> Result<Self> {
        let poll = Poll::new().context("epoll")?;
        let registry = poll.registry().try_clone()?;
        let waker = Waker::new(&registry, WAKER)?;
        Ok(Self {
            settings,
            poll: RefCell::new(poll),
            events: RefCell::new(Events::with_capacity(EVENTS_AT_ONCE)),
            registry,
            waker,
            slots: RefCell::default(),
            next_serial: Cell::new(0),
            queue: RefCell::default(),
            deadlines: RefCell::default(),
            opening: Cell::new(0),
            buffer: RefCell::new(vec![0; READ_BUFFER_BYTES].into_boxed_slice()),
            traffic: Cell::default(),
        })
    }

    /// How it works.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// What was read so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic.get()
    }

    /// Connections that are open, under way or waiting.
    pub fn connections(&self) -> usize {
        self.slots.borrow().len()
    }

    /// Connections that wait or whose handshake is under way.
    pub fn opening(&self) -> usize {
        self.queue.borrow().len() + self.opening.get()
    }

    /// Connects to `target`, as soon as few enough others are under way; told with [`Event::Opened`] or
    /// [`Event::Ended`].
    pub fn open(&self, target: Target, tag: T) -> ConnectionId {
        let serial = self.next_serial.replace(self.next_serial.get() + 1);
        let slot = self.slots.borrow_mut().insert(Slot::Waiting(serial, Box::new((target, tag))));
        let id = ConnectionId { slot, serial };
        self.queue.borrow_mut().push_back(id);
        // A turn that sleeps begins it at once; without it, the next event does.
        drop(self.waker.wake());
        id
    }

    /// Sends a frame, whole and now.
    ///
    /// # Errors
    /// When the connection is not open, or does not take it whole.
    pub fn send(&self, id: ConnectionId, frame: &[u8]) -> Result<()> {
        let connection = self.connection(id).context("not connected")?;
        ensure!(connection.is_open(), "not connected yet");
        connection.write(frame)
    }

    /// Breaks the connection without a word; nothing more is told of it.
    pub fn close(&self, id: ConnectionId) {
        self.remove(id);
    }

    /// Stops reading it, or reads it again.
    ///
    /// # Errors
    /// When it is not connected.
    pub fn pause(&self, id: ConnectionId, paused: bool) -> Result<()> {
        let connection = self.connection(id).context("not connected")?;
        connection.paused.set(paused);
        if !paused {
            // Readiness is told once; asking anew has it told again.
            let mut stream = connection.stream.borrow_mut();
            self.registry.reregister(&mut *stream, Token(id.slot), interest())?;
        }
        Ok(())
    }

    /// Waits for events until `until` at the latest, and tells what came to `take`; how many sockets were ready.
    ///
    /// # Errors
    /// When the system's polling fails.
    pub fn turn(
        &self,
        until: Instant,
        mut take: impl FnMut(ConnectionId, &T, Event<'_>, Instant),
    ) -> Result<usize> {
        let take = &mut take;
        self.begin_waiting(take);
        let left = until.saturating_duration_since(clock::now());
        let sleeps = !self.settings.spin && left > POLLED;
        let wait = if sleeps { left - POLLED } else { Duration::ZERO };
        let mut events = self.events.borrow_mut();
        match self.poll.borrow_mut().poll(&mut events, Some(self.no_longer_than_a_deadline(wait))) {
            Err(problem) if problem.kind() == io::ErrorKind::Interrupted => return Ok(0),
            polled => polled.context("polling")?,
        }
        let mut ready = 0;
        for readiness in events.iter().filter(|readiness| readiness.token() != WAKER) {
            ready += 1;
            let connection = match self.slots.borrow().get(readiness.token().0) {
                Some(Slot::Begun(connection)) => Rc::clone(connection),
                Some(Slot::Waiting(..)) | None => continue,
            };
            self.on_ready(&connection, readiness, take);
        }
        self.give_up_overdue(take);
        Ok(ready)
    }

    // --- handshakes ---------------------------------------------------------------------------

    fn begin_waiting(&self, take: &mut impl FnMut(ConnectionId, &T, Event<'_>, Instant)) {
        while self.opening.get() < self.settings.at_once {
            let Some(id) = self.queue.borrow_mut().pop_front() else { return };
            let mut slots = self.slots.borrow_mut();
            // Closed meanwhile, when there is nothing waiting there, or somebody else.
            let is_still_there =
                matches!(slots.get(id.slot), Some(Slot::Waiting(serial, _)) if *serial == id.serial);
            if !is_still_there {
                continue;
            }
            let Slot::Waiting(_, waiting) = slots.remove(id.slot) else { continue };
            let (target, tag) = *waiting;
            match Connection::begin(id, target, tag, &self.registry) {
                Ok(connection) => {
                    // The slot just freed is the one the slab gives next.
                    slots.insert(Slot::Begun(Rc::new(connection)));
                    self.opening.set(self.opening.get() + 1);
                    let deadline = clock::now() + self.settings.open_within;
                    self.deadlines.borrow_mut().push_back((deadline, id));
                }
                Err((tag, problem)) => {
                    drop(slots);
                    take(id, &tag, Event::Ended(&End::Broken(problem)), clock::now());
                }
            }
        }
    }

    fn no_longer_than_a_deadline(&self, wait: Duration) -> Duration {
        let deadlines = self.deadlines.borrow();
        let first = deadlines.front().map(|(deadline, _)| deadline.saturating_duration_since(clock::now()));
        first.map_or(wait, |first| wait.min(first))
    }

    fn give_up_overdue(&self, take: &mut impl FnMut(ConnectionId, &T, Event<'_>, Instant)) {
        loop {
            let Some((deadline, id)) = self.deadlines.borrow().front().copied() else { return };
            let connection = self.connection(id).filter(|connection| !connection.is_open());
            if let Some(connection) = connection {
                if deadline > clock::now() {
                    return;
                }
                self.end(&connection, &End::TimedOut, take);
            }
            self.deadlines.borrow_mut().pop_front();
        }
    }

    // --- events -------------------------------------------------------------------------------

    fn on_ready(
        &self,
        connection: &Rc<Connection<T>>,
        readiness: &Readiness,
        take: &mut impl FnMut(ConnectionId, &T, Event<'_>, Instant),
    ) {
        let mut buffer = self.buffer.borrow_mut();
        let result = self.advance(connection, readiness, &mut buffer, take);
        if let Err(end) = result {
            self.end(connection, &end, take);
        }
    }

    /// Connects, asks, reads, as far as it goes without waiting; how the connection ended, if it did.
    fn advance(
        &self,
        connection: &Rc<Connection<T>>,
        readiness: &Readiness,
        buffer: &mut [u8],
        take: &mut impl FnMut(ConnectionId, &T, Event<'_>, Instant),
    ) -> std::result::Result<(), End> {
        if connection.is_connecting() {
            if !connection.finish_connecting()? {
                return Ok(());
            }
            if connection.is_open() {
                self.opening.set(self.opening.get().saturating_sub(1));
                take(connection.id, &connection.tag, Event::Opened(""), clock::now());
            }
        }
        while !connection.paused.get() && !connection.closed.get() {
            let read = (&*connection.stream.borrow()).read(buffer);
            let bytes = match read {
                Ok(0) => return Err(End::Closed),
                Ok(length) => &buffer[..length],
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(problem) if problem.kind() == io::ErrorKind::Interrupted => continue,
                Err(problem) => return Err(End::Broken(problem)),
            };
            let is_drained = bytes.len() < buffer.len();
            self.consume(connection, bytes, clock::now(), take)?;
            // What is less than asked for is all there is (epoll(7)), unless the end waits behind it.
            if is_drained && !readiness.is_read_closed() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn consume(
        &self,
        connection: &Connection<T>,
        bytes: &[u8],
        now: Instant,
        take: &mut impl FnMut(ConnectionId, &T, Event<'_>, Instant),
    ) -> std::result::Result<(), End> {
        let mut traffic = self.traffic.get();
        traffic.bytes += bytes.len() as u64;
        traffic.reads += 1;
        self.traffic.set(traffic);
        if connection.is_open() {
            return self.decode(connection, bytes, now, take);
        }
        let Some((head, rest)) = connection.finish_upgrade(bytes)? else { return Ok(()) };
        self.opening.set(self.opening.get().saturating_sub(1));
        take(connection.id, &connection.tag, Event::Opened(&head), now);
        self.decode(connection, &rest, now, take)
    }

    fn decode(
        &self,
        connection: &Connection<T>,
        bytes: &[u8],
        now: Instant,
        take: &mut impl FnMut(ConnectionId, &T, Event<'_>, Instant),
    ) -> std::result::Result<(), End> {
        let pings = connection.decode(bytes, |frame| {
            take(connection.id, &connection.tag, Event::Frame(frame), now);
        })?;
        if pings > 0 {
            let mut traffic = self.traffic.get();
            traffic.pings += pings;
            self.traffic.set(traffic);
        }
        Ok(())
    }

    fn end(
        &self,
        connection: &Connection<T>,
        end: &End,
        take: &mut impl FnMut(ConnectionId, &T, Event<'_>, Instant),
    ) {
        if self.remove(connection.id) {
            take(connection.id, &connection.tag, Event::Ended(end), clock::now());
        }
    }

    // --- slots --------------------------------------------------------------------------------

    fn connection(&self, id: ConnectionId) -> Option<Rc<Connection<T>>> {
        match self.slots.borrow().get(id.slot)? {
            Slot::Begun(connection) if connection.id == id => Some(Rc::clone(connection)),
            Slot::Begun(_) | Slot::Waiting(..) => None,
        }
    }

    /// Forgets it, and closes its socket; whether there was such a connection.
    fn remove(&self, id: ConnectionId) -> bool {
        let mut slots = self.slots.borrow_mut();
        let serial = match slots.get(id.slot) {
            Some(Slot::Begun(connection)) => connection.id.serial,
            Some(Slot::Waiting(serial, _)) => *serial,
            None => return false,
        };
        if serial != id.serial {
            return false;
        }
        let removed = slots.remove(id.slot);
        drop(slots);
        if let Slot::Begun(connection) = &removed {
            connection.closed.set(true);
            // Whoever holds the connection still must not keep the socket open.
            drop(connection.stream.borrow().shutdown(std::net::Shutdown::Both));
            if !connection.is_open() {
                self.opening.set(self.opening.get().saturating_sub(1));
            }
        }
        true
    }
}

fn interest() -> Interest {
    Interest::READABLE | Interest::WRITABLE
}

/// The source address of the connection of that number to a server on this machine: 127.0.0.1, then 127.0.0.2…
pub fn source_of(number: usize, server: SocketAddr) -> Option<Ipv4Addr> {
    let host = 1 + number / CONNECTIONS_PER_SOURCE;
    server.ip().is_loopback().then(|| Ipv4Addr::new(127, 0, 0, u8::try_from(host).unwrap_or(254)))
}
