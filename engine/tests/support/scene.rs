//! A small amphi to play with, and the instants of its day. Shared, as a file, between crates.

use amphi_engine::core::call_list::{RankBasis, Seniority};
use amphi_engine::core::opening::{Opening, OpeningRange};
use amphi_engine::core::{
    Actor, AdministratorId, AmphiId, CallRank, Command, Half, InternId, Millis, Participant, Period,
    Policies, Post, PostNumber, Round, Setup, Timestamp,
};
use uuid::Uuid;

pub const ADMINISTRATOR: Actor = Actor::Administrator { id: AdministratorId(Uuid::from_u128(0xAD)) };
pub const NOVEMBER: Period = Period { year: 2027, half: Half::November };
/// 2027-05-03, 00:00 UTC.
const DAY: Timestamp = Timestamp(1_809_302_400_000);

/// An instant of the day of the session, `"09:03"`, `"09:03:02"` or `"09:03:01.999"`.
pub fn at(text: &str) -> Timestamp {
    let (hours, rest) = text.split_once(':').expect("hours and minutes");
    let (minutes, seconds) = rest.split_once(':').unwrap_or((rest, "0"));
    let (seconds, millis) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let number = |text: &str| text.parse::<i64>().expect("a number");
    let seconds = (number(hours) * 60 + number(minutes)) * 60 + number(seconds);
    DAY + Millis(seconds * 1_000 + number(millis))
}

pub fn amphi(number: u128) -> AmphiId {
    AmphiId(Uuid::from_u128(number))
}

/// The person who stands at `rank` of every amphi of [`setup`].
pub fn person(rank: u16) -> InternId {
    InternId(Uuid::from_u128(0x9000 + u128::from(rank)))
}

pub fn intern(rank: u16) -> Actor {
    Actor::Intern { rank: CallRank(rank) }
}

pub fn choose(rank: u16, post: u16) -> Command {
    Command::Choose { rank: CallRank(rank), post: PostNumber(post), supernumerary: false }
}

pub fn pass(rank: u16) -> Command {
    Command::Pass { rank: CallRank(rank) }
}

/// Turns of 3 minutes, from 09:00 to 12:00 and from 14:00.
pub fn setup(interns: u16, seats: &[u16]) -> Setup {
    let participant = |rank: u16| Participant {
        intern: person(rank),
        pseudonym: format!("P{rank}"),
        extra_time_percent: 0,
        rank_basis: RankBasis::Imported {
            seniority: Seniority {
                validated_semesters: 2,
                competition_year: 2025,
                national_rank: u32::from(rank),
                cohort_size: 9_000,
            },
        },
        supernumerary: None,
    };
    let post = |seats: &u16| Post {
        imotep: "750000001".to_owned(),
        establishment: "CHU".to_owned(),
        service: "Cardiologie".to_owned(),
        specialty: "MCV".to_owned(),
        phase: String::new(),
        seats: *seats,
        criteria: Vec::new(),
    };
    let range = |from, to| OpeningRange { opens_at: at(from), closes_at: at(to) };
    Setup {
        title: "Cardiologie, Paris".to_owned(),
        period: NOVEMBER,
        time_zone: "Europe/Paris".to_owned(),
        opening: Opening::new(vec![range("09:00", "12:00"), range("14:00", "18:00")]).expect("two ranges"),
        turn_duration: Millis::from_minutes(3),
        participants: (1..=interns).map(participant).collect(),
        round: Round::Live,
        policies: Policies::default(),
        posts: seats.iter().map(post).collect(),
    }
}
