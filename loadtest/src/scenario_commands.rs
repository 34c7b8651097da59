//! `commands` (F7, F8): how fast a choice is acknowledged, which is when it is durable.
//!
//! Over many amphis: at a steady rate on a server that does nothing else, at another beside a large fan-out, one after
//! the other, and then as many at a time as there are amphis. The fan-out is that of amphis of their own, several, so
//! that who chooses next in each knows of it long before their choice is due. What a steady rate shows is the median of
//! several stretches, as everything here that a shared machine can spoil for some milliseconds; beside it stands what the
//! server itself has measured, and how late threads woke that only slept. Absent: several server processes.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::clock;
use crate::compare::statistics::Spread;
use crate::crowd::{CpuWatch, round3, seconds_since};
use crate::goals::Goal;
use crate::nation::{Nation, Size};
use crate::process_figures::ensure_descriptors;
use crate::reactor::Settings;
use crate::report_page::{Curve, RunReport};
use crate::room::Wires;
use crate::server_metrics::{ACKNOWLEDGED, Buckets, COMMITTED};
use crate::sized::sized;
use crate::timeline::Timeline;
use crate::timing::{Bystanders, Latencies};
use crate::venue::{Venue, VenueArgs};

/// Choices one after the other, as a share of those as fast as they go: what group commit is held against.
const ONE_BY_ONE_SHARE: usize = 10;
/// Choices of each amphi at full speed.
const SATURATED_EACH: usize = 2;
/// Stretches of a steady rate, of which the median counts: as many as a `compare` has rounds. One in a hundred choices
/// is late when the machine stands still for one hundredth of the time, which is nothing that a server could do about.
const STRETCHES: u32 = 5;
/// No timer decides anything here.
const TIMER_TOLERANCE: Duration = Duration::from_secs(60);
/// A run with less than this share of the choices that were to be made, or of what was to be delivered beside them, says
/// nothing of them.
const OFFERED_SHARE: f64 = 0.95;

/// How long the server has nothing to do before a part is measured: longer than from one round of mails to the next,
/// so that those of thousands of openings, or of the part before, are written…
const RESTS_FOR_FULL_SECONDS: u32 = 22;
/// …or, in a small run, than its few mails take.
const RESTS_FOR_SECONDS: u32 = 2;

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
    /// Amphis that are fanned out meanwhile (2; 4)
    #[arg(long)]
    pub crowds: Option<usize>,
    /// Viewers of each of them (100; 900)
    #[arg(long)]
    pub viewers: Option<usize>,
    /// Deliveries a second to all of them together (4,000; 80,000)
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
    crowds: Size,
    idle_rate: f64,
    beside_rate: f64,
    /// Changes a second of all crowds together.
    crowds_rate: f64,
    deliveries: f64,
    one_by_one: usize,
    seconds: u64,
}

impl Sizes {
    fn of(args: &CommandsArgs) -> Self {
        let amphis = sized(args.amphis, args.full, 100, 2_500);
        let seconds = sized(args.seconds, args.full, 3, 10);
        let idle_rate = sized(args.idle_rate, args.full, 50.0, 500.0);
        let beside_rate = sized(args.beside_rate, args.full, 40.0, 200.0);
        let choices = |rate: f64| (rate * seconds as f64).ceil() as usize;
        let one_by_one = (amphis * SATURATED_EACH / ONE_BY_ONE_SHARE).clamp(1, amphis);
        let of_rates = choices(idle_rate).div_ceil(amphis) + choices(beside_rate).div_ceil(amphis);
        // Where the rates leave too few over, one more in each.
        let left = amphis * of_rates - choices(idle_rate) - choices(beside_rate);
        let choosers = of_rates + usize::from(left < one_by_one) + SATURATED_EACH;
        let nation = Size { label: "c", amphis, choosers, connections: amphis * (choosers + 1) };
        let crowds = sized(args.crowds, args.full, 2, 4).max(1);
        // With the 15,000 of the others, few enough for a process of 20,000 descriptors to let each of them in.
        let viewers = sized(args.viewers, args.full, 100, 900).max(1);
        let deliveries = sized(args.deliveries, args.full, 4_000.0, 80_000.0);
        let crowds_rate = deliveries / viewers as f64;
        let choosers = choices(crowds_rate).div_ceil(crowds) + 1;
        let crowds = Size { label: "f", amphis: crowds, choosers, connections: crowds * viewers };
        Self { nation, crowds, idle_rate, beside_rate, crowds_rate, deliveries, one_by_one, seconds }
    }
}

/// What one part showed.
struct Part {
    name: &'static str,
    acknowledged: Latencies,
    /// Its stretches' 99th percentiles, in ms.
    p99: Option<Spread>,
    per_second: f64,
    /// Changes delivered meanwhile, of the fan-out beside.
    delivered_per_second: Option<f64>,
    figures: Value,
}

/// Plays the scenario and judges it.
///
/// # Errors
/// When it cannot be played to its end.
pub async fn run(args: &CommandsArgs) -> Result<RunReport> {
    ensure!(args.venue.url.is_none(), "commands makes two groups of amphis on a server of its own");
    let sizes = Sizes::of(args);
    ensure_descriptors(sizes.nation.connections + sizes.crowds.connections)?;
    let (wires, crowds_wires) = (Wires::start(Settings::default())?, Wires::start(Settings::default())?);
    let venue = Venue::open(&args.venue, None).await?;
    let nation = Nation::found(&venue, &args.venue, &wires, sizes.nation).await?;
    let crowds = Nation::found(&venue, &args.venue, &crowds_wires, sizes.crowds).await?;
    let timeline = Timeline::start(&[&wires, &crowds_wires], venue.pid, venue.postgres());
    let played = play(args, &sizes, &venue, (&nation, &crowds), &timeline).await;
    let (samples, marks) = timeline.stop();
    nation.disperse();
    crowds.disperse();
    let (mut faults, mut faults_found) = nation.faults();
    let more = crowds.faults();
    faults.extend(more.0);
    faults_found += more.1;
    let parts = match played {
        Ok(parts) => parts,
        Err(problem) => return RunReport::broken("commands", (faults, faults_found), problem),
    };
    let mut violations = Vec::new();
    if let Some(process) = &venue.process {
        let journals = process.launch.export_all().await?;
        for amphis in [&nation, &crowds] {
            violations.extend(amphis.judge(&journals, TIMER_TOLERANCE)?.0);
        }
    }
    venue.close().await?;
    let figures = parts.iter().map(|part| (part.name.to_owned(), part.figures.clone()));
    Ok(RunReport {
        scenario: "commands",
        parameters: json!({
            "amphis": sizes.nation.amphis, "choosing_interns_each": sizes.nation.choosers,
            "idle_rate": sizes.idle_rate, "beside_rate": sizes.beside_rate, "seconds": sizes.seconds,
            "amphis_fanned_out": sizes.crowds.amphis, "viewers_of_them": sizes.crowds.connections,
            "changes_per_second_of_them": sizes.crowds_rate, "deliveries_per_second_to_them": sizes.deliveries,
            "seed": args.seed,
        }),
        goals: goals(&parts, &sizes),
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
    (nation, crowds): (&Nation, &Nation),
    timeline: &Rc<Timeline>,
) -> Result<Vec<Part>> {
    timeline.mark("arrivals");
    nation.arrive(venue.pid).await?;
    crowds.arrive(venue.pid).await?;
    nation.open().await?;
    crowds.open().await?;
    let rests = async || {
        timeline.mark("resting");
        venue.rests(if args.full { RESTS_FOR_FULL_SECONDS } else { RESTS_FOR_SECONDS }).await;
    };
    let length = Duration::from_secs(sizes.seconds);
    let mut parts = Vec::new();
    rests().await;
    {
        let part = Measure::start(timeline, venue, nation, "idle").await?;
        let choosing = nation.choose_until(clock::now() + length, sizes.idle_rate, args.seed);
        part.in_stretches(length, choosing).await?;
        parts.push(part.stop(&Value::Null).await?);
    }
    rests().await;
    {
        let part = Measure::start(timeline, venue, nation, "beside a fan-out").await?;
        let before = crowds.wires.tally.deliveries.get();
        let (until, began) = (clock::now() + length, clock::now());
        let choosing =
            part.in_stretches(length, nation.choose_until(until, sizes.beside_rate, args.seed + 1));
        let fanned_out = crowds.choose_evenly(until, sizes.crowds_rate, args.seed + 2);
        let (one, other) = tokio::try_join!(choosing, fanned_out)?;
        let delivered = (crowds.wires.tally.deliveries.get() - before) as f64 / seconds_since(began);
        let beside = json!({"deliveries_per_second": delivered.round(), "postponed": one + other});
        parts.push(Part { delivered_per_second: Some(delivered), ..part.stop(&beside).await? });
    }
    rests().await;
    {
        let part = Measure::start(timeline, venue, nation, "one after the other").await?;
        nation.choose_one_by_one(sizes.one_by_one, args.seed + 3).await?;
        parts.push(part.stop(&Value::Null).await?);
    }
    rests().await;
    {
        let part = Measure::start(timeline, venue, nation, "all amphis at once").await?;
        nation.choose_all_at_once(SATURATED_EACH, args.seed + 4).await?;
        parts.push(part.stop(&Value::Null).await?);
    }
    timeline.mark("checked");
    nation.reckon().await?;
    crowds.reckon().await?;
    Ok(parts)
}

/// One part while it is played.
struct Measure<'a> {
    name: &'static str,
    venue: &'a Venue,
    nation: &'a Nation,
    stretches: RefCell<Vec<Latencies>>,
    /// The server's own page before.
    page: Option<String>,
    bystanders: Bystanders,
    watch: CpuWatch,
    before: u64,
    began: Instant,
}

impl<'a> Measure<'a> {
    async fn start(
        timeline: &Timeline,
        venue: &'a Venue,
        nation: &'a Nation,
        name: &'static str,
    ) -> Result<Self> {
        let page = venue.metrics_page().await?;
        timeline.mark(name);
        let tally = &nation.wires.tally;
        drop(std::mem::take(&mut *tally.acknowledged.borrow_mut()));
        Ok(Self {
            name,
            venue,
            nation,
            stretches: RefCell::default(),
            page,
            bystanders: Bystanders::start(),
            watch: CpuWatch::start(venue.pid, venue.postgres()),
            before: tally.acknowledgements.get(),
            began: clock::now(),
        })
    }

    /// What has been acknowledged since the last stretch is one.
    fn end_stretch(&self) {
        let acknowledged = std::mem::take(&mut *self.nation.wires.tally.acknowledged.borrow_mut());
        self.stretches.borrow_mut().push(acknowledged);
    }

    /// Plays `choosing`, which takes `length`, and takes what is acknowledged stretch by stretch.
    async fn in_stretches<T>(
        &self,
        length: Duration,
        choosing: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let taking = async {
            // The last one ends with the part.
            for ended in 1..STRETCHES {
                tokio::time::sleep_until((self.began + length * ended / STRETCHES).into()).await;
                self.end_stretch();
            }
            Ok(())
        };
        tokio::try_join!(choosing, taking).map(|(chosen, ())| chosen)
    }

    async fn stop(self, beside: &Value) -> Result<Part> {
        let seconds = seconds_since(self.began);
        let cpu = self.watch.stop();
        self.end_stretch();
        let timer = self.bystanders.leave();
        let choices = self.nation.wires.tally.acknowledgements.get() - self.before;
        let stretches = self.stretches.into_inner();
        let mut acknowledged = Latencies::default();
        stretches.iter().for_each(|stretch| acknowledged.add(stretch));
        // One without a choice says nothing, and so do the others then.
        let p99 = stretches.iter().map(|stretch| stretch.ms_if_any(0.99)).collect::<Option<Vec<_>>>();
        let p99 = p99.and_then(Spread::of);
        let server = self.page.zip(self.venue.metrics_page().await?).map(|(before, after)| {
            let added = |series| Buckets::of(series, &after).since(&Buckets::of(series, &before)).to_json();
            json!({"acknowledged": added(ACKNOWLEDGED), "committed": added(COMMITTED)})
        });
        let per_second = choices as f64 / seconds.max(1e-9);
        let figures = json!({
            "choices": choices, "per_second": round3(per_second), "cpu": cpu.to_json(),
            "latency": acknowledged.to_json(), "stretches_p99_ms": p99.map(Spread::to_json),
            "measured_by_the_server": server, "sleeping_threads_woke_late": timer.to_json(), "beside": beside,
        });
        Ok(Part { name: self.name, acknowledged, p99, per_second, delivered_per_second: None, figures })
    }
}

fn goals(parts: &[Part], sizes: &Sizes) -> Vec<Goal> {
    let [idle, beside, one_by_one, at_once] = parts else { return Vec::new() };
    let p99 = |part: &Part| part.p99.map(|spread| spread.median);
    let ratio = at_once.per_second / one_by_one.per_second.max(1e-9);
    vec![
        Goal::at_most(
            "F7",
            "acknowledged p99 while idle, ms, median of its stretches",
            p99(idle),
            5.0,
            Some(3.0),
        ),
        Goal::at_least(
            "F7",
            "choices a second while idle",
            Some(idle.per_second),
            OFFERED_SHARE * sizes.idle_rate,
            Some(sizes.idle_rate),
        ),
        Goal::at_most(
            "F7",
            "acknowledged p99 beside a fan-out, ms, median of its stretches",
            p99(beside),
            15.0,
            Some(8.0),
        ),
        Goal::at_least(
            "F7",
            "deliveries a second of that fan-out",
            beside.delivered_per_second,
            OFFERED_SHARE * sizes.deliveries,
            Some(sizes.deliveries),
        ),
        Goal::at_least(
            "F7",
            "choices a second beside it",
            Some(beside.per_second),
            OFFERED_SHARE * sizes.beside_rate,
            Some(sizes.beside_rate),
        ),
        Goal::at_least(
            "F8",
            "choices a second, all amphis at once",
            Some(at_once.per_second),
            20_000.0,
            Some(40_000.0),
        ),
        Goal::at_least(
            "F8",
            "the same ÷ one after the other, each waiting for the one before",
            Some(ratio),
            5.0,
            None,
        ),
    ]
}
