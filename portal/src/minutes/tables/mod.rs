//! What the minutes show: facts and tables, the same in every form (page, PDF, XLSX, CSV).
//!
//! A cell keeps its kind, so that a spreadsheet gets a date where paper gets "29/03/2027 10:47:03".

mod course;
mod people;

use std::borrow::Cow;

use amphi_engine::core::{CallRank, Millis, PostNumber, ProxyPolicy, Timestamp};

pub use self::course::{acts, incidents, late, turns, undone};
pub use self::people::{allocation, call_list, eligibility, proxies, unplaced, wishes};
use super::record::{ParticipantRecord, SessionRecord};
use crate::pages::wording::Zone;

/// One table of the minutes.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Stable name, for anchors.
    pub anchor: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows; each has one cell per column.
    pub rows: Vec<Vec<Cell>>,
    /// What is said instead when there is no row.
    pub empty: &'static str,
}

impl Table {
    /// The columns and rows that stand on paper.
    pub fn on_paper(&self) -> (Vec<Column>, Vec<Vec<&Cell>>) {
        let columns = self.columns.iter().filter(|column| column.on_paper).copied().collect();
        let mut rows: Vec<Vec<&Cell>> = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let cells = row.iter().zip(&self.columns).filter(|(_, column)| column.on_paper);
            rows.push(cells.map(|(cell, _)| cell).collect());
        }
        (columns, rows)
    }
}

/// One column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Column {
    /// What stands in it.
    pub heading: &'static str,
    /// Whether it is read as figures: set to the right.
    pub figures: bool,
    /// Whether it stands on paper and on the page, too, and not only in files for spreadsheets.
    pub on_paper: bool,
}

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Words, as they are: never a formula.
    Text(String),
    /// A number.
    Count(i64),
    /// An instant, shown in the amphi's zone.
    At(Timestamp),
    /// How long something took.
    Lasting(Millis),
}

impl Cell {
    /// What people read; `zone` is the amphi's.
    pub fn said(&self, zone: &Zone) -> Cow<'_, str> {
        match self {
            Self::Empty => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Count(count) => Cow::Owned(count.to_string()),
            Self::At(at) => Cow::Owned(zone.stamp(*at)),
            Self::Lasting(lasting) => Cow::Owned(clock_duration(*lasting)),
        }
    }

    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn number(number: impl Into<i64>) -> Self {
        Self::Count(number.into())
    }

    fn at(at: Option<Timestamp>) -> Self {
        at.map_or(Self::Empty, Self::At)
    }

    fn lasting(lasting: Option<Millis>) -> Self {
        lasting.map_or(Self::Empty, Self::Lasting)
    }
}

/// "0:02:47": hours, minutes, seconds, as spreadsheets write a duration; whole seconds, rounded down.
pub fn clock_duration(lasting: Millis) -> String {
    let seconds = lasting.at_least_zero().0 / 1_000;
    format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

const fn words_column(heading: &'static str) -> Column {
    Column { heading, figures: false, on_paper: true }
}

const fn figures_column(heading: &'static str) -> Column {
    Column { heading, figures: true, on_paper: true }
}

/// For spreadsheets alone, where width costs nothing.
const fn off_paper(column: Column) -> Column {
    Column { on_paper: false, ..column }
}

/// The name of a participant, or the pseudonym where there is none.
pub fn name(participant: &ParticipantRecord) -> String {
    match &participant.name {
        Some(name) => format!("{} {}", name.last_name, name.first_name),
        None => participant.pseudonym.clone(),
    }
}

fn name_at(record: &SessionRecord, rank: CallRank) -> Cell {
    record.participant(rank).map_or(Cell::Empty, |participant| Cell::Text(name(participant)))
}

/// "CHU, Cardiologie".
fn post_name(record: &SessionRecord, number: PostNumber) -> Cell {
    record
        .post(number)
        .map_or(Cell::Empty, |post| Cell::Text(format!("{}, {}", post.establishment, post.service)))
}

fn rank(rank: CallRank) -> Cell {
    Cell::number(rank.0)
}

/// Every table of the minutes but the one of facts, in the order in which they are read.
pub fn all(record: &SessionRecord) -> Vec<Table> {
    let tables = vec![
        allocation(record),
        posts(record),
        unplaced(record),
        turns(record),
        late(record),
        undone(record),
        proxies(record),
        wishes(record),
        eligibility(record),
        incidents(record),
        acts(record),
        call_list(record),
    ];
    // What this session did not provide for needs no empty table.
    let foreseen = |table: &Table| match table.anchor {
        "procurations" => record.policies.proxies != ProxyPolicy::Off || !record.proxies.is_empty(),
        "voeux" => record.policies.safety_net || !record.round.has_turns() || !record.wishes.is_empty(),
        "tours" | "choix-en-attente" => record.round.has_turns(),
        _ => true,
    };
    tables.into_iter().filter(foreseen).collect()
}

/// What became of every post.
pub fn posts(record: &SessionRecord) -> Table {
    let row = |(index, post): (usize, &amphi_engine::core::Post)| {
        let number = PostNumber::from_index(index);
        let holders = record.holders(number);
        let ranks: Vec<String> = holders.iter().map(|choice| choice.rank.to_string()).collect();
        vec![
            Cell::number(number.0),
            Cell::text(&post.imotep),
            Cell::text(&post.establishment),
            Cell::text(&post.service),
            Cell::text(&post.specialty),
            Cell::number(post.seats),
            Cell::number(record.seats_left(number)),
            if ranks.is_empty() { Cell::Empty } else { Cell::text(ranks.join(", ")) },
        ]
    };
    Table {
        anchor: "postes",
        title: "Postes",
        columns: vec![
            figures_column("Poste"),
            words_column("IMOTEP"),
            words_column("Établissement"),
            words_column("Service"),
            words_column("Spécialité"),
            figures_column("Ouverts"),
            figures_column("Restants"),
            words_column("Rangs affectés"),
        ],
        rows: record.posts.iter().enumerate().map(row).collect(),
        empty: "Aucun poste n’est ouvert.",
    }
}
