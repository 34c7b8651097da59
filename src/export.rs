//! `amphi export`: the journal of an amphi, or of all, as files that anybody can check.

use std::io::Write as _;
use std::path::{Path, PathBuf};

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
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    amphi: Option<Uuid>,
    /// Tous les amphis de la base : --output est alors un dossier, où chacun a son fichier AMPHI.jsonl
    #[arg(long, requires = "output")]
    all: bool,
    /// Fichier à écrire ; par défaut, la sortie standard
    #[arg(long, value_name = "FICHIER")]
    output: Option<PathBuf>,
}

/// Writes the journal. Reading takes no ownership: the amphi may be running.
pub async fn run(arguments: ExportArguments) -> anyhow::Result<()> {
    let database = Database::open(&arguments.database).await?;
    let journal = PostgresJournal::start(database.pool.clone(), wall_clock_now()).await?;
    match (arguments.amphi, &arguments.output) {
        (Some(amphi), output) => {
            let text = exported(&journal, AmphiId(amphi)).await?;
            anyhow::ensure!(!text.is_empty(), "il n’y a pas d’amphi {amphi} dans cette base");
            match output {
                Some(path) => write(path, &text)?,
                None => std::io::stdout().write_all(text.as_bytes())?,
            }
        }
        (None, Some(folder)) => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("le dossier {} ne peut pas être créé", folder.display()))?;
            let known =
                sqlx::query!("SELECT id, title FROM amphis ORDER BY id").fetch_all(&database.pool).await?;
            for amphi in known.into_iter().map(|known| AmphiId(known.id)) {
                write(&folder.join(format!("{amphi}.jsonl")), &exported(&journal, amphi).await?)?;
            }
        }
        (None, None) => anyhow::bail!("indiquez un amphi, ou --all et un dossier (--output)"),
    }
    database.close().await
}

/// The whole journal; empty when there is no such amphi, or nothing has happened in it.
async fn exported(journal: &PostgresJournal, amphi: AmphiId) -> anyhow::Result<String> {
    let entries = journal.load(amphi).await?;
    if entries.is_empty() {
        return Ok(String::new());
    }
    let mut text = header_line(amphi);
    text.push('\n');
    for entry in &entries {
        text.push_str(&entry.line());
        text.push('\n');
    }
    Ok(text)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text)
        .with_context(|| format!("le fichier {} ne peut pas être écrit", path.display()))
}
