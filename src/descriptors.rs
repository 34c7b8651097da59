//! How many connections this process can hold: the descriptor limit, raised as far as it may be.

use amphi_engine::limits::{DESCRIPTORS_RESERVED, PAGE_CONNECTIONS_RESERVED};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// How many of the [`connections_max`] may be live ones: the others are for pages.
pub fn sockets_max() -> usize {
    connections_max().saturating_sub(PAGE_CONNECTIONS_RESERVED)
}

/// Fewer are worth a word in every log: a large amphi with its spectators, 2.5 connections each, would not fit.
const ENOUGH: usize = 4_000;

/// Says in the log how many fit, and what to do where that is few.
pub fn announce() {
    let (connections, live) = (connections_max(), sockets_max());
    if live < ENOUGH {
        tracing::warn!(
            connections,
            live,
            "few connections fit, others are told to come back: raise the hard limit of descriptors (LimitNOFILE=, ulimit -Hn)"
        );
    } else {
        tracing::info!(connections, live, "so many connections fit");
    }
}

/// Raises the soft limit to the hard one, and says how many connections fit.
pub fn connections_max() -> usize {
    let limit = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) if soft < hard => {
            if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
                hard
            } else {
                soft
            }
        }
        Ok((soft, _)) => soft,
        Err(_) => 1_024,
    };
    usize::try_from(limit.saturating_sub(DESCRIPTORS_RESERVED)).unwrap_or(usize::MAX).min(1_000_000)
}
