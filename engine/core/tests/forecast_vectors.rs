//! Golden vectors for whoever does the forecast's sum again: the browser module, the Python example.
//!
//! `forecast_vectors.json` is a list of `{name, now, snapshot, forecasts}`; `forecasts` holds for each rank,
//! in call order, `{earliest, expected, latest}` or `null` (not to be called any more). The snapshot is
//! what the server sends in `welcome`'s wake, the rule is in `PROTOCOL.md`. While the session is suspended
//! `latest` means: if it went on at once. Write the file again with `UPDATE_GOLDEN=1 cargo test`.

#![allow(clippy::unwrap_used)]

mod client_sum;
#[path = "rules/scene.rs"]
#[allow(dead_code)]
mod scene;

use amphi_core::opening::Opening;
use amphi_core::{Amphi, AmphiId, CallRank, Command, Millis, Setup};
use serde_json::{Value, json};

use crate::client_sum::client_sum;
use crate::scene::{Scene, at, ranges, setup};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/forecast_vectors.json");

fn vector(name: &str, scene: &Scene, now: &str) -> Value {
    let now = at(now);
    json!({
        "name": name,
        "now": now,
        "snapshot": scene.amphi.snapshot().unwrap(),
        "forecasts": scene.amphi.forecasts(now),
    })
}

fn with_break(interns: u16) -> Setup {
    let mut setup = setup(interns, &[2, 9]);
    setup.opening = ranges(&[("09:00", "09:10"), ("10:00", "10:10"), ("+1 09:00", "+1 09:10")]);
    setup
}

/// Opened at 09:20: everybody of the first ranks is behind their plan.
fn delayed(interns: u16) -> Scene {
    let mut scene = Scene::published(setup(interns, &[2, 9]));
    scene.does(Command::Open, "09:20");
    scene
}

fn vectors() -> Vec<Value> {
    [
        before_the_first_turn(),
        in_a_turn(),
        between_turns(),
        stopped(),
        breaks(),
        extra_time_and_leaving(),
        pace(),
        extended_and_early(),
    ]
    .concat()
}

fn before_the_first_turn() -> Vec<Value> {
    let published = Scene::published(setup(3, &[4]));
    let opened = Scene::opened(setup(3, &[4]));
    vec![
        vector("draft: nothing is planned yet", &Scene::drafted(setup(2, &[3])), "08:30"),
        vector("published, before the first turn", &published, "08:10"),
        vector("published, and not opened although the first turn is due", &published, "09:07"),
        vector("opened half an hour before the first turn", &opened, "08:30"),
        vector("opened, at the very instant the first turn is due", &opened, "09:00"),
    ]
}

fn in_a_turn() -> Vec<Value> {
    let on_time = Scene::begun(setup(4, &[5]));
    let late = delayed(4);
    vec![
        vector("turn just begun, on time: the plan absorbs the pace", &on_time, "09:00"),
        vector("turn in its last second, on time", &on_time, "09:02:59"),
        vector("turn just begun, with delay", &late, "09:20"),
        vector("a minute into the turn, with delay", &late, "09:21"),
        vector("longer than the pace", &late, "09:22:30"),
        vector("at the announced end", &late, "09:23"),
        vector("in the grace", &late, "09:23:01.500"),
        vector("after the grace, the tick still on its way", &late, "09:23:05"),
        vector("the client's clock a little before the turn began", &late, "09:19:59.700"),
    ]
}

fn between_turns() -> Vec<Value> {
    let mut quick = Scene::begun(setup(3, &[4]));
    quick.choose(1, 1, "09:00:10");
    let mut over = delayed(2);
    over.pass(1, "09:20:30");
    over.pass(2, "09:21");
    vec![
        vector("between turns, the next one in time", &quick, "09:01"),
        vector("between turns, the next one due and not yet opened", &quick, "09:03:00.400"),
        vector("between turns, the clock gone back to before what has happened", &quick, "08:50"),
        vector("nobody left to call", &over, "09:22"),
    ]
}

fn stopped() -> Vec<Value> {
    let mut in_turn = delayed(3);
    in_turn.suspend("09:21");
    let mut in_grace = delayed(3);
    in_grace.suspend("09:23:01");
    let mut between = Scene::begun(setup(3, &[4]));
    between.choose(1, 1, "09:01");
    between.suspend("09:02");
    let mut resumed = delayed(3);
    resumed.suspend("09:21");
    resumed.resume("09:40");
    let mut recovered = delayed(3);
    recovered.recover("09:21:30", "09:30");
    let mut annulled = delayed(2);
    annulled.does(Command::Annul { reason: "Liste fausse".to_owned() }, "09:21");
    vec![
        vector("suspended a minute into the turn", &in_turn, "09:25"),
        vector("suspended in the grace", &in_grace, "09:30"),
        vector("suspended between turns", &between, "09:10"),
        vector("resumed with two minutes left", &resumed, "09:40:30"),
        vector("after an interruption of the service", &recovered, "09:30:10"),
        vector("annulled in a turn", &annulled, "09:22"),
    ]
}

fn breaks() -> Vec<Value> {
    let on_time = Scene::begun(with_break(9));
    let mut late = Scene::published(with_break(9));
    late.does(Command::Open, "09:05");
    let mut in_break = Scene::published(with_break(9));
    in_break.does(Command::Open, "09:30");
    let mut runs_on = Scene::published(with_break(9));
    runs_on.does(Command::Open, "09:09");
    let mut last = Scene::published(with_break(9));
    last.does(Command::Open, "+1 11:00");
    let mut touching = with_break(3);
    touching.opening =
        Opening::new(ranges(&[("09:00", "09:03"), ("09:03", "09:06"), ("10:00", "11:00")]).ranges().to_vec())
            .unwrap();
    vec![
        vector("over a break and a night, on time", &on_time, "09:00"),
        vector("the break lies between expected and latest", &late, "09:06"),
        vector("in the break", &in_break, "09:45"),
        vector("a turn open when the break begins", &runs_on, "09:11"),
        vector("beyond the end of the last range", &last, "+1 11:01"),
        vector("ranges without a pause between them", &Scene::begun(touching), "09:01"),
    ]
}

fn extra_time_and_leaving() -> Vec<Value> {
    let mut extra = setup(4, &[5]);
    extra.participants[0].extra_time_percent = 33;
    extra.participants[2].extra_time_percent = 200;
    let mut long = Scene::published(extra);
    long.does(Command::Open, "09:20");
    let mut left = delayed(6);
    left.withdraw(2, "09:20:10");
    left.elsewhere(4, "09:20:20");
    left.elsewhere(5, "09:20:20");
    vec![
        vector("extra time of the one in turn and of one to come", &long, "09:22"),
        vector("three who left take no time", &left, "09:21"),
    ]
}

fn pace() -> Vec<Value> {
    let mut quick = delayed(7);
    for (rank, when) in [(1, "09:20:07"), (2, "09:20:16"), (3, "09:20:29.333")] {
        quick.choose(rank, 2, when);
    }
    let mut slow = delayed(7);
    for (rank, when) in [(1, "09:23:02"), (2, "09:26:04"), (3, "09:29:06")] {
        slow.tick(when);
        assert_eq!(slow.turn().unwrap().0, rank + 1);
    }
    let mut odd = setup(4, &[5]);
    odd.turn_duration = Millis(10_007);
    let mut odd = Scene::published(odd);
    odd.does(Command::Open, "09:20");
    odd.choose(1, 1, "09:20:03.001");
    vec![
        vector("quick turns: a pace of its own", &quick, "09:20:40"),
        vector("slow turns: a pace of its own", &slow, "09:30"),
        vector("durations that do not divide: truncated, never rounded", &odd, "09:20:04.567"),
    ]
}

fn extended_and_early() -> Vec<Value> {
    let mut extended = delayed(3);
    let by = Millis::from_minutes(2);
    extended.does(Command::Extend { rank: CallRank(1), by, reason: "Page lente".to_owned() }, "09:21");
    let mut suspended = extended.clone();
    suspended.suspend("09:22");
    let mut early = setup(5, &[9]);
    early.policies.early_opening = true;
    let mut ahead = Scene::begun(early.clone());
    ahead.choose(1, 1, "09:00:20");
    ahead.choose(2, 1, "09:00:50");
    early.opening = ranges(&[("09:00", "09:04"), ("10:00", "11:00")]);
    let mut over_a_break = Scene::begun(early);
    over_a_break.choose(1, 1, "09:00:20");
    vec![
        vector("turn lengthened by two minutes", &extended, "09:22"),
        vector("turn lengthened, then suspended", &suspended, "09:30"),
        vector("turns that open early, ahead of the plan", &ahead, "09:01"),
        vector("turns that open early, before a break", &over_a_break, "09:01"),
    ]
}

#[test]
fn a7_forecast_vectors_are_what_the_core_computes() {
    let vectors = vectors();
    assert!(vectors.len() >= 30, "only {}", vectors.len());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let text = serde_json::to_string_pretty(&vectors).unwrap();
        std::fs::write(FILE, text + "\n").unwrap();
    }
    let text = std::fs::read_to_string(FILE).expect("written with UPDATE_GOLDEN=1");
    let kept: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(kept.len(), vectors.len(), "UPDATE_GOLDEN=1 writes the file again");
    for (kept, computed) in kept.iter().zip(&vectors) {
        assert_eq!(kept, computed, "UPDATE_GOLDEN=1 writes the file again, once the change is understood");
    }
}

#[test]
fn a7_forecast_vectors_follow_from_the_text_of_the_protocol() {
    for vector in vectors() {
        let sums = client_sum(&vector["snapshot"], vector["now"].as_i64().unwrap());
        let times = |[earliest, expected, latest]: [i64; 3]| json!({"earliest": earliest, "expected": expected, "latest": latest});
        let sums: Vec<Value> = sums.into_iter().map(|sum| sum.map_or(Value::Null, times)).collect();
        assert_eq!(vector["forecasts"], Value::Array(sums), "{}", vector["name"]);
    }
}

#[test]
fn a7_an_amphi_that_was_never_drafted_forecasts_nothing() {
    let amphi = Amphi::new(AmphiId(uuid::Uuid::nil()));
    assert!(amphi.forecasts(at("09:00")).is_empty());
    assert_eq!(amphi.standing(CallRank(1)), None);
}
