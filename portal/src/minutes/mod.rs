//! The minutes of a session (*procès-verbal*, domain 3.7): from its journal to a page, a PDF, an XLSX, a CSV.
//!
//! `reading.rs` makes the record from the entries and nothing else; `summary.rs` and `tables.rs` say it in French,
//! once; the forms only set it. Deliberately absent: the allocation's own recomputation (that is
//! `amphi verify`, which shares no code with this), and names for anybody but administrators.

pub mod page;
pub mod pdf;
mod reading;
mod record;
pub(crate) mod routes;
pub mod spreadsheet;
mod statistics;
mod summary;
pub mod tables;
mod words;

use crate::pages::control::RosterEntry;
pub use reading::{Names, RecordError};
pub use record::*;
pub use statistics::Statistics;

/// The forms in which minutes can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For archives and signatures.
    Pdf,
    /// For spreadsheets.
    Xlsx,
    /// The allocation alone, for other programs.
    Csv,
    /// A page that needs nothing else.
    Html,
    /// The record itself.
    Json,
}

impl Format {
    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Pdf => "application/pdf",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/json",
        }
    }

    /// The ending of a file.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Pdf => "pdf",
            Self::Xlsx => "xlsx",
            Self::Csv => "csv",
            Self::Html => "html",
            Self::Json => "json",
        }
    }
}

/// How many facts stand at the head of the minutes of `record`.
pub fn facts(record: &SessionRecord) -> usize {
    let zone = crate::pages::wording::Zone::named(&record.time_zone);
    summary::groups(record, &zone).iter().map(|group| group.facts.len()).sum()
}

/// The names of a roster, for [`SessionRecord::read`].
pub fn names(roster: Vec<RosterEntry>) -> Names {
    let name = |entry: RosterEntry| PersonName { last_name: entry.last_name, first_name: entry.first_name };
    roster.into_iter().map(|entry| (entry.rank, name(entry))).collect()
}

/// The minutes in one of their forms.
///
/// # Errors
/// What went wrong: a fault of ours, for the log.
pub fn write(record: &SessionRecord, format: Format) -> Result<Vec<u8>, String> {
    match format {
        Format::Pdf => pdf::write(record).map_err(|error| error.to_string()),
        Format::Xlsx => spreadsheet::xlsx(record).map_err(|error| error.to_string()),
        Format::Csv => spreadsheet::csv(record).map_err(|error| error.to_string()),
        Format::Html => Ok(page::standalone(record).into_bytes()),
        Format::Json => serde_json::to_vec_pretty(record).map_err(|error| error.to_string()),
    }
}

/// A name for the file that says what is in it, in letters that every system keeps.
pub fn file_name(record: &SessionRecord, format: Format) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    let words = format!("{} {}", record.title, String::from(record.period));
    let mut name = String::from("pv");
    let mut pending = true;
    for character in words.nfd().filter(|c| !('\u{300}'..'\u{370}').contains(c)).take(FILE_NAME_CHARS_MAX) {
        if character.is_ascii_alphanumeric() {
            if pending {
                name.push('-');
            }
            name.push(character.to_ascii_lowercase());
            pending = false;
        } else {
            pending = true;
        }
    }
    format!("{name}.{}", format.ending())
}

/// Longer titles are cut in the names of files.
const FILE_NAME_CHARS_MAX: usize = 80;
