//! A room's books: the state of its amphi and where the journal stands, always together.
//!
//! Pure: preparing says what would be written, committing makes it so once it has been. Replaying the
//! journal gives the same books.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use amphi_core::planted::{self, Bug};
use amphi_core::{
    Actor, Amphi, AmphiId, CallRank, Change, ChoiceManner, Command, CommandId, Event, InternId, Moment,
    PostNumber, ProxyId, Rejection, SafetyNet, Setup, Status,
};

use crate::journal::{Append, Entry, EntryError, Hash, NewAssignment, Place, Release, chained, genesis_hash};
use crate::limits::REFUSALS_REMEMBERED_MAX;
use crate::protocol::{Dossier, GivenProxy, Me, Outcome, Position, Receipt, WISHES_IN_DOSSIER, WishReceipt};

/// What one command would add to the journal.
#[derive(Debug)]
pub struct Prepared {
    actor: Actor,
    events: Vec<Event>,
    gives_back: Vec<CallRank>,
    /// Which of them is what was asked; the others are consequences, of it or of time.
    asked: usize,
    /// To be written, whole or not at all.
    pub append: Append,
}

impl Prepared {
    /// Whether the command changes nothing (a tick too early).
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Whose seats it gives back.
    pub fn gives_back(&self) -> &[CallRank] {
        &self.gives_back
    }

    /// Whether list, posts or plan change, so that changes no longer lead from before to after.
    pub fn needs_snapshot(&self) -> bool {
        self.events.iter().any(changes_the_list)
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
    /// Who is told something about themselves.
    pub told: Vec<CallRank>,
    /// Whose dossier changed.
    pub dossiers: Vec<CallRank>,
    /// Proxies that ended: their holders may not stay.
    pub ended_proxies: Vec<ProxyId>,
}

/// Whether `event` changes list, posts or plan.
pub(crate) fn changes_the_list(event: &Event) -> bool {
    matches!(event, Event::Drafted { .. } | Event::Published { .. } | Event::ParticipantAdded { .. })
}

/// The state of an amphi and its place in the journal.
#[derive(Debug)]
pub struct Ledger {
    amphi: Amphi,
    epoch: u64,
    seq: u64,
    hash: Hash,
    receipts: BTreeMap<CallRank, Receipt>,
    wishes: BTreeMap<CallRank, WishReceipt>,
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
            wishes: BTreeMap::new(),
            outcomes: HashMap::new(),
            refusals: HashMap::new(),
            refusals_by_age: VecDeque::new(),
        };
        for entry in entries {
            let event = entry.read_event()?;
            ledger.enter(entry, &event);
            if let Some(command_id) = entry.command_id.filter(|_| !planted::is(Bug::CommandIdsForgotten)) {
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

    /// Who is bound by a placement here.
    pub fn placed(&self) -> BTreeSet<InternId> {
        let bound = !matches!(self.amphi.status(), Status::Annulled { .. });
        let participants = self.amphi.setup().filter(|_| bound).map(|setup| &setup.participants);
        let intern = |rank: &CallRank| participants?.get(rank.index()).map(|participant| participant.intern);
        self.receipts.keys().filter_map(intern).collect()
    }

    /// What the intern at `rank` is told about themselves.
    pub fn me(&self, rank: CallRank) -> Option<Me> {
        let participant = self.amphi.setup()?.participants.get(rank.index())?;
        Some(Me {
            rank,
            pseudonym: participant.pseudonym.clone(),
            rank_basis: participant.rank_basis.clone(),
            extra_time_percent: participant.extra_time_percent,
            supernumerary: participant.supernumerary,
            receipt: self.receipts.get(&rank).cloned(),
            proxy: self.given_proxy(rank),
            wishes: self.wishes.get(&rank).cloned(),
            undone: self.amphi.undone_choice(rank).cloned(),
        })
    }

    /// What administrators are told of the intern at `rank`.
    pub fn dossier(&self, rank: CallRank) -> Option<Dossier> {
        let participant = self.amphi.setup()?.participants.get(rank.index())?;
        let wishes = self.amphi.wishes(rank);
        Some(Dossier {
            rank,
            supernumerary: participant.supernumerary,
            proxy: self.given_proxy(rank),
            first_wishes: wishes
                .map_or(&[][..], |list| &list.wishes)
                .iter()
                .copied()
                .take(WISHES_IN_DOSSIER)
                .collect(),
            safety_net: wishes.map_or(SafetyNet::Never, |list| list.safety_net),
            ineligible: self.amphi.ineligibility(rank),
            undone: self.amphi.undone_choice(rank).cloned(),
        })
    }

    /// What administrators are told of everybody.
    pub fn dossiers(&self) -> Vec<Dossier> {
        (0..self.amphi.standings().len())
            .filter_map(|index| self.dossier(CallRank::from_index(index)))
            .collect()
    }

    fn given_proxy(&self, rank: CallRank) -> Option<GivenProxy> {
        let proxy = self.amphi.proxy(rank)?;
        Some(GivenProxy { since: proxy.since, document_filed: proxy.document.is_some() })
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
        if planted::is(Bug::RefusalsForgotten) {
            return;
        }
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
        moment: Moment,
    ) -> Result<Prepared, Rejection> {
        let events = self.amphi.decide(actor, command, moment)?;
        let at = self.amphi.event_instant(moment.at);
        let asked = asked_for(command, &events);
        let naming = command_id.map(|id| (id, asked));
        let entries = chained(self.hash, self.seq, self.epoch, naming, at, actor, &events);
        let drafted = events.iter().find_map(|event| match event {
            Event::Drafted { setup } => Some(setup.as_ref()),
            _ => None,
        });
        let freed = entries.iter().zip(&events).flat_map(|(entry, event)| {
            let ranks = self.freed_by(event).into_iter();
            ranks.map(|rank| (entry.seq, rank)).collect::<Vec<_>>()
        });
        let freed: Vec<(u64, CallRank)> = freed.collect();
        let releases = self.releases(&freed);
        let gives_back = freed.into_iter().map(|(_, rank)| rank).collect();
        let assignments = match drafted.or(self.amphi.setup().map(AsRef::as_ref)) {
            Some(setup) => assignments(setup, &entries, &events),
            None => Vec::new(),
        };
        let append = Append { amphi: self.amphi.id(), epoch: self.epoch, entries, releases, assignments };
        Ok(Prepared { actor, events, asked, gives_back, append })
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
        let asked = prepared.asked;
        let outcome = match (prepared.append.entries.get(asked), prepared.events.get(asked)) {
            (Some(entry), Some(event)) => {
                let outcome = self.outcome_of(entry.seq, event);
                if let Some(command_id) = entry.command_id {
                    self.outcomes.insert(command_id, (prepared.actor, outcome.clone()));
                }
                outcome
            }
            _ => Outcome::done(self.seq),
        };
        let events = &prepared.events;
        let ended_proxies = events.iter().filter_map(|event| match event {
            Event::ProxyRevoked { proxy, .. } => Some(*proxy),
            _ => None,
        });
        Ok(Committed {
            from_seq,
            change: self.amphi.change(events),
            outcome,
            told: events.iter().flat_map(concerned).collect(),
            dossiers: events.iter().flat_map(|event| self.filed(event)).collect(),
            ended_proxies: ended_proxies.collect(),
        })
    }

    /// Whose dossier `event` changes.
    fn filed(&self, event: &Event) -> Vec<CallRank> {
        match event {
            Event::EligibilityChecked { .. } => {
                (0..self.amphi.standings().len()).map(CallRank::from_index).collect()
            }
            Event::Admitted { rank, .. } => vec![*rank],
            // A choice ends a proxy, and says nothing else that everybody does not see.
            Event::ChoiceCommitted { rank, .. } if self.amphi.proxy_given(*rank).is_none() => Vec::new(),
            _ => concerned(event),
        }
    }

    /// Who is bound to no placement any more by `event`: an annulled session is without effect, although its
    /// receipts go on proving what was chosen in it.
    fn freed_by(&self, event: &Event) -> Vec<CallRank> {
        match event {
            Event::Annulled { .. } => self.receipts.keys().copied().collect(),
            _ => given_back(event),
        }
    }

    /// The seats that these ranks give back by these entries; the receipts know by which they were taken.
    fn releases(&self, freed: &[(u64, CallRank)]) -> Vec<Release> {
        let taken = |rank: &CallRank| self.receipts.get(rank).filter(|_| !planted::is(Bug::SeatNotGivenBack));
        let release =
            |(seq, rank): &(u64, CallRank)| Some(Release { choice_seq: taken(rank)?.seq, seq: *seq });
        freed.iter().filter_map(release).collect()
    }

    /// What `prepared` would change, before it has: for the bug of that name.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn foretold(&self, prepared: &Prepared) -> Change {
        let mut amphi = self.amphi.clone();
        for (entry, event) in prepared.append.entries.iter().zip(&prepared.events) {
            amphi.apply(entry.at, event);
        }
        amphi.change(&prepared.events)
    }

    fn enter(&mut self, entry: &Entry, event: &Event) {
        self.amphi.apply(entry.at, event);
        self.seq = entry.seq;
        self.hash = entry.hash;
        for rank in given_back(event) {
            self.receipts.remove(&rank);
        }
        match event {
            Event::ChoiceCommitted { rank, post, seat, manner, .. }
            | Event::ChoiceRestored { rank, post, seat, manner } => {
                self.give_receipt(entry, *rank, *post, *seat, *manner);
            }
            Event::SeatExchanged { rank, post, seat, .. } => {
                self.give_receipt(entry, *rank, *post, Some(*seat), ChoiceManner::Exchanged);
            }
            Event::WishesSet { rank, version, wishes, safety_net } => {
                let receipt = WishReceipt {
                    amphi: self.amphi.id(),
                    rank: *rank,
                    version: *version,
                    wishes: wishes.clone(),
                    safety_net: *safety_net,
                    at: entry.at,
                    seq: entry.seq,
                    hash: entry.hash.to_string(),
                };
                self.wishes.insert(*rank, receipt);
            }
            _ => {}
        }
    }

    fn give_receipt(
        &mut self,
        entry: &Entry,
        rank: CallRank,
        post: PostNumber,
        seat: Option<u16>,
        manner: ChoiceManner,
    ) {
        let Some(setup) = self.amphi.setup() else { return };
        let chosen = &setup.posts[post.index()];
        let receipt = Receipt {
            amphi: self.amphi.id(),
            title: setup.title.clone(),
            period: setup.period,
            rank,
            post,
            imotep: chosen.imotep.clone(),
            establishment: chosen.establishment.clone(),
            service: chosen.service.clone(),
            seat,
            manner,
            at: entry.at,
            seq: entry.seq + u64::from(planted::is(Bug::ReceiptOfAnotherEntry)),
            hash: entry.hash.to_string(),
        };
        self.receipts.insert(rank, receipt);
    }

    /// The outcome of a command of which `event` is what was asked.
    fn outcome_of(&self, seq: u64, event: &Event) -> Outcome {
        match event {
            Event::ChoiceHeld { post, .. } => Outcome::Held { seq, post: *post },
            Event::ChoiceCommitted { rank, .. } | Event::SeatExchanged { rank, .. } => {
                Outcome::Done { seq, receipt: self.receipts.get(rank).cloned().map(Box::new), wishes: None }
            }
            Event::WishesSet { rank, .. } => {
                Outcome::Done { seq, receipt: None, wishes: self.wishes.get(rank).cloned().map(Box::new) }
            }
            _ => Outcome::done(seq),
        }
    }
}

/// Whose choices `event` undoes, or exchanges.
fn given_back(event: &Event) -> Vec<CallRank> {
    match event {
        Event::ChoiceAnnulled { rank, .. } | Event::SeatExchanged { rank, .. } => vec![*rank],
        Event::Rewound { released, .. } => released.iter().map(|seat| seat.rank).collect(),
        _ => Vec::new(),
    }
}

/// Who is told something about themselves by `event`.
fn concerned(event: &Event) -> Vec<CallRank> {
    match event {
        Event::ChoiceCommitted { rank, .. }
        | Event::ChoiceRestored { rank, .. }
        | Event::ProxyGiven { rank, .. }
        | Event::ProxyDocumentFiled { rank, .. }
        | Event::ProxyRevoked { rank, .. }
        | Event::WishesSet { rank, .. } => vec![*rank],
        _ => given_back(event),
    }
}

/// Which of the events is what `command` asked for. What time brought about at the same instant may come
/// before it, and so do the seats that closing gives.
fn asked_for(command: &Command, events: &[Event]) -> usize {
    let is_asked_for = |event: &Event| match (command, event) {
        (
            Command::Choose { rank: by, .. }
            | Command::ChooseFor { rank: by, .. }
            | Command::Assign { rank: by, .. },
            Event::ChoiceCommitted { rank, .. } | Event::ChoiceHeld { rank, .. },
        )
        | (Command::Pass { rank: by } | Command::EndTurn { rank: by, .. }, Event::TurnClosed { rank, .. }) => {
            rank == by
        }
        (
            _,
            Event::ChoiceCommitted { .. }
            | Event::ChoiceHeld { .. }
            | Event::HeldChoiceRefused { .. }
            | Event::TurnOpened { .. }
            | Event::TurnClosed { .. }
            | Event::TurnSkipped { .. }
            | Event::ServiceInterrupted { .. },
        ) => false,
        _ => true,
    };
    events.iter().position(is_asked_for).unwrap_or(0)
}

fn assignments(setup: &Setup, entries: &[Entry], events: &[Event]) -> Vec<NewAssignment> {
    let taken = |event: &Event| match event {
        Event::ChoiceCommitted { rank, post, seat, .. } | Event::ChoiceRestored { rank, post, seat, .. } => {
            Some((*rank, *post, *seat))
        }
        Event::SeatExchanged { rank, post, seat, .. } => Some((*rank, *post, Some(*seat))),
        _ => None,
    };
    let assignment = |(entry, event): (&Entry, &Event)| {
        let (rank, post, seat) = taken(event)?;
        let site = || setup.posts[post.index()].imotep.clone();
        Some(NewAssignment {
            seq: entry.seq,
            post: post.0,
            place: seat.map_or_else(|| Place::Supernumerary(site()), Place::Seat),
            period: setup.period,
            intern: setup.participants[rank.index()].intern,
        })
    };
    entries.iter().zip(events).filter_map(assignment).collect()
}
