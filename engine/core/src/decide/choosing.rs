//! Choosing: in turn, late, held, without a seat, in exchange, for somebody else (A3, A4, A5, 3.3, 3.6).

use super::guards::checked_reason;
use super::{Decision, Outcome};
use crate::amphi::{Standing, Status};
use crate::event::{ChoiceManner, Event, TurnOutcome};
use crate::identity::{CallRank, PostNumber};
use crate::planted::{self, Bug};
use crate::policies::LatePolicy;
use crate::rejection::Rejection;
use crate::setup::Supernumerary;
use crate::wishes::SafetyNet;

impl Decision {
    pub(super) fn choose(&mut self, rank: CallRank, post: PostNumber, supernumerary: bool) -> Outcome {
        let standing = self.still_to_choose(rank)?;
        self.running()?;
        self.has_turns()?;
        if standing.is_waiting() {
            return Err(Rejection::NotYourTurn);
        }
        self.may_act(rank)?;
        self.document_is_there(rank)?;
        self.take(rank, post, supernumerary, None)
    }

    /// By telephone: the same rules as for the intern, whoever represents them (3.7).
    pub(super) fn choose_for(
        &mut self,
        rank: CallRank,
        post: PostNumber,
        supernumerary: bool,
        reason: &str,
    ) -> Outcome {
        let standing = self.still_to_choose(rank)?;
        self.running()?;
        self.has_turns()?;
        let reason = checked_reason(reason)?;
        if standing.is_waiting() {
            return Err(Rejection::NotYourTurn);
        }
        self.take(rank, post, supernumerary, Some(reason))
    }

    /// Takes a seat for somebody whose turn is open or over, or holds it back for whoever is in turn.
    fn take(
        &mut self,
        rank: CallRank,
        post: PostNumber,
        supernumerary: bool,
        reason: Option<String>,
    ) -> Outcome {
        let in_turn = self.amphi.turn.as_ref().filter(|turn| turn.rank == rank);
        let manner = match in_turn {
            Some(turn) if self.now > turn.deadline => ChoiceManner::InGrace,
            Some(turn) if planted::is(Bug::DeadlineExclusive) && self.now == turn.deadline => {
                ChoiceManner::InGrace
            }
            Some(_) => ChoiceManner::InTurn,
            None => {
                self.late_may_choose(rank)?;
                ChoiceManner::Late
            }
        };
        self.known_post(post)?;
        let seat = self.available(rank, post, supernumerary)?;
        if manner == ChoiceManner::Late && self.waits_for_open_turn(post, supernumerary) {
            self.emit(Event::ChoiceHeld { rank, post, reason });
            return Ok(());
        }
        self.emit(Event::ChoiceCommitted { rank, post, seat, manner, reason });
        if manner != ChoiceManner::Late {
            self.close_turn(rank, TurnOutcome::Chosen, None);
        }
        Ok(())
    }

    /// The late policy (3.6). Forfeited is a turn that went by, not one whose choice was undone since, nor one
    /// that was skipped for a placement elsewhere that came to nothing.
    fn late_may_choose(&self, rank: CallRank) -> Outcome {
        match self.setup().policies.late {
            LatePolicy::Now | LatePolicy::AfterCurrentTurn => Ok(()),
            LatePolicy::EndOfSession if self.amphi.turns_are_over() => Ok(()),
            LatePolicy::EndOfSession => Err(Rejection::LateAtEndOnly),
            LatePolicy::Forfeit if !self.amphi.let_go[rank.index()] => Ok(()),
            LatePolicy::Forfeit => Err(Rejection::TurnForfeited),
        }
    }

    /// Late against in turn: the last seat of a post, or every late choice where the policy says so. A
    /// supernumerary choice takes no seat from anybody.
    fn waits_for_open_turn(&self, post: PostNumber, supernumerary: bool) -> bool {
        let every = self.setup().policies.late == LatePolicy::AfterCurrentTurn;
        let last = self.amphi.seats_left[post.index()] == 1;
        self.amphi.turn.is_some() && !supernumerary && (every || last)
    }

    /// The seat that `rank` would get of `post`: `None` for a supernumerary choice.
    fn available(
        &self,
        rank: CallRank,
        post: PostNumber,
        supernumerary: bool,
    ) -> Result<Option<u16>, Rejection> {
        let free = self.amphi.free_seat(post);
        let taken = || Rejection::PostTaken { post, by: self.amphi.last_taker(post) };
        if !supernumerary {
            return free.map(Some).ok_or_else(taken);
        }
        match self.setup().participants[rank.index()].supernumerary {
            None => Err(Rejection::NotSupernumerary),
            Some(Supernumerary::Validating) if free.is_none() => Err(taken()),
            Some(_) if self.site_has_a_supernumerary(post) => Err(Rejection::SupernumeraryTaken { post }),
            Some(_) => Ok(None),
        }
    }

    /// At most one per site and period (3.3); in other amphis, the journal sees to it.
    fn site_has_a_supernumerary(&self, post: PostNumber) -> bool {
        let posts = &self.setup().posts;
        let site = &posts[post.index()].imotep;
        self.amphi.standings.iter().any(|standing| {
            matches!(standing, Standing::Placed { post, seat: None, .. } if posts[post.index()].imotep == *site)
        })
    }

    /// In the final vacancy round anyone placed may take a free seat for theirs (3.6).
    pub(super) fn exchange(&mut self, rank: CallRank, post: PostNumber) -> Outcome {
        let standing = self.known_rank(rank)?;
        self.running()?;
        let Standing::Placed { post: from_post, seat: from_seat, .. } = standing else {
            return Err(Rejection::NotPlaced { rank });
        };
        if !self.setup().policies.vacancy_round || !self.amphi.turns_are_over() {
            return Err(Rejection::NoExchangeNow);
        }
        self.known_post(post)?;
        if from_post == post {
            return Err(Rejection::AlreadyChosen { post });
        }
        let Some(seat) = self.amphi.free_seat(post) else {
            return Err(Rejection::PostTaken { post, by: self.amphi.last_taker(post) });
        };
        self.emit(Event::SeatExchanged { rank, from_post, from_seat, post, seat });
        Ok(())
    }

    /// Once every turn is over, or after the session: nobody is assigned silently (3.3).
    pub(super) fn assign(&mut self, rank: CallRank, post: PostNumber, reason: &str) -> Outcome {
        if self.amphi.status != Status::Closed {
            self.session_exists()?;
            self.turns_are_over()?;
        }
        if !self.setup().round.places() {
            return Err(Rejection::NoTurns);
        }
        let reason = checked_reason(reason)?;
        self.still_to_choose(rank)?;
        self.known_post(post)?;
        let Some(seat) = self.amphi.free_seat(post) else {
            return Err(Rejection::PostTaken { post, by: self.amphi.last_taker(post) });
        };
        let (seat, manner, reason) = (Some(seat), ChoiceManner::Assigned, Some(reason));
        self.emit(Event::ChoiceCommitted { rank, post, seat, manner, reason });
        Ok(())
    }

    pub(super) fn release_held(&mut self, rank: CallRank) -> Outcome {
        self.known_rank(rank)?;
        if !self.amphi.held.iter().any(|held| held.rank == rank) {
            return Err(Rejection::NothingHeld);
        }
        self.running()?;
        self.may_act(rank)?;
        self.emit(Event::HeldChoiceReleased { rank });
        Ok(())
    }

    pub(super) fn pass(&mut self, rank: CallRank) -> Outcome {
        self.running()?;
        self.in_turn(rank)?;
        self.may_act(rank)?;
        self.end_turn(rank, TurnOutcome::Passed, None)
    }

    /// A new version each time; the one before stays in the journal (3.5).
    pub(super) fn set_wishes(
        &mut self,
        rank: CallRank,
        wishes: &[PostNumber],
        safety_net: SafetyNet,
    ) -> Outcome {
        self.session_or_published()?;
        self.still_to_choose(rank)?;
        self.may_act(rank)?;
        // Wishes may choose in the intern's place: they need the document as a choice does.
        self.document_is_there(rank)?;
        let off = !self.setup().policies.safety_net || !self.setup().round.has_turns();
        if safety_net != SafetyNet::Never && off {
            return Err(Rejection::SafetyNetOff);
        }
        for (index, post) in wishes.iter().enumerate() {
            self.known_post(*post)?;
            if wishes[..index].contains(post) {
                return Err(Rejection::WishTwice { post: *post });
            }
        }
        let version = self.amphi.wishes(rank).map_or(0, |list| list.version) + 1;
        self.emit(Event::WishesSet { rank, version, wishes: wishes.to_vec(), safety_net });
        Ok(())
    }
}
