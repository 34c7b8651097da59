//! Identifiers: which amphi, which intern, which rank, which post, which command.
//!
//! Each is its own type, so that a rank can never be passed for a post.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_identifier! {
    /// One amphi (a live choice session).
    AmphiId
}
uuid_identifier! {
    /// One intern (*interne*), across amphis; says nothing about the person by itself.
    InternId
}
uuid_identifier! {
    /// One administrator.
    AdministratorId
}
uuid_identifier! {
    /// One proxy given; a new one each time, so that a revoked one opens nothing (3.4).
    ProxyId
}
uuid_identifier! {
    /// One command, named by the client that made it; sending it again returns the first outcome (3.3).
    CommandId
}

/// Position in the call list (*rang d'appel*), from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CallRank(pub u16);

impl CallRank {
    /// The rank at `index` (from 0) of the call list.
    pub fn from_index(index: usize) -> Self {
        Self(u16::try_from(index + 1).expect("a call list is bounded well under 65,535"))
    }

    /// Position in vectors that hold one entry per participant, from 0.
    pub fn index(self) -> usize {
        usize::from(self.0).wrapping_sub(1)
    }

    /// The rank called after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for CallRank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of a post in its amphi, from 1, in the order of the imported file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PostNumber(pub u16);

impl PostNumber {
    /// The number of the post at `index` (from 0).
    pub fn from_index(index: usize) -> Self {
        Self(u16::try_from(index + 1).expect("an offer of posts is bounded well under 65,535"))
    }

    /// Position in vectors that hold one entry per post, from 0.
    pub fn index(self) -> usize {
        usize::from(self.0).wrapping_sub(1)
    }
}

impl fmt::Display for PostNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who issues a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// The intern at this rank of this amphi.
    Intern {
        /// Their call rank.
        rank: CallRank,
    },
    /// Whoever acts for the intern at this rank (A5).
    Holder {
        /// For whom.
        rank: CallRank,
        /// By which proxy.
        proxy: ProxyId,
    },
    /// An administrator with the right to run this amphi.
    Administrator {
        /// Their identifier.
        id: AdministratorId,
    },
    /// The engine itself: time running out, recovery after a crash.
    Engine,
}

impl Actor {
    /// The rank this actor acts for, if it is one's own or one's principal's.
    pub fn acts_for(self) -> Option<CallRank> {
        match self {
            Self::Intern { rank } | Self::Holder { rank, .. } => Some(rank),
            Self::Administrator { .. } | Self::Engine => None,
        }
    }
}
