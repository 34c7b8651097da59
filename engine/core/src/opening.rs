//! Opening ranges: the days and hours in which turns may open (3.1, A6).
//!
//! Ranges are given in the amphi's own time zone and kept as UTC instants from then on: order never
//! depends on a clock change. A turn that would open in a break opens after it; a turn that is open
//! when a break begins runs to its end. The last range has no end: an amphi that overruns goes on
//! rather than leaving people without a turn (decided; publication warns how far it overruns).

use chrono::{LocalResult, NaiveDateTime, TimeZone};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One stretch of time during which turns may open: `opens_at ≤ t < closes_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpeningRange {
    /// First instant at which a turn may open (UTC).
    pub opens_at: Timestamp,
    /// First instant at which no turn opens any more (UTC); without effect for the last range.
    pub closes_at: Timestamp,
}

/// The opening ranges of an amphi: at least one, in order, without overlap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<OpeningRange>", into = "Vec<OpeningRange>")]
pub struct Opening(Vec<OpeningRange>);

/// Why opening ranges were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    /// No range at all.
    #[error("an amphi needs at least one opening range")]
    Empty,
    /// A range that ends before it begins, or that begins before the previous one ends.
    #[error("opening range {0} ends before it begins, or overlaps the one before")]
    Disordered(usize),
    /// A local time that the zone skips when its clocks go forward.
    #[error("{0} does not exist in {1}: the clocks go forward over it")]
    Nonexistent(NaiveDateTime, Tz),
    /// A local time that happens twice when the zone's clocks go back.
    #[error("{0} happens twice in {1}: the clocks go back over it")]
    Ambiguous(NaiveDateTime, Tz),
}

impl Opening {
    /// Checks and keeps `ranges`.
    ///
    /// # Errors
    /// [`OpeningError::Empty`] or [`OpeningError::Disordered`] (position from 1).
    pub fn new(ranges: Vec<OpeningRange>) -> Result<Self, OpeningError> {
        if ranges.is_empty() {
            return Err(OpeningError::Empty);
        }
        for (index, range) in ranges.iter().enumerate() {
            let after_previous = index == 0 || ranges[index - 1].closes_at <= range.opens_at;
            if range.closes_at <= range.opens_at || !after_previous {
                return Err(OpeningError::Disordered(index + 1));
            }
        }
        Ok(Self(ranges))
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> &[OpeningRange] {
        &self.0
    }

    /// The first instant, `at` or later, at which a turn may open (A6).
    pub fn first_open_from(&self, at: Timestamp) -> Timestamp {
        for range in &self.0[..self.0.len() - 1] {
            if at < range.closes_at {
                return at.max(range.opens_at);
            }
        }
        at.max(self.0[self.0.len() - 1].opens_at)
    }

    /// The end of the last range as it was announced.
    pub fn announced_end(&self) -> Timestamp {
        self.0[self.0.len() - 1].closes_at
    }
}

impl TryFrom<Vec<OpeningRange>> for Opening {
    type Error = OpeningError;
    fn try_from(ranges: Vec<OpeningRange>) -> Result<Self, OpeningError> {
        Self::new(ranges)
    }
}

impl From<Opening> for Vec<OpeningRange> {
    fn from(opening: Opening) -> Self {
        opening.0
    }
}

/// The UTC instant of a wall-clock time in `zone`.
///
/// # Errors
/// The hour that does not exist and the hour that happens twice are refused, never guessed.
pub fn local_instant(zone: Tz, local: NaiveDateTime) -> Result<Timestamp, OpeningError> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(instant) => Ok(Timestamp(instant.timestamp_millis())),
        LocalResult::None => Err(OpeningError::Nonexistent(local, zone)),
        LocalResult::Ambiguous(..) => Err(OpeningError::Ambiguous(local, zone)),
    }
}
