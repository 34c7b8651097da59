//! The verdicts of `chaos` against forged stories: an honest one holds, and each way to break a promise is
//! called by its name. A check that cannot fail would prove nothing.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeSet;

use amphi_loadtest::chain::{Chain, Position};
use amphi_loadtest::chaos::promises::{P1, P2, P2_ACROSS, P3, P4, Story, check, check_across};
use amphi_loadtest::chaos::verdict::Check;
use amphi_loadtest::clock;
use amphi_loadtest::command::Action;
use amphi_loadtest::deed::{Answered, Deed};
use amphi_loadtest::journal::Journal;
use amphi_loadtest::room::{GivenReceipt, Receipt};
use amphi_loadtest::state::PublicState;
use serde_json::{Value, json};
use uuid::Uuid;

/// Everything a story is made of, before it is forged.
#[derive(Clone)]
struct Forged {
    /// Instant, epoch, command and payload of each entry.
    entries: Vec<(i64, u64, Option<Uuid>, Value)>,
    deeds: Vec<Deed>,
    receipts: Vec<GivenReceipt>,
    announced: Vec<(u64, u16, i64)>,
    state: Value,
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn hash(seq: u64) -> String {
    format!("{seq:064x}")
}

fn chosen(rank: u16, post: u16, seat: u16, manner: &str) -> Value {
    json!({"type": "choice_committed", "rank": rank, "post": post, "seat": seat, "manner": manner})
}

/// Rank 1 chooses, the answer is lost in a crash, and is given by the next server; the turn of rank 2 is
/// stretched by the outage and runs out; rank 2 chooses late.
fn honest() -> Forged {
    let setup = json!({"type": "drafted", "setup": {
        "period": "2027-05", "turn_duration": 40_000, "opening": [{"opens_at": 0, "closes_at": 900_000}],
        "participants": [{"intern": "a"}, {"intern": "b"}], "posts": [{"seats": 1}, {"seats": 2}],
    }});
    let entries = vec![
        (-9, 1, None, setup),
        (-8, 1, None, json!({"type": "published", "planned_at": [0, 40_000]})),
        (0, 1, Some(id(1)), json!({"type": "opened"})),
        (0, 1, None, json!({"type": "turn_opened", "rank": 1, "deadline": 40_000})),
        (40_000, 1, Some(id(2)), chosen(1, 2, 1, "in_turn")),
        (40_000, 1, None, json!({"type": "turn_closed", "rank": 1, "outcome": "chosen"})),
        (40_000, 1, None, json!({"type": "turn_opened", "rank": 2, "deadline": 80_000})),
        (60_000, 2, None, json!({"type": "service_interrupted", "down_since": 50_000, "deadline": 90_000})),
        (92_000, 2, None, json!({"type": "turn_closed", "rank": 2, "outcome": "expired"})),
        (95_000, 2, Some(id(3)), chosen(2, 2, 2, "late")),
    ];
    let done = |number: u128, seq: u64, receipt: &Value| json!({"type": "outcome", "command_id": id(number), "result": "done", "seq": seq, "receipt": receipt});
    let receipt = |rank: u16, seat: u16, manner: &str, at: i64, seq: u64| {
        json!({"amphi": "x", "rank": rank, "post": 2, "seat": seat, "manner": manner, "at": at, "seq": seq,
               "hash": hash(seq)})
    };
    let (first, second) = (receipt(1, 1, "in_turn", 40_000, 5), receipt(2, 2, "late", 95_000, 10));
    let deed = |number: u128, rank: Option<u16>, action, sent, answers: &[(u32, Value)]| Deed {
        id: id(number),
        client: format!("client {number}"),
        rank,
        action,
        sent,
        answers: answers
            .iter()
            .map(|(server_life, outcome)| Answered { server_life: *server_life, outcome: outcome.clone() })
            .collect(),
    };
    let refused =
        json!({"type": "outcome", "command_id": id(4), "result": "refused", "code": "not_your_turn"});
    let deeds = vec![
        deed(1, None, Action::Open, 1, &[(0, done(1, 3, &Value::Null))]),
        deed(2, Some(1), Action::Choose(2), 3, &[(1, done(2, 5, &first)), (1, done(2, 5, &first))]),
        deed(3, Some(2), Action::Choose(2), 1, &[(1, done(3, 10, &second))]),
        deed(4, Some(2), Action::Choose(1), 1, &[(0, refused)]),
        deed(5, Some(2), Action::Choose(1), 1, &[]),
    ];
    let given = |receipt: &Value| {
        let read: Receipt = serde_json::from_value(receipt.clone()).unwrap();
        GivenReceipt { client: "client".into(), receipt: read, outcome_seq: None }
    };
    let placed = |rank: u16, seat: u16, at: i64, manner: &str| json!({"rank": rank, "standing": "placed", "post": 2, "seat": seat, "at": at, "manner": manner});
    let state = json!({
        "type": "snapshot", "epoch": 2, "seq": 10, "opening": [], "posts": [], "held": [],
        "participants": [placed(1, 1, 40_000, "in_turn"), placed(2, 2, 95_000, "late")],
    });
    let announced = vec![(4, 1, 40_000), (7, 2, 80_000), (8, 2, 90_000)];
    Forged { entries, deeds, receipts: vec![given(&first), given(&second)], announced, state }
}

fn journal(entries: &[(i64, u64, Option<Uuid>, Value)]) -> Journal {
    let lines = entries.iter().enumerate().map(|(index, (at, epoch, command_id, payload))| {
        let seq = index as u64 + 1;
        let mut line = json!({"seq": seq, "at": at, "epoch": epoch, "payload": payload, "hash": hash(seq)});
        if let Some(id) = command_id {
            line["command_id"] = json!(id);
        }
        line.to_string()
    });
    let text = std::iter::once("{}".to_owned()).chain(lines).collect::<Vec<_>>().join("\n");
    Journal::parse(&text).unwrap()
}

fn judged(forged: &Forged) -> [Check; 4] {
    let journal = journal(&forged.entries);
    let last_state = PublicState::from_snapshot(forged.state.clone()).unwrap();
    let placed: BTreeSet<u16> = [1, 2].into();
    check(&Story {
        journal: &journal,
        deeds: &forged.deeds,
        receipts: &forged.receipts,
        announced: &forged.announced,
        last_state: &last_state,
        placed: &placed,
    })
}

#[test]
fn an_honest_story_holds() {
    for check in judged(&honest()) {
        assert!(check.holds(), "{check}");
    }
}

/// A change to the story, the promise that it breaks, and a word of how that is said.
type Plant = (fn(&mut Forged), &'static str, &'static str);

#[test]
fn every_broken_promise_is_named() {
    let plants: [Plant; 16] = [
        // Acknowledged and lost.
        (|s| s.entries.truncate(9), P1, "no such entry"),
        (|s| s.deeds[2].answers[0].outcome["receipt"]["hash"] = "f0".into(), P1, "client 3 was told"),
        (|s| s.deeds[2].answers[0].outcome["receipt"]["seat"] = 1.into(), P1, "client 3 was told"),
        (|s| s.entries[9].2 = Some(id(9)), P1, "another command's"),
        (|s| s.receipts[1].receipt.hash = hash(3), P1, "not in the journal"),
        (|s| s.deeds[2].answers[0].outcome["result"] = "held".into(), P1, "client 3 was told"),
        // Twice.
        (|s| s.entries[9].3["seat"] = 1.into(), P2, "seat 1 of post 2 was given to rank 1 and to rank 2"),
        (|s| s.entries.push((96_000, 2, None, chosen(2, 1, 1, "late"))), P2, "assigned twice"),
        (|s| drop(s.entries.remove(9)), P2, "rank 2 was not assigned"),
        // A second effect, an effect of what was refused, another answer.
        (|s| s.entries.push((96_000, 2, Some(id(3)), json!({"type": "opened"}))), P3, "2 entries"),
        (|s| s.entries[7].2 = Some(id(4)), P3, "1 entries"),
        (|s| (s.entries[7].2, s.entries[8].2) = (Some(id(5)), Some(id(5))), P3, "2 entries"),
        (|s| s.deeds[1].answers[1].outcome["seq"] = 6.into(), P3, "was first told"),
        (
            |s| {
                let mut other = s.deeds[3].answers[0].clone();
                other.outcome["code"] = "post_taken".into();
                s.deeds[3].answers.push(other);
            },
            P3,
            "was first told",
        ),
        // Too early.
        (|s| s.announced.push((8, 2, 92_001)), P4, "ran out at 92000"),
        (|s| s.announced[2].2 = 79_999, P4, "ends at 79999"),
    ];
    for (index, (plant, promise, word)) in plants.into_iter().enumerate() {
        let mut forged = honest();
        plant(&mut forged);
        let checks = judged(&forged);
        let broken = checks.iter().find(|check| check.promise == promise).unwrap();
        assert!(!broken.holds(), "plant {index} should break {promise}");
        let said = broken.violations.join("\n");
        assert!(said.contains(word), "plant {index} should say {word:?}; said: {said}");
    }
}

#[test]
fn another_server_may_refuse_anew_and_no_more() {
    let mut forged = honest();
    let mut later = forged.deeds[3].answers[0].clone();
    later.server_life = 1;
    later.outcome["code"] = "post_taken".into();
    forged.deeds[3].answers.push(later);
    assert!(judged(&forged).iter().all(Check::holds));
    // What happened stays, whoever is asked.
    let mut later = forged.deeds[3].answers[0].clone();
    later.server_life = 2;
    forged.deeds[1].answers.push(later);
    assert!(judged(&forged).iter().any(|check| check.promise == P3 && !check.holds()));
}

#[test]
fn one_intern_in_two_amphis_is_named() {
    let entries = honest().entries;
    let mut other = entries.clone();
    other[0].3["setup"]["participants"] = json!([{"intern": "c"}, {"intern": "b"}]);
    let (one, two) = (journal(&entries), journal(&other));
    assert!(check_across(&[&one]).holds());
    let check = check_across(&[&one, &two]);
    assert_eq!((check.promise, check.violations.len()), (P2_ACROSS, 1), "{check}");
    other[0].3["setup"]["participants"] = json!([{"intern": "c"}, {"intern": "d"}]);
    assert!(check_across(&[&one, &journal(&other)]).holds());
    other[0].3["setup"]["participants"] = json!([{"intern": "c"}, {"intern": "b"}]);
    other[0].3["setup"]["period"] = "2027-11".into();
    assert!(check_across(&[&one, &journal(&other)]).holds(), "another semester");
}

fn told(chain: &mut Chain, at: u64, change: &Value) -> anyhow::Result<()> {
    let at = Position { epoch: 1, seq: at };
    chain.tell("a client", at, change.to_string().as_bytes(), change.clone(), clock::now())?;
    Ok(())
}

/// The state at 4, and a chain that begins with it.
fn begun() -> Chain {
    let mut chain = Chain::default();
    let snapshot = json!({
        "type": "snapshot", "epoch": 1, "seq": 4, "opening": [], "held": [], "status": "open", "turn": null,
        "participants": [{"rank": 1, "standing": "in_turn"}, {"rank": 2, "standing": "waiting"}],
        "posts": [{"number": 1, "seats": 2, "seats_left": 2}], "at": 1,
    });
    chain.snapshot("a client", snapshot.to_string().as_bytes()).unwrap();
    chain
}

fn change(epoch: u64, from_seq: u64, seq: u64, participants: &Value, seats_left: u64) -> Value {
    json!({
        "type": "change", "epoch": epoch, "from_seq": from_seq, "seq": seq, "status": "open", "turn": null,
        "participants": participants, "posts": [{"number": 1, "seats_left": seats_left}], "held": [], "at": 2,
    })
}

fn placed() -> Value {
    json!({"rank": 1, "standing": "placed", "post": 1, "seat": 1, "at": 2, "manner": "in_turn"})
}

#[test]
fn a_restarted_server_may_tell_the_past_entry_by_entry() {
    let mut chain = begun();
    told(&mut chain, 4, &change(1, 4, 6, &json!([placed(), {"rank": 2, "standing": "in_turn"}]), 1)).unwrap();
    told(&mut chain, 4, &change(2, 4, 5, &json!([placed()]), 1)).unwrap();
    told(&mut chain, 5, &change(2, 5, 6, &json!([{"rank": 2, "standing": "in_turn"}]), 1)).unwrap();
    // The same content, in the new epoch.
    told(&mut chain, 4, &change(2, 4, 5, &json!([placed()]), 1)).unwrap();
    assert_eq!(chain.settle(), Vec::<String>::new());
}

#[test]
fn a_past_told_otherwise_is_named() {
    let mut chain = begun();
    told(&mut chain, 4, &change(1, 4, 6, &json!([placed(), {"rank": 2, "standing": "in_turn"}]), 1)).unwrap();
    told(&mut chain, 4, &change(2, 4, 5, &json!([placed()]), 1)).unwrap();
    told(&mut chain, 5, &change(2, 5, 6, &json!([{"rank": 2, "standing": "late"}]), 1)).unwrap();
    let wrong = chain.settle().join("\n");
    assert!(wrong.contains("leads elsewhere than another way"), "{wrong}");

    // Within one epoch, everybody is told the same cut.
    let mut chain = begun();
    told(&mut chain, 4, &change(1, 4, 6, &json!([placed()]), 1)).unwrap();
    let problem = told(&mut chain, 4, &change(1, 4, 5, &json!([placed()]), 1)).unwrap_err();
    assert!(problem.to_string().contains("something else"), "{problem}");

    // Another epoch is no excuse for another content.
    let mut chain = begun();
    told(&mut chain, 4, &change(1, 4, 6, &json!([placed()]), 1)).unwrap();
    let problem = told(&mut chain, 4, &change(2, 4, 6, &json!([placed()]), 0)).unwrap_err();
    assert!(problem.to_string().contains("something else"), "{problem}");
}
