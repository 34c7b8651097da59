//! What the minutes say: the facts of a session, as its journal tells them, with names beside the ranks.
//!
//! Plain data, without wording and without layout. Times are instants (UTC, ms); the amphi's zone goes
//! along, and every form of the minutes shows local times. Made by `reading.rs`, from nothing but the
//! entries and the roster: never from live state, so that whoever has the journal gets the same minutes.

use amphi_engine::core::call_list::RankBasis;
use amphi_engine::core::opening::OpeningRange;
use amphi_engine::core::{
    AdministratorId, AmphiId, CallRank, ChoiceManner, Ineligibility, Millis, Period, Policies, Post,
    PostNumber, ProxyId, Round, SafetyNet, Supernumerary, Timestamp, TurnOutcome,
};
use serde::Serialize;

use super::statistics::Statistics;

/// The minutes (*procès-verbal*) of one session.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionRecord {
    /// Which amphi.
    pub amphi: AmphiId,
    /// Its title.
    pub title: String,
    /// The semester chosen for.
    pub period: Period,
    /// IANA name of the amphi's own zone.
    pub time_zone: String,
    /// When turns could open.
    pub opening: Vec<OpeningRange>,
    /// How long a turn could last, before extra time.
    pub turn_duration: Millis,
    /// What the session was for.
    pub round: Round,
    /// What this amphi decided where agencies differ (3.6).
    pub policies: Policies,
    /// Where the session stands.
    pub state: SessionState,
    /// When it was published, opened and ended.
    pub milestones: Milestones,
    /// The administrators who acted, in the order of their first act.
    pub administrators: Vec<AdministratorId>,
    /// The call list, in call order.
    pub participants: Vec<ParticipantRecord>,
    /// The offer, in the order of its numbers.
    pub posts: Vec<Post>,
    /// Every turn that opened or was skipped, as they came.
    pub turns: Vec<TurnRecord>,
    /// Every choice that was committed, undone ones included, as they came.
    pub choices: Vec<ChoiceRecord>,
    /// Late choices that had to wait (3.3), as they came.
    pub held: Vec<HeldRecord>,
    /// Proxies, as they were given (3.4).
    pub proxies: Vec<ProxyRecord>,
    /// Every version of everybody's wishes, as they were set (3.5).
    pub wishes: Vec<WishRecord>,
    /// What the last eligibility check found (3.1).
    pub ineligible: Vec<IneligibleRecord>,
    /// Suspensions and outages, as they came.
    pub interruptions: Vec<Interruption>,
    /// What administrators did, as it came.
    pub acts: Vec<ActRecord>,
    /// Sums and means.
    pub statistics: Statistics,
    /// Where the journal stood.
    pub journal: JournalEnd,
    /// When these minutes were drawn up.
    pub generated_at: Timestamp,
}

/// Where the session stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum SessionState {
    /// Not published.
    Draft,
    /// Published, not opened.
    Published,
    /// Going on.
    Open,
    /// Stopped for a while.
    Suspended,
    /// Ended.
    Closed,
    /// Ended without effect.
    Annulled {
        /// Why.
        reason: String,
    },
}

impl SessionState {
    /// Whether nothing can happen any more, so that the minutes are final.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Closed | Self::Annulled { .. })
    }
}

/// The steps of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Milestones {
    /// List, posts and plan frozen.
    pub published_at: Option<Timestamp>,
    /// Session opened.
    pub opened_at: Option<Timestamp>,
    /// Session closed or annulled.
    pub ended_at: Option<Timestamp>,
}

/// The name of a person, from the roster; the journal holds none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonName {
    /// Family name.
    pub last_name: String,
    /// First name.
    pub first_name: String,
}

/// One line of the call list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParticipantRecord {
    /// Call rank.
    pub rank: CallRank,
    /// Who; unknown when the person was erased since, or the minutes are drawn up without names.
    pub name: Option<PersonName>,
    /// How the other participants see them.
    pub pseudonym: String,
    /// Individual extra time, in percent of the turn (A11).
    pub extra_time_percent: u16,
    /// Their right to an extra seat (3.3).
    pub supernumerary: Option<Supernumerary>,
    /// How they came to this rank.
    pub rank_basis: RankBasis,
    /// When they were added to a list that was already set, if they were.
    pub added_at: Option<Timestamp>,
    /// Convoked passage time (A1).
    pub planned_at: Option<Timestamp>,
    /// What became of them.
    pub standing: FinalStanding,
}

/// What became of a participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum FinalStanding {
    /// Holds a post: an index into [`SessionRecord::choices`].
    Placed {
        /// Which choice.
        choice: usize,
    },
    /// Holds none.
    Unplaced,
    /// Placed for this period in another amphi (A8).
    PlacedElsewhere,
    /// Taken out of the session (A8).
    Withdrawn {
        /// Why.
        reason: String,
    },
}

/// One turn: planned, opened, closed; or skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TurnRecord {
    /// Whose.
    pub rank: CallRank,
    /// Convoked passage time.
    pub planned_at: Option<Timestamp>,
    /// When it opened; `None` when it was skipped without taking time (A8).
    pub opened_at: Option<Timestamp>,
    /// Announced end, as last announced.
    pub deadline: Option<Timestamp>,
    /// When it ended, or was skipped.
    pub closed_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<TurnOutcome>,
    /// What the administrator said who ended it.
    pub reason: Option<String>,
    /// By how much it was extended (3.7).
    pub extended_by: Millis,
    /// For how long the clock stood still meanwhile (A10).
    pub stopped: Millis,
    /// Whether the session went back to before it (3.7): it was held again, or will be.
    pub rewound: bool,
}

impl TurnRecord {
    /// How far it opened behind its plan (A6).
    pub fn delay(&self) -> Option<Millis> {
        Some((self.opened_at? - self.planned_at?).at_least_zero())
    }

    /// How long the intern had the floor: from opening to closing, without the time the clock stood still.
    pub fn duration(&self) -> Option<Millis> {
        Some((self.closed_at? - self.opened_at? - self.stopped).at_least_zero())
    }
}

/// One committed choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChoiceRecord {
    /// By whom.
    pub rank: CallRank,
    /// Which post.
    pub post: PostNumber,
    /// Which of its seats, from 1.
    pub seat: Option<u16>,
    /// When in the intern's time.
    pub manner: ChoiceManner,
    /// When it was committed.
    pub at: Timestamp,
    /// Journal entry, and the hash up to it: what the receipt names.
    pub seq: u64,
    /// In lower-case hexadecimal.
    pub hash: String,
    /// Who made it.
    pub made_by: MadeBy,
    /// What the administrator said who made it.
    pub reason: Option<String>,
    /// How it was undone, when it was.
    pub undone: Option<Undoing>,
}

/// Who made a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum MadeBy {
    /// The intern.
    Intern,
    /// The holder of their proxy (A5).
    Holder {
        /// Which proxy.
        proxy: ProxyId,
    },
    /// An administrator, on their behalf or for want of a choice.
    Administrator {
        /// Who.
        id: AdministratorId,
    },
    /// Nobody at that moment: their wishes (3.5, 3.8).
    Wishes,
}

/// How a choice was undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Undoing {
    /// When.
    pub at: Timestamp,
    /// By what.
    pub how: UndoneBy,
    /// Why.
    pub reason: Option<String>,
}

/// What may undo a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UndoneBy {
    /// An administrator annulled this choice (3.7).
    Annulled,
    /// The session went back to an earlier turn (3.7).
    Rewound,
    /// The intern took another seat for it, in the final vacancy round (3.6).
    Exchanged,
    /// The whole session was annulled.
    SessionAnnulled,
}

/// A late choice that had to wait for an open turn to end (3.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldRecord {
    /// By whom.
    pub rank: CallRank,
    /// Which post.
    pub post: PostNumber,
    /// Since when.
    pub at: Timestamp,
    /// Who asked for it.
    pub made_by: MadeBy,
    /// When and how it was settled; `None` while it waits, or when it lapsed with the session.
    pub end: Option<(Timestamp, HeldEnd)>,
}

/// How a held choice ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldEnd {
    /// It was committed.
    Committed,
    /// The seat went to somebody with precedence.
    Refused,
    /// The intern took it back.
    Released,
    /// The intern chose another post instead.
    Replaced,
    /// The intern left the session, or the session went back or ended.
    Lapsed,
}

/// A proxy (*procuration*) through its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProxyRecord {
    /// Who gave it.
    pub rank: CallRank,
    /// Which; the holder's name is not in the journal.
    pub proxy: ProxyId,
    /// When.
    pub given_at: Timestamp,
    /// When the signed document was filed, and its SHA-256.
    pub document: Option<(Timestamp, String)>,
    /// When it was ended before it was used, by whom and why.
    pub ended: Option<ProxyEnd>,
}

/// The end of a proxy that was not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProxyEnd {
    /// When.
    pub at: Timestamp,
    /// The administrator; `None`: the intern.
    pub administrator: Option<AdministratorId>,
    /// What the administrator said.
    pub reason: Option<String>,
}

/// One version of somebody's wishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WishRecord {
    /// Whose.
    pub rank: CallRank,
    /// From 1.
    pub version: u32,
    /// When it was set.
    pub at: Timestamp,
    /// Journal entry: what the receipt names.
    pub seq: u64,
    /// Best first.
    pub wishes: Vec<PostNumber>,
    /// When the first one still free was to be committed by itself.
    pub safety_net: SafetyNet,
}

/// Somebody against whom the eligibility check found something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IneligibleRecord {
    /// Who.
    pub rank: CallRank,
    /// What.
    pub found: Ineligibility,
    /// When.
    pub at: Timestamp,
    /// Why they take part all the same, when an administrator admitted them.
    pub admitted: Option<String>,
}

/// A stretch during which the clock stood still (A10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interruption {
    /// Why.
    pub cause: Cause,
    /// From.
    pub from: Timestamp,
    /// Until; `None` while it lasts.
    pub until: Option<Timestamp>,
}

/// Why the clock stood still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// An administrator suspended the session.
    Suspension {
        /// Shown to everybody.
        reason: String,
    },
    /// The service was interrupted.
    Outage,
}

/// What an administrator did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActRecord {
    /// When.
    pub at: Timestamp,
    /// Journal entry.
    pub seq: u64,
    /// Who.
    pub administrator: AdministratorId,
    /// What.
    pub act: Act,
    /// Whom it touched, when it was one person.
    pub rank: Option<CallRank>,
    /// What they said.
    pub reason: Option<String>,
}

/// The acts that go in the minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Set list, posts and hours.
    Drafted,
    /// Froze them.
    Published,
    /// Opened the session.
    Opened,
    /// Stopped the clock.
    Suspended,
    /// Let it go on.
    Resumed,
    /// Said better why it was stopped.
    Explained,
    /// Gave the turn in progress more time.
    ExtendedTurn,
    /// Ended the turn in progress.
    EndedTurn,
    /// Chose on behalf of somebody (telephone).
    ChoseOnBehalf,
    /// Assigned a post to somebody who did not choose (3.3).
    Assigned,
    /// Undid one choice.
    AnnulledChoice,
    /// Went back to before a turn.
    Rewound,
    /// Added somebody to the list.
    AddedParticipant,
    /// Let somebody take part in spite of the eligibility check.
    Admitted,
    /// Filed the signed document of a proxy.
    FiledProxyDocument,
    /// Ended a proxy.
    EndedProxy,
    /// Set somebody's wishes.
    SetWishes,
    /// Took somebody out of the session.
    Withdrew,
    /// Ended the session.
    Closed,
    /// Ended it without effect.
    Annulled,
}

/// Where the journal stood when the minutes were drawn up: what binds them to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JournalEnd {
    /// Number of the last entry.
    pub seq: u64,
    /// Hash of the whole journal, in lower-case hexadecimal.
    pub hash: String,
}

impl SessionRecord {
    /// The participant at `rank`.
    pub fn participant(&self, rank: CallRank) -> Option<&ParticipantRecord> {
        self.participants.get(rank.index())
    }

    /// The post with this number.
    pub fn post(&self, number: PostNumber) -> Option<&Post> {
        self.posts.get(number.index())
    }

    /// The choice by which `participant` holds a post.
    pub fn choice_of(&self, participant: &ParticipantRecord) -> Option<&ChoiceRecord> {
        match participant.standing {
            FinalStanding::Placed { choice } => self.choices.get(choice),
            _ => None,
        }
    }

    /// The choices that stand for this post, in the order of its seats.
    pub fn holders(&self, post: PostNumber) -> Vec<&ChoiceRecord> {
        let stands = |choice: &&ChoiceRecord| choice.post == post && choice.undone.is_none();
        let mut holders: Vec<&ChoiceRecord> = self.choices.iter().filter(stands).collect();
        holders.sort_by_key(|choice| (choice.seat.is_none(), choice.seat, choice.rank));
        holders
    }

    /// The wishes of everybody as they were last set, in call order.
    pub fn last_wishes(&self) -> Vec<&WishRecord> {
        let mut last = std::collections::BTreeMap::new();
        for wishes in &self.wishes {
            last.insert(wishes.rank, wishes);
        }
        last.into_values().collect()
    }

    /// Seats of this post that nobody holds.
    pub fn seats_left(&self, number: PostNumber) -> u16 {
        let used = self.holders(number).iter().filter(|choice| choice.seat.is_some()).count();
        let opened = self.post(number).map_or(0, |post| post.seats);
        opened.saturating_sub(u16::try_from(used).unwrap_or(u16::MAX))
    }

    /// Those who hold nothing, here or elsewhere, and were not withdrawn.
    pub fn unplaced(&self) -> impl Iterator<Item = &ParticipantRecord> {
        self.participants.iter().filter(|participant| participant.standing == FinalStanding::Unplaced)
    }
}
