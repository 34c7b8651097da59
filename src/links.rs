//! `amphi links`: the personal links of an amphi, or of all.

use amphi_engine::clock::wall_clock_now;
use amphi_engine::core::AmphiId;
use amphi_engine::protocol::Role;
use amphi_portal::doors::Door;
use amphi_portal::links::{LINK_VALID_DAYS, LinkKey};
use amphi_portal::people;
use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;
use uuid::Uuid;

use crate::database::{Database, DatabaseSettings};
use crate::public_url::parse_public_url;

/// What `amphi links` may be told.
#[derive(Debug, Args)]
pub struct LinksArguments {
    #[command(flatten)]
    database: DatabaseSettings,
    /// L’amphi
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    amphi: Option<Uuid>,
    /// Tous les amphis de la base ; en JSON, chaque ligne dit le sien
    #[arg(long, requires = "json")]
    all: bool,
    /// Une ligne JSON par lien, sans nom
    #[arg(long)]
    json: bool,
    /// Adresse publique du site ; par défaut, celle du serveur démarré en dernier
    #[arg(long, env = "AMPHI_PUBLIC_URL", value_name = "URL", value_parser = parse_public_url)]
    public_url: Option<String>,
}

/// The address that opens `door`, good from now on.
pub fn link(key: &LinkKey, public_url: &str, door: Door) -> String {
    let expires_at = wall_clock_now().0 / 1_000 + LINK_VALID_DAYS * 24 * 60 * 60;
    format!("{public_url}/entrer/{}", key.sign(door, expires_at))
}

/// Prints the links.
pub async fn run(arguments: LinksArguments) -> anyhow::Result<()> {
    let database = Database::open(&arguments.database).await?;
    let key = LinkKey::load(&database.pool).await?;
    let public_url = match arguments.public_url {
        Some(url) => url,
        None => LinkKey::address(&database.pool)
            .await?
            .context("aucun serveur n’a encore démarré sur cette base : indiquez --public-url")?,
    };
    let amphis = match arguments.amphi {
        Some(amphi) => vec![AmphiId(amphi)],
        None => {
            let known =
                sqlx::query!("SELECT id, title FROM amphis ORDER BY id").fetch_all(&database.pool).await?;
            known.into_iter().map(|known| AmphiId(known.id)).collect()
        }
    };
    for amphi in amphis {
        let roster = people::roster(&database.pool, amphi).await?;
        if roster.is_empty() && !arguments.all {
            bail!("il n’y a pas d’amphi {amphi} dans cette base");
        }
        let url = |role| link(&key, &public_url, Door { amphi, role });
        for (word, role) in [("administrator", Role::Administrator), ("spectator", Role::Spectator)] {
            if arguments.json {
                println!("{}", json!({ "amphi": amphi, "role": word, "url": url(role) }));
            } else {
                println!("{word}\t{}", url(role));
            }
        }
        for person in roster {
            let role = Role::Intern { rank: person.rank };
            if arguments.json {
                println!(
                    "{}",
                    json!({ "amphi": amphi, "role": "intern", "rank": person.rank, "url": url(role) })
                );
            } else {
                println!("{}\t{} {}\t{}", person.rank, person.last_name, person.first_name, url(role));
            }
        }
    }
    database.close().await
}
