//! The type of the printed minutes: which glyphs, how wide, where lines break.
//!
//! One glyph per character, without kerning: enough for tables of names, and nothing to go wrong. A
//! letter that the face has not is written without its accents, and at the very worst as a box; the
//! text underneath, for search and screen readers, stays as it was.

use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::instance::{LocationRef, Size};
use skrifa::metrics::GlyphMetrics;
use skrifa::{FontRef, MetadataProvider as _, charmap::Charmap};
use unicode_normalization::UnicodeNormalization as _;

static REGULAR: &[u8] = include_bytes!("../../../fonts/amphi-text-regular.ttf");
static BOLD: &[u8] = include_bytes!("../../../fonts/amphi-text-bold.ttf");

/// Stands for a character that cannot be drawn in any way.
const BOX: char = '□';

/// How heavy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// For reading.
    Regular,
    /// For finding.
    Bold,
}

/// The two faces of the minutes.
pub struct TypeFaces {
    regular: Face,
    bold: Face,
}

struct Face {
    font: Font,
    characters: Charmap<'static>,
    metrics: GlyphMetrics<'static>,
    units_per_em: f32,
}

impl Face {
    fn of(bytes: &'static [u8]) -> Self {
        let font = Font::new(bytes.to_vec().into(), 0).expect("the committed font can be read");
        let reference = FontRef::new(bytes).expect("the committed font can be read");
        Self {
            units_per_em: font.units_per_em(),
            font,
            characters: reference.charmap(),
            metrics: reference.glyph_metrics(Size::unscaled(), LocationRef::default()),
        }
    }

    /// The glyph of `character`, and its width in ems.
    fn glyph(&self, character: char) -> (skrifa::GlyphId, f32) {
        let plain = || character.nfd().next().and_then(|base| self.characters.map(base));
        let glyph = self.characters.map(character).or_else(plain).or_else(|| self.characters.map(BOX));
        let glyph = glyph.expect("the committed font has a box");
        (glyph, self.metrics.advance_width(glyph).unwrap_or(0.0) / self.units_per_em)
    }
}

impl TypeFaces {
    /// Both faces, read from the binary.
    pub fn load() -> Self {
        Self { regular: Face::of(REGULAR), bold: Face::of(BOLD) }
    }

    fn face(&self, weight: Weight) -> &Face {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }

    /// What draws text of this weight.
    pub fn font(&self, weight: Weight) -> Font {
        self.face(weight).font.clone()
    }

    /// How wide `text` is at `size`, in points.
    pub fn width(&self, weight: Weight, size: f32, text: &str) -> f32 {
        let face = self.face(weight);
        text.chars().map(|character| face.glyph(character).1).sum::<f32>() * size
    }

    /// The glyphs of `text`, each with the characters it stands for.
    pub fn glyphs(&self, weight: Weight, text: &str) -> Vec<KrillaGlyph> {
        let face = self.face(weight);
        let glyph = |(start, character): (usize, char)| {
            let (id, advance) = face.glyph(character);
            let range = start..start + character.len_utf8();
            KrillaGlyph::new(GlyphId::new(id.to_u32()), advance, 0.0, 0.0, 0.0, range, None)
        };
        text.char_indices().map(glyph).collect()
    }

    /// The longest stretch of `text` that cannot be broken, in points.
    pub fn widest_word(&self, weight: Weight, size: f32, text: &str) -> f32 {
        pieces(text).map(|piece| self.width(weight, size, piece.trim_end_matches(' '))).fold(0.0, f32::max)
    }

    /// `text` in lines of at most `width` points; a word that is longer than a line is cut.
    pub fn wrap(&self, weight: Weight, size: f32, text: &str, width: f32) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut line = String::new();
        for piece in pieces(text) {
            let longer = format!("{line}{piece}");
            if self.width(weight, size, longer.trim_end_matches(' ')) <= width {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            let mut rest = piece;
            while self.width(weight, size, rest.trim_end_matches(' ')) > width {
                let cut = self.fitting(weight, size, rest, width);
                lines.push(rest[..cut].to_owned());
                rest = &rest[cut..];
            }
            line = rest.to_owned();
        }
        lines.push(line);
        lines
    }

    /// How many bytes of `text` fit in `width`: at least one character, so that cutting comes to an end.
    fn fitting(&self, weight: Weight, size: f32, text: &str, width: f32) -> usize {
        let face = self.face(weight);
        let mut used = 0.0;
        for (start, character) in text.char_indices() {
            used += face.glyph(character).1 * size;
            if used > width && start > 0 {
                return start;
            }
        }
        text.len()
    }
}

/// `text` cut after each place where a line may end: a space or a hyphen. Both stay with the word before
/// them, so that the pieces together are the text.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([' ', '-'])
}

/// `text` as it can be set: composed, on one line, without controls.
pub fn settable(text: &str) -> String {
    let plain = |c: char| if c.is_control() || c == '\u{feff}' || c == '\u{fffe}' { ' ' } else { c };
    text.nfc().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_hold_the_whole_text_and_none_is_too_wide() {
        let faces = TypeFaces::load();
        let text = "Hôpital intercommunal Robert-Ballanger, médecine d’urgence et unité de très très longue durée \
                    anticonstitutionnellementanticonstitutionnellement fin";
        for width in [30.0, 60.0, 200.0, 1_000.0] {
            let lines = faces.wrap(Weight::Regular, 9.0, text, width);
            assert_eq!(lines.concat(), text, "{width}");
            for line in &lines {
                let wide = faces.width(Weight::Regular, 9.0, line.trim_end_matches(' '));
                assert!(wide <= width, "{line:?} is {wide} points wide, of {width}");
            }
        }
        assert_eq!(faces.wrap(Weight::Bold, 9.0, "", 10.0), [""]);
    }

    #[test]
    fn digits_have_one_width_and_every_letter_some_glyph() {
        let faces = TypeFaces::load();
        let one = faces.width(Weight::Regular, 10.0, "0");
        for digit in '1'..='9' {
            assert!((faces.width(Weight::Regular, 10.0, &digit.to_string()) - one).abs() < 1e-4);
        }
        for text in ["ŒUVRÉ Çağla Nguyễn Łukasz", "Ελένη Жанна", "李 🙂 \u{e000}"] {
            let glyphs = faces.glyphs(Weight::Bold, text);
            assert_eq!(glyphs.len(), text.chars().count());
            assert!(glyphs.iter().all(|glyph| glyph.glyph_id.to_u32() != 0), "{text}");
        }
    }
}
