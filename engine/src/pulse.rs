//! The pulse: one timing wheel that pings all connections of this server, so that none needs a timer.
//!
//! A connection stands in the slot in which it is to be looked at next; each turn of the wheel looks at one
//! slot. It turns only while somebody is on it. Those who came in a crowd are not pinged as one: each stands in the
//! emptiest of the slots that will do, and a slot is gone through at an even pace.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::fanout::{Line, Look};
use crate::limits::{PING_EVERY, PING_SPREAD, PONG_WITHIN, WRITES_PER_SLICE};

/// How long one slot lasts: a look is late by one at most, and by another where the slot is crowded, so that silence is
/// noticed within the 30 s of S2.
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
            wheel.put(Arc::downgrade(line), PING_EVERY - PING_SPREAD, PING_EVERY);
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
            for (number, slice) in due.chunks(WRITES_PER_SLICE).enumerate() {
                let share = (number * WRITES_PER_SLICE) as f64 / due.len() as f64;
                tokio::time::sleep_until(next + SLOT.mul_f64(share)).await;
                for line in slice {
                    match line.upgrade().map_or(Look::Ended, |line| line.pulse()) {
                        Look::Within(from, to) => {
                            let [from, to] = [from, to].map(|at| at.saturating_duration_since(next));
                            self.wheel().put(Weak::clone(line), from, to);
                        }
                        Look::Ended => ended += 1,
                    }
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
    /// Has `line` looked at between the one and the other: when there is least to do, and late rather than early.
    fn put(&mut self, line: Weak<Line>, from: Duration, to: Duration) {
        // Rounded up: looked at a little late, and never too early for nothing.
        let slots = |after: Duration| {
            let slots = usize::try_from(after.as_millis().div_ceil(SLOT.as_millis())).unwrap_or(SLOTS);
            self.now + slots.clamp(1, SLOTS - 1)
        };
        let candidates = (slots(from)..=slots(to)).rev().map(|slot| slot % SLOTS);
        if let Some(slot) = candidates.min_by_key(|slot| self.slots[*slot].len()) {
            self.slots[slot].push(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_who_came_in_a_crowd_is_not_pinged_as_one() {
        let mut wheel = Wheel::default();
        let (from, to) = (PING_EVERY - PING_SPREAD, PING_EVERY);
        let slots = (PING_SPREAD.as_millis() / SLOT.as_millis()) as usize + 1;
        wheel.put(Weak::new(), from, to);
        let last = (PING_EVERY.as_millis() / SLOT.as_millis()) as usize;
        assert_eq!(wheel.slots[last].len(), 1, "alone, as late as may be");
        for _ in 1..slots * 100 {
            wheel.put(Weak::new(), from, to);
        }
        assert!(wheel.slots[last + 1 - slots..=last].iter().all(|slot| slot.len() == 100));
        let all: usize = wheel.slots.iter().map(Vec::len).sum();
        assert_eq!(all, slots * 100, "nobody earlier, nobody later");
    }
}
