//! F10: how long a successor takes to have every amphi in service.

use std::sync::Arc;
use std::time::Duration;

use amphi_engine::clock::ManualClock;
use amphi_engine::core::{Millis, Timestamp};
use amphi_engine::journal::PostgresJournal;
use amphi_engine::registry::Registry;
use futures_util::StreamExt as _;
use sqlx::PgPool;
use tokio::time::Instant;

use crate::scene::{amphi, at};
use crate::season::{Season, settle};

/// How often the server is lost.
const TIMES: usize = 5;
/// How many one by one are under way at once: as it was before they were taken over many at a time.
const OPENED_AT_ONCE: usize = 8;

/// Fills, and measures [`TIMES`] times: every amphi in service, and every amphi done with its recovery.
pub async fn measure(pool: PgPool, amphis: usize, interns: u16) {
    let now = at("08:00");
    let journal = PostgresJournal::start(pool.clone(), now).await.expect("the database answers");
    let season = Season::begun(journal.clone(), amphis, interns).await;
    season.choose_in_turn(interns * 3 / 4).await;
    let back_at = at("09:00") + Millis::from_secs(180 * i64::from(interns));
    drop((season, journal));
    let (entries, bytes): (i64, i64) =
        sqlx::query_as("SELECT count(*), sum(octet_length(payload))::bigint FROM events")
            .fetch_one(&pool)
            .await
            .expect("the database answers");
    println!("{amphis} amphis of {interns} interns: {entries} entries, {bytes} bytes");
    sqlx::query("VACUUM ANALYZE").execute(&pool).await.expect("the database answers");
    for _ in 0..TIMES {
        let one_by_one = recover(&pool, amphis, back_at, false).await;
        let together = recover(&pool, amphis, back_at, true).await;
        println!("together {together}; one by one, {OPENED_AT_ONCE} at once {one_by_one}");
    }
}

struct Recovery {
    in_service: Duration,
    recovered: Duration,
}

impl std::fmt::Display for Recovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "in service {:.2?}, recovered {:.2?}", self.in_service, self.recovered)
    }
}

async fn recover(pool: &PgPool, amphis: usize, back_at: Timestamp, together: bool) -> Recovery {
    lose_the_server(pool).await;
    let started = Instant::now();
    let journal = PostgresJournal::start(pool.clone(), back_at).await.expect("the database answers");
    let registry = Registry::new(journal, Arc::new(ManualClock::at(back_at)));
    if together {
        assert_eq!(registry.open_unfinished().await, Ok((amphis, 0)));
    }
    let rooms = (1..=amphis).map(|number| registry.room(amphi(number as u128)));
    let rooms: Vec<_> = futures_util::stream::iter(rooms).buffered(OPENED_AT_ONCE).collect().await;
    let in_service = started.elapsed();
    let rooms: Vec<_> = rooms.into_iter().map(|room| room.expect("in service")).collect();
    settle(&rooms).await;
    Recovery { in_service, recovered: started.elapsed() }
}

/// What `kill -9` looks like to a successor: its lock is gone.
async fn lose_the_server(pool: &PgPool) {
    sqlx::query(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .execute(pool)
    .await
    .expect("the database answers");
}
