//! Minutes show the wall clock of the amphi (Time): overseas, and across a change of clocks.

use amphi_portal::minutes::tables::{self, Cell};
use amphi_portal::minutes::{Format, SessionRecord, write};
use amphi_portal::pages::wording::Zone;
use calamine::{Data, Reader as _};

use super::forms::{assert_workbook, played, wall_clock, workbook};
use crate::french_days::nine_o_clock;

/// What the page and the workbook say of the planned time of `rank`.
fn planned(record: &SessionRecord, rank: usize) -> (String, String) {
    let zone = Zone::named(&record.time_zone);
    let cell = tables::turns(record).rows[rank - 1][2].clone();
    assert!(matches!(cell, Cell::At(_)));
    let said = cell.said(&zone).into_owned();
    let html = String::from_utf8(write(record, Format::Html).unwrap()).unwrap();
    assert!(html.contains(&format!("<td>{said}</td>")), "{said}");
    let range = workbook(record).worksheet_range("Tours").unwrap();
    let Some(Data::DateTime(read)) = range.get_value((rank as u32, 2)) else { panic!("no date") };
    let heading = range.get_value((0, 2)).unwrap().to_string();
    assert_eq!(heading, format!("Prévu ({})", zone.label()));
    (said.replace('\u{a0}', " "), wall_clock(read))
}

#[test]
fn time_every_french_zone_shows_its_own_wall_clock() {
    let mut zones: Vec<_> = nine_o_clock().iter().map(|nine| (nine.zone, nine.label)).collect();
    zones.dedup();
    for (zone, label) in zones {
        let record = played("lille-pediatrie", zone, &[("2027-05-03 08:00", "2027-05-03 18:00")]);
        assert_workbook(&record);
        let first = "03/05/2027 08:00:00".to_owned();
        assert_eq!(planned(&record, 1), (first.clone(), first), "{zone}");
        let html = String::from_utf8(write(&record, Format::Html).unwrap()).unwrap();
        assert!(html.contains(&format!("Toutes les heures sont à l’{label}.")), "{zone}");
    }
}

#[test]
fn time_a_session_over_the_autumn_change_keeps_the_wall_clock_of_each_day() {
    // The clocks of Paris go back in the night from 30 to 31 October 2027.
    let days = [("2027-10-30 09:00", "2027-10-30 09:25"), ("2027-10-31 09:00", "2027-10-31 18:00")];
    let record = played("lille-pediatrie", "Europe/Paris", &days);
    assert_workbook(&record);
    let before = "30/10/2027 09:00:00".to_owned();
    assert_eq!(planned(&record, 1), (before.clone(), before));
    let after = "31/10/2027 09:00:00".to_owned();
    assert_eq!(planned(&record, 6), (after.clone(), after));
    let [one, six] = [0, 5].map(|index| record.turns[index].planned_at.unwrap());
    assert_eq!((six - one).0, 25 * 3_600_000, "the night is an hour longer");
}

#[test]
fn time_the_hour_that_happens_twice_says_which_one_it_is() {
    let zone = Zone::named("Europe/Paris");
    let at = |utc: &str| {
        let time = chrono::DateTime::parse_from_rfc3339(utc).unwrap();
        zone.stamp(amphi_engine::core::Timestamp(time.timestamp_millis())).replace('\u{a0}', " ")
    };
    assert_eq!(at("2027-10-31T00:30:00Z"), "31/10/2027 02:30:00 (UTC+02:00)");
    assert_eq!(at("2027-10-31T01:30:00Z"), "31/10/2027 02:30:00 (UTC+01:00)");
    assert_eq!(at("2027-10-31T02:30:00Z"), "31/10/2027 03:30:00");
}
