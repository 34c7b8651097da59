//! The viewers of one server: connected, listening, each message of each of them checked.
//!
//! One reactor, one thread, no task per viewer; the same code for all servers, behind a [`Dialect`]. What costs the
//! generator time costs latencies, alike for all.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::ledger::Ledger;
use super::peers::{Dialect, Heard};
use crate::clock;
use crate::reactor::{CONNECTIONS_PER_SOURCE, ConnectionId, End, Event, Reactor, Settings};
use crate::wire::Frame;

/// Connecting everybody may take this long.
const CONNECT_WITHIN: Duration = Duration::from_secs(120);
/// Nothing is published before everybody has been at rest for so long: not all servers confirm that one listens.
const REST: Duration = Duration::from_millis(500);
/// The status of a server that lets somebody in later: ours, when more than 2,500 come within a tenth of a second.
const BUSY: u16 = 503;
/// The longest stretch between two looks at whether something is over.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What viewers have heard.
struct Hearing {
    ledger: Ledger,
    /// Of each viewer, bytes that are no whole message yet.
    kept: Vec<Vec<u8>>,
    is_listening: Vec<bool>,
    listening: usize,
    fault: Option<String>,
}

/// See the [module](self).
pub struct Audience<'a> {
    reactor: Reactor<usize>,
    dialect: &'a dyn Dialect,
    connections: RefCell<Vec<ConnectionId>>,
    /// The third number of their addresses.
    network: u8,
    /// Who was told to come back, and when.
    coming_back: RefCell<Vec<(Instant, usize)>>,
    hearing: RefCell<Hearing>,
}

impl<'a> Audience<'a> {
    /// Connects `viewers`, from addresses 127.0.`network`.x: each server's viewers come from others, so that ports of
    /// connections just closed do not run out.
    ///
    /// # Errors
    /// When somebody cannot connect.
    pub fn connect(dialect: &'a dyn Dialect, viewers: usize, network: u8, spin: bool) -> Result<Self> {
        let hearing = Hearing {
            ledger: Ledger::new(viewers, dialect.reader()),
            kept: vec![Vec::new(); viewers],
            is_listening: vec![false; viewers],
            listening: 0,
            fault: None,
        };
        let reactor = Reactor::new(Settings { spin, ..Settings::default() })?;
        let audience = Self {
            reactor,
            dialect,
            connections: RefCell::default(),
            network,
            coming_back: RefCell::default(),
            hearing: RefCell::new(hearing),
        };
        let opened = (0..viewers).map(|viewer| audience.open(viewer)).collect();
        audience.connections.replace(opened);
        let everybody = |audience: &Self| audience.hearing.borrow().listening == viewers;
        audience.turn_until(clock::now() + CONNECT_WITHIN, everybody).with_context(|| {
            format!("{} of {viewers} viewers listen", audience.hearing.borrow().listening)
        })?;
        audience.rest(REST)?;
        Ok(audience)
    }

    fn open(&self, viewer: usize) -> ConnectionId {
        let mut target = self.dialect.target(viewer);
        let host = u8::try_from(1 + viewer / CONNECTIONS_PER_SOURCE).unwrap_or(254);
        target.source = Some(Ipv4Addr::new(127, 0, self.network, host));
        self.reactor.open(target, viewer)
    }

    /// Those whom a server has told to come back later, when it is time.
    fn let_them_come_back(&self) {
        if self.coming_back.borrow().is_empty() {
            return;
        }
        let now = clock::now();
        let due: Vec<usize> = self
            .coming_back
            .borrow_mut()
            .extract_if(.., |(at, _)| *at <= now)
            .map(|(_, viewer)| viewer)
            .collect();
        for viewer in due {
            let connection = self.open(viewer);
            self.connections.borrow_mut()[viewer] = connection;
        }
    }

    /// How many there are.
    pub fn viewers(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Follows the connections for so long.
    ///
    /// # Errors
    /// What a viewer complains of.
    pub fn rest(&self, time: Duration) -> Result<()> {
        let end = clock::now() + time;
        while clock::now() < end {
            self.turn(end)?;
        }
        Ok(())
    }

    /// Follows the connections until `instant`, to some microseconds.
    ///
    /// # Errors
    /// What a viewer complains of.
    pub fn until(&self, instant: Instant) -> Result<()> {
        while clock::now() < instant {
            self.turn(instant)?;
        }
        Ok(())
    }

    /// Follows the connections until `is_over`.
    ///
    /// # Errors
    /// What a viewer complains of, or that `deadline` has passed.
    pub fn turn_until(&self, deadline: Instant, is_over: impl Fn(&Self) -> bool) -> Result<()> {
        while !is_over(self) {
            ensure!(clock::now() < deadline, "waited in vain: {}", self.what_is_missing());
            self.turn(clock::now() + LOOK_EVERY)?;
        }
        Ok(())
    }

    fn what_is_missing(&self) -> String {
        let settled = self.hearing.borrow().ledger.settle();
        settled.map_or_else(|problem| problem.to_string(), |()| "everything published was heard".to_owned())
    }

    fn turn(&self, until: Instant) -> Result<()> {
        self.let_them_come_back();
        self.reactor.turn(until, |id, viewer, event, now| {
            if let Err(problem) = self.on_event(id, *viewer, &event, now) {
                let mut hearing = self.hearing.borrow_mut();
                hearing.fault.get_or_insert(format!("viewer {viewer}: {problem:#}"));
            }
        })?;
        match &self.hearing.borrow().fault {
            Some(fault) => bail!("{fault}"),
            None => Ok(()),
        }
    }

    fn on_event(&self, id: ConnectionId, viewer: usize, event: &Event<'_>, now: Instant) -> Result<()> {
        match event {
            Event::Opened(_) => {
                if let Some(greeting) = self.dialect.greeting() {
                    self.reactor.send(id, &greeting)?;
                }
                if !self.dialect.confirms() {
                    self.hearing.borrow_mut().listens(viewer);
                }
                Ok(())
            }
            Event::Frame(Frame::Text(bytes) | Frame::Binary(bytes)) => {
                self.on_message(id, viewer, bytes, now)
            }
            Event::Frame(Frame::Close(code)) => bail!("closed by the server with {code:?}"),
            Event::Frame(Frame::Ping(_) | Frame::Pong) => Ok(()),
            Event::Ended(End::Refused(refusal)) if refusal.status == BUSY => {
                let after = Duration::from_secs(refusal.retry_after_seconds.unwrap_or(1));
                self.coming_back.borrow_mut().push((now + after, viewer));
                Ok(())
            }
            Event::Ended(end) => bail!("{end}"),
        }
    }

    fn on_message(&self, id: ConnectionId, viewer: usize, bytes: &[u8], now: Instant) -> Result<()> {
        let mut hearing = self.hearing.borrow_mut();
        let mut kept = std::mem::take(&mut hearing.kept[viewer]);
        self.dialect.hear(&mut kept, bytes, &mut |heard| match heard {
            Heard::Listening => {
                hearing.listens(viewer);
                Ok(())
            }
            Heard::Message(message) => hearing.ledger.heard(viewer, message, now),
            Heard::Answer(frame) => self.reactor.send(id, &frame),
        })?;
        hearing.kept[viewer] = kept;
        Ok(())
    }

    /// Has `viewer` send `frame`.
    ///
    /// # Errors
    /// When it is not connected.
    pub fn say(&self, viewer: usize, frame: &[u8]) -> Result<()> {
        self.reactor.send(self.connections.borrow()[viewer], frame)
    }

    /// What was published, and who has heard it.
    pub fn with_ledger<R>(&self, look: impl FnOnce(&mut Ledger) -> R) -> R {
        look(&mut self.hearing.borrow_mut().ledger)
    }
}

impl Hearing {
    fn listens(&mut self, viewer: usize) {
        if !std::mem::replace(&mut self.is_listening[viewer], true) {
            self.listening += 1;
        }
    }
}
