//! Times as pages say them, written down: the browser's module is held against the same file
//! (`tests/forecast_js.rs` of the root), without knowing how they are worked out here.

use amphi_engine::core::{Millis, Timestamp};
use amphi_portal::pages::wording::Zone;
use serde_json::{Value, json};

use crate::french_days;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/times_vectors.json");

/// Nights in which clocks change: every quarter of an hour of them, the hours that do not exist, or twice, included.
const NIGHTS: [(&str, &str); 4] = [
    ("Europe/Paris", "2027-03-27T23:00:00Z"),
    ("Europe/Paris", "2027-10-30T23:00:00Z"),
    ("America/Miquelon", "2027-03-14T03:00:00Z"),
    ("America/Miquelon", "2027-11-07T02:00:00Z"),
];

fn vectors() -> Vec<Value> {
    let mut instants: Vec<(&str, Timestamp)> =
        french_days::nine_o_clock().iter().map(|nine| (nine.zone, nine.instant())).collect();
    for (zone, from) in NIGHTS {
        let from = Timestamp(chrono::DateTime::parse_from_rfc3339(from).unwrap().timestamp_millis());
        instants.extend((0..24).map(|quarter| (zone, from + Millis::from_minutes(15 * quarter))));
    }
    let said = |(name, at): (&str, Timestamp)| {
        let (zone, before) = (Zone::named(name), at - Millis::from_minutes(8 * 60));
        let (moment, when) = (zone.moment(at, before), zone.when(at, before));
        let said = [zone.time(at), zone.time_to_the_second(at), zone.day(at), moment, when];
        json!({"asked": [name, zone.label(), at, before], "said": said})
    };
    instants.into_iter().map(said).collect()
}

#[test]
fn times_are_said_as_they_were_written_down() {
    let vectors = vectors();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let text = serde_json::to_string_pretty(&vectors).unwrap();
        std::fs::write(FILE, text + "\n").unwrap();
    }
    let kept = std::fs::read_to_string(FILE).expect("written with UPDATE_GOLDEN=1");
    let kept: Vec<Value> = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept, vectors, "UPDATE_GOLDEN=1 writes the file again, once the change is understood");
    let twice = vectors.iter().filter(|vector| vector["said"][0].as_str().unwrap().contains("UTC")).count();
    assert_eq!(twice, 16, "two hours happen twice, quarter by quarter");
    for opening in ["à ", "le "] {
        let begins = |vector: &&Value| vector["said"][4].as_str().unwrap().starts_with(opening);
        assert!(vectors.iter().filter(begins).count() > 10, "the same day and another: {opening}");
    }
}
