//! A real HTTP server and real clients, over pipes in memory: no network and no waiting, so that five seconds
//! are five seconds, exactly.

use std::io;
use std::sync::Arc;

use amphi_engine::arrivals::{Arrivals, Importance};
use amphi_engine::connections;
use amphi_engine::core::CallRank;
use amphi_engine::limits::PING_EVERY;
use amphi_engine::protocol::Role;
use amphi_engine::room::Room;
use amphi_engine::socket::{self, Upgrade, Visitor};
use axum::Router;
use axum::routing::get;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::pipe::{Pipe, pipe};

pub const FIRST: Role = Role::Intern { rank: CallRank(1) };
pub const HELLO: &str = r#"{"type":"hello","protocol":1}"#;
/// More than any test sends: a socket that is never full.
pub const WIDE: usize = 1 << 22;
/// More connections than most tests open.
const PLACES: usize = 1_000;

/// Connections that are pipes.
struct Pipes(mpsc::UnboundedReceiver<Pipe>);

impl axum::serve::Listener for Pipes {
    type Io = Pipe;
    type Addr = ();

    async fn accept(&mut self) -> (Pipe, ()) {
        match self.0.recv().await {
            Some(pipe) => (pipe, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A server, the same under which the whole site runs.
pub struct Server {
    connect: mpsc::UnboundedSender<Pipe>,
    /// What everybody came by.
    pub pass: CancellationToken,
    /// Ends the server in order.
    pub stop: CancellationToken,
    pub serving: tokio::task::JoinHandle<()>,
}

impl Server {
    /// For one room and one role.
    pub fn of(room: &Arc<Room>, role: Role) -> Self {
        let (room, pass) = (Arc::clone(room), CancellationToken::new());
        let (everybody, arrivals) = (pass.clone(), Arrivals::new(PLACES));
        let upgrade = move |upgrade: Upgrade| {
            let room = Arc::clone(&room);
            let visitor =
                Visitor { role, pass: everybody.clone(), place: arrivals.admit(Importance::First).unwrap() };
            async move { upgrade.then(move |freed| socket::serve(freed, room, visitor)) }
        };
        Self { pass, ..Self::with(Router::new().route("/direct", get(upgrade)), PLACES) }
    }

    /// For these routes, with so many places.
    pub fn with(router: Router, places: usize) -> Self {
        let (connect, connections) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let serving = tokio::spawn(connections::serve(Pipes(connections), router, places, stopped));
        Self { connect, pass: CancellationToken::new(), stop, serving }
    }

    /// A connection that holds so many bytes that are not read.
    pub fn pipe(&self, bytes: usize) -> Pipe {
        let (near, far) = pipe(bytes);
        self.connect.send(far).unwrap();
        near
    }

    /// A client whose socket holds so many bytes that are not read.
    pub async fn connect(&self, bytes: usize) -> Client {
        let pipe = self.pipe(bytes);
        let (socket, _) = tokio_tungstenite::client_async("ws://amphi.test/direct", pipe).await.unwrap();
        Client(socket)
    }

    /// A client that has said hello and read what comes first.
    pub async fn welcomes(&self) -> Client {
        let mut client = self.connect(WIDE).await;
        client.says(HELLO).await;
        assert_eq!(client.next().await["type"], "welcome");
        assert_eq!(client.next().await["type"], "snapshot");
        client
    }
}

pub struct Client(pub WebSocketStream<Pipe>);

impl Client {
    pub async fn says(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    /// The next message of the protocol.
    pub async fn next(&mut self) -> Value {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The messages up to the answer to a command, and the answer.
    pub async fn answer(&mut self) -> Value {
        loop {
            let message = self.next().await;
            if message["command_id"].is_string() {
                return message;
            }
        }
    }

    /// Reads on until the end; the code of the close frame, if one came.
    pub async fn end(&mut self) -> Option<u16> {
        let ending = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        };
        tokio::time::timeout(PING_EVERY * 10, ending).await.expect("the connection ends")
    }
}

impl Client {
    /// What waits for a client that has not read since the welcome: a ping, and the end.
    pub async fn unanswered_end(&mut self) -> u16 {
        let mut bytes = Vec::new();
        self.0.get_mut().read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes[..3], [0x89, 0, 0x88], "a ping without content, then a close frame");
        u16::from_be_bytes([bytes[4], bytes[5]])
    }
}

pub fn command(number: usize, action: &Value) -> String {
    let mut message = json!({"type": "command", "command_id": crate::stage::id(number as u128)});
    message.as_object_mut().unwrap().extend(action.as_object().unwrap().clone());
    message.to_string()
}

pub async fn stage() -> crate::stage::Stage {
    crate::stage::Stage::begun(crate::scene::setup(40, &[1, 20, 40])).await
}

/// The connection still does what it is for.
pub async fn is_served(client: &mut Client) {
    client.says(r#"{"type":"clock","client_time":7}"#).await;
    while client.next().await["type"] != "clock" {}
}

/// The head of a client's frame that says it is so long; masked with zeros.
pub fn frame_head(first_byte: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first_byte, 0x80 | 127];
    head.extend(length.to_be_bytes());
    head.extend([0; 4]);
    head
}
