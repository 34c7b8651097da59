//! Doors: what a person may see and do in one amphi. Denied unless a door is open.
//!
//! A door is opened by a personal link (`links.rs`), remembered for a browser in its session
//! (`sessions.rs`), and asked for by each route before it looks at anything (`access.rs`).

use amphi_engine::core::{AmphiId, CallRank, ProxyId};
use amphi_engine::protocol::Role;
use serde::Serialize;

use crate::pages;

/// A role in one amphi.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Door {
    /// Which amphi.
    pub amphi: AmphiId,
    /// What it lets do.
    #[serde(flatten)]
    pub role: Role,
}

impl Door {
    /// Path of the page behind it; its live socket is at the same path + `/direct`.
    pub fn path(self) -> String {
        match self.role {
            Role::Intern { rank } => pages::intern_path(self.amphi, rank),
            Role::Holder { rank, .. } => pages::holder_path(self.amphi, rank),
            Role::Administrator => pages::control_path(self.amphi),
            Role::Spectator => pages::screen_path(self.amphi),
        }
    }

    /// How roles are written in links and in the database: a word, and the rank or 0.
    pub(crate) fn role_columns(self) -> (&'static str, i32) {
        match self.role {
            Role::Intern { rank } => ("intern", i32::from(rank.0)),
            Role::Holder { rank, .. } => ("holder", i32::from(rank.0)),
            Role::Administrator => ("administrator", 0),
            Role::Spectator => ("spectator", 0),
        }
    }

    /// By which proxy, for holders.
    pub(crate) fn proxy(self) -> Option<ProxyId> {
        match self.role {
            Role::Holder { proxy, .. } => Some(proxy),
            Role::Intern { .. } | Role::Administrator | Role::Spectator => None,
        }
    }

    /// The door that [`Door::role_columns`] and [`Door::proxy`] describe.
    pub(crate) fn from_columns(
        amphi: AmphiId,
        role: &str,
        rank: i32,
        proxy: Option<ProxyId>,
    ) -> Option<Self> {
        let role = match (role, u16::try_from(rank).ok()?, proxy) {
            ("intern", rank, None) => Role::Intern { rank: CallRank(rank) },
            ("holder", rank, Some(proxy)) => Role::Holder { rank: CallRank(rank), proxy },
            ("administrator", 0, None) => Role::Administrator,
            ("spectator", 0, None) => Role::Spectator,
            _ => return None,
        };
        Some(Self { amphi, role })
    }
}
