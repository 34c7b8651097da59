//! The rules of a session (3.6), each in one plain sentence: participants read them before it starts,
//! spectators at the foot of the screen, administrators in the control room, everybody in the minutes.

use amphi_engine::core::policies::{LatePolicy, NamesPolicy, Policies, ProxyPolicy, WatchingPolicy};
use amphi_engine::core::{Millis, Round};

use super::duration;

/// One rule of a session, as it is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What it is about, in a word or two.
    pub about: &'static str,
    /// The rule, in one sentence.
    pub says: String,
}

/// The rules of a session, in the order in which one meets them. Those about turns are left out of rounds
/// that have none (3.8).
pub fn rules(round: Round, policies: &Policies, turn_duration: Millis) -> Vec<Rule> {
    // Taken apart, so that a policy that is added does not compile until it has its sentence.
    let Policies {
        late,
        early_opening,
        proxies,
        safety_net,
        names,
        watching,
        extension_steps,
        vacancy_round,
    } = policies;
    let rule = |about, says: &str| Rule { about, says: says.to_owned() };
    let mut rules = vec![rule("Séance", round_says(round))];
    if round.has_turns() {
        rules.extend([
            Rule { about: "Durée d’un tour", says: turn_says(turn_duration) },
            rule("Heure de passage", early_opening_says(*early_opening)),
            rule("Choix tardif", late_says(*late)),
            rule("Filet de sécurité", safety_net_says(*safety_net)),
            Rule { about: "Prolongation", says: extension_says(extension_steps) },
            rule("Postes restants", vacancy_round_says(*vacancy_round)),
        ]);
    }
    rules.extend([
        rule("Procuration", proxies_says(*proxies)),
        rule("Noms", names_says(*names)),
        rule("Public", watching_says(*watching)),
    ]);
    rules
}

fn round_says(round: Round) -> &'static str {
    match round {
        Round::Live => {
            "Chacun choisit à son tour, dans l’ordre de la liste d’appel ; un choix confirmé est définitif."
        }
        Round::FreeWishes => "Chacun dépose ses vœux ; personne n’est affecté à l’issue de cette séance.",
        Round::Rehearsal => {
            "C’est une répétition : les vœux sont départagés dans l’ordre de la liste d’appel, mais personne \
             n’est affecté."
        }
        Round::ByWishes => {
            "Chacun classe ses vœux ; à la clôture, ils sont départagés ensemble, dans l’ordre de la liste \
             d’appel, et l’affectation est définitive."
        }
    }
}

fn turn_says(turn_duration: Millis) -> String {
    format!(
        "Un tour dure {} au plus, majoration individuelle de temps non comprise.",
        duration(turn_duration)
    )
}

fn early_opening_says(early_opening: bool) -> &'static str {
    if early_opening {
        "Un tour peut s’ouvrir avant l’heure de convocation, dès que le précédent est terminé ; il dure alors au \
         moins jusqu’à la fin prévue."
    } else {
        "Personne n’est appelé avant son heure de convocation ; un retard décale l’heure de passage."
    }
}

fn late_says(late: LatePolicy) -> &'static str {
    match late {
        LatePolicy::Now => {
            "Qui se connecte après son tour peut encore choisir, aussitôt, parmi les postes qui restent ; la dernière \
             place d’un poste attend la fin du tour en cours."
        }
        LatePolicy::AfterCurrentTurn => {
            "Qui se connecte après son tour peut encore choisir ; son choix est traité à la fin du tour en cours, parmi \
             les postes qui restent alors."
        }
        LatePolicy::EndOfSession => {
            "Qui a laissé passer son tour peut choisir une fois le dernier tour terminé, parmi les postes qui restent."
        }
        LatePolicy::Forfeit => {
            "Qui laisse passer son tour ne peut plus choisir ; un administrateur peut l’affecter d’office."
        }
    }
}

fn safety_net_says(safety_net: bool) -> &'static str {
    if safety_net {
        "Qui l’a demandé voit son premier vœu encore libre retenu si son tour s’achève sans choix."
    } else {
        "Les vœux ne sont jamais retenus à la place d’un choix."
    }
}

fn extension_says(steps: &[Millis]) -> String {
    let steps: Vec<String> = steps.iter().copied().map(duration).collect();
    match steps.split_last() {
        None => "Un tour en cours ne peut pas être prolongé.".to_owned(),
        Some((only, [])) => {
            format!(
                "Un administrateur peut prolonger un tour en cours, de {only} à la fois ; le motif est conservé."
            )
        }
        Some((last, others)) => format!(
            "Un administrateur peut prolonger un tour en cours, de {} ou {last} à la fois ; le motif est conservé.",
            others.join(", ")
        ),
    }
}

fn vacancy_round_says(vacancy_round: bool) -> &'static str {
    if vacancy_round {
        "Après le dernier tour, qui a une place peut l’échanger contre une place restée libre."
    } else {
        "Une place obtenue ne s’échange pas, même contre une place restée libre."
    }
}

fn proxies_says(proxies: ProxyPolicy) -> &'static str {
    match proxies {
        ProxyPolicy::Off => "Il n’y a pas de procuration : chacun choisit pour soi.",
        ProxyPolicy::On => "Qui est empêché peut donner procuration à une personne de son choix.",
        ProxyPolicy::WithDocument => {
            "Qui est empêché peut donner procuration ; la personne désignée dépose le document signé avant de choisir."
        }
    }
}

fn names_says(names: NamesPolicy) -> &'static str {
    match names {
        NamesPolicy::Pseudonyms => {
            "Les participants se voient par leur rang et un pseudonyme ; seuls les administrateurs voient les noms."
        }
        NamesPolicy::Names => "Les noms sont affichés à tous les participants et à l’écran public.",
    }
}

fn watching_says(watching: WatchingPolicy) -> &'static str {
    match watching {
        WatchingPolicy::Nobody => "Seuls les participants et les administrateurs suivent la séance.",
        WatchingPolicy::WithLink => "Qui a reçu le lien de l’écran public peut suivre la séance.",
        WatchingPolicy::Everybody => "La séance est publique : tout le monde peut suivre l’écran public.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::collections::BTreeSet;

    /// Every value of every policy, from the schema of the wire, which is generated from the types.
    fn every_value() -> Vec<(String, Vec<Value>)> {
        let schema: Value =
            serde_json::from_str(include_str!("../../../../engine/protocol.schema.json")).unwrap();
        let fields = schema["$defs"]["Policies"]["properties"].as_object().unwrap();
        fields.iter().map(|(name, field)| (name.clone(), values(&schema, field))).collect()
    }

    fn values(schema: &Value, field: &Value) -> Vec<Value> {
        match field["type"].as_str() {
            Some("boolean") => vec![json!(false), json!(true)],
            Some("array") => vec![json!([]), json!([60_000]), json!([60_000, 120_000, 300_000])],
            _ => {
                let name = field["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
                let variants = schema["$defs"][name]["oneOf"].as_array().unwrap();
                variants.iter().map(|variant| variant["const"].clone()).collect()
            }
        }
    }

    fn said(round: Round, policies: &Policies) -> BTreeSet<String> {
        rules(round, policies, Millis::from_minutes(3)).into_iter().map(|rule| rule.says).collect()
    }

    #[test]
    fn r3_6_every_value_of_every_policy_has_a_sentence_of_its_own() {
        let default = serde_json::to_value(Policies::default()).unwrap();
        let everything = every_value();
        assert_eq!(everything.len(), default.as_object().unwrap().len());
        for (name, values) in everything {
            let mut seen = BTreeSet::new();
            for value in &values {
                let mut policies = default.clone();
                policies[&name] = value.clone();
                let policies: Policies = serde_json::from_value(policies).unwrap();
                let sentences = said(Round::Live, &policies);
                let own = seen.insert(sentences.clone());
                assert!(own, "« {value} » of {name} is said like another value");
                assert_eq!(sentences.len(), rules(Round::Live, &policies, Millis(1)).len());
            }
            assert!(values.len() > 1, "{name}");
        }
    }

    #[test]
    fn r3_8_each_round_is_said_and_those_without_turns_speak_of_none() {
        let policies = Policies::default();
        let rounds = [Round::Live, Round::FreeWishes, Round::Rehearsal, Round::ByWishes];
        let firsts: BTreeSet<String> =
            rounds.iter().map(|round| rules(*round, &policies, Millis(1))[0].says.clone()).collect();
        assert_eq!(firsts.len(), rounds.len());
        for round in rounds.into_iter().filter(|round| !round.has_turns()) {
            assert!(said(round, &policies).iter().all(|says| !says.contains("tour")), "{round:?}");
        }
    }

    #[test]
    fn the_sentences_are_sentences() {
        for rule in rules(Round::Live, &Policies::default(), Millis::from_minutes(3)) {
            assert!(rule.says.ends_with('.') && rule.says.starts_with(char::is_uppercase), "{}", rule.says);
            assert!(!rule.about.is_empty());
        }
        assert_eq!(
            extension_says(&Policies::default().extension_steps),
            "Un administrateur peut prolonger un tour en cours, de 1\u{a0}min, 2\u{a0}min ou 5\u{a0}min à la fois ; le motif est conservé."
        );
    }
}
