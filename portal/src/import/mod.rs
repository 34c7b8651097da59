//! Reads the call list and the list of posts from the files people really send (CSV or XLSX).
//!
//! Invariant: a file is taken whole or not at all. Either every row is right and all rows come back,
//! in the file's order, or nothing comes back but the list of everything that is wrong, each with its
//! line, its column and what to do about it. No byte sequence makes this module panic, and none makes
//! it use more memory than the bounds of [`limits`] allow.
//!
//! Deliberately absent: the database, the clock, accounts and eligibility, the legal order (the call
//! rank is read when the file has one, never computed), and any guess: what is ambiguous is refused.
//! Problems quote what the file says, hence names and addresses: show them to the administrator who
//! sent the file, never log them.

mod archive;
mod columns;
mod delimited;
pub(crate) mod email;
mod encoding;
mod fields;
mod interns;
pub mod limits;
mod markup;
mod numbers;
mod posts;
mod problem;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod xlsx;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use interns::{ImportedIntern, read_interns, read_one_intern};
pub use posts::{ImportedPost, read_posts};
pub use problem::{Imported, Problem, Problems};

use limits::MAX_FILE_BYTES;
use problem::{At, Log};

/// A file as it was sent: its name (used in messages only) and its content.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Name shown in the messages; the kind of file is told by the content, never by this name.
    pub file_name: &'a str,
    /// The whole content, at most [`MAX_FILE_BYTES`].
    pub bytes: &'a [u8],
}

/// Reads a file from disk without ever taking in more than [`MAX_FILE_BYTES`].
///
/// The size is checked before reading and enforced while reading, because a file may grow meanwhile
/// and a pipe has no size.
///
/// # Errors
/// One [`Problem`]: the file is missing, unreadable, a folder, or too large.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Problems> {
    let name = path
        .file_name()
        .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let mut log = Log::new(&name);
    match read_bounded(path) {
        Ok(Some(bytes)) => return Ok(bytes),
        Ok(None) => file_too_large(&mut log),
        Err(error) => log.problem(
            At::file(),
            "unreadable_file",
            format!("le fichier ne peut pas être lu ({})", reason(&error)),
            "Vérifiez le chemin du fichier et les droits de lecture.",
        ),
    }
    Err(log.into_problems())
}

fn read_bounded(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    let fits = bytes.len() as u64 <= MAX_FILE_BYTES;
    Ok(fits.then_some(bytes))
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "il n'existe pas".to_owned(),
        std::io::ErrorKind::PermissionDenied => "accès refusé".to_owned(),
        std::io::ErrorKind::IsADirectory => "c'est un dossier".to_owned(),
        _ => error.to_string(),
    }
}

fn file_too_large(log: &mut Log<'_>) {
    log.problem(
        At::file(),
        "file_too_large",
        format!("le fichier dépasse {} Mio", MAX_FILE_BYTES / (1 << 20)),
        "Gardez la feuille des données seule, sans image, et enregistrez de nouveau.",
    );
}
