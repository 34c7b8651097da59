//! What people see: server-rendered pages, complete without JavaScript, kept true by small modules.
//!
//! Every `render` is pure: facts and the instant come in, HTML goes out. A page carries its facts as
//! JSON (`#page-data`) and the phrases (`#mots`); its module starts from them, connects to the page's
//! path + `/direct` with `resume`, and applies each change to the elements that are already there.
//!
//! # What tests and modules may rely on
//!
//! All three live pages:
//! - `<html data-seq="41" data-epoch="3">`: last journal entry the page shows;
//! - `#connexion[data-etat="connecte|rattrapage|hors-ligne|arretee"]`, `#ligne-connexion` (shown after
//!   3 s offline, or for good when the server said not to come back), `#ligne-service` (shown while the
//!   journal cannot be written);
//! - `#amphi-etat[data-statut="draft|published|open|suspended|closed|annulled"]`, `#qui-passe[data-rang]`,
//!   `#retard[data-ms]`, `#horloge`, `#progres[data-faits][data-total]`, `#derniers-choix li[data-rang]`;
//! - `#resultat[data-resultat="fait|en_attente|refus|occupe"][data-code]`: what became of the last command.
//!
//! Intern's page:
//! - `#mon-tour[data-etat]`: `brouillon`, `attente`, `tour`, `retard`, `retenu` (late choice held), `place`,
//!   `suspendu`, `ailleurs`, `retire`, `clos`, `annule`; `#heure-prevue[datetime]`, `#compte-a-rebours`;
//! - `#postes[data-choix="oui|non|echange"]` with `[data-poste="12"][data-places="2"]`, in each a link `.choisir`;
//!   `#recherche`, `#filtres` (`libres`, `specialite`, `phase`, `critere`, `tri`), `#reordonner`, `#compte`;
//! - `dialog#confirmation` with `#surnombre`, `#confirmer`, `#renoncer`; `#recu[data-code]`; `#retirer`, `#passer`;
//! - `#voeux[data-version]`, `#voeux-liste [data-voeu]`, each with `.poignee`; `#voeux-enregistrer`, `#voeux-etat`; in
//!   each post a button `.voeu[aria-pressed]`; `#defait`, when a choice was undone.
//!
//! The page of a proxy's holder is the same, below `/mandat/`, with `#mandat` and `form#document`; on their principal's,
//! `#mon-tour[data-etat=represente]` from the opening of the turn on.
//!
//! Control room: `#internes tr[data-rang][data-etat][data-presence]` with a link `[data-dossier]`,
//! `#tour-en-cours[data-rang]` with `#compte-a-rebours`, one `[data-acte]` per act: links to previews
//! (`[data-apercu]`), and two forms that need none (suspend, resume); `dialog#acte`, in which previews
//! (`#apercu[data-acte]`, `#acte-motif`, `#acte-confirmer`) and dossiers (`#dossier`) are shown; `#ineligibles`,
//! `#non-choisis`, `#alertes li[data-rang]`, `#avertissements`, `#journal li[data-seq]`. F8 suspends at once.
//!
//! Public screen: `#suivants li[data-rang]`, `#services [data-service][data-places]`.
//!
//! Times hold a non-breaking space ("10 h 47"); compare `datetime`, or replace U+00A0.

pub mod choose;
pub mod control;
pub mod error;
mod facts;
mod flash;
pub mod home;
pub mod intern;
mod mandate;
mod panel;
mod posts;
pub(crate) mod proxies;
pub mod receipt;
pub mod screen;
pub mod wishes;
pub mod wording;

#[cfg(test)]
mod tests;

use amphi_engine::core::{AmphiId, CallRank, Supernumerary};
use amphi_engine::protocol::Me;
use askama::Template;
use serde::Serialize;

pub use flash::Flash;
pub use mandate::{Mandate, SignedDocument};
pub use posts::PostFilter;

/// What every page needs from whoever serves it.
#[derive(Debug, Clone, Copy)]
pub struct PageContext<'a> {
    /// Scheme and host under which people reach the server, without a final slash.
    pub public_url: &'a str,
    /// The address of an asset, with the hash of what it holds.
    pub asset_url: fn(&str) -> String,
}

impl PageContext<'_> {
    /// The address of the asset `name`.
    pub fn asset(&self, name: &str) -> String {
        (self.asset_url)(name)
    }
}

/// The page of the holder of a proxy for the intern at `rank`.
pub fn holder_path(amphi: AmphiId, rank: CallRank) -> String {
    format!("/amphi/{amphi}/mandat/{rank}")
}

/// Path of the intern's page; what they do lies below it.
pub fn intern_path(amphi: AmphiId, rank: CallRank) -> String {
    format!("/amphi/{amphi}/rang/{rank}")
}

/// Path of the control room.
pub fn control_path(amphi: AmphiId) -> String {
    format!("/amphi/{amphi}/regie")
}

/// Path of the public screen.
pub fn screen_path(amphi: AmphiId) -> String {
    format!("/amphi/{amphi}/ecran")
}

/// As in `data-surnombre`: which right to an extra seat somebody has (3.3).
fn extra_seat_code(me: &Me) -> &'static str {
    match me.supernumerary {
        Some(Supernumerary::Validating) => "validant",
        Some(Supernumerary::NonValidating) => "non-validant",
        None => "",
    }
}

/// `value` as JSON that may stand inside a `<script type="application/json">`.
fn island<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_string(value).expect("page data has string keys only");
    let mut safe = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        match character {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            other => safe.push(other),
        }
    }
    safe
}

pub(crate) fn html<T: Template>(template: &T) -> String {
    template.render().expect("writing to a string does not fail")
}

/// How many times faster the clock runs, in words; `None` outside rehearsals.
fn rehearsal_line(speed: f64) -> Option<String> {
    ((speed - 1.0).abs() > 1e-9).then(|| {
        let times =
            if speed.fract() == 0.0 { format!("{speed:.0}") } else { format!("{speed}").replace('.', ",") };
        wording::say("amphi.repetition", &[("fois", times.into())])
    })
}
