//! The server's clock as a client knows it: one reading, and how fast it runs.
//!
//! Good to half a round trip, which is enough to choose at some moment of a turn; no check depends on it.

use std::time::{Duration, Instant};

/// The server's clock, as the welcome told it.
#[derive(Debug, Clone, Copy)]
pub struct ServerClock {
    /// Its time, ms since 1970…
    pub server_time: i64,
    /// …at this instant of ours.
    pub at: Instant,
    /// How fast it runs.
    pub speed: f64,
}

impl ServerClock {
    /// Our instant at which the server's clock says `server_time`; now, if that has passed.
    pub fn local(&self, server_time: i64) -> Instant {
        let ahead_ms = (server_time - self.server_time) as f64 / self.speed.max(1e-9);
        self.at + Duration::from_secs_f64((ahead_ms / 1_000.0).max(0.0))
    }

    /// What the server's clock says at `instant`.
    pub fn server(&self, instant: Instant) -> i64 {
        let gone_ms = instant.saturating_duration_since(self.at).as_secs_f64() * 1_000.0;
        self.server_time + (gone_ms * self.speed) as i64
    }
}
