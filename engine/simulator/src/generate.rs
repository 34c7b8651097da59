//! From a seed to a plan.

use amphi_engine::core::call_list::{RankBasis, Seniority};
use amphi_engine::core::opening::{Opening, OpeningRange};
use amphi_engine::core::{
    LatePolicy, Millis, Participant, Policies, Post, ProxyPolicy, Round, SafetyNet, Setup, Supernumerary,
};
use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::plan::*;

/// What a campaign is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Everything.
    All,
    /// Clocks that jump, drift and freeze, and machines that stall (C10).
    Clock,
    /// A journal that is slow, loses answers, or gives none.
    Journal,
    /// Several amphis with people in common, on two servers.
    Persons,
    /// Proxies given, revoked, and used all the same.
    Proxies,
}

/// Draws one of some things, each as often as its weight says.
macro_rules! drawn {
    ($rng:expr, $($weight:expr => $thing:expr),+ $(,)?) => {{
        let mut left = $rng.random_range(0..0 $(+ $weight)+);
        'drawn: {
            $(
                if left < $weight { break 'drawn $thing; }
                left -= $weight;
            )+
            let _: u32 = left;
            unreachable!("what is left is below the sum of the weights")
        }
    }};
}

/// Everybody there is in one world: few, so that amphis have people in common.
const PERSONS: u16 = 9;

/// The plan of a seed.
pub fn generate(seed: u64, profile: Profile) -> Plan {
    let mut rng = StdRng::seed_from_u64(seed);
    let rng = &mut rng;
    let world = world(rng, profile);
    let count = rng.random_range(10..60);
    let steps = (1..=count).map(|number| Step { number, when: when(rng), act: act(rng, profile) }).collect();
    Plan { seed, world, steps }
}

fn world(rng: &mut StdRng, profile: Profile) -> World {
    let several = profile == Profile::Persons || rng.random_ratio(1, 3);
    let amphis = if several { rng.random_range(2..=3) } else { 1 };
    let servers = if amphis > 1 && rng.random() { 2 } else { 1 };
    let loose = rng.random_ratio(if profile == Profile::Clock { 1 } else { 2 }, 4);
    let clockwork = if loose { Clockwork::Loose } else { Clockwork::Steady };
    let amphis = (0..amphis).map(|_| planned_amphi(rng, profile)).collect();
    let ineligible = (0..PERSONS).filter(|_| rng.random_ratio(1, 30)).map(person).collect();
    World { clockwork, servers, amphis, ineligible }
}

fn planned_amphi(rng: &mut StdRng, profile: Profile) -> PlannedAmphi {
    let begun =
        drawn!(rng, 1 => Begun::Created, 1 => Begun::Drafted, 3 => Begun::Published, 15 => Begun::Opened);
    PlannedAmphi { setup: setup(rng, profile), begun }
}

fn setup(rng: &mut StdRng, profile: Profile) -> Setup {
    let people = rng.random_range(1..=7_u16);
    // Another order in each amphi.
    let mut persons: Vec<u16> = (0..PERSONS).collect();
    for index in 0..usize::from(people) {
        let other = rng.random_range(index..persons.len());
        persons.swap(index, other);
    }
    let entitled = if profile == Profile::Persons { 6 } else { 1 };
    let rarity = drawn!(rng, 2 => 8, entitled => 1);
    let participants =
        persons[..usize::from(people)].iter().map(|number| participant(rng, *number, rarity)).collect();
    let posts =
        (0..rng.random_range(1..=5)).map(|_| post(drawn!(rng, 1 => 0, 6 => 1, 3 => 2, 1 => 4))).collect();
    let mut end = MORNING + Millis(rng.random_range(0..90) * 1_000);
    let ranges = (0..rng.random_range(1..=3)).map(|index| {
        let opens_at = if index == 0 { end } else { end + Millis(rng.random_range(1..120) * 1_000) };
        end = opens_at + Millis(rng.random_range(10..240) * 1_000);
        OpeningRange { opens_at, closes_at: end }
    });
    Setup {
        title: "Amphi".to_owned(),
        period: PERIOD,
        time_zone: "Indian/Reunion".to_owned(),
        opening: Opening::new(ranges.collect()).expect("ranges follow one another"),
        turn_duration: Millis(rng.random_range(10_000..60_000)),
        participants,
        posts,
        round: drawn!(rng,
            16 => Round::Live, 1 => Round::FreeWishes, 1 => Round::Rehearsal, 2 => Round::ByWishes,
        ),
        policies: policies(rng, profile),
    }
}

/// Half of the amphis keep the defaults, which a second reading checks.
fn policies(rng: &mut StdRng, profile: Profile) -> Policies {
    let proxies = if profile == Profile::Proxies { 0 } else { 1 };
    if profile != Profile::Proxies && rng.random() {
        return Policies::default();
    }
    let steps = [10_000, 30_000].map(Millis).to_vec();
    Policies {
        late: drawn!(rng,
            3 => LatePolicy::Now, 2 => LatePolicy::AfterCurrentTurn,
            1 => LatePolicy::EndOfSession, 1 => LatePolicy::Forfeit,
        ),
        early_opening: rng.random_ratio(1, 3),
        proxies: drawn!(rng, proxies => ProxyPolicy::Off, 2 => ProxyPolicy::On, 2 => ProxyPolicy::WithDocument),
        safety_net: rng.random_ratio(2, 3),
        extension_steps: steps,
        vacancy_round: rng.random(),
        ..Policies::default()
    }
}

/// One in `rarity` has a right to an extra seat.
fn participant(rng: &mut StdRng, number: u16, rarity: u32) -> Participant {
    let seniority =
        Seniority { validated_semesters: 2, competition_year: 2025, national_rank: 1, cohort_size: 9_000 };
    Participant {
        intern: person(number),
        pseudonym: format!("P{number}"),
        extra_time_percent: drawn!(rng, 5 => 0, 1 => 33, 1 => 100),
        rank_basis: RankBasis::Imported { seniority },
        supernumerary: if rng.random_ratio(1, rarity) {
            Some(if rng.random() { Supernumerary::Validating } else { Supernumerary::NonValidating })
        } else {
            None
        },
    }
}

/// A post of so many seats.
pub fn post(seats: u16) -> Post {
    Post {
        imotep: "974000001".to_owned(),
        establishment: "CHU".to_owned(),
        service: "Cardiologie".to_owned(),
        specialty: "MCV".to_owned(),
        phase: String::new(),
        seats,
        criteria: Vec::new(),
    }
}

/// Mostly soon; often within a hair of a deadline, where rules change.
fn when(rng: &mut StdRng) -> When {
    let amphi = rng.random();
    let hair = drawn!(rng, 4 => 0, 2 => 1, 2 => -1, 1 => rng.random_range(-40..40), 1 => rng.random_range(-2_500..2_500));
    drawn!(rng,
        6 => When::After(0),
        4 => When::After(rng.random_range(1..60)),
        4 => When::After(rng.random_range(60..4_000)),
        3 => When::After(rng.random_range(4_000..40_000)),
        4 => When::AroundDeadline { amphi, ms: hair },
        4 => When::AroundAnnouncedEnd { amphi, ms: hair },
    )
}

fn act(rng: &mut StdRng, profile: Profile) -> Act {
    let server = rng.random();
    let (clock, journal) = match profile {
        Profile::All | Profile::Persons | Profile::Proxies => (4, 8),
        Profile::Clock => (25, 3),
        Profile::Journal => (0, 25),
    };
    drawn!(rng,
        60 => ask(rng, profile),
        12 => onlooking(rng),
        5 => Act::Resend { back: drawn!(rng, 3 => 0, 1 => rng.random_range(0..8)), stolen: rng.random_ratio(1, 5) },
        3 => Act::Retry,
        3 => Act::Wait,
        journal => ailing(rng, server),
        8 => going(rng, server),
        clock => Act::Clock { server, shift: shift(rng) },
        clock / 4 => Act::Stall { ms: rng.random_range(1..30_000) },
    )
}

fn onlooking(rng: &mut StdRng) -> Act {
    let device = rng.random();
    let who = drawn!(rng, 6 => Onlooker::Intern(rng.random()), 1 => Onlooker::Administrator, 1 => Onlooker::Spectator);
    drawn!(rng,
        5 => Act::Connect { amphi: rng.random(), who },
        3 => Act::Disconnect { device },
        4 => Act::Return { device },
        2 => Act::StopReading { device },
        2 => Act::ReadAgain,
        1 => Act::Resync { device },
    )
}

fn whom(rng: &mut StdRng) -> Whom {
    drawn!(rng,
        10 => Whom::InTurn,
        4 => Whom::Late(rng.random()),
        1 => Whom::Next,
        1 => Whom::Placed(rng.random()),
        2 => Whom::Represented(rng.random()),
        2 => Whom::Rank(rng.random()),
    )
}

fn which(rng: &mut StdRng) -> Which {
    drawn!(rng,
        4 => Which::Free(rng.random()),
        6 => Which::LastSeat(rng.random()),
        1 => Which::Taken(rng.random()),
        1 => Which::Number(rng.random()),
    )
}

fn ask(rng: &mut StdRng, profile: Profile) -> Act {
    let proxies = if profile == Profile::Proxies { 80 } else { 16 };
    let ask = drawn!(rng,
        60 => asked_by_interns(rng),
        18 => asked_in_session(rng),
        10 => asked_to_undo(rng),
        proxies => asked_about_proxies_and_wishes(rng),
        1 => Ask::Meddle,
    );
    let how = drawn!(rng,
        20 => How::Properly, 5 => How::ByHolder, 4 => How::ByFormerHolder, 3 => How::Twice, 2 => How::Wrongly, 3 => How::OfTheReplaced,
    );
    Act::Ask { amphi: rng.random(), ask, how }
}

fn asked_by_interns(rng: &mut StdRng) -> Ask {
    let late = Whom::Late(rng.random());
    drawn!(rng,
        24 => Ask::Choose(whom(rng), which(rng)),
        8 => Ask::Choose(late, which(rng)),
        1 => Ask::ChooseSupernumerary(whom(rng), which(rng)),
        4 => Ask::ChooseSupernumerary(Whom::Supernumerary(rng.random()), which(rng)),
        2 => Ask::Exchange(Whom::Placed(rng.random()), which(rng)),
        2 => Ask::ReleaseHeld(late),
        4 => Ask::Pass(whom(rng)),
    )
}

fn asked_in_session(rng: &mut StdRng) -> Ask {
    drawn!(rng,
        3 => Ask::EndTurn(Whom::InTurn),
        4 => Ask::Extend(Whom::InTurn, rng.random()),
        2 => Ask::ChooseFor(whom(rng), which(rng)),
        2 => Ask::Withdraw(whom(rng)),
        2 => Ask::Add(rng.random_range(0..PERSONS + 2)),
        4 => Ask::Suspend,
        1 => Ask::ExplainSuspension,
        6 => Ask::Resume,
        2 => Ask::Open,
        1 => Ask::Publish,
        1 => Ask::Draft,
        2 => Ask::Close,
        1 => Ask::Admit(Whom::Rank(rng.random())),
    )
}

fn asked_to_undo(rng: &mut StdRng) -> Ask {
    let placed = Whom::Placed(rng.random());
    drawn!(rng,
        4 => Ask::AnnulChoice(placed),
        4 => Ask::Rewind(drawn!(rng, 1 => placed, 1 => whom(rng))),
        3 => Ask::Assign(Whom::Late(rng.random()), which(rng)),
        1 => drawn!(rng, 1 => Ask::Annul, 3 => Ask::Resume),
    )
}

fn asked_about_proxies_and_wishes(rng: &mut StdRng) -> Ask {
    let wishes = (0..rng.random_range(0..4)).map(|_| which(rng)).collect();
    let net = drawn!(rng, 1 => SafetyNet::Never, 2 => SafetyNet::AtExpiry, 2 => SafetyNet::IfAbsent);
    let anybody = Whom::Rank(rng.random());
    let represented = Whom::Represented(rng.random());
    drawn!(rng,
        6 => Ask::SetWishes(drawn!(rng, 3 => anybody, 1 => whom(rng)), wishes, net),
        6 => Ask::GiveProxy(anybody),
        3 => Ask::FileProxyDocument(represented),
        2 => Ask::RevokeProxy(represented),
        2 => Ask::RevertProxy(represented),
    )
}

/// What may be wrong with a journal.
fn ailing(rng: &mut StdRng, server: u8) -> Act {
    let fate = drawn!(rng,
        3 => Fate::Written,
        3 => Fate::AnswerLost,
        2 => Fate::NotWritten,
        2 => Fate::LandsLater { ms: rng.random_range(1..3_000) },
    );
    let delay_ms = drawn!(rng, 2 => 0, 2 => rng.random_range(1..3_000), 2 => rng.random_range(3_000..9_000));
    drawn!(rng,
        6 => Act::Write { server, fault: WriteFault { delay_ms, fate } },
        2 => Act::Read { server, times: rng.random_range(1..4) },
        1 => Act::Outage { server, ms: rng.random_range(100..20_000) },
    )
}

/// How a server may go.
fn going(rng: &mut StdRng, server: u8) -> Act {
    let down_ms = drawn!(rng, 1 => 0, 2 => rng.random_range(1..2_000), 1 => rng.random_range(2_000..60_000));
    drawn!(rng,
        5 => Act::Crash { server, switches: rng.random_range(0..20), write_lands: rng.random(), down_ms },
        2 => Act::Deploy { server, down_ms },
        2 => Act::Replace { server },
    )
}

fn shift(rng: &mut StdRng) -> ClockShift {
    drawn!(rng,
        3 => ClockShift::Jump { ms: rng.random_range(-300_000..300_000) },
        2 => ClockShift::Jump { ms: rng.random_range(-5_000..5_000) },
        2 => ClockShift::Freeze,
        2 => ClockShift::Drift { ppm: rng.random_range(-900_000..2_000_000) },
        2 => ClockShift::Steady,
    )
}
