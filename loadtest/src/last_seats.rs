//! Late against in turn, for the last seat of a post (3.3), from the journal alone.
//!
//! A late choice is not taken at once when it would take the last seat while somebody's turn is open: it is
//! held, and settled when that turn ends.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};

use crate::journal::{Entry, Journal};
use crate::oracle::Findings;
use crate::plan::Plan;

/// Who holds what, followed entry by entry.
struct LastSeats<'a> {
    plan: &'a Plan,
    taken: HashMap<u64, u64>,
    held: BTreeMap<u16, u64>,
    turn_open: bool,
    wrong: Vec<String>,
}

/// Checks the rule over the whole journal.
///
/// # Errors
/// An entry that cannot be read.
pub fn check_last_seats(journal: &Journal, plan: &Plan, findings: &mut Findings) -> Result<()> {
    let (taken, held) = (HashMap::new(), BTreeMap::new());
    let mut seats = LastSeats { plan, taken, held, turn_open: false, wrong: Vec::new() };
    for entry in &journal.entries {
        match entry.kind() {
            "turn_opened" => seats.turn_opened(entry),
            "turn_closed" => seats.turn_open = false,
            "choice_held" => seats.held(entry)?,
            "held_choice_refused" | "held_choice_released" => seats.let_go(entry)?,
            "withdrawn" | "placed_elsewhere" => {
                seats.held.remove(&entry.rank().context("nobody left")?);
            }
            "choice_committed" => seats.committed(entry)?,
            _ => {}
        }
    }
    for (rank, post) in &seats.held {
        seats.wrong.push(format!("the choice of post {post} by rank {rank} stays held at the end"));
    }
    findings.violations.append(&mut seats.wrong);
    Ok(())
}

impl LastSeats<'_> {
    fn left(&self, post: u64) -> u64 {
        self.plan.seats(post).saturating_sub(self.taken.get(&post).copied().unwrap_or(0))
    }

    fn turn_opened(&mut self, entry: &Entry) {
        self.turn_open = true;
        for rank in self.held.keys() {
            self.wrong.push(format!("entry {} opens a turn while rank {rank} is still held", entry.seq));
        }
    }

    fn held(&mut self, entry: &Entry) -> Result<()> {
        let (rank, post) = rank_and_post(entry)?;
        let left = self.left(post);
        if !self.turn_open || left != 1 {
            let open = if self.turn_open { "a" } else { "no" };
            self.wrong
                .push(format!("entry {} holds a choice with {left} seats left, {open} turn open", entry.seq));
        }
        self.held.insert(rank, post);
        Ok(())
    }

    fn let_go(&mut self, entry: &Entry) -> Result<()> {
        let rank = entry.rank().context("an entry without rank")?;
        match self.held.remove(&rank) {
            None => self.wrong.push(format!("entry {}: rank {rank} had nothing held", entry.seq)),
            Some(post) if entry.kind() == "held_choice_refused" && self.left(post) > 0 => {
                self.wrong.push(format!("entry {} refuses rank {rank} a post with seats left", entry.seq));
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn committed(&mut self, entry: &Entry) -> Result<()> {
        let (rank, post) = rank_and_post(entry)?;
        let (seq, left) = (entry.seq, self.left(post));
        let held = self.held.remove(&rank);
        match entry.payload["manner"].as_str() {
            Some("late") if self.turn_open && left == 1 => {
                self.wrong.push(format!("entry {seq}: a late choice took the last seat during a turn"));
            }
            Some("late_held") if held != Some(post) => {
                self.wrong.push(format!("entry {seq}: rank {rank} was given post {post} and held {held:?}"));
            }
            Some("late_held") if self.turn_open => {
                self.wrong.push(format!("entry {seq}: a held choice was committed during a turn"));
            }
            _ => {}
        }
        *self.taken.entry(post).or_default() += 1;
        Ok(())
    }
}

fn rank_and_post(entry: &Entry) -> Result<(u16, u64)> {
    let post = entry.payload["post"].as_u64().context("an entry without post")?;
    Ok((entry.rank().context("an entry without rank")?, post))
}
