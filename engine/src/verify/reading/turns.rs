//! From the draft to the end: hours and turns (A6, A8, A9, A10, A11, P4).

use std::collections::BTreeSet;

use amphi_core::setup::Setup;
use amphi_core::{CallRank, Millis, Round, SafetyNet, Timestamp, TurnOutcome};

use super::{GRACE, Line, OpenTurn, Phase, Reading, Verdict, ensure};

impl Reading {
    /// One person, one rank: or somebody would choose twice (P2).
    pub(super) fn draft(&mut self, setup: &Setup) -> Verdict {
        ensure(self.phase == Phase::Draft, || "préparé après la publication".to_owned())?;
        let mut persons = BTreeSet::new();
        let distinct = setup.participants.iter().all(|participant| persons.insert(participant.intern));
        ensure(distinct, || "le même interne est deux fois sur la liste".to_owned())?;
        self.setup = Some(Box::new(setup.clone()));
        Ok(())
    }

    pub(super) fn publish(&mut self, planned_at: &[Timestamp]) -> Verdict {
        let listed = self.interns();
        ensure(self.phase == Phase::Draft && listed > 0, || "publié deux fois, ou sans liste".to_owned())?;
        let expected = if self.round() == Round::Live { listed } else { 0 };
        ensure(planned_at.len() == expected && planned_at.is_sorted(), || {
            "les heures prévues ne sont pas une par rang, dans l’ordre".to_owned()
        })?;
        self.planned_at = planned_at.to_vec();
        self.phase = Phase::Published;
        Ok(())
    }

    /// Nobody the eligibility check has found something against is called (3.1).
    pub(super) fn open(&mut self) -> Verdict {
        ensure(self.phase == Phase::Published, || "ouvert deux fois, ou avant la publication".to_owned())?;
        let found = self.ineligible.keys().find(|rank| !self.gone.contains_key(rank));
        ensure(found.is_none(), || "ouvert alors que quelqu’un ne remplit pas les conditions".to_owned())?;
        self.phase = Phase::Open;
        Ok(())
    }

    /// How long the turn of `rank` lasts, extra time included (A11).
    pub(super) fn duration_of(&self, rank: CallRank) -> Millis {
        let participant = self.setup.as_ref().and_then(|setup| setup.participants.get(rank.index()));
        let extra = participant.map_or(0, |participant| i64::from(participant.extra_time_percent));
        let plain = self.setup.as_ref().map_or(0, |setup| setup.turn_duration.0);
        Millis(plain * (100 + extra) / 100)
    }

    /// Whether turns may open at `at`: within a range, or after the beginning of the last.
    fn is_opening_time(&self, at: Timestamp) -> bool {
        let ranges = self.setup.as_ref().map_or(&[][..], |setup| setup.opening.ranges());
        let last = ranges.len().saturating_sub(1);
        ranges
            .iter()
            .enumerate()
            .any(|(index, range)| range.opens_at <= at && (at < range.closes_at || index == last))
    }

    /// Nobody is called before the convoked time or in a break, nobody is passed over, and everybody
    /// gets the time that was announced (A6, A8, A11). Where turns may open early (3.6), nobody is called
    /// before the session begins, and everybody has until the end of the turn they were convoked for.
    pub(super) fn open_turn(&mut self, line: &Line, rank: CallRank, deadline: Timestamp) -> Verdict {
        self.listed(rank)?;
        ensure(self.round() == Round::Live, || "un tour dans une séance sans tours".to_owned())?;
        let convoked = self.planned_at[rank.index()];
        let early = self.setup.as_ref().is_some_and(|setup| setup.policies.early_opening);
        let earliest = if early { self.planned_at[0] } else { convoked };
        ensure(line.at >= earliest, || format!("le rang {rank} a été appelé avant l’heure prévue"))?;
        ensure(self.running() && self.turn.is_none() && self.held.is_empty(), || {
            format!("le tour du rang {rank} s’ouvre pendant un autre, ou hors de la séance")
        })?;
        let due = usize::from(rank.0) == self.called.len() + 1;
        let waits = !self.gone.contains_key(&rank) && !self.allocation.contains_key(&rank);
        ensure(due && waits, || format!("le rang {rank} n’a pas été appelé dans l’ordre"))?;
        ensure(self.is_opening_time(line.at), || format!("le rang {rank} a été appelé pendant une pause"))?;
        let from = if early { line.at.max(convoked) } else { line.at };
        ensure(deadline == from + self.duration_of(rank), || {
            format!("le tour du rang {rank} n’a pas la durée qu’il devrait avoir")
        })?;
        self.called.push(line.seq);
        self.turn = Some(OpenTurn { rank, deadline });
        Ok(())
    }

    /// By one of the steps announced, from the announced end or from now, whichever is later (3.7).
    pub(super) fn extend_turn(&mut self, rank: CallRank, at: Timestamp, new: Timestamp) -> Verdict {
        let running = self.running();
        let steps = self.setup.as_ref().map_or(&[][..], |setup| &setup.policies.extension_steps);
        let turn = self.turn.as_mut().filter(|turn| turn.rank == rank && running);
        let turn = turn.ok_or_else(|| format!("le tour du rang {rank} est prolongé sans être ouvert"))?;
        let from = turn.deadline.max(at);
        ensure(steps.iter().any(|step| from + *step == new), || {
            format!("le tour du rang {rank} est prolongé d’une durée qui n’était pas annoncée")
        })?;
        turn.deadline = new;
        Ok(())
    }

    /// A turn never expires before its announced end and the grace (A9, P4), and never without the wish
    /// that was to be committed then (3.5).
    pub(super) fn close_turn(&mut self, rank: CallRank, at: Timestamp, outcome: TurnOutcome) -> Verdict {
        let turn = self.turn.take().filter(|turn| turn.rank == rank);
        let turn = turn.ok_or_else(|| format!("le tour du rang {rank} finit sans être ouvert"))?;
        let running = self.running();
        let chosen = self.allocation.contains_key(&rank);
        let expired = at >= turn.deadline + GRACE;
        let forgotten = || {
            let list = self.wishes.get(&rank);
            list.is_some_and(|(_, wishes, net)| {
                *net == SafetyNet::AtExpiry && wishes.iter().any(|post| self.free_seats(*post) > 0)
            })
        };
        let fits = match outcome {
            TurnOutcome::Chosen => chosen && !expired,
            TurnOutcome::SafetyNet => chosen && running && expired,
            TurnOutcome::Expired => running && !chosen && expired && !forgotten(),
            TurnOutcome::Passed | TurnOutcome::EndedByAdministrator => running && !chosen,
            TurnOutcome::NoLongerConcerned => self.gone.contains_key(&rank),
        };
        if !chosen && outcome != TurnOutcome::NoLongerConcerned {
            self.let_go.insert(rank);
        }
        ensure(fits, || format!("le tour du rang {rank} n’a pas fini comme il est dit"))
    }

    /// Only whoever is no longer concerned is passed over (A8).
    pub(super) fn skip_turn(&mut self, line: &Line, rank: CallRank) -> Verdict {
        let due = usize::from(rank.0) == self.called.len() + 1;
        let concerned = !self.gone.contains_key(&rank) && !self.allocation.contains_key(&rank);
        ensure(due && !concerned, || format!("le rang {rank} a été sauté"))?;
        self.called.push(line.seq);
        Ok(())
    }

    pub(super) fn resume(&mut self, at: Timestamp, deadline: Option<Timestamp>) -> Verdict {
        let Phase::Suspended { since } = self.phase else {
            return Err("reprise sans suspension".to_owned());
        };
        self.phase = Phase::Open;
        self.restart_clock(since, at, deadline)
    }

    /// After an interruption, the turn in progress has at least what was left of it (A10, P4).
    pub(super) fn restart_clock(
        &mut self,
        stopped: Timestamp,
        at: Timestamp,
        new: Option<Timestamp>,
    ) -> Verdict {
        let Some(turn) = &mut self.turn else { return Ok(()) };
        let left = Millis((turn.deadline - stopped).0.max(0));
        let new = new.filter(|new| *new >= at + left && *new >= turn.deadline);
        turn.deadline = new.ok_or("un tour a été raccourci")?;
        Ok(())
    }

    /// Everybody was called, and whoever never chose is listed (3.3).
    pub(super) fn close(&mut self, unplaced: &[CallRank]) -> Verdict {
        let over = self.round() != Round::Live || self.turns_are_over();
        ensure(self.in_session() && over, || {
            "clos alors que des tours restaient, ou sans avoir été ouvert".to_owned()
        })?;
        if self.round() == Round::ByWishes {
            self.everybody_got_their_best_wish()?;
        }
        let places = matches!(self.round(), Round::Live | Round::ByWishes);
        let without =
            |rank: &CallRank| places && !self.allocation.contains_key(rank) && !self.gone.contains_key(rank);
        let never_chose: Vec<CallRank> = self.ranks().filter(without).collect();
        ensure(never_chose == unplaced, || {
            "la liste de ceux qui n’ont pas choisi n’est pas juste".to_owned()
        })?;
        self.phase = Phase::Closed;
        Ok(())
    }
}
