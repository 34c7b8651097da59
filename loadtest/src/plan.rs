//! The plan of an amphi as its journal tells it: hours, durations, planned times, seats.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::journal::Journal;

/// See the [module](self). Instants and durations in ms on the server's clock.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Opening ranges, in order: opens at, closes at.
    pub opening: Vec<(i64, i64)>,
    /// Duration of each rank's turn, extra time included (A11).
    pub durations: Vec<i64>,
    /// Planned passage time of each rank, as published.
    pub planned_at: Vec<i64>,
    /// Network grace (A9).
    pub grace: i64,
    seats: Vec<u64>,
}

/// The grace stands in every snapshot and in no journal entry; 2 s in version 1.
const GRACE_MS: i64 = 2_000;

impl Plan {
    /// Reads it from the entries `drafted` (the last one) and `published`.
    ///
    /// # Errors
    /// When one is missing or lacks a field.
    pub fn read(journal: &Journal) -> Result<Self> {
        let setup = &journal.last_of("drafted")?.payload["setup"];
        let turn = setup["turn_duration"].as_i64().context("no turn_duration in the setup")?;
        let durations = list(setup, "participants")?.iter().map(|participant| {
            let extra = participant["extra_time_percent"].as_i64().unwrap_or(0);
            turn * (1_000 + extra * 10) / 1_000
        });
        let durations: Vec<i64> = durations.collect();
        let opening = list(setup, "opening")?.iter().map(|range| {
            Ok((
                range["opens_at"].as_i64().context("opens_at")?,
                range["closes_at"].as_i64().context("closes_at")?,
            ))
        });
        let seats =
            list(setup, "posts")?.iter().map(|post| post["seats"].as_u64().context("seats of a post"));
        let published = &journal.last_of("published")?.payload;
        let planned = list(published, "planned_at")?.iter().map(|at| at.as_i64().context("a planned time"));
        let plan = Self {
            durations,
            opening: opening.collect::<Result<_>>()?,
            planned_at: planned.collect::<Result<_>>()?,
            grace: GRACE_MS,
            seats: seats.collect::<Result<_>>()?,
        };
        ensure!(!plan.opening.is_empty(), "no opening range in the setup");
        ensure!(plan.planned_at.len() == plan.durations.len(), "as many planned times as participants");
        Ok(plan)
    }

    /// `at`, moved out of breaks (A6): into the first range that has not closed; the last one never does.
    pub fn first_open(&self, at: i64) -> i64 {
        let last = self.opening.len() - 1;
        let range = self.opening.iter().enumerate().find(|(index, range)| *index == last || at < range.1);
        range.map_or(at, |(_, range)| at.max(range.0))
    }

    /// The planned times, computed anew.
    pub fn computed(&self) -> Vec<i64> {
        let mut cursor = self.opening[0].0;
        let one_after_the_other = self.durations.iter().map(|duration| {
            let planned = self.first_open(cursor);
            cursor = planned + duration;
            planned
        });
        one_after_the_other.collect()
    }

    /// When `rank` is convoked.
    ///
    /// # Errors
    /// When there is no such rank.
    pub fn planned(&self, rank: u16) -> Result<i64> {
        let planned = self.planned_at.get(usize::from(rank).wrapping_sub(1)).copied();
        planned.with_context(|| format!("rank {rank} is not in the plan"))
    }

    /// How long the turn of `rank` may last.
    ///
    /// # Errors
    /// When there is no such rank.
    pub fn duration(&self, rank: u16) -> Result<i64> {
        let duration = self.durations.get(usize::from(rank).wrapping_sub(1)).copied();
        duration.with_context(|| format!("rank {rank} is not in the plan"))
    }

    /// Seats of `post`; 0 when there is no such post.
    pub fn seats(&self, post: u64) -> u64 {
        let index = usize::try_from(post).unwrap_or(0).wrapping_sub(1);
        self.seats.get(index).copied().unwrap_or(0)
    }
}

fn list<'a>(value: &'a Value, field: &str) -> Result<&'a [Value]> {
    Ok(value[field].as_array().with_context(|| format!("no {field} in the journal"))?.as_slice())
}
