//! Postgres, at the points where a server can lose it (C2, C3 and C7 in small).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use amphi_engine::clock::ManualClock;
use amphi_engine::core::{Actor, Event};
use amphi_engine::journal::{
    Append, AppendError, Entry, Journal, JournalError, PostgresJournal, chained, genesis_hash,
};
use amphi_engine::registry::Registry;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::postgres::with_database;
use crate::scene::{ADMINISTRATOR, NOVEMBER, amphi, at, choose, intern, setup};
use crate::stage::{done, fresh_id, id, publish, settle};

async fn journal(pool: &PgPool) -> Arc<PostgresJournal> {
    PostgresJournal::start(pool.clone(), at("08:00")).await.unwrap()
}

/// A journal that owns amphi 1, and its epoch.
async fn owner(pool: &PgPool) -> (Arc<PostgresJournal>, u64) {
    let journal = journal(pool).await;
    journal.create(amphi(1), "Amphi", NOVEMBER).await.unwrap();
    let epoch = journal.acquire(amphi(1)).await.unwrap().epoch;
    (journal, epoch)
}

/// One entry after `entries`.
fn after(entries: &[Entry], epoch: u64) -> Append {
    let previous = entries.last().map_or(genesis_hash(amphi(1)), |entry| entry.hash);
    let seq = entries.len() as u64;
    let entries = chained(previous, seq, epoch, None, at("08:00"), Actor::Engine, &[Event::Opened]);
    Append { amphi: amphi(1), epoch, entries, releases: Vec::new(), assignments: Vec::new() }
}

async fn run(pool: &PgPool, statement: &'static str) -> Result<u64, sqlx::Error> {
    sqlx::raw_sql(statement).execute(pool).await.map(|done| done.rows_affected())
}

/// Ends the writer's connection; waits until it has ended.
async fn kill_the_writer(pool: &PgPool) {
    let killed: Vec<bool> = sqlx::query_scalar(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE '%WITH fence%' AND pid <> pg_backend_pid()",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    assert_eq!(killed, [true]);
}

/// Waits until somebody waits for a lock.
async fn somebody_waits(pool: &PgPool) {
    for _ in 0..10_000 {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(pool)
        .await
        .unwrap();
        if waiting > 0 {
            return;
        }
    }
    panic!("nobody waits");
}

fn is_unknown(written: &Result<(), AppendError>) -> bool {
    matches!(written, Err(AppendError::Unknown(_)))
}

#[tokio::test]
async fn what_has_happened_is_never_changed() {
    with_database(|pool| async move {
        let (journal, epoch) = owner(&pool).await;
        journal.append(after(&[], epoch)).await.unwrap();
        let before = journal.load(amphi(1)).await.unwrap();
        let changes = [
            "UPDATE events SET payload = payload",
            "UPDATE events SET at_ms = 0 WHERE seq = 1",
            "DELETE FROM events",
            "TRUNCATE events CASCADE",
        ];
        for statement in changes {
            let refusal = run(&pool, statement).await.unwrap_err().to_string();
            assert!(refusal.contains("the journal is never changed"), "{statement}: {refusal}");
        }
        assert_eq!(journal.load(amphi(1)).await.unwrap(), before);
    })
    .await;
}

#[tokio::test]
async fn damage_below_the_database_is_found_when_the_amphi_is_loaded() {
    with_database(|pool| async move {
        let (journal, epoch) = owner(&pool).await;
        for _ in 0..3 {
            let entries = journal.load(amphi(1)).await.unwrap();
            journal.append(after(&entries, epoch)).await.unwrap();
        }
        let damages = [
            (
                "UPDATE events SET payload = '{\"type\":\"annulled\",\"reason\":\"x\"}' WHERE seq = 2",
                "entry 2",
            ),
            ("UPDATE events SET at_ms = at_ms + 1 WHERE seq = 3", "entry 3"),
            ("UPDATE events SET actor = '{}' WHERE seq = 1", "entry 1"),
            ("UPDATE events SET command_id = gen_random_uuid() WHERE seq = 1", "entry 1"),
            ("UPDATE events SET epoch = 9 WHERE seq = 2", "entry 2"),
            ("UPDATE events SET hash = sha256('') WHERE seq = 3", "entry 3"),
            ("DELETE FROM events WHERE seq = 2", "entry 3 stands where 2 is due"),
        ];
        for (damage, expected) in damages {
            run(&pool, "CREATE TABLE kept AS SELECT * FROM events").await.unwrap();
            let mut superuser = pool.acquire().await.unwrap();
            // What a restore gone wrong, or a superuser, could do.
            sqlx::raw_sql("SET session_replication_role = replica").execute(&mut *superuser).await.unwrap();
            sqlx::raw_sql(damage).execute(&mut *superuser).await.unwrap();
            let Err(JournalError::Damaged(problem)) = journal.load(amphi(1)).await else {
                panic!("{damage}")
            };
            assert!(problem.contains(expected), "{damage}: {problem}");
            let restore = "DELETE FROM events; INSERT INTO events SELECT * FROM kept; DROP TABLE kept;
                           SET session_replication_role = DEFAULT";
            sqlx::raw_sql(restore).execute(&mut *superuser).await.unwrap();
            assert_eq!(journal.load(amphi(1)).await.unwrap().len(), 3);
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_lost_between_two_writes_is_replaced() {
    with_database(|pool| async move {
        let (journal, epoch) = owner(&pool).await;
        journal.append(after(&[], epoch)).await.unwrap();
        let entries = journal.load(amphi(1)).await.unwrap();
        kill_the_writer(&pool).await;
        let written = journal.append(after(&entries, epoch)).await;
        assert!(is_unknown(&written), "{written:?}");
        assert_eq!(journal.load(amphi(1)).await.unwrap(), entries, "here it was not written");
        assert_eq!(journal.append(after(&entries, epoch)).await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn a_connection_lost_during_a_write_leaves_nothing_half_written() {
    with_database(|pool| async move {
        let (journal, epoch) = owner(&pool).await;
        let mut blocking = pool.begin().await.unwrap();
        sqlx::raw_sql("SELECT 1 FROM amphis FOR UPDATE").execute(&mut *blocking).await.unwrap();
        let writing = tokio::spawn({
            let journal = Arc::clone(&journal);
            async move { journal.append(after(&[], epoch)).await }
        });
        somebody_waits(&pool).await;
        kill_the_writer(&pool).await;
        assert!(is_unknown(&writing.await.unwrap()));
        blocking.rollback().await.unwrap();
        assert_eq!(journal.load(amphi(1)).await.unwrap(), []);
        assert_eq!(journal.append(after(&[], epoch)).await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn c7_a_write_that_waits_for_a_takeover_is_fenced_by_it() {
    with_database(|pool| async move {
        let (journal, epoch) = owner(&pool).await;
        let mut takeover = pool.begin().await.unwrap();
        sqlx::raw_sql("UPDATE amphis SET epoch = epoch + 1").execute(&mut *takeover).await.unwrap();
        let writing = tokio::spawn({
            let journal = Arc::clone(&journal);
            async move { journal.append(after(&[], epoch)).await }
        });
        somebody_waits(&pool).await;
        takeover.commit().await.unwrap();
        assert_eq!(writing.await.unwrap(), Err(AppendError::Fenced));
        assert_eq!(journal.load(amphi(1)).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn c7_takeovers_that_wait_for_one_another_give_one_owner() {
    with_database(|pool| async move {
        let (gone, _) = owner(&pool).await;
        gone.release_all(at("08:01")).await.unwrap();
        let mut blocking = pool.begin().await.unwrap();
        sqlx::raw_sql("SELECT 1 FROM amphis FOR UPDATE").execute(&mut *blocking).await.unwrap();
        let (left, right) = (journal(&pool).await, journal(&pool).await);
        let acquiring = [left, right].map(|journal| {
            tokio::spawn(async move { journal.acquire(amphi(1)).await.map(|lease| (lease.epoch, journal)) })
        });
        somebody_waits(&pool).await;
        blocking.rollback().await.unwrap();
        let mut owners = Vec::new();
        for acquired in acquiring {
            match acquired.await.unwrap() {
                Ok((epoch, journal)) => owners.push((epoch, journal)),
                Err(error) => assert_eq!(error, JournalError::OwnedByAnother),
            }
        }
        assert_eq!(owners.len(), 1, "both at once, or neither");
        let (epoch, journal) = &owners[0];
        assert_eq!(journal.append(after(&[], *epoch)).await, Ok(()));
    })
    .await;
}

#[tokio::test]
async fn a_group_is_one_transaction() {
    with_database(|pool| async move {
        let journal = journal(&pool).await;
        let mut appends = Vec::new();
        for number in 1..=20 {
            journal.create(amphi(number), "Amphi", NOVEMBER).await.unwrap();
            let epoch = journal.acquire(amphi(number)).await.unwrap().epoch;
            let events = [Event::Opened];
            let first = genesis_hash(amphi(number));
            let entries = chained(first, 0, epoch, None, at("08:00"), Actor::Engine, &events);
            appends.push(Append {
                amphi: amphi(number),
                epoch,
                entries,
                releases: Vec::new(),
                assignments: Vec::new(),
            });
        }
        let written = futures_util::future::join_all(appends.into_iter().map(|a| journal.append(a))).await;
        assert!(written.iter().all(Result::is_ok));
        let transactions: i64 = sqlx::query_scalar("SELECT count(DISTINCT xmin::text) FROM events")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(transactions, 1, "twenty amphis, one commit");
    })
    .await;
}

#[tokio::test]
async fn a_lost_heartbeat_connection_is_replaced_and_the_lock_taken_again() {
    with_database(|pool| async move {
        let (journal, _) = owner(&pool).await;
        let killed: Vec<bool> =
            sqlx::query_scalar("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'
                                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
                .fetch_all(&pool)
                .await
                .unwrap();
        assert_eq!(killed, [true]);
        assert!(matches!(journal.heartbeat(at("08:01"), &[]).await, Err(JournalError::Unavailable(_))));
        journal.heartbeat(at("08:02"), &[]).await.unwrap();
        let other = self::journal(&pool).await;
        assert_eq!(other.acquire(amphi(1)).await, Err(JournalError::OwnedByAnother));
        assert_eq!(PostgresJournal::last_seen_at(&pool).await.unwrap(), Some(at("08:02")));
    })
    .await;
}

// --- a proxy that loses answers (C3) ---------------------------------------------------------------

/// Between this process and Postgres; when armed, it delivers the next write of an event, waits for the
/// answer, and cuts the connection instead of handing it over.
struct Proxy {
    port: u16,
    armed: Arc<AtomicBool>,
}

impl Proxy {
    async fn before(pool: &PgPool) -> Self {
        let options = pool.connect_options();
        let upstream = (options.get_host().to_owned(), options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let armed = Arc::new(AtomicBool::new(false));
        let trap = Arc::clone(&armed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(upstream.clone()).await.unwrap();
                tokio::spawn(relay(client, server, Arc::clone(&trap)));
            }
        });
        Self { port, armed }
    }

    /// A pool that reaches the database through it.
    async fn pool(&self, pool: &PgPool) -> PgPool {
        let options = pool.connect_options().as_ref().clone().host("127.0.0.1").port(self.port);
        PgPoolOptions::new().max_connections(6).connect_with(options).await.unwrap()
    }

    fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }
}

/// How the payload of every event begins.
const EVENT: &[u8] = br#"{"type":""#;

async fn relay(mut client: TcpStream, mut server: TcpStream, trap: Arc<AtomicBool>) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    let mut caught = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => match read {
                Ok(length @ 1..) => {
                    let writes = asked[..length].windows(EVENT.len()).any(|bytes| bytes == EVENT);
                    caught |= writes && trap.swap(false, Ordering::SeqCst);
                    server.write_all(&asked[..length]).await.unwrap();
                }
                _ => return,
            },
            read = server.read(&mut answered) => match read {
                // The end of an answer is "ready for query": what was asked is committed.
                Ok(length @ 1..) if caught => {
                    if answered[..length].ends_with(b"Z\0\0\0\x05I") {
                        return;
                    }
                }
                Ok(length @ 1..) => client.write_all(&answered[..length]).await.unwrap(),
                _ => return,
            },
        }
    }
}

#[tokio::test]
async fn c3_an_answer_lost_after_the_commit_is_unknown_and_the_entry_is_there() {
    with_database(|pool| async move {
        let proxy = Proxy::before(&pool).await;
        let (journal, epoch) = owner(&proxy.pool(&pool).await).await;
        journal.append(after(&[], epoch)).await.unwrap();
        for lost in 1..=10 {
            let entries = journal.load(amphi(1)).await.unwrap();
            proxy.arm();
            let append = after(&entries, epoch);
            let written = journal.append(append.clone()).await;
            assert!(is_unknown(&written), "{lost}: {written:?}");
            let there = journal.load(amphi(1)).await.unwrap();
            assert_eq!(there.last(), append.entries.last(), "{lost}");
            let again = journal.append(append).await;
            assert!(matches!(again, Err(AppendError::Stale(_))), "{lost}: {again:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn c3_a_choice_whose_commit_was_not_heard_is_answered_with_its_first_outcome() {
    with_database(|pool| async move {
        let proxy = Proxy::before(&pool).await;
        let journal = journal(&proxy.pool(&pool).await).await;
        let clock = ManualClock::at(at("08:00"));
        let registry = Registry::new(journal.clone(), Arc::new(clock.clone()));
        let room = publish(&registry, 1, setup(3, &[1, 1, 1])).await;
        done(room.ask(ADMINISTRATOR, amphi_engine::core::Command::Open, fresh_id()).await.unwrap());
        for (rank, when) in [(1, "09:00"), (2, "09:03"), (3, "09:06")] {
            clock.set(at(when));
            settle(&room).await;
            proxy.arm();
            let outcome = room.ask(intern(rank), choose(rank, rank), id(u128::from(rank))).await.unwrap();
            let receipt = done(outcome.clone()).unwrap();
            let again = room.ask(intern(rank), choose(rank, rank), id(u128::from(rank))).await.unwrap();
            assert_eq!(again, outcome);
            let entries = journal.load(amphi(1)).await.unwrap();
            let named: Vec<_> =
                entries.iter().filter(|e| e.command_id == Some(id(u128::from(rank)))).collect();
            assert_eq!(named.len(), 1);
            assert_eq!((named[0].seq, named[0].hash.to_string()), (receipt.seq, receipt.hash));
        }
        registry.stop().await.unwrap();
    })
    .await;
}
