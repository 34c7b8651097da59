//! Looks through the ZIP archive of a workbook before the XLSX reader may touch it.
//!
//! Invariant: what passes here unfolds to a bounded number of bytes, measured by unfolding it and not
//! by believing the archive's directory, and each of its parts is plain ([`super::markup`]).
//! Deliberately absent: the content of sheets ([`super::xlsx`]).

use super::limits::{MAX_ARCHIVE_ENTRIES, MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO, RATIO_MATTERS_BYTES};
use super::markup::{self, Verdict};
use super::problem::{At, Log};
use std::io::{Cursor, Read};
use zip::ZipArchive;
use zip::result::ZipError;

/// Why a workbook is not opened.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// Not an XLSX workbook, but this.
    Other(&'static str),
    Damaged,
    Encrypted,
    Bomb,
    /// A document type or entity declaration, an encoding other than UTF-8, an absurd count: no
    /// spreadsheet writes them.
    Suspicious,
}

/// Whether the workbook may be read; problems are logged otherwise.
pub(super) fn is_safe(bytes: &[u8], log: &mut Log<'_>) -> bool {
    let Err(refusal) = inspect(bytes) else {
        return true;
    };
    let (code, message, remedy) = match refusal {
        Refusal::Other(what) => (
            "unsupported_kind",
            format!("c'est {what}, pas un fichier CSV ou XLSX"),
            "Ouvrez-le dans votre tableur et enregistrez-le en « Classeur Excel (XLSX) » ou en \
             « CSV UTF-8 ».",
        ),
        Refusal::Damaged => (
            "damaged_workbook",
            "le classeur est abîmé ou incomplet".to_owned(),
            "Envoyez-le de nouveau, ou ouvrez-le dans votre tableur et enregistrez-le en XLSX.",
        ),
        Refusal::Encrypted => (
            "encrypted_workbook",
            "le classeur est protégé par mot de passe".to_owned(),
            "Retirez la protection et enregistrez de nouveau.",
        ),
        Refusal::Bomb => (
            "oversized_workbook",
            "le classeur, une fois décompressé, est beaucoup trop grand".to_owned(),
            "Copiez les seules données dans un classeur neuf et enregistrez-le en XLSX.",
        ),
        Refusal::Suspicious => (
            "suspicious_workbook",
            "le classeur contient ce qu'aucun tableur n'écrit".to_owned(),
            "Copiez les seules données dans un classeur neuf et enregistrez-le en XLSX.",
        ),
    };
    log.problem(At::file(), code, message, remedy);
    false
}

fn inspect(bytes: &[u8]) -> Result<(), Refusal> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| refusal_of(&error))?;
    // Entries of one name would let the reader see another part than the one looked at here.
    if archive.has_duplicate_names() {
        return Err(Refusal::Suspicious);
    }
    if archive.len() > MAX_ARCHIVE_ENTRIES {
        return Err(Refusal::Bomb);
    }
    check_kind(&archive)?;
    let allowed = allowed_bytes(bytes.len() as u64);
    check_declared_sizes(&mut archive, allowed)?;
    let mut left = allowed;
    let mut content = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| refusal_of(&error))?;
        let name = entry.name().map_err(|error| refusal_of(&error))?;
        let name = name.to_ascii_lowercase();
        content.clear();
        entry.take(left + 1).read_to_end(&mut content).map_err(|_| Refusal::Damaged)?;
        left = left.checked_sub(content.len() as u64).ok_or(Refusal::Bomb)?;
        match markup::judge(&name, &content) {
            Verdict::Plain => {}
            Verdict::TooMuch => return Err(Refusal::Bomb),
            Verdict::Suspicious => return Err(Refusal::Suspicious),
        }
    }
    Ok(())
}

/// How much a file of this size may unfold to.
fn allowed_bytes(file_bytes: u64) -> u64 {
    file_bytes.saturating_mul(MAX_UNPACKED_RATIO).clamp(RATIO_MATTERS_BYTES, MAX_UNPACKED_BYTES)
}

fn refusal_of(error: &ZipError) -> Refusal {
    match error {
        ZipError::UnsupportedArchive(reason) if *reason == ZipError::PASSWORD_REQUIRED => Refusal::Encrypted,
        _ => Refusal::Damaged,
    }
}

/// Tells an XLSX workbook from the other kinds of document that are ZIP archives, too.
fn check_kind(archive: &ZipArchive<Cursor<&[u8]>>) -> Result<(), Refusal> {
    let mut other = Refusal::Other("une archive ZIP");
    for name in archive.file_names().flatten() {
        let name = name.to_ascii_lowercase().replace('\\', "/");
        match name.as_str() {
            "xl/workbook.xml" => return Ok(()),
            "xl/workbook.bin" => other = Refusal::Other("un classeur binaire Excel (.xlsb)"),
            "content.xml" => other = Refusal::Other("un document OpenDocument (.ods)"),
            "word/document.xml" => other = Refusal::Other("un document Word"),
            "ppt/presentation.xml" => other = Refusal::Other("une présentation"),
            "index/document.iwa" => other = Refusal::Other("un document Apple Numbers"),
            _ => {}
        }
    }
    Err(other)
}

fn check_declared_sizes(archive: &mut ZipArchive<Cursor<&[u8]>>, allowed: u64) -> Result<(), Refusal> {
    let mut declared = 0_u64;
    for index in 0..archive.len() {
        // Raw: the size is asked for, not the content, so nothing is unfolded yet.
        let entry = archive.by_index_raw(index).map_err(|error| refusal_of(&error))?;
        declared = declared.saturating_add(entry.size());
    }
    if declared > allowed {
        return Err(Refusal::Bomb);
    }
    Ok(())
}
