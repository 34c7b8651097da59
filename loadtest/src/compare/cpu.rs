//! CPU time of processes, to the nanosecond, and on which core a thread may run.
//!
//! From the scheduler's account of each thread (`/proc/PID/task/*/schedstat`), because `/proc/PID/stat` counts in steps of
//! 10 ms. It holds what the kernel did on a thread's behalf, sending through loopback to the receiver's socket included.
//! A thread that begins and ends between two readings is missed: the servers compared keep theirs.

use std::collections::HashMap;
use std::fs;

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Time on a core so far, of each thread of some processes.
#[derive(Debug, Clone, Default)]
pub struct CpuReading(HashMap<(u32, String), u64>);

impl CpuReading {
    /// Now.
    pub fn of(pids: &[u32]) -> Self {
        let mut reading = Self::default();
        for pid in pids {
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            for task in tasks {
                let schedstat = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
                let nanos = schedstat.split_whitespace().next().and_then(|text| text.parse().ok());
                if let (Some(nanos), Ok(thread)) = (nanos, task.file_name().into_string()) {
                    reading.0.insert((*pid, thread), nanos);
                }
            }
        }
        reading
    }

    /// Seconds used since `earlier`, by the threads that are there now.
    pub fn seconds_since(&self, earlier: &Self) -> f64 {
        let used = |(thread, now): (&(u32, String), &u64)| {
            now.saturating_sub(earlier.0.get(thread).copied().unwrap_or(0))
        };
        self.0.iter().map(used).sum::<u64>() as f64 / 1e9
    }
}

/// Lets this thread run on `core` only, and everything that it starts.
///
/// # Errors
/// When there is no such core.
pub fn pin_this_thread(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("running on core {core} only"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_time() {
        let me = [std::process::id()];
        let before = CpuReading::of(&me);
        let busy: u64 = (0..3_000_000_u64).map(|number| std::hint::black_box(number) % 7).sum();
        assert!(busy > 0 && !before.0.is_empty());
        assert!(CpuReading::of(&me).seconds_since(&before) >= 0.0);
    }

    #[test]
    fn only_what_was_used_since_counts() {
        let reading = |nanos| CpuReading(HashMap::from([((1, "1".to_owned()), nanos)]));
        assert_eq!(reading(5_000_000_000).seconds_since(&reading(3_000_000_000)), 2.0);
        assert_eq!(reading(2).seconds_since(&CpuReading::default()), 2e-9);
    }
}
