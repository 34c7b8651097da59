//! The chain: what the server told, once; every client is compared with it.
//!
//! The first client that is told a change adds it here, parsed; whoever is told it later only has its
//! bytes compared. So each content is checked for each client, and parsed once. From the first snapshot on,
//! the chain overlays every change, and every other snapshot must equal the chain's own state at its
//! position: a client whose snapshot and changes are all on the chain has the chain's state, whole.
//!
//! A server that comes after another (a restart, a reload, a takeover: another epoch) tells the past again,
//! and may cut it differently: entry by entry instead of command by command. So several changes may lead from
//! one position; within one epoch all clients are told the same one, and all ways to a position must lead to
//! the same state, whole.
//!
//! Absent: the journal. The chain knows only what clients were told; [`oracle`](crate::oracle) compares it
//! with the journal.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::state::{PublicState, Standing, number};

/// A position in the journal of an amphi.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Ownership epoch.
    pub epoch: u64,
    /// Journal entry.
    pub seq: u64,
}

/// A seat somebody was seen to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Who.
    pub rank: u16,
    /// Which post.
    pub post: u64,
    /// Which of its seats.
    pub seat: u64,
    /// When, on the server's clock.
    pub at: i64,
}

/// One change, as it was first told.
#[derive(Debug)]
pub struct Step {
    /// Where it leads.
    pub to: Position,
    /// The state it applies to.
    pub from_seq: u64,
    /// New standings.
    pub standings: Vec<(u16, Standing)>,
    /// Seats taken.
    pub placed: Vec<Placement>,
    /// Ranks whose held choice came to nothing.
    pub held_refused: Vec<u16>,
    /// How many clients were told it.
    pub deliveries: u64,
    /// When the last client that was connected knew it, by being told or by a later snapshot.
    pub last_known: Instant,
    /// Which measured choice caused it, if one did.
    pub choice: Option<usize>,
    frame: Box<[u8]>,
    change: Value,
    first_told: String,
}

/// A snapshot, as it was first told; equal ones share it.
#[derive(Debug)]
pub struct KnownSnapshot {
    /// What it says.
    pub state: PublicState,
    frame: Box<[u8]>,
    first_told: String,
}

/// How a change compared with the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nobody had been told it before.
    New,
    /// The same content in other bytes.
    Variant,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Chain {
    base: Option<PublicState>,
    frontier: Option<PublicState>,
    /// The changes that lead from a position, in the order in which they were first told.
    steps: BTreeMap<u64, Vec<Step>>,
    snapshots: BTreeMap<u64, Vec<Rc<KnownSnapshot>>>,
    /// The same by the hash of their bytes: parsing one costs a thousand times more than hashing it.
    by_bytes: HashMap<u64, Rc<KnownSnapshot>>,
    /// Messages that said the same as another in other bytes: no lie, yet not "the same bytes for everybody".
    pub variants: u64,
}

impl Chain {
    /// The step that leads from `seq` and has these bytes: the way of nearly every message.
    pub fn matching(&mut self, seq: u64, frame: &[u8]) -> Option<&mut Step> {
        self.steps.get_mut(&seq)?.iter_mut().find(|step| *step.frame == *frame)
    }

    /// Takes a change that [`Chain::matching`] did not know, told to `who`, who is at `at`; gives back the
    /// step that it is, and whether that is new.
    ///
    /// # Errors
    /// A gap, a repeat, an epoch that goes back, or another content than somebody else was told.
    pub fn tell(
        &mut self,
        who: &str,
        at: Position,
        frame: &[u8],
        change: Value,
        now: Instant,
    ) -> Result<(&mut Step, Told)> {
        let to = Position { epoch: number(&change, "epoch")?, seq: number(&change, "seq")? };
        let from_seq = number(&change, "from_seq")?;
        ensure!(from_seq <= at.seq, "gap: a change from_seq {from_seq} came while at {}", at.seq);
        ensure!(
            from_seq == at.seq,
            "repeat or disorder: a change from_seq {from_seq} came while at {}",
            at.seq
        );
        ensure!(to.seq > from_seq, "a change from {from_seq} leads back to {}", to.seq);
        ensure!(to.epoch >= at.epoch, "the epoch went back from {} to {}", at.epoch, to.epoch);
        let known = self.steps.get(&from_seq).map_or(&[][..], Vec::as_slice);
        for known in known.iter().filter(|known| known.to.seq == to.seq || known.to.epoch == to.epoch) {
            ensure!(
                equal_but_for_epoch(&known.change, &change),
                "the change from {from_seq} says something else than the same one told to {}: {change} ≠ {}",
                known.first_told,
                known.change
            );
        }
        if let Some(index) = known.iter().position(|known| known.to == to) {
            self.variants += 1;
            let steps = self.steps.get_mut(&from_seq).context("the chain lost a step")?;
            return Ok((&mut steps[index], Told::Variant));
        }
        self.steps.entry(from_seq).or_default().push(Step::new(who, to, frame, change, now)?);
        self.advance()?;
        let added = self.steps.get_mut(&from_seq).and_then(|steps| steps.last_mut());
        Ok((added.context("the chain lost a step")?, Told::New))
    }

    /// Moves the frontier over every step that is known from there.
    fn advance(&mut self) -> Result<()> {
        while let Some(frontier) = &mut self.frontier
            && let Some(step) = self.steps.get(&frontier.seq).and_then(|steps| steps.first())
        {
            frontier.overlay(&step.change)?;
        }
        Ok(())
    }

    /// The step that was told first of those that lead from `seq`.
    pub fn step_mut(&mut self, seq: u64) -> Option<&mut Step> {
        self.steps.get_mut(&seq)?.first_mut()
    }

    /// Takes a snapshot told to `who`; the first one becomes the base of the chain.
    ///
    /// # Errors
    /// When it is malformed, older than the base, or differs from another snapshot of the same position.
    pub fn snapshot(&mut self, who: &str, frame: &[u8]) -> Result<Rc<KnownSnapshot>> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(frame);
        if let Some(known) = self.by_bytes.get(&hash).filter(|known| *known.frame == *frame) {
            return Ok(Rc::clone(known));
        }
        let message = serde_json::from_slice(frame).context("a snapshot that is not JSON")?;
        let state = PublicState::from_snapshot(message)?;
        let base_seq = self.base.as_ref().map_or(state.seq, |base| base.seq);
        ensure!(state.seq >= base_seq, "a snapshot at {}, before the first one at {base_seq}", state.seq);
        let same_position = self.snapshots.entry(state.seq).or_default();
        if let Some(known) = same_position.first() {
            let differences = known.state.differences(&state);
            if !differences.is_empty() {
                bail!(
                    "the snapshot at {} is not the one told to {}: {}",
                    state.seq,
                    known.first_told,
                    differences.join("; ")
                );
            }
            self.variants += 1;
        }
        let known = Rc::new(KnownSnapshot { state, frame: frame.into(), first_told: who.to_owned() });
        same_position.push(Rc::clone(&known));
        self.by_bytes.insert(hash, Rc::clone(&known));
        if self.base.is_none() {
            self.base = Some(known.state.clone());
        }
        // A snapshot may lead further than all changes told so far; whether these lead there, too, is settled
        // at the end.
        if self.frontier.as_ref().is_none_or(|frontier| frontier.seq < known.state.seq) {
            self.frontier = Some(known.state.clone());
            self.advance()?;
        }
        Ok(known)
    }

    /// The latest state that anybody can know; `None` before the first snapshot.
    pub fn frontier(&self) -> Option<&PublicState> {
        self.frontier.as_ref()
    }

    /// The first state that was told.
    pub fn base(&self) -> Option<&PublicState> {
        self.base.as_ref()
    }

    /// Bytes of the first snapshot of the base.
    pub fn snapshot_bytes(&self) -> usize {
        self.snapshots.values().flatten().next().map_or(0, |known| known.frame.len())
    }

    /// Every step, in order from the base, the one told first where there are several; stops at a hole.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        let from = |seq: u64| self.steps.get(&seq).and_then(|steps| steps.first());
        let first = self.base.as_ref().and_then(|base| from(base.seq));
        std::iter::successors(first, move |step| from(step.to.seq))
    }

    /// Every end of a turn that was announced to anybody: journal entry, rank, deadline.
    pub fn announced_deadlines(&self) -> Vec<(u64, u16, i64)> {
        let of_turn = |seq: u64, turn: &Value| {
            let rank = turn["rank"].as_u64().and_then(|rank| rank.try_into().ok())?;
            // While suspended, the deadline stands still and is not announced.
            Some((seq, rank, turn["deadline"].as_i64()?))
        };
        let steps = self.steps.values().flatten();
        let changes = steps.filter_map(|step| of_turn(step.to.seq, &step.change["turn"]));
        let snapshots = self.snapshots.values().flatten();
        let snapshots = snapshots.filter_map(|known| of_turn(known.state.seq, known.state.fact("turn")));
        let mut announced: Vec<_> = changes.chain(snapshots).collect();
        announced.sort_unstable();
        announced.dedup();
        announced
    }

    /// Goes over the whole chain once more: all ways to a position must lead to the same state, and every
    /// snapshot anybody was told must be that state. What is wrong, in words.
    pub fn settle(&self) -> Vec<String> {
        let Some(base) = self.base.clone() else { return vec!["nobody was told a snapshot".to_owned()] };
        let mut wrong = Vec::new();
        let (mut compared, mut walked) = (0, 0);
        let mut reached = BTreeMap::from([(base.seq, base)]);
        while let Some((seq, state)) = reached.pop_first() {
            for known in self.snapshots.get(&seq).into_iter().flatten() {
                compared += 1;
                let differences = state.differences(&known.state);
                if !differences.is_empty() {
                    wrong.push(format!(
                        "the changes up to {seq} lead elsewhere than the snapshot told to {}: {}",
                        known.first_told,
                        differences.join("; ")
                    ));
                }
            }
            let steps = self.steps.get(&seq).map_or(&[][..], Vec::as_slice);
            walked += steps.len();
            wrong.extend(follow(state, steps, &mut reached));
        }
        let known: usize = self.snapshots.values().map(Vec::len).sum();
        if compared != known {
            wrong.push(format!("{} snapshots are at positions that no change leads to", known - compared));
        }
        let told: usize = self.steps.values().map(Vec::len).sum();
        if walked != told {
            wrong.push(format!("{} changes are beyond a hole", told - walked));
        }
        wrong
    }
}

/// Overlays `state` with each of `steps`, and compares what they reach with what is reached already; what is
/// wrong, in words.
fn follow(state: PublicState, steps: &[Step], reached: &mut BTreeMap<u64, PublicState>) -> Vec<String> {
    let mut wrong = Vec::new();
    // Nearly always there is one step: then nothing is copied.
    let mut state = Some(state);
    for (index, step) in steps.iter().enumerate() {
        let is_last = index + 1 == steps.len();
        let Some(mut next) = (if is_last { state.take() } else { state.clone() }) else { break };
        if let Err(problem) = next.overlay(&step.change) {
            wrong.push(format!("the change told first to {} does not apply: {problem:#}", step.first_told));
            continue;
        }
        match reached.get(&next.seq) {
            None => drop(reached.insert(next.seq, next)),
            Some(other) => {
                let differences = other.differences(&next);
                if !differences.is_empty() {
                    wrong.push(format!(
                        "the change from {} to {} told first to {} leads elsewhere than another way there: {}",
                        step.from_seq,
                        step.to.seq,
                        step.first_told,
                        differences.join("; ")
                    ));
                }
            }
        }
    }
    wrong
}

/// Whether two changes say the same; a server that comes after another tells the past in its own epoch.
fn equal_but_for_epoch(one: &Value, other: &Value) -> bool {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return one == other };
    one.len() == other.len()
        && one.iter().all(|(key, value)| key == "epoch" || other.get(key).is_some_and(|other| other == value))
}

impl Step {
    fn new(who: &str, to: Position, frame: &[u8], change: Value, now: Instant) -> Result<Self> {
        let mut standings = Vec::new();
        let mut placed = Vec::new();
        for changed in change["participants"].as_array().context("a change without participants")? {
            let rank = u16::try_from(number(changed, "rank")?)?;
            standings.push((rank, Standing::of(changed)));
            if Standing::of(changed) == Standing::Placed {
                let (post, seat) = (number(changed, "post")?, number(changed, "seat")?);
                let at = changed["at"].as_i64().context("a placement without its instant")?;
                placed.push(Placement { rank, post, seat, at });
            }
        }
        let refused = change["held_refused"].as_array().map_or(&[][..], Vec::as_slice);
        let held_refused = refused.iter().filter_map(Value::as_u64).filter_map(|rank| rank.try_into().ok());
        Ok(Self {
            to,
            from_seq: number(&change, "from_seq")?,
            standings,
            placed,
            held_refused: held_refused.collect(),
            deliveries: 0,
            last_known: now,
            choice: None,
            frame: frame.into(),
            first_told: who.to_owned(),
            change,
        })
    }

    /// New standing of `rank`, if it changed.
    pub fn standing_of(&self, rank: u16) -> Option<Standing> {
        self.standings.iter().find(|(changed, _)| *changed == rank).map(|(_, standing)| *standing)
    }
}
