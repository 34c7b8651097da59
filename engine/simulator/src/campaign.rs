//! Many seeds, on several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::generate::{Profile, generate};
use crate::oracle::{Counts, Violation};
use crate::plan::Plan;
use crate::simulation::run;

/// What a campaign came to.
pub struct Campaign {
    /// Worlds played without a broken promise.
    pub worlds: u64,
    /// How often each thing happened in them.
    pub counts: Counts,
    /// The first plan that broke a promise: no smaller seed did.
    pub failure: Option<(Plan, Violation)>,
}

/// Plays the plans of `count` seeds from `from` on; stops early when one fails.
pub fn campaign(from: u64, count: u64, jobs: usize, profile: Profile) -> Campaign {
    let next = AtomicU64::new(from);
    let end = AtomicU64::new(from.saturating_add(count));
    let result = Mutex::new(Campaign { worlds: 0, counts: Counts::new(), failure: None });
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end.load(Ordering::Relaxed) {
                        return;
                    }
                    let plan = generate(seed, profile);
                    let played = run(&plan, false);
                    let mut result = result.lock().expect("nobody panics under this lock");
                    match played {
                        Ok(report) => {
                            result.worlds += 1;
                            for (what, count) in report.counts {
                                *result.counts.entry(what).or_default() += count;
                            }
                        }
                        Err(violation) => {
                            // Smaller seeds are under way or done: the smallest that fails is reported.
                            end.fetch_min(seed, Ordering::Relaxed);
                            if result.failure.as_ref().is_none_or(|(plan, _)| seed < plan.seed) {
                                result.failure = Some((plan, violation));
                            }
                        }
                    }
                }
            });
        }
    });
    result.into_inner().expect("nobody panics under this lock")
}
