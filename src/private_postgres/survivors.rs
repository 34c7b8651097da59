//! Postgres processes left on a data directory by an owner that was killed.
//!
//! Invariant: no server is started while one lives on the same data. The watchdog (`guarded.rs`) ends it
//! within seconds; should the watchdog have been killed as well, we do it: the directory's lock is ours, so
//! nobody else's work is cut. A `postmaster.pid` that names a dead process is Postgres's own affair, and one
//! that names a *living stranger* (a recycled pid) is removed here, since Postgres would refuse to start.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::POLL_EVERY;

const PATIENCE: Duration = Duration::from_secs(5);
const AFTER_SIGNAL_MAX: Duration = Duration::from_secs(10);

/// Returns once nothing lives on `data`.
pub async fn await_none(data: &Path, progress: &(impl Fn(&str) + Sync)) -> anyhow::Result<()> {
    if !of(data).is_empty() {
        progress("Un Postgres précédent finit de s'arrêter sur ces données : attente");
        if tokio::time::timeout(PATIENCE, none_left(data)).await.is_err() {
            for pid in of(data) {
                // It may have ended meanwhile.
                let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
            }
            if tokio::time::timeout(AFTER_SIGNAL_MAX, none_left(data)).await.is_err() {
                let pids: Vec<String> = of(data).iter().map(ToString::to_string).collect();
                bail!(
                    "Un Postgres sans propriétaire occupe encore {} (processus {}). Arrêtez-le avec kill \
                     -QUIT, puis relancez.",
                    data.display(),
                    pids.join(", ")
                );
            }
        }
    }
    let lock_file = data.join("postmaster.pid");
    if recorded_pid(data).is_some_and(is_alive) {
        tracing::info!("removing a lock file of Postgres that names a process of another program");
        std::fs::remove_file(lock_file)?;
    }
    Ok(())
}

async fn none_left(data: &Path) {
    while !of(data).is_empty() {
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// The server processes on `data`: on Linux those that work in it, backends without a postmaster included;
/// elsewhere the process that the lock file names.
pub fn of(data: &Path) -> Vec<i32> {
    // The kernel names directories without symbolic links; a directory that is absent has no server.
    let Ok(data) = data.canonicalize() else {
        return Vec::new();
    };
    let recorded = recorded_pid(&data);
    if !cfg!(target_os = "linux") {
        return recorded.into_iter().filter(|pid| is_alive(*pid)).collect();
    }
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| is_server_of(*pid, &data, recorded == Some(*pid)))
        .collect()
}

fn is_server_of(pid: i32, data: &Path, recorded: bool) -> bool {
    let process = Path::new("/proc").join(pid.to_string());
    let named_postgres =
        || std::fs::read_to_string(process.join("comm")).is_ok_and(|name| name.contains("postgres"));
    match std::fs::read_link(process.join("cwd")) {
        // Not somebody's shell that happens to stand there.
        Ok(directory) => directory == data && (recorded || named_postgres()),
        // A container's root may not look into processes of others: then the lock file's word must do.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => recorded && named_postgres(),
        // A zombie, or gone.
        Err(_) => false,
    }
}

fn recorded_pid(data: &Path) -> Option<i32> {
    let text = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    // A negative number is a stand-alone backend's.
    let pid: i32 = text.lines().next()?.trim().parse().ok()?;
    Some(pid.saturating_abs()).filter(|pid| *pid > 1)
}

fn is_alive(pid: i32) -> bool {
    !matches!(kill(Pid::from_raw(pid), None), Err(nix::errno::Errno::ESRCH))
}
