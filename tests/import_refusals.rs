//! Importing the lists that people really send: the sound ones whole, the broken ones not at all.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use support::house::{House, OPENING, sample};
use support::tables;
use zip::write::SimpleFileOptions;

const SAMPLES: [(&str, usize, usize); 4] = [
    ("idf-medecine-generale", 490, 272),
    ("lille-pediatrie", 12, 8),
    ("lille-psychiatrie", 106, 56),
    ("reunion-medecine-generale", 35, 16),
];
/// Rounds of mails follow one another at once: what was imported is at rest a second later, not twenty.
const QUICK_MAILS: [&str; 2] = ["--speed", "20"];
/// The lists that the broken copies are made of; the first line holds the titles.
const BASE: &str = "lille-pediatrie";

fn sample_path(name: &str, file: &str) -> PathBuf {
    PathBuf::from(sample(name, file))
}

#[tokio::test]
async fn the_samples_come_in_whole_and_a_trial_writes_nothing() {
    let house = House::new();
    let server = house.serve(&QUICK_MAILS).await;
    for (name, interns, posts) in SAMPLES {
        let files = (sample_path(name, "interns.csv"), sample_path(name, "posts.csv"));
        let before = tables::at_rest(&house.data()).await;
        let trial = house.import_files(&files.0, &files.1, &["--opening", OPENING, "--dry-run"]).await;
        assert_eq!(tables::all(&house.data()).await, before, "a trial of {name} wrote something");
        let counts = format!("{interns} internes, {posts} postes, {} places.", seats(&files.1));
        assert!(trial.stderr.contains(&counts), "« {counts} » is not in: {}", trial.stderr);
        let listed = trial.success();
        let ranks = listed.lines().map_while(|line| line.split_whitespace().next()?.parse::<usize>().ok());
        assert!(ranks.eq(1..=interns), "{listed}");
        assert!(
            listed.contains("Les règles de cette séance"),
            "the rules of the session are said, too: {listed}"
        );

        let import = house.import_files(&files.0, &files.1, &["--opening", OPENING]).await;
        assert!(import.stderr.contains(&counts), "« {counts} » is not in: {}", import.stderr);
        assert!(import.success().starts_with("amphi "));
        let after = tables::all(&house.data()).await;
        assert_eq!(after["roster"].0 - before["roster"].0, i64::try_from(interns).unwrap());
        assert_eq!(after["amphis"].0 - before["amphis"].0, 1);
    }
    house.close(server).await;
}

/// The sum of the column `places`.
fn seats(posts: &Path) -> u32 {
    let bytes = std::fs::read(posts).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let mut rows = text.lines().map(|line| line.split([';', ',']).collect::<Vec<_>>());
    let column = rows.next().unwrap().iter().position(|title| *title == "places").unwrap();
    rows.map(|row| row[column].parse::<u32>().unwrap()).sum()
}

/// A pair of files, of which one at least is broken.
struct Broken {
    interns: PathBuf,
    posts: PathBuf,
}

#[tokio::test]
async fn broken_files_are_refused_with_place_and_remedy_and_leave_no_trace() {
    let house = House::new();
    let server = house.serve(&QUICK_MAILS).await;
    house.import("lille-psychiatrie").await;
    let before = tables::at_rest(&house.data()).await;
    let mut failures = Vec::new();
    let cases = cases();
    assert!(cases.len() >= 20);
    for (number, (what, list, content, expected)) in cases.into_iter().enumerate() {
        let directory = house.directory(&format!("case-{number}"));
        let broken = write_down(&directory, list, &content);
        let said =
            house.import_files(&broken.interns, &broken.posts, &["--opening", OPENING, "--publish"]).await;
        let refusal = said.refusal();
        let complete = expected.iter().all(|part| refusal.contains(part))
            && refusal.contains(" → ")
            && refusal.contains("Rien n’a été importé");
        if !complete {
            failures.push(format!("{what}: expected {expected:?} in\n{refusal}"));
        }
        if tables::all(&house.data()).await != before {
            failures.push(format!("{what}: the database has changed"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    house.close(server).await;
}

#[tokio::test]
async fn what_is_wrong_on_the_command_line_is_said_in_words() {
    let house = House::new();
    let server = house.serve(&[]).await;
    let before = tables::all(&house.data()).await;
    let files = (sample_path(BASE, "interns.csv"), sample_path(BASE, "posts.csv"));
    let cases: [(&[&str], &str); 7] = [
        (&["--opening", "2027-03-29 9h-12h"], "heure de la forme 09:00"),
        (&["--opening", "2027-03-29 12:00-09:00"], "finit avant de commencer"),
        (&["--opening", "2027-03-28 02:30-04:00"], "n’existe pas"),
        (&["--opening", "2027-10-31 02:30-04:00"], "a lieu deux fois"),
        (&["--opening", OPENING, "--time-zone", "Paris"], "n’est pas un fuseau connu"),
        (&["--opening", OPENING, "--turn", "3h"], "n’est pas une durée"),
        (&["--opening", OPENING, "--turn", "1s"], "un tour dure de 10 secondes à 1 heure"),
    ];
    for (arguments, expected) in cases {
        let refusal = house.import_files(&files.0, &files.1, arguments).await.refusal();
        assert!(refusal.contains(expected), "{arguments:?}: {refusal}");
    }
    assert_eq!(tables::all(&house.data()).await, before);
    house.close(server).await;
}

/// Which of the two lists is broken.
#[derive(Clone, Copy)]
enum List {
    Interns,
    Posts,
    /// The same content for both.
    Both,
}

enum Content {
    Bytes(Vec<u8>),
    /// So many bytes of nothing, which take no room on the disk.
    Hole(u64),
    Missing,
    Folder,
}

type Case = (&'static str, List, Content, &'static [&'static str]);

fn cases() -> Vec<Case> {
    use List::{Both, Interns, Posts};
    let interns = || read(BASE, "interns.csv");
    let posts = || read(BASE, "posts.csv");
    // Replaces a cell; line 1 is the line of titles.
    let cell =
        |line: usize, column: usize, value: &str| Content::text(&with_cell(&interns(), line, column, value));
    let post_cell =
        |line: usize, column: usize, value: &str| Content::text(&with_cell(&posts(), line, column, value));
    vec![
        (
            "an address twice",
            Interns,
            cell(3, 0, "nathan.joly876@exemple.fr"),
            &["interns.csv, ligne 3, colonne « email »", "figure déjà ligne 2"],
        ),
        (
            "not an address",
            Interns,
            cell(5, 0, "kevin"),
            &["interns.csv, ligne 5, colonne « email »", "prenom.nom@exemple.fr"],
        ),
        (
            "a column nobody knows",
            Interns,
            cell(1, 9, "pointure"),
            &["ligne 1, colonne « pointure » : colonne inconnue", "Retirez cette colonne"],
        ),
        (
            "a misspelt column",
            Interns,
            cell(1, 4, "rang natoinal"),
            &["ligne 1, colonne « rang natoinal »", "vouliez-vous dire « rang_national »"],
        ),
        (
            "a column twice",
            Interns,
            cell(1, 9, "courriel"),
            &["ligne 1, colonne « courriel »", "Gardez l'une des deux"],
        ),
        (
            "a missing column",
            Interns,
            Content::text(&without_column(&interns(), 8)),
            &["interns.csv, ligne 1", "la colonne « subdivision » manque", "Ajoutez-la"],
        ),
        (
            "a missing rank",
            Interns,
            cell(4, 4, ""),
            &["ligne 4, colonne « rang_national »", "la valeur manque", "Renseignez"],
        ),
        (
            "letters in a number",
            Interns,
            cell(6, 4, "37b3"),
            &["ligne 6, colonne « rang_national »", "« 37b3 »", "en chiffres"],
        ),
        (
            "a rank beyond the cohort",
            Interns,
            cell(7, 4, "9999"),
            &["ligne 7, colonne « rang_national »", "dépasse l'effectif"],
        ),
        (
            "two sizes of one cohort",
            Interns,
            cell(4, 5, "8920"),
            &["ligne 4, colonne « effectif_promotion »", "8919 ligne 2"],
        ),
        (
            "a doubtful extra time",
            Interns,
            cell(2, 9, "beaucoup"),
            &["ligne 2, colonne « majoration_temps »", "« beaucoup »"],
        ),
        (
            "a formula",
            Interns,
            cell(2, 1, "=HYPERLINK(1)"),
            &["ligne 2, colonne « nom »", "« =HYPERLINK(1) »", "formule"],
        ),
        (
            "an invisible character",
            Interns,
            cell(2, 1, "JO\u{200b}LY"),
            &["ligne 2, colonne « nom »", "U+200B"],
        ),
        (
            "an accent that got lost",
            Interns,
            cell(5, 2, "K?vin"),
            &["ligne 5, colonne « prenom »", "« K?vin »"],
        ),
        (
            "accents encoded twice",
            Interns,
            cell(5, 2, "KÃ©vin"),
            &["interns.csv, ligne 5", "accents sont abîmés", "CSV UTF-8"],
        ),
        (
            "the accents of DOS",
            Interns,
            Content::Bytes(in_dos_encoding(&interns())),
            &["interns.csv, ligne 5", "l'encodage n'est ni UTF-8 ni Windows-1252"],
        ),
        (
            "half a line",
            Interns,
            Content::text(interns().trim_end().rsplit_once(';').unwrap().0.rsplit_once(';').unwrap().0),
            &["interns.csv, ligne 13", "colonnes trouvées, 10 attendues", "Complétez la ligne"],
        ),
        (
            "a quote never closed",
            Interns,
            cell(8, 1, "\"PETIT"),
            &["interns.csv, ligne 8", "guillemet", "refermez-le"],
        ),
        (
            "no separator",
            Interns,
            Content::text(&interns().replace(';', "|")),
            &["interns.csv, ligne 1", "une seule colonne", "points-virgules"],
        ),
        (
            "no titles",
            Interns,
            Content::text(interns().split_once('\n').unwrap().1),
            &["interns.csv, ligne 1", "aucun titre de colonne reconnu", "semestres_valides"],
        ),
        (
            "titles only",
            Interns,
            Content::text(interns().split_once('\n').unwrap().0),
            &["interns.csv : le fichier ne contient aucune ligne"],
        ),
        (
            "nothing at all",
            Interns,
            Content::text(""),
            &["interns.csv : le fichier ne contient aucune ligne"],
        ),
        (
            "negative seats",
            Posts,
            post_cell(4, 5, "-1"),
            &["posts.csv, ligne 4, colonne « places »", "négatif"],
        ),
        (
            "half a seat",
            Posts,
            post_cell(6, 5, "1.5"),
            &["posts.csv, ligne 6, colonne « places »", "décimal"],
        ),
        (
            "a post twice",
            Posts,
            post_cell(3, 0, "1100001"),
            &["posts.csv, ligne 3, colonne « imotep »", "figure déjà ligne 2"],
        ),
        (
            "200 MB",
            Posts,
            Content::Hole(200 << 20),
            &["posts.csv : le fichier dépasse 10 Mio", "enregistrez de nouveau"],
        ),
        (
            "a workbook that is a bomb",
            Posts,
            Content::Bytes(workbook_bomb()),
            &["posts.csv : le classeur, une fois décompressé, est beaucoup trop grand"],
        ),
        (
            "a workbook cut short",
            Posts,
            Content::Bytes(workbook_bomb()[..500].to_vec()),
            &["posts.csv : le classeur est abîmé"],
        ),
        (
            "a PDF",
            Posts,
            Content::Bytes(b"%PDF-1.7\n%\xE2\xE3\n1 0 obj".to_vec()),
            &["posts.csv : c'est un PDF", "CSV UTF-8"],
        ),
        (
            "an old workbook",
            Posts,
            Content::Bytes(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec()),
            &["posts.csv : c'est un ancien classeur"],
        ),
        (
            "a web page called .csv",
            Posts,
            Content::text("<html><table><tr><td>imotep</table>"),
            &["posts.csv : c'est une page web"],
        ),
        (
            "a file that is not there",
            Posts,
            Content::Missing,
            &["posts.csv : le fichier ne peut pas être lu (il n'existe pas)", "Vérifiez le chemin"],
        ),
        (
            "a folder",
            Posts,
            Content::Folder,
            &["posts.csv : le fichier ne peut pas être lu (c'est un dossier)"],
        ),
        (
            "too many rows",
            Posts,
            Content::text(&format!("{}{}", posts(), "1;A;B;C;D;1;\n".repeat(20_001))),
            &["posts.csv : le fichier a plus de 20000 lignes"],
        ),
        (
            "both at once",
            Both,
            Content::text("a;b\n1;2\n"),
            &["interns.csv, ligne 1", "posts.csv, ligne 1", "2 problème(s)"],
        ),
    ]
}

impl Content {
    fn text(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }

    fn write(&self, path: &Path) {
        match self {
            Self::Bytes(bytes) => std::fs::write(path, bytes).unwrap(),
            Self::Hole(length) => std::fs::File::create(path).unwrap().set_len(*length).unwrap(),
            Self::Missing => {}
            Self::Folder => std::fs::create_dir(path).unwrap(),
        }
    }
}

fn write_down(directory: &Path, list: List, content: &Content) -> Broken {
    let broken = Broken { interns: directory.join("interns.csv"), posts: directory.join("posts.csv") };
    let sound = |file: &str| Content::text(&read(BASE, file));
    match list {
        List::Interns => (content.write(&broken.interns), sound("posts.csv").write(&broken.posts)),
        List::Posts => (sound("interns.csv").write(&broken.interns), content.write(&broken.posts)),
        List::Both => (content.write(&broken.interns), content.write(&broken.posts)),
    };
    broken
}

fn read(name: &str, file: &str) -> String {
    std::fs::read_to_string(sample(name, file)).unwrap()
}

fn with_cell(text: &str, line: usize, column: usize, value: &str) -> String {
    let changed = text.lines().enumerate().map(|(index, row)| {
        let mut cells: Vec<&str> = row.split(';').collect();
        if index + 1 == line {
            cells[column] = value;
        }
        cells.join(";") + "\n"
    });
    changed.collect()
}

fn without_column(text: &str, column: usize) -> String {
    let rows = text.lines().map(|row| {
        let mut cells: Vec<&str> = row.split(';').collect();
        cells.remove(column);
        cells.join(";") + "\n"
    });
    rows.collect()
}

/// As a program of the eighties would save it (code page 850).
fn in_dos_encoding(text: &str) -> Vec<u8> {
    let letters = [('é', 0x82), ('è', 0x8A), ('ë', 0x89), ('É', 0x90), ('È', 0xD4), ('Î', 0xD7), ('î', 0x8C)];
    let encode = |char: char| match letters.iter().find(|(letter, _)| *letter == char) {
        Some((_, byte)) => *byte,
        None => u8::try_from(char).unwrap(),
    };
    text.trim_start_matches('\u{feff}').chars().map(encode).collect()
}

/// A workbook of some kilobytes whose only sheet unfolds to 100 MB.
fn workbook_bomb() -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("xl/workbook.xml", SimpleFileOptions::default()).unwrap();
    archive.write_all(b"<workbook/>").unwrap();
    archive.start_file("xl/worksheets/sheet1.xml", SimpleFileOptions::default()).unwrap();
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..100 {
        archive.write_all(&spaces).unwrap();
    }
    archive.finish().unwrap().into_inner()
}
