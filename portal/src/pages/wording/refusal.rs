//! Refusals in three sentences: what happened, what is still true, what to do now.

use std::borrow::Cow;

use amphi_engine::core::{CallRank, PostNumber, Rejection, Snapshot, Standing};

use super::{say, template};

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
        Rejection::TurnNotInProgress { rank } | Rejection::UnknownRank { rank } => {
            args.push(("rang", Cow::from(rank.to_string())));
        }
        Rejection::AlreadyChosen { post } | Rejection::UnknownPost { post } => {
            args.push(("poste", Cow::from(post_label(*post, snapshot))));
        }
        Rejection::PostTaken { post, by } => {
            args.push(("poste", Cow::from(post_label(*post, snapshot))));
            match by.or_else(|| snapshot.and_then(|snapshot| last_taker(*post, snapshot))) {
                Some(rank) => args.push(("rang", Cow::from(rank.to_string()))),
                None => variant = ".inconnu",
            }
        }
        Rejection::UnusableSetup { problem } => args.push(("probleme", Cow::from(problem.clone()))),
        _ => {}
    }
    let sentence = |part: &str| {
        let plain = format!("refus.{code}.{part}");
        let candidates = [
            (audience == Audience::Administrator).then(|| format!("refus.regie.{code}.{part}")),
            (!variant.is_empty()).then(|| format!("{plain}{variant}")),
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
