//! A second reading of the rules: slow, naive, written from `domain.md` 3.1–3.3 and not from the core.
//!
//! It keeps no state but the minutes, one line for each thing that happened; everything else (who stands
//! where, what is left, whose turn, until when) is read off them again each time. What is written into
//! them, and when, is in `asking.rs`.

use amphi_core::{
    CallRank, ChoiceManner, HeldChoice, Millis, PostNumber, Setup, Standing, Status, Timestamp, Turn,
};

pub const GRACE: i64 = 2_000;

#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    Drafted,
    Published,
    Opened,
    Called(u16),
    /// Of this rank; whether before its time; whether it counts for the pace.
    Ended(u16, bool, bool),
    Took(u16, u16, ChoiceManner),
    Wants(u16, u16),
    Drops(u16),
    Stopped(String),
    Continued,
    /// Out of service since then.
    Interrupted(i64),
    Elsewhere(u16),
    Withdrawn(u16),
    Closed,
    Annulled(String),
}

/// The minutes of one amphi.
#[derive(Debug, Clone)]
pub struct Minutes {
    pub setup: Option<Setup>,
    pub lines: Vec<(i64, Line)>,
}

impl Minutes {
    pub fn new() -> Self {
        Self { setup: None, lines: Vec::new() }
    }

    pub fn last_instant(&self) -> i64 {
        self.lines.last().map_or(i64::MIN, |(at, _)| *at)
    }

    pub fn interns(&self) -> u16 {
        self.setup.as_ref().map_or(0, |setup| setup.participants.len() as u16)
    }

    pub fn has(&self, wanted: &Line) -> bool {
        self.lines.iter().any(|(_, line)| line == wanted)
    }

    pub fn status(&self) -> Status {
        let mut status = Status::Draft;
        for (at, line) in &self.lines {
            match line {
                Line::Published => status = Status::Published,
                Line::Opened | Line::Continued => status = Status::Open,
                Line::Stopped(reason) => {
                    status = Status::Suspended { reason: reason.clone(), since: Timestamp(*at) };
                }
                Line::Closed => status = Status::Closed,
                Line::Annulled(reason) => status = Status::Annulled { reason: reason.clone() },
                _ => {}
            }
        }
        status
    }

    pub fn runs(&self) -> bool {
        self.status() == Status::Open
    }

    pub fn standing(&self, rank: u16) -> Standing {
        let mut standing = Standing::Waiting;
        let mut taken = Vec::new();
        for (at, line) in &self.lines {
            let at = Timestamp(*at);
            match line {
                Line::Called(r) if *r == rank => standing = Standing::InTurn,
                Line::Ended(r, early, _) if *r == rank && standing == Standing::InTurn => {
                    standing = Standing::Late { since: at, passed: *early };
                }
                Line::Took(r, post, manner) => {
                    taken.push(*post);
                    if *r == rank {
                        let seat = taken.iter().filter(|taken| *taken == post).count() as u16;
                        standing = Standing::Placed {
                            post: PostNumber(*post),
                            seat: Some(seat),
                            at,
                            manner: *manner,
                        };
                    }
                }
                Line::Elsewhere(r) if *r == rank => standing = Standing::PlacedElsewhere,
                Line::Withdrawn(r) if *r == rank => standing = Standing::Withdrawn,
                _ => {}
            }
        }
        standing
    }

    pub fn standings(&self) -> Vec<Standing> {
        (1..=self.interns()).map(|rank| self.standing(rank)).collect()
    }

    pub fn takers(&self, post: u16) -> Vec<u16> {
        let taker = |(_, line): &(i64, Line)| match line {
            Line::Took(rank, taken, _) if *taken == post => Some(*rank),
            _ => None,
        };
        self.lines.iter().filter_map(taker).collect()
    }

    pub fn seats_left(&self) -> Vec<u16> {
        let posts = self.setup.iter().flat_map(|setup| &setup.posts);
        let left = |(index, seats): (usize, u16)| seats - self.takers(index as u16 + 1).len() as u16;
        posts.map(|post| post.seats).enumerate().map(left).collect()
    }

    pub fn held(&self) -> Vec<HeldChoice> {
        let mut held: Vec<HeldChoice> = Vec::new();
        for (at, line) in &self.lines {
            match line {
                Line::Wants(rank, post) => {
                    let same = |h: &HeldChoice| h.rank.0 == *rank && h.post.0 == *post;
                    if !held.iter().any(same) {
                        held.retain(|h| h.rank.0 != *rank);
                        let (rank, post) = (CallRank(*rank), PostNumber(*post));
                        held.push(HeldChoice { rank, post, since: Timestamp(*at) });
                    }
                }
                Line::Drops(rank) | Line::Took(rank, ..) | Line::Elsewhere(rank) | Line::Withdrawn(rank) => {
                    held.retain(|h| h.rank.0 != *rank);
                }
                Line::Annulled(_) => held.clear(),
                _ => {}
            }
        }
        held
    }

    pub fn duration(&self, rank: u16) -> i64 {
        let setup = self.setup.as_ref().expect("drafted");
        let extra = i64::from(setup.participants[usize::from(rank) - 1].extra_time_percent);
        setup.turn_duration.0 + setup.turn_duration.0 * extra / 100
    }

    /// The turn begun by the line at `begin`, told from the lines that follow, up to `end`.
    fn turn_between(&self, rank: u16, begin: usize, end: usize) -> Turn {
        let opened = self.lines[begin].0;
        let whole = self.duration(rank);
        let (mut left, mut from, mut stopped) = (whole, opened, false);
        let mut end_at = from + left;
        for (at, line) in &self.lines[begin + 1..end] {
            match line {
                Line::Stopped(_) => {
                    left = (left - (at - from)).max(0);
                    stopped = true;
                }
                Line::Interrupted(since) => left = (left - (since - from)).max(0),
                Line::Continued => stopped = false,
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
            stopped_for: Millis(end_at - (opened + whole)),
            extended_by: Millis::ZERO,
        }
    }

    pub fn turn(&self) -> Option<Turn> {
        let begun = self.lines.iter().rposition(|(_, line)| matches!(line, Line::Called(_)))?;
        let Line::Called(rank) = self.lines[begun].1 else { unreachable!() };
        let over = |(_, line): &(i64, Line)| matches!(line, Line::Ended(..) | Line::Annulled(_));
        let over = self.lines[begun..].iter().any(over);
        (!over).then(|| self.turn_between(rank, begun, self.lines.len()))
    }

    /// Time used ÷ time allowed in thousandths, three turns at 600 ‰ reckoned in advance.
    pub fn pace_permille(&self) -> u32 {
        let Some(setup) = &self.setup else { return 1_000 };
        let ahead = 3 * setup.turn_duration.0;
        let (mut used, mut allowed) = (ahead * 600 / 1_000, ahead);
        for (end, (at, line)) in self.lines.iter().enumerate() {
            let Line::Ended(rank, _, true) = line else { continue };
            let begin = self.lines.iter().position(|(_, l)| *l == Line::Called(*rank)).expect("called");
            let turn = self.turn_between(*rank, begin, end);
            let ran = at - turn.opened_at.0 - turn.stopped_for.0;
            used += ran.clamp(0, self.duration(*rank));
            allowed += self.duration(*rank);
        }
        u32::try_from(used * 1_000 / allowed).expect("small")
    }

    /// Whoever is to be called next: the first who was not called yet and did not leave.
    pub fn next_to_call(&self) -> Option<u16> {
        (1..=self.interns()).find(|rank| self.standing(*rank) == Standing::Waiting)
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

    /// When the next turn is due, if none is open and the session runs.
    pub fn due(&self) -> Option<i64> {
        let next = self.next_to_call().filter(|_| self.runs() && self.turn().is_none())?;
        Some(self.first_open(self.planned()[usize::from(next) - 1].max(self.last_instant())))
    }

    pub fn next_deadline(&self) -> Option<i64> {
        match self.turn().filter(|_| self.runs()) {
            Some(turn) => Some(turn.deadline.0 + GRACE),
            None => self.due(),
        }
    }

    pub fn delay(&self) -> i64 {
        self.turn().map_or(0, |turn| turn.opened_at.0 - self.planned()[usize::from(turn.rank.0) - 1])
    }
}
