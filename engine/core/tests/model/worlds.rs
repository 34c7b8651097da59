//! Random small amphis and random things asked of them, nonsense included.
//!
//! A step is said relative to what is the case ("whoever is in turn", "a millisecond before the
//! deadline") and only becomes a command when it is played: so most steps matter, and a failing case
//! still shrinks.

use amphi_core::call_list::{RankBasis, Seniority};
use amphi_core::opening::{Opening, OpeningRange};
use amphi_core::{
    Actor, AdministratorId, Amphi, CallRank, Command, GRACE, Half, InternId, Millis, Participant, Period,
    Post, PostNumber, Setup, Standing, Timestamp,
};
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

/// When the first range of every random amphi may begin.
pub const MORNING: i64 = 1_800_000_000_000;

/// When a step is played, relative to the one before.
#[derive(Debug, Clone, Copy)]
pub enum When {
    Later(i64),
    /// So long after (or before) the next deadline.
    AroundDeadline(i64),
    /// So long after the announced end of the open turn.
    AroundAnnouncedEnd(i64),
}

/// Whom a step is about.
#[derive(Debug, Clone, Copy)]
pub enum Whom {
    InTurn,
    /// One of those who are late.
    Late(usize),
    Next,
    Rank(u16),
}

#[derive(Debug, Clone)]
pub enum What {
    Tick,
    Choose(Whom, u16),
    /// A post of which one seat is left.
    ChooseLastSeat(Whom, usize),
    ReleaseHeld(usize),
    Release(Whom),
    Pass(Whom),
    EndTurn(Whom, String),
    Withdraw(Whom, String),
    Elsewhere(Whom),
    Suspend(String),
    Resume,
    /// Out of service for so long.
    Recover(i64),
    Open,
    Close,
    Annul(String),
    Publish,
    Draft(Box<Setup>),
}

/// One thing that is asked.
#[derive(Debug, Clone)]
pub struct Step {
    pub when: When,
    pub what: What,
    /// Ask as somebody without the right to.
    pub wrongly: bool,
}

#[derive(Debug, Clone)]
pub struct World {
    pub setup: Setup,
    /// How much of drafting, publishing and opening is done before the steps; the rest is theirs.
    pub begun: usize,
    pub steps: Vec<Step>,
}

pub fn worlds(steps: usize) -> impl Strategy<Value = World> {
    let begun = prop_oneof![20 => Just(3_usize), 1 => 0_usize..3];
    (setups(), begun, vec(self::steps(), steps)).prop_map(|(setup, begun, steps)| World {
        setup,
        begun,
        steps,
    })
}

pub fn setups() -> impl Strategy<Value = Setup> {
    let extra = prop_oneof![4 => Just(0_u16), 1 => Just(33), 1 => Just(100)];
    let range = (1_i64..200, 10_i64..300);
    (10_i64..60, vec(extra, 1..=8), vec(0_u16..4, 1..=6), vec(range, 1..=3)).prop_map(
        |(turn, extras, seats, hours)| {
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
                participants: extras.into_iter().enumerate().map(participant).collect(),
                posts: seats.into_iter().map(post).collect(),
                round: amphi_core::Round::Live,
                policies: amphi_core::Policies::default(),
            }
        },
    )
}

fn participant((index, extra_time_percent): (usize, u16)) -> Participant {
    let seniority =
        Seniority { validated_semesters: 2, competition_year: 2025, national_rank: 1, cohort_size: 9_000 };
    Participant {
        intern: InternId(Uuid::from_u128(index as u128)),
        pseudonym: format!("P{index}"),
        extra_time_percent,
        rank_basis: RankBasis::Imported { seniority },
        supernumerary: None,
    }
}

fn post(seats: u16) -> Post {
    let text = || String::from("x");
    Post {
        imotep: text(),
        establishment: text(),
        service: text(),
        specialty: text(),
        phase: text(),
        seats,
        criteria: vec![],
    }
}

fn steps() -> impl Strategy<Value = Step> {
    let when = prop_oneof![
        4 => (0_i64..4_000).prop_map(When::Later),
        2 => (0_i64..40_000).prop_map(When::Later),
        1 => (-90_000_i64..400_000).prop_map(When::Later),
        4 => (-1_i64..=1).prop_map(When::AroundDeadline),
        1 => (0_i64..200_000).prop_map(When::AroundDeadline),
        2 => (-1_i64..=1).prop_map(When::AroundAnnouncedEnd),
        1 => (0_i64..2_100).prop_map(When::AroundAnnouncedEnd),
    ];
    (when, what(), prop::bool::weighted(0.03)).prop_map(|(when, what, wrongly)| Step { when, what, wrongly })
}

fn what() -> impl Strategy<Value = What> {
    let whom = || {
        prop_oneof![
            4 => Just(Whom::InTurn),
            3 => (0_usize..8).prop_map(Whom::Late),
            2 => Just(Whom::Next),
            1 => (0_u16..10).prop_map(Whom::Rank),
        ]
    };
    let reason = || prop_oneof![9 => Just("motif".to_owned()), 1 => Just("  ".to_owned())];
    let late = (0_usize..8).prop_map(Whom::Late);
    prop_oneof![
        12 => Just(What::Tick),
        8 => (whom(), 0_u16..8).prop_map(|(whom, post)| What::Choose(whom, post)),
        8 => (late, 0_usize..6).prop_map(|(whom, pick)| What::ChooseLastSeat(whom, pick)),
        3 => (whom(), 0_usize..6).prop_map(|(whom, pick)| What::ChooseLastSeat(whom, pick)),
        2 => (0_usize..4).prop_map(What::ReleaseHeld),
        1 => whom().prop_map(What::Release),
        6 => whom().prop_map(What::Pass),
        2 => (whom(), reason()).prop_map(|(whom, reason)| What::EndTurn(whom, reason)),
        1 => (whom(), reason()).prop_map(|(whom, reason)| What::Withdraw(whom, reason)),
        1 => whom().prop_map(What::Elsewhere),
        2 => reason().prop_map(What::Suspend),
        7 => Just(What::Resume),
        3 => (-1_000_i64..60_000).prop_map(What::Recover),
        2 => Just(What::Open),
        1 => Just(What::Close),
        1 => prop_oneof![9 => Just(String::new()), 1 => Just("motif".to_owned())].prop_map(What::Annul),
        2 => Just(What::Publish),
        1 => setups().prop_map(|setup| What::Draft(Box::new(setup))),
        1 => setups().prop_map(|mut setup| {
            setup.participants.clear();
            What::Draft(Box::new(setup))
        }),
    ]
}

impl Step {
    /// The instant of this step, when the one before was played at `now`.
    pub fn instant(&self, amphi: &Amphi, now: Timestamp) -> Timestamp {
        match self.when {
            When::Later(by) => now + Millis(by),
            When::AroundDeadline(by) => amphi.next_deadline().map_or(now, |deadline| deadline + Millis(by)),
            When::AroundAnnouncedEnd(by) => {
                amphi.turn().map_or(now, |turn| turn.deadline + Millis(by).min(GRACE + Millis(1)))
            }
        }
    }

    /// Who asks what.
    pub fn command(&self, amphi: &Amphi, now: Timestamp) -> (Actor, Command) {
        let command = match &self.what {
            What::Tick => Command::Tick,
            What::Choose(whom, post) => {
                Command::Choose { rank: whom.rank(amphi), post: PostNumber(*post), supernumerary: false }
            }
            What::ChooseLastSeat(whom, pick) => Command::Choose {
                rank: whom.rank(amphi),
                post: post_with_one_seat(amphi, *pick),
                supernumerary: false,
            },
            What::ReleaseHeld(pick) => {
                let held = amphi.held();
                let rank = held.get(pick % held.len().max(1)).map_or(CallRank(1), |held| held.rank);
                Command::ReleaseHeld { rank }
            }
            What::Release(whom) => Command::ReleaseHeld { rank: whom.rank(amphi) },
            What::Pass(whom) => Command::Pass { rank: whom.rank(amphi) },
            What::EndTurn(whom, reason) => {
                Command::EndTurn { rank: whom.rank(amphi), reason: reason.clone() }
            }
            What::Withdraw(whom, reason) => {
                Command::Withdraw { rank: whom.rank(amphi), reason: reason.clone() }
            }
            What::Elsewhere(whom) => Command::NotePlacedElsewhere { rank: whom.rank(amphi) },
            What::Suspend(reason) => Command::Suspend { reason: reason.clone() },
            What::Resume => Command::Resume,
            What::Recover(down_for) => Command::Recover { down_since: now - Millis(*down_for) },
            What::Open => Command::Open,
            What::Close => Command::Close,
            What::Annul(reason) => Command::Annul { reason: reason.clone() },
            What::Publish => Command::Publish,
            What::Draft(setup) => Command::Draft(setup.clone()),
        };
        (if self.wrongly { without_right(&command) } else { with_right(&command) }, command)
    }
}

impl Whom {
    fn rank(self, amphi: &Amphi) -> CallRank {
        match self {
            Self::InTurn => amphi.turn().map_or(CallRank(1), |turn| turn.rank),
            Self::Next => amphi.next_rank(),
            Self::Rank(rank) => CallRank(rank),
            Self::Late(pick) => {
                let is_late = |(_, s): &(usize, &Standing)| matches!(s, Standing::Late { .. });
                let late: Vec<_> = amphi.standings().iter().enumerate().filter(is_late).collect();
                late.get(pick % late.len().max(1)).map_or(CallRank(1), |(i, _)| CallRank::from_index(*i))
            }
        }
    }
}

fn post_with_one_seat(amphi: &Amphi, pick: usize) -> PostNumber {
    let left = amphi.seats_left().iter().enumerate();
    let single: Vec<_> = left.filter(|(_, left)| **left == 1).map(|(index, _)| index).collect();
    single.get(pick % single.len().max(1)).map_or(PostNumber(1), |index| PostNumber::from_index(*index))
}

const ADMINISTRATOR: Actor = Actor::Administrator { id: AdministratorId(Uuid::nil()) };

pub fn with_right(command: &Command) -> Actor {
    match command {
        Command::Choose { rank, .. }
        | Command::Exchange { rank, .. }
        | Command::ReleaseHeld { rank }
        | Command::Pass { rank }
        | Command::SetWishes { rank, .. }
        | Command::GiveProxy { rank, .. }
        | Command::RevokeProxy { rank } => Actor::Intern { rank: *rank },
        Command::NoteIneligible { .. }
        | Command::NotePlacedElsewhere { .. }
        | Command::NoteNoLongerPlacedElsewhere { .. }
        | Command::Tick
        | Command::Recover { .. } => Actor::Engine,
        _ => ADMINISTRATOR,
    }
}

fn without_right(command: &Command) -> Actor {
    match with_right(command) {
        Actor::Intern { rank } | Actor::Holder { rank, .. } => Actor::Intern { rank: CallRank(rank.0 ^ 1) },
        Actor::Engine => ADMINISTRATOR,
        Actor::Administrator { .. } => Actor::Intern { rank: CallRank(1) },
    }
}
