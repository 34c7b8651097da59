//! 3.5: when a turn expires, the first wish still free is committed, for whoever asked for it.

use amphi_core::{
    CallRank, ChoiceManner, Command, Event, Moment, PostNumber, ProxyPolicy, Rejection, SafetyNet, Setup,
    TurnOutcome,
};

use crate::asks::{
    annul_choice, end_turn, extend, give, holder, pass, reason, rewind, wishes, with, withdraw,
};
use crate::scene::{Scene, at, choose, intern, rightful, setup};

fn with_net(interns: u16, seats: &[u16]) -> Setup {
    with(setup(interns, seats), |p| p.safety_net = true)
}

/// Rank 1 wants posts 2, then 1, and is in turn until 09:03.
fn wished(net: SafetyNet, seats: &[u16]) -> Scene {
    let mut scene = Scene::published(with_net(3, seats));
    scene.does(wishes(1, &[2, 1], net), "08:10");
    scene.does(Command::Open, "08:30");
    scene.tick("09:00");
    scene
}

#[test]
fn r3_5_never_at_expiry_or_if_absent() {
    for (net, attended, outcome) in [
        (SafetyNet::Never, true, "late"),
        (SafetyNet::Never, false, "late"),
        (SafetyNet::AtExpiry, true, "2 safety_net"),
        (SafetyNet::AtExpiry, false, "2 safety_net"),
        (SafetyNet::IfAbsent, true, "late"),
        (SafetyNet::IfAbsent, false, "2 safety_net"),
    ] {
        let mut scene = wished(net, &[3, 3]);
        if attended {
            scene.tick("09:03:02")
        } else {
            scene.tick_unattended("09:03:02")
        };
        assert_eq!(scene.outcome(1), outcome, "{net:?}, attended: {attended}");
        assert_eq!(scene.turn(), Some((2, at("09:06:02"))), "the next one is called in any case");
    }
}

#[test]
fn r3_5_what_it_commits_reads_as_a_choice_and_the_turn_as_ended_by_it() {
    let mut scene = wished(SafetyNet::AtExpiry, &[3, 3]);
    let events = scene.tick_unattended("09:03:02");
    let committed = Event::ChoiceCommitted {
        rank: CallRank(1),
        post: PostNumber(2),
        seat: Some(1),
        manner: ChoiceManner::SafetyNet,
        reason: None,
    };
    let closed = Event::TurnClosed { rank: CallRank(1), outcome: TurnOutcome::SafetyNet, reason: None };
    assert_eq!(events[..2], [committed, closed]);
    assert_eq!(scene.refused(choose(1, 1), "09:04"), Rejection::AlreadyChosen { post: PostNumber(2) });
}

#[test]
fn r3_5_it_never_fires_inside_the_grace() {
    for when in ["09:03", "09:03:00.001", "09:03:01.999"] {
        let mut scene = wished(SafetyNet::AtExpiry, &[3, 3]);
        assert!(scene.tick_unattended(when).is_empty(), "{when}");
        // What the intern says in the grace counts.
        scene.choose(1, 1, when);
        assert_eq!(scene.outcome(1), if when == "09:03" { "1 in_turn" } else { "1 in_grace" });
    }
}

#[test]
fn r3_5_whatever_is_asked_once_the_grace_is_over_finds_it_fired() {
    // No tick was handled: the outcome depends on when a command was received alone (A9).
    let asked = [choose(1, 1), pass(1), end_turn(1), extend(1, 1), wishes(1, &[1], SafetyNet::Never)];
    for command in asked {
        let mut scene = wished(SafetyNet::AtExpiry, &[3, 3]);
        scene.refused(command, "09:03:02");
        // A refusal changes nothing, the time that passed neither; the tick to come says it.
        scene.tick("09:03:02");
        assert_eq!(scene.outcome(1), "2 safety_net");
    }
    let mut scene = wished(SafetyNet::AtExpiry, &[3, 3]);
    scene.choose(2, 2, "09:03:02");
    assert_eq!((scene.outcome(1).as_str(), scene.outcome(2).as_str()), ("2 safety_net", "2 in_turn"));
}

#[test]
fn r3_5_presence_is_what_it_is_at_the_moment_the_turn_expires() {
    let mut scene = wished(SafetyNet::IfAbsent, &[3, 3]);
    assert!(scene.tick_unattended("09:02").is_empty());
    // Absent until then, there at the end: nothing is chosen for whoever is there.
    scene.tick("09:03:02");
    assert_eq!(scene.outcome(1), "late");
    // A command of somebody else brings the moment's presence along, like a tick.
    let mut scene = wished(SafetyNet::IfAbsent, &[3, 3]);
    let moment = Moment { at: at("09:03:02"), turn_attended: false };
    scene.play(intern(2), &choose(2, 1), moment).unwrap();
    assert_eq!(scene.outcome(1), "2 safety_net");
}

#[test]
fn r3_5_the_first_wish_still_free_and_none_when_all_are_taken() {
    for (seats, outcome) in [([3, 3], "2 safety_net"), ([3, 0], "1 safety_net"), ([0, 0], "late")] {
        let mut scene = wished(SafetyNet::AtExpiry, &seats);
        let events = scene.tick_unattended("09:03:02");
        assert_eq!(scene.outcome(1), outcome);
        let expired = events
            .iter()
            .any(|event| matches!(event, Event::TurnClosed { outcome: TurnOutcome::Expired, .. }));
        assert_eq!(expired, outcome == "late");
    }
    // A list taken back catches nothing.
    let mut scene = wished(SafetyNet::AtExpiry, &[3, 3]);
    scene.does(wishes(1, &[], SafetyNet::AtExpiry), "09:01");
    scene.tick("09:03:02");
    assert_eq!(scene.outcome(1), "late");
}

#[test]
fn r3_5_it_catches_an_expiry_and_no_other_end_of_a_turn() {
    for command in [pass(1), end_turn(1), withdraw(1), crate::asks::elsewhere(1)] {
        let mut scene = wished(SafetyNet::AtExpiry, &[3, 3]);
        scene.play(rightful(&command), &command, Moment { at: at("09:02"), turn_attended: false }).unwrap();
        assert_eq!(scene.amphi.seats_left(), [3, 3], "{command:?}");
    }
}

#[test]
fn r3_5_the_turn_has_precedence_over_what_is_held() {
    let mut scene = Scene::published(with_net(3, &[1, 3]));
    scene.does(wishes(2, &[1], SafetyNet::AtExpiry), "08:10");
    scene.does(Command::Open, "08:30");
    scene.tick("09:00");
    scene.pass(1, "09:01");
    scene.tick("09:03");
    scene.choose(1, 1, "09:04");
    assert_eq!(scene.amphi.held().len(), 1);
    scene.tick("09:06:02");
    assert_eq!((scene.outcome(1).as_str(), scene.outcome(2).as_str()), ("late", "1 safety_net"));
}

#[test]
fn r3_5_a_suspension_a_crash_and_an_extension_put_it_off_as_they_do_the_turn() {
    let mut scene = wished(SafetyNet::AtExpiry, &[3, 3]);
    scene.suspend("09:02");
    assert!(scene.tick_unattended("09:30").is_empty());
    scene.resume("09:30");
    assert!(scene.tick_unattended("09:31:01.999").is_empty());
    scene.recover("09:31:01", "09:40");
    // Found in the grace after a crash, the turn has its whole grace again.
    assert!(scene.tick_unattended("09:40:01.999").is_empty());
    scene.does(extend(1, 1), "09:40:01");
    assert!(scene.tick_unattended("09:41:02.999").is_empty());
    scene.tick_unattended("09:41:03.999");
    assert_eq!(scene.outcome(1), "2 safety_net");
}

#[test]
fn r3_5_wishes_are_versioned_and_each_version_stays_in_the_journal() {
    let mut scene = wished(SafetyNet::AtExpiry, &[3, 3]);
    let events = scene.does(wishes(1, &[1], SafetyNet::IfAbsent), "09:01");
    let set = Event::WishesSet {
        rank: CallRank(1),
        version: 2,
        wishes: vec![PostNumber(1)],
        safety_net: SafetyNet::IfAbsent,
    };
    assert_eq!(events, [set]);
    let list = scene.amphi.wishes(CallRank(1)).unwrap();
    assert_eq!((list.version, list.at), (2, at("09:01")));
    // The same list again is a version of its own: its receipt says when it was last confirmed.
    scene.does(wishes(1, &[1], SafetyNet::IfAbsent), "09:02");
    assert_eq!(scene.amphi.wishes(CallRank(1)).unwrap().version, 3);
}

#[test]
fn r3_5_optional_per_amphi() {
    let mut scene = Scene::published(setup(2, &[3, 3]));
    for net in [SafetyNet::AtExpiry, SafetyNet::IfAbsent] {
        assert_eq!(scene.refused(wishes(1, &[1], net), "08:10"), Rejection::SafetyNetOff);
    }
    // Wishes may still be kept, for oneself and for the forecast of what will remain.
    scene.does(wishes(1, &[1], SafetyNet::Never), "08:10");
    scene.does(Command::Open, "08:30");
    scene.tick("09:00");
    scene.tick_unattended("09:03:02");
    assert_eq!(scene.outcome(1), "late");
}

#[test]
fn r3_5_a_list_of_wishes_is_refused_with_the_reason() {
    let mut scene = Scene::published(with_net(4, &[3, 3]));
    let twice = Rejection::WishTwice { post: PostNumber(2) };
    assert_eq!(scene.refused(wishes(1, &[2, 1, 2], SafetyNet::Never), "08:10"), twice);
    let unknown = Rejection::UnknownPost { post: PostNumber(3) };
    assert_eq!(scene.refused(wishes(1, &[1, 3], SafetyNet::Never), "08:10"), unknown);
    let nobody = Rejection::UnknownRank { rank: CallRank(9) };
    assert_eq!(scene.refused(wishes(9, &[1], SafetyNet::Never), "08:10"), nobody);
    scene.elsewhere(2, "08:10");
    scene.withdraw(3, "08:10");
    let wish = |rank| wishes(rank, &[1], SafetyNet::Never);
    assert_eq!(scene.refused(wish(2), "08:11"), Rejection::PlacedElsewhere);
    assert_eq!(scene.refused(wish(3), "08:11"), Rejection::Withdrawn);
    scene.does(Command::Open, "09:10");
    scene.choose(1, 1, "09:10");
    assert_eq!(scene.refused(wish(1), "09:11"), Rejection::AlreadyChosen { post: PostNumber(1) });
    scene.does(Command::Annul { reason: reason() }, "09:11");
    assert_eq!(scene.refused(wish(4), "09:11"), Rejection::Over);
    assert_eq!(Scene::drafted(with_net(1, &[3])).refused(wish(1), "08:10"), Rejection::NotPublished);
    let mut scene = Scene::published(with_net(2, &[3]));
    assert_eq!(scene.refused_as(intern(2), wish(1), "08:10"), Rejection::Forbidden);
}

#[test]
fn r3_5_wishes_may_be_set_before_during_and_after_the_turn_and_while_suspended() {
    let mut scene = wished(SafetyNet::Never, &[3, 3]);
    scene.does(wishes(1, &[1], SafetyNet::AtExpiry), "09:03:01");
    scene.suspend("09:03:01");
    scene.does(wishes(1, &[2], SafetyNet::AtExpiry), "09:05");
    scene.resume("09:06");
    scene.tick("09:06:02");
    assert_eq!(scene.outcome(1), "2 safety_net");
    // Once late, there is no expiry left to be caught at.
    let mut scene = wished(SafetyNet::Never, &[3, 3]);
    scene.pass(1, "09:01");
    scene.does(wishes(1, &[1], SafetyNet::AtExpiry), "09:02");
    scene.tick("09:10");
    scene.tick("09:20");
    assert_eq!(scene.outcome(1), "late");
}

#[test]
fn r3_5_it_catches_for_a_represented_intern_too() {
    let setup = with(with_net(2, &[3, 3]), |p| p.proxies = ProxyPolicy::WithDocument);
    let mut scene = Scene::published(setup);
    scene.does(wishes(1, &[2], SafetyNet::IfAbsent), "08:10");
    scene.does(give(1), "08:11");
    scene.does(Command::Open, "08:30");
    scene.tick("09:00");
    // The holder has filed no document: the wishes are the intern's own, and catch all the same.
    assert_eq!(scene.refused_as(holder(1), choose(1, 1), "09:01"), Rejection::DocumentMissing);
    scene.tick_unattended("09:03:02");
    assert_eq!(scene.outcome(1), "2 safety_net");
    assert_eq!(
        scene.refused_as(holder(1), choose(1, 1), "09:04"),
        Rejection::AlreadyChosen { post: PostNumber(2) }
    );
}

#[test]
fn r3_5_what_it_committed_can_be_undone_and_catches_again_after_a_rewind() {
    let mut scene = wished(SafetyNet::AtExpiry, &[3, 3]);
    scene.tick("09:03:02");
    scene.does(annul_choice(1), "09:04");
    assert_eq!(scene.outcome(1), "late");
    scene.does(rewind(1), "09:05");
    scene.resume("09:06");
    scene.tick("09:09:02");
    assert_eq!(scene.outcome(1), "2 safety_net");
}
