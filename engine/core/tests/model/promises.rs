//! Promises of `reliability.md`, checked on the journal alone and on the forecasts alone.

use std::collections::BTreeSet;

use amphi_core::{Amphi, Command, Event, GRACE, Timestamp, TurnOutcome};
use proptest::prelude::*;

use crate::client_sum::client_sum;

/// P2: no seat twice, no person twice. P4: no turn expires before any end announced for it, an announced
/// end is never taken back, and no event is dated before the one that precedes it.
pub fn check_journal(journal: &[(Timestamp, Event)]) -> Result<(), TestCaseError> {
    let (mut seats, mut people) = (BTreeSet::new(), BTreeSet::new());
    let mut announced: Option<Timestamp> = None;
    let mut before = Timestamp(i64::MIN);
    for (at, event) in journal {
        prop_assert!(*at >= before, "{event:?} is dated before what precedes it");
        before = *at;
        match event {
            Event::ChoiceCommitted { rank, post, seat, .. } => {
                prop_assert!(seats.insert((*post, *seat)), "seat {seat:?} of post {post} is given twice");
                prop_assert!(people.insert(*rank), "rank {rank} is placed twice");
            }
            Event::TurnOpened { deadline, .. } => announced = Some(*deadline),
            Event::Resumed { deadline: Some(deadline) }
            | Event::ServiceInterrupted { deadline: Some(deadline), .. } => {
                prop_assert!(announced.is_some_and(|end| end <= *deadline), "an announced end taken back");
                announced = Some(*deadline);
            }
            Event::TurnClosed { outcome, .. } => {
                let end = announced.take().unwrap();
                let expired = *outcome == TurnOutcome::Expired;
                prop_assert!(!expired || *at >= end + GRACE, "a turn expired at {at}, announced until {end}");
            }
            _ => {}
        }
    }
    Ok(())
}

/// A7: earliest ≤ expected ≤ latest, nobody before their plan, whoever waits and nobody else, in call
/// order; and the sum that `PROTOCOL.md` tells clients to do gives the same.
pub fn check_forecasts(amphi: &Amphi, now: Timestamp) -> Result<(), TestCaseError> {
    let forecasts = amphi.forecasts(now);
    let mut previous = None;
    for (index, (forecast, standing)) in forecasts.iter().zip(amphi.standings()).enumerate() {
        let Some(planned) = amphi.planned_at().get(index) else {
            prop_assert_eq!(forecast, &None);
            continue;
        };
        prop_assert_eq!(forecast.is_some(), standing.is_waiting());
        let Some(forecast) = forecast else { continue };
        prop_assert!(forecast.earliest >= *planned.max(&now));
        prop_assert!(forecast.earliest <= forecast.expected && forecast.expected <= forecast.latest);
        let times = [forecast.earliest, forecast.expected, forecast.latest];
        let in_order = previous.is_none_or(|before: [Timestamp; 3]| (0..3).all(|i| before[i] <= times[i]));
        prop_assert!(in_order, "rank {} is forecast before the rank called before it", index + 1);
        previous = Some(times);
    }
    let Some(snapshot) = amphi.snapshot() else { return Ok(()) };
    let sums = client_sum(&serde_json::to_value(snapshot).unwrap(), now.0);
    let ours: Vec<_> =
        forecasts.iter().map(|f| f.map(|f| [f.earliest.0, f.expected.0, f.latest.0])).collect();
    prop_assert_eq!(ours, sums);
    Ok(())
}

/// Whether `event` is what `command` asked for, and not one of its consequences.
pub fn is_what_was_asked(command: &Command, event: &Event) -> bool {
    match (command, event) {
        (Command::Choose { rank, post, .. }, Event::ChoiceCommitted { rank: by, post: taken, .. })
        | (Command::Choose { rank, post, .. }, Event::ChoiceHeld { rank: by, post: taken, .. }) => {
            (rank, post) == (by, taken)
        }
        (Command::ReleaseHeld { rank }, Event::HeldChoiceReleased { rank: by })
        | (Command::Pass { rank } | Command::EndTurn { rank, .. }, Event::TurnClosed { rank: by, .. })
        | (Command::Withdraw { rank, .. }, Event::Withdrawn { rank: by, .. })
        | (Command::NotePlacedElsewhere { rank }, Event::PlacedElsewhere { rank: by }) => rank == by,
        (Command::Draft(_), Event::Drafted { .. })
        | (Command::Publish, Event::Published { .. })
        | (Command::Open, Event::Opened)
        | (Command::Suspend { .. }, Event::Suspended { .. })
        | (Command::Resume, Event::Resumed { .. })
        | (Command::Close, Event::Closed { .. })
        | (Command::Annul { .. }, Event::Annulled { .. })
        | (Command::Recover { .. }, Event::ServiceInterrupted { .. }) => true,
        _ => false,
    }
}
