//! `database` (C6): Postgres stopped at once, frozen, and out of disk, while a server uses it.
//!
//! During each outage somebody in turn chooses. Nobody may be told that a choice is taken which is not written;
//! everybody must be told that the service stands still; and all of it must go on by itself afterwards. Limits are
//! real time, whatever the clock's speed. As root the disk that is full is a file system of its own, in memory; else
//! that outage is left out, and said to be.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::chaos::stage::{Amphi, Cast, import, ms_since};
use crate::chaos::verdict::{Check, Verdict};
use crate::chaos::{Run, say};
use crate::client::Viewer;
use crate::clock;
use crate::cluster::Cluster;
use crate::command::{Action, Answer};
use crate::server_process::Launch;

/// C6: what is said, by its limit.
const TOLD: &str = "C6 everybody is told within 5 s that no choice is taken";
/// C6: what is not said.
const SILENT: &str = "C6 nothing is acknowledged while the journal cannot be written";
/// C6: the end.
const BACK: &str = "C6 back within 10 s after the database, by itself, with the choice that was asked for";
/// See [`TOLD`].
const TOLD_WITHIN_MS: f64 = 5_000.0;
/// See [`BACK`].
const BACK_WITHIN_MS: f64 = 10_000.0;
/// Whoever is not told by then never will be.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(45);
/// A frozen database stays so, as long as C6 says: well beyond the 10 s that the server waits for an answer.
const FROZEN_FOR: Duration = Duration::from_secs(30);
/// The other outages stay so long after everybody was told.
const DOWN_FOR: Duration = Duration::from_secs(2);
/// Answers that were on their way when the outage began are read by then.
const UNDER_WAY: Duration = Duration::from_millis(200);
/// Size of the file system that is to be full.
const DISK_MIB: u32 = 128;
/// Interns of one amphi: enough for choices in between, and to fill what Postgres has in reserve.
const INTERNS: usize = 60;
/// Those who look on.
const SPECTATORS: usize = 10;
/// Longer than any amphi here takes.
const TURN: &str = "600s";
/// Choices before each outage.
const BEFORE: u64 = 2;

/// How the database fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    StoppedAtOnce,
    Frozen,
    DiskFull,
}

impl Outage {
    fn name(self) -> &'static str {
        match self {
            Self::StoppedAtOnce => "stopped at once",
            Self::Frozen => "frozen",
            Self::DiskFull => "disk full",
        }
    }

    async fn begin(self, cluster: &mut Cluster) -> Result<()> {
        match self {
            Self::StoppedAtOnce => cluster.stop_at_once().await?,
            Self::Frozen => cluster.freeze(),
            Self::DiskFull => cluster.fill_disk()?,
        }
        Ok(())
    }

    /// The database is there again when this returns.
    async fn end(self, cluster: &mut Cluster) -> Result<()> {
        match self {
            Self::StoppedAtOnce => cluster.start().await?,
            Self::Frozen => cluster.thaw(),
            Self::DiskFull => {
                cluster.free_disk()?;
                // Out of room for its log, Postgres may have given up altogether.
                if !cluster.is_running() {
                    cluster.start().await?;
                }
            }
        }
        Ok(())
    }
}

/// Plays every outage `run.count` times.
///
/// # Errors
/// When it cannot be played to its end.
pub async fn play(run: &Run) -> Result<Verdict> {
    let mut outages = vec![Outage::StoppedAtOnce, Outage::Frozen];
    let disk = match Cluster::start_new(run.keep.as_deref(), Some(DISK_MIB)).await {
        Ok(cluster) => {
            outages.push(Outage::DiskFull);
            Ok(cluster)
        }
        Err(problem) => {
            say("database", &format!("NOT TRIED: a full disk; nothing can be mounted here ({problem:#})"));
            Cluster::start_new(run.keep.as_deref(), None).await
        }
    };
    let mut cluster = disk?;
    let mut launch = Launch::new(&run.server, run.keep.as_deref())?;
    launch.database_url = Some(cluster.url(cluster.port()));
    let server = launch.start().await?;
    let mut verdict = Verdict::default();
    for round in 0..run.count {
        let amphi = import(&server.launch, INTERNS, TURN, round).await?;
        let mut session = Session::begin(&server.authority, &amphi, run.seed + round).await?;
        for outage in &outages {
            session.outage(*outage, &mut cluster).await?;
        }
        let placed = session.cast.everybody_placed();
        let ending = session.cast.finish(&server.launch, &placed).await?;
        verdict.extend(ending.checks);
        verdict.extend(session.checks);
    }
    server.stop().await?;
    cluster.remove().await?;
    Ok(verdict)
}

struct Session {
    cast: Rc<Cast>,
    rng: StdRng,
    /// Who was asked last.
    last: u16,
    checks: [Check; 3],
}

impl Session {
    async fn begin(authority: &str, amphi: &Amphi, seed: u64) -> Result<Self> {
        let cast = Rc::new(Cast::gather(authority, amphi, SPECTATORS).await?);
        cast.open().await?;
        let checks = [Check::new(SILENT), Check::new(TOLD), Check::new(BACK)];
        Ok(Self { cast, rng: StdRng::seed_from_u64(seed), last: 0, checks })
    }

    async fn outage(&mut self, outage: Outage, cluster: &mut Cluster) -> Result<()> {
        let name = outage.name();
        for _ in 0..BEFORE {
            self.choose_in_turn().await?;
        }
        outage.begin(cluster).await?;
        tokio::time::sleep(UNDER_WAY).await;
        let notices = self.cast.room.notices.borrow().len();
        let (asked_at, asked) = self.ask_until_it_is_silent().await?;
        let told = self.everybody_told(false, notices, asked_at).await;
        let [silent, told_check, _] = &mut self.checks;
        told_check.examine(told.is_some_and(|ms| ms <= TOLD_WITHIN_MS), || {
            format!("{name}: everybody was told after {told:?} ms")
        });
        told_check.figure(&format!("{name}, ms"), told.map(f64::round));
        let stays = if outage == Outage::Frozen { FROZEN_FOR } else { DOWN_FOR };
        let until = asked_at + stays.max(Duration::from_secs_f64(told.unwrap_or(0.0) / 1e3) + DOWN_FOR);
        tokio::time::sleep_until(until.into()).await;
        silent.examine(!asked.is_finished(), || format!("{name}: a choice was answered during the outage"));
        silent.figure(&format!("{name}, ms"), ms_since(asked_at).round());
        let notices = self.cast.room.notices.borrow().len();
        outage.end(cluster).await?;
        let ended = clock::now();
        let answer = tokio::time::timeout(GIVEN_UP_AFTER, asked).await;
        let answered = ms_since(ended);
        let is_done = matches!(answer, Ok(Ok(Ok(Answer::Done))));
        let back = self.everybody_told(true, notices, ended).await;
        let slowest = back.map(|back| back.max(answered));
        let [_, _, back_check] = &mut self.checks;
        back_check.examine(is_done && slowest.is_some_and(|ms| ms <= BACK_WITHIN_MS), || {
            format!("{name}: everybody was told after {back:?} ms; the choice was answered {answer:?}")
        });
        back_check.figure(&format!("{name}, ms"), slowest.map(f64::round));
        say(
            "database",
            &format!(
                "{name}: told after {told:?} ms, back after {slowest:?} ms, {} have a seat",
                self.cast.placed()
            ),
        );
        Ok(())
    }

    /// One intern after the other chooses until one is not answered: Postgres may have some room in reserve.
    /// When that one asked, and its answer to come.
    async fn ask_until_it_is_silent(&mut self) -> Result<(Instant, tokio::task::JoinHandle<Result<Answer>>)> {
        const SILENT_AFTER: Duration = Duration::from_millis(1_000);
        loop {
            let asked_at = clock::now();
            let (viewer, action) = self.next_choice().await?;
            let mut asked = tokio::task::spawn_local(async move { viewer.submit(action, None).await });
            match tokio::time::timeout(SILENT_AFTER, &mut asked).await {
                Err(_silence) => return Ok((asked_at, asked)),
                Ok(answer) => drop(answer??),
            }
        }
    }

    async fn choose_in_turn(&mut self) -> Result<()> {
        let (viewer, action) = self.next_choice().await?;
        let answer = viewer.submit(action, None).await?;
        anyhow::ensure!(answer == Answer::Done, "a choice in turn was answered {answer:?}");
        Ok(())
    }

    /// Of whoever is in turn after the last one who was asked, as soon as that is known.
    async fn next_choice(&mut self) -> Result<(Rc<Viewer>, Action)> {
        let last = self.last;
        let next = |cast: &Cast| cast.in_turn().filter(|rank| *rank > last);
        self.cast.until("the next turn", GIVEN_UP_AFTER, |cast| next(cast).is_some()).await?;
        self.last = next(&self.cast).context("nobody is in turn")?;
        let post = self.cast.free_post(self.rng.random_range(0..1_000)).context("no post is free")?;
        Ok((Rc::clone(self.cast.intern(self.last)?), Action::Choose(post)))
    }

    /// Milliseconds from `since` until the last client was told this, by the notices from number `from` on;
    /// `None` when one never was.
    async fn everybody_told(&self, available: bool, from: usize, since: Instant) -> Option<f64> {
        let clients: Vec<usize> = self.cast.everybody().iter().map(|viewer| viewer.number).collect();
        let last = |cast: &Cast| {
            let notices = cast.room.notices.borrow();
            let told = |client: &usize| {
                let mine = notices[from..].iter().find(|n| n.client == *client && n.available == available);
                mine.map(|notice| notice.at)
            };
            clients.iter().map(told).collect::<Option<Vec<_>>>()?.into_iter().max()
        };
        drop(self.cast.until("everybody to be told", GIVEN_UP_AFTER, |cast| last(cast).is_some()).await);
        let last = last(&self.cast)?;
        Some(last.saturating_duration_since(since).as_secs_f64() * 1e3)
    }
}
