//! The report of a run: one JSON, and one HTML page that needs nothing else.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use askama::Template;
use serde_json::{Value, json};

use crate::charts;
use crate::clock;
use crate::goals::Goal;
use crate::process_figures::machine;
use crate::room::Fault;
use crate::timeline::Sample;
use crate::timing::Latencies;

/// Shares of a distribution that are drawn, from the median to one in a hundred thousand.
const QUANTILES: [f64; 13] = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9995, 0.9999, 1.0];

/// A distribution of latencies, as it is drawn and written down.
#[derive(Debug, Clone)]
pub struct Curve {
    /// Of what.
    pub name: String,
    /// How many.
    pub count: u64,
    /// Share and milliseconds, the share growing.
    pub points: Vec<(f64, f64)>,
    json: Value,
}

impl Curve {
    /// Reads it off.
    pub fn of(name: impl Into<String>, latencies: &Latencies) -> Self {
        let points = QUANTILES.iter().map(|quantile| (*quantile, latencies.ms_at(*quantile)));
        Self {
            name: name.into(),
            count: latencies.count(),
            points: points.collect(),
            json: latencies.to_json(),
        }
    }

    fn ms(&self, quantile: f64) -> String {
        let at = self.points.iter().find(|(share, _)| (share - quantile).abs() < 1e-9);
        at.map_or_else(String::new, |(_, ms)| format!("{ms:.1}"))
    }
}

/// Everything that a run has to say.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// Its subcommand.
    pub scenario: &'static str,
    /// What was asked for.
    pub parameters: Value,
    /// What was to be reached.
    pub goals: Vec<Goal>,
    /// Latencies.
    pub curves: Vec<Curve>,
    /// Second by second.
    pub samples: Vec<Sample>,
    /// When what began.
    pub marks: Vec<(f64, &'static str)>,
    /// The rest.
    pub figures: Value,
    /// What journals say that they must not, and what went wrong beside.
    pub violations: Vec<String>,
    /// What clients saw that they must not: then there are no figures.
    pub faults: Vec<Fault>,
    /// How many there were.
    pub faults_found: u64,
}

impl RunReport {
    /// A run that broke off: its faults, which explain more than the error they led to.
    ///
    /// # Errors
    /// That error, when there are none.
    pub fn broken(
        scenario: &'static str,
        (mut told, found): (Vec<Fault>, u64),
        problem: anyhow::Error,
    ) -> Result<Self> {
        if found == 0 {
            return Err(problem);
        }
        told.push(Fault { client: "the run".to_owned(), what: format!("{problem:#}") });
        Ok(Self {
            scenario,
            parameters: Value::Null,
            goals: Vec::new(),
            curves: Vec::new(),
            samples: Vec::new(),
            marks: Vec::new(),
            figures: Value::Null,
            violations: Vec::new(),
            faults: told,
            faults_found: found + 1,
        })
    }

    /// As one object; without figures when a client was told something against the protocol.
    pub fn to_json(&self) -> Value {
        let base = json!({
            "scenario": self.scenario, "generator_version": env!("CARGO_PKG_VERSION"), "machine": machine(),
            "parameters": self.parameters, "violations": self.violations,
            "faults": self.faults, "faults_found": self.faults_found,
        });
        if self.faults_found > 0 {
            return base;
        }
        let mut whole = base;
        whole["goals"] = json!(self.goals);
        whole["figures"] = self.figures.clone();
        whole["latencies"] = self
            .curves
            .iter()
            .map(|curve| (curve.name.clone(), curve.json.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into();
        whole["samples"] = json!(self.samples);
        whole["marks"] = json!(self.marks);
        whole
    }

    /// Writes both into `folder`, named by scenario and instant; the page.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let name = format!("{}-{}", self.scenario, clock::wall().format("%Y-%m-%dT%H-%M-%SZ"));
        std::fs::write(folder.join(format!("{name}.json")), format!("{:#}\n", self.to_json()))?;
        let page = folder.join(format!("{name}.html"));
        std::fs::write(&page, self.page()?).with_context(|| format!("writing {}", page.display()))?;
        Ok(page)
    }

    /// The page.
    ///
    /// # Errors
    /// When the template fails.
    pub fn page(&self) -> Result<String> {
        let machine = machine();
        let text =
            |name: &str| machine[name].as_str().map_or_else(|| machine[name].to_string(), str::to_owned);
        let shown = self.faults_found == 0;
        let curves = if shown { &self.curves[..] } else { &[] };
        let page = Page {
            scenario: self.scenario,
            date: text("date"),
            machine: format!(
                "{} cores, {}, Linux {}, load {}",
                text("cores"),
                text("cpu"),
                text("kernel"),
                text("load_average")
            ),
            parameters: rows(&self.parameters),
            goals: if shown { self.goals.iter().map(Verdict::of).collect() } else { Vec::new() },
            curves: curves.iter().filter(|curve| curve.count > 0).map(Distribution::of).collect(),
            distribution: charts::distribution(curves),
            timelines: if shown { charts::timelines(&self.samples, &self.marks) } else { Vec::new() },
            figures: if shown { rows(&self.figures) } else { Vec::new() },
            violations: self.violations.clone(),
            faults: self.faults.iter().map(|fault| format!("{}: {}", fault.client, fault.what)).collect(),
            faults_found: self.faults_found,
        };
        page.render().context("the page")
    }
}

#[derive(Template)]
#[template(path = "run.html")]
struct Page {
    scenario: &'static str,
    date: String,
    machine: String,
    parameters: Vec<(String, String)>,
    goals: Vec<Verdict>,
    curves: Vec<Distribution>,
    distribution: String,
    timelines: Vec<(String, String)>,
    figures: Vec<(String, String)>,
    violations: Vec<String>,
    faults: Vec<String>,
    faults_found: u64,
}

struct Verdict {
    id: &'static str,
    what: String,
    goal: String,
    result: String,
    reached: bool,
}

impl Verdict {
    fn of(goal: &Goal) -> Self {
        let sign = if goal.at_least { "≥" } else { "≤" };
        let stretch = goal.stretch.map_or_else(String::new, |stretch| format!(" (better: {stretch})"));
        Self {
            id: goal.id,
            what: goal.what.clone(),
            goal: format!("{sign} {}{stretch}", goal.limit),
            result: goal.result.map_or_else(|| "not measured".to_owned(), |result| result.to_string()),
            reached: goal.reached,
        }
    }
}

struct Distribution {
    name: String,
    count: u64,
    p50: String,
    p90: String,
    p99: String,
    p999: String,
    max: String,
}

impl Distribution {
    fn of(curve: &Curve) -> Self {
        Self {
            name: curve.name.clone(),
            count: curve.count,
            p50: curve.ms(0.5),
            p90: curve.ms(0.9),
            p99: curve.ms(0.99),
            p999: curve.ms(0.999),
            max: curve.ms(1.0),
        }
    }
}

/// The leaves of an object, each with the way to it.
fn rows(value: &Value) -> Vec<(String, String)> {
    fn walk(path: &str, value: &Value, rows: &mut Vec<(String, String)>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let key = key.replace('_', " ");
                    walk(&if path.is_empty() { key } else { format!("{path} · {key}") }, value, rows);
                }
            }
            Value::String(text) => rows.push((path.to_owned(), text.clone())),
            Value::Null => {}
            other => rows.push((path.to_owned(), other.to_string())),
        }
    }
    let mut all = Vec::new();
    walk("", value, &mut all);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> RunReport {
        let mut latencies = Latencies::default();
        (1..=1_000).for_each(|micros| latencies.record(micros * 100));
        let sample = |second: u32| Sample {
            second: f64::from(second),
            connections: 10,
            deliveries_per_second: 123.0,
            acknowledged_per_second: 4.0,
            server_cores: 0.25,
            postgres_cores: 0.1,
            generator_cores: 0.3,
        };
        RunReport {
            scenario: "room",
            parameters: json!({"viewers": 10}),
            goals: vec![Goal::at_most("F3", "push p99, ms", Some(99.0), 60.0, Some(40.0))],
            curves: vec![Curve::of("each <viewer>", &latencies)],
            samples: (1..5).map(sample).collect(),
            marks: vec![(2.0, "measured")],
            figures: json!({"stages": {"1": {"deliveries": 4_321}}}),
            violations: Vec::new(),
            faults: Vec::new(),
            faults_found: 0,
        }
    }

    #[test]
    fn a_page_shows_goals_latencies_and_time_and_needs_nothing_from_elsewhere() {
        let page = report().page().unwrap();
        for expected in ["missed", "push p99, ms", "4321", "99 %", "Deliveries per second", "measured, 2.0 s"]
        {
            assert!(page.contains(expected), "{expected} is not in the page");
        }
        assert!(!page.contains("<viewer>"), "what is not ours is escaped");
        for foreign in ["http://", "https://", "<script", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign} is in the page");
        }
    }

    #[test]
    fn a_refused_run_has_faults_and_no_figures() {
        let mut report = report();
        report.faults.push(Fault { client: "client 7".to_owned(), what: "gap".to_owned() });
        report.faults_found = 1;
        let page = report.page().unwrap();
        assert!(page.contains("client 7: gap") && page.contains("Refused"));
        assert!(!page.contains("4321") && !page.contains("push p99"));
        let told = report.to_json();
        assert!(told["figures"].is_null() && told["latencies"].is_null() && told["goals"].is_null());
    }
}
