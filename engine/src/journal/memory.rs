//! A journal in memory, with the guarantees of the real one except durability.
//!
//! Several servers share one store: each has a [`MemoryJournal`] of its own, as each process has its
//! own connection to Postgres. For tests and simulations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amphi_core::{AmphiId, CommandId, InternId, Period, Timestamp};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::chain::check_chain;
use super::{Append, AppendError, Entry, Journal, JournalError, Lease};

#[derive(Default)]
struct Store {
    amphis: BTreeMap<AmphiId, Book>,
    persons: BTreeMap<(Period, InternId), AmphiId>,
    servers: BTreeMap<u64, Server>,
}

#[derive(Default)]
struct Book {
    epoch: u64,
    owner: Option<u64>,
    entries: Vec<Entry>,
    command_ids: BTreeSet<CommandId>,
    seats: BTreeSet<(u16, u16)>,
}

#[derive(Default)]
struct Server {
    alive: bool,
    seen_at: Option<Timestamp>,
}

/// One server's connection to a store in memory.
pub struct MemoryJournal {
    store: Arc<Mutex<Store>>,
    server: u64,
}

impl MemoryJournal {
    /// A new store, and the first server on it.
    pub fn new() -> Self {
        Self::on(Arc::default())
    }

    /// Another server on the same store.
    #[must_use]
    pub fn another_server(&self) -> Self {
        Self::on(Arc::clone(&self.store))
    }

    /// What `kill -9` of this server looks like to the others.
    pub fn die(&self) {
        if let Some(server) = self.lock().servers.get_mut(&self.server) {
            server.alive = false;
        }
    }

    fn on(store: Arc<Mutex<Store>>) -> Self {
        let server = {
            let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
            let key = store.servers.len() as u64 + 1;
            store.servers.insert(key, Server { alive: true, seen_at: None });
            key
        };
        Self { store, server }
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acquire_now(&self, amphi: AmphiId) -> Result<Lease, JournalError> {
        let mut store = self.lock();
        let owner = store.amphis.get(&amphi).ok_or(JournalError::NotFound)?.owner;
        let previous = owner.and_then(|key| store.servers.get(&key));
        if owner != Some(self.server) && previous.is_some_and(|server| server.alive) {
            return Err(JournalError::OwnedByAnother);
        }
        let previous_seen_at = previous.and_then(|server| server.seen_at);
        let book = store.amphis.get_mut(&amphi).ok_or(JournalError::NotFound)?;
        book.epoch += 1;
        book.owner = Some(self.server);
        Ok(Lease { epoch: book.epoch, previous_seen_at })
    }

    fn append_now(&self, append: Append) -> Result<(), AppendError> {
        let mut store = self.lock();
        let Store { amphis, persons, .. } = &mut *store;
        let book = amphis.get_mut(&append.amphi).ok_or(AppendError::Fenced)?;
        if book.epoch != append.epoch {
            return Err(AppendError::Fenced);
        }
        let follows = append.entries.first().is_some_and(|e| e.seq == book.entries.len() as u64 + 1);
        if !follows {
            return Err(AppendError::Stale("an entry is already there".to_owned()));
        }
        let repeated = |e: &Entry| e.command_id.is_some_and(|id| book.command_ids.contains(&id));
        if append.entries.iter().any(repeated) {
            return Err(AppendError::Stale("a command id is already there".to_owned()));
        }
        for taken in &append.assignments {
            if book.seats.contains(&(taken.post, taken.seat)) {
                return Err(AppendError::Stale("a seat is already taken".to_owned()));
            }
            if persons.contains_key(&(taken.period, taken.intern)) {
                return Err(AppendError::PersonTaken(taken.intern));
            }
        }
        for taken in &append.assignments {
            book.seats.insert((taken.post, taken.seat));
            persons.insert((taken.period, taken.intern), append.amphi);
        }
        book.command_ids.extend(append.entries.iter().filter_map(|entry| entry.command_id));
        book.entries.extend(append.entries);
        Ok(())
    }
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self::new()
    }
}

impl Journal for MemoryJournal {
    fn create<'a>(
        &'a self,
        amphi: AmphiId,
        _: &'a str,
        _: Period,
    ) -> BoxFuture<'a, Result<(), JournalError>> {
        self.lock().amphis.entry(amphi).or_default();
        async { Ok(()) }.boxed()
    }

    fn acquire(&self, amphi: AmphiId) -> BoxFuture<'_, Result<Lease, JournalError>> {
        async move { self.acquire_now(amphi) }.boxed()
    }

    fn release_all(&self, now: Timestamp) -> BoxFuture<'_, Result<(), JournalError>> {
        if let Some(server) = self.lock().servers.get_mut(&self.server) {
            *server = Server { alive: false, seen_at: Some(now) };
        }
        async { Ok(()) }.boxed()
    }

    fn load(&self, amphi: AmphiId) -> BoxFuture<'_, Result<Vec<Entry>, JournalError>> {
        async move {
            let entries = self.lock().amphis.get(&amphi).ok_or(JournalError::NotFound)?.entries.clone();
            check_chain(amphi, &entries).map_err(|error| JournalError::Damaged(error.to_string()))?;
            Ok(entries)
        }
        .boxed()
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), AppendError>> {
        async move { self.append_now(append) }.boxed()
    }

    fn placed_elsewhere<'a>(
        &'a self,
        amphi: AmphiId,
        period: Period,
        interns: &'a [InternId],
    ) -> BoxFuture<'a, Result<Vec<InternId>, JournalError>> {
        async move {
            let store = self.lock();
            let elsewhere =
                |intern: &&InternId| store.persons.get(&(period, **intern)).is_some_and(|a| *a != amphi);
            Ok(interns.iter().filter(elsewhere).copied().collect())
        }
        .boxed()
    }

    fn unfinished(&self) -> BoxFuture<'_, Result<Vec<AmphiId>, JournalError>> {
        let ended = |entry: &Entry| {
            entry.payload.starts_with(r#"{"type":"closed""#)
                || entry.payload.starts_with(r#"{"type":"annulled""#)
        };
        let store = self.lock();
        let unfinished = store
            .amphis
            .iter()
            .filter(|(_, book)| !book.entries.iter().any(ended))
            .map(|(amphi, _)| *amphi)
            .collect();
        async { Ok(unfinished) }.boxed()
    }

    fn heartbeat(&self, now: Timestamp) -> BoxFuture<'_, Result<(), JournalError>> {
        if let Some(server) = self.lock().servers.get_mut(&self.server) {
            server.seen_at = Some(now);
        }
        async { Ok(()) }.boxed()
    }
}
