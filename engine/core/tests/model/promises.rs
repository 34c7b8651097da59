//! Promises of `reliability.md`, checked on the journal alone and on the forecasts alone.

use std::collections::{BTreeMap, BTreeSet};

use amphi_core::{Amphi, CallRank, Command, Event, GRACE, PostNumber, Preview, Timestamp, TurnOutcome};
use proptest::prelude::*;

use crate::client_sum::client_sum;

/// P2: no seat twice, no person twice. P4: no turn expires before any end announced for it, an announced
/// end is never taken back, and no event is dated before the one that precedes it.
pub fn check_journal(journal: &[(Timestamp, Event)]) -> Result<(), TestCaseError> {
    let mut given = Given::default();
    let mut announced: Option<Timestamp> = None;
    let mut before = Timestamp(i64::MIN);
    for (at, event) in journal {
        prop_assert!(*at >= before, "{event:?} is dated before what precedes it");
        before = *at;
        match event {
            Event::ChoiceCommitted { rank, post, seat, .. }
            | Event::ChoiceRestored { rank, post, seat, .. } => {
                given.give(*rank, *post, *seat)?;
            }
            Event::SeatExchanged { rank, from_post, from_seat, post, seat } => {
                given.take_back(*rank, *from_post, *from_seat)?;
                given.give(*rank, *post, Some(*seat))?;
            }
            Event::ChoiceAnnulled { rank, post, seat, .. } => given.take_back(*rank, *post, *seat)?,
            Event::Rewound { released, .. } => {
                for seat in released {
                    given.take_back(seat.rank, seat.post, seat.seat)?;
                }
                // The turn in progress did not expire: it is to come again, whole.
                announced = None;
            }
            Event::TurnExtended { deadline, .. } => {
                prop_assert!(
                    announced.is_some_and(|end| end < *deadline),
                    "an extension that takes time away"
                );
                announced = Some(*deadline);
            }
            Event::TurnOpened { deadline, .. } => announced = Some(*deadline),
            Event::Resumed { deadline: Some(deadline) }
            | Event::ServiceInterrupted { deadline: Some(deadline), .. } => {
                prop_assert!(announced.is_some_and(|end| end <= *deadline), "an announced end taken back");
                announced = Some(*deadline);
            }
            Event::TurnClosed { outcome, .. } => {
                let end = announced.take().unwrap();
                let expired = matches!(outcome, TurnOutcome::Expired | TurnOutcome::SafetyNet);
                prop_assert!(!expired || *at >= end + GRACE, "a turn expired at {at}, announced until {end}");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Who holds what, event by event.
#[derive(Default)]
struct Given {
    seats: BTreeSet<(PostNumber, u16)>,
    people: BTreeMap<CallRank, (PostNumber, Option<u16>)>,
}

impl Given {
    fn give(&mut self, rank: CallRank, post: PostNumber, seat: Option<u16>) -> Result<(), TestCaseError> {
        let free = seat.is_none_or(|seat| self.seats.insert((post, seat)));
        prop_assert!(free, "seat {seat:?} of post {post} is given twice");
        prop_assert!(self.people.insert(rank, (post, seat)).is_none(), "rank {rank} is placed twice");
        Ok(())
    }

    fn take_back(
        &mut self,
        rank: CallRank,
        post: PostNumber,
        seat: Option<u16>,
    ) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.people.remove(&rank), Some((post, seat)), "rank {} gives back", rank);
        let held = seat.is_none_or(|seat| self.seats.remove(&(post, seat)));
        prop_assert!(held, "seat {seat:?} of post {post} is given back by nobody");
        Ok(())
    }
}

/// 3.6: a turn lasts its whole duration from its opening, and, called early, from the convoked time.
pub fn check_durations(amphi: &Amphi, journal: &[(Timestamp, Event)]) -> Result<(), TestCaseError> {
    let Some(setup) = amphi.setup() else { return Ok(()) };
    for (at, event) in journal {
        let Event::TurnOpened { rank, deadline } = event else { continue };
        let planned = amphi.planned_at()[rank.index()];
        let early = setup.policies.early_opening;
        let from = if early { planned.max(*at) } else { *at };
        prop_assert!(early || *at >= planned, "rank {rank} was called before the convoked time");
        prop_assert!(*at >= amphi.planned_at()[0], "rank {rank} was called before the session");
        prop_assert_eq!(*deadline, from + setup.turn_duration_of(*rank), "rank {}", rank);
    }
    Ok(())
}

/// 3.7: what a preview said is what the command did.
pub fn check_preview(
    said: &Preview,
    before: &Amphi,
    after: &Amphi,
    asked: &str,
) -> Result<(), TestCaseError> {
    let standings = before.standings().iter().zip(after.standings()).enumerate();
    let changed = standings.filter(|(_, (before, after))| before != after);
    let changed: Vec<_> =
        changed.map(|(index, (before, after))| (CallRank::from_index(index), *before, *after)).collect();
    // A draft set again has another list: nobody of the old one is touched.
    prop_assert_eq!(&said.touched, &changed, "{}", asked);
    prop_assert_eq!(&said.status, after.status(), "{}", asked);
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
        let early = amphi.setup().is_some_and(|setup| setup.policies.early_opening);
        let callable = if early { amphi.planned_at()[0] } else { *planned };
        prop_assert!(forecast.earliest >= callable.max(now));
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
        (
            Command::Choose { rank, post, .. } | Command::ChooseFor { rank, post, .. },
            Event::ChoiceCommitted { rank: by, post: taken, .. }
            | Event::ChoiceHeld { rank: by, post: taken, .. },
        )
        | (Command::Assign { rank, post, .. }, Event::ChoiceCommitted { rank: by, post: taken, .. })
        | (Command::Exchange { rank, post }, Event::SeatExchanged { rank: by, post: taken, .. }) => {
            (rank, post) == (by, taken)
        }
        (Command::ReleaseHeld { rank }, Event::HeldChoiceReleased { rank: by })
        | (Command::SetWishes { rank, .. }, Event::WishesSet { rank: by, .. })
        | (Command::GiveProxy { rank, .. }, Event::ProxyGiven { rank: by, .. })
        | (Command::FileProxyDocument { rank, .. }, Event::ProxyDocumentFiled { rank: by, .. })
        | (
            Command::RevokeProxy { rank } | Command::RevertProxy { rank, .. },
            Event::ProxyRevoked { rank: by, .. },
        )
        | (Command::Extend { rank, .. }, Event::TurnExtended { rank: by, .. })
        | (Command::AnnulChoice { rank, .. }, Event::ChoiceAnnulled { rank: by, .. })
        | (Command::Rewind { to: rank, .. }, Event::Rewound { to: by, .. })
        | (Command::Admit { rank, .. }, Event::Admitted { rank: by, .. })
        | (Command::NoteNoLongerPlacedElsewhere { rank }, Event::NoLongerPlacedElsewhere { rank: by })
        | (Command::Pass { rank } | Command::EndTurn { rank, .. }, Event::TurnClosed { rank: by, .. })
        | (Command::Withdraw { rank, .. }, Event::Withdrawn { rank: by, .. })
        | (Command::NotePlacedElsewhere { rank }, Event::PlacedElsewhere { rank: by }) => rank == by,
        (Command::Draft(_), Event::Drafted { .. })
        | (Command::Publish, Event::Published { .. })
        | (Command::Open, Event::Opened)
        | (Command::Suspend { .. }, Event::Suspended { .. })
        | (Command::ExplainSuspension { .. }, Event::SuspensionExplained { .. })
        | (Command::Add { .. }, Event::ParticipantAdded { .. })
        | (Command::NoteIneligible { .. }, Event::EligibilityChecked { .. })
        | (Command::Resume, Event::Resumed { .. })
        | (Command::Close, Event::Closed { .. })
        | (Command::Annul { .. }, Event::Annulled { .. })
        | (Command::Recover { .. }, Event::ServiceInterrupted { .. }) => true,
        _ => false,
    }
}
