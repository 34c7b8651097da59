//! The import against the four real-life samples: as they are, in every dress, and broken.

mod arbitrary;
mod bounds;
mod breakage;
mod encodings;
mod samples;
mod workbooks;

use super::{ImportedIntern, ImportedPost, Problem, Source, read_interns, read_posts};

/// Where the samples lie; the only place to change when they move.
const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/samples/");

/// A small sample (UTF-8 with BOM, `;`, CRLF), the base of most tests.
const SMALL: &str = "lille-pediatrie";

fn sample(name: &str, file: &str) -> Vec<u8> {
    std::fs::read(format!("{SAMPLES}{name}/{file}")).unwrap()
}

/// The small sample as cells, header first.
fn small(file: &str) -> Vec<Vec<String>> {
    let text = String::from_utf8(sample(SMALL, file)).unwrap();
    text.trim_start_matches('\u{FEFF}')
        .lines()
        .map(|line| line.split(';').map(str::to_owned).collect())
        .collect()
}

fn joined(cells: &[Vec<String>], separator: &str, line_end: &str) -> String {
    let mut text = String::new();
    for row in cells {
        text.push_str(&row.join(separator));
        text.push_str(line_end);
    }
    text
}

fn interns(bytes: &[u8]) -> Vec<ImportedIntern> {
    let source = Source { file_name: "interns.csv", bytes };
    read_interns(&source).unwrap_or_else(|problems| panic!("{problems}")).rows
}

fn posts(bytes: &[u8]) -> Vec<ImportedPost> {
    let source = Source { file_name: "posts.csv", bytes };
    read_posts(&source).unwrap_or_else(|problems| panic!("{problems}")).rows
}

fn intern_problems(bytes: &[u8]) -> Vec<Problem> {
    let source = Source { file_name: "interns.csv", bytes };
    read_interns(&source).expect_err("the file is broken").0
}

fn post_problems(bytes: &[u8]) -> Vec<Problem> {
    let source = Source { file_name: "posts.csv", bytes };
    read_posts(&source).expect_err("the file is broken").0
}
