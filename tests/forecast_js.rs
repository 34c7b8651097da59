//! The browser computes expected times as the core does (A7): `portal/assets/forecast.js`, as the real
//! server serves it, against the golden vectors that the core wrote.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use serde_json::Value;
use support::browser::Browser;
use support::house::House;

const VECTORS: &str = include_str!("../engine/core/tests/forecast_vectors.json");

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
