//! When choices were meant to be sent, when they were acknowledged, and when everybody knew.
//!
//! Every latency begins at the *intended* instant of sending: a choice that had to wait its turn in the
//! generator counts that wait (no coordinated omission). Units: microseconds.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::clock::{self, micros_between};

/// Longest latency that is told apart: ten minutes.
const MICROS_MAX: u64 = 600_000_000;

/// Latencies, to three digits.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, MICROS_MAX, 3).expect("the bounds are constants and in order"))
    }
}

impl Latencies {
    /// Adds one.
    pub fn record(&mut self, micros: u64) {
        self.0.saturating_record(micros.max(1));
    }

    /// Milliseconds within which this share of them lie; 0 when there are none.
    pub fn ms_at(&self, quantile: f64) -> f64 {
        f64::from(u32::try_from(self.0.value_at_quantile(quantile)).unwrap_or(u32::MAX)) / 1_000.0
    }

    /// As [`Self::ms_at`]; nothing when there are none, which reaches no goal.
    pub fn ms_if_any(&self, quantile: f64) -> Option<f64> {
        (self.count() > 0).then(|| self.ms_at(quantile))
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Adds all of `others`.
    pub fn add(&mut self, others: &Self) {
        self.0.add(&others.0).expect("all have the same bounds");
    }

    /// Count and percentiles, in milliseconds.
    pub fn to_json(&self) -> Value {
        let ms = |micros: u64| f64::from(u32::try_from(micros).unwrap_or(u32::MAX)) / 1_000.0;
        let at = |quantile: f64| ms(self.0.value_at_quantile(quantile));
        json!({
            "count": self.0.len(), "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99),
            "max_ms": ms(self.0.max()),
        })
    }
}

/// Records how late this process's own timer is, until dropped with its task: what the machine alone does
/// to timers, to be held against the server's.
pub async fn watch_own_timer(lateness: Rc<RefCell<Latencies>>) {
    const EVERY: Duration = Duration::from_millis(20);
    loop {
        let due = clock::now() + EVERY;
        tokio::time::sleep_until(due.into()).await;
        lateness.borrow_mut().record(micros_between(due, clock::now()));
    }
}

/// A thread on each core that only sleeps, a millisecond at a time. How late they wake is what the machine does to
/// anybody who waits for nothing else: the share of a latency that no program could take off.
pub struct Bystanders {
    leaving: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<Latencies>>,
}

impl Bystanders {
    /// Sleep from now on.
    pub fn start() -> Self {
        let leaving = Arc::new(AtomicBool::new(false));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let bystander = |core: usize| {
            let leaving = Arc::clone(&leaving);
            std::thread::spawn(move || sleep_on(core, &leaving))
        };
        let threads = (0..cores).map(bystander).collect();
        Self { leaving, threads }
    }

    /// How late they woke.
    pub fn leave(self) -> Latencies {
        self.leaving.store(true, Ordering::Relaxed);
        let mut lateness = Latencies::default();
        for thread in self.threads {
            lateness.add(&thread.join().unwrap_or_default());
        }
        lateness
    }
}

fn sleep_on(core: usize, leaving: &AtomicBool) -> Latencies {
    const EVERY: Duration = Duration::from_millis(1);
    let mut only = rustix::thread::CpuSet::new();
    only.set(core);
    // Where that is not allowed, it sleeps on whichever core there is.
    let _ = rustix::thread::sched_setaffinity(None, &only);
    let mut lateness = Latencies::default();
    while !leaving.load(Ordering::Relaxed) {
        let due = clock::now() + EVERY;
        std::thread::sleep(EVERY);
        lateness.record(micros_between(due, clock::now()));
    }
    lateness
}

/// What all rooms of a run add up to: histograms are too large to have one a room.
#[derive(Debug, Default)]
pub struct Tally {
    /// From the intended instant of a choice to each viewer.
    pub push: RefCell<Latencies>,
    /// From the acknowledgement to each viewer that knew later than it.
    pub push_after_acknowledgement: RefCell<Latencies>,
    /// Viewers that knew before the one who chose was acknowledged.
    pub before_acknowledgement: Cell<u64>,
    /// From the intended instant of a choice to its acknowledgement.
    pub acknowledged: RefCell<Latencies>,
    /// Changes delivered.
    pub deliveries: Cell<u64>,
    /// Measured changes that viewers know of, each viewer counted: delivered, or by a later snapshot.
    pub learnt: Cell<u64>,
    /// Choices acknowledged.
    pub acknowledgements: Cell<u64>,
    /// Whether latencies are not taken: the server is away, and we know.
    pub unmeasured: Cell<bool>,
}

/// One measured choice.
#[derive(Debug, Clone, Copy)]
pub struct ChoiceTiming {
    /// When it was to be sent.
    pub intended: Instant,
    /// When it was sent first.
    pub sent: Option<Instant>,
    /// When it was acknowledged.
    pub acknowledged: Option<Instant>,
}

/// The measured choices of one room.
#[derive(Debug)]
pub struct Timing {
    choices: Vec<ChoiceTiming>,
    of_rank: HashMap<u16, usize>,
    tally: Rc<Tally>,
}

impl Timing {
    /// None yet; latencies go to `tally`.
    pub fn new(tally: &Rc<Tally>) -> Self {
        Self { choices: Vec::new(), of_rank: HashMap::new(), tally: Rc::clone(tally) }
    }

    /// A choice of `rank` is to be sent at `intended`; its number.
    pub fn intend(&mut self, rank: u16, intended: Instant) -> usize {
        self.choices.push(ChoiceTiming { intended, sent: None, acknowledged: None });
        self.of_rank.insert(rank, self.choices.len() - 1);
        self.choices.len() - 1
    }

    /// It was sent; only the first time counts.
    pub fn sent(&mut self, choice: usize, now: Instant) {
        self.choices[choice].sent.get_or_insert(now);
    }

    /// It was acknowledged.
    pub fn acknowledged(&mut self, choice: usize, now: Instant) {
        let timing = &mut self.choices[choice];
        if timing.acknowledged.is_none() {
            timing.acknowledged = Some(now);
            self.tally.acknowledgements.set(self.tally.acknowledgements.get() + 1);
            if !self.tally.unmeasured.get() {
                self.tally.acknowledged.borrow_mut().record(micros_between(timing.intended, now));
            }
        }
    }

    /// Which choice placed `rank`.
    pub fn choice_of(&self, rank: u16) -> Option<usize> {
        self.of_rank.get(&rank).copied()
    }

    /// The choices, in the order in which they were intended.
    pub fn choices(&self) -> &[ChoiceTiming] {
        &self.choices
    }

    /// A viewer learnt of `choice`.
    pub fn known(&mut self, choice: usize, now: Instant) {
        let (timing, tally) = (self.choices[choice], &self.tally);
        tally.learnt.set(tally.learnt.get() + 1);
        if tally.unmeasured.get() {
            return;
        }
        tally.push.borrow_mut().record(micros_between(timing.intended, now));
        match timing.acknowledged {
            Some(acknowledged) => {
                let micros = micros_between(acknowledged, now);
                tally.push_after_acknowledgement.borrow_mut().record(micros);
            }
            None => tally.before_acknowledgement.set(tally.before_acknowledgement.get() + 1),
        }
    }
}
