//! The minutes' own words. What pages and minutes both say stands in `pages/wording`.

use amphi_engine::core::call_list::{DecidedBy, RankBasis};
use amphi_engine::core::{AdministratorId, ChoiceManner, Ineligibility, SafetyNet, Supernumerary, Timestamp};
use amphi_engine::room::ADMINISTRATOR_BY_LINK;

use super::record::{
    Act, Cause, ChoiceRecord, FinalStanding, HeldEnd, MadeBy, SessionState, TurnRecord, UndoneBy,
};
use crate::pages::wording::{self, Zone};

/// "Séance close", "Séance en cours"…
pub fn state(state: &SessionState) -> &'static str {
    match state {
        SessionState::Draft => "En préparation",
        SessionState::Published => "Publiée, pas encore ouverte",
        SessionState::Open => "En cours",
        SessionState::Suspended => "Suspendue",
        SessionState::Closed => "Close",
        SessionState::Annulled { .. } => "Annulée, sans effet",
    }
}

/// What became of somebody who holds no post here; nothing for who does.
pub fn standing(standing: &FinalStanding, is_final: bool) -> &'static str {
    match standing {
        FinalStanding::Placed { .. } => "",
        FinalStanding::Unplaced if is_final => "Sans affectation",
        FinalStanding::Unplaced => "Pas encore d’affectation",
        FinalStanding::PlacedElsewhere => "Affectation obtenue dans une autre séance",
        FinalStanding::Withdrawn { .. } => "Hors séance",
    }
}

/// How a turn ended, or that it did not take place.
pub fn turn_end(turn: &TurnRecord) -> String {
    let end = match (turn.opened_at, turn.outcome, turn.closed_at) {
        (None, ..) => "non appelé : n’était plus concerné".to_owned(),
        (Some(_), None, None) => "en cours".to_owned(),
        (Some(_), None, Some(_)) => "interrompu".to_owned(),
        (Some(_), Some(outcome), _) => wording::turn_outcome(outcome),
    };
    if turn.rewound { format!("{end} ; la séance est revenue avant ce tour") } else { end }
}

/// What the eligibility check found.
pub fn ineligibility(found: Ineligibility) -> &'static str {
    match found {
        Ineligibility::NotValidated => "compte non validé",
        Ineligibility::Blocked => "compte bloqué",
        Ineligibility::TrainingEnded => "formation terminée",
    }
}

/// When wishes are committed by themselves.
pub fn safety_net(net: SafetyNet) -> &'static str {
    match net {
        SafetyNet::Never => "jamais",
        SafetyNet::AtExpiry => "à la fin du tour",
        SafetyNet::IfAbsent => "à la fin du tour, en cas d’absence",
    }
}

/// A right to an extra seat.
pub fn supernumerary(right: Supernumerary) -> &'static str {
    match right {
        Supernumerary::Validating => "surnombre validant",
        Supernumerary::NonValidating => "surnombre non validant",
    }
}

/// When in the intern's time, and by whom, a choice was made.
pub fn choice_manner(choice: &ChoiceRecord) -> String {
    let manner = wording::manner(choice.manner);
    let by = match (choice.made_by, choice.manner) {
        (MadeBy::Intern | MadeBy::Wishes, _) => "",
        (MadeBy::Holder { .. }, _) => ", par procuration",
        (MadeBy::Administrator { .. }, ChoiceManner::Assigned) => "",
        (MadeBy::Administrator { .. }, _) => ", saisi par l’administration",
    };
    match &choice.reason {
        Some(reason) => format!("{manner}{by} : {reason}"),
        None => format!("{manner}{by}"),
    }
}

/// How a choice was undone.
pub fn undone(how: UndoneBy) -> &'static str {
    match how {
        UndoneBy::Annulled => "choix annulé",
        UndoneBy::Rewound => "retour à un tour antérieur",
        UndoneBy::Exchanged => "échangé contre une autre place",
        UndoneBy::SessionAnnulled => "séance annulée",
    }
}

/// How a held choice ended.
pub fn held_end(end: Option<HeldEnd>) -> &'static str {
    match end {
        Some(HeldEnd::Committed) => "enregistré",
        Some(HeldEnd::Refused) => "refusé : la place est allée à une personne prioritaire",
        Some(HeldEnd::Released) => "retiré par l’interne",
        Some(HeldEnd::Replaced) => "remplacé par un autre choix",
        Some(HeldEnd::Lapsed) => "sans suite : départ de l’interne, retour en arrière ou fin de séance",
        None => "sans suite",
    }
}

/// "Suspension", "Interruption du service".
pub fn cause(cause: &Cause) -> &'static str {
    match cause {
        Cause::Suspension { .. } => "Suspension",
        Cause::Outage => "Interruption du service",
    }
}

/// What an administrator did.
pub fn act(act: Act) -> &'static str {
    match act {
        Act::Drafted => "Liste, postes et horaires déposés",
        Act::Published => "Liste, postes et horaires publiés",
        Act::Opened => "Ouverture de la séance",
        Act::Suspended => "Suspension",
        Act::Resumed => "Reprise",
        Act::Explained => "Motif de suspension précisé",
        Act::ExtendedTurn => "Tour prolongé",
        Act::EndedTurn => "Tour arrêté",
        Act::ChoseOnBehalf => "Choix saisi pour un interne",
        Act::Assigned => "Affectation d’office",
        Act::AnnulledChoice => "Choix annulé",
        Act::Rewound => "Retour au tour du rang indiqué",
        Act::AddedParticipant => "Interne ajouté à la liste",
        Act::Admitted => "Interne admis malgré le contrôle",
        Act::FiledProxyDocument => "Document de procuration déposé",
        Act::EndedProxy => "Fin d’une procuration",
        Act::SetWishes => "Vœux saisis pour un interne",
        Act::Withdrew => "Interne retiré de la séance",
        Act::Closed => "Clôture de la séance",
        Act::Annulled => "Annulation de la séance",
    }
}

/// How administrators are named: they have no account yet, only a personal link.
pub fn administrator(id: AdministratorId) -> String {
    if id == ADMINISTRATOR_BY_LINK {
        "Administrateur (par lien personnel)".to_owned()
    } else {
        format!("Administrateur {id}")
    }
}

/// What set an intern after the one called just before, in few words.
pub fn decided_by(basis: &RankBasis) -> &'static str {
    match basis {
        RankBasis::Imported { .. } => "ordre donné par la liste",
        RankBasis::Computed { decided_by, .. } => match decided_by {
            DecidedBy::FirstOfList => "premier de la liste",
            DecidedBy::ValidatedSemesters => "semestres validés",
            DecidedBy::RelativeRank => "rang rapporté à l’effectif",
            DecidedBy::CompetitionYear => "ancienneté du concours",
            DecidedBy::NationalRank => "rang national",
            DecidedBy::StableIdentifier => "égalité, départagée par identifiant",
        },
    }
}

/// "lundi 29 mars 2027 à 9 h 00".
pub fn date_and_time(zone: &Zone, at: Timestamp) -> String {
    format!("{} à {}", zone.date(at), zone.time(at))
}
