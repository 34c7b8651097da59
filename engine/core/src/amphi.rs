//! The state of one amphi. It changes only through [`Amphi::apply`](crate::Amphi::apply).

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{ChoiceManner, Digest, Ineligibility};
use crate::identity::{AmphiId, CallRank, PostNumber, ProxyId};
use crate::planted::{self, Bug};
use crate::setup::Setup;
use crate::time::{Millis, Timestamp};
use crate::wishes::WishList;

/// Network grace: a turn closes this long after its announced deadline (A9).
pub const GRACE: Millis = Millis::from_secs(2);

/// How far an amphi has come (3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    /// List and posts may still change.
    Draft,
    /// Everything is frozen; the session is not open.
    Published,
    /// Turns follow one another.
    Open,
    /// The clock is stopped (A10).
    Suspended {
        /// Shown to everybody.
        reason: String,
        /// Since when (UTC, ms).
        since: Timestamp,
    },
    /// Over.
    Closed,
    /// Over, without effect.
    Annulled {
        /// Shown to everybody.
        reason: String,
    },
}

/// Where one participant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum Standing {
    /// Their turn has not come.
    Waiting,
    /// Their turn is open.
    InTurn,
    /// Their turn ended without a choice; they may still choose (A4).
    Late {
        /// When the turn ended, or their choice was undone after it (UTC, ms).
        since: Timestamp,
        /// They ended it themselves, or an administrator did, before its time ran out.
        passed: bool,
    },
    /// They hold a seat, for good.
    Placed {
        /// Which post.
        post: PostNumber,
        /// Which of its seats, from 1; `None` for a supernumerary choice, which uses none (3.3).
        seat: Option<u16>,
        /// When (UTC, ms).
        at: Timestamp,
        /// When in their own time.
        manner: ChoiceManner,
    },
    /// They hold a placement of this period in another amphi.
    PlacedElsewhere,
    /// They were taken out of the session.
    Withdrawn,
}

impl Standing {
    /// Whether a turn of theirs is still to come.
    pub fn is_waiting(self) -> bool {
        self == Self::Waiting
    }
}

/// The turn in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Turn {
    /// Whose.
    pub rank: CallRank,
    /// When it opened (UTC, ms).
    pub opened_at: Timestamp,
    /// Announced end (UTC, ms); while the session is suspended, what it would have been.
    pub deadline: Timestamp,
    /// Time left, kept while the session is suspended (A10); `None` while the clock runs.
    pub remaining_when_suspended: Option<Millis>,
    /// How long its clock was stopped so far; left out of the pace.
    pub stopped_for: Millis,
    /// By how much it was lengthened so far (3.7).
    #[serde(default)]
    pub extended_by: Millis,
}

/// A proxy in force: from the opening of the turn on, only its holder acts (3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proxy {
    /// Which.
    pub id: ProxyId,
    /// Since when (UTC, ms).
    pub since: Timestamp,
    /// SHA-256 of its signed document, once filed.
    pub document: Option<Digest>,
}

/// A choice that was undone: those affected are told (3.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UndoneChoice {
    /// Which post it was.
    pub post: PostNumber,
    /// Why.
    pub reason: String,
    /// When it was undone (UTC, ms).
    pub at: Timestamp,
}

/// A choice given back for another one: a rewind to before the exchange leads back to it (3.6, 3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct ExchangedChoice {
    /// Its number among the choices made.
    pub(crate) number: u32,
    /// Where its intern stood by it.
    pub(crate) standing: Standing,
}

impl Turn {
    /// When it is closed: the network's grace after its announced end (A9).
    pub(crate) fn closes_at(&self) -> Timestamp {
        if planted::is(Bug::GraceLeftOut) { self.deadline } else { self.deadline + GRACE }
    }
}

/// A late choice that waits for the open turn to end (3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldChoice {
    /// Whose.
    pub rank: CallRank,
    /// Which post.
    pub post: PostNumber,
    /// Since when (UTC, ms).
    pub since: Timestamp,
}

/// Time used against time allowed, over the turns that have ended (A7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pace {
    /// Sum of the time the ended turns took.
    pub used: Millis,
    /// Sum of the time they could have taken.
    pub allowed: Millis,
}

/// One amphi, as a pure state machine: `decide` says what a command leads to, `apply` makes it so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Amphi {
    pub(crate) id: AmphiId,
    pub(crate) setup: Option<Arc<Setup>>,
    pub(crate) planned_at: Arc<[Timestamp]>,
    pub(crate) status: Status,
    /// One per rank, in call order.
    pub(crate) standings: Vec<Standing>,
    /// Seats left, one per post. Derivable from the standings; kept because every choice asks.
    pub(crate) seats_left: Vec<u16>,
    /// In order of arrival.
    pub(crate) held: Vec<HeldChoice>,
    pub(crate) turn: Option<Turn>,
    /// The next rank to be called.
    pub(crate) next_rank: CallRank,
    pub(crate) pace: Pace,
    /// One per rank: the proxy given and not revoked. It is in force until the choice; undoing the choice
    /// puts it in force again.
    pub(crate) proxies: Vec<Option<Proxy>>,
    /// One per rank.
    pub(crate) wishes: Vec<Option<WishList>>,
    /// One per rank: what the eligibility check found, until an administrator admits them.
    pub(crate) ineligible: Vec<Option<Ineligibility>>,
    /// One per rank: in spite of what they were admitted.
    pub(crate) admitted: Vec<Option<Ineligibility>>,
    /// One per rank: the last choice of theirs that was undone.
    pub(crate) undone: Vec<Option<UndoneChoice>>,
    /// Choices made so far, undone ones included: what tells before from after when instants are equal.
    pub(crate) choices_made: u32,
    /// One per rank: the number of the choice by which they hold what they hold.
    pub(crate) choice_number: Vec<u32>,
    /// One per rank: what they exchanged to come to what they hold, oldest first.
    pub(crate) exchanged: Vec<Vec<ExchangedChoice>>,
    /// One per rank: whether they had a turn and let it go by without a choice.
    pub(crate) let_go: Vec<bool>,
    /// One per rank called so far: choices made when their turn opened or was skipped.
    pub(crate) choices_when_called: Vec<u32>,
    /// Instant of the last event; time never runs backwards here.
    pub(crate) last_event_at: Timestamp,
}

impl Amphi {
    /// An amphi nothing has happened to yet.
    pub fn new(id: AmphiId) -> Self {
        Self {
            id,
            setup: None,
            planned_at: Arc::from([]),
            status: Status::Draft,
            standings: Vec::new(),
            seats_left: Vec::new(),
            held: Vec::new(),
            turn: None,
            next_rank: CallRank(1),
            pace: Pace::default(),
            proxies: Vec::new(),
            wishes: Vec::new(),
            ineligible: Vec::new(),
            admitted: Vec::new(),
            undone: Vec::new(),
            choices_made: 0,
            choice_number: Vec::new(),
            exchanged: Vec::new(),
            let_go: Vec::new(),
            choices_when_called: Vec::new(),
            last_event_at: Timestamp(i64::MIN),
        }
    }

    /// Which amphi.
    pub fn id(&self) -> AmphiId {
        self.id
    }

    /// List, posts and hours; `None` until first drafted.
    pub fn setup(&self) -> Option<&Arc<Setup>> {
        self.setup.as_ref()
    }

    /// How far it has come.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// The turn in progress.
    pub fn turn(&self) -> Option<&Turn> {
        self.turn.as_ref()
    }

    /// The next rank to be called; beyond the list once everybody has been.
    pub fn next_rank(&self) -> CallRank {
        self.next_rank
    }

    /// Planned passage times, one per rank; empty until published.
    pub fn planned_at(&self) -> &[Timestamp] {
        &self.planned_at
    }

    /// Where `rank` stands, if there is such a rank.
    pub fn standing(&self, rank: CallRank) -> Option<Standing> {
        self.standings.get(rank.index()).copied()
    }

    /// Where everybody stands, in call order.
    pub fn standings(&self) -> &[Standing] {
        &self.standings
    }

    /// Seats left, one per post.
    pub fn seats_left(&self) -> &[u16] {
        &self.seats_left
    }

    /// Late choices that wait for the open turn to end, in order of arrival.
    pub fn held(&self) -> &[HeldChoice] {
        &self.held
    }

    /// The proxy given by `rank` and not revoked, used or not.
    pub fn proxy_given(&self, rank: CallRank) -> Option<&Proxy> {
        self.proxies.get(rank.index())?.as_ref()
    }

    /// The proxy in force for `rank`: given, not revoked, and not used yet.
    pub fn proxy(&self, rank: CallRank) -> Option<&Proxy> {
        let placed = matches!(self.standing(rank)?, Standing::Placed { .. });
        let over = matches!(self.status, Status::Closed | Status::Annulled { .. });
        self.proxies.get(rank.index())?.as_ref().filter(|_| !placed && !over)
    }

    /// What the eligibility check found against `rank`, unless an administrator has admitted them (3.1).
    pub fn ineligibility(&self, rank: CallRank) -> Option<Ineligibility> {
        *self.ineligible.get(rank.index())?
    }

    /// The last choice of `rank` that was undone, if one was (3.7).
    pub fn undone_choice(&self, rank: CallRank) -> Option<&UndoneChoice> {
        self.undone.get(rank.index())?.as_ref()
    }

    /// Whether every turn is over: nobody is in turn or still to be called.
    pub fn turns_are_over(&self) -> bool {
        self.turn.is_none() && !self.standings.iter().any(|standing| standing.is_waiting())
    }

    /// Instant of the last event.
    pub fn last_event_at(&self) -> Timestamp {
        self.last_event_at
    }

    /// How far the turn in progress began behind its plan (A6); zero between turns.
    pub fn delay(&self) -> Millis {
        let behind = |turn: &Turn| (turn.opened_at - self.planned_at[turn.rank.index()]).at_least_zero();
        self.turn.as_ref().map_or(Millis::ZERO, behind)
    }

    /// When the turn of the next rank is due to open: not before its plan, not in a break (A6).
    /// `None` while a turn is open or when nobody is left to call.
    pub(crate) fn next_turn_due(&self) -> Option<Timestamp> {
        if self.turn.is_some() {
            return None;
        }
        let mut callable = self.callable_from(self.next_rank)?;
        if planted::is(Bug::CalledTooEarly) {
            callable = self.planned_at[0];
        }
        let setup = self.setup.as_ref()?;
        Some(setup.opening.first_open_from(callable.max(self.last_event_at)))
    }

    /// Before when the turn of `rank` never opens: its plan; the beginning of the session where turns may
    /// open early (3.6).
    pub(crate) fn callable_from(&self, rank: CallRank) -> Option<Timestamp> {
        let early = self.setup.as_ref()?.policies.early_opening;
        let planned = self.planned_at.get(rank.index())?;
        Some(if early { self.planned_at[0].min(*planned) } else { *planned })
    }

    /// The next instant at which a [`Command::Tick`](crate::Command::Tick) would change something.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        if self.status != Status::Open {
            return None;
        }
        match &self.turn {
            Some(turn) => Some(turn.closes_at()),
            None => self.next_turn_due(),
        }
    }

    /// The rank that took the last seat of `post`, if none is left: of those who hold one, whoever chose last.
    pub(crate) fn last_taker(&self, post: PostNumber) -> Option<CallRank> {
        self.standings
            .iter()
            .enumerate()
            .filter_map(|(index, standing)| match standing {
                Standing::Placed { post: taken, seat: Some(_), .. } if *taken == post => {
                    Some((self.choice_number[index], index))
                }
                _ => None,
            })
            .max()
            .map(|(_, index)| CallRank::from_index(index))
    }

    /// The lowest seat of `post` that nobody holds, if one is left.
    pub(crate) fn free_seat(&self, post: PostNumber) -> Option<u16> {
        let seats = self.setup.as_ref()?.posts.get(post.index())?.seats;
        if *self.seats_left.get(post.index())? == 0 {
            return planted::is(Bug::SeatCheckLeftOut).then_some(1);
        }
        (1..=seats).find(|seat| {
            !self.standings.iter().any(|standing| {
                matches!(standing, Standing::Placed { post: p, seat: Some(s), .. } if *p == post && s == seat)
            })
        })
    }
}
