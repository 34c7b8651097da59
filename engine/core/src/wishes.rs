//! Wish lists, and what they come to when everybody's are put together (3.5, 3.8).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::amphi::{Amphi, Standing};
use crate::identity::{CallRank, PostNumber};
use crate::time::Timestamp;

/// What a session is for; all share the lists, the posts and the wishes (3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Round {
    /// Turn by turn: the amphi itself.
    #[default]
    Live,
    /// *Vœux libres*: wishes without allocation.
    FreeWishes,
    /// *Préchoix*: wishes resolved by rank, as a rehearsal; nobody is placed.
    Rehearsal,
    /// *Choix définitif par classement de vœux*: wishes resolved by rank when the session is closed.
    ByWishes,
}

impl Round {
    /// Whether turns follow one another; the others have no clock.
    pub fn has_turns(self) -> bool {
        self == Self::Live
    }

    /// Whether somebody is placed by it; the others are rehearsals.
    pub fn places(self) -> bool {
        matches!(self, Self::Live | Self::ByWishes)
    }
}

/// When the first wish still free is committed at the end of a turn without a choice (3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SafetyNet {
    /// Never.
    #[default]
    Never,
    /// Whenever the turn expires.
    AtExpiry,
    /// When it expires and neither the intern nor their proxy holder is connected.
    IfAbsent,
}

/// The wishes of one intern, as last set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WishList {
    /// From 1, one more each time.
    pub version: u32,
    /// Best first, none twice.
    pub wishes: Vec<PostNumber>,
    /// When they are committed by themselves.
    pub safety_net: SafetyNet,
    /// When this version was set (UTC, ms).
    pub at: Timestamp,
}

impl Amphi {
    /// The wishes of `rank`, if there are any.
    pub fn wishes(&self, rank: CallRank) -> Option<&WishList> {
        self.wishes.get(rank.index())?.as_ref()
    }

    /// What the wishes come to when each rank in call order gets its first wish still free (serial
    /// dictatorship, 3.8): one entry per rank; whoever is already placed keeps their seat and is `None`
    /// here, like those whose wishes are all taken.
    pub fn resolved_wishes(&self) -> Vec<Option<PostNumber>> {
        let mut left = self.seats_left.clone();
        let resolve = |index: usize| {
            let concerned =
                matches!(self.standings[index], Standing::Waiting | Standing::InTurn | Standing::Late { .. });
            let wishes = self.wishes[index].as_ref().filter(|_| concerned)?;
            let granted = wishes.wishes.iter().copied().find(|post| left[post.index()] > 0)?;
            left[granted.index()] -= 1;
            Some(granted)
        };
        (0..self.standings.len()).map(resolve).collect()
    }
}
