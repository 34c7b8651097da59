//! Makes the cluster, once.
//!
//! Invariant: `data` is complete or absent. initdb works in a directory with a name of its own, which is
//! renamed when initdb has finished and everything is on the disk. The name is new each time, because an
//! initdb whose owner was killed may still write for an instant: it must not find its directory made anew by
//! us.
//! Authentication is SCRAM over TCP on 127.0.0.1; there is no unix socket, hence no limit of 107 bytes on our
//! paths.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;

use super::directory::OwnedDirectory;
use super::find::Binaries;
use super::guarded::Guarded;
use super::server_account::{ServerAccount, create_directory};
use super::{Durability, last_lines, random_hex};

/// initdb takes about a second; a loaded machine with a slow disk may need many.
const INITDB_MAX: Duration = Duration::from_secs(180);
const PARTIAL_PREFIX: &str = "data.partial.";
/// The superuser, used by this module's callers only; the application's role is `amphi`.
pub const SUPERUSER: &str = "amphi_superuser";

/// The major version of the data, if there are any.
pub fn data_major(directory: &OwnedDirectory) -> anyhow::Result<Option<u32>> {
    let data = directory.data();
    if !data.exists() {
        return Ok(None);
    }
    let damaged = || {
        format!(
            "Le dossier {} existe, mais n'est pas une base de Postgres lisible. Mettez-le de côté ou \
             remettez une sauvegarde.",
            data.display()
        )
    };
    let text = std::fs::read_to_string(data.join("PG_VERSION")).with_context(damaged)?;
    Ok(Some(text.trim().parse().with_context(damaged)?))
}

/// Creates the cluster; the caller has seen that there is none.
pub async fn create(
    directory: &OwnedDirectory,
    binaries: &Binaries,
    account: &ServerAccount,
    durability: Durability,
) -> anyhow::Result<()> {
    remove_interrupted(directory);
    let partial = directory.path().join(format!("{PARTIAL_PREFIX}{}", random_hex(8)?));
    create_directory(&partial, 0o700)?;
    account.own(&partial)?;
    account.own(&directory.passwords_file())?;
    let option = |name: &str, value: &OsString| {
        let mut whole = OsString::from(name);
        whole.push(value);
        whole
    };
    let mut arguments = vec![
        option("--pgdata=", &partial.clone().into()),
        option("--pwfile=", &directory.passwords_file().into()),
        format!("--username={SUPERUSER}").into(),
        "--auth=scram-sha-256".into(),
        "--encoding=UTF8".into(),
        "--locale=C".into(),
        // Letters with accents have an upper case, too; order comes from the ICU collations that queries
        // name.
        if cfg!(target_os = "macos") { "--lc-ctype=UTF-8" } else { "--lc-ctype=C.UTF-8" }.into(),
    ];
    if durability == Durability::FastForTests {
        arguments.push("--no-sync".into());
    }
    let log = directory.new_log()?;
    let mut initdb = Guarded::spawn(account, &binaries.program("initdb"), arguments, &log)?;
    let ended = tokio::time::timeout(INITDB_MAX, initdb.wait()).await;
    let succeeded = match ended {
        Ok(status) => status?.success(),
        Err(_) => {
            initdb.signal(Signal::SIGKILL)?;
            initdb.wait().await?;
            false
        }
    };
    initdb.release().await;
    if !succeeded {
        let said = last_lines(&directory.log_text());
        remove_interrupted(directory);
        bail!("La création de la base privée a échoué. Postgres a dit :\n{said}");
    }
    std::fs::rename(&partial, directory.data())?;
    directory.sync()
}

/// Removes what interrupted creations left; best effort, since their names are never used again.
fn remove_interrupted(directory: &OwnedDirectory) {
    let entries = std::fs::read_dir(directory.path());
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(PARTIAL_PREFIX)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
