//! Everything that is said in French, once: server-rendered pages and modules use the same sentences.
//!
//! A phrase has a key and a template. `{nom}` is replaced by an argument; `{n|place|places}` takes the
//! singular or the plural after the number `n` (French: singular below 2). The pages carry the whole
//! dictionary as JSON (`#mots`), and `assets/words.js` fills the same templates by the same rule.
//! Deliberately absent: any decision; which phrase applies is decided by the panels.

mod late;
mod personal;
mod phrases;
mod policies;
mod rank;
mod refusal;
mod times;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use amphi_engine::core::setup::{Half, Period};
use amphi_engine::core::{ChoiceManner, Standing, Status, TurnOutcome};

pub use late::{late_code, say_by_late};
pub use policies::{Rule, rules};
pub use rank::{rank_explanation, thousands};
pub use refusal::{Audience, Refusal, code_of, refusal, rejection_from_code};
pub use times::{Zone, countdown, duration};

/// Arguments of a phrase.
pub type Args<'a> = &'a [(&'a str, Cow<'a, str>)];

/// The phrase `key` with its arguments filled in; the key itself when there is no such phrase (a test
/// sees to it that there is).
pub fn say(key: &str, args: Args<'_>) -> String {
    fill(template(key).unwrap_or(key), args)
}

/// The template of `key`.
pub fn template(key: &str) -> Option<&'static str> {
    phrases().find(|(known, _)| *known == key).map(|(_, text)| text)
}

/// Every phrase, for the modules in the browser.
pub fn dictionary() -> BTreeMap<&'static str, &'static str> {
    phrases().collect()
}

fn phrases() -> impl Iterator<Item = (&'static str, &'static str)> {
    phrases::PHRASES.iter().chain(personal::PERSONAL).chain(late::LATE).copied()
}

fn fill(template: &str, args: Args<'_>) -> String {
    let mut text = String::with_capacity(template.len() + 16);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((slot, tail)) = after.split_once('}') else {
            text.push('{');
            rest = after;
            continue;
        };
        text.push_str(&slot_text(slot, args));
        rest = tail;
    }
    text.push_str(rest);
    text
}

fn slot_text<'a>(slot: &'a str, args: Args<'a>) -> Cow<'a, str> {
    let value = |name: &str| args.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_ref());
    let mut parts = slot.split('|');
    let name = parts.next().unwrap_or_default();
    match (parts.next(), parts.next()) {
        (Some(one), Some(many)) => {
            let number: i64 = value(name).and_then(|text| text.parse().ok()).unwrap_or(0);
            Cow::Borrowed(if number.abs() < 2 { one } else { many })
        }
        _ => Cow::Borrowed(value(name).unwrap_or("")),
    }
}

/// The stable word of a status, as in `data-statut`.
pub fn status_code(status: &Status) -> &'static str {
    match status {
        Status::Draft => "draft",
        Status::Published => "published",
        Status::Open => "open",
        Status::Suspended { .. } => "suspended",
        Status::Closed => "closed",
        Status::Annulled { .. } => "annulled",
    }
}

/// "En cours", "Suspendue"…
pub fn status(status: &Status) -> String {
    say(&format!("statut.{}", status_code(status)), &[])
}

/// The stable word of a standing, as on the wire.
pub fn standing_code(standing: &Standing) -> &'static str {
    match standing {
        Standing::Waiting => "waiting",
        Standing::InTurn => "in_turn",
        Standing::Late { .. } => "late",
        Standing::Placed { .. } => "placed",
        Standing::PlacedElsewhere => "placed_elsewhere",
        Standing::Withdrawn => "withdrawn",
    }
}

/// "À venir", "N'a pas choisi"…
pub fn standing(standing: &Standing) -> String {
    say(&format!("etat.{}", standing_code(standing)), &[])
}

/// "pendant le tour", "après le tour"…
pub fn manner(manner: ChoiceManner) -> String {
    let code = match manner {
        ChoiceManner::InTurn => "in_turn",
        ChoiceManner::InGrace => "in_grace",
        ChoiceManner::Late => "late",
        ChoiceManner::LateHeld => "late_held",
        ChoiceManner::SafetyNet => "safety_net",
        ChoiceManner::Exchanged => "exchanged",
        ChoiceManner::Assigned => "assigned",
        ChoiceManner::ByWishes => "by_wishes",
    };
    say(&format!("maniere.{code}"), &[])
}

/// "choix fait", "temps écoulé"…
pub fn turn_outcome(outcome: TurnOutcome) -> String {
    let code = match outcome {
        TurnOutcome::Chosen => "chosen",
        TurnOutcome::Expired => "expired",
        TurnOutcome::Passed => "passed",
        TurnOutcome::EndedByAdministrator => "ended_by_administrator",
        TurnOutcome::SafetyNet => "safety_net",
        TurnOutcome::NoLongerConcerned => "no_longer_concerned",
    };
    say(&format!("fin.{code}"), &[])
}

/// "mai à octobre 2027", "novembre 2026 à avril 2027".
pub fn period(period: Period) -> String {
    let year = Cow::from(period.year.to_string());
    match period.half {
        Half::May => say("periode.mai", &[("annee", year)]),
        Half::November => say(
            "periode.novembre",
            &[("annee", year), ("suivante", Cow::from((period.year + 1).to_string()))],
        ),
    }
}
