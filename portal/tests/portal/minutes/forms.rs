//! What stands in a file is what stands in the record: read back and compared, cell by cell.

use std::io::Cursor;

use amphi_portal::minutes::spreadsheet;
use amphi_portal::minutes::tables::{self, Cell, Table};
use amphi_portal::minutes::{Format, SessionRecord, write};
use amphi_portal::pages::wording::Zone;
use calamine::{Data, Reader as _, Xlsx};

use super::session::{Session, sample};

/// The sample of `name`, played to the end in its zone.
pub fn played(name: &str, zone: &str, days: &[(&str, &str)]) -> SessionRecord {
    let (setup, names) = sample(name, zone, days);
    let mut session = Session::opened(setup, names);
    session.plays_to_the_end();
    session.record()
}

fn reunion() -> SessionRecord {
    played("reunion-medecine-generale", "Indian/Reunion", &[("2027-10-04 08:00", "2027-10-04 18:00")])
}

/// The sheets of a workbook, by name.
pub fn workbook(record: &SessionRecord) -> Xlsx<Cursor<Vec<u8>>> {
    Xlsx::new(Cursor::new(write(record, Format::Xlsx).unwrap())).unwrap()
}

/// A date of a sheet, as a spreadsheet shows it.
pub fn wall_clock(date: &calamine::ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
    format!("{day:02}/{month:02}/{year} {hour:02}:{minute:02}:{second:02}")
}

/// One cell of a sheet against one of a table.
fn assert_same(found: Option<&Data>, cell: &Cell, zone: &Zone, place: &str) {
    let found = found.unwrap_or(&Data::Empty);
    match (cell, found) {
        (Cell::Empty, Data::Empty) => {}
        (Cell::Text(text), Data::String(read)) => assert_eq!(read, text, "{place}"),
        (Cell::Count(count), Data::Float(read)) => assert_eq!(*read, *count as f64, "{place}"),
        (Cell::At(at), Data::DateTime(read)) => {
            let shown = zone.wall_clock(*at).unwrap().format("%d/%m/%Y %H:%M:%S").to_string();
            assert_eq!(wall_clock(read), shown, "{place}");
        }
        (Cell::Lasting(lasting), Data::DateTime(read)) => {
            let seconds = (read.as_f64() * 86_400.0).round();
            assert_eq!(seconds, (lasting.0 / 1_000) as f64, "{place}");
        }
        (cell, found) => panic!("{place}: {found:?} instead of {cell:?}"),
    }
}

/// The rows of `table` in `sheet`, whose headings stand in row `first`.
fn assert_table(book: &mut Xlsx<Cursor<Vec<u8>>>, sheet: &str, first: u32, table: &Table, zone: &Zone) {
    let range = book.worksheet_range(sheet).unwrap();
    for (index, row) in table.rows.iter().enumerate() {
        for (column, cell) in row.iter().enumerate() {
            let place = (first + 1 + index as u32, column as u32);
            let said = format!("{sheet} {place:?}");
            assert_same(range.get_value(place), cell, zone, &said);
        }
    }
    let after = (first + 1 + table.rows.len() as u32, 0);
    assert!(matches!(range.get_value(after), None | Some(Data::Empty)), "{sheet}: a row too many");
}

/// Every sheet that holds one table alone.
pub fn assert_workbook(record: &SessionRecord) {
    let zone = Zone::named(&record.time_zone);
    let mut book = workbook(record);
    assert_eq!(
        book.sheet_names(),
        ["Synthèse", "Affectations", "Tours", "Incidents et actes", "Postes", "Liste d’appel", "Vœux"]
    );
    for (sheet, table) in [
        ("Affectations", tables::allocation(record)),
        ("Tours", tables::turns(record)),
        ("Postes", tables::posts(record)),
        ("Liste d’appel", tables::call_list(record)),
        ("Vœux", tables::wishes(record)),
    ] {
        assert_table(&mut book, sheet, 0, &table, &zone);
    }
    // Tables below one another: each begins under its title.
    let mut first = 0;
    for table in [tables::incidents(record), tables::acts(record)] {
        let range = book.worksheet_range("Incidents et actes").unwrap();
        assert_eq!(range.get_value((first, 0)), Some(&Data::String(table.title.to_owned())));
        assert!(!table.rows.is_empty());
        assert_table(&mut book, "Incidents et actes", first + 1, &table, &zone);
        first += table.rows.len() as u32 + 3;
    }
}

#[test]
fn r3_7_the_workbook_reads_back_as_the_record() {
    let record = reunion();
    assert!(record.statistics.placed > 25 && record.statistics.outages.0 == 1, "{:?}", record.statistics);
    assert_workbook(&record);
}

#[test]
fn r3_7_the_csv_reads_back_as_the_record() {
    let record = reunion();
    let zone = Zone::named(&record.time_zone);
    let bytes = spreadsheet::csv(&record).unwrap();
    let text = std::str::from_utf8(&bytes).unwrap().strip_prefix('\u{feff}').expect("the mark of Excel");
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(text.as_bytes());
    assert!(reader.headers().unwrap().iter().any(|heading| heading == "Choisi (heure de La Réunion)"));
    let table = tables::allocation(&record);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), table.rows.len());
    for (read, row) in rows.iter().zip(&table.rows) {
        for (read, cell) in read.iter().zip(row) {
            assert_eq!(read, cell.said(&zone).replace('\u{a0}', " "));
        }
    }
}

#[test]
fn w4_w5_what_looks_like_a_formula_stays_text() {
    let (mut setup, mut names) =
        sample("reunion-medecine-generale", "Indian/Reunion", &[("2027-10-04 08:00", "2027-10-04 18:00")]);
    let formulas =
        ["=1+1", "+33 6", "-2", "@SUM(A1)", "\t=2", "\r=3", "=HYPERLINK(\"http://x\")", "<b>&amp;"];
    for (index, formula) in formulas.iter().enumerate() {
        let name = names.get_mut(&amphi_engine::core::CallRank::from_index(index)).unwrap();
        name.last_name = (*formula).to_owned();
        setup.participants[index].pseudonym = (*formula).to_owned();
    }
    let record = Session::opened(setup, names).record();
    let mut book = workbook(&record);
    let range = book.worksheet_range("Affectations").unwrap();
    let formulas_in = book.worksheet_formula("Affectations").unwrap();
    assert!(formulas_in.used_cells().next().is_none());
    let html = String::from_utf8(write(&record, Format::Html).unwrap()).unwrap();
    assert!(html.contains("&#60;b&#62;") && !html.contains("<b>"));
    let csv = spreadsheet::csv(&record).unwrap();
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(&csv[3..]);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    for (index, formula) in formulas.iter().enumerate() {
        let read = range.get_value((index as u32 + 1, 2)).unwrap();
        assert_eq!(read.to_string().trim(), formula.trim());
        let cell = &rows[index][2];
        let harmless = !cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
        assert!(harmless && cell.ends_with(formula), "{cell:?}");
    }
    assert!(write(&record, Format::Pdf).is_ok());
}
