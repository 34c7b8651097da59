//! `amphi backup` and `amphi restore`: a copy of everything, and the proof that it is one.
//!
//! The copy is Postgres's own (`pg_dump`), consistent at one instant, made while sessions run. Restoring ends
//! with the proof: the journal of every amphi is read a second time from its bytes, and what it says of who holds
//! what is compared with the table of assignments.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use amphi_engine::clock::wall_clock_now;
use amphi_engine::core::AmphiId;
use amphi_engine::journal::{Journal as _, PostgresJournal, header_line};
use amphi_engine::verify::{Verified, verify};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use percent_encoding::percent_decode_str;
use sqlx::PgPool;
use tokio::process::Command;
use url::Url;

use crate::database::{Database, DatabaseSettings};
use crate::private_postgres::{PrivatePostgres, PrivatePostgresSettings, client_program};

/// What `amphi backup` may be told.
#[derive(Debug, Args)]
pub struct BackupArguments {
    #[command(flatten)]
    database: DatabaseSettings,
    /// Fichier à écrire
    #[arg(value_name = "FICHIER")]
    output: PathBuf,
}

/// What `amphi restore` may be told.
#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// Sauvegarde (amphi backup)
    #[arg(value_name = "FICHIER")]
    backup: PathBuf,
    /// Dossier neuf où garder la base restaurée, pour « amphi serve --data-directory » ; sans lui, la
    /// sauvegarde est vérifiée dans une base jetable
    #[arg(long, value_name = "DOSSIER")]
    data_directory: Option<PathBuf>,
}

/// Writes the copy. Sessions may be running: it is of one instant.
pub async fn backup(arguments: BackupArguments) -> anyhow::Result<()> {
    ensure!(!arguments.output.exists(), "le fichier {} existe déjà", arguments.output.display());
    let database = Database::open(&arguments.database).await?;
    let written = run(
        "pg_dump",
        database.url(),
        &[
            "--format=custom".as_ref(),
            "--no-owner".as_ref(),
            "--no-privileges".as_ref(),
            "--file".as_ref(),
            &arguments.output,
        ],
    )
    .await;
    database.close().await?;
    written?;
    println!("Sauvegarde écrite : {}. Pour la vérifier : amphi restore {0}", arguments.output.display());
    Ok(())
}

/// Restores a copy, and proves it; a copy that does not prove itself is an error.
pub async fn restore(arguments: RestoreArguments) -> anyhow::Result<()> {
    ensure!(arguments.backup.is_file(), "il n’y a pas de fichier {}", arguments.backup.display());
    if let Some(directory) = &arguments.data_directory {
        let used = directory.read_dir().is_ok_and(|mut entries| entries.next().is_some());
        ensure!(!used, "le dossier {} n’est pas vide", directory.display());
    }
    let settings = PrivatePostgresSettings {
        data_directory: arguments.data_directory.clone(),
        ephemeral: arguments.data_directory.is_none(),
        ..PrivatePostgresSettings::default()
    };
    let private = PrivatePostgres::start(settings, |step| eprintln!("{step}…")).await?;
    let proved = restore_into(&private, &arguments.backup).await;
    private.stop().await?;
    let amphis = proved?;
    println!("Sauvegarde saine : {amphis} amphi(s) vérifié(s).");
    if let Some(directory) = &arguments.data_directory {
        println!("Pour la servir : amphi serve --data-directory {}", directory.display());
    }
    Ok(())
}

async fn restore_into(private: &PrivatePostgres, backup: &Path) -> anyhow::Result<usize> {
    let options: [&Path; 4] =
        ["--no-owner".as_ref(), "--exit-on-error".as_ref(), "--single-transaction".as_ref(), backup];
    run("pg_restore", private.database_url(), &options).await?;
    let database = Database::connect(private.database_url(), None).await?;
    let proved = prove(&database.pool).await;
    database.close().await?;
    proved
}

/// Reads every journal a second time, and compares it with what the database says of who holds what.
async fn prove(pool: &PgPool) -> anyhow::Result<usize> {
    let amphis = sqlx::query!("SELECT id, title FROM amphis ORDER BY id").fetch_all(pool).await?;
    let journal = PostgresJournal::start(pool.clone(), wall_clock_now()).await?;
    for amphi in &amphis {
        let id = AmphiId(amphi.id);
        let entries = journal.load(id).await.with_context(|| format!("amphi {id}"))?;
        if entries.is_empty() {
            println!("{id}  {} : encore vide", amphi.title);
            continue;
        }
        let lines = entries.iter().map(|entry| entry.line() + "\n");
        let export: String = std::iter::once(header_line(id) + "\n").chain(lines).collect();
        let verified = verify(export.as_bytes())
            .map_err(|fault| anyhow::anyhow!("amphi {id} : ligne {} : {}", fault.line, fault.problem))?;
        compare(pool, id, &verified).await?;
        println!(
            "{id}  {} : {} entrées, {} places attribuées, empreinte {}",
            amphi.title,
            verified.entries,
            verified.allocation.len(),
            verified.hash
        );
    }
    Ok(amphis.len())
}

async fn compare(pool: &PgPool, amphi: AmphiId, verified: &Verified) -> anyhow::Result<()> {
    let held = sqlx::query!(
        "SELECT seq, post, seat FROM assignments WHERE amphi_id = $1 AND released_seq IS NULL ORDER BY seq",
        amphi.0
    )
    .fetch_all(pool)
    .await?;
    let held: Vec<(i64, i32, Option<i32>)> =
        held.into_iter().map(|row| (row.seq, row.post, row.seat)).collect();
    let mut said: Vec<(i64, i32, Option<i32>)> = verified
        .allocation
        .values()
        .map(|held| (held.seq.cast_signed(), i32::from(held.post.0), held.seat.map(i32::from)))
        .collect();
    said.sort_unstable();
    if held != said {
        bail!(
            "amphi {amphi} : la base attribue {} places et le journal {} ; elles ne sont pas les mêmes",
            held.len(),
            said.len()
        );
    }
    Ok(())
}

/// Runs one of Postgres's own programs against the database at `url`. The password travels in the environment,
/// which other accounts of the machine cannot read, and not among the arguments, which they can.
async fn run(program: &str, url: &str, arguments: &[&Path]) -> anyhow::Result<()> {
    let mut address = Url::parse(url).context("l’adresse de la base n’est pas une URL")?;
    let password =
        address.password().map(|password| percent_decode_str(password).decode_utf8_lossy().into_owned());
    // An address without a host has no password either, and refuses to have one set.
    let _ = address.set_password(None);
    let path = client_program(program).await?;
    let mut command = Command::new(&path);
    command.arg("--dbname").arg(address.as_str()).args(arguments).stdin(Stdio::null());
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    let output =
        command.output().await.with_context(|| format!("{} ne peut pas être lancé", path.display()))?;
    ensure!(
        output.status.success(),
        "{program} a échoué :\n{}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
