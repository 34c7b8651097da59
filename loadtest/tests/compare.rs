//! `compare`: the yardsticks deliver what they are told to, and a server that loses, repeats or changes one message, at
//! one viewer, is caught.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use amphi_loadtest::compare::audience::Audience;
use amphi_loadtest::compare::peers::{Dialect, Heard, Processes, Publication, Tell};
use amphi_loadtest::compare::workload::{Play, Visit, Workload};
use amphi_loadtest::compare::{self, CompareArgs};
use amphi_loadtest::reactor::{Request, Target};
use anyhow::Result;
use clap::Parser;
use tokio_tungstenite::tungstenite;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    compare: CompareArgs,
}

#[tokio::test]
async fn the_yardsticks_deliver_every_message_to_everybody() {
    let words = "compare --unpinned --only raw,naive --viewers 20 --rounds 2 --rate 200 --seconds 0.1 --closed 10 \
                 --in-flight 30 --idle 10";
    let args = Cli::parse_from(words.split_whitespace()).compare;
    let comparison = compare::run(&args, env!("CARGO_BIN_EXE_amphi-loadtest").into()).await.unwrap();
    assert!(comparison.holds(), "{:#?}", comparison.rows);
    let report = comparison.to_json();
    let servers = report["servers"].as_array().unwrap();
    for name in ["raw", "naive"] {
        let server = servers.iter().find(|server| server["name"] == name).unwrap();
        for (cell, deliveries) in [("steady", 20 * 20), ("one_by_one", 20 * 10), ("in_flight", 20 * 30)] {
            for round in 0..2 {
                assert_eq!(
                    server["cells"][cell]["rounds"][round]["deliveries"], deliveries,
                    "{name}, {cell}"
                );
            }
        }
        assert!(server["idle"]["kib_per_connection"].is_number());
    }
    assert_eq!(servers[1]["cells"]["steady"]["ratio_to_raw"]["median"], 1.0);
    assert!(servers.iter().any(|server| server["name"] == "amphi" && server["not_tried"] == "not asked for"));
    let table = comparison.to_markdown();
    assert!(table.contains("| raw | 1.00 (1.00–1.00) |") && table.contains("| naive | "), "{table}");
}

#[tokio::test]
async fn every_design_of_a_fan_out_delivers_every_message_to_everybody() {
    let words = "compare --unpinned --designs --viewers 20 --rounds 1 --rate 200 --seconds 0.1 --closed 10 \
                 --in-flight 30";
    let args = Cli::parse_from(words.split_whitespace()).compare;
    let comparison = compare::run(&args, env!("CARGO_BIN_EXE_amphi-loadtest").into()).await.unwrap();
    assert!(comparison.holds(), "{:#?}", comparison.rows);
    let tried: Vec<_> = comparison.rows.iter().filter(|row| row.not_tried.is_none()).collect();
    let names: Vec<_> = tried.iter().map(|row| row.name).collect();
    assert_eq!(names, ["raw", "pump", "tasks", "both-cores", "uring"]);
    for row in tried {
        let visit = row.visits[0].as_ref().unwrap();
        let deliveries = [&visit.steady, &visit.closed, &visit.in_flight].map(|cell| cell.deliveries);
        assert_eq!(deliveries, [20 * 20, 20 * 10, 20 * 30], "{}", row.name);
    }
}

/// What goes wrong with the fourth message, at the second viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    Lost,
    Repeated,
    Changed,
    LostAtTheEnd,
}

/// A server of messages as long as a byte says, the first of its connections being the publisher's.
fn faulty(bug: Bug, viewers: usize) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut publisher = listener.accept().unwrap().0;
        let mut viewers: Vec<TcpStream> = (0..viewers).map(|_| listener.accept().unwrap().0).collect();
        let mut number = 0;
        let mut frame = [0; 2 + MESSAGE_BYTES];
        while publisher.read_exact(&mut frame).is_ok() {
            for (viewer, stream) in viewers.iter_mut().enumerate() {
                let mut sent = frame.to_vec();
                match (bug, viewer, number) {
                    (Bug::Lost, 1, 3) | (Bug::LostAtTheEnd, 1, LAST) => sent.clear(),
                    (Bug::Repeated, 1, 3) => sent.extend(frame),
                    (Bug::Changed, 1, 3) => sent[20] ^= 1,
                    _ => {}
                }
                // The other side hangs up as soon as it has found the bug.
                drop(stream.write_all(&sent));
            }
            number += 1;
        }
    });
    address
}

const MESSAGE_BYTES: usize = 100;
const WORKLOAD: Workload = Workload { warm_up: 2, steady: 4, per_second: 500.0, closed: 4, in_flight: 10 };
const LAST: usize = 19;

struct Faulty(SocketAddr);

impl Dialect for Faulty {
    fn target(&self, _viewer: usize) -> Target {
        Target { address: self.0, source: None, receive_buffer: None, request: None }
    }

    fn hear(&self, _kept: &mut Vec<u8>, frame: &[u8], tell: Tell<'_>) -> Result<()> {
        tell(Heard::Message(frame))
    }

    fn publication(&self, _number: usize, payload: &str) -> Publication {
        let head = [0x81, u8::try_from(payload.len()).unwrap()];
        Publication::OnLine([&head[..], payload.as_bytes()].concat())
    }
}

struct ThisProcess;

impl Processes for ThisProcess {
    fn pids(&self) -> Vec<u32> {
        vec![std::process::id()]
    }
}

fn visit(bug: Bug) -> Result<Visit> {
    const VIEWERS: usize = 3;
    let dialect = Faulty(faulty(bug, VIEWERS));
    let line = TcpStream::connect(dialect.0)?;
    let audience = Audience::connect(&dialect, VIEWERS, 1, false)?;
    let mut play = Play::new(&audience, &dialect, &ThisProcess, Some(line), MESSAGE_BYTES)?;
    if bug == Bug::LostAtTheEnd {
        // It is waited for in vain, and only that: a busy machine has all the time it needs otherwise.
        play = play.patient(Duration::from_secs(1));
    }
    play.visit(&WORKLOAD)
}

#[test]
fn an_honest_server_passes() {
    let visit = visit(Bug::None).unwrap();
    assert_eq!(visit.steady.deliveries, 12);
    assert_eq!(visit.in_flight.last_viewer_ms.len(), 10);
    assert_eq!(visit.message_bytes, MESSAGE_BYTES);
}

#[test]
fn one_message_lost_repeated_or_changed_at_one_viewer_fails_the_visit() {
    for (bug, complaint) in [
        (Bug::Lost, "must hear message 3 and heard message 4, and not those before it"),
        (Bug::Repeated, "must hear message 4 and heard message 3 again"),
        (Bug::Changed, "must hear message 3 and heard what nobody published"),
        (Bug::LostAtTheEnd, "19 of 20 publications reached all 3 viewers; 1 viewers lack some"),
    ] {
        let problem = format!("{:#}", visit(bug).unwrap_err());
        assert!(problem.contains(complaint), "{bug:?}: {problem}");
    }
}

/// A server that lets somebody in with the second attempt.
struct Busy(SocketAddr);

impl Dialect for Busy {
    fn target(&self, _viewer: usize) -> Target {
        let request = Request { host: self.0.to_string(), path: "/".to_owned(), headers: String::new() };
        Target { request: Some(request), ..Faulty(self.0).target(0) }
    }

    fn hear(&self, _kept: &mut Vec<u8>, frame: &[u8], tell: Tell<'_>) -> Result<()> {
        tell(Heard::Message(frame))
    }

    fn publication(&self, number: usize, payload: &str) -> Publication {
        Faulty(self.0).publication(number, payload)
    }
}

#[test]
fn whoever_is_told_to_come_back_comes_back() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            first.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let busy = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";
        first.write_all(busy.as_bytes()).unwrap();
        tungstenite::accept(listener.accept().unwrap().0).unwrap()
    });
    assert_eq!(Audience::connect(&Busy(address), 1, 9, false).unwrap().viewers(), 1);
    server.join().unwrap();
}
