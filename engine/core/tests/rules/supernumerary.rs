//! 3.3: supernumerary choices use no seat, at most one per site and period.

use amphi_core::{
    CallRank, Command, Event, PostNumber, Rejection, Setup, Standing, Supernumerary, TurnOutcome,
};

use crate::asks::{annul_choice, choose_for, reason, rewind, supernumerary};
use crate::scene::{Scene, choose, setup};

/// Ranks 2 and up have the right `right`; posts 1 and 2 are of one site, post 3 of another.
fn entitled(right: Supernumerary, interns: u16, seats: &[u16; 3]) -> Setup {
    let mut setup = setup(interns, seats);
    for participant in &mut setup.participants[1..] {
        participant.supernumerary = Some(right);
    }
    setup.posts[2].imotep = "750000003".to_owned();
    setup
}

/// Rank 1 has taken a seat of post 1, and rank 2 is in turn from 09:15 to 09:18.
fn second_in_turn(setup: Setup) -> Scene {
    let mut scene = Scene::published(setup);
    scene.does(Command::Open, "09:15");
    scene.choose(1, 1, "09:15");
    scene
}

#[test]
fn r3_3_supernumerary_uses_no_seat() {
    for right in [Supernumerary::Validating, Supernumerary::NonValidating] {
        let mut scene = second_in_turn(entitled(right, 3, &[2, 1, 1]));
        let events = scene.does(supernumerary(2, 1), "09:16");
        assert!(matches!(events[0], Event::ChoiceCommitted { rank: CallRank(2), seat: None, .. }));
        assert!(matches!(events[1], Event::TurnClosed { outcome: TurnOutcome::Chosen, .. }));
        assert!(matches!(scene.standing(2), Standing::Placed { seat: None, .. }));
        assert_eq!((scene.outcome(2).as_str(), scene.amphi.seats_left()), ("1 in_turn", &[1, 1, 1][..]));
    }
}

#[test]
fn r3_3_supernumerary_validating_is_among_posts_still_free() {
    let mut scene = second_in_turn(entitled(Supernumerary::Validating, 3, &[1, 1, 1]));
    let taken = Rejection::PostTaken { post: PostNumber(1), by: Some(CallRank(1)) };
    assert_eq!(scene.refused(supernumerary(2, 1), "09:16"), taken);
    scene.does(supernumerary(2, 2), "09:16");
    assert_eq!(scene.amphi.seats_left(), [0, 1, 1]);
}

#[test]
fn r3_3_supernumerary_non_validating_also_on_a_post_already_taken() {
    let mut scene = second_in_turn(entitled(Supernumerary::NonValidating, 3, &[1, 1, 1]));
    scene.does(supernumerary(2, 1), "09:16");
    assert_eq!((scene.outcome(2).as_str(), scene.amphi.seats_left()), ("1 in_turn", &[0, 1, 1][..]));
    // Who took the last seat is still whoever used one.
    let taken = Rejection::PostTaken { post: PostNumber(1), by: Some(CallRank(1)) };
    assert_eq!(scene.refused(choose(3, 1), "09:16"), taken);
}

#[test]
fn r3_3_supernumerary_at_most_one_per_site() {
    let mut scene = second_in_turn(entitled(Supernumerary::NonValidating, 4, &[2, 2, 2]));
    scene.does(supernumerary(2, 1), "09:16");
    // Posts 1 and 2 are wards of one site.
    for post in [1, 2] {
        let refusal = Rejection::SupernumeraryTaken { post: PostNumber(post) };
        assert_eq!(scene.refused(supernumerary(3, post), "09:17"), refusal);
    }
    // A seat of that site is another matter, and so is another site.
    scene.choose(3, 2, "09:17");
    scene.does(supernumerary(4, 3), "09:18");
    assert_eq!([3, 4].map(|rank| scene.outcome(rank)), ["2 in_turn", "3 in_turn"]);
}

#[test]
fn r3_3_supernumerary_needs_the_right_to_it_and_the_same_turn_as_anybody() {
    let mut scene = second_in_turn(entitled(Supernumerary::Validating, 3, &[2, 2, 2]));
    assert_eq!(scene.refused(supernumerary(3, 1), "09:16"), Rejection::NotYourTurn);
    let unknown = Rejection::UnknownPost { post: PostNumber(4) };
    assert_eq!(scene.refused(supernumerary(2, 4), "09:16"), unknown);
    // The right is no duty: a seat may be taken instead.
    scene.choose(2, 1, "09:16");
    assert_eq!(scene.amphi.seats_left(), [0, 2, 2]);
    let mut nobody = Scene::begun(setup(1, &[2]));
    assert_eq!(nobody.refused(supernumerary(1, 1), "09:01"), Rejection::NotSupernumerary);
}

#[test]
fn r3_3_supernumerary_late_takes_no_last_seat_and_is_not_held() {
    let mut scene = second_in_turn(entitled(Supernumerary::Validating, 3, &[2, 1, 1]));
    scene.pass(2, "09:16");
    let events = scene.does(supernumerary(2, 1), "09:17");
    assert_eq!((events.len(), scene.outcome(2).as_str()), (1, "1 late"));
    assert_eq!((scene.amphi.held(), scene.amphi.seats_left()), (&[][..], &[1, 1, 1][..]));
}

#[test]
fn r3_3_supernumerary_drops_what_was_held() {
    let mut scene = second_in_turn(entitled(Supernumerary::NonValidating, 3, &[2, 1, 1]));
    scene.pass(2, "09:16");
    scene.choose(2, 1, "09:16");
    assert_eq!(scene.amphi.held().len(), 1);
    scene.does(supernumerary(2, 3), "09:17");
    assert_eq!((scene.amphi.held(), scene.outcome(2).as_str()), (&[][..], "3 late"));
}

#[test]
fn r3_3_supernumerary_by_telephone() {
    let mut scene = second_in_turn(entitled(Supernumerary::Validating, 3, &[2, 1, 1]));
    let mut command = choose_for(2, 1);
    if let Command::ChooseFor { supernumerary, .. } = &mut command {
        *supernumerary = true;
    }
    let events = scene.does(command, "09:16");
    assert!(
        matches!(&events[0], Event::ChoiceCommitted { seat: None, reason: Some(said), .. } if *said == reason())
    );
}

#[test]
fn r3_3_supernumerary_undone_leaves_the_site_to_another() {
    let mut scene = second_in_turn(entitled(Supernumerary::NonValidating, 4, &[1, 1, 1]));
    scene.does(supernumerary(2, 1), "09:16");
    let events = scene.does(annul_choice(2), "09:17");
    assert!(matches!(events[..], [Event::ChoiceAnnulled { seat: None, .. }]));
    assert_eq!(scene.amphi.seats_left(), [0, 1, 1]);
    scene.does(supernumerary(3, 2), "09:17");
    assert_eq!(
        scene.refused(supernumerary(2, 1), "09:17"),
        Rejection::SupernumeraryTaken { post: PostNumber(1) }
    );
    scene.does(rewind(3), "09:18");
    scene.does(Command::Resume, "09:19");
    scene.does(supernumerary(2, 1), "09:19");
    assert_eq!([2, 3].map(|rank| scene.outcome(rank)), ["1 late", "in_turn"]);
}
