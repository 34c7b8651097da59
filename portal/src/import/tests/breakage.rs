//! One table: a way to break a sample, and the line, column, code and words it must be told with.

use super::super::{Problems, Source, read_posts};
use super::{intern_problems, joined, post_problems, small};

struct Breakage {
    name: &'static str,
    file: &'static str,
    break_it: fn(&mut Vec<Vec<String>>),
    line: Option<u32>,
    column: Option<&'static str>,
    code: &'static str,
    says: &'static str,
}

fn set(cells: &mut [Vec<String>], line: usize, column: &str, value: &str) {
    let index = cells[0].iter().position(|header| header == column).unwrap();
    cells[line - 1][index] = value.to_owned();
}

fn add_column(cells: &mut [Vec<String>], header: &str, value: impl Fn(usize) -> String) {
    for (index, row) in cells.iter_mut().enumerate() {
        row.push(if index == 0 { header.to_owned() } else { value(index) });
    }
}

macro_rules! breakage {
    ($name:literal, $file:literal, $break_it:expr, $line:expr, $column:expr, $code:literal, $says:literal) => {
        Breakage {
            name: $name,
            file: concat!($file, ".csv"),
            break_it: $break_it,
            line: $line,
            column: $column,
            code: $code,
            says: $says,
        }
    };
}

#[rustfmt::skip]
const INTERN_BREAKAGES: &[Breakage] = &[
    breakage!("no @", "interns", |c| set(c, 3, "email", "tom.exemple.fr"), Some(3), Some("email"), "invalid_email", "« tom.exemple.fr »"),
    breakage!("two addresses", "interns", |c| set(c, 3, "email", "a@b.fr, c@d.fr"), Some(3), Some("email"), "invalid_email", "plusieurs"),
    breakage!("accent in address", "interns", |c| set(c, 3, "email", "hélène@b.fr"), Some(3), Some("email"), "invalid_email", "accent"),
    breakage!("no address", "interns", |c| set(c, 3, "email", " \u{A0}"), Some(3), Some("email"), "missing_value", "manque"),
    breakage!("address twice", "interns", |c| set(c, 9, "email", "NATHAN.joly876@exemple.fr"), Some(9), Some("email"), "duplicate_email", "ligne 2"),
    breakage!("person twice", "interns", |c| { let mut row = c[1].clone(); row[0] = "autre@exemple.fr".into(); row[1] = "Joly".into(); c.push(row); }, Some(14), Some("rang_national"), "duplicate_person", "ligne 2"),
    breakage!("no last name", "interns", |c| set(c, 4, "nom", ""), Some(4), Some("nom"), "missing_value", "manque"),
    breakage!("number as a name", "interns", |c| set(c, 4, "prenom", "1234"), Some(4), Some("prenom"), "invalid_name", "« 1234 »"),
    breakage!("formula as a name", "interns", |c| set(c, 4, "nom", "=B2"), Some(4), Some("nom"), "formula", "formule"),
    breakage!("formula sign in a name", "interns", |c| set(c, 4, "nom", "@SOMME(A1)"), Some(4), Some("nom"), "formula", "formule"),
    breakage!("lost accent", "interns", |c| set(c, 4, "nom", "Lef?vre"), Some(4), Some("nom"), "lost_character", "« Lef?vre »"),
    breakage!("invisible character", "interns", |c| set(c, 4, "nom", "Lef\u{200B}vre"), Some(4), Some("nom"), "invisible_character", "U+200B"),
    breakage!("endless name", "interns", |c| set(c, 4, "nom", &"A".repeat(201)), Some(4), Some("nom"), "too_long", "200"),
    breakage!("control character", "interns", |c| set(c, 4, "nom", "A\u{7}B"), Some(4), None, "control_character", "U+0007"),
    breakage!("year in letters", "interns", |c| set(c, 5, "annee_concours", "ECN 2022"), Some(5), Some("annee_concours"), "invalid_number", "« ECN 2022 »"),
    breakage!("year of another century", "interns", |c| set(c, 5, "annee_concours", "1922"), Some(5), Some("annee_concours"), "out_of_range", "« 1922 »"),
    breakage!("decimal rank", "interns", |c| set(c, 6, "rang_national", "12,5"), Some(6), Some("rang_national"), "invalid_number", "décimal"),
    breakage!("ordinal rank", "interns", |c| set(c, 6, "rang_national", "12e"), Some(6), Some("rang_national"), "invalid_number", "n'est pas un nombre entier"),
    breakage!("negative rank", "interns", |c| set(c, 6, "rang_national", "-12"), Some(6), Some("rang_national"), "invalid_number", "négatif"),
    breakage!("rank zero", "interns", |c| set(c, 6, "rang_national", "0"), Some(6), Some("rang_national"), "out_of_range", "« 0 »"),
    breakage!("badly grouped rank", "interns", |c| set(c, 6, "rang_national", "12 34"), Some(6), Some("rang_national"), "invalid_number", "groupé"),
    breakage!("enormous rank", "interns", |c| set(c, 6, "rang_national", "99999999999999999999"), Some(6), Some("rang_national"), "out_of_range", "hors limites"),
    breakage!("rank beyond cohort", "interns", |c| set(c, 2, "rang_national", "8920"), Some(2), Some("rang_national"), "rank_beyond_cohort", "8919"),
    breakage!("spreadsheet error", "interns", |c| set(c, 6, "rang_national", "#N/A"), Some(6), Some("rang_national"), "spreadsheet_error", "« #N/A »"),
    breakage!("two cohort sizes", "interns", |c| set(c, 4, "effectif_promotion", "8918"), Some(4), Some("effectif_promotion"), "cohort_size_conflict", "8919 ligne 2"),
    breakage!("too many semesters", "interns", |c| set(c, 7, "semestres_valides", "21"), Some(7), Some("semestres_valides"), "out_of_range", "« 21 »"),
    breakage!("no specialty", "interns", |c| set(c, 8, "des", ""), Some(8), Some("des"), "missing_value", "manque"),
    breakage!("no subdivision", "interns", |c| set(c, 8, "subdivision", ""), Some(8), Some("subdivision"), "missing_value", "manque"),
    breakage!("bare extra time", "interns", |c| set(c, 8, "majoration_temps", "33"), Some(8), Some("majoration_temps"), "invalid_extra_time", "« 33 »"),
    breakage!("half a line", "interns", |c| c[12].truncate(5), Some(13), None, "column_count", "5 colonnes trouvées, 10 attendues"),
    breakage!("a field too many", "interns", |c| c[2].insert(1, "Dr".into()), Some(3), None, "column_count", "11 colonnes trouvées"),
    breakage!("missing column", "interns", |c| for row in c { row.remove(4); }, Some(1), None, "missing_column", "« rang_national »"),
    breakage!("misspelt column", "interns", |c| set(c, 1, "rang_national", "rang natoinal"), Some(1), Some("rang natoinal"), "unknown_column", "vouliez-vous dire « rang_national » ?"),
    breakage!("foreign column", "interns", |c| add_column(c, "Lateralité", |_| "x".into()), Some(1), Some("Lateralité"), "unknown_column", "colonne inconnue"),
    breakage!("column twice", "interns", |c| add_column(c, "Courriel", |_| "a@b.fr".into()), Some(1), Some("Courriel"), "duplicate_column", "« email » (colonne A)"),
    breakage!("column without header", "interns", |c| add_column(c, "", |index| if index == 3 { "x".into() } else { String::new() }), Some(1), None, "empty_header", "la colonne K n'a pas de titre, mais contient une valeur ligne 4"),
    breakage!("no header", "interns", |c| { c.remove(0); }, Some(1), None, "no_header", "aucun titre"),
    breakage!("header only", "interns", |c| c.truncate(1), None, None, "no_rows", "aucune ligne"),
    breakage!("one column", "interns", |c| for row in c { row.truncate(1); }, Some(1), None, "no_separator", "une seule colonne"),
    breakage!("quote never closed", "interns", |c| set(c, 4, "nom", "\"Fournier"), Some(4), None, "unclosed_quote", "guillemet"),
    breakage!("two stray quotes", "interns", |c| { set(c, 4, "prenom", "\"Jules"); set(c, 5, "nom", "JOLY\""); }, Some(4), None, "unclosed_quote", "guillemet"),
    breakage!("quote in the middle", "interns", |c| set(c, 4, "nom", "\"Le\" Goff"), Some(4), None, "misplaced_quote", "guillemet"),
    breakage!("call rank twice", "interns", |c| add_column(c, "rang_appel", |index| index.min(11).to_string()), Some(13), Some("rang_appel"), "duplicate_call_rank", "ligne 12"),
    breakage!("hole in call ranks", "interns", |c| add_column(c, "Rang d'appel", |index| (index + usize::from(index == 12)).to_string()), Some(13), Some("Rang d'appel"), "out_of_range", "« 13 »"),
    breakage!("missing call rank", "interns", |c| add_column(c, "rang_appel", |index| if index == 5 { String::new() } else { index.to_string() }), Some(6), Some("rang_appel"), "missing_value", "rang d'appel"),
    breakage!("phone in letters", "interns", |c| add_column(c, "Tél.", |_| "sur demande".into()), Some(2), Some("Tél."), "invalid_phone", "« sur demande »"),
    breakage!("doubtful extra seat", "interns", |c| add_column(c, "Surnombre", |index| if index == 3 { "oui".into() } else { String::new() }), Some(4), Some("Surnombre"), "invalid_supernumerary", "« oui »"),
    breakage!("too many columns", "interns", |c| for _ in 0..60 { add_column(c, "x", |_| "y".into()); }, Some(1), None, "too_many_columns", "au plus 64"),
];

#[rustfmt::skip]
const POST_BREAKAGES: &[Breakage] = &[
    breakage!("no imotep", "posts", |c| set(c, 2, "imotep", ""), Some(2), Some("imotep"), "missing_value", "manque"),
    breakage!("imotep as a power of ten", "posts", |c| set(c, 2, "imotep", "1,1E+06"), Some(2), Some("imotep"), "invalid_imotep", "« 1,1E+06 »"),
    breakage!("imotep twice", "posts", |c| set(c, 6, "imotep", "1100001"), Some(6), Some("imotep"), "duplicate_imotep", "ligne 2"),
    breakage!("no establishment", "posts", |c| set(c, 3, "etablissement", ""), Some(3), Some("etablissement"), "missing_value", "manque"),
    breakage!("no service", "posts", |c| set(c, 3, "service", ""), Some(3), Some("service"), "missing_value", "manque"),
    breakage!("no seats", "posts", |c| set(c, 4, "places", ""), Some(4), Some("places"), "missing_value", "manque"),
    breakage!("seats in letters", "posts", |c| set(c, 4, "places", "deux"), Some(4), Some("places"), "invalid_number", "« deux »"),
    breakage!("too many seats", "posts", |c| set(c, 4, "places", "501"), Some(4), Some("places"), "out_of_range", "« 501 »"),
    breakage!("too many criteria", "posts", |c| set(c, 4, "criteres", &(0..21).map(|n| n.to_string()).collect::<Vec<_>>().join("|")), Some(4), Some("criteres"), "too_many_criteria", "21"),
    breakage!("the interns' file", "posts", |c| *c = small("interns.csv"), Some(1), None, "missing_column", "« imotep »"),
];

#[test]
fn every_breakage_is_told() {
    for breakage in INTERN_BREAKAGES.iter().chain(POST_BREAKAGES) {
        let mut cells = small(breakage.file);
        (breakage.break_it)(&mut cells);
        let text = joined(&cells, ";", "\r\n");
        let problems = match breakage.file {
            "interns.csv" => intern_problems(text.as_bytes()),
            _ => post_problems(text.as_bytes()),
        };
        let told = problems.iter().any(|problem| {
            problem.line == breakage.line
                && problem.column.as_deref() == breakage.column
                && problem.code == breakage.code
                && problem.message.contains(breakage.says)
                && !problem.remedy.is_empty()
                && problem.file == breakage.file
        });
        assert!(told, "{}: {problems:#?}", breakage.name);
    }
}

#[test]
fn one_breakage_is_one_problem() {
    // What follows from a breakage, and must not be told as well, would bury it.
    const SEVERAL: [&str; 4] =
        ["phone in letters", "two cohort sizes", "too many columns", "the interns' file"];
    for breakage in INTERN_BREAKAGES.iter().chain(POST_BREAKAGES) {
        if SEVERAL.contains(&breakage.name) {
            continue;
        }
        let mut cells = small(breakage.file);
        (breakage.break_it)(&mut cells);
        let text = joined(&cells, ";", "\r\n");
        let problems = match breakage.file {
            "interns.csv" => intern_problems(text.as_bytes()),
            _ => post_problems(text.as_bytes()),
        };
        assert_eq!(problems.len(), 1, "{}: {problems:#?}", breakage.name);
    }
}

#[test]
fn all_problems_come_at_once_and_by_line() {
    let mut cells = small("interns.csv");
    set(&mut cells, 9, "nom", "");
    set(&mut cells, 3, "rang_national", "x");
    set(&mut cells, 3, "email", "x");
    cells[5].truncate(3);
    let problems = intern_problems(joined(&cells, ";", "\r\n").as_bytes());
    let seen: Vec<_> = problems.iter().map(|problem| (problem.line, problem.code)).collect();
    assert_eq!(
        seen,
        [
            (Some(3), "invalid_email"),
            (Some(3), "invalid_number"),
            (Some(6), "column_count"),
            (Some(9), "missing_value"),
        ]
    );
}

#[test]
fn problems_read_well() {
    let mut cells = small("interns.csv");
    set(&mut cells, 12, "rang_national", "12a");
    let problems = Problems(intern_problems(joined(&cells, ";", "\r\n").as_bytes()));
    assert_eq!(
        problems.to_string(),
        "interns.csv, ligne 12, colonne « rang_national » : « 12a » n'est pas un nombre entier → \
         Donnez un nombre entier de 1 à 100000, en chiffres."
    );
    let many = Problems(vec![problems.0[0].clone(); 103]);
    let shown = many.to_string();
    assert_eq!(shown.lines().count(), 101);
    assert!(shown.ends_with("\net 3 autres"));
}

#[test]
fn other_kinds_of_file_are_named() {
    for (bytes, says) in [
        (&b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"[..], ".xls"),
        (b"%PDF-1.7", "PDF"),
        (b"\x89PNG\r\n\x1A\n", "image"),
        (b"\xFF\xD8\xFF\xE0", "image"),
        (b"{\\rtf1", "RTF"),
        (b"\n <!DOCTYPE html><table>", "page web"),
        (b"\xEF\xBB\xBF<?xml version=\"1.0\"?>", "XML"),
        (b"\x1F\x8B\x08", "archive"),
    ] {
        let problems = intern_problems(bytes);
        assert_eq!(problems[0].code, "unsupported_kind");
        assert!(problems[0].message.contains(says), "{}", problems[0].message);
        assert!(problems[0].remedy.contains("XLSX"));
    }
    for bytes in [&b""[..], b"  \r\n", b"\xEF\xBB\xBF"] {
        assert_eq!(intern_problems(bytes)[0].code, "no_rows");
    }
}

#[test]
fn no_stray_quote_swallows_a_row() {
    let cells = &small("posts.csv")[..4];
    let text = joined(cells, ";", "\n");
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    for (index, one) in places.iter().enumerate() {
        for other in &places[index..] {
            let mut broken = text.clone();
            broken.insert(*other, '"');
            broken.insert(*one, '"');
            let source = Source { file_name: "posts.csv", bytes: broken.as_bytes() };
            if let Ok(imported) = read_posts(&source) {
                assert_eq!(imported.rows.len(), 3, "{broken}");
            }
        }
    }
}
