//! `amphi publish`: drafts become sessions. Lists, posts and hours are frozen, and people are convoked.

use std::sync::Arc;

use amphi_engine::clock::SystemClock;
use amphi_engine::core::{AmphiId, Command, Event};
use amphi_engine::journal::{JournalError, PostgresJournal};
use amphi_engine::registry::Registry;
use amphi_engine::room::Room;
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{Database, DatabaseSettings};
use crate::import::administrate;
use crate::site::registry;

/// What `amphi publish` may be told.
#[derive(Debug, Args)]
pub struct PublishArguments {
    #[command(flatten)]
    database: DatabaseSettings,
    /// Les amphis à publier, tels qu’amphi import les a nommés
    #[arg(required = true, value_name = "AMPHI")]
    amphis: Vec<Uuid>,
}

/// How far an amphi has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has no list yet.
    Empty,
    /// List and posts may still change.
    Draft,
    /// They may not; the session may be over.
    Published,
    /// It does not count.
    Annulled,
}

/// Publishes each draft; the others are named, and make it fail in the end.
pub async fn run(arguments: PublishArguments) -> anyhow::Result<()> {
    let database = Database::open(&arguments.database).await?;
    let registry = registry(&database.pool, Arc::new(SystemClock::real())).await?;
    let mut refused = 0;
    for amphi in arguments.amphis.into_iter().map(AmphiId) {
        match publish(&database.pool, &registry, amphi).await {
            Ok(()) => println!("amphi {amphi}\tpublié"),
            Err(why) => {
                eprintln!("amphi {amphi} : {why:#}");
                refused += 1;
            }
        }
    }
    registry.stop().await?;
    database.close().await?;
    ensure!(refused == 0, "{refused} amphi(s) non publié(s).");
    println!("Le serveur qui tourne, ou le prochain, envoie les convocations.");
    Ok(())
}

async fn publish(pool: &PgPool, registry: &Registry, amphi: AmphiId) -> anyhow::Result<()> {
    match stage(registry, amphi).await? {
        Some(Stage::Draft) => {
            let room = draft_room(pool, registry, amphi).await?;
            administrate(&room, Command::Publish).await
        }
        None => bail!("il n’existe pas dans cette base"),
        Some(Stage::Empty) => bail!("il n’a pas de liste ; son import s’est interrompu, recommencez-le"),
        Some(Stage::Published) => bail!("il est déjà publié"),
        Some(Stage::Annulled) => bail!("il est annulé"),
    }
}

/// How far `amphi` has come, read in its journal: that takes no ownership, and disturbs no session. `None` when there
/// is no such amphi.
pub async fn stage(registry: &Registry, amphi: AmphiId) -> anyhow::Result<Option<Stage>> {
    let entries = match registry.journal().load(amphi).await {
        Err(JournalError::NotFound) => return Ok(None),
        loaded => loaded.context("le journal ne peut pas être lu")?,
    };
    let mut stage = Stage::Empty;
    for entry in entries {
        match entry.read_event()? {
            Event::Drafted { .. } => stage = Stage::Draft,
            Event::Published { .. } => stage = Stage::Published,
            Event::Annulled { .. } => stage = Stage::Annulled,
            _ => {}
        }
    }
    Ok(Some(stage))
}

/// The room of a draft, also where a running server has it in service.
pub async fn draft_room(pool: &PgPool, registry: &Registry, amphi: AmphiId) -> anyhow::Result<Arc<Room>> {
    PostgresJournal::free_draft(pool, amphi).await?;
    registry.room(amphi).await.context("l’amphi ne peut pas être pris en main")
}
