//! The facts at the head of the minutes: what was chosen, when, under which rules, and what came of it.

use std::borrow::Cow;

use amphi_engine::core::call_list::RankBasis;
use amphi_engine::core::opening::OpeningRange;
use amphi_engine::core::{Millis, Timestamp};

use super::record::{ParticipantRecord, SessionRecord, SessionState};
use super::words;
use crate::pages::wording::{self, Zone, duration};

/// Facts that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its title.
    pub title: &'static str,
    /// What, and its value.
    pub facts: Vec<(&'static str, String)>,
    /// Whether the values are sentences, which want the whole width.
    pub wide: bool,
}

/// What stands under the title: whether these minutes are final.
pub fn standing(record: &SessionRecord) -> Option<String> {
    match &record.state {
        SessionState::Closed => None,
        SessionState::Annulled { reason } => {
            Some(format!("Cette séance a été annulée : aucun choix ne compte. Motif : {reason}"))
        }
        _ => Some(
            "Procès-verbal provisoire : la séance n’est pas close. Il sera définitif à la clôture."
                .to_owned(),
        ),
    }
}

/// Every fact, in groups.
pub fn groups(record: &SessionRecord, zone: &Zone) -> Vec<Group> {
    vec![
        Group { title: "La séance", facts: session(record, zone), wide: false },
        Group { title: "Le résultat", facts: result(record), wide: false },
        Group { title: "Le temps", facts: timing(record), wide: false },
        Group { title: "Les règles de la séance", facts: rules(record, zone), wide: true },
        Group { title: "Le journal", facts: journal(record, zone), wide: true },
    ]
}

fn session(record: &SessionRecord, zone: &Zone) -> Vec<(&'static str, String)> {
    let at = |at: Option<Timestamp>| at.map(|at| words::date_and_time(zone, at));
    let administrators: Vec<String> =
        record.administrators.iter().map(|id| words::administrator(*id)).collect();
    let mut facts = vec![
        ("Séance", record.title.clone()),
        ("Période", wording::period(record.period)),
        ("État", words::state(&record.state).to_owned()),
    ];
    let ended = if record.state == SessionState::Closed { "Close le" } else { "Annulée le" };
    let steps = [
        ("Publiée le", record.milestones.published_at),
        ("Ouverte le", record.milestones.opened_at),
        (ended, record.milestones.ended_at),
    ];
    facts.extend(steps.into_iter().filter_map(|(what, when)| Some((what, at(when)?))));
    facts.push(("Heures", format!("toutes à l’{}", zone.label())));
    if !administrators.is_empty() {
        facts.push(("Administration", administrators.join(" ; ")));
    }
    facts
}

/// "lundi 29 mars 2027, de 9 h 00 à 12 h 30 et de 14 h 00 à 18 h 00 ; mardi 30 mars 2027, de…".
fn hours(opening: &[OpeningRange], zone: &Zone) -> String {
    let from_to = |range: &OpeningRange| {
        let same_day = zone.same_day(range.opens_at, range.closes_at);
        let end =
            if same_day { zone.time(range.closes_at) } else { words::date_and_time(zone, range.closes_at) };
        format!("de {} à {end}", zone.time(range.opens_at))
    };
    let days = opening.chunk_by(|one, next| zone.same_day(one.opens_at, next.opens_at)).map(|day| {
        let ranges: Vec<String> = day.iter().map(from_to).collect();
        format!("{}, {}", zone.date(day[0].opens_at), ranges.join(" et "))
    });
    days.collect::<Vec<_>>().join(" ; ")
}

fn rules(record: &SessionRecord, zone: &Zone) -> Vec<(&'static str, String)> {
    let with_more = record.participants.iter().filter(|p| p.extra_time_percent > 0).count();
    let mut facts = vec![
        ("Plages d’ouverture", hours(&record.opening, zone)),
        ("Ordre d’appel", order(record).to_owned()),
    ];
    let rules = wording::rules(record.round, &record.policies, record.turn_duration);
    facts.extend(rules.into_iter().map(|rule| (rule.about, rule.says)));
    if with_more > 0 {
        facts.push(("Temps majoré", people(with_more)));
    }
    facts
}

/// Where the order of the list comes from.
fn order(record: &SessionRecord) -> &'static str {
    let computed = |p: &ParticipantRecord| matches!(p.rank_basis, RankBasis::Computed { .. });
    if record.participants.iter().any(computed) {
        "calculé : semestres validés, puis rang national rapporté à l’effectif du concours, puis ancienneté du \
         concours, puis rang national"
    } else {
        "celui de la liste déposée"
    }
}

fn people(count: usize) -> String {
    format!("{count} {}", if count < 2 { "interne" } else { "internes" })
}

fn result(record: &SessionRecord) -> Vec<(&'static str, String)> {
    let figures = &record.statistics;
    let mut facts = vec![
        ("Liste d’appel", people(figures.participants)),
        ("Affectés", people(figures.placed)),
        ("Sans affectation", people(figures.unplaced)),
    ];
    let rarer = [
        ("Affectés dans une autre séance", figures.placed_elsewhere),
        ("Hors séance", figures.withdrawn),
        ("Choix après le tour", figures.late_choices),
        ("Choix dans les 2 s de tolérance", figures.grace_choices),
        ("Choix par procuration", figures.proxy_choices),
        ("Choix par les vœux enregistrés", figures.wish_choices),
        ("Affectations d’office", figures.assigned),
        ("Choix en surnombre", figures.supernumerary),
        ("Choix qui ne comptent plus", figures.undone_choices),
    ];
    facts.extend(rarer.into_iter().filter(|(_, n)| *n > 0).map(|(what, n)| (what, n.to_string())));
    facts.push(("Postes", record.posts.len().to_string()));
    facts.push(("Places ouvertes", figures.seats.to_string()));
    facts.push(("Places restantes", figures.seats_left.to_string()));
    facts
}

fn timing(record: &SessionRecord) -> Vec<(&'static str, String)> {
    let figures = &record.statistics;
    let said = |lasting: Option<Millis>| lasting.map_or_else(|| "–".to_owned(), duration);
    let stops = |(count, lasting): (usize, Millis)| match count {
        0 => Cow::Borrowed("aucune"),
        _ => Cow::Owned(format!("{count} ({} en tout)", duration(lasting))),
    };
    vec![
        (
            "Tours ouverts",
            format!(
                "{}, dont {} terminés par un choix et {} par le temps écoulé",
                figures.turns, figures.turns_with_choice, figures.turns_expired
            ),
        ),
        ("Durée moyenne d’un tour", said(figures.mean_turn)),
        ("Durée médiane", said(figures.median_turn)),
        ("Retard moyen à l’ouverture", said(figures.delay_mean)),
        ("Retard le plus grand", said(figures.delay_max)),
        ("Retard du dernier tour", said(figures.delay_last)),
        ("Suspensions", stops(figures.suspensions).into_owned()),
        ("Interruptions du service", stops(figures.outages).into_owned()),
    ]
}

fn journal(record: &SessionRecord, zone: &Zone) -> Vec<(&'static str, String)> {
    vec![
        ("Identifiant de la séance", record.amphi.to_string()),
        ("Dernière écriture", format!("n° {}", record.journal.seq)),
        ("Empreinte du journal (SHA-256)", record.journal.hash.clone()),
        (
            "Procès-verbal établi",
            format!("le {} ({})", words::date_and_time(zone, record.generated_at), zone.label()),
        ),
    ]
}

/// How anyone can check these minutes.
pub const HOW_TO_CHECK: &str = "Ce procès-verbal est établi à partir du seul journal de la séance, dont chaque \
    écriture est liée à la précédente par une empreinte. Qui a le journal exporté recalcule l’affectation et \
    l’empreinte ci-dessus avec la commande « amphi verify journal.jsonl --allocation » : une seule écriture \
    changée donnerait une autre empreinte.";
