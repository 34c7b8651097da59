//! What interns are told by mail about their choice: that it is made, with its receipt; that it no longer
//! stands. Pure, like `convocation.rs`.

use amphi_engine::core::{ChoiceManner, PostNumber};
use amphi_engine::protocol::Receipt;

use super::convocation::{Person, Setting};
use super::message::{Letter, Mail, MailKind};

/// How a choice came to be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cause<'a> {
    /// In the ordinary way: by whoever chooses, or by what they had set.
    Ordinary,
    /// An administrator made it, for this reason.
    Administrator(&'a str),
    /// It was made before, given up for another, and stands again since the session was rewound.
    StandsAgain,
}

impl Setting<'_> {
    /// The receipt of somebody's choice (3.3).
    pub(super) fn chosen(&self, person: &Person, receipt: &Receipt, cause: Cause<'_>) -> Mail {
        let post = format!("{}, {}", receipt.establishment, receipt.service);
        let headline = match (receipt.manner, cause) {
            (_, Cause::StandsAgain) => format!("Votre choix d’avant l’échange vaut de nouveau : {post}."),
            (ChoiceManner::Assigned, _) => format!("L’administration vous affecte : {post}."),
            (_, Cause::Administrator(_)) => format!("L’administration a choisi pour vous : {post}."),
            (ChoiceManner::SafetyNet, _) => format!("Votre filet de sécurité a choisi : {post}."),
            (ChoiceManner::ByWishes, _) => format!("Vos vœux vous donnent : {post}."),
            (ChoiceManner::Exchanged, _) => format!("Vous avez échangé votre poste contre : {post}."),
            _ => format!("Vous avez choisi : {post}."),
        };
        let when = format!(
            "{} à {} ({}), n° {} du journal",
            self.zone.date(receipt.at),
            self.zone.time_to_the_second(receipt.at),
            self.zone.label(),
            receipt.seq
        );
        let why = match cause {
            Cause::Administrator(reason) => Some(("Motif", reason.to_owned())),
            Cause::Ordinary | Cause::StandsAgain => None,
        };
        let seat = receipt.seat.map_or_else(|| "en surnombre".to_owned(), |seat| format!("place {seat}"));
        let letter = Letter {
            subject: format!("Votre choix : {post}"),
            headline,
            also: None,
            facts: [Some(("Enregistré", when)), why].into_iter().flatten().collect(),
            code: Some(receipt.code()),
            way: Some(("Votre page et votre reçu", self.link(person, Some(receipt.at)))),
            advice: "Ce choix est définitif. Conservez ce courriel : le code ci-dessus est votre reçu."
                .to_owned(),
            details: vec![
                format!("Quiconque a ce code peut le vérifier : {}/recu", self.site.public_url),
                format!("IMOTEP {}, poste n° {}, {seat}.", receipt.imotep, receipt.post),
            ],
            about: self.about(person.rank),
        };
        self.mail(person, MailKind::Chosen, &format!(":{}", receipt.seq), &letter)
    }

    /// Somebody's choice no longer stands (3.7): it was annulled, or the session was rewound to before it.
    pub(super) fn undone(&self, person: &Person, post: PostNumber, reason: &str, seq: u64) -> Mail {
        let post = self.post(post);
        let letter = Letter {
            subject: format!("Votre choix ne compte plus : {post}"),
            headline: format!("Votre choix ne compte plus : {post}."),
            also: None,
            facts: vec![("Motif", reason.to_owned())],
            code: None,
            way: Some(("Votre page personnelle", self.link(person, None))),
            advice: "Ouvrez votre page dès maintenant : elle dit si votre tour revient, à quelle heure, et les postes qui \
                     restent."
                .to_owned(),
            details: vec![
                "L’administration de la séance a annulé ce choix. Il reste lisible au journal ; son reçu ne vaut plus \
                 affectation. Si votre tour est rappelé, un courriel vous donne la nouvelle heure."
                    .to_owned(),
            ],
            about: self.about(person.rank),
        };
        self.mail(person, MailKind::Undone, &format!(":{seq}"), &letter)
    }
}
