//! Choices one after the other at a steady rate, in blocks: some calm, some beside whoever is a nuisance. Both are
//! measured on the same server, in turns (P6).
//!
//! One thread measures, and is everybody who behaves: how late its own timer was meanwhile says how late it, and the
//! machine, made the acknowledgements.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::chaos::stage::{Cast, ms_since};
use crate::chaos::verdict::{Check, percentile, spread_ms};
use crate::clock;
use crate::command::{Action, Answer};
use crate::timing::{Latencies, watch_own_timer};

/// Of the acknowledgements beside a nuisance, the 99th percentile may be a fifth more (S1)…
const RATIO: f64 = 1.2;
/// …so that this share of them may take longer than that…
const LONGER_SHARE: f64 = 0.01;
/// …or so many standard deviations more: by chance, once in a thousand runs.
const CHANCE_DEVIATIONS: f64 = 4.0;
/// Whatever the others take, none may take longer than what everybody notices…
const LONGEST_MS: f64 = 250.0;
/// What the machine alone does counts for nobody: for an acknowledgement, server, Postgres, server and generator wake up
/// in turn, each as late as the generator's own timer. That includes what the generator does for its slow viewers.
const WAKE_UPS: f64 = 4.0;
/// Blocks of choices, every second one beside a nuisance.
pub const BLOCKS: usize = 4;
/// Choices of a block, and the time from one to the next.
pub const CHOICES: usize = 100;
/// See [`CHOICES`].
const EVERY: Duration = Duration::from_millis(30);
/// More than in the largest real amphis: the snapshots that nobody reads must fill the socket.
pub const INTERNS: usize = 800;
/// Of a turn: longer than the run takes.
pub const TURN: &str = "600s";
/// A turn opens within this.
const WITHIN: Duration = Duration::from_secs(30);

/// The interns who choose, and how long each choice took.
pub struct Choosing<'a> {
    cast: &'a Cast,
    rng: StdRng,
    /// How late the generator's own timer was during the choices.
    own_timer: Rc<RefCell<Latencies>>,
    calm: Vec<f64>,
    disturbed: Vec<f64>,
}

impl<'a> Choosing<'a> {
    /// Of this cast; `seed` decides who chooses what.
    pub fn of(cast: &'a Cast, seed: u64) -> Self {
        let (calm, disturbed) = (Vec::new(), Vec::new());
        Self { cast, rng: StdRng::seed_from_u64(seed), own_timer: Rc::default(), calm, disturbed }
    }

    /// One block, calm.
    ///
    /// # Errors
    /// When a choice is not done.
    pub async fn calm(&mut self, block: usize) -> Result<()> {
        let latencies = self.choices(block).await?;
        self.calm.extend(latencies);
        Ok(())
    }

    /// One block, beside a nuisance.
    ///
    /// # Errors
    /// When a choice is not done.
    pub async fn disturbed(&mut self, block: usize) -> Result<()> {
        let latencies = self.choices(block).await?;
        self.disturbed.extend(latencies);
        Ok(())
    }

    /// Milliseconds from the intended instant to each acknowledgement.
    async fn choices(&mut self, block: usize) -> Result<Vec<f64>> {
        let watching = tokio::task::spawn_local(watch_own_timer(Rc::clone(&self.own_timer)));
        let chosen = self.choose(u16::try_from(1 + block * CHOICES)?).await;
        watching.abort();
        chosen
    }

    async fn choose(&mut self, first: u16) -> Result<Vec<f64>> {
        let began = clock::now();
        let mut latencies = Vec::new();
        for index in 0..CHOICES {
            let rank = first + u16::try_from(index)?;
            let intended = began + EVERY * u32::try_from(index)?;
            let turn = format!("the turn of rank {rank}");
            self.cast.until(&turn, WITHIN, |cast| cast.in_turn() == Some(rank)).await?;
            clock::sleep_precisely(intended).await;
            let post = self.cast.free_post(self.rng.random_range(0..1_000)).context("no post is free")?;
            let answer = self.cast.intern(rank)?.submit(Action::Choose(post), None).await?;
            ensure!(answer == Answer::Done, "the choice of rank {rank} was answered {answer:?}");
            latencies.push(ms_since(intended));
        }
        Ok(latencies)
    }

    /// Whether those who chose felt anything of the nuisance; `promise` is what that is called.
    pub fn judge(&self, promise: &'static str) -> Check {
        undisturbed(promise, &self.calm, &self.disturbed, &self.own_timer.borrow())
    }
}

fn undisturbed(promise: &'static str, calm: &[f64], disturbed: &[f64], own_timer: &Latencies) -> Check {
    let mut check = Check::new(promise);
    let p99 = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        percentile(&sorted, 0.99)
    };
    let (before, beside) = (p99(calm), p99(disturbed));
    // The median says how coarse the timer is.
    let of_the_machine = WAKE_UPS * (own_timer.ms_at(0.99) - own_timer.ms_at(0.5));
    let allowed_ms = of_the_machine.max(before * RATIO);
    let longer = disturbed.iter().filter(|ms| **ms > allowed_ms).count();
    let expected = disturbed.len() as f64 * LONGER_SHARE;
    check.examine((longer as f64) <= expected + CHANCE_DEVIATIONS * expected.sqrt(), || {
        format!(
            "{longer} of {} take longer than {allowed_ms:.1} ms beside them; the 99th percentile is {beside:.1} ms, and \
             {before:.1} ms without",
            disturbed.len()
        )
    });
    let longest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let (was_longest, is_longest) = (longest(calm), longest(disturbed));
    let longest_allowed = LONGEST_MS.max(was_longest * RATIO).max(WAKE_UPS * own_timer.ms_at(1.0));
    check.examine(is_longest <= longest_allowed, || {
        format!("one takes {is_longest:.0} ms beside them; the longest without takes {was_longest:.0} ms")
    });
    check.examined = (calm.len() + disturbed.len()) as u64;
    check.figure("without", spread_ms(calm));
    check.figure("beside_them", spread_ms(disturbed));
    check.figure("p99_ratio", (beside / before.max(1e-9) * 100.0).round() / 100.0);
    check.figure("allowed_ms", (allowed_ms * 10.0).round() / 10.0);
    check.figure("longer_than_allowed", longer);
    check.figure("own_timer_late", own_timer.to_json());
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a timer that is a millisecond late, and sometimes so much more.
    fn own_timer(more_ms: u64) -> Latencies {
        let mut lateness = Latencies::default();
        (0..50).for_each(|_| lateness.record(1_000));
        lateness.record(1_000 + more_ms * 1_000);
        lateness
    }

    #[test]
    fn a_server_that_waits_for_a_nuisance_is_found() {
        let calm = vec![5.0; 200];
        let mut disturbed = vec![6.0; 200];
        assert!(undisturbed("P6", &calm, &disturbed, &own_timer(1)).holds());
        disturbed[..7].fill(12.0);
        assert!(undisturbed("P6", &calm, &disturbed, &own_timer(1)).holds(), "so many may be by chance");
        disturbed[..8].fill(12.0);
        assert!(!undisturbed("P6", &calm, &disturbed, &own_timer(1)).holds());
        assert!(
            undisturbed("P6", &calm, &disturbed, &own_timer(4)).holds(),
            "the machine itself was as late"
        );
        let mut disturbed = vec![5.0; 200];
        disturbed[7] = 1_000.0;
        assert!(!undisturbed("P6", &calm, &disturbed, &own_timer(1)).holds(), "one is stuck");
        assert!(!undisturbed("P6", &[], &[], &own_timer(1)).holds(), "nothing was measured");
    }
}
