//! Refusals: facts the user must know, never faults of ours.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::{CallRank, PostNumber};
use crate::time::Millis;

/// Why a command was refused. The code is stable; the portal says it in the user's language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Rejection {
    /// The one who asks has no right to.
    #[error("not allowed")]
    Forbidden,
    /// The amphi is not published yet.
    #[error("the amphi is not published yet")]
    NotPublished,
    /// The amphi is already published: list and posts are frozen.
    #[error("the amphi is published; its list and posts are frozen")]
    AlreadyPublished,
    /// The session is not open yet.
    #[error("the session is not open yet")]
    NotOpen,
    /// The session is already open.
    #[error("the session is already open")]
    AlreadyOpen,
    /// The session is suspended.
    #[error("the session is suspended")]
    Suspended,
    /// The session is not suspended.
    #[error("the session is not suspended")]
    NotSuspended,
    /// The session is closed or annulled.
    #[error("the session is over")]
    Over,
    /// Turns remain, so the session cannot be closed.
    #[error("{remaining} interns have still to pass")]
    TurnsRemain {
        /// How many.
        remaining: u16,
    },
    /// The turn of this intern has not come.
    #[error("it is not your turn yet")]
    NotYourTurn,
    /// No turn of this rank is in progress.
    #[error("the turn of rank {rank} is not in progress")]
    TurnNotInProgress {
        /// Whose turn was meant.
        rank: CallRank,
    },
    /// This intern already holds a seat here.
    #[error("you already hold post {post}")]
    AlreadyChosen {
        /// Which.
        post: PostNumber,
    },
    /// This intern already holds a placement of the period in another amphi.
    #[error("you already hold a placement for this period in another amphi")]
    PlacedElsewhere,
    /// This intern was withdrawn from the session.
    #[error("you have been withdrawn from this session")]
    Withdrawn,
    /// No seat of the post is left.
    #[error("post {post} has no seat left")]
    PostTaken {
        /// Which.
        post: PostNumber,
        /// Rank that took the last seat.
        by: Option<CallRank>,
    },
    /// There is no such post.
    #[error("there is no post {post}")]
    UnknownPost {
        /// Which was asked for.
        post: PostNumber,
    },
    /// There is no such rank.
    #[error("there is no rank {rank}")]
    UnknownRank {
        /// Which was asked for.
        rank: CallRank,
    },
    /// Nothing is held for this intern.
    #[error("you hold no pending choice")]
    NothingHeld,
    /// The intern is represented: from the opening of the turn on, only the holder acts (3.4).
    #[error("you are represented; only the holder of your proxy can do this")]
    ProxyActive,
    /// The proxy is no longer valid: revoked, or replaced.
    #[error("this proxy has ended")]
    ProxyEnded,
    /// A proxy is already given.
    #[error("a proxy is already given")]
    ProxyAlreadyGiven,
    /// Nobody is represented here.
    #[error("no proxy is given")]
    NoProxy,
    /// The turn has opened: a proxy can no longer be given or taken back by the intern.
    #[error("the turn has opened; an administrator can end the proxy")]
    ProxyTooLate,
    /// This amphi has no proxies.
    #[error("there are no proxies in this amphi")]
    ProxiesOff,
    /// The signed document is missing.
    #[error("the signed document has to be filed first")]
    DocumentMissing,
    /// This amphi has no safety net.
    #[error("there is no safety net in this amphi")]
    SafetyNetOff,
    /// The same post twice in a list of wishes.
    #[error("post {post} is twice in the list")]
    WishTwice {
        /// Which.
        post: PostNumber,
    },
    /// Late choices wait for the end of the last turn (3.6).
    #[error("late choices are taken once the last turn is over")]
    LateAtEndOnly,
    /// Whoever let their turn go by cannot choose any more (3.6).
    #[error("the turn is over, and this amphi takes no late choices")]
    TurnForfeited,
    /// No right to an extra seat.
    #[error("you have no right to a supernumerary choice")]
    NotSupernumerary,
    /// Somebody else already holds the one supernumerary placement of that site and period (3.3).
    #[error("the site of post {post} already has a supernumerary intern")]
    SupernumeraryTaken {
        /// Which.
        post: PostNumber,
    },
    /// Not one of the policy's steps.
    #[error("a turn is lengthened by one of the steps announced")]
    NoSuchExtension {
        /// Those there are, in ms.
        steps: Vec<Millis>,
    },
    /// This turn has not been called, so there is nothing to go back to.
    #[error("rank {to} has not been called yet")]
    NothingToRewind {
        /// Which was asked for.
        to: CallRank,
    },
    /// Rank `rank` holds no seat here.
    #[error("rank {rank} holds no seat here")]
    NotPlaced {
        /// Whose was meant.
        rank: CallRank,
    },
    /// This amphi has no final vacancy round, or turns remain.
    #[error("seats cannot be exchanged now")]
    NoExchangeNow,
    /// The eligibility check found something: withdraw or admit these first (3.1).
    #[error("{} interns are not eligible", ranks.len())]
    Ineligible {
        /// Who.
        ranks: Vec<CallRank>,
    },
    /// Nothing was found against this intern.
    #[error("nothing was found against rank {rank}")]
    NotIneligible {
        /// Who was meant.
        rank: CallRank,
    },
    /// This intern is already on the list.
    #[error("this intern is on the list at rank {rank}")]
    AlreadyListed {
        /// Where.
        rank: CallRank,
    },
    /// The session has no turns: wishes decide (3.8).
    #[error("this round has no turns; wishes decide")]
    NoTurns,
    /// The reason is missing or too long.
    #[error("a reason of 1 to 500 characters is needed")]
    ReasonNeeded,
    /// The draft cannot be used.
    #[error("the draft cannot be used: {problem}")]
    UnusableSetup {
        /// What is wrong with it.
        problem: String,
    },
    /// This command id was already used by somebody else.
    #[error("this command id was already used by somebody else")]
    CommandIdReused,
}
