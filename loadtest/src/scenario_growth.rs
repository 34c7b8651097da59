//! `growth` (F11): what a delivery costs the server as the viewers of an amphi, and the amphis, become more.
//!
//! Two pairs, each at the same deliveries a second on both sides, in windows that take turns: some amphis of few viewers
//! against one of many, on one server; few amphis against many of the same size, on two servers at once. The cost is
//! the server's CPU, Postgres apart, for everything that a choice takes, divided by its deliveries. What the server
//! uses anyway is measured right before, for as long, and taken off: pings go to every connection, and 17,500 of them
//! cost more than what a few choices bring.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::clock;
use crate::crowd::{all_caught_up, round3, seconds_since};
use crate::goals::Goal;
use crate::nation::{Nation, Size};
use crate::process_figures::{cpu_seconds_of_threads, ensure_descriptors};
use crate::reactor::Settings;
use crate::report_page::RunReport;
use crate::room::{Fault, Wires};
use crate::sized::sized;
use crate::timeline::{Sample, Timeline};
use crate::venue::{Venue, VenueArgs};

const SETTLE_WITHIN: Duration = Duration::from_secs(30);
/// Beyond the pace: what is passed over, and one whose turn is open to the end.
const CHOOSERS_SPARE: usize = 2;
/// A window of the amphis' pair: small amphis run out of people who can choose, and within a short time the choices
/// outweigh what goes on anyway.
const AMPHIS_WINDOW: Duration = Duration::from_millis(300);

/// How long the servers have had nothing to do before they are measured: longer than from one round of mails to the
/// next, or, in a small run, than its few mails take.
const RESTS_FOR_FULL_SECONDS: u32 = 22;
/// See [`RESTS_FOR_FULL_SECONDS`].
const RESTS_FOR_SECONDS: u32 = 2;
/// No timer decides anything here.
const TIMER_TOLERANCE: Duration = Duration::from_secs(60);

/// Parameters of a run; a small one unless `--full`.
#[derive(Debug, Clone, Args)]
pub struct GrowthArgs {
    /// Which server
    #[command(flatten)]
    pub venue: VenueArgs,
    /// The size of F11: 100 and 10,000 viewers; 100 and 2,500 amphis
    #[arg(long)]
    pub full: bool,
    /// Windows of each side (2; 5)
    #[arg(long)]
    pub rounds: Option<u64>,
    /// Length of a window of the viewers' pair, in seconds (2; 3)
    #[arg(long)]
    pub seconds: Option<u64>,
    /// Decides who chooses what
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// One side of a pair: how many amphis, of how many connections each, and choices a second in all.
#[derive(Debug, Clone, Copy)]
struct Shape {
    label: &'static str,
    amphis: usize,
    each: usize,
    rate: f64,
    window: Duration,
}

impl Shape {
    fn size(self, rounds: u64) -> Size {
        let choices = self.rate * rounds as f64 * self.window.as_secs_f64();
        let choosers = (choices / self.amphis as f64).ceil() as usize + CHOOSERS_SPARE;
        Size { label: self.label, amphis: self.amphis, choosers, connections: self.amphis * self.each }
    }

    fn to_json(self) -> Value {
        json!({"amphis": self.amphis, "connections_each": self.each, "choices_per_second": self.rate})
    }
}

/// A side while it is played.
struct Side {
    nation: Nation,
    server: u32,
    shape: Shape,
    costs: Vec<Cost>,
}

/// What a window cost.
#[derive(Debug, Clone, Copy)]
struct Cost {
    us_per_delivery: f64,
    /// Of a core, right before.
    idle_cores: f64,
}

/// What a pair showed.
struct Pair {
    few: Vec<Cost>,
    many: Vec<Cost>,
    ratio: f64,
    faults: (Vec<Fault>, u64),
    violations: Vec<String>,
}

/// Plays the scenario and judges it.
///
/// # Errors
/// When it cannot be played to its end.
pub async fn run(args: &GrowthArgs) -> Result<RunReport> {
    ensure!(args.venue.url.is_none(), "growth makes its amphis on servers of its own");
    let window = Duration::from_secs(sized(args.seconds, args.full, 2, 3));
    let viewers = |label, amphis, each, rate| Shape { label, amphis, each, rate, window };
    let amphis = |label, amphis, rate| Shape { label, amphis, each: 7, rate, window: AMPHIS_WINDOW };
    let (viewers, amphis) = if args.full {
        (
            [viewers("a", 20, 100, 100.0), viewers("b", 1, 10_000, 1.0)],
            [amphis("d", 100, 250.0), amphis("e", 2_500, 250.0)],
        )
    } else {
        (
            [viewers("a", 8, 50, 80.0), viewers("b", 1, 800, 5.0)],
            [amphis("d", 20, 100.0), amphis("e", 200, 100.0)],
        )
    };
    let began = clock::now();
    let (more_viewers, mut samples, mut marks) = play(args, viewers, false).await?;
    let first_took = seconds_since(began);
    let (more_amphis, more_samples, more_marks) = play(args, amphis, true).await?;
    // In the report, one pair after the other.
    let later = |sample: Sample| Sample { second: sample.second + first_took, ..sample };
    samples.extend(more_samples.into_iter().map(later));
    marks.extend(more_marks.into_iter().map(|(second, scene)| (second + first_took, scene)));
    let mut faults = more_viewers.faults.0.clone();
    faults.extend(more_amphis.faults.0.clone());
    let pair = |shapes: [Shape; 2], pair: &Pair| {
        let us = |costs: &[Cost]| costs.iter().map(|cost| round3(cost.us_per_delivery)).collect::<Vec<_>>();
        let idle = |costs: &[Cost]| costs.iter().map(|cost| round3(cost.idle_cores)).collect::<Vec<_>>();
        json!({
            "few": shapes[0].to_json(), "many": shapes[1].to_json(), "ratio": round3(pair.ratio),
            "few_us_per_delivery": us(&pair.few), "many_us_per_delivery": us(&pair.many),
            "few_idle_cores": idle(&pair.few), "many_idle_cores": idle(&pair.many),
        })
    };
    Ok(RunReport {
        scenario: "growth",
        parameters: json!({"full": args.full, "rounds": args.rounds, "seconds": args.seconds, "seed": args.seed}),
        goals: vec![
            Goal::at_most(
                "F11",
                "cost per delivery, many viewers ÷ few",
                Some(more_viewers.ratio),
                1.3,
                Some(1.15),
            ),
            Goal::at_most(
                "F11",
                "cost per delivery, many amphis ÷ few",
                Some(more_amphis.ratio),
                1.3,
                Some(1.15),
            ),
        ],
        curves: Vec::new(),
        samples,
        marks,
        figures: json!({"viewers": pair(viewers, &more_viewers), "amphis": pair(amphis, &more_amphis)}),
        violations: [more_viewers.violations, more_amphis.violations].concat(),
        faults_found: more_viewers.faults.1 + more_amphis.faults.1,
        faults,
    })
}

async fn play(
    args: &GrowthArgs,
    shapes: [Shape; 2],
    two_servers: bool,
) -> Result<(Pair, Vec<Sample>, Vec<(f64, &'static str)>)> {
    let rounds = sized(args.rounds, args.full, 2, 5);
    let sizes = shapes.map(|shape| shape.size(rounds));
    ensure_descriptors(sizes.iter().map(|size| size.connections).sum())?;
    let mut venues = vec![Venue::open(&args.venue, None).await?];
    if two_servers {
        venues.push(Venue::open(&args.venue, None).await?);
    }
    let mut sides = Vec::new();
    for (index, size) in sizes.into_iter().enumerate() {
        let venue = &venues[index.min(venues.len() - 1)];
        let wires = Wires::start(Settings::default())?;
        let nation = Nation::found(venue, &args.venue, &wires, size).await?;
        nation.arrive(venue.pid).await?;
        nation.open().await?;
        let server = venue.pid.context("a server of ours")?;
        sides.push(Side { nation, server, shape: shapes[index], costs: Vec::new() });
    }
    // Mails of thousands of openings would be in one window and taken off another.
    for venue in &venues {
        venue.rests(if args.full { RESTS_FOR_FULL_SECONDS } else { RESTS_FOR_SECONDS }).await;
    }
    let venue = &venues[venues.len() - 1];
    let timeline = Timeline::start(&[&sides[1].nation.wires], venue.pid, venue.postgres());
    for round in 0..rounds {
        for (index, side) in sides.iter_mut().enumerate() {
            timeline.mark(if index == 0 { "few" } else { "many" });
            let cost = window(side, args.seed + round).await?;
            side.costs.push(cost);
        }
    }
    timeline.mark("checked");
    let mut faults = (Vec::new(), 0);
    for side in &sides {
        side.nation.reckon().await?;
        side.nation.disperse();
        let (told, found) = side.nation.faults();
        faults.0.extend(told);
        faults.1 += found;
    }
    let (samples, marks) = timeline.stop();
    let mut violations = Vec::new();
    for (index, side) in sides.iter().enumerate() {
        let venue = &venues[index.min(venues.len() - 1)];
        let process = venue.process.as_ref().context("a server of ours")?;
        violations.extend(side.nation.judge(&process.launch.export_all().await?, TIMER_TOLERANCE)?.0);
    }
    for venue in venues {
        venue.close().await?;
    }
    let [few, many] = [sides[0].costs.clone(), sides[1].costs.clone()];
    let mut ratios: Vec<f64> =
        few.iter().zip(&many).map(|(few, many)| many.us_per_delivery / few.us_per_delivery).collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios.get(ratios.len() / 2).copied().context("no window")?;
    Ok((Pair { few, many, ratio, faults, violations }, samples, marks))
}

/// A window without choices and one with them.
async fn window(side: &Side, seed: u64) -> Result<Cost> {
    let Side { nation, server, shape, .. } = side;
    let cpu = || cpu_seconds_of_threads(*server);
    let (began, cpu_before) = (clock::now(), cpu()?);
    tokio::time::sleep(shape.window).await;
    let idle_cores = (cpu()? - cpu_before) / seconds_since(began);
    let tally = &nation.wires.tally;
    let (began, cpu_before, deliveries_before) = (clock::now(), cpu()?, tally.deliveries.get());
    nation.choose_until(clock::now() + shape.window, shape.rate, seed).await?;
    for cast in &nation.casts {
        let everybody: Vec<_> = cast.everybody().cloned().collect();
        all_caught_up(&cast.room, &everybody, SETTLE_WITHIN).await?;
    }
    let deliveries = tally.deliveries.get() - deliveries_before;
    ensure!(deliveries > 0, "nothing was delivered");
    let used = cpu()? - cpu_before - idle_cores * seconds_since(began);
    ensure!(used > 0.0, "the window used less than nothing happening did: the server was not at rest");
    Ok(Cost { us_per_delivery: used * 1e6 / deliveries as f64, idle_cores })
}
