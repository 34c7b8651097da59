//! Which column of a file is which, whatever order and spelling its author chose.
//!
//! Invariant: a layout gives each known column at most one place, and each compulsory one exactly one;
//! every column of the file is known. Deliberately absent: ignoring what is not understood. A column
//! named « rang natoinal » must not vanish in silence.

use super::problem::{At, Log};
use super::table::{Cell, Row, Table};
use super::text::{clean, fold, printable, quoted};
use super::xlsx::column_letters;

/// Characters shown of a header that is no clean text.
const HEADER_CHARS_MAX: usize = 60;

/// How alike two folded headers must be for one to be offered instead of the other (0 to 1).
const LIKENESS_MIN: f64 = 0.6;

/// A column a file may have.
pub(super) struct Column {
    /// The name we write ourselves, in templates and messages.
    pub(super) name: &'static str,
    pub(super) compulsory: bool,
    /// Other headers in use, folded as [`fold`] does; the name itself need not be repeated.
    pub(super) synonyms: &'static [&'static str],
}

impl Column {
    fn is_called(&self, folded: &str) -> bool {
        fold(self.name) == folded || self.synonyms.contains(&folded)
    }

    fn likeness(&self, folded: &str) -> f64 {
        self.synonyms
            .iter()
            .map(|synonym| strsim::normalized_damerau_levenshtein(synonym, folded))
            .fold(strsim::normalized_damerau_levenshtein(&fold(self.name), folded), f64::max)
    }
}

/// Where each known column stands in one file.
pub(super) struct Layout {
    places: Vec<Place>,
}

struct Place {
    name: &'static str,
    compulsory: bool,
    index: usize,
    /// As the file writes it, for the messages.
    header: String,
}

impl Layout {
    /// Position and header of a column, `None` when the file does not have it.
    pub(super) fn find(&self, name: &str) -> Option<(usize, &str, bool)> {
        self.places
            .iter()
            .find(|place| place.name == name)
            .map(|place| (place.index, place.header.as_str(), place.compulsory))
    }

    /// The column's header in this file, or our name of it.
    pub(super) fn header<'a>(&'a self, name: &'a str) -> &'a str {
        self.find(name).map_or(name, |(_, header, _)| header)
    }
}

/// Recognises the header of a table; `None` once problems are logged.
pub(super) fn recognise(columns: &[Column], table: &Table, log: &mut Log<'_>) -> Option<Layout> {
    let headers: Vec<String> = table.header.cells.iter().map(header_text).collect();
    let line = table.header.line;
    if !looks_like_header(columns, &headers, line, log) {
        return None;
    }
    let mut layout = Layout { places: Vec::new() };
    let mut unknown = Vec::new();
    let mut complete = true;
    for (index, header) in headers.into_iter().enumerate() {
        if header.is_empty() {
            complete &= is_empty_column(index, line, &table.rows, log);
            continue;
        }
        let folded = fold(&header);
        let Some(column) = columns.iter().find(|column| column.is_called(&folded)) else {
            unknown.push(header);
            continue;
        };
        if let Some((first, earlier, _)) = layout.find(column.name) {
            complete = false;
            log.problem(
                At::cell(line, &header),
                "duplicate_column",
                format!("même colonne que {} (colonne {})", quoted(earlier), letters(first)),
                "Gardez l'une des deux.",
            );
            continue;
        }
        layout.places.push(Place { name: column.name, compulsory: column.compulsory, index, header });
    }
    complete &= unknown.is_empty();
    let meant: Vec<&str> =
        unknown.iter().filter_map(|header| report_unknown(header, columns, &layout, line, log)).collect();
    for column in columns.iter().filter(|column| column.compulsory) {
        // A misspelt column is one problem, told under the name it has.
        if layout.find(column.name).is_none() && !meant.contains(&column.name) {
            complete = false;
            log.problem(
                At::line(line),
                "missing_column",
                format!("la colonne « {} » manque", column.name),
                "Ajoutez-la ; toutes les colonnes obligatoires doivent figurer dans les titres.",
            );
        }
    }
    complete.then_some(layout)
}

fn header_text(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => clean(text).unwrap_or_else(|_| printable(text, HEADER_CHARS_MAX)),
        Cell::Date => "date".to_owned(),
        Cell::Error(error) => error.clone(),
    }
}

/// One problem instead of twenty when the first line is not a header at all.
fn looks_like_header(columns: &[Column], headers: &[String], line: u32, log: &mut Log<'_>) -> bool {
    let known = |header: &String| {
        let folded = fold(header);
        columns.iter().any(|column| column.is_called(&folded))
    };
    if headers.len() == 1 {
        log.problem(
            At::line(line),
            "no_separator",
            format!("une seule colonne trouvée : {}", quoted(&headers[0])),
            "Séparez les colonnes par des points-virgules, des virgules ou des tabulations.",
        );
        return false;
    }
    if !headers.iter().any(known) {
        log.problem(
            At::line(line),
            "no_header",
            format!(
                "aucun titre de colonne reconnu (la ligne commence par {})",
                quoted(headers.iter().find(|text| !text.is_empty()).map_or("", |text| text))
            ),
            format!("La première ligne doit porter les titres : {}.", names(columns)),
        );
        return false;
    }
    true
}

fn names(columns: &[Column]) -> String {
    let names: Vec<&str> =
        columns.iter().filter(|column| column.compulsory).map(|column| column.name).collect();
    names.join(", ")
}

/// A column without header is an empty margin of the sheet, or data nobody could place.
fn is_empty_column(index: usize, header_line: u32, rows: &[Row], log: &mut Log<'_>) -> bool {
    let filled = rows.iter().find(|row| row.cells.get(index).is_some_and(|cell| !cell.is_blank()));
    let Some(row) = filled else {
        return true;
    };
    log.problem(
        At::line(header_line),
        "empty_header",
        format!(
            "la colonne {} n'a pas de titre, mais contient une valeur ligne {}",
            letters(index),
            row.line
        ),
        "Donnez-lui un titre, ou effacez-la.",
    );
    false
}

/// Tells the column that was probably meant, and gives its name.
fn report_unknown(
    header: &str,
    columns: &[Column],
    layout: &Layout,
    line: u32,
    log: &mut Log<'_>,
) -> Option<&'static str> {
    let folded = fold(header);
    let nearest = columns
        .iter()
        .filter(|column| layout.find(column.name).is_none())
        .map(|column| (column.likeness(&folded), column.name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name);
    let (message, remedy) = match nearest {
        Some(name) => (
            format!("colonne inconnue ; vouliez-vous dire « {name} » ?"),
            "Corrigez le titre, ou retirez la colonne.",
        ),
        None => ("colonne inconnue".to_owned(), "Retirez cette colonne."),
    };
    log.problem(At::cell(line, header), "unknown_column", message, remedy);
    nearest
}

/// The spreadsheet's letters of a column, from index 0 = `A`.
fn letters(index: usize) -> String {
    u32::try_from(index).map_or_else(|_| (index + 1).to_string(), column_letters)
}
