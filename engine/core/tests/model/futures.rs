//! A7's honesty: play a session to its end and see whether each turn opened within its forecast.
//!
//! The future may hold anything but a suspension, which makes no forecast honest: choices early or at the
//! last moment, passing, expiry, people who leave, late choices. Ticks come at the deadline, not after.

use amphi_core::{Actor, Amphi, Command, Event, Forecast, Millis, PostNumber, Status, Timestamp};
use proptest::prelude::*;

use crate::Play;
use crate::steps::with_right;

/// What happens before the next deadline, if anything, and how far on the way to it (in permille).
#[derive(Debug, Clone, Copy)]
pub enum Deed {
    LetTimePass,
    Choose { permille: i64, post: usize },
    Pass { permille: i64 },
    LateChoice { permille: i64, pick: usize, post: usize },
    Leave { permille: i64, pick: usize },
}

pub fn deeds() -> impl Strategy<Value = Deed> {
    let permille = || prop_oneof![Just(0_i64), 0_i64..1_000, Just(999)];
    prop_oneof![
        4 => Just(Deed::LetTimePass),
        3 => (permille(), 0_usize..6).prop_map(|(permille, post)| Deed::Choose { permille, post }),
        2 => permille().prop_map(|permille| Deed::Pass { permille }),
        2 => (permille(), 0_usize..8, 0_usize..6)
            .prop_map(|(permille, pick, post)| Deed::LateChoice { permille, pick, post }),
        1 => (permille(), 0_usize..8).prop_map(|(permille, pick)| Deed::Leave { permille, pick }),
    ]
}

/// Forecasts made now hold in the future that `deeds` make.
pub fn check_honesty(play: &Play, deeds: &[Deed]) -> Result<(), TestCaseError> {
    let mut amphi = play.amphi.clone();
    if *amphi.status() != Status::Open {
        return Ok(());
    }
    let mut now = amphi.event_instant(play.now);
    let forecasts = amphi.forecasts(now);
    for deed in deeds {
        // A refusal a moment ago may have left a deadline unnoticed.
        let Some(deadline) = amphi.next_deadline().map(|deadline| deadline.max(now)) else { break };
        if let Some((permille, command)) = deed.command(&amphi) {
            now = now + Millis((deadline - now).0 * permille / 1_000);
            go_on(&mut amphi, &command, now, &forecasts)?;
        } else {
            now = deadline;
            go_on(&mut amphi, &Command::Tick, now, &forecasts)?;
        }
    }
    Ok(())
}

impl Deed {
    fn command(self, amphi: &Amphi) -> Option<(i64, Command)> {
        let rank_at = |pick: usize| amphi_core::CallRank::from_index(pick % amphi.standings().len());
        let post_at = |pick: usize| PostNumber::from_index(pick % amphi.seats_left().len());
        match self {
            Self::LetTimePass => None,
            Self::Choose { permille, post } => {
                let rank = amphi.turn()?.rank;
                Some((permille, Command::Choose { rank, post: post_at(post), supernumerary: false }))
            }
            Self::Pass { permille } => Some((permille, Command::Pass { rank: amphi.turn()?.rank })),
            Self::LateChoice { permille, pick, post } => Some((
                permille,
                Command::Choose { rank: rank_at(pick), post: post_at(post), supernumerary: false },
            )),
            Self::Leave { permille, pick } => {
                Some((permille, Command::NotePlacedElsewhere { rank: rank_at(pick) }))
            }
        }
    }
}

fn go_on(
    amphi: &mut Amphi,
    command: &Command,
    now: Timestamp,
    forecasts: &[Option<Forecast>],
) -> Result<(), TestCaseError> {
    let Ok(events) = amphi.decide(with_right(command), command, now) else { return Ok(()) };
    for event in &events {
        if let Event::TurnOpened { rank, .. } = event {
            let forecast = forecasts[rank.index()].unwrap();
            let within = (forecast.earliest..=forecast.latest).contains(&now);
            prop_assert!(within, "rank {rank} was called at {now:?}, forecast {forecast:?}");
        }
        amphi.apply(now, event);
    }
    if matches!(command, Command::NotePlacedElsewhere { .. }) {
        // The one command that does not wait for what time has brought about: it comes right after.
        return go_on(amphi, &Command::Tick, now, forecasts);
    }
    prop_assert_eq!(amphi.decide(Actor::Engine, &Command::Tick, now), Ok(vec![]));
    Ok(())
}
