//! Small tools on text: cleaning a field, folding it for comparison, quoting it in a message.
//!
//! Invariant: a clean text is NFC, has no space at its ends, single plain spaces inside, and nothing
//! invisible. Deliberately absent: any change of letters or case, which only the caller may decide.

use super::limits::MAX_FIELD_CHARS;
use unicode_normalization::UnicodeNormalization;

/// Characters of a value quoted in a message: enough to find it, short enough to stay on one line.
const QUOTED_CHARS: usize = 40;

/// Why a text cannot be kept.
pub(super) enum Unclean {
    Control(char),
    Invisible(char),
    TooLong,
}

/// Trims (no-break spaces too), brings to NFC and joins runs of white space, line breaks included.
pub(super) fn clean(raw: &str) -> Result<String, Unclean> {
    let trimmed = raw.trim_matches(|char: char| char.is_whitespace() || is_invisible(char));
    // Counted before spaces are joined: what reads the file may have cut a longer text there.
    if trimmed.chars().count() > MAX_FIELD_CHARS {
        return Err(Unclean::TooLong);
    }
    let mut cleaned = String::with_capacity(trimmed.len());
    for char in trimmed.nfc() {
        if char.is_whitespace() {
            if cleaned.ends_with(' ') {
                continue;
            }
            cleaned.push(' ');
        } else if char.is_control() {
            return Err(Unclean::Control(char));
        } else if is_invisible(char) {
            return Err(Unclean::Invisible(char));
        } else {
            cleaned.push(char);
        }
    }
    Ok(cleaned)
}

/// Zero-width and direction characters: two texts that look the same would differ.
fn is_invisible(char: char) -> bool {
    matches!(char,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// Letters and digits only, without accents or case: `« N° IMOTEP »` and `n_imotep` are the same.
pub(super) fn fold(text: &str) -> String {
    text.nfd().filter(char::is_ascii_alphanumeric).map(|char| char.to_ascii_lowercase()).collect()
}

/// A value in French quotation marks, shortened, on one line.
pub(super) fn quoted(value: &str) -> String {
    let mut shown = printable(value, QUOTED_CHARS);
    if value.chars().nth(QUOTED_CHARS).is_some() {
        shown.push('…');
    }
    format!("« {shown} »")
}

/// The beginning of a value, with a dot for what would break a line or hide.
pub(super) fn printable(value: &str, chars_max: usize) -> String {
    let dotted = |char: char| {
        if char.is_control() || is_invisible(char) { '·' } else { char }
    };
    value.chars().take(chars_max).map(dotted).collect()
}
