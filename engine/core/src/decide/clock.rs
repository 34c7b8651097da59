//! The clock: turns that open and end, and what stops it (A6, A8, A9, A10).

use super::guards::checked_reason;
use super::{Decision, Outcome};
use crate::amphi::Status;
use crate::event::{ChoiceManner, Event, TurnOutcome};
use crate::identity::{CallRank, PostNumber};
use crate::planted::{self, Bug};
use crate::rejection::Rejection;
use crate::time::Millis;
use crate::wishes::SafetyNet;

impl Decision {
    pub(super) fn suspend(&mut self, reason: &str) -> Outcome {
        self.running()?;
        self.emit(Event::Suspended { reason: checked_reason(reason)? });
        Ok(())
    }

    pub(super) fn explain_suspension(&mut self, reason: &str) -> Outcome {
        self.suspended()?;
        self.emit(Event::SuspensionExplained { reason: checked_reason(reason)? });
        Ok(())
    }

    pub(super) fn resume(&mut self) -> Outcome {
        self.suspended()?;
        let remaining = self.amphi.turn.as_ref().and_then(|turn| turn.remaining_when_suspended);
        let mut deadline = remaining.map(|left| self.now + left);
        if planted::is(Bug::SuspensionTakesTime) {
            deadline = self.amphi.turn.as_ref().map(|turn| turn.deadline);
        }
        self.emit(Event::Resumed { deadline });
        self.call_next();
        Ok(())
    }

    fn suspended(&self) -> Outcome {
        match self.amphi.status {
            Status::Suspended { .. } => Ok(()),
            Status::Closed | Status::Annulled { .. } => Err(Rejection::Over),
            _ => Err(Rejection::NotSuspended),
        }
    }

    /// A crash or a deploy is a suspension: a turn gets at least the time announced to it (A10).
    pub(super) fn recover(&mut self, down_since: crate::time::Timestamp) {
        if self.amphi.status != Status::Open {
            return;
        }
        let stopped_at = down_since.max(self.amphi.last_event_at).min(self.now);
        let deadline = self.amphi.turn.as_ref().map(|turn| {
            let left = (turn.deadline - stopped_at).at_least_zero();
            if planted::is(Bug::CrashTakesTime) { turn.deadline } else { self.now + left }
        });
        self.emit(Event::ServiceInterrupted { down_since: stopped_at, deadline });
        self.call_next();
    }

    /// Time running out is a command like any other.
    pub(super) fn tick(&mut self) {
        if self.amphi.status != Status::Open {
            return;
        }
        match &self.amphi.turn {
            Some(turn) if self.now >= turn.closes_at() => {
                let rank = turn.rank;
                self.expire_turn(rank);
            }
            Some(_) => {}
            None => {
                self.note_missed_opening();
                self.call_next();
            }
        }
    }

    /// A turn that ran out ends with the safety net's choice, if one is spread and a wish is still free
    /// (3.5), else without a choice.
    fn expire_turn(&mut self, rank: CallRank) {
        let Some((post, seat)) = self.caught_by_safety_net(rank) else {
            self.close_turn(rank, TurnOutcome::Expired, None);
            return;
        };
        let manner = ChoiceManner::SafetyNet;
        self.emit(Event::ChoiceCommitted { rank, post, seat: Some(seat), manner, reason: None });
        self.close_turn(rank, TurnOutcome::SafetyNet, None);
    }

    fn caught_by_safety_net(&self, rank: CallRank) -> Option<(PostNumber, u16)> {
        let list = self.amphi.wishes(rank)?;
        let wanted = match list.safety_net {
            SafetyNet::Never => false,
            SafetyNet::AtExpiry => true,
            SafetyNet::IfAbsent => !self.turn_attended,
        };
        let free = |post: &PostNumber| Some((*post, self.amphi.free_seat(*post)?));
        list.wishes.iter().filter(|_| wanted).find_map(free)
    }

    /// A turn that was due, but is only noticed in the break that began since, opens after the break
    /// (A6). It is noted as an interruption, which it was: from then on the turn is due after the break.
    pub(super) fn note_missed_opening(&mut self) {
        let Some((due, setup)) = self.amphi.next_turn_due().zip(self.amphi.setup.as_ref()) else { return };
        if due < self.now && setup.opening.first_open_from(self.now) > self.now {
            self.emit(Event::ServiceInterrupted { down_since: due, deadline: None });
        }
    }

    /// Skips whoever is no longer concerned, and opens the next turn if it is due (A6, A8).
    pub(super) fn call_next(&mut self) {
        if !self.setup().round.has_turns() || self.amphi.turn.is_some() {
            return;
        }
        while let Some(standing) = self.amphi.standing(self.amphi.next_rank) {
            if standing.is_waiting() {
                break;
            }
            self.emit(Event::TurnSkipped { rank: self.amphi.next_rank });
        }
        let due = self.amphi.next_turn_due();
        if self.amphi.status == Status::Open && due.is_some_and(|due| due <= self.now) {
            let rank = self.amphi.next_rank;
            // Called early or in time, a turn lasts until the end of the one convoked at least (3.6).
            let convoked = self.amphi.planned_at[rank.index()];
            let early = self.setup().policies.early_opening;
            let from = if early { convoked.max(self.now) } else { self.now };
            let mut deadline = from + self.setup().turn_duration_of(rank);
            if planted::is(Bug::ExtraTimeForgotten) {
                deadline = from + self.setup().turn_duration;
            }
            self.emit(Event::TurnOpened { rank, deadline });
        }
    }

    /// Ends the open turn, settles what was held for it, and goes on.
    pub(super) fn close_turn(&mut self, rank: CallRank, outcome: TurnOutcome, reason: Option<String>) {
        self.emit(Event::TurnClosed { rank, outcome, reason });
        let held = self.amphi.held.clone();
        for held in held.into_iter().filter(|_| !planted::is(Bug::HeldNotSettled)) {
            match self.amphi.free_seat(held.post) {
                Some(seat) => self.emit(Event::ChoiceCommitted {
                    rank: held.rank,
                    post: held.post,
                    seat: Some(seat),
                    manner: ChoiceManner::LateHeld,
                    reason: None,
                }),
                None => self.emit(Event::HeldChoiceRefused { rank: held.rank, post: held.post }),
            }
        }
        self.call_next();
    }

    pub(super) fn end_turn(
        &mut self,
        rank: CallRank,
        outcome: TurnOutcome,
        reason: Option<String>,
    ) -> Outcome {
        self.in_turn(rank)?;
        self.close_turn(rank, outcome, reason);
        Ok(())
    }

    pub(super) fn in_turn(&self, rank: CallRank) -> Outcome {
        self.known_rank(rank)?;
        match &self.amphi.turn {
            Some(turn) if turn.rank == rank => Ok(()),
            _ => Err(Rejection::TurnNotInProgress { rank }),
        }
    }

    /// Counted from the announced end, or from now in the grace: nobody gets less than what was said.
    pub(super) fn extend(&mut self, rank: CallRank, by: Millis, reason: &str) -> Outcome {
        self.running()?;
        let reason = checked_reason(reason)?;
        self.in_turn(rank)?;
        let steps = &self.setup().policies.extension_steps;
        if !steps.contains(&by) {
            return Err(Rejection::NoSuchExtension { steps: steps.clone() });
        }
        let announced = self.amphi.turn.as_ref().map_or(self.now, |turn| turn.deadline);
        self.emit(Event::TurnExtended { rank, deadline: announced.max(self.now) + by, reason });
        Ok(())
    }
}
