//! Which rooms of this server concern which person, so that a placement in one amphi is known in the
//! others at once (3.1, A8). The database is the last line; this only spares it refusals.

use std::sync::{Arc, Weak};

use amphi_core::{AmphiId, CallRank, InternId, Period};
use dashmap::DashMap;

use crate::room::Room;

/// The rooms that concern each person of each period.
#[derive(Default)]
pub struct Persons {
    rooms: DashMap<(Period, InternId), Vec<Seat>>,
}

struct Seat {
    amphi: AmphiId,
    rank: CallRank,
    room: Weak<Room>,
}

impl Persons {
    /// Notes that `room` concerns `interns`, listed in call order; replaces what it said before.
    pub fn register(&self, period: Period, interns: &[InternId], amphi: AmphiId, room: &Arc<Room>) {
        for (index, intern) in interns.iter().enumerate() {
            let mut rooms = self.rooms.entry((period, *intern)).or_default();
            rooms.retain(|seat| seat.amphi != amphi && seat.room.strong_count() > 0);
            rooms.push(Seat { amphi, rank: CallRank::from_index(index), room: Arc::downgrade(room) });
        }
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
