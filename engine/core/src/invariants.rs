//! What must hold after every command, checked in production too.
//!
//! Not after every event: between the events of one command a turn may be over and its held choices
//! not yet settled. A violation is a fault of ours: the room stops rather than assign a seat or a
//! person twice.

use crate::amphi::{Amphi, Standing, Status};
use crate::identity::{CallRank, PostNumber};
use crate::setup::Setup;

impl Amphi {
    /// Checks every invariant.
    ///
    /// # Errors
    /// What is violated, in words for the log; it names ranks and posts, never people.
    pub fn check(&self) -> Result<(), String> {
        let Some(setup) = &self.setup else {
            return if self.status == Status::Draft || matches!(self.status, Status::Annulled { .. }) {
                Ok(())
            } else {
                Err("an amphi without a setup has left the draft".to_owned())
            };
        };
        self.check_seats(setup)?;
        self.check_supernumeraries(setup)?;
        self.check_turn(setup)?;
        self.check_held()
    }

    /// No seat is held twice, and what is left is what nobody holds (P2).
    fn check_seats(&self, setup: &Setup) -> Result<(), String> {
        let mut holders: Vec<Vec<Option<CallRank>>> =
            setup.posts.iter().map(|post| vec![None; usize::from(post.seats)]).collect();
        for (index, standing) in self.standings.iter().enumerate() {
            let Standing::Placed { post, seat: Some(seat), .. } = standing else { continue };
            let rank = CallRank::from_index(index);
            let holder = holders
                .get_mut(post.index())
                .and_then(|seats| seats.get_mut(usize::from(*seat).wrapping_sub(1)))
                .ok_or_else(|| format!("rank {rank} holds a seat that post {post} does not have"))?;
            if let Some(other) = holder.replace(rank) {
                return Err(format!("seat {seat} of post {post} is held by ranks {other} and {rank}"));
            }
        }
        for (index, seats) in holders.iter().enumerate() {
            let free = seats.iter().filter(|holder| holder.is_none()).count();
            if usize::from(self.seats_left[index]) != free {
                let post = PostNumber::from_index(index);
                return Err(format!("post {post} counts {} free seats of {free}", self.seats_left[index]));
            }
        }
        Ok(())
    }

    /// One supernumerary at most per site and period (3.3).
    fn check_supernumeraries(&self, setup: &Setup) -> Result<(), String> {
        let mut sites = std::collections::BTreeSet::new();
        for standing in &self.standings {
            if let Standing::Placed { post, seat: None, .. } = standing
                && !sites.insert(setup.posts[post.index()].imotep.as_str())
            {
                return Err(format!("the site of post {post} has two supernumerary interns"));
            }
        }
        Ok(())
    }

    /// One turn at most, of the one whose turn it is; nobody before it still waits (A6).
    fn check_turn(&self, setup: &Setup) -> Result<(), String> {
        for (index, standing) in self.standings.iter().enumerate() {
            let rank = CallRank::from_index(index);
            let open = self.turn.as_ref().is_some_and(|turn| turn.rank == rank);
            let annulled = matches!(self.status, Status::Annulled { .. });
            if (*standing == Standing::InTurn) != open && !annulled {
                return Err(format!("rank {rank} is {standing:?} while the open turn is {:?}", self.turn));
            }
            if standing.is_waiting() && rank < self.next_rank && setup.round.has_turns() {
                return Err(format!("rank {rank} waits although rank {} is next", self.next_rank));
            }
        }
        if let Some(turn) = &self.turn
            && self.callable_from(turn.rank).is_some_and(|earliest| turn.opened_at < earliest)
        {
            return Err(format!("rank {} was called before its planned time", turn.rank));
        }
        Ok(())
    }

    /// Only late participants hold a pending choice, one each, and only while a turn is open (3.3).
    fn check_held(&self) -> Result<(), String> {
        if !self.held.is_empty() && self.turn.is_none() {
            return Err("a choice is held although no turn is open".to_owned());
        }
        for (index, held) in self.held.iter().enumerate() {
            if !matches!(self.standing(held.rank), Some(Standing::Late { .. })) {
                return Err(format!("rank {} holds a choice without being late", held.rank));
            }
            if self.held[..index].iter().any(|other| other.rank == held.rank) {
                return Err(format!("rank {} holds two choices", held.rank));
            }
        }
        Ok(())
    }
}
