//! Events change the state; nothing else does.
//!
//! `apply` never refuses and never asks: whether an event may happen was settled by `decide`, once,
//! before it was journaled.

use std::sync::Arc;

use crate::amphi::{Amphi, HeldChoice, Standing, Status, Turn};
use crate::event::{Event, TurnOutcome};
use crate::identity::{CallRank, PostNumber};
use crate::time::{Millis, Timestamp};

impl Amphi {
    /// Makes `event`, which happened at `at`, part of the state.
    ///
    /// # Panics
    /// On an event that `decide` cannot have produced for this state: a damaged journal must stop
    /// an amphi, not continue it.
    pub fn apply(&mut self, at: Timestamp, event: &Event) {
        self.last_event_at = self.last_event_at.max(at);
        match event {
            Event::Drafted { setup } => {
                self.standings = vec![Standing::Waiting; setup.participants.len()];
                self.seats_left = setup.posts.iter().map(|post| post.seats).collect();
                self.setup = Some(Arc::new(setup.as_ref().clone()));
            }
            Event::Published { planned_at } => {
                self.planned_at = Arc::from(planned_at.as_slice());
                self.status = Status::Published;
            }
            Event::Opened => self.status = Status::Open,
            Event::TurnOpened { rank, deadline } => self.open_turn(at, *rank, *deadline),
            Event::TurnClosed { rank, outcome, .. } => self.close_turn(at, *rank, *outcome),
            Event::TurnSkipped { rank } => self.next_rank = rank.next(),
            Event::ChoiceCommitted { rank, post, seat, manner } => {
                self.held.retain(|held| held.rank != *rank);
                self.seats_left[post.index()] -= 1;
                self.standings[rank.index()] =
                    Standing::Placed { post: *post, seat: *seat, at, manner: *manner };
            }
            Event::ChoiceHeld { rank, post } => self.hold(at, *rank, *post),
            Event::HeldChoiceRefused { rank, .. } | Event::HeldChoiceReleased { rank } => {
                self.held.retain(|held| held.rank != *rank);
            }
            Event::Suspended { reason } => self.stop_clock(at, reason),
            Event::Resumed { deadline } => {
                self.status = Status::Open;
                self.restart_clock(*deadline);
            }
            Event::ServiceInterrupted { deadline, .. } => self.restart_clock(*deadline),
            Event::PlacedElsewhere { rank } => self.leave(*rank, Standing::PlacedElsewhere),
            Event::Withdrawn { rank, .. } => self.leave(*rank, Standing::Withdrawn),
            Event::Closed { .. } => self.status = Status::Closed,
            Event::Annulled { reason } => {
                self.turn = None;
                self.held.clear();
                self.status = Status::Annulled { reason: reason.clone() };
            }
        }
    }

    fn open_turn(&mut self, at: Timestamp, rank: CallRank, deadline: Timestamp) {
        self.standings[rank.index()] = Standing::InTurn;
        self.next_rank = rank.next();
        self.turn = Some(Turn {
            rank,
            opened_at: at,
            deadline,
            remaining_when_suspended: None,
            stopped_for: Millis::ZERO,
        });
    }

    fn close_turn(&mut self, at: Timestamp, rank: CallRank, outcome: TurnOutcome) {
        let turn = self.turn.take().expect("only an open turn is closed");
        assert_eq!(turn.rank, rank, "the turn that is closed is the one that is open");
        if outcome != TurnOutcome::NoLongerConcerned {
            let allowed = self.setup.as_ref().expect("published").turn_duration_of(rank);
            let used = (at - turn.opened_at - turn.stopped_for).at_least_zero().min(allowed);
            self.pace.used = self.pace.used + used;
            self.pace.allowed = self.pace.allowed + allowed;
        }
        if self.standings[rank.index()] == Standing::InTurn {
            let passed = outcome != TurnOutcome::Expired;
            self.standings[rank.index()] = Standing::Late { since: at, passed };
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
