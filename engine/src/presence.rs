//! Who is connected: told to administrators, whole at first, then only who changed.

use std::collections::{BTreeMap, BTreeSet};

use amphi_core::{CallRank, Timestamp};

use crate::protocol;

/// Presence in one amphi on this server.
#[derive(Debug, Default)]
pub struct Presence {
    interns: BTreeMap<CallRank, Here>,
    changed: BTreeSet<CallRank>,
}

/// Who is connected for one rank.
#[derive(Debug, Clone, Copy, Default)]
struct Here {
    own: u16,
    proxy: u16,
    since: Timestamp,
}

impl Here {
    fn anybody(self) -> bool {
        self.own > 0 || self.proxy > 0
    }

    /// The connections of `who`.
    fn of(&mut self, who: Who) -> &mut u16 {
        match who {
            Who::Intern => &mut self.own,
            Who::Holder => &mut self.proxy,
        }
    }
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The intern's own.
    Intern,
    /// That of the holder of their proxy.
    Holder,
}

impl Presence {
    /// A connection for `rank` came. Says whether this is the first change not told yet.
    pub fn came(&mut self, rank: CallRank, who: Who, now: Timestamp) -> bool {
        let here = self.interns.entry(rank).or_insert(Here { since: now, ..Here::default() });
        if !here.anybody() {
            here.since = now;
        }
        *here.of(who) += 1;
        self.note(rank)
    }

    /// A connection for `rank` went. Says whether this is the first change not told yet.
    pub fn went(&mut self, rank: CallRank, who: Who, now: Timestamp) -> bool {
        if let Some(here) = self.interns.get_mut(&rank) {
            let connections = here.of(who);
            *connections = connections.saturating_sub(1);
            if !here.anybody() {
                here.since = now;
            }
        }
        self.note(rank)
    }

    /// Whether anybody is connected for `rank`.
    pub fn is_here(&self, rank: CallRank) -> bool {
        self.interns.get(&rank).is_some_and(|here| here.anybody())
    }

    fn note(&mut self, rank: CallRank) -> bool {
        let first = self.changed.is_empty();
        self.changed.insert(rank);
        first
    }

    /// Everybody who is or was here.
    pub fn all(&self) -> Vec<protocol::Presence> {
        self.interns.keys().map(|rank| self.of(*rank)).collect()
    }

    /// Who changed since the last call.
    pub fn take_changed(&mut self) -> Vec<protocol::Presence> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|rank| self.of(rank)).collect()
    }

    fn of(&self, rank: CallRank) -> protocol::Presence {
        let here = self.interns.get(&rank).copied().unwrap_or_default();
        protocol::Presence { rank, devices: here.own, proxy_devices: here.proxy, since: here.since }
    }
}
