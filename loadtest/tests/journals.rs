//! The oracle against journals of our own: an honest one, and one for each way to break a rule.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::time::Duration;

use amphi_loadtest::journal::Journal;
use amphi_loadtest::oracle::{Expected, Findings, examine};
use amphi_loadtest::room::{GivenReceipt, Receipt};
use amphi_loadtest::state::PublicState;
use serde_json::{Value, json};

/// Two ranges: 0–100 s, and from 200 s on; turns of 40 s, rank 2 has half as much again.
fn setup() -> Value {
    json!({
        "type": "drafted",
        "setup": {
            "turn_duration": 40_000,
            "opening": [{"opens_at": 0, "closes_at": 100_000}, {"opens_at": 200_000, "closes_at": 300_000}],
            "participants": [{}, {"extra_time_percent": 50}, {}, {}],
            "posts": [{"seats": 1}, {"seats": 2}, {"seats": 3}],
        },
    })
}

/// At, payload. Rank 1 expires and comes late; its choice is held while rank 4 is in turn.
fn story() -> Vec<(i64, Value)> {
    let opened =
        |rank: u16, deadline: i64| json!({"type": "turn_opened", "rank": rank, "deadline": deadline});
    let closed = |rank: u16, outcome: &str| json!({"type": "turn_closed", "rank": rank, "outcome": outcome});
    let chosen = |rank: u16, post: u16, seat: u16, manner: &str| json!({"type": "choice_committed", "rank": rank, "post": post, "seat": seat, "manner": manner});
    vec![
        (-9, setup()),
        (-8, json!({"type": "published", "planned_at": [0, 40_000, 200_000, 240_000]})),
        (-7, json!({"type": "opened"})),
        (3, opened(1, 40_003)),
        (42_010, closed(1, "expired")),
        (42_010, opened(2, 102_010)),
        (70_000, chosen(2, 2, 1, "in_turn")),
        (70_000, closed(2, "chosen")),
        (200_001, opened(3, 240_001)),
        (241_000, chosen(3, 2, 2, "in_grace")),
        (241_000, closed(3, "chosen")),
        (241_000, opened(4, 281_000)),
        (250_000, json!({"type": "choice_held", "rank": 1, "post": 1})),
        (260_000, chosen(4, 3, 1, "in_turn")),
        (260_000, closed(4, "chosen")),
        (260_000, chosen(1, 1, 1, "late_held")),
        (260_500, json!({"type": "closed", "unplaced": []})),
    ]
}

fn export(story: &[(i64, Value)]) -> String {
    let lines = story.iter().enumerate().map(|(index, (at, payload))| {
        let seq = index + 1;
        json!({"seq": seq, "at": at, "payload": payload, "hash": format!("{seq:064x}")}).to_string()
    });
    let header = json!({"amphi": "a"}).to_string();
    std::iter::once(header).chain(lines).collect::<Vec<_>>().join("\n")
}

fn state() -> PublicState {
    let placed = |rank: u16, post: u16, seat: u16, at: i64, manner: &str| json!({"rank": rank, "standing": "placed", "post": post, "seat": seat, "at": at, "manner": manner});
    PublicState::from_snapshot(json!({
        "type": "snapshot", "epoch": 1, "seq": 17, "opening": [], "posts": [], "held": [],
        "participants": [
            placed(1, 1, 1, 260_000, "late_held"), placed(2, 2, 1, 70_000, "in_turn"),
            placed(3, 2, 2, 241_000, "in_grace"), placed(4, 3, 1, 260_000, "in_turn"),
        ],
    }))
    .unwrap()
}

fn receipt() -> GivenReceipt {
    let receipt = Receipt {
        amphi: "a".into(),
        rank: 2,
        post: 2,
        seat: 1,
        manner: "in_turn".into(),
        at: 70_000,
        seq: 7,
        hash: format!("{:064x}", 7),
    };
    GivenReceipt { client: "client 1".into(), receipt, outcome_seq: Some(8) }
}

fn examined(story: &[(i64, Value)], state: &PublicState, receipt: GivenReceipt) -> Findings {
    let expected = Expected {
        placed: (1..=4).collect(),
        nobody_else: true,
        speed: 10.0,
        timer_tolerance: Duration::from_millis(10),
    };
    examine(&Journal::parse(&export(story)).unwrap(), state, &[receipt], &expected)
}

#[test]
fn an_honest_journal_passes() {
    let findings = examined(&story(), &state(), receipt());
    assert_eq!(findings.violations, Vec::<String>::new());
    assert_eq!(findings.figures["turns"], 4);
    assert_eq!(findings.figures["turn_opening_lateness"]["max"]["server_ms"], 3);
}

/// A change to the story, and a word of the violation it must lead to.
type Plant = (fn(&mut Vec<(i64, Value)>), &'static str);

#[test]
fn every_planted_violation_is_named() {
    let plants: [Plant; 16] = [
        (|s| s[9].1["seat"] = 1.into(), "seat 1 of post 2 was given to rank 2 and to rank 3"),
        (|s| s[9].1["seat"] = 3.into(), "seat 3 of post 2, which has 2"),
        (|s| s[9].1["rank"] = 2.into(), "assigned twice"),
        (|s| drop(s.remove(15)), "rank 1 was not assigned"),
        (|s| s[1].1["planned_at"][2] = 200_001.into(), "planned at"),
        (|s| s[3].0 = -1, "rank 1 was called at -1"),
        (|s| s[3].0 = 101, "rank 1 was called at 101"),
        (|s| s[8].0 = 199_999, "rank 3 was called at 199999"),
        (|s| s[8].1["deadline"] = 240_000.into(), "lasts 39999 ms"),
        (|s| s[4].0 = 42_002, "expired at 42002"),
        (|s| (s[4].0, s[5].0) = (42_111, 42_111), "expired at 42111"),
        (|s| s[9].1["manner"] = "in_turn".into(), "cannot be \"in_turn\""),
        (|s| s[5].1["rank"] = 3.into(), "instead of 2"),
        (|s| drop(s.remove(7)), "opens a turn during"),
        (|s| s[15].1["post"] = 3.into(), "held Some(1)"),
        (
            |s| {
                s[12].1 =
                    json!({"type": "choice_committed", "rank": 1, "post": 1, "seat": 1, "manner": "late"});
            },
            "took the last seat during a turn",
        ),
    ];
    for (index, (plant, word)) in plants.into_iter().enumerate() {
        let mut story = story();
        plant(&mut story);
        let text = export(&story);
        let found = match Journal::parse(&text) {
            Ok(_) => examined(&story, &state(), receipt()).violations.join("\n"),
            Err(problem) => problem.to_string(),
        };
        assert!(found.contains(word), "plant {index} should say {word:?}; said: {found}");
    }
}

#[test]
fn a_receipt_that_is_not_in_the_journal_is_named() {
    for change in [
        (|given: &mut GivenReceipt| given.receipt.hash.replace_range(..1, "f")) as fn(&mut GivenReceipt),
        |given| given.receipt.seq = 8,
        |given| given.receipt.seq = 99,
        |given| given.receipt.seat = 2,
        |given| given.outcome_seq = Some(6),
    ] {
        let mut given = receipt();
        change(&mut given);
        let found = examined(&story(), &state(), given).violations;
        assert!(found.iter().any(|what| what.contains("client 1")), "{found:?}");
    }
}

#[test]
fn what_everybody_was_told_must_be_what_the_journal_says() {
    let mut story = story();
    story[13].1["post"] = 2.into();
    let found = examined(&story, &state(), receipt()).violations.join("\n");
    assert!(found.contains("rank 4: the journal says [2,1,260000"), "{found}");
}

#[test]
fn a_hole_or_time_backwards_makes_the_journal_unreadable() {
    let text = export(&story());
    let hole: Vec<_> =
        text.lines().enumerate().filter(|(line, _)| *line != 5).map(|(_, text)| text).collect();
    assert!(Journal::parse(&hole.join("\n")).unwrap_err().to_string().contains("entry 6 follows entry 4"));
    let mut backwards = story();
    backwards[6].0 = 1;
    assert!(Journal::parse(&export(&backwards)).unwrap_err().to_string().contains("backwards"));
}
