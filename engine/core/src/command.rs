//! What may be asked of an amphi, and by whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Digest, Ineligibility};
use crate::identity::{CallRank, PostNumber, ProxyId};
use crate::setup::{Participant, Setup};
use crate::time::{Millis, Timestamp};
use crate::wishes::SafetyNet;

/// Longest reason an administrator may give, in characters: three sentences shown to everybody.
pub const REASON_CHARS_MAX: usize = 500;

/// A request to an amphi. Who may issue it stands at each; everybody else is refused
/// [`Rejection::Forbidden`](crate::Rejection::Forbidden).
///
/// Where a reason is asked for, it has 1 to [`REASON_CHARS_MAX`] characters and goes in the minutes.
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
    /// Says better why the session is suspended, when there was no time for it. Administrators.
    ExplainSuspension {
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

    /// Takes a seat (A3, A4). The intern at `rank`, or the holder of their proxy (A5).
    Choose {
        /// Who chooses.
        rank: CallRank,
        /// What.
        post: PostNumber,
        /// Without using a seat, by the right to an extra one (3.3).
        supernumerary: bool,
    },
    /// Exchanges one's seat for a free one in the final vacancy round (3.6). The intern at `rank`: a proxy
    /// ends with the choice.
    Exchange {
        /// Who.
        rank: CallRank,
        /// For what.
        post: PostNumber,
    },
    /// Takes back a late choice that is still held. The intern at `rank`, or the holder of their proxy.
    ReleaseHeld {
        /// Whose held choice.
        rank: CallRank,
    },
    /// Ends one's own turn without choosing (A8). The intern at `rank`, or the holder of their proxy.
    Pass {
        /// Who passes.
        rank: CallRank,
    },
    /// Sets one's wishes, and when they are committed by themselves (3.5). The intern at `rank`, or the
    /// holder of their proxy.
    SetWishes {
        /// Whose.
        rank: CallRank,
        /// Best first; empty to take them back.
        wishes: Vec<PostNumber>,
        /// When the first one still free is committed.
        safety_net: SafetyNet,
    },

    /// Has somebody act in one's place (A5). The intern at `rank`.
    GiveProxy {
        /// Who gives it.
        rank: CallRank,
        /// The new proxy.
        proxy: ProxyId,
    },
    /// Files the signed document of a proxy (3.4). Its holder.
    FileProxyDocument {
        /// Who gave the proxy.
        rank: CallRank,
        /// SHA-256 of the document.
        document: Digest,
    },
    /// Takes one's proxy back, before one's turn opens (3.4). The intern at `rank`.
    RevokeProxy {
        /// Whose.
        rank: CallRank,
    },
    /// Ends a proxy at any time before the choice (3.4). Administrators.
    RevertProxy {
        /// Whose.
        rank: CallRank,
        /// Why.
        reason: String,
    },

    /// Ends the turn in progress (A8). Administrators.
    EndTurn {
        /// Whose turn, so that a click that comes too late never ends the next one.
        rank: CallRank,
        /// Why.
        reason: String,
    },
    /// Lengthens the turn in progress by one of the policy's steps (3.6, 3.7). Administrators.
    Extend {
        /// Whose turn.
        rank: CallRank,
        /// By how much.
        by: Millis,
        /// Why.
        reason: String,
    },
    /// Chooses for somebody who cannot, by telephone (3.7). Administrators.
    ChooseFor {
        /// Who chooses.
        rank: CallRank,
        /// What.
        post: PostNumber,
        /// Without using a seat.
        supernumerary: bool,
        /// Why, and how the intern said so.
        reason: String,
    },
    /// Takes a participant out of the session (A8). Administrators.
    Withdraw {
        /// Who.
        rank: CallRank,
        /// Why.
        reason: String,
    },
    /// Adds somebody at the end of the call list (3.7). Administrators.
    Add {
        /// Who.
        participant: Box<Participant>,
        /// Why.
        reason: String,
    },
    /// Undoes one choice; the intern may choose again (3.7). Administrators.
    AnnulChoice {
        /// Whose.
        rank: CallRank,
        /// Why.
        reason: String,
    },
    /// Goes back to before the turn of a rank: every choice made since is undone, and the session is
    /// suspended with the reason (3.7). Administrators.
    Rewind {
        /// Whose turn is next.
        to: CallRank,
        /// Why; shown to everybody.
        reason: String,
    },
    /// Assigns a seat to somebody who did not choose, once every turn is over (3.3). Administrators.
    Assign {
        /// To whom.
        rank: CallRank,
        /// What.
        post: PostNumber,
        /// Why.
        reason: String,
    },
    /// Lets somebody take part in spite of what the eligibility check found (3.1). Administrators.
    Admit {
        /// Who.
        rank: CallRank,
        /// Why.
        reason: String,
    },

    /// Notes who is not eligible, and that nobody else is (3.1). The engine, before a session opens.
    NoteIneligible {
        /// Who, and why; everybody else is.
        found: Vec<(CallRank, Ineligibility)>,
    },
    /// Notes that somebody holds a placement of this period in another amphi (3.1, A8). The engine.
    NotePlacedElsewhere {
        /// Who.
        rank: CallRank,
    },
    /// Notes that somebody's placement in another amphi was undone. The engine.
    NoteNoLongerPlacedElsewhere {
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
///
/// *Acting*: the intern of the connection, or the holder of their proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum LiveCommand {
    /// Takes a seat, at one's turn or late. Acting.
    Choose {
        /// Number of the post.
        post: PostNumber,
        /// Without using a seat, by the right to an extra one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        supernumerary: bool,
    },
    /// Exchanges one's seat for a free one in the final vacancy round. Interns, not holders.
    Exchange {
        /// Number of the post.
        post: PostNumber,
    },
    /// Takes back one's late choice that is still held. Acting.
    ReleaseHeld,
    /// Ends one's own turn without choosing. Acting.
    Pass,
    /// Sets one's wishes. Acting.
    SetWishes {
        /// Best first, none twice; empty to take them back.
        wishes: Vec<PostNumber>,
        /// When the first one still free is committed by itself.
        #[serde(default)]
        safety_net: SafetyNet,
    },
    /// Takes one's proxy back, before one's turn opens. Interns, not holders.
    RevokeProxy,
    /// Opens the session. Administrators.
    Open,
    /// Stops the clock, with a reason shown to all. Administrators.
    Suspend {
        /// 1 to 500 characters.
        reason: String,
    },
    /// Says better why the session is suspended. Administrators.
    ExplainSuspension {
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
    /// Lengthens the turn in progress. Administrators.
    Extend {
        /// Whose turn it is.
        rank: CallRank,
        /// By one of the policy's steps, in ms.
        by: Millis,
        /// 1 to 500 characters.
        reason: String,
    },
    /// Chooses for somebody who cannot. Administrators.
    ChooseFor {
        /// Who chooses.
        rank: CallRank,
        /// Number of the post.
        post: PostNumber,
        /// Without using a seat.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        supernumerary: bool,
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
    /// Undoes one choice. Administrators.
    AnnulChoice {
        /// Whose.
        rank: CallRank,
        /// 1 to 500 characters.
        reason: String,
    },
    /// Goes back to before the turn of a rank, and suspends. Administrators.
    Rewind {
        /// Whose turn is next.
        to: CallRank,
        /// 1 to 500 characters; shown to everybody.
        reason: String,
    },
    /// Assigns a seat to somebody who did not choose. Administrators.
    Assign {
        /// To whom.
        rank: CallRank,
        /// Number of the post.
        post: PostNumber,
        /// 1 to 500 characters.
        reason: String,
    },
    /// Ends a proxy. Administrators.
    RevertProxy {
        /// Whose.
        rank: CallRank,
        /// 1 to 500 characters.
        reason: String,
    },
    /// Lets somebody take part in spite of the eligibility check. Administrators.
    Admit {
        /// Who.
        rank: CallRank,
        /// 1 to 500 characters.
        reason: String,
    },
}
