//! Goals of a run: what was to be reached, what was, and whether.

use serde::Serialize;

use crate::crowd::round3;

/// One line of the verdict.
#[derive(Debug, Clone, Serialize)]
pub struct Goal {
    /// Its number in the table of goals: F9.
    pub id: &'static str,
    /// What is counted, with its unit.
    pub what: String,
    /// What came out; nothing when it could not be measured.
    pub result: Option<f64>,
    /// At most this, or at least, where `at_least`.
    pub limit: f64,
    /// What would be better still.
    pub stretch: Option<f64>,
    /// More is better.
    pub at_least: bool,
    /// Whether the limit is kept.
    pub reached: bool,
}

impl Goal {
    /// A result of at most `limit`.
    pub fn at_most(
        id: &'static str,
        what: impl Into<String>,
        result: Option<f64>,
        limit: f64,
        stretch: Option<f64>,
    ) -> Self {
        let reached = result.is_some_and(|result| result <= limit);
        Self { id, what: what.into(), result: result.map(round3), limit, stretch, at_least: false, reached }
    }

    /// A result of at least `limit`.
    pub fn at_least(
        id: &'static str,
        what: impl Into<String>,
        result: Option<f64>,
        limit: f64,
        stretch: Option<f64>,
    ) -> Self {
        let reached = result.is_some_and(|result| result >= limit);
        Self { id, what: what.into(), result: result.map(round3), limit, stretch, at_least: true, reached }
    }

    /// One line, for whoever watches the run.
    pub fn line(&self) -> String {
        let result = self.result.map_or_else(|| "not measured".to_owned(), |result| result.to_string());
        let sign = if self.at_least { "≥" } else { "≤" };
        let word = if self.reached { "reached" } else { "MISSED" };
        format!("{:<4} {word:<8} {}: {result} (goal {sign} {})", self.id, self.what, self.limit)
    }
}
