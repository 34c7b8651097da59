//! The order and the time of turns, recomputed from the journal alone (A6, A8, A9, A11).

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::journal::{Entry, Journal};
use crate::oracle::{Expected, Findings};
use crate::plan::Plan;

/// The turn that is open while the journal is read.
struct OpenTurn {
    rank: u16,
    deadline: i64,
}

/// The amphi's clockwork, followed entry by entry.
struct Turns<'a> {
    plan: &'a Plan,
    /// How late a timer may be, ms on the server's clock.
    tolerance: i64,
    open: Option<OpenTurn>,
    /// From when the amphi is free for the next turn: the opening, then the end of each turn.
    free: Option<i64>,
    next_rank: u16,
    opening_lateness: Vec<i64>,
    expiry_lateness: Vec<i64>,
    wrong: Vec<String>,
}

/// Turns open neither early nor late, in order, one at a time, and end no sooner than announced.
///
/// # Errors
/// An entry that cannot be read.
pub fn check_turns(
    journal: &Journal,
    plan: &Plan,
    expected: &Expected,
    findings: &mut Findings,
) -> Result<()> {
    let tolerance = (expected.timer_tolerance.as_secs_f64() * 1_000.0 * expected.speed) as i64;
    let mut turns = Turns {
        plan,
        tolerance,
        open: None,
        free: None,
        next_rank: 1,
        opening_lateness: Vec::new(),
        expiry_lateness: Vec::new(),
        wrong: Vec::new(),
    };
    for entry in &journal.entries {
        turns.follow(entry)?;
    }
    findings.violations.append(&mut turns.wrong);
    findings.figures.insert("turns", turns.opening_lateness.len().into());
    findings.figures.insert("turn_opening_lateness", spread(&mut turns.opening_lateness, expected.speed));
    findings.figures.insert("turn_expiry_lateness", spread(&mut turns.expiry_lateness, expected.speed));
    Ok(())
}

impl Turns<'_> {
    fn follow(&mut self, entry: &Entry) -> Result<()> {
        match entry.kind() {
            "opened" | "resumed" | "service_interrupted" => {
                if let (Some(turn), Some(deadline)) = (&mut self.open, entry.payload["deadline"].as_i64()) {
                    turn.deadline = deadline;
                }
                self.free = Some(self.free.map_or(entry.at, |free| free.max(entry.at)));
            }
            "turn_skipped" => self.next_rank = entry.rank().context("a skipped turn without rank")? + 1,
            "turn_opened" => self.opened(entry)?,
            "turn_closed" => self.closed(entry)?,
            "choice_committed" => self.chosen(entry),
            _ => {}
        }
        Ok(())
    }

    fn opened(&mut self, entry: &Entry) -> Result<()> {
        let (at, seq) = (entry.at, entry.seq);
        let rank = entry.rank().context("a turn without rank")?;
        let deadline = entry.payload["deadline"].as_i64().context("a turn without deadline")?;
        if let Some(turn) = &self.open {
            self.wrong.push(format!("entry {seq} opens a turn during that of rank {}", turn.rank));
        }
        if rank != self.next_rank {
            self.wrong.push(format!("entry {seq} calls rank {rank} instead of {}", self.next_rank));
        }
        match self.free {
            None => self.wrong.push(format!("entry {seq} opens a turn before the session")),
            Some(free) => {
                let due = self.plan.first_open(self.plan.planned(rank)?.max(free));
                if at < due || at > due + self.tolerance {
                    self.wrong.push(format!(
                        "rank {rank} was called at {at}, {} ms from {due} = max(planned, closed) out of breaks \
                         (A6; tolerance 0 to {} ms)",
                        at - due,
                        self.tolerance
                    ));
                }
                self.opening_lateness.push(at - due);
            }
        }
        if deadline - at != self.plan.duration(rank)? {
            self.wrong.push(format!("the turn of rank {rank} lasts {} ms (A11)", deadline - at));
        }
        self.next_rank = rank + 1;
        self.open = Some(OpenTurn { rank, deadline });
        Ok(())
    }

    fn closed(&mut self, entry: &Entry) -> Result<()> {
        let (at, seq) = (entry.at, entry.seq);
        self.free = Some(at);
        let Some(turn) = self.open.take() else {
            self.wrong.push(format!("entry {seq} closes a turn and none is open"));
            return Ok(());
        };
        if entry.rank() != Some(turn.rank) {
            self.wrong.push(format!("entry {seq} closes another turn than that of rank {}", turn.rank));
        }
        if entry.payload["outcome"] != "expired" {
            return Ok(());
        }
        let due = turn.deadline + self.plan.grace;
        if at < due || at > due + self.tolerance {
            self.wrong.push(format!(
                "the turn of rank {} expired at {at}, {} ms from {due} = deadline and grace (A9; tolerance 0 to \
                 {} ms)",
                turn.rank,
                at - due,
                self.tolerance
            ));
        }
        self.expiry_lateness.push(at - due);
        Ok(())
    }

    fn chosen(&mut self, entry: &Entry) {
        let at = entry.at;
        let manner = entry.payload["manner"].as_str().unwrap_or_default();
        let own_turn = self.open.as_ref().filter(|turn| Some(turn.rank) == entry.rank());
        let right = match (manner, own_turn) {
            ("in_turn", Some(turn)) => at <= turn.deadline,
            // A timer may be late: the turn is then still open after its grace, and takes choices.
            ("in_grace", Some(turn)) => {
                at > turn.deadline && at <= turn.deadline + self.plan.grace + self.tolerance
            }
            ("late" | "late_held", None) => entry.rank().is_some_and(|rank| rank < self.next_rank),
            _ => false,
        };
        if !right {
            self.wrong.push(format!(
                "entry {} at {at}: the choice of rank {:?} cannot be {manner:?}",
                entry.seq,
                entry.rank()
            ));
        }
    }
}

/// Percentiles of lateness, on the server's clock and in real time.
fn spread(values: &mut [i64], speed: f64) -> Value {
    values.sort_unstable();
    let both = |permille: usize| {
        let index = values.len().saturating_sub(1) * permille / 1_000;
        let value = values.get(index).copied().unwrap_or(0);
        json!({"server_ms": value, "real_ms": (value as f64 / speed * 1_000.0).round() / 1_000.0})
    };
    json!({"count": values.len(), "p50": both(500), "p99": both(990), "max": both(1_000)})
}
