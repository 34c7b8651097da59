//! Hours in mails and calendars, on both sides of a change of clocks and overseas.

use amphi_engine::core::opening::{Opening, OpeningRange, local_instant};
use amphi_engine::core::{Command, Millis, Setup, Timestamp};
use chrono::{Datelike as _, NaiveDate};
use chrono_tz::Tz;
use icalendar::{Calendar, CalendarComponent, CalendarDateTime, Component as _, DatePerhapsTime};

use super::office::{Row, with_office, with_office_from};
use crate::french_days::nine_o_clock;
use crate::scene::{ADMINISTRATOR, setup};

/// Two interns; the first passes at 9:00 on `days[0]`, the second at 9:00 on `days[1]`, local hours.
fn setup_in(zone: &str, days: [(i32, u32, u32); 2]) -> Setup {
    let mut setup = setup(2, &[2, 2]);
    let tz: Tz = zone.parse().unwrap();
    let range = |(year, month, day)| {
        let nine = NaiveDate::from_ymd_opt(year, month, day).unwrap().and_hms_opt(9, 0, 0).unwrap();
        let opens_at = local_instant(tz, nine).unwrap();
        // One turn's length: the next one is on the next day.
        OpeningRange { opens_at, closes_at: opens_at + Millis::from_minutes(3) }
    };
    setup.opening = Opening::new(days.into_iter().map(range).collect()).unwrap();
    zone.clone_into(&mut setup.time_zone);
    setup
}

async fn convocations(zone: &str, days: [(i32, u32, u32); 2]) -> Vec<Row> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let setup = setup_in(zone, days);
    let two_days_before = setup.opening.ranges()[0].opens_at - Millis::from_minutes(2 * 24 * 60);
    with_office_from(two_days_before, setup, |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        assert_eq!(office.tells().await, 2);
        sender.send(office.outbox().await).unwrap();
    })
    .await;
    receiver.await.unwrap()
}

/// Start and end of the one event of a calendar entry.
fn span(row: &Row) -> (String, String) {
    let calendar: Calendar = row.calendar.as_ref().unwrap().parse().unwrap();
    let CalendarComponent::Event(event) = &calendar.components[0] else { panic!("{row:?}") };
    let utc = |time: Option<DatePerhapsTime>| match time {
        Some(DatePerhapsTime::DateTime(time)) => {
            let CalendarDateTime::Utc(time) = time else { panic!("{time:?}") };
            time.to_rfc3339()
        }
        other => panic!("{other:?}"),
    };
    (utc(event.get_start()), utc(event.get_end()))
}

#[tokio::test]
async fn time_nine_in_every_french_zone_is_nine_in_mails_and_the_right_instant_in_calendars() {
    let all = nine_o_clock();
    for two_days in all.chunks(2) {
        let ymd = |date: NaiveDate| (date.year(), date.month(), date.day());
        let days = [0, 1].map(|index| ymd(two_days[index].naive_date()));
        let rows = convocations(two_days[0].zone, days).await;
        for (row, nine) in rows.iter().zip(two_days) {
            let mut said = format!("Vous passez le {} 2027 à 9 h 00 ({}).", nine.day, nine.label);
            if nine.zone != "Europe/Paris" {
                let in_paris = format!("Soit {} (heure de Paris).", nine.in_paris);
                assert!(row.html.contains(&in_paris), "{nine:?}: {}", row.html);
                said = format!("{said} {in_paris}");
            }
            assert!(row.text.starts_with(&(said + "\n")), "{nine:?}: {}", row.text);
            let subject = format!("Convocation : {} à 9 h 00 ({}), Cardiologie, Paris", nine.day, nine.label);
            assert_eq!(row.subject, subject);
            let utc = nine.utc.replace('Z', "+00:00");
            assert_eq!(span(row).0, utc, "{nine:?}");
        }
    }
}

#[tokio::test]
async fn time_the_hour_of_paris_that_happens_twice_says_which_one_it_is_overseas_too() {
    // 14:30 in Tahiti and half an hour past one in UTC+1: both look like 2:30 in Paris.
    let mut setup = setup_in("Pacific/Tahiti", [(2027, 10, 30), (2027, 10, 31)]);
    let half_past_midnight = Timestamp(1_824_942_600_000); // 2027-10-31T00:30:00Z
    let opens = [half_past_midnight, half_past_midnight + Millis::from_minutes(60)];
    let range = |opens_at| OpeningRange { opens_at, closes_at: opens_at + Millis::from_minutes(3) };
    setup.opening = Opening::new(opens.map(range).to_vec()).unwrap();
    with_office(setup, |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        office.tells().await;
        let rows = office.outbox().await;
        for (row, offset) in rows.iter().zip(["UTC+02:00", "UTC+01:00"]) {
            let in_paris = format!("Soit dimanche 31 octobre à 2 h 30 ({offset}, heure de Paris).\n");
            assert!(row.text.lines().next().unwrap().ends_with(in_paris.trim()), "{}", row.text);
        }
    })
    .await;
}

#[tokio::test]
async fn the_change_of_clocks_lies_between_two_days_of_paris() {
    let rows = convocations("Europe/Paris", [(2027, 10, 30), (2027, 11, 1)]).await;
    let first = "Vous passez le samedi 30 octobre 2027 à 9 h 00 (heure de Paris).\n";
    let second = "Vous passez le lundi 1er novembre 2027 à 9 h 00 (heure de Paris).\n";
    assert!(rows[0].text.starts_with(first), "{}", rows[0].text);
    assert!(rows[1].text.starts_with(second), "{}", rows[1].text);
    assert!(rows[1].html.contains(second.trim()), "{}", rows[1].html);
    assert_eq!(
        rows[1].subject,
        "Convocation : lundi 1er novembre à 9 h 00 (heure de Paris), Cardiologie, Paris"
    );
    assert_eq!(span(&rows[0]).0, "2027-10-30T07:00:00+00:00", "summer time");
    assert_eq!(
        span(&rows[1]),
        ("2027-11-01T08:00:00+00:00".to_owned(), "2027-11-01T08:03:00+00:00".to_owned())
    );
}

#[tokio::test]
async fn in_la_reunion_the_hour_of_paris_stands_beside_and_changes() {
    let rows = convocations("Indian/Reunion", [(2027, 10, 30), (2027, 11, 1)]).await;
    let first = "Vous passez le samedi 30 octobre 2027 à 9 h 00 (heure de La Réunion). \
                 Soit samedi 30 octobre à 7 h 00 (heure de Paris).\n";
    let second = "Vous passez le lundi 1er novembre 2027 à 9 h 00 (heure de La Réunion). \
                  Soit lundi 1er novembre à 6 h 00 (heure de Paris).\n";
    assert!(rows[0].text.starts_with(first), "{}", rows[0].text);
    assert!(rows[1].text.starts_with(second), "{}", rows[1].text);
    assert!(rows[0].html.contains("Soit samedi 30 octobre à 7 h 00 (heure de Paris)."), "{}", rows[0].html);
    assert_eq!(span(&rows[0]).0, "2027-10-30T05:00:00+00:00");
    assert_eq!(span(&rows[1]).0, "2027-11-01T05:00:00+00:00", "no change of clocks there");
}

#[tokio::test]
async fn nine_in_tahiti_is_the_evening_in_paris_and_the_eve_of_paris_nine() {
    let rows = convocations("Pacific/Tahiti", [(2027, 10, 30), (2027, 10, 31)]).await;
    let first = "Vous passez le samedi 30 octobre 2027 à 9 h 00 (heure de Tahiti). \
                 Soit samedi 30 octobre à 21 h 00 (heure de Paris).\n";
    let second = "Vous passez le dimanche 31 octobre 2027 à 9 h 00 (heure de Tahiti). \
                  Soit dimanche 31 octobre à 20 h 00 (heure de Paris).\n";
    assert!(rows[0].text.starts_with(first), "{}", rows[0].text);
    assert!(rows[1].text.starts_with(second), "{}", rows[1].text);
    assert_eq!(span(&rows[0]).0, "2027-10-30T19:00:00+00:00");
    assert_eq!(span(&rows[1]).0, "2027-10-31T19:00:00+00:00");
    // 9:00 in Paris, of the very same days, is the eve in Tahiti.
    let paris = setup_in("Europe/Paris", [(2027, 10, 30), (2027, 10, 31)]);
    let mut tahiti = paris.clone();
    "Pacific/Tahiti".clone_into(&mut tahiti.time_zone);
    with_office(tahiti, |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        office.tells().await;
        let rows = office.outbox().await;
        let eve = "Vous passez le vendredi 29 octobre 2027 à 21 h 00 (heure de Tahiti). \
                   Soit samedi 30 octobre à 9 h 00 (heure de Paris).\n";
        assert!(rows[0].text.starts_with(eve), "{}", rows[0].text);
        assert_eq!(span(&rows[0]).0, "2027-10-30T07:00:00+00:00");
        for row in &rows {
            assert!(row.text.lines().nth(3).unwrap().starts_with("Si vous ne pouvez pas"), "{}", row.text);
        }
    })
    .await;
}

#[tokio::test]
async fn a_calendar_entry_says_everything_and_reads_back_as_written() {
    let rows = convocations("Europe/Paris", [(2027, 10, 30), (2027, 11, 1)]).await;
    let text = rows[0].calendar.as_ref().unwrap();
    assert!(text.lines().all(|line| line.len() <= 75), "folded as RFC 5545 asks:\n{text:?}");
    assert_eq!(text.matches("\r\n").count(), text.matches('\n').count());
    let calendar: Calendar = text.parse().unwrap();
    assert_eq!(calendar.property_value("METHOD"), Some("REQUEST"));
    let CalendarComponent::Event(event) = &calendar.components[0] else { panic!("{text}") };
    assert_eq!(event.get_summary(), Some("Votre tour : Cardiologie, Paris"));
    assert_eq!(event.get_uid(), Some("00000000-0000-0000-0000-000000000001-1@amphi"));
    let link = event.property_value("LOCATION").unwrap();
    assert!(rows[0].text.contains(&format!("Votre page personnelle : {link}\n")), "{link}");
    let attendee = &text.replace("\r\n ", "");
    assert!(attendee.contains("ORGANIZER;CN=Amphi:mailto:amphi@amphi.test\r\n"), "{attendee}");
    assert!(attendee.contains("CN=\"Zoé 1 L’Héritier, 'dit' <Émile>\""), "{attendee}");
    assert!(attendee.contains(":mailto:interne1@exemple.fr\r\n"), "{attendee}");
    assert!(attendee.contains("BEGIN:VALARM\r\n") && attendee.contains("TRIGGER:-PT1800S\r\n"), "{attendee}");
}
