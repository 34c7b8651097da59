//! Where peers are started: pinned to the server's core, each with a log and configuration of its own, and ended for sure.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use uuid::Uuid;

use crate::clock;
use crate::process_figures::family_of;

/// A peer may take this long until it listens.
const LISTENS_WITHIN: Duration = Duration::from_secs(20);
/// Where servers listen.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// See the [module](self).
pub struct Stage {
    /// Where `--prepare` put what it got.
    pub cache: PathBuf,
    /// The binary that has the yardsticks.
    pub own_binary: PathBuf,
    /// The only core that servers may use.
    pub server_core: Option<usize>,
    /// The core of this program.
    pub generator_core: usize,
    scratch: PathBuf,
}

impl Stage {
    /// With a new directory for logs and configurations, removed in the end.
    ///
    /// # Errors
    /// When that cannot be made.
    pub fn new(
        cache: &Path,
        own_binary: PathBuf,
        server_core: Option<usize>,
        generator_core: usize,
    ) -> Result<Self> {
        let scratch = std::env::temp_dir().join(format!("amphi-compare-{}", Uuid::new_v4().simple()));
        fs::create_dir_all(&scratch)?;
        // Peers are started in the scratch directory.
        let cache = std::path::absolute(cache)?;
        Ok(Self { cache, own_binary, server_core, generator_core, scratch })
    }

    /// The path of a file of ours.
    pub fn file(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// Writes a file of ours; its path, as an argument.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&self, name: &str, text: &str) -> Result<String> {
        let path = self.file(name);
        fs::write(&path, text)?;
        Ok(path.to_str().context("a file's name is not UTF-8")?.to_owned())
    }

    /// A port that is free now, below those that the system gives to clients: a connection just closed would keep
    /// a server from listening there on all addresses.
    ///
    /// # Errors
    /// When none is found.
    pub fn free_port() -> Result<u16> {
        const TRIES: usize = 100;
        let tried = (0..TRIES).map(|_| rand::random_range(PORTS));
        let mut free = tried.filter(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok());
        free.next().context("no free port")
    }

    /// Starts `program`, and waits until it listens on `port`.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not listen within 20 s; with the end of its log.
    pub fn start(&self, program: &Path, arguments: &[&str], port: u16) -> Result<Process> {
        self.start_on(self.server_cores(), program, arguments, port)
    }

    /// The cores of the servers, as `taskset` wants them; none when nothing is pinned.
    pub fn server_cores(&self) -> Option<String> {
        self.server_core.map(|core| core.to_string())
    }

    /// Those and the generator's.
    pub fn all_cores(&self) -> Option<String> {
        self.server_core.map(|core| format!("{core},{}", self.generator_core))
    }

    /// As [`start`](Self::start), on these `cores`.
    ///
    /// # Errors
    /// The same.
    pub fn start_on(
        &self,
        cores: Option<String>,
        program: &Path,
        arguments: &[&str],
        port: u16,
    ) -> Result<Process> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = self.file(&format!("{name}-{port}.log"));
        let mut command = match cores {
            Some(cores) => {
                let mut taskset = Command::new("taskset");
                taskset.args(["--cpu-list", &cores]).arg(program);
                taskset
            }
            None => Command::new(program),
        };
        // Debian keeps daemons where only root looks.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
        command
            .env("PATH", path)
            .args(arguments)
            .current_dir(&self.scratch)
            .stdin(Stdio::null())
            .process_group(0);
        command.stdout(File::create(&log)?).stderr(File::options().append(true).open(&log)?);
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        let mut process = Process { child, address: (Ipv4Addr::LOCALHOST, port).into(), log };
        process.wait_until_it_listens().with_context(|| format!("{name} does not listen"))?;
        Ok(process)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.scratch));
    }
}

/// A peer that runs. Dropped, it is killed with all that it started.
pub struct Process {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    log: PathBuf,
}

impl Process {
    fn wait_until_it_listens(&mut self) -> Result<()> {
        let began = clock::now();
        while clock::now() < began + LISTENS_WITHIN {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}: {}", self.end_of_log());
            }
            if self.has_opened_its_port() {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        bail!("nothing after {} s: {}", LISTENS_WITHIN.as_secs(), self.end_of_log())
    }

    /// Seen from outside: the first connection to `raw` is its publisher's, and none may be spent on looking.
    fn has_opened_its_port(&self) -> bool {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let listening = read("/proc/net/tcp") + &read("/proc/net/tcp6");
        let wanted = format!(":{:04X}", self.address.port());
        listening.lines().any(|line| {
            let fields: Vec<&str> = line.split_whitespace().take(4).collect();
            matches!(fields[..], [_, local, _, "0A"] if local.ends_with(&wanted))
        })
    }

    /// What it said last.
    pub fn end_of_log(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }

    /// It, and all that it started.
    pub fn pids(&self) -> Vec<u32> {
        family_of(vec![self.child.id()])
    }

    /// A connection to it.
    ///
    /// # Errors
    /// When it takes none.
    pub fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // Gone already: then there is nothing to end.
            let _ = kill_process_group(group, Signal::KILL);
        }
        drop(self.child.wait());
    }
}
