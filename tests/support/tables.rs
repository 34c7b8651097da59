//! The tables of a running server's private Postgres, looked at, and changed, from outside.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::{AssertSqlSafe, PgPool};

use super::waiting::until;

/// What a table holds: how many rows, and a digest of them all.
type Content = (i64, String);

/// Journals that the server has still to read for mails. Reading one takes its amphi into service.
const UNREAD: &str = "SELECT count(*) FROM amphis a LEFT JOIN mail_cursor c ON c.amphi_id = a.id
    WHERE coalesce(c.seq, 0) < (SELECT max(seq) FROM events WHERE amphi_id = a.id)";

/// Everything in the database on this data directory, by table, once the running server has done what it does by
/// itself some seconds after an import.
pub async fn at_rest(data: &Path) -> BTreeMap<String, Content> {
    let pool = connect(data).await;
    until("every journal is read for mails", async || {
        let unread: i64 = sqlx::query_scalar(UNREAD).fetch_one(&pool).await.unwrap();
        (unread == 0).then_some(())
    })
    .await;
    pool.close().await;
    all(data).await
}

/// Everything in the database on this data directory, by table.
///
/// The heartbeats of the running server change its own row all the time; of those, only the number counts.
pub async fn all(data: &Path) -> BTreeMap<String, Content> {
    let pool = connect(data).await;
    let names = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    let names: Vec<String> = sqlx::query_scalar(names).fetch_all(&pool).await.unwrap();
    let mut tables = BTreeMap::new();
    for name in names {
        let digest = if name == "servers" {
            "''"
        } else {
            "coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '')"
        };
        let query = AssertSqlSafe(format!("SELECT count(*), {digest} FROM \"{name}\" t"));
        let content: Content = sqlx::query_as(query).fetch_one(&pool).await.unwrap();
        tables.insert(name, content);
    }
    pool.close().await;
    tables
}

/// Carries out a statement, as an operator at the database would; says how many rows it changed.
pub async fn execute(data: &Path, statement: &'static str) -> u64 {
    let pool = connect(data).await;
    let changed = sqlx::query(statement).execute(&pool).await.unwrap().rows_affected();
    pool.close().await;
    changed
}

async fn connect(data: &Path) -> PgPool {
    let read = |name: &str| std::fs::read_to_string(data.join(name)).unwrap();
    let (port, passwords) = (read("port"), read("passwords"));
    let password = passwords.lines().nth(1).unwrap();
    let url = format!("postgres://amphi:{password}@127.0.0.1:{}/amphi", port.trim());
    PgPool::connect(&url).await.unwrap()
}
