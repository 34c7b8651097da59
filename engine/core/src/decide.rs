//! The rules: what a command leads to, or why it is refused.
//!
//! `decide` changes nothing. It works on a copy of the state to which it applies each event as it
//! goes, so that every later step sees the consequences of the earlier ones: a choice closes the
//! turn, the end of the turn settles what was held, then the next turn opens.

use crate::amphi::{Amphi, GRACE, Standing, Status};
use crate::command::{Command, REASON_CHARS_MAX};
use crate::event::{ChoiceManner, Event, TurnOutcome};
use crate::identity::{Actor, CallRank, PostNumber};
use crate::rejection::Rejection;
use crate::setup::Setup;
use crate::time::Timestamp;

impl Amphi {
    /// What `command`, issued by `actor` and received at `now`, leads to.
    ///
    /// The events all happen at `now`, or at the instant of the last event when the clock went back.
    /// An empty answer means that there was nothing to do (a tick too early).
    ///
    /// # Errors
    /// The [`Rejection`] to show to whoever asked; nothing happened.
    pub fn decide(&self, actor: Actor, command: &Command, now: Timestamp) -> Result<Vec<Event>, Rejection> {
        authorise(actor, command)?;
        let mut decision = Decision::new(self, now);
        decision.run(command)?;
        Ok(decision.events)
    }

    /// The instant at which events decided at `now` happen: time never runs backwards in an amphi.
    pub fn event_instant(&self, now: Timestamp) -> Timestamp {
        now.max(self.last_event_at)
    }
}

/// Who may issue what; everything else is refused.
fn authorise(actor: Actor, command: &Command) -> Result<(), Rejection> {
    let allowed = match command {
        Command::Choose { rank, .. } | Command::ReleaseHeld { rank } | Command::Pass { rank } => {
            actor == Actor::Intern { rank: *rank }
        }
        Command::Draft(_)
        | Command::Publish
        | Command::Open
        | Command::Suspend { .. }
        | Command::Resume
        | Command::Close
        | Command::Annul { .. }
        | Command::EndTurn { .. }
        | Command::Withdraw { .. } => matches!(actor, Actor::Administrator { .. }),
        Command::NotePlacedElsewhere { .. } | Command::Tick | Command::Recover { .. } => {
            actor == Actor::Engine
        }
    };
    if allowed { Ok(()) } else { Err(Rejection::Forbidden) }
}

struct Decision {
    amphi: Amphi,
    now: Timestamp,
    events: Vec<Event>,
}

type Outcome = Result<(), Rejection>;

impl Decision {
    fn new(amphi: &Amphi, now: Timestamp) -> Self {
        Self { amphi: amphi.clone(), now: amphi.event_instant(now), events: Vec::new() }
    }

    fn emit(&mut self, event: Event) {
        self.amphi.apply(self.now, &event);
        self.events.push(event);
    }

    fn run(&mut self, command: &Command) -> Outcome {
        // Time that has run out counts before what is asked, so that the outcome depends on when a
        // command was received and not on whether a tick happened to be handled first (A6, A9). After
        // an interruption the clock stood still instead.
        if !matches!(command, Command::Recover { .. }) {
            self.tick();
        }
        match command {
            Command::Draft(setup) => self.draft(setup),
            Command::Publish => self.publish(),
            Command::Open => self.open(),
            Command::Suspend { reason } => self.suspend(reason),
            Command::Resume => self.resume(),
            Command::Close => self.close(),
            Command::Annul { reason } => self.annul(reason),
            Command::Choose { rank, post } => self.choose(*rank, *post),
            Command::ReleaseHeld { rank } => self.release_held(*rank),
            Command::Pass { rank } => {
                self.running()?;
                self.end_turn(*rank, TurnOutcome::Passed, None)
            }
            Command::EndTurn { rank, reason } => {
                self.running()?;
                let reason = checked_reason(reason)?;
                self.end_turn(*rank, TurnOutcome::EndedByAdministrator, Some(reason))
            }
            Command::Withdraw { rank, reason } => self.withdraw(*rank, reason),
            Command::NotePlacedElsewhere { rank } => self.note_placed_elsewhere(*rank),
            Command::Tick => Ok(()),
            Command::Recover { down_since } => {
                self.recover(*down_since);
                Ok(())
            }
        }
    }

    // --- before and after the session -------------------------------------------------------

    fn draft(&mut self, setup: &Setup) -> Outcome {
        self.still_a_draft()?;
        setup.validate().map_err(|problem| Rejection::UnusableSetup { problem: problem.to_string() })?;
        self.emit(Event::Drafted { setup: Box::new(setup.clone()) });
        Ok(())
    }

    fn publish(&mut self) -> Outcome {
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

    fn open(&mut self) -> Outcome {
        match self.amphi.status {
            Status::Published => {
                self.emit(Event::Opened);
                self.call_next();
                Ok(())
            }
            Status::Draft => Err(Rejection::NotPublished),
            Status::Open | Status::Suspended { .. } => Err(Rejection::AlreadyOpen),
            Status::Closed | Status::Annulled { .. } => Err(Rejection::Over),
        }
    }

    fn close(&mut self) -> Outcome {
        self.session_exists()?;
        let waiting = self.amphi.standings.iter().filter(|standing| standing.is_waiting()).count();
        let remaining = waiting + usize::from(self.amphi.turn.is_some());
        if remaining > 0 {
            let remaining = u16::try_from(remaining).expect("a call list is bounded");
            return Err(Rejection::TurnsRemain { remaining });
        }
        let unplaced = self
            .amphi
            .standings
            .iter()
            .enumerate()
            .filter(|(_, standing)| matches!(standing, Standing::Late { .. }))
            .map(|(index, _)| CallRank::from_index(index))
            .collect();
        self.emit(Event::Closed { unplaced });
        Ok(())
    }

    fn annul(&mut self, reason: &str) -> Outcome {
        if matches!(self.amphi.status, Status::Closed | Status::Annulled { .. }) {
            return Err(Rejection::Over);
        }
        self.emit(Event::Annulled { reason: checked_reason(reason)? });
        Ok(())
    }

    // --- the clock --------------------------------------------------------------------------

    fn suspend(&mut self, reason: &str) -> Outcome {
        self.running()?;
        self.emit(Event::Suspended { reason: checked_reason(reason)? });
        Ok(())
    }

    fn resume(&mut self) -> Outcome {
        match self.amphi.status {
            Status::Suspended { .. } => {}
            Status::Closed | Status::Annulled { .. } => return Err(Rejection::Over),
            _ => return Err(Rejection::NotSuspended),
        }
        let remaining = self.amphi.turn.as_ref().and_then(|turn| turn.remaining_when_suspended);
        self.emit(Event::Resumed { deadline: remaining.map(|left| self.now + left) });
        self.call_next();
        Ok(())
    }

    /// A crash or a deploy is a suspension: a turn gets at least the time announced to it (A10).
    fn recover(&mut self, down_since: Timestamp) {
        if self.amphi.status != Status::Open {
            return;
        }
        let stopped_at = down_since.max(self.amphi.last_event_at).min(self.now);
        let deadline = self.amphi.turn.as_ref().map(|turn| {
            let left = (turn.deadline - stopped_at).at_least_zero();
            self.now + left
        });
        self.emit(Event::ServiceInterrupted { down_since: stopped_at, deadline });
        self.call_next();
    }

    /// Time running out is a command like any other.
    fn tick(&mut self) {
        if self.amphi.status != Status::Open {
            return;
        }
        match &self.amphi.turn {
            Some(turn) if self.now >= turn.deadline + GRACE => {
                let rank = turn.rank;
                self.close_turn(rank, TurnOutcome::Expired, None);
            }
            Some(_) => {}
            None => {
                self.note_missed_opening();
                self.call_next();
            }
        }
    }

    /// A turn that was due, but is only noticed in the break that began since, opens after the break
    /// (A6). It is noted as an interruption, which it was: from then on the turn is due after the break.
    fn note_missed_opening(&mut self) {
        let Some((due, setup)) = self.amphi.next_turn_due().zip(self.amphi.setup.as_ref()) else { return };
        if due < self.now && setup.opening.first_open_from(self.now) > self.now {
            self.emit(Event::ServiceInterrupted { down_since: due, deadline: None });
        }
    }

    /// Skips whoever is no longer concerned, and opens the next turn if it is due (A6, A8).
    fn call_next(&mut self) {
        while let Some(standing) = self.amphi.standing(self.amphi.next_rank) {
            if standing.is_waiting() {
                break;
            }
            self.emit(Event::TurnSkipped { rank: self.amphi.next_rank });
        }
        let due = self.amphi.next_turn_due();
        if self.amphi.status == Status::Open && due.is_some_and(|due| due <= self.now) {
            let rank = self.amphi.next_rank;
            let duration =
                self.amphi.setup.as_ref().expect("an open amphi has a setup").turn_duration_of(rank);
            self.emit(Event::TurnOpened { rank, deadline: self.now + duration });
        }
    }

    /// Ends the open turn, settles what was held for it, and goes on.
    fn close_turn(&mut self, rank: CallRank, outcome: TurnOutcome, reason: Option<String>) {
        self.emit(Event::TurnClosed { rank, outcome, reason });
        for held in self.amphi.held.clone() {
            match self.amphi.free_seat(held.post) {
                Some(seat) => self.emit(Event::ChoiceCommitted {
                    rank: held.rank,
                    post: held.post,
                    seat,
                    manner: ChoiceManner::LateHeld,
                }),
                None => self.emit(Event::HeldChoiceRefused { rank: held.rank, post: held.post }),
            }
        }
        self.call_next();
    }

    fn end_turn(&mut self, rank: CallRank, outcome: TurnOutcome, reason: Option<String>) -> Outcome {
        self.known_rank(rank)?;
        match &self.amphi.turn {
            Some(turn) if turn.rank == rank => {
                self.close_turn(rank, outcome, reason);
                Ok(())
            }
            _ => Err(Rejection::TurnNotInProgress { rank }),
        }
    }

    // --- choosing ---------------------------------------------------------------------------

    fn choose(&mut self, rank: CallRank, post: PostNumber) -> Outcome {
        let standing = self.known_rank(rank)?;
        match standing {
            Standing::Placed { post, .. } => return Err(Rejection::AlreadyChosen { post }),
            Standing::PlacedElsewhere => return Err(Rejection::PlacedElsewhere),
            Standing::Withdrawn => return Err(Rejection::Withdrawn),
            Standing::Waiting | Standing::InTurn | Standing::Late { .. } => {}
        }
        self.running()?;
        if standing.is_waiting() {
            return Err(Rejection::NotYourTurn);
        }
        if post.index() >= self.amphi.seats_left.len() {
            return Err(Rejection::UnknownPost { post });
        }
        let Some(seat) = self.amphi.free_seat(post) else {
            return Err(Rejection::PostTaken { post, by: self.amphi.last_taker(post) });
        };
        match &self.amphi.turn {
            Some(turn) if turn.rank == rank => {
                let in_grace = self.now > turn.deadline;
                let manner = if in_grace { ChoiceManner::InGrace } else { ChoiceManner::InTurn };
                self.emit(Event::ChoiceCommitted { rank, post, seat, manner });
                self.close_turn(rank, TurnOutcome::Chosen, None);
            }
            Some(_) if self.amphi.seats_left[post.index()] == 1 => {
                self.emit(Event::ChoiceHeld { rank, post });
            }
            _ => self.emit(Event::ChoiceCommitted { rank, post, seat, manner: ChoiceManner::Late }),
        }
        Ok(())
    }

    fn release_held(&mut self, rank: CallRank) -> Outcome {
        self.known_rank(rank)?;
        if !self.amphi.held.iter().any(|held| held.rank == rank) {
            return Err(Rejection::NothingHeld);
        }
        self.running()?;
        self.emit(Event::HeldChoiceReleased { rank });
        Ok(())
    }

    // --- people who are no longer concerned -------------------------------------------------

    fn withdraw(&mut self, rank: CallRank, reason: &str) -> Outcome {
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

    fn note_placed_elsewhere(&mut self, rank: CallRank) -> Outcome {
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

    /// Whoever leaves during their own turn ends it; between turns, whoever was to be called next is
    /// skipped at once, so that the next deadline is that of somebody who still waits (A8).
    fn after_leaving(&mut self, rank: CallRank) {
        match &self.amphi.turn {
            Some(turn) if turn.rank == rank => {
                self.close_turn(rank, TurnOutcome::NoLongerConcerned, None);
            }
            None if self.amphi.status != Status::Published => self.call_next(),
            _ => {}
        }
    }

    // --- guards -----------------------------------------------------------------------------

    fn still_a_draft(&self) -> Outcome {
        match self.amphi.status {
            Status::Draft => Ok(()),
            Status::Published | Status::Open | Status::Suspended { .. } => Err(Rejection::AlreadyPublished),
            Status::Closed | Status::Annulled { .. } => Err(Rejection::Over),
        }
    }

    fn known_rank(&self, rank: CallRank) -> Result<Standing, Rejection> {
        self.amphi.standing(rank).ok_or(Rejection::UnknownRank { rank })
    }

    fn running(&self) -> Outcome {
        match self.amphi.status {
            Status::Open => Ok(()),
            Status::Suspended { .. } => Err(Rejection::Suspended),
            Status::Draft => Err(Rejection::NotPublished),
            Status::Published => Err(Rejection::NotOpen),
            Status::Closed | Status::Annulled { .. } => Err(Rejection::Over),
        }
    }

    fn session_exists(&self) -> Outcome {
        match self.running() {
            Err(Rejection::Suspended) => Ok(()),
            other => other,
        }
    }

    fn session_or_published(&self) -> Outcome {
        match self.running() {
            Err(Rejection::Suspended | Rejection::NotOpen) => Ok(()),
            other => other,
        }
    }
}

fn checked_reason(reason: &str) -> Result<String, Rejection> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        return Err(Rejection::ReasonNeeded);
    }
    Ok(reason.to_owned())
}
