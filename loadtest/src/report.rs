//! Parts of reports that several scenarios have: latencies and counts of a room.

use serde_json::{Value, json};

use crate::clock::micros_between;
use crate::report_room::last_viewer;
use crate::room::Room;
use crate::timing::Latencies;

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

/// From the intended instant, and from the acknowledgement, to each viewer and to the last one.
pub fn push_latency(room: &Room) -> Value {
    let mut last = Latencies::default();
    last_viewer(room, 0, &mut last);
    let tally = &room.wires.tally;
    json!({
        "each_viewer_after_intended": tally.push.borrow().to_json(),
        "each_viewer_after_acknowledgement": tally.push_after_acknowledgement.borrow().to_json(),
        "viewers_that_knew_before_the_acknowledgement": tally.before_acknowledgement.get(),
        "last_viewer_after_intended": last.to_json(),
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
