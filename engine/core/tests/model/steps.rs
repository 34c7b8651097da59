//! Random things asked of random amphis, nonsense included.
//!
//! A step is said relative to what is the case ("whoever is in turn", "a millisecond before the
//! deadline") and only becomes a command when it is played: so most steps matter, and a failing case
//! still shrinks.

use amphi_core::{
    Actor, AdministratorId, Amphi, CallRank, Command, Digest, GRACE, Ineligibility, Millis, Moment,
    PostNumber, ProxyId, SafetyNet, Setup, Standing, Timestamp,
};
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use crate::worlds::{participant, setups};

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
    /// One of those who hold a seat.
    Placed(usize),
    /// One of those who are placed elsewhere.
    Elsewhere(usize),
    /// One of those who have given a proxy.
    Represented(usize),
    /// One of those against whom something was found.
    Ineligible(usize),
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
    ChooseSupernumerary(Whom, u16),
    Exchange(Whom, u16),
    Wish(Whom, Vec<u16>, SafetyNet),
    GiveProxy(Whom),
    File(Whom),
    Revoke(Whom),
    Revert(Whom, String),
    Explain(String),
    Extend(Whom, i64, String),
    ChooseFor(Whom, u16, bool, String),
    AnnulChoice(Whom, String),
    Rewind(Whom, String),
    Assign(Whom, u16, String),
    Add(u128, u16, String),
    Admit(Whom, String),
    Ineligible(Vec<(u16, Ineligibility)>),
    Back(Whom),
}

/// Who asks for what an intern may ask for.
#[derive(Debug, Clone, Copy)]
pub enum AsWhom {
    /// Whoever has the right to: the holder, where there is a proxy and only its holder acts.
    Rightful,
    Intern,
    Holder,
    /// By a proxy that was never given.
    Forger,
}

/// One thing that is asked.
#[derive(Debug, Clone)]
pub struct Step {
    pub when: When,
    pub what: What,
    pub by: AsWhom,
    /// Whether whoever is in turn is connected.
    pub attended: bool,
    /// Ask as somebody without the right to.
    pub wrongly: bool,
}

pub fn steps() -> impl Strategy<Value = Step> {
    let when = prop_oneof![
        4 => (0_i64..4_000).prop_map(When::Later),
        2 => (0_i64..40_000).prop_map(When::Later),
        1 => (-90_000_i64..400_000).prop_map(When::Later),
        4 => (-1_i64..=1).prop_map(When::AroundDeadline),
        1 => (0_i64..200_000).prop_map(When::AroundDeadline),
        2 => (-1_i64..=1).prop_map(When::AroundAnnouncedEnd),
        1 => (0_i64..2_100).prop_map(When::AroundAnnouncedEnd),
    ];
    let by = prop_oneof![
        8 => Just(AsWhom::Rightful),
        2 => Just(AsWhom::Intern),
        1 => Just(AsWhom::Holder),
        1 => Just(AsWhom::Forger),
    ];
    let wrongly = prop::bool::weighted(0.03);
    (when, what(), by, any::<bool>(), wrongly).prop_map(|(when, what, by, attended, wrongly)| Step {
        when,
        what,
        by,
        attended,
        wrongly,
    })
}

fn whom() -> impl Strategy<Value = Whom> {
    prop_oneof![
        4 => Just(Whom::InTurn),
        3 => (0_usize..8).prop_map(Whom::Late),
        2 => Just(Whom::Next),
        1 => (0_u16..10).prop_map(Whom::Rank),
    ]
}

fn reason() -> impl Strategy<Value = String> {
    prop_oneof![9 => Just("motif".to_owned()), 1 => Just("  ".to_owned())]
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![6 => of_every_session(), 1 => of_people(), 3 => of_proxies_and_wishes(), 1 => of_undoing()]
}

fn of_people() -> impl Strategy<Value = What> {
    let elsewhere = (0_usize..4).prop_map(Whom::Elsewhere);
    let found = prop_oneof![
        Just(Ineligibility::NotValidated),
        Just(Ineligibility::Blocked),
        Just(Ineligibility::TrainingEnded)
    ];
    prop_oneof![
        2 => (0_u128..12, prop_oneof![9 => Just(0_u16), 1 => Just(201)], reason())
            .prop_map(|(who, extra, reason)| What::Add(who, extra, reason)),
        3 => elsewhere.prop_map(What::Back),
        1 => whom().prop_map(What::Back),
        4 => proptest::collection::btree_map(prop_oneof![9 => 1_u16..5, 1 => 0_u16..9], found, 0..4)
            .prop_map(|found| What::Ineligible(found.into_iter().collect())),
        4 => ((0_usize..8).prop_map(Whom::Ineligible), reason())
            .prop_map(|(whom, reason)| What::Admit(whom, reason)),
        2 => (whom(), prop_oneof![4 => Just(10_i64), 1 => Just(11)], reason())
            .prop_map(|(whom, by, reason)| What::Extend(whom, by, reason)),
        3 => (Just(Whom::InTurn), Just(20_i64), reason())
            .prop_map(|(whom, by, reason)| What::Extend(whom, by, reason)),
        1 => reason().prop_map(What::Explain),
    ]
}

fn of_proxies_and_wishes() -> impl Strategy<Value = What> {
    let net = prop_oneof![
        1 => Just(SafetyNet::Never),
        3 => Just(SafetyNet::AtExpiry),
        2 => Just(SafetyNet::IfAbsent),
    ];
    let anybody = || (1_u16..9).prop_map(Whom::Rank);
    let soon = || prop_oneof![1 => anybody(), 1 => Just(Whom::Next), 1 => Just(Whom::InTurn)];
    let represented = || prop_oneof![3 => (0_usize..8).prop_map(Whom::Represented), 1 => anybody()];
    let post = || prop_oneof![9 => 1_u16..5, 1 => 0_u16..8];
    prop_oneof![
        6 => (soon(), vec(post(), 0..4), net).prop_map(|(whom, wishes, net)| What::Wish(whom, wishes, net)),
        4 => soon().prop_map(What::GiveProxy),
        1 => whom().prop_map(What::GiveProxy),
        3 => represented().prop_map(What::File),
        1 => represented().prop_map(What::Revoke),
        1 => (represented(), reason()).prop_map(|(whom, reason)| What::Revert(whom, reason)),
        6 => (whom(), post()).prop_map(|(whom, post)| What::ChooseSupernumerary(whom, post)),
        3 => (represented(), post()).prop_map(|(whom, post)| What::Choose(whom, post)),
    ]
}

fn of_undoing() -> impl Strategy<Value = What> {
    let placed = || (0_usize..8).prop_map(Whom::Placed);
    prop_oneof![
        9 => (placed(), 1_u16..6).prop_map(|(whom, post)| What::Exchange(whom, post)),
        1 => (whom(), 0_u16..8).prop_map(|(whom, post)| What::Exchange(whom, post)),
        2 => (placed(), reason()).prop_map(|(whom, reason)| What::AnnulChoice(whom, reason)),
        1 => (whom(), reason()).prop_map(|(whom, reason)| What::AnnulChoice(whom, reason)),
        2 => ((1_u16..10).prop_map(Whom::Rank), reason()).prop_map(|(to, reason)| What::Rewind(to, reason)),
        1 => (whom(), reason()).prop_map(|(to, reason)| What::Rewind(to, reason)),
        4 => (whom(), 1_u16..6, reason()).prop_map(|(whom, post, reason)| What::Assign(whom, post, reason)),
        2 => (whom(), 0_u16..8, any::<bool>(), reason())
            .prop_map(|(whom, post, extra, reason)| What::ChooseFor(whom, post, extra, reason)),
    ]
}

fn of_every_session() -> impl Strategy<Value = What> {
    let late = (0_usize..8).prop_map(Whom::Late);
    prop_oneof![
        12 => Just(What::Tick),
        8 => (whom(), 0_u16..8).prop_map(|(whom, post)| What::Choose(whom, post)),
        8 => (late, 0_usize..6).prop_map(|(whom, pick)| What::ChooseLastSeat(whom, pick)),
        3 => (whom(), 0_usize..6).prop_map(|(whom, pick)| What::ChooseLastSeat(whom, pick)),
        4 => (0_usize..4).prop_map(What::ReleaseHeld),
        1 => whom().prop_map(What::Release),
        6 => whom().prop_map(What::Pass),
        2 => (whom(), reason()).prop_map(|(whom, reason)| What::EndTurn(whom, reason)),
        1 => (whom(), reason()).prop_map(|(whom, reason)| What::Withdraw(whom, reason)),
        1 => whom().prop_map(What::Elsewhere),
        2 => reason().prop_map(What::Suspend),
        14 => Just(What::Resume),
        3 => (-1_000_i64..60_000).prop_map(What::Recover),
        4 => Just(What::Open),
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

    /// What is so of that instant.
    pub fn moment(&self, at: Timestamp) -> Moment {
        Moment { at, turn_attended: self.attended }
    }

    /// Who asks what.
    pub fn command(&self, amphi: &Amphi, now: Timestamp) -> (Actor, Command) {
        let post = |number: &u16| PostNumber(*number);
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
            What::ChooseSupernumerary(whom, number) => {
                Command::Choose { rank: whom.rank(amphi), post: post(number), supernumerary: true }
            }
            What::Exchange(whom, number) => Command::Exchange { rank: whom.rank(amphi), post: post(number) },
            What::Wish(whom, wishes, safety_net) => {
                let (rank, wishes) = (whom.rank(amphi), wishes.iter().map(post).collect());
                Command::SetWishes { rank, wishes, safety_net: *safety_net }
            }
            What::GiveProxy(whom) => {
                // A new one each time: the instant tells them apart.
                let proxy = ProxyId(Uuid::from_u128(now.0.unsigned_abs().into()));
                Command::GiveProxy { rank: whom.rank(amphi), proxy }
            }
            What::File(whom) => {
                Command::FileProxyDocument { rank: whom.rank(amphi), document: Digest([5; 32]) }
            }
            What::Revoke(whom) => Command::RevokeProxy { rank: whom.rank(amphi) },
            other => other.by_an_administrator(amphi),
        };
        (if self.wrongly { without_right(&command) } else { self.actor(amphi, &command) }, command)
    }

    fn actor(&self, amphi: &Amphi, command: &Command) -> Actor {
        let files = matches!(command, Command::FileProxyDocument { .. });
        let rightful = with_right(command);
        let (Actor::Intern { rank } | Actor::Holder { rank, .. }) = rightful else { return rightful };
        let given = amphi.proxy_given(rank).map(|proxy| Actor::Holder { rank, proxy: proxy.id });
        let alone = matches!(
            command,
            Command::Exchange { .. } | Command::GiveProxy { .. } | Command::RevokeProxy { .. }
        );
        match self.by {
            AsWhom::Forger => Actor::Holder { rank, proxy: ProxyId(Uuid::nil()) },
            AsWhom::Intern => Actor::Intern { rank },
            AsWhom::Rightful if alone => Actor::Intern { rank },
            AsWhom::Holder | AsWhom::Rightful => {
                given.unwrap_or(if files { rightful } else { Actor::Intern { rank } })
            }
        }
    }
}

impl What {
    /// The acts of administrators and of the engine that every one of them may give a reason for.
    fn by_an_administrator(&self, amphi: &Amphi) -> Command {
        let post = |number: &u16| PostNumber(*number);
        match self {
            Self::Revert(whom, reason) => {
                Command::RevertProxy { rank: whom.rank(amphi), reason: reason.clone() }
            }
            Self::Explain(reason) => Command::ExplainSuspension { reason: reason.clone() },
            Self::Extend(whom, by, reason) => {
                let (rank, by) = (whom.rank(amphi), Millis::from_secs(*by));
                Command::Extend { rank, by, reason: reason.clone() }
            }
            Self::ChooseFor(whom, number, supernumerary, reason) => Command::ChooseFor {
                rank: whom.rank(amphi),
                post: post(number),
                supernumerary: *supernumerary,
                reason: reason.clone(),
            },
            Self::AnnulChoice(whom, reason) => {
                Command::AnnulChoice { rank: whom.rank(amphi), reason: reason.clone() }
            }
            Self::Rewind(whom, reason) => Command::Rewind { to: whom.rank(amphi), reason: reason.clone() },
            Self::Assign(whom, number, reason) => {
                Command::Assign { rank: whom.rank(amphi), post: post(number), reason: reason.clone() }
            }
            Self::Add(who, extra, reason) => Command::Add {
                participant: Box::new(participant(*who, *extra, None)),
                reason: reason.clone(),
            },
            Self::Admit(whom, reason) => Command::Admit { rank: whom.rank(amphi), reason: reason.clone() },
            Self::Ineligible(found) => Command::NoteIneligible {
                found: found.iter().map(|(rank, what)| (CallRank(*rank), *what)).collect(),
            },
            Self::Back(whom) => Command::NoteNoLongerPlacedElsewhere { rank: whom.rank(amphi) },
            other => unreachable!("{other:?} is told above"),
        }
    }
}

impl Whom {
    fn rank(self, amphi: &Amphi) -> CallRank {
        match self {
            Self::InTurn => amphi.turn().map_or(CallRank(1), |turn| turn.rank),
            Self::Next => amphi.next_rank(),
            Self::Rank(rank) => CallRank(rank),
            Self::Late(pick) => one_of(amphi, pick, |s| matches!(s, Standing::Late { .. })),
            Self::Placed(pick) => one_of(amphi, pick, |s| matches!(s, Standing::Placed { .. })),
            Self::Represented(pick) => one_with(amphi, pick, |rank| amphi.proxy_given(rank).is_some()),
            Self::Ineligible(pick) => one_with(amphi, pick, |rank| amphi.ineligibility(rank).is_some()),
            Self::Elsewhere(pick) => one_of(amphi, pick, |s| matches!(s, Standing::PlacedElsewhere)),
        }
    }
}

fn one_of(amphi: &Amphi, pick: usize, wanted: impl Fn(Standing) -> bool) -> CallRank {
    one_with(amphi, pick, |rank| amphi.standing(rank).is_some_and(&wanted))
}

fn one_with(amphi: &Amphi, pick: usize, wanted: impl Fn(CallRank) -> bool) -> CallRank {
    let ranks = (0..amphi.standings().len()).map(CallRank::from_index);
    let wanted: Vec<_> = ranks.filter(|rank| wanted(*rank)).collect();
    wanted.get(pick % wanted.len().max(1)).copied().unwrap_or(CallRank(1))
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
        Command::FileProxyDocument { rank, .. } => Actor::Holder { rank: *rank, proxy: ProxyId(Uuid::nil()) },
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
