//! The system account that runs Postgres, and where that account can go.
//!
//! Invariant: Postgres never runs as root (it would refuse). As root we drop to the owner of the existing
//! data, else `postgres`, else `nobody`; as anyone else we stay who we are. Reachability is tried by that
//! account itself, so that access lists and mount options count, not only mode bits.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use nix::unistd::{Uid, User, geteuid};
use tokio::process::Command;

/// Prints the first of its arguments that it cannot enter.
const ENTER_SCRIPT: &str =
    r#"for directory in "$@"; do cd "$directory" || { printf %s "$directory"; exit 1; }; done"#;

/// Who runs Postgres.
#[derive(Debug, Clone)]
pub struct ServerAccount {
    /// `None`: ourselves.
    other: Option<OtherAccount>,
}

#[derive(Debug, Clone)]
struct OtherAccount {
    name: String,
    uid: u32,
    gid: u32,
}

/// Whether this process is root, and so must hand Postgres to another account.
pub fn we_are_root() -> bool {
    geteuid().is_root()
}

impl ServerAccount {
    /// Chooses the account for a cluster that may exist already: a cluster belongs to the account that made
    /// it.
    pub fn for_cluster(data: &Path) -> anyhow::Result<Self> {
        if !we_are_root() {
            return Ok(Self { other: None });
        }
        let owner = std::fs::symlink_metadata(data)
            .ok()
            .filter(|metadata| metadata.uid() != 0)
            .map(|metadata| (metadata.uid(), metadata.gid()));
        if let Some((uid, gid)) = owner {
            let name = User::from_uid(Uid::from_raw(uid))?.map_or_else(|| uid.to_string(), |user| user.name);
            return Ok(Self { other: Some(OtherAccount { name, uid, gid }) });
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Self {
                    other: Some(OtherAccount {
                        name: user.name,
                        uid: user.uid.as_raw(),
                        gid: user.gid.as_raw(),
                    }),
                });
            }
        }
        bail!(
            "Postgres refuse de tourner sous root, et les comptes « postgres » et « nobody » manquent. \
             Créez l'un des deux (par exemple : useradd --system postgres), ou indiquez une base avec DATABASE_URL."
        )
    }

    /// Makes a command run as this account. Supplementary groups of root are dropped by `uid` itself.
    pub fn apply(&self, command: &mut Command) {
        if let Some(other) = &self.other {
            command.uid(other.uid).gid(other.gid);
        }
    }

    /// Gives a file or directory of ours to this account.
    pub fn own(&self, path: &Path) -> anyhow::Result<()> {
        if let Some(other) = &self.other {
            std::os::unix::fs::chown(path, Some(other.uid), Some(other.gid))
                .with_context(|| format!("impossible de confier {} à {}", path.display(), other.name))?;
        }
        Ok(())
    }

    /// Says clearly when this account cannot enter `directory`.
    pub async fn check_reachable(&self, directory: &Path) -> anyhow::Result<()> {
        let Some(other) = &self.other else {
            return Ok(());
        };
        let mut ancestors: Vec<PathBuf> = directory.ancestors().map(PathBuf::from).collect();
        ancestors.reverse();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", ENTER_SCRIPT, "sh"]).args(&ancestors);
        command.current_dir("/").stdin(Stdio::null());
        self.apply(&mut command);
        let output = command.output().await?;
        if output.status.success() {
            return Ok(());
        }
        bail!(
            "Le compte système « {} », sous lequel Postgres doit tourner, ne peut pas entrer dans {}. \
             Choisissez un dossier hors des dossiers personnels (par exemple /var/lib/amphi/postgres), \
             ou lancez amphi sous un autre compte que root.",
            other.name,
            String::from_utf8_lossy(&output.stdout),
        )
    }
}

/// Creates a directory and its missing parents with exactly this mode, whatever the umask; what exists keeps
/// its own.
pub fn create_directory(path: &Path, mode: u32) -> anyhow::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_directory(parent, mode)?;
    }
    let failed = || format!("impossible de créer le dossier {}", path.display());
    match DirBuilder::new().mode(mode).create(path) {
        // Another process was quicker.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        created => created.with_context(failed)?,
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode)).with_context(failed)
}
