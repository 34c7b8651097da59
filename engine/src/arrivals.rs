//! Arrivals: who is let in when everybody comes at once.
//!
//! A server holds so many live connections, and lets so many in at the same moment: each costs a handshake
//! and a snapshot, and whoever waits behind thousands of them misses their turn. Those who matter now, near
//! their turn, late, or running the session, are let in first: they do not wait for the crowd, and a share
//! of the places is theirs. The others are told to come back, each after another time, so that they do not
//! come back at once.
//!
//! Deliberately absent: a queue. Whoever would wait in it holds a descriptor and a buffer meanwhile.

use std::sync::Arc;
use std::time::Duration;

use amphi_core::{Amphi, CallRank, Standing};
use rand::RngExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{ARRIVALS_AT_ONCE, COME_BACK_AFTER, NEAR_TURNS, PLACES_RESERVED_ONE_IN};
use crate::protocol::Role;

/// The places for live connections of one server.
#[derive(Debug)]
pub struct Arrivals {
    places: Arc<Semaphore>,
    reserved: usize,
    at_once: Arc<Semaphore>,
}

/// A place among the live connections; given up when it is dropped.
#[derive(Debug)]
pub struct Place {
    _place: OwnedSemaphorePermit,
    /// Until the visitor has been shown what is true now.
    arriving: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// The visitor has arrived: somebody else may.
    pub fn has_arrived(&mut self) {
        self.arriving = None;
    }
}

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
            at_once: Arc::new(Semaphore::new(ARRIVALS_AT_ONCE)),
        })
    }

    /// Lets somebody in, or says when to come back.
    ///
    /// # Errors
    /// [`ComeBack`]
    pub fn admit(&self, importance: Importance) -> Result<Place, ComeBack> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let arriving = Arc::clone(&self.at_once).try_acquire_owned().ok();
        match (place, importance) {
            (Ok(place), Importance::First) => Ok(Place { _place: place, arriving }),
            (Ok(place), Importance::Later)
                if arriving.is_some() && self.places.available_permits() >= self.reserved =>
            {
                Ok(Place { _place: place, arriving })
            }
            _ => Err(ComeBack { after: COME_BACK_AFTER.mul_f64(rand::rng().random_range(1.0..3.0)) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(arrivals: &Arrivals, importance: Importance, most: usize) -> Vec<Place> {
        std::iter::from_fn(|| arrivals.admit(importance).ok()).take(most).collect()
    }

    #[test]
    fn a_share_of_the_places_is_for_those_who_matter_now() {
        let arrivals = Arrivals::new(100);
        let mut others = admitted(&arrivals, Importance::Later, 1_000);
        assert_eq!(others.len(), 90);
        let important = admitted(&arrivals, Importance::First, 1_000);
        assert_eq!(important.len(), 10);
        others.clear();
        assert_eq!(admitted(&arrivals, Importance::Later, 1_000).len(), 80, "those who left made room");
    }

    #[test]
    fn so_many_arrive_at_once_and_whoever_matters_does_not_wait_for_them() {
        let arrivals = Arrivals::new(1_000_000);
        let mut crowd = admitted(&arrivals, Importance::Later, 1_000_000);
        assert_eq!(crowd.len(), ARRIVALS_AT_ONCE);
        assert_eq!(admitted(&arrivals, Importance::First, 5_000).len(), 5_000);
        crowd.iter_mut().take(7).for_each(Place::has_arrived);
        assert_eq!(admitted(&arrivals, Importance::Later, 1_000_000).len(), 7);
    }

    #[test]
    fn everybody_is_told_another_time_to_come_back() {
        let arrivals = Arrivals::new(0);
        let times = (0..100).map(|_| arrivals.admit(Importance::First).expect_err("no place").after);
        let times: std::collections::BTreeSet<Duration> = times.collect();
        assert!(times.len() > 50, "{times:?}");
        assert!(times.iter().all(|after| (COME_BACK_AFTER..COME_BACK_AFTER * 3).contains(after)));
    }
}
