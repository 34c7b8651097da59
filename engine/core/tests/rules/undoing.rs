//! 3.7: annulling one choice. Nothing in the journal is changed; that it was undone is one more fact.

use amphi_core::{CallRank, Command, Event, PostNumber, Rejection, Standing};

use crate::asks::{annul_choice, assign, reason};
use crate::scene::{Scene, at, choose, intern, setup};

#[test]
fn r3_7_annulling_a_choice_frees_its_seat_and_leaves_its_intern_to_choose_again() {
    let mut scene = Scene::begun(setup(3, &[1, 9]));
    scene.choose(1, 1, "09:01");
    let events = scene.does(annul_choice(1), "09:02");
    let annulled =
        Event::ChoiceAnnulled { rank: CallRank(1), post: PostNumber(1), seat: Some(1), reason: reason() };
    assert_eq!(events, [annulled]);
    assert_eq!(scene.amphi.seats_left(), [1, 9]);
    assert!(matches!(scene.standing(1), Standing::Late { since, passed: false } if since == at("09:02")));
    // Whoever is concerned is told which, why and when.
    let undone = scene.amphi.undone_choice(CallRank(1)).unwrap();
    assert_eq!((undone.post, undone.reason.as_str(), undone.at), (PostNumber(1), "Motif", at("09:02")));
    assert_eq!(scene.amphi.change(&events).undone, [CallRank(1)]);
    scene.choose(1, 2, "09:02:30");
    assert_eq!(scene.outcome(1), "2 late");
}

#[test]
fn r3_7_annulling_a_choice_gives_the_seat_to_the_order_that_goes_on() {
    let mut scene = Scene::published(setup(3, &[1, 9]));
    scene.does(Command::Open, "09:15");
    scene.choose(1, 1, "09:15");
    scene.does(annul_choice(1), "09:16");
    // Rank 2 is in turn: their choice comes before that of rank 1, which is held.
    scene.choose(1, 1, "09:16");
    assert_eq!(scene.amphi.held().len(), 1);
    scene.choose(2, 1, "09:17");
    assert_eq!([1, 2].map(|rank| scene.outcome(rank)), ["late", "1 in_turn"]);
}

#[test]
fn r3_7_annulling_late_held_and_assigned_choices() {
    let mut scene = Scene::published(setup(3, &[1, 9]));
    scene.does(Command::Open, "09:15");
    scene.pass(1, "09:15");
    scene.choose(1, 2, "09:15");
    scene.does(annul_choice(1), "09:16");
    scene.choose(1, 1, "09:16");
    scene.choose(2, 2, "09:16");
    assert_eq!(scene.outcome(1), "1 late_held");
    scene.does(annul_choice(1), "09:17");
    scene.pass(3, "09:17");
    scene.does(assign(1, 1), "09:18");
    scene.does(annul_choice(1), "09:18");
    assert_eq!((scene.outcome(1).as_str(), scene.amphi.seats_left()), ("late", &[1, 8][..]));
}

#[test]
fn r3_7_annulling_a_choice_gives_the_lowest_free_seat_to_the_next() {
    let mut scene = Scene::published(setup(4, &[2, 9]));
    scene.does(Command::Open, "09:15");
    scene.choose(1, 1, "09:15");
    scene.choose(2, 1, "09:15");
    scene.does(annul_choice(1), "09:15");
    let events = scene.choose(3, 1, "09:15");
    assert!(matches!(events[0], Event::ChoiceCommitted { seat: Some(1), .. }));
    // The last taken is the last chosen, not the highest seat, even within one millisecond.
    let taken = Rejection::PostTaken { post: PostNumber(1), by: Some(CallRank(3)) };
    assert_eq!(scene.refused(choose(4, 1), "09:15"), taken);
}

#[test]
fn r3_7_annulling_a_choice_while_suspended_stops_nothing_more() {
    let mut scene = Scene::begun(setup(2, &[1, 9]));
    scene.choose(1, 1, "09:01");
    scene.suspend("09:02");
    scene.does(annul_choice(1), "09:03");
    assert_eq!(scene.refused(choose(1, 1), "09:03"), Rejection::Suspended);
    scene.resume("09:10");
    assert_eq!(scene.turn(), Some((2, at("09:13"))));
}

#[test]
fn r3_7_annulling_a_choice_that_was_not_made_is_refused() {
    let mut scene = Scene::begun(setup(4, &[9]));
    scene.does(crate::asks::elsewhere(3), "09:01");
    scene.does(crate::asks::withdraw(4), "09:01");
    for rank in 1..=4 {
        let refusal = scene.refused(annul_choice(rank), "09:01");
        assert_eq!(refusal, Rejection::NotPlaced { rank: CallRank(rank) });
    }
    assert_eq!(scene.refused(annul_choice(9), "09:01"), Rejection::UnknownRank { rank: CallRank(9) });
    assert_eq!(scene.refused_as(intern(1), annul_choice(1), "09:01"), Rejection::Forbidden);
    assert_eq!(Scene::published(setup(1, &[2])).refused(annul_choice(1), "08:10"), Rejection::NotOpen);
    assert_eq!(Scene::drafted(setup(1, &[2])).refused(annul_choice(1), "08:10"), Rejection::NotPublished);
}
