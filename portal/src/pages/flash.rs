//! What became of a command sent by a form, said once on the page the browser is led back to.

use amphi_engine::core::{Rejection, Snapshot};

use super::wording::{Audience, code_of, refusal, rejection_from_code, say};

/// The result of a command sent without JavaScript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flash {
    /// It is in the journal.
    Done,
    /// The choice waits for the open turn to end.
    Held,
    /// Not looked at.
    Busy,
    /// Refused.
    Refused(Rejection),
}

impl Flash {
    /// What `?resultat=` says, with `poste` and `rang` when they came along; `None` when it says nothing
    /// known: an address typed by hand shows no message.
    pub fn from_query(result: &str, post: Option<u16>, rank: Option<u16>) -> Option<Self> {
        match result {
            "fait" => Some(Self::Done),
            "en_attente" => Some(Self::Held),
            "occupe" => Some(Self::Busy),
            other => rejection_from_code(other.strip_prefix("refus-")?, post, rank).map(Self::Refused),
        }
    }

    /// The value of `?resultat=`.
    pub fn to_query(&self) -> String {
        match self {
            Self::Done => "fait".to_owned(),
            Self::Held => "en_attente".to_owned(),
            Self::Busy => "occupe".to_owned(),
            Self::Refused(rejection) => format!("refus-{}", code_of(rejection)),
        }
    }

    pub(super) fn view(&self, audience: Audience, snapshot: &Snapshot, done: &str) -> FlashView {
        match self {
            Self::Done => FlashView::one("fait", "fait", say(done, &[])),
            Self::Held => FlashView::one("retard", "en_attente", say("retenu", &[])),
            Self::Busy => FlashView {
                meaning: "retard",
                result: "occupe",
                code: String::new(),
                title: say("occupe.quoi", &[]),
                lines: vec![say("occupe.reste", &[]), say("occupe.faire", &[])],
            },
            Self::Refused(rejection) => {
                let said = refusal(rejection, audience, Some(snapshot));
                FlashView {
                    meaning: "arret",
                    result: "refus",
                    code: code_of(rejection).to_owned(),
                    title: said.what,
                    lines: vec![said.still_true, said.what_to_do],
                }
            }
        }
    }
}

/// A flash, said.
pub(super) struct FlashView {
    pub meaning: &'static str,
    pub result: &'static str,
    pub code: String,
    pub title: String,
    pub lines: Vec<String>,
}

impl FlashView {
    fn one(meaning: &'static str, result: &'static str, title: String) -> Self {
        Self { meaning, result, code: String::new(), title, lines: Vec::new() }
    }
}
