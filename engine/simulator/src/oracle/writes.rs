//! What is written: P2, P4, and the journal's own contract.

use std::sync::Arc;

use amphi_engine::core::{Actor, Amphi, AmphiId, CallRank, Event, GRACE, TurnOutcome};
use amphi_engine::journal::{Append, Entry};
use amphi_engine::verify::verify;

use super::deeds::{Deed, deeds};
use super::{Book, Oracle, Person, Place, Promise};
use crate::names::EventKind;

impl Oracle {
    /// `server` owns `amphi` under `epoch` now.
    pub fn acquired(&mut self, server: usize, amphi: AmphiId, epoch: u64) {
        let taken_back = self.replaced.contains(&server);
        let book = self.book_mut(amphi);
        if taken_back {
            // It believed itself in service all the time, and gives back what it lost by its own count only:
            // not what nobody served after its successor had left. A known limit, and a rare one.
            book.announced.values_mut().for_each(|announced| announced.countdown_ends = None);
        }
        if epoch <= book.epoch {
            let what = format!("amphi {amphi} was acquired under epoch {epoch} after {}", book.epoch);
            self.broken(Promise::Journal, what);
        } else {
            book.epoch = epoch;
        }
    }

    /// These entries have just been written, durably.
    pub fn written(&mut self, append: &Append) {
        let book = self.book_mut(append.amphi);
        if append.epoch != book.epoch {
            let what = format!("a write under epoch {} was taken under epoch {}", append.epoch, book.epoch);
            self.broken(Promise::Journal, what);
        }
        for entry in &append.entries {
            self.entered(append.amphi, entry);
        }
    }

    fn entered(&mut self, amphi: AmphiId, entry: &Entry) {
        let event = match entry.read_event() {
            Ok(event) => event,
            Err(error) => return self.broken(Promise::Journal, error.to_string()),
        };
        let kind = EventKind::of(&event);
        self.tell(|| format!("{amphi} {} {} {}", entry.seq, entry.at, entry.payload));
        self.count(&format!("event.{}", kind.name()));
        let book = self.book_mut(amphi);
        let due = book.entries.len() as u64 + 1;
        let before = book.entries.last().map(|last| last.at);
        let state = book.state();
        if entry.seq != due {
            return self.broken(Promise::Journal, format!("entry {} where {due} is due", entry.seq));
        }
        if entry.command_id.is_some()
            && self.book(amphi).entries.iter().any(|e| e.command_id == entry.command_id)
        {
            self.broken(Promise::P3, format!("entry {due} repeats the command of an entry before"));
        }
        if before.is_some_and(|before| entry.at < before) {
            self.broken(Promise::C10, format!("entry {due} ({kind:?}) is dated before the one before it"));
        }
        if let Ok(Actor::Holder { rank, proxy }) = entry.read_actor()
            && state.proxy_given(rank).is_none_or(|given| given.id != proxy)
        {
            self.broken(Promise::P7, format!("entry {due} ({kind:?}) by a holder whose proxy had ended"));
        }
        self.check_expiry(amphi, &state, entry, &event);
        self.check_deeds(amphi, &state, &event);
        let mut after = Amphi::clone(&state);
        after.apply(entry.at, &event);
        let book = self.book_mut(amphi);
        if matches!(event, Event::TurnOpened { .. }) {
            book.openings.push(entry.seq);
        }
        book.entries.push(entry.clone());
        book.states.push(Arc::new(after));
    }

    /// P4: whoever was told a deadline had until then, by the server's clock and by a stopwatch.
    fn check_expiry(&mut self, amphi: AmphiId, state: &Amphi, entry: &Entry, event: &Event) {
        let Event::TurnClosed { rank, outcome: TurnOutcome::Expired | TurnOutcome::SafetyNet, .. } = event
        else {
            return;
        };
        let Some(turn) = state.turn() else {
            return self.broken(Promise::P4, format!("rank {rank}: a turn that is not open expired"));
        };
        let book = self.book(amphi);
        let announced =
            book.opening_before(entry.seq).and_then(|opening| book.announced.get(&opening)).copied();
        let told = announced.map_or(turn.deadline, |announced| announced.deadline.max(turn.deadline));
        if entry.at < told + GRACE {
            let early = (told + GRACE - entry.at).0;
            self.broken(Promise::P4, format!("rank {rank}: closed {early} ms before deadline and grace"));
        }
        let stopwatch = self.stopwatch(amphi);
        if let Some(ends) = announced.and_then(|announced| announced.countdown_ends)
            && stopwatch < ends
        {
            let early = (ends - stopwatch).as_millis();
            self.broken(Promise::P4, format!("rank {rank}: closed {early} ms before a countdown ended"));
        }
    }

    /// P2, over all amphis: a seat, a person and a site's supernumerary place are taken once.
    fn check_deeds(&mut self, amphi: AmphiId, state: &Amphi, event: &Event) {
        self.check_placed_elsewhere(amphi, state, event);
        let deeds = deeds(state, event);
        let Some(setup) = state.setup().filter(|_| !deeds.is_empty()) else {
            if !deeds.is_empty() {
                self.broken(Promise::P2, "a seat of an amphi without posts");
            }
            return;
        };
        for deed in deeds {
            let (Deed::Takes(rank, post, seat) | Deed::GivesBack(rank, post, seat)) = deed;
            let exists = setup
                .posts
                .get(post.index())
                .filter(|post| seat.is_none_or(|seat| (1..=post.seats).contains(&seat)));
            let Some((participant, offered)) = setup.participants.get(rank.index()).zip(exists) else {
                return self.broken(Promise::P2, format!("{deed:?}: there is no such seat, or no such rank"));
            };
            let person = (setup.period, participant.intern);
            let place = match seat {
                Some(seat) => Place::Seat(amphi, post, seat),
                None => Place::Supernumerary(setup.period, offered.imotep.clone()),
            };
            let problem = match deed {
                Deed::Takes(..) => self.take((amphi, rank), place, person),
                Deed::GivesBack(..) => self.give_back((amphi, rank), &place, &person),
            };
            if let Some(problem) = problem {
                self.broken(Promise::P2, format!("{deed:?} of {amphi}: {problem}"));
            }
        }
    }

    /// Whoever is said to be placed elsewhere was placed there at some time; it may have been undone since.
    fn check_placed_elsewhere(&mut self, amphi: AmphiId, state: &Amphi, event: &Event) {
        let Event::PlacedElsewhere { rank } = event else { return };
        let Some(setup) = state.setup() else { return };
        let person = (setup.period, setup.participants[rank.index()].intern);
        let elsewhere = self.ever_placed.iter().any(|(who, there)| *who == person && *there != amphi);
        if !elsewhere {
            self.broken(Promise::P2, format!("rank {rank} of {amphi} was never placed elsewhere"));
        }
    }

    fn take(&mut self, who: (AmphiId, CallRank), place: Place, person: Person) -> Option<String> {
        if let Some((amphi, rank)) = self.places.insert(place, who) {
            return Some(format!("it was held by rank {rank} of {amphi}"));
        }
        self.ever_placed.insert((person, who.0));
        let other = self.persons.insert(person, who)?;
        Some(format!("this person held a placement as rank {} of {}", other.1, other.0))
    }

    fn give_back(&mut self, who: (AmphiId, CallRank), place: &Place, person: &Person) -> Option<String> {
        let held = self.places.remove(place) == Some(who) && self.persons.remove(person) == Some(who);
        (!held).then(|| "they did not hold it".to_owned())
    }

    /// What the store holds in the end is what was written, and a second reading of the rules, which
    /// shares nothing with the core but the types of events, finds nothing wrong with it.
    pub fn check_journal(&mut self, amphi: AmphiId, stored: &[Entry]) {
        let book = self.book(amphi);
        if book.entries != stored {
            let what = format!("{} entries were written, {} are there", book.entries.len(), stored.len());
            return self.broken(Promise::P1, what);
        }
        let verified = verify(book.export(amphi).as_bytes());
        self.count("journal.verified");
        if let Err(fault) = verified {
            self.broken(Promise::Journal, format!("amphi verify: {fault}"));
        }
    }
}

impl Book {
    fn export(&self, amphi: AmphiId) -> String {
        let mut lines = amphi_engine::journal::header_line(amphi);
        lines.push('\n');
        for entry in &self.entries {
            lines.push_str(&entry.line());
            lines.push('\n');
        }
        lines
    }
}
