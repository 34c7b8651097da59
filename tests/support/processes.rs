//! The processes of this machine that a test has started, found by what is theirs alone: a directory.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::waiting::until;

fn all() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn has_ended(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

/// The processes that work in `directory`: the private Postgres on it, postmaster and backends.
pub fn working_in(directory: &Path) -> Vec<i32> {
    let there = |pid: &i32| {
        std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == directory) && !has_ended(*pid)
    };
    all().into_iter().filter(there).collect()
}

/// The processes whose command line names `directory`: a browser's, by its profile.
pub fn naming(directory: &Path) -> Vec<i32> {
    let name = directory.display().to_string();
    let named = |pid: &i32| {
        std::fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&name))
            && *pid != std::process::id().cast_signed()
            && !has_ended(*pid)
    };
    all().into_iter().filter(named).collect()
}

/// Kills processes that the test has started itself.
pub fn kill_all(pids: &[i32]) {
    for pid in pids {
        // It may have ended meanwhile.
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
}

/// Sends `signal` to a process that the test has started itself.
pub fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
}

/// Completes once nothing works in `directory` any more.
pub async fn all_gone_from(directory: &Path) {
    until("no process is left on the data directory", async || {
        working_in(directory).is_empty().then_some(())
    })
    .await;
}
