//! Instants and durations as whole milliseconds.
//!
//! The core never asks what time it is: every instant comes in as an argument or sits in an event.
//! Integers only, so that a replay gives the same bytes on every machine.

use std::fmt;
use std::ops::{Add, Mul, Sub};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An instant, in milliseconds since 1970-01-01T00:00:00Z (UTC, no leap seconds).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A duration, in milliseconds; negative only as the result of a subtraction.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A duration of whole seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs * 1_000)
    }

    /// A duration of whole minutes.
    pub const fn from_minutes(minutes: i64) -> Self {
        Self(minutes * 60_000)
    }

    /// The same duration, or zero when it is negative.
    #[must_use]
    pub fn at_least_zero(self) -> Self {
        self.max(Self::ZERO)
    }

    /// This duration scaled by `permille` thousandths, rounded towards zero.
    #[must_use]
    pub fn scaled_permille(self, permille: u32) -> Self {
        Self(self.0 * i64::from(permille) / 1_000)
    }
}

impl Add<Millis> for Timestamp {
    type Output = Self;
    fn add(self, duration: Millis) -> Self {
        Self(self.0 + duration.0)
    }
}

impl Sub<Millis> for Timestamp {
    type Output = Self;
    fn sub(self, duration: Millis) -> Self {
        Self(self.0 - duration.0)
    }
}

impl Sub for Timestamp {
    type Output = Millis;
    fn sub(self, earlier: Self) -> Millis {
        Millis(self.0 - earlier.0)
    }
}

impl Add for Millis {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Millis {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Mul<i64> for Millis {
    type Output = Self;
    fn mul(self, times: i64) -> Self {
        Self(self.0 * times)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, for logs and exports; people are shown the amphi's own zone instead.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match chrono::DateTime::from_timestamp_millis(self.0) {
            Some(instant) => write!(f, "{}", instant.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)),
            None => write!(f, "{} ms", self.0),
        }
    }
}
