//! The server under test as a process: start, import, links, export, stop. Knows its command line only.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::door::Doors;
use crate::processes::signal;

/// Creating a database and starting it may take this long.
const START_WITHIN: Duration = Duration::from_secs(120);
/// A clean stop may take this long.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// What `amphi import` is given.
#[derive(Debug, Clone)]
pub struct Import {
    /// The interns' file.
    pub interns: PathBuf,
    /// The posts' file.
    pub posts: PathBuf,
    /// Title.
    pub title: String,
    /// `YYYY-05` or `YYYY-11`.
    pub period: String,
    /// IANA name.
    pub time_zone: String,
    /// Days and hours, one entry a day.
    pub opening: Vec<String>,
    /// Turn duration, as the server reads it.
    pub turn: String,
}

/// How to start a server, again and again on the same data.
#[derive(Debug, Clone)]
pub struct Launch {
    binary: PathBuf,
    directory: PathBuf,
    keep: bool,
    /// Where it listens; `127.0.0.1:0` picks a port, which a restart keeps.
    pub listen: String,
    /// How fast its clock runs; real time when absent.
    pub speed: Option<f64>,
    /// The only core it may use.
    pub pin_to_core: Option<usize>,
    /// The Postgres that it uses; a private one of its own when absent.
    pub database_url: Option<String>,
    /// Whether it measures itself, and shows what.
    pub metrics: bool,
}

impl Launch {
    /// A server of `binary` on a new directory, under `parent` (kept) or the system's temporary directory
    /// (removed by a clean stop).
    ///
    /// # Errors
    /// When the directory cannot be made, or there is no such binary.
    pub fn new(binary: &Path, parent: Option<&Path>) -> Result<Self> {
        let root = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let directory = root.join(format!("amphi-load-{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&directory)?;
        let binary = binary.canonicalize().with_context(|| format!("no server at {}", binary.display()))?;
        Ok(Self {
            binary,
            directory,
            keep: parent.is_some(),
            listen: "127.0.0.1:0".to_owned(),
            speed: None,
            pin_to_core: None,
            database_url: None,
            metrics: false,
        })
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it ends or says nothing within two minutes; its log is then named.
    pub async fn start(mut self) -> Result<ServerProcess> {
        let mut child = self.spawn()?;
        let pid = child.id().context("the server ended at once")?;
        let waiting = tokio::time::timeout(START_WITHIN, said_addresses(&mut child, self.metrics)).await;
        let why = match waiting {
            Ok(Ok(Addresses { authority, metrics })) => {
                self.listen.clone_from(&authority);
                return Ok(ServerProcess { launch: self, child, pid, authority, metrics });
            }
            Ok(Err(problem)) => format!("{problem:#}"),
            Err(_elapsed) => "it said nothing in time".to_owned(),
        };
        terminate(&child);
        bail!("the server did not start: {why}; see {}", self.file("server.log").display())
    }

    fn spawn(&self) -> Result<Child> {
        let log = std::fs::File::options().create(true).append(true).open(self.file("server.log"))?;
        let mut command = match self.pin_to_core {
            Some(core) => {
                let mut taskset = Command::new("taskset");
                taskset.args(["--cpu-list", &core.to_string()]).arg(&self.binary);
                taskset
            }
            None => Command::new(&self.binary),
        };
        command.args(["serve", "--listen", &self.listen]);
        self.choose_database(&mut command);
        if let Some(speed) = self.speed {
            command.args(["--speed", &speed.to_string()]);
        }
        if self.metrics {
            command.args(["--metrics-listen", "127.0.0.1:0"]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        command.spawn().with_context(|| format!("starting {}", self.binary.display()))
    }

    fn choose_database(&self, command: &mut Command) {
        match &self.database_url {
            Some(url) => drop(command.env("DATABASE_URL", url)),
            // The environment of whoever runs this must not decide.
            None => drop(command.env_remove("DATABASE_URL")),
        }
        command.arg("--data-directory").arg(self.data_directory());
    }

    /// Where it keeps its data.
    pub fn data_directory(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// A file of ours beside its data.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Imports and publishes an amphi; its id.
    ///
    /// # Errors
    /// When the import is refused.
    pub async fn import(&self, import: &Import) -> Result<String> {
        let mut command = self.command(&["import"]);
        command.arg("--interns").arg(&import.interns).arg("--posts").arg(&import.posts);
        command.args(["--title", &import.title, "--period", &import.period]);
        command.args(["--time-zone", &import.time_zone, "--turn", &import.turn, "--publish"]);
        for day in &import.opening {
            command.args(["--opening", day]);
        }
        let said = run(command).await?;
        let id = said.lines().find_map(|line| line.strip_prefix("amphi "));
        Ok(id.with_context(|| format!("the import said no `amphi UUID`: {said:?}"))?.trim().to_owned())
    }

    /// Imports and publishes the amphis of a manifest; their ids, in its order.
    ///
    /// # Errors
    /// When the import is refused.
    pub async fn import_manifest(&self, manifest: &Path, turn: &str) -> Result<Vec<String>> {
        let mut command = self.command(&["import", "--publish", "--turn", turn]);
        command.arg("--manifest").arg(manifest);
        let said = run(command).await?;
        let ids = said.lines().filter_map(|line| line.strip_prefix("amphi ")?.split_whitespace().next());
        Ok(ids.map(str::to_owned).collect())
    }

    /// The personal links of every amphi.
    ///
    /// # Errors
    /// When they cannot be had or read.
    pub async fn links_of_all(&self) -> Result<Vec<(String, Doors)>> {
        Doors::parse_all(&run(self.command(&["links", "--all", "--json"])).await?)
    }

    /// Exports every journal; into which directory, as `AMPHI.jsonl`.
    ///
    /// # Errors
    /// When the export fails.
    pub async fn export_all(&self) -> Result<PathBuf> {
        let folder = self.file("journals");
        let mut command = self.command(&["export", "--all"]);
        command.arg("--output").arg(&folder);
        run(command).await?;
        Ok(folder)
    }

    /// The personal links of an amphi.
    ///
    /// # Errors
    /// When they cannot be had or read.
    pub async fn links(&self, amphi: &str) -> Result<Doors> {
        let mut command = self.command(&["links", amphi]);
        command.arg("--json");
        Doors::parse(&run(command).await?)
    }

    /// Exports the journal of an amphi; where to.
    ///
    /// # Errors
    /// When the export fails.
    pub async fn export(&self, amphi: &str) -> Result<PathBuf> {
        let file = self.file(&format!("journal-{amphi}.jsonl"));
        let mut command = self.command(&["export", amphi]);
        command.arg("--output").arg(&file);
        run(command).await?;
        Ok(file)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(words);
        self.choose_database(&mut command);
        command
    }
}

/// A running server with a data directory of its own.
pub struct ServerProcess {
    /// How it was started.
    pub launch: Launch,
    child: Child,
    /// Its process id.
    pub pid: u32,
    /// `HOST:PORT` it listens on.
    pub authority: String,
    /// `HOST:PORT` of what it measures, where it does.
    pub metrics: Option<String>,
}

impl ServerProcess {
    /// Starts `binary serve` on a new data directory, under `parent` (kept) or the system's temporary
    /// directory (removed afterwards), with its clock running at `speed`; it measures itself.
    ///
    /// # Errors
    /// When it ends or says nothing within two minutes; its log is then named.
    pub async fn start(
        binary: &Path,
        parent: Option<&Path>,
        speed: Option<f64>,
        pin_to_core: Option<usize>,
    ) -> Result<Self> {
        Launch { speed, pin_to_core, metrics: true, ..Launch::new(binary, parent)? }.start().await
    }

    /// Kills it at once (SIGKILL), and `victims` with it; gives back how to start it again.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn kill(mut self, victims: &[u32]) -> Result<Launch> {
        for pid in victims {
            signal(*pid, Signal::KILL);
        }
        signal(self.pid, Signal::KILL);
        self.child.wait().await?;
        Ok(self.launch.clone())
    }

    /// Where it keeps its data.
    pub fn data_directory(&self) -> PathBuf {
        self.launch.data_directory()
    }

    /// A file of ours beside its data.
    pub fn file(&self, name: &str) -> PathBuf {
        self.launch.file(name)
    }

    /// Imports and publishes an amphi; its id.
    ///
    /// # Errors
    /// When the import is refused.
    pub async fn import(&self, import: &Import) -> Result<String> {
        self.launch.import(import).await
    }

    /// The personal links of an amphi.
    ///
    /// # Errors
    /// When they cannot be had or read.
    pub async fn links(&self, amphi: &str) -> Result<Doors> {
        self.launch.links(amphi).await
    }

    /// Exports the journal of an amphi; where to.
    ///
    /// # Errors
    /// When the export fails.
    pub async fn export(&self, amphi: &str) -> Result<PathBuf> {
        self.launch.export(amphi).await
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// With how it ended.
    pub fn ensure_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                bail!("the server has ended: {status}; see {}", self.file("server.log").display())
            }
        }
    }

    /// Stops it cleanly, and removes its directory unless that is to be kept.
    ///
    /// # Errors
    /// When it does not stop within 30 s, or not cleanly.
    pub async fn stop(mut self) -> Result<()> {
        self.ensure_running()?;
        terminate(&self.child);
        let status = tokio::time::timeout(STOP_WITHIN, self.child.wait()).await;
        let status = status.context("the server did not stop on SIGTERM within 30 s")??;
        ensure!(
            status.success(),
            "the server stopped with {status}; see {}",
            self.file("server.log").display()
        );
        if self.launch.keep {
            eprintln!("kept: {}", self.launch.directory.display());
        } else {
            std::fs::remove_dir_all(&self.launch.directory)?;
        }
        Ok(())
    }
}

impl Drop for ServerProcess {
    /// After an error: the clean way out, without waiting; a killed server could leave its database behind, and one
    /// that stands still would do so for ever.
    fn drop(&mut self) {
        terminate(&self.child);
        if let Some(pid) = self.child.id() {
            signal(pid, Signal::CONT);
        }
    }
}

/// SIGTERM, if it still runs.
fn terminate(child: &Child) {
    if let Some(pid) = child.id() {
        signal(pid, Signal::TERM);
    }
}

/// `HOST:PORT` of a server, and of what it measures.
struct Addresses {
    authority: String,
    metrics: Option<String>,
}

/// What the server says of itself when it has started: where it listens, and then, where it `measures`, where that is.
async fn said_addresses(child: &mut Child, measures: bool) -> Result<Addresses> {
    let stdout = child.stdout.take().context("no stdout")?;
    let mut lines = BufReader::new(stdout).lines();
    let mut said = async |what: &str| {
        while let Some(line) = lines.next_line().await? {
            if let Some(url) = line.strip_prefix(what) {
                return authority_of(url.trim());
            }
        }
        bail!("it ended its output without `{what}URL`")
    };
    let authority = said("listening ").await?;
    let metrics = if measures { Some(said("metrics ").await?) } else { None };
    // Whatever it says later must not fill the pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(Addresses { authority, metrics })
}

/// `HOST:PORT` of an `http://` address.
///
/// # Errors
/// For `https`: the generator speaks to this machine, without TLS.
pub fn authority_of(url: &str) -> Result<String> {
    let rest = url.strip_prefix("http://").with_context(|| format!("{url} is not an http:// address"))?;
    Ok(rest.split('/').next().unwrap_or_default().to_owned())
}

async fn run(mut command: Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let words: Vec<_> = command.as_std().get_args().map(|word| word.to_string_lossy()).collect();
    ensure!(
        output.status.success(),
        "`amphi {}` failed with {}: {}",
        words.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}
