//! The dashboard shows every metric there is, and none that is not.

use std::collections::BTreeSet;

use amphi_engine::metrics::{ALL, Kind, Metric};
use serde_json::Value;

const DASHBOARD: &str = include_str!("../../dashboard.json");
/// What Prometheus and Grafana know besides our labels.
const OTHER_LABELS: [&str; 2] = ["le", "instance"];

/// Every query of the dashboard.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The words of a query: names of functions, series and labels, and what stands between quotes.
fn words(query: &str) -> impl Iterator<Item = &str> {
    query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The names under which a metric is published.
fn published(metric: &Metric) -> Vec<String> {
    match metric.kind {
        Kind::Counter | Kind::Gauge => vec![metric.name.to_owned()],
        Kind::Histogram(_) => ["bucket", "count", "sum"].map(|part| format!("{}_{part}", metric.name)).into(),
    }
}

/// The label by which a query groups, besides those that everything has.
fn grouped_by(query: &str) -> Option<&str> {
    let (_, rest) = query.split_once(" by (")?;
    let (labels, _) = rest.split_once(')')?;
    labels.split(", ").find(|label| !OTHER_LABELS.contains(label))
}

#[test]
fn the_dashboard_asks_for_metrics_and_labels_that_there_are() {
    let queries = queries();
    assert!(queries.len() > 20);
    for query in &queries {
        let named: Vec<&str> = words(query).filter(|word| word.starts_with("amphi_")).collect();
        let [name] = named[..] else { panic!("one metric each: {query}") };
        let metric = ALL.iter().find(|metric| published(metric).iter().any(|series| series == name));
        let metric = metric.unwrap_or_else(|| panic!("there is no {name}: {query}"));
        if let Some(label) = grouped_by(query) {
            assert_eq!(metric.label.map(|(name, _)| name), Some(label), "{query}");
        }
        if metric.kind == Kind::Counter {
            assert!(query.contains("rate("), "a counter only grows: {query}");
        }
    }
}

#[test]
fn the_dashboard_shows_every_metric() {
    let queries = queries();
    let shown: BTreeSet<&str> = queries.iter().flat_map(|query| words(query)).collect();
    for metric in ALL {
        let is_shown = published(metric).iter().any(|series| shown.contains(series.as_str()));
        assert!(is_shown, "{} is on no panel", metric.name);
    }
}
