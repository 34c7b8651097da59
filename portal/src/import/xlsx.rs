//! The first visible sheet of a workbook with something in it, to rows.
//!
//! Invariant: memory follows the cells that hold something, never the corner a stray cell marks
//! (`XFD1048576` costs one cell). Numbers come out as the text one would have typed. Deliberately
//! absent: formulas (their last result is read), styles, hidden sheets, and dates: a date is never what
//! a column of ours expects.

use super::archive;
use super::limits::{MAX_COLUMNS, MAX_FIELD_CHARS, MAX_ROWS, MAX_SHEET_TEXT_BYTES, MAX_SHEETS};
use super::problem::{At, Log};
use super::table::{self, Cell, Row};
use super::text::quoted;
use calamine::{DataRef, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

type Workbook<'a> = Xlsx<Cursor<&'a [u8]>>;

/// Cells by row and column, both from 0, as the file numbers them; blank cells are not kept.
type Cells = BTreeMap<u32, BTreeMap<u32, Cell>>;

/// All rows of the sheet that matters, header first; `None` once problems are logged.
pub(super) fn read(bytes: &[u8], log: &mut Log<'_>) -> Option<Vec<Row>> {
    if !archive::is_safe(bytes, log) {
        return None;
    }
    // calamine 0.38 does unchecked sums on the references a file contains (`ref="B5:A1"`): with
    // overflow checks on, that is a panic. All that it touches is local to the closure.
    let read = catch_unwind(AssertUnwindSafe(|| read_sheets(bytes)));
    match read {
        Ok(Ok(found)) => rows_of(found, log),
        Ok(Err(Failure::TooManyRows)) => {
            table::too_many_rows(log);
            None
        }
        Ok(Err(Failure::TooManyColumns { row, column })) => {
            let at = At::line(row.saturating_add(1));
            let found = format!("cellule {}", address(row, column));
            table::too_many_columns(at, &found, log);
            None
        }
        Ok(Err(Failure::TooMuchText)) => {
            log.problem(
                At::file(),
                "too_much_text",
                "la feuille contient beaucoup trop de texte",
                "Gardez les colonnes utiles seulement.",
            );
            None
        }
        Ok(Err(Failure::Unreadable)) | Err(_) => {
            log.problem(
                At::file(),
                "damaged_workbook",
                "le classeur est abîmé ou incomplet",
                "Ouvrez-le dans votre tableur et enregistrez-le de nouveau en XLSX.",
            );
            None
        }
    }
}

enum Failure {
    Unreadable,
    TooManyRows,
    TooManyColumns { row: u32, column: u32 },
    TooMuchText,
}

impl From<XlsxError> for Failure {
    fn from(_: XlsxError) -> Self {
        Self::Unreadable
    }
}

struct Found {
    sheet: String,
    cells: Cells,
    /// Other visible sheets that hold something, and are not read.
    others: Vec<String>,
}

fn read_sheets(bytes: &[u8]) -> Result<Option<Found>, Failure> {
    let mut workbook: Workbook<'_> = Xlsx::new(Cursor::new(bytes))?;
    let names: Vec<String> = workbook
        .sheets_metadata()
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible)
        .map(|sheet| sheet.name.clone())
        .take(MAX_SHEETS)
        .collect();
    let mut found: Option<Found> = None;
    for name in names {
        match &mut found {
            None => {
                let cells = read_cells(&mut workbook, &name)?;
                if !cells.is_empty() {
                    found = Some(Found { sheet: name, cells, others: Vec::new() });
                }
            }
            Some(found) => {
                if has_content(&mut workbook, &name) {
                    found.others.push(name);
                }
            }
        }
    }
    Ok(found)
}

fn read_cells(workbook: &mut Workbook<'_>, sheet: &str) -> Result<Cells, Failure> {
    let mut reader = workbook.worksheet_cells_reader(sheet)?;
    let mut cells = Cells::new();
    let mut text_bytes = 0;
    while let Some(cell) = reader.next_cell()? {
        let (row, column) = cell.get_position();
        let Some(value) = cell_of(cell.get_value()) else {
            continue;
        };
        if column as usize >= MAX_COLUMNS {
            return Err(Failure::TooManyColumns { row, column });
        }
        if let Cell::Text(text) = &value {
            text_bytes += text.len();
        }
        if text_bytes > MAX_SHEET_TEXT_BYTES {
            return Err(Failure::TooMuchText);
        }
        cells.entry(row).or_default().insert(column, value);
        // The header comes on top of the data rows.
        if cells.len() > MAX_ROWS + 1 {
            return Err(Failure::TooManyRows);
        }
    }
    Ok(cells)
}

/// A sheet that cannot be read holds nothing that would have been imported.
fn has_content(workbook: &mut Workbook<'_>, sheet: &str) -> bool {
    let Ok(mut reader) = workbook.worksheet_cells_reader(sheet) else {
        return false;
    };
    while let Ok(Some(cell)) = reader.next_cell() {
        if cell_of(cell.get_value()).is_some() {
            return true;
        }
    }
    false
}

/// The cell as text one would have typed; `None` when there is nothing in it.
fn cell_of(value: &DataRef<'_>) -> Option<Cell> {
    let cell = match value {
        DataRef::Empty => return None,
        DataRef::String(text) => Cell::Text(beginning(text)),
        DataRef::SharedString(text) => Cell::Text(beginning(text)),
        DataRef::Int(number) => Cell::Text(number.to_string()),
        // Shortest decimal that reads back the same: 3070 for 3070.0, 1.33 for 1.33.
        DataRef::Float(number) => Cell::Text(number.to_string()),
        DataRef::Bool(true) => Cell::Text("VRAI".to_owned()),
        DataRef::Bool(false) => Cell::Text("FAUX".to_owned()),
        DataRef::DateTime(_) | DataRef::DateTimeIso(_) | DataRef::DurationIso(_) => Cell::Date,
        DataRef::Error(error) => Cell::Error(error.to_string()),
    };
    (!cell.is_blank()).then_some(cell)
}

/// As much of a text as is needed to tell that it is too long.
///
/// A cell may hold 32,767 characters, and every cell may name the same shared string.
fn beginning(text: &str) -> String {
    text.trim().chars().take(MAX_FIELD_CHARS + 1).collect()
}

fn rows_of(found: Option<Found>, log: &mut Log<'_>) -> Option<Vec<Row>> {
    let Some(found) = found else {
        return Some(Vec::new());
    };
    if !found.others.is_empty() {
        let others: Vec<String> = found.others.iter().map(|name| quoted(name)).collect();
        log.warning(
            At::file(),
            "other_sheets",
            format!("seule la feuille {} est lue ; non lues : {}", quoted(&found.sheet), others.join(", ")),
            "Si les données sont dans une autre feuille, placez-la en premier.",
        );
    }
    let width = found
        .cells
        .values()
        .filter_map(|row| row.last_key_value().map(|(column, _)| column + 1))
        .max()
        .unwrap_or(0);
    let rows = found
        .cells
        .into_iter()
        .map(|(row, mut cells)| Row {
            line: row.saturating_add(1),
            cells: (0..width)
                .map(|column| cells.remove(&column).unwrap_or_else(|| Cell::Text(String::new())))
                .collect(),
        })
        .collect();
    Some(rows)
}

/// A cell's name as the spreadsheet shows it: `A1`, `XFD1048576`.
fn address(row: u32, column: u32) -> String {
    format!("{}{}", column_letters(column), u64::from(row) + 1)
}

/// A column's letters, from column 0 = `A`.
pub(super) fn column_letters(column: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = u64::from(column) + 1;
    while rest > 0 {
        let digit = u8::try_from((rest - 1) % 26).expect("a remainder of 26 fits");
        letters.push(char::from(b'A' + digit));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect()
}
