//! The acts of whoever runs a session, in words: what each is called, what it asks for, what it means.

use amphi_engine::core::{CallRank, LiveCommand, Millis, PostNumber};

/// What an act asks for besides its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Nothing: it concerns the session.
    Nothing,
    /// A rank.
    Rank,
    /// A rank, and a post.
    Post,
    /// A rank, and by how much.
    Step,
}

/// One act.
#[derive(Debug)]
pub struct Act {
    /// Its word in addresses and forms, as on the wire.
    pub code: &'static str,
    /// Heading of its page.
    pub title: &'static str,
    /// Its button.
    pub button: &'static str,
    /// Whether something is lost by it.
    pub destructive: bool,
    /// What its reason is called; `None` where it has none.
    pub reason: Option<&'static str>,
    /// What the reason usually is.
    pub usual: &'static str,
    /// What else it asks for.
    pub wants: Wants,
    /// What it does, and what cannot be undone.
    pub means: &'static str,
}

const MINUTES: Option<&str> = Some("Motif, inscrit au procès-verbal");
const TO_ALL: Option<&str> = Some("Motif, montré à tous");
const TO_THEM: Option<&str> = Some("Motif, montré à l’interne et inscrit au procès-verbal");

const PLAIN: Act = Act {
    code: "",
    title: "",
    button: "",
    destructive: false,
    reason: MINUTES,
    usual: "",
    wants: Wants::Rank,
    means: "",
};

/// Every act there is.
pub const ACTS: [Act; 15] = [
    Act {
        code: "open",
        title: "Ouvrir la séance",
        button: "Ouvrir la séance",
        reason: None,
        wants: Wants::Nothing,
        means: "L’éligibilité de chacun est vérifiée d’abord ; personne n’est appelé si quelqu’un ne remplit pas les \
                conditions.",
        ..PLAIN
    },
    Act {
        code: "suspend",
        title: "Suspendre la séance",
        button: "Suspendre",
        reason: TO_ALL,
        wants: Wants::Nothing,
        means: "L’horloge s’arrête pour tous ; le temps du tour en cours est gardé.",
        ..PLAIN
    },
    Act {
        code: "explain_suspension",
        title: "Préciser le motif de la suspension",
        button: "Montrer ce motif à tous",
        reason: TO_ALL,
        wants: Wants::Nothing,
        means: "La séance est suspendue : l’horloge est arrêtée, le temps du tour en cours est gardé.",
        ..PLAIN
    },
    Act {
        code: "resume",
        title: "Reprendre la séance",
        button: "Reprendre",
        reason: None,
        wants: Wants::Nothing,
        means: "L’horloge repart ; le tour en cours garde le temps qui lui restait.",
        ..PLAIN
    },
    Act {
        code: "close",
        title: "Terminer la séance",
        button: "Terminer la séance",
        destructive: true,
        reason: None,
        wants: Wants::Nothing,
        means: "Plus personne ne peut choisir. Ceux qui n’ont pas choisi sont listés ; un administrateur peut encore \
                les affecter d’office. La séance ne se rouvre pas.",
        ..PLAIN
    },
    Act {
        code: "annul",
        title: "Annuler la séance",
        button: "Annuler la séance",
        destructive: true,
        reason: TO_ALL,
        wants: Wants::Nothing,
        means: "Aucun choix de cette séance ne comptera, même si elle est terminée : chacun redevient libre de choisir \
                ailleurs. Le journal est gardé. Cela ne se défait pas.",
        ..PLAIN
    },
    Act {
        code: "end_turn",
        title: "Arrêter le tour en cours",
        button: "Arrêter ce tour",
        destructive: true,
        means: "Le tour s’arrête sans choix et le suivant est appelé. L’interne perd le bénéfice de son rang ; ce \
                qu’il peut encore faire dépend de la règle des choix tardifs. Cela ne se défait pas.",
        ..PLAIN
    },
    Act {
        code: "extend",
        title: "Prolonger le tour en cours",
        button: "Prolonger ce tour",
        usual: "Difficulté technique de l’interne",
        wants: Wants::Step,
        means: "Le tour dure plus longtemps ; ceux qui attendent passent d’autant plus tard.",
        ..PLAIN
    },
    Act {
        code: "choose_for",
        title: "Choisir à la place de l’interne",
        button: "Enregistrer ce choix",
        destructive: true,
        usual: "Au téléphone, à la demande de l’interne",
        wants: Wants::Post,
        means: "Le choix est définitif, comme si l’interne l’avait fait. Relisez-lui le poste avant de confirmer.",
        ..PLAIN
    },
    Act {
        code: "withdraw",
        title: "Retirer de la séance",
        button: "Retirer cet interne",
        destructive: true,
        means: "L’interne n’est plus appelé et ne peut plus choisir. Cela ne se défait pas.",
        ..PLAIN
    },
    Act {
        code: "annul_choice",
        title: "Annuler son choix",
        button: "Annuler ce choix",
        destructive: true,
        reason: TO_THEM,
        means: "La place est rendue et l’interne peut choisir de nouveau, sans que son tour soit rappelé. La place \
                rendue peut être prise par quelqu’un d’autre : cela ne se défait pas.",
        ..PLAIN
    },
    Act {
        code: "rewind",
        title: "Revenir à son tour",
        button: "Revenir à ce tour",
        destructive: true,
        reason: TO_ALL,
        means: "La séance est suspendue, et tous les choix faits depuis l’ouverture de ce tour sont défaits. Ils restent \
                lisibles dans le journal, et chaque personne concernée est prévenue. Les places rendues peuvent être \
                prises par d’autres : cela ne se défait pas.",
        ..PLAIN
    },
    Act {
        code: "assign",
        title: "Affecter d’office",
        button: "Affecter ce poste",
        destructive: true,
        reason: TO_THEM,
        wants: Wants::Post,
        means: "Possible une fois le dernier tour terminé, avant comme après la clôture. L’interne reçoit un reçu.",
        ..PLAIN
    },
    Act {
        code: "revert_proxy",
        title: "Mettre fin à la procuration",
        button: "Mettre fin à la procuration",
        destructive: true,
        reason: TO_THEM,
        means: "Le lien du mandataire ne sert plus ; l’interne choisit en personne.",
        ..PLAIN
    },
    Act {
        code: "admit",
        title: "Admettre malgré la vérification",
        button: "Admettre cet interne",
        means: "L’interne participe comme les autres, malgré ce que la vérification a trouvé.",
        ..PLAIN
    },
];

/// The act of that code.
pub fn act(code: &str) -> Option<&'static Act> {
    ACTS.iter().find(|act| act.code == code)
}

/// What a form or an address asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Code of the act.
    pub action: String,
    /// Whom it is about.
    pub rank: Option<CallRank>,
    /// Which post.
    pub post: Option<PostNumber>,
    /// By how much.
    pub by: Option<Millis>,
    /// Without using a seat.
    pub supernumerary: bool,
    /// Why.
    pub reason: String,
}

impl Asked {
    /// What these fields ask for; `None` when a number is none. Empty fields count as absent.
    pub fn from_pairs(pairs: &[(String, String)]) -> Option<Self> {
        let mut asked = Self::default();
        for (name, value) in pairs.iter().filter(|(_, value)| !value.trim().is_empty()) {
            match name.as_str() {
                "action" => asked.action.clone_from(value),
                "rank" => asked.rank = Some(CallRank(value.parse().ok()?)),
                "post" => asked.post = Some(PostNumber(value.parse().ok()?)),
                "by" => asked.by = Some(Millis(value.parse().ok()?)),
                "supernumerary" => asked.supernumerary = true,
                "reason" => asked.reason.clone_from(value),
                _ => {}
            }
        }
        Some(asked)
    }

    /// The command, once everything it needs is there.
    pub fn command(&self) -> Option<LiveCommand> {
        let reason = self.reason.trim().to_owned();
        let (rank, post, supernumerary) = (self.rank, self.post, self.supernumerary);
        Some(match self.action.as_str() {
            "open" => LiveCommand::Open,
            "suspend" => LiveCommand::Suspend { reason },
            "explain_suspension" => LiveCommand::ExplainSuspension { reason },
            "resume" => LiveCommand::Resume,
            "close" => LiveCommand::Close,
            "annul" => LiveCommand::Annul { reason },
            "end_turn" => LiveCommand::EndTurn { rank: rank?, reason },
            "extend" => LiveCommand::Extend { rank: rank?, by: self.by?, reason },
            "choose_for" => LiveCommand::ChooseFor { rank: rank?, post: post?, supernumerary, reason },
            "withdraw" => LiveCommand::Withdraw { rank: rank?, reason },
            "annul_choice" => LiveCommand::AnnulChoice { rank: rank?, reason },
            "rewind" => LiveCommand::Rewind { to: rank?, reason },
            "assign" => LiveCommand::Assign { rank: rank?, post: post?, reason },
            "revert_proxy" => LiveCommand::RevertProxy { rank: rank?, reason },
            "admit" => LiveCommand::Admit { rank: rank?, reason },
            _ => return None,
        })
    }

    /// The same for a look at what it would change: the reason is not asked for yet.
    pub fn command_to_preview(&self) -> Option<LiveCommand> {
        let reason = if self.reason.trim().is_empty() { "aperçu".to_owned() } else { self.reason.clone() };
        Self { reason, ..self.clone() }.command()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_is_a_command_of_the_same_name() {
        for act in &ACTS {
            let asked = Asked {
                action: act.code.to_owned(),
                rank: Some(CallRank(3)),
                post: Some(PostNumber(2)),
                by: Some(Millis::from_minutes(1)),
                supernumerary: false,
                reason: "Motif".to_owned(),
            };
            let wire = serde_json::to_value(asked.command().expect("a command")).expect("JSON");
            assert_eq!(wire["action"], act.code);
            assert_eq!(wire.get("reason").is_some(), act.reason.is_some(), "{}", act.code);
            let wants_rank = wire.get("rank").or(wire.get("to")).is_some();
            assert_eq!(wants_rank, act.wants != Wants::Nothing, "{}", act.code);
            assert_eq!(wire.get("post").is_some(), act.wants == Wants::Post, "{}", act.code);
            assert_eq!(wire.get("by").is_some(), act.wants == Wants::Step, "{}", act.code);
            for text in [act.title, act.button, act.means] {
                assert!(!text.is_empty() && !text.contains(['!', '\'']), "{text}");
            }
        }
    }

    #[test]
    fn fields_that_are_no_numbers_are_no_request() {
        let pairs = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        assert_eq!(Asked::from_pairs(&pairs("post", "x")), None);
        assert_eq!(Asked::from_pairs(&pairs("rank", "70000")), None);
        assert_eq!(Asked::from_pairs(&pairs("post", " ")), Some(Asked::default()));
    }
}
