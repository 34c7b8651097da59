//! What has happened. Events are facts: they are journaled, replayed, and never refused.
//!
//! Their JSON is the journal's format: fields may be added with a default, never renamed or removed.

use serde::{Deserialize, Serialize};

use crate::identity::{CallRank, PostNumber};
use crate::setup::Setup;
use crate::time::Timestamp;

/// A fact of the amphi; its instant stands beside it in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// List, posts and hours were set or set again.
    Drafted {
        /// All of them.
        setup: Box<Setup>,
    },
    /// The draft was frozen.
    Published {
        /// Planned passage time of each rank (A1).
        planned_at: Vec<Timestamp>,
    },
    /// The session was opened.
    Opened,
    /// A turn opened (A6).
    TurnOpened {
        /// Whose.
        rank: CallRank,
        /// Announced end of the turn; it closes [`GRACE`](crate::GRACE) later (A9).
        deadline: Timestamp,
    },
    /// A turn ended (A8).
    TurnClosed {
        /// Whose.
        rank: CallRank,
        /// How.
        outcome: TurnOutcome,
        /// What the administrator said, when an administrator ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A turn did not take place and took no time (A8); why is known from an earlier event.
    TurnSkipped {
        /// Whose.
        rank: CallRank,
    },
    /// A seat was taken, for good.
    ChoiceCommitted {
        /// By whom.
        rank: CallRank,
        /// Which post.
        post: PostNumber,
        /// Which of its seats, from 1.
        seat: u16,
        /// When in the intern's time.
        manner: ChoiceManner,
    },
    /// A late choice of a post's last seat waits for the open turn to end (3.3).
    ChoiceHeld {
        /// By whom.
        rank: CallRank,
        /// Which post.
        post: PostNumber,
    },
    /// A held choice came to nothing: the seat went to somebody with precedence.
    HeldChoiceRefused {
        /// Whose.
        rank: CallRank,
        /// Which post.
        post: PostNumber,
    },
    /// A held choice was taken back.
    HeldChoiceReleased {
        /// Whose.
        rank: CallRank,
    },
    /// The clock stopped (A10).
    Suspended {
        /// Shown to everybody.
        reason: String,
    },
    /// The clock goes on (A10).
    Resumed {
        /// New end of the turn in progress, if there is one.
        deadline: Option<Timestamp>,
    },
    /// The amphi was out of service, which counts as a suspension (A10).
    ServiceInterrupted {
        /// Last instant at which it was certainly in service; or when a turn was due that nobody
        /// opened before a break began.
        down_since: Timestamp,
        /// New end of the turn in progress, if there is one and the clock was running.
        deadline: Option<Timestamp>,
    },
    /// Somebody holds a placement of this period in another amphi (A8).
    PlacedElsewhere {
        /// Who.
        rank: CallRank,
    },
    /// Somebody was taken out of the session (A8).
    Withdrawn {
        /// Who.
        rank: CallRank,
        /// Why.
        reason: String,
    },
    /// The session ended.
    Closed {
        /// Who never chose; nobody is assigned silently (3.3).
        unplaced: Vec<CallRank>,
    },
    /// The session ended without effect.
    Annulled {
        /// Why.
        reason: String,
    },
}

/// How a turn ended (A8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TurnOutcome {
    /// By a choice.
    Chosen,
    /// Its time ran out.
    Expired,
    /// The intern passed.
    Passed,
    /// An administrator ended it.
    EndedByAdministrator,
    /// The intern turned out to be placed elsewhere, or was withdrawn.
    NoLongerConcerned,
}

/// When in the intern's time a choice was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChoiceManner {
    /// During the turn (A3).
    InTurn,
    /// After the announced end, within the network grace (A9).
    InGrace,
    /// After the turn, among what remained (A4).
    Late,
    /// After the turn, and held until an open turn had ended (3.3).
    LateHeld,
}
