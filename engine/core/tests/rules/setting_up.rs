//! 3.1: what an amphi is set up with, and what makes a setup unusable.

use amphi_core::setup::{PARTICIPANTS_MAX, POSTS_MAX, SEATS_MAX};
use amphi_core::{Half, Millis, Period, Rejection, Setup};

use crate::scene::{Scene, setup};

#[test]
fn r3_1_the_default_turn_is_3_minutes_and_5_for_lists_under_30() {
    for (interns, minutes) in [(1, 5), (29, 5), (30, 3), (490, 3)] {
        assert_eq!(Setup::default_turn_duration(interns), Millis::from_minutes(minutes));
    }
}

#[test]
fn r3_1_seats_required_are_107_percent_rounded_up() {
    for (interns, required) in [(1, 2), (10, 11), (14, 15), (100, 107), (101, 109), (490, 525)] {
        assert_eq!(setup(interns, &[1]).seats_required(), required, "{interns}");
    }
    assert_eq!(setup(1, &[3, 0, 4]).seats(), 7);
}

type Breakage = fn(&mut Setup);

#[test]
fn r3_1_an_unusable_draft_is_refused_with_the_reason() {
    let cases: [(&str, Breakage); 11] = [
        ("the call list is empty", |s| s.participants.clear()),
        ("at most 2000 fit", |s| *s = setup(PARTICIPANTS_MAX as u16 + 1, &[1])),
        ("ranks 1 and 3 are the same intern", |s| s.participants[2].intern = s.participants[0].intern),
        ("there is no post", |s| s.posts.clear()),
        ("at most 5000 fit", |s| *s = setup(3, &[1; POSTS_MAX + 1])),
        ("post 2 has more than 500 seats", |s| s.posts[1].seats = SEATS_MAX + 1),
        ("10 seconds to 1 hour", |s| s.turn_duration = Millis(9_999)),
        ("10 seconds to 1 hour", |s| s.turn_duration = Millis(3_600_001)),
        ("rank 2 has more than 200 %", |s| s.participants[1].extra_time_percent = 201),
        ("\"Paris\" is not an IANA time zone", |s| s.time_zone = "Paris".to_owned()),
        ("\"\" is not an IANA time zone", |s| s.time_zone.clear()),
    ];
    for (expected, breakage) in cases {
        let mut broken = setup(3, &[1, 2]);
        breakage(&mut broken);
        let draft = amphi_core::Command::Draft(Box::new(broken));
        match Scene::empty().refused(draft, "08:00") {
            Rejection::UnusableSetup { problem } => assert!(problem.contains(expected), "{problem}"),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn r3_1_a_setup_at_its_limits_is_usable() {
    let mut largest = setup(PARTICIPANTS_MAX as u16, &[SEATS_MAX; POSTS_MAX]);
    largest.turn_duration = Millis::from_minutes(60);
    largest.participants[0].extra_time_percent = 200;
    assert_eq!(largest.validate(), Ok(()));
    let mut shortest = setup(1, &[0]);
    shortest.turn_duration = Millis::from_secs(10);
    assert_eq!(shortest.validate(), Ok(()));
    for zone in
        ["Indian/Reunion", "Pacific/Tahiti", "Pacific/Marquesas", "America/Miquelon", "Pacific/Noumea"]
    {
        shortest.time_zone = zone.to_owned();
        assert_eq!(shortest.validate(), Ok(()));
    }
}

#[test]
fn r3_1_a_period_is_a_may_or_a_november() {
    for (text, year, half) in [("2027-05", 2027, Half::May), ("2027-11", 2027, Half::November)] {
        let period: Period = serde_json::from_value(text.into()).unwrap();
        assert_eq!(period, Period { year, half });
        assert_eq!(String::from(period), text);
    }
    for text in ["2027-06", "2027", "27-05", "", "2027-5", "02027-05", "-027-05"] {
        assert!(Period::try_from(text.to_owned()).is_err(), "{text}");
    }
}
