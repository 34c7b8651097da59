//! The life of a command (P1, P3): written, then answered; sent again, answered the same.

use amphi_engine::core::{CallRank, Command, PostNumber, Rejection, Round, SafetyNet};
use amphi_engine::limits::{MAILBOX_COMMANDS_MAX, REFUSALS_REMEMBERED_MAX};
use amphi_engine::protocol::{CloseCode, Outcome, Role, ServerMessage};
use amphi_engine::room::Busy;

use crate::faulty::{Fault, no_answer};
use crate::scene::{ADMINISTRATOR, choose, intern, pass, setup};
use crate::stage::{Stage, comes, done, fresh_id, id, refused, stopping};

#[tokio::test]
async fn p1_nothing_is_said_before_it_is_written() {
    let stage = Stage::begun(setup(3, &[1, 1, 1])).await;
    let mut chooser = stage.watches(Role::Intern { rank: CallRank(1) });
    let mut screen = stage.watches(Role::Spectator);
    chooser.reads();
    screen.reads();
    let before = (stage.position(), stage.snapshot(), stage.entries().await);
    let mut gate = stage.journal.holds(Fault::None);
    let mut asked = stage.sends(intern(1), choose(1, 2));
    gate.reached().await;
    assert_eq!(asked.answer(), None);
    assert_eq!((chooser.kinds(), screen.kinds()), (String::new(), String::new()));
    assert_eq!((stage.position(), stage.snapshot(), stage.entries().await), before);

    gate.open();
    let receipt = done(asked.answered().await).expect("a choice has a receipt");
    assert_eq!(screen.kinds(), "change");
    let told = chooser.reads();
    let [ServerMessage::Change { .. }, ServerMessage::Me(me)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(me.receipt.as_ref(), Some(&receipt));
    let entry = &stage.entries().await[usize::try_from(receipt.seq).unwrap() - 1];
    assert_eq!(entry.hash.to_string(), receipt.hash, "the receipt names what was written");
    assert_eq!(stage.receipt(1), Some(receipt));
}

#[tokio::test]
async fn p1_a_refused_write_leaves_no_trace() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    let before = stage.entries().await;
    stage.journal.plan(no_answer());
    let asked = stage.sends_as(intern(1), choose(1, 1), id(1));
    let receipt = done(asked.answered().await).expect("carried out after the reload");
    let entries = stage.entries().await;
    assert_eq!(entries[..before.len()], before);
    let named: Vec<u64> = entries.iter().filter(|e| e.command_id == Some(id(1))).map(|e| e.seq).collect();
    assert_eq!(named, [receipt.seq]);
}

/// Done, held and refused: one command each, at a stage where rank 1 is late and rank 2 in turn.
async fn three_outcomes() -> (Stage, [(u16, Command, Outcome); 3]) {
    let stage = Stage::begun(setup(4, &[1, 2])).await;
    done(stage.does(intern(1), pass(1)).await);
    stage.until("09:03").await;
    let asked = [(1, choose(1, 1)), (2, choose(2, 2)), (4, choose(4, 1))];
    let mut outcomes = Vec::new();
    for (number, (rank, command)) in asked.into_iter().enumerate() {
        let outcome = stage.asks(intern(rank), command.clone(), id(number as u128)).await;
        outcomes.push((rank, command, outcome));
    }
    assert!(matches!(outcomes[0].2, Outcome::Held { post: PostNumber(1), .. }));
    assert!(matches!(outcomes[1].2, Outcome::Done { receipt: Some(_), .. }));
    assert_eq!(outcomes[2].2, Outcome::Refused { rejection: Rejection::NotYourTurn });
    (stage, outcomes.try_into().unwrap())
}

#[tokio::test]
async fn p3_a_command_sent_again_gets_its_first_outcome() {
    let (stage, outcomes) = three_outcomes().await;
    // Everything has moved on since: what was held is committed, what was refused would be taken.
    stage.until("09:06").await;
    done(stage.does(intern(3), pass(3)).await);
    stage.until("09:09").await;
    let before = stage.entries().await;
    for (number, (rank, command, first)) in outcomes.into_iter().enumerate() {
        assert_eq!(stage.asks(intern(rank), command.clone(), id(number as u128)).await, first);
        let another_post = choose(rank, 2);
        assert_eq!(stage.asks(intern(rank), another_post, id(number as u128)).await, first);
        for stranger in [intern(rank % 4 + 1), ADMINISTRATOR] {
            let answer = stage.asks(stranger, command.clone(), id(number as u128)).await;
            assert_eq!(refused(answer), Rejection::CommandIdReused, "{command:?}");
        }
    }
    assert_eq!(stage.entries().await, before, "nothing acted twice");
}

#[tokio::test]
async fn p3_first_outcomes_survive_a_restart() {
    let (stage, [held, chosen, _]) = three_outcomes().await;
    let stage = stage.crashes_and_returns("09:10").await;
    for (number, (rank, command, first)) in [held, chosen].into_iter().enumerate() {
        assert_eq!(stage.asks(intern(rank), command, id(number as u128)).await, first);
    }
    let stranger = stage.asks(intern(4), choose(4, 1), id(0)).await;
    assert_eq!(refused(stranger), Rejection::CommandIdReused);
}

#[tokio::test(start_paused = true)]
async fn p3_refusals_are_remembered_when_the_room_reloads() {
    let (stage, [_, _, (rank, command, first)]) = three_outcomes().await;
    stage.journal.plan(no_answer());
    done(stage.does(ADMINISTRATOR, crate::stage::suspend()).await);
    done(stage.does(ADMINISTRATOR, Command::Resume).await);
    stage.until("09:08").await;
    done(stage.does(intern(3), pass(3)).await);
    stage.until("09:12").await;
    assert_eq!(stage.turn().map(|turn| turn.0), Some(4), "now it would be taken");
    assert_eq!(stage.asks(intern(rank), command, id(2)).await, first);
}

#[tokio::test]
async fn the_oldest_refusals_are_forgotten_so_that_memory_is_bounded() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    for number in 0..=REFUSALS_REMEMBERED_MAX as u128 {
        refused(stage.asks(intern(2), choose(2, 1), id(number)).await);
    }
    done(stage.does(intern(1), pass(1)).await);
    stage.until("09:03").await;
    // One more was refused meanwhile: the stage's own, when it let the time pass.
    let third = stage.asks(intern(2), choose(2, 1), id(2)).await;
    assert_eq!(refused(third), Rejection::NotYourTurn, "still remembered");
    done(stage.asks(intern(2), choose(2, 1), id(0)).await);
}

#[tokio::test]
async fn a_full_mailbox_is_said_and_what_was_not_looked_at_does_not_act() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    let mut gate = stage.journal.holds(Fault::None);
    let first = stage.sends(ADMINISTRATOR, crate::stage::suspend());
    gate.reached().await;
    let waiting: Vec<_> = (0..MAILBOX_COMMANDS_MAX).map(|_| stage.sends(intern(2), choose(2, 1))).collect();
    let too_much = stage.room.ask(intern(1), choose(1, 1), id(7)).await;
    assert_eq!(too_much, Err(Busy));
    gate.open();
    done(first.answered().await);
    for asked in waiting {
        assert_eq!(refused(asked.answered().await), Rejection::Suspended);
    }
    assert!(stage.entries().await.iter().all(|entry| entry.command_id != Some(id(7))));
    done(stage.does(ADMINISTRATOR, Command::Resume).await);
    assert!(done(stage.asks(intern(1), choose(1, 1), id(7)).await).is_some(), "sent again, it acts");
}

#[tokio::test]
async fn whoever_goes_away_takes_no_command_with_them() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    let mut gate = stage.journal.holds(Fault::None);
    drop(stage.sends_as(intern(1), choose(1, 1), id(1)));
    gate.reached().await;
    gate.open();
    assert!(done(stage.asks(intern(1), choose(1, 1), id(1)).await).is_some(), "the first outcome");
}

#[tokio::test]
async fn stopping_finishes_what_is_under_way_and_begins_nothing() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    let mut screen = stage.watches(Role::Spectator);
    screen.reads();
    let mut gate = stage.journal.holds(Fault::None);
    let under_way = stage.sends_as(intern(1), choose(1, 1), id(1));
    gate.reached().await;
    let behind_it = stage.sends_as(ADMINISTRATOR, crate::stage::suspend(), id(2));
    let stopping = stopping(&stage.registry);
    tokio::task::yield_now().await;
    assert!(!stopping.is_finished());
    gate.open();
    assert!(done(under_way.answered().await).is_some());
    stopping.await.unwrap();
    assert!(behind_it.was_dropped().await, "no answer: to be sent again with the same id");
    assert_eq!(screen.kinds(), "", "closing goes first");
    assert_eq!(screen.closed, Some(CloseCode::GoingAway));
    assert!(!stage.room.is_in_service());
    assert_eq!(stage.room.ask(intern(2), pass(2), fresh_id()).await, Err(Busy));
    assert_eq!(comes(&stage.room, Role::Spectator), Some(CloseCode::GoingAway));

    let stage = stage.taken_over(crate::scene::at("09:01")).await;
    assert_eq!(stage.room.read(|l| l.recall(id(2), ADMINISTRATOR)), None, "it never acted");
    assert!(done(stage.asks(intern(1), choose(1, 1), id(1)).await).is_some());
}

/// Found by the simulator: the entry that closes comes after those of the seats that closing gives.
#[tokio::test]
async fn closing_a_round_of_wishes_is_answered_with_the_end_and_not_with_a_seat() {
    let mut by_wishes = setup(2, &[1, 1]);
    by_wishes.round = Round::ByWishes;
    let stage = Stage::opened(by_wishes).await;
    let wishes =
        Command::SetWishes { rank: CallRank(2), wishes: vec![PostNumber(2)], safety_net: SafetyNet::Never };
    stage.does(intern(2), wishes).await;
    let closed = stage.asks(ADMINISTRATOR, Command::Close, id(1)).await;
    let entries = stage.entries().await;
    let seq = entries.len() as u64;
    assert_eq!(closed, Outcome::Done { seq, receipt: None, wishes: None });
    assert!(entries.last().unwrap().payload.contains("closed"));
    assert!(stage.receipt(2).is_some());
    let returned = stage.crashes_and_returns("08:40").await;
    assert_eq!(returned.asks(ADMINISTRATOR, Command::Close, id(1)).await, closed);
}
