//! What is promised to somebody whose turn is over, or would be by now: each of these phrases has one form
//! per late policy (3.6), with the policy's word at the end of its key.

use amphi_engine::core::policies::LatePolicy;

use super::say;

/// The stable word of a late policy, as on the wire.
pub fn late_code(late: LatePolicy) -> &'static str {
    match late {
        LatePolicy::Now => "now",
        LatePolicy::AfterCurrentTurn => "after_current_turn",
        LatePolicy::EndOfSession => "end_of_session",
        LatePolicy::Forfeit => "forfeit",
    }
}

/// The phrase `key` in its form for `late`.
pub fn say_by_late(key: &str, late: LatePolicy) -> String {
    say(&format!("{key}.{}", late_code(late)), &[])
}

/// Key and template.
pub(super) const LATE: &[(&str, &str)] = &[
    // --- in turn, of what comes after it -----------------------------------------------------
    (
        "tour.tour.conseil.now",
        "Ensuite, vous pourrez encore choisir parmi ce qui reste, sans le bénéfice de votre rang.",
    ),
    (
        "tour.tour.conseil.after_current_turn",
        "Ensuite, vous pourrez encore choisir parmi ce qui reste, sans le bénéfice de votre rang ; votre choix attendra la fin du tour alors en cours.",
    ),
    (
        "tour.tour.conseil.end_of_session",
        "Ensuite, vous ne pourrez choisir qu’après le dernier tour, parmi ce qui restera, sans le bénéfice de votre rang.",
    ),
    (
        "tour.tour.conseil.forfeit",
        "Ensuite, vous ne pourrez plus choisir : dans cette séance, un tour passé ne se rattrape pas.",
    ),
    // --- before passing one's turn -----------------------------------------------------------
    (
        "passer.consequence.now",
        "Votre tour s’arrête tout de suite et le rang suivant est appelé. Vous pourrez encore choisir ensuite, parmi les postes restants, sans le bénéfice de votre rang.",
    ),
    (
        "passer.consequence.after_current_turn",
        "Votre tour s’arrête tout de suite et le rang suivant est appelé. Vous pourrez encore choisir ensuite, parmi les postes restants, sans le bénéfice de votre rang ; votre choix attendra la fin du tour alors en cours.",
    ),
    (
        "passer.consequence.end_of_session",
        "Votre tour s’arrête tout de suite et le rang suivant est appelé. Vous ne pourrez choisir qu’après le dernier tour, parmi les postes qui resteront, sans le bénéfice de votre rang.",
    ),
    (
        "passer.consequence.forfeit",
        "Votre tour s’arrête tout de suite et le rang suivant est appelé. Vous ne pourrez plus choisir : dans cette séance, un tour passé ne se rattrape pas.",
    ),
    // --- once the turn is over ---------------------------------------------------------------
    ("annonce.retard.now", "Votre tour est passé. Vous pouvez encore choisir parmi les postes restants."),
    (
        "annonce.retard.after_current_turn",
        "Votre tour est passé. Vous pouvez encore choisir ; votre choix attendra la fin du tour en cours.",
    ),
    (
        "annonce.retard.end_of_session",
        "Votre tour est passé. Vous pourrez choisir après le dernier tour, parmi les postes qui resteront.",
    ),
    (
        "annonce.retard.forfeit",
        "Votre tour est passé. Dans cette séance, il ne se rattrape pas : appelez l’administration.",
    ),
    (
        "tour.retard.detail.now",
        "Vous pouvez encore choisir, parmi les postes qui restent à cet instant, sans le bénéfice de votre rang.",
    ),
    (
        "tour.retard.detail.after_current_turn",
        "Vous pouvez encore choisir, parmi les postes qui restent, sans le bénéfice de votre rang ; votre choix attendra la fin du tour en cours.",
    ),
    (
        "tour.retard.detail.end_of_session",
        "Dans cette séance, on choisit en retard après le dernier tour seulement. Restez sur cette page : la liste s’ouvrira ici.",
    ),
    (
        "tour.retard.detail.forfeit",
        "Dans cette séance, un tour passé ne se rattrape pas. Appelez l’administration : elle peut vous affecter un poste restant.",
    ),
    (
        "tour.suspendu.retard.now",
        "Votre tour est passé ; vous pourrez choisir parmi les postes restants dès la reprise.",
    ),
    (
        "tour.suspendu.retard.after_current_turn",
        "Votre tour est passé ; vous pourrez choisir dès la reprise, et votre choix attendra la fin du tour en cours.",
    ),
    (
        "tour.suspendu.retard.end_of_session",
        "Votre tour est passé ; vous pourrez choisir après le dernier tour, parmi les postes qui resteront.",
    ),
    (
        "tour.suspendu.retard.forfeit",
        "Votre tour est passé ; dans cette séance, il ne se rattrape pas. Appelez l’administration : elle peut vous affecter un poste restant.",
    ),
    // --- a choice was undone, and the turn is over -------------------------------------------
    ("defait.late.now", "Choisissez dès maintenant parmi les postes qui restent."),
    (
        "defait.late.after_current_turn",
        "Choisissez dès maintenant parmi les postes qui restent ; votre choix attendra la fin du tour en cours.",
    ),
    (
        "defait.late.end_of_session",
        "Vous pourrez choisir après le dernier tour, parmi les postes qui resteront.",
    ),
    (
        "defait.late.forfeit",
        "Vous avez été appelé de nouveau depuis, et un tour passé ne se rattrape pas. Appelez l’administration.",
    ),
    // --- an act that came after the turn -----------------------------------------------------
    (
        "refus.turn_not_in_progress.faire.now",
        "Si votre tour est passé, choisissez parmi les postes qui restent.",
    ),
    (
        "refus.turn_not_in_progress.faire.after_current_turn",
        "Si votre tour est passé, choisissez parmi les postes qui restent ; votre choix attendra la fin du tour en cours.",
    ),
    (
        "refus.turn_not_in_progress.faire.end_of_session",
        "Si votre tour est passé, vous pourrez choisir après le dernier tour, parmi les postes qui resteront.",
    ),
    (
        "refus.turn_not_in_progress.faire.forfeit",
        "Si votre tour est passé, il ne se rattrape pas dans cette séance : appelez l’administration.",
    ),
];
