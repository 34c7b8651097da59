//! `compare`: our server, the yardsticks and the peers under the same workload, interleaved, in one run.
//!
//! A round visits every server once: started, its viewers connected, measured in three cells, stopped. Rounds repeat, each
//! beginning with another server, and every ratio is taken of two figures of the same round, because machines drift.
//! Servers have one core and the generator another, on which it never sleeps: a sleeping client's wake-up would be
//! charged to the server. A server that loses, repeats or changes a message has failed; so has the run.

pub mod audience;
pub mod cpu;
pub mod idle;
pub mod ledger;
pub mod peers;
pub mod prepare;
pub mod report;
pub mod stage;
pub mod statistics;
pub mod workload;
pub mod yardstick;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;

use self::audience::Audience;
use self::idle::Idle;
use self::peers::{OURS, OurServer, Peer, Running};
use self::report::{Comparison, NOT_ASKED_FOR, Row};
use self::stage::Stage;
use self::workload::{Play, Visit, Workload};
use crate::clock;
use crate::crowd::seconds_since;
use crate::process_figures::{ensure_descriptors, machine};
use crate::sized::sized;

/// Length of a message when ours is not among those compared: what changes usually have.
const MESSAGE_BYTES: usize = 300;

/// Parameters of a comparison.
#[derive(Debug, Clone, Args)]
pub struct CompareArgs {
    /// Full size: 2,000 viewers, all peers that are here, 10,000 idle connections
    #[arg(long)]
    pub full: bool,
    /// Connections that listen [default: 200, with --full 2,000]
    #[arg(long)]
    pub viewers: Option<usize>,
    /// How often every server is visited
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Publications a second in the steady cell
    #[arg(long, default_value_t = 20.0)]
    pub rate: f64,
    /// Length of the steady cell [default: 2, with --full 4]
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<f64>,
    /// Publications one by one [default: 40, with --full 60]
    #[arg(long)]
    pub closed: Option<usize>,
    /// Publications eight in flight [default: 80, with --full 120]
    #[arg(long)]
    pub in_flight: Option<usize>,
    /// Idle connections whose memory is measured, once per server; 0 for none [default: 0, with --full 10,000]
    #[arg(long)]
    pub idle: Option<usize>,
    /// Only these, by their names, e.g. raw,amphi,nchan [default: raw,naive,amphi; with --full all]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub only: Vec<String>,
    /// Ways to write the same bytes to many sockets, beside raw, and no other server
    #[arg(long)]
    pub designs: bool,
    /// Our server
    #[arg(long, value_name = "BINARY", default_value = "target/release/amphi")]
    pub server: PathBuf,
    /// The core of the servers
    #[arg(long, default_value_t = 0)]
    pub server_core: usize,
    /// The core of this program, on which it never sleeps
    #[arg(long, default_value_t = 1)]
    pub generator_core: usize,
    /// Pin nothing, and sleep: to try it out on a machine that has other work; figures then say little
    #[arg(long)]
    pub unpinned: bool,
    /// Where peers are kept that are installed by --prepare
    #[arg(long, value_name = "DIR", default_value = "target/compare")]
    pub cache: PathBuf,
    /// Get the peers that this machine can install (Debian's packages as root, npm), and stop
    #[arg(long)]
    pub prepare: bool,
    /// With --prepare: a work tree of uWebSockets, with its uSockets inside, to build that peer from
    #[arg(long, value_name = "DIR")]
    pub uwebsockets: Option<PathBuf>,
}

impl CompareArgs {
    fn viewers(&self) -> usize {
        sized(self.viewers, self.full, 200, 2_000)
    }

    fn idle(&self) -> usize {
        sized(self.idle, self.full, 0, 10_000)
    }

    fn workload(&self) -> Workload {
        Workload {
            warm_up: 8,
            steady: (self.rate * sized(self.seconds, self.full, 2.0, 4.0)).ceil() as usize,
            per_second: self.rate,
            closed: sized(self.closed, self.full, 40, 60),
            in_flight: sized(self.in_flight, self.full, 80, 120),
        }
    }

    fn wants(&self, name: &str) -> bool {
        const SMALL: [&str; 3] = [peers::RAW, "naive", OURS];
        match (self.only.is_empty(), self.full) {
            (true, _) if self.designs => name == peers::RAW || peers::is_design(name),
            (true, true) => !peers::is_design(name),
            (true, false) => SMALL.contains(&name),
            (false, _) => self.only.iter().any(|only| only.eq_ignore_ascii_case(name)),
        }
    }
}

/// One of those compared.
enum Contestant {
    Ours(OurServer),
    Peer(Box<dyn Peer>),
}

impl Contestant {
    fn all(args: &CompareArgs) -> Vec<Self> {
        // Ours first: its changes say how long everybody's messages are.
        let ours = Self::Ours(OurServer { binary: args.server.clone() });
        let peers = peers::all().into_iter().map(Self::Peer);
        std::iter::once(ours).chain(peers).collect()
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Ours(_) => OURS,
            Self::Peer(peer) => peer.name(),
        }
    }

    fn about(&self) -> String {
        match self {
            Self::Ours(_) => OurServer::about(),
            Self::Peer(peer) => peer.about(),
        }
    }

    fn missing(&self, stage: &Stage) -> Option<String> {
        match self {
            Self::Ours(ours) => ours.missing(),
            Self::Peer(peer) => peer.missing(stage),
        }
    }

    async fn start(&self, stage: &Stage, choosers: usize) -> Result<Running> {
        match self {
            Self::Ours(ours) => ours.start(stage, choosers).await,
            Self::Peer(peer) => peer.start(stage),
        }
    }
}

/// Compares, and says how it goes; who cannot be tried is told in the comparison.
///
/// # Errors
/// When the run cannot be begun. A server that fails is told in the comparison.
pub async fn run(args: &CompareArgs, own_binary: PathBuf) -> Result<Comparison> {
    let workload = args.workload();
    let (viewers, idle) = (args.viewers(), args.idle());
    ensure!(args.rounds > 0 && viewers > 0, "no rounds or no viewers, nothing to compare");
    ensure!(
        !args.wants(OURS) || viewers >= workload.publications(),
        "{viewers} viewers are fewer than the {} interns who choose: ask for fewer publications",
        workload.publications()
    );
    ensure_descriptors(viewers.max(idle))?;
    // Once this thread has one core, the machine seems to have no other.
    let machine = machine();
    if !args.unpinned {
        cpu::pin_this_thread(args.generator_core)?;
    }
    let stage = Stage::new(
        &args.cache,
        own_binary,
        (!args.unpinned).then_some(args.server_core),
        args.generator_core,
    )?;
    let began = clock::now();
    let mut run = Run::new(args, &stage, workload);
    run.rounds().await?;
    if idle > 0 {
        run.idle(idle).await;
    }
    Ok(Comparison {
        viewers,
        idle,
        workload,
        rounds: args.rounds,
        is_pinned: !args.unpinned,
        message_bytes: run.message_bytes,
        machine,
        seconds: seconds_since(began),
        rows: run.rows,
    })
}

struct Run<'a> {
    args: &'a CompareArgs,
    stage: &'a Stage,
    workload: Workload,
    contestants: Vec<Contestant>,
    /// What was found of each of them.
    rows: Vec<Row>,
    message_bytes: usize,
    visits: u8,
}

impl<'a> Run<'a> {
    fn new(args: &'a CompareArgs, stage: &'a Stage, workload: Workload) -> Self {
        let contestants = Contestant::all(args);
        let row = |contestant: &Contestant| {
            let is_wanted = args.wants(contestant.name());
            let not_tried =
                if is_wanted { contestant.missing(stage) } else { Some(NOT_ASKED_FOR.to_owned()) };
            if let Some(why) = not_tried.as_ref().filter(|_| is_wanted) {
                eprintln!("{}: not tried: {why}", contestant.name());
            }
            let about = if not_tried.is_some() { String::new() } else { contestant.about() };
            Row { name: contestant.name(), about, not_tried, ..Row::default() }
        };
        let rows = contestants.iter().map(row).collect();
        Self { args, stage, workload, contestants, rows, message_bytes: MESSAGE_BYTES, visits: 0 }
    }

    async fn rounds(&mut self) -> Result<()> {
        let count = self.contestants.len();
        ensure!(self.rows.iter().any(|row| row.not_tried.is_none()), "none of those asked for can be tried");
        for round in 0..self.args.rounds {
            for index in (0..count).map(|step| (step + round) % count) {
                if !self.rows[index].is_in_the_run() {
                    continue;
                }
                let began = clock::now();
                let visit = self.visit(index).await;
                self.tell(round, index, &visit, seconds_since(began));
                if let (0, OURS, Ok(visit)) = (round, self.rows[index].name, &visit) {
                    self.message_bytes = visit.message_bytes;
                }
                self.rows[index].add(round, visit);
            }
        }
        Ok(())
    }

    fn tell(&self, round: usize, index: usize, visit: &Result<Visit>, seconds: f64) {
        let name = self.rows[index].name;
        match visit {
            Ok(visit) => eprintln!(
                "round {}: {name}: {:.1} µs steady, {:.1} one by one, {:.1} in flight ({seconds:.0} s)",
                round + 1,
                visit.steady.server_us_per_delivery(),
                visit.closed.server_us_per_delivery(),
                visit.in_flight.server_us_per_delivery(),
            ),
            Err(problem) => eprintln!("round {}: {name} FAILED: {problem:#}", round + 1),
        }
    }

    /// A network of its own for the viewers of each visit; 0 and 255 mean something.
    fn next_network(&mut self) -> u8 {
        self.visits = self.visits % 250 + 1;
        self.visits
    }

    async fn visit(&mut self, index: usize) -> Result<Visit> {
        let network = self.next_network();
        let mut running = self.contestants[index].start(self.stage, self.workload.publications()).await?;
        let line = running.line.take();
        let (dialect, host) = (&*running.dialect, &running.host);
        let visited = Audience::connect(dialect, self.args.viewers(), network, !self.args.unpinned)
            .and_then(|audience| {
                Play::new(&audience, dialect, host, line, self.message_bytes)?.visit(&self.workload)
            })
            .map_err(|problem| match running.host.last_words() {
                nothing if nothing.is_empty() => problem,
                words => problem.context(words),
            });
        let stopped = running.host.stop().await;
        let visit = visited?;
        stopped?;
        Ok(visit)
    }

    async fn idle(&mut self, connections: usize) {
        for index in 0..self.contestants.len() {
            if !self.rows[index].is_in_the_run() {
                continue;
            }
            let idle = self.idle_of(index, connections).await;
            match &idle {
                Ok(idle) => eprintln!("{}: {:.2} KiB per idle connection", self.rows[index].name, idle.kib),
                Err(problem) => eprintln!("{}: idle connections FAILED: {problem:#}", self.rows[index].name),
            }
            self.rows[index].add_idle(idle);
        }
    }

    async fn idle_of(&mut self, index: usize, connections: usize) -> Result<Idle> {
        let network = self.next_network();
        // As many interns as in the visits: the state that everybody is told is as large.
        let mut running = self.contestants[index].start(self.stage, self.workload.publications()).await?;
        let line = running.line.take();
        let measured = idle::measure(&*running.dialect, &running.host, connections, network);
        drop(line);
        let stopped = running.host.stop().await;
        let idle = measured?;
        stopped?;
        Ok(idle)
    }
}
