//! The manifest of `amphi import`: one line per amphi, as a national agency keeps it in a spreadsheet.
//!
//! Invariant: either every line is right, its two lists included, and all come back; or nothing does but everything
//! that is wrong, each with its line and its column. Absent: the database; nothing is written before all is read.

use std::collections::HashMap;
use std::path::Path;

use amphi_engine::core::Millis;
use amphi_engine::core::call_list::RankBasis;
use amphi_portal::drafting::{Frame, in_call_order};
use amphi_portal::import::{ImportedIntern, ImportedPost};
use clap::Parser;
use csv::StringRecord;

use crate::import::{Lists, parse_period, parse_zone, sound_draft};
use crate::opening::{parse_duration, parse_opening};
use crate::policies::PolicyArguments;

/// A manifest of all French amphis is some 500 KiB.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Between the days of a cell.
const BETWEEN_DAYS: char = '|';
const COLUMNS: [&str; 8] =
    ["titre", "semestre", "internes", "postes", "ouverture", "tour", "fuseau", "options"];
/// How many of [`COLUMNS`] must be there.
const NEEDED: usize = 5;

/// What lines that say nothing else mean.
pub struct Defaults<'a> {
    /// IANA name.
    pub time_zone: &'a str,
    /// Duration of a turn.
    pub turn: Option<Millis>,
    /// Policies and round.
    pub policies: &'a PolicyArguments,
}

/// An amphi to create.
pub struct Planned {
    /// Its line.
    pub line: u64,
    /// Everything but the lists.
    pub frame: Frame,
    /// The interns, in call order.
    pub ranked: Vec<(ImportedIntern, RankBasis)>,
    /// The posts.
    pub posts: Vec<ImportedPost>,
}

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    policies: PolicyArguments,
}

/// What is wrong in a cell: its column, and what.
type Wrong = (&'static str, String);

/// Reads the manifest at `path` and every list that it names.
///
/// # Errors
/// Everything that is wrong, each in words.
pub fn read_manifest(path: &Path, defaults: &Defaults<'_>) -> Result<Vec<Planned>, Vec<String>> {
    let text = text_of(path).map_err(|problem| vec![problem])?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let titles = text.lines().next().unwrap_or_default();
    let delimiter = if titles.contains(';') { b';' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let columns = columns(reader.headers().map_err(|error| vec![format!("ligne 1 : {error}")])?)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let (mut planned, mut problems) = (Vec::new(), Vec::new());
    let mut titled: HashMap<String, u64> = HashMap::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.push(format!("le fichier n’est plus lisible à partir d’ici : {error}"));
                break;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let cell =
            |name: &str| columns.get(name).and_then(|index| record.get(*index)).unwrap_or_default().trim();
        let mut wrong =
            |(column, what): Wrong| problems.push(format!("ligne {line}, colonne « {column} » : {what}"));
        match read_line(line, folder, &cell, defaults) {
            Ok(amphi) => {
                let key = format!("{} {:?}", amphi.frame.title, amphi.frame.period);
                if let Some(earlier) = titled.insert(key, line) {
                    wrong((
                        "titre",
                        format!("le même que celui de la ligne {earlier}, pour le même semestre"),
                    ));
                }
                planned.push(amphi);
            }
            Err(all) => all.into_iter().for_each(&mut wrong),
        }
    }
    if planned.is_empty() && problems.is_empty() {
        problems.push("le fichier ne contient aucune ligne".to_owned());
    }
    if problems.is_empty() { Ok(planned) } else { Err(problems) }
}

fn text_of(path: &Path) -> Result<String, String> {
    let unreadable = |why: String| format!("{} : {why}", path.display());
    let length = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if length > FILE_BYTES_MAX {
        return Err(unreadable("plus de 16 Mio, c’est trop pour un manifeste".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    String::from_utf8(bytes)
        .map_err(|_| unreadable("enregistrez-le en UTF-8 (« CSV UTF-8 » dans un tableur)".to_owned()))
}

fn columns(titles: &StringRecord) -> Result<HashMap<&'static str, usize>, Vec<String>> {
    let (mut columns, mut problems) = (HashMap::new(), Vec::new());
    for (index, title) in titles.iter().enumerate() {
        match COLUMNS.into_iter().find(|known| title.trim().eq_ignore_ascii_case(known)) {
            Some(known) if columns.insert(known, index).is_none() => {}
            Some(known) => problems.push(format!("ligne 1 : la colonne « {known} » est là deux fois")),
            None => problems.push(format!(
                "ligne 1 : la colonne « {} » n’est pas connue ; les colonnes sont {}",
                title.trim(),
                COLUMNS.join(", ")
            )),
        }
    }
    for missing in COLUMNS[..NEEDED].iter().filter(|name| !columns.contains_key(**name)) {
        problems.push(format!("ligne 1 : la colonne « {missing} » manque"));
    }
    if problems.is_empty() { Ok(columns) } else { Err(problems) }
}

fn read_line<'a>(
    line: u64,
    folder: &Path,
    cell: &impl Fn(&str) -> &'a str,
    defaults: &Defaults<'_>,
) -> Result<Planned, Vec<Wrong>> {
    let mut wrong: Vec<Wrong> = Vec::new();
    let mut said = |column: &'static str, what: anyhow::Error| wrong.push((column, format!("{what:#}")));
    for column in &COLUMNS[..NEEDED] {
        if cell(column).is_empty() {
            said(column, anyhow::anyhow!("elle est vide"));
        }
    }
    let or_default = |column: &str, default: &str| match cell(column) {
        "" => default.to_owned(),
        text => text.to_owned(),
    };
    let period = parse_period(cell("semestre")).map_err(|error| said("semestre", error)).ok();
    let time_zone = or_default("fuseau", defaults.time_zone);
    let zone = parse_zone(&time_zone).map_err(|error| said("fuseau", error)).ok();
    let days: Vec<String> = cell("ouverture").split(BETWEEN_DAYS).map(|day| day.trim().to_owned()).collect();
    let opening =
        zone.and_then(|zone| parse_opening(zone, &days).map_err(|error| said("ouverture", error)).ok());
    let turn = match cell("tour") {
        "" => Some(defaults.turn),
        text => parse_duration(text).map(Some).map_err(|error| said("tour", error)).ok(),
    };
    let policies = policies(cell("options"), defaults).map_err(|error| said("options", error)).ok();
    let lists = Lists::read(&folder.join(cell("internes")), &folder.join(cell("postes")));
    // Each problem names its file already.
    let lists = lists.map_err(|problems| {
        problems.0.iter().for_each(|problem| said("internes, postes", anyhow::anyhow!("{problem}")));
    });
    let (Some(period), Some(opening), Some(turn_duration), Some(policies), Ok(lists)) =
        (period, opening, turn, policies, lists)
    else {
        return Err(wrong);
    };
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let (round, policies) = (policies.round(), policies.policies());
    let title = cell("titre").to_owned();
    let frame = Frame { title, period, time_zone, opening, turn_duration, round, policies };
    let ranked = in_call_order(lists.interns.rows);
    sound_draft(&frame, &ranked, &lists.posts.rows).map_err(|error| vec![("titre", format!("{error:#}"))])?;
    Ok(Planned { line, frame, ranked, posts: lists.posts.rows })
}

/// What the cell says, as on the command line; the command line's own when it is empty.
fn policies(cell: &str, defaults: &Defaults<'_>) -> anyhow::Result<PolicyArguments> {
    if cell.is_empty() {
        return Ok(defaults.policies.clone());
    }
    let words = std::iter::once("options").chain(cell.split_whitespace());
    let options = Options::try_parse_from(words).map_err(|error| {
        let text = error.to_string();
        anyhow::anyhow!("{}", text.lines().next().unwrap_or_default().trim_start_matches("error: "))
    })?;
    Ok(options.policies)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERNS: &str = "email;nom;prenom;annee_concours;rang_national;effectif_promotion;semestres_valides;des;\
                           subdivision;majoration_temps\n\
                           a@exemple.fr;A;Anne;2025;1;9024;4;Médecine générale;Île-de-France;\n";
    const POSTS: &str = "imotep;etablissement;service;des;phase;places;criteres\n\
                         1900001;Hôpital;Urgences;Médecine générale;approfondissement;2;CHU\n";
    const OPENING: &str = "2027-03-29 09:00-12:30 | 2027-03-30 09:00-12:30";

    fn read(manifest: &str) -> Result<Vec<Planned>, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("i.csv"), INTERNS).unwrap();
        std::fs::write(folder.path().join("p.csv"), POSTS).unwrap();
        let path = folder.path().join("manifeste.csv");
        std::fs::write(&path, manifest).unwrap();
        let policies = Options::try_parse_from(["options", "--proxies", "on"]).unwrap().policies;
        let turn = Some(Millis::from_secs(60));
        read_manifest(&path, &Defaults { time_zone: "Europe/Paris", turn, policies: &policies })
    }

    #[test]
    fn a_line_says_what_the_command_line_would() {
        let manifest = format!(
            "\u{feff}titre;semestre;internes;postes;ouverture;tour;fuseau;options\n\
             Lille;2027-05;i.csv;p.csv;{OPENING};2m;Indian/Reunion;--late forfeit --early-opening\n\
             Nice;2027-05;i.csv;p.csv;{OPENING};;;\n"
        );
        let planned = read(&manifest).map_err(|problems| problems.join("\n")).unwrap();
        assert_eq!(planned.iter().map(|amphi| amphi.line).collect::<Vec<_>>(), [2, 3]);
        let (first, second) = (&planned[0].frame, &planned[1].frame);
        assert_eq!((first.title.as_str(), first.time_zone.as_str()), ("Lille", "Indian/Reunion"));
        assert_eq!(first.turn_duration, Some(Millis::from_secs(120)));
        assert!(first.policies.early_opening && !second.policies.early_opening);
        assert_eq!(second.turn_duration, Some(Millis::from_secs(60)));
        assert_ne!(first.policies.proxies, second.policies.proxies, "the cell replaces all of the default");
        assert_eq!((planned[0].ranked.len(), planned[0].posts.len()), (1, 1));
    }

    #[test]
    fn everything_wrong_is_named_by_line_and_column_and_nothing_comes_back() {
        let manifest = format!(
            "titre,semestre,internes,postes,ouverture,options\n\
             Lille,2027-06,i.csv,p.csv,{OPENING},\n\
             ,2027-05,i.csv,p.csv,lundi,--late demain\n\
             Nice,2027-05,absent.csv,p.csv,{OPENING},\n\
             Brest,2027-05,i.csv,p.csv,{OPENING},\n\
             Brest,2027-05,i.csv,p.csv,{OPENING},\n"
        );
        let problems = read(&manifest).map(|_| ()).unwrap_err();
        for expected in [
            "ligne 2, colonne « semestre »",
            "ligne 3, colonne « titre » : elle est vide",
            "ligne 3, colonne « ouverture »",
            "ligne 3, colonne « options »",
            "ligne 4, colonne « internes, postes » : absent.csv",
            "ligne 6, colonne « titre » : le même que celui de la ligne 5",
        ] {
            assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:#?}");
        }
        assert_eq!(problems.len(), 6, "{problems:#?}");
    }

    #[test]
    fn columns_must_be_known_and_there() {
        let problems = read("titre;semestre;internes;postes;couleur\n").map(|_| ()).unwrap_err();
        assert!(problems[0].contains("couleur") && problems[1].contains("ouverture"), "{problems:?}");
        assert!(read("titre;semestre;internes;postes;ouverture\n").is_err(), "no line");
    }
}
