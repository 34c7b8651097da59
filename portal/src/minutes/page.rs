//! The minutes as a page to be read and printed.

use amphi_engine::core::AmphiId;
use askama::Template;

use super::record::SessionRecord;
use super::tables::{Column, Table};
use super::{summary, tables};
use crate::assets;
use crate::pages::wording::{self, Zone, duration};
use crate::pages::{PageContext, control_path, html};

/// Path of the minutes of an amphi; their files lie beside it.
pub fn path(amphi: AmphiId) -> String {
    format!("/amphi/{amphi}/pv")
}

/// A table as the template shows it.
struct Shown {
    anchor: &'static str,
    title: &'static str,
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    empty: &'static str,
}

impl Shown {
    fn of(table: &Table, zone: &Zone) -> Self {
        let (columns, rows) = table.on_paper();
        let said = |row: Vec<&super::tables::Cell>| row.iter().map(|c| c.said(zone).into_owned()).collect();
        Self {
            anchor: table.anchor,
            title: table.title,
            columns,
            rows: rows.into_iter().map(said).collect(),
            empty: table.empty,
        }
    }
}

/// The curve of delays as the points of an SVG polyline, and what it shows in words.
struct Curve {
    points: String,
    said: String,
    largest: String,
}

/// Size of the drawing, in its own units.
const CURVE_WIDTH: f64 = 1_000.0;
/// See [`CURVE_WIDTH`].
const CURVE_HEIGHT: f64 = 160.0;

impl Curve {
    fn of(record: &SessionRecord) -> Option<Self> {
        let curve = &record.statistics.delay_curve;
        let largest = record.statistics.delay_max.filter(|delay| delay.0 > 0 && curve.len() > 1)?;
        let step = CURVE_WIDTH / (curve.len() - 1) as f64;
        let point = |(index, (_, delay)): (usize, &(_, amphi_engine::core::Millis))| {
            let y = CURVE_HEIGHT * (1.0 - delay.0 as f64 / largest.0 as f64);
            format!("{:.1},{y:.1}", index as f64 * step)
        };
        let points: Vec<String> = curve.iter().enumerate().map(point).collect();
        Some(Self {
            points: points.join(" "),
            said: format!("Retard à l’ouverture des {} tours, au plus {}", curve.len(), duration(largest)),
            largest: duration(largest),
        })
    }
}

/// What both forms of the page say.
struct Body {
    title: String,
    period: String,
    standing: Option<String>,
    groups: Vec<summary::Group>,
    how_to_check: &'static str,
    curve: Option<Curve>,
    tables: Vec<Shown>,
    zone_line: String,
    foot: String,
    files: Option<String>,
}

impl Body {
    fn of(record: &SessionRecord, files: Option<String>) -> Self {
        let zone = Zone::named(&record.time_zone);
        Self {
            title: record.title.clone(),
            period: wording::period(record.period),
            standing: summary::standing(record),
            groups: summary::groups(record, &zone),
            how_to_check: summary::HOW_TO_CHECK,
            curve: Curve::of(record),
            tables: tables::all(record).iter().map(|table| Shown::of(table, &zone)).collect(),
            zone_line: format!("Toutes les heures sont à l’{}.", zone.label()),
            foot: format!("Écriture n° {} du journal, empreinte {}", record.journal.seq, record.journal.hash),
            files,
        }
    }
}

#[derive(Template)]
#[template(path = "minutes.html")]
struct MinutesTemplate<'a> {
    page: PageContext<'a>,
    back: String,
    body: Body,
}

#[derive(Template)]
#[template(path = "minutes_standalone.html")]
struct StandaloneTemplate {
    styles: [String; 2],
    body: Body,
}

/// The page of the site, with links to the files.
pub fn render(page: PageContext<'_>, record: &SessionRecord) -> String {
    let files = Some(format!("/amphi/{}", record.amphi));
    html(&MinutesTemplate { page, back: control_path(record.amphi), body: Body::of(record, files) })
}

/// The same as a file that needs nothing else.
pub fn standalone(record: &SessionRecord) -> String {
    let styles = ["base.css", "minutes.css"].map(assets::text);
    html(&StandaloneTemplate { styles, body: Body::of(record, None) })
}
