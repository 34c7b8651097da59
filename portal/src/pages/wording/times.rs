//! Times as they are said in France, in the amphi's own zone; durations.
//!
//! The same forms as `assets/times.js`. A non-breaking space stands inside every time, so that
//! "10 h 47" never breaks across lines.

use amphi_engine::core::{Millis, Timestamp};
use chrono::{DateTime, Datelike, LocalResult, NaiveDateTime, TimeZone as _, Timelike};
use chrono_tz::Tz;

const NBSP: char = '\u{a0}';

const DAYS: [&str; 7] = ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"];
const MONTHS: [&str; 12] = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
];

/// The zones in which French interns choose, and what their hours are called.
const ZONE_NAMES: [(&str, &str); 15] = [
    ("Europe/Paris", "heure de Paris"),
    ("Indian/Reunion", "heure de La Réunion"),
    ("Indian/Mayotte", "heure de Mayotte"),
    ("America/Martinique", "heure de la Martinique"),
    ("America/Guadeloupe", "heure de la Guadeloupe"),
    ("America/Cayenne", "heure de la Guyane"),
    ("America/St_Barthelemy", "heure de Saint-Barthélemy"),
    ("America/Marigot", "heure de Saint-Martin"),
    ("America/Miquelon", "heure de Saint-Pierre-et-Miquelon"),
    ("Pacific/Tahiti", "heure de Tahiti"),
    ("Pacific/Marquesas", "heure des Marquises"),
    ("Pacific/Gambier", "heure des Gambier"),
    ("Pacific/Noumea", "heure de la Nouvelle-Calédonie"),
    ("Pacific/Wallis", "heure de Wallis-et-Futuna"),
    ("Etc/UTC", "temps universel"),
];

/// A time zone and how its hours are said.
#[derive(Debug, Clone)]
pub struct Zone {
    tz: Tz,
    label: String,
}

impl Zone {
    /// The zone with this IANA name; universal time, and said so, when there is none.
    pub fn named(iana: &str) -> Self {
        let Ok(tz) = iana.parse::<Tz>() else {
            return Self { tz: Tz::UTC, label: "temps universel".to_owned() };
        };
        let known = ZONE_NAMES.iter().find(|(name, _)| *name == iana).map(|(_, label)| (*label).to_owned());
        let label = known.unwrap_or_else(|| {
            let city = iana.rsplit('/').next().unwrap_or(iana).replace('_', " ");
            format!("heure de {city}")
        });
        Self { tz, label }
    }

    /// "heure de Paris".
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether it is the hour of most of France.
    pub fn is_paris(&self) -> bool {
        self.tz == Tz::Europe__Paris
    }

    fn local(&self, at: Timestamp) -> Option<DateTime<Tz>> {
        DateTime::from_timestamp_millis(at.0).map(|utc| utc.with_timezone(&self.tz))
    }

    /// "UTC+02:00" in the hour that happens twice, where the clock alone does not say when.
    fn offset_if_twice(&self, t: &DateTime<Tz>) -> Option<String> {
        let readings = self.tz.from_local_datetime(&t.naive_local());
        matches!(readings, LocalResult::Ambiguous(..)).then(|| format!("UTC{}", t.format("%:z")))
    }

    /// "10 h 47"; "2 h 30 (UTC+02:00)" in the hour that happens twice.
    pub fn time(&self, at: Timestamp) -> String {
        self.local(at).map_or_else(String::new, |t| {
            let offset = self.offset_if_twice(&t).map(|offset| format!("{NBSP}({offset})"));
            format!("{}{}", clock(&t), offset.unwrap_or_default())
        })
    }

    /// "10 h 47 (heure de Paris)"; "2 h 30 (UTC+02:00, heure de Paris)" in the hour that happens twice.
    pub fn time_with_zone(&self, at: Timestamp) -> String {
        self.local(at).map_or_else(String::new, |t| {
            let offset = self.offset_if_twice(&t).map(|offset| format!("{offset}, ")).unwrap_or_default();
            format!("{} ({offset}{})", clock(&t), self.label)
        })
    }

    /// "10:47:03", for clocks and receipts.
    pub fn time_to_the_second(&self, at: Timestamp) -> String {
        self.local(at).map_or_else(String::new, |t| t.format("%H:%M:%S").to_string())
    }

    /// "lundi 29 mars".
    pub fn day(&self, at: Timestamp) -> String {
        self.local(at).map_or_else(String::new, |t| {
            let day = if t.day() == 1 { "1er".to_owned() } else { t.day().to_string() };
            let weekday = DAYS[t.weekday().num_days_from_monday() as usize];
            format!("{weekday}{NBSP}{day}{NBSP}{}", MONTHS[t.month0() as usize])
        })
    }

    /// "lundi 29 mars 2027".
    pub fn date(&self, at: Timestamp) -> String {
        self.local(at).map_or_else(String::new, |t| format!("{}{NBSP}{}", self.day(at), t.year()))
    }

    /// Whether two instants fall on the same day here.
    pub fn same_day(&self, one: Timestamp, other: Timestamp) -> bool {
        let day_of = |instant: Timestamp| self.local(instant).map(|t| t.date_naive());
        day_of(one) == day_of(other)
    }

    /// "10 h 47", or "mardi 30 mars à 9 h 00" when that is not the day of `now`.
    pub fn moment(&self, at: Timestamp, now: Timestamp) -> String {
        if self.same_day(at, now) { self.time(at) } else { format!("{} à {}", self.day(at), self.time(at)) }
    }

    /// The same within a sentence: "à 10 h 47", or "le mardi 30 mars à 9 h 00".
    pub fn when(&self, at: Timestamp, now: Timestamp) -> String {
        let opening = if self.same_day(at, now) { "à" } else { "le" };
        format!("{opening} {}", self.moment(at, now))
    }

    /// "lundi 29 mars à 9 h 00 (heure de Paris)".
    pub fn full(&self, at: Timestamp) -> String {
        format!("{} à {}", self.day(at), self.time_with_zone(at))
    }

    /// What a clock on the wall shows, for spreadsheets.
    pub fn wall_clock(&self, at: Timestamp) -> Option<NaiveDateTime> {
        self.local(at).map(|t| t.naive_local())
    }

    /// "29/03/2027 10:47:03", for tables; with the offset in the hour that happens twice.
    pub fn stamp(&self, at: Timestamp) -> String {
        self.local(at).map_or_else(String::new, |t| {
            let offset = self.offset_if_twice(&t).map(|offset| format!("{NBSP}({offset})"));
            format!("{}{NBSP}{}{}", t.format("%d/%m/%Y"), t.format("%H:%M:%S"), offset.unwrap_or_default())
        })
    }

    /// RFC 3339 with the zone's offset, for `<time datetime>`.
    pub fn machine(&self, at: Timestamp) -> String {
        self.local(at).map_or_else(String::new, |t| t.to_rfc3339_opts(chrono::SecondsFormat::Secs, false))
    }
}

fn clock(t: &DateTime<Tz>) -> String {
    format!("{}{NBSP}h{NBSP}{:02}", t.hour(), t.minute())
}

/// "45 s", "2 min 30 s", "12 min", "1 h 05 min"; seconds are left out from ten minutes on.
pub fn duration(of: Millis) -> String {
    let seconds = of.at_least_zero().0 / 1_000;
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}{NBSP}s"),
        (0, 1..10) if rest > 0 => format!("{minutes}{NBSP}min{NBSP}{rest:02}{NBSP}s"),
        (0, _) => format!("{minutes}{NBSP}min"),
        (_, 0) => format!("{hours}{NBSP}h"),
        _ => format!("{hours}{NBSP}h{NBSP}{minutes:02}{NBSP}min"),
    }
}

/// "2:47", rounded up, so that "0:00" means that nothing is left.
pub fn countdown(left: Millis) -> String {
    let seconds = (left.at_least_zero().0 + 999) / 1_000;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}
