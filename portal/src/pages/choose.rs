//! The confirmation of a choice, as a page of its own for people without JavaScript.
//!
//! Says the same as `dialog#confirmation`: establishment, service, period, consequence, one button.

use std::borrow::Cow;

use amphi_engine::core::{CommandId, PostNumber, PostView, Snapshot, Standing, Timestamp};
use amphi_engine::protocol::Me;
use askama::Template;

use super::facts::{may_choose, would_wait_for};
use super::panel::{Panel, Situation, time_left};
use super::posts::seats_line;
use super::wording::{self, Zone, duration, say};
use super::{PageContext, html, intern_path};

/// What the confirmation is made from.
pub struct ChoosePage<'a> {
    /// Addresses.
    pub page: PageContext<'a>,
    /// Public facts.
    pub snapshot: &'a Snapshot,
    /// Who chooses.
    pub me: &'a Me,
    /// What.
    pub post: PostNumber,
    /// The server's clock.
    pub now: Timestamp,
    /// Id of the command the button sends.
    pub command_id: CommandId,
}

#[derive(Template)]
#[template(path = "choose.html")]
struct ChooseTemplate<'a> {
    page: PageContext<'a>,
    title: &'a str,
    period: String,
    path: String,
    post: &'a PostView,
    seats: String,
    consequence: String,
    button: String,
    time_left: String,
    possible: bool,
    impossible: Vec<String>,
    command_id: CommandId,
}

/// The confirmation page; `None` when there is no such post.
pub fn render(input: &ChoosePage<'_>) -> Option<String> {
    let (snapshot, rank) = (input.snapshot, input.me.rank);
    let post = snapshot.posts.get(input.post.index())?;
    let zone = Zone::named(&snapshot.time_zone);
    let waits_for = would_wait_for(snapshot, rank, input.post);
    let late = matches!(snapshot.participants.get(rank.index())?.standing, Standing::Late { .. });
    let consequence = match (waits_for, late) {
        (Some(turn), _) => say("choix.consequence.retenu", &[("rang", Cow::from(turn.to_string()))]),
        (None, true) => say("choix.consequence.retard", &[]),
        (None, false) => say("choix.consequence", &[]),
    };
    let my_turn = snapshot.now.turn.as_ref().filter(|turn| turn.rank == rank);
    let may = may_choose(snapshot, rank);
    let mut impossible = Vec::new();
    if !may {
        let panel = Panel::of(&Situation { snapshot, rank, forecast: None, now: input.now, zone: &zone });
        impossible = vec![say("choix.pas_possible", &[]), panel.label];
    } else if post.seats_left == 0 {
        impossible = vec![say("poste.complet", &[]), say("refus.post_taken.faire", &[])];
    }
    Some(html(&ChooseTemplate {
        page: input.page,
        title: &snapshot.title,
        period: wording::period(snapshot.period),
        path: intern_path(snapshot.amphi, rank),
        post,
        seats: seats_line(post),
        consequence,
        button: say(if waits_for.is_some() { "choix.bouton.retenu" } else { "choix.bouton" }, &[]),
        time_left: my_turn.map_or_else(String::new, |turn| {
            say("choix.temps", &[("temps", Cow::from(duration(time_left(turn, input.now))))])
        }),
        possible: impossible.is_empty(),
        impossible,
        command_id: input.command_id,
    }))
}
