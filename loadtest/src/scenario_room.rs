//! `room`: many look on while some choose, at a steady rate; what it costs and how long it takes.
//!
//! How there is a choice at the intended instant: the amphi's hours began ten days ago, so every planned
//! time has passed and the end of each turn opens the next one in the same journal entry. With
//! `--manner late` everybody passes first, and the measured choices are late ones: then they depend on
//! nobody, and may overlap. Absent: reconnections (a lost connection ends the run) and several amphis.

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
use crate::process_figures::{ensure_descriptors, memory_kib};
use crate::reactor::Settings;
use crate::report::RoomReport;
use crate::room::{Room, Wires};
use crate::server_process::Import;
use crate::state::Standing;
use crate::synthetic;
use crate::venue::{Venue, VenueArgs};

/// Parameters of a run.
#[derive(Debug, Clone, Args)]
pub struct RoomArgs {
    /// Which server
    #[command(flatten)]
    pub venue: VenueArgs,
    /// Connections, the choosing interns among them; the others are spectators
    #[arg(long, default_value_t = 1_000)]
    pub viewers: usize,
    /// Choices, each by another intern
    #[arg(long, default_value_t = 200)]
    pub choices: usize,
    /// Intended choices per second, e.g. 20/s
    #[arg(long, default_value = "20/s", value_parser = per_second)]
    pub rate: f64,
    /// Whether interns choose in their turn, one after the other, or late, independently
    #[arg(long, value_enum, default_value_t = Manner::InTurn)]
    pub manner: Manner,
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
pub async fn run(args: &RoomArgs) -> Result<RoomReport> {
    let choosers = args.choices + args.warm_up;
    ensure!(args.choices > 0, "no choices, nothing to measure");
    ensure!(
        args.viewers >= choosers,
        "{} viewers are fewer than the {choosers} interns who choose (warm-up included)",
        args.viewers
    );
    ensure_descriptors(args.viewers)?;
    let wires = Wires::start(Settings { spin: args.spin, ..Settings::default() })?;
    let venue = Venue::open(&args.venue, None).await?;
    let (amphi, doors) = venue.amphi(&args.venue, || synthetic_import(&venue, args, choosers)).await?;
    ensure!(doors.interns.len() >= choosers, "{} interns are fewer than {choosers}", doors.interns.len());
    let room = Rc::new(Room::on(&wires, &venue.authority, &amphi, false).await?);
    let mut play = Play { args, venue: &venue, room: &room, doors: &doors, viewers: Vec::new() };
    let played = play.play().await;
    room.over.set(true);
    play.viewers.iter().for_each(|viewer| viewer.go_away());
    let report = match played {
        Ok(played) => RoomReport::new(args, &room, &played),
        // A fault explains more than the error it led to.
        Err(problem) if room.faults().1 > 0 => RoomReport::refused(&room, &problem),
        Err(problem) => return Err(problem),
    };
    venue.close().await?;
    Ok(report)
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

/// What was measured beside what the room keeps.
pub struct Played {
    /// Connecting.
    pub arrival: Arrival,
    /// Server memory before and with all connections, and which kind.
    pub memory: Option<(u64, u64, &'static str)>,
    /// CPU over the measured window.
    pub cpu: CpuUsed,
    /// Deliveries and bytes in the measured window.
    pub deliveries: u64,
    /// Bytes read in it.
    pub bytes: u64,
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
}

impl Play<'_> {
    async fn play(&mut self) -> Result<Played> {
        let administrator = Viewer::new(self.args.viewers, self.doors.administrator.clone(), self.room);
        administrator.connect().await?;
        let memory_before = self.memory().await;
        self.seat_everybody();
        let arrival = arrive(&self.viewers, self.venue.pid).await?;
        eprintln!("{} clients are connected", self.viewers.len());
        let memory_with = self.memory().await;
        self.open(&administrator).await?;
        let plan = self.plan()?;
        let (warm_up, measured) = plan.split_at(self.args.warm_up);
        if self.args.manner == Manner::Late {
            self.everybody_passes().await?;
        }
        for (chooser, post) in warm_up {
            self.choose(*chooser, *post, None).await?;
        }
        self.settle().await?;

        let counts = &self.room.counts;
        let bytes = || self.room.wires.reactor.traffic().bytes;
        let (deliveries, bytes_before) = (counts.deliveries.get(), bytes());
        let watch = CpuWatch::start(self.venue.pid, self.venue.postgres());
        self.measured_choices(measured).await?;
        if let Err(problem) = self.settle().await {
            self.room.fault("the crowd", format!("{problem:#}"));
        }
        let cpu = watch.stop();
        let (deliveries, bytes) = (counts.deliveries.get() - deliveries, bytes() - bytes_before);
        eprintln!("{deliveries} deliveries in {:.1} s", cpu.wall);
        self.viewers.push(administrator);
        let state = reckon(self.room, &self.viewers, std::slice::from_ref(&self.doors.spectator)).await?;
        let memory = memory_before.zip(memory_with).map(|(before, with)| (before.0, with.0, with.1));
        let posts = state.fact("posts").as_array().map_or(0, Vec::len);
        let participants = state.participants().len();
        Ok(Played { arrival, memory, cpu, deliveries, bytes, participants, posts })
    }

    /// The server's memory once it is at rest.
    async fn memory(&self) -> Option<(u64, &'static str)> {
        const REST: Duration = Duration::from_secs(2);
        let pid = self.venue.pid?;
        tokio::time::sleep(REST).await;
        memory_kib(pid).ok()
    }

    fn seat_everybody(&mut self) {
        let choosers = self.args.choices + self.args.warm_up;
        for number in 0..self.args.viewers {
            let door = if number < choosers { &self.doors.interns[number] } else { &self.doors.spectator };
            self.viewers.push(Viewer::new(number, door.clone(), self.room));
        }
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
        let waiting = || self.viewers.iter().take(self.args.choices + self.args.warm_up);
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
        let choosers = self.args.choices + self.args.warm_up;
        ensure!(seats.len() >= choosers, "{} seats are left for {choosers} choices", seats.len());
        Ok(seats.into_iter().take(choosers).enumerate().collect())
    }

    async fn everybody_passes(&self) -> Result<()> {
        for viewer in self.viewers.iter().take(self.args.choices + self.args.warm_up) {
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

    async fn measured_choices(&self, plan: &[(usize, u16)]) -> Result<()> {
        let start = clock::now() + Duration::from_millis(100);
        let intended = |index: usize| start + Duration::from_secs_f64(index as f64 / self.args.rate);
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
