//! One client: a connection, its position, and the check of every message it is told.
//!
//! Nearly every message is a change that another client was told before: then it costs one comparison of
//! bytes with the [`Chain`](crate::chain::Chain). Whatever breaks the protocol is a fault of the run, said
//! with the client's name; the client then stops checking and only drains its socket. Absent: what to
//! choose and when, which is a scenario's business; commands are in [`crate::command`].

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow, ensure};
use serde_json::Value;
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use crate::chain::{Position, Step};
use crate::command::Pending;
use crate::door::Door;
use crate::reactor::{ConnectionId, End, Event, Request, Target, source_of};
use crate::room::{GivenReceipt, Receipt, Room, ServiceNotice, count};
use crate::server_clock::ServerClock;
use crate::state::{Standing, number};
use crate::wire::{self, Frame, Refusal};

/// How long the first state may take.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// Where a client is in the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not connected.
    Away,
    /// Has said hello.
    Hello,
    /// Was welcomed without being resumed; the snapshot is to come.
    Welcomed,
    /// Knows a state and follows it.
    Live,
    /// Was told something against the protocol; what comes is no longer looked at.
    Failed,
}

/// A socket that has been upgraded and has not said hello yet.
#[derive(Debug, Clone, Copy)]
pub struct Opened(ConnectionId);

/// See the [module](self).
pub struct Viewer {
    /// Which client; also decides its source address.
    pub number: usize,
    /// By which door it comes.
    pub door: Door,
    /// What it shares with the others.
    pub room: Rc<Room>,
    phase: Cell<Phase>,
    position: Cell<Option<Position>>,
    asked_to_resume: Cell<bool>,
    /// Changes up to here happened before this connection: what they took to arrive says nothing.
    missed_up_to: Cell<u64>,
    standing: Cell<Standing>,
    receipt: RefCell<Option<Receipt>>,
    clock: Cell<Option<ServerClock>>,
    closed_with: Cell<Option<u16>>,
    pub(crate) receive_buffer: Cell<Option<usize>>,
    pub(crate) connection: Cell<Option<ConnectionId>>,
    opening: RefCell<Option<oneshot::Sender<Result<()>>>>,
    coming_back: Cell<bool>,
    pub(crate) pending: RefCell<HashMap<Uuid, Pending>>,
    /// Something about this client changed: its phase, its standing, its receipt.
    pub news: Notify,
}

impl Viewer {
    /// A client that is not connected yet.
    pub fn new(number: usize, door: Door, room: &Rc<Room>) -> Rc<Self> {
        Rc::new(Self {
            number,
            door,
            room: Rc::clone(room),
            phase: Cell::new(Phase::Away),
            position: Cell::new(None),
            asked_to_resume: Cell::new(false),
            missed_up_to: Cell::new(0),
            standing: Cell::new(Standing::Waiting),
            receipt: RefCell::default(),
            clock: Cell::new(None),
            closed_with: Cell::new(None),
            receive_buffer: Cell::new(None),
            connection: Cell::new(None),
            opening: RefCell::default(),
            coming_back: Cell::new(false),
            pending: RefCell::default(),
            news: Notify::new(),
        })
    }

    /// How reports call it.
    pub fn name(&self) -> String {
        format!("client {} ({})", self.number, self.door.role)
    }

    /// Where it is in the conversation.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// The last position it knows.
    pub fn position(&self) -> Option<Position> {
        self.position.get()
    }

    /// Where its own intern stands, as far as this client was told.
    pub fn standing(&self) -> Standing {
        self.standing.get()
    }

    /// The proof of its choice.
    pub fn receipt(&self) -> Option<Receipt> {
        self.receipt.borrow().clone()
    }

    /// The server's clock.
    pub fn clock(&self) -> Option<ServerClock> {
        self.clock.get()
    }

    /// Lets it believe that it was at `position` before: it will ask to be resumed from there.
    pub fn remember(&self, position: Position) {
        self.position.set(Some(position));
    }

    // --- connecting ---------------------------------------------------------------------------

    /// Opens the socket, up to the upgrade.
    ///
    /// # Errors
    /// When the server refuses (then a [`crate::wire::Refusal`]), or does not answer in time.
    pub async fn handshake(self: &Rc<Self>) -> Result<Opened> {
        self.leave();
        let (tell, told) = oneshot::channel();
        *self.opening.borrow_mut() = Some(tell);
        let target = Target {
            address: self.room.address,
            source: source_of(self.number, self.room.address),
            receive_buffer: self.receive_buffer.get(),
            request: Some(Request {
                host: self.room.authority.clone(),
                path: self.door.role.socket_path(&self.room.amphi),
                headers: wire::bearer(&self.door.token),
            }),
        };
        let connection = self.room.wires.reactor.open(target, Rc::clone(self));
        self.connection.set(Some(connection));
        told.await.context("given up")??;
        Ok(Opened(connection))
    }

    /// Says hello (with the last position known, if any) and follows from then on.
    ///
    /// # Errors
    /// When the hello cannot be written.
    pub fn begin(&self, opened: Opened) -> Result<()> {
        // The server may have lost patience meanwhile, and this client come back by another connection.
        ensure!(self.connection.get() == Some(opened.0), "closed before it said hello");
        self.phase.set(Phase::Hello);
        self.closed_with.set(None);
        self.asked_to_resume.set(self.position.get().is_some());
        let resume = self.position.get().map_or_else(String::new, |position| {
            format!(r#","resume":{{"epoch":{},"seq":{}}}"#, position.epoch, position.seq)
        });
        self.write(&wire::text_frame(&format!(r#"{{"type":"hello","protocol":1{resume}}}"#)))
    }

    /// Handshake, hello, and the state.
    ///
    /// # Errors
    /// When any of these fails or takes more than 20 s.
    pub async fn connect(self: &Rc<Self>) -> Result<()> {
        let opened = self.handshake().await?;
        self.begin(opened)?;
        self.ready().await
    }

    /// Waits until it knows a state.
    ///
    /// # Errors
    /// When it fails, is closed, or is told none within 20 s.
    pub async fn ready(&self) -> Result<()> {
        let wait = async {
            loop {
                match self.phase() {
                    Phase::Live => return Ok(()),
                    Phase::Failed => anyhow::bail!("{} failed before it knew a state", self.name()),
                    Phase::Away => anyhow::bail!("{} was closed before it knew a state", self.name()),
                    Phase::Hello | Phase::Welcomed => self.news.notified().await,
                }
            }
        };
        let ready = tokio::time::timeout(READY_WITHIN, wait).await;
        ready.map_err(|_| anyhow!("{}: no state within {} s", self.name(), READY_WITHIN.as_secs()))?
    }

    /// Comes at once, and again as the protocol says if that fails; ends when it knows a state.
    ///
    /// # Errors
    /// When it was told something against the protocol.
    pub async fn get_in(self: &Rc<Self>) -> Result<()> {
        let is_coming = self.coming_back.get();
        if !is_coming && let Err(problem) = self.connect().await {
            count(&self.room.counts.failed_returns);
            if problem.downcast_ref::<Refusal>().is_some() {
                count(&self.room.counts.refused);
            }
            self.go_away();
            tokio::task::spawn_local(Rc::clone(self).come_back());
        }
        loop {
            match self.phase() {
                Phase::Live => return Ok(()),
                Phase::Failed => anyhow::bail!("{} failed", self.name()),
                Phase::Away | Phase::Hello | Phase::Welcomed => self.news.notified().await,
            }
        }
    }

    /// Breaks the connection without a word, as a lost network does, and comes back as the protocol says.
    pub fn cut(self: &Rc<Self>) {
        self.leave();
        tokio::task::spawn_local(Rc::clone(self).come_back());
    }

    /// Breaks the connection for good.
    pub fn go_away(&self) {
        self.leave();
    }

    fn leave(&self) {
        if self.phase.get() != Phase::Failed {
            self.phase.set(Phase::Away);
        }
        self.opening.borrow_mut().take();
        if let Some(connection) = self.connection.take() {
            self.room.wires.reactor.close(connection);
        }
        self.pending.borrow_mut().clear();
        self.news.notify_waiters();
    }

    /// What its connection has to tell.
    pub(crate) fn on_event(self: &Rc<Self>, event: Event<'_>, now: Instant) {
        match event {
            Event::Opened(_) => self.opened(Ok(())),
            Event::Frame(frame) => self.on_frame(&frame, now),
            Event::Ended(end) => self.on_end(end),
        }
    }

    fn opened(&self, result: Result<()>) {
        if let Some(opening) = self.opening.borrow_mut().take() {
            // Nobody waiting any more is no fault: the scenario has ended.
            drop(opening.send(result));
        }
    }

    fn on_end(self: &Rc<Self>, end: &End) {
        if self.opening.borrow().is_some() {
            let why = match end {
                End::Refused(refusal) => Error::new(refusal.clone()),
                other => anyhow!("{other}"),
            };
            return self.opened(Err(why));
        }
        if let End::Malformed(problem) = end {
            self.fail(&format!("{problem:#}"));
        }
        self.leave();
        if self.room.over.get() || self.phase.get() == Phase::Failed {
            return;
        }
        let code = self.closed_with.get();
        let how = code.map_or_else(|| end.to_string(), |code| format!("closed by the server with {code}"));
        if !self.room.reconnect || code.is_some_and(|code| code >= 4500) {
            self.room.fault(self.name(), how);
            return;
        }
        tokio::task::spawn_local(Rc::clone(self).come_back());
    }

    /// Tries until it is back; only one of these at a time, whatever ended how often meanwhile.
    async fn come_back(self: Rc<Self>) {
        if self.coming_back.replace(true) {
            return;
        }
        self.try_to_come_back().await;
        self.coming_back.set(false);
    }

    async fn try_to_come_back(self: &Rc<Self>) {
        let mut longest = self.room.patience.first_return;
        let mut advised = Duration::ZERO;
        while !self.room.over.get() {
            tokio::time::sleep(advised + longest.mul_f64(rand::random())).await;
            let Err(problem) = self.connect().await else { return count(&self.room.counts.reconnections) };
            count(&self.room.counts.failed_returns);
            let refusal = problem.downcast_ref::<Refusal>();
            if refusal.is_some() {
                count(&self.room.counts.refused);
            }
            advised =
                Duration::from_secs(refusal.and_then(|refusal| refusal.retry_after_seconds).unwrap_or(0));
            self.go_away();
            if self.phase.get() == Phase::Failed {
                return;
            }
            longest = (longest * 2).min(self.room.patience.longest_return);
        }
    }

    pub(crate) fn write(&self, frame: &[u8]) -> Result<()> {
        let connection = self.connection.get().context("not connected")?;
        self.room.wires.reactor.send(connection, frame)
    }

    // --- being told ---------------------------------------------------------------------------

    pub(crate) fn fail(&self, what: &str) {
        if self.phase.replace(Phase::Failed) != Phase::Failed {
            self.room.fault(self.name(), what);
        }
        // Whoever waits for an answer hears at once that none will come.
        self.pending.borrow_mut().clear();
        self.news.notify_waiters();
    }

    fn on_frame(&self, frame: &Frame<'_>, now: Instant) {
        match frame {
            Frame::Text(text) => self.on_text(text, now),
            Frame::Ping(_) | Frame::Pong => {}
            Frame::Binary(_) => self.fail("was told something binary"),
            Frame::Close(code) => self.closed_with.set(*code),
        }
    }

    fn on_text(&self, text: &[u8], now: Instant) {
        match self.phase.get() {
            Phase::Failed | Phase::Away => return,
            Phase::Live if self.on_known_change(text, now) => return,
            Phase::Live | Phase::Hello | Phase::Welcomed => {}
        }
        if let Err(problem) = self.on_message(text, now) {
            self.fail(&format!("{problem:#}"));
        }
    }

    /// The way of nearly every message: the bytes somebody else was told before.
    fn on_known_change(&self, text: &[u8], now: Instant) -> bool {
        let Some(position) = self.position.get() else { return false };
        let mut chain = self.room.chain.borrow_mut();
        match chain.matching(position.seq, text) {
            Some(step) => {
                self.apply(step, now);
                true
            }
            None => false,
        }
    }

    fn on_message(&self, text: &[u8], now: Instant) -> Result<()> {
        if text.starts_with(br#"{"type":"snapshot""#) {
            return self.on_snapshot(text, now);
        }
        let message: Value = serde_json::from_slice(text).context("a message that is not JSON")?;
        let kind = message["type"].as_str().context("a message without type")?;
        ensure!(self.phase.get() != Phase::Hello || kind == "welcome", "a {kind} came before the welcome");
        match kind {
            "welcome" => self.on_welcome(&message, now),
            "snapshot" => self.on_snapshot(text, now),
            "change" => self.on_new_change(text, message, now),
            "me" => self.on_me(&message),
            "outcome" | "busy" => self.on_answer(kind, &message, now),
            "presence" | "clock" => Ok(()),
            "service" => self.on_service(&message, now),
            _ => {
                count(&self.room.counts.unknown_messages);
                Ok(())
            }
        }
    }

    fn on_welcome(&self, message: &Value, now: Instant) -> Result<()> {
        ensure!(self.phase.get() == Phase::Hello, "a second welcome");
        ensure!(number(message, "protocol")? == 1, "welcome to protocol {}", message["protocol"]);
        let server_time = message["server_time"].as_i64().context("a welcome without server_time")?;
        let speed = message["speed"].as_f64().context("a welcome without speed")?;
        self.clock.set(Some(ServerClock { server_time, at: now, speed }));
        self.missed_up_to.set(number(&message["position"], "seq")?);
        let resumed = message["resumed"].as_bool().context("a welcome without resumed")?;
        if !resumed {
            self.phase.set(Phase::Welcomed);
            return Ok(());
        }
        ensure!(self.asked_to_resume.get(), "resumed without having asked");
        count(&self.room.counts.resumed);
        self.phase.set(Phase::Live);
        self.news.notify_waiters();
        Ok(())
    }

    fn on_snapshot(&self, text: &[u8], now: Instant) -> Result<()> {
        ensure!(self.phase.get() != Phase::Hello, "a snapshot came before the welcome");
        let mut chain = self.room.chain.borrow_mut();
        let known = chain.snapshot(&self.name(), text)?;
        let to = Position { epoch: known.state.epoch, seq: known.state.seq };
        if self.phase.get() == Phase::Live {
            count(&self.room.counts.caught_up_by_snapshot);
        }
        if let Some(from) = self.position.get() {
            ensure!(to.seq >= from.seq, "a snapshot leads back from {} to {}", from.seq, to.seq);
            let mut seq = from.seq;
            while let Some(step) = chain.step_mut(seq).filter(|step| step.to.seq <= to.seq) {
                self.learn(step, now);
                seq = step.to.seq;
            }
        }
        self.position.set(Some(to));
        if let Some(rank) = self.door.role.rank() {
            self.standing.set(known.state.standing(rank));
        }
        self.phase.set(Phase::Live);
        self.news.notify_waiters();
        Ok(())
    }

    fn on_new_change(&self, text: &[u8], message: Value, now: Instant) -> Result<()> {
        ensure!(self.phase.get() == Phase::Live, "a change came before the snapshot");
        let position = self.position.get().context("a change without a position")?;
        let mut chain = self.room.chain.borrow_mut();
        let (step, _) = chain.tell(&self.name(), position, text, message, now)?;
        if step.choice.is_none() {
            let timing = self.room.timing.borrow();
            step.choice = step.placed.iter().find_map(|placed| timing.choice_of(placed.rank));
        }
        self.apply(step, now);
        Ok(())
    }

    fn apply(&self, step: &mut Step, now: Instant) {
        step.deliveries += 1;
        count(&self.room.counts.deliveries);
        count(&self.room.wires.tally.deliveries);
        self.learn(step, now);
        self.position.set(Some(step.to));
        let Some(rank) = self.door.role.rank() else { return };
        if let Some(standing) = step.standing_of(rank) {
            self.standing.set(standing);
            self.news.notify_waiters();
        }
        if step.held_refused.contains(&rank) {
            count(&self.room.counts.held_refused);
            self.news.notify_waiters();
        }
    }

    fn learn(&self, step: &mut Step, now: Instant) {
        if step.to.seq <= self.missed_up_to.get() {
            return;
        }
        step.last_known = now;
        if let Some(choice) = step.choice {
            self.room.timing.borrow_mut().known(choice, now);
        }
    }

    fn on_service(&self, message: &Value, at: Instant) -> Result<()> {
        let available = message["available"].as_bool().context("a service message without available")?;
        self.room.notices.borrow_mut().push(ServiceNotice { client: self.number, available, at });
        Ok(())
    }

    fn on_me(&self, message: &Value) -> Result<()> {
        let rank = self.door.role.rank().context("a me for somebody who is no intern")?;
        ensure!(number(message, "rank")? == u64::from(rank), "a me for rank {}", message["rank"]);
        match message.get("receipt") {
            None | Some(Value::Null) => {
                ensure!(self.receipt.borrow().is_none(), "a me without the receipt that was given before");
                Ok(())
            }
            Some(receipt) => self.on_receipt(receipt, None),
        }
    }

    pub(crate) fn on_receipt(&self, receipt: &Value, outcome_seq: Option<u64>) -> Result<()> {
        let receipt: Receipt = serde_json::from_value(receipt.clone()).context("an unreadable receipt")?;
        ensure!(Some(receipt.rank) == self.door.role.rank(), "a receipt for rank {}", receipt.rank);
        ensure!(receipt.amphi == self.room.amphi, "a receipt for amphi {}", receipt.amphi);
        let mut mine = self.receipt.borrow_mut();
        if let Some(mine) = mine.as_ref() {
            ensure!(*mine == receipt, "two receipts: {mine:?} and {receipt:?}");
        }
        *mine = Some(receipt.clone());
        drop(mine);
        self.room.receipts.borrow_mut().push(GivenReceipt { client: self.name(), receipt, outcome_seq });
        self.news.notify_waiters();
        Ok(())
    }
}
