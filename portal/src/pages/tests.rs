//! Pages are complete without JavaScript, and nothing of a person's text becomes markup.

use amphi_engine::core::policies::LatePolicy;
use amphi_engine::core::{CommandId, Millis, Rejection, Snapshot, Standing, Status, Timestamp};
use amphi_engine::protocol::{Me, Position};
use serde_json::json;

use super::*;

#[path = "../../tests/portal/french_days.rs"]
mod french_days;

const NOON: i64 = 1_806_314_400_000; // 2027-03-29T10:00:00Z, noon in Paris
const DAY: i64 = 24 * 3_600_000;
/// The browser's module is held against the same cases (`tests/forecast_js.rs` of the root).
const LATE_CASES: &str = include_str!("../../tests/late_vectors.json");

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

/// The same, with a choice of theirs undone.
fn me_undone_at(at: i64) -> Me {
    let undone = json!({"post": 1, "reason": "Erreur de saisie", "at": at});
    Me { undone: Some(serde_json::from_value(undone).expect("an undone choice as on the wire")), ..me() }
}

fn new_id() -> CommandId {
    serde_json::from_value(json!("01934e5a-7b00-7000-8000-0000000000ff")).expect("an id")
}

fn intern_page(snapshot: &Snapshot, flash: Option<Flash>, filter: PostFilter) -> String {
    let expected = Timestamp(NOON) + Millis(180_000);
    page_expecting(&me(), expected, Timestamp(NOON), snapshot, flash, filter)
}

fn page_expecting(
    me: &Me,
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
        me,
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
        let filter = PostFilter::default();
        let html = page_expecting(&me(), nine.instant(), a_day_before, &snapshot, None, filter);
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
    suspended.now.status = Status::Suspended { reason: "Panne".into(), since: Timestamp(NOON) };
    let html = intern_page(&suspended, None, PostFilter::default());
    assert!(html.contains("data-etat=\"suspendu\"") && html.contains("Depuis 12 h 00. Motif : Panne"));
}

/// What a page shows of `me`: without the phrases that its modules have at hand.
fn shown(me: &Me, snapshot: &Snapshot, flash: Option<Flash>) -> String {
    let page = page_expecting(me, Timestamp(NOON), Timestamp(NOON), snapshot, flash, PostFilter::default());
    page.split("<script type=\"application/json\"").next().unwrap_or_default().to_owned()
}

fn with_late_policy(late: LatePolicy, mine: serde_json::Value) -> Snapshot {
    let mut snapshot = snapshot(mine);
    snapshot.policies.late = late;
    snapshot.policies.safety_net = true;
    snapshot
}

/// Of each late policy: in turn, what comes after it, what passing costs, what happens without a net; then of
/// whoever is late, of whoever is while the session is suspended, and of an act that came after the turn.
const PROMISES: [(LatePolicy, [&str; 6]); 4] = [
    (
        LatePolicy::Now,
        [
            "Ensuite, vous pourrez encore choisir parmi ce qui reste, sans le bénéfice de votre rang.",
            "Vous pourrez encore choisir ensuite, parmi les postes restants, sans le bénéfice de votre rang.",
            "vous choisissez ensuite parmi ce qui reste.",
            "Vous pouvez encore choisir, parmi les postes qui restent à cet instant",
            "parmi les postes restants dès la reprise",
            "passé, choisissez parmi les postes qui restent.",
        ],
    ),
    (
        LatePolicy::AfterCurrentTurn,
        [
            "parmi ce qui reste, sans le bénéfice de votre rang ; votre choix attendra la fin du tour",
            "parmi les postes restants, sans le bénéfice de votre rang ; votre choix attendra la fin",
            "vous choisissez ensuite parmi ce qui reste ; votre choix attend la fin du tour",
            "parmi les postes qui restent, sans le bénéfice de votre rang ; votre choix attendra la fin",
            "dès la reprise, et votre choix attendra la fin du tour",
            "passé, choisissez parmi les postes qui restent ; votre choix attendra",
        ],
    ),
    (
        LatePolicy::EndOfSession,
        [
            "Ensuite, vous ne pourrez choisir qu’après le dernier tour",
            "Vous ne pourrez choisir qu’après le dernier tour",
            "vous choisissez après le dernier tour",
            "on choisit en retard après le dernier tour seulement",
            "passé ; vous pourrez choisir après le dernier tour",
            "passé, vous pourrez choisir après le dernier tour",
        ],
    ),
    (
        LatePolicy::Forfeit,
        [
            "Ensuite, vous ne pourrez plus choisir : dans cette séance",
            "Vous ne pourrez plus choisir : dans cette séance",
            "sans choix, vous ne pourrez plus choisir : dans cette séance",
            "Dans cette séance, un tour passé ne se rattrape pas. Appelez",
            "passé ; dans cette séance, il ne se rattrape pas. Appelez",
            "passé, il ne se rattrape pas dans cette séance",
        ],
    ),
];

/// The pages of [`PROMISES`], in the same order.
fn promising_pages(policy: LatePolicy) -> [String; 6] {
    let mut in_turn = with_late_policy(policy, json!({"standing": "in_turn"}));
    in_turn.now.turn.as_mut().expect("a turn").rank = CallRank(2);
    let late = with_late_policy(policy, json!({"standing": "late", "since": NOON - 60_000, "passed": false}));
    let mut suspended = late.clone();
    suspended.now.status = Status::Suspended { reason: "Panne".into(), since: Timestamp(NOON) };
    let too_late = Flash::from_query("refus-turn_not_in_progress", None, Some(2));
    let in_turn = shown(&me(), &in_turn, None);
    [
        in_turn.clone(),
        in_turn.clone(),
        in_turn,
        shown(&me(), &late, None),
        shown(&me(), &suspended, None),
        shown(&me(), &late, too_late),
    ]
}

#[test]
fn r3_6_pages_promise_what_the_late_policy_gives_and_nothing_else() {
    for (policy, _) in PROMISES {
        let pages = promising_pages(policy);
        for (other, sentences) in PROMISES {
            for (page, sentence) in pages.iter().zip(sentences) {
                assert_eq!(page.contains(sentence), other == policy, "{policy:?}: {sentence}: {page}");
            }
        }
        let may = matches!(policy, LatePolicy::Now | LatePolicy::AfterCurrentTurn);
        assert_eq!(pages[3].contains("data-choix=\"oui\""), may, "{policy:?}");
    }
    for page in promising_pages(LatePolicy::Forfeit) {
        for promise in ["encore choisir", "pourrez choisir", "choisissez ensuite", "choisissez parmi"] {
            assert!(!page.contains(promise), "{promise}: {page}");
        }
    }
}

#[test]
fn r3_6_r3_7_under_forfeit_a_choice_undone_is_made_again_and_a_turn_let_go_by_is_lost() {
    let since = NOON - 60_000;
    let late = json!({"standing": "late", "since": since, "passed": false});
    let snapshot = with_late_policy(LatePolicy::Forfeit, late);
    let undone = me_undone_at(since);
    let again = shown(&undone, &snapshot, None);
    for expected in ["data-choix=\"oui\"", "Choisissez dès maintenant", "Vous pouvez encore choisir"] {
        assert!(again.contains(expected), "{expected} is missing: {again}");
    }
    assert!(!again.contains("Il s’est terminé"), "that turn ended with a choice: {again}");
    let confirmation = choose::render(&choose::ChoosePage {
        page: page(),
        snapshot: &snapshot,
        me: &undone,
        mandate: None,
        post: amphi_engine::core::PostNumber(1),
        now: Timestamp(NOON),
        command_id: new_id(),
    });
    assert!(confirmation.expect("a page").contains("id=\"confirmer\""));

    // Undone by a rewind, called again, and let go by.
    let lost = shown(&me_undone_at(since - 60_000), &snapshot, None);
    for expected in ["data-choix=\"non\"", "appelé de nouveau depuis", "ne se rattrape pas. Appelez"] {
        assert!(lost.contains(expected), "{expected} is missing: {lost}");
    }
    assert!(!lost.contains("Choisissez dès maintenant") && !lost.contains("encore choisir"), "{lost}");
}

#[test]
fn r3_6_who_is_late_may_choose_as_it_was_written_down() {
    let cases: Vec<serde_json::Value> = serde_json::from_str(LATE_CASES).expect("a list");
    assert!(cases.len() >= 9, "only {} cases", cases.len());
    for case in cases {
        let mut snapshot = snapshot(json!({"standing": "late", "since": case["since"], "passed": false}));
        snapshot.policies.late = serde_json::from_value(case["late"].clone()).expect("a policy");
        if case["turns_over"] == true {
            snapshot.now.turn = None;
            snapshot.participants[0].standing = Standing::Withdrawn;
        }
        let me = case["undone_at"].as_i64().map_or_else(me, me_undone_at);
        let who = facts::Who { me: &me, mandate: None };
        assert_eq!(case["rule"], wording::late_code(facts::late_rule(&snapshot, who)), "{case}");
        assert_eq!(case["choosing"], facts::choosing(&snapshot, who).code(), "{case}");
    }
}

fn placed(seat: Option<u16>, manner: &str) -> serde_json::Value {
    json!({"standing": "placed", "post": 1, "seat": seat, "at": NOON, "manner": manner})
}

#[test]
fn time_what_was_on_another_day_is_said_with_its_day() {
    let wishes = json!({"amphi": "01934e5a-7b00-7000-8000-000000000001", "rank": 2, "version": 2, "wishes": [1],
        "safety_net": "at_expiry", "at": NOON, "seq": 40, "hash": "00"});
    let wishes = serde_json::from_value(wishes).expect("wishes as on the wire");
    let me = Me { wishes: Some(wishes), ..me_undone_at(NOON - 60_000) };
    let late = |passed: bool| json!({"standing": "late", "since": NOON, "passed": passed});
    let said = [
        (placed(Some(1), "in_turn"), "Choix définitif, enregistré", "12 h 00 (pendant le tour)."),
        (placed(None, "in_turn"), "Choix définitif en surnombre, enregistré", "12 h 00 (pendant le tour)."),
        (placed(Some(1), "safety_net"), "le premier encore libre,", "12 h 00. Ce choix est définitif."),
        (late(false), "Il s’est terminé", "12 h 00 sans choix."),
        (late(true), "Il a pris fin", "12 h 00, avant la fin du temps, sans choix."),
        (late(true), "L’administration l’a défait", "11 h 59. Motif"),
        (late(true), "Version 2 enregistrée", "12 h 00."),
    ];
    let at = |expected: i64, now: i64, snapshot: &Snapshot| {
        page_expecting(&me, Timestamp(expected), Timestamp(now), snapshot, None, PostFilter::default())
    };
    for (mine, before, after) in said {
        for (now, opening) in [(NOON, "à"), (NOON + DAY, "le lundi 29 mars à")] {
            let expected = format!("{before} {opening} {after}");
            let page = at(NOON, now, &snapshot(mine.clone()));
            assert!(page.contains(&expected), "{expected} is missing: {page}");
        }
    }
    let mut suspended = snapshot(json!({"standing": "waiting"}));
    suspended.now.status = Status::Suspended { reason: "Panne".into(), since: Timestamp(NOON) };
    for (expected, said) in [(NOON, "à 12 h 00."), (NOON + DAY, "le mardi 30 mars à 12 h 00.")] {
        let page = at(expected, NOON, &suspended);
        assert!(page.contains(&format!("vous passeriez {said}")), "{said} is missing: {page}");
    }
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
