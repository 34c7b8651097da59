//! From bytes to text, without a single letter lost.
//!
//! Invariant: a text comes out only when nothing in it betrays a wrong encoding. UTF-8 and UTF-16 are
//! recognised for certain; what is neither is Windows-1252, the encoding of « CSV » in a French Excel,
//! unless it shows the traces of another. Deliberately absent: statistical guessing. A wrong accent in
//! a name is found by the intern, on the day; a refused file is found by its author, at once.

use super::limits::MAX_ENCODING_LINES;
use super::problem::{At, Log};
use super::text::quoted;
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::borrow::Cow;
use std::collections::BTreeMap;

const SAVE_AS_UTF8: &str = "Ouvrez le fichier d'origine dans votre tableur et enregistrez-le en \
     « CSV UTF-8 » ou en XLSX.";

/// The text of a file with `\n` as its only line end, or `None` once problems are logged.
pub(super) fn decode(bytes: &[u8], log: &mut Log<'_>) -> Option<String> {
    let (text, guessed) = match Encoding::for_bom(bytes) {
        Some((encoding, bom)) if encoding == UTF_16LE || encoding == UTF_16BE => {
            let (text, _) = encoding.decode_without_bom_handling(&bytes[bom..]);
            (text, false)
        }
        // Invalid bytes become U+FFFD, which is then reported with its line.
        Some((_, bom)) => (String::from_utf8_lossy(&bytes[bom..]), false),
        None => match std::str::from_utf8(bytes) {
            Ok(text) => (Cow::Borrowed(text), false),
            Err(_) => (WINDOWS_1252.decode_without_bom_handling(bytes).0, true),
        },
    };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let traces = find_traces(&text, guessed);
    if traces.is_empty() {
        return Some(text);
    }
    for (code, trace) in traces {
        report(code, &trace, log);
    }
    None
}

#[derive(Default)]
struct Trace {
    /// The first lines concerned, with what was seen there.
    lines: Vec<(u32, String)>,
    lines_total: usize,
}

fn find_traces(text: &str, guessed: bool) -> BTreeMap<&'static str, Trace> {
    let mut traces: BTreeMap<&'static str, Trace> = BTreeMap::new();
    for (line, content) in (1_u32..).zip(text.split('\n')) {
        let Some((code, seen)) = trace_in(content, guessed) else {
            continue;
        };
        let trace = traces.entry(code).or_default();
        trace.lines_total += 1;
        if trace.lines.len() < MAX_ENCODING_LINES {
            trace.lines.push((line, seen));
        }
    }
    traces
}

fn trace_in(line: &str, guessed: bool) -> Option<(&'static str, String)> {
    let mut before = None;
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        let next = chars.peek().copied();
        if char == '\u{FFFD}' {
            return Some(("replacement_character", around(line, char)));
        }
        // Before the controls: the second half of a double encoding often is one of them.
        if is_mojibake(char, next) {
            return Some(("mojibake", around(line, char)));
        }
        if char.is_control() && char != '\t' {
            let code = if guessed && char >= '\u{80}' { "wrong_encoding" } else { "control_character" };
            return Some((code, format!("U+{:04X}", u32::from(char))));
        }
        if guessed && is_foreign(before, char, next) {
            return Some(("wrong_encoding", around(line, char)));
        }
        before = Some(char);
    }
    None
}

/// The word that contains a character, to show it to somebody who knows how it should read.
fn around(line: &str, trace: char) -> String {
    line.split([';', ',', '\t', '"', ' '])
        .find(|word| word.contains(trace))
        .map_or_else(|| quoted(&trace.to_string()), quoted)
}

/// UTF-8 read as Windows-1252 and saved again: « é » has become « Ã© », « ’ » has become « â€™ ».
fn is_mojibake(char: char, next: Option<char>) -> bool {
    match (char, next) {
        ('Â' | 'Ã' | 'Å', Some(next)) => is_continuation(next),
        ('â', Some('€')) | ('ï', Some('»')) => true,
        _ => false,
    }
}

/// What Windows-1252 makes of the bytes 0x80 to 0xBF, which in UTF-8 only continue a character.
fn is_continuation(char: char) -> bool {
    matches!(char, '\u{80}'..='\u{BF}') || "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ".contains(char)
}

/// Accents of DOS (CP850) or of an old Mac, read as Windows-1252: « Andr‚ », « AndrŽ ».
fn is_foreign(before: Option<char>, char: char, next: Option<char>) -> bool {
    let letter = |side: Option<char>| side.is_some_and(char::is_alphabetic);
    match char {
        '‚' | 'ƒ' | '„' | '†' | '‡' | 'ˆ' | '‰' | '˜' => letter(before) || letter(next),
        '…' | '“' | '”' => letter(before) && letter(next),
        // A capital inside a word that has small letters: « KŽvin », but neither « Žan » nor « KEŽ ».
        'Š' | 'Œ' | 'Ž' => {
            let small = |side: Option<char>| side.is_some_and(char::is_lowercase);
            letter(before) && (small(before) || small(next))
        }
        _ => false,
    }
}

fn report(code: &'static str, trace: &Trace, log: &mut Log<'_>) {
    let more = trace.lines_total - trace.lines.len();
    for (index, (line, seen)) in trace.lines.iter().enumerate() {
        let (mut message, remedy) = match code {
            "replacement_character" => {
                (format!("un caractère a été perdu avant l'envoi ({seen})"), SAVE_AS_UTF8)
            }
            "mojibake" => (
                format!("les accents sont abîmés ({seen})"),
                "Le fichier a été ouvert puis réenregistré dans un mauvais encodage. Repartez du \
                 fichier d'origine et enregistrez-le en « CSV UTF-8 » ou en XLSX.",
            ),
            "wrong_encoding" => (format!("l'encodage n'est ni UTF-8 ni Windows-1252 ({seen})"), SAVE_AS_UTF8),
            _ => (
                format!("caractère de contrôle interdit ({seen})"),
                "Effacez ce caractère, ou enregistrez de nouveau en « CSV UTF-8 » ou en XLSX.",
            ),
        };
        if more > 0 && index + 1 == trace.lines.len() {
            message.push_str(&format!(", comme {more} lignes plus loin"));
        }
        log.problem(At::line(*line), code, message, remedy);
    }
}
