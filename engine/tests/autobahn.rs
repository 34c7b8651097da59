//! S5: the Autobahn cases 1–7 and 10 against the stack that serves the real sockets.
//!
//! The cases speak to an echo, which the real server is not; so this one is made of the same parts: the
//! same HTTP server, the same upgrade with the same bounds. One bound is wider, because a case sends
//! messages of 64 KiB where our clients may send 16. What is echoed goes out as our own messages do.
//!
//! `kosoku` runs the cases: Autobahn's own, under a runner for today's Python (`tests/all.sh` installs it).

#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;

use amphi_engine::connections::{self, Freed};
use amphi_engine::fanout::{Line, Sink};
use amphi_engine::frame::Frame;
use amphi_engine::protocol::Role;
use amphi_engine::socket::{Heard, Incoming, Upgrade};
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use tungstenite::Message;

/// The longest message of the cases, and its frame.
const CASE_BYTES_MAX: usize = 64 * 1024 + 16;
const CASES: [&str; 8] = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"];
/// How many there are: none is left out by a change of the runner.
const CASES_COUNT: usize = 247;

const RUN: &str = r#"
import asyncio, os, sys
from kosoku import FailureError, run_fuzzingclient
async def run():
    try:
        return await run_fuzzingclient(sys.argv[1], sys.argv[2:], concurrency=4)
    except FailureError as failure:
        return failure.results
for case in asyncio.run(run()):
    print("passed" if case.passed else "failed", case.case_id, case.behavior.value, case.behavior_close.value, sep="\t")
sys.stdout.flush()
# The verdicts are out. What the interpreter takes down after them, threads of the runner's native part among
# it, has ended by a signal and without a word once, and says nothing of our sockets.
os._exit(0)
"#;

async fn echo(upgrade: Upgrade) -> Response {
    upgrade.then(async |Freed { wire, unread, place: _place }| {
        let line = Line::new(Role::Spectator, Arc::clone(&wire) as Arc<dyn Sink>);
        let mut incoming = Incoming::bounded(wire, CASE_BYTES_MAX);
        let mut back = |heard| {
            match heard {
                Heard::Message(Message::Text(text)) => line.say(Frame::text(text)),
                Heard::Message(Message::Binary(bytes)) => line.say(Frame::binary(bytes)),
                Heard::Message(other) => panic!("{other:?}"),
                Heard::Control(answer) => answer.into_iter().for_each(|answer| line.say(answer)),
            }
            Ok(())
        };
        let mut going_on = incoming.digest(&unread, &mut back).is_ok();
        while going_on && incoming.ready().await.is_ok() {
            going_on = incoming.read(&mut back).is_ok();
        }
    })
}

#[test]
fn s5_autobahn_cases_one_to_seven_and_ten_pass() {
    let python = std::env::var("AMPHI_PYTHON")
        .expect("AMPHI_PYTHON names a Python with kosoku: run tests/all.sh, which makes one");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("ws://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/", get(echo));
    runtime.spawn(connections::serve(listener, router, 100, std::future::pending()));

    let ran = Command::new(python).args(["-c", RUN, &address]).args(CASES).output().unwrap();
    assert!(ran.status.success(), "{}: {}", ran.status, String::from_utf8_lossy(&ran.stderr));
    let report = String::from_utf8(ran.stdout).unwrap();
    let (passed, failed): (Vec<&str>, Vec<&str>) =
        report.lines().partition(|line| line.starts_with("passed\t"));
    let of = |verdict: &str| passed.iter().filter(|line| line.split('\t').nth(2) == Some(verdict)).count();
    // Not by `println!`, which a test that passes keeps to itself.
    let summary = writeln!(
        std::io::stderr(),
        "Autobahn: {} passed ({} strictly, {} not strictly, {} informational), {} failed",
        passed.len(),
        of("OK"),
        of("NON-STRICT"),
        of("INFORMATIONAL"),
        failed.len(),
    );
    summary.unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert_eq!(passed.len(), CASES_COUNT, "the cases that were run");
}
