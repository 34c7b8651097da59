//! The four samples import as they are.

use super::super::{Problems, Source, read_file, read_interns};
use super::{SAMPLES, interns, joined, posts, sample, small};
use std::path::Path;

#[test]
fn all_samples_import() {
    for (name, intern_count, post_count, seats, extra_times) in [
        ("idf-medecine-generale", 490, 272, 525, 8),
        ("lille-pediatrie", 12, 8, 13, 0),
        ("lille-psychiatrie", 106, 56, 114, 1),
        ("reunion-medecine-generale", 35, 16, 38, 2),
    ] {
        let interns = interns(&sample(name, "interns.csv"));
        let posts = posts(&sample(name, "posts.csv"));
        assert_eq!(interns.len(), intern_count, "{name}");
        assert_eq!(posts.len(), post_count, "{name}");
        let total: u16 = posts.iter().map(|post| post.seats).sum();
        assert_eq!(total, seats, "{name}");
        let third = interns.iter().filter(|intern| intern.extra_time_percent == 33);
        assert_eq!(third.count(), extra_times, "{name}");
        let lines = interns.iter().map(|intern| intern.line);
        assert!(lines.eq(2..2 + u32::try_from(intern_count).unwrap()), "{name}");
    }
}

#[test]
fn accents_survive_every_encoding_of_the_samples() {
    let first = &interns(&sample("idf-medecine-generale", "interns.csv"))[0];
    assert_eq!(first.last_name, "André");
    assert_eq!(first.first_name, "Hélène");
    assert_eq!(first.subdivision, "Île-de-France");
    assert_eq!(first.national_rank, 3070);
    assert_eq!(first.cohort_size, 9024);
    assert_eq!(first.validated_semesters, 8);

    let reunion = interns(&sample("reunion-medecine-generale", "interns.csv"));
    let names: Vec<&str> = reunion.iter().map(|intern| intern.last_name.as_str()).collect();
    assert!(names.contains(&"Çelik") && names.contains(&"Guérin"));
    assert!(reunion.iter().all(|intern| intern.specialty == "Médecine générale"));
    assert!(reunion.iter().all(|intern| intern.subdivision == "Océan Indien"));

    let psychiatry = interns(&sample("lille-psychiatrie", "interns.csv"));
    assert!(psychiatry.iter().any(|intern| intern.last_name == "N'GUESSAN"));
}

#[test]
fn criteria_are_split() {
    let posts = posts(&sample("lille-pediatrie", "posts.csv"));
    assert_eq!(posts[3].criteria, ["CHU", "garde"]);
    assert_eq!(posts[1].criteria, Vec::<String>::new());
    assert_eq!(posts[0].phase, "approfondissement");
    assert_eq!(posts[0].imotep, "1100001");
}

#[test]
fn shared_ranks_are_warned_about_and_import() {
    let bytes = sample("idf-medecine-generale", "interns.csv");
    let imported = read_interns(&Source { file_name: "interns.csv", bytes: &bytes }).unwrap();
    let codes: Vec<&str> = imported.warnings.iter().map(|warning| warning.code).collect();
    assert!(codes.iter().filter(|code| **code == "shared_rank").count() >= 2, "{codes:?}");
    assert!(codes.iter().all(|code| *code == "shared_rank"), "{codes:?}");
}

#[test]
fn a_minority_is_warned_about() {
    let mut cells = small("interns.csv");
    cells[5][7] = "Psychiatrie".to_owned();
    let text = joined(&cells, ";", "\n");
    let imported = read_interns(&Source { file_name: "interns.csv", bytes: text.as_bytes() }).unwrap();
    assert_eq!(imported.warnings.len(), 1);
    assert_eq!(imported.warnings[0].code, "unlike_majority");
    assert_eq!(imported.warnings[0].line, Some(6));
}

#[test]
fn headers_in_any_order_and_spelling() {
    let mut cells = small("interns.csv");
    let spelled = [
        "Adresse e-mail",
        "NOM",
        "Prénom",
        "Année ECN",
        "Rang",
        "Effectif de la promotion",
        "Ancienneté",
        "Spécialité",
        "SUBDIVISION",
        "Tiers-temps",
    ];
    cells[0] = spelled.map(str::to_owned).to_vec();
    for row in &mut cells {
        row.reverse();
        row.rotate_left(3);
    }
    let shuffled = interns(joined(&cells, ";", "\n").as_bytes());
    assert_eq!(shuffled, interns(&sample("lille-pediatrie", "interns.csv")));

    let mut cells = small("posts.csv");
    let spelled = ["N° IMOTEP", "Hôpital", "Terrain", "Discipline", "Phase", "Nombre de postes", "Agréments"];
    cells[0] = spelled.map(str::to_owned).to_vec();
    for row in &mut cells {
        row.reverse();
    }
    let shuffled = posts(joined(&cells, ";", "\n").as_bytes());
    assert_eq!(shuffled, posts(&sample("lille-pediatrie", "posts.csv")));
}

#[test]
fn optional_columns_may_be_absent_or_filled() {
    let mut cells = small("interns.csv");
    for row in &mut cells {
        row.truncate(9);
    }
    assert!(interns(joined(&cells, ";", "\n").as_bytes()).iter().all(|intern| {
        intern.extra_time_percent == 0 && intern.call_rank.is_none() && intern.phone.is_none()
    }));
    let count = cells.len();
    for (index, row) in cells.iter_mut().enumerate() {
        let (rank, phone) = match index {
            0 => ("Rang d’appel".to_owned(), "Téléphone"),
            _ => ((count - index).to_string(), "+33 6 12 34 56 78"),
        };
        row.push(rank);
        row.push(phone.to_owned());
    }
    let read = interns(joined(&cells, ";", "\n").as_bytes());
    assert_eq!(read[0].call_rank, Some(12));
    assert_eq!(read[11].call_rank, Some(1));
    assert_eq!(read[0].phone.as_deref(), Some("+33 6 12 34 56 78"));
}

#[test]
fn r3_3_supernumeraries_are_read_as_people_write_them() {
    let spelled = ["", "non", "Validant", "NON VALIDANT", "non-validant", "surnombre validant"];
    let mut cells = small("interns.csv");
    for (index, row) in cells.iter_mut().enumerate() {
        row.push(match index {
            0 => "En surnombre".to_owned(),
            _ => spelled.get(index - 1).unwrap_or(&"").to_string(),
        });
    }
    let read: Vec<_> = interns(joined(&cells, ";", "\n").as_bytes())
        .into_iter()
        .map(|intern| intern.supernumerary)
        .collect();
    use amphi_engine::core::setup::Supernumerary::{NonValidating, Validating};
    let expected =
        [None, None, Some(Validating), Some(NonValidating), Some(NonValidating), Some(Validating), None];
    assert_eq!(read[..7], expected);
}

#[test]
fn fields_are_cleaned() {
    let mut cells = small("interns.csv");
    cells[1][0] = "\u{A0}Nathan.JOLY876@Exemple.fr ".to_owned();
    cells[1][1] = "\"  Le\u{A0}\u{202F}Goff\n de  Kergoat\"".to_owned();
    cells[1][2] = "He\u{301}le\u{300}ne".to_owned();
    cells[1][4] = "8\u{202F}388".to_owned();
    cells[1][9] = "33 %".to_owned();
    let read = interns(joined(&cells, ";", "\r\n").as_bytes());
    assert_eq!(read[0].email, "nathan.joly876@exemple.fr");
    assert_eq!(read[0].last_name, "Le Goff de Kergoat");
    assert_eq!(read[0].first_name, "Hélène");
    assert_eq!(read[0].national_rank, 8388);
    assert_eq!(read[0].extra_time_percent, 33);
    assert_eq!((read[0].line, read[1].line), (2, 4));
}

#[test]
fn blank_lines_do_not_shift_line_numbers() {
    let cells = small("interns.csv");
    let mut text = String::from("\n \n");
    for row in &cells {
        text.push_str(&row.join(";"));
        text.push_str("\n\n;;;;;;;;;\n");
    }
    let read = interns(text.as_bytes());
    assert_eq!(read.len(), 12);
    assert_eq!((read[0].line, read[1].line), (6, 9));
}

#[test]
fn empty_margins_and_announced_separators_are_no_obstacle() {
    let cells = small("posts.csv");
    let mut text = String::from("sep=;\r\n");
    for row in &cells {
        text.push_str(&row.join(";"));
        text.push_str(";;\r\n");
    }
    let read = posts(text.as_bytes());
    assert_eq!(read.len(), 8);
    assert_eq!(read[0].line, 3);
}

#[test]
fn unusual_posts_are_warned_about() {
    let mut cells = small("posts.csv");
    for copy in 0..4 {
        let mut row = cells[1].clone();
        row[0] = format!("12000{copy}0");
        cells.push(row);
    }
    cells[1][5] = "0".to_owned();
    cells[2][0] = "100002".to_owned();
    let text = joined(&cells, ";", "\n");
    let imported =
        super::super::read_posts(&Source { file_name: "posts.csv", bytes: text.as_bytes() }).unwrap();
    let seen: Vec<_> = imported.warnings.iter().map(|one| (one.line, one.code)).collect();
    assert_eq!(seen, [(Some(2), "no_seats"), (Some(3), "short_imotep")]);
}

#[test]
fn files_are_read_within_bounds() {
    let path = format!("{SAMPLES}lille-pediatrie/posts.csv");
    assert_eq!(read_file(Path::new(&path)).unwrap(), sample("lille-pediatrie", "posts.csv"));
    let message = |result: Result<Vec<u8>, Problems>| result.unwrap_err().to_string();
    assert!(message(read_file(Path::new("/absent/interns.csv"))).contains("il n'existe pas"));
    assert!(message(read_file(Path::new(SAMPLES))).contains("c'est un dossier"));
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.csv");
    let file = std::fs::File::create(&large).unwrap();
    file.set_len(super::super::limits::MAX_FILE_BYTES + 1).unwrap();
    assert_eq!(
        message(read_file(&large)),
        "large.csv : le fichier dépasse 10 Mio → Gardez la feuille des données seule, sans image, \
         et enregistrez de nouveau."
    );
}
