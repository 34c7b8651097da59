//! The pulse: one timing wheel that pings all connections of this server, so that none needs a timer.
//!
//! A connection stands in the slot in which it is to be looked at next; each turn of the wheel looks at one
//! slot. It turns only while somebody is on it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::fanout::{Line, Look};
use crate::limits::{PING_EVERY, PONG_WITHIN};

/// How long one slot lasts: with the half seconds by which two looks may be late, silence is noticed within
/// the 30 s of S2.
const SLOT: Duration = Duration::from_millis(500);
/// Slots of the wheel: more than the longest wait.
const SLOTS: usize = 64;
const _: () = assert!(PING_EVERY.as_millis() + PONG_WITHIN.as_millis() < SLOT.as_millis() * SLOTS as u128);

/// The timing wheel of one server.
#[derive(Debug, Default)]
pub struct Pulse {
    wheel: Mutex<Wheel>,
}

#[derive(Debug)]
struct Wheel {
    slots: Vec<Vec<Weak<Line>>>,
    now: usize,
    lines: usize,
    turning: bool,
}

impl Default for Wheel {
    fn default() -> Self {
        Self { slots: vec![Vec::new(); SLOTS], now: 0, lines: 0, turning: false }
    }
}

impl Pulse {
    fn wheel(&self) -> MutexGuard<'_, Wheel> {
        self.wheel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks after a connection until it ends.
    pub fn watch(self: &Arc<Self>, line: &Arc<Line>) {
        line.heard();
        let starts = {
            let mut wheel = self.wheel();
            wheel.put(Arc::downgrade(line), PING_EVERY);
            wheel.lines += 1;
            !std::mem::replace(&mut wheel.turning, true)
        };
        if starts {
            tokio::spawn(Arc::clone(self).turn());
        }
    }

    async fn turn(self: Arc<Self>) {
        let mut next = Instant::now();
        loop {
            next += SLOT;
            tokio::time::sleep_until(next).await;
            let due = {
                let mut wheel = self.wheel();
                wheel.now = (wheel.now + 1) % SLOTS;
                let now = wheel.now;
                std::mem::take(&mut wheel.slots[now])
            };
            let mut ended = 0;
            for line in due {
                match line.upgrade().map_or(Look::Ended, |line| line.pulse()) {
                    Look::At(when) => self.wheel().put(line, when.saturating_duration_since(Instant::now())),
                    Look::Ended => ended += 1,
                }
            }
            let mut wheel = self.wheel();
            wheel.lines -= ended;
            if wheel.lines == 0 {
                wheel.turning = false;
                return;
            }
        }
    }
}

impl Wheel {
    fn put(&mut self, line: Weak<Line>, after: Duration) {
        // Rounded up: looked at a little late, and never too early for nothing.
        let slots = usize::try_from(after.as_millis().div_ceil(SLOT.as_millis())).unwrap_or(SLOTS);
        let slot = (self.now + slots.clamp(1, SLOTS - 1)) % SLOTS;
        self.slots[slot].push(line);
    }
}
