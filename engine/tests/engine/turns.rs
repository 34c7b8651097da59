//! Time in a room (A6, A9): what counts is when a command was received, by the server's clock.

use amphi_engine::core::{CallRank, Rejection, Standing};
use amphi_engine::protocol::Role;

use crate::faulty::Fault;
use crate::scene::{at, choose, intern, pass, setup};
use crate::stage::{Stage, done, refused};

/// The manner in which rank 1 is placed, by its name on the wire.
fn manner(stage: &Stage) -> String {
    let standing = serde_json::to_value(stage.standing(1)).unwrap();
    standing["manner"].as_str().unwrap_or("none").to_owned()
}

#[tokio::test]
async fn a9_the_deadline_and_the_grace_to_the_millisecond() {
    let cases = [
        ("09:00", "in_turn"),
        ("09:02:59.999", "in_turn"),
        ("09:03", "in_turn"),
        ("09:03:00.001", "in_grace"),
        ("09:03:01.999", "in_grace"),
        ("09:03:02", "late"),
        ("09:03:02.001", "late"),
    ];
    for (when, expected) in cases {
        let stage = Stage::begun(setup(2, &[2, 1])).await;
        stage.clock.set(at(when));
        let receipt = done(stage.does(intern(1), choose(1, 1)).await).unwrap();
        assert_eq!(manner(&stage), expected, "received at {when}");
        assert_eq!(receipt.at, at(when));
    }
}

#[tokio::test]
async fn a9_received_in_time_counts_however_late_it_is_handled() {
    for (received, expected) in [("09:03", "in_turn"), ("09:03:01.999", "in_grace"), ("09:03:02", "late")] {
        let stage = Stage::begun(setup(3, &[2, 1])).await;
        let mut gate = stage.journal.holds(Fault::None);
        // A command before it keeps the room busy until long after the deadline.
        let before = stage.sends(crate::scene::ADMINISTRATOR, withdraw(3));
        gate.reached().await;
        stage.clock.set(at(received));
        let choice = stage.sends(intern(1), choose(1, 1));
        stage.clock.set(at("09:30"));
        gate.open();
        done(before.answered().await);
        assert!(done(choice.answered().await).is_some());
        assert_eq!(manner(&stage), expected, "received at {received}, handled at 09:30");
    }
}

fn withdraw(rank: u16) -> amphi_engine::core::Command {
    amphi_engine::core::Command::Withdraw { rank: CallRank(rank), reason: "Démission".to_owned() }
}

#[tokio::test]
async fn a6_turns_follow_one_another_without_anybody_asking() {
    let stage = Stage::opened(setup(2, &[1, 1])).await;
    let mut screen = stage.watches(Role::Spectator);
    screen.reads();
    let moments = [
        ("08:59:59.999", None),
        ("09:00", Some(1)),
        ("09:03:01.999", Some(1)),
        ("09:03:02", Some(2)),
        ("09:06:04", None),
    ];
    for (when, expected) in moments {
        let before = stage.turn().map(|turn| turn.0);
        stage.clock.set(at(when));
        if before != expected {
            // Nobody sends anything: the room wakes by its clock.
            let mut told = Vec::new();
            while told.is_empty() {
                screen.line.news().await;
                told = screen.reads();
            }
            assert_eq!(told.len(), 1, "one change tells the end of a turn and the next one's beginning");
        }
        assert_eq!(stage.turn().map(|turn| turn.0), expected, "at {when}");
    }
    assert!(matches!(stage.standing(1), Standing::Late { passed: false, .. }));
}

#[tokio::test]
async fn a6_a_turn_opens_when_it_was_planned_and_not_before() {
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    done(stage.does(intern(1), choose(1, 1)).await);
    assert_eq!(stage.turn(), None, "quick turns call nobody early");
    assert_eq!(refused(stage.does(intern(2), choose(2, 2)).await), Rejection::NotYourTurn);
    stage.until("09:03").await;
    assert_eq!(stage.turn(), Some((2, at("09:06"))));
    done(stage.does(intern(2), pass(2)).await);
    stage.until("09:09").await;
    assert_eq!(stage.turn(), Some((3, at("09:12"))), "called when the room noticed, for a whole turn");
}

#[tokio::test]
async fn time_that_ran_out_while_the_room_was_busy_counts_before_the_next_command() {
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    stage.clock.set(at("09:20"));
    let answer = stage.does(intern(2), pass(2)).await;
    done(answer);
    assert!(matches!(stage.standing(1), Standing::Late { passed: false, .. }));
    assert!(matches!(stage.standing(2), Standing::Late { passed: true, .. }), "its turn was open by then");
}
