//! The minutes on paper: A4, to be signed.

mod paper;
mod print;
mod type_face;

use amphi_engine::core::{Millis, Timestamp};

use self::paper::{Ink, Paper, PaperColumn, Shape, Style};
use self::print::About;
pub use self::print::PrintError;
use super::record::SessionRecord;
use super::tables::Table;
use super::{summary, tables};
use crate::pages::wording::{self, Zone, duration};

const BODY: Style = Style::text(9.0);
const SMALL: Style = Style::text(7.4);
const TITLE: Style = Style::text(20.0).bold().in_ink(Ink::Accent);
const SUBTITLE: Style = Style::text(13.0).bold();
const HEADING: Style = Style::text(12.0).bold().in_ink(Ink::Accent);
const SUBHEADING: Style = Style::text(9.5).bold();
/// Room for the names of facts.
const LABEL_WIDTH: f32 = 150.0;
/// Height of the drawing of delays.
const CHART_HEIGHT: f32 = 110.0;
/// Height of the boxes for signatures.
const SIGNATURE_HEIGHT: f32 = 92.0;

/// The minutes as a PDF.
///
/// # Errors
/// [`PrintError`]: a fault of ours.
pub fn write(record: &SessionRecord) -> Result<Vec<u8>, PrintError> {
    let zone = Zone::named(&record.time_zone);
    let mut paper = Paper::new();
    head(&mut paper, record, &zone);
    for table in tables::all(record) {
        section(&mut paper, &table, &zone);
    }
    signatures(&mut paper);
    let title = format!("Procès-verbal, {}, {}", record.title, wording::period(record.period));
    let about = About {
        running_title: type_face::settable(&title),
        title,
        foot: format!(
            "séance {}, écriture n° {}, empreinte {}",
            record.amphi, record.journal.seq, record.journal.hash
        ),
        id: format!("{}:{}:{}", record.amphi, record.journal.seq, record.journal.hash),
        created_at: record.generated_at,
    };
    print::print(&paper, &about)
}

fn head(paper: &mut Paper, record: &SessionRecord, zone: &Zone) {
    paper.heading(1, TITLE, "Procès-verbal de la séance de choix", 0.0);
    paper.skip(3.0);
    paper.paragraph(SUBTITLE, &format!("{}, {}", record.title, wording::period(record.period)));
    if let Some(standing) = summary::standing(record) {
        paper.skip(4.0);
        paper.paragraph(BODY.bold(), &standing);
    }
    paper.skip(8.0);
    paper.rule(Ink::Accent, 1.2);
    for group in summary::groups(record, zone) {
        paper.skip(9.0);
        paper.heading(2, SUBHEADING, group.title, 3.0 * BODY.leading());
        paper.skip(2.0);
        paper.facts(BODY, LABEL_WIDTH, &group.facts);
    }
    paper.skip(6.0);
    paper.paragraph(SMALL.in_ink(Ink::Grey), summary::HOW_TO_CHECK);
    chart(paper, record, zone);
}

/// The delay at each turn, as a curve.
fn chart(paper: &mut Paper, record: &SessionRecord, zone: &Zone) {
    let curve = &record.statistics.delay_curve;
    let (Some(largest), true) = (record.statistics.delay_max, curve.len() > 1) else { return };
    paper.skip(9.0);
    paper.heading(2, SUBHEADING, "Retard à l’ouverture de chaque tour", CHART_HEIGHT);
    let said = format!(
        "Courbe du retard, tour par tour, de {} à {} : au plus {}.",
        zone.stamp(curve[0].0),
        zone.stamp(curve[curve.len() - 1].0),
        duration(largest)
    );
    let top_of_scale = scale(largest);
    let curve = curve.clone();
    paper.figure(&said, CHART_HEIGHT, |left, top, width| draw_chart(&curve, top_of_scale, left, top, width));
}

/// A round number of minutes that is not below `largest`.
fn scale(largest: Millis) -> Millis {
    let minutes = (largest.0 + 59_999) / 60_000;
    let round = [1, 2, 5, 10, 15, 20, 30, 60, 90, 120, 180, 240, 360, 480, 720, 1_440];
    Millis::from_minutes(round.into_iter().find(|round| *round >= minutes).unwrap_or(minutes))
}

fn draw_chart(
    curve: &[(Timestamp, Millis)],
    top_of_scale: Millis,
    left: f32,
    top: f32,
    width: f32,
) -> Vec<Shape> {
    let (axis, bottom) = (left + 46.0, top + CHART_HEIGHT - 16.0);
    let (right, high) = (left + width, top + 8.0);
    let grey = SMALL.in_ink(Ink::Grey);
    let mut shapes = Vec::new();
    for part in [0.0, 0.5, 1.0] {
        let y = bottom - (bottom - high) * part;
        shapes.push(Shape::Lines(vec![(axis, y), (right, y)], 0.35, Ink::Hairline));
        let label = duration(Millis((top_of_scale.0 as f32 * part) as i64));
        shapes.push(Shape::Text(left, y + 2.5, grey, label));
    }
    let step = (right - axis) / (curve.len() - 1) as f32;
    let point = |(index, (_, delay)): (usize, &(Timestamp, Millis))| {
        (axis + index as f32 * step, bottom - (bottom - high) * delay.0 as f32 / top_of_scale.0 as f32)
    };
    shapes.push(Shape::Lines(curve.iter().enumerate().map(point).collect(), 1.1, Ink::Accent));
    shapes.push(Shape::Text(axis, bottom + 11.0, grey, "1er tour".to_owned()));
    let last = format!("{}e tour", curve.len());
    shapes.push(Shape::Text(right - 34.0, bottom + 11.0, grey, last));
    shapes
}

fn section(paper: &mut Paper, table: &Table, zone: &Zone) {
    paper.skip(16.0);
    paper.heading(2, HEADING, table.title, Paper::table_keep(SMALL));
    paper.skip(4.0);
    if table.rows.is_empty() {
        paper.paragraph(BODY, table.empty);
        return;
    }
    let (columns, rows) = table.on_paper();
    let columns: Vec<PaperColumn> = columns
        .iter()
        .map(|column| PaperColumn { heading: column.heading.to_owned(), right: column.figures })
        .collect();
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| cell.said(zone).into_owned()).collect()).collect();
    paper.table(SMALL, &columns, &rows);
}

/// Filled in by hand: who signs is not known to the platform.
fn signatures(paper: &mut Paper) {
    paper.skip(22.0);
    let line = "Fait à ……………………………………………………, le ……………………………………";
    paper.heading(2, HEADING, "Signatures", SIGNATURE_HEIGHT + 40.0);
    paper.skip(6.0);
    paper.paragraph(BODY, line);
    paper.skip(8.0);
    let signer = "Nom, qualité, signature";
    paper.boxes(SMALL.in_ink(Ink::Grey), SIGNATURE_HEIGHT, &[signer, signer, signer]);
}
