//! 3.8: other rounds, on the same lists, posts and wishes, without a clock.

use amphi_core::{
    CallRank, ChoiceManner, Command, Event, PostNumber, ProxyPolicy, Rejection, Round, SafetyNet, Setup,
    Standing, Status,
};

use crate::asks::{
    add, assign, choose_for, elsewhere, end_turn, exchange, extend, give, no_longer_elsewhere, pass,
    release_held, rewind, supernumerary, wishes, with, withdraw,
};
use crate::scene::{Scene, choose, intern, setup};

const WITHOUT_TURNS: [Round; 3] = [Round::FreeWishes, Round::Rehearsal, Round::ByWishes];

fn round(round: Round, interns: u16, seats: &[u16]) -> Setup {
    let mut setup = with(setup(interns, seats), |p| {
        p.proxies = ProxyPolicy::On;
        p.safety_net = true;
        p.vacancy_round = true;
    });
    setup.round = round;
    setup
}

fn wish(rank: u16, posts: &[u16]) -> Command {
    wishes(rank, posts, SafetyNet::Never)
}

fn granted(scene: &Scene) -> Vec<Option<u16>> {
    scene.amphi.resolved_wishes().into_iter().map(|post| post.map(|post| post.0)).collect()
}

#[test]
fn r3_8_rounds_without_turns_call_nobody() {
    for kind in WITHOUT_TURNS {
        let mut scene = Scene::published(round(kind, 3, &[9]));
        assert!(scene.amphi.planned_at().is_empty());
        assert_eq!(scene.does(Command::Open, "08:30"), [Event::Opened]);
        assert_eq!(scene.amphi.next_deadline(), None);
        assert!(scene.tick("09:30").is_empty() && scene.turn().is_none());
        assert!(scene.amphi.forecasts(crate::scene::at("09:30")).iter().all(Option::is_none));
        // Nobody is late and nobody is next: all wait for the end.
        assert_eq!([1, 2, 3].map(|rank| scene.outcome(rank)), ["waiting"; 3]);
        scene.suspend("09:40");
        assert_eq!(scene.resume("09:50"), [Event::Resumed { deadline: None }]);
    }
}

#[test]
fn r3_8_rounds_without_turns_refuse_what_needs_one() {
    for kind in WITHOUT_TURNS {
        let mut scene = Scene::opened(round(kind, 3, &[9]));
        for command in [choose(1, 1), supernumerary(1, 1), choose_for(1, 1), give(1), rewind(1)] {
            assert_eq!(scene.refused(command.clone(), "09:00"), Rejection::NoTurns, "{command:?}");
        }
        for command in [pass(1), end_turn(1), extend(1, 1)] {
            let refusal = Rejection::TurnNotInProgress { rank: CallRank(1) };
            assert_eq!(scene.refused(command, "09:00"), refusal);
        }
        assert_eq!(scene.refused(release_held(1), "09:00"), Rejection::NothingHeld);
        assert_eq!(scene.refused(exchange(1, 1), "09:00"), Rejection::NotPlaced { rank: CallRank(1) });
        let net = wishes(1, &[1], SafetyNet::AtExpiry);
        assert_eq!(scene.refused(net, "09:00"), Rejection::SafetyNetOff);
    }
    let mut by_wishes = Scene::opened(round(Round::ByWishes, 3, &[9]));
    assert_eq!(by_wishes.refused(assign(1, 1), "09:00"), Rejection::TurnsRemain { remaining: 3 });
}

#[test]
fn r3_8_free_wishes_are_kept_and_allocate_nothing() {
    let mut scene = Scene::published(round(Round::FreeWishes, 2, &[1, 1]));
    scene.does(wish(1, &[1]), "08:10");
    scene.does(Command::Open, "08:30");
    scene.does(wish(1, &[2, 1]), "08:40");
    scene.does(wish(2, &[2]), "08:40");
    assert_eq!(scene.does(Command::Close, "09:00"), [Event::Closed { unplaced: vec![] }]);
    assert_eq!((scene.outcome(1).as_str(), scene.amphi.seats_left()), ("waiting", &[1, 1][..]));
    assert_eq!(scene.amphi.wishes(CallRank(1)).unwrap().version, 2);
    assert_eq!(scene.refused(wish(1, &[1]), "09:01"), Rejection::Over);
}

#[test]
fn r3_8_a_rehearsal_resolves_the_wishes_and_places_nobody() {
    let mut scene = Scene::opened(round(Round::Rehearsal, 3, &[1, 1]));
    scene.does(wish(3, &[1, 2]), "08:40");
    assert_eq!(granted(&scene), [None, None, Some(1)]);
    scene.does(wish(1, &[1]), "08:41");
    assert_eq!(granted(&scene), [Some(1), None, Some(2)]);
    scene.does(wish(2, &[1, 2]), "08:42");
    assert_eq!(granted(&scene), [Some(1), Some(2), None]);
    assert_eq!(scene.does(Command::Close, "09:00"), [Event::Closed { unplaced: vec![] }]);
    assert_eq!([1, 2, 3].map(|rank| scene.outcome(rank)), ["waiting"; 3]);
    // The result can still be read.
    assert_eq!(granted(&scene), [Some(1), Some(2), None]);
}

#[test]
fn r3_8_by_wishes_places_everybody_together_when_it_is_closed() {
    let mut scene = Scene::opened(round(Round::ByWishes, 6, &[1, 2, 0]));
    scene.does(wish(1, &[3, 2]), "08:40");
    scene.does(wish(2, &[2, 1]), "08:40");
    scene.does(wish(3, &[2, 1]), "08:40");
    scene.does(wish(4, &[1]), "08:40");
    scene.does(wish(5, &[2]), "08:40");
    scene.does(elsewhere(5), "08:41");
    assert_eq!(scene.amphi.seats_left(), [1, 2, 0], "nothing is given before the end");
    let events = scene.does(Command::Close, "09:00");
    let taken = |rank: u16, post: u16, seat: u16| Event::ChoiceCommitted {
        rank: CallRank(rank),
        post: PostNumber(post),
        seat: Some(seat),
        manner: ChoiceManner::ByWishes,
        reason: None,
    };
    let closed = Event::Closed { unplaced: vec![CallRank(4), CallRank(6)] };
    assert_eq!(events, [taken(1, 2, 1), taken(2, 2, 2), taken(3, 1, 1), closed]);
    // Nobody is assigned silently: those without a wish left, or without any, are listed, and may be assigned.
    assert!(matches!(scene.standing(4), Standing::Waiting));
    let none = Rejection::PostTaken { post: PostNumber(1), by: Some(CallRank(3)) };
    assert_eq!(scene.refused(assign(4, 1), "09:01"), none);
    assert_eq!(scene.refused(exchange(1, 1), "09:01"), Rejection::Over);
}

#[test]
fn r3_8_by_wishes_may_be_closed_while_suspended_and_annulled_without_effect() {
    let mut scene = Scene::opened(round(Round::ByWishes, 1, &[1]));
    scene.does(wish(1, &[1]), "08:40");
    let mut annulled = scene.clone();
    annulled.does(Command::Annul { reason: "Liste fausse".to_owned() }, "08:50");
    assert_eq!(annulled.outcome(1), "waiting");
    scene.suspend("08:50");
    scene.does(Command::Close, "09:00");
    assert_eq!((scene.outcome(1).as_str(), scene.amphi.status()), ("1 by_wishes", &Status::Closed));
}

#[test]
fn r3_8_people_may_leave_come_back_and_be_added_in_any_round() {
    for kind in WITHOUT_TURNS {
        let mut scene = Scene::opened(round(kind, 3, &[9]));
        scene.does(withdraw(1), "08:40");
        scene.does(elsewhere(2), "08:40");
        scene.does(no_longer_elsewhere(2), "08:41");
        let events = scene.does(add(4), "08:42");
        assert!(matches!(events[..], [Event::ParticipantAdded { planned_at: None, .. }]));
        scene.does(wish(4, &[1]), "08:43");
        assert_eq!([1, 2, 4].map(|rank| scene.outcome(rank)), ["withdrawn", "waiting", "waiting"]);
        assert_eq!(granted(&scene), [None, None, None, Some(1)]);
        assert_eq!(scene.refused(wish(1, &[1]), "08:44"), Rejection::Withdrawn);
    }
}

#[test]
fn r3_8_in_a_live_amphi_wishes_resolve_among_what_is_left() {
    let mut setup = round(Round::Live, 5, &[1, 1, 1]);
    setup.participants[4].supernumerary = None;
    let mut scene = Scene::published(setup);
    for rank in 2..=5 {
        scene.does(wish(rank, &[1, 2, 3]), "08:10");
    }
    scene.does(Command::Open, "09:20");
    assert_eq!(granted(&scene), [None, Some(1), Some(2), Some(3), None]);
    scene.choose(1, 2, "09:20");
    // Whoever is placed keeps their seat; in turn, late or waiting, the others follow in call order.
    assert_eq!(granted(&scene), [None, Some(1), Some(3), None, None]);
    scene.pass(2, "09:21");
    assert_eq!(granted(&scene), [None, Some(1), Some(3), None, None]);
    scene.withdraw(2, "09:22");
    assert_eq!(granted(&scene), [None, None, Some(1), Some(3), None]);
}

#[test]
fn r3_8_wishes_are_refused_to_others_in_every_round() {
    for kind in WITHOUT_TURNS {
        let mut scene = Scene::opened(round(kind, 2, &[9]));
        assert_eq!(scene.refused_as(intern(2), wish(1, &[1]), "08:40"), Rejection::Forbidden);
        let twice = Rejection::WishTwice { post: PostNumber(1) };
        assert_eq!(scene.refused(wish(1, &[1, 1]), "08:40"), twice);
    }
}
