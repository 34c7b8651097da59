//! What a command that nothing speaks against leads to, line by line in the minutes of `reading.rs`.

use amphi_core::{ChoiceManner, Command, Ineligibility, LatePolicy, Moment, SafetyNet, Standing};

use crate::asking::said;
use crate::reading::{GRACE, Line, Minutes};

impl Minutes {
    fn write(&mut self, now: i64, line: Line) {
        self.lines.push((now, line));
    }

    pub fn time_passes(&mut self, now: i64, attended: bool) {
        if let Some(turn) = self.turn().filter(|_| self.runs()) {
            if now >= turn.deadline.0 + GRACE {
                let rank = turn.rank.0;
                if let Some(post) = self.caught(rank, attended) {
                    self.write(now, Line::Took(rank, post, ChoiceManner::SafetyNet, false));
                }
                self.end_turn(rank, false, true, now);
            }
        } else if let Some(due) = self.due() {
            if due < now && !self.may_open(now) {
                self.write(now, Line::Interrupted(due));
            }
            self.call(now);
        }
    }

    /// The wish that the safety net of `rank` catches.
    fn caught(&self, rank: u16, attended: bool) -> Option<u16> {
        let list = self.wishes(rank)?;
        let spread = match list.safety_net {
            SafetyNet::Never => false,
            SafetyNet::AtExpiry => true,
            SafetyNet::IfAbsent => !attended,
        };
        let left = self.seats_left();
        let free = list.wishes.iter().map(|post| post.0).find(|post| left[usize::from(*post) - 1] > 0);
        free.filter(|_| spread)
    }

    /// Passes over whoever is no longer concerned, and opens the next turn if now is the time.
    fn call(&mut self, now: i64) {
        if !self.in_session() || self.turn().is_some() {
            return;
        }
        while let Some(next) = self.next_to_call().filter(|next| self.standing(*next) != Standing::Waiting) {
            self.write(now, Line::PassedOver(next));
        }
        let Some(next) = self.next_to_call().filter(|_| self.runs()) else { return };
        if now >= self.not_before(next) && self.may_open(now) {
            self.write(now, Line::Called(next));
        }
    }

    fn end_turn(&mut self, rank: u16, early: bool, counts: bool, now: i64) {
        self.write(now, Line::Ended(rank, early, counts));
        for held in self.held() {
            if self.seats_left()[usize::from(held.post.0) - 1] > 0 {
                self.write(now, Line::Took(held.rank.0, held.post.0, ChoiceManner::LateHeld, false));
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
        } else {
            self.call(now);
        }
    }

    fn choose(&mut self, rank: u16, post: u16, extra: bool, now: i64) {
        match self.turn() {
            Some(turn) if turn.rank.0 == rank => {
                let in_time = now <= turn.deadline.0;
                let manner = if in_time { ChoiceManner::InTurn } else { ChoiceManner::InGrace };
                self.write(now, Line::Took(rank, post, manner, extra));
                self.end_turn(rank, true, true, now);
            }
            Some(_) if !extra && self.waits(post) => self.write(now, Line::Wants(rank, post)),
            _ => self.write(now, Line::Took(rank, post, ChoiceManner::Late, extra)),
        }
    }

    fn waits(&self, post: u16) -> bool {
        let last = self.seats_left()[usize::from(post) - 1] == 1;
        last || self.policies().late == LatePolicy::AfterCurrentTurn
    }

    fn extend(&mut self, rank: u16, by: i64, now: i64) {
        let announced = self.turn().expect("in turn").deadline.0;
        self.write(now, Line::Extended(rank, announced.max(now) + by));
    }

    fn interrupted(&mut self, down_since: i64, now: i64) {
        if self.runs() {
            let since = down_since.max(self.last_instant()).min(now);
            self.write(now, Line::Interrupted(since));
            self.call(now);
        }
    }

    /// News only: what was found before, or admitted in spite of it, is none.
    fn check(&mut self, found: &[(amphi_core::CallRank, Ineligibility)], now: i64) {
        let admitted = |(rank, what): &(u16, Ineligibility)| self.admitted(*rank) == Some(*what);
        let found: Vec<_> =
            found.iter().map(|(rank, what)| (rank.0, *what)).filter(|f| !admitted(f)).collect();
        let told = |rank| found.iter().find(|(r, _)| *r == rank).map(|(_, what)| *what);
        if (1..=self.interns()).any(|rank| told(rank) != self.ineligible(rank)) {
            self.write(now, Line::Checked(found));
        }
    }

    fn elsewhere(&mut self, rank: u16, moment: Moment, now: i64) {
        let standing = self.standing(rank);
        let concerned = matches!(standing, Standing::Waiting | Standing::InTurn | Standing::Late { .. });
        if !concerned {
            return;
        }
        let in_turn = standing == Standing::InTurn;
        self.write(now, Line::Elsewhere(rank));
        if in_turn {
            self.end_turn(rank, true, false, now);
        } else if self.runs() && self.turn().is_none() {
            // Time had not had its consequences yet; between turns it has them now.
            self.time_passes(now, moment.turn_attended);
        }
        self.call(now);
    }

    pub fn happens(&mut self, command: &Command, moment: Moment) {
        let now = moment.at.0.max(self.last_instant());
        let reason = || said(command).unwrap_or_default().to_owned();
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
            Command::Suspend { .. } => self.write(now, Line::Stopped(reason())),
            Command::ExplainSuspension { .. } => self.write(now, Line::Explained(reason())),
            Command::Resume => {
                self.write(now, Line::Continued);
                self.call(now);
            }
            Command::Recover { down_since } => self.interrupted(down_since.0, now),
            Command::Close => self.write(now, Line::Closed),
            Command::Annul { .. } => self.write(now, Line::Annulled(reason())),
            Command::Choose { rank, post, supernumerary }
            | Command::ChooseFor { rank, post, supernumerary, .. } => {
                self.choose(rank.0, post.0, *supernumerary, now);
            }
            Command::Exchange { rank, post } => self.write(now, Line::Exchanged(rank.0, post.0)),
            Command::Assign { rank, post, .. } => {
                self.write(now, Line::Took(rank.0, post.0, ChoiceManner::Assigned, false));
            }
            Command::ReleaseHeld { rank } => self.write(now, Line::Drops(rank.0)),
            Command::Pass { rank } | Command::EndTurn { rank, .. } => {
                self.end_turn(rank.0, true, true, now);
            }
            Command::Extend { rank, by, .. } => self.extend(rank.0, by.0, now),
            Command::SetWishes { rank, wishes, safety_net } => {
                self.write(now, Line::Wished(rank.0, wishes.clone(), *safety_net));
            }
            Command::GiveProxy { rank, proxy } => self.write(now, Line::Gave(rank.0, *proxy)),
            Command::FileProxyDocument { rank, document } => self.write(now, Line::Filed(rank.0, *document)),
            Command::RevokeProxy { rank } | Command::RevertProxy { rank, .. } => {
                self.write(now, Line::Revoked(rank.0));
            }
            Command::AnnulChoice { rank, .. } => self.write(now, Line::Undone(rank.0, reason())),
            Command::Rewind { to, .. } => self.write(now, Line::Rewound(to.0, reason())),
            Command::Withdraw { rank, .. } => self.leaves(rank.0, Line::Withdrawn(rank.0), now),
            Command::Add { participant, .. } => {
                self.setup.as_mut().expect("published").participants.push((**participant).clone());
                self.write(now, Line::Added);
                self.call(now);
            }
            Command::Admit { rank, .. } => {
                let what = self.ineligible(rank.0).expect("found");
                self.write(now, Line::Admitted(rank.0, what));
            }
            Command::NoteIneligible { found } => self.check(found, now),
            Command::NotePlacedElsewhere { rank } => self.elsewhere(rank.0, moment, now),
            Command::NoteNoLongerPlacedElsewhere { rank } => {
                if self.standing(rank.0) == Standing::PlacedElsewhere {
                    self.write(now, Line::Back(rank.0));
                    self.call(now);
                }
            }
            Command::Tick => {}
        }
    }
}
