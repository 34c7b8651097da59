//! `chaos`: the real server and the real Postgres, killed, frozen, cut and raced; a verdict and figures.
//!
//! Each scenario plays with processes of its own, and holds what its clients were told and what the exported
//! journal says against the promises (`P1`…) and the checks (`C3`…, `S1`…) of the README. A scenario that breaks
//! off is a violation, too. Absent: faults inside the server's process, which the simulator injects.

pub mod actors;
pub mod database;
pub mod half_open;
pub mod hostile;
pub mod kills;
pub mod lost_answers;
pub mod promises;
pub mod readers;
pub mod reconnect;
pub mod stage;
pub mod two_servers;
pub mod undisturbed;
pub mod verdict;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::chaos::verdict::{Check, Verdict};
use crate::clock;
use crate::crowd::{round3, seconds_since};
use crate::process_figures::machine;

/// A scenario that could not be played to its end, as it is called in verdicts.
const PLAYED: &str = "the scenario was played to its end";

/// What breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// The server is killed under load, sometimes with its Postgres (C5)
    Kills,
    /// The connection to Postgres is cut while a journal entry's answer is on its way (C3)
    LostAnswers,
    /// Postgres is stopped at once, frozen, and out of disk (C6)
    Database,
    /// Two servers on one database; one intern in two amphis at the same instant; takeovers (C7)
    TwoServers,
    /// Connections whose peer is gone without a word (S2)
    HalfOpen,
    /// Everybody comes back at once after a restart (S3)
    Reconnect,
    /// One viewer in ten stops reading (S1)
    Readers,
    /// Floods, and what never ends (S7)
    Hostile,
}

impl Scenario {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// How much of it belongs to every run of the tests.
    fn usual_count(self) -> u64 {
        match self {
            Self::Kills => 3,
            Self::LostAnswers => 100,
            Self::Database => 1,
            Self::TwoServers => 50,
            Self::HalfOpen => 1_000,
            Self::Reconnect => 200,
            Self::Readers => 150,
            Self::Hostile => 60,
        }
    }

    async fn play(self, run: &Run) -> Result<Verdict> {
        match self {
            Self::Kills => kills::play(run).await,
            Self::LostAnswers => lost_answers::play(run).await,
            Self::Database => database::play(run).await,
            Self::TwoServers => two_servers::play(run).await,
            Self::HalfOpen => half_open::play(run).await,
            Self::Reconnect => reconnect::play(run).await,
            Self::Readers => readers::play(run).await,
            Self::Hostile => hostile::play(run).await,
        }
    }
}

/// Parameters of a run.
#[derive(Debug, Clone, Args)]
pub struct ChaosArgs {
    /// The server to start, on data directories of its own
    #[arg(long, value_name = "BINARY", default_value = "target/release/amphi")]
    pub server: PathBuf,
    /// Only this scenario; without it, all
    #[arg(long, value_name = "NAME")]
    pub only: Option<Scenario>,
    /// How often: kills, cuts, outages, races…; without it, the usual small number of each scenario
    #[arg(long, requires = "only", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Decides who does what, and the moment of each fault, as far as real processes can be replayed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Keep the data directories, the journals and the servers' logs in new directories here
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// What one scenario is given.
#[derive(Debug, Clone)]
pub struct Run {
    /// The server's program.
    pub server: PathBuf,
    /// Where to keep everything.
    pub keep: Option<PathBuf>,
    /// How often.
    pub count: u64,
    /// Decides everything that is ours to decide.
    pub seed: u64,
}

/// What became of all scenarios.
pub struct Outcome {
    /// For standard output.
    pub report: Value,
    /// Whether every check of every scenario holds.
    pub holds: bool,
}

/// What is played at the same time when everything is: the second lane mostly waits, for what takes real seconds.
const LANES: [&[Scenario]; 2] = [
    &[Scenario::Kills, Scenario::Reconnect, Scenario::Readers, Scenario::LostAnswers],
    &[Scenario::HalfOpen, Scenario::Database, Scenario::TwoServers, Scenario::Hostile],
];

/// Plays, says one line per check, and reports.
pub async fn run(args: &ChaosArgs) -> Outcome {
    let played = match args.only {
        Some(only) => play_one_after_the_other(&[only], args).await,
        None => {
            let [one, other] = LANES.map(|lane| play_one_after_the_other(lane, args));
            let (mut played, others) = tokio::join!(one, other);
            played.extend(others);
            played
        }
    };
    conclude(&played)
}

async fn play_one_after_the_other(scenarios: &[Scenario], args: &ChaosArgs) -> Vec<Played> {
    let mut played = Vec::new();
    for scenario in scenarios {
        let count = args.count.unwrap_or_else(|| scenario.usual_count());
        let run = Run { server: args.server.clone(), keep: args.keep.clone(), count, seed: args.seed };
        let began = clock::now();
        let mut verdict = Verdict::default();
        match scenario.play(&run).await {
            Ok(found) => verdict.extend(found.checks),
            Err(problem) => {
                let mut check = Check::new(PLAYED);
                check.examine(false, || format!("{problem:#}"));
                verdict.add(check);
            }
        }
        played.push(Played { scenario: *scenario, run, verdict, seconds: round3(seconds_since(began)) });
    }
    played
}

/// One scenario, played.
struct Played {
    scenario: Scenario,
    run: Run,
    verdict: Verdict,
    seconds: f64,
}

fn conclude(played: &[Played]) -> Outcome {
    for Played { scenario, run, verdict, .. } in played {
        for check in &verdict.checks {
            eprintln!("{:12} {check}", scenario.name());
        }
        if !verdict.holds() {
            let name = scenario.name();
            eprintln!("replay: amphi-loadtest chaos --only {name} --count {} --seed {}", run.count, run.seed);
        }
    }
    let holds = played.iter().all(|played| played.verdict.holds());
    let scenarios: Vec<Value> = played
        .iter()
        .map(|Played { scenario, run, verdict, seconds }| {
            json!({
                "scenario": scenario.name(), "count": run.count, "seed": run.seed, "seconds": seconds,
                "ok": verdict.holds(),
                "checks": verdict.checks.iter().map(Check::to_json).collect::<Vec<_>>(),
            })
        })
        .collect();
    let report = json!({
        "scenario": "chaos", "ok": holds, "generator_version": env!("CARGO_PKG_VERSION"),
        "machine": machine(), "scenarios": scenarios,
    });
    Outcome { report, holds }
}

/// Says what was done.
pub fn say(scenario: &str, what: &str) {
    eprintln!("{scenario}: {what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_played() {
        let played: Vec<Scenario> = LANES.concat();
        for scenario in Scenario::value_variants() {
            assert_eq!(played.iter().filter(|one| *one == scenario).count(), 1, "{scenario:?}");
        }
    }

    #[test]
    fn one_broken_check_breaks_the_verdict() {
        let played = |holds: bool| {
            let mut check = Check::new("P1");
            check.examine(holds, || "lost".to_owned());
            let run = Run { server: "amphi".into(), keep: None, count: 3, seed: 7 };
            Played { scenario: Scenario::Kills, run, verdict: Verdict { checks: vec![check] }, seconds: 0.1 }
        };
        assert!(conclude(&[played(true)]).holds);
        let outcome = conclude(&[played(true), played(false)]);
        assert!(!outcome.holds);
        assert_eq!(outcome.report["scenarios"][1]["checks"][0]["violations"][0], "lost");
    }
}
