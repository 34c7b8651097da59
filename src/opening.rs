//! Reading days, hours and durations as administrators write them on the command line.
//!
//! An hour that the clocks skip is refused; of one that happens twice it is asked which one is meant.

use amphi_engine::core::opening::{Opening, OpeningError, OpeningRange, local_instant};
use amphi_engine::core::{Millis, Timestamp};
use anyhow::{Context as _, bail};
use chrono::{DateTime, LocalResult, NaiveDate, NaiveTime, TimeZone as _};
use chrono_tz::Tz;

/// Says which of two hours is meant when the clocks go back: the first, or the second.
const SUMMER: &str = "été";
const WINTER: &str = "hiver";

/// Reads `2027-03-29 09:00-12:30,14:00-18:00`, one text per day, in the amphi's zone.
pub fn parse_opening(zone: Tz, days: &[String]) -> anyhow::Result<Opening> {
    let mut ranges = Vec::new();
    for text in days {
        let (day, hours) = text
            .trim()
            .split_once(' ')
            .with_context(|| format!("« {text} » : écrivez le jour, une espace, puis les heures, par exemple 2027-03-29 09:00-12:30,14:00-18:00"))?;
        let day: NaiveDate =
            day.parse().with_context(|| format!("« {day} » n’est pas un jour de la forme 2027-03-29"))?;
        for hours in hours.split(',') {
            let (from, to) = hours
                .trim()
                .split_once('-')
                .with_context(|| format!("« {hours} » : écrivez deux heures, par exemple 09:00-12:30"))?;
            ranges.push(OpeningRange {
                opens_at: instant(zone, day, from)?,
                closes_at: instant(zone, day, to)?,
            });
        }
    }
    Opening::new(ranges).map_err(|error| explained(&error))
}

/// Reads `09:00`; `02:30 été` or `02:30 hiver` where that hour happens twice.
fn instant(zone: Tz, day: NaiveDate, hour: &str) -> anyhow::Result<Timestamp> {
    let (clock, season) = match hour.trim().split_once(' ') {
        Some((clock, season)) => (clock, Some(season.trim())),
        None => (hour.trim(), None),
    };
    let time = NaiveTime::parse_from_str(clock, "%H:%M")
        .with_context(|| format!("« {hour} » n’est pas une heure de la forme 09:00"))?;
    let local = day.and_time(time);
    let of = |reading: DateTime<Tz>| Timestamp(reading.timestamp_millis());
    match (zone.from_local_datetime(&local), season) {
        (LocalResult::Ambiguous(first, _), Some(SUMMER)) => Ok(of(first)),
        (LocalResult::Ambiguous(_, second), Some(WINTER)) => Ok(of(second)),
        (LocalResult::Ambiguous(first, second), _) => bail!(
            "l’heure {clock} du {day} a lieu deux fois dans la zone {zone}, où les horloges reculent. Laquelle ? \
             Écrivez « {clock} {SUMMER} » pour la première (UTC{}) ou « {clock} {WINTER} » pour la seconde (UTC{}).",
            first.format("%:z"),
            second.format("%:z"),
        ),
        (_, Some(_)) => bail!(
            "« {hour} » n’est pas une heure de la forme 09:00 ; « {SUMMER} » et « {WINTER} » ne s’écrivent \
             qu’après une heure qui a lieu deux fois"
        ),
        (_, None) => local_instant(zone, local).map_err(|error| explained(&error)),
    }
}

fn explained(error: &OpeningError) -> anyhow::Error {
    match error {
        OpeningError::Empty => anyhow::anyhow!("donnez au moins une plage d’ouverture (--opening)"),
        OpeningError::Disordered(n) => anyhow::anyhow!(
            "la plage d’ouverture n° {n} finit avant de commencer, ou commence avant la fin de la précédente"
        ),
        OpeningError::Nonexistent(local, zone) => anyhow::anyhow!(
            "l’heure {local} n’existe pas dans la zone {zone} : les horloges la sautent cette nuit-là. Choisissez-en une autre."
        ),
        OpeningError::Ambiguous(local, zone) => anyhow::anyhow!(
            "l’heure {local} a lieu deux fois dans la zone {zone} : les horloges reculent. Choisissez une heure avant ou après."
        ),
    }
}

/// Reads `120s`, `2m`, `2m30s` or `150`.
pub fn parse_duration(text: &str) -> anyhow::Result<Millis> {
    let (minutes, seconds) = match text.trim().split_once('m') {
        Some((minutes, rest)) => (minutes, rest),
        None => ("0", text.trim()),
    };
    let number = |part: &str| -> anyhow::Result<i64> {
        let digits = part.trim_end_matches('s');
        if digits.is_empty() {
            return Ok(0);
        }
        digits
            .parse()
            .ok()
            .filter(|n| (0..=86_400).contains(n))
            .with_context(|| format!("« {text} » n’est pas une durée : écrivez 3m, 2m30s ou 120s"))
    };
    let duration = Millis::from_minutes(number(minutes)?) + Millis::from_secs(number(seconds)?);
    if duration == Millis::ZERO {
        bail!("« {text} » n’est pas une durée : écrivez 3m, 2m30s ou 120s");
    }
    Ok(duration)
}

/// Reads an instant with its offset (RFC 3339).
pub fn parse_instant(text: &str) -> anyhow::Result<Timestamp> {
    let instant = chrono::DateTime::parse_from_rfc3339(text)
        .with_context(|| format!("« {text} » n’est pas un instant de la forme 2027-03-29T08:59:00+02:00"))?;
    Ok(Timestamp(instant.timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let cases = [("3m", 180), ("2m30s", 150), ("120s", 120), ("90", 90), (" 5m ", 300)];
        for (text, seconds) in cases {
            assert_eq!(parse_duration(text).ok(), Some(Millis::from_secs(seconds)), "{text}");
        }
        for text in ["", "m", "-3m", "3h", "3,5m", "0", "99999999999m"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn r3_1_hours_are_those_of_the_amphis_zone() {
        let read = |zone: Tz, text: &str| parse_opening(zone, &[text.to_owned()]);
        let ranges = read(chrono_tz::Europe::Paris, "2027-03-29 09:00-12:30,14:00-18:00");
        let ranges = ranges.expect("a sound day");
        let utc: Vec<String> = ranges.ranges().iter().map(|r| r.opens_at.to_string()).collect();
        assert_eq!(utc, ["2027-03-29T07:00:00.000Z", "2027-03-29T12:00:00.000Z"]);
        for wrong in [
            "2027-03-29",
            "09:00-12:30",
            "2027-03-29 9h-12h",
            "2027-03-29 12:30-09:00",
            "2027-02-30 09:00-10:00",
            "2027-03-29 09:00-12:30,12:00-13:00",
            "2027-03-28 02:30-04:00",
            "2027-10-31 02:30-04:00",
        ] {
            assert!(read(chrono_tz::Europe::Paris, wrong).is_err(), "{wrong}");
        }
        let refusal =
            read(chrono_tz::Europe::Paris, "2027-10-31 02:30-04:00").expect_err("it is asked which");
        assert!(refusal.to_string().contains("« 02:30 été » pour la première (UTC+02:00)"), "{refusal}");
        for (zone, meant, utc) in [
            (chrono_tz::Europe::Paris, "2027-10-31 02:30 été-04:00", "2027-10-31T00:30:00.000Z"),
            (chrono_tz::Europe::Paris, "2027-10-31 02:30 hiver-04:00", "2027-10-31T01:30:00.000Z"),
            (chrono_tz::America::Miquelon, "2027-11-07 01:30 été-04:00", "2027-11-07T03:30:00.000Z"),
        ] {
            let ranges = read(zone, meant).expect("the hour that was meant");
            assert_eq!(ranges.ranges()[0].opens_at.to_string(), utc, "{meant}");
        }
        assert!(read(chrono_tz::Europe::Paris, "2027-10-30 09:00 été-10:00").is_err(), "nothing to ask");
        assert!(
            read(chrono_tz::Indian::Reunion, "2027-03-28 02:30-04:00").is_ok(),
            "no change of clocks there"
        );
    }
}
