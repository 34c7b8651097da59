//! The calendar entry of a turn: entered once, updated under the same UID, struck out when it is over.
//!
//! Pure. Instants are written in UTC, which needs no time zone definitions and is right on both sides of
//! a change of clocks; the text of the entry says the amphi's own hour.

use amphi_engine::core::{AmphiId, CallRank, Millis, Timestamp};
use chrono::{DateTime, Duration, Utc};
use icalendar::{Alarm, Calendar, Component as _, Event, EventLike as _, EventStatus, Property};

use super::message::{CalendarEntry, CalendarMethod, Recipient, one_line};

/// How long before the turn a calendar reminds of it: time to find a quiet place and a connection, and
/// more than what a turn may come earlier than announced without a new mail.
const ALARM_BEFORE: Duration = Duration::minutes(30);

/// A turn in somebody's calendar.
#[derive(Debug, Clone)]
pub struct Appointment<'a> {
    /// Which amphi.
    pub amphi: AmphiId,
    /// Whose turn.
    pub rank: CallRank,
    /// Counts the updates.
    pub sequence: u32,
    /// When the turn is expected to open.
    pub starts_at: Timestamp,
    /// How long it may last.
    pub duration: Millis,
    /// What it is called.
    pub summary: String,
    /// What it says.
    pub description: String,
    /// Where to go: the personal link.
    pub link: &'a str,
    /// Who invites.
    pub organizer: &'a Recipient,
    /// Who is invited.
    pub attendee: &'a Recipient,
    /// When this was written.
    pub written_at: Timestamp,
}

impl Appointment<'_> {
    /// The entry, to be entered, updated or struck out.
    pub fn entry(&self, method: CalendarMethod) -> CalendarEntry {
        let mut event = Event::with_uid(&self.uid());
        event
            .timestamp(utc(self.written_at))
            .sequence(self.sequence)
            .starts(utc(self.starts_at))
            .ends(utc(self.starts_at + self.duration))
            .summary(&one_line(&self.summary))
            .description(&self.description)
            .location(self.link)
            .url(self.link)
            .append_property(person("ORGANIZER", self.organizer).done())
            .append_property(
                person("ATTENDEE", self.attendee)
                    .add_parameter("ROLE", "REQ-PARTICIPANT")
                    .add_parameter("PARTSTAT", "NEEDS-ACTION")
                    .add_parameter("RSVP", "FALSE")
                    .done(),
            );
        match method {
            CalendarMethod::Request => {
                let mut alarm = Alarm::display(&one_line(&self.summary), -ALARM_BEFORE);
                // Written by us: the library would ask the machine's clock and throw dice.
                alarm.timestamp(utc(self.written_at)).uid(&format!("rappel-{}", self.uid()));
                event.status(EventStatus::Confirmed).alarm(alarm)
            }
            CalendarMethod::Cancel => event.status(EventStatus::Cancelled),
        };
        let mut calendar = Calendar::empty();
        for (key, value) in [
            ("VERSION", "2.0"),
            ("PRODID", "-//amphi//convocations//FR"),
            ("CALSCALE", "GREGORIAN"),
            ("METHOD", method.code()),
        ] {
            calendar.append_property((key, value));
        }
        calendar.push(event.done());
        CalendarEntry { method, text: calendar.to_string() }
    }

    /// One turn of one amphi, for good.
    fn uid(&self) -> String {
        format!("{}-{}@amphi", self.amphi, self.rank)
    }
}

fn person(key: &str, who: &Recipient) -> Property {
    // A quotation mark cannot be written in a parameter (RFC 5545, 3.2).
    let name = one_line(&who.name).replace('"', "'");
    Property::new(key, format!("mailto:{}", one_line(&who.address))).add_parameter("CN", &name).done()
}

fn utc(at: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(at.0).unwrap_or_default()
}
