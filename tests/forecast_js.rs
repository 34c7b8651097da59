//! The browser computes expected times as the core does (A7), says them as the server's pages do (Time), and lets
//! whoever is late choose when they do (3.6): `portal/assets/forecast.js` against the golden vectors that the core
//! wrote, `times.js` against the wording, `amphi.js` against the cases of the pages.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use serde_json::Value;
use support::browser::Browser;
use support::house::House;

const VECTORS: &str = include_str!("../engine/core/tests/forecast_vectors.json");

const TIMES: &str = include_str!("../portal/tests/times_vectors.json");

const LATE: &str = include_str!("../portal/tests/late_vectors.json");

const COMPUTE: &str = "
    const [vectors] = arguments;
    return import('/assets/forecast.js')
        .then(({ forecasts }) => vectors.map(({ snapshot, now }) => forecasts(snapshot, now)));";

#[tokio::test]
async fn expected_times_in_the_browser_are_those_of_the_core() {
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    assert!(vectors.len() >= 30, "only {} vectors", vectors.len());
    let house = House::new();
    let server = house.serve(&[]).await;
    let browser = Browser::open().await;
    browser.goto(&server.url).await;
    let computed = browser.js_with(COMPUTE, vec![vectors.clone().into()]).await;
    let computed = computed.as_array().expect("a list, one entry per vector");
    assert_eq!(computed.len(), vectors.len());
    for (vector, computed) in vectors.iter().zip(computed) {
        assert_eq!(computed, &vector["forecasts"], "{}", vector["name"]);
    }
    assert_eq!(browser.console().await, [""; 0]);
    browser.close().await;
    house.close(server).await;
}

const SAY: &str = "
    const [instants] = arguments;
    return import('/assets/times.js').then(({ Times }) => instants.map(([zone, label, at, now]) => {
        const times = new Times(zone, label);
        return [times.time(at), times.timeToTheSecond(at), times.day(at), times.moment(at, now), times.when(at, now)];
    }));";

#[tokio::test]
async fn time_in_every_french_zone_is_said_in_the_browser_as_on_the_page() {
    let vectors: Vec<Value> = serde_json::from_str(TIMES).unwrap();
    assert!(vectors.len() >= 100, "only {} vectors", vectors.len());
    let house = House::new();
    let server = house.serve(&[]).await;
    let browser = Browser::open().await;
    browser.goto(&server.url).await;
    let asked: Vec<Value> = vectors.iter().map(|vector| vector["asked"].clone()).collect();
    let said = browser.js_with(SAY, vec![asked.into()]).await;
    let said = said.as_array().expect("a list, one entry per vector");
    assert_eq!(said.len(), vectors.len());
    for (vector, said) in vectors.iter().zip(said) {
        assert_eq!(said, &vector["said"], "{}", vector["asked"]);
    }
    browser.close().await;
    house.close(server).await;
}

/// The module finds its phrases in the page: here they are none, and nothing is said.
const ASK: &str = "
    const [cases] = arguments;
    const words = document.createElement('div');
    words.id = 'mots';
    words.textContent = '{}';
    document.body.append(words);
    return import('/assets/amphi.js').then(({ lateRule, choosing }) => cases.map((asked) => {
        const { late, since, undone_at, turns_over } = asked;
        const participants = [
            { rank: 1, standing: turns_over ? 'withdrawn' : 'in_turn' },
            { rank: 2, standing: 'late', since, passed: false },
        ];
        const state = { status: 'open', policies: { late }, turn: turns_over ? null : { rank: 1 }, participants };
        const who = { me: { rank: 2, undone: undone_at === null ? null : { at: undone_at } }, mandate: null };
        return [lateRule(state, who), choosing(state, who)];
    }));";

#[tokio::test]
async fn r3_6_who_is_late_may_choose_in_the_browser_as_on_the_page() {
    let cases: Vec<Value> = serde_json::from_str(LATE).unwrap();
    assert!(cases.len() >= 9, "only {} cases", cases.len());
    let house = House::new();
    let server = house.serve(&[]).await;
    let browser = Browser::open().await;
    browser.goto(&server.url).await;
    let answers = browser.js_with(ASK, vec![cases.clone().into()]).await;
    let answers = answers.as_array().expect("a list, one entry per case");
    assert_eq!(answers.len(), cases.len());
    for (case, answer) in cases.iter().zip(answers) {
        assert_eq!((&answer[0], &answer[1]), (&case["rule"], &case["choosing"]), "{}", case["name"]);
    }
    browser.close().await;
    house.close(server).await;
}
