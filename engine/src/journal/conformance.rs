//! One suite for every journal: what a room relies on, said once.

#[path = "../../tests/support/postgres.rs"]
mod database;
mod owning;

use std::ops::Deref;
use std::sync::Arc;

use amphi_core::{Actor, AmphiId, CommandId, Event, Half, InternId, Period, Timestamp};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use sqlx::PgPool;
use uuid::Uuid;

use super::*;
use owning::*;

const NOVEMBER: Period = Period { year: 2027, half: Half::November };
const MAY: Period = Period { year: 2027, half: Half::May };
const NOW: Timestamp = Timestamp(1_809_241_200_000);

/// A store on which servers can be started.
enum Stage {
    Memory(MemoryJournal),
    Postgres(PgPool),
}

/// A server on it, which can be killed.
enum Server {
    Memory(MemoryJournal),
    Postgres { journal: Arc<PostgresJournal>, pool: PgPool, key: i64 },
}

impl Stage {
    async fn server(&self) -> Server {
        match self {
            Self::Memory(first) => Server::Memory(first.another_server()),
            Self::Postgres(pool) => {
                let journal = PostgresJournal::start(pool.clone(), NOW).await.unwrap();
                let key = sqlx::query_scalar("SELECT max(key) FROM servers").fetch_one(pool).await.unwrap();
                Server::Postgres { journal, pool: pool.clone(), key }
            }
        }
    }

    /// A server that owns a new amphi.
    async fn owner(&self, amphi: AmphiId) -> (Server, Pen) {
        let server = self.server().await;
        server.create(amphi, "Cardiologie", NOVEMBER).await.unwrap();
        let lease = server.acquire(amphi).await.unwrap();
        (server, Pen::new(amphi, lease.epoch))
    }
}

impl Server {
    /// What `kill -9` of this server looks like to the others: its lock is gone. It may still write.
    async fn dies(&self) {
        match self {
            Self::Memory(journal) => journal.die(),
            Self::Postgres { pool, key, .. } => {
                let ended: bool = sqlx::query_scalar(
                    "SELECT coalesce(bool_and(pg_terminate_backend(pid, 5000)), false) FROM pg_locks
                     WHERE locktype = 'advisory' AND objid::bigint = $1
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                )
                .bind(key)
                .fetch_one(pool)
                .await
                .unwrap();
                assert!(ended, "the server held its lock, and its connection has ended");
            }
        }
    }
}

impl Deref for Server {
    type Target = dyn Journal;
    fn deref(&self) -> &Self::Target {
        match self {
            Self::Memory(journal) => journal,
            Self::Postgres { journal, .. } => journal.as_ref(),
        }
    }
}

/// Where one writer believes that the journal of an amphi stands.
#[derive(Clone, Copy)]
struct Pen {
    amphi: AmphiId,
    epoch: u64,
    seq: u64,
    hash: Hash,
}

impl Pen {
    fn new(amphi: AmphiId, epoch: u64) -> Self {
        Self { amphi, epoch, seq: 0, hash: genesis_hash(amphi) }
    }

    fn with_epoch(self, epoch: u64) -> Self {
        Self { epoch, ..self }
    }

    /// What `events` would add, as the command `id`.
    fn adds(self, id: Option<u128>, events: &[Event]) -> Append {
        let id = id.map(|id| (CommandId(Uuid::from_u128(id)), 0));
        let entries = chained(self.hash, self.seq, self.epoch, id, NOW, Actor::Engine, events);
        Append {
            amphi: self.amphi,
            epoch: self.epoch,
            entries,
            releases: Vec::new(),
            assignments: Vec::new(),
        }
    }

    fn opens(self) -> Append {
        self.adds(None, &[Event::Opened])
    }

    /// A choice, of which the journal only looks at the seat and the person.
    fn places(self, person: u128, period: Period, post: u16, seat: u16) -> Append {
        let mut append = self.opens();
        let intern = InternId(Uuid::from_u128(person));
        append.assignments =
            vec![NewAssignment { seq: self.seq + 1, post, place: Place::Seat(seat), period, intern }];
        append
    }

    /// The same pen after `append` was written.
    fn after(self, append: &Append) -> Self {
        let last = append.entries.last().unwrap();
        Self { seq: last.seq, hash: last.hash, ..self }
    }
}

fn amphi(number: u128) -> AmphiId {
    AmphiId(Uuid::from_u128(number))
}

fn person(number: u128) -> InternId {
    InternId(Uuid::from_u128(number))
}

fn is_stale(written: &Result<(), AppendError>) -> bool {
    matches!(written, Err(AppendError::Stale(_)))
}

macro_rules! both_journals {
    ($($rule:ident,)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(super::Stage::Memory(super::MemoryJournal::new())).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $rule() {
                let on = |pool| super::$rule(super::Stage::Postgres(pool));
                super::database::with_database(on).await;
            })*
        }
    };
}

both_journals! {
    what_was_written_is_read_back_chained,
    making_an_amphi_twice_makes_it_once,
    an_unknown_amphi_is_not_found,
    a_number_that_is_taken_is_stale,
    p3_a_command_id_stands_once,
    p2_a_seat_is_given_once,
    p2_a_person_is_placed_once_a_period_in_all_amphis,
    a_repeated_choice_is_stale_rather_than_a_conflict,
    who_is_placed_elsewhere_is_known,
    what_is_given_back_may_be_taken_again_in_the_same_write,
    what_is_given_back_is_free_for_others_and_elsewhere,
    whoever_was_replaced_gives_nothing_back,
    r3_3_a_site_has_one_supernumerary_a_period_in_all_amphis,
    a_command_is_written_whole_or_not_at_all,
    one_conflict_in_a_group_harms_nobody_else,
    whoever_was_replaced_writes_nothing,
    old_and_new_owner_in_one_group,
    a_live_owner_keeps_its_amphi,
    p5_whoever_was_succeeded_learns_it_with_the_next_heartbeat,
    p5_an_amphi_that_was_lost_before_it_was_in_service_is_lost,
    f10_many_are_taken_in_one_go_each_with_its_own_answer,
    f10_of_two_who_take_the_same_ones_each_amphi_has_one_owner,
    a10_a_successor_learns_when_its_predecessor_was_last_seen,
    c7_of_two_successors_one_gets_the_amphi,
    unfinished_amphis_are_those_without_an_end,
    c9_a_write_whose_caller_goes_away_is_written_whole,
}

async fn what_was_written_is_read_back_chained(stage: Stage) {
    let (server, pen) = stage.owner(amphi(1)).await;
    let reason = "Panne « réseau » : \"</script>\"\n\u{2028}🙂".to_owned();
    let first = pen.adds(Some(7), &[Event::Opened, Event::Suspended { reason }]);
    server.append(first.clone()).await.unwrap();
    let second = pen.after(&first).adds(None, &[Event::Resumed { deadline: None }]);
    server.append(second.clone()).await.unwrap();
    let written: Vec<Entry> = first.entries.into_iter().chain(second.entries).collect();
    let read = server.load(amphi(1)).await.unwrap();
    assert_eq!(read, written, "every byte, ids, epochs and hashes included");
    assert_eq!(read.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2, 3]);
    let links = std::iter::once(genesis_hash(amphi(1))).chain(read.iter().map(|entry| entry.hash));
    for (entry, previous) in read.iter().zip(links) {
        assert_eq!(entry.hash, entry.hash_after(previous));
    }
}

async fn making_an_amphi_twice_makes_it_once(stage: Stage) {
    let (server, pen) = stage.owner(amphi(1)).await;
    server.append(pen.opens()).await.unwrap();
    server.create(amphi(1), "Another title", MAY).await.unwrap();
    assert_eq!(server.load(amphi(1)).await.unwrap().len(), 1);
    assert_eq!(server.unfinished().await.unwrap(), [amphi(1)]);
    let append = pen.after(&pen.opens()).opens();
    assert_eq!(server.append(append).await, Ok(()), "the lease still holds");
}

async fn an_unknown_amphi_is_not_found(stage: Stage) {
    let server = stage.server().await;
    assert_eq!(server.acquire(amphi(9)).await, Err(JournalError::NotFound));
    assert_eq!(server.load(amphi(9)).await, Err(JournalError::NotFound));
    assert_eq!(server.append(Pen::new(amphi(9), 1).opens()).await, Err(AppendError::Fenced));
}

async fn a_number_that_is_taken_is_stale(stage: Stage) {
    let (server, pen) = stage.owner(amphi(1)).await;
    let append = pen.adds(None, &[Event::Opened, Event::Opened]);
    server.append(append.clone()).await.unwrap();
    for behind in [pen, pen.after(&pen.opens())] {
        assert!(is_stale(&server.append(behind.opens()).await), "after {}", behind.seq);
    }
    assert_eq!(server.load(amphi(1)).await.unwrap(), append.entries);
}

async fn p3_a_command_id_stands_once(stage: Stage) {
    let (server, pen) = stage.owner(amphi(1)).await;
    let first = pen.adds(Some(7), &[Event::Opened]);
    server.append(first.clone()).await.unwrap();
    let again = pen.after(&first).adds(Some(7), &[Event::Opened]);
    assert!(is_stale(&server.append(again).await));
    assert_eq!(server.load(amphi(1)).await.unwrap(), first.entries);

    server.create(amphi(2), "Another", NOVEMBER).await.unwrap();
    let lease = server.acquire(amphi(2)).await.unwrap();
    let elsewhere = Pen::new(amphi(2), lease.epoch).adds(Some(7), &[Event::Opened]);
    assert_eq!(server.append(elsewhere).await, Ok(()), "ids are of one amphi");
}

async fn p2_a_seat_is_given_once(stage: Stage) {
    let (server, pen) = stage.owner(amphi(1)).await;
    let first = pen.places(100, NOVEMBER, 3, 1);
    server.append(first.clone()).await.unwrap();
    let pen = pen.after(&first);
    assert!(is_stale(&server.append(pen.places(101, NOVEMBER, 3, 1)).await));
    assert_eq!(server.load(amphi(1)).await.unwrap().len(), 1, "nothing of the refused one is there");
    assert_eq!(server.append(pen.places(101, NOVEMBER, 3, 2)).await, Ok(()), "the seat beside is free");
}

async fn p2_a_person_is_placed_once_a_period_in_all_amphis(stage: Stage) {
    let (server, pen) = stage.owner(amphi(1)).await;
    server.append(pen.places(100, NOVEMBER, 1, 1)).await.unwrap();
    let (other_server, other) = stage.owner(amphi(2)).await;
    let refused = other_server.append(other.places(100, NOVEMBER, 1, 1)).await;
    assert_eq!(refused, Err(AppendError::PersonTaken(person(100))));
    assert_eq!(other_server.load(amphi(2)).await.unwrap(), []);
    let other_period = other.places(100, MAY, 1, 1);
    assert_eq!(other_server.append(other_period.clone()).await, Ok(()));
    let somebody_else = other.after(&other_period).places(101, NOVEMBER, 2, 1);
    assert_eq!(other_server.append(somebody_else).await, Ok(()));
}

async fn a_repeated_choice_is_stale_rather_than_a_conflict(stage: Stage) {
    let (server, pen) = stage.owner(amphi(1)).await;
    let choice = pen.places(100, NOVEMBER, 1, 1);
    server.append(choice.clone()).await.unwrap();
    assert!(is_stale(&server.append(choice.clone()).await), "the very same again");
    let next = pen.after(&choice).places(100, NOVEMBER, 2, 1);
    let twice_here = server.append(next).await;
    assert!(
        is_stale(&twice_here) || twice_here == Err(AppendError::PersonTaken(person(100))),
        "placed here already, which the writer should have known: {twice_here:?}"
    );
    assert_eq!(server.load(amphi(1)).await.unwrap(), choice.entries);
}

async fn who_is_placed_elsewhere_is_known(stage: Stage) {
    let (server, pen) = stage.owner(amphi(1)).await;
    server.append(pen.places(100, NOVEMBER, 1, 1)).await.unwrap();
    let everybody = [person(101), person(100), person(102)];
    let cases = [
        (amphi(2), NOVEMBER, vec![person(100)]),
        (amphi(2), MAY, Vec::new()),
        (amphi(1), NOVEMBER, Vec::new()),
    ];
    for (asking, period, expected) in cases {
        let placed = server.placed_elsewhere(asking, period, &everybody).await;
        assert_eq!(placed, Ok(expected), "asked by {asking} for {period:?}");
    }
    assert_eq!(server.placed_elsewhere(amphi(2), NOVEMBER, &[person(101)]).await, Ok(Vec::new()));
}

impl Pen {
    /// Gives back what was taken at `choice_seq`, and nothing else.
    fn gives_back(self, choice_seq: u64) -> Append {
        let releases = vec![Release { choice_seq, seq: self.seq + 1 }];
        Append { releases, ..self.opens() }
    }

    /// A supernumerary choice at `site`.
    fn places_beside(self, who: u128, period: Period, site: &str) -> Append {
        let mut append = self.places(who, period, 1, 1);
        append.assignments[0].place = Place::Supernumerary(site.to_owned());
        append
    }
}

async fn what_is_given_back_may_be_taken_again_in_the_same_write(stage: Stage) {
    let (server, pen) = stage.owner(amphi(1)).await;
    let first = pen.places(100, NOVEMBER, 1, 1);
    server.append(first.clone()).await.unwrap();
    let pen = pen.after(&first);
    // An exchange: the same person, another seat; then somebody else takes the seat given back.
    let exchange = Append { releases: pen.gives_back(1).releases, ..pen.places(100, NOVEMBER, 2, 1) };
    assert_eq!(server.append(exchange.clone()).await, Ok(()));
    let pen = pen.after(&exchange);
    assert!(is_stale(&server.append(pen.places(101, NOVEMBER, 2, 1)).await), "the new seat is taken");
    assert_eq!(server.append(pen.places(101, NOVEMBER, 1, 1)).await, Ok(()));
}

async fn what_is_given_back_is_free_for_others_and_elsewhere(stage: Stage) {
    let (server, pen) = stage.owner(amphi(1)).await;
    let choice = pen.places(100, NOVEMBER, 1, 1);
    server.append(choice.clone()).await.unwrap();
    let (other_server, other) = stage.owner(amphi(2)).await;
    let elsewhere = other.places(100, NOVEMBER, 1, 1);
    let refused = other_server.append(elsewhere.clone()).await;
    assert_eq!(refused, Err(AppendError::PersonTaken(person(100))));
    server.append(pen.after(&choice).gives_back(1)).await.unwrap();
    assert_eq!(server.placed_elsewhere(amphi(2), NOVEMBER, &[person(100)]).await, Ok(Vec::new()));
    assert_eq!(other_server.append(elsewhere).await, Ok(()));
}

async fn whoever_was_replaced_gives_nothing_back(stage: Stage) {
    let (server, pen) = stage.owner(amphi(1)).await;
    let choice = pen.places(100, NOVEMBER, 1, 1);
    server.append(choice.clone()).await.unwrap();
    let newer = pen.after(&choice).with_epoch(server.acquire(amphi(1)).await.unwrap().epoch);
    let late = server.append(pen.after(&choice).gives_back(1)).await;
    assert_eq!(late, Err(AppendError::Fenced));
    assert!(is_stale(&server.append(newer.places(101, NOVEMBER, 1, 1)).await), "the seat is still held");
}

async fn r3_3_a_site_has_one_supernumerary_a_period_in_all_amphis(stage: Stage) {
    let (server, pen) = stage.owner(amphi(1)).await;
    let first = pen.places_beside(100, NOVEMBER, "750000001");
    server.append(first.clone()).await.unwrap();
    let pen = pen.after(&first);
    assert_eq!(server.append(pen.places(101, NOVEMBER, 1, 1)).await, Ok(()), "it uses no seat");
    let (other_server, other) = stage.owner(amphi(2)).await;
    let same_site = other_server.append(other.places_beside(102, NOVEMBER, "750000001")).await;
    assert_eq!(same_site, Err(AppendError::SiteTaken));
    let same_person = other_server.append(other.places_beside(100, NOVEMBER, "750000002")).await;
    assert_eq!(same_person, Err(AppendError::PersonTaken(person(100))), "it is a placement like any other");
    let other_period = other.places_beside(102, MAY, "750000001");
    assert_eq!(other_server.append(other_period.clone()).await, Ok(()));
    let other_site = other.after(&other_period).places_beside(102, NOVEMBER, "750000002");
    assert_eq!(other_server.append(other_site).await, Ok(()));
}

async fn a_command_is_written_whole_or_not_at_all(stage: Stage) {
    let (server, pen) = stage.owner(amphi(1)).await;
    server.append(pen.places(100, NOVEMBER, 1, 1)).await.unwrap();
    let (other_server, other) = stage.owner(amphi(2)).await;
    let mut two = other.adds(Some(8), &[Event::Opened, Event::Opened]);
    let seat = |seq, who| NewAssignment {
        seq,
        post: 1,
        place: Place::Seat(1),
        period: NOVEMBER,
        intern: person(who),
    };
    two.assignments = vec![seat(1, 7), NewAssignment { place: Place::Seat(2), ..seat(2, 100) }];
    assert_eq!(other_server.append(two).await, Err(AppendError::PersonTaken(person(100))));
    assert_eq!(other_server.load(amphi(2)).await.unwrap(), []);
    let placed = server.placed_elsewhere(amphi(9), NOVEMBER, &[person(7), person(100)]).await;
    assert_eq!(placed, Ok(vec![person(100)]), "the first seat was not given either");
}

async fn one_conflict_in_a_group_harms_nobody_else(stage: Stage) {
    let server = stage.server().await;
    let mut appends = Vec::new();
    for number in 1..=5 {
        server.create(amphi(number), "Amphi", NOVEMBER).await.unwrap();
        let lease = server.acquire(amphi(number)).await.unwrap();
        let pen = Pen::new(amphi(number), lease.epoch);
        // The third chooses for the same person as the first; the fourth believes in entries that do
        // not follow; the fifth has been replaced.
        appends.push(match number {
            3 => pen.places(1, NOVEMBER, 1, 1),
            4 => {
                server.append(pen.opens()).await.unwrap();
                pen.opens()
            }
            5 => pen.with_epoch(lease.epoch + 1).opens(),
            _ => pen.places(number, NOVEMBER, 1, 1),
        });
    }
    // Asked for at once, and so written as one group: nobody else runs on this thread in between.
    let answers = join_all(appends.into_iter().map(|append| server.append(append))).await;
    assert_eq!(answers[..2], [Ok(()), Ok(())]);
    assert_eq!(answers[2], Err(AppendError::PersonTaken(person(1))));
    assert!(is_stale(&answers[3]));
    assert_eq!(answers[4], Err(AppendError::Fenced));
    for (number, entries) in [(1, 1), (2, 1), (3, 0), (4, 1), (5, 0)] {
        assert_eq!(server.load(amphi(number)).await.unwrap().len(), entries, "amphi {number}");
    }
}

async fn unfinished_amphis_are_those_without_an_end(stage: Stage) {
    let server = stage.server().await;
    let reason = "Erreur de liste".to_owned();
    let ends = [
        vec![Event::Opened, Event::Closed { unplaced: Vec::new() }],
        vec![Event::Annulled { reason }],
        vec![Event::Opened],
        vec![],
    ];
    for (index, events) in ends.iter().enumerate() {
        let id = amphi(index as u128 + 1);
        server.create(id, "Amphi", NOVEMBER).await.unwrap();
        let lease = server.acquire(id).await.unwrap();
        if !events.is_empty() {
            server.append(Pen::new(id, lease.epoch).adds(None, events)).await.unwrap();
        }
    }
    assert_eq!(server.unfinished().await.unwrap(), [amphi(3), amphi(4)]);
}

async fn c9_a_write_whose_caller_goes_away_is_written_whole(stage: Stage) {
    let (server, pen) = stage.owner(amphi(1)).await;
    let first = pen.adds(Some(7), &[Event::Opened, Event::Opened]);
    let mut writing = server.append(first.clone());
    let _ = (&mut writing).now_or_never();
    drop(writing);
    let second = pen.after(&first).opens();
    assert_eq!(server.append(second).await, Ok(()), "follows what nobody waited for");
    assert_eq!(server.load(amphi(1)).await.unwrap().len(), 3);
}
