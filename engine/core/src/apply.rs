//! Events change the state; nothing else does.
//!
//! `apply` never refuses and never asks: whether an event may happen was settled by `decide`, once,
//! before it was journaled.

use std::sync::Arc;

use crate::amphi::{Amphi, ExchangedChoice, HeldChoice, Proxy, Standing, Status, Turn, UndoneChoice};
use crate::event::{ChoiceManner, Event, Ineligibility, ReleasedSeat, TurnOutcome};
use crate::identity::{CallRank, PostNumber};
use crate::setup::{Participant, Setup};
use crate::time::{Millis, Timestamp};
use crate::wishes::WishList;

impl Amphi {
    /// Makes `event`, which happened at `at`, part of the state.
    ///
    /// # Panics
    /// On an event that `decide` cannot have produced for this state: a damaged journal must stop
    /// an amphi, not continue it.
    pub fn apply(&mut self, at: Timestamp, event: &Event) {
        self.last_event_at = self.last_event_at.max(at);
        match event {
            Event::Drafted { setup } => self.draft(setup),
            Event::Published { planned_at } => {
                self.planned_at = Arc::from(planned_at.as_slice());
                self.status = Status::Published;
            }
            Event::Opened => self.status = Status::Open,
            Event::TurnOpened { rank, deadline } => self.open_turn(at, *rank, *deadline),
            Event::TurnClosed { rank, outcome, .. } => self.close_turn(at, *rank, *outcome),
            Event::TurnSkipped { rank } => self.call(*rank),
            Event::TurnExtended { deadline, .. } => self.extend_turn(*deadline),
            Event::ChoiceCommitted { rank, post, seat, manner, .. } => {
                self.place(at, *rank, *post, *seat, *manner);
            }
            Event::SeatExchanged { rank, from_post, from_seat, post, seat } => {
                self.keep_exchanged(*rank);
                self.free(*from_post, *from_seat);
                self.place(at, *rank, *post, Some(*seat), ChoiceManner::Exchanged);
            }
            Event::ChoiceAnnulled { rank, post, seat, reason } => {
                self.undo(at, ReleasedSeat { rank: *rank, post: *post, seat: *seat }, reason);
                self.exchanged[rank.index()].clear();
            }
            Event::Rewound { to, released, reason } => self.rewind(at, *to, released, reason),
            Event::ChoiceRestored { rank, .. } => self.restore(*rank),
            Event::ChoiceHeld { rank, post, .. } => self.hold(at, *rank, *post),
            Event::HeldChoiceRefused { rank, .. } | Event::HeldChoiceReleased { rank } => {
                self.held.retain(|held| held.rank != *rank);
            }
            Event::Suspended { reason } => self.stop_clock(at, reason),
            Event::SuspensionExplained { reason } => {
                if let Status::Suspended { reason: shown, .. } = &mut self.status {
                    shown.clone_from(reason);
                }
            }
            Event::Resumed { deadline } => {
                self.status = Status::Open;
                self.restart_clock(*deadline);
            }
            Event::ServiceInterrupted { deadline, .. } => self.restart_clock(*deadline),
            Event::PlacedElsewhere { rank } => self.leave(*rank, Standing::PlacedElsewhere),
            Event::NoLongerPlacedElsewhere { rank } => {
                self.standings[rank.index()] = self.standing_without_a_seat(at, *rank);
            }
            Event::Withdrawn { rank, .. } => self.leave(*rank, Standing::Withdrawn),
            Event::ParticipantAdded { participant, planned_at, .. } => self.add(participant, *planned_at),
            Event::EligibilityChecked { found } => self.note_eligibility(found),
            Event::Admitted { rank, .. } => {
                self.admitted[rank.index()] = self.ineligible[rank.index()].take();
            }
            Event::ProxyGiven { rank, proxy } => {
                self.proxies[rank.index()] = Some(Proxy { id: *proxy, since: at, document: None });
            }
            Event::ProxyDocumentFiled { rank, document, .. } => {
                if let Some(proxy) = &mut self.proxies[rank.index()] {
                    proxy.document = Some(*document);
                }
            }
            Event::ProxyRevoked { rank, .. } => self.proxies[rank.index()] = None,
            Event::WishesSet { rank, version, wishes, safety_net } => {
                self.wishes[rank.index()] =
                    Some(WishList { version: *version, wishes: wishes.clone(), safety_net: *safety_net, at });
            }
            Event::Closed { .. } => self.status = Status::Closed,
            Event::Annulled { reason } => {
                self.turn = None;
                self.held.clear();
                self.status = Status::Annulled { reason: reason.clone() };
            }
        }
    }

    fn draft(&mut self, setup: &Setup) {
        self.standings.clear();
        self.proxies.clear();
        self.wishes.clear();
        self.ineligible.clear();
        self.admitted.clear();
        self.undone.clear();
        self.choice_number.clear();
        self.exchanged.clear();
        self.let_go.clear();
        setup.participants.iter().for_each(|_| self.make_place());
        self.seats_left = setup.posts.iter().map(|post| post.seats).collect();
        self.setup = Some(Arc::new(setup.clone()));
    }

    /// One more entry in everything that has one per rank.
    fn make_place(&mut self) {
        self.standings.push(Standing::Waiting);
        self.proxies.push(None);
        self.wishes.push(None);
        self.ineligible.push(None);
        self.admitted.push(None);
        self.undone.push(None);
        self.choice_number.push(0);
        self.exchanged.push(Vec::new());
        self.let_go.push(false);
    }

    fn add(&mut self, participant: &Participant, planned_at: Option<Timestamp>) {
        let setup = self.setup.as_mut().expect("a list is there to be added to");
        Arc::make_mut(setup).participants.push(participant.clone());
        self.planned_at = self.planned_at.iter().copied().chain(planned_at).collect();
        self.make_place();
    }

    fn note_eligibility(&mut self, found: &[(CallRank, Ineligibility)]) {
        self.ineligible.fill(None);
        for (rank, what) in found {
            self.ineligible[rank.index()] = Some(*what);
        }
    }

    /// The next rank to be called is the one after `rank`.
    fn call(&mut self, rank: CallRank) {
        self.next_rank = rank.next();
        self.choices_when_called.push(self.choices_made);
    }

    fn open_turn(&mut self, at: Timestamp, rank: CallRank, deadline: Timestamp) {
        self.standings[rank.index()] = Standing::InTurn;
        self.call(rank);
        self.turn = Some(Turn {
            rank,
            opened_at: at,
            deadline,
            remaining_when_suspended: None,
            stopped_for: Millis::ZERO,
            extended_by: Millis::ZERO,
        });
    }

    fn extend_turn(&mut self, deadline: Timestamp) {
        if let Some(turn) = &mut self.turn {
            turn.extended_by = turn.extended_by + (deadline - turn.deadline);
            turn.deadline = deadline;
        }
    }

    fn place(
        &mut self,
        at: Timestamp,
        rank: CallRank,
        post: PostNumber,
        seat: Option<u16>,
        manner: ChoiceManner,
    ) {
        self.held.retain(|held| held.rank != rank);
        if seat.is_some() {
            self.seats_left[post.index()] -= 1;
        }
        self.choices_made += 1;
        self.choice_number[rank.index()] = self.choices_made;
        self.standings[rank.index()] = Standing::Placed { post, seat, at, manner };
    }

    fn keep_exchanged(&mut self, rank: CallRank) {
        let (number, standing) = (self.choice_number[rank.index()], self.standings[rank.index()]);
        self.exchanged[rank.index()].push(ExchangedChoice { number, standing });
    }

    /// What was exchanged last stands again as it was made: with its number, its instant and its manner.
    fn restore(&mut self, rank: CallRank) {
        let earlier = self.exchanged[rank.index()].pop().expect("only what was exchanged is restored");
        if let Standing::Placed { post, seat: Some(_), .. } = earlier.standing {
            self.seats_left[post.index()] -= 1;
        }
        self.choice_number[rank.index()] = earlier.number;
        self.standings[rank.index()] = earlier.standing;
    }

    fn free(&mut self, post: PostNumber, seat: Option<u16>) {
        if seat.is_some() {
            self.seats_left[post.index()] += 1;
        }
    }

    fn undo(&mut self, at: Timestamp, released: ReleasedSeat, reason: &str) {
        let ReleasedSeat { rank, post, seat } = released;
        self.free(post, seat);
        self.undone[rank.index()] = Some(UndoneChoice { post, reason: reason.to_owned(), at });
        self.standings[rank.index()] = self.standing_without_a_seat(at, rank);
    }

    /// Where somebody stands who is concerned and holds nothing: waiting, or late once called.
    fn standing_without_a_seat(&self, at: Timestamp, rank: CallRank) -> Standing {
        let called =
            self.setup.as_ref().is_some_and(|setup| setup.round.has_turns()) && rank < self.next_rank;
        if called { Standing::Late { since: at, passed: false } } else { Standing::Waiting }
    }

    /// As it was before the turn of `to`, but for what has been said of people since: who left has left.
    fn rewind(&mut self, at: Timestamp, to: CallRank, released: &[ReleasedSeat], reason: &str) {
        self.turn = None;
        self.held.clear();
        self.next_rank = to;
        let choices_before = self.choices_when_called[to.index()];
        self.choices_when_called.truncate(to.index());
        for seat in released {
            self.undo(at, *seat, reason);
            self.exchanged[seat.rank.index()].retain(|earlier| earlier.number <= choices_before);
        }
        self.let_go[to.index()..].fill(false);
        for standing in &mut self.standings[to.index()..] {
            if matches!(standing, Standing::InTurn | Standing::Late { .. }) {
                *standing = Standing::Waiting;
            }
        }
        self.stop_clock(at, reason);
    }

    fn close_turn(&mut self, at: Timestamp, rank: CallRank, outcome: TurnOutcome) {
        let turn = self.turn.take().expect("only an open turn is closed");
        assert_eq!(turn.rank, rank, "the turn that is closed is the one that is open");
        if outcome != TurnOutcome::NoLongerConcerned {
            let duration = self.setup.as_ref().expect("published").turn_duration_of(rank);
            let allowed = duration + turn.extended_by;
            let used = (at - turn.opened_at - turn.stopped_for).at_least_zero().min(allowed);
            self.pace.used = self.pace.used + used;
            self.pace.allowed = self.pace.allowed + allowed;
        }
        if self.standings[rank.index()] == Standing::InTurn {
            let passed = outcome != TurnOutcome::Expired;
            self.standings[rank.index()] = Standing::Late { since: at, passed };
            self.let_go[rank.index()] = true;
        }
    }

    /// Another post replaces the one that is held, and queues last; the same one again changes nothing,
    /// so that a second click or device does not lose its place among late interns.
    fn hold(&mut self, at: Timestamp, rank: CallRank, post: PostNumber) {
        if self.held.iter().any(|held| held.rank == rank && held.post == post) {
            return;
        }
        self.held.retain(|held| held.rank != rank);
        self.held.push(HeldChoice { rank, post, since: at });
    }

    fn stop_clock(&mut self, at: Timestamp, reason: &str) {
        self.status = Status::Suspended { reason: reason.to_owned(), since: at };
        if let Some(turn) = &mut self.turn {
            turn.remaining_when_suspended = Some((turn.deadline - at).at_least_zero());
        }
    }

    fn restart_clock(&mut self, new_deadline: Option<Timestamp>) {
        if let (Some(turn), Some(deadline)) = (&mut self.turn, new_deadline) {
            turn.stopped_for = turn.stopped_for + (deadline - turn.deadline).at_least_zero();
            turn.deadline = deadline;
            turn.remaining_when_suspended = None;
        }
    }

    fn leave(&mut self, rank: CallRank, standing: Standing) {
        self.held.retain(|held| held.rank != rank);
        self.standings[rank.index()] = standing;
    }
}
