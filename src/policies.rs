//! What an amphi decides where agencies differ (3.6), as said on the command line.

use amphi_engine::core::policies::{LatePolicy, NamesPolicy, Policies, ProxyPolicy, WatchingPolicy};
use amphi_engine::core::{Millis, Round};
use anyhow::bail;
use clap::Args;

use crate::opening::parse_duration;

/// The policies, and what the session is for; without a flag, what most amphis do.
#[derive(Debug, Clone, Args)]
pub struct PolicyArguments {
    /// Ce que devient un choix tardif : now (aussitôt), after-current-turn (après le tour en cours),
    /// end-of-session (après le dernier tour) ou forfeit (plus de choix)
    #[arg(long, value_name = "RÈGLE", default_value = "now", value_parser = late)]
    late: LatePolicy,
    /// Un tour peut s’ouvrir avant son heure, dès que le précédent est terminé
    #[arg(long)]
    early_opening: bool,
    /// Procurations : off (non), on (oui) ou document (oui, document signé obligatoire)
    #[arg(long, value_name = "RÈGLE", default_value = "off", value_parser = proxies)]
    proxies: ProxyPolicy,
    /// Le premier vœu encore libre peut être retenu quand un tour s’achève sans choix
    #[arg(long)]
    safety_net: bool,
    /// Comment les participants se voient : pseudonyms (pseudonymes) ou names (noms)
    #[arg(long, value_name = "RÈGLE", default_value = "pseudonyms", value_parser = names)]
    names: NamesPolicy,
    /// Qui peut suivre la séance sans y participer : nobody (personne), link (qui a le lien) ou everybody
    /// (tout le monde)
    #[arg(long, value_name = "RÈGLE", default_value = "link", value_parser = watching)]
    watching: WatchingPolicy,
    /// Prolongations possibles d’un tour, séparées par des virgules, de la plus courte à la plus longue
    #[arg(long, value_name = "DURÉES", default_value = "1m,2m,5m", value_delimiter = ',', value_parser = parse_duration)]
    extension_steps: Vec<Millis>,
    /// Après le dernier tour, qui a une place peut l’échanger contre une place libre
    #[arg(long)]
    vacancy_round: bool,
    /// Ce qu’est la séance : live (tour par tour), free-wishes (vœux libres), rehearsal (préchoix) ou
    /// by-wishes (choix définitif par classement de vœux)
    #[arg(long, value_name = "SÉANCE", default_value = "live", value_parser = round)]
    round: Round,
}

impl PolicyArguments {
    /// The policies these say.
    pub fn policies(&self) -> Policies {
        Policies {
            late: self.late,
            early_opening: self.early_opening,
            proxies: self.proxies,
            safety_net: self.safety_net,
            names: self.names,
            watching: self.watching,
            extension_steps: self.extension_steps.clone(),
            vacancy_round: self.vacancy_round,
        }
    }

    /// What the session is for.
    pub fn round(&self) -> Round {
        self.round
    }
}

/// The value of `word`; a refusal names every word there is.
fn one_of<T: Copy>(word: &str, words: &[(&str, T)]) -> anyhow::Result<T> {
    let known = words.iter().find(|(known, _)| *known == word.trim());
    let Some((_, value)) = known else {
        let all: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
        bail!("« {word} » n’est pas une des réponses possibles ; écrivez {}", all.join(", "));
    };
    Ok(*value)
}

fn late(word: &str) -> anyhow::Result<LatePolicy> {
    let words = [
        ("now", LatePolicy::Now),
        ("after-current-turn", LatePolicy::AfterCurrentTurn),
        ("end-of-session", LatePolicy::EndOfSession),
        ("forfeit", LatePolicy::Forfeit),
    ];
    one_of(word, &words)
}

fn proxies(word: &str) -> anyhow::Result<ProxyPolicy> {
    one_of(
        word,
        &[("off", ProxyPolicy::Off), ("on", ProxyPolicy::On), ("document", ProxyPolicy::WithDocument)],
    )
}

fn names(word: &str) -> anyhow::Result<NamesPolicy> {
    one_of(word, &[("pseudonyms", NamesPolicy::Pseudonyms), ("names", NamesPolicy::Names)])
}

fn watching(word: &str) -> anyhow::Result<WatchingPolicy> {
    let words = [
        ("nobody", WatchingPolicy::Nobody),
        ("link", WatchingPolicy::WithLink),
        ("everybody", WatchingPolicy::Everybody),
    ];
    one_of(word, &words)
}

fn round(word: &str) -> anyhow::Result<Round> {
    let words = [
        ("live", Round::Live),
        ("free-wishes", Round::FreeWishes),
        ("rehearsal", Round::Rehearsal),
        ("by-wishes", Round::ByWishes),
    ];
    one_of(word, &words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        policies: PolicyArguments,
    }

    fn read(flags: &[&str]) -> Result<PolicyArguments, String> {
        let line = Line::try_parse_from([&["amphi"], flags].concat());
        line.map(|line| line.policies).map_err(|error| error.to_string())
    }

    #[test]
    fn r3_6_without_a_flag_the_policies_are_the_default_ones() {
        let read = read(&[]).unwrap();
        assert_eq!(read.policies(), Policies::default());
        assert_eq!(read.round(), Round::Live);
    }

    #[test]
    fn r3_6_every_policy_can_be_said() {
        let flags = "--late forfeit --early-opening --proxies document --safety-net --names names \
                     --watching everybody --extension-steps 30s,2m --vacancy-round --round by-wishes";
        let read = read(&flags.split_whitespace().collect::<Vec<_>>()).unwrap();
        let said = Policies {
            late: LatePolicy::Forfeit,
            early_opening: true,
            proxies: ProxyPolicy::WithDocument,
            safety_net: true,
            names: NamesPolicy::Names,
            watching: WatchingPolicy::Everybody,
            extension_steps: vec![Millis::from_secs(30), Millis::from_minutes(2)],
            vacancy_round: true,
        };
        assert_eq!(read.policies(), said);
        assert_eq!(read.round(), Round::ByWishes);
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_known_ones() {
        for (flag, known) in [
            ("--late", "now, after-current-turn, end-of-session, forfeit"),
            ("--proxies", "off, on, document"),
            ("--names", "pseudonyms, names"),
            ("--watching", "nobody, link, everybody"),
            ("--round", "live, free-wishes, rehearsal, by-wishes"),
            ("--extension-steps", "n’est pas une durée"),
        ] {
            let refusal = read(&[flag, "peut-être"]).unwrap_err();
            assert!(refusal.contains(known) && refusal.contains("« peut-être »"), "{flag}: {refusal}");
        }
    }
}
