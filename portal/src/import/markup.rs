//! Judges one XML part of a workbook before the XLSX reader parses it.
//!
//! Invariant: a plain part makes calamine 0.38 use memory in proportion to [`super::limits`]. Three
//! things in a part do otherwise: `uniqueCount`, which it believes and reserves (an absurd number aborts
//! the process, and no `catch_unwind` helps); a font name or a number format, which it copies for every
//! style; tags of a few bytes, each of which becomes a value of hundreds. Deliberately absent: whether
//! the XML is well-formed or means anything.

use super::limits::{
    MAX_DATA_TAGS, MAX_OTHER_TAGS, MAX_SHARED_STRINGS, MAX_STYLE_ATTRIBUTE_BYTES, MAX_STYLE_TAGS,
};

/// What may become of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Plain,
    TooMuch,
    /// A document type or entity declaration, an encoding other than UTF-8, an absurd count.
    Suspicious,
}

/// Judges a part by its name, in lower case, and its content.
pub(super) fn judge(name: &str, content: &[u8]) -> Verdict {
    if !name.ends_with(".xml") && !name.ends_with(".rels") {
        return Verdict::Plain;
    }
    let Ok(text) = std::str::from_utf8(content) else {
        return Verdict::Suspicious;
    };
    let declares = text.contains("<!DOCTYPE") || text.contains("<!ENTITY");
    if declares || !declares_utf8(text) || !has_sane_counts(text) {
        return Verdict::Suspicious;
    }
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let size = measure(content);
    let (tags_max, attribute_bytes_max) = if file.ends_with("styles.xml") {
        (MAX_STYLE_TAGS, MAX_STYLE_ATTRIBUTE_BYTES)
    } else if file.ends_with("sharedstrings.xml") || file.starts_with("sheet") {
        (MAX_DATA_TAGS, usize::MAX)
    } else {
        (MAX_OTHER_TAGS, usize::MAX)
    };
    if size.tags > tags_max || size.longest_attribute_bytes > attribute_bytes_max {
        return Verdict::TooMuch;
    }
    Verdict::Plain
}

/// The reader obeys the declaration, so that another encoding would hide what is looked for here.
fn declares_utf8(text: &str) -> bool {
    let text = text.trim_start_matches('\u{FEFF}').trim_start();
    let Some(declaration) = text
        .strip_prefix("<?xml")
        .and_then(|rest| rest.split_once("?>"))
        .map(|(declaration, _)| declaration.to_ascii_lowercase())
    else {
        return true;
    };
    match declaration.split_once("encoding") {
        None => true,
        Some((_, value)) => {
            let value = value.trim_start_matches([' ', '\t', '\n', '\r', '=', '"', '\'']);
            value.starts_with("utf-8") || value.starts_with("utf8")
        }
    }
}

fn has_sane_counts(text: &str) -> bool {
    text.match_indices("uniqueCount").all(|(index, name)| {
        let value = text[index + name.len()..].trim_start();
        let Some(value) = value.strip_prefix('=') else {
            return true;
        };
        let value = value.trim_start().trim_start_matches(['"', '\'']);
        let digits: String =
            value.chars().take_while(|char| *char != '"' && *char != '\'').take(24).collect();
        digits.trim().parse::<u64>().is_ok_and(|count| count <= MAX_SHARED_STRINGS)
    })
}

#[derive(Debug, PartialEq, Eq)]
struct Size {
    tags: usize,
    longest_attribute_bytes: usize,
}

/// Counts tags and measures attribute values, with the reader's own idea of where they end.
fn measure(content: &[u8]) -> Size {
    const SKIPPED: [(&[u8], &[u8]); 3] = [(b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?", b"?>")];
    let mut size = Size { tags: 0, longest_attribute_bytes: 0 };
    let mut rest = content;
    while let Some(start) = find(rest, b"<") {
        rest = &rest[start..];
        size.tags += 1;
        if let Some((open, close)) = SKIPPED.iter().find(|(open, _)| rest.starts_with(open)) {
            let body = &rest[open.len()..];
            rest = find(body, close).map_or(&[], |end| &body[end + close.len()..]);
            continue;
        }
        let mut quote: Option<(u8, usize)> = None;
        let mut length = rest.len();
        for (at, byte) in rest.iter().enumerate() {
            match quote {
                Some((open, from)) if *byte == open => {
                    size.longest_attribute_bytes = size.longest_attribute_bytes.max(at - from - 1);
                    quote = None;
                }
                Some(_) => {}
                None if matches!(byte, b'"' | b'\'') => quote = Some((*byte, at)),
                None if *byte == b'>' => {
                    length = at + 1;
                    break;
                }
                None => {}
            }
        }
        rest = &rest[length..];
    }
    size
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    loop {
        let at = from + haystack[from..].iter().position(|byte| *byte == first)?;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Size, Verdict, declares_utf8, has_sane_counts, judge, measure};

    #[test]
    fn counts_are_believed_up_to_what_a_list_can_hold() {
        assert!(has_sane_counts("<sst count=\"3\" uniqueCount=\"3\">"));
        assert!(has_sane_counts("<t>le mot uniqueCount dans une cellule</t>"));
        assert!(!has_sane_counts("<sst uniqueCount = '99999999999999999999'>"));
        assert!(!has_sane_counts("<sst uniqueCount=\"4000000000\">"));
        assert!(!has_sane_counts("<sst uniqueCount=\"&#57;9\">"));
    }

    #[test]
    fn only_utf8_is_read() {
        assert!(declares_utf8("<?xml version=\"1.0\" encoding=\"UTF-8\"?><sst/>"));
        assert!(declares_utf8("<sst/>"));
        assert!(!declares_utf8("<?xml version='1.0' encoding = 'iso-2022-jp'?><sst/>"));
    }

    #[test]
    fn tags_and_attributes_are_measured_as_the_reader_sees_them() {
        for (text, tags, longest_attribute_bytes) in [
            ("", 0, 0),
            ("texte", 0, 0),
            ("<a b=\"12345\" c='1'/>", 1, 5),
            ("<a b=\"1>2<3'\"></a>", 2, 6),
            ("<!-- \"' <x> --><a/>", 2, 0),
            ("<![CDATA[<a b=\"1\">]]><a/>", 2, 0),
            ("<?xml version='1.0'?><a b='12'/>", 2, 2),
            ("<a b=\"never closed", 1, 0),
            ("<!-- never closed", 1, 0),
        ] {
            let expected = Size { tags, longest_attribute_bytes };
            assert_eq!(measure(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn styles_may_not_multiply_a_long_name() {
        let long = "a".repeat(5_000);
        let font = format!("<font><name val=\"{long}\"/></font>");
        assert_eq!(judge("xl/styles.xml", font.as_bytes()), Verdict::TooMuch);
        assert_eq!(judge("xl/comments1.xml", font.as_bytes()), Verdict::Plain);
        let many = "<xf/>".repeat(25_000);
        assert_eq!(judge("xl/styles.xml", many.as_bytes()), Verdict::TooMuch);
        assert_eq!(judge("xl/worksheets/sheet1.xml", many.as_bytes()), Verdict::Plain);
        assert_eq!(judge("xl/media/a.png", b"\xFF\xFE"), Verdict::Plain);
    }
}
