//! One row, read field by field.
//!
//! Invariant: each reader gives a value that keeps its promise, or logs one problem and gives `None`;
//! so a row's fields are all read before the row is given up. Deliberately absent: rules between rows
//! ([`super::interns`], [`super::posts`]).

use super::columns::Layout;
use super::limits::{MAX_CRITERIA, MAX_FIELD_CHARS};
use super::problem::{At, Log};
use super::table::{Cell, Row};
use super::text::{Unclean, clean, fold, quoted};
use super::{email, numbers};
use amphi_engine::core::setup::Supernumerary;
use std::ops::RangeInclusive;

/// Digits of a telephone number (E.164 allows 15; the shortest national ones here have 6).
const PHONE_DIGITS: RangeInclusive<usize> = 6..=15;

/// Letters and digits of a placement site's number; the official ones have 7, local ones vary.
const IMOTEP_CHARS: RangeInclusive<usize> = 4..=20;

/// Reads the fields of one row.
pub(super) struct Fields<'a, 'file> {
    row: &'a Row,
    layout: &'a Layout,
    log: &'a mut Log<'file>,
}

impl<'a, 'file> Fields<'a, 'file> {
    pub(super) fn new(row: &'a Row, layout: &'a Layout, log: &'a mut Log<'file>) -> Self {
        Self { row, layout, log }
    }

    /// Logs a problem of this row's cell in a column.
    pub(super) fn refuse<T>(
        &mut self,
        column: &'a str,
        code: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Option<T> {
        let at = At::cell(self.row.line, self.layout.header(column));
        self.log.problem(at, code, message, remedy);
        None
    }

    fn warn(&mut self, column: &'a str, code: &'static str, message: String, remedy: &str) {
        let at = At::cell(self.row.line, self.layout.header(column));
        self.log.warning(at, code, message, remedy);
    }

    /// The clean text of a cell; empty only where the column may be empty.
    fn value(&mut self, column: &'a str) -> Option<String> {
        let Some((index, _, compulsory)) = self.layout.find(column) else {
            return Some(String::new());
        };
        let row = self.row;
        let text = match row.cells.get(index) {
            Some(Cell::Text(text)) => text,
            Some(Cell::Date) => {
                return self.refuse(
                    column,
                    "date_cell",
                    "la cellule contient une date",
                    "Mettez la colonne au format « Texte » ou « Nombre », puis saisissez la valeur \
                     de nouveau.",
                );
            }
            Some(Cell::Error(error)) => return self.spreadsheet_error(column, error),
            None => "",
        };
        match clean(text) {
            Ok(text) if text.is_empty() && compulsory => {
                self.refuse(column, "missing_value", "la valeur manque", "Renseignez cette cellule.")
            }
            Ok(text) if text.starts_with('=') => self.refuse(
                column,
                "formula",
                format!("{} est une formule", quoted(&text)),
                "Remplacez la formule par sa valeur (collage spécial, valeurs).",
            ),
            Ok(text) if is_spreadsheet_error(&text) => self.spreadsheet_error(column, &text),
            Ok(text) => Some(text),
            Err(reason) => self.unclean(column, text, &reason),
        }
    }

    fn spreadsheet_error<T>(&mut self, column: &'a str, error: &str) -> Option<T> {
        self.refuse(
            column,
            "spreadsheet_error",
            format!("le tableur signale une erreur : {}", quoted(error)),
            "Corrigez la formule ou saisissez la valeur.",
        )
    }

    fn unclean<T>(&mut self, column: &'a str, text: &str, reason: &Unclean) -> Option<T> {
        match reason {
            Unclean::Control(char) => self.refuse(
                column,
                "control_character",
                format!("caractère de contrôle U+{:04X} dans {}", u32::from(*char), quoted(text)),
                "Effacez la cellule et saisissez la valeur de nouveau.",
            ),
            Unclean::Invisible(char) => self.refuse(
                column,
                "invisible_character",
                format!("caractère invisible U+{:04X} dans {}", u32::from(*char), quoted(text)),
                "Effacez la cellule et saisissez la valeur de nouveau.",
            ),
            Unclean::TooLong => self.refuse(
                column,
                "too_long",
                format!("texte de plus de {MAX_FIELD_CHARS} caractères : {}", quoted(text.trim())),
                "Raccourcissez ce texte ; vérifiez que les guillemets de la ligne vont par deux.",
            ),
        }
    }

    /// A text; empty when the column is optional and has nothing.
    pub(super) fn text(&mut self, column: &'a str) -> Option<String> {
        let text = self.value(column)?;
        // Such a text would become a formula in the spreadsheet that opens our export.
        if text.starts_with(['@', '+']) {
            return self.refuse(
                column,
                "formula",
                format!("{} serait lu comme une formule", quoted(&text)),
                "Retirez le signe placé au début.",
            );
        }
        if has_lost_character(&text) {
            return self.refuse(
                column,
                "lost_character",
                format!("{} contient « ? » à la place d'une lettre", quoted(&text)),
                "Un accent a été perdu : saisissez la valeur de nouveau, ou repartez du fichier \
                 d'origine en « CSV UTF-8 » ou en XLSX.",
            );
        }
        Some(text)
    }

    /// A person's name, which has a letter in it.
    pub(super) fn name(&mut self, column: &'a str) -> Option<String> {
        let name = self.text(column)?;
        if name.chars().any(char::is_alphabetic) {
            return Some(name);
        }
        self.refuse(
            column,
            "invalid_name",
            format!("{} n'est pas un nom", quoted(&name)),
            "Saisissez le nom.",
        )
    }

    pub(super) fn email(&mut self, column: &'a str) -> Option<String> {
        let text = self.value(column)?;
        match email::normalise(&text) {
            Ok(address) => Some(address),
            Err(reason) => self.refuse(
                column,
                "invalid_email",
                format!("{} {reason}", quoted(&text)),
                "Donnez une seule adresse, par exemple prenom.nom@exemple.fr.",
            ),
        }
    }

    pub(super) fn whole(&mut self, column: &'a str, bounds: &RangeInclusive<u32>) -> Option<u32> {
        let text = self.value(column)?;
        match numbers::whole(&text) {
            Ok(number) if bounds.contains(&number) => Some(number),
            Ok(_) | Err(numbers::NotWhole::Huge) => self.refuse(
                column,
                "out_of_range",
                format!("{} est hors limites", quoted(&text)),
                format!("Donnez un nombre entier de {} à {}.", bounds.start(), bounds.end()),
            ),
            Err(reason) => self.refuse(
                column,
                "invalid_number",
                format!("{} {}", quoted(&text), reason.reason()),
                format!("Donnez un nombre entier de {} à {}, en chiffres.", bounds.start(), bounds.end()),
            ),
        }
    }

    /// A position in the call list, which every row has as soon as one row has it.
    pub(super) fn call_rank(&mut self, column: &'a str, bounds: &RangeInclusive<u32>) -> Option<u32> {
        if self.value(column)?.is_empty() {
            return self.refuse(
                column,
                "missing_value",
                "le rang d'appel manque",
                "Donnez un rang d'appel à chaque interne, ou videz toute la colonne.",
            );
        }
        self.whole(column, bounds)
    }

    pub(super) fn extra_time_percent(&mut self, column: &'a str) -> Option<u16> {
        let text = self.value(column)?;
        numbers::extra_time_percent(&text).or_else(|| {
            self.refuse(
                column,
                "invalid_extra_time",
                format!("{} n'est pas une majoration de temps", quoted(&text)),
                "Laissez vide s'il n'y en a pas ; sinon écrivez un coefficient de 1 à 3 (1,33) ou un \
                 pourcentage en plus (33 %).",
            )
        })
    }

    /// A right to an extra seat; none where nothing, or « non », is written.
    ///
    /// « Oui » alone is refused: whether the semester counts changes what may be chosen (3.3).
    pub(super) fn supernumerary(&mut self, column: &'a str) -> Option<Option<Supernumerary>> {
        let text = self.value(column)?;
        match fold(&text).as_str() {
            "" | "non" | "aucun" => Some(None),
            "validant" | "surnombrevalidant" => Some(Some(Supernumerary::Validating)),
            "nonvalidant" | "surnombrenonvalidant" => Some(Some(Supernumerary::NonValidating)),
            _ => self.refuse(
                column,
                "invalid_supernumerary",
                format!("{} n'est pas un surnombre", quoted(&text)),
                "Laissez vide s'il n'y en a pas ; sinon écrivez « validant » ou « non validant ».",
            ),
        }
    }

    /// A telephone number as it was typed; a spreadsheet's lost zero is pointed out, not put back.
    pub(super) fn phone(&mut self, column: &'a str) -> Option<Option<String>> {
        let text = self.value(column)?;
        if text.is_empty() {
            return Some(None);
        }
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let allowed = |char: char| char.is_ascii_digit() || " .-/()+".contains(char);
        let plus_first = text.rfind('+').is_none_or(|index| index == 0);
        if !text.chars().all(allowed) || !plus_first || !PHONE_DIGITS.contains(&digits) {
            return self.refuse(
                column,
                "invalid_phone",
                format!("{} n'est pas un numéro de téléphone", quoted(&text)),
                "Donnez un seul numéro, par exemple 06 12 34 56 78 ou +33 6 12 34 56 78.",
            );
        }
        if digits == 9 && text.len() == 9 && !text.starts_with('0') {
            self.warn(
                column,
                "phone_without_zero",
                format!("le zéro initial de {} semble perdu", quoted(&text)),
                "Mettez la colonne au format « Texte » et saisissez le numéro de nouveau.",
            );
        }
        Some(Some(text))
    }

    /// A placement site's number, without spaces and in capitals.
    pub(super) fn imotep(&mut self, column: &'a str) -> Option<String> {
        let text = self.value(column)?;
        let number: String =
            text.chars().filter(|char| *char != ' ').map(|char| char.to_ascii_uppercase()).collect();
        if IMOTEP_CHARS.contains(&number.len()) && number.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Some(number);
        }
        self.refuse(
            column,
            "invalid_imotep",
            format!("{} n'est pas un numéro IMOTEP", quoted(&text)),
            format!(
                "Donnez {} à {} chiffres ou lettres ; mettez la colonne au format « Texte » si le \
                 tableur a changé le numéro.",
                IMOTEP_CHARS.start(),
                IMOTEP_CHARS.end()
            ),
        )
    }

    /// Criteria separated by `|`, `;` or `,`, each once, in the file's order.
    pub(super) fn criteria(&mut self, column: &'a str) -> Option<Vec<String>> {
        let text = self.text(column)?;
        let mut criteria: Vec<String> = Vec::new();
        for criterion in text.split(['|', ';', ',']).map(str::trim) {
            if !criterion.is_empty() && !criteria.iter().any(|known| known == criterion) {
                criteria.push(criterion.to_owned());
            }
        }
        if criteria.len() > MAX_CRITERIA {
            return self.refuse(
                column,
                "too_many_criteria",
                format!("{} critères, au plus {MAX_CRITERIA}", criteria.len()),
                "Gardez ceux qui servent au choix.",
            );
        }
        Some(criteria)
    }
}

/// What a spreadsheet writes in a CSV for a cell it cannot compute or show.
fn is_spreadsheet_error(text: &str) -> bool {
    text.strip_prefix('#').is_some_and(|rest| {
        rest == "N/A"
            || (rest.ends_with(['!', '?']) && !rest.contains(' '))
            || rest.bytes().all(|byte| byte == b'#')
    })
}

/// « H?l?ne »: a conversion put a question mark for each letter it did not know.
fn has_lost_character(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    chars.windows(3).any(|three| three[0].is_alphabetic() && three[1] == '?' && three[2].is_alphabetic())
}
