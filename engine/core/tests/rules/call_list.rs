//! 3.1: the legal order of the call list, and the reason for each place.

use amphi_core::call_list::{DecidedBy, RankBasis, Seniority, compute_order};

use crate::scene::{Scene, seniority, setup};

/// The order of `candidates` as `(index, what decided)`, whatever order they come in.
#[track_caller]
fn order(candidates: &[(Seniority, &str)]) -> Vec<(usize, DecidedBy)> {
    let forwards = compute_order(candidates);
    let reversed: Vec<_> = candidates.iter().rev().cloned().collect();
    let backwards = compute_order(&reversed);
    let last = candidates.len() - 1;
    assert_eq!(forwards, backwards.into_iter().map(|(i, why)| (last - i, why)).collect::<Vec<_>>());
    forwards
}

#[test]
fn r3_1_call_list_more_validated_semesters_come_first() {
    let list = [(seniority(2, 2025, 1, 9_000), "a"), (seniority(4, 2023, 8_999, 9_000), "b")];
    assert_eq!(order(&list), [(1, DecidedBy::FirstOfList), (0, DecidedBy::ValidatedSemesters)]);
}

#[test]
fn r3_1_call_list_same_cohort_goes_by_national_rank() {
    let list = [(seniority(2, 2025, 40, 9_000), "a"), (seniority(2, 2025, 39, 9_000), "b")];
    assert_eq!(order(&list), [(1, DecidedBy::FirstOfList), (0, DecidedBy::RelativeRank)]);
}

#[test]
fn r3_1_call_list_cohorts_are_compared_by_rank_over_size() {
    // 90/9,000 is better than 88/8,000, although 88 < 90.
    let list = [(seniority(2, 2024, 88, 8_000), "a"), (seniority(2, 2025, 90, 9_000), "b")];
    assert_eq!(order(&list), [(1, DecidedBy::FirstOfList), (0, DecidedBy::RelativeRank)]);
}

#[test]
fn r3_1_call_list_cross_multiplies_where_floats_would_err() {
    // Neighbouring fractions: they differ by 1/(q·q'), less than a double can tell apart here.
    let (a, b) = ((4_294_967_290_u32, 4_294_967_291_u32), (4_294_967_289_u32, 4_294_967_290_u32));
    assert!(f64::from(a.0) / f64::from(a.1) - f64::from(b.0) / f64::from(b.1) < 1e-18);
    let list = [(seniority(2, 2024, a.0, a.1), "a"), (seniority(2, 2025, b.0, b.1), "b")];
    assert_eq!(order(&list), [(1, DecidedBy::FirstOfList), (0, DecidedBy::RelativeRank)]);
    // Equal fractions that single floats or truncated permille would order: 1/3 = 3,000/9,000.
    let list = [(seniority(2, 2025, 3_000, 9_000), "a"), (seniority(2, 2024, 2_999, 8_997), "b")];
    assert_eq!(order(&list), [(1, DecidedBy::FirstOfList), (0, DecidedBy::CompetitionYear)]);
}

#[test]
fn r3_1_call_list_ties_go_to_the_older_competition_then_rank_then_stable_id() {
    let list = [
        (seniority(2, 2025, 100, 9_000), "zoe"),
        (seniority(2, 2024, 100, 9_000), "old"),
        (seniority(2, 2025, 100, 9_000), "ada"),
        (seniority(2, 2025, 50, 4_500), "half"),
    ];
    assert_eq!(
        order(&list),
        [
            (1, DecidedBy::FirstOfList),
            (3, DecidedBy::CompetitionYear),
            (2, DecidedBy::NationalRank),
            (0, DecidedBy::StableIdentifier),
        ]
    );
}

#[test]
fn r3_1_call_list_explains_each_place_by_the_first_criterion_that_differs() {
    let list = [
        (seniority(6, 2022, 8_000, 8_500), "a"),
        (seniority(4, 2023, 10, 9_000), "b"),
        (seniority(4, 2023, 11, 9_000), "c"),
        (seniority(2, 2024, 1, 9_000), "d"),
    ];
    assert_eq!(
        order(&list),
        [
            (0, DecidedBy::FirstOfList),
            (1, DecidedBy::ValidatedSemesters),
            (2, DecidedBy::RelativeRank),
            (3, DecidedBy::ValidatedSemesters),
        ]
    );
    assert!(compute_order(&[]).is_empty());
}

#[test]
fn r3_1_imported_order_is_kept_as_given() {
    // Rank 1 of the file has the worst seniority of all: the file decides, the core does not re-sort.
    let mut setup = setup(3, &[4]);
    setup.participants[0].rank_basis = RankBasis::Imported { seniority: seniority(0, 2026, 9_000, 9_000) };
    let first = setup.participants[0].clone();
    let scene = Scene::published(setup);
    assert_eq!(scene.amphi.setup().unwrap().participants[0], first);
    assert_eq!(first.rank_basis.seniority().national_rank, 9_000);
    let computed =
        RankBasis::Computed { seniority: seniority(2, 2025, 7, 9_000), decided_by: DecidedBy::FirstOfList };
    assert_eq!(computed.seniority().national_rank, 7);
}
