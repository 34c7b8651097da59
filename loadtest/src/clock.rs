//! The only place that reads a clock.
//!
//! Latencies use the monotonic clock; the wall clock only dates reports and chooses days to import.
//! Absent on purpose: the server's clock. What the server says of time is checked, never trusted.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// The monotonic clock now.
#[allow(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock now.
#[allow(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn wall() -> DateTime<Utc> {
    Utc::now()
}

/// Waits until `instant`, to some microseconds.
///
/// The runtime's timer rounds up to the next millisecond, which would be charged to the server; so the
/// last stretch is spent yielding to the other tasks instead.
pub async fn sleep_precisely(instant: Instant) {
    const YIELDING: Duration = Duration::from_micros(1_500);
    if let Some(early) = instant.checked_sub(YIELDING)
        && early > now()
    {
        tokio::time::sleep_until(early.into()).await;
    }
    while now() < instant {
        tokio::task::yield_now().await;
    }
}

/// Microseconds from `earlier` to `later`; 0 when they are the other way round.
pub fn micros_between(earlier: Instant, later: Instant) -> u64 {
    u64::try_from(later.saturating_duration_since(earlier).as_micros()).unwrap_or(u64::MAX)
}
