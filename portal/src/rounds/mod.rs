//! The rounds without turns (3.8): what everybody's wishes come to.
//!
//! *Vœux libres* shows what is wished for, and places nobody; *préchoix* shows what the wishes would give, by
//! rank, as a rehearsal; *choix définitif par vœux* places everybody when it is closed. Interns see their own
//! result once the round is closed, and how much each post is wished for; administrators see all of it at any
//! time, by pseudonym here and by name in the minutes.

mod page;
pub(crate) mod routes;

use amphi_engine::core::{Amphi, CallRank, PostNumber, Round, Standing, Status};

/// What everybody's wishes come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundResult {
    /// What each rank gets, in call order; a rehearsal only says what they would get.
    pub granted: Vec<Option<PostNumber>>,
    /// How much each post is wished for, by number.
    pub demand: Vec<Demand>,
    /// How many have set wishes.
    pub with_wishes: usize,
}

/// How much one post is wished for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// On how many lists.
    pub wished: usize,
    /// On how many of them first.
    pub first: usize,
    /// The last rank that gets it; `None` when nobody does.
    pub last_rank: Option<CallRank>,
    /// How many get it.
    pub granted: usize,
}

impl RoundResult {
    /// The result of `amphi` as it stands.
    pub fn of(amphi: &Amphi) -> Self {
        let granted = granted(amphi);
        let posts = amphi.seats_left().len();
        let mut demand = vec![Demand::default(); posts];
        let mut with_wishes = 0;
        for (index, post) in granted.iter().enumerate() {
            let rank = CallRank::from_index(index);
            if let Some(list) = amphi.wishes(rank).filter(|list| !list.wishes.is_empty()) {
                with_wishes += 1;
                list.wishes.iter().for_each(|post| demand[post.index()].wished += 1);
                demand[list.wishes[0].index()].first += 1;
            }
            if let Some(post) = post {
                demand[post.index()].granted += 1;
                demand[post.index()].last_rank = Some(rank);
            }
        }
        Self { granted, demand, with_wishes }
    }
}

/// Who gets what: the seats taken, and, as long as the wishes decide, what they would give.
fn granted(amphi: &Amphi) -> Vec<Option<PostNumber>> {
    let round = amphi.setup().map(|setup| setup.round).unwrap_or_default();
    let undecided = match round {
        Round::Live | Round::FreeWishes => false,
        Round::Rehearsal => true,
        Round::ByWishes => !is_over(amphi.status()),
    };
    let foreseen = if undecided { amphi.resolved_wishes() } else { vec![None; amphi.standings().len()] };
    let held = amphi.standings().iter().map(|standing| match standing {
        Standing::Placed { post, .. } => Some(*post),
        _ => None,
    });
    held.zip(foreseen).map(|(held, foreseen)| held.or(foreseen)).collect()
}

/// Whether nothing will change the result any more.
pub(crate) fn is_over(status: &Status) -> bool {
    matches!(status, Status::Closed | Status::Annulled { .. })
}
