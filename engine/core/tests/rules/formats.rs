//! What travels and what is kept: refusals, live commands and events, as JSON. A change here breaks screens that
//! are open, or journals that are years old.

use amphi_core::{
    CallRank, ChoiceManner, Digest, Event, Ineligibility, LiveCommand, Millis, PostNumber, Rejection,
    ReleasedSeat, SafetyNet, Setup, Timestamp, TurnOutcome,
};
use serde_json::{Value, json};

use crate::asks::{proxy, reason};
use crate::scene::{participant, setup};

const RANK: CallRank = CallRank(4);
const POST: PostNumber = PostNumber(3);

#[test]
fn r3_3_every_refusal_has_a_stable_code_and_one_sentence() {
    let (post, rank) = (POST, RANK);
    let refusals = [
        (Rejection::Forbidden, r#"{"code":"forbidden"}"#),
        (Rejection::NotPublished, r#"{"code":"not_published"}"#),
        (Rejection::AlreadyPublished, r#"{"code":"already_published"}"#),
        (Rejection::NotOpen, r#"{"code":"not_open"}"#),
        (Rejection::AlreadyOpen, r#"{"code":"already_open"}"#),
        (Rejection::Suspended, r#"{"code":"suspended"}"#),
        (Rejection::NotSuspended, r#"{"code":"not_suspended"}"#),
        (Rejection::Over, r#"{"code":"over"}"#),
        (Rejection::TurnsRemain { remaining: 2 }, r#"{"code":"turns_remain","remaining":2}"#),
        (Rejection::NotYourTurn, r#"{"code":"not_your_turn"}"#),
        (Rejection::TurnNotInProgress { rank }, r#"{"code":"turn_not_in_progress","rank":4}"#),
        (Rejection::AlreadyChosen { post }, r#"{"code":"already_chosen","post":3}"#),
        (Rejection::PlacedElsewhere, r#"{"code":"placed_elsewhere"}"#),
        (Rejection::Withdrawn, r#"{"code":"withdrawn"}"#),
        (Rejection::PostTaken { post, by: Some(rank) }, r#"{"code":"post_taken","post":3,"by":4}"#),
        (Rejection::UnknownPost { post }, r#"{"code":"unknown_post","post":3}"#),
        (Rejection::UnknownRank { rank }, r#"{"code":"unknown_rank","rank":4}"#),
        (Rejection::NothingHeld, r#"{"code":"nothing_held"}"#),
        (Rejection::ProxyActive, r#"{"code":"proxy_active"}"#),
        (Rejection::ProxyEnded, r#"{"code":"proxy_ended"}"#),
        (Rejection::ProxyAlreadyGiven, r#"{"code":"proxy_already_given"}"#),
        (Rejection::NoProxy, r#"{"code":"no_proxy"}"#),
        (Rejection::ProxyTooLate, r#"{"code":"proxy_too_late"}"#),
        (Rejection::ProxiesOff, r#"{"code":"proxies_off"}"#),
        (Rejection::DocumentMissing, r#"{"code":"document_missing"}"#),
        (Rejection::SafetyNetOff, r#"{"code":"safety_net_off"}"#),
        (Rejection::WishTwice { post }, r#"{"code":"wish_twice","post":3}"#),
        (Rejection::LateAtEndOnly, r#"{"code":"late_at_end_only"}"#),
        (Rejection::TurnForfeited, r#"{"code":"turn_forfeited"}"#),
        (Rejection::NotSupernumerary, r#"{"code":"not_supernumerary"}"#),
        (Rejection::SupernumeraryTaken { post }, r#"{"code":"supernumerary_taken","post":3}"#),
        (
            Rejection::NoSuchExtension { steps: vec![Millis(60_000)] },
            r#"{"code":"no_such_extension","steps":[60000]}"#,
        ),
        (Rejection::NothingToRewind { to: rank }, r#"{"code":"nothing_to_rewind","to":4}"#),
        (Rejection::NotPlaced { rank }, r#"{"code":"not_placed","rank":4}"#),
        (Rejection::NoExchangeNow, r#"{"code":"no_exchange_now"}"#),
        (Rejection::Ineligible { ranks: vec![rank] }, r#"{"code":"ineligible","ranks":[4]}"#),
        (Rejection::NotIneligible { rank }, r#"{"code":"not_ineligible","rank":4}"#),
        (Rejection::AlreadyListed { rank }, r#"{"code":"already_listed","rank":4}"#),
        (Rejection::NoTurns, r#"{"code":"no_turns"}"#),
        (Rejection::ReasonNeeded, r#"{"code":"reason_needed"}"#),
        (Rejection::UnusableSetup { problem: "x".to_owned() }, r#"{"code":"unusable_setup","problem":"x"}"#),
        (Rejection::CommandIdReused, r#"{"code":"command_id_reused"}"#),
    ];
    for (refusal, json) in refusals {
        assert_eq!(serde_json::to_string(&refusal).unwrap(), json);
        assert_eq!(serde_json::from_str::<Rejection>(json).unwrap(), refusal);
        assert!(!refusal.to_string().is_empty() && !refusal.to_string().contains('\n'));
    }
}

#[test]
fn r3_3_live_commands_read_as_documented_and_refuse_unknown_fields() {
    let reason = || "x".to_owned();
    for (json, command) in [
        (r#"{"action":"choose","post":3}"#, LiveCommand::Choose { post: POST, supernumerary: false }),
        (
            r#"{"action":"choose","post":3,"supernumerary":true}"#,
            LiveCommand::Choose { post: POST, supernumerary: true },
        ),
        (r#"{"action":"exchange","post":3}"#, LiveCommand::Exchange { post: POST }),
        (r#"{"action":"release_held"}"#, LiveCommand::ReleaseHeld),
        (r#"{"action":"pass"}"#, LiveCommand::Pass),
        (
            r#"{"action":"set_wishes","wishes":[3],"safety_net":"if_absent"}"#,
            LiveCommand::SetWishes { wishes: vec![POST], safety_net: SafetyNet::IfAbsent },
        ),
        (r#"{"action":"revoke_proxy"}"#, LiveCommand::RevokeProxy),
        (r#"{"action":"suspend","reason":"x"}"#, LiveCommand::Suspend { reason: reason() }),
        (
            r#"{"action":"explain_suspension","reason":"x"}"#,
            LiveCommand::ExplainSuspension { reason: reason() },
        ),
        (
            r#"{"action":"end_turn","rank":4,"reason":"x"}"#,
            LiveCommand::EndTurn { rank: RANK, reason: reason() },
        ),
        (
            r#"{"action":"extend","rank":4,"by":60000,"reason":"x"}"#,
            LiveCommand::Extend { rank: RANK, by: Millis(60_000), reason: reason() },
        ),
        (
            r#"{"action":"choose_for","rank":4,"post":3,"reason":"x"}"#,
            LiveCommand::ChooseFor { rank: RANK, post: POST, supernumerary: false, reason: reason() },
        ),
        (
            r#"{"action":"annul_choice","rank":4,"reason":"x"}"#,
            LiveCommand::AnnulChoice { rank: RANK, reason: reason() },
        ),
        (r#"{"action":"rewind","to":4,"reason":"x"}"#, LiveCommand::Rewind { to: RANK, reason: reason() }),
        (
            r#"{"action":"assign","rank":4,"post":3,"reason":"x"}"#,
            LiveCommand::Assign { rank: RANK, post: POST, reason: reason() },
        ),
        (
            r#"{"action":"revert_proxy","rank":4,"reason":"x"}"#,
            LiveCommand::RevertProxy { rank: RANK, reason: reason() },
        ),
        (r#"{"action":"admit","rank":4,"reason":"x"}"#, LiveCommand::Admit { rank: RANK, reason: reason() }),
    ] {
        assert_eq!(serde_json::from_str::<LiveCommand>(json).unwrap(), command);
    }
    for json in [
        r#"{"action":"choose"}"#,
        r#"{"action":"choose","post":-1}"#,
        r#"{"action":"choose","post":1,"rank":2}"#,
        r#"{"action":"rewind","to":4}"#,
        r#"{"action":"set_wishes","wishes":[1],"safety_net":"always"}"#,
        r#"{"action":"tick"}"#,
    ] {
        assert!(serde_json::from_str::<LiveCommand>(json).is_err(), "{json}");
    }
}

/// One of each kind, as the journal keeps it. A new kind of event belongs here too.
fn kept() -> Vec<(Event, Value)> {
    let (rank, post, seat, at) = (RANK, POST, Some(2), Timestamp(7));
    let said = || Some(reason());
    vec![
        (Event::Published { planned_at: vec![at] }, json!({"type": "published", "planned_at": [7]})),
        (Event::Opened, json!({"type": "opened"})),
        (Event::TurnOpened { rank, deadline: at }, json!({"type": "turn_opened", "rank": 4, "deadline": 7})),
        (
            Event::TurnExtended { rank, deadline: at, reason: reason() },
            json!({"type": "turn_extended", "rank": 4, "deadline": 7, "reason": "Motif"}),
        ),
        (
            Event::TurnClosed { rank, outcome: TurnOutcome::SafetyNet, reason: None },
            json!({"type": "turn_closed", "rank": 4, "outcome": "safety_net"}),
        ),
        (
            Event::TurnClosed { rank, outcome: TurnOutcome::EndedByAdministrator, reason: said() },
            json!({"type": "turn_closed", "rank": 4, "outcome": "ended_by_administrator", "reason": "Motif"}),
        ),
        (Event::TurnSkipped { rank }, json!({"type": "turn_skipped", "rank": 4})),
        (
            Event::ChoiceCommitted { rank, post, seat, manner: ChoiceManner::LateHeld, reason: None },
            json!({"type": "choice_committed", "rank": 4, "post": 3, "seat": 2, "manner": "late_held"}),
        ),
        (
            Event::ChoiceCommitted { rank, post, seat: None, manner: ChoiceManner::InTurn, reason: said() },
            json!({"type": "choice_committed", "rank": 4, "post": 3, "seat": null, "manner": "in_turn",
                   "reason": "Motif"}),
        ),
        (
            Event::SeatExchanged { rank, from_post: PostNumber(1), from_seat: Some(1), post, seat: 2 },
            json!({"type": "seat_exchanged", "rank": 4, "from_post": 1, "from_seat": 1, "post": 3, "seat": 2}),
        ),
        (
            Event::ChoiceAnnulled { rank, post, seat, reason: reason() },
            json!({"type": "choice_annulled", "rank": 4, "post": 3, "seat": 2, "reason": "Motif"}),
        ),
        (
            Event::Rewound { to: rank, released: vec![ReleasedSeat { rank, post, seat }], reason: reason() },
            json!({"type": "rewound", "to": 4, "released": [{"rank": 4, "post": 3, "seat": 2}],
                   "reason": "Motif"}),
        ),
        (
            Event::ChoiceRestored { rank, post, seat, manner: ChoiceManner::Exchanged },
            json!({"type": "choice_restored", "rank": 4, "post": 3, "seat": 2, "manner": "exchanged"}),
        ),
        (
            Event::ChoiceHeld { rank, post, reason: None },
            json!({"type": "choice_held", "rank": 4, "post": 3}),
        ),
        (
            Event::HeldChoiceRefused { rank, post },
            json!({"type": "held_choice_refused", "rank": 4, "post": 3}),
        ),
        (Event::HeldChoiceReleased { rank }, json!({"type": "held_choice_released", "rank": 4})),
        (Event::Suspended { reason: reason() }, json!({"type": "suspended", "reason": "Motif"})),
        (
            Event::SuspensionExplained { reason: reason() },
            json!({"type": "suspension_explained", "reason": "Motif"}),
        ),
        (Event::Resumed { deadline: Some(at) }, json!({"type": "resumed", "deadline": 7})),
        (
            Event::ServiceInterrupted { down_since: at, deadline: None },
            json!({"type": "service_interrupted", "down_since": 7, "deadline": null}),
        ),
        (Event::PlacedElsewhere { rank }, json!({"type": "placed_elsewhere", "rank": 4})),
        (Event::NoLongerPlacedElsewhere { rank }, json!({"type": "no_longer_placed_elsewhere", "rank": 4})),
        (
            Event::EligibilityChecked { found: vec![(rank, Ineligibility::TrainingEnded)] },
            json!({"type": "eligibility_checked", "found": [[4, "training_ended"]]}),
        ),
        (
            Event::Admitted { rank, reason: reason() },
            json!({"type": "admitted", "rank": 4, "reason": "Motif"}),
        ),
        (
            Event::ProxyGiven { rank, proxy: proxy(4) },
            json!({"type": "proxy_given", "rank": 4, "proxy": proxy(4)}),
        ),
        (
            Event::ProxyDocumentFiled { rank, proxy: proxy(4), document: Digest([0xab; 32]) },
            json!({"type": "proxy_document_filed", "rank": 4, "proxy": proxy(4), "document": "ab".repeat(32)}),
        ),
        (
            Event::ProxyRevoked { rank, proxy: proxy(4), reason: None },
            json!({"type": "proxy_revoked", "rank": 4, "proxy": proxy(4)}),
        ),
        (
            Event::WishesSet { rank, version: 2, wishes: vec![post], safety_net: SafetyNet::AtExpiry },
            json!({"type": "wishes_set", "rank": 4, "version": 2, "wishes": [3], "safety_net": "at_expiry"}),
        ),
        (
            Event::Withdrawn { rank, reason: reason() },
            json!({"type": "withdrawn", "rank": 4, "reason": "Motif"}),
        ),
        (Event::Closed { unplaced: vec![rank] }, json!({"type": "closed", "unplaced": [4]})),
        (Event::Annulled { reason: reason() }, json!({"type": "annulled", "reason": "Motif"})),
    ]
}

#[test]
fn p8_every_kind_of_event_is_kept_as_documented() {
    for (event, json) in kept() {
        assert_eq!(serde_json::to_value(&event).unwrap(), json);
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
    }
    let drafted = Event::Drafted { setup: Box::new(setup(2, &[3])) };
    let added = Event::ParticipantAdded {
        participant: Box::new(participant(3)),
        planned_at: Some(Timestamp(7)),
        reason: reason(),
    };
    for (event, kind) in [(drafted, "drafted"), (added, "participant_added")] {
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["type"], kind);
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
    }
}

#[test]
fn p8_journals_from_before_rounds_and_policies_still_read() {
    let setup = setup(1, &[2]);
    let mut old = serde_json::to_value(&setup).unwrap();
    let fields = old.as_object_mut().unwrap();
    assert!(fields.remove("round").is_some() && fields.remove("policies").is_some());
    assert!(old["participants"][0].get("supernumerary").is_none());
    assert_eq!(serde_json::from_value::<Setup>(old).unwrap(), setup);
}

#[test]
fn p8_a_digest_is_64_hexadecimal_digits() {
    for bad in ["", "ab", &"ab".repeat(33), &"xy".repeat(32), &"é".repeat(32), &"+1".repeat(32)] {
        assert!(Digest::try_from((*bad).to_owned()).is_err(), "{bad}");
    }
    assert_eq!(String::from(Digest::try_from("0f".repeat(32)).unwrap()), "0f".repeat(32));
}
