//! Clients that mean no good (S7): floods, and what never ends. They are closed, and nobody else notices.

use amphi_engine::limits::{
    COMMAND_WINDOW, COMMANDS_PER_WINDOW, CONTROLS_PER_WINDOW, HELLO_WITHIN, MESSAGE_WITHIN, PING_EVERY,
    PONG_WITHIN, REQUEST_HEAD_WITHIN, STUCK_AT_MOST,
};
use amphi_engine::protocol::Role;
use axum::Router;
use axum::routing::get;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::pipe::Pipe;
use crate::pipes::{HELLO, Server, WIDE, command, frame_head, is_served, stage};

const SECOND: Duration = Duration::from_secs(1);

// --- floods (S7) -----------------------------------------------------------------------------------

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
async fn s7_twenty_pings_in_ten_seconds_and_no_more() {
    let stage = stage().await;
    let mut client = Server::of(&stage.room, Role::Spectator).welcomes().await;
    for window in 0..3 {
        for _ in 0..CONTROLS_PER_WINDOW {
            client.0.send(Message::Ping(Vec::new().into())).await.unwrap();
        }
        is_served(&mut client).await;
        if window < 2 {
            tokio::time::sleep(COMMAND_WINDOW).await;
        }
    }
    client.0.send(Message::Pong(Vec::new().into())).await.unwrap();
    assert_eq!(client.end().await, Some(4500));
}

#[tokio::test(start_paused = true)]
async fn s7_a_flood_closes_whoever_sends_it_and_nobody_else_waits() {
    let stage = stage().await;
    let server = Server::of(&stage.room, Role::Spectator);
    let mut neighbour = server.welcomes().await;
    let begun = Instant::now();
    let mut floods = Vec::new();
    for number in 0..50 {
        let mut client = server.welcomes().await;
        floods.push(tokio::spawn(async move {
            let message = match number % 3 {
                0 => Message::text(r#"{"type":"resync"}"#),
                1 => Message::text(command(number, &json!({"action": "pass"}))),
                _ => Message::Ping(vec![0; 125].into()),
            };
            // As fast as it goes, and without reading.
            for _ in 0..2_000 {
                if client.0.feed(message.clone()).await.is_err() {
                    break;
                }
            }
            let _ = client.0.flush().await;
            client.end().await
        }));
    }
    for _ in 0..10 {
        is_served(&mut neighbour).await;
    }
    for flood in floods {
        assert_eq!(flood.await.unwrap(), Some(4500));
    }
    is_served(&mut neighbour).await;
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    assert_eq!(stage.room.presence().1, 1);
}

// --- what never ends (S7) --------------------------------------------------------------------------

const HEAD: &str = "GET /direct HTTP/1.1\r\nHost: amphi.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Sends one byte a second, until the other side ends; how long that took.
async fn drips(pipe: &mut Pipe, bytes: &[u8]) -> Duration {
    let begun = Instant::now();
    for byte in bytes {
        if pipe.write_all(&[*byte]).await.is_err() {
            return begun.elapsed();
        }
        let mut answer = [0; 1_024];
        if let Ok(read) = tokio::time::timeout(SECOND, pipe.read(&mut answer)).await
            && matches!(read, Ok(0) | Err(_))
        {
            return begun.elapsed();
        }
    }
    panic!("every byte was taken");
}

#[tokio::test(start_paused = true)]
async fn s7_a_handshake_that_is_never_finished_is_ended_and_nobody_else_waits() {
    let stage = stage().await;
    let server = Server::of(&stage.room, Role::Spectator);
    let mut neighbour = server.welcomes().await;
    for begun_with in ["", "G", &HEAD[..60], &HEAD[..HEAD.len() - 2]] {
        let mut pipe = server.pipe(WIDE);
        let begun = Instant::now();
        pipe.write_all(begun_with.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(REQUEST_HEAD_WITHIN * 10, pipe.read_to_end(&mut rest)).await;
        assert_eq!(begun.elapsed(), REQUEST_HEAD_WITHIN, "{begun_with:?}");
        is_served(&mut neighbour).await;
    }
    let endless = format!("GET /direct HTTP/1.1\r\nX: {}", "x".repeat(200));
    let lasted = drips(&mut server.pipe(WIDE), endless.as_bytes()).await;
    assert!(lasted <= REQUEST_HEAD_WITHIN + SECOND, "one byte a second does not help: {lasted:?}");
    is_served(&mut neighbour).await;
}

#[tokio::test(start_paused = true)]
async fn s7_a_hello_that_drips_is_no_hello() {
    let stage = stage().await;
    let mut client = Server::of(&stage.room, Role::Spectator).connect(WIDE).await;
    let mut frame = vec![0x81, 0x80 | HELLO.len() as u8, 0, 0, 0, 0];
    frame.extend(HELLO.as_bytes());
    let lasted = drips(client.0.get_mut(), &frame).await;
    assert!(lasted <= HELLO_WITHIN + SECOND, "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn s7_one_byte_a_second_inside_a_frame_is_silence() {
    let stage = stage().await;
    let mut client = Server::of(&stage.room, Role::Spectator).welcomes().await;
    let mut frame = frame_head(0x81, 10_000);
    frame.resize(10_000, b' ');
    let lasted = drips(client.0.get_mut(), &frame).await;
    assert!(lasted <= PING_EVERY + PONG_WITHIN + SECOND, "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn s7_fragments_that_drip_are_ended_though_every_ping_is_answered() {
    let stage = stage().await;
    let server = Server::of(&stage.room, Role::Spectator);
    let mut neighbour = server.welcomes().await;
    for (case, content) in [("one byte a second", vec![b' ']), ("nothing, in frames", Vec::new())] {
        for pings in [false, true] {
            let mut client = server.welcomes().await;
            let begun = Instant::now();
            let mut code = None;
            for second in 0..PING_EVERY.as_secs() * 3 {
                let opcode = OpCode::Data(if second == 0 { Data::Text } else { Data::Continue });
                let _ = client.0.send(Message::Frame(Frame::message(content.clone(), opcode, false))).await;
                if pings && second.is_multiple_of(5) {
                    let _ = client.0.send(Message::Ping(Vec::new().into())).await;
                }
                is_served(&mut neighbour).await;
                tokio::time::sleep(SECOND).await;
                // Reading answers pings.
                while let Some(Some(Ok(message))) = client.0.next().now_or_never() {
                    if let Message::Close(frame) = message {
                        code = frame.map(|frame| u16::from(frame.code));
                    }
                }
                if code.is_some() {
                    break;
                }
            }
            assert_eq!(code, Some(4003), "{case}");
            assert!(begun.elapsed() > MESSAGE_WITHIN, "{case}: {:?}", begun.elapsed());
        }
    }
    // Slow, but it ends: a phone with one bar.
    let mut slow = server.welcomes().await;
    for (index, letter) in r#"{"type":"resync"}"#.chars().enumerate().take(16) {
        let opcode = if index == 0 { Data::Text } else { Data::Continue };
        let fragment = Frame::message(vec![letter as u8], OpCode::Data(opcode), false);
        slow.0.send(Message::Frame(fragment)).await.unwrap();
        tokio::time::sleep(MESSAGE_WITHIN / 20).await;
        let _ = slow.0.next().now_or_never();
    }
    slow.0
        .send(Message::Frame(Frame::message(b"}".to_vec(), OpCode::Data(Data::Continue), true)))
        .await
        .unwrap();
    assert_eq!(slow.next().await["type"], "snapshot");
}

/// A server whose one page is long, and how long it is.
fn long_page(places: usize) -> (Server, usize) {
    let bytes = 600_000;
    (Server::with(Router::new().route("/", get(move || async move { "x".repeat(bytes) })), places), bytes)
}

#[tokio::test(start_paused = true)]
async fn s7_an_answer_that_is_not_read_gives_its_place_up() {
    let (server, bytes) = long_page(1);
    let request = b"GET / HTTP/1.1\r\nHost: amphi.test\r\nConnection: close\r\n\r\n";
    for one_byte_a_second in [false, true] {
        let mut deaf = server.pipe(4_096);
        deaf.write_all(request).await.unwrap();
        let begun = Instant::now();
        let mut next = server.pipe(WIDE);
        next.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let served = async { next.read_to_end(&mut answer).await.unwrap() };
        let listening = async {
            loop {
                tokio::time::sleep(SECOND).await;
                if one_byte_a_second {
                    let _ = deaf.read(&mut [0]).await;
                }
            }
        };
        tokio::select! {
            read = served => assert!(read > bytes),
            () = listening => {}
            () = tokio::time::sleep(STUCK_AT_MOST * 10) => {}
        }
        assert!(begun.elapsed() <= STUCK_AT_MOST + SECOND, "{:?}", begun.elapsed());
    }
    // Slowly, but it is read: 4 KiB a second.
    let mut slow = server.pipe(4_096);
    slow.write_all(request).await.unwrap();
    let mut read = 0;
    loop {
        let mut some = [0; 4_096];
        match slow.read(&mut some).await.unwrap() {
            0 => break,
            count => read += count,
        }
        tokio::time::sleep(SECOND).await;
    }
    assert!(read > bytes, "only {read}");
}

#[tokio::test(start_paused = true)]
async fn s7_connections_beyond_the_places_wait_and_then_are_served() {
    let (server, _) = long_page(3);
    let _idle: Vec<_> = (0..3).map(|_| server.pipe(WIDE)).collect();
    let begun = Instant::now();
    let mut next = server.pipe(WIDE);
    next.write_all(b"GET / HTTP/1.1\r\nHost: amphi.test\r\n\r\n").await.unwrap();
    let mut first = [0; 15];
    let _ = tokio::time::timeout(REQUEST_HEAD_WITHIN * 10, next.read_exact(&mut first)).await;
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    assert_eq!(begun.elapsed(), REQUEST_HEAD_WITHIN, "until those who say nothing are gone");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_finishes_its_answers_and_lets_the_idle_go() {
    let (server, bytes) = long_page(10);
    let mut idle = server.pipe(WIDE);
    let mut busy = server.pipe(4_096);
    busy.write_all(b"GET / HTTP/1.1\r\nHost: amphi.test\r\n\r\n").await.unwrap();
    busy.read_exact(&mut [0; 15]).await.unwrap();
    server.stop.cancel();
    idle.read_to_end(&mut Vec::new()).await.unwrap();
    let mut rest = Vec::new();
    busy.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() > bytes);
    server.serving.await.unwrap();
}
