//! The directory of one private Postgres, and who owns it.
//!
//! ```text
//! <directory>/lock                 flock'ed by the amphi that owns the directory; holds its pid, for messages
//! <directory>/passwords            line 1: the superuser's, line 2: the application's; 0600
//! <directory>/port                 the last port used, taken again when it is free
//! <directory>/server.log           what Postgres says; the previous run's is server.previous.log
//! <directory>/data                 the cluster; complete, because it was renamed into place
//! <directory>/data.partial.<hex>   an initdb under way, or interrupted
//! ```
//!
//! Invariant: only the holder of the lock touches anything else in here. The kernel frees the lock when its
//! holder ends, so a stale one cannot exist. Postgres itself may outlive the holder for a moment:
//! `await_survivors`. Deliberately absent: protection between machines that share a disk.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::unistd::geteuid;

use super::server_account::{create_directory, we_are_root};
use super::{POLL_EVERY, home, random_hex};

/// A child forked an instant before our predecessor ended may hold its lock until it executes its program.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(2);
const EPHEMERAL_PREFIX: &str = "amphi-postgres-";

/// A directory that this process owns until it is dropped.
#[derive(Debug)]
pub struct OwnedDirectory {
    path: PathBuf,
    lock: File,
    ephemeral: bool,
}

/// What Postgres's clients need to prove who they are.
pub struct Passwords {
    pub superuser: String,
    pub application: String,
}

impl OwnedDirectory {
    /// Takes the lasting directory `path`, or the usual one.
    pub async fn lasting(path: Option<&Path>) -> anyhow::Result<Self> {
        let path = match path {
            Some(path) => std::path::absolute(path)?,
            None => usual_directory()?,
        };
        Self::take(&path, false).await
    }

    /// Makes a directory below `parent`, or the system's temporary one; those left by killed processes go.
    pub async fn ephemeral(parent: Option<&Path>) -> anyhow::Result<Self> {
        let parent = match parent {
            Some(parent) => std::path::absolute(parent)?,
            None => std::env::temp_dir(),
        };
        sweep_abandoned(&parent);
        let path = parent.join(format!("{EPHEMERAL_PREFIX}{}", random_hex(8)?));
        Self::take(&path, true).await
    }

    /// Where to connect to the server of another amphi that owns the directory `path`, or the usual one,
    /// now; `None` when nobody owns it. It may still be starting, or end at any moment.
    pub fn of_another(path: Option<&Path>) -> anyhow::Result<Option<(u16, Passwords)>> {
        let path = match path {
            Some(path) => std::path::absolute(path)?,
            None => usual_directory()?,
        };
        let Ok(lock) = open_lock(&path) else { return Ok(None) };
        match lock.try_lock() {
            Ok(()) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error.into()),
            Err(TryLockError::WouldBlock) => {
                let reading = Self { path, lock, ephemeral: false };
                Ok(reading.last_port().zip(reading.passwords().ok()))
            }
        }
    }

    async fn take(path: &Path, ephemeral: bool) -> anyhow::Result<Self> {
        // As root, the server's account passes through; what matters is closed by its own mode.
        create_directory(path, if we_are_root() { 0o755 } else { 0o700 })?;
        let path = path.canonicalize()?;
        let mut lock = open_lock(&path)
            .with_context(|| format!("impossible d'écrire dans le dossier {}", path.display()))?;
        let locked = tokio::time::timeout(LOCK_WAIT_MAX, async {
            loop {
                match lock.try_lock() {
                    Ok(()) => return Ok(()),
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(POLL_EVERY).await,
                    Err(TryLockError::Error(error)) => return Err(error),
                }
            }
        });
        match locked.await {
            Ok(taken) => taken?,
            Err(_) => {
                let owner = std::fs::read_to_string(path.join("lock")).unwrap_or_default();
                bail!(
                    "Le dossier {} sert déjà à un autre amphi (processus {}). Arrêtez ce processus, ou \
                     choisissez un autre dossier, ou indiquez une base avec DATABASE_URL.",
                    path.display(),
                    owner.trim()
                );
            }
        }
        lock.set_len(0)?;
        writeln!(lock, "{}", std::process::id())?;
        Ok(Self { path, lock, ephemeral })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    pub fn passwords_file(&self) -> PathBuf {
        self.path.join("passwords")
    }

    /// The passwords, made on first use. They are on the disk before initdb reads them, so that a cluster
    /// without its passwords is not something that an interruption can leave.
    pub fn passwords(&self) -> anyhow::Result<Passwords> {
        let file = self.passwords_file();
        if !file.exists() {
            if self.data().exists() {
                bail!(
                    "Le fichier {} manque, et la base ne s'ouvre pas sans lui. Remettez-le depuis une \
                     sauvegarde, ou mettez le dossier {} de côté pour repartir d'une base vide.",
                    file.display(),
                    self.path.display()
                );
            }
            let text = format!("{}\n{}\n", random_hex(24)?, random_hex(24)?);
            self.write_whole("passwords", &text)?;
        }
        let text = std::fs::read_to_string(&file)?;
        let mut lines = text.lines().map(str::to_owned);
        match (lines.next(), lines.next()) {
            (Some(superuser), Some(application)) => Ok(Passwords { superuser, application }),
            _ => bail!("Le fichier {} est abîmé. Remettez-le depuis une sauvegarde.", file.display()),
        }
    }

    /// The port of the last run, if any.
    pub fn last_port(&self) -> Option<u16> {
        let text = std::fs::read_to_string(self.path.join("port")).ok()?;
        text.trim().parse().ok()
    }

    pub fn remember_port(&self, port: u16) -> anyhow::Result<()> {
        self.write_whole("port", &format!("{port}\n"))
    }

    /// A new log for a new run; the run before stays readable.
    pub fn new_log(&self) -> anyhow::Result<File> {
        let file = self.path.join("server.log");
        if std::fs::metadata(&file).is_ok_and(|metadata| metadata.len() > 0) {
            std::fs::rename(&file, self.path.join("server.previous.log"))?;
        }
        Ok(OpenOptions::new().create(true).append(true).mode(0o600).open(file)?)
    }

    pub fn log_text(&self) -> String {
        let bytes = std::fs::read(self.path.join("server.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Makes the names in this directory durable.
    pub fn sync(&self) -> anyhow::Result<()> {
        Ok(File::open(&self.path)?.sync_all()?)
    }

    /// Gives the directory up, and removes it if it was ephemeral.
    pub fn give_up(self) -> anyhow::Result<()> {
        if self.ephemeral {
            std::fs::remove_dir_all(&self.path)
                .with_context(|| format!("impossible de supprimer {}", self.path.display()))?;
        }
        Ok(())
    }

    fn write_whole(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let partial = self.path.join(format!("{name}.partial"));
        let mut file =
            OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&partial)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&partial, self.path.join(name))?;
        self.sync()
    }
}

impl Drop for OwnedDirectory {
    fn drop(&mut self) {
        // Closing would not be enough: a child forked by another thread at this instant holds a copy of the
        // descriptor until it executes its program. Failing to unlock only makes the next start wait for
        // that.
        let _ = self.lock.unlock();
    }
}

fn open_lock(directory: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).write(true).truncate(false).mode(0o644).open(directory.join("lock"))
}

fn usual_directory() -> anyhow::Result<PathBuf> {
    if we_are_root() {
        // Not root's home: the server's account could not enter. Not /tmp: what is acknowledged must outlive
        // a reboot.
        return Ok("/var/lib/amphi/postgres".into());
    }
    let base = match std::env::var_os("XDG_DATA_HOME").map(PathBuf::from) {
        Some(directory) if directory.is_absolute() => directory,
        _ => home()?.join(".local/share"),
    };
    Ok(base.join("amphi/postgres"))
}

/// Removes ephemeral directories whose owner was killed. `passwords` is written under the lock, so a
/// directory with that file and a free lock has had an owner and has none now. Best effort: one still in use
/// by a server that is stopping is left for the next time.
fn sweep_abandoned(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(EPHEMERAL_PREFIX))
            && std::fs::symlink_metadata(&path)
                .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == geteuid().as_raw());
        if !ours || !path.join("passwords").is_file() {
            continue;
        }
        let Ok(lock) = open_lock(&path) else { continue };
        if lock.try_lock().is_ok() && super::survivors::of(&path.join("data")).is_empty() {
            let _ = std::fs::remove_dir_all(&path);
        }
    }
}
