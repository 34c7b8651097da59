//! By what open sockets came, and the watch that closes them when it is good no longer (S9).
//!
//! Every socket holds a `Pass`. Signing out ends the passes of that session at once. Everything else that
//! may take a right away happens in the database, perhaps on another server (a session deleted, expired,
//! or without that door any more), so that is asked twice a second, for all open sockets in one query: no
//! trigger to forget, no notification to lose while a connection is down. Tokens are asked nothing but
//! whether they have expired. While the database does not answer, nobody is turned out: a failure of ours
//! must not empty an amphi.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amphi_engine::clock::wall_clock_now;
use slab::Slab;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Portal;
use crate::doors::Door;

/// How often open sockets are asked whether they may stay: with the time that a farewell may take, within
/// the second that S9 allows.
const CHECKED_EVERY: Duration = Duration::from_millis(500);

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
    open: Mutex<Slab<Open>>,
}

#[derive(Debug, Clone)]
struct Open {
    by: By,
    ended: CancellationToken,
}

/// The pass of one socket, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    passes: Arc<Passes>,
    key: usize,
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
        self.passes.open().try_remove(self.key);
    }
}

impl Passes {
    fn open(&self) -> MutexGuard<'_, Slab<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A pass for a socket that is about to open.
    pub(crate) fn issue(self: &Arc<Self>, by: By) -> Pass {
        let ended = CancellationToken::new();
        let key = self.open().insert(Open { by, ended: ended.clone() });
        Pass { passes: Arc::clone(self), key, ended }
    }

    /// Ends every pass of that session.
    pub(crate) fn end_session(&self, session: Uuid) {
        self.end_where(|by| matches!(by, By::Session { id, .. } if id == session));
    }

    fn end_where(&self, is_meant: impl Fn(By) -> bool) {
        for (_, open) in self.open().iter().filter(|(_, open)| is_meant(open.by)) {
            open.ended.cancel();
        }
    }

    /// Ends every pass that is not good any more at `now` (seconds since 1970).
    ///
    /// # Errors
    /// When the database does not answer; then only tokens have been looked at.
    pub async fn check(&self, pool: &PgPool, now: i64) -> Result<(), sqlx::Error> {
        self.end_where(|by| matches!(by, By::Token { expires_at } if expires_at <= now));
        let asked: Vec<(Uuid, Door, CancellationToken)> = self
            .open()
            .iter()
            .filter_map(|(_, open)| match open.by {
                By::Session { id, door } => Some((id, door, open.ended.clone())),
                By::Token { .. } | By::Anybody => None,
            })
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        let sessions: Vec<Uuid> = asked.iter().map(|(session, ..)| *session).collect();
        let amphis: Vec<Uuid> = asked.iter().map(|(_, door, _)| door.amphi.0).collect();
        let (roles, ranks): (Vec<String>, Vec<i32>) = asked
            .iter()
            .map(|(_, door, _)| door.role_columns())
            .map(|(role, rank)| (role.to_owned(), rank))
            .unzip();
        let over = sqlx::query_scalar!(
            r#"SELECT asked.position AS "position!"
               FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::integer[]) WITH ORDINALITY
                    AS asked (session_id, amphi_id, role, call_rank, position)
               WHERE NOT EXISTS (
                   SELECT 1 FROM sessions s JOIN session_doors d ON d.session_id = s.id
                   WHERE s.id = asked.session_id AND s.expires_at > now()
                     AND d.amphi_id = asked.amphi_id AND d.role = asked.role AND d.call_rank = asked.call_rank)"#,
            &sessions,
            &amphis,
            &roles,
            &ranks,
        )
        .fetch_all(pool)
        .await?;
        for position in over {
            let index = usize::try_from(position - 1).expect("Postgres counts from one");
            asked[index].2.cancel();
        }
        Ok(())
    }
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
        assert_eq!(passes.open().len(), 2);
        drop((also_mine, token));
        assert!(passes.open().is_empty());
    }
}
