//! Refusals in three sentences: what happened, what is still true, what to do now.

use std::borrow::Cow;

use amphi_engine::core::{CallRank, PostNumber, Rejection, Snapshot, Standing};

use super::{duration, late_code, say, template};

/// Who reads the refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// An intern, about themselves.
    Intern,
    /// An administrator, about somebody.
    Administrator,
}

/// A refusal, said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What happened.
    pub what: String,
    /// What is still true.
    pub still_true: String,
    /// What to do now.
    pub what_to_do: String,
}

/// The three sentences of `rejection`; posts are named when a snapshot is at hand.
pub fn refusal(rejection: &Rejection, audience: Audience, snapshot: Option<&Snapshot>) -> Refusal {
    let code = code_of(rejection);
    let mut args: Vec<(&str, Cow<'_, str>)> = Vec::new();
    let mut variant = "";
    match rejection {
        Rejection::TurnsRemain { remaining } => args.push(("n", Cow::from(remaining.to_string()))),
        // What may still be done depends on the late policy.
        Rejection::TurnNotInProgress { rank } => {
            args.push(("rang", Cow::from(rank.to_string())));
            variant = snapshot.map_or("", |snapshot| late_code(snapshot.policies.late));
        }
        Rejection::UnknownRank { rank }
        | Rejection::NothingToRewind { to: rank }
        | Rejection::NotPlaced { rank }
        | Rejection::NotIneligible { rank }
        | Rejection::AlreadyListed { rank } => {
            args.push(("rang", Cow::from(rank.to_string())));
        }
        Rejection::AlreadyChosen { post }
        | Rejection::UnknownPost { post }
        | Rejection::WishTwice { post }
        | Rejection::SupernumeraryTaken { post } => {
            args.push(("poste", Cow::from(post_label(*post, snapshot))));
        }
        Rejection::PostTaken { post, by } => {
            args.push(("poste", Cow::from(post_label(*post, snapshot))));
            match by.or_else(|| snapshot.and_then(|snapshot| last_taker(*post, snapshot))) {
                Some(rank) => args.push(("rang", Cow::from(rank.to_string()))),
                None => variant = "inconnu",
            }
        }
        Rejection::NoSuchExtension { steps } => {
            let said: Vec<String> = steps.iter().map(|step| duration(*step)).collect();
            args.push(("durees", Cow::from(said.join(", "))));
        }
        Rejection::Ineligible { ranks } => {
            let said: Vec<String> = ranks.iter().map(ToString::to_string).collect();
            args.push(("rangs", Cow::from(said.join(", "))));
        }
        Rejection::UnusableSetup { problem } => args.push(("probleme", Cow::from(problem.clone()))),
        _ => {}
    }
    let sentence = |part: &str| {
        let plain = format!("refus.{code}.{part}");
        let candidates = [
            (audience == Audience::Administrator).then(|| format!("refus.regie.{code}.{part}")),
            (!variant.is_empty()).then(|| format!("{plain}.{variant}")),
            Some(plain),
        ];
        let key = candidates.into_iter().flatten().find(|key| template(key).is_some());
        key.map_or_else(String::new, |key| say(&key, &args))
    };
    Refusal { what: sentence("quoi"), still_true: sentence("reste"), what_to_do: sentence("faire") }
}

/// The stable code of a rejection, as on the wire.
pub fn code_of(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::Forbidden => "forbidden",
        Rejection::NotPublished => "not_published",
        Rejection::AlreadyPublished => "already_published",
        Rejection::NotOpen => "not_open",
        Rejection::AlreadyOpen => "already_open",
        Rejection::Suspended => "suspended",
        Rejection::NotSuspended => "not_suspended",
        Rejection::Over => "over",
        Rejection::TurnsRemain { .. } => "turns_remain",
        Rejection::NotYourTurn => "not_your_turn",
        Rejection::TurnNotInProgress { .. } => "turn_not_in_progress",
        Rejection::AlreadyChosen { .. } => "already_chosen",
        Rejection::PlacedElsewhere => "placed_elsewhere",
        Rejection::Withdrawn => "withdrawn",
        Rejection::PostTaken { .. } => "post_taken",
        Rejection::UnknownPost { .. } => "unknown_post",
        Rejection::UnknownRank { .. } => "unknown_rank",
        Rejection::NothingHeld => "nothing_held",
        Rejection::ReasonNeeded => "reason_needed",
        Rejection::UnusableSetup { .. } => "unusable_setup",
        Rejection::ProxyActive => "proxy_active",
        Rejection::ProxyEnded => "proxy_ended",
        Rejection::ProxyAlreadyGiven => "proxy_already_given",
        Rejection::NoProxy => "no_proxy",
        Rejection::ProxyTooLate => "proxy_too_late",
        Rejection::ProxiesOff => "proxies_off",
        Rejection::DocumentMissing => "document_missing",
        Rejection::SafetyNetOff => "safety_net_off",
        Rejection::WishTwice { .. } => "wish_twice",
        Rejection::LateAtEndOnly => "late_at_end_only",
        Rejection::TurnForfeited => "turn_forfeited",
        Rejection::NotSupernumerary => "not_supernumerary",
        Rejection::SupernumeraryTaken { .. } => "supernumerary_taken",
        Rejection::NoSuchExtension { .. } => "no_such_extension",
        Rejection::NothingToRewind { .. } => "nothing_to_rewind",
        Rejection::NotPlaced { .. } => "not_placed",
        Rejection::NoExchangeNow => "no_exchange_now",
        Rejection::Ineligible { .. } => "ineligible",
        Rejection::NotIneligible { .. } => "not_ineligible",
        Rejection::AlreadyListed { .. } => "already_listed",
        Rejection::NoTurns => "no_turns",
        Rejection::CommandIdReused => "command_id_reused",
    }
}

/// The rejection of which only the code, a post and a rank came back in an address (forms without
/// JavaScript); what is missing is taken from the snapshot or left unsaid.
pub fn rejection_from_code(code: &str, post: Option<u16>, rank: Option<u16>) -> Option<Rejection> {
    let post = PostNumber(post.unwrap_or(0));
    let rank = CallRank(rank.unwrap_or(0));
    Some(match code {
        "forbidden" => Rejection::Forbidden,
        "not_published" => Rejection::NotPublished,
        "already_published" => Rejection::AlreadyPublished,
        "not_open" => Rejection::NotOpen,
        "already_open" => Rejection::AlreadyOpen,
        "suspended" => Rejection::Suspended,
        "not_suspended" => Rejection::NotSuspended,
        "over" => Rejection::Over,
        "turns_remain" => Rejection::TurnsRemain { remaining: rank.0 },
        "not_your_turn" => Rejection::NotYourTurn,
        "turn_not_in_progress" => Rejection::TurnNotInProgress { rank },
        "already_chosen" => Rejection::AlreadyChosen { post },
        "placed_elsewhere" => Rejection::PlacedElsewhere,
        "withdrawn" => Rejection::Withdrawn,
        "post_taken" => Rejection::PostTaken { post, by: None },
        "unknown_post" => Rejection::UnknownPost { post },
        "unknown_rank" => Rejection::UnknownRank { rank },
        "nothing_held" => Rejection::NothingHeld,
        "reason_needed" => Rejection::ReasonNeeded,
        "unusable_setup" => Rejection::UnusableSetup { problem: String::new() },
        "proxy_active" => Rejection::ProxyActive,
        "proxy_ended" => Rejection::ProxyEnded,
        "proxy_already_given" => Rejection::ProxyAlreadyGiven,
        "no_proxy" => Rejection::NoProxy,
        "proxy_too_late" => Rejection::ProxyTooLate,
        "proxies_off" => Rejection::ProxiesOff,
        "document_missing" => Rejection::DocumentMissing,
        "safety_net_off" => Rejection::SafetyNetOff,
        "wish_twice" => Rejection::WishTwice { post },
        "late_at_end_only" => Rejection::LateAtEndOnly,
        "turn_forfeited" => Rejection::TurnForfeited,
        "not_supernumerary" => Rejection::NotSupernumerary,
        "supernumerary_taken" => Rejection::SupernumeraryTaken { post },
        "no_such_extension" => Rejection::NoSuchExtension { steps: Vec::new() },
        "nothing_to_rewind" => Rejection::NothingToRewind { to: rank },
        "not_placed" => Rejection::NotPlaced { rank },
        "no_exchange_now" => Rejection::NoExchangeNow,
        "ineligible" => Rejection::Ineligible { ranks: Vec::new() },
        "not_ineligible" => Rejection::NotIneligible { rank },
        "already_listed" => Rejection::AlreadyListed { rank },
        "no_turns" => Rejection::NoTurns,
        "command_id_reused" => Rejection::CommandIdReused,
        _ => return None,
    })
}

fn post_label(post: PostNumber, snapshot: Option<&Snapshot>) -> String {
    match snapshot.and_then(|snapshot| snapshot.posts.get(post.index())) {
        Some(view) => format!("{}, {}", view.post.establishment, view.post.service),
        None => say("poste.numero", &[("n", Cow::from(post.to_string()))]),
    }
}

fn last_taker(post: PostNumber, snapshot: &Snapshot) -> Option<CallRank> {
    snapshot
        .participants
        .iter()
        .filter_map(|participant| match participant.standing {
            Standing::Placed { post: taken, at, .. } if taken == post => Some((at, participant.rank)),
            _ => None,
        })
        .max()
        .map(|(_, rank)| rank)
}
