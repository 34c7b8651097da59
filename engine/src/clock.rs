//! The only place that asks what time it is.
//!
//! Invariant: a clock never runs backwards. The wall clock is read once, at the start; from then on
//! the monotonic clock is added to it, so that a jump of the wall clock moves nobody's turn (C10). It is
//! tokio's monotonic clock, which simulations stop and turn.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use amphi_core::Timestamp;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

/// A source of time, shared by everything that waits.
pub trait Clock: Send + Sync + 'static {
    /// Now (UTC, ms).
    fn now(&self) -> Timestamp;
    /// Completes at `instant`, or at once when it has passed.
    fn sleep_until(&self, instant: Timestamp) -> BoxFuture<'static, ()>;
    /// How fast this clock runs against real time.
    fn speed(&self) -> f64 {
        1.0
    }
}

/// The machine's clock, or a compressed one for rehearsals and demonstrations.
#[derive(Debug, Clone)]
pub struct SystemClock {
    origin: Timestamp,
    started: Instant,
    speed: f64,
}

impl SystemClock {
    /// The real time, at its real speed.
    pub fn real() -> Self {
        Self::compressed(wall_clock_now(), 1.0)
    }

    /// A clock that shows `origin` now and runs `speed` times faster than real time.
    pub fn compressed(origin: Timestamp, speed: f64) -> Self {
        Self { origin, started: Instant::now(), speed }
    }
}

/// What the machine's wall clock shows (UTC, ms).
#[allow(clippy::disallowed_methods, reason = "this is the clock module")]
pub fn wall_clock_now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let elapsed_ms = self.started.elapsed().as_secs_f64() * 1_000.0 * self.speed;
        Timestamp(self.origin.0 + elapsed_ms as i64)
    }

    fn sleep_until(&self, instant: Timestamp) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        async move {
            loop {
                let left_ms = (instant - clock.now()).0;
                if left_ms <= 0 {
                    return;
                }
                let real = Duration::from_secs_f64(left_ms as f64 / 1_000.0 / clock.speed);
                // Never more than an hour at once: a suspended machine wakes with the wrong idea.
                tokio::time::sleep(real.min(Duration::from_secs(3_600))).await;
            }
        }
        .boxed()
    }

    fn speed(&self) -> f64 {
        self.speed
    }
}

/// A clock that stands still until it is told to move: for tests and simulations.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<watch::Sender<Timestamp>>,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { now: Arc::new(watch::Sender::new(now)) }
    }

    /// Moves to `instant` and wakes whoever waited for it.
    ///
    /// # Panics
    /// When `instant` lies before what the clock shows.
    pub fn set(&self, instant: Timestamp) {
        assert!(instant >= *self.now.borrow(), "a clock never runs backwards");
        self.now.send_replace(instant);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    fn sleep_until(&self, instant: Timestamp) -> BoxFuture<'static, ()> {
        let mut now = self.now.subscribe();
        async move {
            // The clock outlives its sleepers in every test; if it did not, nothing would ever come.
            if now.wait_for(|now| *now >= instant).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        .boxed()
    }
}
