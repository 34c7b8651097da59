//! `national-day` (F9, F10, F12): every amphi of the country at the same time, on one server.
//!
//! All sessions are open, choices come at the pace of turns, some connections are lost and come back, a visitor asks for
//! ordinary pages. With `--kill` the server is killed half-way and started again; what its absence takes counts
//! as time to come back, not as latency. Everything that anybody was told is checked, then every journal.

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
use crate::pages::Visitor;
use crate::process_figures::ensure_descriptors;
use crate::raw_socket::RawSocket;
use crate::reactor::Settings;
use crate::report_page::{Curve, RunReport};
use crate::report_room::last_viewer;
use crate::room::Wires;
use crate::sized::sized;
use crate::timeline::Timeline;
use crate::timing::Latencies;
use crate::venue::{Venue, VenueArgs};

/// Choices that one intern more than the pace needs can take up: chance does not deal evenly.
const CHOOSERS_SPARE: usize = 2;
/// Amphis whose pages are visited.
const VISITED: usize = 8;
/// Amphis asked at the same time whether they answer again.
const PROBES: usize = 64;
/// Everybody may take this long to come back.
const BACK_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// After a kill turns may be this late: nobody was there to open them.
const TOLERANCE_AFTER_KILL: Duration = Duration::from_secs(3_600);
/// Turns open at once here: the end of each opens the next.
const TOLERANCE: Duration = Duration::from_secs(5);

/// A day on which fewer of the choices that were due were made says nothing of the others.
const DUE_SHARE: f64 = 0.95;

/// Parameters of a run; a small one unless `--full`.
#[derive(Debug, Clone, Args)]
pub struct NationalArgs {
    /// Which server
    #[command(flatten)]
    pub venue: VenueArgs,
    /// The size of F9: 2,500 amphis, 18,000 connections, 15 choices/s, 10 minutes (single options override)
    #[arg(long)]
    pub full: bool,
    /// Amphis (50; 2,500)
    #[arg(long)]
    pub amphis: Option<usize>,
    /// Connections of all amphis together (400; 18,000)
    #[arg(long)]
    pub connections: Option<usize>,
    /// Choices a second in all (5; 15)
    #[arg(long)]
    pub rate: Option<f64>,
    /// How long, in seconds (10; 600)
    #[arg(long)]
    pub seconds: Option<u64>,
    /// Share of the connections that is lost and comes back each minute, in percent (60; 1)
    #[arg(long)]
    pub cut_percent: Option<f64>,
    /// Ordinary pages a second
    #[arg(long, default_value_t = 10.0)]
    pub pages: f64,
    /// Kill the server (kill -9) half-way and start it again (F10)
    #[arg(long, conflicts_with = "url")]
    pub kill: bool,
    /// Decides who chooses what, and whose connection is lost
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Never let the generator sleep
    #[arg(long)]
    pub spin: bool,
}

/// What the kill showed, in seconds from the start of the new process.
#[derive(Debug, Clone, Copy)]
struct Comeback {
    listening: f64,
    all_amphis: f64,
    all_connections: f64,
}

struct Day<'a> {
    args: &'a NationalArgs,
    size: Size,
    rate: f64,
    seconds: u64,
    nation: Nation,
    timeline: Rc<Timeline>,
    visitor: Rc<Visitor>,
}

/// Plays the scenario and judges it.
///
/// # Errors
/// When it cannot be played to its end.
pub async fn run(args: &NationalArgs) -> Result<RunReport> {
    let amphis = sized(args.amphis, args.full, 50, 2_500);
    let rate = sized(args.rate, args.full, 5.0, 15.0);
    let seconds = sized(args.seconds, args.full, 10, 600);
    let each = (rate * seconds as f64 / amphis as f64).ceil() as usize;
    let connections = sized(args.connections, args.full, 400, 18_000);
    let size = Size { label: "j", amphis, choosers: each + CHOOSERS_SPARE, connections };
    ensure_descriptors(size.connections + PROBES)?;
    let wires = Wires::start(Settings { spin: args.spin, ..Settings::default() })?;
    let mut venue = Venue::open(&args.venue, None).await?;
    let nation = Nation::found(&venue, &args.venue, &wires, size).await?;
    let timeline = Timeline::start(&[&wires], venue.pid, venue.postgres());
    let visited: Vec<_> = nation.casts.iter().take(VISITED).collect();
    let visited: Vec<_> = visited.iter().map(|cast| (cast.room.amphi.as_str(), &cast.doors)).collect();
    let visitor = Visitor::sign_in(&venue.authority, &visited).await?;
    let day = Day { args, size, rate, seconds, nation, timeline, visitor };
    let played = day.play(&mut venue).await;
    let report = match played {
        Ok(report) => report,
        Err(problem) => RunReport::broken("national-day", day.nation.faults(), problem)?,
    };
    venue.close().await?;
    Ok(report)
}

impl Day<'_> {
    async fn play(&self, venue: &mut Venue) -> Result<RunReport> {
        self.timeline.mark("arrivals");
        let arrival = self.nation.arrive(venue.pid).await?;
        self.timeline.mark("sessions open");
        self.nation.open().await?;
        self.timeline.mark("measured");
        let watch = CpuWatch::start(venue.pid, venue.postgres());
        let (begin, length) = (clock::now(), Duration::from_secs(self.seconds));
        let until = begin + length;
        let cuts = self.size.connections as f64 * self.cut_percent() / 100.0 / 60.0;
        let (choices, cut, (), comeback) = tokio::join!(
            self.nation.choose_until(until, self.rate, self.args.seed),
            self.nation.cut_until(until, cuts, self.args.seed + 1),
            self.visitor.visit_until(until, self.args.pages),
            self.kill_half_way(venue, begin + length / 2),
        );
        let (postponed, comeback) = (choices?, comeback?);
        let cpu = watch.stop();
        self.timeline.mark("checked");
        self.until_all_back().await?;
        self.nation.reckon().await?;
        let (samples, marks) = self.timeline.stop();
        self.nation.disperse();
        let mut violations = self.visitor.errors();
        let mut journals = 0;
        if let Some(process) = &venue.process {
            let tolerance = if self.args.kill { TOLERANCE_AFTER_KILL } else { TOLERANCE };
            let (wrong, examined) = self.nation.judge(&process.launch.export_all().await?, tolerance)?;
            violations.extend(wrong);
            journals = examined;
        }
        let faults = self.nation.faults();
        let window = cpu.wall;
        let server_cores = cpu.server.map(|seconds| seconds / window);
        let sum = |of: fn(&crate::room::Counts) -> u64| self.nation.sum(|room| of(&room.counts));
        let tally = &self.nation.wires.tally;
        let (mut last, nothing) = (Latencies::default(), Latencies::default());
        self.nation.casts.iter().for_each(|cast| last_viewer(&cast.room, 0, &mut last));
        // A process that was replaced begins to count anew.
        let measured = !self.args.kill;
        let figures = json!({
            "connecting": arrival.to_json(),
            "cpu": measured.then(|| cpu.to_json()),
            "cores": {"server": server_cores.map(round3), "postgres": cpu.postgres.filter(|_| measured).map(|cpu| round3(cpu / window)),
                      "generator": round3(cpu.generator / window)},
            "deliveries": tally.deliveries.get(), "choices_acknowledged": tally.acknowledgements.get(),
            "choices_postponed": postponed, "connections_cut": cut,
            "reconnections": sum(|counts| counts.reconnections.get()),
            "resumed": sum(|counts| counts.resumed.get()),
            "failed_returns": sum(|counts| counts.failed_returns.get()),
            "caught_up_by_snapshot": sum(|counts| counts.caught_up_by_snapshot.get()),
            "busy": sum(|counts| counts.busy.get()),
            "pages": self.visitor.to_json(), "journals_examined": journals,
            "kill": comeback.map(Comeback::to_json),
        });
        Ok(RunReport {
            scenario: "national-day",
            parameters: self.parameters(),
            goals: self.goals(
                server_cores.filter(|_| measured),
                comeback,
                violations.len() as u64 + faults.1,
                postponed,
            ),
            curves: [
                Curve::of("choice acknowledged", &tally.acknowledged.borrow()),
                Curve::of("change at each viewer", &tally.push.borrow()),
                // Whoever was last while the server was away says nothing of it.
                Curve::of("change at the last viewer", if measured { &last } else { &nothing }),
                Curve::of("page", &self.visitor.latencies.borrow()),
            ]
            .into(),
            samples,
            marks,
            figures,
            violations,
            faults: faults.0,
            faults_found: faults.1,
        })
    }

    fn cut_percent(&self) -> f64 {
        sized(self.args.cut_percent, self.args.full, 60.0, 1.0)
    }

    fn parameters(&self) -> Value {
        json!({
            "amphis": self.size.amphis, "connections": self.size.connections,
            "choosing_interns_each": self.size.choosers, "choices_per_second": self.rate, "seconds": self.seconds,
            "cut_percent_per_minute": self.cut_percent(), "pages_per_second": self.args.pages,
            "kill": self.args.kill, "seed": self.args.seed, "spin": self.args.spin,
        })
    }

    fn goals(
        &self,
        server_cores: Option<f64>,
        comeback: Option<Comeback>,
        wrong: u64,
        postponed: u64,
    ) -> Vec<Goal> {
        let tally = &self.nation.wires.tally;
        let push = tally.push.borrow().ms_if_any(0.99);
        let page = self.visitor.latencies.borrow().ms_if_any(0.99);
        let mut goals = vec![
            Goal::at_most("F9", "gaps, errors and violations", Some(wrong as f64), 0.0, None),
            Goal::at_most("F9", "push p99, ms", push, 50.0, None),
        ];
        if comeback.is_none() {
            // Nobody chooses while the server is away.
            let made = tally.acknowledgements.get() as f64;
            let share = made / (made + postponed as f64).max(1.0);
            goals.push(Goal::at_least(
                "F9",
                "share of the choices that were due",
                Some(share),
                DUE_SHARE,
                None,
            ));
        }
        if server_cores.is_some() {
            goals.push(Goal::at_most("F9", "server, cores", server_cores, 0.5, None));
        }
        if let Some(comeback) = comeback {
            let open = Some(comeback.all_amphis);
            goals.push(Goal::at_most("F10", "all amphis answer, s after start", open, 3.0, Some(1.0)));
            let back = Some(comeback.all_connections);
            goals.push(Goal::at_most("F10", "all connections resumed, s", back, 30.0, Some(15.0)));
        }
        goals.push(Goal::at_most("F12", "pages p99, ms", page, 100.0, Some(50.0)));
        goals
    }

    // --- the kill -----------------------------------------------------------------------------

    async fn kill_half_way(&self, venue: &mut Venue, at: Instant) -> Result<Option<Comeback>> {
        if !self.args.kill {
            return Ok(None);
        }
        tokio::time::sleep_until(at.into()).await;
        let process = venue.process.take().context("only a server of ours is killed")?;
        self.measure(false);
        self.timeline.mark("kill -9");
        let launch = process.kill(&[]).await?;
        self.nation.casts.iter().for_each(|cast| cast.room.server_life.set(1));
        let began = clock::now();
        let process = launch.start().await?;
        let listening = seconds_since(began);
        self.timeline.mark("listens again");
        venue.pid = Some(process.pid);
        venue.process = Some(process);
        self.timeline.follow(venue.pid, venue.postgres());
        let all_amphis = async {
            self.until_all_amphis_answer().await?;
            self.timeline.mark("all amphis");
            anyhow::Ok(seconds_since(began))
        };
        let all_connections = async {
            self.until_all_back().await?;
            self.timeline.mark("all back");
            anyhow::Ok(seconds_since(began))
        };
        let (all_amphis, all_connections) = tokio::try_join!(all_amphis, all_connections)?;
        self.measure(true);
        Ok(Some(Comeback { listening, all_amphis, all_connections }))
    }

    fn measure(&self, measured: bool) {
        self.nation.wires.tally.unmeasured.set(!measured);
        self.visitor.unmeasured.set(!measured);
    }

    /// A newcomer is welcomed in each amphi, beside all who come back.
    async fn until_all_amphis_answer(&self) -> Result<()> {
        let probes = self.nation.casts.iter().map(async |cast| {
            let began = clock::now();
            loop {
                let welcome = async {
                    let mut socket = RawSocket::open(&cast.room, &cast.doors.spectator, None).await?;
                    socket.next_of("welcome").await
                };
                match welcome.await {
                    Ok(_) => return Ok(()),
                    Err(problem) if clock::now() > began + BACK_WITHIN => return Err(problem),
                    Err(_) => tokio::time::sleep(LOOK_EVERY).await,
                }
            }
        });
        let answered: Vec<Result<()>> = stream::iter(probes).buffer_unordered(PROBES).collect().await;
        answered.into_iter().collect()
    }

    /// Everybody has been connected since, and known a state. Not all at one moment: a few of them are cut at any.
    async fn until_all_back(&self) -> Result<()> {
        let began = clock::now();
        let mut away: Vec<&Rc<Viewer>> = self.nation.everybody().collect();
        loop {
            away.retain(|viewer| !matches!(viewer.phase(), Phase::Live | Phase::Failed));
            let Some(first) = away.first() else { return Ok(()) };
            ensure!(
                seconds_since(began) < BACK_WITHIN.as_secs_f64(),
                "{} are away, {} first",
                away.len(),
                first.name()
            );
            tokio::time::sleep(LOOK_EVERY * 10).await;
        }
    }
}

impl Comeback {
    fn to_json(self) -> Value {
        json!({
            "exec_to_listening_seconds": round3(self.listening),
            "exec_to_all_amphis_answering_seconds": round3(self.all_amphis),
            "exec_to_all_connections_resumed_seconds": round3(self.all_connections),
        })
    }
}
