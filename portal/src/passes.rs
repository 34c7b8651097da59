//! By what open sockets came, and the watch that closes them when it is good no longer (S9).
//!
//! Every socket holds a `Pass`. Signing out ends the passes of that session at once. Everything else that
//! may take a right away happens in the database, perhaps on another server: a session deleted, shortened or
//! expired, or without that door any more. So twice a second Postgres is asked which sessions may have lost
//! something since the last answer (`session_losses`, written by triggers, whoever the hand; and what has
//! expired); whether the passes of these are still good is a second question, asked about every new pass
//! once, too. What a round asks of Postgres grows with who comes and goes, not with who is there.
//!
//! Invariant: a pass was good at a moment from which on every loss is, or will be, heard of. Whatever breaks
//! that chain (a start, a question without an answer, an hour without a question, because losses are forgotten after
//! a day) has everybody asked about. A session that is made to last longer has lost nothing. No notifications: they
//! are lost while a connection is down. Tokens are asked nothing but whether they have expired. While the
//! database does not answer, nobody is turned out: a failure of ours must not empty an amphi.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amphi_engine::clock::wall_clock_now;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Portal;
use crate::doors::Door;
use crate::retention::LOSSES_KEPT_DAYS;

/// How often open sockets are asked whether they may stay: with the time that a farewell may take, within
/// the second that S9 allows.
const CHECKED_EVERY: Duration = Duration::from_millis(500);
/// What was heard longer ago, by the clock of Postgres, counts as nothing heard: a server that was frozen may have
/// missed losses that are forgotten since.
const HEARD_COUNTS_FOR: TimeDelta = TimeDelta::hours(1);
// With room for the longest transaction, whose losses are dated at its beginning.
const _: () = assert!(HEARD_COUNTS_FOR.num_days() < LOSSES_KEPT_DAYS as i64);

/// By what somebody came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// A browser's session, which has this door open.
    Session { id: Uuid, door: Door },
    /// A token that was shown, good until then (seconds since 1970).
    Token { expires_at: i64 },
    /// By nothing: what everybody may see.
    Anybody,
}

/// The passes of all open sockets.
#[derive(Debug, Default)]
pub struct Passes {
    open: Mutex<OpenPasses>,
    /// How far the watch has come; nothing while everybody is to be asked about.
    heard: Mutex<Option<Heard>>,
}

#[derive(Debug, Default)]
struct OpenPasses {
    /// How many were ever issued: the number of the next.
    issued: u64,
    by_number: BTreeMap<u64, Open>,
}

#[derive(Debug, Clone)]
struct Open {
    by: By,
    ended: CancellationToken,
}

/// Of what the watch has heard.
#[derive(Debug, Clone, Copy)]
struct Heard {
    /// Of every loss by a transaction before this one.
    transaction: i64,
    /// Of every session that expired until then, by the clock of Postgres.
    until: DateTime<Utc>,
    /// Of every pass before this one that it was good.
    issued: u64,
}

/// A pass that may have ended.
#[derive(Debug)]
struct Suspect {
    session: Uuid,
    door: Door,
    ended: CancellationToken,
}

/// The pass of one socket, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    passes: Arc<Passes>,
    number: u64,
    ended: CancellationToken,
}

impl Pass {
    /// Cancelled when the pass ends.
    pub(crate) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.passes.open().by_number.remove(&self.number);
    }
}

impl Passes {
    fn open(&self) -> MutexGuard<'_, OpenPasses> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self) -> MutexGuard<'_, Option<Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pass for a socket that is about to open.
    pub(crate) fn issue(self: &Arc<Self>, by: By) -> Pass {
        let ended = CancellationToken::new();
        let mut open = self.open();
        let number = open.issued;
        open.issued += 1;
        open.by_number.insert(number, Open { by, ended: ended.clone() });
        Pass { passes: Arc::clone(self), number, ended }
    }

    /// Ends every pass of that session.
    pub(crate) fn end_session(&self, session: Uuid) {
        self.end_where(|by| matches!(by, By::Session { id, .. } if id == session));
    }

    fn end_where(&self, is_meant: impl Fn(By) -> bool) {
        for open in self.open().by_number.values().filter(|open| is_meant(open.by)) {
            open.ended.cancel();
        }
    }

    /// Ends every pass that is not good any more at `now` (seconds since 1970); about how many Postgres had to
    /// be asked.
    ///
    /// # Errors
    /// When the database does not answer; then only tokens have been looked at.
    pub async fn check(&self, pool: &PgPool, now: i64) -> Result<usize, sqlx::Error> {
        self.end_where(|by| matches!(by, By::Token { expires_at } if expires_at <= now));
        // Taken: what fails below leaves nothing heard.
        let heard = self.heard().take();
        let of_session = |open: &Open| matches!(open.by, By::Session { .. });
        if !self.open().by_number.values().any(of_session) {
            return Ok(0);
        }
        let losses = losses_since(heard, pool).await?;
        let heard = heard.filter(|heard| losses.until - heard.until < HEARD_COUNTS_FOR);
        let (suspects, issued) = self.suspects(heard, &losses.sessions);
        end_losers(&suspects, losses.until, pool).await?;
        *self.heard() = Some(Heard { transaction: losses.transaction, until: losses.until, issued });
        Ok(suspects.len())
    }

    /// The passes about which to ask: those of sessions that lost something, and those never asked about; and
    /// the number of the first that is not among these because it is not issued yet.
    fn suspects(&self, heard: Option<Heard>, lost: &HashSet<Uuid>) -> (Vec<Suspect>, u64) {
        let first_new = heard.map_or(0, |heard| heard.issued);
        let open = self.open();
        let suspects = open.by_number.iter().filter_map(|(number, open)| match open.by {
            By::Session { id, door } if *number >= first_new || lost.contains(&id) => {
                Some(Suspect { session: id, door, ended: open.ended.clone() })
            }
            By::Session { .. } | By::Token { .. } | By::Anybody => None,
        });
        (suspects.collect(), open.issued)
    }
}

/// What Postgres says about losses.
struct Losses {
    sessions: HashSet<Uuid>,
    /// The first transaction that this answer may have missed.
    transaction: i64,
    until: DateTime<Utc>,
}

/// Which sessions may have lost something since `heard`; none since nothing.
async fn losses_since(heard: Option<Heard>, pool: &PgPool) -> Result<Losses, sqlx::Error> {
    // Nothing beyond the snapshot's end: transactions of a database that was restored here counted otherwise.
    let answer = sqlx::query!(
        r#"SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS "transaction!",
                  now() AS "until!",
                  ARRAY(
                      SELECT session_id FROM session_losses
                      WHERE lost_by >= $1 AND lost_by < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
                      UNION ALL
                      SELECT id FROM sessions WHERE expires_at > $2 AND expires_at <= now()
                  ) AS "sessions!""#,
        heard.map(|heard| heard.transaction),
        heard.map(|heard| heard.until),
    )
    .fetch_one(pool)
    .await?;
    let sessions = answer.sessions.into_iter().collect();
    Ok(Losses { sessions, transaction: answer.transaction, until: answer.until })
}

/// Ends those of these passes whose session or door is gone, or had expired at `until`.
async fn end_losers(suspects: &[Suspect], until: DateTime<Utc>, pool: &PgPool) -> Result<(), sqlx::Error> {
    if suspects.is_empty() {
        return Ok(());
    }
    let sessions: Vec<Uuid> = suspects.iter().map(|suspect| suspect.session).collect();
    let amphis: Vec<Uuid> = suspects.iter().map(|suspect| suspect.door.amphi.0).collect();
    let (roles, ranks): (Vec<String>, Vec<i32>) = suspects
        .iter()
        .map(|suspect| suspect.door.role_columns())
        .map(|(role, rank)| (role.to_owned(), rank))
        .unzip();
    let over = sqlx::query_scalar!(
        r#"SELECT asked.position AS "position!"
           FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::integer[]) WITH ORDINALITY
                AS asked (session_id, amphi_id, role, call_rank, position)
           WHERE NOT EXISTS (
               SELECT 1 FROM sessions s JOIN session_doors d ON d.session_id = s.id
               WHERE s.id = asked.session_id AND s.expires_at > $5
                 AND d.amphi_id = asked.amphi_id AND d.role = asked.role AND d.call_rank = asked.call_rank)"#,
        &sessions,
        &amphis,
        &roles,
        &ranks,
        until,
    )
    .fetch_all(pool)
    .await?;
    for position in over {
        let index = usize::try_from(position - 1).expect("Postgres counts from one");
        suspects[index].ended.cancel();
    }
    Ok(())
}

impl Portal {
    /// Closes open sockets whose session or token is good no longer; runs until it is dropped.
    pub async fn watch_passes(&self) {
        let mut answers = true;
        loop {
            let checked = self.passes.check(&self.pool, wall_clock_now().0 / 1_000).await;
            if let (true, Err(error)) = (answers, &checked) {
                tracing::warn!(%error, "open sockets could not be checked; they stay open meanwhile");
            }
            answers = checked.is_ok();
            tokio::time::sleep(CHECKED_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use amphi_engine::core::AmphiId;
    use amphi_engine::protocol::Role;

    use super::*;

    #[test]
    fn s9_a_pass_ends_with_its_session_and_is_forgotten_with_its_socket() {
        let passes = Arc::new(Passes::default());
        let door = Door { amphi: AmphiId(Uuid::from_u128(1)), role: Role::Spectator };
        let of = |session| By::Session { id: Uuid::from_u128(session), door };
        let [mine, also_mine, yours] = [of(1), of(1), of(2)].map(|by| passes.issue(by));
        let token = passes.issue(By::Token { expires_at: 0 });
        passes.end_session(Uuid::from_u128(1));
        let ended = [&mine, &also_mine, &yours, &token].map(|pass| pass.ended().is_cancelled());
        assert_eq!(ended, [true, true, false, false]);
        drop((mine, yours));
        assert_eq!(passes.open().by_number.len(), 2);
        drop((also_mine, token));
        assert!(passes.open().by_number.is_empty());
    }

    #[test]
    fn s9_a_pass_is_asked_about_once_and_when_its_session_lost_something() {
        let passes = Arc::new(Passes::default());
        let door = Door { amphi: AmphiId(Uuid::from_u128(1)), role: Role::Spectator };
        let issue = |session| passes.issue(By::Session { id: Uuid::from_u128(session), door });
        let asked = |issued: Option<u64>, lost: &[u128]| {
            let heard = issued.map(|issued| Heard { transaction: 0, until: DateTime::UNIX_EPOCH, issued });
            let lost = lost.iter().copied().map(Uuid::from_u128).collect();
            let (suspects, issued) = passes.suspects(heard, &lost);
            (suspects.iter().map(|suspect| suspect.session.as_u128()).collect::<Vec<_>>(), issued)
        };
        let open = [issue(1), issue(2), passes.issue(By::Anybody), issue(3)];
        assert_eq!(asked(None, &[]), (vec![1, 2, 3], 4), "nothing was heard: everybody");
        assert_eq!(asked(Some(4), &[]), (vec![], 4));
        assert_eq!(asked(Some(4), &[2, 9]), (vec![2], 4));
        drop(open);
        // Its session may have ended between its request and its pass: then that loss has been heard already.
        let late = issue(2);
        assert_eq!(
            asked(Some(4), &[]),
            (vec![2], 5),
            "a place that became free is not taken for the old pass"
        );
        drop(late);
    }
}
