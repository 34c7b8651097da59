//! The legal order of the call list (3.1), with the reason for each place.
//!
//! Order: whole validated semesters (more first), then national rank ÷ cohort size (smaller first,
//! compared by cross-multiplication, never floats), then the older competition, then the national
//! rank, then a stable identifier. Two interns never share a place.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the legal order looks at, for one intern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Seniority {
    /// Whole validated semesters, assimilated ones included.
    pub validated_semesters: u8,
    /// Year of the competition.
    pub competition_year: u16,
    /// Rank at that competition, from 1.
    pub national_rank: u32,
    /// Number of ranked candidates of that competition; at least `national_rank`.
    pub cohort_size: u32,
}

/// The first criterion that set an intern after the one called just before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecidedBy {
    /// First of the list: nobody is before.
    FirstOfList,
    /// Fewer validated semesters than the one before.
    ValidatedSemesters,
    /// Same semesters, larger national rank ÷ cohort size.
    RelativeRank,
    /// Same so far, younger competition.
    CompetitionYear,
    /// Same so far, larger national rank.
    NationalRank,
    /// Equal in everything the law looks at; ordered by a stable identifier.
    StableIdentifier,
}

/// How an intern came to their call rank; every intern can see their own (3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RankBasis {
    /// The order was given with the list (a column `rang_appel`).
    Imported {
        /// What the file said of the intern besides.
        seniority: Seniority,
    },
    /// The order was computed by the rule.
    Computed {
        /// What the rule looked at.
        seniority: Seniority,
        /// What set this intern after the one before.
        decided_by: DecidedBy,
    },
}

impl RankBasis {
    /// What is known of the intern's seniority, however the order came about.
    pub fn seniority(&self) -> &Seniority {
        match self {
            Self::Imported { seniority } | Self::Computed { seniority, .. } => seniority,
        }
    }
}

/// Orders `candidates` by the rule and says for each what decided.
///
/// The second of each pair is the stable identifier that settles what the law leaves equal; it must
/// be unique. Returns `(index into candidates, what decided)`, in call order.
pub fn compute_order(candidates: &[(Seniority, &str)]) -> Vec<(usize, DecidedBy)> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|&a, &b| compare(&candidates[a], &candidates[b]).0);
    order
        .iter()
        .enumerate()
        .map(|(position, &index)| {
            let decided_by = match position.checked_sub(1) {
                None => DecidedBy::FirstOfList,
                Some(before) => compare(&candidates[order[before]], &candidates[index]).1,
            };
            (index, decided_by)
        })
        .collect()
}

fn compare(a: &(Seniority, &str), b: &(Seniority, &str)) -> (Ordering, DecidedBy) {
    let (first, second) = (&a.0, &b.0);
    let relative_rank = {
        let left = u64::from(first.national_rank) * u64::from(second.cohort_size);
        let right = u64::from(second.national_rank) * u64::from(first.cohort_size);
        left.cmp(&right)
    };
    let criteria = [
        (second.validated_semesters.cmp(&first.validated_semesters), DecidedBy::ValidatedSemesters),
        (relative_rank, DecidedBy::RelativeRank),
        (first.competition_year.cmp(&second.competition_year), DecidedBy::CompetitionYear),
        (first.national_rank.cmp(&second.national_rank), DecidedBy::NationalRank),
    ];
    criteria
        .into_iter()
        .find(|(ordering, _)| ordering.is_ne())
        .unwrap_or((a.1.cmp(b.1), DecidedBy::StableIdentifier))
}
