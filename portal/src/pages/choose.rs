//! The confirmation of a choice, as a page of its own for people without JavaScript.
//!
//! Says the same as `dialog#confirmation`: establishment, service, period, consequence, one button.

use std::borrow::Cow;

use amphi_engine::core::{
    CallRank, CommandId, PostNumber, PostView, Snapshot, Standing, Supernumerary, Timestamp,
};
use amphi_engine::protocol::Me;
use askama::Template;

use super::facts::{Choosing, Who, choosing, post_label, would_wait_for};
use super::mandate::Mandate;
use super::panel::{Panel, Situation, time_left};
use super::posts::seats_line;
use super::wording::{self, Zone, duration, say};
use super::{PageContext, html};

/// What the confirmation is made from.
pub struct ChoosePage<'a> {
    /// Addresses.
    pub page: PageContext<'a>,
    /// Public facts.
    pub snapshot: &'a Snapshot,
    /// Who chooses.
    pub me: &'a Me,
    /// For whom, when it is not for oneself.
    pub mandate: Option<&'a Mandate>,
    /// What.
    pub post: PostNumber,
    /// The server's clock.
    pub now: Timestamp,
    /// Id of the command the button sends.
    pub command_id: CommandId,
}

/// What there is to say about a right to an extra seat (3.3).
struct ExtraSeat {
    /// Nothing else is possible: the post is full.
    only: bool,
    said: String,
}

#[derive(Template)]
#[template(path = "choose.html")]
struct ChooseTemplate<'a> {
    page: PageContext<'a>,
    title: &'a str,
    period: String,
    path: String,
    rank: CallRank,
    mandate: Option<&'a Mandate>,
    post: &'a PostView,
    seats: String,
    action: &'static str,
    heading: String,
    consequence: String,
    extra_seat: Option<ExtraSeat>,
    button: String,
    time_left: String,
    possible: bool,
    impossible: Vec<String>,
    command_id: CommandId,
}

/// The confirmation page; `None` when there is no such post.
pub fn render(input: &ChoosePage<'_>) -> Option<String> {
    let (snapshot, rank) = (input.snapshot, input.me.rank);
    let who = Who { me: input.me, mandate: input.mandate };
    let post = snapshot.posts.get(input.post.index())?;
    let zone = Zone::named(&snapshot.time_zone);
    let waits_for = would_wait_for(snapshot, rank, input.post);
    let standing = snapshot.participants.get(rank.index())?.standing;
    let may = choosing(snapshot, who);
    let exchanged = match (may, standing) {
        (Choosing::Exchange, Standing::Placed { post, .. }) => Some(post),
        _ => None,
    };
    let extra_seat = extra_seat(input.me, post, exchanged);
    let my_turn = snapshot.now.turn.as_ref().filter(|turn| turn.rank == rank);
    let mut impossible = Vec::new();
    if may == Choosing::No {
        let panel = Panel::of(&Situation { snapshot, who, forecast: None, now: input.now, zone: &zone });
        impossible = vec![say("choix.pas_possible", &[]), panel.label];
        if who.document_is_missing() {
            impossible = vec![say("choix.pas_possible", &[]), say("tour.tour.document", &[])];
        }
    } else if post.seats_left == 0 && extra_seat.is_none() {
        impossible = vec![say("poste.complet", &[]), say("refus.post_taken.faire", &[])];
    }
    let late = matches!(standing, Standing::Late { .. });
    Some(html(&ChooseTemplate {
        page: input.page,
        title: &snapshot.title,
        period: wording::period(snapshot.period),
        path: who.path(snapshot),
        rank,
        mandate: input.mandate,
        post,
        seats: seats_line(post),
        action: if exchanged.is_some() { "exchange" } else { "choose" },
        heading: say(if exchanged.is_some() { "choix.titre.echange" } else { "choix.titre" }, &[]),
        consequence: match (exchanged, waits_for) {
            (Some(mine), _) => {
                say("choix.consequence.echange", &[("mien", Cow::from(post_label(mine, snapshot)))])
            }
            (_, Some(turn)) => say("choix.consequence.retenu", &[("rang", Cow::from(turn.to_string()))]),
            (_, None) => say(if late { "choix.consequence.retard" } else { "choix.consequence" }, &[]),
        },
        button: say(
            match (&extra_seat, exchanged, waits_for) {
                (Some(ExtraSeat { only: true, .. }), ..) => "choix.bouton.surnombre",
                (_, Some(_), _) => "choix.bouton.echange",
                (_, _, Some(_)) => "choix.bouton.retenu",
                _ => "choix.bouton",
            },
            &[],
        ),
        extra_seat,
        time_left: my_turn.map_or_else(String::new, |turn| {
            say("choix.temps", &[("temps", Cow::from(duration(time_left(turn, input.now))))])
        }),
        possible: impossible.is_empty(),
        impossible,
        command_id: input.command_id,
    }))
}

/// A right to an extra seat, where it can be used: not on a full post when the semester is to count, and
/// not in an exchange.
fn extra_seat(me: &Me, post: &PostView, exchanged: Option<PostNumber>) -> Option<ExtraSeat> {
    let full = post.seats_left == 0;
    let said = match me.supernumerary? {
        _ if exchanged.is_some() => return None,
        Supernumerary::Validating if full => return None,
        Supernumerary::Validating => say("choix.surnombre.validating", &[]),
        Supernumerary::NonValidating => say("choix.surnombre.non_validating", &[]),
    };
    Some(ExtraSeat { only: full, said })
}
