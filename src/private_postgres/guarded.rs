//! Starts a child that cannot outlive this process.
//!
//! Invariant: from the instant the child exists, the end of this process, however sudden, makes it receive
//! SIGINT (Postgres: fast shutdown) and, ten seconds later, SIGQUIT (no shutdown checkpoint; recovery at the
//! next start). A small shell watches a pipe, the leash, whose other end only we hold: the kernel closes it
//! when we end. The shell starts the watchdog first and then *becomes* the child, so that there is no instant
//! without one and the child's pid is the one we know. The watchdog is nobody's child (double fork): the
//! postmaster must not inherit a child that it does not know.
//!
//! Deliberately absent: `PR_SET_PDEATHSIG`, which is Linux only, is lost when the user changes, and fires
//! when the spawning *thread* ends, as worker threads of tokio may.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};

use super::server_account::ServerAccount;

/// `$$` is the pid of the shell that becomes the child, also inside the watchdog's subshell. The watchdog
/// ignores the signals by which a terminal or a service manager ends a whole group: it must be the last to
/// go.
const LEASH_SCRIPT: &str = r#"
exec 3<&0 </dev/null
(
    (
        trap '' HUP INT TERM
        IFS= read -r _ <&3 && exit 0
        kill -INT $$
        seconds=0
        while [ $seconds -lt 10 ] && kill -0 $$; do
            sleep 1
            seconds=$((seconds + 1))
        done
        kill -QUIT $$
    ) >/dev/null 2>&1 &
)
exec 3<&-
exec "$@"
"#;

/// A running child, its output in a log file, bound to the life of this process.
pub struct Guarded {
    child: Child,
    leash: ChildStdin,
    pid: u32,
}

impl Guarded {
    /// Starts `program` as `account`, in a process group of its own (Ctrl-C in the terminal is for us, not
    /// for it), with an environment of its own (no secret of ours, and Postgres's messages in English for our
    /// checks).
    pub fn spawn<I>(account: &ServerAccount, program: &Path, arguments: I, log: &File) -> anyhow::Result<Self>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", LEASH_SCRIPT, "amphi-watchdog"]);
        command.arg(program).args(arguments);
        command.env_clear().env("LC_ALL", "C");
        command.env("PATH", search_path());
        command.current_dir("/").process_group(0);
        command.stdin(Stdio::piped());
        command.stdout(log.try_clone()?).stderr(log.try_clone()?);
        account.apply(&mut command);
        let mut child =
            command.spawn().with_context(|| format!("impossible de lancer {}", program.display()))?;
        let leash = child.stdin.take().context("la commande n'a pas d'entrée")?;
        let pid = child.id().context("la commande n'a pas de numéro")?;
        Ok(Self { child, leash, pid })
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for the child's end; may be dropped and called again.
    pub async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Sends a signal, unless the child is known to have ended: its pid may be another's by now.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        if let Some(pid) = self.child.id() {
            kill(Pid::from_raw(i32::try_from(pid)?), signal)?;
        }
        Ok(())
    }

    /// Sends the watchdog home once the child has ended, so that it never signals a recycled pid.
    pub async fn release(mut self) {
        // A watchdog that is no longer there needs no farewell.
        let _ = self.leash.write_all(b"\n").await;
    }
}

/// Ours, and where every system has the `sleep` of the watchdog.
fn search_path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/bin:/bin");
    path
}
