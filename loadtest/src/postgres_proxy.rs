//! A TCP proxy between a server and its Postgres that loses answers on purpose.
//!
//! Follows the client's side of the Postgres protocol (version 3) message by message, so that it knows which
//! statement is under way, and lets everything pass but what it is told to cut. A cut ends the connection on both
//! sides, as a network does; what the database was given before, it carries out. Absent: TLS.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// By these words the writer's statement is known…
const APPEND: &[u8] = b"INSERT INTO events";
/// …by these the connection whose end sets the server's amphis free…
const LOCK: &[u8] = b"pg_try_advisory_lock";
/// …and by these an append that somebody asked for, and not the server by itself.
const CHOICE: &[u8] = b"\"choice_";

/// What is lost of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cut {
    /// The answer: the database has committed, and nobody hears of it.
    Answer,
    /// The connection, right after the statement has gone to the database: it may be carried out or not.
    Connection,
    /// The statement itself: the database never sees it.
    Statement,
}

/// What happened so far.
#[derive(Debug, Default)]
pub struct Cuts {
    /// Appends that passed, cut or not.
    pub appends: Cell<u64>,
    /// Appends that were cut.
    pub cut: Cell<u64>,
    /// Of these, how many lost the answer of a statement that was carried out, seen by its answer.
    pub answers: Cell<u64>,
    /// Of these, how many lost the connection with the statement under way.
    pub connections: Cell<u64>,
    /// Of these, how many lost the statement itself.
    pub statements: Cell<u64>,
    /// Of these, how many carried somebody's choice.
    pub choices: Cell<u64>,
}

/// Decides for each append whether and what it loses; told whether it carries somebody's choice.
pub type Decide = Box<dyn FnMut(bool) -> Option<Cut>>;

/// See the [module](self).
pub struct PostgresProxy {
    /// Where it listens.
    pub port: u16,
    shared: Rc<Shared>,
    accepting: AbortHandle,
}

struct Shared {
    upstream: u16,
    cuts: Cuts,
    decide: RefCell<Decide>,
    connections: RefCell<Vec<Connection>>,
}

struct Connection {
    holds_lock: Rc<Cell<bool>>,
    task: AbortHandle,
}

impl PostgresProxy {
    /// Listens, and passes everything to the Postgres at port `upstream`.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(upstream: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let shared = Rc::new(Shared {
            upstream,
            cuts: Cuts::default(),
            decide: RefCell::new(Box::new(|_| None)),
            connections: RefCell::default(),
        });
        let accepted = Rc::clone(&shared);
        let accepting = tokio::task::spawn_local(async move {
            while let Ok((client, _)) = listener.accept().await {
                let holds_lock = Rc::new(Cell::new(false));
                let relay = Relay { shared: Rc::clone(&accepted), holds_lock: Rc::clone(&holds_lock) };
                let task = tokio::task::spawn_local(async move {
                    // However it ends, both sockets are closed: that is what a cut is.
                    drop(relay.run(client).await);
                });
                let mut connections = accepted.connections.borrow_mut();
                connections.retain(|connection| !connection.task.is_finished());
                connections.push(Connection { holds_lock, task: task.abort_handle() });
            }
        });
        Ok(Self { port, shared, accepting: accepting.abort_handle() })
    }

    /// From now on, appends lose what `decide` says.
    pub fn cut_appends(&self, decide: impl FnMut(bool) -> Option<Cut> + 'static) {
        *self.shared.decide.borrow_mut() = Box::new(decide);
    }

    /// What happened so far.
    pub fn cuts(&self) -> &Cuts {
        &self.shared.cuts
    }

    /// Ends the connection that holds a server's advisory lock, or all connections; how many that were.
    pub fn cut_now(&self, only_the_lock: bool) -> usize {
        let connections = self.shared.connections.borrow();
        let chosen = connections
            .iter()
            .filter(|connection| !connection.task.is_finished())
            .filter(|connection| !only_the_lock || connection.holds_lock.get());
        chosen.map(|connection| connection.task.abort()).count()
    }
}

impl Drop for PostgresProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut_now(false);
    }
}

/// One connection of the server to its database.
struct Relay {
    shared: Rc<Shared>,
    holds_lock: Rc<Cell<bool>>,
}

impl Relay {
    async fn run(self, client: TcpStream) -> Result<()> {
        let database = TcpStream::connect(("127.0.0.1", self.shared.upstream)).await?;
        client.set_nodelay(true)?;
        database.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_database, to_database) = database.into_split();
        // Set while an append is under way whose answer is to be lost.
        let losing = Cell::new(false);
        tokio::select! {
            ended = self.pass_statements(from_client, to_database, &losing) => ended,
            ended = self.pass_answers(from_database, to_client, &losing) => ended,
        }
    }

    async fn pass_statements(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        losing: &Cell<bool>,
    ) -> Result<()> {
        let mut messages = Messages { kept: Vec::new(), untyped: true };
        // Prepared statements of this connection that append.
        let mut appending: HashSet<Vec<u8>> = HashSet::new();
        loop {
            let message = messages.next(&mut from).await?;
            if message.kind == b'P' && contains(message.body(), LOCK) {
                self.holds_lock.set(true);
            }
            let mut cut = None;
            if message.kind == b'P' && contains(message.body(), APPEND) {
                appending.insert(first_text(message.body()).to_vec());
            } else if message.kind == b'B' && binds_one_of(message.body(), &appending) {
                cut = self.decide(&message);
            }
            let cuts = &self.shared.cuts;
            match cut {
                None => to.write_all(&message.bytes).await?,
                Some(Cut::Statement) => {
                    add(&cuts.statements);
                    return Ok(());
                }
                Some(Cut::Answer) => {
                    losing.set(true);
                    to.write_all(&message.bytes).await?;
                }
                Some(Cut::Connection) => {
                    add(&cuts.connections);
                    to.write_all(&message.bytes).await?;
                    // Bind, Execute and Sync: with the last one the statement is complete.
                    while messages.next_into(&mut from, &mut to).await? != b'S' {}
                    return Ok(());
                }
            }
        }
    }

    fn decide(&self, message: &Message) -> Option<Cut> {
        let cuts = &self.shared.cuts;
        add(&cuts.appends);
        let is_choice = contains(message.body(), CHOICE);
        let cut = (self.shared.decide.borrow_mut())(is_choice)?;
        add(&cuts.cut);
        if is_choice {
            add(&cuts.choices);
        }
        Some(cut)
    }

    async fn pass_answers(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        losing: &Cell<bool>,
    ) -> Result<()> {
        let mut messages = Messages { kept: Vec::new(), untyped: false };
        loop {
            let message = messages.next(&mut from).await?;
            if !losing.get() {
                to.write_all(&message.bytes).await?;
            } else if message.kind == b'Z' {
                // Ready for the next statement: this one is committed. Nobody will hear of it.
                add(&self.shared.cuts.answers);
                return Ok(());
            }
        }
    }
}

fn add(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

/// One message of the protocol, whole.
struct Message {
    kind: u8,
    bytes: Vec<u8>,
}

impl Message {
    fn body(&self) -> &[u8] {
        self.bytes.get(5..).unwrap_or_default()
    }
}

/// Cuts a stream into messages: a type, a length that counts itself, a body. The first one of a client has no type.
struct Messages {
    kept: Vec<u8>,
    untyped: bool,
}

impl Messages {
    async fn next(&mut self, from: &mut OwnedReadHalf) -> Result<Message> {
        loop {
            let head = usize::from(!self.untyped);
            if let Some(length) = self.kept.get(head..head + 4) {
                let length = u32::from_be_bytes(length.try_into()?);
                let whole = head + usize::try_from(length)?;
                if self.kept.len() >= whole {
                    let rest = self.kept.split_off(whole);
                    let bytes = std::mem::replace(&mut self.kept, rest);
                    let kind = if self.untyped { 0 } else { bytes[0] };
                    self.untyped = false;
                    return Ok(Message { kind, bytes });
                }
            }
            anyhow::ensure!(from.read_buf(&mut self.kept).await.context("reading")? > 0, "ended");
        }
    }

    /// Passes the next message on; its type.
    async fn next_into(&mut self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> Result<u8> {
        let message = self.next(from).await?;
        to.write_all(&message.bytes).await?;
        Ok(message.kind)
    }
}

fn contains(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}

/// The text up to the first zero byte.
fn first_text(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Whether a Bind message (portal, then statement) is of one of these statements.
fn binds_one_of(body: &[u8], statements: &HashSet<Vec<u8>>) -> bool {
    let statement = body.split(|byte| *byte == 0).nth(1).unwrap_or_default();
    statements.contains(statement)
}
