//! A second reading of the rules: slow, naive, written from `domain.md` 3.1–3.7 and not from the core.
//!
//! It keeps no state but the minutes, one line for each thing that happened; everything else (who stands
//! where, what is left, whose turn, until when) is read off them again each time. A rewind strikes lines out:
//! what remains is read as if they had never been written. What is written, and when, is in `asking.rs`; turns
//! and times are read in `times.rs`.

use std::collections::BTreeMap;

use amphi_core::{
    CallRank, ChoiceManner, HeldChoice, Ineligibility, Policies, PostNumber, Proxy, ProxyId, SafetyNet,
    Setup, Standing, Status, Timestamp, UndoneChoice, WishList,
};

pub const GRACE: i64 = 2_000;

#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    Drafted,
    Published,
    Opened,
    Called(u16),
    /// Was to be called, and is no longer concerned.
    PassedOver(u16),
    /// Of this rank; whether before its time; whether it counts for the pace.
    Ended(u16, bool, bool),
    /// Until then.
    Extended(u16, i64),
    /// Whether without a seat.
    Took(u16, u16, ChoiceManner, bool),
    Exchanged(u16, u16),
    Undone(u16, String),
    Rewound(u16, String),
    Wants(u16, u16),
    Drops(u16),
    Stopped(String),
    Explained(String),
    Continued,
    /// Out of service since then.
    Interrupted(i64),
    Elsewhere(u16),
    /// No longer elsewhere.
    Back(u16),
    Withdrawn(u16),
    Checked(Vec<(u16, Ineligibility)>),
    Admitted(u16, Ineligibility),
    Added,
    Gave(u16, ProxyId),
    Filed(u16, amphi_core::Digest),
    Revoked(u16),
    Wished(u16, Vec<PostNumber>, SafetyNet),
    Closed,
    Annulled(String),
}

/// What somebody holds, and by which line.
#[derive(Debug, Clone, Copy)]
pub struct Holding {
    pub post: u16,
    pub seat: Option<u16>,
    pub at: i64,
    pub manner: ChoiceManner,
    pub line: usize,
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

    pub fn policies(&self) -> Policies {
        self.setup.as_ref().map_or_else(Policies::default, |setup| setup.policies.clone())
    }

    pub fn has(&self, wanted: &Line) -> bool {
        self.lines.iter().any(|(_, line)| line == wanted)
    }

    // --- rewinding --------------------------------------------------------------------------

    /// Where the turn begins that the rewind in line `rewind` goes back to.
    fn gone_back_to(&self, rewind: usize, struck: &[bool]) -> usize {
        let Line::Rewound(to, _) = self.lines[rewind].1 else { unreachable!("a rewind") };
        let call = |index: &usize| [Line::Called(to), Line::PassedOver(to)].contains(&self.lines[*index].1);
        (0..rewind).rev().find(|index| call(index) && !struck[*index]).expect("was called")
    }

    /// Which of the first `end` lines count: turns and choices since the turn gone back to do not.
    fn counts(&self, end: usize) -> Vec<bool> {
        let mut struck = vec![false; end];
        for rewind in 0..end {
            if !matches!(self.lines[rewind].1, Line::Rewound(..)) {
                continue;
            }
            for index in self.gone_back_to(rewind, &struck)..rewind {
                struck[index] |= matches!(
                    self.lines[index].1,
                    Line::Called(_)
                        | Line::PassedOver(_)
                        | Line::Ended(..)
                        | Line::Took(..)
                        | Line::Exchanged(..)
                        | Line::Wants(..)
                        | Line::Drops(_)
                );
            }
        }
        struck.into_iter().map(|struck| !struck).collect()
    }

    /// The lines that count among the first `end`, each with its number.
    pub fn standing_lines(&self, end: usize) -> impl Iterator<Item = (usize, i64, &Line)> {
        let counts = self.counts(end);
        let numbered = self.lines[..end].iter().enumerate();
        numbered.filter(move |(index, _)| counts[*index]).map(|(index, (at, line))| (index, *at, line))
    }

    /// Whether the turn of `rank` was opened or passed over, and not gone back to since.
    pub fn was_called(&self, rank: u16) -> bool {
        let called = |line: &Line| [Line::Called(rank), Line::PassedOver(rank)].contains(line);
        self.standing_lines(self.lines.len()).any(|(_, _, line)| called(line))
    }

    // --- who holds what ---------------------------------------------------------------------

    /// Who holds what after the first `end` lines.
    pub fn holdings(&self, end: usize) -> BTreeMap<u16, Holding> {
        let mut held: BTreeMap<u16, Holding> = BTreeMap::new();
        for (index, at, line) in self.standing_lines(end) {
            let (rank, post, manner, extra) = match line {
                Line::Took(rank, post, manner, extra) => (*rank, *post, *manner, *extra),
                Line::Exchanged(rank, post) => (*rank, *post, ChoiceManner::Exchanged, false),
                Line::Undone(rank, _) => {
                    held.remove(rank);
                    continue;
                }
                _ => continue,
            };
            // The lowest seat that nobody holds.
            let taken = |seat: &u16| held.values().any(|h| (h.post, h.seat) == (post, Some(*seat)));
            let seat = (1..).find(|seat| !taken(seat)).filter(|_| !extra);
            held.insert(rank, Holding { post, seat, at, manner, line: index });
        }
        held
    }

    pub fn held_now(&self) -> BTreeMap<u16, Holding> {
        self.holdings(self.lines.len())
    }

    /// Those who hold a seat of `post`, whoever took theirs last at the end.
    pub fn takers(&self, post: u16) -> Vec<u16> {
        let mut takers: Vec<(usize, u16)> = self
            .held_now()
            .iter()
            .filter(|(_, held)| held.post == post && held.seat.is_some())
            .map(|(rank, held)| (held.line, *rank))
            .collect();
        takers.sort_unstable();
        takers.into_iter().map(|(_, rank)| rank).collect()
    }

    pub fn seats_left(&self) -> Vec<u16> {
        let held = self.held_now();
        let taken = |post: u16| held.values().filter(|h| h.post == post && h.seat.is_some()).count() as u16;
        let posts = self.setup.iter().flat_map(|setup| &setup.posts).enumerate();
        posts.map(|(index, post)| post.seats - taken(index as u16 + 1)).collect()
    }

    /// Whose choice the rewind in line `rewind` undid, with the post.
    fn undone_by(&self, rewind: usize, rank: u16) -> Option<u16> {
        let counted = self.counts(rewind + 1);
        let before = self.holdings(rewind).get(&rank).copied()?;
        (!counted[before.line]).then_some(before.post)
    }

    /// The last choice of `rank` that was undone.
    pub fn undone(&self, rank: u16) -> Option<UndoneChoice> {
        let undone = |(index, (at, line)): (usize, &(i64, Line))| {
            let (post, reason) = match line {
                Line::Undone(r, reason) if *r == rank => (self.holdings(index).get(&rank)?.post, reason),
                Line::Rewound(_, reason) => (self.undone_by(index, rank)?, reason),
                _ => return None,
            };
            Some(UndoneChoice { post: PostNumber(post), reason: reason.clone(), at: Timestamp(*at) })
        };
        self.lines.iter().enumerate().rev().find_map(undone)
    }

    pub fn held(&self) -> Vec<HeldChoice> {
        let mut held: Vec<HeldChoice> = Vec::new();
        for (_, at, line) in self.standing_lines(self.lines.len()) {
            match line {
                Line::Wants(rank, post) => {
                    let same = |h: &HeldChoice| h.rank.0 == *rank && h.post.0 == *post;
                    if !held.iter().any(same) {
                        held.retain(|h| h.rank.0 != *rank);
                        let (rank, post) = (CallRank(*rank), PostNumber(*post));
                        held.push(HeldChoice { rank, post, since: Timestamp(at) });
                    }
                }
                Line::Drops(rank) | Line::Took(rank, ..) | Line::Elsewhere(rank) | Line::Withdrawn(rank) => {
                    held.retain(|h| h.rank.0 != *rank);
                }
                Line::Annulled(_) | Line::Rewound(..) => held.clear(),
                _ => {}
            }
        }
        held
    }

    // --- where everybody stands -------------------------------------------------------------

    pub fn status(&self) -> Status {
        let mut status = Status::Draft;
        for (at, line) in &self.lines {
            match line {
                Line::Published => status = Status::Published,
                Line::Opened | Line::Continued => status = Status::Open,
                Line::Stopped(reason) | Line::Rewound(_, reason) => {
                    status = Status::Suspended { reason: reason.clone(), since: Timestamp(*at) };
                }
                Line::Explained(better) => {
                    if let Status::Suspended { reason, .. } = &mut status {
                        reason.clone_from(better);
                    }
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

    pub fn in_session(&self) -> bool {
        matches!(self.status(), Status::Open | Status::Suspended { .. })
    }

    pub fn standing(&self, rank: u16) -> Standing {
        let mut standing = Standing::Waiting;
        let mut called = false;
        for (index, at, line) in self.standing_lines(self.lines.len()) {
            let late = |passed| Standing::Late { since: Timestamp(at), passed };
            let without_a_seat = if called { late(false) } else { Standing::Waiting };
            match line {
                Line::Called(r) if *r == rank => (standing, called) = (Standing::InTurn, true),
                Line::PassedOver(r) if *r == rank => called = true,
                Line::Ended(r, early, _) if *r == rank && standing == Standing::InTurn => {
                    standing = late(*early);
                }
                Line::Took(r, ..) | Line::Exchanged(r, _) if *r == rank => {
                    let held = self.holdings(index + 1)[&rank];
                    standing = Standing::Placed {
                        post: PostNumber(held.post),
                        seat: held.seat,
                        at: Timestamp(held.at),
                        manner: held.manner,
                    };
                }
                Line::Undone(r, _) | Line::Back(r) if *r == rank => standing = without_a_seat,
                // Unless an earlier choice of theirs, exchanged since, stands again.
                Line::Rewound(..)
                    if self.undone_by(index, rank).is_some()
                        && !self.holdings(index + 1).contains_key(&rank) =>
                {
                    standing = without_a_seat;
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

    /// Whether `rank` had a turn that ended without a choice, and was not gone back to.
    pub fn let_go(&self, rank: u16) -> bool {
        self.standing_lines(self.lines.len()).any(|(index, _, line)| {
            let own_end = matches!(line, Line::Ended(r, _, true) if *r == rank);
            own_end && !matches!(self.lines[index - 1].1, Line::Took(r, ..) if r == rank)
        })
    }

    // --- proxies, wishes, eligibility -------------------------------------------------------

    pub fn proxy(&self, rank: u16) -> Option<Proxy> {
        let mut proxy = None;
        for (at, line) in &self.lines {
            match line {
                Line::Gave(r, id) if *r == rank => {
                    proxy = Some(Proxy { id: *id, since: Timestamp(*at), document: None });
                }
                Line::Filed(r, digest) if *r == rank => {
                    proxy = proxy.map(|proxy| Proxy { document: Some(*digest), ..proxy });
                }
                Line::Revoked(r) if *r == rank => proxy = None,
                _ => {}
            }
        }
        proxy
    }

    pub fn wishes(&self, rank: u16) -> Option<WishList> {
        let set = |(at, line): &(i64, Line)| match line {
            Line::Wished(r, wishes, net) if *r == rank => Some((*at, wishes.clone(), *net)),
            _ => None,
        };
        let versions: Vec<_> = self.lines.iter().filter_map(set).collect();
        let version = versions.len() as u32;
        let (at, wishes, safety_net) = versions.into_iter().next_back()?;
        Some(WishList { version, wishes, safety_net, at: Timestamp(at) })
    }

    pub fn ineligible(&self, rank: u16) -> Option<Ineligibility> {
        let mut ineligible = None;
        for (_, line) in &self.lines {
            match line {
                Line::Checked(found) => {
                    ineligible = found.iter().find(|(r, _)| *r == rank).map(|(_, what)| *what);
                }
                Line::Admitted(r, _) if *r == rank => ineligible = None,
                _ => {}
            }
        }
        ineligible
    }

    /// In spite of what `rank` was admitted last.
    pub fn admitted(&self, rank: u16) -> Option<Ineligibility> {
        let admitted = |(_, line): &(i64, Line)| match line {
            Line::Admitted(r, what) if *r == rank => Some(*what),
            _ => None,
        };
        self.lines.iter().rev().find_map(admitted)
    }
}
