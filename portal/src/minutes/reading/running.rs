//! The session, its turns and its clock.

use amphi_engine::core::{CallRank, Millis, Setup, Timestamp, TurnOutcome};

use super::super::record::{Act, Cause, HeldEnd, Interruption, SessionState, TurnRecord, UndoneBy};
use super::{Fact, Read, Reading};

impl Reading {
    pub(super) fn drafted(&mut self, fact: &Fact<'_>, setup: &Setup) {
        self.setup = Some(setup.clone());
        self.state = Some(SessionState::Draft);
        // A list that is set again is another list: what was said of its ranks is not said of these.
        self.proxies.clear();
        self.wishes.clear();
        self.ineligible.clear();
        self.added_at.clear();
        self.note(fact, Act::Drafted, None, None);
    }

    pub(super) fn published(&mut self, fact: &Fact<'_>, planned_at: &[Timestamp]) {
        self.planned_at = planned_at.to_vec();
        self.milestones.published_at = Some(fact.at);
        self.state = Some(SessionState::Published);
        self.note(fact, Act::Published, None, None);
    }

    pub(super) fn opened(&mut self, fact: &Fact<'_>) {
        self.milestones.opened_at = Some(fact.at);
        self.state = Some(SessionState::Open);
        self.note(fact, Act::Opened, None, None);
    }

    fn turn(&self, rank: CallRank) -> TurnRecord {
        TurnRecord {
            rank,
            planned_at: self.planned_at.get(rank.index()).copied(),
            opened_at: None,
            deadline: None,
            closed_at: None,
            outcome: None,
            reason: None,
            extended_by: Millis::ZERO,
            stopped: Millis::ZERO,
            rewound: false,
        }
    }

    /// The turn in progress.
    fn open_turn(&mut self) -> Option<&mut TurnRecord> {
        self.turns.last_mut().filter(|turn| turn.opened_at.is_some() && turn.closed_at.is_none())
    }

    pub(super) fn turn_opened(&mut self, fact: &Fact<'_>, rank: CallRank, deadline: Timestamp) -> Read {
        if self.open_turn().is_some() {
            return Err("two turns are open");
        }
        let turn = self.turn(rank);
        self.turns.push(TurnRecord { opened_at: Some(fact.at), deadline: Some(deadline), ..turn });
        Ok(())
    }

    pub(super) fn turn_extended(
        &mut self,
        fact: &Fact<'_>,
        rank: CallRank,
        deadline: Timestamp,
        reason: &str,
    ) -> Read {
        let turn =
            self.open_turn().filter(|turn| turn.rank == rank).ok_or("a turn is extended that is not open")?;
        let before = turn.deadline.unwrap_or(deadline);
        turn.extended_by = turn.extended_by + (deadline - before).at_least_zero();
        turn.deadline = Some(deadline);
        self.note(fact, Act::ExtendedTurn, Some(rank), Some(reason));
        Ok(())
    }

    pub(super) fn turn_closed(
        &mut self,
        fact: &Fact<'_>,
        rank: CallRank,
        outcome: TurnOutcome,
        reason: Option<&str>,
    ) -> Read {
        let turn = self.open_turn().filter(|turn| turn.rank == rank).ok_or("a turn ends that is not open")?;
        turn.closed_at = Some(fact.at);
        turn.outcome = Some(outcome);
        turn.reason = reason.map(str::to_owned);
        if outcome == TurnOutcome::EndedByAdministrator {
            self.note(fact, Act::EndedTurn, Some(rank), reason);
        }
        Ok(())
    }

    pub(super) fn turn_skipped(&mut self, fact: &Fact<'_>, rank: CallRank) {
        let turn = self.turn(rank);
        let outcome = Some(TurnOutcome::NoLongerConcerned);
        self.turns.push(TurnRecord { closed_at: Some(fact.at), outcome, ..turn });
    }

    /// The turns from `to` on count no more; whichever is open is over.
    pub(super) fn rewind_turns(&mut self, at: Timestamp, to: CallRank) {
        for turn in self.turns.iter_mut().filter(|turn| turn.rank >= to) {
            turn.rewound = true;
            turn.closed_at = turn.closed_at.or(Some(at));
        }
    }

    pub(super) fn suspended(&mut self, fact: &Fact<'_>, reason: &str) {
        self.stop_clock(fact.at, reason);
        self.note(fact, Act::Suspended, None, Some(reason));
    }

    /// The clock stands still from now on; if it does already, for one more reason.
    pub(super) fn stop_clock(&mut self, at: Timestamp, reason: &str) {
        self.state = Some(SessionState::Suspended);
        if !self.say_more(reason) {
            let cause = Cause::Suspension { reason: reason.to_owned() };
            self.interruptions.push(Interruption { cause, from: at, until: None });
        }
    }

    pub(super) fn explained(&mut self, fact: &Fact<'_>, reason: &str) {
        self.say_more(reason);
        self.note(fact, Act::Explained, None, Some(reason));
    }

    /// Adds to the reason of the suspension in progress; says whether there is one.
    fn say_more(&mut self, reason: &str) -> bool {
        let lasting = self.interruptions.iter_mut().rev().find(|stop| stop.until.is_none());
        let Some(Cause::Suspension { reason: said }) = lasting.map(|stop| &mut stop.cause) else {
            return false;
        };
        said.push_str(" ; puis : ");
        said.push_str(reason);
        true
    }

    pub(super) fn resumed(&mut self, fact: &Fact<'_>, deadline: Option<Timestamp>) {
        self.state = Some(SessionState::Open);
        self.end_suspension(fact.at);
        self.announce(deadline);
        self.note(fact, Act::Resumed, None, None);
    }

    fn end_suspension(&mut self, at: Timestamp) {
        for stop in self.interruptions.iter_mut().filter(|stop| stop.until.is_none()) {
            stop.until = Some(at);
        }
    }

    fn announce(&mut self, deadline: Option<Timestamp>) {
        if let (Some(deadline), Some(turn)) = (deadline, self.open_turn()) {
            turn.deadline = Some(deadline);
        }
    }

    pub(super) fn interrupted(
        &mut self,
        fact: &Fact<'_>,
        down_since: Timestamp,
        deadline: Option<Timestamp>,
    ) {
        let outage = Interruption { cause: Cause::Outage, from: down_since, until: Some(fact.at) };
        // Before a suspension that lasts, so that the last one without an end is the one in progress.
        let place = self.interruptions.iter().position(|stop| stop.until.is_none());
        self.interruptions.insert(place.unwrap_or(self.interruptions.len()), outage);
        self.announce(deadline);
    }

    pub(super) fn closed(&mut self, fact: &Fact<'_>) {
        self.end(fact.at, SessionState::Closed);
        self.note(fact, Act::Closed, None, None);
    }

    pub(super) fn annulled(&mut self, fact: &Fact<'_>, reason: &str) {
        self.end(fact.at, SessionState::Annulled { reason: reason.to_owned() });
        let ranks: Vec<CallRank> = self.choices.iter().map(|choice| choice.rank).collect();
        for rank in ranks {
            self.undo(fact.at, rank, UndoneBy::SessionAnnulled, Some(reason));
        }
        self.note(fact, Act::Annulled, None, Some(reason));
    }

    fn end(&mut self, at: Timestamp, state: SessionState) {
        self.state = Some(state);
        self.milestones.ended_at = Some(at);
        self.end_suspension(at);
        if let Some(turn) = self.open_turn() {
            turn.closed_at = Some(at);
        }
        self.lapse_held(at, HeldEnd::Lapsed);
    }

    /// For how long the clock stood still in each turn. An outage during a suspension counts once.
    pub(super) fn count_stops(&mut self, now: Timestamp) {
        let mut stops: Vec<(Timestamp, Timestamp)> =
            self.interruptions.iter().map(|stop| (stop.from, stop.until.unwrap_or(now))).collect();
        stops.sort_unstable();
        for turn in &mut self.turns {
            let Some(mut from) = turn.opened_at else { continue };
            let closed_at = turn.closed_at.unwrap_or(now);
            for (stop_from, stop_until) in &stops {
                let overlap = (*stop_until).min(closed_at) - (*stop_from).max(from);
                turn.stopped = turn.stopped + overlap.at_least_zero();
                from = from.max(*stop_until);
            }
        }
    }
}
