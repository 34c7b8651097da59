//! P5: what a screen is told, as JSON, and that nothing of a person is in it.

use amphi_core::{Command, Event, Snapshot};
use serde_json::{Value, json};

use crate::scene::{Scene, at, setup};

/// In alphabetical order: the order in which a map gives them depends on a feature another crate may set.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn p5_the_snapshot_reads_as_documented() {
    let mut scene = Scene::published(setup(3, &[1, 4]));
    scene.does(Command::Open, "09:10");
    scene.pass(1, "09:11");
    scene.choose(1, 1, "09:12");
    scene.suspend("09:13");
    let snapshot = serde_json::to_value(scene.amphi.snapshot()).unwrap();
    assert_eq!(snapshot["status"], "suspended");
    assert_eq!((&snapshot["reason"], &snapshot["since"]), (&json!("Panne de réseau"), &json!(at("09:13"))));
    assert_eq!(snapshot["turn"]["remaining_when_suspended"], 60_000);
    assert_eq!((&snapshot["turn_duration"], &snapshot["grace"]), (&json!(180_000), &json!(2_000)));
    assert_eq!(snapshot["held"], json!([{"rank": 1, "post": 1, "since": at("09:12")}]));
    assert_eq!(snapshot["posts"][0]["seats_left"], 1);
    let first = json!({
        "rank": 1, "pseudonym": "P1", "planned_at": at("09:00"), "turn_duration": 180_000,
        "standing": "late", "since": at("09:11"), "passed": true
    });
    assert_eq!(snapshot["participants"][0], first);
    // What is written can be read again: the flattened parts do not collide.
    let read: Snapshot = serde_json::from_value(snapshot).unwrap();
    assert_eq!(Some(read), scene.amphi.snapshot());
}

#[test]
fn p7_the_snapshot_says_nothing_of_a_person_but_pseudonym_and_standing() {
    let scene = Scene::begun(setup(2, &[3]));
    let snapshot = serde_json::to_value(scene.amphi.snapshot()).unwrap();
    let shown = keys(&snapshot["participants"][0]);
    assert_eq!(shown, ["planned_at", "pseudonym", "rank", "standing", "turn_duration"]);
    let intern = scene.amphi.setup().unwrap().participants[0].intern.to_string();
    assert!(!snapshot.to_string().contains(&intern));
}

#[test]
fn p5_a_change_carries_only_what_changed() {
    let mut scene = Scene::published(setup(3, &[1, 4]));
    scene.does(Command::Open, "09:10");
    let events = scene.choose(1, 2, "09:11");
    let change = serde_json::to_value(scene.amphi.change(&events)).unwrap();
    assert_eq!(change["posts"], json!([{"number": 2, "seats_left": 3}]));
    let ranks: Vec<_> = change["participants"].as_array().unwrap().iter().map(|p| &p["rank"]).collect();
    assert_eq!(ranks, [&json!(1), &json!(2)]);
    assert!(change.get("held_refused").is_none());
    assert_eq!(change["delay"], 8 * 60_000);
}

#[test]
fn p8_events_survive_their_json() {
    let mut scene = Scene::published(setup(3, &[1, 4]));
    let mut events = scene.does(Command::Open, "09:10");
    events.extend(scene.pass(1, "09:11"));
    events.extend(scene.choose(1, 1, "09:11"));
    events.extend(scene.choose(2, 1, "09:12"));
    events.extend(scene.suspend("09:13"));
    events.extend(scene.resume("09:14"));
    events.extend(scene.recover("09:15", "09:16"));
    events.extend(scene.withdraw(3, "09:16"));
    events.extend(scene.does(Command::Close, "09:17"));
    for event in events {
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event, "{json}");
    }
}
