//! Pages are complete without JavaScript, and nothing of a person's text becomes markup.

use amphi_engine::core::{CommandId, Millis, Rejection, Snapshot, Timestamp};
use amphi_engine::protocol::{Me, Position};
use serde_json::json;

use super::*;

#[path = "../../tests/portal/french_days.rs"]
mod french_days;

const NOON: i64 = 1_806_314_400_000; // 2027-03-29T10:00:00Z, noon in Paris

fn asset_url(name: &str) -> String {
    format!("/assets/{name}?v=1")
}

fn page() -> PageContext<'static> {
    PageContext { public_url: "https://amphi.test", asset_url }
}

fn snapshot(mine: impl Into<serde_json::Value>) -> Snapshot {
    let mine = mine.into();
    let mut me =
        json!({"rank": 2, "pseudonym": "Loutre", "planned_at": NOON + 180_000, "turn_duration": 180_000});
    me.as_object_mut().expect("an object").extend(mine.as_object().expect("an object").clone());
    serde_json::from_value(json!({
        "amphi": "01934e5a-7b00-7000-8000-000000000001", "title": "Psychiatrie <Lille>", "period": "2027-05",
        "time_zone": "Europe/Paris", "opening": [{"opens_at": NOON, "closes_at": NOON + 36_000_000}],
        "turn_duration": 180_000, "grace": 2_000,
        "participants": [
            {"rank": 1, "pseudonym": "Héron", "planned_at": NOON, "turn_duration": 180_000, "standing": "in_turn"}, me],
        "posts": [
            {"number": 1, "imotep": "1", "establishment": "CHU </script>", "service": "Hématologie", "specialty": "Psy",
             "phase": "socle", "seats": 2, "criteria": ["CHU"], "seats_left": 1},
            {"number": 2, "imotep": "2", "establishment": "Arras", "service": "PMI", "specialty": "Psy", "phase": "socle",
             "seats": 1, "criteria": [], "seats_left": 0}],
        "status": "open", "turn": {"rank": 1, "opened_at": NOON, "deadline": NOON + 180_000,
            "remaining_when_suspended": null, "stopped_for": 0},
        "next_rank": 2, "delay": 0, "pace_permille": 600, "held": [], "at": NOON,
    }))
    .expect("a snapshot as on the wire")
}

fn me() -> Me {
    serde_json::from_value(json!({"rank": 2, "pseudonym": "Loutre", "extra_time_percent": 0, "receipt": null,
        "rank_basis": {"kind": "imported", "seniority": {"validated_semesters": 4, "competition_year": 2024,
            "national_rank": 12, "cohort_size": 7974}}}))
    .expect("me as on the wire")
}

fn new_id() -> CommandId {
    serde_json::from_value(json!("01934e5a-7b00-7000-8000-0000000000ff")).expect("an id")
}

fn intern_page(snapshot: &Snapshot, flash: Option<Flash>, filter: PostFilter) -> String {
    let expected = Timestamp(NOON) + Millis(180_000);
    page_expecting(expected, Timestamp(NOON), snapshot, flash, filter)
}

fn page_expecting(
    expected: Timestamp,
    now: Timestamp,
    snapshot: &Snapshot,
    flash: Option<Flash>,
    filter: PostFilter,
) -> String {
    let forecast =
        amphi_engine::core::Forecast { earliest: expected, expected, latest: expected + Millis(62_000) };
    intern::render(&intern::InternPage {
        page: page(),
        snapshot,
        position: Position { epoch: 3, seq: 41 },
        me: &me(),
        mandate: None,
        document_refused: None,
        act: None,
        forecasts: &[None, Some(forecast)],
        now,
        speed: 10.0,
        flash,
        filter,
        new_command_id: &new_id,
    })
    .replace('\u{a0}', " ")
}

#[test]
fn before_my_turn_the_page_says_when_and_who_is_before() {
    let html = intern_page(&snapshot(json!({"standing": "waiting"})), None, PostFilter::default());
    for expected in [
        "data-seq=\"41\"",
        "data-etat=\"attente\"",
        ">12 h 03<",
        "entre 12 h 03 et 12 h 05",
        "1 interne passe avant vous.",
        "Restez sur cette page",
        "10 fois plus vite",
        "data-choix=\"non\"",
        "Complet · 1 place",
    ] {
        assert!(html.contains(expected), "{expected} is missing");
    }
}

#[test]
fn time_nine_in_every_french_zone_is_nine_on_the_page_with_its_day_and_its_zone() {
    for nine in french_days::nine_o_clock() {
        let mut snapshot = snapshot(json!({"standing": "waiting"}));
        nine.zone.clone_into(&mut snapshot.time_zone);
        let a_day_before = nine.instant() - Millis::from_minutes(24 * 60);
        let html = page_expecting(nine.instant(), a_day_before, &snapshot, None, PostFilter::default());
        for expected in [
            format!("Vous passez {} à", nine.day),
            format!("datetime=\"{}T09:00:00{}\" >9 h 00<", nine.date, nine.offset),
            format!("l’{}", nine.label),
        ] {
            assert!(html.contains(&expected), "{nine:?}: {expected} is missing");
        }
    }
}

#[test]
fn what_people_wrote_never_becomes_markup() {
    let html = intern_page(&snapshot(json!({"standing": "waiting"})), None, PostFilter::default());
    assert!(!html.contains("CHU </script>"));
    assert!(!html.contains("<Lille>"));
    assert!(html.contains("CHU \\u003c/script\\u003e"));
}

#[test]
fn nothing_inline_that_the_policy_would_block() {
    let html = intern_page(&snapshot(json!({"standing": "in_turn"})), None, PostFilter::default());
    assert!(!html.contains(" style=") && !html.contains(" onclick="));
    for script in html.match_indices("<script").map(|(at, _)| &html[at..at + 60]) {
        assert!(
            script.contains("type=\"application/json\"") || script.contains("src=\"/assets/"),
            "{script}"
        );
    }
}

#[test]
fn late_one_may_choose_and_is_told_so() {
    let late = json!({"standing": "late", "since": NOON - 60_000, "passed": false});
    let html = intern_page(&snapshot(late), None, PostFilter::default());
    for expected in
        ["data-etat=\"retard\"", "data-choix=\"oui\"", "sans le bénéfice de votre rang", "/choisir/1\""]
    {
        assert!(html.contains(expected), "{expected} is missing");
    }
}

#[test]
fn a_held_choice_is_shown_and_can_be_taken_back() {
    let mut held = snapshot(json!({"standing": "late", "since": NOON - 60_000, "passed": false}));
    held.now.held = serde_json::from_value(json!([{"rank": 2, "post": 1, "since": NOON}])).expect("held");
    let html = intern_page(&held, None, PostFilter::default());
    assert!(html.contains("data-etat=\"retenu\"") && html.contains("le tour du rang 1 est en cours"));
    let form = &html[html.find("id=\"retirer\"").expect("the form")..];
    assert!(!form[..form.find('>').expect("its end")].contains("hidden"));
}

#[test]
fn suspended_the_time_left_is_kept() {
    let mut suspended = snapshot(json!({"standing": "waiting"}));
    suspended.now.status =
        amphi_engine::core::Status::Suspended { reason: "Panne".into(), since: Timestamp(NOON) };
    let html = intern_page(&suspended, None, PostFilter::default());
    assert!(html.contains("data-etat=\"suspendu\"") && html.contains("Depuis 12 h 00. Motif : Panne"));
}

#[test]
fn a_refusal_comes_back_by_the_address() {
    let flash = Flash::from_query("refus-post_taken", Some(2), None);
    assert!(matches!(flash, Some(Flash::Refused(Rejection::PostTaken { .. }))));
    let html = intern_page(&snapshot(json!({"standing": "waiting"})), flash, PostFilter::default());
    assert!(html.contains("data-code=\"post_taken\"") && html.contains("Arras, PMI"));
    assert_eq!(Flash::from_query("n’importe quoi", None, None), None);
    assert_eq!(Flash::from_query("fait", None, None).map(|f| f.to_query()).as_deref(), Some("fait"));
}

#[test]
fn search_and_filters_forgive_accents_and_add_up() {
    let snapshot = snapshot(json!({"standing": "waiting"}));
    let found = |pairs: &[(&str, &str)]| {
        let filter = PostFilter::from_pairs(pairs.iter().copied());
        snapshot
            .posts
            .iter()
            .filter(|view| filter.matches(view))
            .map(|view| view.number.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&[("q", "HEMATO chu")]), [1]);
    assert_eq!(found(&[("q", "pmi")]), [2]);
    assert_eq!(found(&[("libres", "1")]), [1]);
    assert_eq!(found(&[("critere", "CHU"), ("phase", "approfondissement")]), Vec::<u16>::new());
    assert_eq!(found(&[]), [1, 2]);
}

#[test]
fn the_confirmation_names_what_is_chosen_and_what_it_means() {
    let snapshot = snapshot(json!({"standing": "late", "since": NOON - 60_000, "passed": false}));
    let render = |post| {
        choose::render(&choose::ChoosePage {
            page: page(),
            snapshot: &snapshot,
            me: &me(),
            mandate: None,
            post: amphi_engine::core::PostNumber(post),
            now: Timestamp(NOON),
            command_id: new_id(),
        })
    };
    let last_seat = render(1).expect("a page");
    assert!(last_seat.contains("Hématologie") && last_seat.contains("mai à octobre 2027"));
    assert!(last_seat.contains("attendra la fin de ce tour") && last_seat.contains("Demander ce poste"));
    assert!(!render(2).expect("a page").contains("id=\"confirmer\""), "a full post cannot be confirmed");
    assert_eq!(render(9), None);
}
