//! A3, A4, A6, A8, A9, A11: turns open, last and end.

use amphi_core::{CallRank, Command, Event, GRACE, Millis, Rejection, Standing, Timestamp, TurnOutcome};

use crate::scene::{Scene, at, choose, intern, ranges, setup};

fn kinds(events: &[Event]) -> Vec<String> {
    let kind = |event| serde_json::to_value(event).unwrap()["type"].as_str().unwrap().to_owned();
    events.iter().map(kind).collect()
}

// --- A6: when a turn opens ----------------------------------------------------------------------

#[test]
fn a6_nobody_is_called_before_the_planned_time() {
    let mut scene = Scene::opened(setup(2, &[3]));
    assert_eq!(scene.amphi.next_deadline(), Some(at("09:00")));
    assert!(scene.tick("08:59:59.999").is_empty());
    assert_eq!(kinds(&scene.tick("09:00")), ["turn_opened"]);
    assert_eq!(scene.turn(), Some((1, at("09:03"))));
}

#[test]
fn a6_quick_turns_do_not_call_the_next_one_early() {
    let mut scene = Scene::begun(setup(3, &[3]));
    scene.choose(1, 1, "09:00:10");
    assert_eq!(scene.turn(), None);
    assert_eq!(scene.amphi.next_deadline(), Some(at("09:03")));
    assert_eq!(scene.refused(choose(2, 1), "09:02:59.999"), Rejection::NotYourTurn);
    scene.tick("09:03");
    assert_eq!(scene.turn(), Some((2, at("09:06"))));
    assert_eq!(scene.amphi.delay(), Millis::ZERO);
}

#[test]
fn a6_delay_accumulates_and_quick_turns_absorb_it() {
    let mut scene = Scene::published(setup(4, &[5]));
    scene.does(Command::Open, "09:10");
    assert_eq!(scene.amphi.delay(), Millis::from_minutes(10));
    scene.choose(1, 1, "09:12:30");
    assert_eq!((scene.turn(), scene.amphi.delay()), (Some((2, at("09:15:30"))), Millis(570_000)));
    scene.choose(2, 1, "09:12:40");
    assert_eq!(scene.amphi.delay(), Millis(400_000));
    scene.choose(3, 1, "09:12:50");
    assert_eq!((scene.turn(), scene.amphi.delay()), (Some((4, at("09:15:50"))), Millis(230_000)));
}

#[test]
fn a6_a_turn_that_would_open_in_a_break_opens_after_it() {
    let mut setup = setup(3, &[4]);
    setup.opening = ranges(&[("09:00", "09:04"), ("10:00", "10:10"), ("+1 09:00", "+1 10:00")]);
    let mut scene = Scene::begun(setup);
    scene.tick("09:03:02");
    assert_eq!(scene.turn(), Some((2, at("09:06:02"))));
    // The turn that is open when the break begins runs to its end…
    assert!(scene.tick("09:06:01.999").is_empty());
    scene.choose(2, 1, "09:06:03.999");
    // …and its delay is carried across the break: rank 3 was planned for 10:00.
    assert_eq!((scene.turn(), scene.amphi.next_deadline()), (None, Some(at("10:00"))));
    assert!(scene.tick("09:59:59.999").is_empty());
    scene.tick("10:00");
    assert_eq!(scene.turn(), Some((3, at("10:03"))));
}

#[test]
fn a6_delay_is_carried_across_breaks_and_nights() {
    let mut setup = setup(3, &[4]);
    setup.opening = ranges(&[("09:00", "09:04"), ("10:00", "10:03"), ("+1 09:00", "+1 09:01")]);
    let mut scene = Scene::published(setup);
    scene.does(Command::Open, "09:05");
    assert_eq!(scene.amphi.next_deadline(), Some(at("10:00")));
    scene.tick("10:00");
    assert_eq!(scene.amphi.delay(), Millis::from_minutes(60));
    scene.tick("10:03:02");
    assert_eq!(scene.amphi.next_deadline(), Some(at("+1 09:00")));
    scene.tick("+1 09:00");
    // The last range has no end: rank 3 is called although 09:03:02 lies beyond it.
    scene.tick("+1 09:03:02");
    assert_eq!(scene.turn(), Some((3, at("+1 09:06:02"))));
}

#[test]
fn a6_a_due_turn_noticed_only_in_the_break_opens_after_it() {
    let mut setup = setup(2, &[3]);
    setup.opening = ranges(&[("09:00", "09:04"), ("10:00", "11:00")]);
    let mut scene = Scene::begun(setup);
    scene.choose(1, 1, "09:01");
    // Nobody ticked at 09:03; at 09:30 it is too late to call anybody into the break.
    assert_eq!(kinds(&scene.tick("09:30")), ["service_interrupted"]);
    assert_eq!((scene.turn(), scene.amphi.next_deadline()), (None, Some(at("10:00"))));
    assert!(scene.tick("09:59:59.999").is_empty());
    scene.tick("10:00");
    assert_eq!(scene.turn(), Some((2, at("10:03"))));
}

#[test]
fn a6_opened_late_the_session_begins_in_the_range_that_is_open() {
    let mut scene = Scene::published(setup(2, &[3]));
    scene.does(Command::Open, "12:30");
    assert_eq!((scene.turn(), scene.amphi.next_deadline()), (None, Some(at("14:00"))));
}

// --- A3, A4, A8: choosing and not choosing ------------------------------------------------------

#[test]
fn a3_in_turn_any_post_with_a_seat_left_is_taken_at_once() {
    let mut scene = Scene::begun(setup(2, &[1, 2]));
    let events = scene.choose(1, 1, "09:01");
    assert_eq!(kinds(&events), ["choice_committed", "turn_closed"]);
    assert_eq!(scene.outcome(1), "1 in_turn");
    assert_eq!(scene.amphi.seats_left(), [0, 2]);
    scene.tick("09:03");
    let taken = Rejection::PostTaken { post: amphi_core::PostNumber(1), by: Some(CallRank(1)) };
    assert_eq!(scene.refused(choose(2, 1), "09:04"), taken);
    scene.choose(2, 2, "09:04");
    assert_eq!(scene.outcome(2), "2 in_turn");
}

#[test]
fn a3_seats_of_a_post_are_given_from_the_first() {
    let mut scene = Scene::begun(setup(3, &[3]));
    for (rank, when) in [(1, "09:00"), (2, "09:03"), (3, "09:06")] {
        scene.tick(when);
        scene.choose(rank, 1, when);
        assert!(matches!(scene.standing(rank), Standing::Placed { seat, .. } if seat == Some(rank)));
    }
}

#[test]
fn a4_a_late_intern_chooses_among_what_remains() {
    let mut scene = Scene::begun(setup(2, &[1, 3]));
    scene.tick("09:03:02");
    assert_eq!(scene.standing(1), Standing::Late { since: at("09:03:02"), passed: false });
    scene.choose(2, 1, "09:04");
    let taken = Rejection::PostTaken { post: amphi_core::PostNumber(1), by: Some(CallRank(2)) };
    assert_eq!(scene.refused(choose(1, 1), "09:05"), taken);
    scene.choose(1, 2, "09:05");
    assert_eq!(scene.outcome(1), "2 late");
}

#[test]
fn a4_a_late_intern_may_choose_while_nobodys_turn_is_open() {
    let mut scene = Scene::begun(setup(2, &[1, 1]));
    scene.pass(1, "09:01");
    // Even a last seat: there is no turn it could be taken from.
    scene.choose(1, 1, "09:02");
    assert_eq!(scene.outcome(1), "1 late");
}

#[test]
fn a4_a_late_choice_costs_the_open_turn_no_time() {
    let mut scene = Scene::begun(setup(3, &[5]));
    scene.tick("09:03:02");
    scene.choose(1, 1, "09:04");
    assert_eq!(scene.turn(), Some((2, at("09:06:02"))));
}

#[test]
fn a8_a_turn_ends_by_passing() {
    let mut scene = Scene::begun(setup(2, &[3]));
    let events = scene.pass(1, "09:01");
    let closed = Event::TurnClosed { rank: CallRank(1), outcome: TurnOutcome::Passed, reason: None };
    assert_eq!(events, [closed]);
    assert_eq!(scene.standing(1), Standing::Late { since: at("09:01"), passed: true });
    assert!(scene.is_open());
}

#[test]
fn a8_a_turn_ends_by_an_administrator() {
    let mut scene = Scene::begun(setup(2, &[3]));
    let reason = "Injoignable".to_owned();
    let events = scene.does(Command::EndTurn { rank: CallRank(1), reason: reason.clone() }, "09:01");
    let outcome = TurnOutcome::EndedByAdministrator;
    assert_eq!(events, [Event::TurnClosed { rank: CallRank(1), outcome, reason: Some(reason) }]);
    assert_eq!(scene.standing(1), Standing::Late { since: at("09:01"), passed: true });
}

#[test]
fn a8_withdrawn_in_turn_ends_the_turn_at_once() {
    let mut scene = Scene::published(setup(2, &[3]));
    scene.does(Command::Open, "09:10");
    let events = scene.withdraw(1, "09:11");
    assert_eq!(kinds(&events), ["withdrawn", "turn_closed", "turn_opened"]);
    assert_eq!((scene.outcome(1).as_str(), scene.turn()), ("withdrawn", Some((2, at("09:14")))));
}

#[test]
fn a8_placed_elsewhere_in_turn_ends_the_turn_and_leaves_the_pace_alone() {
    let mut scene = Scene::begun(setup(2, &[3]));
    let pace = scene.amphi.pace_permille();
    scene.elsewhere(1, "09:02:59");
    assert_eq!((scene.outcome(1).as_str(), scene.turn()), ("placed_elsewhere", None));
    assert_eq!(scene.amphi.pace_permille(), pace);
}

#[test]
fn a8_placed_elsewhere_ahead_of_time_is_skipped_without_time() {
    let mut scene = Scene::begun(setup(4, &[5]));
    scene.elsewhere(2, "09:01");
    scene.withdraw(3, "09:02");
    scene.elsewhere(3, "09:02");
    let events = scene.tick("09:03:02");
    assert_eq!(kinds(&events), ["turn_closed", "turn_skipped", "turn_skipped"]);
    // Skipped, and yet nobody is called before their own time.
    assert_eq!(scene.amphi.next_deadline(), Some(at("09:09")));
    scene.tick("09:09");
    assert_eq!(scene.turn(), Some((4, at("09:12"))));
}

#[test]
fn a8_leaving_between_turns_is_skipped_at_once() {
    let mut scene = Scene::begun(setup(3, &[4]));
    scene.choose(1, 1, "09:01");
    assert_eq!(kinds(&scene.withdraw(2, "09:02")), ["withdrawn", "turn_skipped"]);
    assert_eq!((scene.amphi.next_rank(), scene.amphi.next_deadline()), (CallRank(3), Some(at("09:06"))));
    assert!(scene.tick("09:02:01").is_empty());
    // The last of the list leaves: nothing is due any more, ever.
    scene.elsewhere(3, "09:02:02");
    assert_eq!(scene.amphi.next_deadline(), None);
}

#[test]
fn a8_leaving_before_the_session_opens_is_skipped_when_it_opens() {
    let mut scene = Scene::published(setup(2, &[3]));
    assert_eq!(kinds(&scene.elsewhere(1, "08:10")), ["placed_elsewhere"]);
    assert_eq!(kinds(&scene.does(Command::Open, "09:04")), ["opened", "turn_skipped", "turn_opened"]);
    assert_eq!(scene.turn(), Some((2, at("09:07"))));
}

#[test]
fn a8_placed_elsewhere_is_noted_once_and_never_undoes_a_seat() {
    let mut scene = Scene::begun(setup(2, &[3]));
    scene.choose(1, 1, "09:01");
    assert!(scene.elsewhere(1, "09:01").is_empty());
    assert_eq!(scene.elsewhere(2, "09:01").len(), 2);
    assert!(scene.elsewhere(2, "09:01").is_empty());
    assert_eq!((scene.outcome(1).as_str(), scene.outcome(2).as_str()), ("1 in_turn", "placed_elsewhere"));
}

// --- A9: the deadline and the grace -------------------------------------------------------------

#[test]
fn a9_the_turn_closes_two_seconds_after_its_deadline() {
    assert_eq!(GRACE, Millis::from_secs(2));
    let mut scene = Scene::begun(setup(1, &[2]));
    assert_eq!(scene.amphi.next_deadline(), Some(at("09:03:02")));
    assert!(scene.tick("09:03:01.999").is_empty());
    let outcome = TurnOutcome::Expired;
    let closed = Event::TurnClosed { rank: CallRank(1), outcome, reason: None };
    assert_eq!(scene.tick("09:03:02"), [closed]);
}

#[test]
fn a9_choice_in_grace_is_taken_and_noted() {
    for (when, outcome) in [
        ("09:02:59.999", "1 in_turn"),
        ("09:03:00.000", "1 in_turn"),
        ("09:03:00.001", "1 in_grace"),
        ("09:03:01.999", "1 in_grace"),
        // After the grace the turn is over, whether a tick has said so or not.
        ("09:03:02.000", "1 late"),
        ("09:10:00.000", "1 late"),
    ] {
        let mut scene = Scene::begun(setup(1, &[2]));
        scene.choose(1, 1, when);
        assert_eq!(scene.outcome(1), outcome, "{when}");
    }
}

#[test]
fn a9_time_that_ran_out_counts_before_what_is_asked() {
    // Rank 1's time has run out and nobody ticked: whatever comes first finds rank 2 in turn.
    let late = |command: Command, when: &str| {
        let mut scene = Scene::begun(setup(3, &[1, 4]));
        let events = scene.does(command, when);
        (scene, kinds(&events))
    };
    let (scene, events) = late(choose(2, 1), "09:03:02");
    assert_eq!(events, ["turn_closed", "turn_opened", "choice_committed", "turn_closed"]);
    assert_eq!((scene.outcome(1).as_str(), scene.outcome(2).as_str()), ("late", "1 in_turn"));
    let (scene, events) = late(choose(1, 1), "09:03:02");
    assert_eq!(events, ["turn_closed", "turn_opened", "choice_held"]);
    assert_eq!(scene.turn(), Some((2, at("09:06:02"))));
    let mut scene = Scene::begun(setup(2, &[3]));
    let over = Rejection::TurnNotInProgress { rank: CallRank(1) };
    assert_eq!(scene.refused(Command::Pass { rank: CallRank(1) }, "09:03:02"), over);
    // A turn that is due opens, too, and takes the choice of whoever was quicker than the tick.
    scene.pass(1, "09:01");
    scene.choose(2, 1, "09:03");
    assert_eq!(scene.outcome(2), "1 in_turn");
}

#[test]
fn a9_passing_in_grace_ends_the_turn() {
    let mut scene = Scene::begun(setup(1, &[2]));
    scene.pass(1, "09:03:01.999");
    assert_eq!(scene.standing(1), Standing::Late { since: at("09:03:01.999"), passed: true });
}

#[test]
fn a11_extra_time_lengthens_the_turn_of_that_intern_alone() {
    let mut setup = setup(2, &[3]);
    setup.participants[0].extra_time_percent = 33;
    let mut scene = Scene::begun(setup);
    assert_eq!(scene.turn(), Some((1, at("09:03:59.400"))));
    assert!(scene.tick("09:04:01.399").is_empty());
    scene.tick("09:04:01.400");
    assert_eq!(scene.turn(), Some((2, at("09:07:01.400"))));
}

// --- time ---------------------------------------------------------------------------------------

#[test]
fn a9_a_tick_does_nothing_before_the_next_deadline_and_nothing_twice() {
    let mut scene = Scene::opened(setup(3, &[4]));
    for _ in 0..6 {
        let deadline = scene.amphi.next_deadline().unwrap();
        let engine = amphi_core::Actor::Engine;
        assert_eq!(scene.play(engine, &Command::Tick, deadline - Millis(1)), Ok(vec![]));
        assert!(!scene.play(engine, &Command::Tick, deadline).unwrap().is_empty());
        assert_eq!(scene.play(engine, &Command::Tick, deadline), Ok(vec![]));
        if scene.amphi.next_deadline().is_none() {
            break;
        }
        assert_eq!(scene.play(engine, &Command::Tick, deadline + Millis(1)), Ok(vec![]));
    }
    assert_eq!(scene.amphi.next_deadline(), None);
    assert!(scene.tick("+3 09:00").is_empty());
}

#[test]
fn p4_time_going_backwards_neither_ends_a_turn_early_nor_dates_an_event_back() {
    let mut scene = Scene::begun(setup(2, &[3]));
    scene.tick("09:03:02");
    // The clock falls back by an hour: rank 1, late, is dated no earlier than what went before.
    let rank_1_chose = scene.play(intern(1), &choose(1, 1), at("08:03")).unwrap();
    assert_eq!(kinds(&rank_1_chose), ["choice_committed"]);
    assert!(matches!(scene.standing(1), Standing::Placed { at: t, .. } if t == at("09:03:02")));
    assert_eq!(scene.turn(), Some((2, at("09:06:02"))));
    assert!(scene.tick("08:06:04").is_empty());
    assert!(scene.tick("09:06:03.999").is_empty());
    assert_eq!(scene.amphi.last_event_at(), at("09:03:02"));
    assert_eq!(scene.tick("09:06:04").len(), 1);
    assert_eq!(scene.amphi.event_instant(Timestamp(0)), at("09:06:04"));
}

#[test]
fn p4_a_turn_opened_while_the_clock_is_behind_still_lasts_its_whole_time() {
    let mut scene = Scene::published(setup(2, &[3]));
    scene.does(Command::Open, "09:10");
    scene.pass(1, "08:00");
    assert_eq!(scene.turn(), Some((2, at("09:13"))));
    assert!(scene.tick("09:13:01.999").is_empty());
}
