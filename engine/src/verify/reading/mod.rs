//! A second, small reading of the rules, written from the specification.
//!
//! It shares no code with the core beyond the types of events: what `decide` got wrong, this must not
//! repeat. Deliberately absent: how ranks and planned times were computed, which the list itself shows.
//!
//! Here what every entry must satisfy, and who may have written it; turns, choices and people beside it.

mod choices;
mod people;
mod turns;
mod undoing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use amphi_core::setup::Setup;
use amphi_core::{
    Actor, CallRank, ChoiceManner, CommandId, Event, Ineligibility, Millis, PostNumber, ProxyId,
    ReleasedSeat, Round, SafetyNet, Timestamp, TurnOutcome,
};

use super::{Allocation, Line, Undone, WishVersion};

/// How long after its deadline a turn is closed (A9), as the specification says it.
const GRACE: Millis = Millis(2_000);

#[derive(Clone, Copy, PartialEq, Default)]
enum Phase {
    #[default]
    Draft,
    Published,
    Open,
    Suspended {
        since: Timestamp,
    },
    Closed,
    Annulled,
}

struct OpenTurn {
    rank: CallRank,
    deadline: Timestamp,
}

/// Why somebody takes no part any more.
#[derive(Clone, Copy, PartialEq)]
enum Gone {
    Withdrawn,
    PlacedElsewhere,
}

/// A choice as it was made.
#[derive(Clone, Copy)]
struct Made {
    /// By which entry.
    seq: u64,
    taken: ReleasedSeat,
    manner: ChoiceManner,
}

/// A proxy given and not revoked.
#[derive(Clone, Copy)]
struct Mandate {
    proxy: ProxyId,
    document: bool,
}

/// What has been read so far.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) entries: u64,
    pub(super) allocation: BTreeMap<CallRank, Allocation>,
    pub(super) undone: BTreeMap<u64, Undone>,
    pub(super) wish_versions: BTreeMap<u64, WishVersion>,
    epoch: u64,
    last_at: Option<Timestamp>,
    command_ids: BTreeSet<CommandId>,
    phase: Phase,
    setup: Option<Box<Setup>>,
    planned_at: Vec<Timestamp>,
    turn: Option<OpenTurn>,
    /// Entry by which each rank was called or passed over, in call order; the next one follows.
    called: Vec<u64>,
    gone: BTreeMap<CallRank, Gone>,
    ineligible: BTreeMap<CallRank, Ineligibility>,
    mandates: BTreeMap<CallRank, Mandate>,
    wishes: BTreeMap<CallRank, (u32, Vec<PostNumber>, SafetyNet)>,
    held: Vec<(CallRank, PostNumber)>,
    /// The choices of each by which they came to what they hold: the first, and each exchange since.
    made: BTreeMap<CallRank, Vec<Made>>,
    /// What a rewind has to lead back to next.
    to_restore: VecDeque<Made>,
    /// Who had a turn, and let it go by.
    let_go: BTreeSet<CallRank>,
    seats: BTreeSet<(PostNumber, u16)>,
}

type Verdict = Result<(), String>;

/// `Err(problem)` unless `holds`.
fn ensure(holds: bool, problem: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(problem()) }
}

/// Who must have written an entry.
enum Author {
    /// The intern of that rank, the holder of their proxy, or an administrator who says why.
    Chooser(CallRank),
    /// The intern of that rank, or the holder of their proxy.
    Acting(CallRank),
    /// The intern of that rank.
    Intern(CallRank),
    /// The holder of that rank's proxy.
    Holder(CallRank),
    Administrator,
    Engine,
    /// A consequence, of whatever it came with.
    Anybody,
}

impl Reading {
    pub(super) fn title(&self) -> String {
        self.setup.as_ref().map(|setup| setup.title.clone()).unwrap_or_default()
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed | Phase::Annulled)
    }

    pub(super) fn enter(&mut self, line: &Line, due: u64) -> Verdict {
        ensure(line.seq == due, || format!("l’écriture {} est à la place de l’écriture {due}", line.seq))?;
        ensure(line.epoch >= self.epoch, || "écrit par un serveur qui avait été remplacé".to_owned())?;
        ensure(self.last_at.is_none_or(|last| line.at >= last), || "le temps recule".to_owned())?;
        let fresh = line.command_id.is_none_or(|id| self.command_ids.insert(id));
        ensure(fresh, || "la même commande deux fois".to_owned())?;
        // After closing, nothing but administrative assignments (3.3), and that it is annulled (3.1).
        let afterwards = match line.payload {
            Event::ChoiceCommitted { manner, .. } => manner == ChoiceManner::Assigned,
            Event::Annulled { .. } => true,
            _ => false,
        };
        let over = self.phase == Phase::Annulled || self.phase == Phase::Closed && !afterwards;
        ensure(!over, || "quelque chose est arrivé après la fin".to_owned())?;
        let restores = matches!(line.payload, Event::ChoiceRestored { .. });
        ensure(self.to_restore.is_empty() || restores, || {
            "un choix échangé depuis ne revaut pas".to_owned()
        })?;
        (self.entries, self.epoch, self.last_at) = (due, line.epoch, Some(line.at));
        self.check_author(line)?;
        self.read(line)
    }

    fn check_author(&self, line: &Line) -> Verdict {
        let reasoned = match &line.payload {
            Event::ChoiceCommitted { reason, .. } | Event::ChoiceHeld { reason, .. } => reason.is_some(),
            _ => false,
        };
        let own = |rank: CallRank| line.actor == Actor::Intern { rank };
        let holds = |rank: CallRank| {
            matches!((line.actor, self.mandates.get(&rank)), (Actor::Holder { rank: for_rank, proxy }, Some(mandate))
                if for_rank == rank && mandate.proxy == proxy)
        };
        // From the opening of the turn on, whoever is represented no longer acts (3.4).
        let acts = |rank: CallRank| {
            let represented = self.mandates.contains_key(&rank) && self.was_called(rank);
            holds(rank) || (own(rank) && !represented)
        };
        let administrator = matches!(line.actor, Actor::Administrator { .. });
        let allowed = match author(&line.payload) {
            Author::Chooser(rank) => (acts(rank) && !reasoned) || (administrator && reasoned),
            Author::Acting(rank) => acts(rank),
            Author::Intern(rank) => own(rank),
            Author::Holder(rank) => holds(rank),
            Author::Administrator => administrator,
            Author::Engine => line.actor == Actor::Engine,
            Author::Anybody => true,
        };
        ensure(allowed, || "fait par quelqu’un qui n’en a pas le droit".to_owned())
    }

    fn read(&mut self, line: &Line) -> Verdict {
        match &line.payload {
            Event::Drafted { setup } => self.draft(setup),
            Event::Published { planned_at } => self.publish(planned_at),
            Event::Opened => self.open(),
            Event::TurnOpened { rank, deadline } => self.open_turn(line, *rank, *deadline),
            Event::TurnExtended { rank, deadline, .. } => self.extend_turn(*rank, line.at, *deadline),
            Event::TurnClosed { rank, outcome, .. } => self.close_turn(*rank, line.at, *outcome),
            Event::TurnSkipped { rank } => self.skip_turn(line, *rank),
            Event::ChoiceCommitted { rank, post, seat, manner, .. } => {
                self.choose(line, *rank, *post, *seat, *manner)
            }
            Event::SeatExchanged { rank, from_post, from_seat, post, seat } => {
                let from = ReleasedSeat { rank: *rank, post: *from_post, seat: *from_seat };
                self.exchange(line, from, *post, *seat)
            }
            Event::ChoiceAnnulled { rank, post, seat, .. } => {
                self.annul(line, ReleasedSeat { rank: *rank, post: *post, seat: *seat })
            }
            Event::ChoiceRestored { rank, post, seat, manner } => {
                self.restore(line, ReleasedSeat { rank: *rank, post: *post, seat: *seat }, *manner)
            }
            Event::Rewound { to, released, .. } => self.rewind(line, *to, released),
            Event::ChoiceHeld { rank, post, .. } => self.hold(line, *rank, *post),
            Event::HeldChoiceRefused { rank, post } => {
                self.settle_held(*rank, *post)?;
                ensure(self.free_seats(*post) == 0, || {
                    format!("le poste {post} était libre pour le rang {rank}")
                })
            }
            Event::HeldChoiceReleased { rank } => {
                let before = self.held.len();
                self.held.retain(|(held, _)| held != rank);
                ensure(self.held.len() < before, || format!("le rang {rank} n’avait rien en attente"))
            }
            Event::Suspended { .. } => {
                ensure(self.phase == Phase::Open, || {
                    "suspension d’une séance qui n’est pas ouverte".to_owned()
                })?;
                self.phase = Phase::Suspended { since: line.at };
                Ok(())
            }
            Event::SuspensionExplained { .. } => {
                let suspended = matches!(self.phase, Phase::Suspended { .. });
                ensure(suspended, || "le motif d’aucune suspension".to_owned())
            }
            Event::Resumed { deadline } => self.resume(line.at, *deadline),
            Event::ServiceInterrupted { down_since, deadline } => {
                ensure(self.phase == Phase::Open && *down_since <= line.at, || {
                    "une interruption pendant que l’horloge était arrêtée".to_owned()
                })?;
                self.restart_clock(*down_since, line.at, *deadline)
            }
            Event::PlacedElsewhere { rank } => self.leave(*rank, Gone::PlacedElsewhere),
            Event::Withdrawn { rank, .. } => self.leave(*rank, Gone::Withdrawn),
            Event::NoLongerPlacedElsewhere { rank } => {
                let was = self.gone.remove(rank) == Some(Gone::PlacedElsewhere);
                ensure(was, || format!("le rang {rank} n’était pas affecté ailleurs"))
            }
            Event::EligibilityChecked { found } => self.check_eligibility(found),
            Event::Admitted { rank, .. } => {
                let was = self.ineligible.remove(rank).is_some();
                ensure(was, || format!("rien n’avait été trouvé contre le rang {rank}"))
            }
            Event::ParticipantAdded { participant, planned_at, .. } => self.add(participant, *planned_at),
            Event::ProxyGiven { rank, proxy } => self.give_proxy(*rank, *proxy),
            Event::ProxyDocumentFiled { rank, proxy, .. } => self.file_document(*rank, *proxy),
            Event::ProxyRevoked { rank, proxy, reason } => self.end_proxy(*rank, *proxy, reason.is_some()),
            Event::WishesSet { rank, version, wishes, safety_net } => {
                self.wish(line, *rank, *version, wishes, *safety_net)
            }
            Event::Closed { unplaced } => self.close(unplaced),
            Event::Annulled { .. } => {
                self.phase = Phase::Annulled;
                self.allocation.clear();
                Ok(())
            }
        }
    }

    // --- what the rules look at -------------------------------------------------------------

    fn running(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Open or suspended.
    fn in_session(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Suspended { .. })
    }

    fn round(&self) -> Round {
        self.setup.as_ref().map(|setup| setup.round).unwrap_or_default()
    }

    fn interns(&self) -> usize {
        self.setup.as_ref().map_or(0, |setup| setup.participants.len())
    }

    fn listed(&self, rank: CallRank) -> Verdict {
        let listed = (1..=self.interns()).contains(&usize::from(rank.0));
        ensure(listed, || format!("il n’y a pas de rang {rank}"))
    }

    fn ranks(&self) -> impl Iterator<Item = CallRank> + use<> {
        (1..=self.interns()).filter_map(|rank| u16::try_from(rank).ok()).map(CallRank)
    }

    /// Called, or passed over.
    fn was_called(&self, rank: CallRank) -> bool {
        (1..=self.called.len()).contains(&usize::from(rank.0))
    }

    /// Nobody is in turn or still to be called.
    fn turns_are_over(&self) -> bool {
        let to_come = |rank: &CallRank| {
            !self.was_called(*rank) && !self.gone.contains_key(rank) && !self.allocation.contains_key(rank)
        };
        self.turn.is_none() && !self.ranks().any(|rank| to_come(&rank))
    }
}

/// Who must have written what.
fn author(event: &Event) -> Author {
    match event {
        Event::ChoiceCommitted { rank, manner, .. } => match manner {
            ChoiceManner::InTurn | ChoiceManner::InGrace | ChoiceManner::Late => Author::Chooser(*rank),
            ChoiceManner::Assigned | ChoiceManner::ByWishes => Author::Administrator,
            ChoiceManner::Exchanged => Author::Intern(*rank),
            ChoiceManner::LateHeld | ChoiceManner::SafetyNet => Author::Anybody,
        },
        Event::ChoiceHeld { rank, .. } => Author::Chooser(*rank),
        Event::HeldChoiceReleased { rank }
        | Event::WishesSet { rank, .. }
        | Event::TurnClosed { rank, outcome: TurnOutcome::Passed, .. } => Author::Acting(*rank),
        Event::SeatExchanged { rank, .. }
        | Event::ProxyGiven { rank, .. }
        | Event::ProxyRevoked { rank, reason: None, .. } => Author::Intern(*rank),
        Event::ProxyDocumentFiled { rank, .. } => Author::Holder(*rank),
        Event::Drafted { .. }
        | Event::Published { .. }
        | Event::Opened
        | Event::Suspended { .. }
        | Event::SuspensionExplained { .. }
        | Event::Resumed { .. }
        | Event::Withdrawn { .. }
        | Event::Closed { .. }
        | Event::Annulled { .. }
        | Event::TurnExtended { .. }
        | Event::ChoiceAnnulled { .. }
        | Event::Rewound { .. }
        | Event::ChoiceRestored { .. }
        | Event::ParticipantAdded { .. }
        | Event::Admitted { .. }
        | Event::ProxyRevoked { reason: Some(_), .. }
        | Event::TurnClosed { outcome: TurnOutcome::EndedByAdministrator, .. } => Author::Administrator,
        Event::EligibilityChecked { .. }
        | Event::PlacedElsewhere { .. }
        | Event::NoLongerPlacedElsewhere { .. } => Author::Engine,
        Event::TurnOpened { .. }
        | Event::TurnClosed { .. }
        | Event::TurnSkipped { .. }
        | Event::HeldChoiceRefused { .. }
        | Event::ServiceInterrupted { .. } => Author::Anybody,
    }
}
