//! A second honest story, with everything that policies, proxies, wishes and undoing bring, and the lies
//! that could be told about it.

use amphi_engine::core::{
    Actor, CallRank, ChoiceManner, Digest, Event, Ineligibility, LatePolicy, PostNumber, ProxyId,
    ProxyPolicy, ReleasedSeat, SafetyNet, Setup, Supernumerary, TurnOutcome,
};
use amphi_engine::verify::verify;
use uuid::Uuid;

use crate::lies::{
    Fact, Lie, actor, all_are_found_out, committed, event, insert, journal, lies, line, turn_closed,
    turn_opened, when,
};
use crate::scene::{ADMINISTRATOR, at, intern, setup};

const PROXY: ProxyId = ProxyId(Uuid::from_u128(0xAB));
const HOLDER: Actor = Actor::Holder { rank: CallRank(1), proxy: PROXY };

fn list() -> Setup {
    let mut setup = setup(5, &[1, 2, 1, 1]);
    setup.policies.proxies = ProxyPolicy::WithDocument;
    setup.policies.safety_net = true;
    setup.policies.vacancy_round = true;
    setup.participants[3].supernumerary = Some(Supernumerary::Validating);
    setup
}

fn reason() -> String {
    "Motif".to_owned()
}

fn wishes(rank: u16, version: u32, posts: &[u16]) -> Event {
    let wishes = posts.iter().copied().map(PostNumber).collect();
    Event::WishesSet { rank: CallRank(rank), version, wishes, safety_net: SafetyNet::AtExpiry }
}

fn given(rank: u16) -> Event {
    Event::ProxyGiven { rank: CallRank(rank), proxy: PROXY }
}

fn by_administrator(rank: u16, post: u16, manner: ChoiceManner) -> Event {
    let (rank, post, seat) = (CallRank(rank), PostNumber(post), Some(1));
    Event::ChoiceCommitted { rank, post, seat, manner, reason: Some(reason()) }
}

fn without_a_seat(rank: u16, post: u16) -> Event {
    let (rank, post, manner) = (CallRank(rank), PostNumber(post), ChoiceManner::InTurn);
    Event::ChoiceCommitted { rank, post, seat: None, manner, reason: None }
}

fn seat(rank: u16, post: u16) -> ReleasedSeat {
    ReleasedSeat { rank: CallRank(rank), post: PostNumber(post), seat: Some(1) }
}

fn rewound(to: u16, released: &[ReleasedSeat]) -> Event {
    Event::Rewound { to: CallRank(to), released: released.to_vec(), reason: reason() }
}

fn extended(rank: u16, deadline: &str) -> Event {
    Event::TurnExtended { rank: CallRank(rank), deadline: at(deadline), reason: reason() }
}

fn annulled(rank: u16, post: u16) -> Event {
    Event::ChoiceAnnulled { rank: CallRank(rank), post: PostNumber(post), seat: Some(1), reason: reason() }
}

fn exchanged(rank: u16, from: u16, to: u16) -> Event {
    let (from_post, post) = (PostNumber(from), PostNumber(to));
    Event::SeatExchanged { rank: CallRank(rank), from_post, from_seat: Some(1), post, seat: 1 }
}

fn closed(unplaced: &[u16]) -> Event {
    Event::Closed { unplaced: unplaced.iter().copied().map(CallRank).collect() }
}

/// What really may have happened, one fact a line; the numbers are those of the file.
fn honest() -> Vec<Fact> {
    let engine = Actor::Engine;
    let (draft, planned_at) = (Box::new(list()), list().plan());
    let found = vec![(CallRank(5), Ineligibility::Blocked)];
    let document = Digest([7; 32]);
    let filed = Event::ProxyDocumentFiled { rank: CallRank(1), proxy: PROXY, document };
    use ChoiceManner::{Assigned, InTurn, SafetyNet};
    vec![
        /*  2 */ (at("08:00"), ADMINISTRATOR, Event::Drafted { setup: draft }),
        /*  3 */ (at("08:00"), ADMINISTRATOR, Event::Published { planned_at }),
        /*  4 */ (at("08:10"), intern(1), given(1)),
        /*  5 */ (at("08:11"), HOLDER, filed),
        /*  6 */ (at("08:12"), intern(2), wishes(2, 1, &[2, 1])),
        /*  7 */ (at("08:20"), engine, Event::EligibilityChecked { found }),
        /*  8 */ (at("08:21"), ADMINISTRATOR, Event::Admitted { rank: CallRank(5), reason: reason() }),
        /*  9 */ (at("08:30"), ADMINISTRATOR, Event::Opened),
        /* 10 */ (at("09:00"), engine, turn_opened(1, "09:03")),
        /* 11 */ (at("09:02"), ADMINISTRATOR, extended(1, "09:05")),
        /* 12 */ (at("09:04"), HOLDER, committed(1, 1, 1, InTurn)),
        /* 13 */ (at("09:04"), HOLDER, turn_closed(1, TurnOutcome::Chosen)),
        /* 14 */ (at("09:04"), HOLDER, turn_opened(2, "09:07")),
        /* 15 */ (at("09:07:02"), engine, committed(2, 2, 1, SafetyNet)),
        /* 16 */ (at("09:07:02"), engine, turn_closed(2, TurnOutcome::SafetyNet)),
        /* 17 */ (at("09:07:02"), engine, turn_opened(3, "09:10:02")),
        /* 18 */ (at("09:08"), ADMINISTRATOR, by_administrator(3, 3, InTurn)),
        /* 19 */ (at("09:08"), ADMINISTRATOR, turn_closed(3, TurnOutcome::Chosen)),
        /* 20 */ (at("09:08:30"), ADMINISTRATOR, rewound(2, &[seat(2, 2), seat(3, 3)])),
        /* 21 */ (at("09:15"), ADMINISTRATOR, Event::Resumed { deadline: None }),
        /* 22 */ (at("09:15"), ADMINISTRATOR, turn_opened(2, "09:18")),
        /* 23 */ (at("09:16"), intern(2), committed(2, 3, 1, InTurn)),
        /* 24 */ (at("09:16"), intern(2), turn_closed(2, TurnOutcome::Chosen)),
        /* 25 */ (at("09:16"), intern(2), turn_opened(3, "09:19")),
        /* 26 */ (at("09:17"), intern(3), turn_closed(3, TurnOutcome::Passed)),
        /* 27 */ (at("09:17"), intern(3), turn_opened(4, "09:20")),
        /* 28 */ (at("09:18"), intern(4), without_a_seat(4, 2)),
        /* 29 */ (at("09:18"), intern(4), turn_closed(4, TurnOutcome::Chosen)),
        /* 30 */ (at("09:18"), intern(4), turn_opened(5, "09:21")),
        /* 31 */ (at("09:19"), intern(5), committed(5, 2, 1, InTurn)),
        /* 32 */ (at("09:19"), intern(5), turn_closed(5, TurnOutcome::Chosen)),
        /* 33 */ (at("09:20"), ADMINISTRATOR, annulled(5, 2)),
        /* 34 */ (at("09:21"), intern(2), exchanged(2, 3, 2)),
        /* 35 */ (at("09:22"), ADMINISTRATOR, closed(&[3, 5])),
        /* 36 */ (at("09:23"), ADMINISTRATOR, by_administrator(3, 3, Assigned)),
    ]
}

/// The same story under other policies or rights.
fn relist(facts: &mut [Fact], change: impl Fn(&mut Setup)) {
    let mut setup = list();
    change(&mut setup);
    event(facts, 2, Event::Drafted { setup: Box::new(setup) });
}

const LIES: &[Lie] = lies! {
    // --- proxies
    4 "a proxy where there are none": |f| relist(f, |s| s.policies.proxies = ProxyPolicy::Off);
    4 "a proxy given by somebody else": |f| actor(f, 4, intern(2));
    4 "a proxy given by an administrator": |f| actor(f, 4, ADMINISTRATOR);
    5 "a second proxy": |f| insert(f, 5, "08:10", intern(1), given(1));
    5 "a document of another proxy": |f| actor(f, 5, Actor::Holder { rank: CallRank(1), proxy: ProxyId(Uuid::nil()) });
    15 "a proxy given in the turn": |f| insert(f, 15, "09:05", intern(2), given(2));
    11 "a proxy revoked once the turn is open": |f| insert(f, 11, "09:01", intern(1),
        Event::ProxyRevoked { rank: CallRank(1), proxy: PROXY, reason: None });
    11 "a choice without the document": |f| { f.remove(3); };
    12 "the principal chooses in spite of the proxy": |f| actor(f, 12, intern(1));
    12 "another holder chooses": |f| actor(f, 12, Actor::Holder { rank: CallRank(2), proxy: PROXY });
    12 "a revoked holder chooses": |f| event(f, 11, Event::ProxyRevoked { rank: CallRank(1), proxy: PROXY, reason: Some(reason()) });
    // --- wishes and the safety net
    6 "wishes set by somebody else": |f| actor(f, 6, intern(3));
    6 "a version left out": |f| event(f, 6, wishes(2, 2, &[2, 1]));
    6 "the same wish twice": |f| event(f, 6, wishes(2, 1, &[2, 2]));
    6 "a wish for no post": |f| event(f, 6, wishes(2, 1, &[9]));
    6 "a net where there is none": |f| relist(f, |s| s.policies.safety_net = false);
    15 "the net fires in the grace": |f| when(f, 15, "09:07:01");
    15 "the net commits another wish": |f| event(f, 15, committed(2, 1, 1, ChoiceManner::SafetyNet));
    15 "the net commits the second wish": |f| event(f, 15, committed(2, 4, 1, ChoiceManner::SafetyNet));
    16 "the turn is said to have been chosen in": |f| event(f, 16, turn_closed(2, TurnOutcome::Chosen));
    15 "the net is forgotten": |f| { f.remove(13); event(f, 15, turn_closed(2, TurnOutcome::Expired)); };
    // --- eligibility
    7 "a check by an administrator": |f| actor(f, 7, ADMINISTRATOR);
    8 "nobody was admitted, and yet it opened": |f| { f.remove(6); };
    8 "somebody admitted against whom nothing was found": |f| event(f, 8, Event::Admitted { rank: CallRank(4), reason: reason() });
    // --- turns
    11 "lengthened by what was not announced": |f| event(f, 11, extended(1, "09:07"));
    11 "lengthened by an intern": |f| actor(f, 11, intern(1));
    11 "somebody else's turn lengthened": |f| event(f, 11, extended(2, "09:05"));
    11 "not lengthened, and yet in turn": |f| { f.remove(9); };
    // --- administrators who choose
    18 "chosen by an administrator without a reason": |f| event(f, 18, committed(3, 3, 1, ChoiceManner::InTurn));
    18 "an intern's choice with a reason": |f| actor(f, 18, intern(3));
    36 "assigned by the intern": |f| actor(f, 36, intern(3));
    36 "assigned to somebody placed": |f| event(f, 36, by_administrator(1, 3, ChoiceManner::Assigned));
    26 "assigned before the last turn": |f| insert(f, 26, "09:16", ADMINISTRATOR, by_administrator(5, 4, ChoiceManner::Assigned));
    36 "a choice after closing": |f| event(f, 36, by_administrator(3, 3, ChoiceManner::Late));
    // --- undoing
    20 "a rewind by an intern": |f| actor(f, 20, intern(1));
    20 "a rewind to a turn that was not called": |f| event(f, 20, rewound(4, &[]));
    20 "a rewind that spares somebody": |f| event(f, 20, rewound(2, &[seat(3, 3)]));
    20 "a rewind that takes from before": |f| event(f, 20, rewound(2, &[seat(1, 1), seat(2, 2), seat(3, 3)]));
    21 "a rewind after which the session goes on": |f| { f.remove(19); };
    22 "after a rewind another rank is called": |f| event(f, 22, turn_opened(3, "09:18"));
    33 "annulled by an intern": |f| actor(f, 33, intern(5));
    33 "annulled what they did not hold": |f| event(f, 33, annulled(5, 4));
    33 "annulled who held nothing": |f| event(f, 33, annulled(3, 2));
    // --- exchanges
    34 "an exchange where there are none": |f| relist(f, |s| s.policies.vacancy_round = false);
    34 "an exchange by somebody else": |f| actor(f, 34, intern(5));
    34 "an exchange for a seat that is taken": |f| event(f, 34, exchanged(2, 3, 1));
    34 "an exchange of what they did not hold": |f| event(f, 34, exchanged(2, 4, 2));
    32 "an exchange before the last turn is over": |f| insert(f, 32, "09:19", intern(2), exchanged(2, 3, 4));
    35 "the list of those without a place is short": |f| event(f, 35, closed(&[3]));
    // --- supernumeraries
    28 "no right to it": |f| relist(f, |s| s.participants[3].supernumerary = None);
    28 "validating, and the post is full": |f| event(f, 28, without_a_seat(4, 3));
    31 "a second one at the site": |f| { relist(f, |s| s.participants[4].supernumerary = Some(Supernumerary::NonValidating)); event(f, 31, without_a_seat(5, 4)); };
    // --- the late policy
    30 "late, where nobody may choose late": |f| { relist(f, |s| s.policies.late = LatePolicy::Forfeit);
        insert(f, 30, "09:18", intern(3), committed(3, 4, 1, ChoiceManner::Late)); };
    28 "late before the end, where it has to be the end": |f| { relist(f, |s| s.policies.late = LatePolicy::EndOfSession);
        insert(f, 28, "09:17", intern(3), committed(3, 4, 1, ChoiceManner::Late)); };
    28 "late at once, where it has to wait for the turn": |f| { relist(f, |s| s.policies.late = LatePolicy::AfterCurrentTurn);
        insert(f, 28, "09:17", intern(3), committed(3, 2, 1, ChoiceManner::Late)); };
    // --- the list
    10 "somebody added twice": |f| { let participant = Box::new(list().participants[0].clone());
        insert(f, 10, "08:40", ADMINISTRATOR, Event::ParticipantAdded { participant, planned_at: Some(at("09:15")), reason: reason() }); };
    10 "placed elsewhere no more, without having been": |f| insert(f, 10, "08:40", Actor::Engine,
        Event::NoLongerPlacedElsewhere { rank: CallRank(2) });
    12 "the reason of no suspension": |f| insert(f, 12, "09:02", ADMINISTRATOR, Event::SuspensionExplained { reason: reason() });
};

#[test]
fn the_second_honest_story_verifies() {
    let verified = verify(journal(&honest()).as_bytes()).unwrap();
    let held: Vec<_> = verified.allocation.iter().map(|(rank, a)| (rank.0, a.post.0, a.seat)).collect();
    assert_eq!(held, [(1, 1, Some(1)), (2, 2, Some(1)), (3, 3, Some(1)), (4, 2, None)]);
    assert_eq!((verified.undone.len(), verified.wishes.len()), (4, 1));
    // Line numbers are those of the file.
    let mut facts = honest();
    assert_eq!(line(&mut facts, 36).0, at("09:23"));
}

#[test]
fn each_lie_about_it_is_found_out_where_it_is_told() {
    all_are_found_out(LIES, honest);
}
