//! The intern's page: me and my time, the amphi now, the posts, choosing, the connection.
//!
//! Shows the truth of `now` without JavaScript; `assets/intern.js` keeps it true. Deliberately
//! absent: names. Everybody is a rank and a pseudonym here.

use amphi_engine::core::{CommandId, Forecast, Snapshot, Standing, Status, Timestamp};
use amphi_engine::protocol::{Me, Position};
use askama::Template;
use serde_json::json;

use super::facts::{AmphiNow, may_choose};
use super::flash::{Flash, FlashView};
use super::panel::{Panel, Situation};
use super::posts::{PostFilter, PostList};
use super::receipt::ReceiptView;
use super::wording::{self, Audience, Rule, Zone, rules};
use super::{PageContext, html, intern_path, island, rehearsal_line};

/// What the intern's page is made from.
pub struct InternPage<'a> {
    /// Addresses.
    pub page: PageContext<'a>,
    /// Public facts.
    pub snapshot: &'a Snapshot,
    /// Where in the journal they stand.
    pub position: Position,
    /// Whose page.
    pub me: &'a Me,
    /// Forecasts of all ranks, by index, at `now`.
    pub forecasts: &'a [Option<Forecast>],
    /// The server's clock (the rehearsal's, in a rehearsal).
    pub now: Timestamp,
    /// How fast it runs.
    pub speed: f64,
    /// What became of a command sent by a form.
    pub flash: Option<Flash>,
    /// What of the offer is shown.
    pub filter: PostFilter,
    /// Makes a new command id for each form.
    pub new_command_id: &'a dyn Fn() -> CommandId,
}

#[derive(Template)]
#[template(path = "intern.html")]
struct InternTemplate<'a> {
    page: PageContext<'a>,
    position: Position,
    title: &'a str,
    period: String,
    path: String,
    rank: String,
    pseudonym: &'a str,
    rank_explanation: Vec<String>,
    rules: Vec<Rule>,
    panel: Panel,
    receipt: Option<ReceiptView>,
    now_said: String,
    clock: String,
    zone_line: String,
    rehearsal: Option<String>,
    amphi: AmphiNow,
    posts: PostList<'a>,
    filter: &'a PostFilter,
    filters_set: usize,
    may_choose: bool,
    may_pass: bool,
    may_release: bool,
    pass_id: CommandId,
    release_id: CommandId,
    flash: Option<FlashView>,
    data: String,
    words: String,
}

/// The page of one intern.
pub fn render(input: &InternPage<'_>) -> String {
    let (snapshot, rank) = (input.snapshot, input.me.rank);
    let zone = Zone::named(&snapshot.time_zone);
    let standing = snapshot.participants.get(rank.index()).map(|p| p.standing);
    let forecast = input.forecasts.get(rank.index()).copied().flatten();
    let situation = Situation { snapshot, rank, forecast, now: input.now, zone: &zone };
    let placed = matches!(standing, Some(Standing::Placed { .. }));
    let done = if placed { "fait.choose" } else { "fait" };
    let open = snapshot.now.status == Status::Open;
    html(&InternTemplate {
        page: input.page,
        position: input.position,
        title: &snapshot.title,
        period: wording::period(snapshot.period),
        path: intern_path(snapshot.amphi, rank),
        rank: rank.to_string(),
        pseudonym: &input.me.pseudonym,
        rank_explanation: wording::rank_explanation(&input.me.rank_basis),
        rules: rules(snapshot.round, &snapshot.policies, snapshot.turn_duration),
        panel: Panel::of(&situation),
        receipt: input.me.receipt.as_ref().map(|receipt| ReceiptView::of(receipt, &zone)),
        now_said: zone.full(input.now),
        clock: zone.time_to_the_second(input.now),
        zone_line: wording::say("amphi.zone", &[("zone", zone.label().into())]),
        rehearsal: rehearsal_line(input.speed),
        amphi: AmphiNow::of(snapshot, &zone, input.forecasts, input.now),
        posts: PostList::of(snapshot, &input.filter, rank),
        filter: &input.filter,
        filters_set: input.filter.count(),
        may_choose: may_choose(snapshot, rank),
        may_pass: open && standing == Some(Standing::InTurn),
        may_release: open && snapshot.now.held.iter().any(|held| held.rank == rank),
        pass_id: (input.new_command_id)(),
        release_id: (input.new_command_id)(),
        flash: input.flash.as_ref().map(|flash| flash.view(Audience::Intern, snapshot, done)),
        data: island(&json!({
            "path": intern_path(snapshot.amphi, rank),
            "zone_label": zone.label(),
            "snapshot": snapshot,
            "position": input.position,
            "me": input.me,
            "now": input.now,
            "speed": input.speed,
        })),
        words: island(&wording::dictionary()),
    })
}
