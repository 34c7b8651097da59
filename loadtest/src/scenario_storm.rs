//! `storm` (S3): everybody comes at the same moment, and again after the server was killed.
//!
//! Nobody is patient the first time; whoever is refused, told `busy` or closed does what the protocol says, and in the end
//! everybody must be in. Absent: clients that ignore what they are told.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::client::{Phase, Viewer};
use crate::clock;
use crate::crowd::{CpuWatch, round3, seconds_since};
use crate::goals::Goal;
use crate::nation::{Nation, Size};
use crate::process_figures::ensure_descriptors;
use crate::reactor::Settings;
use crate::report_page::RunReport;
use crate::room::{Counts, Wires};
use crate::sized::sized;
use crate::timeline::Timeline;
use crate::venue::{Venue, VenueArgs};

/// Everybody must be in by then.
const IN_WITHIN: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Choices made before the kill, one in each of so many amphis; which posts.
const CHOICES: usize = 100;
/// See [`CHOICES`].
const SEED: u64 = 1;
/// No timer decides anything here.
const TIMER_TOLERANCE: Duration = Duration::from_secs(60);

/// Parameters of a run; a small one unless `--full`.
#[derive(Debug, Clone, Args)]
pub struct StormArgs {
    /// Which server
    #[command(flatten)]
    pub venue: VenueArgs,
    /// 2,500 amphis, 18,000 connections (single options override)
    #[arg(long)]
    pub full: bool,
    /// Amphis (20; 2,500)
    #[arg(long)]
    pub amphis: Option<usize>,
    /// Connections of all amphis together (1,000; 18,000)
    #[arg(long)]
    pub connections: Option<usize>,
    /// Handshakes under way at the same time
    #[arg(long, default_value_t = 1_000)]
    pub at_once: usize,
}

/// What one storm took.
struct Storm {
    seconds: f64,
    server_cpu: Option<f64>,
    connected: usize,
}

/// Plays the scenario.
///
/// # Errors
/// When it cannot be played to its end.
pub async fn run(args: &StormArgs) -> Result<RunReport> {
    let amphis = sized(args.amphis, args.full, 20, 2_500);
    let connections = sized(args.connections, args.full, 1_000, 18_000);
    let size = Size { label: "s", amphis, choosers: 3, connections };
    ensure_descriptors(connections)?;
    let wires = Wires::start(Settings { at_once: args.at_once, ..Settings::default() })?;
    let mut venue = Venue::open(&args.venue, None).await?;
    let nation = Nation::found(&venue, &args.venue, &wires, size).await?;
    let timeline = Timeline::start(&[&wires], venue.pid, venue.postgres());
    let played = play(&nation, &mut venue, &timeline, args.at_once).await;
    let (samples, marks) = timeline.stop();
    nation.disperse();
    let (faults, faults_found) = nation.faults();
    let (first, again) = match played {
        Ok(played) => played,
        Err(problem) => return RunReport::broken("storm", (faults, faults_found), problem),
    };
    let mut violations = Vec::new();
    if let Some(process) = &venue.process {
        violations = nation.judge(&process.launch.export_all().await?, TIMER_TOLERANCE)?.0;
    }
    venue.close().await?;
    let sum = |of: fn(&Counts) -> u64| nation.sum(|room| of(&room.counts));
    let (in_at_the_end, all) = (again.as_ref().unwrap_or(&first).connected as f64, connections as f64);
    let figures = json!({
        "arrival": first.to_json(connections), "after_a_kill": again.map(|again| again.to_json(connections)),
        "refused_by_http": sum(|counts| counts.refused.get()),
        "attempts_that_came_to_nothing": sum(|counts| counts.failed_returns.get()),
        "reconnections": sum(|counts| counts.reconnections.get()), "resumed": sum(|counts| counts.resumed.get()),
        "busy": sum(|counts| counts.busy.get()),
    });
    Ok(RunReport {
        scenario: "storm",
        parameters: json!({"amphis": amphis, "connections": connections, "at_once": args.at_once}),
        goals: vec![Goal::at_least("S3", "connections that are in", Some(in_at_the_end), all, None)],
        curves: Vec::new(),
        samples,
        marks,
        figures,
        violations,
        faults,
        faults_found,
    })
}

async fn play(
    nation: &Nation,
    venue: &mut Venue,
    timeline: &Timeline,
    at_once: usize,
) -> Result<(Storm, Option<Storm>)> {
    timeline.mark("everybody comes");
    let (watch, began) = (CpuWatch::start(venue.pid, Vec::new()), clock::now());
    let coming = stream::iter(nation.everybody().cloned()).map(|viewer| async move { viewer.get_in().await });
    let came = async {
        let came: Vec<Result<()>> = coming.buffer_unordered(at_once).collect().await;
        came.into_iter().collect::<Result<()>>()
    };
    tokio::time::timeout(IN_WITHIN, came).await.context("not everybody got in within 180 s")??;
    let first = Storm::since(began, &watch, nation);
    nation.open().await?;
    // What was acknowledged must be there after the kill.
    nation.choose_one_by_one(nation.casts.len().min(CHOICES), SEED).await?;
    let again = match venue.process.take() {
        None => None,
        Some(process) => {
            timeline.mark("kill -9");
            let launch = process.kill(&[]).await?;
            nation.casts.iter().for_each(|cast| cast.room.server_life.set(1));
            let process = launch.start().await?;
            venue.pid = Some(process.pid);
            venue.process = Some(process);
            timeline.follow(venue.pid, venue.postgres());
            timeline.mark("listens again");
            let (watch, began) = (CpuWatch::start(venue.pid, Vec::new()), clock::now());
            until_all_in(nation).await?;
            Some(Storm::since(began, &watch, nation))
        }
    };
    timeline.mark("checked");
    nation.reckon().await?;
    Ok((first, again))
}

async fn until_all_in(nation: &Nation) -> Result<()> {
    let began = clock::now();
    loop {
        let away = |viewer: &&Rc<Viewer>| !matches!(viewer.phase(), Phase::Live | Phase::Failed);
        let missing = nation.everybody().filter(away).count();
        if missing == 0 {
            return Ok(());
        }
        ensure!(seconds_since(began) < IN_WITHIN.as_secs_f64(), "{missing} did not get in within 180 s");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Storm {
    fn since(began: Instant, watch: &CpuWatch, nation: &Nation) -> Self {
        let live = nation.everybody().filter(|viewer| viewer.phase() == Phase::Live);
        Self { seconds: seconds_since(began), server_cpu: watch.stop().server, connected: live.count() }
    }

    fn to_json(&self, connections: usize) -> Value {
        json!({
            "seconds": round3(self.seconds), "connected": self.connected,
            "seconds_per_1000_sockets": round3(self.seconds * 1e3 / connections as f64),
            "server_cpu_us_each": self.server_cpu.map(|cpu| (cpu * 1e6 / connections as f64).round()),
        })
    }
}
