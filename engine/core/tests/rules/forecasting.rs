//! A2, A7: expected passage times, worked out by hand. The pace begins at 600 ‰ with the weight of
//! three turns.

use amphi_core::{Command, Forecast};

use crate::scene::{Scene, at, ranges, setup};

#[track_caller]
fn assert_forecast(scene: &Scene, now: &str, expected: &[Option<[&str; 3]>]) {
    let instants = |[earliest, expected, latest]: [&str; 3]| Forecast {
        earliest: at(earliest),
        expected: at(expected),
        latest: at(latest),
    };
    let expected: Vec<_> = expected.iter().map(|times| times.map(instants)).collect();
    assert_eq!(scene.amphi.forecasts(at(now)), expected);
}

#[test]
fn a7_before_the_session_everybody_is_expected_as_planned() {
    let scene = Scene::published(setup(3, &[4]));
    assert_forecast(
        &scene,
        "08:30",
        &[
            Some(["09:00", "09:00", "09:00"]),
            Some(["09:03", "09:03", "09:03:02"]),
            Some(["09:06", "09:06", "09:06:04"]),
        ],
    );
    assert!(Scene::empty().amphi.forecasts(at("08:30")).is_empty());
    let draft = Scene::drafted(setup(2, &[3]));
    assert_forecast(&draft, "08:30", &[None, None]);
}

#[test]
fn a2_expected_times_take_accumulated_delay_into_account() {
    let mut scene = Scene::published(setup(3, &[4]));
    scene.does(Command::Open, "09:20");
    // 180 s × 600 ‰ = 108 s a turn; a minute of it is gone.
    assert_forecast(
        &scene,
        "09:21",
        &[None, Some(["09:21", "09:21:48", "09:23:02"]), Some(["09:21", "09:23:36", "09:26:04"])],
    );
}

#[test]
fn a7_the_pace_is_this_amphis_own() {
    let mut scene = Scene::published(setup(4, &[5]));
    scene.does(Command::Open, "09:20");
    scene.choose(1, 1, "09:20:12");
    // (3 × 108 + 12) s used of (3 + 1) × 180 s.
    assert_eq!(scene.amphi.pace_permille(), 336 * 1_000 / 720);
    // A turn that runs out counts as its whole time, without the grace.
    scene.tick("09:23:14");
    assert_eq!(scene.amphi.pace_permille(), 516 * 1_000 / 900);
}

#[test]
fn a7_a_turn_longer_than_the_pace_is_expected_to_end_now() {
    let mut scene = Scene::published(setup(2, &[3]));
    scene.does(Command::Open, "09:20");
    assert_forecast(&scene, "09:22:30", &[None, Some(["09:22:30", "09:22:30", "09:23:02"])]);
    // Beyond the grace (the tick is on its way): now, for all three.
    assert_forecast(&scene, "09:23:04", &[None, Some(["09:23:04", "09:23:04", "09:23:04"])]);
}

#[test]
fn a7_forecasts_respect_breaks_and_extra_time() {
    let mut setup = setup(4, &[5]);
    setup.opening = ranges(&[("09:00", "09:05"), ("10:00", "11:00")]);
    setup.participants[1].extra_time_percent = 100;
    let scene = Scene::begun(setup);
    // Rank 2 may take 6 minutes: 216 s at this pace. Rank 3 is planned after the break.
    assert_forecast(
        &scene,
        "09:00",
        &[
            None,
            Some(["09:03", "09:03", "09:03:02"]),
            Some(["10:00", "10:00", "10:00"]),
            Some(["10:03", "10:03", "10:03:02"]),
        ],
    );
}

#[test]
fn a7_a_delay_that_may_reach_the_break_shows_in_the_latest_time_only() {
    let mut setup = setup(3, &[4]);
    setup.opening = ranges(&[("09:00", "09:25"), ("10:00", "11:00")]);
    let mut scene = Scene::published(setup);
    scene.does(Command::Open, "09:20");
    assert_forecast(
        &scene,
        "09:20",
        &[None, Some(["09:20", "09:21:48", "09:23:02"]), Some(["09:20", "09:23:36", "10:00"])],
    );
}

#[test]
fn a7_whoever_left_takes_no_time() {
    let mut scene = Scene::published(setup(4, &[5]));
    scene.does(Command::Open, "09:20");
    scene.withdraw(2, "09:20");
    scene.elsewhere(3, "09:20");
    assert_forecast(&scene, "09:20", &[None, None, None, Some(["09:20", "09:21:48", "09:23:02"])]);
}

#[test]
fn a10_every_expected_time_moves_with_a_suspension() {
    let mut scene = Scene::published(setup(3, &[4]));
    scene.does(Command::Open, "09:20");
    scene.suspend("09:21");
    // As if it went on now: two minutes are left of the turn, 48 s of them at this pace.
    for (now, second, third) in [
        ("09:21", ["09:21", "09:21:48", "09:23:02"], ["09:21", "09:23:36", "09:26:04"]),
        ("09:51", ["09:51", "09:51:48", "09:53:02"], ["09:51", "09:53:36", "09:56:04"]),
    ] {
        assert_forecast(&scene, now, &[None, Some(second), Some(third)]);
    }
    scene.resume("09:51");
    let second = Some(["09:51", "09:51:48", "09:53:02"]);
    assert_forecast(&scene, "09:51", &[None, second, Some(["09:51", "09:53:36", "09:56:04"])]);
}

#[test]
fn a7_the_last_rank_called_leaves_nothing_to_forecast() {
    let mut scene = Scene::begun(setup(1, &[2]));
    assert_forecast(&scene, "09:01", &[None]);
    scene.choose(1, 1, "09:01");
    assert_forecast(&scene, "09:01", &[None]);
}
