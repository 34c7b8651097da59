//! Refuses a database that may forget what it acknowledged.
//!
//! Invariant (promise P1): no command is acknowledged on a database for which `ensure_durable` has not
//! passed. Deliberately absent: any look at disks that lie about flushing, or at standby servers; `local`,
//! `remote_write` and `remote_apply` wait at least for the local disk, so they pass.

use anyhow::{Context as _, bail};
use sqlx::PgPool;

/// Refuses a database with `fsync`, `full_page_writes` or `synchronous_commit` off, with the remedy.
pub async fn ensure_durable(pool: &PgPool) -> anyhow::Result<()> {
    let settings: Vec<(String, String)> = sqlx::query_as(
        "SELECT name, setting FROM pg_settings \
         WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name",
    )
    .fetch_all(pool)
    .await
    .context("impossible de lire les réglages de la base")?;
    let off: Vec<&str> =
        settings.iter().filter(|(_, setting)| setting == "off").map(|(name, _)| name.as_str()).collect();
    if settings.len() != 3 {
        bail!("La base ne dit pas si elle garde ce qu'elle confirme ; amphi refuse de s'en servir.");
    }
    if off.is_empty() {
        return Ok(());
    }
    let remedy: String = off.iter().map(|name| format!("  ALTER SYSTEM SET {name} = on;\n")).collect();
    bail!(
        "La base pourrait perdre des choix déjà confirmés : {} désactivé. amphi refuse de s'en servir.\n\
         Remède, en tant qu'administrateur de cette base :\n{remedy}  SELECT pg_reload_conf();\n\
         Si rien ne change, le réglage vient de la ligne de commande du serveur, ou d'un ALTER DATABASE ou\n\
         ALTER ROLE … SET, à annuler par RESET.",
        off.join(", "),
    )
}
