//! What a chaos scenario concludes: one line per check, in figures.
//!
//! Invariant: a check that has examined nothing is violated. What was never put to the test is not known to
//! hold.

use std::fmt;

use serde_json::{Map, Value, json};

/// How many violations of one check are told in full.
const VIOLATIONS_TOLD_MAX: usize = 10;

/// One promise, held against what happened.
#[derive(Debug, Clone)]
pub struct Check {
    /// Which promise or rule (`P1`, `S2`, `A9`…), and what it means here.
    pub promise: &'static str,
    /// How many things were held against it.
    pub examined: u64,
    /// What broke it, in words.
    pub violations: Vec<String>,
    /// What is worth knowing besides.
    pub figures: Map<String, Value>,
}

impl Check {
    /// A check that has not examined anything yet.
    pub fn new(promise: &'static str) -> Self {
        Self { promise, examined: 0, violations: Vec::new(), figures: Map::new() }
    }

    /// Examines one thing: it holds, or it is wrong in these words.
    pub fn examine(&mut self, holds: bool, wrong: impl FnOnce() -> String) {
        self.examined += 1;
        if !holds {
            self.violations.push(wrong());
        }
    }

    /// Notes a figure; of the same name, the last one counts.
    pub fn figure(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.insert(name.to_owned(), value.into());
    }

    /// Adds to a figure that counts.
    pub fn count(&mut self, name: &str, more: u64) {
        let so_far = self.figures.get(name).and_then(Value::as_u64).unwrap_or(0);
        self.figure(name, so_far + more);
    }

    /// Adds what the same check found elsewhere; figures that count are summed, others are replaced.
    pub fn absorb(&mut self, other: Self) {
        self.examined += other.examined;
        self.violations.extend(other.violations);
        for (name, value) in other.figures {
            match value.as_u64() {
                Some(more) => self.count(&name, more),
                None => self.figure(&name, value),
            }
        }
    }

    /// Whether it held, and was put to the test at all.
    pub fn holds(&self) -> bool {
        self.examined > 0 && self.violations.is_empty()
    }

    /// For the report.
    pub fn to_json(&self) -> Value {
        json!({
            "check": self.promise,
            "verdict": if self.holds() { "ok" } else { "VIOLATED" },
            "examined": self.examined,
            "violations_found": self.violations.len(),
            "violations": self.violations.iter().take(VIOLATIONS_TOLD_MAX).collect::<Vec<_>>(),
            "figures": self.figures,
        })
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.holds() { "ok      " } else { "VIOLATED" };
        write!(f, "{verdict} {} ({} examined", self.promise, self.examined)?;
        for (name, value) in &self.figures {
            write!(f, ", {name} {value}")?;
        }
        f.write_str(")")?;
        if self.examined == 0 {
            f.write_str("\n         nothing was put to the test")?;
        }
        for violation in self.violations.iter().take(VIOLATIONS_TOLD_MAX) {
            write!(f, "\n         {violation}")?;
        }
        let more = self.violations.len().saturating_sub(VIOLATIONS_TOLD_MAX);
        if more > 0 {
            write!(f, "\n         and {more} more")?;
        }
        Ok(())
    }
}

/// The checks of one scenario; the same check of several rounds is one.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// In the order in which they were first made.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// Adds a check.
    pub fn add(&mut self, check: Check) {
        match self.checks.iter_mut().find(|known| known.promise == check.promise) {
            Some(known) => known.absorb(check),
            None => self.checks.push(check),
        }
    }

    /// Adds several.
    pub fn extend(&mut self, checks: impl IntoIterator<Item = Check>) {
        checks.into_iter().for_each(|check| self.add(check));
    }

    /// Whether every check holds, and there is one.
    pub fn holds(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(Check::holds)
    }
}

/// Median, 95th and 99th percentile and longest of some durations in milliseconds.
pub fn spread_ms(values: &[f64]) -> Value {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    json!({
        "count": sorted.len(),
        "p50_ms": percentile(&sorted, 0.5).round(),
        "p95_ms": percentile(&sorted, 0.95).round(),
        "p99_ms": percentile(&sorted, 0.99).round(),
        "max_ms": percentile(&sorted, 1.0).round(),
    })
}

/// The smallest value that is not below this share of all; 0 when there are none. `sorted` ascends.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(index.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_examined_is_no_success() {
        assert!(!Check::new("P1").holds());
        assert!(!Verdict::default().holds());
        let mut check = Check::new("P1");
        check.examine(true, String::new);
        assert!(check.holds());
        check.examine(false, || "lost".to_owned());
        assert!(!check.holds());
        assert!(check.to_string().contains("VIOLATED") && check.to_string().contains("lost"));
    }

    #[test]
    fn rounds_add_up() {
        let mut verdict = Verdict::default();
        for round in 0..3 {
            let mut check = Check::new("P1");
            check.examine(round != 1, || format!("round {round}"));
            check.count("kills", 2);
            verdict.add(check);
        }
        assert_eq!(verdict.checks.len(), 1);
        assert_eq!(verdict.checks[0].violations, ["round 1"]);
        assert_eq!(verdict.checks[0].figures["kills"], 6);
        assert!(!verdict.holds());
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), 10.0);
        assert_eq!(percentile(&values, 0.95), 19.0);
        assert_eq!(percentile(&values, 1.0), 20.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }
}
