//! What may be asked of the amphi of `reading.rs`, and what then goes in its minutes.
//!
//! Where several reasons speak against a command they are all named: which one is told first is not a
//! matter of the domain (the tables of `rules/` fix it where it matters).

use amphi_core::{Actor, CallRank, ChoiceManner, Command, Rejection, Standing, Status};

use crate::reading::{GRACE, Line, Minutes};

// --- what is asked ------------------------------------------------------------------------------

impl Minutes {
    /// What speaks against `command`; when nothing does, it has happened.
    pub fn ask(&mut self, actor: Actor, command: &Command, now: i64) -> Vec<Rejection> {
        if !may_ask(actor, command) {
            return vec![Rejection::Forbidden];
        }
        let mut after = self.clone();
        let now = now.max(self.last_instant());
        if !matches!(command, Command::Recover { .. } | Command::NotePlacedElsewhere { .. }) {
            after.time_passes(now);
        }
        let mut reasons = Vec::new();
        reasons.extend(after.against_state(command));
        reasons.extend(after.against_person(command));
        reasons.extend(after.against_matter(command));
        if reasons.is_empty() {
            after.happens(command, now);
            *self = after;
        }
        reasons
    }

    fn against_state(&self, command: &Command) -> Option<Rejection> {
        use Rejection::{
            AlreadyOpen, AlreadyPublished, NotOpen, NotPublished, NotSuspended, Over, Suspended,
        };
        // Columns: draft, published, open, suspended, over.
        let refusals = match command {
            Command::Tick | Command::Recover { .. } => [None, None, None, None, None],
            Command::Draft(_) | Command::Publish => {
                [None, Some(AlreadyPublished), Some(AlreadyPublished), Some(AlreadyPublished), Some(Over)]
            }
            Command::Open => [Some(NotPublished), None, Some(AlreadyOpen), Some(AlreadyOpen), Some(Over)],
            Command::Resume => [Some(NotSuspended), Some(NotSuspended), Some(NotSuspended), None, Some(Over)],
            Command::Annul { .. } => [None, None, None, None, Some(Over)],
            Command::Close => [Some(NotPublished), Some(NotOpen), None, None, Some(Over)],
            Command::Withdraw { .. } | Command::NotePlacedElsewhere { .. } => {
                [Some(NotPublished), None, None, None, Some(Over)]
            }
            Command::Suspend { .. }
            | Command::Choose { .. }
            | Command::ReleaseHeld { .. }
            | Command::Pass { .. }
            | Command::EndTurn { .. } => {
                [Some(NotPublished), Some(NotOpen), None, Some(Suspended), Some(Over)]
            }
            _ => unreachable!("the worlds do not ask for {command:?} yet"),
        };
        let column = match self.status() {
            Status::Draft => 0,
            Status::Published => 1,
            Status::Open => 2,
            Status::Suspended { .. } => 3,
            Status::Closed | Status::Annulled { .. } => 4,
        };
        refusals[column].clone()
    }

    fn against_person(&self, command: &Command) -> Option<Rejection> {
        let (Command::Choose { rank, .. }
        | Command::ReleaseHeld { rank }
        | Command::Pass { rank }
        | Command::EndTurn { rank, .. }
        | Command::Withdraw { rank, .. }
        | Command::NotePlacedElsewhere { rank }) = command
        else {
            return None;
        };
        if rank.0 == 0 || rank.0 > self.interns() {
            return Some(Rejection::UnknownRank { rank: *rank });
        }
        let in_turn = self.turn().is_some_and(|turn| turn.rank == *rank);
        match (command, self.standing(rank.0)) {
            (Command::Choose { .. } | Command::Withdraw { .. }, Standing::Placed { post, .. }) => {
                Some(Rejection::AlreadyChosen { post })
            }
            (Command::Choose { .. }, Standing::PlacedElsewhere) => Some(Rejection::PlacedElsewhere),
            (Command::Choose { .. } | Command::Withdraw { .. }, Standing::Withdrawn) => {
                Some(Rejection::Withdrawn)
            }
            (Command::Choose { .. }, Standing::Waiting) => Some(Rejection::NotYourTurn),
            (Command::Pass { .. } | Command::EndTurn { .. }, _) if !in_turn => {
                Some(Rejection::TurnNotInProgress { rank: *rank })
            }
            (Command::ReleaseHeld { .. }, _) if !self.held().iter().any(|held| held.rank == *rank) => {
                Some(Rejection::NothingHeld)
            }
            _ => None,
        }
    }

    fn against_matter(&self, command: &Command) -> Option<Rejection> {
        match command {
            Command::Choose { post, .. } => {
                let left = self.seats_left();
                match usize::from(post.0).checked_sub(1).and_then(|index| left.get(index)) {
                    None => Some(Rejection::UnknownPost { post: *post }),
                    Some(0) => {
                        let by = self.takers(post.0).last().copied().map(CallRank);
                        Some(Rejection::PostTaken { post: *post, by })
                    }
                    Some(_) => None,
                }
            }
            Command::Suspend { reason }
            | Command::Annul { reason }
            | Command::EndTurn { reason, .. }
            | Command::Withdraw { reason, .. } => {
                (!(1..=500).contains(&reason.trim().chars().count())).then_some(Rejection::ReasonNeeded)
            }
            Command::Close => {
                let open = |s: &Standing| matches!(s, Standing::Waiting | Standing::InTurn);
                let remaining = self.standings().iter().filter(|s| open(s)).count() as u16;
                (remaining > 0).then_some(Rejection::TurnsRemain { remaining })
            }
            Command::Publish => self.setup.is_none().then(|| unusable("it has no call list yet")),
            Command::Draft(setup) => {
                setup.participants.is_empty().then(|| unusable("the call list is empty"))
            }
            _ => None,
        }
    }
}

fn unusable(problem: &str) -> Rejection {
    Rejection::UnusableSetup { problem: problem.to_owned() }
}

fn may_ask(actor: Actor, command: &Command) -> bool {
    match (actor, command) {
        (
            Actor::Intern { rank: asks },
            Command::Choose { rank, .. } | Command::ReleaseHeld { rank } | Command::Pass { rank },
        ) => asks == *rank,
        (Actor::Engine, Command::NotePlacedElsewhere { .. } | Command::Tick | Command::Recover { .. }) => {
            true
        }
        (
            Actor::Administrator { .. },
            Command::Choose { .. }
            | Command::ReleaseHeld { .. }
            | Command::Pass { .. }
            | Command::NotePlacedElsewhere { .. }
            | Command::Tick
            | Command::Recover { .. },
        ) => false,
        (Actor::Administrator { .. }, _) => true,
        _ => false,
    }
}

// --- what happens then --------------------------------------------------------------------------

impl Minutes {
    fn write(&mut self, now: i64, line: Line) {
        self.lines.push((now, line));
    }

    fn time_passes(&mut self, now: i64) {
        if let Some(turn) = self.turn().filter(|_| self.runs()) {
            if now >= turn.deadline.0 + GRACE {
                self.end_turn(turn.rank.0, false, true, now);
            }
        } else if let Some(due) = self.due() {
            if due < now && !self.may_open(now) {
                self.write(now, Line::Interrupted(due));
            }
            self.call(now);
        }
    }

    /// Opens the next turn if now is the time.
    fn call(&mut self, now: i64) {
        let Some(next) = self.next_to_call().filter(|_| self.runs() && self.turn().is_none()) else { return };
        if now >= self.planned()[usize::from(next) - 1] && self.may_open(now) {
            self.write(now, Line::Called(next));
        }
    }

    fn end_turn(&mut self, rank: u16, early: bool, counts: bool, now: i64) {
        self.write(now, Line::Ended(rank, early, counts));
        for held in self.held() {
            if self.seats_left()[usize::from(held.post.0) - 1] > 0 {
                self.write(now, Line::Took(held.rank.0, held.post.0, ChoiceManner::LateHeld));
            } else {
                self.write(now, Line::Drops(held.rank.0));
            }
        }
        self.call(now);
    }

    fn leaves(&mut self, rank: u16, line: Line, now: i64) {
        let in_turn = self.turn().is_some_and(|turn| turn.rank.0 == rank);
        self.write(now, line);
        if in_turn {
            self.end_turn(rank, true, false, now);
        }
    }

    fn choose(&mut self, rank: u16, post: u16, now: i64) {
        match self.turn() {
            Some(turn) if turn.rank.0 == rank => {
                let in_time = now <= turn.deadline.0;
                let manner = if in_time { ChoiceManner::InTurn } else { ChoiceManner::InGrace };
                self.write(now, Line::Took(rank, post, manner));
                self.end_turn(rank, true, true, now);
            }
            Some(_) if self.seats_left()[usize::from(post) - 1] == 1 => {
                self.write(now, Line::Wants(rank, post));
            }
            _ => self.write(now, Line::Took(rank, post, ChoiceManner::Late)),
        }
    }

    fn happens(&mut self, command: &Command, now: i64) {
        match command {
            Command::Draft(setup) => {
                self.setup = Some((**setup).clone());
                self.write(now, Line::Drafted);
            }
            Command::Publish => self.write(now, Line::Published),
            Command::Open => {
                self.write(now, Line::Opened);
                self.call(now);
            }
            Command::Suspend { reason } => self.write(now, Line::Stopped(reason.trim().to_owned())),
            Command::Resume => {
                self.write(now, Line::Continued);
                self.call(now);
            }
            Command::Recover { down_since } => {
                if self.runs() {
                    let since = down_since.0.max(self.last_instant()).min(now);
                    self.write(now, Line::Interrupted(since));
                    self.call(now);
                }
            }
            Command::Close => self.write(now, Line::Closed),
            Command::Annul { reason } => self.write(now, Line::Annulled(reason.trim().to_owned())),
            Command::Choose { rank, post, .. } => self.choose(rank.0, post.0, now),
            Command::ReleaseHeld { rank } => self.write(now, Line::Drops(rank.0)),
            Command::Pass { rank } | Command::EndTurn { rank, .. } => {
                self.end_turn(rank.0, true, true, now);
            }
            Command::Withdraw { rank, .. } => self.leaves(rank.0, Line::Withdrawn(rank.0), now),
            Command::NotePlacedElsewhere { rank } => {
                let may_leave = [Standing::Waiting, Standing::InTurn].contains(&self.standing(rank.0))
                    || matches!(self.standing(rank.0), Standing::Late { .. });
                if may_leave {
                    self.leaves(rank.0, Line::Elsewhere(rank.0), now);
                    // Time had not had its consequences yet; between turns it has them now.
                    if self.runs() && self.turn().is_none() {
                        self.time_passes(now);
                    }
                }
            }
            Command::Tick => {}
            _ => unreachable!("the worlds do not ask for {command:?} yet"),
        }
    }
}
