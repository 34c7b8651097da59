//! A database of its own for each test, with the schema, on the server that `AMPHI_TEST_DATABASE_URL`
//! names; dropped afterwards. Shared, as a file, by every crate whose tests need Postgres.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::str::FromStr as _;

use futures_util::FutureExt as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgPool};
use uuid::Uuid;

/// The server of the tests. A missing one fails: a test that is skipped in silence proves nothing.
fn server() -> PgConnectOptions {
    let url = std::env::var("AMPHI_TEST_DATABASE_URL").unwrap_or_else(|_| {
        panic!(
            "AMPHI_TEST_DATABASE_URL is not set. Run tests/all.sh, which starts a Postgres for the tests, or name \
             a server on which this role may create databases"
        )
    });
    PgConnectOptions::from_str(&url).expect("AMPHI_TEST_DATABASE_URL is a Postgres URL")
}

/// Runs `test` with a new database, and drops it, also when the test fails.
pub async fn with_database<F: Future<Output = ()>>(test: impl FnOnce(PgPool) -> F) {
    let server = server();
    let name = format!("amphi_test_{}", Uuid::new_v4().simple());
    let mut operator = PgConnection::connect_with(&server).await.expect("the server of the tests answers");
    // `template0`, because nobody else can be connected to it, which would refuse the copy.
    run(&mut operator, format!("CREATE DATABASE {name} TEMPLATE template0")).await;
    let pool = PgPoolOptions::new().max_connections(6).connect_with(server.database(&name)).await;
    let pool = pool.expect("the new database answers");
    sqlx::migrate!("../migrations").run(&pool).await.expect("the schema fits this Postgres");
    let ended = AssertUnwindSafe(test(pool.clone())).catch_unwind().await;
    pool.close().await;
    run(&mut operator, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}

async fn run(operator: &mut PgConnection, statement: String) {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(operator).await.expect("the role may create databases");
}
