//! What has happened. Events are facts: they are journaled, replayed, and never refused.
//!
//! Their JSON is the journal's format: fields may be added with a default, never renamed or removed.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identity::{CallRank, PostNumber, ProxyId};
use crate::setup::{Participant, Setup};
use crate::time::Timestamp;
use crate::wishes::SafetyNet;

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
    /// The turn in progress was lengthened (3.7).
    TurnExtended {
        /// Whose.
        rank: CallRank,
        /// New announced end.
        deadline: Timestamp,
        /// Why.
        reason: String,
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
        /// Which of its seats, from 1; `None` for a supernumerary choice, which uses none (3.3).
        seat: Option<u16>,
        /// When in the intern's time.
        manner: ChoiceManner,
        /// What the administrator said, when an administrator chose or assigned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A seat was given back for another one, in the final vacancy round (3.6).
    SeatExchanged {
        /// By whom.
        rank: CallRank,
        /// Which post was given back.
        from_post: PostNumber,
        /// Which of its seats.
        from_seat: Option<u16>,
        /// Which post was taken.
        post: PostNumber,
        /// Which of its seats, from 1.
        seat: u16,
    },
    /// One choice was undone (3.7).
    ChoiceAnnulled {
        /// Whose.
        rank: CallRank,
        /// Which post is free again.
        post: PostNumber,
        /// Which of its seats.
        seat: Option<u16>,
        /// Why.
        reason: String,
    },
    /// The session went back to before a turn, and is suspended (3.7).
    Rewound {
        /// Whose turn is next.
        to: CallRank,
        /// The choices undone, in the order of the call list.
        released: Vec<ReleasedSeat>,
        /// Why; shown to everybody.
        reason: String,
    },
    /// A choice made before the turn gone back to, and exchanged since, stands again as it was made (3.7).
    ChoiceRestored {
        /// Whose.
        rank: CallRank,
        /// Which post is theirs again.
        post: PostNumber,
        /// Which of its seats; `None` for a supernumerary choice.
        seat: Option<u16>,
        /// When in the intern's time it was made.
        manner: ChoiceManner,
    },
    /// A late choice of a post's last seat waits for the open turn to end (3.3).
    ChoiceHeld {
        /// By whom.
        rank: CallRank,
        /// Which post.
        post: PostNumber,
        /// What the administrator said, when an administrator chose.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
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
    /// The reason of the suspension was said better.
    SuspensionExplained {
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
    /// Somebody's placement in another amphi was undone: they are concerned again.
    NoLongerPlacedElsewhere {
        /// Who.
        rank: CallRank,
    },
    /// The eligibility check found something against these, and nothing against all others (3.1).
    EligibilityChecked {
        /// Who, and what.
        found: Vec<(CallRank, Ineligibility)>,
    },
    /// Somebody takes part in spite of the eligibility check (3.1).
    Admitted {
        /// Who.
        rank: CallRank,
        /// Why.
        reason: String,
    },
    /// Somebody was added at the end of the call list (3.7).
    ParticipantAdded {
        /// Who; their rank is the next one.
        participant: Box<Participant>,
        /// Their planned passage time, once the amphi is published and has turns.
        planned_at: Option<Timestamp>,
        /// Why.
        reason: String,
    },
    /// Somebody is represented from now on (A5).
    ProxyGiven {
        /// Who.
        rank: CallRank,
        /// By which proxy.
        proxy: ProxyId,
    },
    /// The signed document of a proxy was filed (3.4).
    ProxyDocumentFiled {
        /// Who gave the proxy.
        rank: CallRank,
        /// Which proxy.
        proxy: ProxyId,
        /// SHA-256 of the document.
        document: Digest,
    },
    /// A proxy ended before it was used (3.4).
    ProxyRevoked {
        /// Who gave it.
        rank: CallRank,
        /// Which.
        proxy: ProxyId,
        /// What the administrator said, when an administrator ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Wishes were set (3.5).
    WishesSet {
        /// Whose.
        rank: CallRank,
        /// From 1, one more each time.
        version: u32,
        /// Best first.
        wishes: Vec<PostNumber>,
        /// When the first one still free is committed by itself.
        safety_net: SafetyNet,
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
    /// Its time ran out, and a wish was committed (3.5).
    SafetyNet,
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
    /// By the safety net, when the turn had expired (3.5).
    SafetyNet,
    /// In exchange for another seat, in the final vacancy round (3.6).
    Exchanged,
    /// By an administrator, to somebody who did not choose (3.3).
    Assigned,
    /// By the wishes of everybody, when the round was closed (3.8).
    ByWishes,
}

/// A seat that a rewind freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedSeat {
    /// Whose choice was undone.
    pub rank: CallRank,
    /// Which post.
    pub post: PostNumber,
    /// Which of its seats; `None` for a supernumerary choice.
    pub seat: Option<u16>,
}

/// What the eligibility check may find against somebody (3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ineligibility {
    /// Their account is not validated.
    NotValidated,
    /// Their account is blocked.
    Blocked,
    /// They are no longer in training.
    TrainingEnded,
}

/// SHA-256 of a document, written in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("a digest is 64 hexadecimal digits");
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| "a digest is 64 hexadecimal digits")?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| "a digest is 64 hexadecimal digits")?;
        }
        Ok(Self(bytes))
    }
}
