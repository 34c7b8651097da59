//! What is written: P2, P4, and the journal's own contract.

use std::sync::Arc;

use amphi_engine::core::{Amphi, AmphiId, Event, GRACE, TurnOutcome};
use amphi_engine::journal::{Append, Entry};
use amphi_engine::verify::verify;
use tokio::time::Instant;

use super::deeds::{Deed, deed};
use super::{Book, Oracle, Promise};
use crate::names::EventKind;

impl Oracle {
    /// Somebody owns `amphi` under `epoch` now.
    pub fn acquired(&mut self, amphi: AmphiId, epoch: u64) {
        let book = self.book_mut(amphi);
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
        if entry.command_id.is_some() && self.book(amphi).entries.iter().any(|e| e.command_id == entry.command_id)
        {
            self.broken(Promise::P3, format!("entry {due} repeats the command of an entry before"));
        }
        if before.is_some_and(|before| entry.at < before) {
            self.broken(Promise::C10, format!("entry {due} ({kind:?}) is dated before the one before it"));
        }
        self.check_expiry(amphi, &state, entry, &event);
        self.check_deed(amphi, &state, &event);
        let mut after = Amphi::clone(&state);
        after.apply(entry.at, &event);
        let book = self.book_mut(amphi);
        book.entries.push(entry.clone());
        book.states.push(Arc::new(after));
    }

    /// P4: whoever was told a deadline had until then, by the server's clock and by a stopwatch.
    fn check_expiry(&mut self, amphi: AmphiId, state: &Amphi, entry: &Entry, event: &Event) {
        let Event::TurnClosed { rank, outcome: TurnOutcome::Expired, .. } = event else { return };
        let Some(turn) = state.turn() else {
            return self.broken(Promise::P4, format!("rank {rank}: a turn that is not open expired"));
        };
        let announced = self.book(amphi).announced.get(&(*rank, turn.opened_at)).copied();
        let told = announced.map_or(turn.deadline, |announced| announced.deadline.max(turn.deadline));
        if entry.at < told + GRACE {
            let early = (told + GRACE - entry.at).0;
            self.broken(Promise::P4, format!("rank {rank}: closed {early} ms before deadline and grace"));
        }
        if let Some(ends) = announced.and_then(|announced| announced.countdown_ends)
            && Instant::now() < ends
        {
            let early = (ends - Instant::now()).as_millis();
            self.broken(Promise::P4, format!("rank {rank}: closed {early} ms before a countdown ended"));
        }
    }

    /// P2, over all amphis.
    fn check_deed(&mut self, amphi: AmphiId, state: &Amphi, event: &Event) {
        match deed(event) {
            Deed::Nothing => {}
            Deed::Takes(rank, post, seat) => {
                let Some(setup) = state.setup() else {
                    return self.broken(Promise::P2, "a seat of an amphi without posts".to_owned());
                };
                let exists = setup.posts.get(post.index()).is_some_and(|post| (1..=post.seats).contains(&seat));
                let Some(participant) = setup.participants.get(rank.index()).filter(|_| exists) else {
                    let what = format!("rank {rank} took seat {seat} of post {post}, which is not there");
                    return self.broken(Promise::P2, what);
                };
                let person = (setup.period, participant.intern);
                if let Some(other) = self.seats.insert((amphi, post, seat), rank) {
                    let what = format!("seat {seat} of post {post}: ranks {other} and {rank}");
                    self.broken(Promise::P2, what);
                }
                if let Some(other) = self.persons.insert(person, amphi) {
                    let what = format!("rank {rank} of {amphi} already held a placement in {other}");
                    self.broken(Promise::P2, what);
                }
            }
        }
    }

    /// What the store holds in the end is what was written, and a second reading of the rules, which
    /// shares nothing with the core but the types of events, finds nothing wrong with it.
    pub fn check_journal(&mut self, amphi: AmphiId, stored: &[Entry]) {
        let book = self.book(amphi);
        if book.entries != stored {
            let what = format!("{} entries were written, {} are there", book.entries.len(), stored.len());
            return self.broken(Promise::P1, what);
        }
        if let Err(fault) = verify(book.export(amphi).as_bytes()) {
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
