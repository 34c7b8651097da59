//! `amphi minutes`: the minutes of a session, as a file.

use std::io::Write as _;
use std::path::PathBuf;

use amphi_engine::clock::wall_clock_now;
use amphi_engine::core::AmphiId;
use amphi_engine::journal::{Journal as _, PostgresJournal};
use amphi_portal::minutes::{self, Format, RecordError, SessionRecord};
use amphi_portal::people;
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use uuid::Uuid;

use crate::database::{Database, DatabaseSettings};

/// What `amphi minutes` may be told.
#[derive(Debug, Args)]
pub struct MinutesArguments {
    #[command(flatten)]
    database: DatabaseSettings,
    /// L’amphi
    amphi: Uuid,
    /// Forme : pdf (à signer), xlsx, csv (les affectations), html, json
    #[arg(long, value_name = "FORME", default_value = "pdf")]
    format: Form,
    /// Fichier à écrire ; par défaut, la sortie standard
    #[arg(long, value_name = "FICHIER")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    Pdf,
    Xlsx,
    Csv,
    Html,
    Json,
}

impl From<Form> for Format {
    fn from(form: Form) -> Self {
        match form {
            Form::Pdf => Self::Pdf,
            Form::Xlsx => Self::Xlsx,
            Form::Csv => Self::Csv,
            Form::Html => Self::Html,
            Form::Json => Self::Json,
        }
    }
}

/// Draws up the minutes. Reading takes no ownership: the amphi may be running; then they are provisional,
/// and say so.
pub async fn run(arguments: MinutesArguments) -> anyhow::Result<()> {
    let database = Database::open(&arguments.database).await?;
    let amphi = AmphiId(arguments.amphi);
    let now = wall_clock_now();
    let journal = PostgresJournal::start(database.pool.clone(), now).await?;
    let entries = journal.load(amphi).await?;
    anyhow::ensure!(!entries.is_empty(), "il n’y a pas d’amphi {amphi} dans cette base");
    let names = minutes::names(people::roster(&database.pool, amphi).await?);
    let record = match SessionRecord::read(amphi, &entries, &names, now) {
        Ok(record) => record,
        Err(RecordError::NothingDrafted) => anyhow::bail!("l’amphi {amphi} n’a pas encore de liste"),
        Err(RecordError::Damaged(problem)) => anyhow::bail!("le journal est endommagé : {problem}"),
    };
    let bytes = minutes::write(&record, arguments.format.into()).map_err(anyhow::Error::msg)?;
    match &arguments.output {
        Some(path) => std::fs::write(path, bytes)
            .with_context(|| format!("le fichier {} ne peut pas être écrit", path.display()))?,
        None => std::io::stdout().write_all(&bytes)?,
    }
    database.close().await
}
