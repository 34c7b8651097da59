//! Every refusal has its three sentences, every time its form, every phrase used is there.

use amphi_engine::core::call_list::{DecidedBy, RankBasis, Seniority};
use amphi_engine::core::policies::LatePolicy;
use amphi_engine::core::{CallRank, Millis, Period, PostNumber, Rejection, Timestamp};

use super::*;

fn every_rejection() -> Vec<Rejection> {
    let (post, rank) = (PostNumber(4), CallRank(12));
    vec![
        Rejection::Forbidden,
        Rejection::NotPublished,
        Rejection::AlreadyPublished,
        Rejection::NotOpen,
        Rejection::AlreadyOpen,
        Rejection::Suspended,
        Rejection::NotSuspended,
        Rejection::Over,
        Rejection::TurnsRemain { remaining: 3 },
        Rejection::NotYourTurn,
        Rejection::TurnNotInProgress { rank },
        Rejection::AlreadyChosen { post },
        Rejection::PlacedElsewhere,
        Rejection::Withdrawn,
        Rejection::PostTaken { post, by: Some(rank) },
        Rejection::PostTaken { post, by: None },
        Rejection::UnknownPost { post },
        Rejection::UnknownRank { rank },
        Rejection::NothingHeld,
        Rejection::ReasonNeeded,
        Rejection::UnusableSetup { problem: "vide".to_owned() },
        Rejection::CommandIdReused,
        Rejection::ProxyActive,
        Rejection::ProxyEnded,
        Rejection::ProxyAlreadyGiven,
        Rejection::NoProxy,
        Rejection::ProxyTooLate,
        Rejection::ProxiesOff,
        Rejection::DocumentMissing,
        Rejection::SafetyNetOff,
        Rejection::WishTwice { post },
        Rejection::LateAtEndOnly,
        Rejection::TurnForfeited,
        Rejection::NotSupernumerary,
        Rejection::SupernumeraryTaken { post },
        Rejection::NoSuchExtension { steps: vec![Millis::from_minutes(1), Millis::from_minutes(5)] },
        Rejection::NothingToRewind { to: rank },
        Rejection::NotPlaced { rank },
        Rejection::NoExchangeNow,
        Rejection::Ineligible { ranks: vec![rank] },
        Rejection::NotIneligible { rank },
        Rejection::AlreadyListed { rank },
        Rejection::NoTurns,
    ]
}

/// The codes of refusals in the wire's schema: what there is, whatever the list above says.
fn codes_on_the_wire() -> std::collections::BTreeSet<String> {
    fn collect(schema: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
        match schema {
            serde_json::Value::Object(fields) => {
                let code =
                    fields.get("properties").and_then(|properties| properties["code"]["const"].as_str());
                found.extend(code.map(str::to_owned));
                fields.values().for_each(|value| collect(value, found));
            }
            serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let schema = include_str!("../../../../engine/protocol.schema.json");
    let mut found = std::collections::BTreeSet::new();
    collect(&serde_json::from_str(schema).expect("the schema is JSON"), &mut found);
    found
}

#[test]
fn every_refusal_of_the_wire_is_said() {
    let said = every_rejection().iter().map(|rejection| code_of(rejection).to_owned()).collect();
    assert_eq!(codes_on_the_wire(), said);
}

#[test]
fn every_refusal_says_what_happened_what_is_still_true_and_what_to_do() {
    for rejection in every_rejection() {
        for audience in [Audience::Intern, Audience::Administrator] {
            let said = refusal(&rejection, audience, None);
            for sentence in [&said.what, &said.still_true, &said.what_to_do] {
                assert!(sentence.ends_with('.') || sentence.ends_with("vide"), "{rejection:?}: {sentence:?}");
                assert!(!sentence.contains(['{', '!']), "{rejection:?}: {sentence:?}");
            }
        }
    }
}

#[test]
fn the_code_is_the_one_on_the_wire_and_comes_back() {
    for rejection in every_rejection() {
        let wire = serde_json::to_value(&rejection).expect("a rejection is JSON");
        assert_eq!(wire["code"], code_of(&rejection));
        let back = rejection_from_code(code_of(&rejection), Some(4), Some(12)).expect("a known code");
        assert_eq!(code_of(&back), code_of(&rejection));
    }
    assert_eq!(rejection_from_code("perhaps", None, None), None);
}

#[test]
fn a_post_taken_names_who_took_it() {
    let taken = Rejection::PostTaken { post: PostNumber(4), by: Some(CallRank(12)) };
    assert!(refusal(&taken, Audience::Intern, None).what.contains("rang 12"));
}

#[test]
fn singular_and_plural_follow_the_number() {
    let places = |n: u16| say("poste.places", &[("n", Cow::from(n.to_string())), ("total", Cow::from("4"))]);
    assert_eq!(places(0), "0 place sur 4");
    assert_eq!(places(1), "1 place sur 4");
    assert_eq!(places(2), "2 places sur 4");
}

fn at(text: &str) -> Timestamp {
    Timestamp(chrono::DateTime::parse_from_rfc3339(text).expect("an instant").timestamp_millis())
}

/// What depends on the late policy has a form for each, and the policy's word is that of the wire.
#[test]
fn r3_6_what_is_promised_to_the_late_is_said_for_every_policy() {
    let policies =
        [LatePolicy::Now, LatePolicy::AfterCurrentTurn, LatePolicy::EndOfSession, LatePolicy::Forfeit];
    let keys = [
        "tour.tour.conseil",
        "passer.consequence",
        "annonce.retard",
        "tour.retard.detail",
        "tour.suspendu.retard",
        "defait.late",
        "refus.turn_not_in_progress.faire",
    ];
    assert_eq!(late::LATE.len(), policies.len() * keys.len());
    for policy in policies {
        assert_eq!(serde_json::to_value(policy).expect("a word"), late_code(policy));
        for key in keys {
            let said = say_by_late(key, policy);
            assert!(said.ends_with('.') && !said.starts_with(key), "{key}: {said}");
            assert_eq!(said.contains("se rattrape pas"), policy == LatePolicy::Forfeit, "{key}: {said}");
            assert_eq!(said.contains("après le dernier tour"), policy == LatePolicy::EndOfSession, "{said}");
        }
    }
}

fn spaced(text: &str) -> String {
    text.replace('\u{a0}', " ")
}

#[test]
fn times_are_said_in_the_zone_of_the_amphi() {
    let instant = at("2027-03-29T07:00:00Z");
    let said = |zone: &str| spaced(&Zone::named(zone).full(instant));
    assert_eq!(said("Europe/Paris"), "lundi 29 mars à 9 h 00 (heure de Paris)");
    assert_eq!(said("Indian/Reunion"), "lundi 29 mars à 11 h 00 (heure de La Réunion)");
    assert_eq!(said("Pacific/Tahiti"), "dimanche 28 mars à 21 h 00 (heure de Tahiti)");
    assert_eq!(said("America/Puerto_Rico"), "lundi 29 mars à 3 h 00 (heure de Puerto Rico)");
    assert_eq!(said("Mars/Olympus"), "lundi 29 mars à 7 h 00 (temps universel)");
}

#[test]
fn the_clock_change_moves_paris_and_not_the_island() {
    let (before, after) = (at("2027-03-28T00:30:00Z"), at("2027-03-28T01:30:00Z"));
    let paris = Zone::named("Europe/Paris");
    assert_eq!((spaced(&paris.time(before)), spaced(&paris.time(after))), ("1 h 30".into(), "3 h 30".into()));
    let reunion = Zone::named("Indian/Reunion");
    assert_eq!(
        (spaced(&reunion.time(before)), spaced(&reunion.time(after))),
        ("4 h 30".into(), "5 h 30".into())
    );
    assert_eq!(paris.machine(after), "2027-03-28T03:30:00+02:00");
}

#[test]
fn the_hour_that_happens_twice_says_which_one_it_is() {
    let paris = Zone::named("Europe/Paris");
    let (first, second) = (at("2027-10-31T00:30:00Z"), at("2027-10-31T01:30:00Z"));
    assert_eq!(spaced(&paris.time(first)), "2 h 30 (UTC+02:00)");
    assert_eq!(spaced(&paris.full(second)), "dimanche 31 octobre à 2 h 30 (UTC+01:00, heure de Paris)");
    assert_eq!(spaced(&paris.time(at("2027-10-31T02:00:00Z"))), "3 h 00");
    // Saint-Pierre goes back a week later.
    let miquelon = Zone::named("America/Miquelon");
    assert_eq!(spaced(&miquelon.time(at("2027-11-07T03:30:00Z"))), "1 h 30 (UTC-02:00)");
    assert_eq!(spaced(&miquelon.time(at("2027-11-07T04:30:00Z"))), "1 h 30 (UTC-03:00)");
    assert_eq!(spaced(&miquelon.time(first)), "22 h 30");
}

#[test]
fn another_day_is_named() {
    let paris = Zone::named("Europe/Paris");
    let now = at("2027-03-29T22:30:00Z");
    assert_eq!(spaced(&paris.moment(at("2027-03-29T21:59:00Z"), now)), "lundi 29 mars à 23 h 59");
    assert_eq!(spaced(&paris.moment(at("2027-03-30T07:04:00Z"), now)), "9 h 04");
    assert_eq!(spaced(&paris.day(at("2027-04-01T10:00:00Z"))), "jeudi 1er avril");
}

#[test]
fn a_moment_within_a_sentence_opens_with_the_hour_or_with_the_day() {
    let paris = Zone::named("Europe/Paris");
    let now = at("2027-03-29T22:30:00Z");
    let said = |text: &str| spaced(&paris.when(at(text), now));
    assert_eq!(said("2027-03-30T07:04:00Z"), "à 9 h 04");
    assert_eq!(said("2027-03-29T21:59:00Z"), "le lundi 29 mars à 23 h 59");
    assert_eq!(said("2027-03-31T22:00:00Z"), "le jeudi 1er avril à 0 h 00");
    // `{quand}` brings its own opening.
    let filled = phrases().filter(|(_, text)| text.contains("{quand}"));
    assert!(filled.inspect(|(key, text)| assert!(!text.contains("à {quand}"), "{key}")).count() >= 8);
}

#[test]
fn durations_and_countdowns() {
    let said = |ms: i64| spaced(&duration(Millis(ms)));
    assert_eq!(said(-5), "0 s");
    assert_eq!(said(45_900), "45 s");
    assert_eq!(said(150_000), "2 min 30 s");
    assert_eq!(said(180_000), "3 min");
    assert_eq!(said(754_000), "12 min");
    assert_eq!(said(3_900_000), "1 h 05 min");
    assert_eq!(countdown(Millis(167_001)), "2:48");
    assert_eq!(countdown(Millis(1)), "0:01");
    assert_eq!(countdown(Millis(0)), "0:00");
    assert_eq!(countdown(Millis(-3)), "0:00");
}

#[test]
fn a_rank_is_explained() {
    let seniority = Seniority {
        validated_semesters: 7,
        competition_year: 2022,
        national_rank: 3_070,
        cohort_size: 9_024,
    };
    let computed = RankBasis::Computed { seniority: seniority.clone(), decided_by: DecidedBy::RelativeRank };
    let said = rank_explanation(&computed);
    assert_eq!(
        said[0].replace('\u{202f}', " "),
        "7 semestres validés, rang 3 070 sur 9 024 au concours de 2022."
    );
    assert!(said[1].contains("départagé"));
    assert_eq!(rank_explanation(&RankBasis::Imported { seniority }).len(), 2);
    assert_eq!(thousands(12), "12");
    assert_eq!(thousands(1_234_567), "1\u{202f}234\u{202f}567");
}

#[test]
fn a_period_is_said() {
    let said = |text: &str| period(Period::try_from(text.to_owned()).expect("a period"));
    assert_eq!(said("2027-05"), "mai à octobre 2027");
    assert_eq!(said("2026-11"), "novembre 2026 à avril 2027");
}

#[test]
fn no_key_twice_and_no_exclamation() {
    let mut seen = std::collections::BTreeSet::new();
    for (key, text) in phrases() {
        assert!(seen.insert(key), "{key} twice");
        assert!(!text.contains('!') && !text.contains('\''), "{key}: {text}");
    }
}

/// Every `say('key'` of the modules and `say("key"` of the pages is in the dictionary.
#[test]
fn every_phrase_used_exists() {
    let sources = [
        include_str!("../../../assets/intern.js"),
        include_str!("../../../assets/panel.js"),
        include_str!("../../../assets/amphi.js"),
        include_str!("../../../assets/posts.js"),
        include_str!("../../../assets/wishes.js"),
        include_str!("../../../assets/confirm.js"),
        include_str!("../../../assets/connection.js"),
        include_str!("../../../assets/control.js"),
        include_str!("../../../assets/acts.js"),
        include_str!("../../../assets/table.js"),
        include_str!("../../../assets/screen.js"),
        include_str!("../../../assets/words.js"),
        include_str!("../panel.rs"),
        include_str!("../facts.rs"),
        include_str!("../intern.rs"),
        include_str!("../choose.rs"),
        include_str!("../wishes.rs"),
        include_str!("../control/mod.rs"),
        include_str!("../screen.rs"),
        include_str!("../flash.rs"),
        include_str!("rank.rs"),
    ];
    let mut checked = 0;
    for source in sources {
        for opening in ["say('", "say(\"", "say(\n            \"", "say(\n        \""] {
            for (_, after) in source.match_indices(opening).map(|(at, _)| (at, &source[at + opening.len()..]))
            {
                let key = after.split(['\'', '"']).next().unwrap_or_default();
                assert!(template(key).is_some(), "no phrase {key:?}");
                checked += 1;
            }
        }
    }
    assert!(checked > 60, "the search still finds what it is for ({checked})");
}
