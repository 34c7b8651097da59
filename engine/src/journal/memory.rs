//! A journal in memory, with the guarantees of the real one except durability.
//!
//! Several servers share one store: each has a [`MemoryJournal`] of its own, as each process has its
//! own connection to Postgres. For tests and simulations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amphi_core::planted::{self, Bug};
use amphi_core::{AmphiId, CommandId, InternId, Period, Timestamp};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::chain::check_chain;
use super::{Append, AppendError, Entry, Journal, JournalError, Lease, NewAssignment, Place};

#[derive(Default)]
struct Store {
    amphis: BTreeMap<AmphiId, Book>,
    persons: BTreeMap<(Period, InternId), AmphiId>,
    /// Sites that have their supernumerary intern, by IMOTEP number.
    sites: BTreeSet<(Period, String)>,
    servers: BTreeMap<u64, Server>,
}

#[derive(Default)]
struct Book {
    epoch: u64,
    owner: Option<u64>,
    /// What the owner was told to give back (A10), should it go before it has written anything.
    unserved_since: Option<Timestamp>,
    entries: Vec<Entry>,
    command_ids: BTreeSet<CommandId>,
    /// What is held now, by the entry of the choice.
    held: BTreeMap<u64, NewAssignment>,
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
        let seen_at = previous.and_then(|server| server.seen_at);
        let book = store.amphis.get_mut(&amphi).ok_or(JournalError::NotFound)?;
        let has_written = book.entries.last().is_some_and(|entry| entry.epoch == book.epoch);
        let unserved_since = book.unserved_since.filter(|_| !has_written);
        let previous_seen_at = unserved_since.into_iter().chain(seen_at).min();
        book.unserved_since = previous_seen_at;
        book.epoch += 1;
        book.owner = Some(self.server);
        Ok(Lease { epoch: book.epoch, previous_seen_at })
    }

    fn append_now(&self, append: Append) -> Result<(), AppendError> {
        let mut store = self.lock();
        let Store { amphis, persons, sites, .. } = &mut *store;
        let book = amphis.get_mut(&append.amphi).ok_or(AppendError::Fenced)?;
        if book.epoch != append.epoch && !planted::is(Bug::FenceLeftOut) {
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
        // On copies, so that a refusal leaves everything as it was.
        let mut after = (book.held.clone(), persons.clone(), sites.clone());
        release(&append, &mut after);
        assign(&append, &mut after)?;
        (book.held, *persons, *sites) = after;
        book.command_ids.extend(append.entries.iter().filter_map(|entry| entry.command_id));
        book.entries.extend(append.entries);
        Ok(())
    }
}

/// What is held in one amphi, who is placed at all, and which sites have a supernumerary.
type Holdings =
    (BTreeMap<u64, NewAssignment>, BTreeMap<(Period, InternId), AmphiId>, BTreeSet<(Period, String)>);

fn release(append: &Append, (held, persons, sites): &mut Holdings) {
    for release in &append.releases {
        let Some(given_back) = held.remove(&release.choice_seq) else { continue };
        persons.remove(&(given_back.period, given_back.intern));
        if let Place::Supernumerary(site) = given_back.place {
            sites.remove(&(given_back.period, site));
        }
    }
}

fn assign(append: &Append, (held, persons, sites): &mut Holdings) -> Result<(), AppendError> {
    for taken in &append.assignments {
        match &taken.place {
            Place::Seat(_) if held.values().any(|h| (h.post, &h.place) == (taken.post, &taken.place)) => {
                return Err(AppendError::Stale("a seat is already taken".to_owned()));
            }
            Place::Supernumerary(site)
                if !sites.insert((taken.period, site.clone())) && !planted::is(Bug::SiteCheckLeftOut) =>
            {
                return Err(AppendError::SiteTaken);
            }
            _ => {}
        }
        let other = persons.insert((taken.period, taken.intern), append.amphi);
        if other.is_some() && !planted::is(Bug::PersonCheckLeftOut) {
            return Err(AppendError::PersonTaken(taken.intern));
        }
        held.insert(taken.seq, taken.clone());
    }
    Ok(())
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

    fn heartbeat<'a>(
        &'a self,
        now: Timestamp,
        in_service: &'a [AmphiId],
    ) -> BoxFuture<'a, Result<Vec<AmphiId>, JournalError>> {
        let mut store = self.lock();
        if let Some(server) = store.servers.get_mut(&self.server) {
            server.seen_at = Some(now);
        }
        let owned =
            |amphi: &AmphiId| store.amphis.get(amphi).is_some_and(|book| book.owner == Some(self.server));
        let lost = in_service.iter().copied().filter(|amphi| !owned(amphi)).collect();
        async { Ok(lost) }.boxed()
    }
}
