//! Fan-out: one frame, made once, to every viewer of an amphi; nobody is waited for.
//!
//! A change is framed once and put into the [`Window`]; each viewer is a [`Line`], a place in it. The room's
//! pump goes through the lines and writes to each socket what that viewer lacks, itself: no task and no
//! channel is woken per viewer, and all that has been said since the last sweep goes in one write
//! (coalescing). A socket that is full is passed over; its connection's task writes on when it can. Whoever
//! has been passed over for so long that the window has moved on gets no queue but one current snapshot, and
//! whoever takes nothing for some seconds is closed. Memory per viewer is constant.
//!
//! Why this one and not another is measured in the crate's README. The seam is [`Sink`]: "write what fits".
//! Behind it may be a socket of this process, one in memory (tests, simulator: [`Pocket`]), or another process.
//!
//! Deliberately absent: any wait, any allocation per delivery, and any knowledge of what frames say.

mod line;
mod pocket;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use amphi_core::{CallRank, ProxyId};
use slab::Slab;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use line::{End, Line, Look, Sink};
pub use pocket::{Pocket, Said};
pub use window::Window;

use crate::frame::Frame;
use crate::limits::WRITES_PER_SLICE;
use crate::metrics::meters;
use crate::protocol::{CloseCode, Role};
use crate::room::person;

/// Names a viewer within its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewerKey {
    lane: usize,
    index: usize,
}

/// Those who take part and those who run the session are told first, whoever only watches afterwards.
const LANES: usize = 2;

fn lane(role: Role) -> usize {
    match role {
        Role::Administrator | Role::Intern { .. } | Role::Holder { .. } => 0,
        Role::Spectator => 1,
    }
}

/// The viewers of one amphi on this server.
#[derive(Debug, Default)]
pub struct FanOut {
    public: Arc<Window>,
    lanes: [Slab<Arc<Line>>; LANES],
    administrators: Vec<ViewerKey>,
    /// The connections for a rank: the intern's own, and those of the holder of their proxy.
    of_rank: BTreeMap<CallRank, Vec<ViewerKey>>,
    /// There is something to pump.
    news: Arc<Notify>,
}

/// As many as a processor has reads from memory under way at once.
const WARMED_AT_ONCE: usize = 8;

/// How far a sweep has come.
#[derive(Debug, Default)]
pub struct Sweep {
    lane: usize,
    index: usize,
}

impl FanOut {
    /// Adds a viewer, who is told everything from now on.
    pub fn join(&mut self, line: &Arc<Line>) -> ViewerKey {
        line.follow(&self.public);
        let lane = lane(line.role());
        let key = ViewerKey { lane, index: self.lanes[lane].insert(Arc::clone(line)) };
        if let Some(among) = self.index(line.role()) {
            among.push(key);
        }
        key
    }

    /// Removes a viewer; it is told nothing more.
    pub fn leave(&mut self, key: ViewerKey) -> Option<Arc<Line>> {
        let line = self.lanes[key.lane].try_remove(key.index)?;
        if let Some(among) = self.index(line.role()) {
            among.retain(|other| *other != key);
        }
        if let Some((rank, _)) = person(line.role())
            && self.of_rank.get(&rank).is_some_and(Vec::is_empty)
        {
            self.of_rank.remove(&rank);
        }
        Some(line)
    }

    fn index(&mut self, role: Role) -> Option<&mut Vec<ViewerKey>> {
        match role {
            Role::Administrator => Some(&mut self.administrators),
            Role::Intern { rank } | Role::Holder { rank, .. } => Some(self.of_rank.entry(rank).or_default()),
            Role::Spectator => None,
        }
    }

    fn line(&self, key: ViewerKey) -> &Arc<Line> {
        &self.lanes[key.lane][key.index]
    }

    fn lines(&self) -> impl Iterator<Item = &Arc<Line>> {
        self.lanes.iter().flat_map(|lane| lane.iter().map(|(_, line)| line))
    }

    /// How many viewers there are.
    pub fn len(&self) -> usize {
        self.lanes.iter().map(Slab::len).sum()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells everybody, with the next sweep.
    pub fn broadcast(&self, frame: Frame) {
        meters().broadcasts.increment(1);
        self.public.push(frame);
        self.news.notify_one();
    }

    /// Tells administrators only, at once.
    pub fn to_administrators(&self, frame: &Frame) {
        self.lines_of(&self.administrators).for_each(|line| line.say(frame.clone()));
    }

    /// Tells every connection of one intern, and of the holder of their proxy, at once.
    pub fn to_intern(&self, rank: CallRank, frame: &Frame) {
        self.lines_for(rank).for_each(|line| line.say(frame.clone()));
    }

    /// Tells administrators what goes along with something that everybody is told: in the same write.
    pub fn to_administrators_along(&self, frame: &Frame) {
        self.lines_of(&self.administrators).for_each(|line| line.add(frame.clone()));
    }

    /// Tells an intern, and the holder of their proxy, what goes along with something that everybody is told.
    pub fn to_intern_along(&self, rank: CallRank, frame: &Frame) {
        self.lines_for(rank).for_each(|line| line.add(frame.clone()));
    }

    fn lines_for(&self, rank: CallRank) -> impl Iterator<Item = &Arc<Line>> {
        self.lines_of(self.of_rank.get(&rank).map_or(&[], Vec::as_slice))
    }

    fn lines_of<'a>(&'a self, keys: &'a [ViewerKey]) -> impl Iterator<Item = &'a Arc<Line>> {
        keys.iter().map(|key| self.line(*key))
    }

    /// How many connections one person has in one role.
    pub fn count_of(&self, role: Role) -> usize {
        let Some((rank, _)) = person(role) else { return 0 };
        self.lines_for(rank).filter(|line| line.role() == role).count()
    }

    /// Closes the connections of the holder of a proxy that has ended (3.4).
    pub fn close_holders(&self, ended: ProxyId) {
        let holds = |role: Role| matches!(role, Role::Holder { proxy, .. } if proxy == ended);
        self.lines().filter(|line| holds(line.role())).for_each(|line| line.close(CloseCode::NotAllowed));
    }

    /// Whether somebody is here for that rank.
    pub fn has_somebody_for(&self, rank: CallRank) -> bool {
        self.of_rank.contains_key(&rank)
    }

    /// Has the pump look, although nothing was said to everybody.
    pub fn ask_for_sweep(&self) {
        self.news.notify_one();
    }

    /// Closes every connection.
    pub fn close_all(&self, code: CloseCode) {
        self.lines().for_each(|line| line.close(code));
        self.news.notify_one();
    }

    /// Woken when there is something to sweep for.
    pub fn news(&self) -> Arc<Notify> {
        Arc::clone(&self.news)
    }

    /// Begins a sweep; says when what it is for was said, unless an earlier one has told it.
    pub fn begin_sweep(&self) -> (Sweep, Option<Instant>) {
        (Sweep::default(), self.public.take_said_at())
    }

    /// The next lines of a sweep, at most so many as are written to without a pause; `false` at the end.
    pub fn next_lines(&self, sweep: &mut Sweep, lines: &mut Vec<Arc<Line>>) -> bool {
        while let Some(lane) = self.lanes.get(sweep.lane) {
            while sweep.index < lane.capacity() && lines.len() < WRITES_PER_SLICE {
                lines.extend(lane.get(sweep.index).cloned());
                sweep.index += 1;
            }
            if lines.len() == WRITES_PER_SLICE {
                return true;
            }
            *sweep = Sweep { lane: sweep.lane + 1, index: 0 };
        }
        !lines.is_empty()
    }
}

/// One sweep's share: offers each of `lines` what it lacks; says how many were reached.
pub fn offer(lines: &mut Vec<Arc<Line>>) -> u64 {
    let mut reached = 0;
    for some in lines.chunks(WARMED_AT_ONCE) {
        some.iter().for_each(|line| line.warm());
        reached += some.iter().map(|line| u64::from(line.offer())).sum::<u64>();
    }
    lines.clear();
    reached
}
