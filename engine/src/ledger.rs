//! A room's books: the state of its amphi and where the journal stands, always together.
//!
//! Pure: preparing says what would be written, committing makes it so once it has been. Replaying the
//! journal gives the same books.

use std::collections::{BTreeMap, HashMap, VecDeque};

use amphi_core::{
    Actor, Amphi, AmphiId, CallRank, Change, Command, CommandId, Event, Rejection, Setup, Timestamp,
};

use crate::journal::{Append, Entry, EntryError, Hash, NewAssignment, chained, genesis_hash};
use crate::limits::REFUSALS_REMEMBERED_MAX;
use crate::protocol::{Me, Outcome, Position, Receipt};

/// What one command would add to the journal.
#[derive(Debug)]
pub struct Prepared {
    actor: Actor,
    events: Vec<Event>,
    /// To be written, whole or not at all.
    pub append: Append,
}

impl Prepared {
    /// Whether the command changes nothing (a tick too early).
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Whether list, posts or plan change, so that changes no longer lead from before to after.
    pub fn needs_snapshot(&self) -> bool {
        self.events.iter().any(|e| matches!(e, Event::Drafted { .. } | Event::Published { .. }))
    }
}

/// What a committed command changed.
#[derive(Debug)]
pub struct Committed {
    /// Where the journal stood before.
    pub from_seq: u64,
    /// What everybody is told.
    pub change: Change,
    /// The first outcome, for whoever asked.
    pub outcome: Outcome,
    /// Who received a receipt.
    pub receipts: Vec<CallRank>,
}

/// The state of an amphi and its place in the journal.
#[derive(Debug)]
pub struct Ledger {
    amphi: Amphi,
    epoch: u64,
    seq: u64,
    hash: Hash,
    receipts: BTreeMap<CallRank, Receipt>,
    outcomes: HashMap<CommandId, (Actor, Outcome)>,
    refusals: HashMap<CommandId, (Actor, Rejection)>,
    refusals_by_age: VecDeque<CommandId>,
}

impl Ledger {
    /// The books of an amphi whose journal holds `entries`; tells `each` what every entry changed.
    ///
    /// # Errors
    /// [`EntryError`] when an entry cannot be read.
    pub fn replay(
        id: AmphiId,
        epoch: u64,
        entries: &[Entry],
        mut each: impl FnMut(&Entry, &Event, &Amphi),
    ) -> Result<Self, EntryError> {
        let mut ledger = Self {
            amphi: Amphi::new(id),
            epoch,
            seq: 0,
            hash: genesis_hash(id),
            receipts: BTreeMap::new(),
            outcomes: HashMap::new(),
            refusals: HashMap::new(),
            refusals_by_age: VecDeque::new(),
        };
        for entry in entries {
            let event = entry.read_event()?;
            ledger.enter(entry, &event);
            if let Some(command_id) = entry.command_id {
                let outcome = ledger.outcome_of(entry.seq, &event);
                ledger.outcomes.insert(command_id, (entry.read_actor()?, outcome));
            }
            each(entry, &event, &ledger.amphi);
        }
        Ok(ledger)
    }

    /// The amphi.
    pub fn amphi(&self) -> &Amphi {
        &self.amphi
    }

    /// Where the journal stands.
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, seq: self.seq }
    }

    /// Hash of the journal up to here.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The receipt of whoever has chosen.
    pub fn receipt(&self, rank: CallRank) -> Option<&Receipt> {
        self.receipts.get(&rank)
    }

    /// What the intern at `rank` is told about themselves.
    pub fn me(&self, rank: CallRank) -> Option<Me> {
        let participant = self.amphi.setup()?.participants.get(rank.index())?;
        Some(Me {
            rank,
            pseudonym: participant.pseudonym.clone(),
            rank_basis: participant.rank_basis.clone(),
            extra_time_percent: participant.extra_time_percent,
            receipt: self.receipts.get(&rank).cloned(),
        })
    }

    /// The first outcome of a command that was seen before (P3).
    pub fn recall(&self, command_id: CommandId, actor: Actor) -> Option<Outcome> {
        let refused = |rejection| Some(Outcome::Refused { rejection });
        if let Some((first_actor, outcome)) = self.outcomes.get(&command_id) {
            return if *first_actor == actor {
                Some(outcome.clone())
            } else {
                refused(Rejection::CommandIdReused)
            };
        }
        let (first_actor, rejection) = self.refusals.get(&command_id)?;
        refused(if *first_actor == actor { rejection.clone() } else { Rejection::CommandIdReused })
    }

    /// Remembers a refusal, so that the same command gets the same answer; the oldest are forgotten.
    pub fn remember_refusal(&mut self, command_id: CommandId, actor: Actor, rejection: Rejection) {
        if self.refusals.insert(command_id, (actor, rejection)).is_none() {
            self.refusals_by_age.push_back(command_id);
        }
        if self.refusals_by_age.len() > REFUSALS_REMEMBERED_MAX
            && let Some(oldest) = self.refusals_by_age.pop_front()
        {
            self.refusals.remove(&oldest);
        }
    }

    /// Takes over the refusals of the books that these replace: the journal does not hold them.
    pub fn inherit_refusals(&mut self, before: &mut Self) {
        self.refusals = std::mem::take(&mut before.refusals);
        self.refusals_by_age = std::mem::take(&mut before.refusals_by_age);
    }

    /// What `command` would add to the journal.
    ///
    /// # Errors
    /// The refusal.
    pub fn prepare(
        &self,
        actor: Actor,
        command: &Command,
        command_id: Option<CommandId>,
        now: Timestamp,
    ) -> Result<Prepared, Rejection> {
        let events = self.amphi.decide(actor, command, now)?;
        let at = self.amphi.event_instant(now);
        let naming = command_id.map(|id| (id, naming_event(actor, &events)));
        let entries = chained(self.hash, self.seq, self.epoch, naming, at, actor, &events);
        let drafted = events.iter().find_map(|event| match event {
            Event::Drafted { setup } => Some(setup.as_ref()),
            _ => None,
        });
        let assignments = match drafted.or(self.amphi.setup().map(AsRef::as_ref)) {
            Some(setup) => assignments(setup, &entries, &events),
            None => Vec::new(),
        };
        let append = Append { amphi: self.amphi.id(), epoch: self.epoch, entries, assignments };
        Ok(Prepared { actor, events, append })
    }

    /// Makes true what has been written.
    ///
    /// # Errors
    /// A violated invariant, in words for the log: the room must stop.
    pub fn commit(&mut self, prepared: &Prepared) -> Result<Committed, String> {
        let from_seq = self.seq;
        for (entry, event) in prepared.append.entries.iter().zip(&prepared.events) {
            self.enter(entry, event);
        }
        self.amphi.check()?;
        let receipts = prepared
            .events
            .iter()
            .filter_map(|event| match event {
                Event::ChoiceCommitted { rank, .. } => Some(*rank),
                _ => None,
            })
            .collect();
        let naming = naming_event(prepared.actor, &prepared.events);
        let outcome = match (prepared.append.entries.get(naming), prepared.events.get(naming)) {
            (Some(entry), Some(event)) => {
                let outcome = self.outcome_of(entry.seq, event);
                if let Some(command_id) = entry.command_id {
                    self.outcomes.insert(command_id, (prepared.actor, outcome.clone()));
                }
                outcome
            }
            _ => Outcome::Done { seq: self.seq, receipt: None },
        };
        Ok(Committed { from_seq, change: self.amphi.change(&prepared.events), outcome, receipts })
    }

    fn enter(&mut self, entry: &Entry, event: &Event) {
        self.amphi.apply(entry.at, event);
        self.seq = entry.seq;
        self.hash = entry.hash;
        if let Event::ChoiceCommitted { rank, post, seat, manner } = event
            && let Some(setup) = self.amphi.setup()
        {
            let chosen = &setup.posts[post.index()];
            let receipt = Receipt {
                amphi: self.amphi.id(),
                title: setup.title.clone(),
                period: setup.period,
                rank: *rank,
                post: *post,
                imotep: chosen.imotep.clone(),
                establishment: chosen.establishment.clone(),
                service: chosen.service.clone(),
                seat: *seat,
                manner: *manner,
                at: entry.at,
                seq: entry.seq,
                hash: entry.hash.to_string(),
            };
            self.receipts.insert(*rank, receipt);
        }
    }

    /// The outcome of a command of which `event` is what was asked.
    fn outcome_of(&self, seq: u64, event: &Event) -> Outcome {
        match event {
            Event::ChoiceHeld { post, .. } => Outcome::Held { seq, post: *post },
            Event::ChoiceCommitted { rank, .. } => {
                Outcome::Done { seq, receipt: self.receipts.get(rank).cloned() }
            }
            _ => Outcome::Done { seq, receipt: None },
        }
    }
}

/// Which of the events is what `actor` asked for: their choice, if there is one, else the first. Turns
/// that were due at the same instant may come before it.
fn naming_event(actor: Actor, events: &[Event]) -> usize {
    let own_choice = |event: &Event| match (actor, event) {
        (
            Actor::Intern { rank: own },
            Event::ChoiceCommitted { rank, .. } | Event::ChoiceHeld { rank, .. },
        ) => own == *rank,
        _ => false,
    };
    events.iter().position(own_choice).unwrap_or(0)
}

fn assignments(setup: &Setup, entries: &[Entry], events: &[Event]) -> Vec<NewAssignment> {
    entries
        .iter()
        .zip(events)
        .filter_map(|(entry, event)| match event {
            Event::ChoiceCommitted { rank, post, seat, .. } => Some(NewAssignment {
                seq: entry.seq,
                post: post.0,
                seat: *seat,
                period: setup.period,
                intern: setup.participants[rank.index()].intern,
            }),
            _ => None,
        })
        .collect()
}
