//! Days to come: `day1 09:00-12:30` made a date that has not begun on the server's clock.

use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, Days, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// Real time between this choice of a date and the opening of the session: import, and everybody connects.
const PREPARATION: Duration = Duration::from_secs(15);

/// `opening` with every `dayN` replaced by a date: `day1` is the first day whose hours begin late enough.
/// Assumes that the server's clock began at `now`, when it was started, and runs at `speed`.
///
/// # Errors
/// An unknown time zone, or hours that are not `dayN HH:MM-…`.
pub fn opening_days(
    opening: &[String],
    time_zone: &str,
    now: DateTime<Utc>,
    speed: f64,
) -> Result<Vec<String>> {
    let zone: Tz = time_zone.parse().ok().with_context(|| format!("{time_zone:?} is no IANA time zone"))?;
    let ready = now + TimeDelta::from_std(PREPARATION.mul_f64(speed.max(1.0)))?;
    let Some(first) = opening.iter().find_map(|day| day.strip_prefix("day1 ")) else {
        return Ok(opening.to_vec());
    };
    let begins = first.split('-').next().unwrap_or_default().trim();
    let begins = NaiveTime::parse_from_str(begins, "%H:%M").with_context(|| format!("hours {first:?}"))?;
    let today = ready.with_timezone(&zone).date_naive();
    let tomorrow = today.checked_add_days(Days::new(1)).context("the end of time")?;
    let is_ahead = zone.from_local_datetime(&today.and_time(begins)).earliest().is_some_and(|at| at > ready);
    let day1 = if is_ahead { today } else { tomorrow };
    opening
        .iter()
        .map(|day| {
            let Some((number, hours)) = day.strip_prefix("day").and_then(|rest| rest.split_once(' ')) else {
                return Ok(day.clone());
            };
            let number: u64 = number.parse().with_context(|| format!("which day is {day:?}?"))?;
            let date = day1.checked_add_days(Days::new(number.saturating_sub(1)));
            Ok(format!("{} {hours}", date.context("a day too far")?.format("%Y-%m-%d")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(now: &str) -> Vec<String> {
        let opening = ["day1 09:00-12:30,14:00-18:00".to_owned(), "day2 09:00-12:00".to_owned()];
        opening_days(&opening, "Europe/Paris", now.parse().unwrap(), 60.0).unwrap()
    }

    #[test]
    fn day1_is_today_only_when_there_is_time_to_get_ready() {
        assert_eq!(
            days("2027-03-29T06:00:00Z"),
            ["2027-03-29 09:00-12:30,14:00-18:00", "2027-03-30 09:00-12:00"]
        );
        assert_eq!(days("2027-03-29T06:50:00Z")[0], "2027-03-30 09:00-12:30,14:00-18:00");
    }

    #[test]
    fn dates_pass_through() {
        let dates = ["2027-03-29 09:00-12:30".to_owned()];
        assert_eq!(opening_days(&dates, "Europe/Paris", DateTime::UNIX_EPOCH, 60.0).unwrap(), dates);
    }
}
