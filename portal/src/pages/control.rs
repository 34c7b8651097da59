//! The control room: everybody of one amphi with names, and the acts of whoever runs it.
//!
//! All ranks are in the page, not a window of them: two thousand short rows cost a browser little when
//! only cells that changed are touched, the browser's own search finds a name, and screen readers and
//! paper see the whole list. Names come with the page; the live messages hold ranks only.

use amphi_engine::core::{CallRank, CommandId, Forecast, Snapshot, Standing, Status, Timestamp};
use amphi_engine::protocol::{Position, Presence};
use askama::Template;
use serde::Serialize;
use serde_json::json;

use super::facts::{AmphiNow, post_label};
use super::flash::{Flash, FlashView};
use super::panel::time_left;
use super::wording::{self, Audience, Zone, countdown, say};
use super::{PageContext, control_path, html, island, rehearsal_line};

/// Who stands at a rank; administrators only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RosterEntry {
    /// Call rank.
    pub rank: CallRank,
    /// Family name.
    pub last_name: String,
    /// First name.
    pub first_name: String,
    /// Address.
    pub email: String,
    /// Telephone, when known.
    pub phone: Option<String>,
}

/// What the control room is made from.
pub struct ControlPage<'a> {
    /// Addresses.
    pub page: PageContext<'a>,
    /// Public facts.
    pub snapshot: &'a Snapshot,
    /// Where in the journal they stand.
    pub position: Position,
    /// Forecasts of all ranks, by index, at `now`.
    pub forecasts: &'a [Option<Forecast>],
    /// Names, in any order.
    pub roster: &'a [RosterEntry],
    /// Who is connected, as known at `now`; absent ranks may be left out.
    pub presence: &'a [Presence],
    /// All connections.
    pub connections: u32,
    /// What the set-up should make the administrator think about.
    pub warnings: &'a [String],
    /// The server's clock.
    pub now: Timestamp,
    /// How fast it runs.
    pub speed: f64,
    /// What became of a command sent by a form.
    pub flash: Option<Flash>,
    /// Makes a new command id for each form.
    pub new_command_id: &'a dyn Fn() -> CommandId,
}

struct Row<'a> {
    rank: CallRank,
    last_name: &'a str,
    first_name: &'a str,
    pseudonym: &'a str,
    state: &'static str,
    state_said: String,
    presence: &'static str,
    presence_said: String,
    expected: String,
    choice: String,
    may_withdraw: bool,
}

struct Act {
    code: &'static str,
    label: &'static str,
    needs_reason: bool,
    destructive: bool,
    possible: bool,
    id: CommandId,
}

struct TurnView {
    rank: CallRank,
    name: String,
    phone: Option<String>,
    countdown: String,
    presence_said: String,
}

#[derive(Template)]
#[template(path = "control.html")]
struct ControlTemplate<'a> {
    page: PageContext<'a>,
    position: Position,
    title: &'a str,
    period: String,
    path: String,
    amphi: AmphiNow,
    turn: Option<TurnView>,
    end_turn_id: CommandId,
    end_turn_possible: bool,
    withdraw_id: CommandId,
    acts: Vec<Act>,
    rows: Vec<Row<'a>>,
    shown: String,
    connections: String,
    warnings: &'a [String],
    clock: String,
    now_said: String,
    zone_line: String,
    rehearsal: Option<String>,
    flash: Option<FlashView>,
    suspended_reason: Option<String>,
    data: String,
    words: String,
}

/// The control room.
pub fn render(input: &ControlPage<'_>) -> String {
    let snapshot = input.snapshot;
    let zone = Zone::named(&snapshot.time_zone);
    let total = snapshot.participants.len().to_string();
    html(&ControlTemplate {
        page: input.page,
        position: input.position,
        title: &snapshot.title,
        period: wording::period(snapshot.period),
        path: control_path(snapshot.amphi),
        amphi: AmphiNow::of(snapshot, &zone, input.forecasts, input.now),
        turn: turn_view(input, &zone),
        end_turn_id: (input.new_command_id)(),
        end_turn_possible: snapshot.now.turn.is_some() && snapshot.now.status == Status::Open,
        withdraw_id: (input.new_command_id)(),
        acts: acts(input),
        rows: rows(input, &zone),
        shown: say("regie.affiches", &[("n", total.clone().into()), ("total", total.into())]),
        connections: say(
            "regie.connexions",
            &[
                ("n", input.connections.to_string().into()),
                ("presents", input.presence.iter().filter(|p| p.devices > 0).count().to_string().into()),
            ],
        ),
        warnings: input.warnings,
        clock: zone.time_to_the_second(input.now),
        now_said: zone.full(input.now),
        zone_line: say("amphi.zone", &[("zone", zone.label().into())]),
        rehearsal: rehearsal_line(input.speed),
        flash: input.flash.as_ref().map(|flash| flash.view(Audience::Administrator, snapshot, "fait")),
        suspended_reason: match &snapshot.now.status {
            Status::Suspended { reason, since } => Some(say(
                "tour.suspendu.depuis",
                &[("heure", zone.moment(*since, input.now).into()), ("motif", reason.into())],
            )),
            Status::Annulled { reason } => Some(say("tour.annule.detail", &[("motif", reason.into())])),
            _ => None,
        },
        data: island(&json!({
            "path": control_path(snapshot.amphi),
            "zone_label": zone.label(),
            "snapshot": snapshot,
            "position": input.position,
            "roster": input.roster,
            "presence": input.presence,
            "connections": input.connections,
            "now": input.now,
            "speed": input.speed,
        })),
        words: island(&wording::dictionary()),
    })
}

fn acts(input: &ControlPage<'_>) -> Vec<Act> {
    let status = &input.snapshot.now.status;
    let running = matches!(status, Status::Open | Status::Suspended { .. });
    let over = matches!(status, Status::Closed | Status::Annulled { .. });
    let everybody_called = input.snapshot.now.turn.is_none()
        && !input.snapshot.participants.iter().any(|participant| participant.standing.is_waiting());
    [
        ("open", "Ouvrir la séance", false, false, *status == Status::Published),
        ("suspend", "Suspendre", true, false, *status == Status::Open),
        ("resume", "Reprendre", false, false, matches!(status, Status::Suspended { .. })),
        ("close", "Terminer la séance", false, true, running && everybody_called),
        ("annul", "Annuler la séance", true, true, !over),
    ]
    .into_iter()
    .map(|(code, label, needs_reason, destructive, possible)| Act {
        code,
        label,
        needs_reason,
        destructive,
        possible,
        id: (input.new_command_id)(),
    })
    .collect()
}

fn turn_view(input: &ControlPage<'_>, zone: &Zone) -> Option<TurnView> {
    let turn = input.snapshot.now.turn.as_ref()?;
    let entry = input.roster.iter().find(|entry| entry.rank == turn.rank);
    Some(TurnView {
        rank: turn.rank,
        name: entry.map_or_else(String::new, |entry| format!("{} {}", entry.last_name, entry.first_name)),
        phone: entry.and_then(|entry| entry.phone.clone()),
        countdown: countdown(time_left(turn, input.now)),
        presence_said: presence_said(input, turn.rank, zone).1,
    })
}

fn rows<'a>(input: &ControlPage<'a>, zone: &Zone) -> Vec<Row<'a>> {
    let mut names: Vec<Option<&RosterEntry>> = vec![None; input.snapshot.participants.len()];
    for entry in input.roster {
        if let Some(slot) = names.get_mut(entry.rank.index()) {
            *slot = Some(entry);
        }
    }
    let row = |participant: &'a amphi_engine::core::ParticipantView| {
        let rank = participant.rank;
        let entry = names.get(rank.index()).copied().flatten();
        let held = input.snapshot.now.held.iter().find(|held| held.rank == rank);
        let (presence, presence_said) = presence_said(input, rank, zone);
        let forecast = input.forecasts.get(rank.index()).copied().flatten();
        Row {
            rank,
            last_name: entry.map_or("", |entry| entry.last_name.as_str()),
            first_name: entry.map_or("", |entry| entry.first_name.as_str()),
            pseudonym: &participant.pseudonym,
            state: if held.is_some() { "held" } else { wording::standing_code(&participant.standing) },
            state_said: if held.is_some() {
                say("etat.held", &[])
            } else {
                wording::standing(&participant.standing)
            },
            presence,
            presence_said,
            expected: forecast.map_or_else(String::new, |f| zone.moment(f.expected, input.now)),
            choice: match (participant.standing, held) {
                (Standing::Placed { post, .. }, _) => post_label(post, input.snapshot),
                (_, Some(held)) => post_label(held.post, input.snapshot),
                _ => String::new(),
            },
            may_withdraw: matches!(
                participant.standing,
                Standing::Waiting | Standing::InTurn | Standing::Late { .. }
            ),
        }
    };
    input.snapshot.participants.iter().map(row).collect()
}

fn presence_said(input: &ControlPage<'_>, rank: CallRank, zone: &Zone) -> (&'static str, String) {
    match input.presence.iter().find(|presence| presence.rank == rank) {
        Some(presence) if presence.devices > 0 => (
            "present",
            say(
                "regie.present.depuis",
                &[
                    ("n", presence.devices.to_string().into()),
                    ("heure", zone.moment(presence.since, input.now).into()),
                ],
            ),
        ),
        Some(presence) => (
            "absent",
            say("regie.absent.depuis", &[("heure", zone.moment(presence.since, input.now).into())]),
        ),
        None => ("absent", say("regie.absent", &[])),
    }
}
