//! 3.1: eligibility is checked again when the amphi opens; whoever fails is known before the first turn.

use amphi_core::{CallRank, Command, Event, Ineligibility, Rejection};

use crate::asks::{admit, elsewhere, ineligible, no_longer_elsewhere, reason, withdraw};
use crate::scene::{ADMINISTRATOR, Scene, intern, setup};

const BLOCKED: Ineligibility = Ineligibility::Blocked;
const ENDED: Ineligibility = Ineligibility::TrainingEnded;
const NOT_VALIDATED: Ineligibility = Ineligibility::NotValidated;

fn refusal(ranks: &[u16]) -> Rejection {
    Rejection::Ineligible { ranks: ranks.iter().copied().map(CallRank).collect() }
}

#[test]
fn r3_1_eligibility_holds_the_opening_until_each_is_withdrawn_or_admitted() {
    let mut scene = Scene::published(setup(4, &[9]));
    let events = scene.does(ineligible(&[(4, BLOCKED), (2, NOT_VALIDATED), (3, ENDED)]), "08:20");
    let found = [(2, NOT_VALIDATED), (3, ENDED), (4, BLOCKED)].map(|(rank, what)| (CallRank(rank), what));
    assert_eq!(events, [Event::EligibilityChecked { found: found.to_vec() }]);
    assert_eq!(scene.refused(Command::Open, "08:21"), refusal(&[2, 3, 4]));
    scene.does(withdraw(2), "08:22");
    assert_eq!(scene.refused(Command::Open, "08:22"), refusal(&[3, 4]));
    let events = scene.does(admit(3), "08:23");
    assert_eq!(events, [Event::Admitted { rank: CallRank(3), reason: reason() }]);
    assert_eq!(scene.refused(Command::Open, "08:23"), refusal(&[4]));
    // Placed elsewhere meanwhile: not concerned any more, whatever was found.
    scene.does(elsewhere(4), "08:24");
    let mut back = scene.clone();
    scene.does(Command::Open, "08:30");
    // Had they come back before the opening, they would count again.
    back.does(no_longer_elsewhere(4), "08:25");
    assert_eq!(back.refused(Command::Open, "08:26"), refusal(&[4]));
}

#[test]
fn r3_1_eligibility_found_again_replaces_what_was_found() {
    let mut scene = Scene::published(setup(3, &[9]));
    scene.does(ineligible(&[(1, BLOCKED), (2, BLOCKED)]), "08:20");
    // The same again is no news.
    assert!(scene.does(ineligible(&[(2, BLOCKED), (1, BLOCKED)]), "08:21").is_empty());
    // Rank 1 was unblocked; something else is found against rank 2.
    scene.does(ineligible(&[(2, ENDED)]), "08:22");
    assert_eq!([1, 2].map(|r| scene.amphi.ineligibility(CallRank(r))), [None, Some(ENDED)]);
    scene.does(ineligible(&[]), "08:23");
    scene.does(Command::Open, "08:30");
}

#[test]
fn r3_1_eligibility_admitted_for_one_thing_is_not_admitted_for_another() {
    let mut scene = Scene::published(setup(2, &[9]));
    scene.does(ineligible(&[(1, NOT_VALIDATED)]), "08:20");
    scene.does(admit(1), "08:21");
    assert!(scene.does(ineligible(&[(1, NOT_VALIDATED)]), "08:22").is_empty());
    scene.does(ineligible(&[(1, BLOCKED)]), "08:23");
    assert_eq!(scene.refused(Command::Open, "08:24"), refusal(&[1]));
    scene.does(admit(1), "08:25");
    scene.does(Command::Open, "08:30");
}

#[test]
fn r3_1_eligibility_admitting_needs_something_found() {
    let mut scene = Scene::published(setup(2, &[9]));
    assert_eq!(scene.refused(admit(1), "08:20"), Rejection::NotIneligible { rank: CallRank(1) });
    assert_eq!(scene.refused(admit(9), "08:20"), Rejection::UnknownRank { rank: CallRank(9) });
    scene.does(ineligible(&[(1, BLOCKED)]), "08:20");
    scene.does(admit(1), "08:21");
    assert_eq!(scene.refused(admit(1), "08:21"), Rejection::NotIneligible { rank: CallRank(1) });
    assert_eq!(Scene::drafted(setup(1, &[2])).refused(admit(1), "08:20"), Rejection::NotPublished);
    for actor in [intern(1), amphi_core::Actor::Engine] {
        assert_eq!(scene.refused_as(actor, admit(1), "08:22"), Rejection::Forbidden);
    }
}

#[test]
fn r3_1_eligibility_is_checked_between_publishing_and_opening() {
    let check = || ineligible(&[(1, BLOCKED)]);
    assert_eq!(Scene::drafted(setup(1, &[2])).refused(check(), "08:10"), Rejection::NotPublished);
    let mut scene = Scene::begun(setup(1, &[2]));
    assert_eq!(scene.refused(check(), "09:01"), Rejection::AlreadyOpen);
    scene.suspend("09:01");
    assert_eq!(scene.refused(check(), "09:02"), Rejection::AlreadyOpen);
    scene.does(Command::Annul { reason: reason() }, "09:03");
    assert_eq!(scene.refused(check(), "09:03"), Rejection::Over);
    let mut scene = Scene::published(setup(1, &[2]));
    assert_eq!(
        scene.refused(ineligible(&[(2, BLOCKED)]), "08:10"),
        Rejection::UnknownRank { rank: CallRank(2) }
    );
    for actor in [ADMINISTRATOR, intern(1)] {
        assert_eq!(scene.refused_as(actor, check(), "08:10"), Rejection::Forbidden);
    }
}

#[test]
fn r3_1_eligibility_of_somebody_added_is_checked_like_anybodys() {
    let mut scene = Scene::published(setup(1, &[9]));
    scene.does(crate::asks::add(2), "08:10");
    scene.does(ineligible(&[(2, ENDED)]), "08:11");
    assert_eq!(scene.refused(Command::Open, "08:12"), refusal(&[2]));
}

#[test]
fn r3_1_once_a_placement_elsewhere_that_came_to_nothing_concerns_again() {
    let mut scene = Scene::begun(setup(4, &[9]));
    for rank in 1..=3 {
        scene.elsewhere(rank, "09:01");
    }
    // Their turns were skipped, or ended by it: they are late.
    let events = scene.does(no_longer_elsewhere(3), "09:02");
    assert_eq!(events, [Event::NoLongerPlacedElsewhere { rank: CallRank(3) }]);
    scene.does(no_longer_elsewhere(1), "09:02");
    assert_eq!([1, 2, 3].map(|rank| scene.outcome(rank)), ["late", "placed_elsewhere", "late"]);
    // Said twice, or of somebody who never was: nothing.
    assert!(scene.does(no_longer_elsewhere(1), "09:03").is_empty());
    assert!(scene.does(no_longer_elsewhere(4), "09:03").is_empty());
    let unknown = Rejection::UnknownRank { rank: CallRank(9) };
    assert_eq!(scene.refused(no_longer_elsewhere(9), "09:03"), unknown);
    assert_eq!(scene.refused_as(ADMINISTRATOR, no_longer_elsewhere(2), "09:03"), Rejection::Forbidden);
}

#[test]
fn r3_1_once_whoever_waits_again_is_called_when_due() {
    let mut scene = Scene::published(setup(2, &[9]));
    scene.elsewhere(1, "08:10");
    scene.elsewhere(2, "08:10");
    scene.does(no_longer_elsewhere(2), "08:11");
    assert_eq!([1, 2].map(|rank| scene.outcome(rank)), ["placed_elsewhere", "waiting"]);
    scene.does(Command::Open, "09:10");
    assert_eq!(scene.turn().map(|(rank, _)| rank), Some(2));
    assert_eq!(
        Scene::drafted(setup(1, &[2])).refused(no_longer_elsewhere(1), "08:10"),
        Rejection::NotPublished
    );
}
