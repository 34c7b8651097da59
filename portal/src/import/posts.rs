//! The list of posts: one row per placement site opened, with its seats.
//!
//! Invariant: IMOTEP numbers are unique. Deliberately absent: the 107 % rule and the match with the
//! call list (`domain.md` 3.1), which need both files.

use super::Source;
use super::columns::{Column, Layout, recognise};
use super::fields::Fields;
use super::problem::{At, Imported, Log, Problems};
use super::table;
use super::text::quoted;
use std::collections::HashMap;
use std::ops::RangeInclusive;

/// One post of an amphi: a placement site and its seats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedPost {
    /// Line or spreadsheet row this post stands on, from 1.
    pub line: u32,
    /// Official number of the placement site, without spaces, in capitals; unique in the file.
    pub imotep: String,
    /// Hospital or practice.
    pub establishment: String,
    /// Ward.
    pub service: String,
    /// Specialty (DES), as written; empty when the file has no such column or value.
    pub specialty: String,
    /// Phase of the internship, as written; empty when the file has no such column or value.
    pub phase: String,
    /// Seats opened; 0 is legal and warned about.
    pub seats: u16,
    /// Criteria of the site (approvals, kind of hospital, duty…), each once, in the file's order.
    pub criteria: Vec<String>,
}

const IMOTEP: &str = "imotep";
const ESTABLISHMENT: &str = "etablissement";
const SERVICE: &str = "service";
const SPECIALTY: &str = "des";
const PHASE: &str = "phase";
const SEATS: &str = "places";
const CRITERIA: &str = "criteres";

/// Five times the seats of the largest ward known; more is a column mixed up.
const SEATS_OPENED: RangeInclusive<u32> = 0..=500;

const COLUMNS: [Column; 7] = [
    Column {
        name: IMOTEP,
        compulsory: true,
        synonyms: &[
            "nimotep",
            "noimotep",
            "numeroimotep",
            "numimotep",
            "codeimotep",
            "idimotep",
            "identifiantimotep",
        ],
    },
    Column {
        name: ESTABLISHMENT,
        compulsory: true,
        synonyms: &[
            "hopital",
            "structure",
            "nometablissement",
            "nomdeletablissement",
            "etablissementdesante",
        ],
    },
    Column {
        name: SERVICE,
        compulsory: true,
        synonyms: &[
            "terrain",
            "terraindestage",
            "intitule",
            "nomduservice",
            "intituleduservice",
            "stage",
            "lieudestage",
        ],
    },
    Column {
        name: SPECIALTY,
        compulsory: false,
        synonyms: &["specialite", "discipline", "desspecialite", "specialitedes"],
    },
    Column { name: PHASE, compulsory: false, synonyms: &["phasedinternat", "phasedudes"] },
    Column {
        name: SEATS,
        compulsory: true,
        synonyms: &[
            "place",
            "postes",
            "nombredepostes",
            "nbpostes",
            "nbdepostes",
            "nombredeplaces",
            "nbplaces",
            "nbdeplaces",
            "postesouverts",
            "placesouvertes",
            "capacite",
        ],
    },
    Column { name: CRITERIA, compulsory: false, synonyms: &["critere", "agrement", "agrements"] },
];

/// Reads a list of posts.
///
/// # Errors
/// Everything that is wrong with the file, by line; then no row at all is returned.
pub fn read_posts(source: &Source<'_>) -> Result<Imported<ImportedPost>, Problems> {
    let mut log = Log::new(source.file_name);
    let mut posts = Vec::new();
    if let Some(table) = table::read(source, &mut log)
        && let Some(layout) = recognise(&COLUMNS, &table, &mut log)
    {
        let mut imoteps = HashMap::new();
        for row in &table.rows {
            let mut fields = Fields::new(row, &layout, &mut log);
            let (imotep, post) = read_post(row.line, &mut fields);
            if let Some(imotep) = imotep {
                compare_imotep(&imotep, row.line, &mut imoteps, &layout, &mut log);
            }
            posts.extend(post);
        }
        warn_about(&posts, &layout, &mut log);
    }
    log.finish(posts)
}

/// The post if every field is right, and its number even if others are not.
fn read_post(line: u32, fields: &mut Fields<'_, '_>) -> (Option<String>, Option<ImportedPost>) {
    let imotep = fields.imotep(IMOTEP);
    let establishment = fields.text(ESTABLISHMENT);
    let service = fields.text(SERVICE);
    let specialty = fields.text(SPECIALTY);
    let phase = fields.text(PHASE);
    let seats = fields.whole(SEATS, &SEATS_OPENED).and_then(|seats| u16::try_from(seats).ok());
    let criteria = fields.criteria(CRITERIA);
    let complete = |imotep| {
        Some(ImportedPost {
            line,
            imotep,
            establishment: establishment?,
            service: service?,
            specialty: specialty?,
            phase: phase?,
            seats: seats?,
            criteria: criteria?,
        })
    };
    (imotep.clone(), imotep.and_then(complete))
}

fn compare_imotep(
    imotep: &str,
    line: u32,
    imoteps: &mut HashMap<String, u32>,
    layout: &Layout,
    log: &mut Log<'_>,
) {
    let first = *imoteps.entry(imotep.to_owned()).or_insert(line);
    if first != line {
        log.problem(
            At::cell(line, layout.header(IMOTEP)),
            "duplicate_imotep",
            format!("le numéro {} figure déjà ligne {first}", quoted(imotep)),
            "Réunissez les deux lignes en ajoutant leurs places, ou corrigez le numéro.",
        );
    }
}

fn warn_about(posts: &[ImportedPost], layout: &Layout, log: &mut Log<'_>) {
    let usual = usual_imotep_length(posts);
    for post in posts {
        if post.seats == 0 {
            log.warning(
                At::cell(post.line, layout.header(SEATS)),
                "no_seats",
                "aucune place n'est ouverte sur ce poste",
                "S'il doit rester fermé, il n'y a rien à faire.",
            );
        }
        if usual.is_some_and(|length| length > post.imotep.len()) {
            log.warning(
                At::cell(post.line, layout.header(IMOTEP)),
                "short_imotep",
                format!("le numéro {} est plus court que les autres", quoted(&post.imotep)),
                "Vérifiez qu'un zéro initial n'a pas été retiré par le tableur.",
            );
        }
    }
}

/// The length that nine numbers in ten have, if there is one.
fn usual_imotep_length(posts: &[ImportedPost]) -> Option<usize> {
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for post in posts {
        *counts.entry(post.imotep.len()).or_default() += 1;
    }
    counts.into_iter().find(|(_, count)| count * 10 >= posts.len() * 9).map(|(length, _)| length)
}
