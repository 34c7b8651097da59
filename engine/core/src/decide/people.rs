//! People who are no longer concerned, or are after all (A8, 3.1, 3.7).

use super::guards::checked_reason;
use super::{Decision, Outcome};
use crate::amphi::{Standing, Status};
use crate::event::{Event, Ineligibility, TurnOutcome};
use crate::identity::CallRank;
use crate::rejection::Rejection;
use crate::setup::Participant;

impl Decision {
    pub(super) fn withdraw(&mut self, rank: CallRank, reason: &str) -> Outcome {
        self.session_or_published()?;
        let standing = self.known_rank(rank)?;
        let reason = checked_reason(reason)?;
        match standing {
            Standing::Placed { post, .. } => Err(Rejection::AlreadyChosen { post }),
            Standing::Withdrawn => Err(Rejection::Withdrawn),
            _ => {
                self.emit(Event::Withdrawn { rank, reason });
                self.after_leaving(rank);
                Ok(())
            }
        }
    }

    pub(super) fn note_placed_elsewhere(&mut self, rank: CallRank) -> Outcome {
        self.session_or_published()?;
        match self.known_rank(rank)? {
            Standing::Waiting | Standing::InTurn | Standing::Late { .. } => {
                self.emit(Event::PlacedElsewhere { rank });
                self.after_leaving(rank);
            }
            Standing::Placed { .. } | Standing::PlacedElsewhere | Standing::Withdrawn => {}
        }
        Ok(())
    }

    /// Their choice in the other amphi was undone: they wait again, or are late if their turn has gone.
    pub(super) fn note_no_longer_placed_elsewhere(&mut self, rank: CallRank) -> Outcome {
        self.session_or_published()?;
        if self.known_rank(rank)? == Standing::PlacedElsewhere {
            self.emit(Event::NoLongerPlacedElsewhere { rank });
            // Whoever waits again may be the next to be called, and due.
            if self.amphi.status != Status::Published {
                self.call_next();
            }
        }
        Ok(())
    }

    /// Whoever leaves during their own turn ends it; between turns, whoever was to be called next is
    /// skipped at once, so that the next deadline is that of somebody who still waits (A8).
    fn after_leaving(&mut self, rank: CallRank) {
        match &self.amphi.turn {
            Some(turn) if turn.rank == rank => {
                self.close_turn(rank, TurnOutcome::NoLongerConcerned, None);
            }
            None if self.amphi.status == Status::Open => {
                self.note_missed_opening();
                self.call_next();
            }
            None if self.amphi.status != Status::Published => self.call_next(),
            _ => {}
        }
    }

    /// At the end of the list: a rank is a name, and nobody else's changes. Planned after the last one.
    pub(super) fn add(&mut self, participant: &Participant, reason: &str) -> Outcome {
        self.session_or_published()?;
        let reason = checked_reason(reason)?;
        let listed = self.setup().participants.iter().position(|known| known.intern == participant.intern);
        if let Some(index) = listed {
            return Err(Rejection::AlreadyListed { rank: CallRank::from_index(index) });
        }
        let mut longer = self.setup().clone();
        longer.participants.push(participant.clone());
        longer.validate().map_err(|problem| Rejection::UnusableSetup { problem: problem.to_string() })?;
        let planned_at = self.amphi.planned_at.last().map(|last| {
            let before = CallRank::from_index(longer.participants.len() - 2);
            longer.opening.first_open_from(*last + longer.turn_duration_of(before))
        });
        let participant = Box::new(participant.clone());
        self.emit(Event::ParticipantAdded { participant, planned_at, reason });
        if self.amphi.status != Status::Published {
            self.call_next();
        }
        Ok(())
    }

    /// The check is noted when it finds something, or something else than last time.
    pub(super) fn note_ineligible(&mut self, found: &[(CallRank, Ineligibility)]) -> Outcome {
        match self.amphi.status {
            Status::Published => {}
            Status::Draft => return Err(Rejection::NotPublished),
            Status::Open | Status::Suspended { .. } => return Err(Rejection::AlreadyOpen),
            Status::Closed | Status::Annulled { .. } => return Err(Rejection::Over),
        }
        let mut found_now = found.to_vec();
        found_now.sort_unstable_by_key(|(rank, _)| *rank);
        for (rank, what) in found {
            self.known_rank(*rank)?;
            // Whoever was admitted in spite of something is not found again for the same.
            if self.amphi.admitted[rank.index()] == Some(*what) {
                found_now.retain(|(other, _)| other != rank);
            }
        }
        let known = self.amphi.ineligible.iter().enumerate();
        let known = known.filter_map(|(index, what)| Some((CallRank::from_index(index), (*what)?)));
        if !known.eq(found_now.iter().copied()) {
            self.emit(Event::EligibilityChecked { found: found_now });
        }
        Ok(())
    }

    pub(super) fn admit(&mut self, rank: CallRank, reason: &str) -> Outcome {
        self.session_or_published()?;
        let reason = checked_reason(reason)?;
        self.known_rank(rank)?;
        if self.amphi.ineligible[rank.index()].is_none() {
            return Err(Rejection::NotIneligible { rank });
        }
        self.emit(Event::Admitted { rank, reason });
        Ok(())
    }
}
