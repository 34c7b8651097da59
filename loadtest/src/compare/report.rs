//! What was found: one JSON report with every figure, and a Markdown table for people.

use anyhow::Result;
use serde_json::{Value, json};

use super::idle::Idle;
use super::peers::{OURS, RAW};
use super::statistics::{ByRound, Spread, quantile, ratios};
use super::workload::{Cell, IN_FLIGHT, Visit, Workload};
use crate::crowd::round3;

/// Why most peers are not tried in a small run.
pub const NOT_ASKED_FOR: &str = "not asked for";

/// What was found of one server.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: String,
    /// Why it was not tried.
    pub not_tried: Option<String>,
    /// How it failed.
    pub failed: Option<String>,
    /// By round.
    pub visits: Vec<Option<Visit>>,
    /// Connections at rest.
    pub idle: Option<Idle>,
}

impl Row {
    /// Whether it is visited again.
    pub fn is_in_the_run(&self) -> bool {
        self.not_tried.is_none() && self.failed.is_none()
    }

    /// Adds what was found in `round`.
    pub fn add(&mut self, round: usize, visit: Result<Visit>) {
        self.visits.resize(round, None);
        match visit {
            Ok(visit) => self.visits.push(Some(visit)),
            Err(problem) => self.failed = Some(format!("round {}: {problem:#}", round + 1)),
        }
    }

    /// Adds what was found of its memory.
    pub fn add_idle(&mut self, idle: Result<Idle>) {
        match idle {
            Ok(idle) => self.idle = Some(idle),
            Err(problem) => self.failed = Some(format!("idle connections: {problem:#}")),
        }
    }

    fn by_round(&self, figure: impl Fn(&Visit) -> f64) -> ByRound {
        self.visits.iter().map(|visit| visit.as_ref().map(&figure)).collect()
    }

    fn cost(&self, cell: Kind) -> ByRound {
        self.by_round(|visit| cell.of(visit).server_us_per_delivery())
    }

    /// What the database used beside it, for people.
    fn postgres(&self) -> String {
        let per_delivery =
            |visit: &Visit| visit.steady.postgres_seconds * 1e6 / visit.steady.deliveries.max(1) as f64;
        let spread = Spread::of(self.by_round(per_delivery).into_iter().flatten());
        let used = spread.filter(|spread| spread.max > 0.0);
        used.map_or(String::new(), |spread| {
            format!("; its Postgres used {:.2} µs per delivery beside (steady)", spread.median)
        })
    }

    /// The median publication's last viewer, in the steady cell.
    fn last_viewer(&self) -> ByRound {
        self.by_round(|visit| quantile(&mut visit.steady.last_viewer_ms.clone(), 500).unwrap_or(0.0))
    }

    /// Of all rounds' steady cells together: one round has too few for a 99th percentile.
    fn last_viewer_p99(&self) -> Option<f64> {
        let visits = self.visits.iter().flatten();
        let mut all: Vec<f64> = visits.flat_map(|visit| &visit.steady.last_viewer_ms).copied().collect();
        quantile(&mut all, 990)
    }
}

/// Which cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Steady,
    Closed,
    InFlight,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Steady, Self::Closed, Self::InFlight];

    fn of(self, visit: &Visit) -> &Cell {
        match self {
            Self::Steady => &visit.steady,
            Self::Closed => &visit.closed,
            Self::InFlight => &visit.in_flight,
        }
    }

    /// The cell of `raw` that it is held against: one by one is what eight in flight may improve upon.
    fn reference(self) -> Self {
        match self {
            Self::Steady => Self::Steady,
            Self::Closed | Self::InFlight => Self::Closed,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Closed => "one_by_one",
            Self::InFlight => "in_flight",
        }
    }
}

/// What was found of all of them.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Connections that listened.
    pub viewers: usize,
    /// Connections at rest.
    pub idle: usize,
    /// What was published.
    pub workload: Workload,
    /// How often.
    pub rounds: usize,
    /// Whether servers and generator had a core each.
    pub is_pinned: bool,
    /// Length of the peers' messages.
    pub message_bytes: usize,
    /// Which machine.
    pub machine: Value,
    /// How long it took.
    pub seconds: f64,
    /// By server.
    pub rows: Vec<Row>,
}

impl Comparison {
    /// Whether nobody lost, repeated or changed anything.
    pub fn holds(&self) -> bool {
        self.rows.iter().all(|row| row.failed.is_none())
    }

    fn raw(&self, kind: Kind) -> ByRound {
        self.find_raw().map(|raw| raw.cost(kind)).unwrap_or_default()
    }

    fn find_raw(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == RAW)
    }

    fn ratio(&self, row: &Row, kind: Kind) -> Option<Spread> {
        ratios(&row.cost(kind), &self.raw(kind.reference()))
    }

    /// Our server over that one, in the same rounds.
    fn ours_over(&self, row: &Row, kind: Kind) -> Option<Spread> {
        let ours = self.rows.iter().find(|row| row.name == OURS)?;
        ratios(&ours.cost(kind), &row.cost(kind))
    }

    fn last_viewer_p99_ratio(&self, row: &Row) -> Option<f64> {
        Some(row.last_viewer_p99()? / self.find_raw()?.last_viewer_p99().filter(|p99| *p99 > 0.0)?)
    }

    fn last_viewer_ratio(&self, row: &Row) -> Option<Spread> {
        ratios(&row.last_viewer(), &self.find_raw().map(Row::last_viewer).unwrap_or_default())
    }

    // --- JSON ---------------------------------------------------------------------------------

    /// Everything.
    pub fn to_json(&self) -> Value {
        json!({
            "scenario": "compare",
            "generator_version": env!("CARGO_PKG_VERSION"),
            "machine": self.machine,
            "parameters": {
                "viewers": self.viewers, "rounds": self.rounds, "idle": self.idle, "is_pinned": self.is_pinned,
                "message_bytes": self.message_bytes, "steady": self.workload.steady,
                "steady_per_second": self.workload.per_second, "one_by_one": self.workload.closed,
                "in_flight": self.workload.in_flight, "in_flight_at_once": IN_FLIGHT,
            },
            "took_seconds": self.seconds.round(),
            "checked": "every message of every viewer, by its bytes and its place",
            "servers": self.rows.iter().map(|row| self.row_json(row)).collect::<Vec<_>>(),
        })
    }

    fn row_json(&self, row: &Row) -> Value {
        if let Some(why) = &row.not_tried {
            return json!({"name": row.name, "not_tried": why});
        }
        let spread = |spread: Option<Spread>| spread.map(Spread::to_json);
        let cells: serde_json::Map<String, Value> = Kind::ALL
            .iter()
            .map(|kind| {
                let microseconds = Spread::of(row.cost(*kind).into_iter().flatten());
                let cell = json!({
                    "server_us_per_delivery": spread(microseconds),
                    "ratio_to_raw": spread(self.ratio(row, *kind)),
                    "amphi_over_it": spread(self.ours_over(row, *kind)),
                    "rounds": row.visits.iter().map(|visit| visit.as_ref().map(|visit| cell_json(kind.of(visit))))
                        .collect::<Vec<_>>(),
                });
                (kind.name().to_owned(), cell)
            })
            .collect();
        json!({
            "name": row.name, "about": row.about, "failed": row.failed, "cells": cells,
            "last_viewer": {
                "p50_ms": spread(Spread::of(row.last_viewer().into_iter().flatten())),
                "p50_ratio_to_raw": spread(self.last_viewer_ratio(row)),
                "p99_ms_of_all_rounds": row.last_viewer_p99().map(round3),
                "p99_ratio_to_raw": self.last_viewer_p99_ratio(row).map(round3),
            },
            "idle": row.idle.map(|idle| json!({
                "kib_per_connection": round3(idle.kib), "kernel_kib_per_connection": round3(idle.kernel_kib),
            })),
        })
    }

    // --- Markdown -----------------------------------------------------------------------------

    /// The table, ready for a README.
    pub fn to_markdown(&self) -> String {
        let mut lines = vec![
            "| server | steady, × raw | one by one, × raw | 8 in flight, × raw one by one | amphi ÷ it, steady · one by \
             one | last viewer, p50 × raw | p99 of all, × raw | p50 · p99 (ms) | CPU per delivery, steady (µs) | KiB per \
             idle connection |"
                .to_owned(),
            "|---|---|---|---|---|---|---|---|---|---|".to_owned(),
        ];
        let tried = self.rows.iter().filter(|row| row.not_tried.is_none());
        lines.extend(tried.clone().map(|row| self.line(row)));
        lines.push(String::new());
        lines.push(self.conditions());
        lines.extend(tried.map(|row| format!("- {}: {}{}.", row.name, row.about, row.postgres())));
        let not_tried = self.rows.iter().filter_map(|row| Some((row.name, row.not_tried.as_ref()?)));
        let (not_asked_for, not_tried): (Vec<_>, Vec<_>) =
            not_tried.partition(|(_, why)| *why == NOT_ASKED_FOR);
        lines.extend(not_tried.iter().map(|(name, why)| format!("- {name}: not tried: {why}.")));
        if !not_asked_for.is_empty() {
            let names: Vec<&str> = not_asked_for.iter().map(|(name, _)| *name).collect();
            lines.push(format!("- {NOT_ASKED_FOR}: {}.", names.join(", ")));
        }
        lines.join("\n") + "\n"
    }

    fn line(&self, row: &Row) -> String {
        if let Some(how) = &row.failed {
            return format!("| {} | FAILED: {} | | | | | | | | |", row.name, how.replace('|', "/"));
        }
        let [steady, closed, in_flight] = Kind::ALL.map(|kind| told(self.ratio(row, kind)));
        let median = |values: ByRound| Spread::of(values.into_iter().flatten());
        let p50 = median(row.last_viewer()).map_or(String::new(), |spread| format!("{:.1}", spread.median));
        let p99 = row.last_viewer_p99().map_or(String::new(), |p99| format!("{p99:.1}"));
        let cost =
            median(row.cost(Kind::Steady)).map_or(String::new(), |spread| format!("{:.1}", spread.median));
        let idle = row.idle.map_or(String::new(), |idle| format!("{:.1}", idle.kib.max(0.0)));
        let ratio = told(self.last_viewer_ratio(row));
        let p99_ratio = self.last_viewer_p99_ratio(row).map_or(String::new(), |ratio| format!("{ratio:.2}"));
        let [over_steady, over_closed] = [Kind::Steady, Kind::Closed].map(|kind| {
            self.ours_over(row, kind).map_or(String::new(), |spread| format!("{:.2}", spread.median))
        });
        format!(
            "| {} | {steady} | {closed} | {in_flight} | {over_steady} · {over_closed} | {ratio} | {p99_ratio} | {p50} · \
             {p99} | {cost} | {idle} |",
            row.name
        )
    }

    fn conditions(&self) -> String {
        let field = |name: &str| self.machine[name].to_string().trim_matches('"').to_owned();
        let kernel = self.rows.iter().filter_map(|row| row.idle).map(|idle| idle.kernel_kib);
        let kernel = Spread::of(kernel).map_or(String::new(), |spread| {
            format!(" The kernel holds {:.1} KiB per connection, both ends together, apart.", spread.median)
        });
        format!(
            "{} viewers, {} rounds, interleaved; median (least–greatest) of the ratios of each round. Messages of {} \
             bytes; {} at {}/s, {} one by one, {} eight in flight, each checked at each viewer. Servers {}. {} cores, {}, \
             Linux {}, {}, {:.0} minutes.{kernel}\n",
            self.viewers,
            self.rounds,
            self.message_bytes,
            self.workload.steady,
            self.workload.per_second,
            self.workload.closed,
            self.workload.in_flight,
            if self.is_pinned {
                "on one core, generator spinning on another"
            } else {
                "not pinned: the figures say little"
            },
            field("cores"),
            field("cpu"),
            field("kernel"),
            field("date"),
            (self.seconds / 60.0).ceil(),
        )
    }
}

fn told(spread: Option<Spread>) -> String {
    let text = |spread: Spread| format!("{:.2} ({:.2}–{:.2})", spread.median, spread.min, spread.max);
    spread.map_or(String::new(), text)
}

fn cell_json(cell: &Cell) -> Value {
    json!({
        "deliveries": cell.deliveries,
        "wall_seconds": round3(cell.wall_seconds),
        "server_cpu_seconds": round3(cell.server_seconds),
        "postgres_cpu_seconds": round3(cell.postgres_seconds),
        "generator_cpu_seconds": round3(cell.generator_seconds),
        "server_us_per_delivery": round3(cell.server_us_per_delivery()),
        "last_viewer_p50_ms": quantile(&mut cell.last_viewer_ms.clone(), 500).map(round3),
        "last_viewer_max_ms": quantile(&mut cell.last_viewer_ms.clone(), 1_000).map(round3),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process_figures::machine;

    fn cell(us_per_delivery: f64, last_viewer_ms: f64) -> Cell {
        Cell {
            deliveries: 1_000,
            server_seconds: us_per_delivery / 1e3,
            last_viewer_ms: vec![last_viewer_ms; 5],
            ..Cell::default()
        }
    }

    fn visit(steady: f64, closed: f64, in_flight: f64, last_viewer_ms: f64) -> Visit {
        Visit {
            steady: cell(steady, last_viewer_ms),
            closed: cell(closed, 1.0),
            in_flight: cell(in_flight, 1.0),
            message_bytes: 300,
        }
    }

    fn row(name: &'static str, visits: Vec<Visit>) -> Row {
        let mut row = Row { name, about: "about it".to_owned(), ..Row::default() };
        for (round, visit) in visits.into_iter().enumerate() {
            row.add(round, Ok(visit));
        }
        row
    }

    fn comparison() -> Comparison {
        let raw = row(RAW, vec![visit(10.0, 8.0, 8.0, 20.0), visit(20.0, 16.0, 16.0, 40.0)]);
        let ours = row(OURS, vec![visit(6.0, 6.0, 2.0, 22.0), visit(10.4, 16.7, 6.0, 44.0)]);
        let mut peer = row("peer", vec![visit(11.0, 9.0, 2.0, 22.0), visit(24.0, 20.0, 6.0, 44.0)]);
        peer.idle = Some(Idle { kib: 1.25, kernel_kib: 9.0 });
        let mut failing = row("failing", vec![visit(1.0, 1.0, 1.0, 1.0)]);
        failing.add(1, Err(anyhow::anyhow!("message 3 | again")));
        let absent = Row { name: "absent", not_tried: Some("no such program".to_owned()), ..Row::default() };
        let other = Row { name: "other", not_tried: Some(NOT_ASKED_FOR.to_owned()), ..Row::default() };
        Comparison {
            viewers: 200,
            idle: 0,
            workload: Workload { warm_up: 8, steady: 40, per_second: 20.0, closed: 40, in_flight: 80 },
            rounds: 2,
            is_pinned: true,
            message_bytes: 300,
            machine: machine(),
            seconds: 61.0,
            rows: vec![ours, raw, peer, failing, absent, other],
        }
    }

    #[test]
    fn the_table_tells_ratios_of_the_same_round_and_leaves_nobody_out() {
        let table = comparison().to_markdown();
        let line = |name: &str| table.lines().find(|line| line.contains(name)).unwrap().to_owned();
        assert_eq!(
            line("| peer |"),
            "| peer | 1.15 (1.10–1.20) | 1.19 (1.12–1.25) | 0.31 (0.25–0.38) | 0.49 · 0.75 | 1.10 (1.10–1.10) | 1.10 | \
             33.0 · 44.0 | 17.5 | 1.2 |"
        );
        assert_eq!(line("| failing |"), "| failing | FAILED: round 2: message 3 / again | | | | | | | | |");
        assert_eq!(line("absent"), "- absent: not tried: no such program.");
        assert_eq!(line("not asked"), "- not asked for: other.");
    }

    #[test]
    fn one_failure_is_the_runs() {
        let mut comparison = comparison();
        assert!(!comparison.holds());
        comparison.rows.retain(|row| row.name != "failing");
        assert!(comparison.holds());
    }

    #[test]
    fn a_round_that_failed_leaves_the_others_in_their_places() {
        let mut row = Row::default();
        row.add(2, Ok(visit(1.0, 1.0, 1.0, 1.0)));
        assert_eq!(
            row.cost(Kind::Steady).iter().map(Option::is_some).collect::<Vec<_>>(),
            [false, false, true]
        );
    }
}
