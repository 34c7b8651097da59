//! A10: suspending, resuming, recovering. A turn gets at least the time that was announced to it (P4).

use amphi_core::{CallRank, Command, Event, Millis, Rejection, Status};

use crate::scene::{Scene, at, choose, ranges, setup};

fn remaining(scene: &Scene) -> Option<Millis> {
    scene.amphi.turn().unwrap().remaining_when_suspended
}

#[test]
fn a10_suspension_keeps_remaining_time() {
    let mut scene = Scene::begun(setup(2, &[3]));
    scene.suspend("09:01");
    let reason = "Panne de réseau".to_owned();
    assert_eq!(*scene.amphi.status(), Status::Suspended { reason, since: at("09:01") });
    assert_eq!(remaining(&scene), Some(Millis::from_minutes(2)));
    assert_eq!(scene.amphi.next_deadline(), None);
    // However long it lasts, nothing runs out.
    assert!(scene.tick("11:00").is_empty());
    assert_eq!(scene.resume("11:10"), [Event::Resumed { deadline: Some(at("11:12")) }]);
    assert_eq!((scene.turn(), remaining(&scene)), (Some((1, at("11:12"))), None));
    assert!(scene.tick("11:12:01.999").is_empty());
    assert_eq!(scene.tick("11:12:02").len(), 2);
}

#[test]
fn a10_suspension_may_be_repeated_and_the_time_left_only_runs_in_between() {
    let mut scene = Scene::begun(setup(1, &[2]));
    scene.suspend("09:01");
    scene.resume("09:30");
    scene.suspend("09:31");
    scene.resume("10:00");
    assert_eq!(scene.turn(), Some((1, at("10:01"))));
    assert_eq!(scene.amphi.turn().unwrap().stopped_for, Millis::from_minutes(58));
    // The pace counts the three minutes that ran, not the hour on the wall.
    scene.choose(1, 1, "10:01");
    assert_eq!(scene.amphi.pace_permille(), 700);
}

#[test]
fn a10_suspended_in_grace_leaves_the_whole_grace() {
    let mut scene = Scene::begun(setup(1, &[2]));
    scene.suspend("09:03:01.999");
    assert_eq!(remaining(&scene), Some(Millis::ZERO));
    scene.resume("09:10");
    assert!(scene.tick("09:10:01.999").is_empty());
    scene.choose(1, 1, "09:10:01.999");
    assert_eq!(scene.outcome(1), "1 in_grace");
}

#[test]
fn a10_suspended_after_the_grace_finds_the_turn_over() {
    let mut scene = Scene::begun(setup(2, &[3]));
    scene.suspend("09:03:02");
    assert_eq!((scene.outcome(1).as_str(), scene.turn()), ("late", Some((2, at("09:06:02")))));
    assert_eq!(remaining(&scene), Some(Millis::from_minutes(3)));
}

#[test]
fn a10_suspended_between_turns_the_next_opens_at_its_time_or_at_resumption() {
    for (resumed, turn) in
        [("09:02", None), ("09:03", Some((2, at("09:06")))), ("09:20", Some((2, at("09:23"))))]
    {
        let mut scene = Scene::begun(setup(2, &[3]));
        scene.choose(1, 1, "09:01");
        scene.suspend("09:01:30");
        assert_eq!(scene.amphi.next_deadline(), None);
        assert!(scene.tick("09:04").is_empty());
        assert_eq!(scene.resume(resumed)[0], Event::Resumed { deadline: None });
        assert_eq!(scene.turn(), turn, "{resumed}");
    }
}

#[test]
fn a10_resumed_in_a_break_the_open_turn_runs_on_and_the_next_waits() {
    let mut setup = setup(2, &[3]);
    setup.opening = ranges(&[("09:00", "09:05"), ("10:00", "11:00")]);
    let mut scene = Scene::begun(setup);
    scene.suspend("09:01");
    scene.resume("09:30");
    assert_eq!(scene.turn(), Some((1, at("09:32"))));
    scene.tick("09:32:02");
    assert_eq!((scene.turn(), scene.amphi.next_deadline()), (None, Some(at("10:00"))));
}

#[test]
fn a10_choices_and_passing_wait_while_suspended() {
    let mut scene = Scene::begun(setup(2, &[3]));
    scene.suspend("09:01");
    for command in [
        choose(1, 1),
        choose(2, 1),
        Command::Pass { rank: CallRank(1) },
        Command::EndTurn { rank: CallRank(1), reason: "x".to_owned() },
        Command::Suspend { reason: "x".to_owned() },
    ] {
        assert_eq!(scene.refused(command, "09:02"), Rejection::Suspended);
    }
    scene.resume("09:05");
    scene.choose(1, 1, "09:07");
    assert_eq!(scene.outcome(1), "1 in_turn");
}

#[test]
fn a10_leaving_while_suspended_ends_the_turn_and_the_next_waits_for_resumption() {
    let mut scene = Scene::begun(setup(3, &[4]));
    scene.suspend("09:01");
    scene.elsewhere(1, "09:02");
    scene.withdraw(2, "09:02");
    assert_eq!((scene.turn(), scene.amphi.next_rank()), (None, CallRank(3)));
    assert_eq!(scene.resume("09:10").len(), 2);
    assert_eq!(scene.turn(), Some((3, at("09:13"))));
}

#[test]
fn a10_a_crash_is_a_suspension() {
    for (down_since, back, deadline) in [
        // Down since a minute into the turn: two minutes are left.
        ("09:01", "09:30", "09:32"),
        // Last seen before the last event: that event proves it was in service.
        ("08:45", "09:30", "09:33"),
        // Last seen in the future (clocks differ): no time is lost, none invented.
        ("09:40", "09:02", "09:03"),
        // Down in the grace, or found only after it: the whole grace again.
        ("09:03:01", "09:30", "09:30"),
        ("09:20", "09:30", "09:30"),
    ] {
        let mut scene = Scene::begun(setup(2, &[3]));
        let events = scene.recover(down_since, back);
        assert_eq!(events.len(), 1);
        assert_eq!(scene.turn(), Some((1, at(deadline))), "{down_since}");
        assert_eq!(scene.amphi.next_deadline(), Some(at(deadline) + Millis::from_secs(2)));
    }
}

#[test]
fn a10_a_crash_gives_back_the_time_it_took() {
    let mut scene = Scene::begun(setup(1, &[2]));
    scene.recover("09:01", "09:11");
    scene.recover("09:12", "09:22");
    assert_eq!(scene.turn(), Some((1, at("09:23"))));
    assert_eq!(scene.amphi.turn().unwrap().stopped_for, Millis::from_minutes(20));
    scene.choose(1, 1, "09:23");
    assert_eq!(scene.outcome(1), "1 in_turn");
}

#[test]
fn a10_a_crash_between_turns_opens_the_next_at_once_or_in_time() {
    for (back, turn) in [("09:02", None), ("09:10", Some((2, at("09:13")))), ("12:30", None)] {
        let mut scene = Scene::begun(setup(2, &[3]));
        scene.choose(1, 1, "09:01");
        let events = scene.recover("09:01:30", back);
        assert_eq!(
            events[0],
            Event::ServiceInterrupted { down_since: at("09:01:30").min(at(back)), deadline: None }
        );
        assert_eq!(scene.turn(), turn, "{back}");
    }
    // Back in the break: due after it.
    let mut scene = Scene::opened(setup(1, &[2]));
    scene.recover("08:40", "12:30");
    assert_eq!(scene.amphi.next_deadline(), Some(at("14:00")));
}

#[test]
fn a10_a_crash_in_a_break_leaves_the_open_turn_its_time() {
    let mut setup = setup(2, &[3]);
    setup.opening = ranges(&[("09:00", "09:01"), ("10:00", "11:00")]);
    let mut scene = Scene::begun(setup);
    scene.recover("09:02", "09:40");
    assert_eq!(scene.turn(), Some((1, at("09:41"))));
}

#[test]
fn a10_a_crash_matters_only_to_a_session_that_runs() {
    let mut scene = Scene::published(setup(1, &[2]));
    assert!(scene.recover("08:10", "08:20").is_empty());
    scene.does(Command::Open, "09:00");
    scene.suspend("09:01");
    assert!(scene.recover("09:02", "09:20").is_empty());
    assert_eq!(remaining(&scene), Some(Millis::from_minutes(2)));
}

#[test]
fn p4_suspending_while_the_clock_is_behind_takes_no_time_away() {
    let mut scene = Scene::begun(setup(1, &[2]));
    scene.suspend("08:00");
    assert_eq!(remaining(&scene), Some(Millis::from_minutes(3)));
    scene.resume("08:10");
    assert_eq!(scene.turn(), Some((1, at("09:03"))));
}
