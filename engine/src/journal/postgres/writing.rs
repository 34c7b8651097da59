//! Writing: what all rooms want to write at the same moment goes in one statement (group commit).
//!
//! Order: a room has one write under way at most, so the order of its writes is its own. Nobody can drop a
//! write half way: the task is spawned once and lives as long as the journal.

use std::time::Duration;

use amphi_core::InternId;
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::super::{Append, AppendError, Place};
use crate::limits::{GROUP_COMMIT_MAX, JOURNAL_GIVE_UP_AFTER};
use crate::metrics::{Written, meters};

/// A write, and where its answer goes.
pub(super) struct Submission {
    pub(super) append: Append,
    pub(super) done: oneshot::Sender<Result<(), AppendError>>,
}

pub(super) async fn write_all(options: PgConnectOptions, mut submissions: mpsc::Receiver<Submission>) {
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
    let began = Instant::now();
    let written = write_within(options, connection, &appends).await;
    measure(&written, appends.len(), began.elapsed());
    match written {
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

fn measure(written: &Result<Vec<(Uuid, u64)>, WriteError>, commands: usize, took: Duration) {
    let became = match written {
        Ok(_) => Written::Committed,
        Err(WriteError::Violation(_)) => Written::Violation,
        Err(WriteError::Unknown(_)) => Written::Unknown,
    };
    meters().commit.of(became).record(took);
    if became == Written::Committed {
        meters().commit_commands.record(commands as f64);
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
            -- In the order in which a successor takes amphis over: neither waits for the other in a ring.
            ORDER BY a.id FOR SHARE OF a
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
