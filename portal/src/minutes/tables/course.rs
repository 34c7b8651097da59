//! Tables of what happened, in the order in which it did.

use amphi_engine::core::Millis;

use super::super::record::{Cause, ChoiceRecord, SessionRecord};
use super::super::words;
use super::{Cell, Table, figures_column, name_at, post_name, rank, words_column};
use crate::pages::wording::duration;

/// Every turn, as they came.
pub fn turns(record: &SessionRecord) -> Table {
    let row = |turn: &super::super::record::TurnRecord| {
        let extra = record.participant(turn.rank).map_or(0, |p| p.extra_time_percent);
        vec![
            rank(turn.rank),
            name_at(record, turn.rank),
            Cell::at(turn.planned_at),
            Cell::at(turn.opened_at),
            Cell::lasting(turn.delay()),
            Cell::at(turn.closed_at),
            Cell::lasting(turn.duration()),
            more_time(extra, turn.extended_by),
            Cell::text(match &turn.reason {
                Some(reason) => format!("{} : {reason}", words::turn_end(turn)),
                None => words::turn_end(turn),
            }),
        ]
    };
    Table {
        anchor: "tours",
        title: "Déroulement des tours",
        columns: vec![
            figures_column("Rang"),
            words_column("Nom et prénom"),
            words_column("Prévu"),
            words_column("Ouvert"),
            figures_column("Retard"),
            words_column("Clos"),
            figures_column("Durée"),
            words_column("Temps ajouté"),
            words_column("Fin du tour"),
        ],
        rows: record.turns.iter().map(row).collect(),
        empty: "Aucun tour n’a été ouvert.",
    }
}

/// Individual extra time, and extensions by an administrator.
fn more_time(extra_time_percent: u16, extended_by: Millis) -> Cell {
    let extra = (extra_time_percent > 0).then(|| format!("+{extra_time_percent}\u{a0}%"));
    let extended = (extended_by > Millis::ZERO).then(|| format!("prolongé de {}", duration(extended_by)));
    let both: Vec<String> = extra.into_iter().chain(extended).collect();
    if both.is_empty() { Cell::Empty } else { Cell::Text(both.join(", ")) }
}

/// Late choices that had to wait.
pub fn late(record: &SessionRecord) -> Table {
    let row = |held: &super::super::record::HeldRecord| {
        vec![
            rank(held.rank),
            name_at(record, held.rank),
            Cell::number(held.post.0),
            post_name(record, held.post),
            Cell::At(held.at),
            Cell::at(held.end.map(|(at, _)| at)),
            Cell::text(words::held_end(held.end.map(|(_, how)| how))),
        ]
    };
    Table {
        anchor: "choix-en-attente",
        title: "Choix après le tour mis en attente (dernière place d’un poste pendant un tour)",
        columns: vec![
            figures_column("Rang"),
            words_column("Nom et prénom"),
            figures_column("Poste"),
            words_column("Établissement, service"),
            words_column("Demandé"),
            words_column("Réglé"),
            words_column("Suite"),
        ],
        rows: record.held.iter().map(row).collect(),
        empty: "Aucun choix n’a été mis en attente.",
    }
}

/// Choices that do not count any more; they stay readable.
pub fn undone(record: &SessionRecord) -> Table {
    let row = |choice: &ChoiceRecord| {
        let undoing = choice.undone.as_ref()?;
        Some(vec![
            rank(choice.rank),
            name_at(record, choice.rank),
            Cell::number(choice.post.0),
            post_name(record, choice.post),
            Cell::At(choice.at),
            Cell::At(undoing.at),
            Cell::text(match &undoing.reason {
                Some(reason) => format!("{} : {reason}", words::undone(undoing.how)),
                None => words::undone(undoing.how).to_owned(),
            }),
        ])
    };
    Table {
        anchor: "choix-defaits",
        title: "Choix qui ne comptent plus",
        columns: vec![
            figures_column("Rang"),
            words_column("Nom et prénom"),
            figures_column("Poste"),
            words_column("Établissement, service"),
            words_column("Choisi"),
            words_column("Défait"),
            words_column("Cause et motif"),
        ],
        rows: record.choices.iter().filter_map(row).collect(),
        empty: "Aucun choix n’a été défait.",
    }
}

/// Suspensions and outages.
pub fn incidents(record: &SessionRecord) -> Table {
    let row = |interruption: &super::super::record::Interruption| {
        let reason = match &interruption.cause {
            Cause::Suspension { reason } => Cell::text(reason),
            Cause::Outage => Cell::text("Le temps du tour en cours a été rendu."),
        };
        vec![
            Cell::text(words::cause(&interruption.cause)),
            Cell::At(interruption.from),
            Cell::at(interruption.until),
            Cell::lasting(interruption.until.map(|until| until - interruption.from)),
            reason,
        ]
    };
    Table {
        anchor: "incidents",
        title: "Incidents",
        columns: vec![
            words_column("Nature"),
            words_column("Début"),
            words_column("Fin"),
            figures_column("Durée"),
            words_column("Motif"),
        ],
        rows: record.interruptions.iter().map(row).collect(),
        empty: "Aucune suspension ni interruption du service.",
    }
}

/// What administrators did.
pub fn acts(record: &SessionRecord) -> Table {
    let row = |act: &super::super::record::ActRecord| {
        vec![
            Cell::At(act.at),
            Cell::number(i64::try_from(act.seq).unwrap_or(i64::MAX)),
            Cell::text(words::administrator(act.administrator)),
            Cell::text(words::act(act.act)),
            act.rank.map_or(Cell::Empty, rank),
            act.reason.as_ref().map_or(Cell::Empty, Cell::text),
        ]
    };
    Table {
        anchor: "actes",
        title: "Actes de l’administration",
        columns: vec![
            words_column("Date et heure"),
            figures_column("Écriture"),
            words_column("Auteur"),
            words_column("Acte"),
            figures_column("Rang"),
            words_column("Motif"),
        ],
        rows: record.acts.iter().map(row).collect(),
        empty: "Aucun acte.",
    }
}
