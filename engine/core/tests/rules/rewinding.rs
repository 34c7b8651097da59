//! 3.7: rewind to turn k. Exchanges undone by it: `policies.rs`; proxies: `proxies.rs`; wishes: `safety_net.rs`.

use amphi_core::{CallRank, Command, Event, PostNumber, Rejection, ReleasedSeat, Round, Standing, Status};

use crate::asks::{annul_choice, assign, elsewhere, no_longer_elsewhere, reason, rewind, withdraw};
use crate::scene::{Scene, at, choose, intern, setup};

/// Ranks 1 to 3 have chosen posts 1 to 3; rank 4 is in turn from 09:16 to 09:19.
fn three_chosen(interns: u16) -> Scene {
    let mut scene = Scene::published(setup(interns, &[1, 1, 1, 9]));
    scene.does(Command::Open, "09:15");
    for rank in 1..=3 {
        scene.choose(rank, rank, "09:16");
    }
    assert_eq!(scene.turn(), Some((4, at("09:19"))));
    scene
}

fn outcomes(scene: &Scene) -> Vec<String> {
    (1..=scene.amphi.standings().len() as u16).map(|rank| scene.outcome(rank)).collect()
}

#[test]
fn r3_7_rewinding_undoes_every_choice_since_and_suspends() {
    let mut scene = three_chosen(5);
    let events = scene.does(rewind(2), "09:17");
    let seat = |rank: u16| ReleasedSeat { rank: CallRank(rank), post: PostNumber(rank), seat: Some(1) };
    let rewound = Event::Rewound { to: CallRank(2), released: vec![seat(2), seat(3)], reason: reason() };
    assert_eq!(events, [rewound]);
    assert_eq!(outcomes(&scene), ["1 in_turn", "waiting", "waiting", "waiting", "waiting"]);
    assert_eq!((scene.amphi.seats_left(), scene.turn()), (&[0, 1, 1, 9][..], None));
    assert_eq!(*scene.amphi.status(), Status::Suspended { reason: reason(), since: at("09:17") });
    assert_eq!(scene.amphi.next_deadline(), None);
    // Those affected are told what they lost and why; the journal keeps it.
    assert_eq!(scene.amphi.change(&events).undone, [CallRank(2), CallRank(3)]);
    let undone = scene.amphi.undone_choice(CallRank(3)).unwrap();
    assert_eq!((undone.post, undone.reason.as_str()), (PostNumber(3), "Motif"));
    assert!(scene.amphi.undone_choice(CallRank(1)).is_none());
}

#[test]
fn r3_7_rewinding_leaves_resuming_to_call_that_rank_again() {
    let mut scene = three_chosen(5);
    scene.does(rewind(2), "09:17");
    // Nothing goes on by itself.
    assert!(scene.tick("09:40").is_empty());
    assert_eq!(scene.refused(choose(2, 2), "09:40"), Rejection::Suspended);
    scene.resume("09:45");
    assert_eq!(scene.turn(), Some((2, at("09:48"))));
    // A whole turn of one's own, and the others follow.
    scene.choose(2, 3, "09:46");
    scene.choose(3, 2, "09:46");
    assert_eq!(outcomes(&scene)[..4], ["1 in_turn", "3 in_turn", "2 in_turn", "in_turn"]);
}

#[test]
fn r3_7_rewinding_to_the_open_turn_gives_it_whole_again() {
    let mut scene = three_chosen(5);
    let events = scene.does(rewind(4), "09:18");
    assert!(matches!(&events[..], [Event::Rewound { released, .. }] if released.is_empty()));
    assert_eq!(scene.outcome(4), "waiting");
    scene.resume("09:30");
    assert_eq!(scene.turn(), Some((4, at("09:33"))));
}

#[test]
fn r3_7_rewinding_to_the_first_rank_begins_again() {
    let mut scene = three_chosen(4);
    scene.pass(4, "09:17");
    scene.does(rewind(1), "09:20");
    assert_eq!(outcomes(&scene), ["waiting"; 4]);
    assert_eq!(scene.amphi.seats_left(), [1, 1, 1, 9]);
    scene.resume("09:30");
    assert_eq!(scene.turn(), Some((1, at("09:33"))));
}

#[test]
fn r3_7_rewinding_twice_goes_further_back_and_never_forward() {
    let mut scene = three_chosen(5);
    scene.does(rewind(3), "09:17");
    for to in [3, 4, 5] {
        assert_eq!(scene.refused(rewind(to), "09:17"), Rejection::NothingToRewind { to: CallRank(to) });
    }
    scene.does(rewind(2), "09:18");
    assert_eq!(*scene.amphi.status(), Status::Suspended { reason: reason(), since: at("09:18") });
    scene.resume("09:20");
    scene.choose(2, 2, "09:20");
    scene.choose(3, 3, "09:20");
    // The second time over, it is the second time's choices that are undone.
    let events = scene.does(rewind(3), "09:21");
    assert!(matches!(&events[0], Event::Rewound { released, .. } if released.len() == 1));
    assert_eq!(outcomes(&scene)[..3], ["1 in_turn", "2 in_turn", "waiting"]);
}

#[test]
fn r3_7_rewinding_undoes_late_choices_made_since_and_keeps_those_made_before() {
    let mut scene = Scene::published(setup(6, &[9, 9]));
    scene.does(Command::Open, "09:20");
    for rank in 1..=3 {
        scene.pass(rank, "09:20");
    }
    scene.choose(1, 1, "09:21");
    scene.pass(4, "09:21");
    scene.choose(2, 1, "09:22");
    scene.does(rewind(5), "09:23");
    // Rank 1 chose before turn 5 opened, rank 2 after it; rank 3 is as late as before.
    assert_eq!(outcomes(&scene), ["1 late", "late", "late", "late", "waiting", "waiting"]);
    assert!(matches!(scene.standing(2), Standing::Late { since, .. } if since == at("09:23")));
    assert!(matches!(scene.standing(3), Standing::Late { since, .. } if since == at("09:20")));
    scene.does(rewind(3), "09:24");
    assert_eq!(outcomes(&scene), ["late", "late", "waiting", "waiting", "waiting", "waiting"]);
}

#[test]
fn r3_7_rewinding_drops_what_is_held_and_undoes_what_was() {
    let mut scene = three_chosen(6);
    scene.pass(4, "09:17");
    scene.does(annul_choice(1), "09:17");
    scene.choose(1, 1, "09:17");
    assert_eq!(scene.amphi.held().len(), 1);
    let mut held = scene.clone();
    held.does(rewind(5), "09:18");
    assert_eq!((held.amphi.held(), held.outcome(1).as_str()), (&[][..], "late"));
    // Committed when turn 5 ended, before turn 6 opened: it stands when going back to 6, not to 5.
    scene.choose(5, 4, "09:18");
    assert_eq!(scene.outcome(1), "1 late_held");
    let mut sixth = scene.clone();
    sixth.does(rewind(6), "09:19");
    assert_eq!(sixth.outcome(1), "1 late_held");
    scene.does(rewind(5), "09:19");
    assert_eq!(scene.outcome(1), "late");
}

#[test]
fn r3_7_rewinding_tells_before_from_after_within_one_millisecond() {
    // At 09:21: rank 1 chooses late, turn 2 ends, turn 3 opens, rank 2 chooses late.
    let mut scene = Scene::published(setup(4, &[9]));
    scene.does(Command::Open, "09:21");
    scene.pass(1, "09:21");
    scene.choose(1, 1, "09:21");
    scene.pass(2, "09:21");
    scene.choose(2, 1, "09:21");
    scene.does(rewind(3), "09:21");
    assert_eq!(outcomes(&scene), ["1 late", "late", "waiting", "waiting"]);
}

#[test]
fn r3_7_rewinding_leaves_alone_who_left_and_what_was_annulled() {
    let mut scene = three_chosen(7);
    scene.does(annul_choice(1), "09:17");
    scene.does(withdraw(4), "09:17");
    scene.does(elsewhere(5), "09:17");
    scene.does(elsewhere(6), "09:17");
    scene.does(rewind(2), "09:18");
    assert_eq!(
        outcomes(&scene),
        ["late", "waiting", "waiting", "withdrawn", "placed_elsewhere", "placed_elsewhere", "waiting"]
    );
    // One of them comes back while the session is suspended: their turn is to come again.
    scene.does(no_longer_elsewhere(6), "09:19");
    assert_eq!(scene.outcome(6), "waiting");
    scene.resume("09:20");
    scene.pass(2, "09:20");
    let events = scene.pass(3, "09:20");
    let skipped: Vec<_> = events.iter().filter(|e| matches!(e, Event::TurnSkipped { .. })).collect();
    assert_eq!((skipped.len(), scene.turn()), (2, Some((6, at("09:23")))));
}

#[test]
fn r3_7_rewinding_to_a_turn_that_was_skipped() {
    let mut scene = Scene::published(setup(4, &[9]));
    scene.does(elsewhere(2), "08:10");
    scene.does(Command::Open, "09:20");
    scene.choose(1, 1, "09:20");
    scene.choose(3, 1, "09:20");
    scene.does(rewind(2), "09:21");
    scene.does(no_longer_elsewhere(2), "09:22");
    assert_eq!(outcomes(&scene), ["1 in_turn", "waiting", "waiting", "waiting"]);
    scene.resume("09:23");
    assert_eq!(scene.turn(), Some((2, at("09:26"))));
}

#[test]
fn r3_7_rewinding_after_the_last_turn_undoes_assignments_too() {
    let mut scene = three_chosen(4);
    scene.pass(4, "09:17");
    scene.does(assign(4, 4), "09:18");
    scene.does(rewind(4), "09:19");
    assert_eq!(outcomes(&scene)[3], "waiting");
    assert_eq!(scene.amphi.seats_left(), [0, 0, 0, 9]);
}

#[test]
fn r3_7_rewinding_needs_a_turn_that_was_called_in_a_session_that_goes_on() {
    let mut scene = three_chosen(5);
    assert_eq!(scene.refused(rewind(5), "09:17"), Rejection::NothingToRewind { to: CallRank(5) });
    for rank in [0, 6] {
        assert_eq!(scene.refused(rewind(rank), "09:17"), Rejection::UnknownRank { rank: CallRank(rank) });
    }
    assert_eq!(scene.refused_as(intern(1), rewind(1), "09:17"), Rejection::Forbidden);
    assert_eq!(Scene::published(setup(1, &[2])).refused(rewind(1), "08:10"), Rejection::NotOpen);
    let mut opened = Scene::opened(setup(1, &[2]));
    assert_eq!(opened.refused(rewind(1), "08:40"), Rejection::NothingToRewind { to: CallRank(1) });
    // A closed session is over: what it allocated may have been acted upon.
    let mut closed = three_chosen(3 + 1);
    closed.pass(4, "09:17");
    closed.does(Command::Close, "09:18");
    assert_eq!(closed.refused(rewind(1), "09:19"), Rejection::Over);
    let mut wishes = setup(1, &[2]);
    wishes.round = Round::ByWishes;
    assert_eq!(Scene::opened(wishes).refused(rewind(1), "09:00"), Rejection::NoTurns);
}

#[test]
fn r3_7_rewinding_finds_the_turn_over_when_its_grace_is() {
    // No tick was handled: turn 4 is over at 09:19:02 and turn 5 open, so there is a turn 5 to go back to.
    let mut scene = three_chosen(5);
    scene.does(rewind(5), "09:19:02");
    assert_eq!(outcomes(&scene)[3..], ["late", "waiting"]);
}
