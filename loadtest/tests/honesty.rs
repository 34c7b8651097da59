//! `room` against a server of our own: honest, it is reported; with any planted bug, it is refused.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod fake;

use std::rc::Rc;
use std::time::Duration;

use amphi_loadtest::client::Viewer;
use amphi_loadtest::command::{Action, Answer};
use amphi_loadtest::crowd::{all_caught_up, reckon};
use amphi_loadtest::door::Doors;
use amphi_loadtest::report_page::RunReport;
use amphi_loadtest::room::Room;
use amphi_loadtest::scenario_room::{self, Kind, Manner, RoomArgs, Stage};
use amphi_loadtest::venue::VenueArgs;
use fake::Bug;
use tokio::task::LocalSet;

async fn play(bug: Bug, manner: Manner) -> anyhow::Result<RunReport> {
    let (authority, links) = fake::start(bug, 41).await;
    let venue = VenueArgs {
        server: "unused".into(),
        url: Some(format!("http://{authority}")),
        links: Some(links.clone()),
        server_pid: None,
        keep: None,
        pin_server: None,
    };
    let args = RoomArgs {
        kind: Kind::Room,
        venue,
        stages: vec![Stage { viewers: 60, choices: 35, rate: 500.0, at_once: 1 }],
        manner,
        seed: 1,
        warm_up: 5,
        settle_seconds: 2,
        spin: false,
    };
    let report = scenario_room::run(&args).await;
    std::fs::remove_file(links).unwrap();
    report
}

async fn what_is_said_of(bug: Bug) -> String {
    match play(bug, Manner::InTurn).await {
        Ok(report) if report.faults.is_empty() => "nothing".to_owned(),
        Ok(report) => {
            report.faults.iter().map(|fault| format!("{}: {}\n", fault.client, fault.what)).collect()
        }
        Err(problem) => format!("{problem:#}"),
    }
}

#[tokio::test]
async fn an_honest_server_is_reported() {
    let local = LocalSet::new();
    let report = local.run_until(play(Bug::None, Manner::InTurn)).await.unwrap();
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    let stage = &report.figures["stages"]["1"];
    // 60 viewers and the administrator.
    assert_eq!(stage["throughput"]["deliveries"], 35 * 61);
    assert_eq!(stage["choice_acknowledged_after_intended"]["count"], 35);
    assert_eq!(stage["each_viewer_after_intended"]["count"], 35 * 61);
    assert_eq!(stage["last_viewer_after_intended"]["count"], 35);
}

#[tokio::test]
async fn late_choices_overlap_and_are_reported() {
    let local = LocalSet::new();
    let report = local.run_until(play(Bug::None, Manner::Late)).await.unwrap();
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert_eq!(report.figures["stages"]["1"]["choice_acknowledged_after_intended"]["count"], 35);
}

#[tokio::test]
async fn every_planted_bug_is_caught_and_named() {
    let expected = [
        (Bug::Loses, "gap"),
        (Bug::Repeats, "repeat"),
        (Bug::Reorders, "gap"),
        (Bug::LiesToOne, "says something else"),
        (Bug::LiesToAll, "lead elsewhere than the snapshot"),
        (Bug::AcknowledgesOnly, "without a matching change"),
        (Bug::WrongReceipt, "without a matching change"),
        (Bug::AnswersTwice, "a second one"),
        (Bug::Drops, "closed"),
        (Bug::WrongFromSeq, "from_seq"),
    ];
    for (bug, word) in expected {
        let said = LocalSet::new().run_until(what_is_said_of(bug)).await;
        assert!(said.contains(word), "{bug:?} should be called {word:?}; said: {said}");
    }
}

/// One client is cut, misses changes, and comes back.
async fn come_back(bug: Bug) -> Vec<String> {
    let (authority, links) = fake::start(bug, 12).await;
    let doors = Doors::parse(&std::fs::read_to_string(&links).unwrap()).unwrap();
    std::fs::remove_file(links).unwrap();
    let room = Rc::new(Room::new(&authority, fake::AMPHI, true).await.unwrap());
    let administrator = Viewer::new(0, doors.administrator.clone(), &room);
    let first = Viewer::new(1, doors.interns[0].clone(), &room);
    let spectator = Viewer::new(2, doors.spectator.clone(), &room);
    let viewers = [administrator, first, spectator];
    for viewer in &viewers {
        viewer.connect().await.unwrap();
    }
    assert_eq!(viewers[0].submit(Action::Open, None).await.unwrap(), Answer::Done);
    all_caught_up(&room, &viewers, Duration::from_secs(5)).await.unwrap();
    viewers[2].cut();
    assert_eq!(viewers[1].submit(Action::Choose(3), None).await.unwrap(), Answer::Done);
    let second = Viewer::new(3, doors.interns[1].clone(), &room);
    second.connect().await.unwrap();
    assert_eq!(second.submit(Action::Choose(3), None).await.unwrap(), Answer::Done);
    drop(reckon(&room, &viewers, std::slice::from_ref(&doors.spectator)).await);
    room.faults().0.into_iter().map(|fault| fault.what).collect()
}

#[tokio::test]
async fn who_comes_back_is_checked_like_the_others() {
    assert_eq!(LocalSet::new().run_until(come_back(Bug::None)).await, Vec::<String>::new());
    let said = LocalSet::new().run_until(come_back(Bug::ResumesWithAHole)).await;
    assert!(said[0].contains("gap"), "{said:?}");
}
