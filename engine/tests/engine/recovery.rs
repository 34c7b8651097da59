//! A crash or a deploy is a suspension (A10, P4), and loses nothing (P1).

use std::sync::Arc;

use amphi_engine::clock::ManualClock;
use amphi_engine::core::{Command, Standing, Status};
use amphi_engine::journal::Journal as _;
use amphi_engine::protocol::Role;
use amphi_engine::registry::Registry;

use crate::faulty::{Fault, FaultyJournal, no_answer};
use crate::scene::{ADMINISTRATOR, amphi, at, choose, intern, pass, setup};
use crate::stage::{Stage, done, eventually, fresh_id, publish, settle, stopping, suspend};

#[tokio::test]
async fn p4_a_turn_gets_at_least_the_time_that_was_announced() {
    // The turn of rank 1: 09:00 to 09:03.
    let cases = [
        // Last heartbeat, back at, new deadline.
        (None, "09:00:30", "09:03:30", "nothing is known since the turn opened"),
        (Some("09:01"), "09:10", "09:12", "two minutes were left"),
        (Some("09:01"), "09:01", "09:03", "at once: nothing is lost"),
        (Some("09:02:59.999"), "11:59:59", "11:59:59.001", "one millisecond was left"),
        (Some("08:45"), "09:10", "09:13", "the journal knows better than an old heartbeat"),
    ];
    for (heartbeat, back_at, deadline, why) in cases {
        let stage = Stage::begun(setup(2, &[1, 1])).await;
        if let Some(heartbeat) = heartbeat {
            stage.journal.heartbeat(at(heartbeat), &[]).await.unwrap();
        }
        let stage = stage.crashes_and_returns(back_at).await;
        assert_eq!(stage.turn(), Some((1, at(deadline))), "{why}");
    }
}

#[tokio::test]
async fn a10_a_deploy_keeps_the_time_left_to_the_millisecond() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    stage.until("09:01:30").await;
    let stage = stage.restarts("09:40").await;
    assert_eq!(stage.turn(), Some((1, at("09:41:30"))));
    stage.until("09:41:31.999").await;
    assert_eq!(stage.turn(), Some((1, at("09:41:30"))), "the grace comes on top");
    stage.until("09:41:32").await;
    assert_eq!(stage.turn(), Some((2, at("09:44:32"))));
}

/// Found by the simulator.
#[tokio::test(start_paused = true)]
async fn a10_a_recovery_whose_write_is_not_heard_of_still_gives_the_time_back() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    stage.until("09:01").await;
    stage.journal.heartbeat(at("09:01"), &[]).await.unwrap();
    stage.journal.store.die();
    let journal = FaultyJournal::new(stage.journal.store.another_server());
    journal.plan(no_answer());
    let registry = Registry::new(journal, Arc::new(ManualClock::at(at("09:40"))));
    let room = registry.room(amphi(1)).await.unwrap();
    settle(&room).await;
    let deadline = room.read(|ledger| ledger.amphi().turn().unwrap().deadline);
    assert_eq!(deadline, at("09:42"), "two minutes were left");
}

/// Found by the simulator.
#[tokio::test]
async fn a10_what_a_deploy_waits_for_in_one_amphi_takes_no_time_from_another() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    let other = publish(&stage.registry, 2, setup(2, &[1, 1])).await;
    done(other.ask(ADMINISTRATOR, Command::Open, fresh_id()).await.unwrap());
    settle(&other).await;
    stage.until("09:01").await;
    let mut gate = stage.journal.holds(Fault::None);
    other.submit(intern(1), pass(1), None, |_| {}).unwrap();
    gate.reached().await;
    let stopping = stopping(&stage.registry);
    eventually("the room with nothing under way stops", || !stage.room.is_in_service()).await;
    stage.clock.set(at("09:02"));
    gate.open();
    stopping.await.unwrap();
    let stage = stage.taken_over(at("09:10")).await;
    assert_eq!(stage.turn(), Some((1, at("09:12"))), "two minutes were left when it stopped");
}

#[tokio::test]
async fn a10_repeated_crashes_do_not_eat_up_a_turn() {
    let mut stage = Stage::begun(setup(2, &[1, 1])).await;
    for (heartbeat, back_at) in [("09:00:30", "09:05"), ("09:05:10", "09:20"), ("09:20", "09:21")] {
        stage.clock.set(at(heartbeat));
        stage.journal.heartbeat(at(heartbeat), &[]).await.unwrap();
        stage = stage.crashes_and_returns(back_at).await;
    }
    // 40 s of service were used of 3 min.
    assert_eq!(stage.turn(), Some((1, at("09:23:20"))));
}

#[tokio::test]
async fn p1_what_was_acknowledged_is_there_after_a_crash() {
    let stage = Stage::begun(setup(3, &[1, 2])).await;
    let receipt = done(stage.does(intern(1), choose(1, 1)).await);
    let (before, standing) = (stage.entries().await, stage.standing(1));
    let stage = stage.crashes_and_returns("09:01").await;
    assert_eq!(stage.receipt(1), receipt);
    assert_eq!(stage.standing(1), standing);
    assert_eq!(stage.entries().await[..before.len()], before);
    let told = stage.watches(Role::Intern { rank: amphi_engine::core::CallRank(1) }).reads();
    let me = told.iter().find_map(|message| match message {
        amphi_engine::protocol::ServerMessage::Me(me) => Some(me.receipt.clone()),
        _ => None,
    });
    assert_eq!(me, Some(receipt), "and shown again");
}

#[tokio::test]
async fn a10_a_suspension_lasts_through_a_crash() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    stage.until("09:01").await;
    done(stage.does(ADMINISTRATOR, suspend()).await);
    let before = stage.snapshot();
    let stage = stage.crashes_and_returns("10:00").await;
    assert_eq!(stage.snapshot(), before);
    done(stage.does(ADMINISTRATOR, Command::Resume).await);
    assert_eq!(stage.turn(), Some((1, at("10:02"))), "the two minutes that were left");
}

#[tokio::test]
async fn a_crash_before_or_after_the_session_changes_nothing() {
    let stage = Stage::published(setup(1, &[1])).await;
    let (before, entries) = (stage.snapshot(), stage.entries().await);
    let stage = stage.crashes_and_returns("08:10").await;
    assert_eq!((stage.snapshot(), stage.entries().await), (before, entries));
    done(stage.does(ADMINISTRATOR, Command::Open).await);
    stage.until("09:00").await;
    done(stage.does(intern(1), choose(1, 1)).await);
    done(stage.does(ADMINISTRATOR, Command::Close).await);
    let (before, entries) = (stage.snapshot(), stage.entries().await);
    let stage = stage.crashes_and_returns("09:10").await;
    assert_eq!((stage.snapshot(), stage.entries().await), (before, entries));
    assert_eq!(stage.snapshot().now.status, Status::Closed);
}

#[tokio::test]
async fn a6_turns_due_during_a_crash_open_after_it_one_by_one() {
    let stage = Stage::opened(setup(3, &[1, 1, 1])).await;
    let stage = stage.crashes_and_returns("09:30").await;
    assert_eq!(stage.turn(), Some((1, at("09:33"))));
    assert_eq!(stage.standing(2), Standing::Waiting);
}
