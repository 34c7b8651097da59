//! What the kernel says of a process: CPU time, memory, descriptors; and of this machine.
//!
//! Reads `/proc` only. CPU time is `utime + stime` of the whole process (all threads), in steps of one
//! clock tick, 10 ms here: windows under a second say little.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::clock;

/// CPU seconds a process has used so far.
///
/// # Errors
/// When there is no such process.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let fields = stat_fields(pid)?;
    // Fields 14 and 15 of proc_pid_stat(5), counted from the state, which is field 3.
    let ticks: u64 = fields.get(11).context("short stat")?.parse::<u64>()?
        + fields.get(12).context("short stat")?.parse::<u64>()?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// CPU seconds of the threads that a process has now, to a nanosecond: for windows that are short. Threads that have
/// ended meanwhile are missing.
///
/// # Errors
/// When there is no such process, or the kernel keeps no such account.
pub fn cpu_seconds_of_threads(pid: u32) -> Result<f64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid}"))?;
    let mut nanoseconds = 0;
    for thread in threads.flatten() {
        let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
        nanoseconds += text.split_whitespace().next().context("no schedstat")?.parse::<u64>()?;
    }
    ensure!(nanoseconds > 0, "the kernel does not say what threads use");
    Ok(nanoseconds as f64 / 1e9)
}

/// CPU seconds of all of `pids` together, with those of their children that have ended: a database starts a process for
/// each connection, and others by itself.
pub fn cpu_seconds_of_all(pids: &[u32]) -> f64 {
    // Fields 14 to 17 of proc_pid_stat(5): its own, and its ended children's.
    let ticks = |fields: Vec<String>| {
        (11..=14).filter_map(|index| fields.get(index)?.parse::<u64>().ok()).sum::<u64>()
    };
    let ticks: u64 = pids.iter().filter_map(|pid| stat_fields(*pid).ok().map(ticks)).sum();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

fn stat_fields(pid: u32) -> Result<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid}"))?;
    let (_, after_name) = stat.rsplit_once(')').context("not a stat line")?;
    Ok(after_name.split_whitespace().map(str::to_owned).collect())
}

/// Memory of a process in KiB, and which kind: PSS, or RSS where PSS cannot be read.
///
/// # Errors
/// When there is no such process.
pub fn memory_kib(pid: u32) -> Result<(u64, &'static str)> {
    let pss = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
    if let Some(kib) = pss.as_deref().and_then(|text| kib_of(text, "Pss:")) {
        return Ok((kib, "PSS"));
    }
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid}"))?;
    Ok((kib_of(&status, "VmRSS:").context("no VmRSS")?, "RSS"))
}

fn kib_of(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok())
}

/// The processes called `postgres` that serve this server: its descendants, and those of the postmaster
/// whose pid file lies in `data_directory`.
pub fn postgres_pids(server: Option<u32>, data_directory: Option<&Path>) -> Vec<u32> {
    let mut family: Vec<u32> = server.into_iter().collect();
    family.extend(data_directory.and_then(postmaster_pid));
    let processes = all_processes();
    let mut family = with_descendants(family, &processes);
    family
        .retain(|pid| processes.iter().any(|process| process.0 == *pid && process.2.starts_with("postgres")));
    family
}

/// These processes, and all that they have started.
pub fn family_of(pids: Vec<u32>) -> Vec<u32> {
    with_descendants(pids, &all_processes())
}

fn with_descendants(mut family: Vec<u32>, processes: &[(u32, u32, String)]) -> Vec<u32> {
    let mut index = 0;
    while let Some(parent) = family.get(index).copied() {
        family.extend(processes.iter().filter(|process| process.1 == parent).map(|process| process.0));
        index += 1;
    }
    family.sort_unstable();
    family.dedup();
    family
}

/// The pid in the `postmaster.pid` at or one to two levels below `directory`.
fn postmaster_pid(directory: &Path) -> Option<u32> {
    let mut directories = vec![directory.to_owned()];
    for _ in 0..3 {
        for directory in &directories {
            if let Ok(text) = fs::read_to_string(directory.join("postmaster.pid")) {
                return text.lines().next()?.trim().parse().ok();
            }
        }
        let below = directories.iter().filter_map(|directory| fs::read_dir(directory).ok());
        directories =
            below.flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    }
    None
}

/// Pid, parent and name of every process.
fn all_processes() -> Vec<(u32, u32, String)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let parent = stat_fields(pid).ok()?.get(1)?.parse().ok()?;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        Some((pid, parent, name))
    })
    .collect()
}

/// Lets this process, and the servers it starts, hold as many descriptors as the system allows: shells begin with a
/// soft limit of 1,024.
pub fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let all = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Refused: then it is as it was, and a run that needs more says so.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, all);
}

/// Refuses a run that needs more descriptors than this process, or a server started by it, may have.
///
/// # Errors
/// With both numbers and what to do.
pub fn ensure_descriptors(connections: usize) -> Result<()> {
    /// Beside the connections: standard streams, epoll, files, pipes to the server.
    const OTHERS: usize = 64;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let soft = limit.current.and_then(|soft| usize::try_from(soft).ok()).unwrap_or(usize::MAX);
    ensure!(
        connections + OTHERS <= soft,
        "{connections} connections do not fit: this process may hold {soft} descriptors (RLIMIT_NOFILE, raised as far \
         as the hard limit allows), and some {OTHERS} are needed beside. Raise the hard limit, or ask for at most {}.",
        soft.saturating_sub(OTHERS)
    );
    Ok(())
}

/// Cores, CPU, kernel and date, for reports.
pub fn machine() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    json!({
        // Not those that this process may run on: it may be held to one.
        "cores": cpu.lines().filter(|line| line.starts_with("processor")).count(),
        "cpu": model.map_or("unknown", |(_, name)| name),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "memory_mib": kib_of(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0) / 1_024,
        "load_average": read("/proc/loadavg").trim(),
        "date": clock::wall().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_time_and_memory() {
        let me = std::process::id();
        assert!(cpu_seconds(me).unwrap() >= 0.0);
        assert!(memory_kib(me).unwrap().0 > 100);
    }

    #[test]
    fn too_many_connections_are_refused_with_the_numbers() {
        let refusal = ensure_descriptors(100_000_000).unwrap_err().to_string();
        assert!(refusal.contains("RLIMIT_NOFILE") && refusal.contains("100000000"), "{refusal}");
    }
}
