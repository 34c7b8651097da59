//! The browser computes expected times as the core does (A7), and says them as the server's pages do (Time):
//! `portal/assets/forecast.js` against the golden vectors that the core wrote, `times.js` against the wording.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use serde_json::Value;
use support::browser::Browser;
use support::house::House;

const VECTORS: &str = include_str!("../engine/core/tests/forecast_vectors.json");

const TIMES: &str = include_str!("../portal/tests/times_vectors.json");

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
        return [times.time(at), times.timeToTheSecond(at), times.day(at), times.moment(at, now)];
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
