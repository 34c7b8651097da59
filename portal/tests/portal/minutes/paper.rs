//! The PDF: every row is there, on numbered pages, whatever people are called.

use amphi_portal::minutes::tables;
use amphi_portal::minutes::{Format, SessionRecord, write};

use super::forms::played;
use super::session::{Session, sample};

fn count(bytes: &[u8], what: &str) -> usize {
    let what = what.as_bytes();
    bytes.windows(what.len()).filter(|window| *window == what).count()
}

/// Pages and table rows of a PDF, as its structure says.
pub fn pages_and_rows(bytes: &[u8]) -> (usize, usize) {
    assert!(bytes.starts_with(b"%PDF-1.7") && bytes.trim_ascii_end().ends_with(b"%%EOF"));
    (count(bytes, "/Type/Page/"), count(bytes, "/Type/StructElem/S/TR/"))
}

/// Rows that the structure of the minutes must have: one per row and one per heading of each table, and one per
/// fact.
pub fn rows_due(record: &SessionRecord) -> usize {
    let full = |table: &tables::Table| if table.rows.is_empty() { 0 } else { table.rows.len() + 1 };
    tables::all(record).iter().map(full).sum::<usize>() + amphi_portal::minutes::facts(record)
}

#[test]
fn r3_7_the_pdf_holds_every_row_and_is_the_same_each_time() {
    let record = played(
        "lille-psychiatrie",
        "Europe/Paris",
        &[("2027-10-04 09:00", "2027-10-04 12:30"), ("2027-10-04 14:00", "2027-10-04 19:00")],
    );
    let bytes = write(&record, Format::Pdf).unwrap();
    let (pages, rows) = pages_and_rows(&bytes);
    assert!((6..=20).contains(&pages), "{pages} pages for 106 interns");
    assert_eq!(rows, rows_due(&record));
    assert_eq!(bytes, write(&record, Format::Pdf).unwrap());
    let id = format!("{}:{}:{}", record.amphi, record.journal.seq, record.journal.hash);
    assert_eq!(id.len(), 36 + 1 + record.journal.seq.to_string().len() + 1 + 64);
}

#[test]
fn r3_7_any_name_and_any_reason_can_be_printed() {
    let (mut setup, mut names) =
        sample("reunion-medecine-generale", "Indian/Reunion", &[("2027-10-04 08:00", "2027-10-04 18:00")]);
    let odd = [
        "李小龍 🙂",
        "\u{feff}\u{200b}\u{202e}inversé",
        "e\u{301}\u{323}",
        "a\u{0}b\u{7}c\n\r\td",
        "Anticonstitutionnellement".repeat(20).leak(),
        "",
        " ",
        "Ǆ ﬁ № ₂ ½ \u{fffe}",
    ];
    for (index, text) in odd.iter().enumerate() {
        let name = names.get_mut(&amphi_engine::core::CallRank::from_index(index)).unwrap();
        name.last_name = (*text).to_owned();
        setup.participants[index].pseudonym = (*text).to_owned();
        setup.posts[index].establishment = (*text).to_owned();
    }
    setup.title = odd.concat();
    let mut session = Session::opened(setup, names);
    session.plays_to_the_end();
    let record = session.record();
    let (_, rows) = pages_and_rows(&write(&record, Format::Pdf).unwrap());
    assert_eq!(rows, rows_due(&record));
}
