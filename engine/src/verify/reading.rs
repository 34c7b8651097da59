//! A second, small reading of the rules, written from the specification.
//!
//! It shares no code with the core beyond the types of events: what `decide` got wrong, this must not
//! repeat. Deliberately absent: how ranks and planned times were computed, which the list itself shows.

use std::collections::{BTreeMap, BTreeSet};

use amphi_core::setup::Setup;
use amphi_core::{
    Actor, CallRank, ChoiceManner, CommandId, Event, Millis, PostNumber, Timestamp, TurnOutcome,
};

use super::{Allocation, Line};

/// How long after its deadline a turn is closed (A9), as the specification says it.
const GRACE: Millis = Millis(2_000);

#[derive(Clone, Copy, PartialEq, Default)]
enum Phase {
    #[default]
    Draft,
    Published,
    Open,
    Suspended {
        since: Timestamp,
    },
    Closed,
    Annulled,
}

struct OpenTurn {
    rank: CallRank,
    deadline: Timestamp,
}

/// What has been read so far.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) entries: u64,
    pub(super) allocation: BTreeMap<CallRank, Allocation>,
    epoch: u64,
    last_at: Option<Timestamp>,
    command_ids: BTreeSet<CommandId>,
    phase: Phase,
    setup: Option<Box<Setup>>,
    planned_at: Vec<Timestamp>,
    turn: Option<OpenTurn>,
    /// How many ranks were called or skipped; the next one follows.
    called: u16,
    gone: BTreeSet<CallRank>,
    held: Vec<(CallRank, PostNumber)>,
    seats: BTreeSet<(PostNumber, u16)>,
}

type Verdict = Result<(), String>;

/// `Err(problem)` unless `holds`.
fn ensure(holds: bool, problem: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(problem()) }
}

impl Reading {
    pub(super) fn title(&self) -> String {
        self.setup.as_ref().map(|setup| setup.title.clone()).unwrap_or_default()
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed | Phase::Annulled)
    }

    pub(super) fn enter(&mut self, line: &Line, due: u64) -> Verdict {
        ensure(line.seq == due, || format!("entry {} stands where {due} is due", line.seq))?;
        ensure(line.epoch >= self.epoch, || "written by a server that had been replaced".to_owned())?;
        ensure(self.last_at.is_none_or(|last| line.at >= last), || "time runs backwards".to_owned())?;
        let fresh = line.command_id.is_none_or(|id| self.command_ids.insert(id));
        ensure(fresh, || "the same command twice".to_owned())?;
        ensure(!self.is_closed(), || "something happened after the end".to_owned())?;
        (self.entries, self.epoch, self.last_at) = (due, line.epoch, Some(line.at));
        self.check_actor(line)?;
        self.read(line)
    }

    /// What only administrators may do, and what only the intern themselves.
    fn check_actor(&self, line: &Line) -> Verdict {
        let own = match &line.payload {
            Event::ChoiceCommitted { manner: ChoiceManner::LateHeld, .. } => return Ok(()),
            Event::ChoiceCommitted { rank, .. }
            | Event::ChoiceHeld { rank, .. }
            | Event::HeldChoiceReleased { rank }
            | Event::TurnClosed { rank, outcome: TurnOutcome::Passed, .. } => Some(*rank),
            Event::Drafted { .. }
            | Event::Published { .. }
            | Event::Opened
            | Event::Suspended { .. }
            | Event::Resumed { .. }
            | Event::Withdrawn { .. }
            | Event::Closed { .. }
            | Event::Annulled { .. }
            | Event::TurnClosed { outcome: TurnOutcome::EndedByAdministrator, .. } => None,
            // Consequences, of whatever command they came with.
            _ => return Ok(()),
        };
        let allowed = match (own, line.actor) {
            (Some(own), Actor::Intern { rank }) => own == rank,
            (None, Actor::Administrator { .. }) => true,
            _ => false,
        };
        ensure(allowed, || "done by somebody who may not do it".to_owned())
    }

    fn read(&mut self, line: &Line) -> Verdict {
        match &line.payload {
            Event::Drafted { setup } => self.draft(setup),
            Event::Published { planned_at } => self.publish(planned_at),
            Event::Opened => {
                ensure(self.phase == Phase::Published, || "opened twice, or before publication".to_owned())?;
                self.phase = Phase::Open;
                Ok(())
            }
            Event::TurnOpened { rank, deadline } => self.open_turn(*rank, line.at, *deadline),
            Event::TurnClosed { rank, outcome, .. } => self.close_turn(*rank, line.at, *outcome),
            Event::TurnSkipped { rank } => self.skip_turn(*rank),
            Event::ChoiceCommitted { rank, post, seat, manner, .. } => {
                let seat = seat.ok_or("supernumerary choices are not read yet")?;
                self.choose(line, *rank, *post, seat, *manner)
            }
            Event::ChoiceHeld { rank, post, .. } => self.hold(*rank, *post),
            Event::HeldChoiceRefused { rank, post } => {
                self.settle_held(*rank, *post)?;
                ensure(self.free_seats(*post) == 0, || format!("post {post} was free for rank {rank}"))
            }
            Event::HeldChoiceReleased { rank } => {
                let before = self.held.len();
                self.held.retain(|(held, _)| held != rank);
                ensure(self.held.len() < before, || format!("rank {rank} held nothing"))
            }
            Event::Suspended { .. } => {
                ensure(self.phase == Phase::Open, || "suspended while not open".to_owned())?;
                self.phase = Phase::Suspended { since: line.at };
                Ok(())
            }
            Event::Resumed { deadline } => {
                let Phase::Suspended { since } = self.phase else {
                    return Err("resumed without having been suspended".to_owned());
                };
                self.phase = Phase::Open;
                self.restart_clock(since, line.at, *deadline)
            }
            Event::ServiceInterrupted { down_since, deadline } => {
                ensure(self.phase == Phase::Open && *down_since <= line.at, || {
                    "an interruption while the clock did not run".to_owned()
                })?;
                self.restart_clock(*down_since, line.at, *deadline)
            }
            Event::PlacedElsewhere { rank } | Event::Withdrawn { rank, .. } => self.leave(*rank),
            Event::Closed { unplaced } => self.close(unplaced),
            Event::Annulled { .. } => {
                self.phase = Phase::Annulled;
                self.allocation.clear();
                Ok(())
            }
            _ => Err("an event that this reading does not know yet".to_owned()),
        }
    }

    // --- before the session -----------------------------------------------------------------

    /// One person, one rank: or somebody would choose twice (P2).
    fn draft(&mut self, setup: &Setup) -> Verdict {
        ensure(self.phase == Phase::Draft, || "drafted after publication".to_owned())?;
        let mut persons = BTreeSet::new();
        let distinct = setup.participants.iter().all(|participant| persons.insert(participant.intern));
        ensure(distinct, || "the same intern stands twice on the list".to_owned())?;
        self.setup = Some(Box::new(setup.clone()));
        Ok(())
    }

    fn publish(&mut self, planned_at: &[Timestamp]) -> Verdict {
        let listed = self.setup.as_ref().map_or(0, |setup| setup.participants.len());
        ensure(self.phase == Phase::Draft && listed > 0, || "published twice, or without a list".to_owned())?;
        ensure(planned_at.len() == listed && planned_at.is_sorted(), || {
            "the planned times are not one for each rank, in order".to_owned()
        })?;
        self.planned_at = planned_at.to_vec();
        self.phase = Phase::Published;
        Ok(())
    }

    // --- turns ------------------------------------------------------------------------------

    fn had_turn(&self, rank: CallRank) -> bool {
        (1..=self.called).contains(&rank.0)
    }

    fn listed(&self, rank: CallRank) -> Verdict {
        ensure((1..=self.planned_at.len()).contains(&usize::from(rank.0)), || {
            format!("there is no rank {rank}")
        })
    }

    /// How long the turn of `rank` lasts, extra time included (A11).
    fn duration_of(&self, rank: CallRank) -> Millis {
        let participant = self.setup.as_ref().and_then(|setup| setup.participants.get(rank.index()));
        let extra = participant.map_or(0, |participant| i64::from(participant.extra_time_percent));
        let plain = self.setup.as_ref().map_or(0, |setup| setup.turn_duration.0);
        Millis(plain * (100 + extra) / 100)
    }

    /// Whether turns may open at `at`: within a range, or after the beginning of the last.
    fn is_opening_time(&self, at: Timestamp) -> bool {
        let ranges = self.setup.as_ref().map_or(&[][..], |setup| setup.opening.ranges());
        let last = ranges.len().saturating_sub(1);
        ranges
            .iter()
            .enumerate()
            .any(|(index, range)| range.opens_at <= at && (at < range.closes_at || index == last))
    }

    /// Nobody is called before the convoked time or in a break, nobody is passed over, and everybody
    /// gets the time that was announced (A6, A8, A11).
    fn open_turn(&mut self, rank: CallRank, at: Timestamp, deadline: Timestamp) -> Verdict {
        self.listed(rank)?;
        ensure(at >= self.planned_at[rank.index()], || {
            format!("rank {rank} was called before the planned time")
        })?;
        ensure(self.phase == Phase::Open && self.turn.is_none() && self.held.is_empty(), || {
            format!("the turn of rank {rank} opens during another, or while the session is not open")
        })?;
        ensure(rank.0 == self.called + 1 && !self.gone.contains(&rank), || {
            format!("rank {rank} was called out of order")
        })?;
        ensure(self.is_opening_time(at), || format!("rank {rank} was called in a break"))?;
        ensure(deadline == at + self.duration_of(rank), || {
            format!("the turn of rank {rank} has not the length it should have")
        })?;
        self.called = rank.0;
        self.turn = Some(OpenTurn { rank, deadline });
        Ok(())
    }

    /// A turn never expires before its announced end and the grace (A9, P4).
    fn close_turn(&mut self, rank: CallRank, at: Timestamp, outcome: TurnOutcome) -> Verdict {
        let turn = self.turn.take().filter(|turn| turn.rank == rank);
        let turn = turn.ok_or_else(|| format!("the turn of rank {rank} ends without being open"))?;
        let running = self.phase == Phase::Open;
        let chosen = self.allocation.contains_key(&rank);
        let fits = match outcome {
            TurnOutcome::Chosen | TurnOutcome::SafetyNet => chosen,
            TurnOutcome::Expired => running && !chosen && at >= turn.deadline + GRACE,
            TurnOutcome::Passed | TurnOutcome::EndedByAdministrator => running && !chosen,
            TurnOutcome::NoLongerConcerned => self.gone.contains(&rank),
        };
        ensure(fits, || format!("the turn of rank {rank} did not end as it is said to have"))
    }

    /// Only whoever is no longer concerned is passed over (A8).
    fn skip_turn(&mut self, rank: CallRank) -> Verdict {
        let due = rank.0 == self.called + 1;
        ensure(due && self.gone.contains(&rank), || format!("rank {rank} was passed over"))?;
        self.called = rank.0;
        Ok(())
    }

    /// After an interruption, the turn in progress has at least what was left of it (A10, P4).
    fn restart_clock(&mut self, stopped: Timestamp, at: Timestamp, new: Option<Timestamp>) -> Verdict {
        let Some(turn) = &mut self.turn else { return Ok(()) };
        let left = Millis((turn.deadline - stopped).0.max(0));
        let new = new.filter(|new| *new >= at + left && *new >= turn.deadline);
        turn.deadline = new.ok_or("a turn was cut short")?;
        Ok(())
    }

    // --- choices ----------------------------------------------------------------------------

    fn seats_of(&self, post: PostNumber) -> u16 {
        let posts = self.setup.as_ref().map_or(&[][..], |setup| &setup.posts);
        posts.get(post.index()).map_or(0, |post| post.seats)
    }

    fn free_seats(&self, post: PostNumber) -> usize {
        (1..=self.seats_of(post)).filter(|seat| !self.seats.contains(&(post, *seat))).count()
    }

    /// Late: the turn is over, and the intern may still choose (A4).
    fn may_choose_late(&self, rank: CallRank) -> bool {
        self.had_turn(rank)
            && !self.gone.contains(&rank)
            && !self.allocation.contains_key(&rank)
            && self.turn.as_ref().is_none_or(|turn| turn.rank != rank)
    }

    /// Only the last seat of a post is held, and only while somebody else's turn is open (3.3).
    fn hold(&mut self, rank: CallRank, post: PostNumber) -> Verdict {
        let fits = self.phase == Phase::Open
            && self.turn.is_some()
            && self.may_choose_late(rank)
            && self.free_seats(post) == 1;
        ensure(fits, || format!("nothing could be held for rank {rank}"))?;
        if !self.held.contains(&(rank, post)) {
            self.held.retain(|(held, _)| *held != rank);
            self.held.push((rank, post));
        }
        Ok(())
    }

    /// What is held is settled in order of arrival, once the turn is over (3.3).
    fn settle_held(&mut self, rank: CallRank, post: PostNumber) -> Verdict {
        let first = self.held.first() == Some(&(rank, post));
        ensure(first && self.turn.is_none(), || format!("nothing held for rank {rank} was to be settled"))?;
        self.held.remove(0);
        Ok(())
    }

    /// No seat twice, no person twice (P2); in one's turn, or after it.
    fn choose(
        &mut self,
        line: &Line,
        rank: CallRank,
        post: PostNumber,
        seat: u16,
        manner: ChoiceManner,
    ) -> Verdict {
        ensure((1..=self.seats_of(post)).contains(&seat), || format!("post {post} has no seat {seat}"))?;
        let running = self.phase == Phase::Open;
        let own_turn = self.turn.as_ref().filter(|turn| turn.rank == rank).map(|turn| turn.deadline);
        let fits = match (manner, own_turn) {
            (ChoiceManner::InTurn, Some(deadline)) => running && line.at <= deadline,
            (ChoiceManner::InGrace, Some(deadline)) => {
                running && line.at > deadline && line.at < deadline + GRACE
            }
            (ChoiceManner::Late, None) => running && self.may_choose_late(rank),
            (ChoiceManner::LateHeld, None) => {
                self.settle_held(rank, post)?;
                self.may_choose_late(rank)
            }
            _ => false,
        };
        ensure(fits && !self.gone.contains(&rank), || {
            format!("the choice of rank {rank} is not what it says it is")
        })?;
        let takes_last_seat = self.turn.is_some() && self.free_seats(post) == 1;
        ensure(manner != ChoiceManner::Late || !takes_last_seat, || {
            format!("the late rank {rank} took the last seat of post {post} from an open turn")
        })?;
        ensure(self.seats.insert((post, seat)), || format!("seat {seat} of post {post} is given twice"))?;
        self.held.retain(|(held, _)| *held != rank);
        let allocation =
            Allocation { post, seat: Some(seat), at: line.at, seq: line.seq, hash: line.hash.clone() };
        let before = self.allocation.insert(rank, allocation);
        ensure(before.is_none(), || format!("rank {rank} is placed twice"))
    }

    // --- leaving and closing ----------------------------------------------------------------

    fn leave(&mut self, rank: CallRank) -> Verdict {
        self.listed(rank)?;
        ensure(!self.allocation.contains_key(&rank), || format!("rank {rank} is placed here, for good"))?;
        self.gone.insert(rank);
        self.held.retain(|(held, _)| *held != rank);
        Ok(())
    }

    /// Everybody was called, and whoever never chose is listed (3.3).
    fn close(&mut self, unplaced: &[CallRank]) -> Verdict {
        let session = matches!(self.phase, Phase::Open | Phase::Suspended { .. });
        let ranks = || (1..=self.planned_at.len()).filter_map(|rank| u16::try_from(rank).ok()).map(CallRank);
        let waiting = ranks().any(|rank| !self.had_turn(rank) && !self.gone.contains(&rank));
        ensure(session && !waiting && self.turn.is_none(), || {
            "closed while turns remained, or without having been open".to_owned()
        })?;
        let never_chose: Vec<CallRank> =
            ranks().filter(|rank| !self.allocation.contains_key(rank) && !self.gone.contains(rank)).collect();
        ensure(never_chose == unplaced, || "the list of those who never chose is not right".to_owned())?;
        self.phase = Phase::Closed;
        Ok(())
    }
}
