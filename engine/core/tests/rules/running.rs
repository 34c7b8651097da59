//! 3.7: running it. Undoing: `undoing.rs`, `rewinding.rs`; proxies reverted: `proxies.rs`.

use amphi_core::{
    CallRank, ChoiceManner, Command, Event, Millis, PostNumber, Rejection, Round, Standing, Status,
    TurnOutcome,
};

use crate::asks::{add, annul_choice, assign, choose_for, elsewhere, extend, pass, reason, with, withdraw};
use crate::scene::{Scene, at, choose, participant, setup};

// --- extending -----------------------------------------------------------------------------------

#[test]
fn r3_7_extending_counts_from_the_announced_end() {
    let mut scene = Scene::begun(setup(2, &[3]));
    let events = scene.does(extend(1, 2), "09:01");
    let extended = Event::TurnExtended { rank: CallRank(1), deadline: at("09:05"), reason: reason() };
    assert_eq!(events, [extended]);
    // Again, and it adds up.
    scene.does(extend(1, 1), "09:04");
    assert_eq!((scene.turn(), scene.amphi.next_deadline()), (Some((1, at("09:06"))), Some(at("09:06:02"))));
    assert_eq!(scene.amphi.turn().unwrap().extended_by, Millis::from_minutes(3));
    scene.choose(1, 1, "09:06");
    assert_eq!(scene.outcome(1), "1 in_turn");
}

#[test]
fn r3_7_extending_in_the_grace_counts_from_now() {
    let mut scene = Scene::begun(setup(2, &[3]));
    scene.does(extend(1, 1), "09:03:01.500");
    assert_eq!(scene.turn(), Some((1, at("09:04:01.500"))));
    // Nobody gets less than what was said; once the grace is over there is no turn to lengthen.
    let refusal = scene.refused(extend(1, 1), "09:04:03.500");
    assert_eq!(refusal, Rejection::TurnNotInProgress { rank: CallRank(1) });
}

#[test]
fn r3_7_extending_a_turn_before_a_suspension_keeps_what_was_given() {
    let mut scene = Scene::begun(setup(2, &[3]));
    scene.does(extend(1, 5), "09:01");
    scene.suspend("09:02");
    assert_eq!(scene.refused(extend(1, 1), "09:10"), Rejection::Suspended);
    scene.resume("09:20");
    assert_eq!(scene.turn(), Some((1, at("09:26"))));
    scene.recover("09:21", "09:31");
    assert_eq!(scene.turn(), Some((1, at("09:36"))));
    scene.does(extend(1, 1), "09:32");
    assert_eq!(scene.turn(), Some((1, at("09:37"))));
}

#[test]
fn r3_7_extending_moves_every_expected_time_and_is_counted_in_the_pace() {
    let mut scene = Scene::begun(setup(3, &[3]));
    let before = scene.amphi.forecasts(at("09:01"))[1].unwrap();
    scene.does(extend(1, 5), "09:01");
    let after = scene.amphi.forecasts(at("09:01"))[1].unwrap();
    assert_eq!((before.latest, after.latest), (at("09:03:02"), at("09:08:02")));
    // It used 8 of its 8 minutes, not 8 of 3: three turns of 600 ‰ before, one of 1,000 ‰ after.
    scene.tick("09:08:02");
    let (used, allowed) = (9 * 600 + 8 * 1_000, 9 + 8);
    assert_eq!(scene.amphi.pace_permille(), used / allowed);
}

#[test]
fn r3_7_extending_means_the_turn_in_progress_and_no_other() {
    let mut scene = Scene::begun(setup(3, &[3]));
    for rank in [2, 3] {
        let refusal = Rejection::TurnNotInProgress { rank: CallRank(rank) };
        assert_eq!(scene.refused(extend(rank, 1), "09:01"), refusal);
    }
    assert_eq!(scene.refused(extend(9, 1), "09:01"), Rejection::UnknownRank { rank: CallRank(9) });
    assert_eq!(Scene::published(setup(1, &[2])).refused(extend(1, 1), "08:10"), Rejection::NotOpen);
}

// --- choosing for somebody -----------------------------------------------------------------------

#[test]
fn r3_7_choosing_for_somebody_follows_the_rules_of_their_own_choice() {
    let mut scene = Scene::begun(setup(3, &[1, 9]));
    assert_eq!(scene.refused(choose_for(2, 1), "09:01"), Rejection::NotYourTurn);
    let events = scene.does(choose_for(1, 1), "09:01");
    let committed = Event::ChoiceCommitted {
        rank: CallRank(1),
        post: PostNumber(1),
        seat: Some(1),
        manner: ChoiceManner::InTurn,
        reason: Some(reason()),
    };
    assert_eq!(events[0], committed);
    assert!(matches!(events[1], Event::TurnClosed { outcome: TurnOutcome::Chosen, .. }));
    assert_eq!(scene.refused(choose_for(1, 2), "09:02"), Rejection::AlreadyChosen { post: PostNumber(1) });
    scene.tick("09:03");
    let taken = Rejection::PostTaken { post: PostNumber(1), by: Some(CallRank(1)) };
    assert_eq!(scene.refused(choose_for(2, 1), "09:04"), taken);
    assert_eq!(scene.refused(choose_for(2, 9), "09:04"), Rejection::UnknownPost { post: PostNumber(9) });
    scene.does(choose_for(2, 2), "09:06:01");
    assert_eq!(scene.outcome(2), "2 in_grace");
}

#[test]
fn r3_7_choosing_for_somebody_late_waits_like_their_own_choice() {
    let mut scene = Scene::published(setup(3, &[1, 9]));
    scene.does(Command::Open, "09:15");
    scene.pass(1, "09:15");
    let events = scene.does(choose_for(1, 1), "09:16");
    assert!(matches!(&events[..], [Event::ChoiceHeld { reason: Some(_), .. }]));
    // The intern's own choice replaces it.
    scene.choose(1, 2, "09:16");
    assert_eq!((scene.outcome(1).as_str(), scene.amphi.held().len()), ("2 late", 0));
}

#[test]
fn r3_7_choosing_for_somebody_is_refused_where_they_would_be() {
    let mut scene = Scene::begun(setup(4, &[9]));
    scene.elsewhere(2, "09:01");
    scene.withdraw(3, "09:01");
    assert_eq!(scene.refused(choose_for(2, 1), "09:01"), Rejection::PlacedElsewhere);
    assert_eq!(scene.refused(choose_for(3, 1), "09:01"), Rejection::Withdrawn);
    assert_eq!(scene.refused(choose_for(9, 1), "09:01"), Rejection::UnknownRank { rank: CallRank(9) });
    scene.suspend("09:02");
    assert_eq!(scene.refused(choose_for(1, 1), "09:02"), Rejection::Suspended);
    assert_eq!(Scene::published(setup(1, &[2])).refused(choose_for(1, 1), "08:10"), Rejection::NotOpen);
}

// --- adding and withdrawing ----------------------------------------------------------------------

#[test]
fn r3_7_adding_before_the_session_goes_to_the_end_of_the_list() {
    let mut scene = Scene::published(setup(2, &[9]));
    let events = scene.does(add(3), "08:10");
    let added = Event::ParticipantAdded {
        participant: Box::new(participant(3)),
        planned_at: Some(at("09:06")),
        reason: reason(),
    };
    assert_eq!(events, [added]);
    assert_eq!((scene.outcome(3).as_str(), scene.amphi.planned_at().len()), ("waiting", 3));
    let shown = scene.amphi.snapshot().unwrap();
    assert_eq!(shown.participants[2].pseudonym, "P3");
    // Nobody else's rank or time has moved, and the seats are what they were.
    assert_eq!(scene.amphi.planned_at()[..2], [at("09:00"), at("09:03")]);
    assert_eq!(scene.amphi.seats_left(), [9]);
}

#[test]
fn r3_7_adding_plans_over_breaks_and_extra_time() {
    let mut setup = setup(2, &[9]);
    setup.opening = crate::scene::ranges(&[("09:00", "09:08"), ("14:00", "15:00")]);
    setup.participants[1].extra_time_percent = 100;
    let mut scene = Scene::published(setup);
    scene.does(add(3), "08:10");
    assert_eq!(scene.amphi.planned_at()[2], at("14:00"));
}

#[test]
fn r3_7_adding_during_the_session_and_after_the_last_turn() {
    let mut scene = Scene::begun(setup(1, &[9]));
    scene.does(add(2), "09:01");
    assert_eq!(scene.refused(choose(2, 1), "09:01"), Rejection::NotYourTurn);
    scene.choose(1, 1, "09:02");
    scene.choose(2, 1, "09:03");
    assert!(scene.amphi.turns_are_over());
    // Every turn is over and the planned time gone: called at once.
    let events = scene.does(add(3), "09:30");
    assert!(
        matches!(events[1], Event::TurnOpened { rank: CallRank(3), deadline } if deadline == at("09:33"))
    );
    assert_eq!(scene.refused(Command::Close, "09:31"), Rejection::TurnsRemain { remaining: 1 });
    scene.does(choose_for(3, 1), "09:31");
    scene.does(Command::Close, "09:32");
    assert_eq!(scene.refused(add(4), "09:33"), Rejection::Over);
}

#[test]
fn r3_7_adding_while_suspended_waits_for_resumption() {
    let mut scene = Scene::begun(setup(1, &[9]));
    scene.choose(1, 1, "09:02");
    scene.suspend("09:10");
    assert_eq!(scene.does(add(2), "09:11").len(), 1);
    scene.resume("09:20");
    assert_eq!(scene.turn(), Some((2, at("09:23"))));
}

#[test]
fn r3_7_adding_somebody_who_cannot_be_is_refused() {
    let mut scene = Scene::published(setup(2, &[9]));
    assert_eq!(scene.refused(add(2), "08:10"), Rejection::AlreadyListed { rank: CallRank(2) });
    let mut slow = participant(3);
    slow.extra_time_percent = 201;
    let command = Command::Add { participant: Box::new(slow), reason: reason() };
    assert!(matches!(scene.refused(command, "08:10"), Rejection::UnusableSetup { .. }));
    // Whoever was withdrawn is still on the list: nobody comes back under another rank.
    scene.withdraw(1, "08:11");
    assert_eq!(scene.refused(add(1), "08:11"), Rejection::AlreadyListed { rank: CallRank(1) });
    assert_eq!(Scene::drafted(setup(1, &[2])).refused(add(2), "08:10"), Rejection::NotPublished);
}

#[test]
fn r3_7_withdrawing_takes_out_whoever_is_not_placed() {
    let mut scene = Scene::begun(setup(3, &[9]));
    scene.does(withdraw(2), "09:01");
    scene.choose(1, 1, "09:02");
    assert_eq!(scene.refused(withdraw(1), "09:02"), Rejection::AlreadyChosen { post: PostNumber(1) });
    // Once the choice is undone they may be withdrawn.
    scene.does(annul_choice(1), "09:02");
    scene.does(withdraw(1), "09:02");
    assert_eq!([1, 2].map(|rank| scene.outcome(rank)), ["withdrawn", "withdrawn"]);
}

// --- explaining, assigning, reasons --------------------------------------------------------------

#[test]
fn r3_7_the_reason_of_a_suspension_may_be_said_better() {
    let mut scene = Scene::begun(setup(2, &[3]));
    let explain = || Command::ExplainSuspension { reason: " Coupure au CHU ".to_owned() };
    assert_eq!(scene.refused(explain(), "09:01"), Rejection::NotSuspended);
    scene.suspend("09:01");
    let events = scene.does(explain(), "09:05");
    assert_eq!(events, [Event::SuspensionExplained { reason: "Coupure au CHU".to_owned() }]);
    // Since when stays what it was, and so does the time left.
    let said = Status::Suspended { reason: "Coupure au CHU".to_owned(), since: at("09:01") };
    assert_eq!(*scene.amphi.status(), said);
    scene.resume("09:10");
    assert_eq!(scene.turn(), Some((1, at("09:12"))));
    scene.does(Command::Annul { reason: reason() }, "09:11");
    assert_eq!(scene.refused(explain(), "09:11"), Rejection::Over);
    assert_eq!(Scene::drafted(setup(1, &[2])).refused(explain(), "08:10"), Rejection::NotSuspended);
}

/// Rank 1 is placed; ranks 2 and 3 let their turns go by; rank 4 is placed elsewhere, 5 withdrawn.
fn unplaced() -> Scene {
    let mut scene = Scene::published(setup(5, &[1, 2]));
    scene.does(Command::Open, "09:15");
    scene.choose(1, 1, "09:15");
    scene.does(elsewhere(4), "09:16");
    scene.does(withdraw(5), "09:16");
    scene.pass(2, "09:16");
    scene.pass(3, "09:16");
    scene
}

#[test]
fn r3_7_assigning_gives_a_free_seat_with_a_reason_to_who_did_not_choose() {
    let mut scene = unplaced();
    let events = scene.does(assign(3, 2), "09:20");
    let assigned = Event::ChoiceCommitted {
        rank: CallRank(3),
        post: PostNumber(2),
        seat: Some(1),
        manner: ChoiceManner::Assigned,
        reason: Some(reason()),
    };
    assert_eq!(events, [assigned]);
    let taken = Rejection::PostTaken { post: PostNumber(1), by: Some(CallRank(1)) };
    assert_eq!(scene.refused(assign(2, 1), "09:20"), taken);
    assert_eq!(scene.refused(assign(1, 2), "09:20"), Rejection::AlreadyChosen { post: PostNumber(1) });
    assert_eq!(scene.refused(assign(4, 2), "09:20"), Rejection::PlacedElsewhere);
    assert_eq!(scene.refused(assign(5, 2), "09:20"), Rejection::Withdrawn);
    assert_eq!(scene.refused(assign(2, 9), "09:20"), Rejection::UnknownPost { post: PostNumber(9) });
    assert_eq!(scene.refused(assign(9, 2), "09:20"), Rejection::UnknownRank { rank: CallRank(9) });
}

#[test]
fn r3_7_assigning_after_closing_too_and_never_while_turns_remain() {
    let mut scene = Scene::begun(setup(2, &[3]));
    scene.pass(1, "09:01");
    assert_eq!(scene.refused(assign(1, 1), "09:01"), Rejection::TurnsRemain { remaining: 1 });
    scene.tick("09:03");
    assert_eq!(scene.refused(assign(1, 1), "09:04"), Rejection::TurnsRemain { remaining: 1 });
    let mut scene = unplaced();
    scene.suspend("09:17");
    scene.does(assign(2, 2), "09:18");
    scene.does(Command::Close, "09:20");
    // Whom closing listed may still be assigned; nothing else happens then.
    scene.does(assign(3, 2), "+1 10:00");
    assert_eq!((scene.outcome(3).as_str(), scene.amphi.status()), ("2 assigned", &Status::Closed));
    assert_eq!(scene.refused(annul_choice(3), "+1 10:01"), Rejection::Over);
    let mut scene = unplaced();
    scene.does(Command::Annul { reason: reason() }, "09:20");
    assert_eq!(scene.refused(assign(3, 2), "09:21"), Rejection::Over);
    assert_eq!(Scene::published(setup(1, &[2])).refused(assign(1, 1), "08:10"), Rejection::NotOpen);
}

#[test]
fn r3_7_assigning_belongs_to_rounds_that_place() {
    for round in [Round::FreeWishes, Round::Rehearsal] {
        let mut setup = setup(1, &[2]);
        setup.round = round;
        let mut scene = Scene::opened(setup);
        scene.does(Command::Close, "09:00");
        assert_eq!(scene.refused(assign(1, 1), "09:01"), Rejection::NoTurns);
    }
}

#[test]
fn r3_7_passing_a_turn_and_ending_it_are_told_apart() {
    let mut scene = Scene::begun(setup(2, &[3]));
    let ended = scene.does(crate::asks::end_turn(1), "09:01");
    let outcome = TurnOutcome::EndedByAdministrator;
    assert_eq!(ended[0], Event::TurnClosed { rank: CallRank(1), outcome, reason: Some(reason()) });
    let passed = scene.does(pass(2), "09:04");
    assert!(matches!(passed[0], Event::TurnOpened { .. }), "due since 09:03: {passed:?}");
    assert_eq!(
        passed[1],
        Event::TurnClosed { rank: CallRank(2), outcome: TurnOutcome::Passed, reason: None }
    );
    assert!(matches!(scene.standing(1), Standing::Late { passed: true, .. }));
}

#[test]
fn r3_7_every_act_on_people_needs_a_reason() {
    let bad = || "  ".to_owned();
    let rank = CallRank(1);
    let acts = || {
        [
            Command::Extend { rank, by: Millis::from_minutes(1), reason: bad() },
            Command::ChooseFor { rank, post: PostNumber(1), supernumerary: false, reason: bad() },
            Command::Add { participant: Box::new(participant(9)), reason: bad() },
            Command::AnnulChoice { rank, reason: bad() },
            Command::Rewind { to: rank, reason: bad() },
            Command::RevertProxy { rank, reason: bad() },
            Command::Admit { rank, reason: bad() },
        ]
    };
    for act in acts() {
        let setup = with(setup(1, &[2]), |p| p.proxies = amphi_core::ProxyPolicy::On);
        let mut scene = Scene::begun(setup);
        assert_eq!(scene.refused(act, "09:01"), Rejection::ReasonNeeded);
    }
    let mut scene = unplaced();
    let command = Command::Assign { rank: CallRank(2), post: PostNumber(2), reason: bad() };
    assert_eq!(scene.refused(command, "09:20"), Rejection::ReasonNeeded);
    scene.suspend("09:21");
    assert_eq!(scene.refused(Command::ExplainSuspension { reason: bad() }, "09:21"), Rejection::ReasonNeeded);
}
