//! `reconnect` (S3): everybody comes back at once after a restart, and is told rightly what happened meanwhile.
//!
//! Some interns choose before the server is killed, so that everybody comes back from a position of the life before;
//! then the turns go on. Nobody may guess: each client is resumed or given a snapshot, and ends with the server's
//! state.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::chaos::actors::set_to_act;
use crate::chaos::stage::{Cast, all_ranks, import};
use crate::chaos::verdict::{Check, Verdict};
use crate::chaos::{Run, say};
use crate::clock;
use crate::process_figures::ensure_descriptors;
use crate::server_process::Launch;

/// S3, as it is called in verdicts.
const ALL_BACK: &str = "S3 everybody back at once after a restart, resumed or by a snapshot, none by guess";
/// Interns of the amphi; the other connections look on.
const INTERNS: usize = 20;
/// Longest pause of an intern before doing something.
const PAUSE: Duration = Duration::from_millis(100);
/// Longer than the amphi takes.
const TURN: &str = "600s";
/// The amphi may take this long.
const SESSION_WITHIN: Duration = Duration::from_secs(120);

/// Plays one restart with `run.count` connections.
///
/// # Errors
/// When it cannot be played to its end.
pub async fn play(run: &Run) -> Result<Verdict> {
    let connections = usize::try_from(run.count)?;
    ensure!(connections > INTERNS, "more than {INTERNS} connections, please");
    ensure_descriptors(connections)?;
    let mut rng = StdRng::seed_from_u64(run.seed);
    let server = Launch::new(&run.server, run.keep.as_deref())?.start().await?;
    let amphi = import(&server.launch, INTERNS, TURN, 0).await?;
    let cast = Rc::new(Cast::gather(&server.authority, &amphi, connections - INTERNS - 1).await?);
    cast.open().await?;
    set_to_act(&cast, PAUSE, false, &mut rng);
    let some = rng.random_range(3..INTERNS / 2);
    cast.until("some choices", SESSION_WITHIN, |cast| cast.placed() >= some).await?;

    let launch = server.kill(&[]).await?;
    cast.room.server_life.set(1);
    let server = launch.start().await?;
    let open_at = clock::now();
    let back_at = cast.until_everybody_is_back().await?;
    let seconds = back_at.saturating_duration_since(open_at).as_secs_f64();
    let (resumed, reconnected) = (cast.room.counts.resumed.get(), cast.room.counts.reconnections.get());
    say("reconnect", &format!("{connections} connections back {seconds:.3} s after the server was open"));

    cast.until("everybody to hold a seat", SESSION_WITHIN, |cast| cast.placed() == INTERNS).await?;
    let ending = cast.finish(&server.launch, &all_ranks(INTERNS)).await?;
    let mut check = Check::new(ALL_BACK);
    check.examine(resumed >= run.count, || format!("only {resumed} of {connections} were resumed"));
    check.examined = reconnected;
    check.count("connections", run.count);
    check.count("resumed", resumed);
    check.figure("seconds", (seconds * 1e3).round() / 1e3);
    check.figure("seconds_per_1000_sockets", (seconds * 1e6 / connections as f64).round() / 1e3);
    let mut verdict = Verdict::default();
    verdict.extend(ending.checks);
    verdict.add(check);
    server.stop().await?;
    Ok(verdict)
}
