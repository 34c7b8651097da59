//! What the server itself measures, as its metrics page shows it: the same choices as the clients', without the way
//! there and back, and without the generator. Knows the text format of Prometheus as far as histograms go.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::wire;

/// Choices from their arrival to their answer; done is durable.
pub const ACKNOWLEDGED: Series = Series { name: "amphi_acknowledgement_seconds", label: r#"answer="done""# };
/// The one statement of a group commit.
pub const COMMITTED: Series = Series { name: "amphi_commit_seconds", label: r#"result="committed""# };

/// A histogram of the page.
#[derive(Debug, Clone, Copy)]
pub struct Series {
    name: &'static str,
    label: &'static str,
}

/// How often it was at most so much: microseconds and counts, both growing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buckets(BTreeMap<u64, u64>);

impl Buckets {
    /// Those of `series` in `page`.
    pub fn of(series: Series, page: &str) -> Self {
        let start = format!("{}_bucket{{", series.name);
        let bucket = |line: &str| {
            let (labels, count) = line.strip_prefix(&start)?.split_once("} ")?;
            let end = labels.split_once("le=\"")?.1.split_once('"')?.0;
            let seconds: f64 = if end == "+Inf" { f64::INFINITY } else { end.parse().ok()? };
            let micros = (seconds * 1e6).round() as u64;
            labels.contains(series.label).then_some((micros, count.trim().parse().ok()?))
        };
        Self(page.lines().filter_map(bucket).collect())
    }

    /// What has been added to `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let added = |(end, count): (&u64, &u64)| (*end, count - before.0.get(end).copied().unwrap_or(0));
        Self(self.0.iter().map(added).collect())
    }

    /// Milliseconds that this share of them did not exceed: the end of a bucket. Nothing where there are none, or
    /// where the last bucket has no end.
    pub fn ms_at_most(&self, quantile: f64) -> Option<f64> {
        let all = *self.0.values().last().filter(|count| **count > 0)?;
        let (end, _) = self.0.iter().find(|(_, count)| **count as f64 >= quantile * all as f64)?;
        (*end < u64::MAX).then(|| *end as f64 / 1_000.0)
    }

    /// For the report.
    pub fn to_json(&self) -> Value {
        json!({
            "count": self.0.values().last(), "p50_ms_at_most": self.ms_at_most(0.5),
            "p99_ms_at_most": self.ms_at_most(0.99),
        })
    }
}

/// The page of a server whose metrics are at `authority` (`HOST:PORT`).
///
/// # Errors
/// When it does not answer.
pub async fn page(authority: &str) -> Result<String> {
    let (head, body) = wire::get(authority, "/metrics", "").await.context("the metrics of the server")?;
    anyhow::ensure!(wire::status_of(&head)? == 200, "the metrics of the server: {head}");
    Ok(String::from_utf8(body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"# TYPE amphi_acknowledgement_seconds histogram
amphi_acknowledgement_seconds_bucket{answer="done",le="0.0005"} 40
amphi_acknowledgement_seconds_bucket{answer="done",le="0.003"} 99
amphi_acknowledgement_seconds_bucket{answer="done",le="+Inf"} 100
amphi_acknowledgement_seconds_bucket{answer="refused",le="+Inf"} 7
amphi_acknowledgement_seconds_count{answer="done"} 100
"#;

    #[test]
    fn a_share_of_the_choices_is_told_by_the_end_of_its_bucket() {
        let buckets = Buckets::of(ACKNOWLEDGED, PAGE);
        assert_eq!(
            [0.4, 0.5, 0.99, 1.0].map(|share| buckets.ms_at_most(share)),
            [Some(0.5), Some(3.0), Some(3.0), None]
        );
        assert_eq!(Buckets::default().ms_at_most(0.5), None);
    }

    #[test]
    fn only_what_was_added_counts() {
        let before = Buckets::of(ACKNOWLEDGED, &PAGE.replace(" 99", " 40").replace(" 100", " 40"));
        let added = Buckets::of(ACKNOWLEDGED, PAGE).since(&before);
        assert_eq!(added.ms_at_most(0.5), Some(3.0));
        assert_eq!(added.to_json()["count"], 60);
    }
}
