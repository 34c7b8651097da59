//! The command line: one subcommand per scenario. See the crate's README.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use amphi_loadtest::chaos::{self, ChaosArgs};
use amphi_loadtest::compare::{self, CompareArgs, yardstick::YardstickArgs};
use amphi_loadtest::process_figures::raise_descriptor_limit;
use amphi_loadtest::report_page::RunReport;
use amphi_loadtest::scenario_commands::{self, CommandsArgs};
use amphi_loadtest::scenario_growth::{self, GrowthArgs};
use amphi_loadtest::scenario_national::{self, NationalArgs};
use amphi_loadtest::scenario_room::{self, Kind, RoomOptions};
use amphi_loadtest::scenario_storm::{self, StormArgs};
use amphi_loadtest::scenario_whole::{self, WholeArgs};
use anyhow::Result;
use clap::{Parser, Subcommand};
use tokio::task::LocalSet;

/// Something is wrong in the journal.
const VIOLATED: u8 = 1;
/// A client was told something against the protocol: nothing is reported.
const REFUSED: u8 = 2;

/// Clients, scenarios and an oracle for the amphi; speaks only its public protocol and command line.
///
/// Progress goes to standard error, one JSON report to standard output. Exit code 0: all checks passed;
/// 1: violated, or the run could not be played; 2: a client was told something against the protocol, and
/// figures are refused.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Write the report into this directory, too, as JSON and as a page
    #[arg(long, global = true, value_name = "DIR")]
    report: Option<PathBuf>,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// Many look on while some choose at a steady rate: latencies, CPU and memory
    ///
    /// Starts a server with a made-up amphi (or uses a running one), connects everybody, and has interns choose
    /// at intended instants. Latencies count from these instants, so that a choice that had to wait its turn
    /// counts the wait. The report is refused (exit code 2) when any client saw a gap, a repeat, a wrong
    /// from_seq, a state other than a fresh snapshot at the end, or an acknowledgement without its change.
    Room(Box<RoomOptions>),
    /// Late interns choose at the same moment, eight at once: F2
    ///
    /// Stages one by one and eight at once take turns; the ratio of their CPU per delivery is what coalescing saves.
    Burst(Box<RoomOptions>),
    /// More changes than can be told one by one: F3
    ///
    /// A viewer brought up to date by several changes in one write, or by a snapshot, counts from the intended instant of
    /// each change that it learns; who is left behind makes the run fail.
    Overload(Box<RoomOptions>),
    /// A whole imported amphi at compressed time, to its end, then checked
    ///
    /// Every intern but the missing ones is a robot that chooses in its turn; the missing ones come late, and
    /// some race for the same last seat. Then: one seat each and no seat twice, every receipt in the exported
    /// journal with its number and hash, every turn opened when A6 says, every client's state equal to a fresh
    /// snapshot.
    Whole(Box<WholeArgs>),
    /// Every amphi of the country on one server: F9, F12, and F10 with --kill
    ///
    /// All sessions are open at the same time, choices come at the pace of turns, connections are lost and come back, a
    /// visitor asks for ordinary pages. Then every message, every journal and every receipt is checked.
    NationalDay(Box<NationalArgs>),
    /// How fast choices are acknowledged, which is when they are durable: F7, F8
    ///
    /// At a steady rate, beside a large fan-out, one after the other, and as many at a time as there are amphis.
    Commands(Box<CommandsArgs>),
    /// Everybody comes at the same moment, and again after the server was killed: S3
    Storm(Box<StormArgs>),
    /// What a delivery costs as viewers and amphis grow: F11
    ///
    /// Many small amphis and one large one, then few amphis and many, take turns at the same rate.
    Growth(Box<GrowthArgs>),
    /// Server and Postgres killed, frozen, cut and raced, then everything checked
    ///
    /// The promises that must survive it are held against what clients were told and what the exported journal
    /// says: one line `ok` or `VIOLATED` per check, with figures, and one JSON report. Exit code 1 on any violation;
    /// the command that plays it again is said.
    Chaos(Box<ChaosArgs>),
    /// Our server beside raw TCP, a naive server and other systems, under the same workload in one interleaved run
    ///
    /// Each server is started, listened to, published to and stopped once a round; ratios are taken within a round. A
    /// Markdown table and one JSON report go to standard output; with --report DIR the table, and both into files.
    /// Exit code 2 when any of them lost, repeated or changed a message.
    Compare(Box<CompareArgs>),
    /// One of the servers that `compare` measures by
    #[command(hide = true)]
    Yardstick(YardstickArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Scenario::Yardstick(args) = &cli.scenario {
        // It brings the threads it wants.
        return compare::yardstick::serve(args)
            .map_or_else(|problem| failed(&problem), |()| ExitCode::SUCCESS);
    }
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(problem) => return failed(&problem.into()),
    };
    let report = cli.report.as_deref();
    let result = LocalSet::new().block_on(&runtime, async {
        match &cli.scenario {
            Scenario::Room(args) => room(args, Kind::Room, report).await,
            Scenario::Burst(args) => room(args, Kind::Burst, report).await,
            Scenario::Overload(args) => room(args, Kind::Overload, report).await,
            Scenario::Whole(args) => whole(args, report).await,
            Scenario::NationalDay(args) => {
                scenario_national::run(args).await.and_then(|run| told(&run, report))
            }
            Scenario::Commands(args) => scenario_commands::run(args).await.and_then(|run| told(&run, report)),
            Scenario::Storm(args) => scenario_storm::run(args).await.and_then(|run| told(&run, report)),
            Scenario::Growth(args) => scenario_growth::run(args).await.and_then(|run| told(&run, report)),
            Scenario::Chaos(args) => chaos(args, report).await,
            Scenario::Compare(args) => compare(args, cli.report.as_deref()).await,
            Scenario::Yardstick(_) => Ok(ExitCode::SUCCESS),
        }
    });
    result.unwrap_or_else(|problem| failed(&problem))
}

async fn room(args: &RoomOptions, kind: Kind, report: Option<&Path>) -> Result<ExitCode> {
    told(&scenario_room::run(&args.resolve(kind)).await?, report)
}

async fn whole(args: &WholeArgs, folder: Option<&Path>) -> Result<ExitCode> {
    let verdict = scenario_whole::run(args).await?;
    said("whole", &verdict.report, folder)?;
    for violation in &verdict.violations {
        eprintln!("violation: {violation}");
    }
    Ok(match (verdict.faults.is_empty(), verdict.violations.is_empty()) {
        (false, _) => ExitCode::from(REFUSED),
        (true, false) => ExitCode::from(VIOLATED),
        (true, true) => ExitCode::SUCCESS,
    })
}

/// Says what a run found.
fn told(run: &RunReport, folder: Option<&Path>) -> Result<ExitCode> {
    println!("{:#}", run.to_json());
    if let Some(folder) = folder {
        eprintln!("report: {}", run.write(folder)?.display());
    }
    for violation in &run.violations {
        eprintln!("violation: {violation}");
    }
    if run.faults_found > 0 {
        eprintln!("refused to report figures: {} faults", run.faults_found);
        return Ok(ExitCode::from(REFUSED));
    }
    run.goals.iter().for_each(|goal| eprintln!("{}", goal.line()));
    Ok(if run.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(VIOLATED) })
}

async fn chaos(args: &ChaosArgs, folder: Option<&Path>) -> Result<ExitCode> {
    let outcome = chaos::run(args).await;
    said("chaos", &outcome.report, folder)?;
    Ok(if outcome.holds { ExitCode::SUCCESS } else { ExitCode::from(VIOLATED) })
}

/// Prints a report that has no page, and writes it into `folder` as NAME.json.
fn said(name: &str, report: &serde_json::Value, folder: Option<&Path>) -> Result<()> {
    println!("{report:#}");
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join(format!("{name}.json")), format!("{report:#}\n"))?;
    }
    Ok(())
}

async fn compare(args: &CompareArgs, folder: Option<&Path>) -> Result<ExitCode> {
    if args.prepare {
        compare::prepare::prepare(args)?;
        return Ok(ExitCode::SUCCESS);
    }
    let comparison = compare::run(args, std::env::current_exe()?).await?;
    println!("{}", comparison.to_markdown());
    let report = format!("{:#}\n", comparison.to_json());
    match folder {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            std::fs::write(folder.join("compare.md"), comparison.to_markdown())?;
            std::fs::write(folder.join("compare.json"), report)?;
        }
        None => print!("{report}"),
    }
    Ok(if comparison.holds() { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}

fn failed(problem: &anyhow::Error) -> ExitCode {
    eprintln!("the run failed: {problem:#}");
    ExitCode::from(VIOLATED)
}
