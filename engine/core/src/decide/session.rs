//! A session's beginning and end.

use super::guards::checked_reason;
use super::{Decision, Outcome};
use crate::amphi::{Standing, Status};
use crate::event::{ChoiceManner, Event};
use crate::identity::CallRank;
use crate::rejection::Rejection;
use crate::setup::Setup;
use crate::wishes::Round;

impl Decision {
    pub(super) fn draft(&mut self, setup: &Setup) -> Outcome {
        self.still_a_draft()?;
        setup.validate().map_err(|problem| Rejection::UnusableSetup { problem: problem.to_string() })?;
        self.emit(Event::Drafted { setup: Box::new(setup.clone()) });
        Ok(())
    }

    pub(super) fn publish(&mut self) -> Outcome {
        self.still_a_draft()?;
        let setup = self
            .amphi
            .setup
            .as_ref()
            .ok_or_else(|| Rejection::UnusableSetup { problem: "it has no call list yet".to_owned() })?;
        let planned_at = setup.plan();
        self.emit(Event::Published { planned_at });
        Ok(())
    }

    /// Nobody is called who the eligibility check has found something against (3.1).
    pub(super) fn open(&mut self) -> Outcome {
        match self.amphi.status {
            Status::Published => {}
            Status::Draft => return Err(Rejection::NotPublished),
            Status::Open | Status::Suspended { .. } => return Err(Rejection::AlreadyOpen),
            Status::Closed | Status::Annulled { .. } => return Err(Rejection::Over),
        }
        let ranks = self.ineligible_still_concerned();
        if !ranks.is_empty() {
            return Err(Rejection::Ineligible { ranks });
        }
        self.emit(Event::Opened);
        self.call_next();
        Ok(())
    }

    fn ineligible_still_concerned(&self) -> Vec<CallRank> {
        let found = |index: &usize| {
            self.amphi.standings[*index].is_waiting() && self.amphi.ineligible[*index].is_some()
        };
        (0..self.amphi.standings.len()).filter(found).map(CallRank::from_index).collect()
    }

    pub(super) fn close(&mut self) -> Outcome {
        self.session_exists()?;
        match self.setup().round {
            Round::Live => self.turns_are_over()?,
            Round::ByWishes => self.allocate_by_wishes(),
            Round::FreeWishes | Round::Rehearsal => {}
        }
        let places = self.setup().round.places();
        let unplaced = |standing: &Standing| {
            places && matches!(standing, Standing::Waiting | Standing::InTurn | Standing::Late { .. })
        };
        let standings = self.amphi.standings.iter().enumerate();
        let unplaced =
            standings.filter(|(_, s)| unplaced(s)).map(|(index, _)| CallRank::from_index(index)).collect();
        self.emit(Event::Closed { unplaced });
        Ok(())
    }

    /// Everybody's wishes, resolved together in call order (3.8).
    fn allocate_by_wishes(&mut self) {
        for (index, granted) in self.amphi.resolved_wishes().into_iter().enumerate() {
            let Some(post) = granted else { continue };
            let rank = CallRank::from_index(index);
            let seat = self.amphi.free_seat(post);
            debug_assert!(seat.is_some(), "the resolution grants seats that are left");
            self.emit(Event::ChoiceCommitted {
                rank,
                post,
                seat,
                manner: ChoiceManner::ByWishes,
                reason: None,
            });
        }
    }

    /// From any state (3.1): what a closed session was wrong about may be found after it, and as long as it stands,
    /// whoever was placed in it is bound.
    pub(super) fn annul(&mut self, reason: &str) -> Outcome {
        if matches!(self.amphi.status, Status::Annulled { .. }) {
            return Err(Rejection::Over);
        }
        self.emit(Event::Annulled { reason: checked_reason(reason)? });
        Ok(())
    }
}
