//! The bounds of `limits.rs`, each reached and each passed.

use super::super::limits::{MAX_FILE_BYTES, MAX_PROBLEMS, MAX_ROWS};
use super::{intern_problems, interns, post_problems, posts};

const POSTS_HEADER: &str = "imotep;hopital;service;places\n";

fn posts_of(count: usize) -> String {
    let mut text = POSTS_HEADER.to_owned();
    for index in 0..count {
        text.push_str(&format!("{};CHU;Service;1\n", 1_000_000 + index));
    }
    text
}

#[test]
fn rows() {
    assert_eq!(posts(posts_of(MAX_ROWS).as_bytes()).len(), MAX_ROWS);
    let problems = post_problems(posts_of(MAX_ROWS + 1).as_bytes());
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, "too_many_rows");
    assert_eq!(post_problems(posts_of(MAX_ROWS * 2).as_bytes())[0].code, "too_many_rows");
}

#[test]
fn bytes() {
    let limit = usize::try_from(MAX_FILE_BYTES).unwrap();
    let problems = intern_problems(&vec![b'a'; limit + 1]);
    assert_eq!(problems[0].code, "file_too_large");
    // As large as allowed, and nothing but separators, quotes or line ends: told, and soon.
    for byte in *b";\"\nPa\t" {
        let _ = intern_problems(&vec![byte; limit]);
    }
}

#[test]
fn problems_end_somewhere() {
    let mut text = POSTS_HEADER.to_owned();
    for _ in 0..MAX_PROBLEMS {
        text.push_str(";;x;y\n");
    }
    let problems = post_problems(text.as_bytes());
    assert_eq!(problems.len(), MAX_PROBLEMS + 1);
    assert_eq!(problems[MAX_PROBLEMS].code, "too_many_problems");
    let expected = format!("suite non détaillée ({} de plus)", MAX_PROBLEMS * 2);
    assert_eq!(problems[MAX_PROBLEMS].message, expected);
}

#[test]
fn a_whole_region_is_quick_to_read() {
    let mut text = String::from("email;nom;prenom;annee_concours;rang;effectif;anciennete;des;subdivision\n");
    for index in 1..=5_500 {
        text.push_str(&format!("a{index}@b.fr;Nom;Prénom;2024;{index};9000;2;Chirurgie;Lyon\n"));
    }
    assert_eq!(interns(text.as_bytes()).len(), 5_500);
}
