//! The chain: what the server told, once; every client is compared with it.
//!
//! The first client that is told a change adds it here, parsed; whoever is told it later only has its
//! bytes compared. So each content is checked for each client, and parsed once. From the first snapshot on,
//! the chain overlays every change, and every other snapshot must equal the chain's own state at its
//! position: a client whose snapshot and changes are all on the chain has the chain's state, whole.
//!
//! Absent: the journal. The chain knows only what clients were told; [`oracle`](crate::oracle) compares it
//! with the journal.

use std::collections::{BTreeMap, HashMap};
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
    steps: HashMap<u64, Step>,
    snapshots: BTreeMap<u64, Vec<Rc<KnownSnapshot>>>,
    latest_snapshot: Option<Rc<KnownSnapshot>>,
    /// Messages that said the same as another in other bytes: no lie, yet not "the same bytes for everybody".
    pub variants: u64,
}

impl Chain {
    /// The step that leads from `seq`, when these are its bytes: the way of nearly every message.
    pub fn matching(&mut self, seq: u64, frame: &[u8]) -> Option<&mut Step> {
        self.steps.get_mut(&seq).filter(|step| *step.frame == *frame)
    }

    /// Takes a change that [`Chain::matching`] did not know, told to `who`, who is at `at`.
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
    ) -> Result<Told> {
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
        if let Some(known) = self.steps.get(&from_seq) {
            ensure!(
                known.change == change,
                "the change from {from_seq} says something else than the same one told to {}: {change} ≠ {}",
                known.first_told,
                known.change
            );
            self.variants += 1;
            return Ok(Told::Variant);
        }
        self.steps.insert(from_seq, Step::new(who, to, frame, change, now)?);
        self.advance()?;
        Ok(Told::New)
    }

    /// Moves the frontier over every step that is known from there.
    fn advance(&mut self) -> Result<()> {
        while let Some(frontier) = &mut self.frontier
            && let Some(step) = self.steps.get(&frontier.seq)
        {
            frontier.overlay(&step.change)?;
        }
        Ok(())
    }

    /// The step that leads from `seq`, if it is known.
    pub fn step_mut(&mut self, seq: u64) -> Option<&mut Step> {
        self.steps.get_mut(&seq)
    }

    /// Takes a snapshot told to `who`; the first one becomes the base of the chain.
    ///
    /// # Errors
    /// When it is malformed, older than the base, or differs from another snapshot of the same position.
    pub fn snapshot(&mut self, who: &str, frame: &[u8]) -> Result<Rc<KnownSnapshot>> {
        if let Some(latest) = self.latest_snapshot.as_ref().filter(|latest| *latest.frame == *frame) {
            return Ok(Rc::clone(latest));
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
        self.latest_snapshot = Some(Rc::clone(&known));
        if self.base.is_none() {
            self.base = Some(known.state.clone());
            self.frontier = Some(known.state.clone());
            self.advance()?;
        }
        Ok(known)
    }

    /// The state after every change known without a hole; `None` before the first snapshot.
    pub fn frontier(&self) -> Option<&PublicState> {
        self.frontier.as_ref()
    }

    /// Bytes of the first snapshot of the base.
    pub fn snapshot_bytes(&self) -> usize {
        self.snapshots.values().flatten().next().map_or(0, |known| known.frame.len())
    }

    /// Every step, in order from the base; stops at a hole.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        let first = self.base.as_ref().and_then(|base| self.steps.get(&base.seq));
        std::iter::successors(first, |step| self.steps.get(&step.to.seq))
    }

    /// Goes over the whole chain once more, and compares every snapshot anybody was told with the chain's
    /// own state at that position. What is wrong, in words.
    pub fn settle(&self) -> Vec<String> {
        let Some(mut state) = self.base.clone() else { return vec!["nobody was told a snapshot".to_owned()] };
        let mut wrong = Vec::new();
        let mut compared = 0;
        loop {
            for known in self.snapshots.get(&state.seq).into_iter().flatten() {
                compared += 1;
                let differences = state.differences(&known.state);
                if !differences.is_empty() {
                    wrong.push(format!(
                        "the changes up to {} lead elsewhere than the snapshot told to {}: {}",
                        state.seq,
                        known.first_told,
                        differences.join("; ")
                    ));
                }
            }
            let Some(step) = self.steps.get(&state.seq) else { break };
            if let Err(problem) = state.overlay(&step.change) {
                wrong.push(format!(
                    "the change told first to {} does not apply: {problem:#}",
                    step.first_told
                ));
                break;
            }
        }
        let known: usize = self.snapshots.values().map(Vec::len).sum();
        if compared != known {
            wrong.push(format!("{} snapshots are at positions that no change leads to", known - compared));
        }
        if self.steps().count() != self.steps.len() {
            wrong.push(format!("{} changes are beyond a hole", self.steps.len() - self.steps().count()));
        }
        wrong
    }
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
