//! 3.6, late policy: when somebody whose turn is over may still choose. `now` is A4 (`turns.rs`, `held.rs`).

use amphi_core::{CallRank, Command, Event, LatePolicy, Policies, PostNumber, Rejection, Setup, Standing};

use crate::asks::{
    add, annul_choice, assign, choose_for, elsewhere, no_longer_elsewhere, pass, release_held, rewind,
    supernumerary, with,
};
use crate::scene::{Scene, at, choose, setup};

fn late(policy: LatePolicy, interns: u16, seats: &[u16]) -> Setup {
    with(setup(interns, seats), |p| p.late = policy)
}

/// Ranks 1 and 2 are late, rank 3's turn is open until 09:18; rank 4 comes after.
fn two_late(policy: LatePolicy, seats: &[u16]) -> Scene {
    let mut scene = Scene::published(late(policy, 4, seats));
    scene.does(Command::Open, "09:15");
    scene.pass(1, "09:15");
    scene.pass(2, "09:15");
    assert_eq!(scene.turn(), Some((3, at("09:18"))));
    scene
}

fn held(scene: &Scene) -> Vec<(u16, u16)> {
    scene.amphi.held().iter().map(|held| (held.rank.0, held.post.0)).collect()
}

#[test]
fn r3_6_late_now_is_the_default() {
    assert_eq!(Policies::default().late, LatePolicy::Now);
    let mut scene = two_late(LatePolicy::Now, &[5]);
    scene.choose(1, 1, "09:16");
    assert_eq!(scene.outcome(1), "1 late");
}

#[test]
fn r3_6_late_after_current_turn_holds_every_late_choice_while_a_turn_is_open() {
    let mut scene = two_late(LatePolicy::AfterCurrentTurn, &[5, 5]);
    // Many seats are left, and the choice waits all the same; it keeps none of them.
    let events = scene.choose(1, 1, "09:16");
    assert_eq!(events, [Event::ChoiceHeld { rank: CallRank(1), post: PostNumber(1), reason: None }]);
    scene.choose(2, 1, "09:16");
    assert_eq!((held(&scene), scene.amphi.seats_left()), (vec![(1, 1), (2, 1)], &[5, 5][..]));
    // Another post queues last; a release takes it back.
    scene.choose(1, 2, "09:16:30");
    assert_eq!(held(&scene), [(2, 1), (1, 2)]);
    scene.does(release_held(1), "09:16:40");
    scene.choose(3, 1, "09:17");
    assert_eq!(scene.outcome(2), "1 late_held");
    assert!(matches!(scene.standing(2), Standing::Placed { seat: Some(2), .. }));
    assert_eq!(scene.outcome(1), "late");
}

#[test]
fn r3_6_late_after_current_turn_gives_several_seats_in_order_of_arrival() {
    let mut scene = two_late(LatePolicy::AfterCurrentTurn, &[2, 5]);
    scene.choose(2, 1, "09:16");
    scene.choose(1, 1, "09:16:10");
    // The one in turn takes one of the two seats; the first to ask gets the other.
    let events = scene.choose(3, 1, "09:17");
    assert_eq!((scene.outcome(2).as_str(), scene.outcome(1).as_str()), ("1 late_held", "late"));
    assert_eq!(scene.amphi.change(&events).held_refused, [CallRank(1)]);
    // Both are settled before rank 4 is called.
    assert!(matches!(events.last(), Some(Event::TurnOpened { rank: CallRank(4), .. })));
}

#[test]
fn r3_6_late_after_current_turn_takes_at_once_what_comes_between_turns() {
    let mut scene = Scene::opened(late(LatePolicy::AfterCurrentTurn, 3, &[1]));
    scene.tick("09:00");
    scene.pass(1, "09:01");
    scene.choose(1, 1, "09:02");
    assert_eq!(scene.outcome(1), "1 late");
    let taken = Rejection::PostTaken { post: PostNumber(1), by: Some(CallRank(1)) };
    scene.tick("09:03");
    assert_eq!(scene.refused(choose(2, 1), "09:04"), taken);
}

#[test]
fn r3_6_late_after_current_turn_holds_what_an_administrator_chooses_for_somebody() {
    let mut scene = two_late(LatePolicy::AfterCurrentTurn, &[5]);
    let events = scene.does(choose_for(1, 1), "09:16");
    assert!(matches!(&events[..], [Event::ChoiceHeld { reason: Some(said), .. }] if said == "Motif"));
    scene.pass(3, "09:17");
    assert_eq!(scene.outcome(1), "1 late_held");
}

#[test]
fn r3_6_late_end_of_session_waits_for_the_last_turn() {
    let mut scene = two_late(LatePolicy::EndOfSession, &[5]);
    for command in [choose(1, 1), choose_for(1, 1)] {
        assert_eq!(scene.refused(command, "09:16"), Rejection::LateAtEndOnly);
    }
    scene.choose(3, 1, "09:17");
    assert_eq!(scene.refused(choose(1, 1), "09:17"), Rejection::LateAtEndOnly);
    assert_eq!(scene.turn(), Some((4, at("09:20"))));
    // Rank 4's turn, the last one, runs until 09:20 and its grace.
    assert_eq!(scene.refused(choose(1, 1), "09:20:01.999"), Rejection::LateAtEndOnly);
    scene.choose(1, 1, "09:20:02");
    assert_eq!((scene.outcome(1).as_str(), scene.outcome(4).as_str()), ("1 late", "late"));
    // The last one to be called is as late as the others then.
    scene.choose(4, 1, "09:21");
    assert_eq!(scene.outcome(4), "1 late");
    // Between two turns is not the end.
    let mut scene = Scene::begun(late(LatePolicy::EndOfSession, 2, &[5]));
    scene.pass(1, "09:01");
    assert_eq!(scene.refused(choose(1, 1), "09:02"), Rejection::LateAtEndOnly);
    // Somebody added has a turn to come: the end is put off.
    scene.tick("09:03");
    scene.pass(2, "09:04");
    scene.does(add(3), "09:04");
    assert_eq!(scene.refused(choose(1, 1), "09:05"), Rejection::LateAtEndOnly);
}

#[test]
fn r3_6_late_forfeit_takes_no_late_choice_and_leaves_assigning() {
    let mut scene = two_late(LatePolicy::Forfeit, &[5]);
    for command in [choose(1, 1), choose_for(1, 1)] {
        assert_eq!(scene.refused(command, "09:16"), Rejection::TurnForfeited);
    }
    scene.tick("09:18:02");
    scene.choose(4, 1, "09:19");
    // The turn of rank 3 expired: as forfeited as one that was passed. The end changes nothing.
    for rank in [1, 2, 3] {
        assert_eq!(scene.refused(choose(rank, 1), "09:20"), Rejection::TurnForfeited);
    }
    scene.does(assign(3, 1), "09:21");
    assert_eq!(scene.outcome(3), "1 assigned");
    // An assignment undone gives no turn back.
    scene.does(annul_choice(3), "09:22");
    assert_eq!(scene.refused(choose(3, 1), "09:22"), Rejection::TurnForfeited);
}

#[test]
fn r3_6_late_forfeit_is_for_turns_let_go_by_not_for_choices_undone() {
    let mut scene = Scene::published(late(LatePolicy::Forfeit, 3, &[5]));
    scene.does(Command::Open, "09:15");
    scene.choose(1, 1, "09:15");
    scene.does(annul_choice(1), "09:16");
    scene.choose(1, 1, "09:16");
    assert_eq!(scene.outcome(1), "1 late");
    // A turn skipped for a placement that came to nothing was not let go by either.
    let mut scene = Scene::published(late(LatePolicy::Forfeit, 3, &[5]));
    scene.does(elsewhere(1), "08:10");
    scene.does(Command::Open, "09:15");
    scene.does(no_longer_elsewhere(1), "09:16");
    scene.choose(1, 1, "09:16");
    assert_eq!(scene.outcome(1), "1 late");
    // Nor is one gone back to: it is to come again.
    scene.pass(2, "09:16");
    assert_eq!(scene.refused(choose(2, 1), "09:17"), Rejection::TurnForfeited);
    scene.does(rewind(2), "09:17");
    scene.resume("09:18");
    scene.choose(2, 1, "09:18");
    assert_eq!(scene.outcome(2), "1 in_turn");
}

#[test]
fn r3_6_late_policies_leave_a_supernumerary_choice_its_own_way() {
    for (policy, answer) in [
        (LatePolicy::Now, None),
        (LatePolicy::AfterCurrentTurn, None),
        (LatePolicy::EndOfSession, Some(Rejection::LateAtEndOnly)),
        (LatePolicy::Forfeit, Some(Rejection::TurnForfeited)),
    ] {
        let mut setup = late(policy, 3, &[1]);
        setup.participants[0].supernumerary = Some(amphi_core::Supernumerary::Validating);
        let mut scene = Scene::published(setup);
        scene.does(Command::Open, "09:15");
        scene.does(pass(1), "09:15");
        // It takes a seat from nobody, so nothing of it waits for the open turn.
        match answer {
            None => assert_eq!(scene.does(supernumerary(1, 1), "09:16").len(), 1),
            Some(refusal) => assert_eq!(scene.refused(supernumerary(1, 1), "09:16"), refusal),
        }
        assert_eq!(scene.amphi.held(), []);
    }
}
