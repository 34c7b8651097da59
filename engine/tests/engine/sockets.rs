//! Sockets through a real HTTP server and a real client, over pipes in memory: no network and no waiting,
//! so that five seconds are five seconds, exactly.

use std::io;
use std::sync::Arc;

use amphi_engine::core::{CallRank, Command};
use amphi_engine::limits::{
    BLOCKED_AT_MOST, BUSY_RETRY_AFTER, CLIENT_MESSAGE_BYTES_MAX, COMMAND_WINDOW, COMMANDS_PER_WINDOW,
    HELLO_WITHIN, MAILBOX_COMMANDS_MAX, PING_EVERY, PONG_WITHIN, SOCKETS_PER_PERSON_MAX,
};
use amphi_engine::protocol::Role;
use amphi_engine::room::Room;
use amphi_engine::socket::{self, Visitor};
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::get;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::faulty::Fault;
use crate::scene::{ADMINISTRATOR, at, setup};
use crate::stage::{Stage, done, eventually, snapshot, suspend};

const FIRST: Role = Role::Intern { rank: CallRank(1) };
const HELLO: &str = r#"{"type":"hello","protocol":1}"#;
/// More than any test sends: a socket that is never full.
const WIDE: usize = 1 << 22;

/// Connections that are pipes.
struct Pipes(mpsc::UnboundedReceiver<DuplexStream>);

impl axum::serve::Listener for Pipes {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(pipe) => (pipe, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A server for one room and one role.
struct Server(mpsc::UnboundedSender<DuplexStream>);

impl Server {
    fn of(room: &Arc<Room>, role: Role) -> Self {
        let room = Arc::clone(room);
        let upgrade = move |upgrade: WebSocketUpgrade| {
            let room = Arc::clone(&room);
            async move {
                socket::bounded(upgrade)
                    .on_upgrade(move |socket| socket::serve(socket, room, Visitor::lasting(role)))
            }
        };
        let (connect, connections) = mpsc::unbounded_channel();
        let router = Router::new().route("/direct", get(upgrade));
        tokio::spawn(async move { axum::serve(Pipes(connections), router).await });
        Self(connect)
    }

    /// A client whose socket holds so many bytes that are not read.
    async fn connect(&self, bytes: usize) -> Client {
        let (near, far) = duplex(bytes);
        self.0.send(far).unwrap();
        let (socket, _) = tokio_tungstenite::client_async("ws://amphi.test/direct", near).await.unwrap();
        Client(socket)
    }

    /// A client that has said hello and read what comes first.
    async fn welcomes(&self) -> Client {
        let mut client = self.connect(WIDE).await;
        client.says(HELLO).await;
        assert_eq!(client.next().await["type"], "welcome");
        assert_eq!(client.next().await["type"], "snapshot");
        client
    }
}

struct Client(WebSocketStream<DuplexStream>);

impl Client {
    async fn says(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    /// The next message of the protocol.
    async fn next(&mut self) -> Value {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The messages up to the answer to a command, and the answer.
    async fn answer(&mut self) -> Value {
        loop {
            let message = self.next().await;
            if message["command_id"].is_string() {
                return message;
            }
        }
    }

    /// Reads on until the end; the code of the close frame, if one came.
    async fn end(&mut self) -> Option<u16> {
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
    async fn unanswered_end(&mut self) -> u16 {
        let mut bytes = Vec::new();
        self.0.get_mut().read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes[..3], [0x89, 0, 0x88], "a ping without content, then a close frame");
        u16::from_be_bytes([bytes[4], bytes[5]])
    }
}

fn command(number: usize, action: &Value) -> String {
    let mut message = json!({"type": "command", "command_id": crate::stage::id(number as u128)});
    message.as_object_mut().unwrap().extend(action.as_object().unwrap().clone());
    message.to_string()
}

async fn stage() -> Stage {
    Stage::begun(setup(40, &[1, 20, 40])).await
}

// --- coming in -------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn the_whole_conversation() {
    let stage = stage().await;
    let mut client = Server::of(&stage.room, FIRST).connect(WIDE).await;
    client.says(HELLO).await;
    let welcome = client.next().await;
    assert_eq!(welcome["role"], json!({"role": "intern", "rank": 1}));
    assert_eq!((&welcome["type"], &welcome["resumed"]), (&json!("welcome"), &json!(false)));
    assert_eq!(client.next().await["type"], "snapshot");
    assert_eq!(client.next().await["receipt"], Value::Null);
    client.says(r#"{"type":"clock","client_time":77}"#).await;
    let clock = client.next().await;
    assert_eq!(clock, json!({"type": "clock", "client_time": 77, "server_time": at("09:00").0}));
    client.says(r#"{"type":"resync"}"#).await;
    assert_eq!(client.next().await["type"], "snapshot");
    client.says(command(1, &json!({"action": "choose", "post": 2}))).await;
    let mut told = Vec::new();
    while told.len() < 3 {
        told.push(client.next().await);
    }
    let by_type = |kind: &str| told.iter().find(|message| message["type"] == kind).unwrap();
    let outcome = by_type("outcome");
    assert_eq!((&outcome["result"], &outcome["command_id"]), (&json!("done"), &json!(crate::stage::id(1))));
    assert_eq!(by_type("me")["receipt"], outcome["receipt"]);
    assert_eq!(by_type("change")["posts"], json!([{"number": 2, "seats_left": 19}]));
}

#[tokio::test(start_paused = true)]
async fn hello_comes_within_five_seconds_or_never() {
    let stage = stage().await;
    let server = Server::of(&stage.room, FIRST);
    let mut silent = server.connect(WIDE).await;
    let connected = Instant::now();
    assert_eq!(silent.end().await, Some(4003));
    assert_eq!(connected.elapsed(), HELLO_WITHIN);
    let mut pinging = server.connect(WIDE).await;
    let connected = Instant::now();
    for _ in 0..4 {
        pinging.0.send(Message::Ping(Vec::new().into())).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(pinging.end().await, Some(4003), "a ping is no hello");
    assert_eq!(connected.elapsed(), HELLO_WITHIN);
    assert_eq!(stage.room.presence().1, 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_may_not_stay_is_told_why() {
    let stage = stage().await;
    let server = Server::of(&stage.room, FIRST);
    let mut devices = Vec::new();
    for _ in 0..SOCKETS_PER_PERSON_MAX {
        devices.push(server.welcomes().await);
    }
    let mut one_more = server.connect(WIDE).await;
    one_more.says(HELLO).await;
    assert_eq!(one_more.end().await, Some(4002));
    let mut nobody = Server::of(&stage.room, Role::Intern { rank: CallRank(99) }).connect(WIDE).await;
    nobody.says(HELLO).await;
    assert_eq!(nobody.end().await, Some(4502));
    let mut newer = server.connect(WIDE).await;
    newer.says(r#"{"type":"hello","protocol":2}"#).await;
    assert_eq!(newer.end().await, Some(4501));
}

#[tokio::test(start_paused = true)]
async fn s6_what_is_not_of_this_protocol_ends_the_connection() {
    let stage = stage().await;
    let server = Server::of(&stage.room, Role::Spectator);
    let text = |text: &str| Message::text(text.to_owned());
    let fragment = |opcode, last| {
        Message::Frame(Frame::message(vec![b' '; CLIENT_MESSAGE_BYTES_MAX / 2], OpCode::Data(opcode), last))
    };
    let cases: Vec<(&str, Vec<Message>)> = vec![
        ("binary", vec![Message::binary(HELLO.as_bytes().to_vec())]),
        ("not JSON", vec![text("bonjour")]),
        ("an unknown type", vec![text(r#"{"type":"bonjour"}"#)]),
        ("an unknown action", vec![text(&command(1, &json!({"action": "tick"})))]),
        ("a message that is too long", vec![text(&" ".repeat(CLIENT_MESSAGE_BYTES_MAX + 1))]),
        ("much too long", vec![text(&" ".repeat(CLIENT_MESSAGE_BYTES_MAX * 10))]),
        (
            "too long in fragments",
            vec![
                fragment(Data::Text, false),
                fragment(Data::Continue, false),
                fragment(Data::Continue, true),
            ],
        ),
    ];
    for (case, messages) in &cases {
        for (mut client, when) in [(server.connect(WIDE).await, "first"), (server.welcomes().await, "later")]
        {
            for message in messages {
                let _ = client.0.send(message.clone()).await;
            }
            assert_eq!(client.end().await, Some(4500), "{case}, {when}");
        }
    }
    let mut again = server.welcomes().await;
    again.says(HELLO).await;
    assert_eq!(again.end().await, Some(4500), "hello twice");
    let mut early = server.connect(WIDE).await;
    early.says(r#"{"type":"resync"}"#).await;
    assert_eq!(early.end().await, Some(4500), "something else before hello");
}

#[tokio::test(start_paused = true)]
async fn the_longest_message_is_read() {
    let stage = stage().await;
    let mut client = Server::of(&stage.room, Role::Administrator).welcomes().await;
    let command = command(1, &json!({"action": "suspend", "reason": "é".repeat(500)}));
    client.says(format!("{command}{}", " ".repeat(CLIENT_MESSAGE_BYTES_MAX - command.len()))).await;
    assert_eq!(client.answer().await["result"], "done");
}

#[tokio::test(start_paused = true)]
async fn s6_arbitrary_bytes_harm_nobody() {
    let stage = stage().await;
    let server = Server::of(&stage.room, Role::Spectator);
    let mut neighbour = server.welcomes().await;
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[0x56; 32]);
    for _ in 0..300 {
        let mut client = server.connect(WIDE).await;
        let count = 1 + usize::from(arbitrary_bytes(&mut rng, 1)[0]) * 4;
        let bytes = arbitrary_bytes(&mut rng, count);
        // Past the client library, straight into the pipe.
        let raw = client.0.get_mut();
        raw.write_all(&bytes).await.unwrap();
        raw.shutdown().await.unwrap();
        let mut rest = Vec::new();
        raw.read_to_end(&mut rest).await.unwrap();
    }
    neighbour.says(r#"{"type":"resync"}"#).await;
    assert_eq!(neighbour.next().await["type"], "snapshot");
    assert_eq!(stage.room.presence().1, 1, "everybody else is gone");
}

fn arbitrary_bytes(rng: &mut TestRng, count: usize) -> Vec<u8> {
    use proptest::prelude::RngExt as _;
    (0..count).map(|_| rng.random()).collect()
}

// --- staying ---------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn s7_thirty_commands_in_ten_seconds_and_no_more() {
    let stage = stage().await;
    let mut client = Server::of(&stage.room, Role::Spectator).welcomes().await;
    let burst = COMMANDS_PER_WINDOW as usize;
    for number in 0..burst {
        client.says(command(number, &json!({"action": "pass"}))).await;
        assert_eq!(client.answer().await["code"], "forbidden");
    }
    tokio::time::sleep(COMMAND_WINDOW).await;
    for number in 0..burst {
        client.says(command(number, &json!({"action": "pass"}))).await;
        assert_eq!(client.answer().await["code"], "forbidden", "a new window");
    }
    client.says(command(burst, &json!({"action": "pass"}))).await;
    assert_eq!(client.end().await, Some(4500));
}

#[tokio::test(start_paused = true)]
async fn s2_who_does_not_answer_a_ping_is_gone_within_thirty_seconds() {
    let stage = stage().await;
    let server = Server::of(&stage.room, FIRST);
    let mut half_open = server.welcomes().await;
    let mut alive = server.welcomes().await;
    let since = Instant::now();
    // Reading answers pings; nobody reads for the half-open one.
    let reading = async {
        loop {
            assert!(alive.0.next().await.unwrap().unwrap().is_ping() || since.elapsed().is_zero());
        }
    };
    let _ = tokio::time::timeout(PING_EVERY * 30, reading).await;
    assert_eq!(stage.room.presence().1, 1, "one is gone, the other has stayed for ten minutes");
    assert_eq!(half_open.unanswered_end().await, 4003);

    let mut other = server.welcomes().await;
    let since = Instant::now();
    while stage.room.presence().1 == 2 {
        assert!(since.elapsed() < PING_EVERY * 10, "it stays for ever");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let _ = alive.0.next().now_or_never();
    }
    assert!(
        since.elapsed() <= PING_EVERY + PONG_WITHIN + Duration::from_millis(100),
        "{:?}",
        since.elapsed()
    );
    assert_eq!(other.unanswered_end().await, 4003);
}

#[tokio::test(start_paused = true)]
async fn whoever_closes_or_vanishes_has_left() {
    let stage = stage().await;
    let server = Server::of(&stage.room, FIRST);
    let (mut polite, vanished) = (server.welcomes().await, server.welcomes().await);
    assert_eq!(stage.room.presence().1, 2);
    polite.0.close(None).await.unwrap();
    polite.end().await;
    drop(vanished);
    eventually("both have left", || stage.room.presence().1 == 0).await;
    assert_eq!(stage.room.presence().0[0].devices, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stopping_server_says_come_back() {
    let stage = stage().await;
    let mut client = Server::of(&stage.room, FIRST).welcomes().await;
    stage.registry.stop().await.unwrap();
    assert_eq!(client.end().await, Some(4000));
    let mut late = Server::of(&stage.room, FIRST).connect(WIDE).await;
    late.says(HELLO).await;
    assert_eq!(late.end().await, Some(4000));
}

#[tokio::test(start_paused = true)]
async fn busy_is_said_with_the_id_and_when_to_come_back() {
    let stage = stage().await;
    let mut client = Server::of(&stage.room, FIRST).welcomes().await;
    let mut gate = stage.journal.holds(Fault::None);
    let first = stage.sends(ADMINISTRATOR, suspend());
    gate.reached().await;
    let waiting: Vec<_> =
        (0..MAILBOX_COMMANDS_MAX).map(|_| stage.sends(ADMINISTRATOR, Command::Resume)).collect();
    client.says(command(1, &json!({"action": "pass"}))).await;
    let busy = client.answer().await;
    let retry_after = u64::try_from(BUSY_RETRY_AFTER.as_millis()).unwrap();
    assert_eq!(busy, json!({"type": "busy", "command_id": crate::stage::id(1), "retry_after": retry_after}));
    gate.open();
    done(first.answered().await);
    for asked in waiting {
        asked.answered().await;
    }
    client.says(command(1, &json!({"action": "pass"}))).await;
    assert_eq!(client.answer().await["result"], "done", "the same command, with the same id");
}

// --- not reading -----------------------------------------------------------------------------------

/// Changes, each some kilobytes on the wire.
async fn many_changes(stage: &Stage, count: usize) {
    let reason = "\u{1}".repeat(500);
    for _ in 0..count {
        done(stage.does(ADMINISTRATOR, Command::Suspend { reason: reason.clone() }).await);
        done(stage.does(ADMINISTRATOR, Command::Resume).await);
    }
}

#[tokio::test(start_paused = true)]
async fn s1_who_reads_late_gets_one_current_snapshot() {
    let stage = stage().await;
    let mut slow = Server::of(&stage.room, Role::Spectator).connect(2_048).await;
    slow.says(HELLO).await;
    assert_eq!(slow.next().await["type"], "welcome");
    many_changes(&stage, 100).await;
    tokio::time::sleep(BLOCKED_AT_MOST / 2).await;
    let mut kinds = Vec::new();
    let mut seq = 0;
    while seq < stage.position().seq {
        let message = slow.next().await;
        seq = message["seq"].as_u64().unwrap();
        kinds.push(message["type"].as_str().unwrap().to_owned());
        if seq == stage.position().seq {
            let shown: amphi_engine::core::Snapshot = serde_json::from_value(message).unwrap();
            assert_eq!(shown, snapshot(&stage.room));
        }
    }
    assert_eq!(kinds.last().map(String::as_str), Some("snapshot"));
    assert!(kinds.len() < 50, "not the two hundred changes: {}", kinds.len());
}

#[tokio::test(start_paused = true)]
async fn s1_who_does_not_read_is_closed_after_five_seconds_and_delays_nobody() {
    let stage = stage().await;
    let mut slow = Server::of(&stage.room, Role::Spectator).connect(2_048).await;
    slow.says(HELLO).await;
    assert_eq!(slow.next().await["type"], "welcome");
    let mut quick = Server::of(&stage.room, FIRST).welcomes().await;
    let blocked = Instant::now();
    many_changes(&stage, 5).await;
    quick.says(command(1, &json!({"action": "choose", "post": 2}))).await;
    assert_eq!(quick.answer().await["result"], "done");
    assert!(blocked.elapsed() < Duration::from_millis(10), "answered at once");
    while stage.room.presence().1 == 2 {
        assert!(blocked.elapsed() < BLOCKED_AT_MOST * 10, "it stays for ever");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(blocked.elapsed() <= BLOCKED_AT_MOST + Duration::from_millis(20), "{:?}", blocked.elapsed());
    // The pipe, too: what was written is read, and then it ends, without another wait.
    let mut rest = Vec::new();
    slow.0.get_mut().read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() <= 2_048);
    assert!(blocked.elapsed() <= BLOCKED_AT_MOST + Duration::from_millis(40), "{:?}", blocked.elapsed());
}
