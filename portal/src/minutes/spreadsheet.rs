//! The minutes for spreadsheets: XLSX with real dates and numbers, CSV as French Excel opens it.
//!
//! Whatever people typed stays text: in XLSX by its type, in CSV by an apostrophe before what a
//! spreadsheet would take for a formula.

use amphi_engine::core::Timestamp;
use chrono::{Datelike as _, Timelike as _};
use rust_xlsxwriter::{ExcelDateTime, Format, FormatAlign, Workbook, Worksheet, XlsxError};

use super::record::SessionRecord;
use super::tables::{Cell, Table};
use super::{summary, tables};
use crate::pages::wording::Zone;

/// Milliseconds of a day: spreadsheets count durations in days.
const DAY_MS: f64 = 86_400_000.0;
/// Widths of columns, in characters: wide enough to read, never wider than a screen.
const WIDTH_MIN: usize = 8;
/// See [`WIDTH_MIN`].
const WIDTH_MAX: usize = 60;
/// What a spreadsheet takes for the beginning of a formula.
const FORMULA_STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

struct Formats {
    title: Format,
    heading: Format,
    label: Format,
    text: Format,
    at: Format,
    lasting: Format,
}

impl Formats {
    fn new() -> Self {
        Self {
            title: Format::new().set_bold().set_font_size(14),
            heading: Format::new().set_bold().set_text_wrap().set_align(FormatAlign::Top),
            label: Format::new().set_align(FormatAlign::Top),
            text: Format::new().set_text_wrap().set_align(FormatAlign::Top),
            at: Format::new().set_num_format("dd/mm/yyyy hh:mm:ss"),
            lasting: Format::new().set_num_format("[h]:mm:ss"),
        }
    }
}

/// The sheets: name, and the tables below one another.
fn sheets(record: &SessionRecord) -> Vec<(&'static str, Vec<Table>)> {
    vec![
        ("Affectations", vec![tables::allocation(record)]),
        ("Tours", vec![tables::turns(record)]),
        (
            "Incidents et actes",
            vec![
                tables::incidents(record),
                tables::acts(record),
                tables::late(record),
                tables::undone(record),
            ],
        ),
        ("Postes", vec![tables::posts(record)]),
        ("Liste d’appel", vec![tables::call_list(record)]),
        ("Vœux", vec![tables::wishes(record)]),
    ]
}

/// The minutes as a workbook.
///
/// # Errors
/// A fault of ours.
pub fn xlsx(record: &SessionRecord) -> Result<Vec<u8>, XlsxError> {
    let zone = Zone::named(&record.time_zone);
    let formats = Formats::new();
    let mut workbook = Workbook::new();
    write_summary(workbook.add_worksheet(), record, &zone, &formats)?;
    for (name, tables) in sheets(record) {
        let sheet = workbook.add_worksheet();
        sheet.set_name(name)?;
        sheet.set_landscape().set_print_fit_to_pages(1, 0);
        let mut row = 0;
        let alone = tables.len() == 1;
        for table in &tables {
            row = write_table(sheet, row, table, alone, &zone, &formats)?;
        }
        set_widths(sheet, &tables, &zone)?;
    }
    workbook.save_to_buffer()
}

fn write_summary(
    sheet: &mut Worksheet,
    record: &SessionRecord,
    zone: &Zone,
    formats: &Formats,
) -> Result<(), XlsxError> {
    sheet.set_name("Synthèse")?;
    sheet.set_column_width(0, 34)?;
    sheet.set_column_width(1, 90)?;
    sheet.write_string_with_format(0, 0, "Procès-verbal de la séance de choix", &formats.title)?;
    let mut row = 1;
    if let Some(standing) = summary::standing(record) {
        sheet.write_string(row, 0, standing)?;
        row += 1;
    }
    for group in summary::groups(record, zone) {
        row += 1;
        sheet.write_string_with_format(row, 0, group.title, &formats.heading)?;
        row += 1;
        for (label, value) in group.facts {
            sheet.write_string_with_format(row, 0, label, &formats.label)?;
            sheet.write_string_with_format(row, 1, value, &formats.text)?;
            row += 1;
        }
    }
    sheet.write_string(row + 1, 0, summary::HOW_TO_CHECK)?;
    Ok(())
}

/// Writes a table from `row` on; says where the next one may begin. A table that has its sheet to itself
/// keeps its headings in sight, and can be filtered.
fn write_table(
    sheet: &mut Worksheet,
    mut row: u32,
    table: &Table,
    alone: bool,
    zone: &Zone,
    formats: &Formats,
) -> Result<u32, XlsxError> {
    if !alone {
        sheet.write_string_with_format(row, 0, table.title, &formats.title)?;
        row += 1;
        if table.rows.is_empty() {
            sheet.write_string(row, 0, table.empty)?;
            return Ok(row + 2);
        }
    }
    let first = row;
    for (index, _) in table.columns.iter().enumerate() {
        let column = column_number(index);
        sheet.write_string_with_format(row, column, heading(table, index, zone), &formats.heading)?;
    }
    for cells in &table.rows {
        row += 1;
        for (index, cell) in cells.iter().enumerate() {
            write_cell(sheet, row, column_number(index), cell, zone, formats)?;
        }
    }
    if alone {
        sheet.set_freeze_panes(first + 1, 2)?;
        sheet.autofilter(first, 0, row.max(first), column_number(table.columns.len().saturating_sub(1)))?;
    }
    Ok(row + 2)
}

fn column_number(index: usize) -> u16 {
    u16::try_from(index).expect("a table of the minutes has some ten columns")
}

/// The heading of a column; where instants stand in it, with the zone they are shown in.
fn heading(table: &Table, index: usize, zone: &Zone) -> String {
    let heading = table.columns[index].heading;
    let instants = table.rows.iter().any(|row| matches!(row.get(index), Some(Cell::At(_))));
    if instants { format!("{heading} ({})", zone.label()) } else { heading.to_owned() }
}

/// Tables below one another share their columns.
fn set_widths(sheet: &mut Worksheet, tables: &[Table], zone: &Zone) -> Result<(), XlsxError> {
    let columns = tables.iter().map(|table| table.columns.len()).max().unwrap_or(0);
    for index in 0..columns {
        let cells = tables.iter().flat_map(|table| &table.rows).filter_map(|row| row.get(index));
        let longest = cells.map(|cell| cell.said(zone).chars().count()).max().unwrap_or(0);
        let headings = tables.iter().filter_map(|table| table.columns.get(index));
        // Room for the arrow of the filter.
        let heading = headings.map(|column| column.heading.chars().count() + 3).max().unwrap_or(0);
        let width = longest.max(heading).clamp(WIDTH_MIN, WIDTH_MAX) as f64 + 1.0;
        sheet.set_column_width(column_number(index), width)?;
    }
    Ok(())
}

fn write_cell(
    sheet: &mut Worksheet,
    row: u32,
    column: u16,
    cell: &Cell,
    zone: &Zone,
    formats: &Formats,
) -> Result<(), XlsxError> {
    match cell {
        Cell::Empty => {}
        Cell::Text(text) => {
            sheet.write_string(row, column, text)?;
        }
        Cell::Count(count) => {
            sheet.write_number(row, column, *count as f64)?;
        }
        Cell::At(at) => match local(zone, *at) {
            Some(local) => {
                sheet.write_datetime_with_format(row, column, &local, &formats.at)?;
            }
            None => {
                sheet.write_string(row, column, at.to_string())?;
            }
        },
        Cell::Lasting(lasting) => {
            let seconds = lasting.at_least_zero().0 / 1_000 * 1_000;
            sheet.write_number_with_format(row, column, seconds as f64 / DAY_MS, &formats.lasting)?;
        }
    }
    Ok(())
}

/// What the wall clock of the amphi showed, in whole seconds; spreadsheets know no zones.
fn local(zone: &Zone, at: Timestamp) -> Option<ExcelDateTime> {
    let local = zone.wall_clock(at)?;
    let part = |number: u32| u8::try_from(number).ok();
    let date =
        ExcelDateTime::from_ymd(u16::try_from(local.year()).ok()?, part(local.month())?, part(local.day())?);
    date.ok()?.and_hms(u16::try_from(local.hour()).ok()?, part(local.minute())?, local.second()).ok()
}

/// The allocation as CSV: semicolons, UTF-8 with the mark that Excel looks for.
///
/// # Errors
/// None in practice: it is written to memory.
pub fn csv(record: &SessionRecord) -> Result<Vec<u8>, csv::Error> {
    let zone = Zone::named(&record.time_zone);
    let table = tables::allocation(record);
    let mut bytes = "\u{feff}".as_bytes().to_vec();
    {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(b';')
            .terminator(csv::Terminator::CRLF)
            .from_writer(&mut bytes);
        let headings: Vec<String> =
            (0..table.columns.len()).map(|index| heading(&table, index, &zone)).collect();
        writer.write_record(&headings)?;
        for row in &table.rows {
            let plain = |cell: &Cell| match cell {
                // The space inside a time on paper never breaks; in a file it is an ordinary one.
                Cell::At(at) => zone.stamp(*at).replace('\u{a0}', " "),
                other => harmless(&other.said(&zone)),
            };
            writer.write_record(row.iter().map(plain))?;
        }
        writer.flush()?;
    }
    Ok(bytes)
}

/// `text`, with an apostrophe before it when a spreadsheet would take it for a formula.
fn harmless(text: &str) -> String {
    if text.starts_with(FORMULA_STARTS) { format!("'{text}") } else { text.to_owned() }
}
