//! The clocks of simulated machines: they jump, drift and stand still.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use amphi_engine::clock::{Clock, SystemClock};
use amphi_engine::core::{Millis, Timestamp};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::plan::{ClockShift, Clockwork};

/// What a wall clock shows, as a function of the time that really passes.
#[derive(Debug, Clone, Copy)]
struct Dial {
    from: Instant,
    shown: Timestamp,
    /// Against real time, in millionths; 0 stands still.
    rate_ppm: i64,
}

impl Dial {
    fn at(&self, instant: Instant) -> Timestamp {
        let real_ms = i64::try_from((instant - self.from).as_millis()).expect("a simulation is short");
        self.shown + Millis(real_ms * self.rate_ppm / RIGHT_PPM)
    }
}

const RIGHT_PPM: i64 = 1_000_000;

/// The wall clock of one machine.
#[derive(Debug, Clone)]
pub struct WallClock {
    dial: Arc<Mutex<Dial>>,
    /// Wakes sleepers in the order in which they lay down; a `watch` channel would draw lots.
    shifted: Arc<Notify>,
}

impl WallClock {
    /// A clock that is right, and shows `now`.
    pub fn at(now: Timestamp) -> Self {
        let dial = Dial { from: Instant::now(), shown: now, rate_ppm: RIGHT_PPM };
        Self { dial: Arc::new(Mutex::new(dial)), shifted: Arc::default() }
    }

    /// What it shows.
    pub fn shows(&self) -> Timestamp {
        self.dial().at(Instant::now())
    }

    /// Makes it do something.
    pub fn shift(&self, shift: ClockShift) {
        let from = Instant::now();
        let dial = self.dial();
        let shown = dial.at(from);
        *self.dial.lock().unwrap_or_else(PoisonError::into_inner) = match shift {
            ClockShift::Jump { ms } => Dial { from, shown: shown + Millis(ms), ..dial },
            ClockShift::Freeze => Dial { from, shown, rate_ppm: 0 },
            ClockShift::Drift { ppm } => Dial { from, shown, rate_ppm: RIGHT_PPM + i64::from(ppm) },
            ClockShift::Steady => Dial { from, shown, rate_ppm: RIGHT_PPM },
        };
        self.shifted.notify_waiters();
    }

    fn dial(&self) -> Dial {
        *self.dial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock of a server that starts on this machine now.
    pub fn for_a_server(&self, clockwork: Clockwork) -> Arc<dyn Clock> {
        match clockwork {
            Clockwork::Steady => Arc::new(SystemClock::compressed(self.shows(), 1.0)),
            Clockwork::Loose => Arc::new(LooseClock(self.clone())),
        }
    }
}

/// A server clock that believes the wall clock at every moment.
struct LooseClock(WallClock);

impl Clock for LooseClock {
    fn now(&self) -> Timestamp {
        self.0.shows()
    }

    fn sleep_until(&self, instant: Timestamp) -> BoxFuture<'static, ()> {
        let clock = self.0.clone();
        async move {
            loop {
                let mut shifted = std::pin::pin!(clock.shifted.notified());
                shifted.as_mut().enable();
                let dial = clock.dial();
                let left_ms = (instant - dial.at(Instant::now())).0;
                if left_ms <= 0 {
                    return;
                }
                let real_ms = match dial.rate_ppm {
                    rate @ 1.. => (left_ms * RIGHT_PPM).div_euclid(rate) + 1,
                    _ => i64::MAX,
                };
                let real = Duration::from_millis(u64::try_from(real_ms).expect("positive"));
                tokio::select! {
                    biased;
                    () = shifted => {}
                    () = tokio::time::sleep(real.min(SLEEP_MAX)) => {}
                }
            }
        }
        .boxed()
    }
}

/// A clock that stands still is looked at again after this long; also what a timer can hold.
const SLEEP_MAX: Duration = Duration::from_secs(3_600);
