//! What everybody may see of an amphi, and what changed in it.
//!
//! Pseudonyms and ranks only: who an intern is, administrators are told elsewhere. A [`Change`]
//! carries results, not causes to be interpreted: overlaid on the [`Snapshot`] before it, it gives
//! the snapshot after it. That is a property of the tests, so a client needs none of our rules.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::amphi::{Amphi, GRACE, HeldChoice, Standing, Status, Turn};
use crate::event::Event;
use crate::identity::{AmphiId, CallRank, PostNumber};
use crate::opening::OpeningRange;
use crate::policies::Policies;
use crate::setup::{Period, Post};
use crate::time::{Millis, Timestamp};
use crate::wishes::Round;

/// Everything public about an amphi at one `seq` of its journal. Instants: UTC, ms since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// Which amphi.
    pub amphi: AmphiId,
    /// Its title.
    pub title: String,
    /// The semester chosen for.
    pub period: Period,
    /// IANA time zone in which its hours are to be shown.
    pub time_zone: String,
    /// When turns may open; the last range has no end.
    pub opening: Vec<OpeningRange>,
    /// How long a turn may last before extra time, in ms.
    pub turn_duration: Millis,
    /// How long after its deadline a turn closes, in ms.
    pub grace: Millis,
    /// What the session is for.
    #[serde(default)]
    pub round: Round,
    /// What this amphi decides where agencies differ (3.6).
    #[serde(default)]
    pub policies: Policies,
    /// One per rank, in call order.
    pub participants: Vec<ParticipantView>,
    /// One per post, by number.
    pub posts: Vec<PostView>,
    /// What moves.
    #[serde(flatten)]
    pub now: Progress,
}

/// What moves at nearly every change; always sent whole, so that it needs no patching.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// How far the amphi has come.
    #[serde(flatten)]
    pub status: Status,
    /// The turn in progress.
    pub turn: Option<Turn>,
    /// Next rank to be called; beyond the list when everybody has been.
    pub next_rank: CallRank,
    /// How far the turn in progress began behind its plan, in ms (A6).
    pub delay: Millis,
    /// Share of the allowed time that turns use here, in thousandths (A7).
    pub pace_permille: u32,
    /// Late choices waiting for the open turn to end (3.3).
    pub held: Vec<HeldChoice>,
    /// Instant of the last event.
    pub at: Timestamp,
}

/// One participant as everybody sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ParticipantView {
    /// Call rank.
    pub rank: CallRank,
    /// Pseudonym.
    pub pseudonym: String,
    /// Planned passage time; `None` before publication.
    pub planned_at: Option<Timestamp>,
    /// How long their turn may last, in ms.
    pub turn_duration: Millis,
    /// Where they stand.
    #[serde(flatten)]
    pub standing: Standing,
}

/// One post as everybody sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PostView {
    /// Number in this amphi.
    pub number: PostNumber,
    /// What it is.
    #[serde(flatten)]
    pub post: Post,
    /// Seats left.
    pub seats_left: u16,
}

/// What one command changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Participants whose standing changed, by rank.
    pub participants: Vec<StandingChange>,
    /// Posts whose seats changed, by number.
    pub posts: Vec<SeatsChange>,
    /// Whose choices were undone; each is told why apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undone: Vec<CallRank>,
    /// Held choices that came to nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_refused: Vec<CallRank>,
    /// What moves, whole.
    #[serde(flatten)]
    pub now: Progress,
}

/// The new standing of one participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StandingChange {
    /// Whose.
    pub rank: CallRank,
    /// What.
    #[serde(flatten)]
    pub standing: Standing,
}

/// The new number of free seats of one post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeatsChange {
    /// Which.
    pub number: PostNumber,
    /// How many.
    pub seats_left: u16,
}

impl Amphi {
    /// Everything public about this amphi; `None` until it has been drafted.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let setup = self.setup.as_ref()?;
        let participants = setup.participants.iter().enumerate().map(|(index, participant)| {
            let rank = CallRank::from_index(index);
            ParticipantView {
                rank,
                pseudonym: participant.pseudonym.clone(),
                planned_at: self.planned_at.get(index).copied(),
                turn_duration: setup.turn_duration_of(rank),
                standing: self.standings[index],
            }
        });
        let posts = setup.posts.iter().enumerate().map(|(index, post)| PostView {
            number: PostNumber::from_index(index),
            post: post.clone(),
            seats_left: self.seats_left[index],
        });
        Some(Snapshot {
            amphi: self.id,
            title: setup.title.clone(),
            period: setup.period,
            time_zone: setup.time_zone.clone(),
            opening: setup.opening.ranges().to_vec(),
            turn_duration: setup.turn_duration,
            grace: GRACE,
            round: setup.round,
            policies: setup.policies.clone(),
            participants: participants.collect(),
            posts: posts.collect(),
            now: self.progress(),
        })
    }

    /// What moves at nearly every change.
    pub fn progress(&self) -> Progress {
        Progress {
            status: self.status.clone(),
            turn: self.turn.clone(),
            next_rank: self.next_rank,
            delay: self.delay(),
            pace_permille: self.pace_permille(),
            held: self.held.clone(),
            at: self.last_event_at,
        }
    }

    /// What `events`, just applied, changed.
    pub fn change(&self, events: &[Event]) -> Change {
        let mut ranks = Vec::new();
        let mut posts = Vec::new();
        let mut held_refused = Vec::new();
        let mut undone = Vec::new();
        for event in events {
            match event {
                Event::TurnOpened { rank, .. }
                | Event::TurnClosed { rank, .. }
                | Event::PlacedElsewhere { rank }
                | Event::NoLongerPlacedElsewhere { rank }
                | Event::Withdrawn { rank, .. } => ranks.push(*rank),
                Event::SeatExchanged { rank, from_post, post, .. } => {
                    ranks.push(*rank);
                    posts.extend([*from_post, *post]);
                }
                Event::ChoiceAnnulled { rank, post, .. } => {
                    ranks.push(*rank);
                    posts.push(*post);
                    undone.push(*rank);
                }
                Event::Rewound { to, released, .. } => {
                    ranks.extend((to.index()..self.standings.len()).map(CallRank::from_index));
                    for seat in released {
                        ranks.push(seat.rank);
                        posts.push(seat.post);
                        undone.push(seat.rank);
                    }
                }
                Event::ChoiceCommitted { rank, post, .. } | Event::ChoiceRestored { rank, post, .. } => {
                    ranks.push(*rank);
                    posts.push(*post);
                }
                Event::HeldChoiceRefused { rank, .. } => held_refused.push(*rank),
                Event::Drafted { .. }
                | Event::Published { .. }
                | Event::Opened
                | Event::TurnSkipped { .. }
                | Event::ChoiceHeld { .. }
                | Event::HeldChoiceReleased { .. }
                | Event::TurnExtended { .. }
                | Event::SuspensionExplained { .. }
                | Event::EligibilityChecked { .. }
                | Event::Admitted { .. }
                | Event::ParticipantAdded { .. }
                | Event::ProxyGiven { .. }
                | Event::ProxyDocumentFiled { .. }
                | Event::ProxyRevoked { .. }
                | Event::WishesSet { .. }
                | Event::Suspended { .. }
                | Event::Resumed { .. }
                | Event::ServiceInterrupted { .. }
                | Event::Closed { .. }
                | Event::Annulled { .. } => {}
            }
        }
        ranks.sort_unstable();
        ranks.dedup();
        posts.sort_unstable();
        posts.dedup();
        Change {
            participants: ranks
                .into_iter()
                .map(|rank| StandingChange { rank, standing: self.standings[rank.index()] })
                .collect(),
            posts: posts
                .into_iter()
                .map(|number| SeatsChange { number, seats_left: self.seats_left[number.index()] })
                .collect(),
            undone,
            held_refused,
            now: self.progress(),
        }
    }
}

impl Snapshot {
    /// Overlays `change`; what a client does with each change it receives.
    pub fn overlay(&mut self, change: &Change) {
        for changed in &change.participants {
            self.participants[changed.rank.index()].standing = changed.standing;
        }
        for changed in &change.posts {
            self.posts[changed.number.index()].seats_left = changed.seats_left;
        }
        self.now = change.now.clone();
    }
}
