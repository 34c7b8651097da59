//! Whatever a client may send, sense or noise (S6): answered, or closed with the right code, and small.

use std::cell::RefCell;

use amphi_engine::limits::CLIENT_MESSAGE_BYTES_MAX;
use amphi_engine::protocol::{ClientMessage, Role};
use futures_util::SinkExt as _;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::pipes::{Client, HELLO, Server, WIDE, command, frame_head, is_served, stage};

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
async fn s6_arbitrary_bytes_instead_of_frames_harm_nobody() {
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

/// What a client may send that is no command of ours: noise, and messages that are nearly right.
fn texts() -> impl Strategy<Value = String> {
    let good: Vec<String> = include_str!("../protocol_samples.jsonl").lines().map(str::to_owned).collect();
    let good = prop::sample::select(good);
    let nearly = (good.clone(), any::<prop::sample::Index>(), any::<char>(), 0..3_u8).prop_map(
        |(text, index, other, how)| {
            let mut letters: Vec<char> = text.chars().collect();
            let at = index.index(letters.len());
            match how {
                0 => letters[at] = other,
                1 => letters.insert(at, other),
                _ => letters.truncate(at),
            }
            letters.into_iter().collect()
        },
    );
    prop_oneof![
        2 => good,
        4 => nearly,
        2 => any::<String>(),
        1 => (1..4_000_usize).prop_map(|depth| "[".repeat(depth)),
        1 => (1..2_000_usize).prop_map(|depth| format!("{}{}", r#"{"type":"#.repeat(depth), "}".repeat(depth))),
        1 => (0..400_u32).prop_map(|digits| format!(r#"{{"type":"clock","client_time":1{}}}"#, "0".repeat(digits as usize))),
    ]
}

#[derive(Debug, Clone)]
enum Sent {
    /// In so many fragments, with a ping between them.
    Text(String, usize),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
}

fn messages() -> impl Strategy<Value = Sent> {
    prop_oneof![
        8 => (texts(), 1..5_usize).prop_map(|(text, fragments)| Sent::Text(text, fragments)),
        1 => prop::collection::vec(any::<u8>(), 0..400).prop_map(Sent::Binary),
        1 => prop::collection::vec(any::<u8>(), 0..126).prop_map(Sent::Ping),
    ]
}

impl Sent {
    /// Whether the protocol knows it: then the connection stays.
    fn is_known(&self) -> bool {
        match self {
            Self::Text(text, _) => {
                !matches!(serde_json::from_str(text), Ok(ClientMessage::Hello { .. }) | Err(_))
            }
            Self::Binary(_) => false,
            Self::Ping(_) => true,
        }
    }

    async fn goes_to(&self, client: &mut Client) {
        let (text, fragments) = match self {
            Self::Text(text, fragments) => (text.as_bytes(), *fragments),
            Self::Binary(bytes) => return client.0.send(Message::binary(bytes.clone())).await.unwrap(),
            Self::Ping(content) => {
                return client.0.send(Message::Ping(content.clone().into())).await.unwrap();
            }
        };
        // Cut anywhere, also inside a letter.
        let size = text.len().div_ceil(fragments).max(1);
        let pieces: Vec<&[u8]> = if text.is_empty() { vec![b""] } else { text.chunks(size).collect() };
        for (index, piece) in pieces.iter().enumerate() {
            let opcode = OpCode::Data(if index == 0 { Data::Text } else { Data::Continue });
            let last = index + 1 == pieces.len();
            client.0.send(Message::Frame(Frame::message(piece.to_vec(), opcode, last))).await.unwrap();
            if !last {
                client.0.send(Message::Ping(Vec::new().into())).await.unwrap();
            }
        }
    }
}

#[test]
fn s6_whatever_a_client_sends_is_answered_or_closes_it_with_the_right_code() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.unwrap();
    let stage = runtime.block_on(stage());
    let server = runtime.block_on(async { Server::of(&stage.room, Role::Spectator) });
    let (known, unknown) = (RefCell::new(0), RefCell::new(0));
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[0x66; 32]);
    let config = Config { cases: 1_000, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, seed)
        .run(&messages(), |sent| {
            runtime.block_on(async {
                let mut client = server.welcomes().await;
                sent.goes_to(&mut client).await;
                if sent.is_known() {
                    is_served(&mut client).await;
                    *known.borrow_mut() += 1;
                } else {
                    assert_eq!(client.end().await, Some(4500));
                    *unknown.borrow_mut() += 1;
                }
            });
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    let (known, unknown) = (known.into_inner(), unknown.into_inner());
    assert!(known > 100 && unknown > 400, "{known} and {unknown}: both ways are tried");
}

#[test]
fn s6_the_parser_reads_any_bytes_without_a_panic_and_writes_what_it_has_read() {
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[0x67; 32]);
    let config = Config { cases: 4_000, failure_persistence: None, ..Config::default() };
    let bytes =
        prop_oneof![prop::collection::vec(any::<u8>(), 0..2_000), texts().prop_map(String::into_bytes),];
    TestRunner::new_with_rng(config, seed)
        .run(&bytes, |bytes| {
            if let Ok(message) = serde_json::from_slice::<ClientMessage>(&bytes) {
                let written = serde_json::to_string(&message).unwrap();
                assert_eq!(serde_json::from_str::<ClientMessage>(&written).unwrap(), message);
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[tokio::test(start_paused = true)]
async fn s6_a_message_that_claims_to_be_long_is_not_read_and_costs_nothing() {
    let stage = stage().await;
    let server = Server::of(&stage.room, Role::Spectator);
    let (text, continued) = (0x81, 0x00);
    let too_long = CLIENT_MESSAGE_BYTES_MAX as u64 + 1;
    for (first_byte, length) in [(text, too_long), (text, 1 << 40), (text, i64::MAX as u64), (0x01, too_long)]
    {
        let mut client = server.welcomes().await;
        client.0.get_mut().write_all(&frame_head(first_byte, length)).await.unwrap();
        assert_eq!(client.end().await, Some(4500), "{length}: closed by its head alone");
    }
    // Without an end: what is taken in is bounded by one message and the buffers around it.
    let mut client = server.connect(4_096).await;
    client.says(HELLO).await;
    assert_eq!(client.next().await["type"], "welcome");
    let (mut reading, mut writing) = tokio::io::split(client.0.get_mut());
    let reader = async { reading.read_to_end(&mut Vec::new()).await };
    let writer = async {
        let mut taken = 0;
        let mut first_byte = 0x01;
        loop {
            let mut frame = frame_head(first_byte, 1_000);
            frame.extend([b' '; 1_000]);
            if writing.write_all(&frame).await.is_err() {
                return taken;
            }
            taken += 1_000;
            first_byte = continued;
        }
    };
    let (_, taken) = tokio::join!(reader, writer);
    assert!(taken <= CLIENT_MESSAGE_BYTES_MAX + 8 * 1_024, "{taken} bytes were taken in");
}
