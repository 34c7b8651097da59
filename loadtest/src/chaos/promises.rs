//! The promises P1 to P4, held against one amphi: what its clients were answered and told, and its journal.
//!
//! Pure: the story is plain data, so that a forged one shows that each check can fail. The rules of the domain
//! (order and time of turns, last seats, what everybody was told at the end) are the oracle's
//! ([`examine`]); P5 is the chain's ([`Chain::settle`](crate::chain::Chain::settle)).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::chaos::verdict::Check;
use crate::command::Action;
use crate::deed::{Answered, Deed};
use crate::journal::{Entry, Journal};
use crate::oracle::{Expected, examine};
use crate::room::GivenReceipt;
use crate::state::PublicState;

/// P1, as it is called in verdicts.
pub const P1: &str = "P1 what was acknowledged is in the journal, the same";
/// P2.
pub const P2: &str = "P2 nobody and no seat twice; the journal keeps the rules (A6–A11, 3.3)";
/// P3.
pub const P3: &str = "P3 a command acts once; sent again, it gets its first outcome";
/// P4.
pub const P4: &str = "P4 no turn ends before any deadline announced to it";
/// Across amphis.
pub const P2_ACROSS: &str = "P2 nobody holds two placements of one period in several amphis";

/// After crashes, turns open as late as the outage was long: only the lower bounds of the rules are checked.
const TIMERS_MAY_BE_LATE: Duration = Duration::from_secs(24 * 60 * 60);

/// Everything that is known of one amphi afterwards.
#[derive(Debug)]
pub struct Story<'a> {
    /// Its exported journal.
    pub journal: &'a Journal,
    /// What clients asked, and what they were answered.
    pub deeds: &'a [Deed],
    /// Every receipt that anybody was given, by an answer or by `me`.
    pub receipts: &'a [GivenReceipt],
    /// Every announced end of a turn: journal entry, rank, deadline.
    pub announced: &'a [(u64, u16, i64)],
    /// What everybody knew at the end.
    pub last_state: &'a PublicState,
    /// Who must hold a seat at the end.
    pub placed: &'a BTreeSet<u16>,
}

/// All four.
pub fn check(story: &Story<'_>) -> [Check; 4] {
    [acknowledged(story), rules(story), once(story), deadlines(story)]
}

/// P1: what was answered `done` or `held` is in the journal, where the answer says, under the command's id.
fn acknowledged(story: &Story<'_>) -> Check {
    let mut check = Check::new(P1);
    for deed in story.deeds {
        for answer in deed.answers.iter().filter(|answer| answer.is_effect()) {
            let problem = unlike_the_journal(story.journal, deed, answer);
            check.examine(problem.is_none(), || {
                format!("{} was told {}: {}", deed.client, answer.outcome, problem.unwrap_or_default())
            });
        }
    }
    for given in story.receipts {
        let entry = story.journal.entry(given.receipt.seq);
        let same = entry.is_some_and(|entry| entry.hash == given.receipt.hash);
        check.examine(same, || {
            format!("{} holds a receipt that is not in the journal: {:?}", given.client, given.receipt)
        });
    }
    check.count("receipts", story.receipts.len() as u64);
    check
}

fn unlike_the_journal(journal: &Journal, deed: &Deed, answer: &Answered) -> Option<String> {
    let outcome = &answer.outcome;
    let Some(entry) = outcome["seq"].as_u64().and_then(|seq| journal.entry(seq)) else {
        return Some("there is no such entry".to_owned());
    };
    if entry.command_id.as_deref() != Some(deed.id.to_string().as_str()) {
        return Some(format!("entry {} is another command's", entry.seq));
    }
    let kind = match (deed.action, answer.result()) {
        (Action::Choose(_), "held") => "choice_held",
        (Action::Choose(_), _) => "choice_committed",
        _ => return None,
    };
    let payload = &entry.payload;
    let mut same = entry.kind() == kind && entry.rank() == deed.rank;
    if kind == "choice_committed" {
        let receipt = &outcome["receipt"];
        same &= receipt["hash"] == entry.hash.as_str()
            && receipt["seq"] == entry.seq
            && receipt["at"] == entry.at
            && ["rank", "post", "seat", "manner"].iter().all(|field| receipt[field] == payload[field]);
    }
    (!same).then(|| format!("entry {} says {payload}, hash {}", entry.seq, entry.hash))
}

/// P2 and the rules of the domain, by the oracle.
fn rules(story: &Story<'_>) -> Check {
    let mut check = Check::new(P2);
    let expected = Expected {
        placed: story.placed.clone(),
        nobody_else: false,
        speed: 1.0,
        timer_tolerance: TIMERS_MAY_BE_LATE,
    };
    let findings = examine(story.journal, story.last_state, story.receipts, &expected);
    check.examined = story.journal.entries.len() as u64;
    check.violations = findings.violations;
    let chosen = story.journal.entries.iter().filter(|entry| entry.kind() == "choice_committed");
    check.count("placements", chosen.count() as u64);
    check
}

/// P3: each id at most once in the journal, exactly once when it was acknowledged, never when it was only
/// refused; and every answer after the first that something happened is that first one again.
fn once(story: &Story<'_>) -> Check {
    let mut check = Check::new(P3);
    let mut acted: HashMap<&str, u64> = HashMap::new();
    for id in story.journal.entries.iter().filter_map(|entry| entry.command_id.as_deref()) {
        *acted.entry(id).or_default() += 1;
    }
    for deed in story.deeds {
        let id = deed.id.to_string();
        let times = acted.get(id.as_str()).copied().unwrap_or(0);
        let right = match (deed.effect(), deed.answers.last()) {
            (Some(_), _) => times == 1,
            // A refusal is only remembered in memory: the same command may have acted under another server.
            (None, Some(_)) => times == 0,
            (None, None) => times <= 1,
        };
        check.examine(right, || {
            let answers: Vec<_> = deed.answers.iter().map(Answered::result).collect();
            format!(
                "{} asked {:?} as {id}, was answered {answers:?}; {times} entries",
                deed.client, deed.action
            )
        });
        if let Some((earlier, later)) = contradiction(&deed.answers) {
            check.examine(false, || {
                format!("{} was first told {}, then {}", deed.client, earlier.outcome, later.outcome)
            });
        }
        check.count("sent_again", u64::from(deed.sent.saturating_sub(1)));
        check.count("answered_again", (deed.answers.len() as u64).saturating_sub(1));
    }
    check
}

/// Two answers to one command that must be the same and are not. What happened stays; a refusal stays as long
/// as the server that gave it lives.
fn contradiction(answers: &[Answered]) -> Option<(&Answered, &Answered)> {
    let must_stay =
        |one: &Answered, other: &Answered| one.is_effect() || one.server_life == other.server_life;
    answers.iter().enumerate().find_map(|(index, one)| {
        let later = answers[index + 1..].iter();
        later
            .clone()
            .find(|later| must_stay(one, later) && one.outcome != later.outcome)
            .map(|later| (one, later))
    })
}

/// P4: an announced end of a turn only ever moves to later, and a turn that ran out ended after all of them.
fn deadlines(story: &Story<'_>) -> Check {
    let mut check = Check::new(P4);
    let mut latest: BTreeMap<u16, i64> = BTreeMap::new();
    let mut announced = journaled_deadlines(story.journal);
    announced.extend_from_slice(story.announced);
    announced.sort_unstable();
    for (seq, rank, deadline) in announced {
        let before = latest.entry(rank).or_insert(deadline);
        check.examine(deadline >= *before, || {
            format!("entry {seq}: the turn of rank {rank} ends at {deadline}, after {before} was announced")
        });
        *before = deadline.max(*before);
    }
    for entry in story.journal.entries.iter().filter(|entry| entry.kind() == "turn_closed") {
        if entry.payload["outcome"] != "expired" {
            continue;
        }
        let announced = entry.rank().and_then(|rank| latest.get(&rank)).copied();
        check.examine(announced.is_some_and(|announced| entry.at >= announced), || {
            format!(
                "entry {}: the turn of rank {:?} ran out at {}, announced until {announced:?}",
                entry.seq,
                entry.rank(),
                entry.at
            )
        });
        check.count("turns_that_ran_out", 1);
    }
    check
}

/// Entry, rank and deadline, for every end of a turn that the journal announces.
fn journaled_deadlines(journal: &Journal) -> Vec<(u64, u16, i64)> {
    let mut open = None;
    let mut found = Vec::new();
    for entry in &journal.entries {
        match entry.kind() {
            "turn_opened" => open = entry.rank(),
            "turn_closed" => open = None,
            _ => {}
        }
        if let (Some(rank), Some(deadline)) = (open, entry.payload["deadline"].as_i64()) {
            found.push((entry.seq, rank, deadline));
        }
    }
    found
}

/// P2 across amphis: by the intern's id, which every draft names.
pub fn check_across(journals: &[&Journal]) -> Check {
    let mut check = Check::new(P2_ACROSS);
    let mut holders: HashMap<(String, String), (usize, &Entry)> = HashMap::new();
    for (amphi, journal) in journals.iter().enumerate() {
        let Ok(drafted) = journal.last_of("drafted") else {
            check.examine(false, || "a journal without a draft".to_owned());
            continue;
        };
        let setup = &drafted.payload["setup"];
        for entry in journal.entries.iter().filter(|entry| entry.kind() == "choice_committed") {
            let index = usize::from(entry.rank().unwrap_or(0)).wrapping_sub(1);
            let intern = setup["participants"][index]["intern"].as_str().unwrap_or_default().to_owned();
            let known = !intern.is_empty();
            check.examine(known, || format!("entry {} places nobody that the draft names", entry.seq));
            let earlier = holders.insert((setup["period"].to_string(), intern), (amphi, entry));
            check.examine(earlier.is_none(), || {
                format!("intern of {} holds {:?} and, in amphi {amphi}, {entry:?}", entry.payload, earlier)
            });
        }
    }
    check.count("amphis", journals.len() as u64);
    check
}
