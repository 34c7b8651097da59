//! Who is connected: told to administrators, whole at first, then only who changed.

use std::collections::{BTreeMap, BTreeSet};

use amphi_core::{CallRank, Timestamp};

use crate::protocol;

/// Presence in one amphi on this server.
#[derive(Debug, Default)]
pub struct Presence {
    interns: BTreeMap<CallRank, (u16, Timestamp)>,
    changed: BTreeSet<CallRank>,
}

impl Presence {
    /// A connection of `rank` came. Says whether this is the first change not told yet.
    pub fn came(&mut self, rank: CallRank, now: Timestamp) -> bool {
        let (devices, since) = self.interns.entry(rank).or_insert((0, now));
        if *devices == 0 {
            *since = now;
        }
        *devices += 1;
        self.note(rank)
    }

    /// A connection of `rank` went. Says whether this is the first change not told yet.
    pub fn went(&mut self, rank: CallRank, now: Timestamp) -> bool {
        if let Some((devices, since)) = self.interns.get_mut(&rank) {
            *devices = devices.saturating_sub(1);
            if *devices == 0 {
                *since = now;
            }
        }
        self.note(rank)
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
        let (devices, since) = self.interns.get(&rank).copied().unwrap_or_default();
        protocol::Presence { rank, devices, since }
    }
}
