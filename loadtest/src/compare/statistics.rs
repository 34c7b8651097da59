//! Medians, spread, and ratios of the same round.
//!
//! Machines drift between minutes, so a ratio is only ever taken of two figures of one round; its median and spread are
//! those of the rounds' ratios, never a ratio of medians.

use serde_json::{Value, json};

use crate::crowd::round3;

/// Several measurements of one thing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The middle one; of an even number, the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// How many.
    pub count: usize,
}

impl Spread {
    /// Of these; `None` when there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { median: f64::midpoint(low, high), min, max, count: values.len() })
    }

    /// For the report.
    pub fn to_json(self) -> Value {
        json!({"median": round3(self.median), "min": round3(self.min), "max": round3(self.max),
               "count": self.count})
    }
}

/// The figure of each round, in order of the rounds; `None` where it was not had.
pub type ByRound = Vec<Option<f64>>;

/// `figures` over `reference`, round by round; rounds in which one of them lacks do not count.
pub fn ratios(figures: &ByRound, reference: &ByRound) -> Option<Spread> {
    let both = figures.iter().zip(reference).filter_map(|(figure, reference)| figure.zip(*reference));
    Spread::of(both.filter(|(_, reference)| *reference > 0.0).map(|(figure, reference)| figure / reference))
}

/// The value below which `permille` of `values` lie.
pub fn quantile(values: &mut [f64], permille: usize) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let index = (values.len() * permille).div_ceil(1_000).saturating_sub(1);
    values.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(
            Spread::of([3.0, 1.0, 2.0]).unwrap(),
            Spread { median: 2.0, min: 1.0, max: 3.0, count: 3 }
        );
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn ratios_are_of_the_same_round_only() {
        // A machine that was twice as slow in the second round, and four times in the third.
        let raw = vec![Some(1.0), Some(2.0), Some(4.0)];
        let peer = vec![Some(1.5), Some(3.0), Some(6.0)];
        assert_eq!(ratios(&peer, &raw).unwrap(), Spread { median: 1.5, min: 1.5, max: 1.5, count: 3 });
        let lacking = vec![Some(1.5), None, Some(8.0)];
        assert_eq!(ratios(&lacking, &raw).unwrap(), Spread { median: 1.75, min: 1.5, max: 2.0, count: 2 });
        assert_eq!(ratios(&vec![None], &raw), None);
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let mut values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(quantile(&mut values, 500), Some(100.0));
        assert_eq!(quantile(&mut values, 990), Some(198.0));
        assert_eq!(quantile(&mut [7.0], 990), Some(7.0));
        assert_eq!(quantile(&mut [], 500), None);
    }
}
