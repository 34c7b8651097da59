//! The phrases about what only this intern is told, and the holder of their proxy: the proxy, wishes and
//! safety net, an extra seat, a choice that was undone. Same slots as the others.

/// Key and template.
pub(super) const PERSONAL: &[(&str, &str)] = &[
    (
        "tour.place.surnombre",
        "Choix définitif en surnombre, enregistré {quand} ({maniere}). Aucune place n’est prise à personne.",
    ),
    (
        "tour.place.filet",
        "Votre tour s’est terminé sans choix. Votre filet de sécurité a retenu votre vœu n° {n}, le premier encore libre, {quand}. Ce choix est définitif.",
    ),
    ("session.voeux", "Classez vos vœux"),
    (
        "session.voeux.detail",
        "Cette session n’a pas de tours : personne n’est appelé, et rien ne presse avant la clôture.",
    ),
    (
        "session.voeux.conseil",
        "Vous pouvez changer vos vœux autant de fois que vous voulez ; la dernière version enregistrée compte.",
    ),
    ("session.close", "La session est close"),
    ("session.close.detail", "Votre résultat est sur la page du résultat."),
    ("tour.represente", "Votre mandataire choisit pour vous"),
    (
        "tour.represente.detail",
        "Votre tour est ouvert jusqu’à {heure}. Depuis son ouverture, seul votre mandataire peut choisir.",
    ),
    (
        "tour.represente.conseil",
        "Vous voyez tout ici, au moment où cela se passe. S’il ne répond pas, appelez l’administration sans attendre.",
    ),
    (
        "tour.retard.represente",
        "Seul votre mandataire peut encore choisir, parmi les postes qui restent à cet instant. Vous voyez tout ici.",
    ),
    ("tour.tour.document", "Déposez d’abord le document signé : le choix s’ouvre aussitôt après."),
    ("defait.titre", "Votre choix ne compte plus : {poste}"),
    ("defait.motif", "L’administration l’a défait {quand}. Motif : {motif}"),
    (
        "defait.waiting",
        "Vous serez appelé de nouveau. Votre heure est plus haut ; il n’y a rien à faire d’ici là.",
    ),
    ("defait.in_turn", "C’est de nouveau votre tour : choisissez un poste."),
    ("defait.autre", "Appelez l’administration pour savoir ce qu’il en est."),
    ("poste.voeu", "Vœu {n}"),
    ("voeux.compte", "{n} {n|vœu|vœux}"),
    ("voeux.jamais", "Rien n’est encore enregistré."),
    ("voeux.enregistres", "Version {n} enregistrée {quand}."),
    ("voeux.modifies", "Modifications non enregistrées."),
    ("voeux.envoi", "Enregistrement…"),
    (
        "voeux.remplaces",
        "Une version plus récente (n° {n}) a été enregistrée ailleurs : c’est elle qui est affichée.",
    ),
    ("voeux.abandonnes", "La version enregistrée est affichée de nouveau."),
    ("voeux.position", "{poste} : vœu {n} sur {total}."),
    ("voeux.ajoute", "{poste} ajouté : vœu {n}."),
    ("voeux.retire", "{poste} retiré de vos vœux."),
    ("voeux.monter", "Monter {poste}"),
    ("voeux.descendre", "Descendre {poste}"),
    ("voeux.retirer", "Retirer {poste}"),
    ("voeux.deplacer", "Déplacer {poste}, vœu {n} sur {total}"),
    (
        "choix.surnombre.validating",
        "Votre droit au surnombre est validant : le semestre compte. Vous ne prenez de place à personne. Un seul surnombre par terrain et par semestre.",
    ),
    (
        "choix.surnombre.non_validating",
        "Votre droit au surnombre est non validant : le semestre ne compte pas pour votre formation. Vous ne prenez de place à personne, même sur un poste complet. Un seul surnombre par terrain et par semestre.",
    ),
    ("choix.surnombre.complet", "Ce poste est complet : vous ne pouvez le choisir qu’en surnombre."),
    ("choix.bouton.surnombre", "Confirmer ce surnombre définitif"),
    ("fait.set_wishes", "Vos vœux sont enregistrés."),
    ("fait.give_proxy", "La procuration est donnée. Votre mandataire reçoit son lien par courriel."),
    ("fait.revoke_proxy", "La procuration est révoquée. Vous choisirez vous-même."),
    ("fait.proxy_link", "Un nouveau lien est envoyé. Le précédent n’ouvre plus rien."),
    ("fait.proxy_document", "Le document signé est déposé. Vous pouvez choisir dès que le tour est ouvert."),
];
