//! Reports, as one JSON object each.

use serde_json::{Value, json};

use crate::clock::micros_between;
use crate::crowd::round3;
use crate::process_figures::machine;
use crate::room::{Fault, Room};
use crate::scenario_room::{Played, RoomArgs};
use crate::timing::Latencies;

/// What `room` found.
pub struct RoomReport {
    /// Everything, for standard output; only to be told when there is no fault.
    pub figures: Value,
    /// What clients saw that they must not.
    pub faults: Vec<Fault>,
    /// How many there were; the first are in `faults`.
    pub faults_found: u64,
}

impl RoomReport {
    /// Gathers it from what the room keeps and what was measured.
    pub fn new(args: &RoomArgs, room: &Room, played: &Played) -> Self {
        let (faults, faults_found) = room.faults();
        let figures = json!({
            "scenario": "room",
            "generator_version": env!("CARGO_PKG_VERSION"),
            "machine": machine(),
            "parameters": {
                "viewers": args.viewers, "choices": args.choices, "rate_per_second": args.rate,
                "manner": format!("{:?}", args.manner), "seed": args.seed, "warm_up": args.warm_up,
                "spin": args.spin, "server": args.venue.url.clone().unwrap_or_else(
                    || args.venue.server.display().to_string()),
                "pin_server": args.venue.pin_server,
            },
            "amphi": {"participants": played.participants, "posts": played.posts,
                      "snapshot_bytes": room.chain.borrow().snapshot_bytes()},
            "connecting": played.arrival.to_json(),
            "memory": memory(args, played),
            "choice_latency": choice_latency(room),
            "push_latency": push_latency(room),
            "throughput": throughput(played),
            "cpu": played.cpu.to_json(),
            "counts": counts(room),
            "checked": "every change of every client by its bytes; every snapshot and the final state in whole; \
                        every acknowledgement against its change",
        });
        Self { figures, faults, faults_found }
    }

    /// A run that broke off, with faults.
    pub fn refused(room: &Room, problem: &anyhow::Error) -> Self {
        room.fault("the run", format!("{problem:#}"));
        let (faults, faults_found) = room.faults();
        Self { figures: Value::Null, faults, faults_found }
    }
}

fn memory(args: &RoomArgs, played: &Played) -> Value {
    played.memory.map_or(Value::Null, |(before, with, kind)| {
        let each = (with as f64 - before as f64) / args.viewers as f64;
        json!({
            "kind": kind, "before_kib": before, "with_connections_kib": with,
            "kib_per_connection": round3(each),
            "note": "the server's process only; the kernel's socket buffers are not in it",
        })
    })
}

/// From the intended instant to the acknowledgement.
pub fn choice_latency(room: &Room) -> Value {
    let timing = room.timing.borrow();
    let (mut acknowledgement, mut late_sending) = (Latencies::default(), Latencies::default());
    for choice in timing.choices() {
        if let Some(acknowledged) = choice.acknowledged {
            acknowledgement.record(micros_between(choice.intended, acknowledged));
        }
        if let Some(sent) = choice.sent {
            late_sending.record(micros_between(choice.intended, sent));
        }
    }
    json!({
        "acknowledged_after_intended": acknowledgement.to_json(),
        "of_which_sent_after_intended": late_sending.to_json(),
    })
}

/// From the intended instant of each choice to the last viewer that was connected.
pub fn last_viewer(room: &Room, latencies: &mut Latencies) {
    let timing = room.timing.borrow();
    for step in room.chain.borrow().steps() {
        if let Some(choice) = step.choice {
            latencies.record(micros_between(timing.choices()[choice].intended, step.last_known));
        }
    }
}

/// From the intended instant, and from the acknowledgement, to each viewer and to the last one.
pub fn push_latency(room: &Room) -> Value {
    let mut last = Latencies::default();
    last_viewer(room, &mut last);
    let tally = &room.wires.tally;
    json!({
        "each_viewer_after_intended": tally.push.borrow().to_json(),
        "each_viewer_after_acknowledgement": tally.push_after_acknowledgement.borrow().to_json(),
        "viewers_that_knew_before_the_acknowledgement": tally.before_acknowledgement.get(),
        "last_viewer_after_intended": last.to_json(),
    })
}

fn throughput(played: &Played) -> Value {
    let deliveries = played.deliveries as f64;
    let per = |seconds: f64| (seconds > 0.0).then(|| (deliveries / seconds).round());
    let micros = |seconds: f64| (deliveries > 0.0).then(|| round3(seconds * 1e6 / deliveries));
    json!({
        "deliveries": played.deliveries,
        "bytes_per_delivery": (played.bytes as f64 / deliveries.max(1.0)).round(),
        "deliveries_per_second": per(played.cpu.wall),
        "deliveries_per_server_cpu_second": played.cpu.server.and_then(per),
        "server_cpu_us_per_delivery": played.cpu.server.and_then(micros),
        "generator_cpu_us_per_delivery": micros(played.cpu.generator),
    })
}

/// The room's plain counts.
pub fn counts(room: &Room) -> Value {
    let counts = &room.counts;
    json!({
        "caught_up_by_snapshot": counts.caught_up_by_snapshot.get(),
        "busy": counts.busy.get(),
        "reconnections": counts.reconnections.get(),
        "resumed": counts.resumed.get(),
        "failed_returns": counts.failed_returns.get(),
        "unknown_messages": counts.unknown_messages.get(),
        "held": counts.held.get(),
        "held_refused": counts.held_refused.get(),
        "post_taken": counts.post_taken.get(),
        "equal_messages_in_other_bytes": room.chain.borrow().variants,
    })
}
