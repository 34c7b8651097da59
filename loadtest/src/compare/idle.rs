//! Memory of a server per connection at rest; the kernel's apart.

use std::fs;
use std::time::Duration;

use anyhow::Result;

use super::audience::Audience;
use super::peers::{Dialect, Processes};
use crate::process_figures::memory_kib;

/// How long everything rests before memory is read.
const REST: Duration = Duration::from_secs(2);

/// What a connection at rest costs.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    /// In the server's processes: the difference of their PSS (without the database), KiB per connection.
    pub kib: f64,
    /// In the kernel, both ends together: the difference of its slabs and its socket buffers, KiB per connection.
    pub kernel_kib: f64,
}

/// Connects so many, has them rest, and compares with before.
///
/// # Errors
/// When they cannot connect.
pub fn measure(dialect: &dyn Dialect, host: &dyn Processes, connections: usize, network: u8) -> Result<Idle> {
    std::thread::sleep(REST);
    let before = (memory_of(&host.pids()), kernel_kib());
    // At rest nobody compares CPU: the generator may sleep.
    let audience = Audience::connect(dialect, connections, network, false)?;
    audience.rest(REST)?;
    let with = (memory_of(&host.pids()), kernel_kib());
    let each = |before: u64, with: u64| (with as f64 - before as f64) / connections as f64;
    Ok(Idle { kib: each(before.0, with.0), kernel_kib: each(before.1, with.1) })
}

fn memory_of(pids: &[u32]) -> u64 {
    pids.iter().filter_map(|pid| memory_kib(*pid).ok()).map(|(kib, _)| kib).sum()
}

/// Slabs (sockets, descriptors, epoll entries) and socket buffers of the whole machine.
fn kernel_kib() -> u64 {
    const KIB_PER_PAGE: u64 = 4;
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let slab = number_after(&read("/proc/meminfo"), "Slab:");
    // The first `mem` is TCP's, in pages.
    slab.unwrap_or(0) + number_after(&read("/proc/net/sockstat"), "mem").unwrap_or(0) * KIB_PER_PAGE
}

fn number_after(text: &str, word: &str) -> Option<u64> {
    let mut words = text.split_whitespace().skip_while(|found| *found != word);
    words.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_what_it_holds() {
        assert_eq!(number_after("sockets: used 9\nTCP: inuse 1 mem 7\nUDP: mem 3", "mem"), Some(7));
        assert_eq!(number_after("Slab:   12 kB", "Slab:"), Some(12));
        assert!(kernel_kib() > 0);
    }
}
