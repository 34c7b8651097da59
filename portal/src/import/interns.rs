//! The call list: one row per intern.
//!
//! Invariant: e-mail addresses are unique, a competition year has one cohort size that no rank exceeds,
//! and call ranks, when the file has them, are 1 to n without hole or repeat. Deliberately absent: the
//! legal order and eligibility (`domain.md` 3.1), which need more than this file.

use super::Source;
use super::columns::{Column, Layout, recognise};
use super::fields::Fields;
use super::problem::{At, Imported, Log, Problems};
use super::table;
use super::text::{fold, quoted};
use amphi_engine::core::setup::Supernumerary;
use std::collections::HashMap;
use std::ops::RangeInclusive;

/// One intern of a call list, checked field by field and against all others of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedIntern {
    /// Line or spreadsheet row this intern stands on, from 1.
    pub line: u32,
    /// E-mail address in lower case; unique in the file.
    pub email: String,
    /// Last name, as written (NFC).
    pub last_name: String,
    /// First name, as written (NFC).
    pub first_name: String,
    /// Year of the national competition.
    pub competition_year: u16,
    /// Rank in that competition, 1 to `cohort_size`.
    pub national_rank: u32,
    /// Number of ranked candidates of that competition; the same for all interns of a year.
    pub cohort_size: u32,
    /// Whole validated semesters (seniority).
    pub validated_semesters: u8,
    /// Specialty (DES), as written.
    pub specialty: String,
    /// Subdivision, as written.
    pub subdivision: String,
    /// Individual extra time in percent of a turn (`A11`); 0 is none, 33 a third more.
    pub extra_time_percent: u16,
    /// Right to an extra seat (3.3), if any.
    pub supernumerary: Option<Supernumerary>,
    /// Position in the call list, when the file gives it: then all have one, 1 to n.
    pub call_rank: Option<u32>,
    /// Telephone number, as written.
    pub phone: Option<String>,
}

const EMAIL: &str = "email";
const LAST_NAME: &str = "nom";
const FIRST_NAME: &str = "prenom";
const COMPETITION_YEAR: &str = "annee_concours";
const NATIONAL_RANK: &str = "rang_national";
const COHORT_SIZE: &str = "effectif_promotion";
const VALIDATED_SEMESTERS: &str = "semestres_valides";
const SPECIALTY: &str = "des";
const SUBDIVISION: &str = "subdivision";
const EXTRA_TIME: &str = "majoration_temps";
const SUPERNUMERARY: &str = "surnombre";
const CALL_RANK: &str = "rang_appel";
const PHONE: &str = "telephone";

/// The competition exists in this form since the 1990s.
const COMPETITION_YEARS: RangeInclusive<u32> = 1990..=2100;
/// Ten times the largest cohort ever.
const COHORT_SIZES: RangeInclusive<u32> = 1..=100_000;
/// The longest internship has 12 semesters, leaves and a second one included 20.
const SEMESTERS: RangeInclusive<u32> = 0..=20;

const COLUMNS: [Column; 13] = [
    Column {
        name: EMAIL,
        compulsory: true,
        synonyms: &[
            "mail",
            "courriel",
            "adresseemail",
            "adressemail",
            "adressecourriel",
            "adresseelectronique",
        ],
    },
    Column { name: LAST_NAME, compulsory: true, synonyms: &["nomdefamille", "nomusuel", "nomdusage"] },
    Column { name: FIRST_NAME, compulsory: true, synonyms: &["prenoms", "prenomusuel"] },
    Column {
        name: COMPETITION_YEAR,
        compulsory: true,
        synonyms: &["anneeduconcours", "anneeecn", "anneedesecn", "anneeedn", "anneedesedn", "concours"],
    },
    Column {
        name: NATIONAL_RANK,
        compulsory: true,
        synonyms: &[
            "rang",
            "classement",
            "classementnational",
            "rangconcours",
            "rangecn",
            "rangedn",
            "rangdeclassement",
        ],
    },
    Column {
        name: COHORT_SIZE,
        compulsory: true,
        synonyms: &[
            "effectif",
            "effectifdelapromotion",
            "effectifpromo",
            "effectifconcours",
            "effectifduconcours",
            "nombredeclasses",
            "taillepromotion",
        ],
    },
    Column {
        name: VALIDATED_SEMESTERS,
        compulsory: true,
        synonyms: &[
            "anciennete",
            "nombredesemestresvalides",
            "nbsemestresvalides",
            "nbsemestres",
            "semestres",
        ],
    },
    Column {
        name: SPECIALTY,
        compulsory: true,
        synonyms: &["specialite", "discipline", "desspecialite", "specialitedes"],
    },
    Column {
        name: SUBDIVISION,
        compulsory: true,
        synonyms: &["subdivisiondinternat", "subdivisiondaffectation"],
    },
    Column {
        name: EXTRA_TIME,
        compulsory: false,
        synonyms: &["majorationdetemps", "majoration", "majorationdutemps", "tierstemps", "tempsmajore"],
    },
    Column {
        name: SUPERNUMERARY,
        compulsory: false,
        synonyms: &[
            "ensurnombre",
            "choixensurnombre",
            "typedesurnombre",
            "posteensurnombre",
            "stageensurnombre",
        ],
    },
    Column {
        name: CALL_RANK,
        compulsory: false,
        synonyms: &["rangdappel", "ordredappel", "ordreappel", "rangdanslalistedappel"],
    },
    Column {
        name: PHONE,
        compulsory: false,
        synonyms: &["tel", "portable", "mobile", "numerodetelephone", "telephoneportable", "telephonemobile"],
    },
];

/// Reads a call list.
///
/// # Errors
/// Everything that is wrong with the file, by line; then no row at all is returned.
pub fn read_interns(source: &Source<'_>) -> Result<Imported<ImportedIntern>, Problems> {
    let mut log = Log::new(source.file_name);
    let mut interns = Vec::new();
    if let Some(table) = table::read(source, &mut log)
        && let Some(layout) = recognise(&COLUMNS, &table, &mut log)
    {
        let mut others = Others::default();
        // A column that nobody filled in is a template's, not a call order.
        let has_call_ranks = layout.find(CALL_RANK).is_some_and(|(index, _, _)| {
            table.rows.iter().any(|row| row.cells.get(index).is_some_and(|cell| !cell.is_blank()))
        });
        let bounds = has_call_ranks.then(|| 1..=u32::try_from(table.rows.len()).unwrap_or(u32::MAX));
        for row in &table.rows {
            let mut fields = Fields::new(row, &layout, &mut log);
            let draft = Draft::read(row.line, &mut fields, bounds.as_ref());
            others.compare(&draft, &layout, &mut log);
            interns.extend(draft.complete());
        }
        if log.is_clean() {
            warn_minority(SPECIALTY, |intern| &intern.specialty, &interns, &layout, &mut log);
            warn_minority(SUBDIVISION, |intern| &intern.subdivision, &interns, &layout, &mut log);
        }
    }
    log.finish(interns)
}

/// Reads one intern from a form: fields by the names of the columns. They are held to the same rules as a
/// list's; specialty and subdivision are those of the amphi, and not asked for again.
///
/// # Errors
/// Everything that is wrong, by column.
pub fn read_one_intern(fields: &[(&str, &str)]) -> Result<ImportedIntern, Problems> {
    let mut writer = csv::WriterBuilder::new().delimiter(b';').from_writer(Vec::new());
    let same = [(SPECIALTY, "la même"), (SUBDIVISION, "la même")];
    let columns = || fields.iter().chain(&same);
    // Writing to memory does not fail; were it to, the empty table is a problem like any other.
    let _ = writer.write_record(columns().map(|(name, _)| *name));
    let _ = writer.write_record(columns().map(|(_, value)| *value));
    let bytes = writer.into_inner().unwrap_or_default();
    let mut read = read_interns(&Source { file_name: "formulaire", bytes: &bytes })?;
    Ok(read.rows.swap_remove(0))
}

/// A row with whatever fields of it are right, so that the others can be compared all the same.
struct Draft {
    line: u32,
    email: Option<String>,
    last_name: Option<String>,
    first_name: Option<String>,
    competition_year: Option<u16>,
    national_rank: Option<u32>,
    cohort_size: Option<u32>,
    validated_semesters: Option<u8>,
    specialty: Option<String>,
    subdivision: Option<String>,
    extra_time_percent: Option<u16>,
    supernumerary: Option<Option<Supernumerary>>,
    call_rank: Option<Option<u32>>,
    phone: Option<Option<String>>,
}

impl Draft {
    fn read(line: u32, fields: &mut Fields<'_, '_>, call_ranks: Option<&RangeInclusive<u32>>) -> Self {
        let mut draft = Self {
            line,
            email: fields.email(EMAIL),
            last_name: fields.name(LAST_NAME),
            first_name: fields.name(FIRST_NAME),
            competition_year: fields
                .whole(COMPETITION_YEAR, &COMPETITION_YEARS)
                .and_then(|year| u16::try_from(year).ok()),
            national_rank: fields.whole(NATIONAL_RANK, &COHORT_SIZES),
            cohort_size: fields.whole(COHORT_SIZE, &COHORT_SIZES),
            validated_semesters: fields
                .whole(VALIDATED_SEMESTERS, &SEMESTERS)
                .and_then(|semesters| u8::try_from(semesters).ok()),
            specialty: fields.text(SPECIALTY),
            subdivision: fields.text(SUBDIVISION),
            extra_time_percent: fields.extra_time_percent(EXTRA_TIME),
            supernumerary: fields.supernumerary(SUPERNUMERARY),
            call_rank: match call_ranks {
                Some(bounds) => fields.call_rank(CALL_RANK, bounds).map(Some),
                None => Some(None),
            },
            phone: fields.phone(PHONE),
        };
        if let (Some(rank), Some(size)) = (draft.national_rank, draft.cohort_size)
            && rank > size
        {
            draft.national_rank = fields.refuse(
                NATIONAL_RANK,
                "rank_beyond_cohort",
                format!("le rang {rank} dépasse l'effectif de la promotion ({size})"),
                "Corrigez le rang ou l'effectif ; les deux colonnes sont peut-être inversées.",
            );
        }
        draft
    }

    /// The intern, if every field is right.
    fn complete(self) -> Option<ImportedIntern> {
        Some(ImportedIntern {
            line: self.line,
            email: self.email?,
            last_name: self.last_name?,
            first_name: self.first_name?,
            competition_year: self.competition_year?,
            national_rank: self.national_rank?,
            cohort_size: self.cohort_size?,
            validated_semesters: self.validated_semesters?,
            specialty: self.specialty?,
            subdivision: self.subdivision?,
            extra_time_percent: self.extra_time_percent?,
            supernumerary: self.supernumerary?,
            call_rank: self.call_rank?,
            phone: self.phone?,
        })
    }
}

/// What earlier rows hold that a later one must not repeat or contradict; values are lines.
#[derive(Default)]
struct Others {
    emails: HashMap<String, u32>,
    /// By year, rank and folded name.
    persons: HashMap<(u16, u32, String), u32>,
    ranks: HashMap<(u16, u32), u32>,
    /// By year: the cohort size and the line that gave it.
    cohorts: HashMap<u16, (u32, u32)>,
    call_ranks: HashMap<u32, u32>,
}

impl Others {
    fn compare(&mut self, draft: &Draft, layout: &Layout, log: &mut Log<'_>) {
        let same_email = self.compare_email(draft, layout, log);
        self.compare_person(draft, same_email, layout, log);
        self.compare_cohort(draft, layout, log);
        self.compare_call_rank(draft, layout, log);
    }

    /// Whether another row has this address.
    fn compare_email(&mut self, draft: &Draft, layout: &Layout, log: &mut Log<'_>) -> bool {
        let Some(email) = &draft.email else {
            return false;
        };
        let first = *self.emails.entry(email.clone()).or_insert(draft.line);
        if first == draft.line {
            return false;
        }
        log.problem(
            At::cell(draft.line, layout.header(EMAIL)),
            "duplicate_email",
            format!("l'adresse {} figure déjà ligne {first}", quoted(email)),
            "Chaque interne a sa propre adresse : corrigez-la, ou retirez la ligne en double.",
        );
        true
    }

    fn compare_person(&mut self, draft: &Draft, same_email: bool, layout: &Layout, log: &mut Log<'_>) {
        let (Some(year), Some(rank)) = (draft.competition_year, draft.national_rank) else {
            return;
        };
        let (Some(last), Some(first)) = (&draft.last_name, &draft.first_name) else {
            return;
        };
        let name = fold(&format!("{last}{first}"));
        let same_rank = *self.ranks.entry((year, rank)).or_insert(draft.line);
        let same_person = *self.persons.entry((year, rank, name)).or_insert(draft.line);
        if same_email || same_rank == draft.line {
            return;
        }
        let at = At::cell(draft.line, layout.header(NATIONAL_RANK));
        if same_person == draft.line {
            // Happens for real (transfers, appeals): the legal order has its own tie-break.
            log.warning(
                at,
                "shared_rank",
                format!("le rang {rank} du concours {year} figure aussi ligne {same_rank}"),
                "Vérifiez les deux rangs ; s'ils sont exacts, il n'y a rien à faire.",
            );
        } else {
            log.problem(
                at,
                "duplicate_person",
                format!(
                    "{} figure déjà ligne {same_person} (même nom, même concours, même rang)",
                    quoted(&format!("{last} {first}"))
                ),
                "Retirez l'une des deux lignes.",
            );
        }
    }

    fn compare_cohort(&mut self, draft: &Draft, layout: &Layout, log: &mut Log<'_>) {
        let (Some(year), Some(size)) = (draft.competition_year, draft.cohort_size) else {
            return;
        };
        let (known, line) = *self.cohorts.entry(year).or_insert((size, draft.line));
        if known != size {
            log.problem(
                At::cell(draft.line, layout.header(COHORT_SIZE)),
                "cohort_size_conflict",
                format!("effectif {size} pour le concours {year}, mais {known} ligne {line}"),
                "Un concours n'a qu'un effectif : corrigez celle des deux lignes qui est fausse.",
            );
        }
    }

    fn compare_call_rank(&mut self, draft: &Draft, layout: &Layout, log: &mut Log<'_>) {
        let Some(Some(rank)) = draft.call_rank else {
            return;
        };
        let first = *self.call_ranks.entry(rank).or_insert(draft.line);
        if first != draft.line {
            log.problem(
                At::cell(draft.line, layout.header(CALL_RANK)),
                "duplicate_call_rank",
                format!("le rang d'appel {rank} figure déjà ligne {first}"),
                "Donnez à chaque interne un rang d'appel différent, de 1 au dernier.",
            );
        }
    }
}

/// Points out the rows that differ from more than half of the others: one list, one specialty.
fn warn_minority(
    column: &str,
    value: impl Fn(&ImportedIntern) -> &str,
    interns: &[ImportedIntern],
    layout: &Layout,
    log: &mut Log<'_>,
) {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for intern in interns {
        *counts.entry(value(intern)).or_default() += 1;
    }
    let majority = counts.into_iter().find(|(_, count)| count * 2 > interns.len()).map(|(text, _)| text);
    let Some(majority) = majority else {
        return;
    };
    for intern in interns {
        let text = value(intern);
        if text != majority {
            log.warning(
                At::cell(intern.line, layout.header(column)),
                "unlike_majority",
                format!("{} diffère de {}", quoted(text), quoted(majority)),
                "Vérifiez que cet interne est bien dans la bonne liste.",
            );
        }
    }
}
