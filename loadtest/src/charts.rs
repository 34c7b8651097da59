//! Charts as inline SVG: a distribution of latencies, and what went on second by second.
//!
//! Colours and sizes of text are the page's (classes); nothing here needs anything from elsewhere. Every line is named
//! at its end, so that no legend has to be looked up.

use std::fmt::Write;

use crate::report_page::Curve;
use crate::timeline::Sample;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 64.0;
/// Room for the names at the ends of lines.
const RIGHT: f64 = 190.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 34.0;
/// Lines of text at the end of lines keep this distance.
const NAME_HEIGHT: f64 = 15.0;

/// Where a chart's values lie on the page.
struct Frame {
    height: f64,
    x_max: f64,
    y_min: f64,
    y_max: f64,
    log_y: bool,
}

impl Frame {
    fn x(&self, value: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (value / self.x_max.max(1e-9)).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        let share = if self.log_y {
            (value.max(self.y_min) / self.y_min).log10() / (self.y_max / self.y_min).log10()
        } else {
            value / self.y_max
        };
        self.height - BOTTOM - (self.height - TOP - BOTTOM) * share.clamp(0.0, 1.0)
    }

    fn begin(&self, what: &str) -> String {
        let height = self.height;
        format!(r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{what}">"#)
    }

    fn grid_y(&self, svg: &mut String, value: f64, text: &str) {
        let (y, right) = (self.y(value), WIDTH - RIGHT);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1}" y2="{y:.1}"/><text class="tick" x="{:.1}" y="{:.1}" text-anchor="end">{text}</text>"#,
            LEFT - 8.0,
            y + 4.0
        );
    }

    fn tick_x(&self, svg: &mut String, value: f64, text: &str) {
        let _ = write!(
            svg,
            r#"<text class="tick" x="{:.1}" y="{:.1}" text-anchor="middle">{text}</text>"#,
            self.x(value),
            self.height - BOTTOM + 18.0
        );
    }

    fn line(&self, svg: &mut String, index: usize, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (number, (x, y)) in points.iter().enumerate() {
            let _ =
                write!(path, "{}{:.1} {:.1}", if number == 0 { "M" } else { "L" }, self.x(*x), self.y(*y));
        }
        let _ = write!(svg, r#"<path class="line c{}" d="{path}"/>"#, index % 4);
    }

    /// Names at the ends of lines, moved apart where they would lie on each other.
    fn names(&self, svg: &mut String, mut ends: Vec<(usize, f64, String)>) {
        ends.sort_by(|one, other| self.y(other.1).total_cmp(&self.y(one.1)));
        let mut lowest = f64::INFINITY;
        for (index, value, name) in ends {
            let y = (self.y(value) + 4.0).min(lowest - NAME_HEIGHT);
            lowest = y;
            let x = WIDTH - RIGHT + 8.0;
            let _ = write!(svg, r#"<text class="name n{}" x="{x}" y="{y:.1}">{name}</text>"#, index % 4);
        }
    }
}

/// Milliseconds over the share of those that took longer, both growing by powers of ten.
pub fn distribution(curves: &[Curve]) -> String {
    const NINES: [(f64, &str); 5] =
        [(0.5, "half"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")];
    let curves: Vec<&Curve> = curves.iter().filter(|curve| curve.count > 0).collect();
    let all =
        || curves.iter().flat_map(|curve| curve.points.iter().map(|(_, ms)| *ms)).filter(|ms| *ms > 0.0);
    if all().next().is_none() {
        return String::new();
    }
    let (lowest, highest) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    let y_min = 10.0_f64.powf(lowest.log10().floor());
    let y_max = 10.0_f64.powf(highest.log10().ceil()).max(y_min * 10.0);
    let behind = |share: f64| -(1.0 - share).max(0.000_03).log10() - 0.3;
    let frame = Frame { height: 320.0, x_max: behind(1.0), y_min, y_max, log_y: true };
    let mut svg = frame.begin("latency over the share of messages");
    let mut value = y_min;
    while value <= y_max * 1.001 {
        let text = if value < 1_000.0 { format!("{value} ms") } else { format!("{} s", value / 1_000.0) };
        frame.grid_y(&mut svg, value, &text);
        value *= 10.0;
    }
    for (share, text) in NINES {
        frame.tick_x(&mut svg, behind(share), text);
    }
    frame.tick_x(&mut svg, behind(1.0), "max");
    let mut ends = Vec::new();
    for (index, curve) in curves.iter().enumerate() {
        let points: Vec<_> = curve.points.iter().map(|(share, ms)| (behind(*share), *ms)).collect();
        frame.line(&mut svg, index, &points);
        ends.push((index, curve.points.last().map_or(0.0, |(_, ms)| *ms), escaped(&curve.name)));
    }
    frame.names(&mut svg, ends);
    svg + "</svg>"
}

/// One series of a time line: its name, and its value in a sample.
type Series = (&'static str, fn(&Sample) -> f64);

/// One chart each for what is delivered, what is acknowledged, CPU and connections: title and SVG.
pub fn timelines(samples: &[Sample], marks: &[(f64, &'static str)]) -> Vec<(String, String)> {
    let charts: [(&str, &[Series]); 4] = [
        ("Deliveries per second", &[("delivered", |sample| sample.deliveries_per_second)]),
        ("Choices acknowledged per second", &[("acknowledged", |sample| sample.acknowledged_per_second)]),
        (
            "CPU, cores in use",
            &[
                ("server", |sample| sample.server_cores),
                ("Postgres", |sample| sample.postgres_cores),
                ("generator", |sample| sample.generator_cores),
            ],
        ),
        ("Connections", &[("held", |sample| sample.connections as f64)]),
    ];
    if samples.len() < 2 {
        return Vec::new();
    }
    charts
        .iter()
        .map(|(title, series)| ((*title).to_owned(), timeline(samples, marks, series, title)))
        .collect()
}

fn timeline(samples: &[Sample], marks: &[(f64, &'static str)], series: &[Series], title: &str) -> String {
    let values = || series.iter().flat_map(|(_, value)| samples.iter().map(value));
    let step = nice_step(values().fold(0.0, f64::max) / 3.0);
    let y_max = step * (values().fold(0.0, f64::max) / step).ceil().max(1.0);
    let x_max = samples.last().map_or(1.0, |sample| sample.second);
    let frame = Frame { height: 190.0, x_max, y_min: 0.0, y_max, log_y: false };
    let mut svg = frame.begin(title);
    let mut value = 0.0;
    while value <= y_max * 1.001 {
        frame.grid_y(&mut svg, value, &short(value));
        value += step;
    }
    let step = nice_step(x_max / 6.0);
    let mut second = 0.0;
    while second <= x_max {
        frame.tick_x(&mut svg, second, &format!("{} s", short(second)));
        second += step;
    }
    for (second, what) in marks {
        let x = frame.x(*second);
        let _ = write!(
            svg,
            r#"<line class="mark" x1="{x:.1}" x2="{x:.1}" y1="{TOP}" y2="{:.1}"><title>{what}, {second:.1} s</title></line>"#,
            frame.height - BOTTOM
        );
    }
    let mut ends = Vec::new();
    for (index, (name, value)) in series.iter().enumerate() {
        let points: Vec<_> = samples.iter().map(|sample| (sample.second, value(sample))).collect();
        frame.line(&mut svg, index, &points);
        ends.push((index, points.last().map_or(0.0, |point| point.1), (*name).to_owned()));
    }
    frame.names(&mut svg, ends);
    svg + "</svg>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// 1, 2 or 5 times a power of ten, at least `least`.
fn nice_step(least: f64) -> f64 {
    if least <= 0.0 {
        return 1.0;
    }
    let power = 10.0_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .iter()
        .map(|factor| factor * power)
        .find(|step| *step >= least * 0.999)
        .unwrap_or(power)
}

fn short(value: f64) -> String {
    match value {
        large if large >= 10_000.0 => format!("{} k", (large / 100.0).round() / 10.0),
        whole if (whole - whole.round()).abs() < 1e-9 => format!("{}", whole.round()),
        other => format!("{}", (other * 100.0).round() / 100.0),
    }
}
