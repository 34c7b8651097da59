//! Processes of ours, found by the directory they work in, and signals to them.
//!
//! Only for processes that this program has started, or that what it started has: a server, the Postgres of
//! a data directory that we made.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Sends `signal`; that the process has ended meanwhile is no error.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // Gone already: then there is nothing to tell it.
        let _ = kill_process(pid, signal);
    }
}

/// The processes that work in `directory`: the Postgres on it, postmaster and backends.
pub fn working_in(directory: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let there = |pid: &u32| {
        std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == directory) && !has_ended(*pid)
    };
    pids.filter(there).collect()
}

fn has_ended(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

/// How many descriptors a process holds open; 0 when it is not there.
pub fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Stops a process (SIGSTOP), and waits until every thread of it stands still.
pub async fn freeze(pid: u32) {
    signal(pid, Signal::STOP);
    while threads(pid).iter().any(|state| !matches!(state, 'T' | 'Z' | 'X')) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The state of each thread, as the kernel abbreviates it.
fn threads(pid: u32) -> Vec<char> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    stats.filter_map(|stat| stat.rsplit(") ").next()?.chars().next()).collect()
}
