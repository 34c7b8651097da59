//! The connection that holds this server's advisory lock and carries its heartbeat.
//!
//! A heartbeat asks which amphis were lost only when whoever took them has counted so at this server's row:
//! a server from which nobody takes anything asks about each of its amphis once.

use std::collections::HashSet;

use amphi_core::{AmphiId, Timestamp};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::super::JournalError;
use super::within;

/// First half of the advisory lock's key; the second is the server's number.
pub(super) const LOCK_CLASS: i32 = 0x616d_7068;

pub(super) struct Guard {
    options: PgConnectOptions,
    server: i64,
    post: Mutex<Post>,
}

struct Post {
    /// `None` after it broke, until the next heartbeat.
    connection: Option<PgConnection>,
    /// Amphis that were this server's own…
    own: HashSet<AmphiId>,
    /// …when so many had been taken from it.
    taken_over: i64,
}

impl Guard {
    /// Takes the server's lock.
    pub(super) async fn stand(options: PgConnectOptions, server: i64) -> Result<Self, JournalError> {
        let connection = Some(locked_connection(&options, server).await?);
        let post = Mutex::new(Post { connection, own: HashSet::new(), taken_over: 0 });
        Ok(Self { options, server, post })
    }

    /// One heartbeat; says which of the amphis `in_service` are no longer this server's.
    pub(super) async fn beat(
        &self,
        now: Timestamp,
        in_service: &[AmphiId],
    ) -> Result<Vec<AmphiId>, JournalError> {
        let mut post = self.post.lock().await;
        let mut connection = match post.connection.take() {
            Some(connection) => connection,
            None => within(locked_connection(&self.options, self.server)).await?,
        };
        // Taken out while in use: a heartbeat that fails or is dropped leaves no half-read connection.
        let lost = within(self.ask(&mut post, &mut connection, now, in_service)).await?;
        post.connection = Some(connection);
        Ok(lost)
    }

    async fn ask(
        &self,
        post: &mut Post,
        connection: &mut PgConnection,
        now: Timestamp,
        in_service: &[AmphiId],
    ) -> Result<Vec<AmphiId>, JournalError> {
        let taken_over = sqlx::query_scalar!(
            "UPDATE servers SET seen_at_ms = $2 WHERE key = $1 RETURNING taken_over",
            self.server,
            now.0,
        )
        .fetch_one(&mut *connection)
        .await?;
        if taken_over != post.taken_over {
            post.own.clear();
            post.taken_over = taken_over;
        }
        let doubtful: Vec<Uuid> =
            in_service.iter().filter(|amphi| !post.own.contains(amphi)).map(|amphi| amphi.0).collect();
        if doubtful.is_empty() {
            return Ok(Vec::new());
        }
        let lost = sqlx::query_scalar!(
            "SELECT id FROM amphis WHERE id = ANY($1) AND owner IS DISTINCT FROM $2",
            &doubtful,
            self.server,
        )
        .fetch_all(connection)
        .await?;
        post.own.extend(doubtful.into_iter().filter(|amphi| !lost.contains(amphi)).map(AmphiId));
        Ok(lost.into_iter().map(AmphiId).collect())
    }

    /// A last heartbeat. The owner stays written down, with it: the next one needs it (A10). What sets the
    /// amphis free is that the lock goes.
    pub(super) async fn release(&self, now: Timestamp) -> Result<(), JournalError> {
        self.beat(now, &[]).await?;
        if let Some(connection) = self.post.lock().await.connection.take() {
            connection.close().await?;
        }
        Ok(())
    }
}

async fn locked_connection(options: &PgConnectOptions, server: i64) -> Result<PgConnection, JournalError> {
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
