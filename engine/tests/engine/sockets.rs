//! The life of a socket: coming in, staying, not reading, being turned out.

use amphi_engine::core::{CallRank, Command};
use amphi_engine::limits::{
    BLOCKED_AT_MOST, BUSY_RETRY_AFTER, CLIENT_MESSAGE_BYTES_MAX, FAREWELL_WITHIN, HELLO_WITHIN,
    MAILBOX_COMMANDS_MAX, PING_EVERY, PONG_WITHIN, SOCKETS_PER_PERSON_MAX,
};
use amphi_engine::protocol::Role;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;

use crate::faulty::Fault;
use crate::pipes::{FIRST, HELLO, Server, WIDE, command, stage};
use crate::scene::{ADMINISTRATOR, at};
use crate::stage::{Stage, done, eventually, snapshot, suspend};

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
async fn the_longest_message_is_read() {
    let stage = stage().await;
    let mut client = Server::of(&stage.room, Role::Administrator).welcomes().await;
    let command = command(1, &json!({"action": "suspend", "reason": "é".repeat(500)}));
    client.says(format!("{command}{}", " ".repeat(CLIENT_MESSAGE_BYTES_MAX - command.len()))).await;
    assert_eq!(client.answer().await["result"], "done");
}

// --- staying ---------------------------------------------------------------------------------------

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

#[tokio::test(start_paused = true)]
async fn p6_whoever_may_only_look_on_is_refused_outside_the_room() {
    let stage = stage().await;
    let mut screen = Server::of(&stage.room, Role::Spectator).welcomes().await;
    let mut gate = stage.journal.holds(Fault::None);
    let first = stage.sends(ADMINISTRATOR, suspend());
    gate.reached().await;
    screen.says(command(1, &json!({"action": "open"}))).await;
    assert_eq!(screen.answer().await["code"], "forbidden", "whatever the room is waiting for");
    gate.open();
    done(first.answered().await);
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

// --- being turned out ------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn s9_when_what_one_came_by_ends_one_is_out_within_the_second_whatever_one_was_doing() {
    let stage = stage().await;
    let server = Server::of(&stage.room, FIRST);
    let neighbour = &mut Server::of(&stage.room, Role::Spectator).welcomes().await;
    let mut before_hello = server.connect(WIDE).await;
    let mut idle = server.welcomes().await;
    let mut not_reading = server.connect(2_048).await;
    not_reading.says(HELLO).await;
    assert_eq!(not_reading.next().await["type"], "welcome");
    many_changes(&stage, 5).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(stage.room.presence().1, 3);
    let ended = Instant::now();
    server.pass.cancel();
    assert_eq!(before_hello.end().await, Some(4502));
    assert_eq!(idle.end().await, Some(4502));
    assert!(ended.elapsed().is_zero(), "{:?}", ended.elapsed());
    eventually("only the neighbour is left", || stage.room.presence().1 == 1).await;
    // Whoever does not read cannot be told; its connection ends all the same.
    tokio::time::sleep(FAREWELL_WITHIN).await;
    let mut rest = Vec::new();
    not_reading.0.get_mut().read_to_end(&mut rest).await.unwrap();
    assert!(ended.elapsed() <= FAREWELL_WITHIN + Duration::from_millis(10), "{:?}", ended.elapsed());
    let mut late = server.connect(WIDE).await;
    assert_eq!(late.end().await, Some(4502), "and nobody comes in by it any more");
    neighbour.says(r#"{"type":"clock","client_time":7}"#).await;
    while neighbour.next().await["type"] != "clock" {}
}
