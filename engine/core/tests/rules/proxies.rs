//! A5 and 3.4: somebody acts in one's place, and in nobody else's.

use amphi_core::{
    Actor, CallRank, Command, Event, PostNumber, ProxyId, ProxyPolicy, Rejection, Round, SafetyNet,
};
use uuid::Uuid;

use crate::asks::{
    annul_choice, assign, choose_for, exchange, file, give, holder, pass, proxy, reason, release_held,
    revert, revoke, rewind, wishes, with,
};
use crate::scene::{ADMINISTRATOR, Scene, at, choose, intern, setup};

/// Published, with proxies; rank 2 has given one.
fn represented(interns: u16, seats: &[u16]) -> Scene {
    let mut scene = Scene::published(with(setup(interns, seats), |p| {
        p.proxies = ProxyPolicy::On;
        p.safety_net = true;
    }));
    scene.does(give(2), "08:10");
    scene
}

/// Rank 2, represented, is in turn from 09:03 to 09:06.
fn in_turn(interns: u16, seats: &[u16]) -> Scene {
    let mut scene = represented(interns, seats);
    scene.does(Command::Open, "08:30");
    scene.tick("09:00");
    scene.pass(1, "09:01");
    scene.tick("09:03");
    assert_eq!(scene.turn(), Some((2, at("09:06"))));
    scene
}

#[test]
fn a5_the_holder_chooses_at_the_turn_by_the_same_rules() {
    let mut scene = represented(3, &[1, 9]);
    scene.does(Command::Open, "08:30");
    scene.tick("09:00");
    assert_eq!(scene.refused_as(holder(2), choose(2, 1), "09:00"), Rejection::NotYourTurn);
    scene.choose(1, 1, "09:01");
    scene.tick("09:03");
    let taken = Rejection::PostTaken { post: PostNumber(1), by: Some(CallRank(1)) };
    assert_eq!(scene.refused_as(holder(2), choose(2, 1), "09:04"), taken);
    assert_eq!(
        scene.refused_as(holder(2), choose(2, 3), "09:04"),
        Rejection::UnknownPost { post: PostNumber(3) }
    );
    scene.does_as(holder(2), choose(2, 2), "09:06:01");
    assert_eq!(scene.outcome(2), "2 in_grace");
}

#[test]
fn a5_the_turn_does_not_wait_for_the_holder_who_then_chooses_late() {
    let mut scene = in_turn(3, &[1, 9]);
    scene.tick("09:06:02");
    assert_eq!((scene.outcome(2).as_str(), scene.turn()), ("late", Some((3, at("09:09:02")))));
    // The last seat of a post is held for the one in turn, as for anybody who is late.
    scene.does_as(holder(2), choose(2, 1), "09:07");
    assert_eq!(scene.amphi.held().len(), 1);
    assert_eq!(scene.refused_as(intern(2), release_held(2), "09:07"), Rejection::ProxyActive);
    scene.does_as(holder(2), release_held(2), "09:07");
    scene.does_as(holder(2), choose(2, 2), "09:08");
    assert_eq!(scene.outcome(2), "2 late");
}

#[test]
fn a5_the_holder_may_pass() {
    let mut scene = in_turn(3, &[9]);
    scene.does_as(holder(2), pass(2), "09:04");
    assert_eq!((scene.outcome(2).as_str(), scene.turn()), ("late", None));
}

#[test]
fn r3_4_proxies_are_enabled_per_amphi() {
    assert_eq!(Scene::published(setup(2, &[3])).refused(give(2), "08:10"), Rejection::ProxiesOff);
    let without_turns = |round| {
        let mut setup = with(setup(2, &[3]), |p| p.proxies = ProxyPolicy::On);
        setup.round = round;
        Scene::published(setup).refused(give(2), "08:10")
    };
    for round in [Round::FreeWishes, Round::Rehearsal, Round::ByWishes] {
        assert_eq!(without_turns(round), Rejection::NoTurns);
    }
}

#[test]
fn r3_4_the_holder_acts_for_that_intern_only_and_by_that_proxy_only() {
    let mut scene = in_turn(3, &[9]);
    // Somebody else's rank is nobody's business.
    for command in [choose(3, 1), pass(1), release_held(1), wishes(3, &[1], SafetyNet::Never), file(3)] {
        assert_eq!(scene.refused_as(holder(2), command, "09:04"), Rejection::Forbidden);
    }
    // Nor is what the intern alone, or an administrator, may do.
    for command in [give(2), revoke(2), revert(2), exchange(2, 1), choose_for(2, 1), assign(2, 1), rewind(1)]
    {
        assert_eq!(scene.refused_as(holder(2), command, "09:04"), Rejection::Forbidden);
    }
    let forged = Actor::Holder { rank: CallRank(2), proxy: ProxyId(Uuid::from_u128(99)) };
    assert_eq!(scene.refused_as(forged, choose(2, 1), "09:04"), Rejection::ProxyEnded);
    // Rank 3 has given none; rank 9 is not on the list.
    assert_eq!(scene.refused_as(holder(3), choose(3, 1), "09:04"), Rejection::ProxyEnded);
    assert_eq!(scene.refused_as(holder(9), choose(9, 1), "09:04"), Rejection::ProxyEnded);
    // Interns and administrators file no document, and nobody gives a proxy for somebody else.
    for actor in [intern(2), ADMINISTRATOR, Actor::Engine] {
        assert_eq!(scene.refused_as(actor, file(2), "09:04"), Rejection::Forbidden);
    }
    for actor in [intern(1), ADMINISTRATOR, Actor::Engine] {
        assert_eq!(scene.refused_as(actor, give(3), "09:04"), Rejection::Forbidden);
        assert_eq!(scene.refused_as(actor, revoke(2), "09:04"), Rejection::Forbidden);
    }
}

#[test]
fn r3_4_a_holder_may_hold_several_proxies() {
    let mut scene = represented(3, &[9]);
    scene.does(give(3), "08:11");
    scene.does(Command::Open, "09:10");
    scene.pass(1, "09:10");
    scene.does_as(holder(2), choose(2, 1), "09:11");
    scene.does_as(holder(3), choose(3, 1), "09:12");
    assert_eq!((scene.outcome(2).as_str(), scene.outcome(3).as_str()), ("1 in_turn", "1 in_turn"));
}

#[test]
fn r3_4_before_the_turn_principal_and_holder_may_both_prepare() {
    let mut scene = represented(2, &[3, 3]);
    scene.does_as(holder(2), wishes(2, &[1, 2], SafetyNet::AtExpiry), "08:20");
    scene.does_as(intern(2), wishes(2, &[2, 1], SafetyNet::AtExpiry), "08:21");
    let list = scene.amphi.wishes(CallRank(2)).unwrap();
    assert_eq!((list.version, &list.wishes[..]), (2, &[PostNumber(2), PostNumber(1)][..]));
}

#[test]
fn r3_4_from_the_opening_of_the_turn_on_only_the_holder_acts() {
    let mut scene = in_turn(3, &[9]);
    for command in [choose(2, 1), pass(2), wishes(2, &[1], SafetyNet::AtExpiry)] {
        assert_eq!(scene.refused_as(intern(2), command, "09:04"), Rejection::ProxyActive);
    }
    scene.does_as(holder(2), wishes(2, &[1], SafetyNet::AtExpiry), "09:04");
    // Late as well.
    scene.does_as(holder(2), pass(2), "09:04");
    assert_eq!(scene.refused_as(intern(2), choose(2, 1), "09:05"), Rejection::ProxyActive);
    scene.does_as(holder(2), choose(2, 1), "09:05");
    assert_eq!(scene.outcome(2), "1 late");
}

#[test]
fn r3_4_exactly_one_commit_ever_happens() {
    let mut scene = in_turn(3, &[9]);
    scene.does_as(holder(2), choose(2, 1), "09:04");
    let chosen = Rejection::AlreadyChosen { post: PostNumber(1) };
    for actor in [holder(2), intern(2)] {
        assert_eq!(scene.refused_as(actor, choose(2, 1), "09:04"), chosen);
    }
    for command in [revoke(2), revert(2), choose_for(2, 1)] {
        assert_eq!(scene.refused(command, "09:04"), chosen);
    }
    // The choice ends the proxy: its holder does nothing more, not even in a vacancy round.
    assert!(scene.amphi.proxy(CallRank(2)).is_none() && scene.amphi.proxy_given(CallRank(2)).is_some());
}

#[test]
fn r3_4_the_intern_may_revoke_until_the_turn_opens_to_the_millisecond() {
    // The turn of rank 2 is due at 09:03, whether or not a tick has said so.
    for (when, answer) in [
        ("09:02:59.999", Ok(())),
        ("09:03", Err(Rejection::ProxyTooLate)),
        ("09:03:00.001", Err(Rejection::ProxyTooLate)),
    ] {
        let mut scene = represented(3, &[9]);
        scene.does(Command::Open, "08:30");
        scene.tick("09:00");
        scene.pass(1, "09:01");
        let answered = scene.play(intern(2), &revoke(2), at(when)).map(|_| ());
        assert_eq!(answered, answer, "{when}");
        // Whoever may act from then on, and whoever may not any more.
        scene.tick("09:04");
        if answered.is_ok() {
            assert_eq!(scene.refused_as(holder(2), choose(2, 1), "09:04"), Rejection::ProxyEnded);
            scene.does_as(intern(2), choose(2, 1), "09:04");
        } else {
            assert_eq!(scene.refused_as(intern(2), choose(2, 1), "09:04"), Rejection::ProxyActive);
            scene.does_as(holder(2), choose(2, 1), "09:04");
        }
    }
}

#[test]
fn r3_4_while_suspended_before_the_turn_a_proxy_may_be_given_and_revoked() {
    let mut scene = represented(3, &[9]);
    scene.does(Command::Open, "08:30");
    scene.tick("09:00");
    scene.pass(1, "09:01");
    scene.suspend("09:02");
    // Its time comes while the clock is stopped: the turn has not opened.
    let events = scene.does(revoke(2), "09:10");
    assert_eq!(events, [Event::ProxyRevoked { rank: CallRank(2), proxy: proxy(2), reason: None }]);
    let again = ProxyId(Uuid::from_u128(22));
    scene.does(Command::GiveProxy { rank: CallRank(2), proxy: again }, "09:11");
    scene.resume("09:12");
    // Only the new one is worth anything.
    assert_eq!(scene.refused_as(holder(2), choose(2, 1), "09:12"), Rejection::ProxyEnded);
    scene.does_as(Actor::Holder { rank: CallRank(2), proxy: again }, choose(2, 1), "09:12");
}

#[test]
fn r3_4_an_administrator_reverts_until_the_choice() {
    let mut scene = in_turn(3, &[9]);
    let events = scene.does(revert(2), "09:04");
    let revoked = Event::ProxyRevoked { rank: CallRank(2), proxy: proxy(2), reason: Some(reason()) };
    assert_eq!(events, [revoked]);
    assert_eq!(scene.refused_as(holder(2), choose(2, 1), "09:04"), Rejection::ProxyEnded);
    scene.does_as(intern(2), choose(2, 1), "09:05");
    assert_eq!(scene.outcome(2), "1 in_turn");
    assert_eq!(scene.refused_as(intern(3), revert(3), "09:05"), Rejection::Forbidden);
}

#[test]
fn r3_4_refused_without_a_proxy_or_with_one() {
    let mut scene = represented(4, &[9]);
    assert_eq!(scene.refused(revoke(1), "08:20"), Rejection::NoProxy);
    assert_eq!(scene.refused(revert(1), "08:20"), Rejection::NoProxy);
    assert_eq!(scene.refused(give(2), "08:20"), Rejection::ProxyAlreadyGiven);
    let unknown = Rejection::UnknownRank { rank: CallRank(9) };
    for command in [give(9), revoke(9), revert(9)] {
        assert_eq!(scene.refused(command, "08:20"), unknown);
    }
    scene.elsewhere(3, "08:20");
    scene.withdraw(4, "08:20");
    assert_eq!(scene.refused(give(3), "08:21"), Rejection::PlacedElsewhere);
    assert_eq!(scene.refused(give(4), "08:21"), Rejection::Withdrawn);
}

#[test]
fn r3_4_given_before_the_turn_or_after_it_and_not_during_it() {
    let mut scene = represented(2, &[9]);
    scene.does(Command::Open, "08:30");
    // Due at this very instant: too late, without any tick.
    assert_eq!(scene.refused(give(1), "09:00"), Rejection::ProxyTooLate);
    scene.tick("09:00");
    assert_eq!(scene.refused(give(1), "09:01"), Rejection::ProxyTooLate);
    scene.pass(1, "09:02");
    scene.does(give(1), "09:02");
    // Called already: only the holder acts at once, and only an administrator ends it.
    assert_eq!(scene.refused(revoke(1), "09:02"), Rejection::ProxyTooLate);
    assert_eq!(scene.refused_as(intern(1), choose(1, 1), "09:02"), Rejection::ProxyActive);
    scene.does_as(holder(1), choose(1, 1), "09:02");
    assert_eq!(scene.refused(give(1), "09:02"), Rejection::AlreadyChosen { post: PostNumber(1) });
}

#[test]
fn r3_4_proxies_are_a_matter_of_published_open_and_suspended_sessions() {
    let draft = || Scene::drafted(with(setup(2, &[3]), |p| p.proxies = ProxyPolicy::On));
    for command in [give(2), revoke(2), revert(2)] {
        assert_eq!(draft().refused(command.clone(), "08:10"), Rejection::NotPublished);
        let mut scene = in_turn(2, &[3]);
        scene.does(Command::Annul { reason: reason() }, "09:04");
        assert_eq!(scene.refused(command, "09:05"), Rejection::Over);
        assert_eq!(scene.refused_as(holder(2), file(2), "09:05"), Rejection::Over);
    }
}

#[test]
fn r3_4_a_proxy_ends_when_the_session_does() {
    let mut scene = in_turn(2, &[9]);
    scene.tick("09:06:02");
    assert!(scene.amphi.proxy(CallRank(2)).is_some());
    scene.does(Command::Close, "09:10");
    assert!(scene.amphi.proxy(CallRank(2)).is_none());
    assert_eq!(scene.refused_as(holder(2), choose(2, 1), "09:11"), Rejection::Over);
}

#[test]
fn r3_4_where_it_is_compulsory_the_document_comes_before_the_choice() {
    let mut scene = Scene::published(with(setup(3, &[9]), |p| {
        p.proxies = ProxyPolicy::WithDocument;
        p.safety_net = true;
    }));
    scene.does(give(2), "08:10");
    scene.does(Command::Open, "09:10");
    scene.pass(1, "09:10");
    assert_eq!(scene.refused_as(holder(2), choose(2, 1), "09:11"), Rejection::DocumentMissing);
    // Nor may wishes choose by the back door.
    let spread = wishes(2, &[1], SafetyNet::AtExpiry);
    assert_eq!(scene.refused_as(holder(2), spread, "09:11"), Rejection::DocumentMissing);
    let events = scene.does_as(holder(2), file(2), "09:11");
    assert!(matches!(events[..], [Event::ProxyDocumentFiled { rank: CallRank(2), .. }]));
    scene.does_as(holder(2), choose(2, 1), "09:12");
    assert_eq!(scene.outcome(2), "1 in_turn");
}

#[test]
fn r3_4_a_document_is_of_one_proxy_and_asks_nothing_of_anybody_else() {
    let mut scene = Scene::published(with(setup(3, &[9]), |p| p.proxies = ProxyPolicy::WithDocument));
    scene.does(give(2), "08:10");
    scene.does_as(holder(2), file(2), "08:11");
    scene.does(revoke(2), "08:12");
    let second = ProxyId(Uuid::from_u128(22));
    scene.does(Command::GiveProxy { rank: CallRank(2), proxy: second }, "08:13");
    assert!(scene.amphi.proxy(CallRank(2)).unwrap().document.is_none());
    scene.does(Command::Open, "09:10");
    // Nobody represents rank 1; passing chooses nothing; an administrator needs no document.
    scene.choose(1, 1, "09:10");
    let second = Actor::Holder { rank: CallRank(2), proxy: second };
    assert_eq!(scene.refused_as(second, choose(2, 1), "09:11"), Rejection::DocumentMissing);
    scene.does_as(second, pass(2), "09:11");
    scene.does(choose_for(2, 1), "09:11");
    assert_eq!(scene.outcome(2), "1 late");
}

#[test]
fn r3_4_undoing_the_choice_puts_the_proxy_in_force_again() {
    let mut scene = in_turn(3, &[9]);
    scene.does_as(holder(2), choose(2, 1), "09:04");
    scene.does(annul_choice(2), "09:05");
    assert_eq!(scene.refused_as(intern(2), choose(2, 1), "09:05"), Rejection::ProxyActive);
    scene.does_as(holder(2), choose(2, 1), "09:05");
    // Gone back to before the turn, the intern may take it back again.
    scene.does(rewind(2), "09:05:30");
    assert!(scene.amphi.proxy(CallRank(2)).is_some());
    scene.does(revoke(2), "09:06");
    scene.resume("09:07");
    assert_eq!(scene.refused_as(holder(2), choose(2, 1), "09:07"), Rejection::ProxyEnded);
    scene.does_as(intern(2), choose(2, 1), "09:07");
}

#[test]
fn r3_4_revoked_or_reverted_while_late_leaves_what_is_held_alone() {
    let mut scene = in_turn(3, &[1, 9]);
    scene.tick("09:06:02");
    scene.does_as(holder(2), choose(2, 1), "09:07");
    scene.does(revert(2), "09:07:30");
    assert_eq!(scene.amphi.held().len(), 1);
    scene.does_as(intern(2), release_held(2), "09:08");
    assert_eq!(scene.amphi.held(), []);
}
