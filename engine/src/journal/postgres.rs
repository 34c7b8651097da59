//! The journal in Postgres.
//!
//! One writer task owns one connection and writes the submissions of all amphis that wait at the same
//! moment in one statement: the fence, the entries and the assignments, committed together (group
//! commit). Nobody can drop that work half way: the task is spawned once and lives as long as the
//! journal. A second connection holds this server's advisory lock and carries its heartbeat, so that
//! a successor knows at once that this server is gone. Reads go through the shared pool.

use std::sync::Arc;

use amphi_core::{AmphiId, CommandId, InternId, Period, Timestamp};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, PgPool};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::chain::check_chain;
use super::{Append, AppendError, Entry, Hash, Journal, JournalError, Lease, Place};
use crate::limits::{GROUP_COMMIT_MAX, JOURNAL_GIVE_UP_AFTER};

/// First half of the advisory lock's key; the second is the server's number.
const LOCK_CLASS: i32 = 0x616d_7068;
/// Submissions waiting for the writer: every room has at most one under way.
const WRITER_QUEUE_MAX: usize = 4_096;

/// The journal of one server, in Postgres.
pub struct PostgresJournal {
    pool: PgPool,
    options: PgConnectOptions,
    server: i64,
    /// The connection that holds the advisory lock; `None` after it broke, until the next heartbeat.
    guard: Mutex<Option<PgConnection>>,
    writer: mpsc::Sender<Submission>,
}

struct Submission {
    append: Append,
    done: oneshot::Sender<Result<(), AppendError>>,
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
        let guard = guard_connection(&options, server).await?;
        let (writer, submissions) = mpsc::channel(WRITER_QUEUE_MAX);
        tokio::spawn(write_all(options.clone(), submissions));
        Ok(Arc::new(Self { pool, options, server, guard: Mutex::new(Some(guard)), writer }))
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

    async fn acquire_now(&self, amphi: AmphiId) -> Result<Lease, JournalError> {
        let acquired = sqlx::query!(
            r#"
            WITH before AS (
                SELECT a.id, CASE
                    -- The last owner has given back what it was told to.
                    WHEN a.epoch = (SELECT e.epoch FROM events e WHERE e.amphi_id = a.id ORDER BY e.seq DESC LIMIT 1)
                        THEN s.seen_at_ms
                    ELSE LEAST(a.unserved_since_ms, s.seen_at_ms)
                END AS seen_at_ms
                FROM amphis a LEFT JOIN servers s ON s.key = a.owner
                WHERE a.id = $1
            )
            UPDATE amphis a SET epoch = a.epoch + 1, owner = $2, unserved_since_ms = before.seen_at_ms
            FROM before
            WHERE a.id = before.id
              AND (a.owner IS NULL OR a.owner = $2 OR NOT EXISTS (
                  SELECT 1 FROM pg_locks l
                  JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
                  WHERE l.locktype = 'advisory' AND l.objsubid = 2
                    AND l.classid::bigint = $3 AND l.objid::bigint = a.owner))
            RETURNING a.epoch, before.seen_at_ms AS "seen_at_ms?"
            "#,
            amphi.0,
            self.server,
            i64::from(LOCK_CLASS),
        )
        .fetch_optional(&self.pool)
        .await?;
        match acquired {
            Some(row) => {
                Ok(Lease { epoch: row.epoch.unsigned_abs(), previous_seen_at: row.seen_at_ms.map(Timestamp) })
            }
            None if self.knows(amphi).await? => Err(JournalError::OwnedByAnother),
            None => Err(JournalError::NotFound),
        }
    }

    async fn knows(&self, amphi: AmphiId) -> Result<bool, JournalError> {
        let known = sqlx::query_scalar!("SELECT 1 FROM amphis WHERE id = $1", amphi.0);
        Ok(known.fetch_optional(&self.pool).await?.is_some())
    }

    async fn load_now(&self, amphi: AmphiId) -> Result<Vec<Entry>, JournalError> {
        let rows = sqlx::query!(
            "SELECT seq, epoch, command_id, at_ms, actor, payload, hash FROM events
             WHERE amphi_id = $1 ORDER BY seq",
            amphi.0
        )
        .fetch_all(&self.pool)
        .await?;
        if rows.is_empty() && !self.knows(amphi).await? {
            return Err(JournalError::NotFound);
        }
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            let damaged = |_| JournalError::Damaged(format!("the hash of entry {}", row.seq));
            let hash = row.hash.try_into().map_err(damaged)?;
            entries.push(Entry {
                seq: row.seq.unsigned_abs(),
                epoch: row.epoch.unsigned_abs(),
                command_id: row.command_id.map(CommandId),
                at: Timestamp(row.at_ms),
                actor: row.actor,
                payload: row.payload,
                hash: Hash(hash),
            });
        }
        check_chain(amphi, &entries).map_err(|error| JournalError::Damaged(error.to_string()))?;
        Ok(entries)
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

    async fn heartbeat_now(
        &self,
        now: Timestamp,
        in_service: &[AmphiId],
    ) -> Result<Vec<AmphiId>, JournalError> {
        let mut guard = self.guard.lock().await;
        let mut connection = match guard.take() {
            Some(connection) => connection,
            None => within(guard_connection(&self.options, self.server)).await?,
        };
        // Taken out while in use: a heartbeat that fails or is dropped leaves no half-read connection.
        let in_service: Vec<Uuid> = in_service.iter().map(|amphi| amphi.0).collect();
        let beat = sqlx::query_scalar!(
            "WITH beat AS (UPDATE servers SET seen_at_ms = $2 WHERE key = $1)
             SELECT id FROM amphis WHERE id = ANY($3) AND owner IS DISTINCT FROM $1",
            self.server,
            now.0,
            &in_service,
        )
        .fetch_all(&mut connection)
        .map(|result| result.map_err(JournalError::from));
        let lost = within(beat).await?;
        *guard = Some(connection);
        Ok(lost.into_iter().map(AmphiId).collect())
    }

    async fn release_all_now(&self, now: Timestamp) -> Result<(), JournalError> {
        self.heartbeat_now(now, &[]).await?;
        // The owner stays written down, with its last heartbeat: the next one needs it (A10). What
        // sets the amphis free is that the lock goes.
        if let Some(guard) = self.guard.lock().await.take() {
            guard.close().await?;
        }
        Ok(())
    }
}

/// Bounds a question whose answer may never come (a frozen database).
async fn within<T>(question: impl Future<Output = Result<T, JournalError>>) -> Result<T, JournalError> {
    timeout(JOURNAL_GIVE_UP_AFTER, question)
        .await
        .unwrap_or_else(|_| Err(JournalError::Unavailable("no answer in time".to_owned())))
}

async fn guard_connection(options: &PgConnectOptions, server: i64) -> Result<PgConnection, JournalError> {
    let mut connection = PgConnection::connect_with(options).await?;
    // Over a network, the database must notice within seconds that this machine is gone.
    sqlx::query!(
        "SELECT set_config('tcp_keepalives_idle', '3', false) AS idle,
                set_config('tcp_keepalives_interval', '2', false) AS interval,
                set_config('tcp_keepalives_count', '2', false) AS count"
    )
    .fetch_one(&mut connection)
    .await?;
    let key = i32::try_from(server).map_err(|e| JournalError::Unavailable(e.to_string()))?;
    let held = sqlx::query_scalar!("SELECT pg_try_advisory_lock($1, $2)", LOCK_CLASS, key)
        .fetch_one(&mut connection)
        .await?;
    if held == Some(true) {
        Ok(connection)
    } else {
        // Our own broken connection may not have ended yet on the other side; the next heartbeat asks again.
        Err(JournalError::Unavailable("this server's lock is still held".to_owned()))
    }
}

impl From<sqlx::Error> for JournalError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

// --- writing -------------------------------------------------------------------------------------

async fn write_all(options: PgConnectOptions, mut submissions: mpsc::Receiver<Submission>) {
    let mut connection = None;
    let mut group = Vec::new();
    while submissions.recv_many(&mut group, GROUP_COMMIT_MAX).await > 0 {
        write_group(&options, &mut connection, std::mem::take(&mut group)).await;
    }
}

/// Writes a group in one statement; when one of its members makes it fail, each by itself.
async fn write_group(
    options: &PgConnectOptions,
    connection: &mut Option<PgConnection>,
    group: Vec<Submission>,
) {
    let appends: Vec<&Append> = group.iter().map(|submission| &submission.append).collect();
    match write_within(options, connection, &appends).await {
        Ok(written) => {
            for submission in group {
                let lease = (submission.append.amphi.0, submission.append.epoch);
                let fenced = !written.contains(&lease);
                answer(submission, if fenced { Err(AppendError::Fenced) } else { Ok(()) });
            }
        }
        Err(WriteError::Violation(_)) if group.len() > 1 => {
            for submission in group {
                Box::pin(write_group(options, connection, vec![submission])).await;
            }
        }
        Err(WriteError::Violation(constraint)) => {
            for submission in group {
                let refusal = explain(connection, &submission.append, &constraint).await;
                answer(submission, Err(refusal));
            }
        }
        Err(WriteError::Unknown(problem)) => {
            *connection = None;
            for submission in group {
                answer(submission, Err(AppendError::Unknown(problem.clone())));
            }
        }
    }
}

fn answer(submission: Submission, result: Result<(), AppendError>) {
    // A room that is gone does not wait for its answer; its successor reloads.
    let _ = submission.done.send(result);
}

enum WriteError {
    Violation(String),
    Unknown(String),
}

impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(refusal) if refusal.is_unique_violation() => {
                Self::Violation(refusal.constraint().unwrap_or_default().to_owned())
            }
            _ => Self::Unknown(error.to_string()),
        }
    }
}

async fn write_within(
    options: &PgConnectOptions,
    connection: &mut Option<PgConnection>,
    appends: &[&Append],
) -> Result<Vec<(Uuid, u64)>, WriteError> {
    let write = async {
        let mut open = match connection.take() {
            Some(open) => open,
            None => PgConnection::connect_with(options).await?,
        };
        let result = write_once(&mut open, appends).await;
        // A refused statement leaves the connection sound; anything else, or being dropped here, does not.
        if matches!(result, Ok(_) | Err(WriteError::Violation(_))) {
            *connection = Some(open);
        }
        result
    };
    timeout(JOURNAL_GIVE_UP_AFTER, write)
        .await
        .unwrap_or_else(|_| Err(WriteError::Unknown("no answer in time".to_owned())))
}

/// The one statement: fence, entries and assignments of a whole group. Returns the leases that held.
///
/// `FOR SHARE` makes a takeover wait for this statement, and this statement for a takeover; after
/// waiting, the epoch is compared again.
async fn write_once(
    connection: &mut PgConnection,
    appends: &[&Append],
) -> Result<Vec<(Uuid, u64)>, WriteError> {
    let mut rows = Rows::default();
    for append in appends {
        rows.add(append);
    }
    let written = sqlx::query!(
        r#"
        WITH fence AS (
            SELECT a.id, a.epoch FROM amphis a
            JOIN UNNEST($1::uuid[], $2::bigint[]) AS lease (id, epoch) ON a.id = lease.id AND a.epoch = lease.epoch
            FOR SHARE OF a
        ), entries AS (
            INSERT INTO events (amphi_id, seq, epoch, command_id, at_ms, actor, payload, hash)
            SELECT e.* FROM UNNEST($3::uuid[], $4::bigint[], $5::bigint[], $6::uuid[], $7::bigint[],
                                   $8::text[], $9::text[], $10::bytea[])
                AS e (amphi_id, seq, epoch, command_id, at_ms, actor, payload, hash)
            JOIN fence ON fence.id = e.amphi_id AND fence.epoch = e.epoch
        ), released AS (
            UPDATE assignments a SET released_seq = r.seq
            FROM UNNEST($18::uuid[], $19::bigint[], $20::bigint[], $21::bigint[])
                AS r (amphi_id, choice_seq, seq, epoch)
            JOIN fence ON fence.id = r.amphi_id AND fence.epoch = r.epoch
            WHERE a.amphi_id = r.amphi_id AND a.seq = r.choice_seq AND a.released_seq IS NULL
            RETURNING 1
        ), seats AS (
            INSERT INTO assignments (amphi_id, seq, post, seat, period, intern_id, supernumerary_site)
            SELECT s.amphi_id, s.seq, s.post, s.seat, s.period, s.intern_id, s.site
            FROM UNNEST($11::uuid[], $12::bigint[], $13::integer[], $14::integer[],
                        $15::text[], $16::uuid[], $17::bigint[], $22::text[])
                AS s (amphi_id, seq, post, seat, period, intern_id, epoch, site)
            JOIN fence ON fence.id = s.amphi_id AND fence.epoch = s.epoch
            -- What is given back is free before anything is taken.
            WHERE (SELECT count(*) FROM released) >= 0
        )
        SELECT id, epoch FROM fence
        "#,
        &rows.lease_amphi,
        &rows.lease_epoch,
        &rows.amphi,
        &rows.seq,
        &rows.epoch,
        &rows.command_id as &[Option<Uuid>],
        &rows.at_ms,
        &rows.actor as &[&str],
        &rows.payload as &[&str],
        &rows.hash as &[&[u8]],
        &rows.seat_amphi,
        &rows.seat_seq,
        &rows.seat_post,
        &rows.seat_seat as &[Option<i32>],
        &rows.seat_period,
        &rows.seat_intern,
        &rows.seat_epoch,
        &rows.release_amphi,
        &rows.release_choice,
        &rows.release_seq,
        &rows.release_epoch,
        &rows.seat_site as &[Option<&str>],
    )
    .fetch_all(connection)
    .await?;
    Ok(written.into_iter().map(|row| (row.id, row.epoch.unsigned_abs())).collect())
}

/// The columns of one group.
#[derive(Default)]
struct Rows<'a> {
    lease_amphi: Vec<Uuid>,
    lease_epoch: Vec<i64>,
    amphi: Vec<Uuid>,
    seq: Vec<i64>,
    epoch: Vec<i64>,
    command_id: Vec<Option<Uuid>>,
    at_ms: Vec<i64>,
    actor: Vec<&'a str>,
    payload: Vec<&'a str>,
    hash: Vec<&'a [u8]>,
    seat_amphi: Vec<Uuid>,
    seat_seq: Vec<i64>,
    seat_post: Vec<i32>,
    seat_seat: Vec<Option<i32>>,
    seat_site: Vec<Option<&'a str>>,
    seat_period: Vec<String>,
    seat_intern: Vec<Uuid>,
    seat_epoch: Vec<i64>,
    release_amphi: Vec<Uuid>,
    release_choice: Vec<i64>,
    release_seq: Vec<i64>,
    release_epoch: Vec<i64>,
}

impl<'a> Rows<'a> {
    fn add(&mut self, append: &'a Append) {
        self.lease_amphi.push(append.amphi.0);
        self.lease_epoch.push(append.epoch.cast_signed());
        for entry in &append.entries {
            self.amphi.push(append.amphi.0);
            self.seq.push(entry.seq.cast_signed());
            self.epoch.push(entry.epoch.cast_signed());
            self.command_id.push(entry.command_id.map(|id| id.0));
            self.at_ms.push(entry.at.0);
            self.actor.push(&entry.actor);
            self.payload.push(&entry.payload);
            self.hash.push(&entry.hash.0);
        }
        for taken in &append.assignments {
            self.seat_amphi.push(append.amphi.0);
            self.seat_seq.push(taken.seq.cast_signed());
            self.seat_post.push(i32::from(taken.post));
            let (seat, site) = match &taken.place {
                Place::Seat(seat) => (Some(i32::from(*seat)), None),
                Place::Supernumerary(site) => (None, Some(site.as_str())),
            };
            self.seat_seat.push(seat);
            self.seat_site.push(site);
            self.seat_period.push(taken.period.into());
            self.seat_intern.push(taken.intern.0);
            self.seat_epoch.push(append.epoch.cast_signed());
        }
        for release in &append.releases {
            self.release_amphi.push(append.amphi.0);
            self.release_choice.push(release.choice_seq.cast_signed());
            self.release_seq.push(release.seq.cast_signed());
            self.release_epoch.push(append.epoch.cast_signed());
        }
    }
}

/// What a violated constraint means for the one submission that violates it.
async fn explain(connection: &mut Option<PgConnection>, append: &Append, constraint: &str) -> AppendError {
    if constraint == "assignments_one_supernumerary_per_site" {
        return AppendError::SiteTaken;
    }
    if constraint != "assignments_one_per_person" {
        return AppendError::Stale(constraint.to_owned());
    }
    let interns: Vec<Uuid> = append.assignments.iter().map(|taken| taken.intern.0).collect();
    let periods: Vec<String> = append.assignments.iter().map(|taken| taken.period.into()).collect();
    let Some(open) = connection else {
        return AppendError::Unknown("the connection is gone".to_owned());
    };
    let taken = sqlx::query_scalar!(
        "SELECT a.intern_id FROM assignments a
         JOIN UNNEST($1::uuid[], $2::text[]) AS asked (intern_id, period)
           ON a.intern_id = asked.intern_id AND a.period = asked.period
         WHERE a.released_seq IS NULL LIMIT 1",
        &interns,
        &periods,
    )
    .fetch_optional(open);
    match timeout(JOURNAL_GIVE_UP_AFTER, taken).await {
        Ok(Ok(Some(intern))) => AppendError::PersonTaken(InternId(intern)),
        // Released in between: reload, and decide again.
        Ok(Ok(None)) => AppendError::Stale(constraint.to_owned()),
        Ok(Err(_)) | Err(_) => {
            *connection = None;
            AppendError::Unknown("the conflict could not be looked up".to_owned())
        }
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
        within(self.release_all_now(now)).boxed()
    }

    fn load(&self, amphi: AmphiId) -> BoxFuture<'_, Result<Vec<Entry>, JournalError>> {
        within(self.load_now(amphi)).boxed()
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
            let interns: Vec<Uuid> = interns.iter().map(|intern| intern.0).collect();
            let placed = sqlx::query_scalar!(
                "SELECT intern_id FROM assignments
                 WHERE period = $1 AND amphi_id <> $2 AND intern_id = ANY($3) AND released_seq IS NULL",
                String::from(period),
                amphi.0,
                &interns,
            )
            .fetch_all(&self.pool)
            .await?;
            Ok(placed.into_iter().map(InternId).collect())
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
        self.heartbeat_now(now, in_service).boxed()
    }
}
