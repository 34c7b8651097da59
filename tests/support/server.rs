//! The real binary: run to its end, or running as a server.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::Signal;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::processes;
use super::waiting::within;

const BINARY: &str = env!("CARGO_BIN_EXE_amphi");
/// What the environment of whoever runs the tests must not decide.
const SETTINGS: [&str; 7] = [
    "DATABASE_URL",
    "AMPHI_DATA_DIRECTORY",
    "AMPHI_LISTEN",
    "AMPHI_PUBLIC_URL",
    "AMPHI_SMTP_URL",
    "AMPHI_MAIL_FROM",
    "AMPHI_METRICS_LISTEN",
];

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    for name in SETTINGS {
        command.env_remove(name);
    }
    command
}

/// What a run of the binary said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// What it said on standard output, if all went well.
    ///
    /// # Panics
    /// When it did not.
    pub fn success(self) -> String {
        assert!(self.status.success(), "{}\n{}\n{}", self.status, self.stdout, self.stderr);
        self.stdout
    }

    /// What it said on standard error, if it refused.
    ///
    /// # Panics
    /// When it did not refuse, or did not end by itself.
    pub fn refusal(self) -> String {
        assert!(self.status.code().is_some_and(|code| code != 0), "{self:?}");
        self.stderr
    }
}

/// Runs `amphi` with these arguments to its end.
pub async fn amphi(arguments: &[&str]) -> Said {
    let output = within(&format!("amphi {arguments:?}"), command(arguments).output()).await.unwrap();
    Said {
        status: output.status,
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A running `amphi`; killed when it is dropped.
pub struct Server {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
    /// Scheme, host and port, without a final slash; empty until it is known.
    pub url: String,
}

impl Server {
    /// Starts the binary; what it complains about goes to the end of the file `log`.
    pub fn spawn(arguments: &[&str], environment: &[(&str, &Path)], log: &Path) -> Self {
        let file = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let mut command = command(arguments);
        command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stdout, log: log.to_path_buf(), url: String::new() }
    }

    /// The next line of its standard output.
    ///
    /// # Panics
    /// When it ends, or says nothing.
    pub async fn line(&mut self) -> String {
        let line = within("the server says something", self.stdout.next_line()).await.unwrap();
        line.unwrap_or_else(|| panic!("the server has ended:\n{}", self.complaints()))
    }

    /// Starts `amphi serve` and waits until it listens.
    pub async fn serve(arguments: &[&str], log: &Path) -> Self {
        let mut server = Self::spawn(&[&["serve"], arguments].concat(), &[], log);
        let line = server.line().await;
        server.url = line.strip_prefix("listening ").unwrap_or_else(|| panic!("{line}")).to_owned();
        server
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// What it wrote to standard error.
    pub fn complaints(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Kills it at once, as a crash would.
    pub async fn kill_9(mut self) {
        processes::signal(self.child.id().unwrap(), Signal::SIGKILL);
        within("a killed server ends", self.child.wait()).await.unwrap();
    }

    /// Asks it to stop, and waits until it has; it must end well.
    pub async fn stop(self) {
        self.end_with(Signal::SIGTERM).await;
    }

    /// The same, with another signal.
    pub async fn end_with(mut self, signal: Signal) {
        processes::signal(self.child.id().unwrap(), signal);
        let status = within("a server that was told to stop ends", self.child.wait()).await.unwrap();
        assert!(status.success(), "{status}\n{}", self.complaints());
    }
}
