//! What is wrong with a file, in words its author can act on.
//!
//! Invariant: every problem has a stable code, a message that quotes the value, and a remedy; problems
//! come out by line. Deliberately absent: severity levels. A problem stops the import, a warning never
//! does.

use super::limits::{MAX_PROBLEMS, MAX_PROBLEMS_SHOWN};
use std::fmt;

/// The rows of a file that is right, and what deserves a look all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported<T> {
    /// All data rows, in the file's order; never empty.
    pub rows: Vec<T>,
    /// What is legal but unusual, by line.
    pub warnings: Vec<Problem>,
}

/// One thing that is wrong with a file (or unusual, as a warning).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file's name, as given in the source.
    pub file: String,
    /// Line as a text editor counts it (CSV), or row as the spreadsheet counts it (XLSX); from 1.
    pub line: Option<u32>,
    /// The column's header as the file writes it.
    pub column: Option<String>,
    /// Stable name of this kind of problem.
    pub code: &'static str,
    /// What is wrong, with the value (French).
    pub message: String,
    /// What to do about it (French).
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(formatter, ", ligne {line}")?;
        }
        if let Some(column) = &self.column {
            write!(formatter, ", colonne « {column} »")?;
        }
        write!(formatter, " : {} → {}", self.message, self.remedy)
    }
}

/// Everything that is wrong with one file, by line; never empty when returned as an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().take(MAX_PROBLEMS_SHOWN).enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            write!(formatter, "{problem}")?;
        }
        match self.0.len().saturating_sub(MAX_PROBLEMS_SHOWN) {
            0 => Ok(()),
            1 => write!(formatter, "\net 1 autre"),
            more => write!(formatter, "\net {more} autres"),
        }
    }
}

impl std::error::Error for Problems {}

/// Where a problem lies: the file, a line of it, a column of it, or one cell.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    line: Option<u32>,
    column: Option<&'a str>,
}

impl<'a> At<'a> {
    pub(super) fn file() -> Self {
        Self { line: None, column: None }
    }

    pub(super) fn line(line: u32) -> Self {
        Self { line: Some(line), column: None }
    }

    pub(super) fn cell(line: u32, column: &'a str) -> Self {
        Self { line: Some(line), column: Some(column) }
    }
}

/// Collects what is found while one file is read.
pub(super) struct Log<'a> {
    file: &'a str,
    problems: Vec<Problem>,
    problems_dropped: usize,
    warnings: Vec<Problem>,
}

impl<'a> Log<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        Self { file, problems: Vec::new(), problems_dropped: 0, warnings: Vec::new() }
    }

    pub(super) fn problem(
        &mut self,
        at: At<'_>,
        code: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.problems.len() < MAX_PROBLEMS {
            let problem = self.describe(at, code, message.into(), remedy.into());
            self.problems.push(problem);
        } else {
            self.problems_dropped += 1;
        }
    }

    pub(super) fn warning(
        &mut self,
        at: At<'_>,
        code: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.warnings.len() < MAX_PROBLEMS {
            let warning = self.describe(at, code, message.into(), remedy.into());
            self.warnings.push(warning);
        }
    }

    fn describe(&self, at: At<'_>, code: &'static str, message: String, remedy: String) -> Problem {
        Problem {
            file: self.file.to_owned(),
            line: at.line,
            column: at.column.map(str::to_owned),
            code,
            message,
            remedy,
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// The end of reading: the rows if nothing was wrong, else all problems.
    pub(super) fn finish<T>(mut self, rows: Vec<T>) -> Result<Imported<T>, Problems> {
        if !self.is_clean() {
            return Err(self.into_problems());
        }
        self.warnings.sort_by_key(|warning| warning.line);
        Ok(Imported { rows, warnings: self.warnings })
    }

    pub(super) fn into_problems(mut self) -> Problems {
        // Stable: within a line the order is that of the checks, which is that of the columns.
        self.problems.sort_by_key(|problem| problem.line);
        if self.problems_dropped > 0 {
            let message = format!("suite non détaillée ({} de plus)", self.problems_dropped);
            let remedy = "Corrigez d'abord ceux-ci.".to_owned();
            let last = self.describe(At::file(), "too_many_problems", message, remedy);
            self.problems.push(last);
        }
        Problems(self.problems)
    }
}
