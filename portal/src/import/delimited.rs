//! Text with separators (CSV, « texte unicode ») to rows.
//!
//! Invariant: each row carries the number of the line it starts on, as a text editor counts, whatever
//! quoted line breaks and blank lines come before it; quotes are balanced, so that no row swallows the
//! next. Deliberately absent: dialect options. The separator is the one of the header line, the quote
//! is `"`, doubled inside a quoted field.

use super::limits::{MAX_COLUMNS, MAX_FIELD_LINES, MAX_ROWS};
use super::problem::{At, Log};
use super::table::{self, Cell, Row};

const SEPARATORS: [char; 3] = [';', ',', '\t'];

/// All rows of a text whose only line end is `\n`, header first; `None` once problems are logged.
pub(super) fn read(text: &str, log: &mut Log<'_>) -> Option<Vec<Row>> {
    let (announced, body) = announced_separator(text);
    let first_line = if announced.is_some() { 2 } else { 1 };
    let (counted, separators) = count_separators(body);
    let separator = announced.unwrap_or(counted);
    check_shape(body, first_line, separator, separators, log);
    if !log.is_clean() {
        return None;
    }
    parse(body, first_line, separator, log)
}

/// Excel's own first line `sep=;`, which says the separator and is no data.
fn announced_separator(text: &str) -> (Option<char>, &str) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    let line = line.trim_matches('"');
    let announced = line
        .get(..4)
        .filter(|start| start.eq_ignore_ascii_case("sep="))
        .and_then(|_| SEPARATORS.into_iter().find(|char| line[4..].starts_with(*char)));
    match announced {
        Some(separator) => (Some(separator), rest),
        None => (None, text),
    }
}

/// The separator that occurs most in the header, outside quotes, and how many times.
fn count_separators(text: &str) -> (char, usize) {
    let mut counts = [0_usize; SEPARATORS.len()];
    let mut quoted = false;
    for char in text.trim_start_matches('\n').chars() {
        match char {
            '"' => quoted = !quoted,
            '\n' if !quoted => break,
            _ if quoted => {}
            _ => {
                if let Some(index) = SEPARATORS.iter().position(|known| *known == char) {
                    counts[index] += 1;
                }
            }
        }
    }
    let mut best = 0;
    for index in 1..SEPARATORS.len() {
        if counts[index] > counts[best] {
            best = index;
        }
    }
    (SEPARATORS[best], counts[best])
}

/// A quoted field being read: where it opened and what it has taken in so far.
struct Opened {
    line: u32,
    breaks: usize,
    separators: usize,
}

/// Finds quotes that are never closed, close late, or stand where none may stand.
///
/// The csv crate takes them all in silence, and one stray quote then swallows whole rows. Ends at the
/// first line with too many columns, which must not reach that crate: it keeps one number for each.
fn check_shape(text: &str, first_line: u32, separator: char, header_separators: usize, log: &mut Log<'_>) {
    let mut line = first_line;
    let mut opened: Option<Opened> = None;
    let mut at_field_start = true;
    let mut columns = 1;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        if let Some(field) = &mut opened {
            match char {
                '"' if chars.peek() == Some(&'"') => {
                    chars.next();
                }
                '"' => {
                    if swallows_rows(field, header_separators) {
                        unclosed(field.line, log);
                        return;
                    }
                    opened = None;
                    if let Some(next) = chars.peek()
                        && *next != separator
                        && *next != '\n'
                    {
                        misplaced(line, log);
                    }
                }
                '\n' => {
                    line += 1;
                    field.breaks += 1;
                }
                _ if char == separator => field.separators += 1,
                _ => {}
            }
            continue;
        }
        match char {
            '"' if at_field_start => {
                opened = Some(Opened { line, breaks: 0, separators: 0 });
                at_field_start = false;
            }
            '\n' => {
                line += 1;
                at_field_start = true;
                columns = 1;
            }
            _ => {
                at_field_start = char == separator;
                columns += usize::from(at_field_start);
                if columns > MAX_COLUMNS {
                    table::too_many_columns(At::line(line), &format!("{columns} ou plus"), log);
                    return;
                }
            }
        }
    }
    if let Some(field) = opened {
        unclosed(field.line, log);
    }
}

/// A quoted field with a line break and half a row of separators is two rows glued by stray quotes.
fn swallows_rows(field: &Opened, header_separators: usize) -> bool {
    field.breaks > MAX_FIELD_LINES
        || (field.breaks > 0 && header_separators > 0 && field.separators * 2 >= header_separators)
}

fn unclosed(line: u32, log: &mut Log<'_>) {
    log.problem(
        At::line(line),
        "unclosed_quote",
        "un guillemet (\") ouvert sur cette ligne n'est pas refermé",
        "Effacez ce guillemet, ou refermez-le à la fin de la valeur.",
    );
}

fn misplaced(line: u32, log: &mut Log<'_>) {
    log.problem(
        At::line(line),
        "misplaced_quote",
        "un guillemet (\") se referme au milieu d'une valeur",
        "Retirez les guillemets de cette valeur, ou doublez ceux qui en font partie (\"\").",
    );
}

fn parse(text: &str, first_line: u32, separator: char, log: &mut Log<'_>) -> Option<Vec<Row>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(u8::try_from(separator).expect("all known separators are ASCII"))
        .from_reader(text.as_bytes());
    let mut lines = LineCounter { text: text.as_bytes(), offset: 0, line: first_line };
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    loop {
        let start = reader.position().byte();
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Some(rows),
            Err(_) => {
                // Reading UTF-8 text from memory with flexible rows has no failure left; if the csv
                // crate ever finds one, it is a problem of the file and not a reason to panic.
                log.problem(
                    At::file(),
                    "unreadable_text",
                    "le texte ne se découpe pas en colonnes",
                    "Enregistrez de nouveau en « CSV UTF-8 » ou en XLSX.",
                );
                return None;
            }
        }
        let line = lines.line_of_record_from(start);
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        // The header and one row too many, which the table then refuses by name.
        if rows.len() > MAX_ROWS + 1 {
            table::too_many_rows(log);
            return None;
        }
        let cells = record.iter().map(|field| Cell::Text(field.to_owned())).collect();
        rows.push(Row { line, cells });
    }
}

/// Turns byte offsets that only grow into line numbers.
///
/// The csv crate's own numbers count the blank lines before a record as part of it.
struct LineCounter<'a> {
    text: &'a [u8],
    offset: usize,
    line: u32,
}

impl LineCounter<'_> {
    fn line_of_record_from(&mut self, start: u64) -> u32 {
        let start = usize::try_from(start).map_or(self.text.len(), |byte| byte.min(self.text.len()));
        while self.offset < start || self.text.get(self.offset) == Some(&b'\n') {
            if self.text[self.offset] == b'\n' {
                self.line += 1;
            }
            self.offset += 1;
        }
        self.line
    }
}
