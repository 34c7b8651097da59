//! `growth` (F11): what a delivery costs the server as the viewers of an amphi, and the amphis, become more.
//!
//! Two pairs, each at the same deliveries a second on both sides, in windows that take turns: some amphis of few viewers
//! against one of many, on one server; few amphis against many of the same size, on two servers at once. The cost is
//! the server's CPU, Postgres apart, for everything that a choice takes, divided by its deliveries.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::clock;
use crate::crowd::{all_caught_up, round3};
use crate::goals::Goal;
use crate::nation::{Nation, Size};
use crate::process_figures::{cpu_seconds_of_threads, ensure_descriptors};
use crate::reactor::Settings;
use crate::report_page::RunReport;
use crate::room::{Fault, Wires};
use crate::timeline::{Sample, Timeline};
use crate::venue::{Venue, VenueArgs};

const SETTLE_WITHIN: Duration = Duration::from_secs(30);
/// Beyond the pace: what is passed over, and one whose turn is open to the end.
const CHOOSERS_SPARE: usize = 2;

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
    /// Length of a window, in seconds (2; 3)
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
}

impl Shape {
    fn size(self, rounds: u64, seconds: u64) -> Size {
        let choices = self.rate * (rounds * seconds) as f64;
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
    rate: f64,
    /// µs per delivery of each window.
    costs: Vec<f64>,
}

/// What a pair showed.
struct Pair {
    few: Vec<f64>,
    many: Vec<f64>,
    ratio: f64,
    faults: (Vec<Fault>, u64),
}

/// Plays the scenario and judges it.
///
/// # Errors
/// When it cannot be played to its end.
pub async fn run(args: &GrowthArgs) -> Result<RunReport> {
    ensure!(args.venue.url.is_none(), "growth makes its amphis on servers of its own");
    let shape = |label, amphis, each, rate| Shape { label, amphis, each, rate };
    let (viewers, amphis) = if args.full {
        (
            [shape("a", 20, 100, 100.0), shape("b", 1, 10_000, 1.0)],
            [shape("d", 100, 7, 25.0), shape("e", 2_500, 7, 25.0)],
        )
    } else {
        (
            [shape("a", 8, 50, 80.0), shape("b", 1, 800, 5.0)],
            [shape("d", 20, 7, 10.0), shape("e", 200, 7, 10.0)],
        )
    };
    let (more_viewers, samples, marks) = play(args, viewers, false).await?;
    let (more_amphis, _, _) = play(args, amphis, true).await?;
    let mut faults = more_viewers.faults.0.clone();
    faults.extend(more_amphis.faults.0.clone());
    let pair = |shapes: [Shape; 2], pair: &Pair| {
        json!({
            "few": shapes[0].to_json(), "many": shapes[1].to_json(), "ratio": round3(pair.ratio),
            "few_us_per_delivery": pair.few, "many_us_per_delivery": pair.many,
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
        violations: Vec::new(),
        faults_found: more_viewers.faults.1 + more_amphis.faults.1,
        faults,
    })
}

async fn play(
    args: &GrowthArgs,
    shapes: [Shape; 2],
    two_servers: bool,
) -> Result<(Pair, Vec<Sample>, Vec<(f64, &'static str)>)> {
    let rounds = args.rounds.unwrap_or(if args.full { 5 } else { 2 });
    let seconds = args.seconds.unwrap_or(if args.full { 3 } else { 2 });
    let sizes = shapes.map(|shape| shape.size(rounds, seconds));
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
        sides.push(Side { nation, server, rate: shapes[index].rate, costs: Vec::new() });
    }
    let venue = &venues[venues.len() - 1];
    let timeline = Timeline::start(&[&sides[1].nation.wires], venue.pid, venue.postgres());
    for round in 0..rounds {
        for (index, side) in sides.iter_mut().enumerate() {
            timeline.mark(if index == 0 { "few" } else { "many" });
            let cost = window(side, Duration::from_secs(seconds), args.seed + round).await?;
            side.costs.push(round3(cost));
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
    for venue in venues {
        venue.close().await?;
    }
    let [few, many] = [sides[0].costs.clone(), sides[1].costs.clone()];
    let mut ratios: Vec<f64> = few.iter().zip(&many).map(|(few, many)| many / few).collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios.get(ratios.len() / 2).copied().context("no window")?;
    Ok((Pair { few, many, ratio, faults }, samples, marks))
}

/// Choices for `length`; what the server used for them and for what they brought, in µs per delivery.
async fn window(side: &Side, length: Duration, seed: u64) -> Result<f64> {
    let tally = &side.nation.wires.tally;
    let before = (cpu_seconds_of_threads(side.server)?, tally.deliveries.get());
    side.nation.choose_until(clock::now() + length, side.rate, seed).await?;
    for cast in &side.nation.casts {
        let everybody: Vec<_> = cast.everybody().cloned().collect();
        all_caught_up(&cast.room, &everybody, SETTLE_WITHIN).await?;
    }
    let (cpu, deliveries) =
        (cpu_seconds_of_threads(side.server)? - before.0, tally.deliveries.get() - before.1);
    ensure!(deliveries > 0, "nothing was delivered");
    Ok(cpu * 1e6 / deliveries as f64)
}
