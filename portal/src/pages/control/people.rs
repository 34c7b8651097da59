//! How the control room names people: rank, family name, first name.

use amphi_engine::core::{CallRank, Ineligibility, Snapshot};

use super::RosterEntry;
use crate::pages::wording::say;

/// Names by rank.
pub(super) struct Names<'a> {
    entries: Vec<Option<&'a RosterEntry>>,
    snapshot: &'a Snapshot,
}

impl<'a> Names<'a> {
    pub fn of(roster: &'a [RosterEntry], snapshot: &'a Snapshot) -> Self {
        let mut entries = vec![None; snapshot.participants.len()];
        for entry in roster {
            if let Some(slot) = entries.get_mut(entry.rank.index()) {
                *slot = Some(entry);
            }
        }
        Self { entries, snapshot }
    }

    pub fn entry(&self, rank: CallRank) -> Option<&'a RosterEntry> {
        self.entries.get(rank.index()).copied().flatten()
    }

    /// "DUPONT Marie"; the pseudonym of whoever is on no roster.
    pub fn name(&self, rank: CallRank) -> String {
        match self.entry(rank) {
            Some(entry) => format!("{} {}", entry.last_name, entry.first_name),
            None => self.snapshot.participants.get(rank.index()).map_or("", |p| &p.pseudonym).to_owned(),
        }
    }

    /// "Rang 12, DUPONT Marie".
    pub fn ranked(&self, rank: CallRank) -> String {
        format!("Rang {rank}, {}", self.name(rank))
    }
}

/// What the eligibility check found, in a sentence.
pub(super) fn ineligibility(what: Ineligibility) -> String {
    let code = match what {
        Ineligibility::NotValidated => "not_validated",
        Ineligibility::Blocked => "blocked",
        Ineligibility::TrainingEnded => "training_ended",
    };
    say(&format!("regie.ineligible.{code}"), &[])
}
