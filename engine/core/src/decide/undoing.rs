//! Undoing: one choice, or everything since a turn (3.7). Nothing in the journal is changed or deleted:
//! what was done stays readable, and that it was undone is one more fact.

use super::guards::checked_reason;
use super::{Decision, Outcome};
use crate::amphi::Standing;
use crate::event::{Event, ReleasedSeat};
use crate::identity::CallRank;
use crate::rejection::Rejection;

impl Decision {
    pub(super) fn annul_choice(&mut self, rank: CallRank, reason: &str) -> Outcome {
        self.session_exists()?;
        let reason = checked_reason(reason)?;
        let Standing::Placed { post, seat, .. } = self.known_rank(rank)? else {
            return Err(Rejection::NotPlaced { rank });
        };
        self.emit(Event::ChoiceAnnulled { rank, post, seat, reason });
        Ok(())
    }

    pub(super) fn rewind(&mut self, to: CallRank, reason: &str) -> Outcome {
        self.session_exists()?;
        self.has_turns()?;
        let reason = checked_reason(reason)?;
        self.known_rank(to)?;
        let Some(choices_before) = self.amphi.choices_when_called.get(to.index()).copied() else {
            return Err(Rejection::NothingToRewind { to });
        };
        let made_since = |(index, standing): (usize, &Standing)| match standing {
            Standing::Placed { post, seat, .. } if self.amphi.choice_number[index] > choices_before => {
                Some(ReleasedSeat { rank: CallRank::from_index(index), post: *post, seat: *seat })
            }
            _ => None,
        };
        let released: Vec<_> = self.amphi.standings.iter().enumerate().filter_map(made_since).collect();
        let ranks: Vec<_> = released.iter().map(|seat| seat.rank).collect();
        self.emit(Event::Rewound { to, released, reason });
        ranks.into_iter().for_each(|rank| self.restore_exchanged(rank));
        Ok(())
    }

    /// Whoever had chosen before that turn, and exchanged since, holds what they had chosen: what others took
    /// of it was taken later, and is undone too.
    fn restore_exchanged(&mut self, rank: CallRank) {
        let earlier = self.amphi.exchanged[rank.index()].last().map(|earlier| earlier.standing);
        if let Some(Standing::Placed { post, seat, manner, .. }) = earlier {
            self.emit(Event::ChoiceRestored { rank, post, seat, manner });
        }
    }
}
