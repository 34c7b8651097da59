//! `whole`: an imported amphi from its opening to its end, at compressed time, then everything checked.
//!
//! Every intern but the missing ones is a robot that chooses in its turn; the missing ones come late, and
//! some of them race for the same last seat. Verdict: what clients were told, and what the exported journal
//! says, are held against each other and against the rules. Absent: faults injected into server or network,
//! except connections that are cut (`--cuts`) and come back.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use rand::rngs::StdRng;
use rand::seq::{IteratorRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::client::{Phase, Viewer};
use crate::clock;
use crate::command::{Action, Answer};
use crate::crowd::{Arrival, CpuUsed, CpuWatch, arrive, reckon, seconds_since};
use crate::door::Doors;
use crate::journal::Journal;
use crate::opening::opening_days;
use crate::oracle::{Expected, Findings, examine};
use crate::process_figures::{ensure_descriptors, machine};
use crate::report;
use crate::robot::{Arena, choose_in_turn, come_late_alone, race_for_last_seats};
use crate::room::{Fault, Room};
use crate::server_process::{Import, ServerProcess};
use crate::state::{PublicState, Standing};
use crate::timing::{Latencies, watch_own_timer};
use crate::venue::{Venue, VenueArgs};

/// How many of the missing ones race for last seats; the others come alone.
const RACERS_MAX: usize = 3;
/// The session may end this much later than planned, on the server's clock, before the run is given up.
const OVERRUN_MS: i64 = 6 * 3_600_000;
/// How many viewers a fresh snapshot is asked for at the end, beside administrator and spectator.
const FRESH_INTERNS: usize = 1;

/// Parameters of a run.
#[derive(Debug, Clone, Args)]
pub struct WholeArgs {
    /// The server to start, on a data directory of its own
    #[arg(long, value_name = "BINARY", default_value = "target/release/amphi")]
    pub server: PathBuf,
    /// The interns' file
    #[arg(long, value_name = "FILE")]
    pub interns: PathBuf,
    /// The posts' file
    #[arg(long, value_name = "FILE")]
    pub posts: PathBuf,
    /// Title of the amphi
    #[arg(long, default_value = "Essai d'un amphi entier")]
    pub title: String,
    /// Semester, YYYY-05 or YYYY-11
    #[arg(long, default_value = "2027-05")]
    pub period: String,
    /// IANA time zone of the amphi
    #[arg(long, default_value = "Europe/Paris")]
    pub time_zone: String,
    /// Hours of one day, e.g. "2027-03-29 09:00-12:30,14:00-18:00"; for day1, day2… instead of a date, day1 is
    /// the first day that has not begun yet on the server's clock. Repeat it for more days
    #[arg(long, default_values_t = ["day1 09:00-12:30,14:00-18:00".to_owned(), "day2 09:00-12:30,14:00-18:00".to_owned()])]
    pub opening: Vec<String>,
    /// Duration of a turn
    #[arg(long, default_value = "120s")]
    pub turn: String,
    /// How fast the server's clock runs
    #[arg(long, default_value_t = 600.0)]
    pub speed: f64,
    /// Connections: all interns, the others are spectators
    #[arg(long, default_value_t = 1_500)]
    pub viewers: usize,
    /// Interns who are absent in their turn and come later
    #[arg(long, default_value_t = 5)]
    pub missing: usize,
    /// Connections cut at random moments, which come back and ask to be resumed
    #[arg(long, default_value_t = 20)]
    pub cuts: usize,
    /// How late a timer of the server may be, in real milliseconds; on its clock this is multiplied by the speed
    #[arg(long, default_value_t = 100)]
    pub timer_tolerance_ms: u64,
    /// Decides who is missing, who chooses what and when, and whose connection is cut
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Keep the data directory, the journal and the server's log in a new directory here
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Let the server (and its Postgres) run on this core only
    #[arg(long, value_name = "CORE")]
    pub pin_server: Option<usize>,
}

/// What became of a run.
pub struct Verdict {
    /// Everything, for standard output.
    pub report: Value,
    /// What clients saw that they must not.
    pub faults: Vec<Fault>,
    /// What the journal says that it must not.
    pub violations: Vec<String>,
}

/// Plays the scenario and judges it.
///
/// # Errors
/// When it cannot be played to its end.
pub async fn run(args: &WholeArgs) -> Result<Verdict> {
    ensure_descriptors(args.viewers)?;
    let venue_args = VenueArgs {
        server: args.server.clone(),
        url: None,
        links: None,
        server_pid: None,
        keep: args.keep.clone(),
        pin_server: args.pin_server,
    };
    let mut venue = Venue::open(&venue_args, Some(args.speed)).await?;
    let (amphi, doors) = venue.amphi(&venue_args, || import(args)).await?;
    let missing_at_most = doors.interns.len() / 2;
    ensure!(args.missing <= missing_at_most, "at most {missing_at_most} of these interns can be missing");
    ensure!(args.viewers >= doors.interns.len(), "--viewers must be at least {}", doors.interns.len());
    let room = Rc::new(Room::new(&venue.authority, &amphi, true).await?);
    let began = clock::now();
    let own_timer = Rc::<RefCell<Latencies>>::default();
    let watching = tokio::task::spawn_local(watch_own_timer(Rc::clone(&own_timer)));
    let mut session = Session::new(args, &room, &doors);
    let played = session.play(&mut venue).await;
    watching.abort();
    room.over.set(true);
    session.viewers.iter().for_each(|viewer| viewer.go_away());
    let played = match played {
        Ok(played) => played,
        // A fault explains more than the error it led to.
        Err(problem) if room.faults().1 > 0 => {
            room.fault("the run", format!("{problem:#}"));
            let (faults, found) = room.faults();
            let report = json!({"scenario": "whole", "ok": false, "faults": faults, "faults_found": found});
            return Ok(Verdict { report, faults, violations: Vec::new() });
        }
        Err(problem) => return Err(problem),
    };
    let process = venue.process.as_ref().context("the server is ours")?;
    let mut findings = judge(args, process, &room, &amphi, &doors, &played).await?;
    if let Err(problem) = venue.close().await {
        findings.wrong(format!("{problem:#}"));
    }
    let (faults, faults_found) = room.faults();
    let report = json!({
        "scenario": "whole",
        "ok": faults.is_empty() && findings.violations.is_empty(),
        "violations": findings.violations,
        "faults": faults, "faults_found": faults_found,
        "generator_version": env!("CARGO_PKG_VERSION"),
        "machine": machine(),
        "parameters": parameters(args),
        "amphi": {"id": amphi, "interns": doors.interns.len(), "missing": session.missing},
        "seconds": seconds_since(began).round(),
        "connecting": played.arrival.to_json(),
        "journal": findings.figures,
        "own_timer_lateness": own_timer.borrow().to_json(),
        "choice_latency": report::choice_latency(&room),
        "push_latency": report::push_latency(&room),
        "deliveries": room.counts.deliveries.get(),
        "cpu": played.cpu.to_json(),
        "counts": report::counts(&room),
        "races": session.arena.races.get(),
        "turns_missed_by_robots": session.arena.too_late.get(),
    });
    Ok(Verdict { report, faults, violations: findings.violations })
}

fn import(args: &WholeArgs) -> Result<Import> {
    Ok(Import {
        interns: args.interns.clone(),
        posts: args.posts.clone(),
        title: args.title.clone(),
        period: args.period.clone(),
        time_zone: args.time_zone.clone(),
        opening: opening_days(&args.opening, &args.time_zone, clock::wall(), args.speed)?,
        turn: args.turn.clone(),
    })
}

fn parameters(args: &WholeArgs) -> Value {
    json!({
        "server": args.server, "interns": args.interns, "posts": args.posts, "time_zone": args.time_zone,
        "opening": args.opening, "turn": args.turn, "speed": args.speed, "viewers": args.viewers,
        "missing": args.missing, "cuts": args.cuts, "timer_tolerance_real_ms": args.timer_tolerance_ms,
        "seed": args.seed, "pin_server": args.pin_server,
    })
}

/// The journal against the rules, against the receipts, and against what everybody was told.
async fn judge(
    args: &WholeArgs,
    process: &ServerProcess,
    room: &Room,
    amphi: &str,
    doors: &Doors,
    played: &Played,
) -> Result<Findings> {
    let file = process.export(amphi).await?;
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let expected = Expected {
        placed: doors.interns.iter().filter_map(|door| door.role.rank()).collect::<BTreeSet<u16>>(),
        nobody_else: true,
        speed: args.speed,
        timer_tolerance: Duration::from_millis(args.timer_tolerance_ms),
    };
    let mut findings = match Journal::parse(&text) {
        Ok(journal) => examine(&journal, &played.state, &room.receipts.borrow(), &expected),
        Err(problem) => {
            let mut findings = Findings::default();
            findings.wrong(format!("the exported journal cannot be read: {problem:#}"));
            findings
        }
    };
    let listed =
        std::fs::read(&args.interns)?.split(|byte| *byte == b'\n').filter(|line| line.len() > 1).count();
    if doors.interns.len() + 1 != listed {
        let found = doors.interns.len();
        findings.wrong(format!("{} interns in the file, {found} in the amphi", listed.saturating_sub(1)));
    }
    Ok(findings)
}

struct Played {
    arrival: Arrival,
    cpu: CpuUsed,
    state: PublicState,
}

struct Session<'a> {
    args: &'a WholeArgs,
    room: &'a Rc<Room>,
    doors: &'a Doors,
    arena: Rc<Arena>,
    rng: StdRng,
    /// Ranks of the missing ones; the first of them race.
    missing: Vec<u16>,
    viewers: Vec<Rc<Viewer>>,
}

impl<'a> Session<'a> {
    fn new(args: &'a WholeArgs, room: &'a Rc<Room>, doors: &'a Doors) -> Self {
        let mut rng = StdRng::seed_from_u64(args.seed);
        // From the first half, so that turns are still to come when they arrive.
        let half = u16::try_from(doors.interns.len() / 2).unwrap_or(u16::MAX);
        let mut missing = (1..=half).sample(&mut rng, args.missing);
        missing.shuffle(&mut rng);
        Self { args, room, doors, arena: Rc::default(), rng, missing, viewers: Vec::new() }
    }

    async fn play(&mut self, venue: &mut Venue) -> Result<Played> {
        let administrator = Viewer::new(self.args.viewers, self.doors.administrator.clone(), self.room);
        administrator.connect().await?;
        let (window, ends_by) = self.times(&administrator)?;
        self.seat_everybody();
        let present: Vec<_> =
            self.viewers.iter().filter(|viewer| !self.is_missing(viewer)).cloned().collect();
        let arrival = arrive(&present, venue.pid).await?;
        eprintln!("{} clients are connected", present.len());
        let answer = administrator.submit(Action::Open, None).await?;
        ensure!(answer == Answer::Done, "opening was answered {answer:?}");
        let watch = CpuWatch::start(venue.pid, venue.postgres());
        self.send_robots();
        self.plan_cuts(window);
        self.until_all_placed(venue, ends_by).await?;
        let answer = administrator.submit(Action::Close, None).await?;
        ensure!(answer == Answer::Done, "closing was answered {answer:?}");
        self.until_nobody_is_away().await?;
        let cpu = watch.stop();
        let mut fresh = vec![self.doors.spectator.clone(), self.doors.administrator.clone()];
        fresh.extend(self.doors.interns.iter().take(FRESH_INTERNS).cloned());
        self.viewers.push(administrator);
        let state = reckon(self.room, &self.viewers, &fresh).await?;
        Ok(Played { arrival, cpu, state })
    }

    /// From the first planned turn to the last, on our clock, and the instant by which all must be over.
    fn times(&self, administrator: &Viewer) -> Result<((Instant, Instant), Instant)> {
        let clock = administrator.clock().context("no welcome")?;
        let speed = self.args.speed;
        ensure!(
            (clock.speed - speed).abs() < 1e-6,
            "the server's clock runs at {}, not {speed}",
            clock.speed
        );
        let chain = self.room.chain.borrow();
        let state = chain.frontier().context("no snapshot")?;
        let planned = |participant: Option<&Value>| participant.and_then(|one| one["planned_at"].as_i64());
        let first = planned(state.participants().first()).context("the amphi is not published")?;
        let last = planned(state.participants().last()).context("nobody is on the list")?;
        let until = |server: i64| clock.local(server).saturating_duration_since(clock::now()).as_secs_f64();
        ensure!(
            until(first) < 1_800.0,
            "the first turn is {:.0} real seconds away at speed {speed}; use day1, day2… for the days to come",
            until(first)
        );
        eprintln!("first turn in {:.0} s, last one planned in {:.0} s", until(first), until(last));
        let ends_by = clock.local(last + OVERRUN_MS) + Duration::from_secs(60);
        Ok(((clock.local(first), clock.local(last)), ends_by))
    }

    fn is_missing(&self, viewer: &Viewer) -> bool {
        viewer.door.role.rank().is_some_and(|rank| self.missing.contains(&rank))
    }

    fn seat_everybody(&mut self) {
        for number in 0..self.args.viewers {
            let door = self.doors.interns.get(number).unwrap_or(&self.doors.spectator);
            self.viewers.push(Viewer::new(number, door.clone(), self.room));
        }
    }

    fn send_robots(&mut self) {
        let (room, arena) = (Rc::clone(self.room), Rc::clone(&self.arena));
        let watch = move |name: String, result: Result<()>| {
            if let Err(problem) = result {
                room.fault(name, format!("{problem:#}"));
            }
        };
        let watch = Rc::new(watch);
        for viewer in self.viewers.iter().take(self.doors.interns.len()) {
            if self.is_missing(viewer) {
                continue;
            }
            let (viewer, arena, watch) = (Rc::clone(viewer), Rc::clone(&arena), Rc::clone(&watch));
            let mut rng = StdRng::seed_from_u64(self.rng.random());
            tokio::task::spawn_local(async move {
                let result = choose_in_turn(&viewer, &arena, &mut rng).await;
                watch(viewer.name(), result);
            });
        }
        let mut late: Vec<_> =
            self.missing.iter().map(|rank| Rc::clone(&self.viewers[usize::from(*rank) - 1])).collect();
        let racers: Vec<_> = late.drain(..late.len().min(RACERS_MAX)).collect();
        let (race_arena, race_watch, seed) = (Rc::clone(&arena), Rc::clone(&watch), self.rng.random());
        tokio::task::spawn_local(async move {
            race_watch("the racers".to_owned(), race_for_last_seats(racers, race_arena, seed).await);
        });
        for viewer in late {
            let (arena, watch) = (Rc::clone(&arena), Rc::clone(&watch));
            let (wait, seed) = (Duration::from_millis(self.rng.random_range(0..5_000)), self.rng.random());
            tokio::task::spawn_local(async move {
                let name = viewer.name();
                watch(name, come_late_alone(viewer, arena, wait, seed).await);
            });
        }
    }

    fn plan_cuts(&mut self, (first, last): (Instant, Instant)) {
        for _ in 0..self.args.cuts {
            let at = first + last.saturating_duration_since(first).mul_f64(self.rng.random());
            let Some(viewer) = self.viewers.iter().choose(&mut self.rng).cloned() else { return };
            tokio::task::spawn_local(async move {
                tokio::time::sleep_until(at.into()).await;
                if viewer.phase() == Phase::Live && !viewer.room.over.get() {
                    viewer.cut();
                }
            });
        }
    }

    async fn until_all_placed(&self, venue: &mut Venue, ends_by: Instant) -> Result<()> {
        let mut told = clock::now();
        loop {
            if let Some(process) = &mut venue.process {
                process.ensure_running()?;
            }
            let (placed, of) = self.placed();
            if placed == of {
                return Ok(());
            }
            if seconds_since(told) > 10.0 {
                told = clock::now();
                eprintln!("{placed} of {of} interns have a seat");
            }
            let (faults, found) = self.room.faults();
            if found > 0 && faults.len() as u64 >= 20 {
                bail!("given up after {found} faults; the first: {}: {}", faults[0].client, faults[0].what);
            }
            ensure!(clock::now() < ends_by, "only {placed} of {of} interns have a seat, long after the plan");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn placed(&self) -> (usize, usize) {
        let chain = self.room.chain.borrow();
        let participants = chain.frontier().map_or(&[][..], |state| state.participants());
        let placed = participants.iter().filter(|one| Standing::of(one) == Standing::Placed).count();
        (placed, participants.len())
    }

    /// Those who were cut at the very end come back first.
    async fn until_nobody_is_away(&self) -> Result<()> {
        const WITHIN: Duration = Duration::from_secs(60);
        let began = clock::now();
        while let Some(away) = self.viewers.iter().find(|viewer| viewer.phase() == Phase::Away) {
            ensure!(clock::now() < began + WITHIN, "{} did not come back", away.name());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}
