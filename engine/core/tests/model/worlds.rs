//! Random small amphis: their lists, posts, hours and policies. What is asked of them is in `steps.rs`.

use amphi_core::call_list::{RankBasis, Seniority};
use amphi_core::opening::{Opening, OpeningRange};
use amphi_core::{
    Half, InternId, LatePolicy, Millis, Participant, Period, Policies, Post, ProxyPolicy, Setup,
    Supernumerary, Timestamp,
};
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use crate::steps::{Step, steps};

/// When the first range of every random amphi may begin.
pub const MORNING: i64 = 1_800_000_000_000;

#[derive(Debug, Clone)]
pub struct World {
    pub setup: Setup,
    /// How much of drafting, publishing and opening is done before the steps; the rest is theirs.
    pub begun: usize,
    pub steps: Vec<Step>,
}

pub fn worlds(count: usize) -> impl Strategy<Value = World> {
    let begun = prop_oneof![12 => Just(3_usize), 3 => Just(2), 2 => 0_usize..3];
    (setups(), begun, vec(steps(), count)).prop_map(|(setup, begun, steps)| World { setup, begun, steps })
}

pub fn setups() -> impl Strategy<Value = Setup> {
    let extra = prop_oneof![4 => Just(0_u16), 1 => Just(33), 1 => Just(100)];
    let right = prop_oneof![
        2 => Just(None),
        1 => Just(Some(Supernumerary::Validating)),
        1 => Just(Some(Supernumerary::NonValidating)),
    ];
    let range = (1_i64..200, 10_i64..300);
    let seats_and_site = (0_u16..4, 0_u8..2);
    (10_i64..60, vec((extra, right), 1..=8), vec(seats_and_site, 1..=6), vec(range, 1..=3), policies())
        .prop_map(|(turn, people, seats, hours, policies)| {
            let mut end = MORNING;
            let ranges = hours.into_iter().map(|(pause, length)| {
                let opens_at = Timestamp(end + pause * 1_000);
                end = opens_at.0 + length * 1_000;
                OpeningRange { opens_at, closes_at: Timestamp(end) }
            });
            Setup {
                title: "Amphi".to_owned(),
                period: Period { year: 2027, half: Half::May },
                time_zone: "Indian/Reunion".to_owned(),
                opening: Opening::new(ranges.collect()).unwrap(),
                turn_duration: Millis::from_secs(turn),
                participants: (0..)
                    .zip(people)
                    .map(|(index, (extra, right))| participant(index, extra, right))
                    .collect(),
                posts: seats.into_iter().map(post).collect(),
                round: amphi_core::Round::Live,
                policies,
            }
        })
}

/// The defaults in one world of three, so that what they promise is tried as often as before.
fn policies() -> impl Strategy<Value = Policies> {
    let late = prop_oneof![
        2 => Just(LatePolicy::Now),
        2 => Just(LatePolicy::AfterCurrentTurn),
        1 => Just(LatePolicy::EndOfSession),
        1 => Just(LatePolicy::Forfeit),
    ];
    let proxies = prop_oneof![
        1 => Just(ProxyPolicy::Off),
        2 => Just(ProxyPolicy::On),
        2 => Just(ProxyPolicy::WithDocument),
    ];
    let other = (late, proxies, any::<bool>(), prop::bool::weighted(0.7), prop::bool::weighted(0.7))
        .prop_map(|(late, proxies, early_opening, safety_net, vacancy_round)| Policies {
            late,
            proxies,
            early_opening,
            safety_net,
            vacancy_round,
            extension_steps: [10, 20].map(Millis::from_secs).to_vec(),
            ..Policies::default()
        });
    prop_oneof![1 => Just(Policies::default()), 2 => other]
}

/// Somebody; the same `index` is the same intern.
pub fn participant(
    index: u128,
    extra_time_percent: u16,
    supernumerary: Option<Supernumerary>,
) -> Participant {
    let seniority =
        Seniority { validated_semesters: 2, competition_year: 2025, national_rank: 1, cohort_size: 9_000 };
    Participant {
        intern: InternId(Uuid::from_u128(index)),
        pseudonym: format!("P{index}"),
        extra_time_percent,
        rank_basis: RankBasis::Imported { seniority },
        supernumerary,
    }
}

/// Of one of two sites.
fn post((seats, site): (u16, u8)) -> Post {
    let text = || String::from("x");
    Post {
        imotep: format!("75000000{site}"),
        establishment: text(),
        service: text(),
        specialty: text(),
        phase: text(),
        seats,
        criteria: vec![],
    }
}
