//! Any accepted file as one table: a header and rows, each with the line it stands on.
//!
//! Invariant: the kind of a file is told by its content, never by its name; a table has a header, at
//! least one row, no blank row, and as many cells in each row as in the header. Deliberately absent:
//! the meaning of columns ([`super::columns`]) and of values ([`super::fields`]).

use super::limits::{MAX_COLUMNS, MAX_FILE_BYTES, MAX_ROWS};
use super::problem::{At, Log};
use super::{Source, delimited, encoding, file_too_large, xlsx};

/// One cell, before its column is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Text(String),
    /// The spreadsheet holds a date; it has no faithful text, so it is refused where a text is due.
    Date,
    /// The spreadsheet shows an error, for example `#N/A`.
    Error(String),
}

impl Cell {
    pub(super) fn is_blank(&self) -> bool {
        match self {
            Self::Text(text) => text.trim().is_empty(),
            Self::Date | Self::Error(_) => false,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) line: u32,
    pub(super) cells: Vec<Cell>,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) header: Row,
    pub(super) rows: Vec<Row>,
}

/// Reads any accepted kind of file; `None` means that problems were logged.
pub(super) fn read(source: &Source<'_>, log: &mut Log<'_>) -> Option<Table> {
    if source.bytes.len() as u64 > MAX_FILE_BYTES {
        file_too_large(log);
        return None;
    }
    let rows = match kind_of(source.bytes) {
        Kind::Text => {
            let text = encoding::decode(source.bytes, log)?;
            delimited::read(&text, log)?
        }
        Kind::Workbook => xlsx::read(source.bytes, log)?,
        Kind::Empty => {
            no_rows(log);
            return None;
        }
        Kind::Refused(what) => {
            log.problem(
                At::file(),
                "unsupported_kind",
                format!("c'est {what}, pas un fichier CSV ou XLSX"),
                "Ouvrez-le dans votre tableur et enregistrez la feuille en « CSV UTF-8 » ou en \
                 « Classeur Excel (XLSX) ».",
            );
            return None;
        }
    };
    assemble(rows, log)
}

enum Kind {
    Text,
    Workbook,
    Empty,
    Refused(&'static str),
}

fn kind_of(bytes: &[u8]) -> Kind {
    const BINARY: [(&[u8], &str); 9] = [
        (b"\xD0\xCF\x11\xE0", "un ancien classeur Excel (.xls) ou un classeur protégé par mot de passe"),
        (b"%PDF", "un PDF"),
        (b"\x89PNG", "une image"),
        (b"\xFF\xD8\xFF", "une image"),
        (b"GIF8", "une image"),
        (b"{\\rtf", "un document RTF"),
        (b"\x1F\x8B", "une archive"),
        (b"7z\xBC\xAF", "une archive"),
        (b"Rar!", "une archive"),
    ];
    for (magic, what) in BINARY {
        if bytes.starts_with(magic) {
            return Kind::Refused(what);
        }
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return Kind::Workbook;
    }
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = text.trim_ascii_start();
    if text.is_empty() {
        return Kind::Empty;
    }
    // No header of ours starts with « < »: what does is markup that a web site calls « .xls ».
    if text.starts_with(b"<") {
        return Kind::Refused("une page web ou un document XML");
    }
    Kind::Text
}

fn no_rows(log: &mut Log<'_>) {
    log.problem(
        At::file(),
        "no_rows",
        "le fichier ne contient aucune ligne de données",
        "Ajoutez une ligne de titres, puis une ligne par personne ou par poste.",
    );
}

/// Separates the header, drops blank rows and checks the shape.
fn assemble(rows: Vec<Row>, log: &mut Log<'_>) -> Option<Table> {
    let mut rows = rows.into_iter().filter(|row| !row.cells.iter().all(Cell::is_blank));
    let Some(header) = rows.next() else {
        no_rows(log);
        return None;
    };
    let width = header.cells.len();
    if width > MAX_COLUMNS {
        too_many_columns(At::line(header.line), &width.to_string(), log);
        return None;
    }
    let mut kept = Vec::new();
    let mut found_any = false;
    for row in rows {
        found_any = true;
        if kept.len() == MAX_ROWS {
            too_many_rows(log);
            return None;
        }
        // Too many empty cells are no exception: with an empty last column, a line that a separator
        // in a name has shifted would look right.
        if row.cells.len() == width {
            kept.push(row);
        } else {
            wrong_width(&row, width, log);
        }
    }
    if !found_any {
        no_rows(log);
        return None;
    }
    Some(Table { header, rows: kept })
}

fn wrong_width(row: &Row, width: usize, log: &mut Log<'_>) {
    let found = row.cells.len();
    let remedy = if found < width {
        "Complétez la ligne ; laissez une colonne vide entre deux séparateurs s'il le faut."
    } else {
        "Retirez ce qui est en trop, ou mettez entre guillemets le texte qui contient un séparateur."
    };
    let s = if found > 1 { "s" } else { "" };
    log.problem(
        At::line(row.line),
        "column_count",
        format!("{found} colonne{s} trouvée{s}, {width} attendues"),
        remedy,
    );
}

pub(super) fn too_many_rows(log: &mut Log<'_>) {
    log.problem(
        At::file(),
        "too_many_rows",
        format!("le fichier a plus de {MAX_ROWS} lignes de données"),
        "Faites un fichier par amphi.",
    );
}

pub(super) fn too_many_columns(at: At<'_>, found: &str, log: &mut Log<'_>) {
    log.problem(
        at,
        "too_many_columns",
        format!("trop de colonnes ({found}, au plus {MAX_COLUMNS})"),
        "Gardez les colonnes utiles seulement et effacez le reste de la feuille.",
    );
}
