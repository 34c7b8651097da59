#![doc = include_str!("../README.md")]

mod acts;
mod asking;
#[cfg(feature = "planted-bugs")]
mod bugs;
mod campaign;
mod clock;
mod coverage;
mod crash_points;
mod device;
mod generate;
mod journal;
mod looks;
mod minimise;
mod names;
mod oracle;
mod panics;
mod plan;
mod server;
mod simulation;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use campaign::campaign;
use generate::{Profile, generate};
use oracle::Counts;
use plan::Plan;

/// Seeded worlds on the real engine.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Plays the plans of many seeds.
    Run {
        /// How many.
        #[arg(long, default_value_t = 2_000)]
        seeds: u64,
        /// The first one.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// On how many threads.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
        /// About what.
        #[arg(long, value_enum, default_value_t = Profile::All)]
        profile: Profile,
    },
    /// Kills the server before and after every await of the path of every kind of command (C2).
    CrashPoints {
        /// Kills the next server, too, at every point of its way into service.
        #[arg(long)]
        pairs: bool,
        /// On how many threads.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
    },
    /// Plants bugs in the engine, one by one, and finds each (C4).
    #[cfg(feature = "planted-bugs")]
    Bugs {
        /// On how many threads.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
    },
    /// Plays one plan, twice, and says what happened.
    Replay {
        /// A plan that was saved.
        file: Option<PathBuf>,
        /// Or the seed of one.
        #[arg(long, conflicts_with = "file")]
        seed: Option<u64>,
        /// See `run`.
        #[arg(long, value_enum, default_value_t = Profile::All)]
        profile: Profile,
        /// Tells what happens.
        #[arg(short, long)]
        verbose: bool,
    },
    /// Makes a smaller plan of one that breaks a promise, and saves it beside.
    Minimise {
        /// A plan that was saved.
        file: PathBuf,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        What::Run { seeds, from, jobs, profile } => {
            let played = campaign(from, seeds, jobs, profile);
            print(&played.counts);
            println!("{} worlds", played.worlds);
            let Some((plan, violation)) = played.failure else {
                let missing = coverage::missing(&played.counts);
                let covers = profile == Profile::All && played.worlds >= coverage::WORLDS_THAT_COVER;
                anyhow::ensure!(!covers || missing.is_empty(), "never happened: {missing:?}");
                return Ok(ExitCode::SUCCESS);
            };
            let file = save(&plan)?;
            println!("seed {}: {violation}", plan.seed);
            println!("replay it: amphi-simulator replay {}", file.display());
            Ok(ExitCode::FAILURE)
        }
        What::CrashPoints { pairs, jobs } => {
            let enumerated = crash_points::enumerate(pairs, jobs);
            print(&enumerated.crashes);
            println!("{} crashes", enumerated.crashes.values().sum::<u64>());
            let Some((scene, violation)) = enumerated.failure else { return Ok(ExitCode::SUCCESS) };
            println!("{scene}: {violation}");
            Ok(ExitCode::FAILURE)
        }
        #[cfg(feature = "planted-bugs")]
        What::Bugs { jobs } => {
            let mut missed = 0;
            for hunt in bugs::hunt(jobs) {
                println!("{hunt}");
                missed += usize::from(hunt.found.is_none());
            }
            anyhow::ensure!(missed == 0, "{missed} planted bugs were not found");
            Ok(ExitCode::SUCCESS)
        }
        What::Minimise { file } => minimise(&file).map(|()| ExitCode::SUCCESS),
        What::Replay { file, seed, profile, verbose } => {
            let plan = match (file, seed) {
                (Some(file), _) => read(&file)?,
                (None, seed) => generate(seed.context("a file or a seed")?, profile),
            };
            let result = simulation::run(&plan, verbose);
            anyhow::ensure!(result == simulation::run(&plan, false), "two runs of one plan differ");
            match result {
                Ok(report) => print(&report.counts),
                Err(violation) => {
                    println!("{violation}");
                    return Ok(ExitCode::FAILURE);
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Saves a smaller plan beside `file`.
fn minimise(file: &Path) -> anyhow::Result<()> {
    let plan = read(file)?;
    let steps = plan.steps.len();
    let smallest = minimise::minimise(plan).context("this plan breaks no promise")?;
    let beside = file.with_extension("minimal.json");
    std::fs::write(&beside, serde_json::to_string_pretty(&smallest)?)?;
    println!("{} of {steps} steps are left: {}", smallest.steps.len(), beside.display());
    if let Err(violation) = simulation::run(&smallest, true) {
        println!("{violation}");
    }
    Ok(())
}

fn print(counts: &Counts) {
    for (what, count) in counts {
        println!("{count:>12} {what}");
    }
}

fn read(file: &Path) -> anyhow::Result<Plan> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    serde_json::from_str(&text).context("this is not a plan")
}

/// Saves a plan where it can be replayed from.
fn save(plan: &Plan) -> anyhow::Result<PathBuf> {
    let file = std::env::temp_dir().join(format!("amphi-plan-{}.json", plan.seed));
    std::fs::write(&file, serde_json::to_string_pretty(plan)?)?;
    Ok(file)
}
