//! Tables of people: who got what, who got nothing, who stood where, and for whom somebody else acted.

use super::super::record::{ChoiceRecord, FinalStanding, MadeBy, ParticipantRecord, ProxyEnd, SessionRecord};
use super::super::words;
use super::{Cell, Table, figures_column, name, name_at, off_paper, rank, words_column};
use crate::pages::wording::thousands;

/// Who got what, by rank.
pub fn allocation(record: &SessionRecord) -> Table {
    let is_final = record.state.is_final();
    let row = |participant: &ParticipantRecord| {
        let mut cells =
            vec![rank(participant.rank), Cell::text(name(participant)), Cell::text(&participant.pseudonym)];
        match record.choice_of(participant) {
            Some(choice) => cells.extend(choice_cells(record, choice)),
            None => {
                cells.extend(std::iter::repeat_n(Cell::Empty, 7));
                cells.push(Cell::text(words::standing(&participant.standing, is_final)));
            }
        }
        cells
    };
    Table {
        anchor: "affectations",
        title: "Affectations, par rang",
        columns: vec![
            figures_column("Rang"),
            words_column("Nom et prénom"),
            words_column("Pseudonyme"),
            figures_column("Poste"),
            off_paper(words_column("IMOTEP")),
            words_column("Établissement"),
            words_column("Service"),
            off_paper(words_column("Spécialité")),
            off_paper(figures_column("Place")),
            words_column("Choisi"),
            words_column("Manière, ou situation"),
        ],
        rows: record.participants.iter().map(row).collect(),
        empty: "Personne n’est sur la liste.",
    }
}

fn choice_cells(record: &SessionRecord, choice: &ChoiceRecord) -> Vec<Cell> {
    let post = record.post(choice.post);
    let of =
        |text: fn(&amphi_engine::core::Post) -> &String| post.map_or(Cell::Empty, |p| Cell::text(text(p)));
    vec![
        Cell::number(choice.post.0),
        of(|post| &post.imotep),
        of(|post| &post.establishment),
        of(|post| &post.service),
        of(|post| &post.specialty),
        choice.seat.map_or_else(|| Cell::text("surnombre"), Cell::number),
        Cell::At(choice.at),
        Cell::text(words::choice_manner(choice)),
    ]
}

/// Who holds nothing, and who left.
pub fn unplaced(record: &SessionRecord) -> Table {
    let is_final = record.state.is_final();
    let row = |participant: &ParticipantRecord| {
        let reason = match &participant.standing {
            FinalStanding::Withdrawn { reason } => Cell::text(reason),
            _ => Cell::Empty,
        };
        vec![
            rank(participant.rank),
            Cell::text(name(participant)),
            Cell::text(words::standing(&participant.standing, is_final)),
            reason,
        ]
    };
    let without = |p: &&ParticipantRecord| !matches!(p.standing, FinalStanding::Placed { .. });
    Table {
        anchor: "sans-affectation",
        title: "Internes sans affectation dans cette séance",
        columns: vec![
            figures_column("Rang"),
            words_column("Nom et prénom"),
            words_column("Situation"),
            words_column("Motif"),
        ],
        rows: record.participants.iter().filter(without).map(row).collect(),
        empty: "Chaque interne de la liste a une affectation.",
    }
}

/// The call list, and how each came to their rank.
pub fn call_list(record: &SessionRecord) -> Table {
    let row = |participant: &ParticipantRecord| {
        let seniority = participant.rank_basis.seniority();
        vec![
            rank(participant.rank),
            Cell::text(name(participant)),
            Cell::text(&participant.pseudonym),
            Cell::number(seniority.validated_semesters),
            Cell::number(seniority.competition_year),
            Cell::text(format!(
                "{}\u{a0}/\u{a0}{}",
                thousands(seniority.national_rank),
                thousands(seniority.cohort_size)
            )),
            Cell::text(words::decided_by(&participant.rank_basis)),
            Cell::at(participant.planned_at),
            rights(participant),
        ]
    };
    Table {
        anchor: "liste-d-appel",
        title: "Liste d’appel, et ce qui a fixé chaque rang",
        columns: vec![
            figures_column("Rang"),
            words_column("Nom et prénom"),
            words_column("Pseudonyme"),
            figures_column("Semestres"),
            figures_column("Concours"),
            figures_column("Rang national"),
            words_column("Placé après le précédent par"),
            words_column("Heure prévue"),
            words_column("Mention"),
        ],
        rows: record.participants.iter().map(row).collect(),
        empty: "Personne n’est sur la liste.",
    }
}

/// What else is known of a place on the list.
fn rights(participant: &ParticipantRecord) -> Cell {
    let more = participant.extra_time_percent;
    let mentions: Vec<String> = [
        (more > 0).then(|| format!("temps majoré de {more}\u{a0}%")),
        participant.supernumerary.map(|right| words::supernumerary(right).to_owned()),
        participant.added_at.map(|_| "ajouté après le dépôt de la liste".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if mentions.is_empty() { Cell::Empty } else { Cell::Text(mentions.join(", ")) }
}

/// Who was represented.
pub fn proxies(record: &SessionRecord) -> Table {
    let row = |given: &super::super::record::ProxyRecord| {
        let used = record.choices.iter().any(|c| c.made_by == MadeBy::Holder { proxy: given.proxy });
        let end = match (&given.ended, used) {
            (Some(ProxyEnd { administrator: None, .. }), _) => "révoquée par l’interne".to_owned(),
            (Some(ProxyEnd { reason, .. }), _) => match reason {
                Some(reason) => format!("arrêtée par l’administration : {reason}"),
                None => "arrêtée par l’administration".to_owned(),
            },
            (None, true) => "le mandataire a choisi".to_owned(),
            (None, false) => "non utilisée".to_owned(),
        };
        vec![
            rank(given.rank),
            name_at(record, given.rank),
            Cell::At(given.given_at),
            Cell::at(given.document.as_ref().map(|(at, _)| *at)),
            given.document.as_ref().map_or(Cell::Empty, |(_, digest)| Cell::text(digest)),
            Cell::at(given.ended.as_ref().map(|end| end.at)),
            Cell::text(end),
        ]
    };
    Table {
        anchor: "procurations",
        title: "Procurations",
        columns: vec![
            figures_column("Rang"),
            words_column("Mandant"),
            words_column("Donnée"),
            words_column("Document déposé"),
            off_paper(words_column("Empreinte du document (SHA-256)")),
            words_column("Fin"),
            words_column("Suite"),
        ],
        rows: record.proxies.iter().map(row).collect(),
        empty: "Aucune procuration n’a été donnée.",
    }
}

/// The wishes of everybody as they were last set.
pub fn wishes(record: &SessionRecord) -> Table {
    let row = |set: &super::super::record::WishRecord| {
        let numbers: Vec<String> = set.wishes.iter().map(ToString::to_string).collect();
        vec![
            rank(set.rank),
            name_at(record, set.rank),
            Cell::number(set.version),
            Cell::At(set.at),
            Cell::number(u16::try_from(set.wishes.len()).unwrap_or(u16::MAX)),
            Cell::text(numbers.join(", ")),
            Cell::text(words::safety_net(set.safety_net)),
        ]
    };
    Table {
        anchor: "voeux",
        title: "Vœux, dans leur dernière version",
        columns: vec![
            figures_column("Rang"),
            words_column("Nom et prénom"),
            figures_column("Version"),
            words_column("Enregistrée"),
            figures_column("Nombre"),
            off_paper(words_column("Postes, par préférence")),
            words_column("Filet de sécurité"),
        ],
        rows: record.last_wishes().into_iter().map(row).collect(),
        empty: "Aucun vœu n’a été enregistré.",
    }
}

/// What the eligibility check found.
pub fn eligibility(record: &SessionRecord) -> Table {
    let row = |one: &super::super::record::IneligibleRecord| {
        vec![
            rank(one.rank),
            name_at(record, one.rank),
            Cell::text(words::ineligibility(one.found)),
            Cell::At(one.at),
            Cell::text(match &one.admitted {
                Some(reason) => format!("admis : {reason}"),
                None => "non admis".to_owned(),
            }),
        ]
    };
    Table {
        anchor: "controle",
        title: "Contrôle des conditions avant l’ouverture",
        columns: vec![
            figures_column("Rang"),
            words_column("Nom et prénom"),
            words_column("Constat"),
            words_column("Date et heure"),
            words_column("Décision"),
        ],
        rows: record.ineligible.iter().map(row).collect(),
        empty: "Le contrôle n’a rien relevé contre les personnes de la liste.",
    }
}
