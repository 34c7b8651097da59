//! How an intern came to their call rank, in words an intern can check (3.1).

use std::borrow::Cow;

use amphi_engine::core::call_list::{DecidedBy, RankBasis, Seniority};

use super::say;

/// One sentence on what the rule looked at, one on what decided.
pub fn rank_explanation(basis: &RankBasis) -> Vec<String> {
    let facts = facts(basis.seniority());
    match basis {
        RankBasis::Imported { .. } => vec![say("rang.importe", &[]), facts],
        RankBasis::Computed { decided_by, .. } => {
            let key = match decided_by {
                DecidedBy::FirstOfList => "rang.premier",
                DecidedBy::ValidatedSemesters => "rang.semestres",
                DecidedBy::RelativeRank => "rang.relatif",
                DecidedBy::CompetitionYear => "rang.annee",
                DecidedBy::NationalRank => "rang.national",
                DecidedBy::StableIdentifier => "rang.identifiant",
            };
            vec![facts, say(key, &[]), say("rang.regle", &[])]
        }
    }
}

fn facts(seniority: &Seniority) -> String {
    say(
        "rang.faits",
        &[
            ("n", Cow::from(seniority.validated_semesters.to_string())),
            ("rang", Cow::from(thousands(seniority.national_rank))),
            ("effectif", Cow::from(thousands(seniority.cohort_size))),
            ("annee", Cow::from(seniority.competition_year.to_string())),
        ],
    )
}

/// "3 070", with a narrow non-breaking space.
pub fn thousands(number: u32) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}
