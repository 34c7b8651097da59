//! Journals that lie with a right chain: what a second reading is for. Each is an honest story with
//! one thing wrong, and is refused at that very line.

use amphi_engine::core::{
    Actor, CallRank, ChoiceManner, Event, Millis, PostNumber, Setup, Timestamp, TurnOutcome,
};
use amphi_engine::journal::{Entry, genesis_hash};
use amphi_engine::verify::verify;

use crate::scene::{ADMINISTRATOR, amphi, at, intern, person, setup};
use crate::stage::id;
use crate::verifying::exported;

pub type Fact = (Timestamp, Actor, Event);

/// Chains whatever it is given.
pub fn journal(facts: &[Fact]) -> String {
    let mut previous = genesis_hash(amphi(1));
    let mut entries = Vec::new();
    for (index, (when, actor, event)) in facts.iter().enumerate() {
        let entry = Entry::new(previous, index as u64 + 1, 1, None, *when, actor, event);
        previous = entry.hash;
        entries.push(entry);
    }
    exported(1, &entries)
}

pub fn turn_opened(rank: u16, deadline: &str) -> Event {
    Event::TurnOpened { rank: CallRank(rank), deadline: at(deadline) }
}

pub fn turn_closed(rank: u16, outcome: TurnOutcome) -> Event {
    Event::TurnClosed { rank: CallRank(rank), outcome, reason: None }
}

pub fn committed(rank: u16, post: u16, seat: u16, manner: ChoiceManner) -> Event {
    Event::ChoiceCommitted {
        rank: CallRank(rank),
        post: PostNumber(post),
        seat: Some(seat),
        manner,
        reason: None,
    }
}

fn held(rank: u16, post: u16) -> Event {
    Event::ChoiceHeld { rank: CallRank(rank), post: PostNumber(post), reason: None }
}

fn list() -> Setup {
    let mut setup = setup(4, &[1, 2, 2]);
    setup.participants[2].extra_time_percent = 33;
    setup
}

/// What really may have happened, one fact a line; the numbers are those of the file.
fn honest() -> Vec<Fact> {
    let engine = Actor::Engine;
    let (draft, planned_at) = (list(), list().plan());
    let suspended = Event::Suspended { reason: "Panne".to_owned() };
    let unplaced = vec![CallRank(4)];
    vec![
        /*  2 */ (at("08:00"), ADMINISTRATOR, Event::Drafted { setup: Box::new(draft) }),
        /*  3 */ (at("08:00"), ADMINISTRATOR, Event::Published { planned_at }),
        /*  4 */ (at("08:30"), ADMINISTRATOR, Event::Opened),
        /*  5 */ (at("09:00"), engine, turn_opened(1, "09:03")),
        /*  6 */ (at("09:03:02"), engine, turn_closed(1, TurnOutcome::Expired)),
        /*  7 */ (at("09:03:02"), engine, turn_opened(2, "09:06:02")),
        /*  8 */ (at("09:04"), intern(1), held(1, 1)),
        /*  9 */ (at("09:05"), ADMINISTRATOR, suspended),
        /* 10 */ (at("09:10"), ADMINISTRATOR, Event::Resumed { deadline: Some(at("09:11:02")) }),
        /* 11 */ (at("09:11:03"), intern(2), committed(2, 2, 1, ChoiceManner::InGrace)),
        /* 12 */ (at("09:11:03"), intern(2), turn_closed(2, TurnOutcome::Chosen)),
        /* 13 */ (at("09:11:03"), intern(2), committed(1, 1, 1, ChoiceManner::LateHeld)),
        /* 14 */ (at("09:11:03"), intern(2), turn_opened(3, "09:15:02.400")),
        /* 15 */ (at("09:12"), engine, interrupted("09:11:30", "09:15:32.400")),
        /* 16 */ (at("09:13"), intern(3), committed(3, 3, 1, ChoiceManner::InTurn)),
        /* 17 */ (at("09:13"), intern(3), turn_closed(3, TurnOutcome::Chosen)),
        /* 18 */ (at("09:13"), intern(3), turn_opened(4, "09:16")),
        /* 19 */ (at("09:14"), intern(4), turn_closed(4, TurnOutcome::Passed)),
        /* 20 */ (at("09:20"), ADMINISTRATOR, Event::Closed { unplaced }),
    ]
}

fn interrupted(since: &str, deadline: &str) -> Event {
    Event::ServiceInterrupted { down_since: at(since), deadline: Some(at(deadline)) }
}

/// What stands at a line of the file.
pub fn line(facts: &mut [Fact], number: usize) -> &mut Fact {
    &mut facts[number - 2]
}

pub struct Lie {
    pub says: &'static str,
    /// Line at which it is found out.
    pub line: usize,
    pub tells: fn(&mut Vec<Fact>),
}

macro_rules! lies {
    ($($line:literal $says:literal: |$facts:ident| $tells:expr;)*) => {
        &[$(Lie { says: $says, line: $line, tells: |$facts| { $tells; } }),*]
    };
}
pub(crate) use lies;

/// Replaces what happened at a line.
pub fn event(facts: &mut [Fact], number: usize, event: Event) {
    line(facts, number).2 = event;
}

pub fn actor(facts: &mut [Fact], number: usize, actor: Actor) {
    line(facts, number).1 = actor;
}

pub fn when(facts: &mut [Fact], number: usize, instant: &str) {
    line(facts, number).0 = at(instant);
}

pub fn insert(facts: &mut Vec<Fact>, number: usize, instant: &str, by: Actor, event: Event) {
    facts.insert(number - 2, (at(instant), by, event));
}

/// Changes the list, and the plan with it.
fn relist(facts: &mut [Fact], change: impl Fn(&mut Setup)) {
    let mut setup = list();
    change(&mut setup);
    event(facts, 3, Event::Published { planned_at: setup.plan() });
    event(facts, 2, Event::Drafted { setup: Box::new(setup) });
}

const LIES: &[Lie] = lies! {
    // P2
    16 "a seat is given twice": |f| event(f, 16, committed(3, 2, 1, ChoiceManner::InTurn));
    17 "somebody is placed twice": |f| insert(f, 17, "09:13", intern(3), committed(3, 3, 2, ChoiceManner::InTurn));
    2 "one person stands at two ranks": |f| relist(f, |setup| setup.participants[1].intern = person(1));
    16 "a seat that does not exist": |f| event(f, 16, committed(3, 3, 3, ChoiceManner::InTurn));
    16 "seat 0": |f| event(f, 16, committed(3, 3, 0, ChoiceManner::InTurn));
    16 "a post that does not exist": |f| event(f, 16, committed(3, 9, 1, ChoiceManner::InTurn));
    // A6, A8: who is called, and when
    5 "called before the planned time": |f| { when(f, 5, "08:59:59.999"); event(f, 5, turn_opened(1, "09:02:59.999")) };
    4 "called before the session is open": |f| f.remove(2);
    5 "called out of order": |f| event(f, 5, Event::TurnOpened { rank: CallRank(2), deadline: at("09:03") });
    7 "a rank passed over in silence": |f| relist_and_skip(f);
    7 "a rank passed over though it waits": |f| insert(f, 7, "09:03:02", Actor::Engine, Event::TurnSkipped { rank: CallRank(2) });
    6 "called during another turn": |f| insert(f, 6, "09:03", Actor::Engine, turn_opened(2, "09:06"));
    7 "called in a break": |f| { f.truncate(5); insert(f, 7, "12:00", Actor::Engine, turn_opened(2, "12:03")) };
    19 "called twice": |f| { event(f, 19, turn_closed(4, TurnOutcome::Passed)); actor(f, 19, intern(3)) };
    20 "called twice, again": |f| insert(f, 20, "09:15", Actor::Engine, turn_opened(4, "09:18"));
    20 "a rank beyond the list": |f| insert(f, 20, "09:15", Actor::Engine, turn_opened(5, "09:18"));
    // P4, A9, A10, A11: how long
    5 "a turn shorter than announced": |f| event(f, 5, turn_opened(1, "09:02"));
    14 "extra time left out": |f| event(f, 14, turn_opened(3, "09:14:03"));
    6 "expired before the grace was over": |f| when(f, 6, "09:03:01.999");
    6 "expired before the deadline": |f| when(f, 6, "09:02");
    10 "resumed with less than was left": |f| event(f, 10, Event::Resumed { deadline: Some(at("09:11:01.999")) });
    10 "resumed without the turn": |f| event(f, 10, Event::Resumed { deadline: None });
    15 "a crash that cost a turn its time": |f| event(f, 15, interrupted("09:11:30", "09:15:32.399"));
    15 "a crash that began after it ended": |f| event(f, 15, interrupted("09:12:30", "09:15:32.400"));
    10 "expired while suspended": |f| insert(f, 10, "09:09", Actor::Engine, turn_closed(2, TurnOutcome::Expired));
    // A4, 3.3: how it was chosen
    10 "a choice while suspended": |f| insert(f, 10, "09:06", intern(2), committed(2, 2, 1, ChoiceManner::InTurn));
    10 "a late choice while suspended": |f| insert(f, 10, "09:06", intern(1), committed(1, 2, 1, ChoiceManner::Late));
    8 "late, and took the last seat from an open turn": |f| event(f, 8, committed(1, 1, 1, ChoiceManner::Late));
    11 "in grace, but the deadline had not come": |f| when(f, 11, "09:11:02");
    11 "in grace, but it was over": |f| when(f, 11, "09:11:04");
    11 "in turn, but after the deadline": |f| event(f, 11, committed(2, 2, 1, ChoiceManner::InTurn));
    11 "late, though in turn": |f| event(f, 11, committed(2, 2, 1, ChoiceManner::Late));
    8 "chosen before the turn came": |f| { event(f, 8, committed(3, 3, 1, ChoiceManner::Late)); actor(f, 8, intern(3)) };
    13 "held, though nothing was": |f| event(f, 13, committed(1, 2, 2, ChoiceManner::LateHeld));
    12 "what was held is settled while the turn is open": |f| f.swap(10, 11);
    13 "what was held is forgotten": |f| f.remove(11);
    13 "a held choice refused though its seat was free": |f| event(f, 13, Event::HeldChoiceRefused { rank: CallRank(1), post: PostNumber(1) });
    8 "something held that is not the last seat": |f| event(f, 8, held(1, 2));
    8 "something held for whoever waits": |f| { event(f, 8, held(3, 1)); actor(f, 8, intern(3)) };
    8 "something given back that was not held": |f| event(f, 8, Event::HeldChoiceReleased { rank: CallRank(1) });
    // How turns end
    12 "a choice without an end of the turn": |f| { f.remove(10); when(f, 12, "09:11:04") };
    6 "ended by a choice that was not made": |f| event(f, 6, turn_closed(1, TurnOutcome::Chosen));
    12 "expired, though chosen": |f| { event(f, 12, turn_closed(2, TurnOutcome::Expired)); when(f, 12, "09:11:04") };
    6 "no longer concerned, though they are": |f| event(f, 6, turn_closed(1, TurnOutcome::NoLongerConcerned));
    6 "the end of a turn that is not open": |f| event(f, 6, turn_closed(2, TurnOutcome::Expired));
    // P7: by whom
    16 "chosen by somebody else": |f| actor(f, 16, intern(2));
    16 "chosen by an administrator": |f| actor(f, 16, ADMINISTRATOR);
    16 "chosen by the server": |f| actor(f, 16, Actor::Engine);
    19 "passed by somebody else": |f| actor(f, 19, intern(3));
    8 "held by somebody else": |f| actor(f, 8, intern(2));
    4 "opened by an intern": |f| actor(f, 4, intern(1));
    9 "suspended by an intern": |f| actor(f, 9, intern(2));
    20 "closed by the server": |f| actor(f, 20, Actor::Engine);
    // Leaving and closing
    14 "withdrawn, though placed": |f| insert(f, 14, "09:11:03", ADMINISTRATOR, withdrawn(2));
    16 "a choice of somebody withdrawn": |f| { event(f, 15, withdrawn(3)); actor(f, 15, ADMINISTRATOR) };
    20 "whoever never chose is not listed": |f| event(f, 20, Event::Closed { unplaced: Vec::new() });
    20 "somebody is listed who chose": |f| event(f, 20, Event::Closed { unplaced: vec![CallRank(3), CallRank(4)] });
    18 "closed while turns remain": |f| { f.truncate(16); insert(f, 18, "09:20", ADMINISTRATOR, Event::Closed { unplaced: Vec::new() }) };
    19 "closed during a turn": |f| f.remove(17);
    21 "something after the end": |f| insert(f, 21, "09:30", ADMINISTRATOR, Event::Opened);
    // The frame
    4 "a new list after publication": |f| insert(f, 4, "08:10", ADMINISTRATOR, Event::Drafted { setup: Box::new(list()) });
    4 "published twice": |f| insert(f, 4, "08:10", ADMINISTRATOR, Event::Published { planned_at: list().plan() });
    2 "published without a list": |f| f.remove(0);
    3 "a plan that lacks somebody": |f| event(f, 3, Event::Published { planned_at: list().plan()[..3].to_vec() });
    5 "opened twice": |f| insert(f, 5, "08:40", ADMINISTRATOR, Event::Opened);
    10 "suspended twice": |f| insert(f, 10, "09:06", ADMINISTRATOR, Event::Suspended { reason: "Encore".to_owned() });
    9 "resumed without having been suspended": |f| event(f, 9, Event::Resumed { deadline: Some(at("09:30")) });
    6 "time runs backwards": |f| when(f, 6, "08:59");
};

pub fn withdrawn(rank: u16) -> Event {
    Event::Withdrawn { rank: CallRank(rank), reason: "Démission".to_owned() }
}

/// Rank 3 is called after rank 1, at a time planned for both.
fn relist_and_skip(facts: &mut [Fact]) {
    let mut planned_at = list().plan();
    planned_at[2] = planned_at[1];
    event(facts, 3, Event::Published { planned_at });
    let deadline = at("09:03:02") + Millis(239_400);
    event(facts, 7, Event::TurnOpened { rank: CallRank(3), deadline });
}

#[test]
fn the_honest_story_verifies() {
    let verified = verify(journal(&honest()).as_bytes()).unwrap();
    assert_eq!((verified.allocation.len(), verified.closed), (3, true));
}

#[test]
fn each_lie_is_found_out_where_it_is_told() {
    all_are_found_out(LIES, honest);
}

/// Each of `lies`, told in the story `honest`, is refused at its line.
pub fn all_are_found_out(lies: &[Lie], honest: fn() -> Vec<Fact>) {
    let mut wrong = Vec::new();
    for lie in lies {
        let mut facts = honest();
        (lie.tells)(&mut facts);
        match verify(journal(&facts).as_bytes()) {
            Err(fault) if fault.line == lie.line => {}
            Err(fault) => wrong.push(format!("{} (line {}): {fault}", lie.says, lie.line)),
            Ok(_) => wrong.push(format!("{} (line {}): believed", lie.says, lie.line)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_stands_around_the_facts_may_not_lie_either() {
    let honest = honest();
    let entries = |change: fn(usize, &mut Entry)| {
        let mut previous = genesis_hash(amphi(1));
        let mut entries = Vec::new();
        for (index, (when, actor, event)) in honest.iter().enumerate() {
            let mut entry = Entry::new(previous, index as u64 + 1, 3, None, *when, actor, event);
            change(index + 2, &mut entry);
            entry.hash = entry.hash_after(previous);
            previous = entry.hash;
            entries.push(entry);
        }
        exported(1, &entries)
    };
    type Change = fn(usize, &mut Entry);
    let cases: [(&str, usize, Change); 5] = [
        ("a number left out", 7, |line, entry| entry.seq += u64::from(line >= 7)),
        ("a replaced server", 8, |line, entry| entry.epoch = if line == 8 { 2 } else { 3 }),
        ("the same command twice", 9, |line, entry| {
            entry.command_id = (line == 5 || line == 9).then(|| id(1));
        }),
        ("an unknown event", 6, |line, entry| {
            if line == 6 {
                entry.payload = r#"{"type":"seat_sold"}"#.to_owned();
            }
        }),
        ("an unknown actor", 6, |line, entry| {
            if line == 6 {
                entry.actor = r#"{"kind":"nobody"}"#.to_owned();
            }
        }),
    ];
    for (case, line, change) in cases {
        let fault = verify(entries(change).as_bytes()).unwrap_err();
        assert_eq!(fault.line, line, "{case}: {fault}");
    }
}
