//! Which rooms of this server concern which person, so that a placement in one amphi is known in the
//! others at once (3.1, A8). The database is the last line; this only spares it refusals.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use amphi_core::{AmphiId, CallRank, InternId, Period};
use dashmap::DashMap;

use crate::room::Room;

type Person = (Period, InternId);

/// The rooms that concern each person of each period.
#[derive(Default)]
pub struct Persons {
    rooms: DashMap<Person, Vec<Seat>>,
    /// Whom each amphi was said to concern.
    listed: DashMap<AmphiId, Vec<Person>>,
}

struct Seat {
    amphi: AmphiId,
    rank: CallRank,
    room: Weak<Room>,
}

impl Persons {
    /// Notes that `room` concerns `interns`, listed in call order; replaces what it said before. Whoever stays on
    /// the list is concerned all the while.
    pub fn register(&self, period: Period, interns: &[InternId], amphi: AmphiId, room: &Arc<Room>) {
        for (index, intern) in interns.iter().enumerate() {
            let rank = CallRank::from_index(index);
            let mut seats = self.rooms.entry((period, *intern)).or_default();
            seats.retain(|seat| seat.amphi != amphi);
            seats.push(Seat { amphi, rank, room: Arc::downgrade(room) });
        }
        let listed = interns.iter().map(|intern| (period, *intern)).collect();
        if let Some(before) = self.listed.insert(amphi, listed) {
            let now: HashSet<_> = interns.iter().map(|intern| (period, *intern)).collect();
            before
                .into_iter()
                .filter(|person| !now.contains(person))
                .for_each(|gone| self.remove(&gone, amphi));
        }
    }

    /// That amphi concerns nobody here any more.
    pub fn forget(&self, amphi: AmphiId) {
        if let Some((_, listed)) = self.listed.remove(&amphi) {
            listed.into_iter().for_each(|gone| self.remove(&gone, amphi));
        }
    }

    fn remove(&self, person: &Person, amphi: AmphiId) {
        if let Some(mut seats) = self.rooms.get_mut(person) {
            seats.retain(|seat| seat.amphi != amphi);
        }
        self.rooms.remove_if(person, |_, seats| seats.is_empty());
    }

    /// The other rooms that concern a person who has just been placed in `amphi`.
    ///
    /// Returns owned values: no guard of the map leaves this module.
    pub fn others(&self, period: Period, intern: InternId, amphi: AmphiId) -> Vec<(Arc<Room>, CallRank)> {
        let Some(rooms) = self.rooms.get(&(period, intern)) else {
            return Vec::new();
        };
        rooms
            .iter()
            .filter(|seat| seat.amphi != amphi)
            .filter_map(|seat| Some((seat.room.upgrade()?, seat.rank)))
            .collect()
    }
}
