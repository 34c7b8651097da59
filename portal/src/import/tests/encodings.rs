//! Every encoding, separator and line end in use, and the traces of the wrong ones.

use super::super::limits::MAX_ENCODING_LINES;
use super::{intern_problems, interns, joined, sample, small};
use encoding_rs::WINDOWS_1252;

fn utf16(text: &str, little_endian: bool) -> Vec<u8> {
    let units = "\u{FEFF}".encode_utf16().chain(text.encode_utf16());
    let bytes = |unit: u16| {
        if little_endian { unit.to_le_bytes() } else { unit.to_be_bytes() }
    };
    units.flat_map(bytes).collect()
}

fn windows_1252(text: &str) -> Vec<u8> {
    let (bytes, _, lossy) = WINDOWS_1252.encode(text);
    assert!(!lossy);
    bytes.into_owned()
}

#[test]
fn same_rows_in_every_dress() {
    let expected = interns(&sample("lille-pediatrie", "interns.csv"));
    assert!(expected.iter().any(|intern| intern.last_name == "LEFÈVRE"));
    let cells = small("interns.csv");
    for separator in [";", ",", "\t"] {
        for line_end in ["\r\n", "\n", "\r"] {
            let text = joined(&cells, separator, line_end);
            for (name, bytes) in [
                ("UTF-8", text.clone().into_bytes()),
                ("UTF-8 with BOM", format!("\u{FEFF}{text}").into_bytes()),
                ("UTF-16 LE", utf16(&text, true)),
                ("UTF-16 BE", utf16(&text, false)),
                ("Windows-1252", windows_1252(&text)),
            ] {
                assert_eq!(interns(&bytes), expected, "{name} {separator:?} {line_end:?}");
            }
        }
    }
    // Without a line end after the last row, too.
    let text = joined(&cells, ";", "\n");
    assert_eq!(interns(text.trim_end().as_bytes()), expected);
}

#[test]
fn quoted_fields_hold_separators_quotes_and_line_ends() {
    let mut cells = small("interns.csv");
    cells[2][8] = "\"Lille ; \"\"Nord\"\"\r\net littoral\"".to_owned();
    for line_end in ["\r\n", "\n", "\r"] {
        let text = joined(&cells, ";", line_end);
        let read = interns(text.as_bytes());
        assert_eq!(read[1].subdivision, "Lille ; \"Nord\" et littoral");
        assert_eq!((read[1].line, read[2].line), (3, 5), "{line_end:?}");
    }
}

#[test]
fn windows_punctuation_is_no_trace_of_another_encoding() {
    let mut cells = small("interns.csv");
    cells[1][1] = "O’Brien – Šimek".to_owned();
    cells[2][1] = "SÃO TOMÉ".to_owned();
    cells[3][1] = "Cœur d’Étoile…".to_owned();
    let read = interns(&windows_1252(&joined(&cells, ";", "\r\n")));
    assert_eq!(read[0].last_name, "O’Brien – Šimek");
    assert_eq!(read[1].last_name, "SÃO TOMÉ");
    assert_eq!(read[2].last_name, "Cœur d’Étoile…");
}

#[test]
fn wrong_encodings_are_told_with_their_line() {
    let replace = |from: &[u8], to: &[u8]| {
        let text = joined(&small("interns.csv"), ";", "\r\n");
        let bytes = windows_1252(&text);
        let at = bytes.windows(from.len()).position(|part| part == from).unwrap();
        [&bytes[..at], to, &bytes[at + from.len()..]].concat()
    };
    // Line 5 holds the first « Kévin ».
    for (name, bytes, code) in [
        ("old Mac", replace(b"K\xE9vin", b"K\x8Evin"), "wrong_encoding"),
        ("DOS", replace(b"K\xE9vin", b"K\x82vin"), "wrong_encoding"),
        ("undefined byte", replace(b"K\xE9vin", b"K\x8Fvin"), "wrong_encoding"),
        ("UTF-8 without accents elsewhere", replace(b"K\xE9vin", b"K\xC3\xA9vin"), "mojibake"),
        ("NUL", replace(b"K\xE9vin", b"K\0vin"), "control_character"),
        ("escape", replace(b"K\xE9vin", b"K\x1Bvin"), "control_character"),
    ] {
        let problems = intern_problems(&bytes);
        let first = problems.iter().find(|problem| problem.line == Some(5));
        assert_eq!(first.unwrap().code, code, "{name}: {problems:?}");
    }
}

#[test]
fn double_encoding_and_lost_characters_are_told() {
    let text = joined(&small("interns.csv"), ";", "\r\n");
    let (twice, _) = WINDOWS_1252.decode_without_bom_handling(text.as_bytes());
    let problems = intern_problems(twice.as_bytes());
    assert!(problems.iter().all(|problem| problem.code == "mojibake"));
    assert_eq!(problems.len(), MAX_ENCODING_LINES);
    assert_eq!(problems[0].line, Some(2));
    let first = &problems[0].message;
    assert!(first.contains("PÃ©diatrie"), "{first}");
    let last = &problems[MAX_ENCODING_LINES - 1].message;
    assert!(last.ends_with("comme 2 lignes plus loin"), "{last}");

    let lost = text.replace("Kévin", "K\u{FFFD}vin");
    let problems = intern_problems(lost.as_bytes());
    assert_eq!((problems[0].line, problems[0].code), (Some(5), "replacement_character"));

    let mut cut = utf16(&text, true);
    cut.pop();
    assert_eq!(intern_problems(&cut)[0].code, "replacement_character");
    let mut bom = format!("\u{FEFF}{text}").into_bytes();
    let at = bom.iter().position(|byte| *byte == 0xC3).unwrap();
    bom.remove(at + 1);
    assert_eq!(intern_problems(&bom)[0].code, "replacement_character");
}
