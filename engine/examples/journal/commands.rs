//! F8: durable commands per second at saturation, beside one commit each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use amphi_engine::core::{AmphiId, InternId, Period, Timestamp};
use amphi_engine::journal::{Append, AppendError, Entry, Journal, JournalError, Lease, PostgresJournal};
use amphi_engine::room::Room;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::INTERNS;
use crate::scene::{at, choose, intern};
use crate::season::{Season, done, wishes};

/// Ranks of one round by group commit, after one by a commit each…
const RANKS_BY_GROUP: u16 = 3;
/// …of one amphi in so many: where a commit takes long, it takes its time for each.
const ALONE_OF: usize = 10;

/// Late interns of every amphi set wishes and choose, one command after the other.
pub async fn measure(pool: PgPool, amphis: usize) {
    let journal = PostgresJournal::start(pool.clone(), at("08:00")).await.expect("the database answers");
    let queue = Arc::new(Queue { journal, alone: Mutex::default(), one_by_one: false.into() });
    let season = Season::begun(queue.clone(), amphis, INTERNS).await;
    season.let_all_turns_lapse().await;
    let mut ranks = 1..=INTERNS;
    println!("{amphis} amphis; commands per second, and what one took:");
    loop {
        let (alone, by_group): (Vec<u16>, Vec<u16>) =
            (ranks.by_ref().take(1).collect(), ranks.by_ref().take(RANKS_BY_GROUP.into()).collect());
        if by_group.is_empty() {
            break;
        }
        queue.one_by_one.store(true, Ordering::Relaxed);
        let alone = run(&season.rooms[..amphis.div_ceil(ALONE_OF)], &alone).await;
        queue.one_by_one.store(false, Ordering::Relaxed);
        let by_group = run(&season.rooms, &by_group).await;
        println!("one commit each {alone}; group commit {by_group}; ratio {:.1}", by_group.rate / alone.rate);
    }
}

struct Run {
    rate: f64,
    p50: Duration,
    p99: Duration,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0}/s (p50 {:.1?}, p99 {:.1?})", self.rate, self.p50, self.p99)
    }
}

async fn run(rooms: &[Arc<Room>], ranks: &[u16]) -> Run {
    let started = Instant::now();
    let tasks = rooms.iter().map(|room| {
        let (room, ranks) = (Arc::clone(room), ranks.to_vec());
        tokio::spawn(async move {
            let mut took = Vec::with_capacity(ranks.len() * 2);
            for rank in ranks {
                for command in [wishes(rank), choose(rank, rank)] {
                    let sent = Instant::now();
                    done(&room, intern(rank), command).await;
                    took.push(sent.elapsed());
                }
            }
            took
        })
    });
    let mut took: Vec<Duration> =
        join_all(tasks).await.into_iter().flat_map(|took| took.expect("no task panics")).collect();
    let elapsed = started.elapsed();
    took.sort_unstable();
    let rate = took.len() as f64 / elapsed.as_secs_f64();
    Run { rate, p50: took[took.len() / 2], p99: took[took.len() * 99 / 100] }
}

/// The journal itself, or with one write under way at a time: the next one waits for the last one's commit.
struct Queue {
    journal: Arc<PostgresJournal>,
    alone: Mutex<()>,
    one_by_one: AtomicBool,
}

impl Journal for Queue {
    fn create<'a>(
        &'a self,
        amphi: AmphiId,
        title: &'a str,
        period: Period,
    ) -> BoxFuture<'a, Result<(), JournalError>> {
        self.journal.create(amphi, title, period)
    }

    fn acquire(&self, amphi: AmphiId) -> BoxFuture<'_, Result<Lease, JournalError>> {
        self.journal.acquire(amphi)
    }

    fn release_all(&self, now: Timestamp) -> BoxFuture<'_, Result<(), JournalError>> {
        self.journal.release_all(now)
    }

    fn load(&self, amphi: AmphiId) -> BoxFuture<'_, Result<Vec<Entry>, JournalError>> {
        self.journal.load(amphi)
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), AppendError>> {
        if !self.one_by_one.load(Ordering::Relaxed) {
            return self.journal.append(append);
        }
        async move {
            let _alone = self.alone.lock().await;
            self.journal.append(append).await
        }
        .boxed()
    }

    fn placed_elsewhere<'a>(
        &'a self,
        amphi: AmphiId,
        period: Period,
        interns: &'a [InternId],
    ) -> BoxFuture<'a, Result<Vec<InternId>, JournalError>> {
        self.journal.placed_elsewhere(amphi, period, interns)
    }

    fn unfinished(&self) -> BoxFuture<'_, Result<Vec<AmphiId>, JournalError>> {
        self.journal.unfinished()
    }

    fn heartbeat<'a>(
        &'a self,
        now: Timestamp,
        in_service: &'a [AmphiId],
    ) -> BoxFuture<'a, Result<Vec<AmphiId>, JournalError>> {
        self.journal.heartbeat(now, in_service)
    }
}
