//! When each turn will probably open (A7): an honest range, from facts and this amphi's own pace.
//!
//! Everything here is a function of the state and of `now`. The client does the same sum from the
//! snapshot and the changes (see `engine/PROTOCOL.md`), so that a change of delay is one number for
//! everybody and not a list of people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::amphi::{Amphi, GRACE, Pace};
use crate::identity::CallRank;
use crate::time::{Millis, Timestamp};

/// Before turns have ended, the pace is taken to be this share of the time allowed… [decided]
const PRIOR_PERMILLE: i64 = 600;
/// …with the weight of this many whole turns, so that one quick turn does not upset everybody.
const PRIOR_TURNS: i64 = 3;

/// When a turn will open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// Not before: the convoked time, or later if that is already impossible.
    pub earliest: Timestamp,
    /// At this amphi's own pace.
    pub expected: Timestamp,
    /// If every turn before uses all of its time and the grace.
    pub latest: Timestamp,
}

impl Pace {
    /// Share of the allowed time that turns use here, in thousandths.
    pub fn permille(self, turn_duration: Millis) -> u32 {
        let prior = turn_duration * PRIOR_TURNS;
        let used = self.used.0 + prior.0 * PRIOR_PERMILLE / 1_000;
        let allowed = self.allowed.0 + prior.0;
        u32::try_from(used * 1_000 / allowed.max(1)).unwrap_or(1_000).min(1_000)
    }
}

impl Amphi {
    /// Share of the allowed time that turns use in this amphi, in thousandths.
    pub fn pace_permille(&self) -> u32 {
        self.setup.as_ref().map_or(1_000, |setup| self.pace.permille(setup.turn_duration))
    }

    /// When the turn of each rank still to come will open, at `now`; `None` for those who have been
    /// called or will not be. While the session is suspended: as if it went on at `now`.
    pub fn forecasts(&self, now: Timestamp) -> Vec<Option<Forecast>> {
        // A clock that went back forecasts nothing earlier than what has happened (C10).
        let now = self.event_instant(now);
        let mut forecasts = vec![None; self.standings.len()];
        let Some(setup) = self.setup.as_ref().filter(|_| !self.planned_at.is_empty()) else {
            return forecasts;
        };
        let permille = self.pace_permille();
        let mut free = self.end_of_current_turn(now, permille);
        for (index, forecasted) in forecasts.iter_mut().enumerate().skip(self.next_rank.index()) {
            if !self.standings[index].is_waiting() {
                continue;
            }
            let rank = CallRank::from_index(index);
            let callable = self.callable_from(rank).unwrap_or(self.planned_at[index]);
            let opens = |free: Timestamp| setup.opening.first_open_from(callable.max(free));
            let forecast = Forecast {
                earliest: opens(free.earliest),
                expected: opens(free.expected),
                latest: opens(free.latest),
            };
            let duration = setup.turn_duration_of(rank);
            // A turn that opens early may last until the end of the one convoked (3.6).
            let early = setup.policies.early_opening;
            let counted_from = if early { self.planned_at[index] } else { forecast.latest };
            free = Forecast {
                earliest: forecast.earliest,
                expected: forecast.expected + duration.scaled_permille(permille),
                latest: forecast.latest.max(counted_from) + duration + GRACE,
            };
            *forecasted = Some(forecast);
        }
        forecasts
    }

    /// From when the amphi is free for the next turn.
    fn end_of_current_turn(&self, now: Timestamp, permille: u32) -> Forecast {
        let Some((turn, setup)) = self.turn.as_ref().zip(self.setup.as_ref()) else {
            return Forecast { earliest: now, expected: now, latest: now };
        };
        let left_at_most = match turn.remaining_when_suspended {
            Some(remaining) => remaining,
            None => turn.deadline - now,
        };
        let allowed = setup.turn_duration_of(turn.rank) + turn.extended_by;
        // What the pace leaves of this turn is what it leaves of the whole, less the time gone by.
        let whole = turn.deadline - turn.opened_at - turn.stopped_for;
        let gone = whole - left_at_most;
        let left_at_pace = (allowed.scaled_permille(permille) - gone).at_least_zero();
        Forecast {
            earliest: now,
            expected: now + left_at_pace,
            latest: now + (left_at_most + GRACE).at_least_zero(),
        }
    }
}
