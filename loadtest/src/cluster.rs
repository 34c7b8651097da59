//! A Postgres of our own, to be stopped, frozen and starved while a server uses it.
//!
//! Installed binaries on a directory of ours, on 127.0.0.1, durable as the server demands it. As root it runs as
//! the user `postgres`, because Postgres refuses to run as root. It dies with us (`setpriv --pdeathsig`).

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::clock;
use crate::processes::{signal, working_in};

/// Crash recovery included.
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Who runs it when we are root.
const ACCOUNT: &str = "postgres";

/// See the [module](self).
pub struct Cluster {
    bin: PathBuf,
    directory: PathBuf,
    keep: bool,
    mounted: bool,
    port: u16,
    postmaster: Option<Child>,
}

impl Cluster {
    /// Makes one and starts it; under `parent` it is kept. `file_system_mib`: on a file system of its own of
    /// this size, in memory, so that it can be full.
    ///
    /// # Errors
    /// When there is no Postgres, or it does not start; or, with `file_system_mib`, when nothing may be mounted.
    pub async fn start_new(parent: Option<&Path>, file_system_mib: Option<u32>) -> Result<Self> {
        let root = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let directory = root.join(format!("amphi-chaos-postgres-{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&directory)?;
        let mut cluster = Self {
            bin: binaries()?,
            directory,
            keep: parent.is_some(),
            mounted: false,
            port: free_port()?,
            postmaster: None,
        };
        if let Some(mib) = file_system_mib {
            let size = format!("size={mib}m,mode=0777");
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", &size, "amphi-chaos"]).arg(&cluster.directory);
            succeed(mount).await?;
            cluster.mounted = true;
        }
        if is_root() {
            let mut chown = Command::new("chown");
            chown.arg(ACCOUNT).arg(&cluster.directory);
            succeed(chown).await?;
        }
        let mut initdb = cluster.program("initdb");
        initdb.arg("-D").arg(cluster.data());
        // Small segments of the log: a full disk is felt at once.
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--wal-segsize=1"]);
        succeed(initdb).await?;
        cluster.start().await?;
        Ok(cluster)
    }

    /// Starts it, and waits until it takes connections.
    ///
    /// # Errors
    /// When it ends, or is not ready within a minute.
    pub async fn start(&mut self) -> Result<()> {
        let log = std::fs::File::options().create(true).append(true).open(self.log())?;
        let mut postgres = self.program("postgres");
        postgres.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=100",
            "min_wal_size=2MB",
            "max_wal_size=8MB",
            "shared_buffers=16MB",
        ] {
            postgres.args(["-c", setting]);
        }
        postgres.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut child = postgres.spawn().context("starting Postgres")?;
        let began = clock::now();
        while !self.is_ready(child.id()) {
            if let Some(status) = child.try_wait()? {
                bail!("Postgres ended with {status}; see {}", self.log().display());
            }
            ensure!(
                clock::now() < began + READY_WITHIN,
                "Postgres is not ready; see {}",
                self.log().display()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.postmaster = Some(child);
        Ok(())
    }

    /// Whether the postmaster is still there.
    pub fn is_running(&mut self) -> bool {
        self.postmaster.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// `immediate` shutdown: it ends at once, and recovers at the next start.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn stop_at_once(&mut self) -> Result<()> {
        if let Some(mut postmaster) = self.postmaster.take() {
            if let Some(pid) = postmaster.id() {
                signal(pid, Signal::QUIT);
            }
            postmaster.wait().await?;
        }
        Ok(())
    }

    /// Every process of it stands still.
    pub fn freeze(&self) {
        for pid in working_in(&self.data()) {
            signal(pid, Signal::STOP);
        }
    }

    /// Every process of it goes on.
    pub fn thaw(&self) {
        for pid in working_in(&self.data()) {
            signal(pid, Signal::CONT);
        }
    }

    /// Takes every free byte of its file system.
    ///
    /// # Errors
    /// When it has none of its own.
    pub fn fill_disk(&self) -> Result<()> {
        use std::io::Write as _;
        ensure!(self.mounted, "the disk of this machine is not ours to be filled");
        let mut ballast = std::fs::File::create(self.ballast())?;
        let mut size = 1024 * 1024;
        // Down to single bytes: the last page, too.
        while size > 0 {
            if ballast.write_all(&vec![0; size]).is_err() {
                size /= 2;
            }
        }
        Ok(())
    }

    /// Gives it back.
    ///
    /// # Errors
    /// When it was not taken.
    pub fn free_disk(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.ballast())?)
    }

    /// Stops it and removes everything, unless that is to be kept.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub async fn remove(mut self) -> Result<()> {
        self.thaw();
        self.stop_at_once().await?;
        if self.mounted {
            let mut umount = Command::new("umount");
            umount.arg(&self.directory);
            succeed(umount).await?;
            self.mounted = false;
        }
        if !self.keep {
            std::fs::remove_dir_all(&self.directory)?;
            std::fs::remove_file(self.log())?;
        }
        Ok(())
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How a server reaches it, by a port of ours or its own.
    pub fn url(&self, port: u16) -> String {
        format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable")
    }

    /// What it said.
    pub fn log(&self) -> PathBuf {
        // Beside the data on the same path, but never on the file system that is to be full.
        self.directory.with_extension("log")
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn ballast(&self) -> PathBuf {
        self.directory.join("ballast")
    }

    /// Line 8 of `postmaster.pid` is the server's state.
    fn is_ready(&self, pid: Option<u32>) -> bool {
        let text = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines();
        lines.next().and_then(|line| line.parse().ok()) == pid && lines.nth(6).map(str::trim) == Some("ready")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "QUIT"]);
        if is_root() {
            command.args(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--clear-groups"]);
        }
        command.arg(self.bin.join(name)).current_dir("/").env("LC_ALL", "C");
        command
    }
}

impl Drop for Cluster {
    /// After an error: nothing must go on running, or stand still for ever.
    fn drop(&mut self) {
        for pid in working_in(&self.data()) {
            signal(pid, Signal::KILL);
        }
        if self.mounted {
            // Lazily: what was killed may not have ended yet.
            drop(std::process::Command::new("umount").arg("-l").arg(&self.directory).status());
        }
        // Only if nothing ever was in it; else it is evidence.
        drop(std::fs::remove_dir(&self.directory));
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `PG_BINDIR`, or the newest that Debian has installed.
fn binaries() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("PG_BINDIR") {
        return Ok(named.into());
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse::<u32>().ok()?, version.path())))
        .max();
    let (_, path) = newest.context("no Postgres in /usr/lib/postgresql; name one with PG_BINDIR")?;
    Ok(path.join("bin"))
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

async fn succeed(mut command: Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().await?;
    ensure!(
        output.status.success(),
        "{:?} failed with {}: {}",
        command.as_std(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
