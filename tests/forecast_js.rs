//! The browser computes expected times as the core does (A7), and says them as the server's pages do (Time):
//! `portal/assets/forecast.js` against the golden vectors that the core wrote, `times.js` against the wording.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

#[path = "../portal/tests/portal/french_days.rs"]
mod french_days;

use amphi_engine::core::{Millis, Timestamp};
use amphi_portal::pages::wording::Zone;
use serde_json::{Value, json};
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

const SAY: &str = "
    const [instants] = arguments;
    return import('/assets/times.js').then(({ Times }) => instants.map(([zone, label, at, now]) => {
        const times = new Times(zone, label);
        return [times.time(at), times.timeToTheSecond(at), times.day(at), times.moment(at, now)];
    }));";

#[tokio::test]
async fn time_in_every_french_zone_is_said_in_the_browser_as_on_the_page() {
    let days = french_days::nine_o_clock();
    let mut instants: Vec<(Zone, &str, Timestamp)> =
        days.iter().map(|nine| (Zone::named(nine.zone), nine.zone, nine.instant())).collect();
    // Every quarter of an hour of the nights in which clocks change: hours that do not exist, or twice.
    for (zone, from) in [
        ("Europe/Paris", "2027-03-27T23:00:00Z"),
        ("Europe/Paris", "2027-10-30T23:00:00Z"),
        ("America/Miquelon", "2027-03-14T03:00:00Z"),
        ("America/Miquelon", "2027-11-07T02:00:00Z"),
    ] {
        let from = chrono::DateTime::parse_from_rfc3339(from).unwrap().timestamp_millis();
        let quarter = |n: i64| Timestamp(from) + Millis::from_minutes(15 * n);
        instants.extend((0..24).map(|n| (Zone::named(zone), zone, quarter(n))));
    }
    let house = House::new();
    let server = house.serve(&[]).await;
    let browser = Browser::open().await;
    browser.goto(&server.url).await;
    let before = |at: Timestamp| at - Millis::from_minutes(8 * 60);
    let asked: Vec<Value> =
        instants.iter().map(|(zone, name, at)| json!([name, zone.label(), at, before(*at)])).collect();
    let said = browser.js_with(SAY, vec![asked.into()]).await;
    let expected: Vec<[String; 4]> = instants
        .iter()
        .map(|(zone, _, at)| {
            [zone.time(*at), zone.time_to_the_second(*at), zone.day(*at), zone.moment(*at, before(*at))]
        })
        .collect();
    assert_eq!(said.as_array().unwrap().len(), expected.len());
    for ((said, expected), (_, name, at)) in said.as_array().unwrap().iter().zip(&expected).zip(&instants) {
        assert_eq!(said, &json!(expected), "{name} {at}");
    }
    assert_eq!(expected.iter().filter(|said| said[0].contains("UTC")).count(), 16, "two hours happen twice");
    browser.close().await;
    house.close(server).await;
}
