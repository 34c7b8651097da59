//! The private Postgres of `amphi demo`, `amphi serve` and the tests, when `DATABASE_URL` names no other.
//!
//! Invariants: one owner per data directory (`directory.rs`); the server never outlives its owner
//! (`guarded.rs`) and never runs as root (`server_account.rs`); the cluster is complete or absent
//! (`cluster.rs`); what is committed is on the disk, unless a test asked otherwise (`server.rs`).
//!
//! Deliberately absent: restarting a postmaster that died (`wait_for_exit` tells the caller, who ends:
//! whoever runs amphi starts it again, and the start recovers), upgrades between major versions, Windows.

mod cluster;
mod directory;
mod durability;
mod find;
mod guarded;
mod npm;
mod server;
mod server_account;
mod survivors;
#[cfg(test)]
mod tests;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use directory::OwnedDirectory;
pub use durability::ensure_durable;
pub use find::BinarySource;
use guarded::Guarded;
use server_account::ServerAccount;

/// How often a fact outside this process is looked at again; each wait has a bound of its own.
const POLL_EVERY: Duration = Duration::from_millis(25);
/// Enough of a log to see why a server did not start.
const LINES_SHOWN: usize = 12;

/// Whether what is committed survives the machine's sudden end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    #[default]
    Durable,
    /// No waiting for the disk: for tests that do not cut the power.
    FastForTests,
}

/// One of Postgres's own client programs, beside the server's.
///
/// # Errors
/// When there is none: some packages hold the server alone.
pub async fn client_program(name: &str) -> anyhow::Result<PathBuf> {
    let account = ServerAccount::for_cluster(Path::new(""))?;
    let binaries = find::find(&BinarySource::usual(), &account, None, &|_| ()).await?;
    let path = binaries.program(name);
    anyhow::ensure!(
        path.is_file(),
        "le programme {name} de Postgres {} est introuvable ; sur Debian : sudo apt install postgresql-client",
        binaries.major
    );
    Ok(path)
}

/// How to run the private Postgres.
#[derive(Debug, Clone)]
pub struct PrivatePostgresSettings {
    /// Where everything is kept. Default: `amphi/postgres` in `XDG_DATA_HOME` or `~/.local/share`; for root
    /// `/var/lib/amphi/postgres`. When `ephemeral`: the parent of the directory that is made; default the
    /// system's temporary directory.
    pub data_directory: Option<PathBuf>,
    pub durability: Durability,
    /// A new directory, removed at the stop.
    pub ephemeral: bool,
    /// Where to look for Postgres's programs, in order.
    pub binary_sources: Vec<BinarySource>,
}

impl Default for PrivatePostgresSettings {
    fn default() -> Self {
        Self {
            data_directory: None,
            durability: Durability::Durable,
            ephemeral: false,
            binary_sources: BinarySource::usual(),
        }
    }
}

/// A running server. Dropping it stops the server, too, but nobody can wait for that; prefer `stop`.
pub struct PrivatePostgres {
    database_url: String,
    directory: PathBuf,
    postmaster_pid: u32,
    stop: oneshot::Sender<()>,
    supervisor: JoinHandle<anyhow::Result<()>>,
    exited: watch::Receiver<bool>,
}

impl PrivatePostgres {
    /// Finds Postgres, makes the cluster on first use, starts the server and waits until it answers.
    /// `progress` receives one French sentence per step that may take a while.
    pub async fn start(
        settings: PrivatePostgresSettings,
        progress: impl Fn(&str) + Send + Sync,
    ) -> anyhow::Result<Self> {
        let place = settings.data_directory.as_deref();
        let directory = if settings.ephemeral {
            OwnedDirectory::ephemeral(place).await?
        } else {
            OwnedDirectory::lasting(place).await?
        };
        match Self::start_in(&directory, &settings, &progress).await {
            Ok((running, passwords)) => {
                let database_url = server::database_url(running.port, &passwords);
                Ok(Self::supervised(directory, running.process, database_url))
            }
            Err(error) => {
                // The first failure is the one to tell.
                let _ = directory.give_up();
                Err(error)
            }
        }
    }

    /// Where to connect to the private Postgres that another amphi runs in this directory now, if one does.
    pub fn url_of_running(data_directory: Option<&Path>) -> anyhow::Result<Option<String>> {
        let running = OwnedDirectory::of_another(data_directory)?;
        Ok(running.map(|(port, passwords)| server::database_url(port, &passwords)))
    }

    async fn start_in(
        directory: &OwnedDirectory,
        settings: &PrivatePostgresSettings,
        progress: &(impl Fn(&str) + Sync),
    ) -> anyhow::Result<(server::Running, directory::Passwords)> {
        let account = ServerAccount::for_cluster(&directory.data())?;
        account.check_reachable(directory.path()).await?;
        let data_major = cluster::data_major(directory)?;
        let binaries = find::find(&settings.binary_sources, &account, data_major, progress).await?;
        let passwords = directory.passwords()?;
        if data_major.is_none() {
            progress("Création de la base privée");
            cluster::create(directory, &binaries, &account, settings.durability).await?;
        }
        survivors::await_none(&directory.data(), progress).await?;
        progress(&format!("Démarrage de Postgres {}", binaries.major));
        let running = server::start(directory, &binaries, &account, settings.durability, &passwords).await?;
        Ok((running, passwords))
    }

    /// Hands the process and the directory to a task that holds them until the server has ended, so that the
    /// lock is never free while the server runs, and no caller that goes away cuts a shutdown in two.
    fn supervised(directory: OwnedDirectory, process: Guarded, database_url: String) -> Self {
        let (stop, stop_asked) = oneshot::channel();
        let (exited_sender, exited) = watch::channel(false);
        Self {
            database_url,
            directory: directory.path().to_path_buf(),
            postmaster_pid: process.pid(),
            stop,
            supervisor: tokio::spawn(supervise(directory, process, stop_asked, exited_sender)),
            exited,
        }
    }

    /// Where the application connects, password included: not for logs.
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// The directory that holds everything: the cluster, its passwords, its log.
    pub fn data_directory(&self) -> &Path {
        &self.directory
    }

    pub fn postmaster_pid(&self) -> u32 {
        self.postmaster_pid
    }

    /// Returns when the server has ended, asked to or not.
    pub async fn wait_for_exit(&self) {
        // An error means that the supervisor is gone, and it ends after the server.
        let _ = self.exited.clone().wait_for(|exited| *exited).await;
    }

    /// Fast shutdown: open transactions are rolled back; returns when the server has ended. A server that had
    /// ended before is no error here.
    pub async fn stop(self) -> anyhow::Result<()> {
        // No receiver: the supervisor has seen the server end already.
        let _ = self.stop.send(());
        self.supervisor.await.context("la surveillance de Postgres a échoué")?
    }
}

async fn supervise(
    directory: OwnedDirectory,
    mut process: Guarded,
    stop_asked: oneshot::Receiver<()>,
    exited: watch::Sender<bool>,
) -> anyhow::Result<()> {
    let ended = tokio::select! {
        ended = process.wait() => Some(ended),
        // Asked, or the handle was dropped.
        _ = stop_asked => None,
    };
    let stopped = match ended {
        Some(status) => {
            tracing::error!(status = ?status, "the private Postgres ended unasked");
            process.release().await;
            // Backends notice within an instant; until then they may still write into the directory.
            survivors::await_none(&directory.data(), &|_: &str| {}).await
        }
        None => server::shut_down(process).await,
    };
    exited.send_replace(true);
    stopped.and(directory.give_up())
}

/// The end of a log, for a message.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(LINES_SHOWN);
    lines.get(start..).unwrap_or_default().join("\n")
}

/// `bytes` random bytes of the kernel, as hexadecimal digits.
fn random_hex(bytes: usize) -> anyhow::Result<String> {
    let mut random = vec![0; bytes];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn home() -> anyhow::Result<PathBuf> {
    std::env::var_os("HOME")
        .map(PathBuf::from)
        .filter(|home| home.is_absolute())
        .context("HOME n'est pas défini : indiquez le dossier des données, ou une base avec DATABASE_URL")
}
