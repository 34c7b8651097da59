//! What may be asked of an amphi, and by whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::{CallRank, PostNumber};
use crate::setup::Setup;
use crate::time::Timestamp;

/// Longest reason an administrator may give, in characters: three sentences shown to everybody.
pub const REASON_CHARS_MAX: usize = 500;

/// A request to an amphi. Who may issue it stands at each; everybody else is refused
/// [`Rejection::Forbidden`](crate::Rejection::Forbidden).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Sets, or sets again, list, posts and hours while the amphi is a draft. Administrators.
    Draft(Box<Setup>),
    /// Freezes the draft and computes every planned passage time. Administrators.
    Publish,
    /// Opens the session. Administrators.
    Open,
    /// Stops the clock, with a reason shown to all (A10). Administrators.
    Suspend {
        /// Shown to everybody.
        reason: String,
    },
    /// Goes on with what was left of the turn (A10). Administrators.
    Resume,
    /// Ends the session once every turn is over; who never chose is listed. Administrators.
    Close,
    /// Ends the session without effect. Administrators.
    Annul {
        /// Shown to everybody.
        reason: String,
    },
    /// Takes a seat (A3, A4). The intern at `rank`.
    Choose {
        /// Who chooses.
        rank: CallRank,
        /// What.
        post: PostNumber,
    },
    /// Takes back a late choice that is still held. The intern at `rank`.
    ReleaseHeld {
        /// Whose held choice.
        rank: CallRank,
    },
    /// Ends one's own turn without choosing (A8). The intern at `rank`.
    Pass {
        /// Who passes.
        rank: CallRank,
    },
    /// Ends the turn in progress (A8). Administrators.
    EndTurn {
        /// Whose turn, so that a click that comes too late never ends the next one.
        rank: CallRank,
        /// Goes in the minutes.
        reason: String,
    },
    /// Takes a participant out of the session (A8). Administrators.
    Withdraw {
        /// Who.
        rank: CallRank,
        /// Goes in the minutes.
        reason: String,
    },
    /// Notes that somebody holds a placement of this period in another amphi (3.1, A8). The engine.
    NotePlacedElsewhere {
        /// Who.
        rank: CallRank,
    },
    /// Time has passed. The engine.
    Tick,
    /// The amphi was out of service since `down_since`; counts as a suspension (A10). The engine.
    Recover {
        /// Last instant at which the amphi was certainly in service.
        down_since: Timestamp,
    },
}

/// The commands that travel over the live protocol; the engine fills in who issues them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum LiveCommand {
    /// Takes a seat, at one's turn or late. Interns, for themselves.
    Choose {
        /// Number of the post.
        post: PostNumber,
    },
    /// Takes back one's late choice that is still held. Interns, for themselves.
    ReleaseHeld,
    /// Ends one's own turn without choosing. Interns, for themselves.
    Pass,
    /// Opens the session. Administrators.
    Open,
    /// Stops the clock, with a reason shown to all. Administrators.
    Suspend {
        /// 1 to 500 characters.
        reason: String,
    },
    /// Goes on with what was left of the turn. Administrators.
    Resume,
    /// Ends the session once every turn is over. Administrators.
    Close,
    /// Ends the session without effect. Administrators.
    Annul {
        /// 1 to 500 characters.
        reason: String,
    },
    /// Ends the turn in progress. Administrators.
    EndTurn {
        /// Whose turn it is.
        rank: CallRank,
        /// 1 to 500 characters.
        reason: String,
    },
    /// Takes a participant out of the session. Administrators.
    Withdraw {
        /// Who.
        rank: CallRank,
        /// 1 to 500 characters.
        reason: String,
    },
}
