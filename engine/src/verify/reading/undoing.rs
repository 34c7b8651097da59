//! What undoes choices, and what a rewind leads back to (3.6, 3.7).

use amphi_core::{CallRank, ChoiceManner, ReleasedSeat};

use super::{Line, Made, Phase, Reading, Undone, Verdict, ensure};

impl Reading {
    /// What one held is free again.
    pub(super) fn undo(&mut self, by: u64, released: ReleasedSeat) -> Verdict {
        let ReleasedSeat { rank, post, seat } = released;
        let held = self.allocation.remove(&rank).filter(|held| (held.post, held.seat) == (post, seat));
        let held = held.ok_or_else(|| format!("le rang {rank} n’avait pas ce qui a été défait"))?;
        if let Some(seat) = seat {
            self.seats.remove(&(post, seat));
        }
        self.undone.insert(held.seq, Undone { rank, post, hash: held.hash, by });
        Ok(())
    }

    /// Whoever's choice is annulled holds nothing, whatever it was exchanged for.
    pub(super) fn annul(&mut self, line: &Line, released: ReleasedSeat) -> Verdict {
        ensure(self.in_session(), || "défait hors de la séance".to_owned())?;
        self.made.remove(&released.rank);
        self.undo(line.seq, released)
    }

    /// Exactly the choices made since the turn of `to` was opened are undone; what they had been exchanged for,
    /// made before, has to stand again (3.7).
    pub(super) fn rewind(&mut self, line: &Line, to: CallRank, released: &[ReleasedSeat]) -> Verdict {
        let since = usize::from(to.0).checked_sub(1).and_then(|index| self.called.get(index)).copied();
        let since = since.ok_or_else(|| format!("le rang {to} n’avait pas été appelé"))?;
        ensure(self.in_session(), || "retour en arrière hors de la séance".to_owned())?;
        let last = |made: &Vec<Made>| made.last().filter(|made| made.seq > since).map(|made| made.taken);
        let expected: Vec<ReleasedSeat> = self.made.values().filter_map(last).collect();
        ensure(expected == released, || {
            "ce qui a été défait n’est pas ce qui avait été choisi depuis".to_owned()
        })?;
        for seat in released {
            self.undo(line.seq, *seat)?;
            let made = self.made.entry(seat.rank).or_default();
            made.retain(|made| made.seq <= since);
            self.to_restore.extend(made.last().copied());
        }
        self.called.truncate(to.index());
        self.let_go.retain(|rank| *rank < to);
        self.turn = None;
        self.held.clear();
        self.phase = Phase::Suspended { since: line.at };
        Ok(())
    }

    /// In call order, right after the rewind, as it was made.
    pub(super) fn restore(&mut self, line: &Line, taken: ReleasedSeat, manner: ChoiceManner) -> Verdict {
        let due = self.to_restore.pop_front();
        let as_made = due.is_some_and(|made| made.taken == taken && made.manner == manner);
        ensure(as_made, || format!("le choix du rang {} ne revaut pas", taken.rank))?;
        self.occupy(line, taken)
    }
}
