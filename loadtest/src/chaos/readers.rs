//! `readers` (S1): one viewer in ten stops reading, and nobody else may feel it.
//!
//! Blocks of choices without and with slow viewers take turns on the same server (`undisturbed.rs`). A slow viewer asks
//! for snapshot after snapshot and reads none, until the server's socket takes no more. Half of them go on reading after
//! two seconds and must end with the server's state; the others never do, and must be closed.
//!
//! One thread measures, and is every viewer: what it does for the slow ones is kept small and spread.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::chaos::stage::{Cast, import, ms_since};
use crate::chaos::undisturbed::{BLOCKS, CHOICES, Choosing, INTERNS, TURN};
use crate::chaos::verdict::{Check, Verdict};
use crate::chaos::{Run, say};
use crate::client::Viewer;
use crate::clock;
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
/// S1: what they cost meanwhile.
const KEPT: &str = "S1 the server keeps no more for who does not read than one state and what concerns them";
/// See [`KEPT`]: a state of 800 interns is some 100 KiB, made once for all; 256 KiB is the bound of what concerns one
/// viewer (`PROTOCOL.md`). What each has asked for and not read is ten times as much…
const KEPT_KIB_EACH: u64 = 384;
/// …and this is what a server's memory moves by itself in a block of choices.
const KEPT_KIB_ASIDE: u64 = 16 * 1024;
/// See [`CLOSED`]: 5 s blocked; one more for filling the socket and for the closing itself.
const CLOSED_WITHIN_MS: f64 = 6_000.0;
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
    let mut stage = Stage { server: &server, cast: &cast, paused: 0, checks: new_checks() };
    let mut choosing = Choosing::of(&cast, run.seed);
    for block in 0..BLOCKS {
        if block % 2 == 0 {
            choosing.calm(block).await?;
        } else {
            stage.beside_slow_viewers(&mut choosing, block, slow).await?;
        }
    }
    let [closed, mut caught_up, kept] = stage.checks;
    let mut verdict = Verdict::default();
    verdict.add(choosing.judge(UNDISTURBED));
    verdict.add(closed);
    verdict.add(kept);
    let placed = cast.everybody_placed();
    let ending = cast.finish(&server.launch, &placed).await?;
    let lost = cast.room.counts.reconnections.get();
    caught_up.examine(lost == 0, || format!("{lost} viewers who read had to come back"));
    verdict.add(caught_up);
    verdict.extend(ending.checks);
    server.stop().await?;
    Ok(verdict)
}

fn new_checks() -> [Check; 3] {
    [CLOSED, CAUGHT_UP, KEPT].map(Check::new)
}

struct Stage<'a> {
    server: &'a ServerProcess,
    cast: &'a Cast,
    /// How many have had their pause.
    paused: usize,
    /// See [`CLOSED`], [`CAUGHT_UP`] and [`KEPT`].
    checks: [Check; 3],
}

impl Stage<'_> {
    /// One block of choices beside `slow` viewers who have stopped reading.
    async fn beside_slow_viewers(
        &mut self,
        choosing: &mut Choosing<'_>,
        block: usize,
        slow: usize,
    ) -> Result<()> {
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
        let (chosen, ()) = tokio::join!(choosing.disturbed(block), read_again(&pausing));
        // Before they are closed.
        let memory_with = memory_kib(self.server.pid)?.0;
        // Looked for afterwards only: going through the server's descriptors takes the generator some milliseconds.
        let closed_after = until_closed(self.server.pid, base + OF_ITS_OWN, began).await;
        let stuck_count = stuck.len();
        drop(stuck);
        let [closed, caught_up, kept] = &mut self.checks;
        let more = memory_with.saturating_sub(memory_before);
        kept.examine(more <= KEPT_KIB_ASIDE + KEPT_KIB_EACH * slow as u64, || {
            format!("the server holds {more} KiB more with {slow} slow viewers")
        });
        kept.count("kib_more", more);
        kept.count("slow_viewers", slow as u64);
        closed.examine(closed_after.is_some_and(|ms| ms <= CLOSED_WITHIN_MS), || {
            format!("{stuck_count} viewers who do not read were closed after {closed_after:?} ms")
        });
        closed.count("viewers", stuck_count as u64);
        closed.figure("closed_after_ms", closed_after.map(f64::round));
        caught_up.count("viewers", pausing.len() as u64);
        let (told, asked_for) = (told.get() - told_before, (pausing.len() * SNAPSHOTS) as u64);
        caught_up.count("snapshots_asked_for", asked_for);
        caught_up.count("snapshots_told", told);
        let closed_after = closed_after.map(f64::round);
        say("readers", &format!("{stuck_count} who do not read: closed after {closed_after:?} ms"));
        chosen
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
