//! The control room through its routes: its page, what an act would change, dossiers, the journal in words.
//!
//! Administrators of the amphi only; what a command may do is decided again by the core, from the same role.

mod adding;

use std::sync::Arc;

use amphi_engine::core::{Amphi, AmphiId, CallRank, Moment, Rejection};
use amphi_engine::protocol::{Outcome, Role};
use amphi_engine::room::{Room, addressed};
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{Html, Redirect};
use axum_extra::extract::Form;

use crate::Portal;
use crate::amphi::{Look, flash, new_command_id, pairs};
use crate::failure::Failure;
use crate::pages::control::acts::{self, Asked};
use crate::pages::control::{RosterEntry, dossier, history, preview};
use crate::pages::{self, Flash};
use crate::writing::to_the_end;
use crate::{drafting, people};

pub use adding::{add, add_page};

/// Names of everybody on the list.
async fn roster(portal: &Portal, room: &Arc<Room>) -> Result<Vec<RosterEntry>, Failure> {
    let (pool, room) = (portal.pool.clone(), Arc::clone(room));
    to_the_end(async move { people::completed_roster(&pool, &room).await }).await
}

/// The whole journal in words, oldest first.
async fn journal(
    portal: &Portal,
    look: &Look,
    roster: &[RosterEntry],
) -> Result<Vec<history::Line>, Failure> {
    let entries = portal.registry.journal().load(look.snapshot.amphi).await?;
    history::lines(&entries, roster, &look.snapshot).map_err(|error| Failure::Internal(error.to_string()))
}

/// The control room.
pub async fn page(
    State(portal): State<Arc<Portal>>,
    Path(amphi): Path<AmphiId>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    let room = portal.admit(&headers, amphi, Role::Administrator).await?;
    let roster = roster(&portal, &room).await?;
    let look = Look::at(&room)?;
    let journal = journal(&portal, &look, &roster).await?;
    let (warnings, dossiers) = room.read(|ledger| {
        let warnings = ledger.amphi().setup().map(|setup| drafting::warnings(setup)).unwrap_or_default();
        (warnings, ledger.dossiers())
    });
    let (presence, connections) = room.presence();
    let flash = flash(&pairs(query.as_deref())).map(|flash| with_ranks(flash, &room));
    Ok(Html(pages::control::render(pages::control::ControlPage {
        page: portal.page(),
        snapshot: &look.snapshot,
        position: look.position,
        forecasts: &look.forecasts,
        roster: &roster,
        dossiers: &dossiers,
        journal,
        presence: &presence,
        connections,
        warnings: &warnings,
        now: look.now,
        speed: look.speed,
        flash,
        new_command_id: &new_command_id,
    })))
}

/// An address says that somebody is not eligible, not who: that is asked of the amphi.
fn with_ranks(flash: Flash, room: &Room) -> Flash {
    match flash {
        Flash::Refused(Rejection::Ineligible { .. }) => {
            let of = |amphi: &Amphi| {
                (0..amphi.standings().len())
                    .map(CallRank::from_index)
                    .filter(|rank| amphi.ineligibility(*rank).is_some())
                    .filter(|rank| amphi.standing(*rank).is_some_and(|standing| standing.is_waiting()))
                    .collect()
            };
            Flash::Refused(Rejection::Ineligible { ranks: room.read(|ledger| of(ledger.amphi())) })
        }
        other => other,
    }
}

/// Whom an act would touch, before it is done.
pub async fn preview(
    State(portal): State<Arc<Portal>>,
    Path(amphi): Path<AmphiId>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    let room = portal.admit(&headers, amphi, Role::Administrator).await?;
    let asked = Asked::from_pairs(&pairs(query.as_deref())).ok_or(Failure::BadRequest)?;
    let act = acts::act(&asked.action).ok_or(Failure::NotFound)?;
    let roster = roster(&portal, &room).await?;
    let look = Look::at(&room)?;
    // A copy: everybody waits while the room is looked at, and a preview takes a moment.
    let (state, dossier, me) = room.read(|ledger| {
        let dossier = asked.rank.and_then(|rank| ledger.dossier(rank));
        (ledger.amphi().clone(), dossier, asked.rank.and_then(|rank| ledger.me(rank)))
    });
    let result = asked.command_to_preview().map(|command| {
        let (actor, command) = addressed(Role::Administrator, command);
        state.preview(actor, &command, Moment::from(look.now))
    });
    let wishes = me.and_then(|me| me.wishes).map(|receipt| receipt.wishes).unwrap_or_default();
    Ok(Html(preview::render(&preview::PreviewPage {
        page: portal.page(),
        snapshot: &look.snapshot,
        roster: &roster,
        act,
        asked: &asked,
        preview: result.as_ref(),
        dossier: dossier.as_ref(),
        wishes: &wishes,
        now: look.now,
        command_id: new_command_id(),
    })))
}

/// Everything about one rank.
pub async fn rank(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    let room = portal.admit(&headers, amphi, Role::Administrator).await?;
    let roster = roster(&portal, &room).await?;
    let look = Look::at(&room)?;
    let (me, about) =
        room.read(|ledger| Some((ledger.me(rank)?, ledger.dossier(rank)?))).ok_or(Failure::NotFound)?;
    let mut history = journal(&portal, &look, &roster).await?;
    history.retain(|line| line.is_about(rank));
    history.reverse();
    let (presence, _) = room.presence();
    Ok(Html(dossier::render(dossier::DossierPage {
        page: portal.page(),
        snapshot: &look.snapshot,
        roster: &roster,
        me: &me,
        dossier: &about,
        presence: presence.iter().find(|presence| presence.rank == rank),
        forecast: look.forecasts.get(rank.index()).copied().flatten(),
        history,
        now: look.now,
    })))
}

/// The whole journal in words, or what is new in it; newest first.
pub async fn journal_page(
    State(portal): State<Arc<Portal>>,
    Path(amphi): Path<AmphiId>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    let room = portal.admit(&headers, amphi, Role::Administrator).await?;
    let roster = roster(&portal, &room).await?;
    let look = Look::at(&room)?;
    let mut lines = journal(&portal, &look, &roster).await?;
    // Only what comes after this entry; all of it when none is named.
    let since = pairs(query.as_deref()).into_iter().find(|(name, _)| name == "depuis");
    let since: u64 = since.and_then(|(_, seq)| seq.parse().ok()).unwrap_or(0);
    lines.retain(|line| line.seq > since);
    lines.reverse();
    Ok(Html(history::render(history::JournalPage {
        page: portal.page(),
        snapshot: &look.snapshot,
        lines,
        now: look.now,
    })))
}

/// An act, sent by a form.
pub async fn command(
    State(portal): State<Arc<Portal>>,
    Path(amphi): Path<AmphiId>,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Redirect, Failure> {
    let room = portal.admit(&headers, amphi, Role::Administrator).await?;
    let asked = Asked::from_pairs(&fields).ok_or(Failure::BadRequest)?;
    let command = asked.command().ok_or(Failure::BadRequest)?;
    let id = fields.iter().find(|(name, _)| name == "command_id").map(|(_, value)| value.as_str());
    let id = id.and_then(|id| id.parse().ok()).ok_or(Failure::BadRequest)?;
    let (actor, command) = addressed(Role::Administrator, command);
    let outcome = room.ask(actor, command, amphi_engine::core::CommandId(id)).await;
    Ok(Redirect::to(&after(amphi, &asked, outcome.ok())))
}

/// Where the browser is led: the control room, which says what became of the act.
fn after(amphi: AmphiId, asked: &Asked, outcome: Option<Outcome>) -> String {
    let (flash, post, rank) = match outcome {
        None => (Flash::Busy, asked.post, asked.rank),
        Some(Outcome::Done { .. }) => (Flash::Done, asked.post, asked.rank),
        Some(Outcome::Held { post, .. }) => (Flash::Held, Some(post), asked.rank),
        Some(Outcome::Refused { rejection }) => {
            let (post, rank) = crate::amphi::subject(&rejection, asked.post, asked.rank);
            (Flash::Refused(rejection), post, rank)
        }
    };
    let mut address = format!("{}?resultat={}", pages::control_path(amphi), flash.to_query());
    if let Some(post) = post {
        address.push_str(&format!("&poste={post}"));
    }
    if let Some(rank) = rank {
        address.push_str(&format!("&rang={rank}"));
    }
    address
}
