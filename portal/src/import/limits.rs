//! The bounds of an import, each with its reason.
//!
//! Invariant: what is read of a file is bounded before it is read. Deliberately absent: settings. The
//! largest real list has 5,500 interns (one region, ten days); nobody needs to raise these.

/// Largest file taken, in bytes: the largest real list is under 1 MiB, a styled workbook under 5 MiB.
pub const MAX_FILE_BYTES: u64 = 10 << 20;

/// Most data rows of one file: three and a half times the largest real list.
pub const MAX_ROWS: usize = 20_000;

/// Most columns of one file: five times the known columns; real exports have a dozen.
pub const MAX_COLUMNS: usize = 64;

/// Longest field, in characters: the longest real one (a service with its site) has about 120.
pub const MAX_FIELD_CHARS: usize = 200;

/// Most lines one quoted field may span: more means that a quote was never closed.
pub const MAX_FIELD_LINES: usize = 10;

/// Most criteria of one post: more is a text that lost its column.
pub const MAX_CRITERIA: usize = 20;

/// Most problems kept of one file: past that the file is wrong as a whole, and memory has an end.
pub const MAX_PROBLEMS: usize = 5_000;

/// Most problems written out by `Display`: a screen or a mail nobody would read further.
pub const MAX_PROBLEMS_SHOWN: usize = 100;

/// Most lines named for one kind of encoding trouble: it is the file that is wrong, not the lines.
pub const MAX_ENCODING_LINES: usize = 10;

/// Most parts in a workbook: a real one has 10 to 40.
pub const MAX_ARCHIVE_ENTRIES: usize = 1_000;

/// Most bytes a workbook may unfold to: 20,000 rows of 64 cells take about 50 MiB of XML.
pub const MAX_UNPACKED_BYTES: u64 = 64 << 20;

/// Most times its own size a workbook may unfold to: real ones stay under 30, bombs start at 1,000.
pub const MAX_UNPACKED_RATIO: u64 = 200;

/// Under this unfolded size the ratio is not looked at: small workbooks of zeros are harmless.
pub const RATIO_MATTERS_BYTES: u64 = 4 << 20;

/// Most shared strings a workbook may announce: calamine reserves memory for them unread.
pub const MAX_SHARED_STRINGS: u64 = (MAX_ROWS * MAX_COLUMNS) as u64;

/// Most tags in a sheet or in the shared strings: a list of 20,000 rows with 20 columns has about
/// 3.5 million; an empty shared string takes one tag and 24 bytes of memory.
pub const MAX_DATA_TAGS: usize = 4_000_000;

/// Most tags in the styles: a real list has 2,000 at most; a style takes about 1 KiB of memory.
pub const MAX_STYLE_TAGS: usize = 20_000;

/// Longest attribute in the styles, in bytes: a number format has 255 characters, escapes included
/// about 1,500 bytes; every style has a copy.
pub const MAX_STYLE_ATTRIBUTE_BYTES: usize = 2_048;

/// Most tags in any other part: real ones have some thousands, the chain of formulas one a cell.
pub const MAX_OTHER_TAGS: usize = 300_000;

/// Most sheets looked into: each may unfold to [`MAX_UNPACKED_BYTES`].
pub const MAX_SHEETS: usize = 20;

/// Most bytes of text kept of one sheet: one long shared string may be named by every cell.
pub const MAX_SHEET_TEXT_BYTES: usize = 16 << 20;
