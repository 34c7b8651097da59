//! 3.1 and A6: opening ranges, breaks, zones, and the plan laid over them.

use amphi_core::opening::{Opening, OpeningError, OpeningRange, local_instant};
use amphi_core::{Millis, Setup, Timestamp};
use chrono::{NaiveDate, NaiveDateTime};
use chrono_tz::Tz;

use crate::scene::{Scene, at, ranges, setup};

fn local(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
}

fn plan_of(setup: &Setup) -> Vec<Timestamp> {
    Scene::published(setup.clone()).amphi.planned_at().to_vec()
}

#[test]
fn r3_1_opening_ranges_are_at_least_one_in_order_and_apart() {
    let range = |from, to| OpeningRange { opens_at: at(from), closes_at: at(to) };
    let new = |hours: &[(&'static str, &'static str)]| {
        Opening::new(hours.iter().map(|(from, to)| range(from, to)).collect())
    };
    assert_eq!(new(&[]), Err(OpeningError::Empty));
    assert_eq!(new(&[("12:00", "09:00")]), Err(OpeningError::Disordered(1)));
    assert_eq!(new(&[("09:00", "09:00")]), Err(OpeningError::Disordered(1)));
    assert_eq!(new(&[("09:00", "12:00"), ("11:59", "13:00")]), Err(OpeningError::Disordered(2)));
    assert_eq!(new(&[("14:00", "18:00"), ("09:00", "12:00")]), Err(OpeningError::Disordered(2)));
    let touching = new(&[("09:00", "12:00"), ("12:00", "13:00")]).unwrap();
    assert_eq!(touching.announced_end(), at("13:00"));
    // The same checks guard the journal: JSON is no way around them.
    let json = serde_json::to_string(&touching).unwrap();
    assert_eq!(serde_json::from_str::<Opening>(&json).unwrap(), touching);
    assert!(serde_json::from_str::<Opening>("[]").is_err());
    assert!(serde_json::from_str::<Opening>(r#"[{"opens_at":5,"closes_at":4}]"#).is_err());
}

#[test]
fn a6_first_open_instant_is_moved_out_of_breaks_and_nights() {
    let opening = ranges(&[("09:00", "12:00"), ("14:00", "18:00"), ("+1 09:00", "+1 12:00")]);
    for (from, to) in [
        ("00:00", "09:00"),
        ("08:59:59.999", "09:00"),
        ("09:00", "09:00"),
        ("10:30", "10:30"),
        ("11:59:59.999", "11:59:59.999"),
        ("12:00", "14:00"),
        ("13:59:59.999", "14:00"),
        ("14:00", "14:00"),
        ("18:00", "+1 09:00"),
        ("23:00", "+1 09:00"),
        ("+1 11:59:59.999", "+1 11:59:59.999"),
        // The last range has no end.
        ("+1 12:00", "+1 12:00"),
        ("+2 03:00", "+2 03:00"),
    ] {
        assert_eq!(opening.first_open_from(at(from)), at(to), "{from}");
    }
}

#[test]
fn a1_planned_times_are_laid_over_the_ranges() {
    let mut setup = setup(8, &[9]);
    setup.turn_duration = Millis::from_minutes(50);
    let planned = ["09:00", "09:50", "10:40", "11:30", "14:00", "14:50", "15:40", "16:30"].map(at);
    // Rank 4 begins before the break and may run into it; rank 5 begins after it.
    assert_eq!(plan_of(&setup), planned);
}

#[test]
fn a1_a_turn_planned_to_end_with_a_range_lets_the_next_begin_after_the_break() {
    let mut setup = setup(4, &[9]);
    setup.turn_duration = Millis::from_minutes(60);
    setup.opening = ranges(&[("09:00", "10:00"), ("11:00", "12:00"), ("+1 09:00", "+1 10:00")]);
    // And the fourth overflows the last range: the plan goes on rather than leave anybody out.
    assert_eq!(plan_of(&setup), ["09:00", "11:00", "+1 09:00", "+1 10:00"].map(at));
}

#[test]
fn a11_extra_time_is_part_of_the_plan() {
    let mut setup = setup(4, &[5]);
    setup.participants[1].extra_time_percent = 33;
    setup.participants[2].extra_time_percent = 200;
    assert_eq!(plan_of(&setup), ["09:00", "09:03", "09:06:59.400", "09:15:59.400"].map(at));
    assert_eq!(setup.turn_duration_of(amphi_core::CallRank(2)), Millis(239_400));
}

#[test]
fn r3_1_hours_are_wall_clock_times_of_the_amphis_own_zone() {
    for (zone, wall, utc) in [
        ("Europe/Paris", "2027-03-27 09:00", "2027-03-27 08:00"),
        ("Europe/Paris", "2027-03-28 09:00", "2027-03-28 07:00"),
        ("Europe/Paris", "2027-03-28 01:59", "2027-03-28 00:59"),
        ("Europe/Paris", "2027-03-28 03:00", "2027-03-28 01:00"),
        ("Europe/Paris", "2027-10-31 01:59", "2027-10-30 23:59"),
        ("Europe/Paris", "2027-10-31 03:00", "2027-10-31 02:00"),
        ("Indian/Reunion", "2027-05-03 09:00", "2027-05-03 05:00"),
        ("Indian/Mayotte", "2027-05-03 09:00", "2027-05-03 06:00"),
        ("America/Martinique", "2027-05-03 09:00", "2027-05-03 13:00"),
        ("America/Cayenne", "2027-05-03 09:00", "2027-05-03 12:00"),
        // Miquelon changes with North America: already summer time when Paris is not.
        ("America/Miquelon", "2027-03-20 09:00", "2027-03-20 11:00"),
        ("America/Miquelon", "2027-01-20 09:00", "2027-01-20 12:00"),
        ("Pacific/Tahiti", "2027-05-03 09:00", "2027-05-03 19:00"),
        ("Pacific/Marquesas", "2027-05-03 09:00", "2027-05-03 18:30"),
        ("Pacific/Gambier", "2027-05-03 09:00", "2027-05-03 18:00"),
        ("Pacific/Noumea", "2027-05-03 09:00", "2027-05-02 22:00"),
        ("Pacific/Wallis", "2027-05-03 09:00", "2027-05-02 21:00"),
    ] {
        let instant = local_instant(zone.parse::<Tz>().unwrap(), local(wall)).unwrap();
        assert_eq!(instant.0, local(utc).and_utc().timestamp_millis(), "{zone} {wall}");
    }
}

#[test]
fn r3_1_the_hour_that_does_not_exist_is_refused() {
    for (zone, wall) in [
        ("Europe/Paris", "2027-03-28 02:00"),
        ("Europe/Paris", "2027-03-28 02:30"),
        ("Europe/Paris", "2027-03-28 02:59"),
        ("America/Miquelon", "2027-03-14 02:30"),
    ] {
        let zone = zone.parse::<Tz>().unwrap();
        let refusal = local_instant(zone, local(wall)).unwrap_err();
        assert_eq!(refusal, OpeningError::Nonexistent(local(wall), zone));
    }
}

#[test]
fn r3_1_the_hour_that_happens_twice_is_refused() {
    for (zone, wall) in [
        ("Europe/Paris", "2027-10-31 02:00"),
        ("Europe/Paris", "2027-10-31 02:59"),
        ("America/Miquelon", "2027-11-07 01:30"),
    ] {
        let zone = zone.parse::<Tz>().unwrap();
        let refusal = local_instant(zone, local(wall)).unwrap_err();
        assert_eq!(refusal, OpeningError::Ambiguous(local(wall), zone));
    }
}

#[test]
fn r3_1_a_session_over_a_clock_change_keeps_its_order_in_utc() {
    let paris = chrono_tz::Europe::Paris;
    let day = |d, h| {
        let wall = NaiveDate::from_ymd_opt(2027, 10, d).unwrap().and_hms_opt(h, 0, 0).unwrap();
        local_instant(paris, wall).unwrap()
    };
    let mut setup = setup(3, &[4]);
    setup.turn_duration = Millis::from_minutes(60);
    setup.opening = Opening::new(vec![
        OpeningRange { opens_at: day(30, 9), closes_at: day(30, 11) },
        OpeningRange { opens_at: day(31, 9), closes_at: day(31, 11) },
    ])
    .unwrap();
    let planned = plan_of(&setup);
    assert_eq!(planned, [day(30, 9), day(30, 10), day(31, 9)]);
    // 09:00 to 09:00 over the night with the doubled hour: 25 hours.
    assert_eq!(planned[2] - planned[0], Millis::from_minutes(25 * 60));
}
