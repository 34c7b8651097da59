//! C4: the checks are checked. Each bug is planted in the engine or the core, and must be found.

use std::fmt;

use amphi_engine::core::planted::{Bug, plant};

use crate::campaign::campaign;
use crate::generate::Profile;
use crate::oracle::Violation;

/// Seeds after which a bug that was not found is a hole in the oracle.
const SEEDS_MAX: u64 = 1_500;

/// What became of one planted bug.
pub struct Hunt {
    /// Which.
    pub bug: Bug,
    /// The seed that found it, and the promise that was broken; `None`: it was not found.
    pub found: Option<(u64, Violation)>,
}

/// Plants each bug in turn, and looks for it.
pub fn hunt(jobs: usize) -> impl Iterator<Item = Hunt> {
    Bug::ALL.iter().map(move |bug| {
        plant(Some(*bug));
        let found = campaign(0, SEEDS_MAX, jobs, profile(*bug)).failure;
        plant(None);
        Hunt { bug: *bug, found: found.map(|(plan, violation)| (plan.seed, violation)) }
    })
}

/// Where to look: what only several amphis can show is looked for where there are several.
fn profile(bug: Bug) -> Profile {
    match bug {
        Bug::PersonCheckLeftOut | Bug::SiteCheckLeftOut => Profile::Persons,
        Bug::RevokedHolderActs => Profile::Proxies,
        _ => Profile::All,
    }
}

impl fmt::Display for Hunt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bug = format!("{:?}", self.bug);
        match &self.found {
            Some((seed, violation)) => {
                let what: String = violation.what.chars().take(90).collect();
                write!(f, "{bug:<24} seed {seed:>4}  {:?}: {what}", violation.promise)
            }
            None => write!(f, "{bug:<24} NOT FOUND in {SEEDS_MAX} seeds"),
        }
    }
}
