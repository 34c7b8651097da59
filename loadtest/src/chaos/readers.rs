//! `readers` (S1): one viewer in ten stops reading, and nobody else may feel it.
//!
//! Blocks of choices without and with slow viewers take turns on the same server, so that both are measured side by
//! side. A slow viewer asks for snapshot after snapshot and reads none, until the server's socket takes no more. Half
//! of them go on reading after two seconds and must end with the server's state; the others never do, and must be
//! closed.

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

/// P6, as it is called in verdicts.
const UNDISTURBED: &str = "P6/S1 who reads is acknowledged as fast beside viewers who do not";
/// S1: what becomes of the slow ones.
const CLOSED: &str = "S1 who does not read for 5 s is closed";
/// S1: what becomes of those who read again.
const CAUGHT_UP: &str = "S1 who reads again in time stays, and has the server's state";
/// The promise is a fifth more; below this much in all, it is the machine's noise. A server that waited for a slow
/// viewer would wait for seconds.
const UNDISTURBED_MS: f64 = 1_000.0;
/// See [`UNDISTURBED`].
const UNDISTURBED_RATIO: f64 = 1.2;
/// See [`CLOSED`]: 5 s blocked; one more for filling the socket and for the closing itself.
const CLOSED_WITHIN_MS: f64 = 6_000.0;
/// More than in the largest real amphis: the snapshots that nobody reads must fill the socket.
const INTERNS: usize = 800;
/// Longer than the run takes.
const TURN: &str = "600s";
/// Blocks of choices, every second one beside slow viewers.
const BLOCKS: usize = 4;
/// Choices of a block, and the time from one to the next.
const CHOICES: usize = 60;
/// See [`CHOICES`].
const EVERY: Duration = Duration::from_millis(50);
/// Snapshots asked for and not read; a connection may send 30 messages in 10 s, hello included.
const SNAPSHOTS: usize = 28;
/// See [`SNAPSHOTS`].
const ASKED_EVERY: Duration = Duration::from_millis(20);
/// Those who read again do so after this.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// What the kernel may keep for a viewer who never reads.
const RECEIVE_BUFFER_BYTES: u32 = 4 * 1024;
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
    cast.connect_everybody().await?;
    cast.open().await?;
    say(
        "readers",
        &format!("{viewers} viewers, {} of them slow in every second block", viewers / ONE_SLOW_IN),
    );
    let mut stage = Stage {
        server: &server,
        cast: &cast,
        rng: StdRng::seed_from_u64(run.seed),
        paused: 0,
        checks: new_checks(),
    };
    let (mut calm, mut disturbed) = (Vec::new(), Vec::new());
    for block in 0..BLOCKS {
        let first = u16::try_from(1 + block * CHOICES)?;
        if block % 2 == 0 {
            calm.extend(stage.choices(first).await?);
        } else {
            disturbed.extend(stage.beside_slow_viewers(first, viewers / ONE_SLOW_IN).await?);
        }
    }
    let [closed, caught_up] = stage.checks;
    let mut verdict = Verdict::default();
    verdict.add(undisturbed(&calm, &disturbed));
    verdict.add(closed);
    verdict.add(caught_up);
    let placed = cast.everybody_placed();
    verdict.extend(cast.finish(&server.launch, &placed).await?.checks);
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
    /// See [`CLOSED`] and [`CAUGHT_UP`].
    checks: [Check; 2],
}

impl Stage<'_> {
    /// One block of choices, at a steady rate; milliseconds from the intended instant to each acknowledgement.
    async fn choices(&mut self, first: u16) -> Result<Vec<f64>> {
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
        let lost_before = self.cast.room.counts.reconnections.get();
        pausing.iter().for_each(|viewer| viewer.pause(true));
        let stuck = self.stop_reading(&pausing, slow - pausing.len()).await?;
        let began = clock::now();
        let closing = until_closed(self.server.pid, base + OF_ITS_OWN, began);
        let reading_again = read_again(&pausing);
        let (latencies, (), closed_after) = tokio::join!(self.choices(first), reading_again, closing);
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
        let lost = self.cast.room.counts.reconnections.get() - lost_before;
        caught_up.examine(lost == 0, || format!("{lost} viewers who read again had to come back"));
        caught_up.count("viewers", pausing.len() as u64);
        let closed_after = closed_after.map(f64::round);
        say(
            "readers",
            &format!("{stuck_count} who do not read: closed after {closed_after:?} ms; {lost} others lost"),
        );
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
    viewers.iter().for_each(|viewer| viewer.pause(false));
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

fn undisturbed(calm: &[f64], disturbed: &[f64]) -> Check {
    let mut check = Check::new(UNDISTURBED);
    let p99 = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        percentile(&sorted, 0.99)
    };
    let (before, beside) = (p99(calm), p99(disturbed));
    check.examine(beside <= UNDISTURBED_MS.max(before * UNDISTURBED_RATIO), || {
        format!("the 99th percentile is {beside:.1} ms beside slow viewers, {before:.1} ms without them")
    });
    check.examined = (calm.len() + disturbed.len()) as u64;
    check.figure("without", spread_ms(calm));
    check.figure("beside_slow_viewers", spread_ms(disturbed));
    check.figure("p99_ratio", (beside / before.max(1e-9) * 100.0).round() / 100.0);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_waits_for_slow_viewers_is_found() {
        let calm = vec![5.0; 100];
        let mut disturbed = vec![6.0; 100];
        assert!(undisturbed(&calm, &disturbed).holds());
        disturbed[1] = 4_900.0;
        disturbed[2] = 4_900.0;
        assert!(!undisturbed(&calm, &disturbed).holds());
        assert!(!undisturbed(&[], &[]).holds(), "nothing was measured");
    }
}
