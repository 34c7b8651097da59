//! What all clients of one run share: where the server is, the chain, the faults found, the counts.
//!
//! One thread runs all clients, so sharing needs no lock: `Rc` and `RefCell`, never borrowed across an
//! await.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use uuid::Uuid;

use crate::chain::Chain;
use crate::client::Viewer;
use crate::deed::Deed;
use crate::reactor::{Reactor, Settings, drive};
use crate::timing::{Tally, Timing};

/// How many faults are told in full.
const FAULTS_TOLD_MAX: usize = 20;

/// The proof of a choice, as far as the checks need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which amphi.
    pub amphi: String,
    /// Who chose.
    pub rank: u16,
    /// Which post.
    pub post: u64,
    /// Which of its seats.
    pub seat: u64,
    /// `in_turn`, `in_grace`, `late` or `late_held`.
    pub manner: String,
    /// When, on the server's clock.
    pub at: i64,
    /// Journal entry of the choice.
    pub seq: u64,
    /// SHA-256 of the journal up to it.
    pub hash: String,
}

/// A receipt, and who was given it.
#[derive(Debug, Clone)]
pub struct GivenReceipt {
    /// Which client.
    pub client: String,
    /// What it says.
    pub receipt: Receipt,
    /// The `seq` of the `outcome` that brought it; `None` when it came with `me`.
    pub outcome_seq: Option<u64>,
}

/// Something a client was told, or not told, against the protocol.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    /// Which client.
    pub client: String,
    /// What.
    pub what: String,
}

/// Plain counts of one run.
#[derive(Debug, Default)]
pub struct Counts {
    /// Commands sent, those sent again included.
    pub commands: Cell<u64>,
    /// Changes delivered.
    pub deliveries: Cell<u64>,
    /// Snapshots after the first of a connection: the server brought a slow client up to date.
    pub caught_up_by_snapshot: Cell<u64>,
    /// Commands answered with `busy`.
    pub busy: Cell<u64>,
    /// Connections that were lost or closed by the server, and made again.
    pub reconnections: Cell<u64>,
    /// Of these, how many the server resumed without a snapshot.
    pub resumed: Cell<u64>,
    /// Attempts to come back that came to nothing; another one followed.
    pub failed_returns: Cell<u64>,
    /// Of these, how many were refused by HTTP: full.
    pub refused: Cell<u64>,
    /// Messages of a type unknown to version 1.
    pub unknown_messages: Cell<u64>,
    /// Choices that were held.
    pub held: Cell<u64>,
    /// Held choices that came to nothing.
    pub held_refused: Cell<u64>,
    /// Choices refused because the post had just been taken.
    pub post_taken: Cell<u64>,
}

/// How patient the clients of a room are, in real time.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Longest random wait before the first attempt to come back…
    pub first_return: Duration,
    /// …which doubles up to this.
    pub longest_return: Duration,
    /// A command that is not answered for this long, on a connection that lives, is a fault.
    pub answer: Duration,
}

impl Default for Patience {
    /// What `PROTOCOL.md` asks of clients (close codes).
    fn default() -> Self {
        Self {
            first_return: Duration::from_secs(3),
            longest_return: Duration::from_secs(30),
            answer: Duration::from_secs(30),
        }
    }
}

/// A client was told whether choices can be taken.
#[derive(Debug, Clone, Copy)]
pub struct ServiceNotice {
    /// Number of the client.
    pub client: usize,
    /// What it was told.
    pub available: bool,
    /// When it read that.
    pub at: Instant,
}

/// The connections of all clients, and the one task that drives them.
pub struct Wires {
    /// They themselves.
    pub reactor: Rc<Reactor<Rc<Viewer>>>,
    /// What their rooms add up to.
    pub tally: Rc<Tally>,
    driving: AbortHandle,
}

impl Wires {
    /// None yet; needs a `LocalSet`.
    ///
    /// # Errors
    /// When the system has no epoll left.
    pub fn start(settings: Settings) -> Result<Rc<Self>> {
        let reactor = Rc::new(Reactor::new(settings)?);
        let driven =
            drive(Rc::clone(&reactor), |_, viewer: &Rc<Viewer>, event, now| viewer.on_event(event, now));
        let driving = tokio::task::spawn_local(async {
            if let Err(problem) = driven.await {
                eprintln!("the generator's connections stand still: {problem:#}");
            }
        });
        Ok(Rc::new(Self { reactor, tally: Rc::default(), driving: driving.abort_handle() }))
    }
}

impl Drop for Wires {
    fn drop(&mut self) {
        self.driving.abort();
    }
}

/// Adds one.
pub fn count(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

/// See the [module](self).
pub struct Room {
    /// `HOST:PORT`, as in the `Host` header.
    pub authority: String,
    /// The same, resolved.
    pub address: SocketAddr,
    /// Which amphi.
    pub amphi: String,
    /// Whether a lost connection is made again (else it is a fault).
    pub reconnect: bool,
    /// How long the clients wait for what.
    pub patience: Patience,
    /// How often the server under test was started anew: what only lived in its memory is gone since.
    pub server_life: Cell<u32>,
    /// The latest entry that an answer named: the change that tells it may still be on its way.
    pub answered_seq: Cell<u64>,
    /// Nothing more is expected: the end of a connection is no fault.
    pub over: Cell<bool>,
    /// What was told.
    pub chain: RefCell<Chain>,
    /// What was measured.
    pub timing: RefCell<Timing>,
    /// What was proved.
    pub receipts: RefCell<Vec<GivenReceipt>>,
    /// Every command that was sent, and what was answered to it.
    pub deeds: RefCell<BTreeMap<Uuid, Deed>>,
    /// A command is being sent.
    pub sent: Notify,
    /// What clients were told of the service.
    pub notices: RefCell<Vec<ServiceNotice>>,
    /// What was counted.
    pub counts: Counts,
    /// The connections of this run, and of others beside it.
    pub wires: Rc<Wires>,
    faults: RefCell<Vec<Fault>>,
    faults_found: Cell<u64>,
}

impl Room {
    /// A run against the server at `authority`, on connections of its own.
    ///
    /// # Errors
    /// When the address cannot be resolved, or the system has no epoll left.
    pub async fn new(authority: &str, amphi: &str, reconnect: bool) -> Result<Self> {
        Self::on(&Wires::start(Settings::default())?, authority, amphi, reconnect).await
    }

    /// The same, among the connections of others.
    ///
    /// # Errors
    /// When the address cannot be resolved.
    pub async fn on(wires: &Rc<Wires>, authority: &str, amphi: &str, reconnect: bool) -> Result<Self> {
        let mut addresses = tokio::net::lookup_host(authority).await?;
        let address = addresses.find(SocketAddr::is_ipv4).context("the server has no IPv4 address")?;
        Ok(Self {
            authority: authority.to_owned(),
            address,
            amphi: amphi.to_owned(),
            reconnect,
            patience: Patience::default(),
            server_life: Cell::new(0),
            answered_seq: Cell::new(0),
            over: Cell::new(false),
            chain: RefCell::default(),
            timing: RefCell::new(Timing::new(&wires.tally)),
            receipts: RefCell::default(),
            deeds: RefCell::default(),
            sent: Notify::new(),
            notices: RefCell::default(),
            counts: Counts::default(),
            wires: Rc::clone(wires),
            faults: RefCell::default(),
            faults_found: Cell::new(0),
        })
    }

    /// Notes a fault.
    pub fn fault(&self, client: impl Into<String>, what: impl Into<String>) {
        count(&self.faults_found);
        let mut faults = self.faults.borrow_mut();
        if faults.len() < FAULTS_TOLD_MAX {
            let fault = Fault { client: client.into(), what: what.into() };
            eprintln!("fault: {}: {}", fault.client, fault.what);
            faults.push(fault);
        }
    }

    /// The first faults found, and how many there were.
    pub fn faults(&self) -> (Vec<Fault>, u64) {
        (self.faults.borrow().clone(), self.faults_found.get())
    }
}
