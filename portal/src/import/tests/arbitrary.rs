//! No bytes make the import panic, and what it lets through keeps its promises.

use super::super::{Source, read_interns, read_posts};
use super::{SMALL, sample, small};
use proptest::prelude::*;
use std::collections::HashSet;
use std::io::{Cursor, Write};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Reads bytes both ways; checks what must hold whenever they are taken, or refused.
fn read_both(bytes: &[u8]) -> Result<(), TestCaseError> {
    let source = Source { file_name: "f", bytes };
    match read_interns(&source) {
        Ok(imported) => {
            prop_assert!(!imported.rows.is_empty());
            let emails: HashSet<_> = imported.rows.iter().map(|row| &row.email).collect();
            prop_assert_eq!(emails.len(), imported.rows.len());
            for row in &imported.rows {
                prop_assert!((1..=row.cohort_size).contains(&row.national_rank));
                prop_assert!(row.extra_time_percent <= 200);
                prop_assert!(!row.last_name.is_empty() && !row.first_name.is_empty());
            }
            let lines = imported.rows.iter().map(|row| row.line);
            prop_assert!(lines.clone().zip(lines.skip(1)).all(|(one, next)| one < next));
        }
        Err(problems) => {
            prop_assert!(!problems.0.is_empty());
            prop_assert!(!problems.to_string().is_empty());
        }
    }
    match read_posts(&source) {
        Ok(imported) => {
            let imoteps: HashSet<_> = imported.rows.iter().map(|row| &row.imotep).collect();
            prop_assert_eq!(imoteps.len(), imported.rows.len());
            prop_assert!(imported.rows.iter().all(|row| row.seats <= 500));
        }
        Err(problems) => prop_assert!(!problems.0.is_empty()),
    }
    Ok(())
}

#[derive(Debug, Clone)]
enum Mutation {
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    // Bytes that mean something are tried more often than the others.
    let byte =
        prop_oneof![prop::sample::select(&b";,\t\"\r\n\0=\xC3\xA9\xEF\xBB\xBF\xFF<>&/0:A"[..]), any::<u8>()];
    let bytes = prop::collection::vec(byte.clone(), 1..8);
    let at = any::<usize>();
    let mutation = prop_oneof![
        (at, byte).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (at, bytes).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (at, 1..80_usize).prop_map(|(at, count)| Mutation::Remove(at, count)),
        (at, 1..80_usize).prop_map(|(at, count)| Mutation::Repeat(at, count)),
    ];
    prop::collection::vec(mutation, 1..6)
}

fn mutate(bytes: &mut Vec<u8>, mutations: &[Mutation]) {
    for mutation in mutations {
        let length = bytes.len().max(1);
        match mutation {
            Mutation::Set(at, byte) => {
                if let Some(place) = bytes.get_mut(at % length) {
                    *place = *byte;
                }
            }
            Mutation::Insert(at, new) => {
                let at = (at % length).min(bytes.len());
                bytes.splice(at..at, new.iter().copied());
            }
            Mutation::Remove(at, count) => {
                let start = (at % length).min(bytes.len());
                let end = (start + count).min(bytes.len());
                bytes.drain(start..end);
            }
            Mutation::Repeat(at, count) => {
                let start = (at % length).min(bytes.len());
                let end = (start + count).min(bytes.len());
                let part = bytes[start..end].to_vec();
                bytes.splice(start..start, part);
            }
        }
    }
}

/// The small sample as a workbook, part by part, so that parts can be broken and packed again.
fn workbook_parts() -> Vec<(String, Vec<u8>)> {
    let mut workbook = rust_xlsxwriter::Workbook::new();
    let sheet = workbook.add_worksheet();
    for (row, fields) in (0..).zip(small("interns.csv")) {
        for (column, field) in (0..).zip(fields) {
            sheet.write_string(row, column, field).unwrap();
        }
    }
    let bytes = workbook.save_to_buffer().unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut parts = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut content = Vec::new();
        std::io::copy(&mut entry, &mut content).unwrap();
        parts.push((name, content));
    }
    parts
}

fn pack(parts: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        writer.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        read_both(&bytes)?;
    }

    #[test]
    fn arbitrary_text_under_a_right_header(body in "[\\PC;,\"\n\t]{0,400}") {
        let header = small("interns.csv")[0].join(";");
        read_both(format!("{header}\n{body}").as_bytes())?;
    }

    #[test]
    fn mutated_samples(which in any::<bool>(), mutations in mutations()) {
        let file = if which { "interns.csv" } else { "posts.csv" };
        let mut bytes = sample(SMALL, file);
        mutate(&mut bytes, &mutations);
        read_both(&bytes)?;
    }

    #[test]
    fn truncated_samples(length in 0..900_usize) {
        let bytes = sample(SMALL, "interns.csv");
        read_both(&bytes[..length.min(bytes.len())])?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn mutated_archives(mutations in mutations()) {
        let mut bytes = pack(&workbook_parts());
        mutate(&mut bytes, &mutations);
        read_both(&bytes)?;
    }

    #[test]
    fn mutated_parts_of_workbooks(part in any::<usize>(), mutations in mutations()) {
        let mut parts = workbook_parts();
        let index = part % parts.len();
        mutate(&mut parts[index].1, &mutations);
        read_both(&pack(&parts))?;
    }
}
