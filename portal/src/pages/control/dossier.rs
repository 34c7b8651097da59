//! The dossier of one rank: who it is, where they stand, what they wish, what has happened, what can be done.

use amphi_engine::core::{
    CallRank, Forecast, PostNumber, ProxyPolicy, SafetyNet, Snapshot, Standing, Status, Supernumerary,
    Timestamp,
};
use amphi_engine::protocol::{Dossier, Me, Presence};
use askama::Template;

use super::acts::{Act, act};
use super::history::Line;
use super::people::{Names, ineligibility};
use super::{RosterEntry, presence_said};
use crate::pages::facts::post_label;
use crate::pages::wording::{self, Zone, rank_explanation};
use crate::pages::{PageContext, control_path, html};

/// What the page is made from.
pub struct DossierPage<'a> {
    /// Addresses.
    pub page: PageContext<'a>,
    /// Public facts.
    pub snapshot: &'a Snapshot,
    /// Names.
    pub roster: &'a [RosterEntry],
    /// What the intern is told about themselves.
    pub me: &'a Me,
    /// What only administrators are told.
    pub dossier: &'a Dossier,
    /// Their presence, once they have come.
    pub presence: Option<&'a Presence>,
    /// Their forecast.
    pub forecast: Option<Forecast>,
    /// The journal about them, newest first.
    pub history: Vec<Line>,
    /// The server's clock.
    pub now: Timestamp,
}

struct Wish {
    label: String,
    seats: String,
}

#[derive(Template)]
#[template(path = "dossier.html")]
struct DossierTemplate<'a> {
    page: PageContext<'a>,
    title: &'a str,
    path: String,
    rank: CallRank,
    name: String,
    pseudonym: &'a str,
    entry: Option<&'a RosterEntry>,
    /// Their telephone, as an address has it.
    tel: String,
    facts: Vec<(&'static str, String)>,
    ineligible: Option<String>,
    undone: Option<String>,
    proxy_path: Option<String>,
    wishes: Vec<Wish>,
    net: &'static str,
    explanation: Vec<String>,
    acts: Vec<&'static Act>,
    lines: Vec<Line>,
}

/// The page.
pub fn render(input: DossierPage<'_>) -> String {
    let (snapshot, rank) = (input.snapshot, input.me.rank);
    let zone = Zone::named(&snapshot.time_zone);
    let names = Names::of(input.roster, snapshot);
    let path = control_path(snapshot.amphi);
    let wishes = input.me.wishes.as_ref().map_or(&[][..], |receipt| &receipt.wishes);
    let undone = input.dossier.undone.as_ref().map(|undone| {
        format!(
            "{} : choix défait {}. Motif : {}",
            post_label(undone.post, snapshot),
            zone.when(undone.at, input.now),
            undone.reason
        )
    });
    html(&DossierTemplate {
        page: input.page,
        title: &snapshot.title,
        rank,
        name: names.name(rank),
        pseudonym: &input.me.pseudonym,
        entry: names.entry(rank),
        tel: names.entry(rank).and_then(|e| e.phone.as_deref()).unwrap_or_default().replace(' ', ""),
        facts: facts(&input, &zone),
        ineligible: input.dossier.ineligible.map(ineligibility),
        undone,
        proxy_path: (snapshot.policies.proxies != ProxyPolicy::Off)
            .then(|| format!("{path}/procuration/{rank}")),
        wishes: wishes.iter().map(|number| wish(snapshot, *number)).collect(),
        net: match input.dossier.safety_net {
            SafetyNet::Never => "Filet de sécurité : non demandé.",
            SafetyNet::AtExpiry => "Filet de sécurité : si le tour s’achève sans choix.",
            SafetyNet::IfAbsent => "Filet de sécurité : si l’interne est absent à la fin du tour.",
        },
        explanation: rank_explanation(&input.me.rank_basis).into_iter().take(1).collect(),
        acts: acts(&input),
        lines: input.history,
        path,
    })
}

fn wish(snapshot: &Snapshot, number: PostNumber) -> Wish {
    let left = snapshot.posts.get(number.index()).map_or(0, |post| post.seats_left);
    let seats = if left == 0 { "complet".to_owned() } else { format!("{left} place(s)") };
    Wish { label: post_label(number, snapshot), seats }
}

fn facts(input: &DossierPage<'_>, zone: &Zone) -> Vec<(&'static str, String)> {
    let (snapshot, rank) = (input.snapshot, input.me.rank);
    let participant = &snapshot.participants[rank.index()];
    let mut facts = vec![("État", wording::standing(&participant.standing))];
    if let Standing::Placed { post, manner, at, .. } = participant.standing {
        facts.push(("Choix", post_label(post, snapshot)));
        facts.push(("Choisi", format!("{}, {}", zone.moment(at, input.now), wording::manner(manner))));
    }
    if let Some(held) = snapshot.now.held.iter().find(|held| held.rank == rank) {
        facts.push(("En attente", post_label(held.post, snapshot)));
    }
    if let Some(forecast) = input.forecast {
        facts.push(("Heure prévue", zone.moment(forecast.expected, input.now)));
    }
    if let Some(planned) = participant.planned_at {
        facts.push(("Convoqué", zone.moment(planned, input.now)));
    }
    facts.push(("Présence", presence_said(input.presence, zone, input.now).1));
    if let Some(proxy) = input.dossier.proxy {
        let document = match (snapshot.policies.proxies, proxy.document_filed) {
            (ProxyPolicy::WithDocument, true) => ", document déposé",
            (ProxyPolicy::WithDocument, false) => ", document manquant",
            _ => "",
        };
        facts.push(("Procuration", format!("depuis {}{document}", zone.moment(proxy.since, input.now))));
    }
    if let Some(right) = input.dossier.supernumerary {
        let said = match right {
            Supernumerary::Validating => "validant",
            Supernumerary::NonValidating => "non validant",
        };
        facts.push(("Surnombre", said.to_owned()));
    }
    if input.me.extra_time_percent > 0 {
        facts.push(("Temps majoré", format!("+ {} %", input.me.extra_time_percent)));
    }
    facts
}

/// What can be done about this rank now. The core decides again.
fn acts(input: &DossierPage<'_>) -> Vec<&'static Act> {
    let now = &input.snapshot.now;
    let running = matches!(now.status, Status::Open | Status::Suspended { .. });
    let over = matches!(now.status, Status::Annulled { .. } | Status::Draft);
    let rank = input.me.rank;
    let standing = input.snapshot.participants[rank.index()].standing;
    let turns_over =
        now.turn.is_none() && !input.snapshot.participants.iter().any(|p| p.standing.is_waiting());
    let concerned = matches!(standing, Standing::Waiting | Standing::InTurn | Standing::Late { .. });
    let placed = matches!(standing, Standing::Placed { .. });
    let called = rank < now.next_rank;
    [
        ("extend", now.status == Status::Open && standing == Standing::InTurn),
        ("choose_for", now.status == Status::Open && concerned && standing != Standing::Waiting),
        ("end_turn", now.status == Status::Open && standing == Standing::InTurn),
        ("assign", !over && turns_over && now.status != Status::Published && concerned),
        ("admit", input.dossier.ineligible.is_some() && now.status != Status::Closed && !over),
        ("revert_proxy", input.dossier.proxy.is_some() && running),
        ("withdraw", concerned && (running || now.status == Status::Published)),
        ("annul_choice", placed && running),
        ("rewind", called && running && input.snapshot.round.has_turns()),
    ]
    .into_iter()
    .filter(|(_, possible)| *possible)
    .filter_map(|(code, _)| act(code))
    .collect()
}
