//! `commands` (F7, F8): how fast a choice is acknowledged, which is when it is durable.
//!
//! Over many amphis: at a steady rate on a server that does nothing else, at another beside a large fan-out, one after
//! the other, and then as many at a time as there are amphis. Absent: several server processes.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::clock;
use crate::crowd::{CpuWatch, round3, seconds_since};
use crate::goals::Goal;
use crate::nation::{Nation, Size};
use crate::process_figures::ensure_descriptors;
use crate::reactor::Settings;
use crate::report_page::{Curve, RunReport};
use crate::room::Wires;
use crate::timeline::Timeline;
use crate::timing::Latencies;
use crate::venue::{Venue, VenueArgs};

/// Choices one after the other, as a share of those as fast as they go: what group commit is held against.
const ONE_BY_ONE_SHARE: usize = 10;

/// Parameters of a run; a small one unless `--full`.
#[derive(Debug, Clone, Args)]
pub struct CommandsArgs {
    /// Which server
    #[command(flatten)]
    pub venue: VenueArgs,
    /// The size of F7 and F8 (single options override)
    #[arg(long)]
    pub full: bool,
    /// Amphis (100; 2,500)
    #[arg(long)]
    pub amphis: Option<usize>,
    /// Choices a second while nothing else happens (50; 500)
    #[arg(long)]
    pub idle_rate: Option<f64>,
    /// Choices a second beside the fan-out (40; 200)
    #[arg(long)]
    pub beside_rate: Option<f64>,
    /// Viewers of the amphi that is fanned out meanwhile (200; 1,000)
    #[arg(long)]
    pub viewers: Option<usize>,
    /// Deliveries a second to them (4,000; 80,000)
    #[arg(long)]
    pub deliveries: Option<f64>,
    /// How long each rate is kept, in seconds (3; 10)
    #[arg(long)]
    pub seconds: Option<u64>,
    /// Decides who chooses what
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

struct Sizes {
    nation: Size,
    crowd: Size,
    idle_rate: f64,
    beside_rate: f64,
    crowd_rate: f64,
    /// Choices of each amphi at full speed.
    saturated_each: usize,
    seconds: u64,
}

impl Sizes {
    fn of(args: &CommandsArgs) -> Self {
        let or = |small: f64, full: f64| if args.full { full } else { small };
        let amphis = args.amphis.unwrap_or(or(100.0, 2_500.0) as usize);
        let seconds = args.seconds.unwrap_or(or(3.0, 10.0) as u64);
        let idle_rate = args.idle_rate.unwrap_or(or(50.0, 500.0));
        let beside_rate = args.beside_rate.unwrap_or(or(40.0, 200.0));
        let viewers = args.viewers.unwrap_or(or(200.0, 1_000.0) as usize);
        let crowd_rate = args.deliveries.unwrap_or(or(4_000.0, 80_000.0)) / viewers as f64;
        let each = |rate: f64| (rate * seconds as f64 / amphis as f64).ceil() as usize;
        let saturated_each = 2;
        // One more: some choose one after the other.
        let choosers = each(idle_rate) + each(beside_rate) + 1 + saturated_each;
        let nation = Size { label: "c", amphis, choosers, connections: amphis * (choosers + 1) };
        let crowd_choosers = (crowd_rate * seconds as f64).ceil() as usize + 1;
        let connections = viewers.max(crowd_choosers + 1);
        let crowd = Size { label: "f", amphis: 1, choosers: crowd_choosers, connections };
        Self { nation, crowd, idle_rate, beside_rate, crowd_rate, saturated_each, seconds }
    }
}

/// What one part showed.
struct Part {
    name: &'static str,
    acknowledged: Latencies,
    per_second: f64,
    figures: Value,
}

/// Plays the scenario and judges it.
///
/// # Errors
/// When it cannot be played to its end.
pub async fn run(args: &CommandsArgs) -> Result<RunReport> {
    ensure!(args.venue.url.is_none(), "commands makes two groups of amphis on a server of its own");
    let sizes = Sizes::of(args);
    ensure_descriptors(sizes.nation.connections + sizes.crowd.connections)?;
    let (wires, crowd_wires) = (Wires::start(Settings::default())?, Wires::start(Settings::default())?);
    let venue = Venue::open(&args.venue, None).await?;
    let nation = Nation::found(&venue, &args.venue, &wires, sizes.nation).await?;
    let crowd = Nation::found(&venue, &args.venue, &crowd_wires, sizes.crowd).await?;
    let timeline = Timeline::start(&wires, venue.pid, venue.postgres());
    let played = play(args, &sizes, &venue, (&nation, &crowd), &timeline).await;
    let (samples, marks) = timeline.stop();
    nation.disperse();
    crowd.disperse();
    let (mut faults, mut faults_found) = nation.faults();
    let more = crowd.faults();
    faults.extend(more.0);
    faults_found += more.1;
    let parts = match played {
        Ok(parts) => parts,
        Err(problem) if faults_found > 0 => {
            return Ok(RunReport::broken("commands", (faults, faults_found), &problem));
        }
        Err(problem) => return Err(problem),
    };
    let mut violations = Vec::new();
    if let Some(process) = &venue.process {
        violations = nation.judge(&process.launch, Duration::from_secs(60)).await?.0;
    }
    venue.close().await?;
    let figures = parts.iter().map(|part| (part.name.to_owned(), part.figures.clone()));
    Ok(RunReport {
        scenario: "commands",
        parameters: json!({
            "amphis": sizes.nation.amphis, "choosing_interns_each": sizes.nation.choosers,
            "idle_rate": sizes.idle_rate, "beside_rate": sizes.beside_rate, "seconds": sizes.seconds,
            "viewers_of_the_fan_out": sizes.crowd.connections, "changes_per_second_of_it": sizes.crowd_rate,
            "seed": args.seed,
        }),
        goals: goals(&parts),
        curves: parts.iter().map(|part| Curve::of(part.name, &part.acknowledged)).collect(),
        samples,
        marks,
        figures: figures.collect::<serde_json::Map<_, _>>().into(),
        violations,
        faults,
        faults_found,
    })
}

async fn play(
    args: &CommandsArgs,
    sizes: &Sizes,
    venue: &Venue,
    (nation, crowd): (&Nation, &Nation),
    timeline: &Rc<Timeline>,
) -> Result<Vec<Part>> {
    timeline.mark("arrivals");
    nation.arrive(venue.pid).await?;
    crowd.arrive(venue.pid).await?;
    nation.open().await?;
    crowd.open().await?;
    let length = Duration::from_secs(sizes.seconds);
    let mut parts = Vec::new();
    {
        let part = Measure::start(timeline, venue, nation, "idle");
        nation.choose_until(clock::now() + length, sizes.idle_rate, args.seed).await?;
        parts.push(part.stop(&Value::Null));
    }
    {
        let part = Measure::start(timeline, venue, nation, "beside a fan-out");
        let before = crowd.wires.tally.deliveries.get();
        let (until, began) = (clock::now() + length, clock::now());
        let (one, other) = tokio::join!(
            nation.choose_until(until, sizes.beside_rate, args.seed + 1),
            crowd.choose_until(until, sizes.crowd_rate, args.seed + 2)
        );
        let postponed = one? + other?;
        let delivered = (crowd.wires.tally.deliveries.get() - before) as f64 / seconds_since(began);
        parts.push(part.stop(&json!({"deliveries_per_second": delivered.round(), "postponed": postponed})));
    }
    {
        let part = Measure::start(timeline, venue, nation, "one after the other");
        let choices =
            (sizes.nation.amphis * sizes.saturated_each / ONE_BY_ONE_SHARE).clamp(1, sizes.nation.amphis);
        nation.choose_one_by_one(choices, args.seed + 3).await?;
        parts.push(part.stop(&Value::Null));
    }
    {
        let part = Measure::start(timeline, venue, nation, "all amphis at once");
        nation.choose_all_at_once(sizes.saturated_each, args.seed + 4).await?;
        parts.push(part.stop(&Value::Null));
    }
    timeline.mark("checked");
    nation.reckon().await?;
    crowd.reckon().await?;
    Ok(parts)
}

/// One part while it is played.
struct Measure<'a> {
    name: &'static str,
    nation: &'a Nation,
    watch: CpuWatch,
    before: u64,
    began: std::time::Instant,
}

impl<'a> Measure<'a> {
    fn start(timeline: &Timeline, venue: &Venue, nation: &'a Nation, name: &'static str) -> Self {
        timeline.mark(name);
        let tally = &nation.wires.tally;
        drop(std::mem::take(&mut *tally.acknowledged.borrow_mut()));
        let watch = CpuWatch::start(venue.pid, venue.postgres());
        Self { name, nation, watch, before: tally.acknowledgements.get(), began: clock::now() }
    }

    fn stop(self, more: &Value) -> Part {
        let seconds = seconds_since(self.began);
        let tally = &self.nation.wires.tally;
        let acknowledged = std::mem::take(&mut *tally.acknowledged.borrow_mut());
        let choices = tally.acknowledgements.get() - self.before;
        let per_second = choices as f64 / seconds.max(1e-9);
        let figures = json!({
            "choices": choices, "per_second": round3(per_second), "cpu": self.watch.stop().to_json(),
            "latency": acknowledged.to_json(), "beside": more,
        });
        Part { name: self.name, acknowledged, per_second, figures }
    }
}

fn goals(parts: &[Part]) -> Vec<Goal> {
    let [idle, beside, one_by_one, at_once] = parts else { return Vec::new() };
    let p99 = |part: &Part| Some(part.acknowledged.ms_at(0.99));
    let ratio = at_once.per_second / one_by_one.per_second.max(1e-9);
    vec![
        Goal::at_most("F7", "acknowledged p99 while idle, ms", p99(idle), 5.0, Some(3.0)),
        Goal::at_most("F7", "acknowledged p99 beside a fan-out, ms", p99(beside), 15.0, Some(8.0)),
        Goal::at_least(
            "F8",
            "choices a second, all amphis at once",
            Some(at_once.per_second),
            20_000.0,
            Some(40_000.0),
        ),
        Goal::at_least("F8", "the same ÷ one after the other", Some(ratio), 5.0, None),
    ]
}
