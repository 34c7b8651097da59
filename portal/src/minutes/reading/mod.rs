//! From the entries of a journal to the record of the session.
//!
//! Every kind of event is named here, without a catch-all: a new one does not compile until somebody has
//! decided what the minutes say of it. Refusals are not in the journal, and so not in the minutes.

mod choices;
mod people;
mod running;

use std::collections::BTreeMap;

use amphi_engine::core::{Actor, AdministratorId, AmphiId, CallRank, Event, Setup, Timestamp};
use amphi_engine::journal::{Entry, EntryError, genesis_hash};

use super::record::{
    Act, ActRecord, ChoiceRecord, HeldEnd, HeldRecord, IneligibleRecord, Interruption, JournalEnd, MadeBy,
    Milestones, PersonName, ProxyRecord, SessionRecord, SessionState, TurnRecord, WishRecord,
};
use super::statistics::Statistics;

/// Who stands at which rank; ranks without a name are shown by their pseudonym.
pub type Names = BTreeMap<CallRank, PersonName>;

/// Why there are no minutes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The journal holds no list yet.
    #[error("this amphi has no list yet")]
    NothingDrafted,
    /// An entry cannot be read, or does not follow from those before.
    #[error(transparent)]
    Damaged(#[from] EntryError),
}

impl SessionRecord {
    /// The record of `amphi`, whose whole journal `entries` is, with its chain checked before
    /// (`Journal::load` does).
    ///
    /// # Errors
    /// [`RecordError`]
    pub fn read(
        amphi: AmphiId,
        entries: &[Entry],
        names: &Names,
        generated_at: Timestamp,
    ) -> Result<Self, RecordError> {
        let mut reading = Reading::default();
        for entry in entries {
            let event = entry.read_event()?;
            let fact = Fact { entry, at: entry.at, actor: entry.read_actor()? };
            reading.enter(&fact, &event).map_err(|problem| {
                RecordError::Damaged(EntryError::Unreadable(entry.seq, problem.to_owned()))
            })?;
        }
        let end = entries.last().map_or_else(
            || JournalEnd { seq: 0, hash: genesis_hash(amphi).to_string() },
            |entry| JournalEnd { seq: entry.seq, hash: entry.hash.to_string() },
        );
        reading.into_record(amphi, names, end, generated_at).ok_or(RecordError::NothingDrafted)
    }
}

/// What an entry says that does not follow from those before it.
type Read = Result<(), &'static str>;

/// What was read so far.
#[derive(Default)]
struct Reading {
    setup: Option<Setup>,
    state: Option<SessionState>,
    milestones: Milestones,
    planned_at: Vec<Timestamp>,
    added_at: BTreeMap<CallRank, Timestamp>,
    elsewhere: Vec<CallRank>,
    withdrawn: BTreeMap<CallRank, String>,
    turns: Vec<TurnRecord>,
    choices: Vec<ChoiceRecord>,
    held: Vec<HeldRecord>,
    proxies: Vec<ProxyRecord>,
    wishes: Vec<WishRecord>,
    ineligible: Vec<IneligibleRecord>,
    interruptions: Vec<Interruption>,
    acts: Vec<ActRecord>,
}

/// What stands beside an event.
struct Fact<'a> {
    entry: &'a Entry,
    at: Timestamp,
    actor: Actor,
}

impl Fact<'_> {
    fn administrator(&self) -> Option<AdministratorId> {
        match self.actor {
            Actor::Administrator { id } => Some(id),
            Actor::Intern { .. } | Actor::Holder { .. } | Actor::Engine => None,
        }
    }

    fn made_by(&self) -> MadeBy {
        match self.actor {
            Actor::Intern { .. } => MadeBy::Intern,
            Actor::Holder { proxy, .. } => MadeBy::Holder { proxy },
            Actor::Administrator { id } => MadeBy::Administrator { id },
            Actor::Engine => MadeBy::Wishes,
        }
    }
}

impl Reading {
    fn enter(&mut self, fact: &Fact<'_>, event: &Event) -> Read {
        match event {
            Event::Drafted { setup } => self.drafted(fact, setup),
            Event::Published { planned_at } => self.published(fact, planned_at),
            Event::Opened => self.opened(fact),
            Event::TurnOpened { rank, deadline } => return self.turn_opened(fact, *rank, *deadline),
            Event::TurnExtended { rank, deadline, reason } => {
                return self.turn_extended(fact, *rank, *deadline, reason);
            }
            Event::TurnClosed { rank, outcome, reason } => {
                return self.turn_closed(fact, *rank, *outcome, reason.as_deref());
            }
            Event::TurnSkipped { rank } => self.turn_skipped(fact, *rank),
            Event::ChoiceCommitted { rank, post, seat, manner, reason } => {
                return self.committed(fact, *rank, (*post, *seat), *manner, reason.as_deref());
            }
            Event::SeatExchanged { rank, post, seat, .. } => {
                return self.exchanged(fact, *rank, *post, *seat);
            }
            Event::ChoiceAnnulled { rank, reason, .. } => return self.choice_annulled(fact, *rank, reason),
            Event::ChoiceRestored { rank, post, seat, manner } => {
                return self.restored(fact, *rank, (*post, *seat), *manner);
            }
            Event::Rewound { to, released, reason } => return self.rewound(fact, *to, released, reason),
            Event::ChoiceHeld { rank, post, reason } => {
                return self.choice_held(fact, *rank, *post, reason.as_deref());
            }
            Event::HeldChoiceRefused { rank, .. } => self.settle_held(*rank, fact.at, HeldEnd::Refused),
            Event::HeldChoiceReleased { rank } => self.settle_held(*rank, fact.at, HeldEnd::Released),
            Event::Suspended { reason } => self.suspended(fact, reason),
            Event::SuspensionExplained { reason } => self.explained(fact, reason),
            Event::Resumed { deadline } => self.resumed(fact, *deadline),
            Event::ServiceInterrupted { down_since, deadline } => {
                self.interrupted(fact, *down_since, *deadline);
            }
            Event::PlacedElsewhere { rank } => self.placed_elsewhere(fact, *rank),
            Event::NoLongerPlacedElsewhere { rank } => self.elsewhere.retain(|other| other != rank),
            Event::EligibilityChecked { found } => self.eligibility_checked(fact, found),
            Event::Admitted { rank, reason } => self.admitted(fact, *rank, reason),
            Event::ParticipantAdded { participant, planned_at, reason } => {
                return self.added(fact, participant, *planned_at, reason);
            }
            Event::ProxyGiven { rank, proxy } => self.proxy_given(fact, *rank, *proxy),
            Event::ProxyDocumentFiled { rank, proxy, document } => {
                self.proxy_document(fact, *rank, *proxy, document);
            }
            Event::ProxyRevoked { rank, proxy, reason } => {
                self.proxy_revoked(fact, *rank, *proxy, reason.as_deref());
            }
            Event::WishesSet { rank, version, wishes, safety_net } => {
                return self.wishes_set(fact, *rank, *version, wishes, *safety_net);
            }
            Event::Withdrawn { rank, reason } => self.withdrew(fact, *rank, reason),
            Event::Closed { .. } => self.closed(fact),
            Event::Annulled { reason } => self.annulled(fact, reason),
        }
        Ok(())
    }

    /// Notes an act; an event that no administrator caused is none.
    fn note(&mut self, fact: &Fact<'_>, act: Act, rank: Option<CallRank>, reason: Option<&str>) {
        if let Some(administrator) = fact.administrator() {
            self.acts.push(ActRecord {
                at: fact.at,
                seq: fact.entry.seq,
                administrator,
                act,
                rank,
                reason: reason.map(str::to_owned),
            });
        }
    }

    fn into_record(
        mut self,
        amphi: AmphiId,
        names: &Names,
        journal: JournalEnd,
        generated_at: Timestamp,
    ) -> Option<SessionRecord> {
        let setup = self.setup.take()?;
        self.count_stops(generated_at);
        let participants = self.participants(&setup, names);
        let mut administrators = Vec::new();
        for act in &self.acts {
            if !administrators.contains(&act.administrator) {
                administrators.push(act.administrator);
            }
        }
        let mut record = SessionRecord {
            amphi,
            title: setup.title,
            period: setup.period,
            time_zone: setup.time_zone,
            opening: setup.opening.ranges().to_vec(),
            turn_duration: setup.turn_duration,
            round: setup.round,
            policies: setup.policies,
            state: self.state.unwrap_or(SessionState::Draft),
            milestones: self.milestones,
            administrators,
            participants,
            posts: setup.posts,
            turns: self.turns,
            choices: self.choices,
            held: self.held,
            proxies: self.proxies,
            wishes: self.wishes,
            ineligible: self.ineligible,
            interruptions: self.interruptions,
            acts: self.acts,
            statistics: Statistics::default(),
            journal,
            generated_at,
        };
        record.statistics = Statistics::of(&record);
        Some(record)
    }
}
