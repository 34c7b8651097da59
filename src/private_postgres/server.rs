//! Runs the postmaster: settings, port, readiness, the end.
//!
//! Invariant: a returned `Running` has answered a query. Every setting that matters is on the command line,
//! where neither a configuration file nor `ALTER SYSTEM` overrides it. The log holds no personal data: errors
//! of statements (which quote values) are left to the application that receives them; the server's own events
//! stay.

use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use super::cluster::SUPERUSER;
use super::directory::{OwnedDirectory, Passwords};
use super::find::Binaries;
use super::guarded::Guarded;
use super::server_account::ServerAccount;
use super::{Durability, POLL_EVERY, last_lines};

/// Recovery after a crash reads the write-ahead log since the last checkpoint, at most about 1 GB.
const READY_MAX: Duration = Duration::from_secs(120);
/// A free port may be taken by another process between our look and the server's bind.
const PORT_TRIES: u32 = 5;
/// Fast shutdown writes a checkpoint; then immediate shutdown leaves the rest to recovery.
const FAST_SHUTDOWN_MAX: Duration = Duration::from_secs(30);
const IMMEDIATE_SHUTDOWN_MAX: Duration = Duration::from_secs(10);
/// Role and database of the application.
const APPLICATION: &str = "amphi";

/// A postmaster that answers.
pub struct Running {
    pub process: Guarded,
    pub port: u16,
}

/// Starts the postmaster on a cluster that nobody uses.
pub async fn start(
    directory: &OwnedDirectory,
    binaries: &Binaries,
    account: &ServerAccount,
    durability: Durability,
    passwords: &Passwords,
) -> anyhow::Result<Running> {
    let mut preferred = directory.last_port();
    for _ in 0..PORT_TRIES {
        let port = free_port(preferred.take())?;
        let log = directory.new_log()?;
        let arguments = arguments(directory, durability, port);
        let program = binaries.program("postgres");
        let mut process = Guarded::spawn(account, &program, arguments, &log)?;
        let pid = process.pid();
        let prepared = tokio::select! {
            ended = process.wait() => Err(anyhow::anyhow!("Postgres s'est arrêté ({})", ended?)),
            prepared = prepare(directory, pid, port, passwords) => prepared,
        };
        match prepared {
            Ok(()) => {
                directory.remember_port(port)?;
                return Ok(Running { process, port });
            }
            Err(error) => {
                shut_down(process).await?;
                let log = directory.log_text();
                if log.contains("Address already in use") {
                    continue;
                }
                return Err(error.context(format!(
                    "La base privée n'a pas démarré. Postgres a dit :\n{}",
                    last_lines(&log)
                )));
            }
        }
    }
    bail!("La base privée n'a pas démarré : aucun port libre en {PORT_TRIES} essais. Relancez.")
}

/// Fast shutdown, then immediate, then by force; returns when the process has ended.
pub async fn shut_down(mut process: Guarded) -> anyhow::Result<()> {
    for (signal, patience) in [
        (Signal::SIGINT, FAST_SHUTDOWN_MAX),
        (Signal::SIGQUIT, IMMEDIATE_SHUTDOWN_MAX),
        (Signal::SIGKILL, IMMEDIATE_SHUTDOWN_MAX),
    ] {
        process.signal(signal)?;
        if let Ok(ended) = tokio::time::timeout(patience, process.wait()).await {
            ended?;
            process.release().await;
            return Ok(());
        }
        tracing::warn!(%signal, "the private Postgres did not stop in time");
    }
    bail!("Postgres (processus {}) ne s'arrête pas.", process.pid())
}

fn arguments(directory: &OwnedDirectory, durability: Durability, port: u16) -> Vec<OsString> {
    let safe = match durability {
        Durability::Durable => "on",
        Durability::FastForTests => "off",
    };
    let settings = [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".into(),
        "unix_socket_directories=".into(),
        format!("fsync={safe}"),
        format!("full_page_writes={safe}"),
        // On for tests, too: without fsync it costs a write to the system's memory, and off would lose
        // acknowledged commits when a test kills the server, not only when the power fails.
        "synchronous_commit=on".into(),
        "shared_buffers=64MB".into(),
        "max_connections=100".into(),
        // A transaction forgotten open holds locks: see design, section 3.
        "idle_in_transaction_session_timeout=15s".into(),
        "timezone=UTC".into(),
        "log_timezone=UTC".into(),
        "logging_collector=off".into(),
        "log_destination=stderr".into(),
        // In this setting's order, "log" is above "error": see the module's head.
        "log_min_messages=log".into(),
        "log_min_error_statement=panic".into(),
        "log_error_verbosity=terse".into(),
        "log_checkpoints=off".into(),
    ];
    let mut arguments = vec!["-D".into(), directory.data().into_os_string()];
    for setting in settings {
        arguments.push("-c".into());
        arguments.push(setting.into());
    }
    arguments
}

/// The preferred port if it is free, else one that the system picks. It is free again when this returns.
fn free_port(preferred: Option<u16>) -> anyhow::Result<u16> {
    let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = match preferred.map(bind) {
        Some(Ok(listener)) => listener,
        _ => bind(0).context("aucun port libre sur 127.0.0.1")?,
    };
    Ok(listener.local_addr()?.port())
}

/// Waits until the postmaster answers, then makes sure of the application's role and database.
async fn prepare(
    directory: &OwnedDirectory,
    pid: u32,
    port: u16,
    passwords: &Passwords,
) -> anyhow::Result<()> {
    let is_ready = async {
        while !says_ready(directory, pid) {
            tokio::time::sleep(POLL_EVERY).await;
        }
    };
    tokio::time::timeout(READY_MAX, is_ready)
        .await
        .with_context(|| format!("Postgres n'est pas prêt après {} s", READY_MAX.as_secs()))?;
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .ssl_mode(PgSslMode::Disable)
        .username(SUPERUSER)
        .password(&passwords.superuser)
        .database("postgres");
    let connect = PgConnection::connect_with(&options);
    let mut connection = tokio::time::timeout(READY_MAX, connect).await??;
    ensure_application(&mut connection, passwords).await?;
    connection.close().await?;
    Ok(())
}

/// Line 8 of `postmaster.pid` is the server's state. Reading it costs nothing, while each early attempt to
/// connect would leave an error in the log; the connection that follows is what counts.
fn says_ready(directory: &OwnedDirectory, pid: u32) -> bool {
    let text = std::fs::read_to_string(directory.data().join("postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines();
    lines.next() == Some(pid.to_string().as_str()) && lines.nth(6).map(str::trim) == Some("ready")
}

/// Each step stands alone, so that an interruption between two is repaired by the next start.
async fn ensure_application(connection: &mut PgConnection, passwords: &Passwords) -> anyhow::Result<()> {
    let collations: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_collation WHERE collname = 'fr-x-icu'")
        .fetch_one(&mut *connection)
        .await?;
    if collations == 0 {
        bail!(
            "Ce Postgres a été construit sans ICU, dont amphi a besoin pour classer les noms en français. \
             Utilisez celui de Debian (sudo apt install postgresql) ou indiquez-en un autre avec PG_BINDIR."
        );
    }
    let roles: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_roles WHERE rolname = $1")
        .bind(APPLICATION)
        .fetch_one(&mut *connection)
        .await?;
    if roles == 0 {
        // CREATE takes no parameters; the password is hexadecimal, made by us.
        let create = format!("CREATE ROLE {APPLICATION} LOGIN CREATEDB PASSWORD '{}'", passwords.application);
        connection.execute(AssertSqlSafe(create)).await?;
    }
    let databases: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_database WHERE datname = $1")
        .bind(APPLICATION)
        .fetch_one(&mut *connection)
        .await?;
    if databases == 0 {
        let create = format!("CREATE DATABASE {APPLICATION} OWNER {APPLICATION}");
        connection.execute(AssertSqlSafe(create)).await?;
    }
    Ok(())
}

/// Where the application connects.
pub fn database_url(port: u16, passwords: &Passwords) -> String {
    let password = &passwords.application;
    format!("postgres://{APPLICATION}:{password}@127.0.0.1:{port}/{APPLICATION}?sslmode=disable")
}
