//! What `room`, `burst` and `overload` report.

use serde_json::{Value, json};

use crate::clock::micros_between;
use crate::crowd::round3;
use crate::goals::Goal;
use crate::report::counts;
use crate::report_page::{Curve, RunReport};
use crate::room::Room;
use crate::scenario_room::{Kind, Played, PlayedStage, RoomArgs};
use crate::timeline::Sample;
use crate::timing::Latencies;

/// From the intended instant of each choice, from number `first` on, to the last viewer that was connected.
pub fn last_viewer(room: &Room, first: usize, latencies: &mut Latencies) {
    let timing = room.timing.borrow();
    for step in room.chain.borrow().steps() {
        if let Some(choice) = step.choice.filter(|choice| *choice >= first) {
            latencies.record(micros_between(timing.choices()[choice].intended, step.last_known));
        }
    }
}

/// Gathers it from what the room keeps and what was measured.
pub fn report(
    args: &RoomArgs,
    room: &Room,
    played: &Played,
    (samples, marks): (Vec<Sample>, Vec<(f64, &'static str)>),
    violations: Vec<String>,
) -> RunReport {
    let (faults, faults_found) = room.faults();
    let stages: Vec<Value> = played.stages.iter().map(|stage| stage_json(stage, played)).collect();
    RunReport {
        scenario: args.kind.name(),
        parameters: parameters(args),
        goals: goals(args.kind, played),
        curves: curves(args.kind, &played.stages),
        samples,
        marks,
        figures: json!({
            "amphi": {"participants": played.participants, "posts": played.posts,
                      "snapshot_bytes": room.chain.borrow().snapshot_bytes()},
            "ratio_of_cpu_per_delivery_8_at_once_to_one_by_one": ratio(&played.stages).map(round3),
            "stages": numbered(stages),
            "counts": counts(room),
            "checked": "every change of every client by its bytes; every snapshot and the final state in whole; \
                        every acknowledgement against its change, and against the journal of a server of ours",
        }),
        violations,
        faults,
        faults_found,
    }
}

fn numbered(stages: Vec<Value>) -> Value {
    stages
        .into_iter()
        .enumerate()
        .map(|(index, stage)| ((index + 1).to_string(), stage))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn parameters(args: &RoomArgs) -> Value {
    let stages = args.stages.iter().map(|stage| {
        json!({"viewers": stage.viewers, "choices": stage.choices, "rate_per_second": stage.rate,
               "at_once": stage.at_once})
    });
    json!({
        "stages": numbered(stages.collect()), "manner": format!("{:?}", args.manner), "seed": args.seed,
        "warm_up": args.warm_up, "spin": args.spin, "pin_server": args.venue.pin_server,
        "server": args.venue.url.clone().unwrap_or_else(|| args.venue.server.display().to_string()),
    })
}

/// Server CPU in µs per change that a viewer came to know.
fn micros_each(stage: &PlayedStage) -> Option<f64> {
    let server = stage.cpu.server.filter(|_| stage.learnt > 0)?;
    Some(server * 1e6 / stage.learnt as f64)
}

/// Medians of the stages: with several choices at once over one by one.
fn ratio(stages: &[PlayedStage]) -> Option<f64> {
    let median = |together: bool| {
        let mut each: Vec<f64> = stages
            .iter()
            .filter(|stage| (stage.stage.at_once > 1) == together)
            .filter_map(micros_each)
            .collect();
        each.sort_by(f64::total_cmp);
        each.get(each.len() / 2).copied()
    };
    Some(median(true)? / median(false)?)
}

fn kib_each(stage: &PlayedStage, played: &Played) -> Option<f64> {
    let (with, before) = (stage.memory?.0 as f64, played.memory_before? as f64);
    Some((with - before) / stage.stage.viewers as f64)
}

fn goals(kind: Kind, played: &Played) -> Vec<Goal> {
    let mut goals = Vec::new();
    match kind {
        Kind::Room => {
            let largest = played.stages.iter().rfind(|stage| stage.memory.is_some());
            let memory = largest.and_then(|stage| kib_each(stage, played));
            goals.push(Goal::at_most("F5", "memory per idle connection, KiB", memory, 4.0, Some(1.5)));
            let handshake = largest.and_then(|stage| stage.arrival.handshake_micros());
            goals.push(Goal::at_most(
                "F6",
                "handshake with authentication, µs of CPU",
                handshake,
                80.0,
                Some(60.0),
            ));
        }
        Kind::Burst => {
            let what = "CPU per delivery, 8 at once ÷ one by one";
            goals.push(Goal::at_most("F2", what, ratio(&played.stages), 0.35, Some(0.28)));
        }
        Kind::Overload => {
            let p99 = played.stages.first().and_then(|stage| stage.push.ms_if_any(0.99));
            goals.push(Goal::at_most("F3", "push p99 at each viewer, ms", p99, 60.0, Some(40.0)));
        }
    }
    goals
}

/// The latencies of the last stage; for bursts, of the last of each kind.
fn curves(kind: Kind, stages: &[PlayedStage]) -> Vec<Curve> {
    let shown = if kind == Kind::Burst { 2 } else { 1 };
    let mut curves = Vec::new();
    for stage in &stages[stages.len().saturating_sub(shown)..] {
        let how =
            if kind == Kind::Burst { format!(", {} at once", stage.stage.at_once) } else { String::new() };
        if kind != Kind::Burst {
            curves.push(Curve::of("choice acknowledged", &stage.acknowledged));
        }
        curves.push(Curve::of(format!("each viewer{how}"), &stage.push));
        curves.push(Curve::of(format!("last viewer{how}"), &stage.last));
    }
    curves
}

fn stage_json(stage: &PlayedStage, played: &Played) -> Value {
    let memory = stage.memory.map(|(kib, kind)| {
        json!({
            "kind": kind, "before_kib": played.memory_before, "with_connections_kib": kib,
            "kib_per_connection": kib_each(stage, played).map(round3),
            "note": "the server's process only; the kernel's socket buffers are not in it",
        })
    });
    let (learnt, deliveries) = (stage.learnt.max(1) as f64, stage.deliveries as f64);
    json!({
        "viewers": stage.stage.viewers, "at_once": stage.stage.at_once, "rate_per_second": stage.stage.rate,
        "connecting": (!stage.arrival.is_empty()).then(|| stage.arrival.to_json()),
        "memory": memory,
        "choice_acknowledged_after_intended": stage.acknowledged.to_json(),
        "each_viewer_after_intended": stage.push.to_json(),
        "last_viewer_after_intended": stage.last.to_json(),
        "throughput": {
            "deliveries": stage.deliveries, "learnt": stage.learnt,
            "bytes_per_delivery": (stage.bytes as f64 / deliveries.max(1.0)).round(),
            "deliveries_per_second": (deliveries / stage.cpu.wall.max(1e-9)).round(),
            "server_cpu_us_per_delivery": micros_each(stage).map(round3),
            "generator_cpu_us_per_delivery": round3(stage.cpu.generator * 1e6 / learnt),
        },
        "cpu": stage.cpu.to_json(),
    })
}
