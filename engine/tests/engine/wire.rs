//! The wire is what review saw: the schema of every message, and one sample of each kind, checked in.
//! `UPDATE_GOLDEN=1 cargo test -p amphi-engine wire` writes both anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use amphi_engine::protocol::{ClientMessage, CloseCode, ServerMessage};
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// Compares with the file, or writes it when that is asked for.
fn assert_golden(name: &str, made: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = kept.lines().zip(made.lines()).enumerate().find(|(_, (kept, made))| kept != made);
    assert!(
        kept == made,
        "{name} is not what the types say, first at {differs:?}. If the change of the wire is meant, write it anew \
         with UPDATE_GOLDEN=1, and let review see it"
    );
}

#[test]
fn the_schema_is_what_review_saw() {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let client = generator.subschema_for::<ClientMessage>();
    let server = generator.subschema_for::<ServerMessage>();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "amphi, live protocol, version 1",
        "description": "Generated from engine/src/protocol.rs. PROTOCOL.md says what the messages mean.",
        "client_message": client,
        "server_message": server,
        "$defs": generator.take_definitions(true),
    });
    assert_golden("protocol.schema.json", &(serde_json::to_string_pretty(&sorted(schema)).unwrap() + "\n"));
}

/// With keys in alphabetical order: the order of a map depends on a feature another crate may set.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let by_key: std::collections::BTreeMap<String, Value> = map.into_iter().collect();
            Value::Object(by_key.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

const AMPHI: &str = "01934e5a-7b00-7000-8000-000000000001";
const COMMAND: &str = "9f1c2f6e-0a53-4c0b-8a55-3f1f6f0c9a11";
const NINE: i64 = 1_809_334_800_000;

/// Every message a client may send, as PROTOCOL.md writes it.
fn client_samples() -> Vec<Value> {
    let command = |more: Value| {
        let mut message = json!({"type": "command", "command_id": COMMAND});
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message
    };
    vec![
        json!({"type": "hello", "protocol": 1}),
        json!({"type": "hello", "protocol": 1, "resume": {"epoch": 3, "seq": 41}}),
        json!({"type": "resync"}),
        json!({"type": "clock", "client_time": 123_456}),
        command(json!({"action": "choose", "post": 12})),
        command(json!({"action": "choose", "post": 12, "supernumerary": true})),
        command(json!({"action": "exchange", "post": 12})),
        command(json!({"action": "set_wishes", "wishes": [12, 3, 7], "safety_net": "if_absent"})),
        command(json!({"action": "revoke_proxy"})),
        command(json!({"action": "release_held"})),
        command(json!({"action": "pass"})),
        command(json!({"action": "open"})),
        command(json!({"action": "suspend", "reason": "Panne de réseau"})),
        command(json!({"action": "explain_suspension", "reason": "Panne de réseau à Lille"})),
        command(json!({"action": "resume"})),
        command(json!({"action": "close"})),
        command(json!({"action": "annul", "reason": "Erreur de liste"})),
        command(json!({"action": "end_turn", "rank": 12, "reason": "Absent"})),
        command(json!({"action": "withdraw", "rank": 12, "reason": "Démission"})),
        command(json!({"action": "extend", "rank": 12, "by": 120_000, "reason": "Page lente"})),
        command(json!({"action": "choose_for", "rank": 12, "post": 3, "reason": "Par téléphone"})),
        command(json!({"action": "annul_choice", "rank": 12, "reason": "Erreur de rang"})),
        command(json!({"action": "rewind", "to": 12, "reason": "Interne inéligible appelé"})),
        command(json!({"action": "assign", "rank": 12, "post": 3, "reason": "N’a pas choisi"})),
        command(json!({"action": "revert_proxy", "rank": 12, "reason": "Mandataire injoignable"})),
        command(json!({"action": "admit", "rank": 12, "reason": "Compte validé par courrier"})),
    ]
}

fn receipt() -> Value {
    json!({"amphi": AMPHI, "title": "Cardiologie, Paris", "period": "2027-11", "rank": 12, "post": 3,
        "imotep": "750000001", "establishment": "CHU", "service": "Cardiologie", "seat": 1, "manner": "in_turn",
        "at": NINE, "seq": 41, "hash": "00".repeat(32)})
}

fn wish_receipt() -> Value {
    json!({"amphi": AMPHI, "rank": 12, "version": 2, "wishes": [12, 3, 7], "safety_net": "if_absent", "at": NINE,
        "seq": 41, "hash": "00".repeat(32)})
}

fn seniority() -> Value {
    json!({"validated_semesters": 4, "competition_year": 2024, "national_rank": 12, "cohort_size": 7_974})
}

/// What stands in every snapshot and change.
fn progress(status: &Value) -> Value {
    let mut progress = json!({
        "turn": {"rank": 2, "opened_at": NINE, "deadline": NINE + 180_000, "remaining_when_suspended": null,
            "stopped_for": 0, "extended_by": 0},
        "next_rank": 3, "delay": 0, "pace_permille": 600,
        "held": [{"rank": 1, "post": 1, "since": NINE}], "at": NINE,
    });
    progress.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
    progress
}

fn with(mut message: Value, more: &Value) -> Value {
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message
}

/// One rank in each standing.
fn standings() -> Vec<Value> {
    let placed =
        |manner: &str| json!({"standing": "placed", "post": 3, "seat": 1, "at": NINE, "manner": manner});
    vec![
        json!({"standing": "waiting"}),
        json!({"standing": "in_turn"}),
        json!({"standing": "late", "since": NINE, "passed": false}),
        placed("in_turn"),
        placed("in_grace"),
        placed("late"),
        placed("late_held"),
        placed("safety_net"),
        placed("exchanged"),
        placed("assigned"),
        placed("by_wishes"),
        json!({"standing": "placed_elsewhere"}),
        json!({"standing": "withdrawn"}),
    ]
}

fn statuses() -> Vec<Value> {
    vec![
        json!({"status": "draft"}),
        json!({"status": "published"}),
        json!({"status": "open"}),
        json!({"status": "suspended", "reason": "Panne de réseau", "since": NINE}),
        json!({"status": "closed"}),
        json!({"status": "annulled", "reason": "Erreur de liste"}),
    ]
}

fn refusals() -> Vec<Value> {
    let mut refusals: Vec<Value> = [
        "forbidden",
        "not_published",
        "already_published",
        "not_open",
        "already_open",
        "suspended",
        "not_suspended",
        "over",
        "not_your_turn",
        "placed_elsewhere",
        "withdrawn",
        "nothing_held",
        "proxy_active",
        "proxy_ended",
        "proxy_already_given",
        "no_proxy",
        "proxy_too_late",
        "proxies_off",
        "document_missing",
        "safety_net_off",
        "late_at_end_only",
        "turn_forfeited",
        "not_supernumerary",
        "no_exchange_now",
        "no_turns",
        "reason_needed",
        "command_id_reused",
    ]
    .map(|code| json!({"code": code}))
    .to_vec();
    refusals.extend([
        json!({"code": "turns_remain", "remaining": 12}),
        json!({"code": "turn_not_in_progress", "rank": 12}),
        json!({"code": "already_chosen", "post": 3}),
        json!({"code": "post_taken", "post": 3, "by": 11}),
        json!({"code": "post_taken", "post": 3, "by": null}),
        json!({"code": "unknown_post", "post": 99}),
        json!({"code": "unknown_rank", "rank": 99}),
        json!({"code": "wish_twice", "post": 3}),
        json!({"code": "supernumerary_taken", "post": 3}),
        json!({"code": "no_such_extension", "steps": [60_000, 120_000]}),
        json!({"code": "nothing_to_rewind", "to": 12}),
        json!({"code": "not_placed", "rank": 12}),
        json!({"code": "ineligible", "ranks": [12, 48]}),
        json!({"code": "not_ineligible", "rank": 12}),
        json!({"code": "already_listed", "rank": 12}),
        json!({"code": "unusable_setup", "problem": "there is no post"}),
    ]);
    refusals
}

/// Every message the server may send, as PROTOCOL.md writes it.
fn server_samples() -> Vec<Value> {
    let position = json!({"epoch": 3, "seq": 41});
    let welcome = |role: Value| {
        json!({"type": "welcome", "protocol": 1, "server_time": NINE, "speed": 1.0, "position": position,
            "resumed": false, "role": role})
    };
    let outcome = |more: &Value| with(json!({"type": "outcome", "command_id": COMMAND}), more);
    let participants: Vec<Value> = standings()
        .iter()
        .enumerate()
        .map(|(index, standing)| {
            let person = json!({"rank": index + 1, "pseudonym": "Aulne 1", "planned_at": NINE, "turn_duration": 180_000});
            with(person, standing)
        })
        .collect();
    let changed: Vec<Value> =
        standings().iter().enumerate().map(|(index, s)| with(json!({"rank": index + 1}), s)).collect();
    let snapshot = json!({"type": "snapshot", "epoch": 3, "seq": 41, "amphi": AMPHI, "title": "Cardiologie, Paris",
        "period": "2027-11", "time_zone": "Europe/Paris",
        "opening": [{"opens_at": NINE, "closes_at": NINE + 10_800_000}], "turn_duration": 180_000, "grace": 2_000,
        "round": "live", "policies": {"late": "now", "early_opening": false, "proxies": "with_document",
            "safety_net": true, "names": "pseudonyms", "watching": "with_link",
            "extension_steps": [60_000, 120_000, 300_000], "vacancy_round": false},
        "participants": participants, "posts": [{"number": 1, "imotep": "750000001", "establishment": "CHU",
            "service": "Cardiologie", "specialty": "MCV", "phase": "socle", "seats": 2, "criteria": ["CHU"],
            "seats_left": 1}]});
    let change = json!({"type": "change", "epoch": 3, "from_seq": 40, "seq": 41, "participants": changed,
        "posts": [{"number": 1, "seats_left": 0}], "undone": [9], "held_refused": [7]});
    let quiet =
        json!({"type": "change", "epoch": 3, "from_seq": 40, "seq": 41, "participants": [], "posts": []});
    let me = |basis: Value, receipt: Value| {
        json!({"type": "me", "rank": 12, "pseudonym": "Aulne 1", "rank_basis": basis, "extra_time_percent": 33,
            "receipt": receipt, "proxy": null, "wishes": null, "undone": null})
    };
    let proxy = json!({"since": NINE, "document_filed": false});
    let undone = json!({"post": 3, "reason": "Erreur de rang", "at": NINE});
    let represented =
        json!({"supernumerary": "validating", "proxy": proxy, "wishes": wish_receipt(), "undone": undone});
    let dossier = json!({"rank": 12, "supernumerary": "non_validating", "proxy": proxy, "first_wishes": [12, 3, 7],
        "safety_net": "at_expiry", "ineligible": "training_ended", "undone": undone});
    let mut samples = vec![
        welcome(json!({"role": "intern", "rank": 12})),
        welcome(json!({"role": "holder", "rank": 12, "proxy": AMPHI})),
        welcome(json!({"role": "administrator"})),
        welcome(json!({"role": "spectator"})),
        with(snapshot, &progress(&json!({"status": "open"}))),
        with(change, &progress(&json!({"status": "open"}))),
        me(json!({"kind": "imported", "seniority": seniority()}), Value::Null),
        me(json!({"kind": "computed", "seniority": seniority(), "decided_by": "relative_rank"}), receipt()),
        with(me(json!({"kind": "imported", "seniority": seniority()}), Value::Null), &represented),
        json!({"type": "outlook", "wishes": [{"post": 12, "chance": "probable"}, {"post": 3, "chance": "uncertain"},
            {"post": 7, "chance": "unlikely"}]}),
        json!({"type": "dossiers", "dossiers": [dossier]}),
        json!({"type": "presence", "connections": 40,
            "interns": [{"rank": 12, "devices": 2, "proxy_devices": 1, "since": NINE}]}),
        json!({"type": "busy", "command_id": COMMAND, "retry_after": 500}),
        json!({"type": "clock", "client_time": 123_456, "server_time": NINE}),
        json!({"type": "service", "available": false}),
        outcome(&json!({"result": "done", "seq": 41})),
        outcome(&json!({"result": "done", "seq": 41, "receipt": receipt()})),
        outcome(&json!({"result": "done", "seq": 41, "wishes": wish_receipt()})),
        outcome(&json!({"result": "held", "seq": 41, "post": 3})),
    ];
    samples.extend(statuses().into_iter().map(|status| with(quiet.clone(), &progress(&status))));
    samples.extend(refusals().iter().map(|refusal| outcome(&with(json!({"result": "refused"}), refusal))));
    samples
}

#[test]
fn each_message_is_written_and_read_under_its_documented_names() {
    let mut lines = String::new();
    for sample in client_samples() {
        let message: ClientMessage =
            serde_json::from_value(sample.clone()).unwrap_or_else(|e| panic!("{sample}: {e}"));
        assert_eq!(serde_json::to_value(&message).unwrap(), sample);
        lines.push_str(&serde_json::to_string(&message).unwrap());
        lines.push('\n');
    }
    for sample in server_samples() {
        let message: ServerMessage =
            serde_json::from_value(sample.clone()).unwrap_or_else(|e| panic!("{sample}: {e}"));
        assert_eq!(serde_json::to_value(&message).unwrap(), sample);
        lines.push_str(&serde_json::to_string(&message).unwrap());
        lines.push('\n');
    }
    assert_golden("tests/protocol_samples.jsonl", &lines);
}

/// The words under a name anywhere in the schema: the tags of every variant there is.
fn tags(schema: &Value, tag: &str, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(word) = fields.get("properties").and_then(|p| p[tag]["const"].as_str()) {
                found.insert(word.to_owned());
            }
            fields.values().for_each(|value| tags(value, tag, found));
        }
        Value::Array(values) => values.iter().for_each(|value| tags(value, tag, found)),
        _ => {}
    }
}

#[test]
fn no_variant_is_without_a_sample() {
    let schemas = [schemars::schema_for!(ClientMessage), schemars::schema_for!(ServerMessage)];
    let samples: Vec<String> =
        client_samples().iter().chain(&server_samples()).map(Value::to_string).collect();
    for tag in ["type", "action", "result", "code", "standing", "status", "role", "kind"] {
        let mut words = BTreeSet::new();
        schemas.iter().for_each(|schema| tags(schema.as_value(), tag, &mut words));
        assert!(words.len() > 1, "{tag} is no tag any more");
        for word in words {
            let written = format!("\"{tag}\":\"{word}\"");
            assert!(samples.iter().any(|sample| sample.contains(&written)), "no sample has {written}");
        }
    }
}

#[test]
fn what_is_not_of_this_protocol_is_not_read() {
    let cases = [
        "",
        "null",
        "[]",
        "{}",
        "\"hello\"",
        "{\"type\":\"hello\"}",
        "{\"type\":\"hello\",\"protocol\":-1}",
        "{\"type\":\"hello\",\"protocol\":\"1\"}",
        "{\"type\":\"Hello\",\"protocol\":1}",
        "{\"type\":\"command\",\"action\":\"pass\"}",
        "{\"type\":\"command\",\"command_id\":\"x\",\"action\":\"pass\"}",
        "{\"type\":\"command\",\"command_id\":\"9f1c2f6e-0a53-4c0b-8a55-3f1f6f0c9a11\",\"action\":\"choose\"}",
        "{\"type\":\"command\",\"command_id\":\"9f1c2f6e-0a53-4c0b-8a55-3f1f6f0c9a11\",\"action\":\"choose\",\"post\":65536}",
        "{\"type\":\"command\",\"command_id\":\"9f1c2f6e-0a53-4c0b-8a55-3f1f6f0c9a11\",\"action\":\"tick\"}",
        "{\"type\":\"clock\"}",
        "{\"type\":\"snapshot\"}",
        "{\"type\":\"resync\"}}",
    ];
    for text in cases {
        assert!(serde_json::from_str::<ClientMessage>(text).is_err(), "{text}");
    }
}

#[test]
fn version_1_may_grow() {
    let unknown_field = r#"{"type":"hello","protocol":1,"resume":{"epoch":1,"seq":2,"x":3},"colour":"red"}"#;
    assert!(serde_json::from_str::<ClientMessage>(unknown_field).is_ok(), "unknown fields are ignored");
}

#[test]
fn close_codes_say_whether_to_come_back() {
    let codes = [
        (CloseCode::GoingAway, 4000),
        (CloseCode::TooSlow, 4001),
        (CloseCode::Full, 4002),
        (CloseCode::Silent, 4003),
        (CloseCode::ProtocolError, 4500),
        (CloseCode::UnsupportedProtocol, 4501),
        (CloseCode::NotAllowed, 4502),
    ];
    for (code, number) in codes {
        assert_eq!(code as u16, number);
        assert!(code.reason().len() <= 123, "a close frame holds no more");
    }
}

#[test]
fn words_of_the_protocol_page_are_those_of_the_types() {
    let page = include_str!("../../PROTOCOL.md");
    for refusal in refusals().iter().filter(|refusal| refusal["code"] != "unusable_setup") {
        let code = refusal["code"].as_str().unwrap();
        assert!(page.contains(&format!("`{code}`")), "PROTOCOL.md does not explain {code}");
    }
    for (values, tag) in [(standings(), "standing"), (statuses(), "status")] {
        for value in values {
            let word = value[tag].as_str().unwrap();
            assert!(page.contains(&format!("`{word}`")), "PROTOCOL.md does not name {word}");
        }
    }
}
