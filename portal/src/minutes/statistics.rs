//! Sums and means of a session, from its record.

use amphi_engine::core::{ChoiceManner, Millis, Timestamp, TurnOutcome};
use serde::Serialize;

use super::record::{Cause, ChoiceRecord, FinalStanding, MadeBy, SessionRecord, TurnRecord};

/// What a session comes to, in figures.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Statistics {
    /// People on the list.
    pub participants: usize,
    /// Who hold a post.
    pub placed: usize,
    /// Who hold none.
    pub unplaced: usize,
    /// Who are placed in another amphi.
    pub placed_elsewhere: usize,
    /// Who were taken out.
    pub withdrawn: usize,
    /// Seats opened.
    pub seats: usize,
    /// Seats that nobody holds.
    pub seats_left: usize,
    /// Turns that opened.
    pub turns: usize,
    /// …of which ended by a choice…
    pub turns_with_choice: usize,
    /// …or because their time ran out.
    pub turns_expired: usize,
    /// Choices that stand and were made after the turn (A4).
    pub late_choices: usize,
    /// Choices that stand and came within the network grace (A9).
    pub grace_choices: usize,
    /// Choices that stand and were made by a proxy holder (A5).
    pub proxy_choices: usize,
    /// Choices that stand and were made by wishes: the safety net, or everybody's at closing (3.5, 3.8).
    pub wish_choices: usize,
    /// Assignments that stand and were made by an administrator (3.3).
    pub assigned: usize,
    /// Choices that stand and use no seat (3.3).
    pub supernumerary: usize,
    /// Choices that do not stand any more.
    pub undone_choices: usize,
    /// Mean length of the turns that ended, without the time the clock stood still.
    pub mean_turn: Option<Millis>,
    /// The length that half of them did not exceed.
    pub median_turn: Option<Millis>,
    /// The largest delay of a turn.
    pub delay_max: Option<Millis>,
    /// The mean delay of the turns.
    pub delay_mean: Option<Millis>,
    /// The delay of the last turn.
    pub delay_last: Option<Millis>,
    /// Suspensions, and how long they lasted together.
    pub suspensions: (usize, Millis),
    /// Outages, and how long they lasted together.
    pub outages: (usize, Millis),
    /// Delay of each turn at the instant it opened, in order.
    pub delay_curve: Vec<(Timestamp, Millis)>,
}

impl Statistics {
    /// The figures of `record`.
    pub fn of(record: &SessionRecord) -> Self {
        let standing = |is: fn(&FinalStanding) -> bool| {
            record.participants.iter().filter(|participant| is(&participant.standing)).count()
        };
        let standing_choices: Vec<&ChoiceRecord> =
            record.choices.iter().filter(|choice| choice.undone.is_none()).collect();
        let count = |is: &dyn Fn(&ChoiceRecord) -> bool| standing_choices.iter().filter(|c| is(c)).count();
        let outcome = |of| {
            record.turns.iter().filter(|turn| turn.opened_at.is_some() && turn.outcome == Some(of)).count()
        };
        let seats: usize = record.posts.iter().map(|post| usize::from(post.seats)).sum();
        let used = count(&|choice| choice.seat.is_some());
        let delay_curve: Vec<(Timestamp, Millis)> =
            record.turns.iter().filter_map(|turn| Some((turn.opened_at?, turn.delay()?))).collect();
        let delays: Vec<Millis> = delay_curve.iter().map(|(_, delay)| *delay).collect();
        // Whoever left during their own turn, or whose turn was taken back, says nothing of the pace.
        let told = |turn: &&TurnRecord| {
            turn.outcome.is_some_and(|outcome| outcome != TurnOutcome::NoLongerConcerned)
        };
        let mut durations: Vec<Millis> =
            record.turns.iter().filter(told).filter_map(TurnRecord::duration).collect();
        durations.sort_unstable();
        Self {
            participants: record.participants.len(),
            placed: standing(|s| matches!(s, FinalStanding::Placed { .. })),
            unplaced: standing(|s| matches!(s, FinalStanding::Unplaced)),
            placed_elsewhere: standing(|s| matches!(s, FinalStanding::PlacedElsewhere)),
            withdrawn: standing(|s| matches!(s, FinalStanding::Withdrawn { .. })),
            seats,
            seats_left: seats.saturating_sub(used),
            turns: record.turns.iter().filter(|turn| turn.opened_at.is_some()).count(),
            turns_with_choice: outcome(TurnOutcome::Chosen),
            turns_expired: outcome(TurnOutcome::Expired),
            late_choices: count(&|c| matches!(c.manner, ChoiceManner::Late | ChoiceManner::LateHeld)),
            grace_choices: count(&|c| c.manner == ChoiceManner::InGrace),
            proxy_choices: count(&|c| matches!(c.made_by, MadeBy::Holder { .. })),
            wish_choices: count(&|c| c.made_by == MadeBy::Wishes),
            assigned: count(&|c| c.manner == ChoiceManner::Assigned),
            supernumerary: count(&|c| c.seat.is_none()),
            undone_choices: record.choices.len() - standing_choices.len(),
            mean_turn: mean(&durations),
            median_turn: (!durations.is_empty()).then(|| durations[(durations.len() - 1) / 2]),
            delay_max: delays.iter().max().copied(),
            delay_mean: mean(&delays),
            delay_last: delays.last().copied(),
            suspensions: stops(record, |cause| matches!(cause, Cause::Suspension { .. })),
            outages: stops(record, |cause| matches!(cause, Cause::Outage)),
            delay_curve,
        }
    }
}

fn mean(of: &[Millis]) -> Option<Millis> {
    let count = i64::try_from(of.len()).ok().filter(|count| *count > 0)?;
    Some(Millis(of.iter().map(|each| each.0).sum::<i64>() / count))
}

fn stops(record: &SessionRecord, is: fn(&Cause) -> bool) -> (usize, Millis) {
    let lengths = record.interruptions.iter().filter(|stop| is(&stop.cause));
    lengths.fold((0, Millis::ZERO), |(count, sum), stop| {
        (count + 1, sum + (stop.until.unwrap_or(record.generated_at) - stop.from).at_least_zero())
    })
}
