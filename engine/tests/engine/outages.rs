//! A journal that is slow, silent or gone (C6 in small): nothing is acknowledged meanwhile, screens say
//! so, and the turn's clock stands still. Time here is tokio's, paused, and the amphi's, by hand.

use amphi_engine::core::{CallRank, Command};
use amphi_engine::journal::{AppendError, JournalError};
use amphi_engine::limits::JOURNAL_SLOW_AFTER;
use amphi_engine::protocol::{Outcome, Role, ServerMessage};

use crate::faulty::{Fault, no_answer};
use crate::scene::{ADMINISTRATOR, at, choose, intern, pass, person, setup};
use crate::stage::{Stage, Viewer, done, id, refused};

/// What a viewer was told of the service, in order.
fn service(viewer: &mut Viewer) -> Vec<bool> {
    let told = |message| match message {
        ServerMessage::Service { available } => Some(available),
        _ => None,
    };
    viewer.reads().into_iter().filter_map(told).collect()
}

fn withdraw(rank: u16) -> Command {
    Command::Withdraw { rank: CallRank(rank), reason: "Démission".to_owned() }
}

async fn real_seconds_pass() {
    tokio::time::sleep(JOURNAL_SLOW_AFTER * 2).await;
}

#[tokio::test(start_paused = true)]
async fn a10_during_a_slow_write_the_clock_stands_still_and_screens_say_so() {
    let stage = Stage::begun(setup(3, &[1, 1])).await;
    let mut screen = stage.watches(Role::Spectator);
    screen.reads();
    stage.until("09:01").await;
    let mut gate = stage.journal.holds(Fault::None);
    let mut asked = stage.sends(ADMINISTRATOR, withdraw(3));
    gate.reached().await;
    assert!(service(&mut screen).is_empty(), "a short wait is none");
    real_seconds_pass().await;
    assert_eq!(service(&mut screen), [false]);
    let late_joiner = stage.watches(Role::Spectator).kinds();
    assert_eq!(late_joiner, "snapshot service", "whoever comes now is told at once");
    stage.clock.set(at("09:02:30"));
    assert_eq!(asked.answer(), None, "no acknowledgement meanwhile");
    gate.open();
    done(asked.answered().await);
    crate::stage::settle(&stage.room).await;
    assert_eq!(service(&mut screen), [true]);
    assert_eq!(stage.turn(), Some((1, at("09:04:30"))), "a minute and a half were lost to nobody");
}

#[tokio::test(start_paused = true)]
async fn p4_a_choice_sent_during_an_outage_counts_from_when_it_was_received() {
    let stage = Stage::begun(setup(3, &[1, 1])).await;
    stage.until("09:02:59").await;
    let mut gate = stage.journal.holds(no_answer());
    let before = stage.sends(ADMINISTRATOR, withdraw(3));
    gate.reached().await;
    let choice = stage.sends(intern(1), choose(1, 2));
    stage.clock.set(at("09:15"));
    stage.journal.refuses_ownership(vec![JournalError::Unavailable("no answer".to_owned()); 20]);
    gate.open();
    done(before.answered().await);
    let receipt = done(choice.answered().await).unwrap();
    assert_eq!(serde_json::to_value(receipt.manner).unwrap(), "in_turn");
}

#[tokio::test(start_paused = true)]
async fn a_write_without_an_answer_acts_once_whether_it_was_written_or_not() {
    for (fault, case) in [(no_answer(), "lost before"), (Fault::AnswerLost, "lost after")] {
        let stage = Stage::begun(setup(2, &[1, 1])).await;
        let mut screen = stage.watches(Role::Spectator);
        screen.reads();
        let epoch = stage.position().epoch;
        stage.journal.plan(fault);
        let outcome = stage.asks(intern(1), choose(1, 1), id(1)).await;
        let receipt = done(outcome.clone()).expect(case);
        let named: Vec<u64> =
            stage.entries().await.iter().filter(|e| e.command_id == Some(id(1))).map(|e| e.seq).collect();
        assert_eq!(named, [receipt.seq], "{case}");
        assert_eq!(stage.position().epoch, epoch + 1, "{case}: ownership was taken anew");
        let told = screen.reads();
        let services = told.iter().filter(|m| matches!(m, ServerMessage::Service { .. })).count();
        assert_eq!(services, 2, "{case}: interrupted, and over");
        assert!(told.iter().any(|m| matches!(m, ServerMessage::Snapshot { .. })), "{case}");
        assert_eq!(stage.asks(intern(1), choose(1, 1), id(1)).await, outcome, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_room_asks_until_the_journal_answers_again() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    let mut screen = stage.watches(Role::Spectator);
    screen.reads();
    stage.journal.plan(no_answer());
    stage.journal.refuses_ownership(vec![JournalError::Unavailable("no answer".to_owned()); 50]);
    let asked = stage.sends(intern(1), choose(1, 1));
    real_seconds_pass().await;
    assert_eq!(service(&mut screen), [false]);
    assert!(done(asked.answered().await).is_some());
    crate::stage::settle(&stage.room).await;
    assert_eq!(service(&mut screen), [true]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_ends_in_a_conflict_ends_all_the_same() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    let mut screen = stage.watches(Role::Spectator);
    screen.reads();
    let mut gate = stage.journal.holds(Fault::Refused(AppendError::PersonTaken(person(1))));
    let asked = stage.sends(intern(1), choose(1, 1));
    gate.reached().await;
    real_seconds_pass().await;
    stage.clock.set(at("09:01"));
    gate.open();
    let rejection = refused(asked.answered().await);
    assert_eq!(rejection, amphi_engine::core::Rejection::PlacedElsewhere);
    crate::stage::settle(&stage.room).await;
    assert_eq!(service(&mut screen), [false, true]);
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_a_journal_that_is_gone() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    stage.journal.plan(no_answer());
    stage.journal.refuses_ownership(vec![JournalError::Unavailable("no answer".to_owned()); 10_000]);
    let asked = stage.sends(intern(1), choose(1, 1));
    real_seconds_pass().await;
    stage.registry.stop().await.unwrap();
    assert!(asked.was_dropped().await, "neither yes nor no: the same id finds out later");
}

#[tokio::test(start_paused = true)]
async fn ticks_that_find_no_journal_come_again() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    stage.journal.plan(no_answer());
    stage.until("09:03:02").await;
    // The clock stood still while the journal was asked again: the turn gets what was left, at least.
    let (rank, deadline) = stage.turn().unwrap();
    assert_eq!(rank, 1);
    assert!(deadline >= at("09:03"));
    stage.until("09:05:04").await;
    assert_eq!(stage.turn().map(|turn| turn.0), Some(2));
    let outcome = stage.does(intern(2), choose(2, 1)).await;
    assert!(matches!(outcome, Outcome::Done { receipt: Some(_), .. }));
}

#[tokio::test(start_paused = true)]
async fn whoever_got_a_seat_by_a_write_without_an_answer_is_given_the_receipt() {
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    done(stage.does(intern(1), pass(1)).await);
    stage.until("09:03").await;
    let mut latecomer = stage.watches(Role::Intern { rank: CallRank(1) });
    assert!(matches!(stage.does(intern(1), choose(1, 1)).await, Outcome::Held { .. }));
    latecomer.reads();
    // The choice of rank 2 ends the turn, and so commits what was held; nobody hears that it is written.
    stage.journal.plan(Fault::AnswerLost);
    done(stage.does(intern(2), choose(2, 2)).await);
    let told = latecomer.reads().into_iter().find_map(|message| match message {
        ServerMessage::Me(me) => me.receipt,
        _ => None,
    });
    assert_eq!(told, stage.receipt(1));
    assert!(told.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_can_be_read_and_not_written_for_hours_does_not_pile_up() {
    const WRITES: usize = 5_000;
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    let mut screen = stage.watches(Role::Spectator);
    screen.reads();
    (0..WRITES).for_each(|_| stage.journal.plan(no_answer()));
    let asked = stage.sends(intern(1), choose(1, 1));
    assert!(done(asked.answered().await).is_some());
    crate::stage::settle(&stage.room).await;
    assert_eq!(service(&mut screen), [false, true]);
    let interruptions =
        stage.entries().await.into_iter().filter(|e| e.payload.contains("service_interrupted"));
    assert_eq!(interruptions.count(), 1, "one outage");
}
