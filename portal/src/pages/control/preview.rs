//! Before an act: whom it touches, what becomes of them, how the times move; then its reason and one button.
//!
//! The same page is the dialog of the control room. What it shows is true of the moment it was asked for.

use std::collections::BTreeMap;

use amphi_engine::core::{
    CallRank, CommandId, Millis, PostNumber, Preview, Rejection, Snapshot, Standing, Status, Timestamp,
};
use amphi_engine::protocol::Dossier;
use askama::Template;

use super::RosterEntry;
use super::acts::{Act, Asked, Wants};
use super::people::Names;
use crate::pages::facts::post_label;
use crate::pages::wording::{self, Audience, Zone, duration, refusal};
use crate::pages::{PageContext, control_path, html};

/// What the page is made from.
pub struct PreviewPage<'a> {
    /// Addresses.
    pub page: PageContext<'a>,
    /// Public facts.
    pub snapshot: &'a Snapshot,
    /// Names.
    pub roster: &'a [RosterEntry],
    /// The act.
    pub act: &'static Act,
    /// What was asked for so far.
    pub asked: &'a Asked,
    /// What it would change; `None` while something it needs is missing.
    pub preview: Option<&'a Result<Preview, Rejection>>,
    /// What administrators know of whom it is about.
    pub dossier: Option<&'a Dossier>,
    /// Wishes of whom it is about, best first.
    pub wishes: &'a [PostNumber],
    /// The server's clock.
    pub now: Timestamp,
    /// Id of the command, if it is confirmed.
    pub command_id: CommandId,
}

/// People to whom the same happens.
struct Group {
    heading: String,
    people: Vec<Touched>,
}

struct Touched {
    rank: CallRank,
    name: String,
    detail: String,
}

struct Offer {
    number: PostNumber,
    label: String,
    chosen: bool,
}

struct Step {
    ms: i64,
    said: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "apercu.html")]
struct PreviewTemplate<'a> {
    page: PageContext<'a>,
    title: &'a str,
    path: String,
    act: &'static Act,
    subject: String,
    rank: String,
    /// Said instead of the preview: something is missing, or it is refused.
    refused: Option<wording::Refusal>,
    missing: &'static str,
    count: String,
    groups: Vec<Group>,
    times: String,
    status: String,
    as_of: String,
    ready: bool,
    wished: Vec<Offer>,
    offers: Vec<Offer>,
    wants_post: bool,
    may_be_supernumerary: bool,
    supernumerary: bool,
    steps: Vec<Step>,
    reason: &'a str,
    command_id: CommandId,
}

/// The page.
pub fn render(input: &PreviewPage<'_>) -> String {
    let zone = Zone::named(&input.snapshot.time_zone);
    let names = Names::of(input.roster, input.snapshot);
    let (asked, act) = (input.asked, input.act);
    let done = input.preview.and_then(|preview| preview.as_ref().ok());
    let refused = input.preview.and_then(|preview| preview.as_ref().err());
    let supernumerary = input.dossier.and_then(|dossier| dossier.supernumerary).is_some();
    let choosable = |number: &PostNumber| {
        input.snapshot.posts.get(number.index()).is_some_and(|post| post.seats_left > 0 || supernumerary)
    };
    let offer = |number: PostNumber| offer(input.snapshot, number, asked.post);
    let numbers = input.snapshot.posts.iter().map(|post| post.number);
    html(&PreviewTemplate {
        page: input.page,
        title: &input.snapshot.title,
        path: control_path(input.snapshot.amphi),
        act,
        subject: asked.rank.map(|rank| names.ranked(rank)).unwrap_or_default(),
        rank: asked.rank.map(|rank| rank.to_string()).unwrap_or_default(),
        refused: refused.map(|why| refusal(why, Audience::Administrator, Some(input.snapshot))),
        missing: if input.preview.is_some() { "" } else { missing(act.wants) },
        count: done.map(|preview| count(&preview.touched)).unwrap_or_default(),
        groups: done.map(|preview| groups(preview, &names, input.snapshot)).unwrap_or_default(),
        times: done.map(|preview| times(preview.moves_others_by).to_owned()).unwrap_or_default(),
        status: done.map(|preview| status(&input.snapshot.now.status, &preview.status)).unwrap_or_default(),
        as_of: zone.time_to_the_second(input.now),
        ready: done.is_some(),
        wished: input.wishes.iter().filter(|number| choosable(number)).map(|number| offer(*number)).collect(),
        offers: numbers.filter(choosable).map(offer).collect(),
        wants_post: act.wants == Wants::Post,
        may_be_supernumerary: supernumerary && act.code == "choose_for",
        supernumerary: asked.supernumerary,
        steps: if act.wants == Wants::Step { steps(input) } else { Vec::new() },
        reason: if asked.reason.is_empty() { act.usual } else { &asked.reason },
        command_id: input.command_id,
    })
}

fn missing(wants: Wants) -> &'static str {
    match wants {
        Wants::Post => "Choisissez d’abord le poste ; ce que cela change s’affiche ensuite.",
        Wants::Step => "Choisissez d’abord de combien ; ce que cela change s’affiche ensuite.",
        Wants::Nothing | Wants::Rank => "Indiquez d’abord le rang.",
    }
}

fn offer(snapshot: &Snapshot, number: PostNumber, chosen: Option<PostNumber>) -> Offer {
    let left = snapshot.posts.get(number.index()).map_or(0, |post| post.seats_left);
    let places = match left {
        0 => "complet".to_owned(),
        1 => "1 place".to_owned(),
        n => format!("{n} places"),
    };
    Offer {
        number,
        label: format!("{} · {places}", post_label(number, snapshot)),
        chosen: chosen == Some(number),
    }
}

fn steps(input: &PreviewPage<'_>) -> Vec<Step> {
    let steps = input.snapshot.policies.extension_steps.iter();
    steps
        .map(|step| Step { ms: step.0, said: duration(*step), chosen: input.asked.by == Some(*step) })
        .collect()
}

fn count(touched: &[(CallRank, Standing, Standing)]) -> String {
    let undone = touched.iter().filter(|(_, before, after)| undoes(before, after)).count();
    let people = match touched.len() {
        0 => "Personne ne change de situation.".to_owned(),
        1 => "Une personne change de situation.".to_owned(),
        n => format!("{n} personnes changent de situation."),
    };
    match undone {
        0 => people,
        1 => format!("{people} Un choix est défait."),
        n => format!("{people} {n} choix sont défaits."),
    }
}

fn undoes(before: &Standing, after: &Standing) -> bool {
    matches!(before, Standing::Placed { .. }) && !matches!(after, Standing::Placed { .. })
}

/// Those to whom the same happens, together; undone choices first, for that is what hurts.
fn groups(preview: &Preview, names: &Names<'_>, snapshot: &Snapshot) -> Vec<Group> {
    let mut groups: BTreeMap<(u8, String), Vec<Touched>> = BTreeMap::new();
    for (rank, before, after) in &preview.touched {
        let (order, heading) = becomes(before, after);
        let detail = match (before, after) {
            (Standing::Placed { post, .. }, _) | (_, Standing::Placed { post, .. }) => {
                post_label(*post, snapshot)
            }
            _ => String::new(),
        };
        groups.entry((order, heading)).or_default().push(Touched {
            rank: *rank,
            name: names.name(*rank),
            detail,
        });
    }
    let counted = |((_, heading), people): ((u8, String), Vec<Touched>)| Group {
        heading: format!("{heading} : {}", people.len()),
        people,
    };
    groups.into_iter().map(counted).collect()
}

fn becomes(before: &Standing, after: &Standing) -> (u8, String) {
    match (before, after) {
        (Standing::Placed { .. }, Standing::Waiting) => {
            (0, "Choix défait, sera appelé de nouveau".to_owned())
        }
        (Standing::Placed { .. }, Standing::Late { .. }) => {
            (0, "Choix défait, peut choisir sans être rappelé".to_owned())
        }
        (Standing::InTurn, Standing::Waiting) => (1, "Tour interrompu, sera appelé de nouveau".to_owned()),
        (Standing::InTurn, Standing::Late { .. }) => (1, "Tour terminé sans choix".to_owned()),
        (Standing::Late { .. }, Standing::Waiting) => (2, "Sera appelé de nouveau".to_owned()),
        (Standing::Waiting, Standing::InTurn) => (5, "Son tour s’ouvre".to_owned()),
        (_, Standing::Placed { .. }) => (3, "Obtient ce poste".to_owned()),
        (_, Standing::Withdrawn) => (3, "Retiré de la séance".to_owned()),
        (before, after) => {
            (4, format!("De « {} » à « {} »", wording::standing(before), wording::standing(after)))
        }
    }
}

fn times(moves_by: Millis) -> String {
    match moves_by.0 {
        by if by >= 1_000 => {
            format!("Les heures prévues de ceux qui attendent reculent de {} au plus.", duration(moves_by))
        }
        by if by <= -1_000 => {
            format!("Les heures prévues de ceux qui attendent avancent de {} au plus.", duration(Millis(-by)))
        }
        _ => "Les heures prévues de ceux qui attendent ne bougent pas.".to_owned(),
    }
}

fn status(before: &Status, after: &Status) -> String {
    let (was, will) = (wording::status(before), wording::status(after));
    if was == will { String::new() } else { format!("Séance : {was}, puis {will}.") }
}
