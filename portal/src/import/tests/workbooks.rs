//! XLSX: the samples saved as workbooks, what spreadsheets do to values, and hostile archives.

use super::super::{Imported, ImportedIntern, Source, read_interns};
use super::{intern_problems, interns, post_problems, posts, sample, small};
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook, Worksheet};
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Writes cells as a person's spreadsheet holds them: what looks like a number is one.
fn fill(sheet: &mut Worksheet, cells: &[Vec<String>]) {
    for (row, fields) in (0..).zip(cells) {
        for (column, field) in (0..).zip(fields) {
            match field.parse::<f64>() {
                Ok(number) => sheet.write_number(row, column, number).unwrap(),
                Err(_) => sheet.write_string(row, column, field).unwrap(),
            };
        }
    }
}

fn workbook_of(cells: &[Vec<String>]) -> Vec<u8> {
    let mut workbook = Workbook::new();
    fill(workbook.add_worksheet(), cells);
    workbook.save_to_buffer().unwrap()
}

fn changed(change: impl FnOnce(&mut Worksheet)) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    fill(sheet, &small("interns.csv"));
    change(sheet);
    workbook.save_to_buffer().unwrap()
}

fn read(bytes: &[u8]) -> Imported<ImportedIntern> {
    read_interns(&Source { file_name: "interns.xlsx", bytes }).unwrap_or_else(|problems| panic!("{problems}"))
}

/// A workbook of hand-written parts, for what no library would write.
fn raw_workbook(sheet: &str, shared_strings: &str) -> Vec<u8> {
    raw_archive(&[
        ("_rels/.rels", concat!(
            "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">",
            "<Relationship Id=\"r1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"xl/workbook.xml\"/>",
            "</Relationships>").as_bytes()),
        ("xl/workbook.xml", concat!(
            "<workbook xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\">",
            "<sheets><sheet name=\"Liste\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>").as_bytes()),
        ("xl/_rels/workbook.xml.rels", concat!(
            "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">",
            "<Relationship Id=\"r1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" Target=\"worksheets/sheet1.xml\"/>",
            "</Relationships>").as_bytes()),
        ("xl/sharedStrings.xml", shared_strings.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

fn raw_archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in parts {
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn sheet_of(rows: &str) -> String {
    format!("<worksheet><sheetData>{rows}</sheetData></worksheet>")
}

fn code_of(bytes: &[u8]) -> &'static str {
    intern_problems(bytes)[0].code
}

const NO_STRINGS: &str = "<sst/>";

#[test]
fn samples_survive_a_workbook() {
    assert_eq!(
        interns(&workbook_of(&small("interns.csv"))),
        interns(&sample("lille-pediatrie", "interns.csv"))
    );
    assert_eq!(posts(&workbook_of(&small("posts.csv"))), posts(&sample("lille-pediatrie", "posts.csv")));
}

#[test]
fn values_are_read_as_they_were_meant() {
    let read = interns(&changed(|sheet| {
        let percent = Format::new().set_num_format("0%");
        sheet.write_string(1, 4, "8 388").unwrap();
        sheet.write_number_with_format(1, 9, 0.33, &percent).unwrap();
        sheet.write_number(2, 9, 4.0 / 3.0).unwrap();
        sheet.write_boolean(3, 9, true).unwrap();
        let formula = Formula::new("=1+3116").set_result("3117");
        sheet.write_formula(3, 4, formula).unwrap();
    }));
    assert_eq!(read[0].national_rank, 8388);
    assert_eq!(read[2].national_rank, 3117);
    let extra: Vec<u16> = read.iter().take(4).map(|intern| intern.extra_time_percent).collect();
    assert_eq!(extra, [33, 33, 33, 0]);
}

#[test]
fn spreadsheet_mishaps_are_told_with_row_and_column() {
    let date = Format::new().set_num_format("dd/mm/yyyy");
    let problems = intern_problems(&changed(|sheet| {
        let day = ExcelDateTime::from_ymd(2022, 1, 1).unwrap();
        sheet.write_datetime_with_format(1, 3, &day, &date).unwrap();
        sheet.write_number(2, 4, 12.5).unwrap();
        let broken = Formula::new("=NA()").set_result("#N/A");
        sheet.write_formula(3, 5, broken).unwrap();
        sheet.write_string(4, 1, "=A1").unwrap();
        sheet.write_string(5, 1, "\u{1}").unwrap();
        sheet.write_string(20, 1, "Total").unwrap();
    }));
    let seen: Vec<_> = problems
        .iter()
        .take(5)
        .map(|problem| (problem.line.unwrap(), problem.column.as_deref().unwrap(), problem.code))
        .collect();
    assert_eq!(
        seen,
        [
            (2, "annee_concours", "date_cell"),
            (3, "rang_national", "invalid_number"),
            (4, "effectif_promotion", "spreadsheet_error"),
            (5, "nom", "formula"),
            (6, "nom", "control_character"),
        ]
    );
    assert!(problems[5..].iter().all(|problem| problem.line == Some(21)));
}

#[test]
fn the_first_visible_sheet_with_content_is_read() {
    let mut workbook = Workbook::new();
    let hidden = workbook.add_worksheet();
    hidden.write_string(0, 0, "brouillon").unwrap();
    hidden.set_hidden(true);
    workbook.add_worksheet().set_name("vide").unwrap();
    let sheet = workbook.add_worksheet();
    fill(sheet, &small("interns.csv"));
    sheet.set_active(true);
    let notes = workbook.add_worksheet();
    notes.set_name("Notes").unwrap().write_string(0, 0, "à relire").unwrap();
    let imported = read(&workbook.save_to_buffer().unwrap());
    assert_eq!(imported.rows.len(), 12);
    assert_eq!(imported.warnings.len(), 1);
    assert_eq!(imported.warnings[0].code, "other_sheets");
    assert!(imported.warnings[0].message.contains("« Notes »"));
}

#[test]
fn an_empty_workbook_has_no_rows() {
    let mut workbook = Workbook::new();
    workbook.add_worksheet();
    assert_eq!(code_of(&workbook.save_to_buffer().unwrap()), "no_rows");
}

#[test]
fn a_stray_cell_costs_one_cell() {
    let far = changed(|sheet| {
        sheet.write_string(1_048_575, 16_383, "x").unwrap();
    });
    let problems = intern_problems(&far);
    assert_eq!(problems[0].code, "too_many_columns");
    assert_eq!(problems[0].line, Some(1_048_576));
    assert!(problems[0].message.contains("XFD1048576"), "{}", problems[0].message);
    let low = changed(|sheet| {
        sheet.write_string(1_048_575, 1, "x").unwrap();
    });
    assert!(intern_problems(&low).iter().all(|problem| problem.line == Some(1_048_576)));
    let blank = changed(|sheet| {
        sheet.write_string(1_048_575, 16_383, "  ").unwrap();
    });
    assert_eq!(interns(&blank).len(), 12);
}

#[test]
fn impossible_references_do_not_panic() {
    for reference in ["B5:A1", "ZZZZZZZZZZ99999999999", "A1:A1:A1", "A0", "1", ""] {
        let sheet = format!(
            "<worksheet><dimension ref=\"{reference}\"/><sheetData><row r=\"1\">\
             <c r=\"{reference}\"><v>1</v></c></row></sheetData></worksheet>"
        );
        let _ = intern_problems(&raw_workbook(&sheet, NO_STRINGS));
    }
}

#[test]
fn absurd_counts_reserve_nothing() {
    for count in ["4000000000", "99999999999999999999999", "-1"] {
        let strings = format!("<sst uniqueCount=\"{count}\"><si><t>x</t></si></sst>");
        let bytes = raw_workbook(&sheet_of(""), &strings);
        assert_eq!(code_of(&bytes), "suspicious_workbook", "{count}");
    }
}

#[test]
fn entities_are_not_expanded() {
    let strings = "<!DOCTYPE sst [<!ENTITY a SYSTEM \"file:///etc/passwd\">\
        <!ENTITY b \"&c;&c;&c;\">]><sst><si><t>&a;&b;</t></si></sst>";
    let row = "<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c></row>";
    assert_eq!(code_of(&raw_workbook(&sheet_of(row), strings)), "suspicious_workbook");
    // Without the declaration the reference means nothing, and is never looked up.
    let strings = "<sst><si><t>&a;</t></si></sst>";
    let problems = intern_problems(&raw_workbook(&sheet_of(row), strings));
    assert!(problems.iter().all(|problem| !problem.message.contains("root:")));
    let utf16: Vec<u8> = "\u{FEFF}<sst/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bytes = raw_archive(&[("xl/workbook.xml", b"<workbook/>"), ("xl/sharedStrings.xml", &utf16)]);
    assert_eq!(code_of(&bytes), "suspicious_workbook");
}

#[test]
fn one_long_text_in_every_cell_is_bounded() {
    let strings = format!("<sst><si><t>{}</t></si></sst>", "é".repeat(30_000));
    let mut rows = String::new();
    for row in 1..=1_000 {
        rows.push_str(&format!("<row r=\"{row}\">"));
        for _ in 0..64 {
            rows.push_str("<c t=\"s\"><v>0</v></c>");
        }
        rows.push_str("</row>");
    }
    assert_eq!(code_of(&raw_workbook(&sheet_of(&rows), &strings)), "too_much_text");
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![b' '; 70 << 20];
    let parts: [(&str, &[u8]); 2] = [("xl/workbook.xml", b"<workbook/>"), ("xl/a.xml", &zeros)];
    let bomb = raw_archive(&parts);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(code_of(&bomb), "oversized_workbook");

    // The same, with a directory that lies about the size.
    let mut lying = bomb;
    let size = u32::try_from(zeros.len()).unwrap().to_le_bytes();
    let places: Vec<usize> = (0..lying.len() - 4).filter(|at| lying[*at..at + 4] == size).collect();
    assert!(!places.is_empty());
    for at in places {
        lying[at..at + 4].copy_from_slice(&1_000_u32.to_le_bytes());
    }
    let code = code_of(&lying);
    assert!(["oversized_workbook", "damaged_workbook"].contains(&code), "{code}");

    let names: Vec<String> = (0..1_001).map(|index| format!("xl/{index}.xml")).collect();
    let mut parts: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    parts.push(("xl/workbook.xml", b"<workbook/>"));
    assert_eq!(code_of(&raw_archive(&parts)), "oversized_workbook");
}

#[test]
fn other_archives_are_named() {
    for (part, says) in [
        ("content.xml", "OpenDocument"),
        ("word/document.xml", "Word"),
        ("xl/workbook.bin", ".xlsb"),
        ("Index/Document.iwa", "Numbers"),
        ("photo.jpg", "archive ZIP"),
    ] {
        let problems = post_problems(&raw_archive(&[(part, b"x")]));
        assert_eq!(problems[0].code, "unsupported_kind");
        assert!(problems[0].message.contains(says), "{}", problems[0].message);
    }
    assert_eq!(code_of(b"PK\x05\x06"), "damaged_workbook");
}

#[test]
fn damaged_and_protected_workbooks_are_told() {
    let whole = workbook_of(&small("interns.csv"));
    assert_eq!(code_of(&whole[..whole.len() / 2]), "damaged_workbook");
    let bytes = raw_workbook("<worksheet><sheetData><row><c><v>1</v>", NO_STRINGS);
    assert_eq!(code_of(&bytes), "damaged_workbook");

    // Bit 0 of the flags, in both headers of every part, says « encrypted ».
    let mut locked = whole;
    for at in 0..locked.len() - 10 {
        match &locked[at..at + 4] {
            b"PK\x03\x04" => locked[at + 6] |= 1,
            b"PK\x01\x02" => locked[at + 8] |= 1,
            _ => {}
        }
    }
    assert_eq!(code_of(&locked), "encrypted_workbook");
}
