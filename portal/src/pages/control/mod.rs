//! The control room: everybody of one amphi with names, and the acts of whoever runs it.
//!
//! All ranks are in the page, not a window of them: five hundred short rows cost a browser little when
//! only cells that changed are touched (and rows out of sight are not laid out), the browser's own search
//! finds a name, and screen readers and paper see the whole list. Names come with the page; the live
//! messages hold ranks only.

pub mod acts;
pub mod adding;
pub mod dossier;
pub mod history;
mod people;
pub mod preview;

use amphi_engine::core::{CallRank, CommandId, Forecast, PostNumber, Snapshot, Standing, Status, Timestamp};
use amphi_engine::protocol::{Dossier, Position, Presence};
use askama::Template;
use serde::Serialize;
use serde_json::json;

use self::history::Line;
use self::people::{Names, ineligibility};
use super::facts::{AmphiNow, post_label};
use super::flash::{Flash, FlashView};
use super::panel::time_left;
use super::wording::{self, Audience, Rule, Zone, countdown, duration, rules, say};
use super::{PageContext, control_path, html, island, rehearsal_line};

/// Lines of the journal that come with the page; the whole of it has a page of its own.
const JOURNAL_LINES: usize = 200;

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
    /// What only administrators are told of each rank.
    pub dossiers: &'a [Dossier],
    /// The journal so far, oldest first.
    pub journal: Vec<Line>,
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
    wish: String,
    choice: String,
}

/// An act on the session.
struct SessionAct {
    code: &'static str,
    label: &'static str,
    destructive: bool,
    possible: bool,
}

/// By how much the turn in progress may be extended.
struct Step {
    ms: i64,
    said: String,
}

/// Somebody about whom something has to be decided.
struct Pending {
    rank: CallRank,
    name: String,
    why: String,
}

struct TurnView {
    rank: CallRank,
    name: String,
    phone: Option<String>,
    countdown: String,
    presence: &'static str,
    presence_said: String,
}

#[derive(Template)]
#[template(path = "control.html")]
struct ControlTemplate<'a> {
    page: PageContext<'a>,
    position: Position,
    has_turns: bool,
    title: &'a str,
    period: String,
    path: String,
    amphi: AmphiNow,
    turn: Option<TurnView>,
    turn_acts: bool,
    steps: Vec<Step>,
    suspend: bool,
    suspend_id: CommandId,
    resume: bool,
    resume_id: CommandId,
    suspended: bool,
    acts: Vec<SessionAct>,
    ineligible: Vec<Pending>,
    unplaced: Vec<Pending>,
    lines: Vec<Line>,
    rules: Vec<Rule>,
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
pub fn render(mut input: ControlPage<'_>) -> String {
    let mut journal = std::mem::take(&mut input.journal);
    let delays = history::delays(&journal);
    let older = journal.len().saturating_sub(JOURNAL_LINES);
    journal.drain(..older);
    journal.reverse();
    let input = &input;
    let snapshot = input.snapshot;
    let names = Names::of(input.roster, snapshot);
    let status = &snapshot.now.status;
    let zone = Zone::named(&snapshot.time_zone);
    let total = snapshot.participants.len().to_string();
    html(&ControlTemplate {
        page: input.page,
        position: input.position,
        has_turns: snapshot.round.has_turns(),
        title: &snapshot.title,
        period: wording::period(snapshot.period),
        path: control_path(snapshot.amphi),
        amphi: AmphiNow::of(snapshot, &zone, input.forecasts, input.now),
        turn: turn_view(input, &names, &zone),
        turn_acts: snapshot.now.turn.is_some() && *status == Status::Open,
        steps: steps(snapshot),
        suspend: *status == Status::Open,
        suspend_id: (input.new_command_id)(),
        resume: matches!(status, Status::Suspended { .. }),
        resume_id: (input.new_command_id)(),
        suspended: matches!(status, Status::Suspended { .. }),
        acts: acts(snapshot),
        ineligible: ineligible(input, &names),
        unplaced: unplaced(snapshot, &names),
        lines: journal,
        rules: rules(snapshot.round, &snapshot.policies, snapshot.turn_duration),
        rows: rows(input, &names, &zone),
        shown: say("regie.affiches", &[("n", total.clone().into()), ("total", total.into())]),
        connections: say(
            "regie.connexions",
            &[
                ("n", input.connections.to_string().into()),
                ("presents", input.presence.iter().filter(|p| p.devices > 0).count().to_string().into()),
            ],
        ),
        // What was to be thought about before: once it runs, it is as it is.
        warnings: if matches!(status, Status::Draft | Status::Published) { input.warnings } else { &[] },
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
            "dossiers": input.dossiers,
            "delays": delays,
            "connections": input.connections,
            "now": input.now,
            "speed": input.speed,
        })),
        words: island(&wording::dictionary()),
    })
}

fn acts(snapshot: &Snapshot) -> Vec<SessionAct> {
    let status = &snapshot.now.status;
    let running = matches!(status, Status::Open | Status::Suspended { .. });
    let annulled = matches!(status, Status::Annulled { .. });
    [
        ("open", *status == Status::Published),
        ("explain_suspension", matches!(status, Status::Suspended { .. })),
        ("close", running && (turns_are_over(snapshot) || !snapshot.round.has_turns())),
        ("annul", !annulled),
    ]
    .into_iter()
    .filter_map(|(code, possible)| {
        let act = acts::act(code)?;
        Some(SessionAct { code, label: act.title, destructive: act.destructive, possible })
    })
    .collect()
}

fn turns_are_over(snapshot: &Snapshot) -> bool {
    snapshot.now.turn.is_none() && !snapshot.participants.iter().any(|one| one.standing.is_waiting())
}

fn steps(snapshot: &Snapshot) -> Vec<Step> {
    snapshot.policies.extension_steps.iter().map(|step| Step { ms: step.0, said: duration(*step) }).collect()
}

/// Whom the eligibility check has found, as long as the session cannot open because of them.
fn ineligible(input: &ControlPage<'_>, names: &Names<'_>) -> Vec<Pending> {
    let waits = |rank: CallRank| {
        input.snapshot.participants.get(rank.index()).is_some_and(|one| one.standing.is_waiting())
    };
    let found = input.dossiers.iter().filter(|dossier| waits(dossier.rank));
    found
        .filter_map(|dossier| {
            let why = ineligibility(dossier.ineligible?);
            Some(Pending { rank: dossier.rank, name: names.name(dossier.rank), why })
        })
        .collect()
}

/// Who never chose, once every turn is over: somebody has to decide about each (3.3).
fn unplaced(snapshot: &Snapshot, names: &Names<'_>) -> Vec<Pending> {
    let session = matches!(snapshot.now.status, Status::Open | Status::Suspended { .. } | Status::Closed);
    if !session || !turns_are_over(snapshot) || !snapshot.round.places() {
        return Vec::new();
    }
    let late = snapshot.participants.iter().filter(|one| matches!(one.standing, Standing::Late { .. }));
    late.map(|one| Pending { rank: one.rank, name: names.name(one.rank), why: String::new() }).collect()
}

fn turn_view(input: &ControlPage<'_>, names: &Names<'_>, zone: &Zone) -> Option<TurnView> {
    let turn = input.snapshot.now.turn.as_ref()?;
    let (presence, presence_said) = presence_said(presence_of(input, turn.rank), zone, input.now);
    Some(TurnView {
        rank: turn.rank,
        name: names.name(turn.rank),
        phone: names.entry(turn.rank).and_then(|entry| entry.phone.clone()),
        countdown: countdown(time_left(turn, input.now)),
        presence,
        presence_said,
    })
}

fn rows<'a>(input: &ControlPage<'a>, names: &Names<'a>, zone: &Zone) -> Vec<Row<'a>> {
    let mut wishes: Vec<&[PostNumber]> = vec![&[]; input.snapshot.participants.len()];
    for dossier in input.dossiers {
        if let Some(slot) = wishes.get_mut(dossier.rank.index()) {
            *slot = &dossier.first_wishes;
        }
    }
    let row = |participant: &'a amphi_engine::core::ParticipantView| {
        let rank = participant.rank;
        let entry = names.entry(rank);
        let held = input.snapshot.now.held.iter().find(|held| held.rank == rank);
        let (presence, presence_said) = presence_said(presence_of(input, rank), zone, input.now);
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
            wish: match wishes[rank.index()].first() {
                Some(first) => post_label(*first, input.snapshot),
                None => String::new(),
            },
            choice: match (participant.standing, held) {
                (Standing::Placed { post, .. }, _) => post_label(post, input.snapshot),
                (_, Some(held)) => post_label(held.post, input.snapshot),
                _ => String::new(),
            },
        }
    };
    input.snapshot.participants.iter().map(row).collect()
}

fn presence_of<'a>(input: &ControlPage<'a>, rank: CallRank) -> Option<&'a Presence> {
    input.presence.iter().find(|presence| presence.rank == rank)
}

/// Who is there for a rank: the intern, the holder of their proxy, both, or nobody; and since when.
fn presence_said(presence: Option<&Presence>, zone: &Zone, now: Timestamp) -> (&'static str, String) {
    let Some(presence) = presence else { return ("absent", say("regie.absent", &[])) };
    let since = || zone.moment(presence.since, now);
    let (word, key, devices) = match (presence.devices, presence.proxy_devices) {
        (0, 0) => ("absent", "regie.absent.depuis", 0),
        (own, 0) => ("present", "regie.present.depuis", own),
        (0, holders) => ("mandataire", "regie.mandataire.depuis", holders),
        (own, holders) => ("present", "regie.present.ensemble", own + holders),
    };
    (word, say(key, &[("n", devices.to_string().into()), ("heure", since().into())]))
}
