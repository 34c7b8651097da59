//! Refusals: facts the user must know, never faults of ours.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::{CallRank, PostNumber};

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
