//! How the pool of connections to Postgres is kept clean.
//!
//! With sqlx 0.9.0, a `pool.begin()` that is dropped half way gives the pool a connection inside an open
//! transaction (issues #4385 and #4393 of its repository): the next one to use it would write into it, and
//! nothing would ever be committed. Our handlers write in tasks that nobody drops (`writing.rs`); this is
//! the second line, for whatever slips through.

use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::PgPoolOptions;

/// Connections for pages and reloads; the journal has two of its own.
const CONNECTIONS_MAX: u32 = 10;
/// Longest wait for one of them: shorter than a page may take.
const WAIT_MAX: Duration = Duration::from_secs(8);
/// What each new connection is told. A transaction that nothing goes on in for longer than a page may take
/// is rolled back by the server, which ends the connection. Without the second line, the `ROLLBACK` of
/// every connection that is clean would be answered by a warning in the log.
const SETTINGS: &str = "SET idle_in_transaction_session_timeout = '15s'; SET client_min_messages = error";

/// The options of every pool of this program.
pub fn options() -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(WAIT_MAX)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(SETTINGS).await?;
                Ok(())
            })
        })
        .after_release(|connection, _| {
            Box::pin(async move {
                // By word to the server, which knows; what the library believes is what is wrong.
                connection.execute("ROLLBACK").await?;
                Ok(true)
            })
        })
}
