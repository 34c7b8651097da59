//! Arrivals: who is let in when everybody comes at once.
//!
//! A server holds so many live connections, and lets so many in a moment: each costs a handshake and a
//! snapshot, and whoever waits behind thousands of them misses their turn. Those who matter now, near their
//! turn, late, or running the session, are let in whenever they come, and a share of the places is theirs.
//! The others are told to come back, each after another time, so that they do not come back at once.
//!
//! Deliberately absent: a queue. Whoever would wait in it holds a descriptor and a buffer meanwhile; and
//! whoever comes in and then says nothing must not keep others out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use amphi_core::{Amphi, CallRank, Standing};
use rand::RngExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::limits::{
    ARRIVAL_WINDOW, ARRIVALS_PER_WINDOW, COME_BACK_AFTER, NEAR_TURNS, PLACES_RESERVED_ONE_IN,
};
use crate::metrics::meters;
use crate::protocol::Role;

/// The places for live connections of one server.
#[derive(Debug)]
pub struct Arrivals {
    places: Arc<Semaphore>,
    reserved: usize,
    pace: Mutex<Pace>,
}

/// How many of the others may still come in before the window ends.
#[derive(Debug)]
struct Pace {
    window_ends: Instant,
    left: usize,
}

/// A place among the live connections; given up when it is dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held, not looked at")] OwnedSemaphorePermit);

/// Not now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many come at once")]
pub struct ComeBack {
    /// After this long: another time for everybody.
    pub after: Duration,
}

/// How much it matters that somebody is let in at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    /// Somebody's choice may hang on it.
    First,
    /// They may look a few seconds later.
    Later,
}

impl Importance {
    /// Of a connection to `amphi` in that role.
    pub fn of(role: Role, amphi: &Amphi) -> Self {
        let first = match role {
            Role::Administrator => true,
            Role::Intern { rank } | Role::Holder { rank, .. } => may_choose_soon(amphi, rank),
            Role::Spectator => false,
        };
        if first { Self::First } else { Self::Later }
    }
}

fn may_choose_soon(amphi: &Amphi, rank: CallRank) -> bool {
    match amphi.standing(rank) {
        Some(Standing::InTurn | Standing::Late { .. }) => true,
        Some(Standing::Waiting) => rank.0.saturating_sub(amphi.next_rank().0) <= NEAR_TURNS,
        Some(Standing::Placed { .. } | Standing::PlacedElsewhere | Standing::Withdrawn) | None => false,
    }
}

impl Arrivals {
    /// For a server with so many places for live connections.
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            reserved: places / PLACES_RESERVED_ONE_IN,
            pace: Mutex::new(Pace { window_ends: Instant::now(), left: 0 }),
        })
    }

    /// Lets somebody in, or says when to come back.
    ///
    /// # Errors
    /// [`ComeBack`]
    pub fn admit(&self, importance: Importance) -> Result<Place, ComeBack> {
        let room_enough = match importance {
            Importance::First => true,
            Importance::Later => self.places.available_permits() > self.reserved && self.pace_allows(),
        };
        let place = Arc::clone(&self.places).try_acquire_owned().ok().filter(|_| room_enough);
        place.map(Place).ok_or_else(|| {
            meters().arrivals_refused.increment(1);
            ComeBack { after: COME_BACK_AFTER.mul_f64(rand::rng().random_range(1.0..3.0)) }
        })
    }

    fn pace_allows(&self) -> bool {
        let now = Instant::now();
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= pace.window_ends {
            *pace = Pace { window_ends: now + ARRIVAL_WINDOW, left: ARRIVALS_PER_WINDOW };
        }
        let allowed = pace.left > 0;
        pace.left = pace.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(arrivals: &Arrivals, importance: Importance, most: usize) -> Vec<Place> {
        std::iter::from_fn(|| arrivals.admit(importance).ok()).take(most).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_of_the_places_is_for_those_who_matter_now() {
        let arrivals = Arrivals::new(100);
        let mut others = admitted(&arrivals, Importance::Later, 1_000);
        assert_eq!(others.len(), 95);
        let important = admitted(&arrivals, Importance::First, 1_000);
        assert_eq!(important.len(), 5);
        others.clear();
        assert_eq!(admitted(&arrivals, Importance::Later, 1_000).len(), 90, "those who left made room");
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_come_in_at_a_time_and_whoever_matters_does_not_wait_for_them() {
        let arrivals = Arrivals::new(1_000_000);
        for _ in 0..3 {
            let crowd = admitted(&arrivals, Importance::Later, 1_000_000);
            assert_eq!(crowd.len(), ARRIVALS_PER_WINDOW);
            assert_eq!(admitted(&arrivals, Importance::First, 5_000).len(), 5_000);
            tokio::time::advance(ARRIVAL_WINDOW).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_is_told_another_time_to_come_back() {
        let arrivals = Arrivals::new(0);
        let times = (0..100).map(|_| arrivals.admit(Importance::First).expect_err("no place").after);
        let times: std::collections::BTreeSet<Duration> = times.collect();
        assert!(times.len() > 50, "{times:?}");
        assert!(times.iter().all(|after| (COME_BACK_AFTER..COME_BACK_AFTER * 3).contains(after)));
    }
}
