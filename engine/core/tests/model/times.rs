//! The second reading, of time: whose turn, until when, when the next one, how quick they are.

use amphi_core::{CallRank, Millis, Standing, Timestamp, Turn};

use crate::reading::{GRACE, Line, Minutes};

impl Minutes {
    pub fn duration(&self, rank: u16) -> i64 {
        let setup = self.setup.as_ref().expect("drafted");
        let extra = i64::from(setup.participants[usize::from(rank) - 1].extra_time_percent);
        setup.turn_duration.0 + setup.turn_duration.0 * extra / 100
    }

    /// The turn begun by the line at `begin`, told from the lines that follow, up to `end`.
    pub fn turn_between(&self, rank: u16, begin: usize, end: usize) -> Turn {
        let opened = self.lines[begin].0;
        let convoked = self.planned()[usize::from(rank) - 1];
        let early = self.policies().early_opening && convoked > opened;
        let announced = if early { convoked } else { opened } + self.duration(rank);
        let (mut left, mut from, mut stopped, mut extended) = (announced - opened, opened, false, 0);
        let mut end_at = announced;
        for (at, line) in &self.lines[begin + 1..end] {
            match line {
                Line::Stopped(_) => {
                    left = (left - (at - from)).max(0);
                    stopped = true;
                }
                Line::Interrupted(since) => left = (left - (since - from)).max(0),
                Line::Continued => stopped = false,
                Line::Extended(_, until) => {
                    extended += until - end_at;
                    left = until - at;
                }
                _ => continue,
            }
            if !stopped {
                from = *at;
                end_at = from + left;
            }
        }
        Turn {
            rank: CallRank(rank),
            opened_at: Timestamp(opened),
            deadline: Timestamp(end_at),
            remaining_when_suspended: stopped.then_some(Millis(left)),
            stopped_for: Millis(end_at - announced - extended),
            extended_by: Millis(extended),
        }
    }

    pub fn turn(&self) -> Option<Turn> {
        let (mut open, annulled) = (None, matches!(self.lines.last(), Some((_, Line::Annulled(_)))));
        for (index, _, line) in self.standing_lines(self.lines.len()) {
            match line {
                Line::Called(rank) => open = Some((*rank, index)),
                Line::Ended(..) => open = None,
                _ => {}
            }
        }
        let (rank, begun) = open.filter(|_| !annulled)?;
        Some(self.turn_between(rank, begun, self.lines.len()))
    }

    /// Time used ÷ time allowed in thousandths, three turns at 600 ‰ reckoned in advance; a turn that was gone
    /// back to took its time all the same.
    pub fn pace_permille(&self) -> u32 {
        let Some(setup) = &self.setup else { return 1_000 };
        let ahead = 3 * setup.turn_duration.0;
        let (mut used, mut allowed) = (ahead * 600 / 1_000, ahead);
        for (end, (at, line)) in self.lines.iter().enumerate() {
            let Line::Ended(rank, _, true) = line else { continue };
            let begin =
                self.lines[..end].iter().rposition(|(_, l)| *l == Line::Called(*rank)).expect("called");
            let turn = self.turn_between(*rank, begin, end);
            let ran = at - turn.opened_at.0 - turn.stopped_for.0;
            let could_take = self.duration(*rank) + turn.extended_by.0;
            used += ran.clamp(0, could_take);
            allowed += could_take;
        }
        u32::try_from(used * 1_000 / allowed).expect("small")
    }

    /// Whoever is to be called or passed over next.
    pub fn next_to_call(&self) -> Option<u16> {
        (1..=self.interns()).find(|rank| !self.was_called(*rank))
    }

    pub fn turns_are_over(&self) -> bool {
        self.turn().is_none() && !self.standings().contains(&Standing::Waiting)
    }

    pub fn may_open(&self, t: i64) -> bool {
        let ranges = self.setup.as_ref().expect("drafted").opening.ranges();
        let within = |range: &amphi_core::opening::OpeningRange| {
            t >= range.opens_at.0 && (t < range.closes_at.0 || range == &ranges[ranges.len() - 1])
        };
        ranges.iter().any(within)
    }

    /// The first instant from `t` on at which a turn may open: `t` itself, or where a range begins.
    pub fn first_open(&self, t: i64) -> i64 {
        let begins = self.setup.as_ref().expect("drafted").opening.ranges().iter().map(|r| r.opens_at.0);
        let candidates = begins.filter(|begin| *begin > t).chain([t]);
        candidates.filter(|candidate| self.may_open(*candidate)).min().expect("the last range has no end")
    }

    pub fn planned(&self) -> Vec<i64> {
        if !self.has(&Line::Published) {
            return Vec::new();
        }
        let mut planned = Vec::new();
        let mut end_of_previous = i64::MIN;
        for rank in 1..=self.interns() {
            let begin = self.first_open(end_of_previous);
            end_of_previous = begin + self.duration(rank);
            planned.push(begin);
        }
        planned
    }

    /// Before when `rank` is not called: the convoked time, or the first of all where turns may open early.
    pub fn not_before(&self, rank: u16) -> i64 {
        let planned = self.planned();
        if self.policies().early_opening { planned[0] } else { planned[usize::from(rank) - 1] }
    }

    /// When the next turn is due, if none is open and the session runs.
    pub fn due(&self) -> Option<i64> {
        let next = self.next_to_call().filter(|_| self.runs() && self.turn().is_none())?;
        Some(self.first_open(self.not_before(next).max(self.last_instant())))
    }

    pub fn next_deadline(&self) -> Option<i64> {
        match self.turn().filter(|_| self.runs()) {
            Some(turn) => Some(turn.deadline.0 + GRACE),
            None => self.due(),
        }
    }

    pub fn delay(&self) -> i64 {
        let behind = |turn: Turn| turn.opened_at.0 - self.planned()[usize::from(turn.rank.0) - 1];
        self.turn().map_or(0, |turn| behind(turn).max(0))
    }
}
