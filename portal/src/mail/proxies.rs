//! What the holder of a proxy is told (3.4). Pure; whoever gives, confirms or ends a proxy puts the mail
//! in the outbox with [`super::outbox::enqueue`], in the transaction that does so.

use amphi_engine::core::{CallRank, Millis, ProxyId, Timestamp};

use super::convocation::Setting;
use super::message::{Letter, Mail, MailKind, Recipient};
use crate::pages::wording::duration;

/// Who acts for whom.
pub struct ProxyMail<'a> {
    /// The amphi.
    pub setting: &'a Setting<'a>,
    /// For whose turn.
    pub rank: CallRank,
    /// Which proxy; its mails go with it.
    pub proxy: ProxyId,
    /// First and last name of the principal (mandant).
    pub principal: &'a str,
    /// The holder (mandataire).
    pub holder: &'a Recipient,
    /// Identifies this proxy, or this code, among all of the amphi: the key of the mail.
    pub occasion: &'a str,
}

impl ProxyMail<'_> {
    /// Tells the holder for whom they may choose, when, how, and how to refuse. `instructions` are the
    /// principal's own words; `expected_at` is when the turn is expected.
    pub fn given(&self, link: &str, instructions: &str, expected_at: Option<Timestamp>) -> Mail {
        let (setting, principal) = (self.setting, self.principal);
        let when = expected_at.map_or_else(
            || "à confirmer : votre page le dira".to_owned(),
            |at| format!("{} ; cette heure peut être repoussée", setting.said(at)),
        );
        let instructions = match instructions.trim() {
            "" => "aucune".to_owned(),
            said => said.to_owned(),
        };
        let letter = Letter {
            subject: format!("Procuration de {principal} : {}", setting.snapshot.title),
            headline: format!("{principal} vous demande de choisir un stage à sa place."),
            also: expected_at.and_then(|at| setting.in_paris(at)),
            facts: vec![("Son tour", when), ("Ses consignes", instructions)],
            code: None,
            way: Some(("Votre page de mandataire", link.to_owned())),
            advice: "Pour accepter, ouvrez ce lien avant la séance : un code vous sera envoyé pour confirmer. Pour refuser, \
                     ne l’ouvrez pas et prévenez la personne."
                .to_owned(),
            details: vec![
                format!(
                    "Vous n’avez besoin d’aucun compte. Ce lien ne sert que pour {principal}, dans cette seule séance. Dès \
                     que son tour s’ouvre, vous seul pouvez choisir, et ce choix est définitif."
                ),
                format!("Si vous ne connaissez pas {principal}, ignorez ce courriel : sans votre code, ce lien n’ouvre rien."),
            ],
            about: setting.about(self.rank),
        };
        self.mail(MailKind::ProxyGiven, &letter)
    }

    /// The code that confirms the first opening of the link.
    pub fn code(&self, code: &str, valid_for: Millis) -> Mail {
        let letter = Letter {
            subject: format!("Code de votre procuration : {}", self.setting.snapshot.title),
            headline: format!("Votre code : {code}"),
            also: None,
            facts: vec![
                ("Valable", format!("{} à partir de l’envoi", duration(valid_for))),
                ("Pour", format!("choisir à la place de {}", self.principal)),
            ],
            code: None,
            way: None,
            advice: "Saisissez-le sur la page que vous venez d’ouvrir. Ne le donnez à personne : l’administration ne le \
                     demande jamais."
                .to_owned(),
            details: vec!["Si vous n’avez pas ouvert ce lien, ignorez ce courriel : rien n’est confirmé.".to_owned()],
            about: self.setting.about(self.rank),
        };
        self.mail(MailKind::ProxyCode, &letter)
    }

    /// The holder may no longer choose; `reason` says why, as a sentence.
    pub fn ended(&self, reason: &str) -> Mail {
        let letter = Letter {
            subject: format!("Fin de procuration : {}", self.setting.snapshot.title),
            headline: format!("Vous ne choisissez plus à la place de {}.", self.principal),
            also: None,
            facts: vec![("Pourquoi", reason.to_owned())],
            code: None,
            way: None,
            advice: "Vous n’avez rien à faire. Le lien reçu n’ouvre plus rien.".to_owned(),
            details: Vec::new(),
            about: self.setting.about(self.rank),
        };
        self.mail(MailKind::ProxyEnded, &letter)
    }

    fn mail(&self, kind: MailKind, letter: &Letter) -> Mail {
        let amphi = self.setting.snapshot.amphi;
        Mail {
            amphi,
            rank: Some(self.rank),
            proxy: Some(self.proxy),
            kind,
            recipient: self.holder.clone(),
            dedupe_key: format!("{}:{amphi}:{}:{}", kind.code(), self.rank, self.occasion),
            message: letter.message(),
            calendar: None,
        }
    }
}
