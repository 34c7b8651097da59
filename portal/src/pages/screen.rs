//! The public screen: read from the back of a room. No names.

use std::collections::BTreeMap;

use amphi_engine::core::{Forecast, Snapshot, Timestamp};
use amphi_engine::protocol::Position;
use askama::Template;
use serde_json::json;

use super::facts::AmphiNow;
use super::panel::time_left;
use super::posts::fold;
use super::wording::{self, Rule, Zone, countdown, rules, say};
use super::{PageContext, html, island, rehearsal_line, screen_path};

/// How many of the next ranks are shown.
const NEXT_SHOWN: usize = 3;

/// What the public screen is made from.
pub struct ScreenPage<'a> {
    /// Addresses.
    pub page: PageContext<'a>,
    /// Public facts.
    pub snapshot: &'a Snapshot,
    /// Where in the journal they stand.
    pub position: Position,
    /// Forecasts of all ranks, by index, at `now`.
    pub forecasts: &'a [Option<Forecast>],
    /// The server's clock.
    pub now: Timestamp,
    /// How fast it runs.
    pub speed: f64,
}

struct Next {
    rank: String,
    pseudonym: String,
    time: String,
}

struct ServiceTile {
    service: String,
    seats_left: u32,
    said: String,
}

#[derive(Template)]
#[template(path = "screen.html")]
struct ScreenTemplate<'a> {
    page: PageContext<'a>,
    position: Position,
    title: &'a str,
    period: String,
    amphi: AmphiNow,
    passing_rank: String,
    passing_pseudonym: &'a str,
    countdown: String,
    next: Vec<Next>,
    clock: String,
    zone_label: String,
    rules: Vec<Rule>,
    tiles: Vec<ServiceTile>,
    seats_left: String,
    density: &'static str,
    rehearsal: Option<String>,
    data: String,
    words: String,
}

/// The public screen.
pub fn render(input: &ScreenPage<'_>) -> String {
    let snapshot = input.snapshot;
    let zone = Zone::named(&snapshot.time_zone);
    let turn = snapshot.now.turn.as_ref();
    let tiles = tiles(snapshot);
    let seats: u32 = tiles.iter().map(|tile| tile.seats_left).sum();
    html(&ScreenTemplate {
        page: input.page,
        position: input.position,
        title: &snapshot.title,
        period: wording::period(snapshot.period),
        amphi: AmphiNow::of(snapshot, &zone, input.forecasts, input.now),
        passing_rank: turn.map_or_else(String::new, |turn| turn.rank.to_string()),
        passing_pseudonym: turn
            .and_then(|turn| snapshot.participants.get(turn.rank.index()))
            .map_or("", |participant| participant.pseudonym.as_str()),
        countdown: turn.map_or_else(String::new, |turn| countdown(time_left(turn, input.now))),
        next: next(input, &zone),
        clock: zone.time(input.now),
        zone_label: zone.label().to_owned(),
        rules: rules(snapshot.round, &snapshot.policies, snapshot.turn_duration),
        density: match tiles.len() {
            0..=12 => "large",
            13..=30 => "moyenne",
            _ => "serree",
        },
        seats_left: say("ecran.places", &[("n", seats.to_string().into())]),
        tiles,
        rehearsal: rehearsal_line(input.speed),
        data: island(&json!({
            "path": screen_path(snapshot.amphi),
            "zone_label": zone.label(),
            "snapshot": snapshot,
            "position": input.position,
            "now": input.now,
            "speed": input.speed,
        })),
        words: island(&wording::dictionary()),
    })
}

fn next(input: &ScreenPage<'_>, zone: &Zone) -> Vec<Next> {
    input
        .snapshot
        .participants
        .iter()
        .filter(|p| p.rank >= input.snapshot.now.next_rank && p.standing.is_waiting())
        .take(NEXT_SHOWN)
        .map(|p| Next {
            rank: p.rank.to_string(),
            pseudonym: p.pseudonym.clone(),
            time: input
                .forecasts
                .get(p.rank.index())
                .copied()
                .flatten()
                .map_or_else(String::new, |forecast| zone.moment(forecast.expected, input.now)),
        })
        .collect()
}

fn tiles(snapshot: &Snapshot) -> Vec<ServiceTile> {
    let mut services: BTreeMap<(String, &str), u32> = BTreeMap::new();
    for view in &snapshot.posts {
        let key = (fold(&view.post.service), view.post.service.as_str());
        *services.entry(key).or_default() += u32::from(view.seats_left);
    }
    let tile = |((_, service), seats_left): ((String, &str), u32)| ServiceTile {
        service: service.to_owned(),
        seats_left,
        said: if seats_left == 0 { say("poste.complet", &[]) } else { seats_left.to_string() },
    };
    services.into_iter().map(tile).collect()
}
