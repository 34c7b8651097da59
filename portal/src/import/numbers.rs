//! Numbers as people type them: whole numbers and extra time.
//!
//! Invariant: what is read is exactly what was meant, or nothing is read; no float is ever involved.
//! Deliberately absent: decimals that happen to be whole (`12,0`), other digits than 0 to 9, roundings
//! other than that of a third to a whole percent.

use super::text::fold;

/// Why a text is not the whole number it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotWhole {
    Letters,
    Decimal,
    Negative,
    Grouping,
    /// More digits than any bound of ours has.
    Huge,
}

impl NotWhole {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Letters => "n'est pas un nombre entier",
            Self::Decimal => "est un nombre décimal ; un nombre entier est attendu",
            Self::Negative => "est un nombre négatif",
            Self::Grouping => "est mal groupé (les milliers vont par trois chiffres)",
            Self::Huge => "est un nombre beaucoup trop grand",
        }
    }
}

/// A whole number, with or without spaces between thousands; the text is already clean.
pub(super) fn whole(text: &str) -> Result<u32, NotWhole> {
    if let Some(rest) = text.strip_prefix(['-', '−', '–']) {
        return Err(match whole(rest.trim_start()) {
            Ok(_) => NotWhole::Negative,
            Err(reason) => reason,
        });
    }
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !text.split(' ').all(is_digits) {
        let decimal = text
            .split_once([',', '.'])
            .is_some_and(|(units, rest)| is_digits(&units.replace(' ', "")) && is_digits(rest));
        return Err(if decimal { NotWhole::Decimal } else { NotWhole::Letters });
    }
    let mut groups = text.split(' ');
    let first = groups.next().unwrap_or_default();
    let mut digits = first.to_owned();
    for group in groups {
        if group.len() != 3 || first.len() > 3 {
            return Err(NotWhole::Grouping);
        }
        digits.push_str(group);
    }
    digits.parse().map_err(|_| NotWhole::Huge)
}

/// A third more time, the measure that « tiers temps » means.
const THIRD_PERCENT: u16 = 33;

/// Largest factor of a turn's duration, in percent of it: three times as long.
const FACTOR_MAX_PERCENT: u32 = 300;

/// Extra time in percent of a turn, from a factor (1,33), a share (33 %) or a word (oui).
///
/// `None` when the text is none of these. A bare number above 3 (« 33 ») is refused: it would be read
/// as a factor by one person and as a share by another.
pub(super) fn extra_time_percent(text: &str) -> Option<u16> {
    let compact: String = text.chars().filter(|char| *char != ' ').collect();
    match compact.as_str() {
        "" | "-" => return Some(0),
        "1/3" => return Some(THIRD_PERCENT),
        _ => {}
    }
    match fold(&compact).as_str() {
        "non" | "faux" | "aucun" | "aucune" | "sans" | "neant" => return Some(0),
        "oui" | "vrai" | "x" | "tierstemps" | "untierstemps" | "untiers" => {
            return Some(THIRD_PERCENT);
        }
        _ => {}
    }
    let percent = if let Some(share) = compact.strip_suffix('%') {
        let share = hundredths(share.strip_prefix('+').unwrap_or(share))?;
        // From 100 % on, nobody can tell 133 % of the time from 133 % more of it.
        let percent = (share + 50) / 100;
        (percent < 100).then_some(percent)?
    } else {
        match hundredths(&compact)? {
            // A spreadsheet stores 33 % as 0.33.
            share @ 0..=99 => share,
            factor @ 100..=FACTOR_MAX_PERCENT => factor - 100,
            _ => return None,
        }
    };
    u16::try_from(percent).ok()
}

/// A decimal of at most three digits before the mark, in hundredths, rounded to the nearest.
fn hundredths(text: &str) -> Option<u32> {
    let (units, decimals) = text.split_once([',', '.']).unwrap_or((text, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(units) || !is_digits(decimals) || units.len() > 3 {
        return None;
    }
    let units: u32 = units.parse().ok()?;
    let digit = |index: usize| decimals.as_bytes().get(index).map_or(0, |byte| u32::from(byte - b'0'));
    let rounded = u32::from(digit(2) >= 5);
    Some(units * 100 + digit(0) * 10 + digit(1) + rounded)
}

#[cfg(test)]
mod tests {
    use super::{NotWhole, extra_time_percent, whole};

    #[test]
    fn whole_numbers() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("3070", Ok(3070)),
            ("007", Ok(7)),
            ("1 234", Ok(1234)),
            ("12 345 678", Ok(12_345_678)),
            ("12 34", Err(NotWhole::Grouping)),
            ("1234 567", Err(NotWhole::Grouping)),
            ("12,5", Err(NotWhole::Decimal)),
            ("12.0", Err(NotWhole::Decimal)),
            ("-3", Err(NotWhole::Negative)),
            ("-x", Err(NotWhole::Letters)),
            ("+3", Err(NotWhole::Letters)),
            ("12e", Err(NotWhole::Letters)),
            ("1e5", Err(NotWhole::Letters)),
            ("", Err(NotWhole::Letters)),
            ("٣", Err(NotWhole::Letters)),
            ("99999999999", Err(NotWhole::Huge)),
        ] {
            assert_eq!(whole(text), expected, "{text:?}");
        }
    }

    #[test]
    fn extra_time() {
        for (text, expected) in [
            ("", Some(0)),
            ("1", Some(0)),
            ("1,0", Some(0)),
            ("0", Some(0)),
            ("non", Some(0)),
            ("1.33", Some(33)),
            ("1,33", Some(33)),
            ("1.3333333333333333", Some(33)),
            ("33 %", Some(33)),
            ("33%", Some(33)),
            ("+33 %", Some(33)),
            ("33,3 %", Some(33)),
            ("0.33", Some(33)),
            ("1,5", Some(50)),
            ("3", Some(200)),
            ("1/3", Some(33)),
            ("oui", Some(33)),
            ("Tiers-temps", Some(33)),
            ("un tiers temps", Some(33)),
            ("VRAI", Some(33)),
            ("3,01", None),
            ("33", None),
            ("133 %", None),
            ("100 %", None),
            ("-1", None),
            ("beaucoup", None),
            ("%", None),
            ("1,", None),
        ] {
            assert_eq!(extra_time_percent(text), expected, "{text:?}");
        }
    }
}
