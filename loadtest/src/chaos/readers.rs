//! `readers` (S1): one viewer in ten stops reading, and nobody else may feel it.
//!
//! Blocks of choices without and with slow viewers take turns on the same server, so that both are measured side by
//! side. A slow viewer asks for snapshot after snapshot and reads none, until the server's socket takes no more. Half
//! of them go on reading after two seconds and must end with the server's state; the others never do, and must be
//! closed.
//!
//! One thread measures, and is every viewer: what it does for the slow ones is kept small and spread, and how late its
//! own timer was meanwhile says how late it, and the machine, made the acknowledgements.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::chaos::stage::{Cast, import, ms_since};
use crate::chaos::verdict::{Check, Verdict, percentile, spread_ms};
use crate::chaos::{Run, say};
use crate::client::Viewer;
use crate::clock;
use crate::command::{Action, Answer};
use crate::process_figures::{ensure_descriptors, memory_kib};
use crate::processes::descriptors;
use crate::raw_socket::RawSocket;
use crate::server_process::{Launch, ServerProcess};
use crate::timing::{Latencies, watch_own_timer};

/// P6, as it is called in verdicts.
const UNDISTURBED: &str = "P6/S1 who reads is acknowledged as fast beside viewers who do not";
/// S1: what becomes of the slow ones.
const CLOSED: &str = "S1 who does not read for 5 s is closed";
/// S1: what becomes of those who read again.
const CAUGHT_UP: &str = "S1 who reads again in time stays, and has the server's state";
/// See [`UNDISTURBED`]: the promise is that the 99th percentile is a fifth more at most…
const UNDISTURBED_RATIO: f64 = 1.2;
/// …so that this share of the acknowledgements may take longer than that…
const LONGER_SHARE: f64 = 0.01;
/// …or so many standard deviations more: by chance, once in a thousand runs.
const CHANCE_DEVIATIONS: f64 = 4.0;
/// What the machine alone does counts for nobody: for an acknowledgement, server, Postgres, server and generator wake up
/// in turn, each as late as the generator's own timer. That includes what the generator does for its slow viewers.
const WAKE_UPS: f64 = 4.0;
/// See [`CLOSED`]: 5 s blocked; one more for filling the socket and for the closing itself.
const CLOSED_WITHIN_MS: f64 = 6_000.0;
/// More than in the largest real amphis: the snapshots that nobody reads must fill the socket.
const INTERNS: usize = 800;
/// Longer than the run takes.
const TURN: &str = "600s";
/// Blocks of choices, every second one beside slow viewers.
const BLOCKS: usize = 4;
/// Choices of a block, and the time from one to the next.
const CHOICES: usize = 100;
/// See [`CHOICES`].
const EVERY: Duration = Duration::from_millis(30);
/// Snapshots asked for and not read; a connection may send 30 messages in 10 s, hello included.
const SNAPSHOTS: usize = 28;
/// See [`SNAPSHOTS`].
const ASKED_EVERY: Duration = Duration::from_millis(20);
/// The first of those who read again does so after this…
const READ_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// …and all of them within this: one after the other, or the generator is what everybody waits for.
const READ_AGAIN_WITHIN: Duration = Duration::from_millis(1_500);
/// What the kernel may keep of what a slow viewer does not read: with its usual megabytes, the server would not see that
/// anybody is slow.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024;
/// One viewer in so many is slow.
const ONE_SLOW_IN: usize = 10;
/// Descriptors that come and go by themselves.
const OF_ITS_OWN: usize = 4;
/// Anything here happens within this.
const WITHIN: Duration = Duration::from_secs(30);

/// Plays with `run.count` viewers beside the interns who choose.
///
/// # Errors
/// When it cannot be played to its end.
pub async fn play(run: &Run) -> Result<Verdict> {
    let viewers = usize::try_from(run.count)?;
    ensure!(viewers >= 2 * ONE_SLOW_IN, "at least {} viewers, please", 2 * ONE_SLOW_IN);
    ensure_descriptors(viewers + BLOCKS * CHOICES)?;
    let server = Launch::new(&run.server, run.keep.as_deref())?.start().await?;
    let amphi = import(&server.launch, INTERNS, TURN, 0).await?;
    let cast = Cast::of(&server.authority, &amphi, BLOCKS * CHOICES, viewers).await?;
    let slow = viewers / ONE_SLOW_IN;
    cast.spectators[..slow / 2 * (BLOCKS / 2)]
        .iter()
        .for_each(|viewer| viewer.keep_unread(RECEIVE_BUFFER_BYTES));
    cast.connect_everybody().await?;
    cast.open().await?;
    say("readers", &format!("{viewers} viewers, {slow} of them slow in every second block"));
    let mut stage = Stage {
        server: &server,
        cast: &cast,
        rng: StdRng::seed_from_u64(run.seed),
        paused: 0,
        own_timer: Rc::default(),
        checks: new_checks(),
    };
    let (mut calm, mut disturbed) = (Vec::new(), Vec::new());
    for block in 0..BLOCKS {
        let first = u16::try_from(1 + block * CHOICES)?;
        if block % 2 == 0 {
            calm.extend(stage.choices(first).await?);
        } else {
            disturbed.extend(stage.beside_slow_viewers(first, slow).await?);
        }
    }
    let [closed, mut caught_up] = stage.checks;
    let mut verdict = Verdict::default();
    verdict.add(undisturbed(&calm, &disturbed, &stage.own_timer.borrow()));
    verdict.add(closed);
    let placed = cast.everybody_placed();
    let ending = cast.finish(&server.launch, &placed).await?;
    let lost = cast.room.counts.reconnections.get();
    caught_up.examine(lost == 0, || format!("{lost} viewers who read had to come back"));
    verdict.add(caught_up);
    verdict.extend(ending.checks);
    server.stop().await?;
    Ok(verdict)
}

fn new_checks() -> [Check; 2] {
    [Check::new(CLOSED), Check::new(CAUGHT_UP)]
}

struct Stage<'a> {
    server: &'a ServerProcess,
    cast: &'a Cast,
    rng: StdRng,
    /// How many have had their pause.
    paused: usize,
    /// How late the generator's own timer was during the choices.
    own_timer: Rc<RefCell<Latencies>>,
    /// See [`CLOSED`] and [`CAUGHT_UP`].
    checks: [Check; 2],
}

impl Stage<'_> {
    /// One block of choices, at a steady rate; milliseconds from the intended instant to each acknowledgement.
    async fn choices(&mut self, first: u16) -> Result<Vec<f64>> {
        let watching = tokio::task::spawn_local(watch_own_timer(Rc::clone(&self.own_timer)));
        let chosen = self.choose(first).await;
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

    /// The same beside `slow` viewers who have stopped reading.
    async fn beside_slow_viewers(&mut self, first: u16, slow: usize) -> Result<Vec<f64>> {
        let base = descriptors(self.server.pid);
        let memory_before = memory_kib(self.server.pid)?.0;
        // Others each time: nobody may send too many messages.
        let pausing: Vec<_> = self.cast.spectators.iter().skip(self.paused).take(slow / 2).cloned().collect();
        self.paused += pausing.len();
        let told = &self.cast.room.counts.caught_up_by_snapshot;
        let told_before = told.get();
        pausing.iter().for_each(|viewer| viewer.pause(true));
        let stuck = self.stop_reading(&pausing, slow - pausing.len()).await?;
        let began = clock::now();
        let (latencies, ()) = tokio::join!(self.choices(first), read_again(&pausing));
        // Looked for afterwards only: going through the server's descriptors takes the generator some milliseconds.
        let closed_after = until_closed(self.server.pid, base + OF_ITS_OWN, began).await;
        let memory_with = memory_kib(self.server.pid)?.0;
        let stuck_count = stuck.len();
        drop(stuck);
        let [closed, caught_up] = &mut self.checks;
        closed.examine(closed_after.is_some_and(|ms| ms <= CLOSED_WITHIN_MS), || {
            format!("{stuck_count} viewers who do not read were closed after {closed_after:?} ms")
        });
        closed.count("viewers", stuck_count as u64);
        closed.figure("closed_after_ms", closed_after.map(f64::round));
        closed.figure("server_memory_kib_more", memory_with.saturating_sub(memory_before));
        caught_up.count("viewers", pausing.len() as u64);
        let (told, asked_for) = (told.get() - told_before, (pausing.len() * SNAPSHOTS) as u64);
        caught_up.count("snapshots_asked_for", asked_for);
        caught_up.count("snapshots_told", told);
        let closed_after = closed_after.map(f64::round);
        say("readers", &format!("{stuck_count} who do not read: closed after {closed_after:?} ms"));
        latencies
    }

    /// Connections that ask for more than their sockets can hold, and read nothing of it; `pausing` do the same.
    async fn stop_reading(&self, pausing: &[Rc<Viewer>], how_many: usize) -> Result<Vec<RawSocket>> {
        let door = &self.cast.amphi.doors.spectator;
        let mut stuck = Vec::new();
        for _ in 0..how_many {
            stuck.push(RawSocket::open(&self.cast.room, door, Some(RECEIVE_BUFFER_BYTES)).await?);
        }
        for _ in 0..SNAPSHOTS {
            for socket in &mut stuck {
                socket.say(r#"{"type":"resync"}"#).await?;
            }
            pausing.iter().try_for_each(|viewer| viewer.resync())?;
            // Asked for in one breath, several would be answered by one.
            tokio::time::sleep(ASKED_EVERY).await;
        }
        Ok(stuck)
    }
}

async fn read_again(viewers: &[Rc<Viewer>]) {
    tokio::time::sleep(READ_AGAIN_AFTER).await;
    for viewer in viewers {
        viewer.pause(false);
        tokio::time::sleep(READ_AGAIN_WITHIN.div_f64(viewers.len() as f64)).await;
    }
}

/// Milliseconds since `began` until no more than `base` descriptors are open; `None` when that never was.
async fn until_closed(pid: u32, base: usize, began: Instant) -> Option<f64> {
    while clock::now() < began + WITHIN {
        if descriptors(pid) <= base {
            return Some(ms_since(began));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}

fn undisturbed(calm: &[f64], disturbed: &[f64], own_timer: &Latencies) -> Check {
    let mut check = Check::new(UNDISTURBED);
    let p99 = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        percentile(&sorted, 0.99)
    };
    let (before, beside) = (p99(calm), p99(disturbed));
    // The median says how coarse the timer is.
    let of_the_machine = WAKE_UPS * (own_timer.ms_at(0.99) - own_timer.ms_at(0.5));
    let allowed_ms = of_the_machine.max(before * UNDISTURBED_RATIO);
    let longer = disturbed.iter().filter(|ms| **ms > allowed_ms).count();
    let expected = disturbed.len() as f64 * LONGER_SHARE;
    check.examine((longer as f64) <= expected + CHANCE_DEVIATIONS * expected.sqrt(), || {
        format!(
            "{longer} of {} take longer than {allowed_ms:.1} ms beside slow viewers; the 99th percentile is {beside:.1} \
             ms, and {before:.1} ms without them",
            disturbed.len()
        )
    });
    check.examined = (calm.len() + disturbed.len()) as u64;
    check.figure("without", spread_ms(calm));
    check.figure("beside_slow_viewers", spread_ms(disturbed));
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
    fn a_server_that_waits_for_slow_viewers_is_found() {
        let calm = vec![5.0; 200];
        let mut disturbed = vec![6.0; 200];
        assert!(undisturbed(&calm, &disturbed, &own_timer(1)).holds());
        disturbed[..7].fill(12.0);
        assert!(undisturbed(&calm, &disturbed, &own_timer(1)).holds(), "so many may be by chance");
        disturbed[..8].fill(12.0);
        assert!(!undisturbed(&calm, &disturbed, &own_timer(1)).holds());
        assert!(undisturbed(&calm, &disturbed, &own_timer(4)).holds(), "the machine itself was as late");
        assert!(!undisturbed(&[], &[], &own_timer(1)).holds(), "nothing was measured");
    }
}
