//! From imported lists to an amphi: the call order, the pseudonyms, the plan, and what to think about.

use amphi_engine::core::call_list::{RankBasis, Seniority, compute_order};
use amphi_engine::core::opening::Opening;
use amphi_engine::core::{
    CallRank, InternId, Millis, Participant, Period, Policies, Post, Round, Setup, Timestamp,
};

use crate::import::{ImportedIntern, ImportedPost};
use crate::pages::wording::{Zone, duration, rank_explanation};

/// What an administrator decides besides the two lists.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Title shown to everybody.
    pub title: String,
    /// The semester chosen for.
    pub period: Period,
    /// IANA name.
    pub time_zone: String,
    /// When turns may open.
    pub opening: Opening,
    /// `None`: the default for the length of the list.
    pub turn_duration: Option<Millis>,
    /// What the session is for.
    pub round: Round,
    /// What this amphi decides where agencies differ (3.6).
    pub policies: Policies,
}

/// Puts the imported interns in call order: the order given with the list, or the legal one.
pub fn in_call_order(interns: Vec<ImportedIntern>) -> Vec<(ImportedIntern, RankBasis)> {
    let mut ranked: Vec<(ImportedIntern, RankBasis)> = if interns.iter().all(|i| i.call_rank.is_some()) {
        let basis = |intern: &ImportedIntern| RankBasis::Imported { seniority: seniority(intern) };
        interns.into_iter().map(|intern| (intern.clone(), basis(&intern))).collect()
    } else {
        let candidates: Vec<(Seniority, &str)> =
            interns.iter().map(|intern| (seniority(intern), intern.email.as_str())).collect();
        compute_order(&candidates)
            .into_iter()
            .map(|(index, decided_by)| {
                let intern = &interns[index];
                (intern.clone(), RankBasis::Computed { seniority: seniority(intern), decided_by })
            })
            .collect()
    };
    ranked.sort_by_key(|(intern, _)| intern.call_rank);
    ranked
}

pub(crate) fn seniority(intern: &ImportedIntern) -> Seniority {
    Seniority {
        validated_semesters: intern.validated_semesters,
        competition_year: intern.competition_year,
        national_rank: intern.national_rank,
        cohort_size: intern.cohort_size,
    }
}

/// The draft of an amphi; `ids` in the order of `ranked`.
pub fn setup(
    frame: &Frame,
    ranked: &[(ImportedIntern, RankBasis)],
    ids: &[InternId],
    posts: &[ImportedPost],
) -> Setup {
    let participants = ranked.iter().zip(ids).enumerate().map(|(index, ((intern, basis), id))| Participant {
        intern: *id,
        pseudonym: pseudonym(index),
        extra_time_percent: intern.extra_time_percent,
        rank_basis: basis.clone(),
        supernumerary: intern.supernumerary,
    });
    let posts = posts.iter().map(|post| Post {
        imotep: post.imotep.clone(),
        establishment: post.establishment.clone(),
        service: post.service.clone(),
        specialty: post.specialty.clone(),
        phase: post.phase.clone(),
        seats: post.seats,
        criteria: post.criteria.clone(),
    });
    Setup {
        title: frame.title.clone(),
        period: frame.period,
        time_zone: frame.time_zone.clone(),
        opening: frame.opening.clone(),
        turn_duration: frame.turn_duration.unwrap_or_else(|| Setup::default_turn_duration(ranked.len())),
        participants: participants.collect(),
        posts: posts.collect(),
        round: frame.round,
        policies: frame.policies.clone(),
    }
}

/// What a pseudonym is made of: easy to tell apart aloud, of no gender, meaning nothing.
const TREES: [&str; 32] = [
    "Acacia",
    "Amandier",
    "Aulne",
    "Bouleau",
    "Buis",
    "Cèdre",
    "Charme",
    "Châtaignier",
    "Chêne",
    "Cognassier",
    "Cyprès",
    "Érable",
    "Figuier",
    "Frêne",
    "Genévrier",
    "Hêtre",
    "Houx",
    "If",
    "Laurier",
    "Mélèze",
    "Merisier",
    "Mûrier",
    "Noisetier",
    "Noyer",
    "Olivier",
    "Orme",
    "Peuplier",
    "Platane",
    "Saule",
    "Sorbier",
    "Tilleul",
    "Troène",
];

/// The pseudonym of the intern at `index`: unique in the amphi, and no clue to the person.
pub(crate) fn pseudonym(index: usize) -> String {
    // Neighbours on the list get different trees.
    format!("{} {}", TREES[(index * 11) % TREES.len()], index / TREES.len() + 1)
}

/// What an administrator should think about before publishing; nothing of it forbids publishing.
pub fn warnings(setup: &Setup) -> Vec<String> {
    let mut warnings = Vec::new();
    let (seats, required) = (setup.seats(), setup.seats_required());
    if seats < required {
        warnings.push(format!(
            "L’offre compte {seats} places pour {} internes ; il en faut au moins {required} (107 %). Ajoutez {} \
             place(s).",
            setup.participants.len(),
            required - seats,
        ));
    }
    warnings.extend(overrun(setup));
    warnings
}

/// Turns that would open after the announced end, and what would make them fit.
fn overrun(setup: &Setup) -> Option<String> {
    let plan = setup.plan();
    let end = setup.opening.announced_end();
    let after = plan.iter().filter(|planned| **planned >= end).count();
    let last = *plan.last()?;
    if after == 0 {
        return None;
    }
    let zone = Zone::named(&setup.time_zone);
    let remedy = match longest_fitting_turn(setup, end) {
        Some(turn) => format!("ou ramenez le tour à {}", duration(turn)),
        None => "le tour ne peut pas être assez raccourci".to_owned(),
    };
    Some(format!(
        "{after} interne(s) passeraient après la fin de la dernière plage ({}) ; dernier passage prévu : {}. Ajoutez \
         une plage, {remedy}.",
        zone.full(end),
        zone.full(last),
    ))
}

/// The longest turn, in whole 5 seconds and 30 at least, with which everybody passes before `end`.
fn longest_fitting_turn(setup: &Setup, end: Timestamp) -> Option<Millis> {
    let step = Millis::from_secs(5);
    let mut shorter = setup.clone();
    while shorter.turn_duration > Millis::from_secs(30) {
        shorter.turn_duration = shorter.turn_duration - step;
        if shorter.plan().last().is_some_and(|last| *last < end) {
            return Some(shorter.turn_duration);
        }
    }
    None
}

/// The call list as it will stand, for a dry run: rank, name, why, planned time.
pub fn listing(setup: &Setup, ranked: &[(ImportedIntern, RankBasis)]) -> Vec<String> {
    let zone = Zone::named(&setup.time_zone);
    let plan = setup.plan();
    ranked
        .iter()
        .enumerate()
        .map(|(index, (intern, basis))| {
            let rank = CallRank::from_index(index);
            // The rule itself, which comes last, would be the same on every line.
            let why = rank_explanation(basis).into_iter().take(2).collect::<Vec<_>>().join(" ");
            // A round without turns plans none.
            let planned = plan.get(index).map(|at| format!("{}  ", zone.full(*at))).unwrap_or_default();
            format!("{:>4}  {planned}{} {}  {why}", rank.0, intern.last_name, intern.first_name)
        })
        .collect()
}
