//! What is shown: P5, C8, C10, and the announcements that P4 is about.

use std::time::Duration;

use amphi_engine::core::{Amphi, AmphiId, Snapshot, Status, Timestamp, Turn};
use amphi_engine::protocol::{Position, Receipt};

use super::{Announced, Oracle, Promise};

impl Oracle {
    /// P5: a screen shows `shown` as of `position`.
    pub fn shown(&mut self, amphi: AmphiId, position: Position, shown: &Snapshot) {
        let last = self.book(amphi).entries.len() as u64;
        match self.book_mut(amphi).snapshot_at(position.seq) {
            None => {
                let what =
                    format!("a screen shows entry {} of {last}: it comes from the future", position.seq);
                self.broken(Promise::P5, what);
            }
            Some(true_then) if *true_then != *shown => {
                let what = format!(
                    "a screen shows entry {} otherwise than it was: {}",
                    position.seq,
                    difference(&true_then, shown)
                );
                self.broken(Promise::P5, what);
            }
            Some(_) => self.count("screen.compared"),
        }
    }

    /// P1: a receipt that somebody is shown names the entry of their choice, by its hash.
    pub fn receipt_shown(&mut self, receipt: &Receipt) {
        let index = usize::try_from(receipt.seq).unwrap_or(0).wrapping_sub(1);
        let entry = self.book(receipt.amphi).entries.get(index);
        match entry.filter(|entry| entry.hash.to_string() == receipt.hash) {
            Some(_) => self.count("screen.receipt_compared"),
            None => self
                .broken(Promise::P1, format!("a receipt that the journal does not know: {}", receipt.code())),
        }
    }

    /// Somebody is told, as of entry `seq`, until when a turn lasts, while the server's clock shows `now`; `steady` where that
    /// clock runs as a stopwatch does.
    pub fn announced(&mut self, amphi: AmphiId, seq: u64, turn: &Turn, now: Timestamp, steady: bool) {
        let opening = self.book(amphi).opening_before(seq);
        let Some(opening) = opening.filter(|_| turn.remaining_when_suspended.is_none()) else { return };
        // A server whose clock is behind what has happened counts down from more than is left; what is
        // promised is what was left when it happened.
        let happened = self.book(amphi).state_at(seq).map_or(now, |state| state.last_event_at());
        let left = turn.deadline - now.max(happened);
        let left_ms = u64::try_from(left.0).unwrap_or(0);
        let ends = steady.then(|| self.stopwatch(amphi) + Duration::from_millis(left_ms));
        let told = self
            .book_mut(amphi)
            .announced
            .entry(opening)
            .or_insert(Announced { deadline: turn.deadline, countdown_ends: ends });
        told.deadline = told.deadline.max(turn.deadline);
        told.countdown_ends = told.countdown_ends.max(ends);
    }

    /// C8: a room stands at `position` with `live`; the journal, replayed, must say the same.
    pub fn compare_live(&mut self, position: Position, live: &Amphi, byte_for_byte: bool) {
        let Some(replayed) = self.book(live.id()).state_at(position.seq) else {
            return self.broken(
                Promise::P1,
                format!("a room stands at entry {}, which was not written", position.seq),
            );
        };
        let same = if byte_for_byte {
            self.count("state.compared_bytes");
            serde_json::to_string(&*replayed).expect("plain data")
                == serde_json::to_string(live).expect("plain data")
        } else {
            *replayed == *live
        };
        if !same {
            self.broken(
                Promise::C8,
                format!("at entry {}, live {live:?}, replayed {replayed:?}", position.seq),
            );
        }
    }

    /// C10 and A7: what is expected is neither in the past nor before the plan, and in order.
    pub fn check_forecasts(&mut self, amphi: &Amphi, now: Timestamp) {
        let mut before = Timestamp(i64::MIN);
        for (index, forecast) in amphi.forecasts(now).into_iter().enumerate() {
            let Some(forecast) = forecast else { continue };
            self.count("forecast.checked");
            let planned = amphi.planned_at()[index];
            let early = amphi.setup().is_some_and(|setup| setup.policies.early_opening);
            let honest = (early || forecast.earliest >= planned)
                && forecast.earliest >= now
                && forecast.earliest >= before
                && forecast.earliest <= forecast.expected
                && forecast.expected <= forecast.latest;
            // Before the session only the plan is known; in it, time has at least reached its last event.
            let past = *amphi.status() == Status::Open && forecast.earliest < amphi.last_event_at();
            if !honest || past {
                let what = format!("rank {}: {forecast:?}, planned {planned}, now {now}", index + 1);
                self.broken(Promise::C10, what);
            }
            before = forecast.earliest;
        }
    }
}

/// Where two snapshots differ, in a few words.
fn difference(expected: &Snapshot, shown: &Snapshot) -> String {
    let json = |snapshot: &Snapshot| serde_json::to_value(snapshot).expect("plain data");
    let (expected, shown) = (json(expected), json(shown));
    let fields = expected.as_object().into_iter().flatten();
    let differing = fields.filter(|(name, value)| shown.get(name.as_str()) != Some(value));
    differing
        .map(|(name, value)| format!("{name}: {value}, shown {}", shown[name]))
        .collect::<Vec<_>>()
        .join("; ")
}
