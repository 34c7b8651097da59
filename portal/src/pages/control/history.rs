//! The journal in words, for the control room: every fact since the beginning, with who caused it and why.
//!
//! The one place where events become sentences here: the page of the whole journal, the column of the
//! control room (which asks for what is new by `depuis`), and the history of one rank.

use amphi_engine::core::{Actor, CallRank, Event, Snapshot, Timestamp};
use amphi_engine::journal::{Entry, EntryError};
use askama::Template;

use super::RosterEntry;
use super::people::{Names, ineligibility};
use crate::pages::facts::post_label;
use crate::pages::wording::{self, Zone, duration};
use crate::pages::{PageContext, control_path, html};

/// One fact, said.
pub struct Line {
    /// Its journal entry.
    pub seq: u64,
    /// When, on the amphi's clock.
    pub time: String,
    /// The same for machines.
    pub machine_time: String,
    /// What.
    pub text: String,
    /// How late the turn opened, in ms, where the fact is that a turn opened.
    pub delay_ms: Option<i64>,
    /// Whom it is about.
    about: Vec<CallRank>,
}

impl Line {
    /// Whether it is about `rank`.
    pub fn is_about(&self, rank: CallRank) -> bool {
        self.about.contains(&rank)
    }
}

/// The whole journal in words, oldest first.
///
/// # Errors
/// [`EntryError`] when an entry cannot be read.
pub fn lines(
    entries: &[Entry],
    roster: &[RosterEntry],
    snapshot: &Snapshot,
) -> Result<Vec<Line>, EntryError> {
    let said = Said { names: Names::of(roster, snapshot), snapshot, zone: Zone::named(&snapshot.time_zone) };
    let mut lines = Vec::with_capacity(entries.len());
    for entry in entries {
        lines.push(said.line(entry)?);
    }
    Ok(lines)
}

/// How late each turn opened, in ms, in order: what the curve shows.
pub fn delays(lines: &[Line]) -> Vec<i64> {
    lines.iter().filter_map(|line| line.delay_ms).collect()
}

struct Said<'a> {
    names: Names<'a>,
    snapshot: &'a Snapshot,
    zone: Zone,
}

impl Said<'_> {
    fn line(&self, entry: &Entry) -> Result<Line, EntryError> {
        let (event, actor) = (entry.read_event()?, entry.read_actor()?);
        Ok(Line {
            seq: entry.seq,
            time: self.zone.time_to_the_second(entry.at),
            machine_time: self.zone.machine(entry.at),
            text: self.text(&event, actor),
            delay_ms: self.delay(&event, entry.at),
            about: about(&event),
        })
    }

    fn delay(&self, event: &Event, at: Timestamp) -> Option<i64> {
        let Event::TurnOpened { rank, .. } = event else { return None };
        let planned = self.snapshot.participants.get(rank.index())?.planned_at?;
        Some((at - planned).0.max(0))
    }

    fn text(&self, event: &Event, actor: Actor) -> String {
        let who = |rank: &CallRank| self.names.ranked(*rank);
        let post = |post: &_| post_label(*post, self.snapshot);
        let by = match actor {
            Actor::Administrator { .. } => " (par l’administration)",
            Actor::Holder { .. } => " (par le mandataire)",
            Actor::Intern { .. } | Actor::Engine => "",
        };
        match event {
            Event::Drafted { .. } => "Liste, postes et horaires enregistrés".to_owned(),
            Event::Published { .. } => "Séance publiée : liste, postes et règles ne changent plus".to_owned(),
            Event::Opened => "Séance ouverte".to_owned(),
            Event::TurnOpened { rank, .. } => format!("Tour ouvert : {}", who(rank)),
            Event::TurnExtended { rank, deadline, reason } => format!(
                "Tour prolongé jusqu’à {} : {}. Motif : {reason}",
                self.zone.time_to_the_second(*deadline),
                who(rank)
            ),
            Event::TurnClosed { rank, outcome, reason } => with_reason(
                format!("Tour terminé, {} : {}", wording::turn_outcome(*outcome), who(rank)),
                reason,
            ),
            Event::TurnSkipped { rank } => format!("Tour sauté, n’est plus concerné : {}", who(rank)),
            Event::ChoiceCommitted { rank, post: chosen, manner, reason, seat } => {
                let extra = if seat.is_none() { ", en surnombre" } else { "" };
                let said =
                    format!("{} : {}{extra}, {}{by}", who(rank), post(chosen), wording::manner(*manner));
                with_reason(said, reason)
            }
            Event::SeatExchanged { rank, from_post, post: chosen, .. } => {
                format!("{} : échange {} contre {}{by}", who(rank), post(from_post), post(chosen))
            }
            Event::ChoiceAnnulled { rank, post: freed, reason, .. } => {
                format!("Choix annulé, {} : {}. Motif : {reason}", who(rank), post(freed))
            }
            Event::Rewound { to, released, reason } => format!(
                "Retour au tour du rang {to}, {} choix défait(s), séance suspendue. Motif : {reason}",
                released.len()
            ),
            Event::ChoiceRestored { rank, post: again, .. } => {
                format!("{} : {} de nouveau, choix d’avant l’échange", who(rank), post(again))
            }
            Event::ChoiceHeld { rank, post: wanted, reason } => {
                with_reason(format!("{} : choix en attente, {}{by}", who(rank), post(wanted)), reason)
            }
            Event::HeldChoiceRefused { rank, post: wanted } => {
                format!("{} : choix en attente sans suite, {} est pris", who(rank), post(wanted))
            }
            Event::HeldChoiceReleased { rank } => format!("{} : choix en attente retiré{by}", who(rank)),
            Event::Suspended { reason } => format!("Séance suspendue. Motif : {reason}"),
            Event::SuspensionExplained { reason } => format!("Motif de la suspension précisé : {reason}"),
            Event::Resumed { .. } => "Séance reprise".to_owned(),
            Event::ServiceInterrupted { down_since, .. } => format!(
                "Service interrompu depuis {} ; le temps du tour a été gardé",
                self.zone.time_to_the_second(*down_since)
            ),
            Event::Closed { unplaced } => {
                format!("Séance terminée ; {} interne(s) sans poste", unplaced.len())
            }
            Event::Annulled { reason } => format!("Séance annulée. Motif : {reason}"),
            _ => self.text_of_people(event, by),
        }
    }

    /// What concerns somebody besides turns and choices.
    fn text_of_people(&self, event: &Event, by: &str) -> String {
        let who = |rank: &CallRank| self.names.ranked(*rank);
        match event {
            Event::PlacedElsewhere { rank } => {
                format!("{} : a obtenu un poste dans un autre amphi", who(rank))
            }
            Event::NoLongerPlacedElsewhere { rank } => {
                format!("{} : son poste dans un autre amphi a été annulé, de nouveau concerné", who(rank))
            }
            Event::EligibilityChecked { found } if found.is_empty() => {
                "Éligibilité vérifiée : rien à signaler".to_owned()
            }
            Event::EligibilityChecked { found } => {
                let each = found.iter().map(|(rank, what)| format!("rang {rank}, {}", ineligibility(*what)));
                format!("Éligibilité vérifiée : {}", each.collect::<Vec<_>>().join(" "))
            }
            Event::Admitted { rank, reason } => format!("{} : admis. Motif : {reason}", who(rank)),
            Event::ParticipantAdded { reason, .. } => format!("Interne ajouté à la liste. Motif : {reason}"),
            Event::ProxyGiven { rank, .. } => format!("{} : a donné procuration", who(rank)),
            Event::ProxyDocumentFiled { rank, .. } => {
                format!("{} : document de la procuration déposé{by}", who(rank))
            }
            Event::ProxyRevoked { rank, reason, .. } => {
                with_reason(format!("{} : fin de la procuration{by}", who(rank)), reason)
            }
            Event::WishesSet { rank, version, wishes, .. } => {
                format!("{} : vœux enregistrés, version {version}, {} poste(s){by}", who(rank), wishes.len())
            }
            Event::Withdrawn { rank, reason } => {
                format!("{} : retiré de la séance. Motif : {reason}", who(rank))
            }
            // Said above.
            _ => String::new(),
        }
    }
}

fn with_reason(said: String, reason: &Option<String>) -> String {
    match reason {
        Some(reason) => format!("{said}. Motif : {reason}"),
        None => said,
    }
}

fn about(event: &Event) -> Vec<CallRank> {
    match event {
        Event::TurnOpened { rank, .. }
        | Event::TurnExtended { rank, .. }
        | Event::TurnClosed { rank, .. }
        | Event::TurnSkipped { rank }
        | Event::ChoiceCommitted { rank, .. }
        | Event::SeatExchanged { rank, .. }
        | Event::ChoiceAnnulled { rank, .. }
        | Event::ChoiceRestored { rank, .. }
        | Event::ChoiceHeld { rank, .. }
        | Event::HeldChoiceRefused { rank, .. }
        | Event::HeldChoiceReleased { rank }
        | Event::PlacedElsewhere { rank }
        | Event::NoLongerPlacedElsewhere { rank }
        | Event::Admitted { rank, .. }
        | Event::ProxyGiven { rank, .. }
        | Event::ProxyDocumentFiled { rank, .. }
        | Event::ProxyRevoked { rank, .. }
        | Event::WishesSet { rank, .. }
        | Event::Withdrawn { rank, .. } => vec![*rank],
        Event::Rewound { to, released, .. } => {
            std::iter::once(*to).chain(released.iter().map(|seat| seat.rank)).collect()
        }
        Event::EligibilityChecked { found } => found.iter().map(|(rank, _)| *rank).collect(),
        Event::Closed { unplaced } => unplaced.clone(),
        Event::Drafted { .. }
        | Event::Published { .. }
        | Event::Opened
        | Event::ParticipantAdded { .. }
        | Event::Suspended { .. }
        | Event::SuspensionExplained { .. }
        | Event::Resumed { .. }
        | Event::ServiceInterrupted { .. }
        | Event::Annulled { .. } => Vec::new(),
    }
}

/// What the page of the journal is made from.
pub struct JournalPage<'a> {
    /// Addresses.
    pub page: PageContext<'a>,
    /// Public facts.
    pub snapshot: &'a Snapshot,
    /// Newest first.
    pub lines: Vec<Line>,
    /// The server's clock.
    pub now: Timestamp,
}

#[derive(Template)]
#[template(path = "journal.html")]
struct JournalTemplate<'a> {
    page: PageContext<'a>,
    title: &'a str,
    path: String,
    lines: Vec<Line>,
    zone_line: String,
    late: String,
}

/// The page of the whole journal, or of what is new in it.
pub fn render(input: JournalPage<'_>) -> String {
    let zone = Zone::named(&input.snapshot.time_zone);
    let late = input.lines.iter().filter_map(|line| line.delay_ms).max().unwrap_or(0);
    html(&JournalTemplate {
        page: input.page,
        title: &input.snapshot.title,
        path: control_path(input.snapshot.amphi),
        lines: input.lines,
        zone_line: zone.label().to_owned(),
        late: duration(amphi_engine::core::Millis(late)),
    })
}
