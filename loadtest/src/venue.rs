//! Where a run takes place: a server we started, or one that was running already.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use crate::clock;
use crate::crowd::seconds_since;
use crate::door::{Doors, resolve};
use crate::process_figures::{cpu_seconds, cpu_seconds_of_all, postgres_pids};
use crate::server_metrics;
use crate::server_process::{Import, ServerProcess, authority_of};

/// Who uses less rests: 15,000 connections are pinged for less.
const RESTING_CORES: f64 = 0.1;
/// Whoever does not rest within this never does.
const RESTS_WITHIN: Duration = Duration::from_secs(180);

/// Which server.
#[derive(Debug, Clone, Args)]
pub struct VenueArgs {
    /// The server to start, on a data directory of its own
    #[arg(long, value_name = "BINARY", default_value = "target/release/amphi", conflicts_with = "url")]
    pub server: PathBuf,
    /// A running server instead, e.g. http://127.0.0.1:8080 (then --links, too)
    #[arg(long, requires = "links")]
    pub url: Option<String>,
    /// The links of its amphi, as printed by `amphi links UUID --json`
    #[arg(long, value_name = "FILE")]
    pub links: Option<PathBuf>,
    /// Process id of the running server, for CPU and memory
    #[arg(long, value_name = "PID", requires = "url")]
    pub server_pid: Option<u32>,
    /// Keep the data directory, the journal and the server's log in a new directory here
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Let the server (and its Postgres) run on this core only; run the generator under `taskset` for the other
    #[arg(long, value_name = "CORE")]
    pub pin_server: Option<usize>,
}

/// See the [module](self).
pub struct Venue {
    /// `HOST:PORT`.
    pub authority: String,
    /// Process id of the server, when known.
    pub pid: Option<u32>,
    /// The server, when we started it.
    pub process: Option<ServerProcess>,
}

impl Venue {
    /// Starts a server, or takes the one that `args` names.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn open(args: &VenueArgs, speed: Option<f64>) -> Result<Self> {
        if let Some(url) = &args.url {
            return Ok(Self { authority: authority_of(url)?, pid: args.server_pid, process: None });
        }
        let process =
            ServerProcess::start(&args.server, args.keep.as_deref(), speed, args.pin_server).await?;
        eprintln!("server {} listens on {}", process.pid, process.authority);
        Ok(Self { authority: process.authority.clone(), pid: Some(process.pid), process: Some(process) })
    }

    /// The amphi to play: imported now, or the one behind the links of `args`.
    ///
    /// # Errors
    /// When the import fails, or the links cannot be read.
    pub async fn amphi(
        &self,
        args: &VenueArgs,
        import: impl FnOnce() -> Result<Import>,
    ) -> Result<(String, Doors)> {
        if let Some(process) = &self.process {
            let amphi = process.import(&import()?).await?;
            let doors = process.links(&amphi).await?;
            return Ok((amphi, doors));
        }
        let file = args.links.as_ref().context("--links is needed with --url")?;
        let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let doors = Doors::parse(&text)?;
        let amphi = resolve(&self.authority, &doors.spectator.token).await?.amphi;
        Ok((amphi, doors))
    }

    /// The server's Postgres processes.
    pub fn postgres(&self) -> Vec<u32> {
        let directory = self.process.as_ref().map(ServerProcess::data_directory);
        postgres_pids(self.pid, directory.as_deref())
    }

    /// What a server that we started measures of itself, as it shows it.
    ///
    /// # Errors
    /// When it does not show it.
    pub async fn metrics_page(&self) -> Result<Option<String>> {
        let Some(authority) = self.process.as_ref().and_then(|process| process.metrics.as_deref()) else {
            return Ok(None);
        };
        server_metrics::page(authority).await.map(Some)
    }

    /// Waits until server and Postgres have had nothing to do for so many seconds: what an import and openings bring about, thousands of
    /// mails, is written by then. A server that never rests is measured as it is, and that is said.
    pub async fn rests(&self, seconds: u32) {
        let Some(server) = self.pid else { return };
        let cpu = |postgres: &[u32]| cpu_seconds(server).unwrap_or(0.0) + cpu_seconds_of_all(postgres);
        let began = clock::now();
        let mut restful = 0;
        while restful < seconds && clock::now() < began + RESTS_WITHIN {
            let postgres = self.postgres();
            let before = cpu(&postgres);
            tokio::time::sleep(Duration::from_secs(1)).await;
            restful = if cpu(&postgres) - before <= RESTING_CORES { restful + 1 } else { 0 };
        }
        let waited = seconds_since(began);
        if restful < seconds {
            eprintln!("server and Postgres are still at work after {waited:.0} s: measured beside that");
        } else {
            eprintln!("server and Postgres rest (waited {waited:.0} s)");
        }
    }

    /// Stops the server, if we started it.
    ///
    /// # Errors
    /// When it does not stop cleanly.
    pub async fn close(self) -> Result<()> {
        match self.process {
            Some(process) => process.stop().await,
            None => Ok(()),
        }
    }
}
