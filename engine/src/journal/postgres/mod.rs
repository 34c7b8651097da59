//! The journal in Postgres.
//!
//! One writer task owns one connection and writes the submissions of all amphis that wait at the same
//! moment in one statement (`writing.rs`); another one asks for all rooms at once who is placed elsewhere
//! (`asking.rs`). A second connection holds this server's advisory lock and carries its heartbeat
//! (`guard.rs`), so that a successor knows at once that this server is gone. Amphis are taken over and read
//! many at a time (`taking.rs`). Reads go through the shared pool.

mod asking;
mod guard;
mod taking;
mod writing;

use std::sync::Arc;

use amphi_core::{AmphiId, InternId, Period, Timestamp};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{Append, AppendError, Entry, Hash, Journal, JournalError, Lease, Taken};
use crate::limits::JOURNAL_GIVE_UP_AFTER;
use asking::Question;
use guard::Guard;
use writing::Submission;

/// Submissions and questions that wait: every room has at most one of each under way.
const QUEUE_MAX: usize = 4_096;

/// The journal of one server, in Postgres.
pub struct PostgresJournal {
    pool: PgPool,
    server: i64,
    guard: Guard,
    writer: mpsc::Sender<Submission>,
    asker: mpsc::Sender<Question>,
}

impl PostgresJournal {
    /// Registers a server that is in service at `now`, and starts its writer.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`] when the database cannot be reached.
    pub async fn start(pool: PgPool, now: Timestamp) -> Result<Arc<Self>, JournalError> {
        let options = pool.connect_options().as_ref().clone();
        let server = sqlx::query_scalar!("INSERT INTO servers (seen_at_ms) VALUES ($1) RETURNING key", now.0)
            .fetch_one(&pool)
            .await?;
        let guard = Guard::stand(options.clone(), server).await?;
        let (writer, submissions) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(writing::write_all(options, submissions));
        let (asker, questions) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(asking::answer_all(pool.clone(), questions));
        Ok(Arc::new(Self { pool, server, guard, writer, asker }))
    }

    /// The latest instant at which any server was in service; a compressed clock goes on from there.
    ///
    /// # Errors
    /// [`JournalError::Unavailable`]
    pub async fn last_seen_at(pool: &PgPool) -> Result<Option<Timestamp>, JournalError> {
        let latest = sqlx::query_scalar!("SELECT max(seen_at_ms) FROM servers").fetch_one(pool).await?;
        Ok(latest.map(Timestamp))
    }

    async fn create_now(&self, amphi: AmphiId, title: &str, period: Period) -> Result<(), JournalError> {
        sqlx::query!(
            "INSERT INTO amphis (id, title, period) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
            amphi.0,
            title,
            String::from(period),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn hash_at_now(&self, amphi: AmphiId, seq: u64) -> Result<Option<Hash>, JournalError> {
        // A number that no entry can have is asked for all the same: every wrong guess costs the same.
        let seq = i64::try_from(seq).unwrap_or(-1);
        let hash =
            sqlx::query_scalar!("SELECT hash FROM events WHERE amphi_id = $1 AND seq = $2", amphi.0, seq)
                .fetch_optional(&self.pool)
                .await?;
        let damaged = |_| JournalError::Damaged(format!("the hash of entry {seq}"));
        hash.map(|hash| hash.try_into().map(Hash).map_err(damaged)).transpose()
    }
}

/// Bounds a question whose answer may never come (a frozen database).
async fn within<T>(question: impl Future<Output = Result<T, JournalError>>) -> Result<T, JournalError> {
    timeout(JOURNAL_GIVE_UP_AFTER, question)
        .await
        .unwrap_or_else(|_| Err(JournalError::Unavailable("no answer in time".to_owned())))
}

impl From<sqlx::Error> for JournalError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl Journal for PostgresJournal {
    fn create<'a>(
        &'a self,
        amphi: AmphiId,
        title: &'a str,
        period: Period,
    ) -> BoxFuture<'a, Result<(), JournalError>> {
        within(self.create_now(amphi, title, period)).boxed()
    }

    fn acquire(&self, amphi: AmphiId) -> BoxFuture<'_, Result<Lease, JournalError>> {
        within(self.acquire_now(amphi)).boxed()
    }

    fn release_all(&self, now: Timestamp) -> BoxFuture<'_, Result<(), JournalError>> {
        within(self.guard.release(now)).boxed()
    }

    fn load(&self, amphi: AmphiId) -> BoxFuture<'_, Result<Vec<Entry>, JournalError>> {
        within(self.load_now(amphi)).boxed()
    }

    fn take<'a>(&'a self, amphis: &'a [AmphiId]) -> BoxFuture<'a, Vec<Result<Taken, JournalError>>> {
        async move {
            let all_alike = |error: JournalError| amphis.iter().map(|_| Err(error.clone())).collect();
            within(self.take_now(amphis)).await.unwrap_or_else(all_alike)
        }
        .boxed()
    }

    fn hash_at(&self, amphi: AmphiId, seq: u64) -> BoxFuture<'_, Result<Option<Hash>, JournalError>> {
        within(self.hash_at_now(amphi, seq)).boxed()
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), AppendError>> {
        async move {
            let (done, result) = oneshot::channel();
            let gone = || AppendError::Unknown("the writer is gone".to_owned());
            self.writer.send(Submission { append, done }).await.map_err(|_| gone())?;
            result.await.map_err(|_| gone())?
        }
        .boxed()
    }

    fn placed_elsewhere<'a>(
        &'a self,
        amphi: AmphiId,
        period: Period,
        interns: &'a [InternId],
    ) -> BoxFuture<'a, Result<Vec<InternId>, JournalError>> {
        within(async move {
            let (done, answer) = oneshot::channel();
            let gone = || JournalError::Unavailable("nobody asks any more".to_owned());
            let question = Question { amphi, period, interns: interns.to_vec(), done };
            self.asker.send(question).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        })
        .boxed()
    }

    fn unfinished(&self) -> BoxFuture<'_, Result<Vec<AmphiId>, JournalError>> {
        within(async move {
            let amphis = sqlx::query_scalar!(
                r#"SELECT id FROM amphis a WHERE NOT EXISTS (
                    SELECT 1 FROM events e WHERE e.amphi_id = a.id
                      AND (e.payload LIKE '{"type":"closed"%' OR e.payload LIKE '{"type":"annulled"%'))
                   ORDER BY id"#
            )
            .fetch_all(&self.pool)
            .await?;
            Ok(amphis.into_iter().map(AmphiId).collect())
        })
        .boxed()
    }

    fn heartbeat<'a>(
        &'a self,
        now: Timestamp,
        in_service: &'a [AmphiId],
    ) -> BoxFuture<'a, Result<Vec<AmphiId>, JournalError>> {
        self.guard.beat(now, in_service).boxed()
    }
}
