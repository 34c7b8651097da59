//! The oracle: what must be true of a journal, whatever the server thinks of it.
//!
//! Everything is recomputed from the exported journal and from what clients were told; no code is shared
//! with the server. Rules are named as in `domain.md`: A6 (turns open at the planned time or when the one
//! before has closed, out of breaks), A8, A9 (grace), A11 (extra time), 3.3 (late and last seat). Absent:
//! the hash chain, whose recipe is not part of the public protocol; `amphi verify` is for that.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::journal::{Assignment, Journal};
use crate::last_seats::check_last_seats;
use crate::plan::Plan;
use crate::room::GivenReceipt;
use crate::state::PublicState;
use crate::turns::check_turns;

/// What is expected of a run.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Ranks that must have exactly one seat.
    pub placed: BTreeSet<u16>,
    /// Whether the ranks not listed there must have none.
    pub nobody_else: bool,
    /// How fast the server's clock ran.
    pub speed: f64,
    /// How late a timer may be, in real time.
    pub timer_tolerance: Duration,
}

/// What the oracle found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Everything that is wrong, in words.
    pub violations: Vec<String>,
    /// Figures worth knowing.
    pub figures: BTreeMap<&'static str, Value>,
}

impl Findings {
    /// Adds a violation.
    pub fn wrong(&mut self, what: String) {
        self.violations.push(what);
    }
}

/// Checks everything; what cannot even be read is a violation, too.
pub fn examine(
    journal: &Journal,
    last_state: &PublicState,
    receipts: &[GivenReceipt],
    expected: &Expected,
) -> Findings {
    let mut findings = Findings::default();
    if let Err(problem) = examine_all(journal, last_state, receipts, expected, &mut findings) {
        findings.wrong(format!("the journal cannot be checked: {problem:#}"));
    }
    findings
}

fn examine_all(
    journal: &Journal,
    last_state: &PublicState,
    receipts: &[GivenReceipt],
    expected: &Expected,
    findings: &mut Findings,
) -> Result<()> {
    let assignments = journal.assignments()?;
    let plan = Plan::read(journal)?;
    findings.figures.insert("journal_entries", journal.entries.len().into());
    findings.figures.insert("assignments", assignments.len().into());
    findings.figures.insert("receipts", receipts.len().into());
    check_assignments(&assignments, &plan, expected, findings);
    check_receipts(journal, receipts, findings);
    check_told(&assignments, last_state, findings);
    check_plan(&plan, findings);
    check_turns(journal, &plan, expected, findings)?;
    check_last_seats(journal, &plan, findings)?;
    Ok(())
}

/// Everybody expected has exactly one seat, nobody else has one, no seat is given twice.
fn check_assignments(assignments: &[Assignment], plan: &Plan, expected: &Expected, findings: &mut Findings) {
    let mut of_rank: HashMap<u16, u64> = HashMap::new();
    let mut of_seat: HashMap<(u64, u64), u16> = HashMap::new();
    for assignment in assignments {
        let Assignment { seq, rank, post, seat, .. } = assignment;
        if let Some(earlier) = of_rank.insert(*rank, *seq) {
            findings.wrong(format!("rank {rank} was assigned twice, by entries {earlier} and {seq}"));
        }
        if let Some(holder) = of_seat.insert((*post, *seat), *rank) {
            findings
                .wrong(format!("seat {seat} of post {post} was given to rank {holder} and to rank {rank}"));
        }
        let seats = plan.seats(*post);
        if *seat == 0 || *seat > seats {
            findings.wrong(format!("entry {seq} gives seat {seat} of post {post}, which has {seats}"));
        }
        if expected.nobody_else && !expected.placed.contains(rank) {
            findings.wrong(format!("rank {rank} was assigned and should not have been"));
        }
    }
    for rank in expected.placed.iter().filter(|rank| !of_rank.contains_key(rank)) {
        findings.wrong(format!("rank {rank} was not assigned"));
    }
}

/// Every receipt is in the journal, with the same number, hash, seat and instant.
fn check_receipts(journal: &Journal, receipts: &[GivenReceipt], findings: &mut Findings) {
    for GivenReceipt { client, receipt, outcome_seq } in receipts {
        let Some(entry) = journal.entry(receipt.seq) else {
            findings
                .wrong(format!("the receipt of {client} names entry {}, which is not there", receipt.seq));
            continue;
        };
        let payload = &entry.payload;
        let same = entry.kind() == "choice_committed"
            && entry.hash == receipt.hash
            && entry.at == receipt.at
            && payload["rank"] == receipt.rank
            && payload["post"] == receipt.post
            && payload["seat"] == receipt.seat
            && payload["manner"] == receipt.manner.as_str();
        if !same {
            findings.wrong(format!(
                "the receipt of {client} ({receipt:?}) is not entry {} ({payload}, at {}, hash {})",
                entry.seq, entry.at, entry.hash
            ));
        }
        if outcome_seq.is_some_and(|last| last < receipt.seq || journal.entry(last).is_none()) {
            findings
                .wrong(format!("{client} was answered with seq {outcome_seq:?}, receipt {}", receipt.seq));
        }
    }
}

/// What everybody was told at the end is what the journal says.
fn check_told(assignments: &[Assignment], last_state: &PublicState, findings: &mut Findings) {
    let mut told = BTreeMap::new();
    for participant in last_state.participants().iter().filter(|one| one["standing"] == "placed") {
        let Some(rank) = participant["rank"].as_u64() else { continue };
        told.insert(
            rank,
            json!([participant["post"], participant["seat"], participant["at"], participant["manner"]]),
        );
    }
    for Assignment { rank, post, seat, at, manner, .. } in assignments {
        let journaled = json!([post, seat, at, manner]);
        match told.remove(&u64::from(*rank)) {
            Some(told) if told == journaled => {}
            told => findings.wrong(format!(
                "rank {rank}: the journal says {journaled} (post, seat, at, manner), everybody was told {}",
                told.unwrap_or(Value::Null)
            )),
        }
    }
    for (rank, told) in told {
        findings
            .wrong(format!("everybody was told that rank {rank} has {told}; the journal does not say so"));
    }
}

/// A6, A11: the planned times follow from the hours and the durations.
fn check_plan(plan: &Plan, findings: &mut Findings) {
    for (index, (planned, own)) in plan.planned_at.iter().zip(plan.computed()).enumerate() {
        if *planned != own {
            findings.wrong(format!("rank {} is planned at {planned} and should be at {own} (A6)", index + 1));
        }
    }
}
