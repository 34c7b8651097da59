//! Which of one's wishes will probably remain at one's turn (3.8), as a function of the state.
//!
//! Whoever is still to choose before is taken, in call order, to follow their wishes, nearly always; who has
//! set none may take anything, popular posts rather. What that leaves of a post is a number of seats and how
//! sure it is, both kept in thousandths: no floats, no dice, the same answer on every machine. How honest the
//! answers are is measured in `tests/outlook.rs`: that is what the constants below were set by.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::amphi::{Amphi, Standing};
use crate::identity::{CallRank, PostNumber};

/// One whole seat, one certainty.
const ONE: i64 = 1_000;
/// How often somebody takes the best wish still free of the list they have set. [decided]
const FOLLOWS_THE_LIST: i64 = 850;
/// How much more often a post is taken by somebody without a list for each seat of it taken so far, and
/// for each time it is somebody's wish. [decided]
const POPULARITY: i64 = 10;
/// From this many standard deviations (in thousandths) on, a seat will nearly certainly be left. Far, because
/// tastes that are shared make everybody wrong together.
const SURELY_LEFT: i64 = 1_800;
/// People of whom nothing is known may want the same: "probable" is said only when a seat would be left even
/// if this many of them (in thousandths) did.
const HERD: i64 = 650;
/// From this many on, the other way, none will be.
const SURELY_GONE: i64 = -500;

/// Whether a wish will still have a seat at one's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Chance {
    /// No seat is left, or nearly certainly none will be.
    Unlikely,
    /// It may go either way.
    Uncertain,
    /// Nearly certainly a seat will be left.
    Probable,
}

/// What is thought to be left of one post.
#[derive(Clone, Copy)]
struct Left {
    /// Seats expected, in thousandths.
    seats: i64,
    /// Variance of that, in thousandths of a seat squared.
    variance: i64,
}

impl Left {
    /// By how many standard deviations (thousandths) more than half a seat is left.
    fn margin(self) -> i64 {
        let deviation = (self.variance * ONE).isqrt();
        if deviation == 0 {
            return if self.seats > ONE / 2 { i64::MAX } else { i64::MIN };
        }
        (self.seats - ONE / 2) * ONE / deviation
    }

    /// How probable it is that a seat is left, in thousandths: the normal distribution, by straight lines.
    fn probability(self) -> i64 {
        const POINTS: [(i64, i64); 7] =
            [(-3_000, 1), (-2_000, 23), (-1_000, 159), (0, 500), (1_000, 841), (2_000, 977), (3_000, 999)];
        let margin = self.margin();
        if margin <= POINTS[0].0 {
            return 0;
        }
        let above = POINTS.iter().position(|(at, _)| margin <= *at);
        let Some(above) = above else { return ONE };
        let ((from, low), (to, high)) = (POINTS[above - 1], POINTS[above]);
        low + (high - low) * (margin - from) / (to - from)
    }

    /// Somebody takes a seat with this probability (thousandths).
    fn taken_with(&mut self, probability: i64) {
        self.seats -= probability;
        self.variance += probability * (ONE - probability) / ONE;
    }

    /// `unforeseen`: how many choices before (thousandths) nothing was known about.
    fn chance(self, unforeseen: i64) -> Chance {
        match self.margin() {
            margin if margin >= SURELY_LEFT && self.seats >= unforeseen * HERD / ONE => Chance::Probable,
            margin if margin <= SURELY_GONE => Chance::Unlikely,
            _ => Chance::Uncertain,
        }
    }
}

impl Amphi {
    /// For each rank still to choose that has set wishes, the chance of each, in the order of the wishes;
    /// `None` for everybody else. For those who may choose already it is what is left now.
    pub fn outlook(&self) -> Vec<Option<Vec<Chance>>> {
        if self.wishes.iter().all(Option::is_none) {
            return vec![None; self.standings.len()];
        }
        let certain = |seats: &u16| Left { seats: i64::from(*seats) * ONE, variance: 0 };
        let mut left: Vec<Left> = self.seats_left.iter().map(certain).collect();
        let now = left.clone();
        let weights = self.popularity();
        let mut unforeseen = 0;
        let mut outlook = Vec::with_capacity(self.standings.len());
        for (index, standing) in self.standings.iter().enumerate() {
            let wishes = self.wishes(CallRank::from_index(index)).map(|list| list.wishes.as_slice());
            let wishes = wishes.filter(|wishes| !wishes.is_empty());
            let (seen, unforeseen_before) = match standing {
                Standing::Waiting => (&left, unforeseen),
                Standing::InTurn | Standing::Late { .. } => (&now, 0),
                Standing::Placed { .. } | Standing::PlacedElsewhere | Standing::Withdrawn => {
                    outlook.push(None);
                    continue;
                }
            };
            let chance = |post: &PostNumber| seen[post.index()].chance(unforeseen_before);
            outlook.push(wishes.map(|wishes| wishes.iter().map(chance).collect()));
            // Late people may choose at any moment, or never; what they take is not foreseen.
            if matches!(standing, Standing::Waiting | Standing::InTurn) {
                unforeseen += take_best(&mut left, wishes.unwrap_or_default(), &weights);
            }
        }
        outlook
    }

    /// How often each post is taken by somebody of whom nothing is known, relative to the others.
    fn popularity(&self) -> Vec<i64> {
        let mut weights = vec![1; self.seats_left.len()];
        for standing in &self.standings {
            if let Standing::Placed { post, .. } = standing {
                weights[post.index()] += POPULARITY;
            }
        }
        for list in self.wishes.iter().flatten() {
            let wanted = |post: &PostNumber| post.index();
            list.wishes
                .iter()
                .take(WISHES_THAT_SHOW_TASTE)
                .map(wanted)
                .for_each(|post| weights[post] += POPULARITY);
        }
        weights
    }
}

/// How many wishes of a list say what its author likes; the later ones are precautions.
const WISHES_THAT_SHOW_TASTE: usize = 5;

/// What somebody with these wishes leaves; says how much of their choice was not foreseen (thousandths).
fn take_best(left: &mut [Left], wishes: &[PostNumber], weights: &[i64]) -> i64 {
    let mut undecided = if wishes.is_empty() { 0 } else { FOLLOWS_THE_LIST };
    let mut at_random = ONE - undecided;
    for post in wishes {
        let post = &mut left[post.index()];
        let takes = undecided * post.probability() / ONE;
        post.taken_with(takes);
        undecided -= takes;
    }
    // Whose wishes are all gone takes anything, too.
    at_random += undecided;
    let open = |left: &Left, weight: &i64| weight * left.probability();
    let all: i64 = left.iter().zip(weights).map(|(left, weight)| open(left, weight)).sum();
    if all == 0 {
        return at_random;
    }
    for (left, weight) in left.iter_mut().zip(weights) {
        let takes = at_random * open(left, weight) / all;
        left.taken_with(takes);
    }
    at_random
}
