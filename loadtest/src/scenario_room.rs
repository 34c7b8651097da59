//! `room`, `burst`, `overload`: many look on while some choose; what it costs and how long it takes.
//!
//! A run is a row of stages on one amphi, each with its viewers, its choices and its rate. How there is a choice at the
//! intended instant: the amphi's hours began ten days ago, so every planned time has passed and the end of each turn
//! opens the next one in the same journal entry. Late choices, after everybody has passed, depend on nobody and may
//! overlap. Absent: reconnections (a lost connection ends the run) and several amphis.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use chrono::TimeDelta;
use clap::{Args, ValueEnum};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::client::Viewer;
use crate::clock;
use crate::command::{Action, Answer};
use crate::crowd::{Arrival, CpuUsed, CpuWatch, all_caught_up, arrive, reckon};
use crate::door::Doors;
use crate::journal::Journal;
use crate::oracle::{Expected, examine};
use crate::process_figures::{ensure_descriptors, memory_kib};
use crate::reactor::Settings;
use crate::report_page::RunReport;
use crate::report_room;
use crate::room::{Room, Wires};
use crate::server_process::Import;
use crate::state::Standing;
use crate::synthetic;
use crate::timeline::Timeline;
use crate::timing::{Latencies, Tally};
use crate::venue::{Venue, VenueArgs};

/// Which question a run answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What a steady rate costs (F1, F4, F5, F6).
    Room,
    /// What choices at the same moment cost, held against the same one by one (F2).
    Burst,
    /// What happens when more is asked than can be done (F3).
    Overload,
}

/// Parameters on the command line; a small run unless `--full`.
#[derive(Debug, Clone, Args)]
pub struct RoomOptions {
    /// Which server
    #[command(flatten)]
    pub venue: VenueArgs,
    /// The size of the goals (single options override, and make it one stage)
    #[arg(long)]
    pub full: bool,
    /// Connections, the choosing interns among them; the others are spectators
    #[arg(long)]
    pub viewers: Option<usize>,
    /// Choices, each by another intern
    #[arg(long)]
    pub choices: Option<usize>,
    /// Intended choices per second, e.g. 20/s
    #[arg(long, value_parser = per_second)]
    pub rate: Option<f64>,
    /// Choices sent at the same instant (late ones only)
    #[arg(long)]
    pub at_once: Option<usize>,
    /// Whether interns choose in their turn, one after the other, or late, independently
    #[arg(long, value_enum)]
    pub manner: Option<Manner>,
    /// Decides who chooses what
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Choices made before the measured ones, to warm up
    #[arg(long, default_value_t = 10)]
    pub warm_up: usize,
    /// How long everybody may take to know what one client knows, before the run is refused
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub settle_seconds: u64,
    /// Never let the generator sleep: a sleeping client's wake-up is charged to the server
    #[arg(long)]
    pub spin: bool,
}

/// One stretch of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// Connections; more than in the stage before, or as many.
    pub viewers: usize,
    /// Choices, each by another intern.
    pub choices: usize,
    /// Choices a second.
    pub rate: f64,
    /// Choices at the same instant.
    pub at_once: usize,
}

/// Parameters of a run.
#[derive(Debug, Clone)]
pub struct RoomArgs {
    /// Which question.
    pub kind: Kind,
    /// Which server.
    pub venue: VenueArgs,
    /// What is played, in order.
    pub stages: Vec<Stage>,
    /// When in their time interns choose.
    pub manner: Manner,
    /// Decides who chooses what.
    pub seed: u64,
    /// Choices made before the measured ones.
    pub warm_up: usize,
    /// How long everybody may take to know what one client knows, in seconds.
    pub settle_seconds: u64,
    /// Whether the generator never sleeps.
    pub spin: bool,
}

impl RoomOptions {
    /// The stages of `kind` at the size asked for.
    pub fn resolve(&self, kind: Kind) -> RoomArgs {
        let stage = |viewers, choices, rate, at_once| Stage { viewers, choices, rate, at_once };
        let single = self.viewers.is_some() || self.choices.is_some() || self.rate.is_some();
        let mut stages = match (kind, self.full) {
            (Kind::Room, false) => vec![stage(1_000, 100, 20.0, 1)],
            (Kind::Room, true) => vec![stage(2_000, 400, 20.0, 1), stage(10_000, 80, 4.0, 1)],
            // One by one and eight at once take turns, so that the machine drifts under both.
            (Kind::Burst, false) => [stage(300, 40, 40.0, 1), stage(300, 80, 80.0, 8)].repeat(2),
            (Kind::Burst, true) => [stage(2_000, 100, 20.0, 1), stage(2_000, 160, 40.0, 8)].repeat(5),
            (Kind::Overload, false) => vec![stage(400, 300, 150.0, 1)],
            (Kind::Overload, true) => vec![stage(2_000, 1_600, 200.0, 1)],
        };
        if single {
            stages.truncate(if kind == Kind::Burst { 2 } else { 1 });
        }
        for stage in &mut stages {
            stage.viewers = self.viewers.unwrap_or(stage.viewers);
            stage.choices = self.choices.unwrap_or(stage.choices);
            stage.rate = self.rate.unwrap_or(stage.rate);
            if stage.at_once > 1 || kind != Kind::Burst {
                stage.at_once = self.at_once.unwrap_or(stage.at_once).max(1);
            }
        }
        let manner = if kind == Kind::Room { Manner::InTurn } else { Manner::Late };
        RoomArgs {
            kind,
            venue: self.venue.clone(),
            stages,
            manner: self.manner.unwrap_or(manner),
            seed: self.seed,
            warm_up: self.warm_up,
            settle_seconds: self.settle_seconds,
            spin: self.spin,
        }
    }
}

/// No timer decides anything here.
const TIMER_TOLERANCE: Duration = Duration::from_secs(60);

impl RoomArgs {
    fn choosers(&self) -> usize {
        self.warm_up + self.stages.iter().map(|stage| stage.choices).sum::<usize>()
    }

    fn most_viewers(&self) -> usize {
        self.stages.iter().map(|stage| stage.viewers).max().unwrap_or(0)
    }
}

/// When in their time interns choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Manner {
    /// Each in their turn; the next turn opens with the choice.
    InTurn,
    /// After everybody has passed.
    Late,
}

/// A rate like `20/s` or `20`.
///
/// # Errors
/// Anything else, or nothing per second.
pub fn per_second(text: &str) -> Result<f64> {
    let rate: f64 = text.trim_end_matches("/s").parse().context("a rate is written 20/s")?;
    ensure!(rate > 0.0 && rate.is_finite(), "a rate must be positive");
    Ok(rate)
}

/// Plays the scenario.
///
/// # Errors
/// When it cannot be played. What clients saw that they must not is in the report.
pub async fn run(args: &RoomArgs) -> Result<RunReport> {
    let choosers = args.choosers();
    let first = args.stages.first().context("no stage, nothing to measure")?;
    ensure!(args.stages.iter().all(|stage| stage.choices > 0), "no choices, nothing to measure");
    ensure!(
        first.viewers >= choosers,
        "{} viewers are fewer than the {choosers} interns who choose (warm-up included)",
        first.viewers
    );
    let overlap = args.stages.iter().any(|stage| stage.at_once > 1);
    ensure!(!overlap || args.manner == Manner::Late, "only late choices can be made at the same instant");
    ensure_descriptors(args.most_viewers())?;
    let wires = Wires::start(Settings { spin: args.spin, ..Settings::default() })?;
    let venue = Venue::open(&args.venue, None).await?;
    let (amphi, doors) = venue.amphi(&args.venue, || synthetic_import(&venue, args, choosers)).await?;
    ensure!(doors.interns.len() >= choosers, "{} interns are fewer than {choosers}", doors.interns.len());
    let room = Rc::new(Room::on(&wires, &venue.authority, &amphi, false).await?);
    let timeline = Timeline::start(&[&wires], venue.pid, venue.postgres());
    let mut play =
        Play { args, venue: &venue, room: &room, doors: &doors, viewers: Vec::new(), timeline: &timeline };
    let played = play.play().await;
    let line = timeline.stop();
    room.over.set(true);
    play.viewers.iter().for_each(|viewer| viewer.go_away());
    let report = match played {
        Ok(played) => {
            let violations = judge(&venue, &room).await?;
            report_room::report(args, &room, &played, line, violations)
        }
        Err(problem) => RunReport::broken(args.kind.name(), room.faults(), problem)?,
    };
    venue.close().await?;
    Ok(report)
}

/// The journal of a server of ours, against the rules, every receipt and what everybody was told at the end.
async fn judge(venue: &Venue, room: &Room) -> Result<Vec<String>> {
    let Some(process) = &venue.process else { return Ok(Vec::new()) };
    let journal = Journal::parse(&std::fs::read_to_string(process.export(&room.amphi).await?)?)?;
    let receipts = room.receipts.borrow();
    let expected = Expected {
        placed: receipts.iter().map(|given| given.receipt.rank).collect(),
        nobody_else: true,
        speed: 1.0,
        timer_tolerance: TIMER_TOLERANCE,
    };
    let chain = room.chain.borrow();
    let state = chain.frontier().context("no state")?;
    Ok(examine(&journal, state, &receipts, &expected).violations)
}

impl Kind {
    /// Its subcommand.
    pub fn name(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Burst => "burst",
            Self::Overload => "overload",
        }
    }
}

fn synthetic_import(venue: &Venue, args: &RoomArgs, choosers: usize) -> Result<Import> {
    let process = venue.process.as_ref().context("only a server of our own is given an amphi")?;
    let (interns, posts) = (process.file("interns.csv"), process.file("posts.csv"));
    // In turn: one more, so that a turn is open to the end. Late: nobody more, so that none is.
    let listed = choosers + usize::from(args.manner == Manner::InTurn);
    std::fs::write(&interns, synthetic::interns_csv(listed))?;
    std::fs::write(&posts, synthetic::posts_csv(synthetic::seats_for(listed)))?;
    let begun = clock::wall() - TimeDelta::days(10);
    Ok(Import {
        interns,
        posts,
        title: "Essai de charge".to_owned(),
        period: "2027-05".to_owned(),
        time_zone: "Europe/Paris".to_owned(),
        opening: vec![format!("{} 00:00-23:00", begun.format("%Y-%m-%d"))],
        turn: "300s".to_owned(),
    })
}

/// What one stage showed.
pub struct PlayedStage {
    /// What was asked for.
    pub stage: Stage,
    /// Connecting those who were not there yet.
    pub arrival: Arrival,
    /// Server memory with all connections, at rest.
    pub memory: Option<(u64, &'static str)>,
    /// CPU over the measured window.
    pub cpu: CpuUsed,
    /// Deliveries in it…
    pub deliveries: u64,
    /// …changes that viewers know since, each viewer counted…
    pub learnt: u64,
    /// …and bytes read in it.
    pub bytes: u64,
    /// From the intended instant to the acknowledgement…
    pub acknowledged: Latencies,
    /// …to each viewer…
    pub push: Latencies,
    /// …and to the last one.
    pub last: Latencies,
}

/// What was measured beside what the room keeps.
pub struct Played {
    /// Stage by stage.
    pub stages: Vec<PlayedStage>,
    /// Server memory before anybody but the administrator was there.
    pub memory_before: Option<u64>,
    /// Participants of the amphi.
    pub participants: usize,
    /// Posts of the amphi.
    pub posts: usize,
}

struct Play<'a> {
    args: &'a RoomArgs,
    venue: &'a Venue,
    room: &'a Rc<Room>,
    doors: &'a Doors,
    viewers: Vec<Rc<Viewer>>,
    timeline: &'a Timeline,
}

impl Play<'_> {
    async fn play(&mut self) -> Result<Played> {
        let administrator =
            Viewer::new(self.args.most_viewers(), self.doors.administrator.clone(), self.room);
        administrator.connect().await?;
        let memory_before = self.memory().await.map(|(kib, _)| kib);
        let mut stages = Vec::new();
        let mut plan = Vec::new();
        for (index, stage) in self.args.stages.iter().enumerate() {
            self.timeline.mark("arrivals");
            let arrival = self.seat(stage.viewers).await?;
            let memory = if arrival.is_empty() { None } else { self.memory().await };
            if index == 0 {
                self.timeline.mark("preparation");
                self.open(&administrator).await?;
                plan = self.plan()?;
                if self.args.manner == Manner::Late {
                    self.everybody_passes().await?;
                }
                for (chooser, post) in plan.drain(..self.args.warm_up) {
                    self.choose(chooser, post, None).await?;
                }
            }
            let choices: Vec<_> = plan.drain(..stage.choices).collect();
            stages.push(self.stage(*stage, &choices, arrival, memory).await?);
        }
        self.timeline.mark("checked");
        self.viewers.push(administrator);
        let state = reckon(self.room, &self.viewers, std::slice::from_ref(&self.doors.spectator)).await?;
        let posts = state.fact("posts").as_array().map_or(0, Vec::len);
        let participants = state.participants().len();
        Ok(Played { stages, memory_before, participants, posts })
    }

    async fn stage(
        &self,
        stage: Stage,
        choices: &[(usize, u16)],
        arrival: Arrival,
        memory: Option<(u64, &'static str)>,
    ) -> Result<PlayedStage> {
        self.settle().await?;
        let tally = &self.room.wires.tally;
        drop(take_latencies(tally));
        let bytes = || self.room.wires.reactor.traffic().bytes;
        let before = (tally.deliveries.get(), tally.learnt.get(), bytes());
        let first = self.room.timing.borrow().choices().len();
        self.timeline.mark(if stage.at_once > 1 { "bursts" } else { "measured" });
        let watch = CpuWatch::start(self.venue.pid, self.venue.postgres());
        self.measured_choices(stage, choices).await?;
        if let Err(problem) = self.settle().await {
            self.room.fault("the crowd", format!("{problem:#}"));
        }
        let cpu = watch.stop();
        let (acknowledged, push) = take_latencies(tally);
        let mut last = Latencies::default();
        report_room::last_viewer(self.room, first, &mut last);
        Ok(PlayedStage {
            stage,
            arrival,
            memory,
            cpu,
            deliveries: tally.deliveries.get() - before.0,
            learnt: tally.learnt.get() - before.1,
            bytes: bytes() - before.2,
            acknowledged,
            push,
            last,
        })
    }

    /// The server's memory once it is at rest.
    async fn memory(&self) -> Option<(u64, &'static str)> {
        const REST: Duration = Duration::from_secs(2);
        let pid = self.venue.pid?;
        tokio::time::sleep(REST).await;
        memory_kib(pid).ok()
    }

    /// Connects whoever is missing from `viewers`.
    async fn seat(&mut self, viewers: usize) -> Result<Arrival> {
        let choosers = self.args.choosers();
        let here = self.viewers.len();
        for number in here..viewers.max(here) {
            let door = if number < choosers { &self.doors.interns[number] } else { &self.doors.spectator };
            self.viewers.push(Viewer::new(number, door.clone(), self.room));
        }
        arrive(&self.viewers[here..], self.venue.pid).await
    }

    async fn open(&self, administrator: &Rc<Viewer>) -> Result<()> {
        let status = self.fact("status");
        if status == "published" {
            let answer = administrator.submit(Action::Open, None).await?;
            ensure!(answer == Answer::Done, "opening was answered {answer:?}");
            self.settle().await?;
        }
        let status = self.fact("status");
        ensure!(status == "open", "the amphi is {status}, not open");
        let waiting = || self.viewers.iter().take(self.args.choosers());
        ensure!(waiting().all(|viewer| viewer.standing() != Standing::Placed), "somebody has chosen already");
        ensure!(self.viewers[0].standing() == Standing::InTurn, "it is not the first rank's turn");
        Ok(())
    }

    fn fact(&self, name: &str) -> String {
        let chain = self.room.chain.borrow();
        let fact = chain.frontier().map(|state| state.fact(name).clone()).unwrap_or_default();
        fact.as_str().unwrap_or_default().to_owned()
    }

    /// Who chooses which post, in order; every seat at most once.
    fn plan(&self) -> Result<Vec<(usize, u16)>> {
        let chain = self.room.chain.borrow();
        let free = chain.frontier().context("no state")?.free_posts();
        let mut seats: Vec<u16> =
            free.iter().flat_map(|(post, left)| (0..*left).map(move |_| *post)).collect();
        seats.shuffle(&mut StdRng::seed_from_u64(self.args.seed));
        let choosers = self.args.choosers();
        ensure!(seats.len() >= choosers, "{} seats are left for {choosers} choices", seats.len());
        Ok(seats.into_iter().take(choosers).enumerate().collect())
    }

    async fn everybody_passes(&self) -> Result<()> {
        for viewer in self.viewers.iter().take(self.args.choosers()) {
            let answer = viewer.submit(Action::Pass, None).await?;
            ensure!(answer == Answer::Done, "{} passed and was answered {answer:?}", viewer.name());
        }
        self.settle().await
    }

    async fn settle(&self) -> Result<()> {
        all_caught_up(self.room, &self.viewers, Duration::from_secs(self.args.settle_seconds)).await
    }

    async fn choose(&self, chooser: usize, post: u16, choice: Option<usize>) -> Result<()> {
        let viewer = &self.viewers[chooser];
        match viewer.submit(Action::Choose(post), choice).await? {
            Answer::Done => Ok(()),
            other => bail!("{} chose post {post} and was answered {other:?}", viewer.name()),
        }
    }

    async fn measured_choices(&self, stage: Stage, plan: &[(usize, u16)]) -> Result<()> {
        let start = clock::now() + Duration::from_millis(100);
        let together = |index: usize| index / stage.at_once * stage.at_once;
        let intended = |index: usize| start + Duration::from_secs_f64(together(index) as f64 / stage.rate);
        match self.args.manner {
            Manner::InTurn => {
                for (index, (chooser, post)) in plan.iter().enumerate() {
                    let choice = self.intend(*chooser, intended(index));
                    clock::sleep_precisely(intended(index)).await;
                    self.choose(*chooser, *post, Some(choice)).await?;
                }
                Ok(())
            }
            Manner::Late => {
                let all = plan.iter().enumerate().map(async |(index, (chooser, post))| {
                    let choice = self.intend(*chooser, intended(index));
                    clock::sleep_precisely(intended(index)).await;
                    self.choose(*chooser, *post, Some(choice)).await
                });
                let all: Vec<Result<()>> = futures_util::future::join_all(all).await;
                all.into_iter().collect()
            }
        }
    }

    fn intend(&self, chooser: usize, intended: Instant) -> usize {
        let rank = self.viewers[chooser].door.role.rank().unwrap_or_default();
        self.room.timing.borrow_mut().intend(rank, intended)
    }
}

/// Latencies to acknowledgements and to viewers since the last call.
fn take_latencies(tally: &Tally) -> (Latencies, Latencies) {
    (std::mem::take(&mut tally.acknowledged.borrow_mut()), std::mem::take(&mut tally.push.borrow_mut()))
}
