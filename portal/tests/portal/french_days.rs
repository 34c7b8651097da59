//! 9:00 in every zone in which French interns choose, on both sides of the changes of clocks of 2027: what it is in
//! UTC, and what it is in Paris. Worked out by another implementation of the time zones (Python's `zoneinfo`), so
//! that a mistake of ours is not shared. Shared, as a file, by whoever shows times.

#![allow(dead_code, reason = "each place uses a part")]

use amphi_engine::core::Timestamp;
use chrono::{DateTime, NaiveDate};

/// 9:00 of one day in one zone.
#[derive(Debug, Clone, Copy)]
pub struct Nine {
    pub zone: &'static str,
    /// What its hours are called.
    pub label: &'static str,
    pub date: &'static str,
    /// The same, said.
    pub day: &'static str,
    pub offset: &'static str,
    pub utc: &'static str,
    pub in_paris: &'static str,
}

impl Nine {
    pub fn instant(&self) -> Timestamp {
        Timestamp(DateTime::parse_from_rfc3339(self.utc).expect("an instant").timestamp_millis())
    }

    pub fn naive_date(&self) -> NaiveDate {
        self.date.parse().expect("a date")
    }
}

/// A zone and what its hours are called; then its days: as a date, said, the offset, in UTC, in Paris.
const TABLE: &str = "\
Europe/Paris | heure de Paris
    2027-03-27 | samedi 27 mars | +01:00 | 2027-03-27T08:00:00Z | samedi 27 mars à 9 h 00
    2027-03-28 | dimanche 28 mars | +02:00 | 2027-03-28T07:00:00Z | dimanche 28 mars à 9 h 00
    2027-10-30 | samedi 30 octobre | +02:00 | 2027-10-30T07:00:00Z | samedi 30 octobre à 9 h 00
    2027-10-31 | dimanche 31 octobre | +01:00 | 2027-10-31T08:00:00Z | dimanche 31 octobre à 9 h 00
Indian/Reunion | heure de La Réunion
    2027-03-27 | samedi 27 mars | +04:00 | 2027-03-27T05:00:00Z | samedi 27 mars à 6 h 00
    2027-03-28 | dimanche 28 mars | +04:00 | 2027-03-28T05:00:00Z | dimanche 28 mars à 7 h 00
    2027-10-30 | samedi 30 octobre | +04:00 | 2027-10-30T05:00:00Z | samedi 30 octobre à 7 h 00
    2027-10-31 | dimanche 31 octobre | +04:00 | 2027-10-31T05:00:00Z | dimanche 31 octobre à 6 h 00
Indian/Mayotte | heure de Mayotte
    2027-03-27 | samedi 27 mars | +03:00 | 2027-03-27T06:00:00Z | samedi 27 mars à 7 h 00
    2027-03-28 | dimanche 28 mars | +03:00 | 2027-03-28T06:00:00Z | dimanche 28 mars à 8 h 00
    2027-10-30 | samedi 30 octobre | +03:00 | 2027-10-30T06:00:00Z | samedi 30 octobre à 8 h 00
    2027-10-31 | dimanche 31 octobre | +03:00 | 2027-10-31T06:00:00Z | dimanche 31 octobre à 7 h 00
America/Martinique | heure de la Martinique
    2027-03-27 | samedi 27 mars | -04:00 | 2027-03-27T13:00:00Z | samedi 27 mars à 14 h 00
    2027-03-28 | dimanche 28 mars | -04:00 | 2027-03-28T13:00:00Z | dimanche 28 mars à 15 h 00
    2027-10-30 | samedi 30 octobre | -04:00 | 2027-10-30T13:00:00Z | samedi 30 octobre à 15 h 00
    2027-10-31 | dimanche 31 octobre | -04:00 | 2027-10-31T13:00:00Z | dimanche 31 octobre à 14 h 00
America/Guadeloupe | heure de la Guadeloupe
    2027-03-27 | samedi 27 mars | -04:00 | 2027-03-27T13:00:00Z | samedi 27 mars à 14 h 00
    2027-03-28 | dimanche 28 mars | -04:00 | 2027-03-28T13:00:00Z | dimanche 28 mars à 15 h 00
    2027-10-30 | samedi 30 octobre | -04:00 | 2027-10-30T13:00:00Z | samedi 30 octobre à 15 h 00
    2027-10-31 | dimanche 31 octobre | -04:00 | 2027-10-31T13:00:00Z | dimanche 31 octobre à 14 h 00
America/Cayenne | heure de la Guyane
    2027-03-27 | samedi 27 mars | -03:00 | 2027-03-27T12:00:00Z | samedi 27 mars à 13 h 00
    2027-03-28 | dimanche 28 mars | -03:00 | 2027-03-28T12:00:00Z | dimanche 28 mars à 14 h 00
    2027-10-30 | samedi 30 octobre | -03:00 | 2027-10-30T12:00:00Z | samedi 30 octobre à 14 h 00
    2027-10-31 | dimanche 31 octobre | -03:00 | 2027-10-31T12:00:00Z | dimanche 31 octobre à 13 h 00
America/Miquelon | heure de Saint-Pierre-et-Miquelon
    2027-03-13 | samedi 13 mars | -03:00 | 2027-03-13T12:00:00Z | samedi 13 mars à 13 h 00
    2027-03-14 | dimanche 14 mars | -02:00 | 2027-03-14T11:00:00Z | dimanche 14 mars à 12 h 00
    2027-03-28 | dimanche 28 mars | -02:00 | 2027-03-28T11:00:00Z | dimanche 28 mars à 13 h 00
    2027-10-31 | dimanche 31 octobre | -02:00 | 2027-10-31T11:00:00Z | dimanche 31 octobre à 12 h 00
    2027-11-06 | samedi 6 novembre | -02:00 | 2027-11-06T11:00:00Z | samedi 6 novembre à 12 h 00
    2027-11-07 | dimanche 7 novembre | -03:00 | 2027-11-07T12:00:00Z | dimanche 7 novembre à 13 h 00
Pacific/Tahiti | heure de Tahiti
    2027-03-27 | samedi 27 mars | -10:00 | 2027-03-27T19:00:00Z | samedi 27 mars à 20 h 00
    2027-03-28 | dimanche 28 mars | -10:00 | 2027-03-28T19:00:00Z | dimanche 28 mars à 21 h 00
    2027-10-30 | samedi 30 octobre | -10:00 | 2027-10-30T19:00:00Z | samedi 30 octobre à 21 h 00
    2027-10-31 | dimanche 31 octobre | -10:00 | 2027-10-31T19:00:00Z | dimanche 31 octobre à 20 h 00
Pacific/Marquesas | heure des Marquises
    2027-03-27 | samedi 27 mars | -09:30 | 2027-03-27T18:30:00Z | samedi 27 mars à 19 h 30
    2027-03-28 | dimanche 28 mars | -09:30 | 2027-03-28T18:30:00Z | dimanche 28 mars à 20 h 30
    2027-10-30 | samedi 30 octobre | -09:30 | 2027-10-30T18:30:00Z | samedi 30 octobre à 20 h 30
    2027-10-31 | dimanche 31 octobre | -09:30 | 2027-10-31T18:30:00Z | dimanche 31 octobre à 19 h 30
Pacific/Gambier | heure des Gambier
    2027-03-27 | samedi 27 mars | -09:00 | 2027-03-27T18:00:00Z | samedi 27 mars à 19 h 00
    2027-03-28 | dimanche 28 mars | -09:00 | 2027-03-28T18:00:00Z | dimanche 28 mars à 20 h 00
    2027-10-30 | samedi 30 octobre | -09:00 | 2027-10-30T18:00:00Z | samedi 30 octobre à 20 h 00
    2027-10-31 | dimanche 31 octobre | -09:00 | 2027-10-31T18:00:00Z | dimanche 31 octobre à 19 h 00
Pacific/Noumea | heure de la Nouvelle-Calédonie
    2027-03-27 | samedi 27 mars | +11:00 | 2027-03-26T22:00:00Z | vendredi 26 mars à 23 h 00
    2027-03-28 | dimanche 28 mars | +11:00 | 2027-03-27T22:00:00Z | samedi 27 mars à 23 h 00
    2027-10-30 | samedi 30 octobre | +11:00 | 2027-10-29T22:00:00Z | samedi 30 octobre à 0 h 00
    2027-10-31 | dimanche 31 octobre | +11:00 | 2027-10-30T22:00:00Z | dimanche 31 octobre à 0 h 00
Pacific/Wallis | heure de Wallis-et-Futuna
    2027-03-27 | samedi 27 mars | +12:00 | 2027-03-26T21:00:00Z | vendredi 26 mars à 22 h 00
    2027-03-28 | dimanche 28 mars | +12:00 | 2027-03-27T21:00:00Z | samedi 27 mars à 22 h 00
    2027-10-30 | samedi 30 octobre | +12:00 | 2027-10-29T21:00:00Z | vendredi 29 octobre à 23 h 00
    2027-10-31 | dimanche 31 octobre | +12:00 | 2027-10-30T21:00:00Z | samedi 30 octobre à 23 h 00
";

/// All of them: by zone, and within a zone by time; an even number of days in each.
pub fn nine_o_clock() -> Vec<Nine> {
    let (mut zone, mut label) = ("", "");
    let mut all = Vec::new();
    for line in TABLE.lines() {
        match line.trim().split(" | ").collect::<Vec<_>>()[..] {
            [named, called] => (zone, label) = (named, called),
            [date, day, offset, utc, in_paris] => {
                all.push(Nine { zone, label, date, day, offset, utc, in_paris });
            }
            _ => panic!("{line}"),
        }
    }
    all
}
