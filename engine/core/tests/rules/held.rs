//! 3.3: late against in turn, same last seat. The late choice is held, visibly, until the turn ends.

use amphi_core::{CallRank, ChoiceManner, Command, Event, PostNumber, Rejection, Standing};

use crate::scene::{Scene, at, choose, setup};

/// Ranks 1 to 3 are late, rank 4's turn is open until 09:18 (the session opened with delay).
fn three_late(seats: &[u16]) -> Scene {
    let mut scene = Scene::published(setup(5, seats));
    scene.does(Command::Open, "09:15");
    for rank in 1..=3 {
        scene.pass(rank, "09:15");
    }
    assert_eq!(scene.turn(), Some((4, at("09:18"))));
    scene
}

fn held(scene: &Scene) -> Vec<(u16, u16, &'static str)> {
    let name = |instant| ["09:16", "09:16:10", "09:16:20"].into_iter().find(|t| at(t) == instant).unwrap();
    scene.amphi.held().iter().map(|held| (held.rank.0, held.post.0, name(held.since))).collect()
}

fn taken(post: u16, by: u16) -> Rejection {
    Rejection::PostTaken { post: PostNumber(post), by: Some(CallRank(by)) }
}

#[test]
fn r3_3_late_choice_of_last_seat_is_held() {
    let mut scene = three_late(&[1, 9]);
    let events = scene.choose(1, 1, "09:16");
    assert_eq!(events, [Event::ChoiceHeld { rank: CallRank(1), post: PostNumber(1), reason: None }]);
    assert_eq!(held(&scene), [(1, 1, "09:16")]);
    assert_eq!((scene.outcome(1).as_str(), scene.amphi.seats_left()), ("late", &[1, 9][..]));
}

#[test]
fn r3_3_late_choice_with_seats_to_spare_is_taken_at_once() {
    let mut scene = three_late(&[2]);
    scene.choose(1, 1, "09:16");
    assert_eq!(scene.outcome(1), "1 late");
    // Now one seat is left: the second late choice is held.
    scene.choose(2, 1, "09:16");
    assert_eq!(scene.outcome(2), "late");
    assert_eq!(held(&scene), [(2, 1, "09:16")]);
}

#[test]
fn r3_3_held_choice_is_committed_when_the_turn_takes_another_post() {
    let mut scene = three_late(&[1, 9]);
    scene.choose(1, 1, "09:16");
    let events = scene.choose(4, 2, "09:17");
    let committed = Event::ChoiceCommitted {
        rank: CallRank(1),
        post: PostNumber(1),
        seat: Some(1),
        manner: ChoiceManner::LateHeld,
        reason: None,
    };
    assert_eq!(events[2], committed);
    // Settled before the next turn opens: rank 5 never sees the seat.
    assert!(matches!(events[3], Event::TurnOpened { rank: CallRank(5), .. }));
    assert_eq!((scene.outcome(1).as_str(), scene.outcome(4).as_str()), ("1 late_held", "2 in_turn"));
    assert!(matches!(scene.standing(1), Standing::Placed { at: t, .. } if t == at("09:17")));
}

#[test]
fn r3_3_held_choice_is_refused_when_the_turn_takes_the_seat() {
    let mut scene = three_late(&[1, 9]);
    scene.choose(1, 1, "09:16");
    let events = scene.choose(4, 1, "09:17");
    assert!(events.contains(&Event::HeldChoiceRefused { rank: CallRank(1), post: PostNumber(1) }));
    assert_eq!((scene.outcome(1).as_str(), scene.outcome(4).as_str()), ("late", "1 in_turn"));
    assert_eq!(scene.amphi.change(&events).held_refused, [CallRank(1)]);
    assert_eq!(scene.refused(choose(1, 1), "09:17:01"), taken(1, 4));
    scene.choose(1, 2, "09:17:02");
    assert_eq!(scene.outcome(1), "2 late");
}

#[test]
fn r3_3_held_choice_is_committed_however_the_turn_ends() {
    let reason = || "Injoignable".to_owned();
    for (command, when) in [
        (Command::Tick, "09:18:02"),
        (Command::Pass { rank: CallRank(4) }, "09:17"),
        (Command::EndTurn { rank: CallRank(4), reason: reason() }, "09:17"),
        (Command::Withdraw { rank: CallRank(4), reason: reason() }, "09:17"),
        (Command::NotePlacedElsewhere { rank: CallRank(4) }, "09:17"),
    ] {
        let mut scene = three_late(&[1, 9]);
        scene.choose(1, 1, "09:16");
        scene.does(command.clone(), when);
        assert_eq!(scene.outcome(1), "1 late_held", "{command:?}");
    }
}

#[test]
fn r3_3_two_held_for_the_same_seat_the_first_wins() {
    let mut scene = three_late(&[1, 9]);
    scene.choose(3, 1, "09:16");
    scene.choose(2, 1, "09:16:10");
    assert_eq!(held(&scene), [(3, 1, "09:16"), (2, 1, "09:16:10")]);
    let events = scene.pass(4, "09:17");
    assert_eq!((scene.outcome(3).as_str(), scene.outcome(2).as_str()), ("1 late_held", "late"));
    assert_eq!(scene.amphi.change(&events).held_refused, [CallRank(2)]);
}

#[test]
fn r3_3_a_held_choice_is_replaced_by_the_next_and_queues_last() {
    let mut scene = three_late(&[1, 1, 9]);
    scene.choose(1, 1, "09:16");
    scene.choose(2, 2, "09:16:10");
    scene.choose(1, 2, "09:16:20");
    assert_eq!(held(&scene), [(2, 2, "09:16:10"), (1, 2, "09:16:20")]);
    scene.pass(4, "09:17");
    assert_eq!((scene.outcome(2).as_str(), scene.outcome(1).as_str()), ("2 late_held", "late"));
    assert_eq!(scene.amphi.seats_left(), [1, 0, 9]);
}

#[test]
fn r3_3_asking_again_for_the_held_post_keeps_ones_place() {
    let mut scene = three_late(&[1, 9]);
    scene.choose(1, 1, "09:16");
    scene.choose(2, 1, "09:16:10");
    scene.choose(1, 1, "09:16:20");
    assert_eq!(held(&scene), [(1, 1, "09:16"), (2, 1, "09:16:10")]);
    scene.pass(4, "09:17");
    assert_eq!(scene.outcome(1), "1 late_held");
}

#[test]
fn r3_3_a_held_choice_is_dropped_by_a_choice_that_can_be_taken_at_once() {
    let mut scene = three_late(&[1, 9]);
    scene.choose(1, 1, "09:16");
    scene.choose(1, 2, "09:16:10");
    assert_eq!((scene.outcome(1).as_str(), held(&scene)), ("2 late", vec![]));
    scene.choose(4, 1, "09:17");
    assert_eq!(scene.outcome(4), "1 in_turn");
}

#[test]
fn r3_3_a_refused_replacement_leaves_the_held_choice_alone() {
    let mut scene = three_late(&[1, 9, 0]);
    scene.choose(1, 1, "09:16");
    let none_left = Rejection::PostTaken { post: PostNumber(3), by: None };
    assert_eq!(scene.refused(choose(1, 3), "09:16:10"), none_left);
    assert_eq!(held(&scene), [(1, 1, "09:16")]);
}

#[test]
fn r3_3_a_held_choice_can_be_released() {
    let mut scene = three_late(&[1, 9]);
    scene.choose(1, 1, "09:16");
    let release = Command::ReleaseHeld { rank: CallRank(1) };
    let events = scene.does(release.clone(), "09:16:10");
    assert_eq!(events, [Event::HeldChoiceReleased { rank: CallRank(1) }]);
    assert_eq!(scene.refused(release, "09:16:20"), Rejection::NothingHeld);
    scene.pass(4, "09:17");
    assert_eq!(scene.outcome(1), "late");
}

#[test]
fn r3_3_a_held_choice_goes_with_its_intern() {
    let mut scene = three_late(&[1, 9]);
    scene.choose(1, 1, "09:16");
    scene.choose(2, 1, "09:16:10");
    scene.elsewhere(1, "09:16:20");
    assert_eq!(held(&scene), [(2, 1, "09:16:10")]);
    scene.withdraw(2, "09:16:20");
    assert_eq!(held(&scene), []);
    assert_eq!((scene.outcome(1).as_str(), scene.outcome(2).as_str()), ("placed_elsewhere", "withdrawn"));
}

#[test]
fn r3_3_held_choices_wait_through_a_suspension() {
    let mut scene = three_late(&[1, 9]);
    scene.choose(1, 1, "09:16");
    scene.suspend("09:17");
    assert_eq!(held(&scene), [(1, 1, "09:16")]);
    let release = Command::ReleaseHeld { rank: CallRank(1) };
    assert_eq!(scene.refused(release, "09:20"), Rejection::Suspended);
    scene.resume("09:30");
    assert_eq!((held(&scene), scene.turn()), (vec![(1, 1, "09:16")], Some((4, at("09:31")))));
    scene.choose(4, 2, "09:30:30");
    assert_eq!(scene.outcome(1), "1 late_held");
}

#[test]
fn r3_3_a_turn_ended_by_leaving_while_suspended_settles_what_was_held() {
    let mut scene = three_late(&[1, 9]);
    scene.choose(1, 1, "09:16");
    scene.suspend("09:17");
    scene.withdraw(4, "09:20");
    assert_eq!((scene.outcome(1).as_str(), scene.turn()), ("1 late_held", None));
    scene.resume("09:30");
    assert_eq!(scene.turn(), Some((5, at("09:33"))));
}

#[test]
fn r3_3_the_refusal_names_whoever_took_the_last_seat() {
    // Rank 4 takes one of the two seats in turn; rank 1, held at the same instant, takes the last.
    let mut scene = three_late(&[1, 2, 9]);
    scene.choose(2, 2, "09:16");
    scene.choose(1, 2, "09:16:10");
    scene.choose(4, 3, "09:17");
    assert_eq!(scene.refused(choose(3, 2), "09:17:01"), taken(2, 1));
    // At one and the same instant the order of call says nothing; the order of taking does.
    assert_eq!(last_taker_at_one_instant(), taken(1, 1));
}

/// Rank 2 takes the first seat and rank 1, late, the last, within one millisecond.
fn last_taker_at_one_instant() -> Rejection {
    let mut scene = Scene::published(setup(4, &[2, 9]));
    scene.does(Command::Open, "09:15");
    scene.pass(1, "09:15");
    scene.pass(2, "09:15");
    scene.choose(2, 1, "09:16");
    scene.choose(1, 1, "09:16");
    scene.pass(3, "09:16");
    scene.refused(choose(3, 1), "09:16")
}
