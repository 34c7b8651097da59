//! The rules: what a command leads to, or why it is refused.
//!
//! `decide` changes nothing. It works on a copy of the state to which it applies each event as it
//! goes, so that every later step sees the consequences of the earlier ones: a choice closes the
//! turn, the end of the turn settles what was held, then the next turn opens.
//!
//! Who may ask stands here; the rules themselves beside it, by subject.

mod choosing;
mod clock;
mod guards;
mod people;
mod proxies;
mod session;
mod undoing;

use crate::amphi::Amphi;
use crate::command::Command;
use crate::event::{Event, TurnOutcome};
use crate::identity::Actor;
use crate::planted::{self, Bug};
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// When a command was received, and what the core cannot know of that moment by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// Whether the intern in turn, or the holder of their proxy, is connected (3.5).
    pub turn_attended: bool,
}

impl From<Timestamp> for Moment {
    /// A moment at which the one in turn is there, as far as anybody knows: nothing is then chosen for
    /// them because they were absent.
    fn from(at: Timestamp) -> Self {
        Self { at, turn_attended: true }
    }
}

impl Amphi {
    /// What `command`, issued by `actor` and received at `moment`, leads to.
    ///
    /// The events all happen at that instant, or at the instant of the last event when the clock went
    /// back. An empty answer means that there was nothing to do (a tick too early).
    ///
    /// # Errors
    /// The [`Rejection`] to show to whoever asked; nothing happened.
    pub fn decide(
        &self,
        actor: Actor,
        command: &Command,
        moment: impl Into<Moment>,
    ) -> Result<Vec<Event>, Rejection> {
        authorise(actor, command)?;
        let mut decision = Decision::new(self, actor, moment.into());
        decision.run(command)?;
        Ok(decision.events)
    }

    /// The instant at which events decided at `now` happen: time never runs backwards in an amphi.
    pub fn event_instant(&self, now: Timestamp) -> Timestamp {
        if planted::is(Bug::DatedBack) { now } else { now.max(self.last_event_at) }
    }
}

impl Actor {
    /// Whether this actor may issue `command`, whatever the state; nobody else may. Whether a holder's proxy was
    /// revoked is looked at with the state (`guards.rs`).
    pub fn may(self, command: &Command) -> bool {
        match command {
            Command::Choose { rank, .. }
            | Command::ReleaseHeld { rank }
            | Command::Pass { rank }
            | Command::SetWishes { rank, .. } => self.acts_for() == Some(*rank),
            Command::Exchange { rank, .. }
            | Command::GiveProxy { rank, .. }
            | Command::RevokeProxy { rank } => self == Self::Intern { rank: *rank },
            Command::FileProxyDocument { rank, .. } => {
                matches!(self, Self::Holder { rank: own, .. } if own == *rank)
            }
            Command::Draft(_)
            | Command::Publish
            | Command::Open
            | Command::Suspend { .. }
            | Command::ExplainSuspension { .. }
            | Command::Resume
            | Command::Close
            | Command::Annul { .. }
            | Command::EndTurn { .. }
            | Command::Extend { .. }
            | Command::ChooseFor { .. }
            | Command::Withdraw { .. }
            | Command::Add { .. }
            | Command::AnnulChoice { .. }
            | Command::Rewind { .. }
            | Command::Assign { .. }
            | Command::RevertProxy { .. }
            | Command::Admit { .. } => matches!(self, Self::Administrator { .. }),
            Command::NoteIneligible { .. }
            | Command::NotePlacedElsewhere { .. }
            | Command::NoteNoLongerPlacedElsewhere { .. }
            | Command::Tick
            | Command::Recover { .. } => self == Self::Engine,
        }
    }
}

fn authorise(actor: Actor, command: &Command) -> Outcome {
    if actor.may(command) || planted::is(Bug::AnybodyMay) { Ok(()) } else { Err(Rejection::Forbidden) }
}

struct Decision {
    amphi: Amphi,
    actor: Actor,
    now: Timestamp,
    turn_attended: bool,
    events: Vec<Event>,
}

type Outcome = Result<(), Rejection>;

impl Decision {
    fn new(amphi: &Amphi, actor: Actor, moment: Moment) -> Self {
        let now = amphi.event_instant(moment.at);
        Self { amphi: amphi.clone(), actor, now, turn_attended: moment.turn_attended, events: Vec::new() }
    }

    fn emit(&mut self, event: Event) {
        self.amphi.apply(self.now, &event);
        self.events.push(event);
    }

    fn run(&mut self, command: &Command) -> Outcome {
        // Time that has run out counts before what is asked, so that the outcome depends on when a
        // command was received and not on whether a tick happened to be handled first (A6, A9). After
        // an interruption the clock stood still instead. And who is placed elsewhere is known before time
        // has its consequences: one of them may be a choice of theirs, which no journal would take.
        let alone = matches!(command, Command::Recover { .. } | Command::NotePlacedElsewhere { .. });
        let late = planted::is(Bug::TimeLookedAtLast) && !matches!(command, Command::Tick);
        if !alone && !late {
            self.tick();
        }
        self.holds_its_proxy()?;
        match command {
            Command::Draft(setup) => self.draft(setup),
            Command::Publish => self.publish(),
            Command::Open => self.open(),
            Command::Suspend { reason } => self.suspend(reason),
            Command::ExplainSuspension { reason } => self.explain_suspension(reason),
            Command::Resume => self.resume(),
            Command::Close => self.close(),
            Command::Annul { reason } => self.annul(reason),

            Command::Choose { rank, post, supernumerary } => self.choose(*rank, *post, *supernumerary),
            Command::Exchange { rank, post } => self.exchange(*rank, *post),
            Command::ReleaseHeld { rank } => self.release_held(*rank),
            Command::Pass { rank } => self.pass(*rank),
            Command::SetWishes { rank, wishes, safety_net } => self.set_wishes(*rank, wishes, *safety_net),

            Command::GiveProxy { rank, proxy } => self.give_proxy(*rank, *proxy),
            Command::FileProxyDocument { rank, document } => self.file_proxy_document(*rank, *document),
            Command::RevokeProxy { rank } => self.revoke_proxy(*rank),
            Command::RevertProxy { rank, reason } => self.revert_proxy(*rank, reason),

            Command::EndTurn { rank, reason } => {
                self.running()?;
                let reason = guards::checked_reason(reason)?;
                self.end_turn(*rank, TurnOutcome::EndedByAdministrator, Some(reason))
            }
            Command::Extend { rank, by, reason } => self.extend(*rank, *by, reason),
            Command::ChooseFor { rank, post, supernumerary, reason } => {
                self.choose_for(*rank, *post, *supernumerary, reason)
            }
            Command::Withdraw { rank, reason } => self.withdraw(*rank, reason),
            Command::Add { participant, reason } => self.add(participant, reason),
            Command::AnnulChoice { rank, reason } => self.annul_choice(*rank, reason),
            Command::Rewind { to, reason } => self.rewind(*to, reason),
            Command::Assign { rank, post, reason } => self.assign(*rank, *post, reason),
            Command::Admit { rank, reason } => self.admit(*rank, reason),

            Command::NoteIneligible { found } => self.note_ineligible(found),
            Command::NotePlacedElsewhere { rank } => self.note_placed_elsewhere(*rank),
            Command::NoteNoLongerPlacedElsewhere { rank } => self.note_no_longer_placed_elsewhere(*rank),
            Command::Tick => Ok(()),
            Command::Recover { down_since } => {
                self.recover(*down_since);
                Ok(())
            }
        }
    }
}
