//! `amphi export`: the journal of an amphi as a file that anybody can check.

use std::io::Write as _;
use std::path::PathBuf;

use amphi_engine::clock::wall_clock_now;
use amphi_engine::core::AmphiId;
use amphi_engine::journal::{Journal as _, PostgresJournal, header_line};
use anyhow::Context as _;
use clap::Args;
use uuid::Uuid;

use crate::database::{Database, DatabaseSettings};

/// What `amphi export` may be told.
#[derive(Debug, Args)]
pub struct ExportArguments {
    #[command(flatten)]
    database: DatabaseSettings,
    /// L’amphi
    amphi: Uuid,
    /// Fichier à écrire ; par défaut, la sortie standard
    #[arg(long, value_name = "FICHIER")]
    output: Option<PathBuf>,
}

/// Writes the journal. Reading takes no ownership: the amphi may be running.
pub async fn run(arguments: ExportArguments) -> anyhow::Result<()> {
    let database = Database::open(&arguments.database).await?;
    let amphi = AmphiId(arguments.amphi);
    let journal = PostgresJournal::start(database.pool.clone(), wall_clock_now()).await?;
    let entries = journal.load(amphi).await?;
    anyhow::ensure!(!entries.is_empty(), "il n’y a pas d’amphi {amphi} dans cette base");
    let mut text = header_line(amphi);
    text.push('\n');
    for entry in &entries {
        text.push_str(&entry.line());
        text.push('\n');
    }
    match &arguments.output {
        Some(path) => std::fs::write(path, text)
            .with_context(|| format!("le fichier {} ne peut pas être écrit", path.display()))?,
        None => std::io::stdout().write_all(text.as_bytes())?,
    }
    database.close().await
}
