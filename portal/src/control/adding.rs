//! Somebody is added to a list that is published (3.7).
//!
//! Three things are written, in this order: who it is (`interns`), that they take part (the journal), and
//! at which rank they stand (`roster`). The journal is what counts; the roster says of the journal's people
//! who they are, and is completed from it ([`crate::people::completed_roster`]) by whoever finds it shorter than
//! the list: this room, and the mails before they convoke. So a crash after the first leaves a person on no list, which hurts nobody, and a crash after the
//! second leaves a participant whose name comes back with the next look. Sent again, the same form finds the
//! same person by their address and the same command by its id. The first is written before anybody has said that
//! they may be added: so nothing is changed of somebody who is known.

use std::sync::Arc;

use amphi_engine::core::call_list::RankBasis;
use amphi_engine::core::{AmphiId, Command, CommandId, Participant};
use amphi_engine::protocol::{Outcome, Role};
use amphi_engine::room::{ADMINISTRATOR_BY_LINK, Room};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum_extra::extract::Form;

use crate::Portal;
use crate::amphi::{Look, new_command_id};
use crate::failure::Failure;
use crate::import::{ImportedIntern, Problem, read_one_intern};
use crate::pages::control::acts::Asked;
use crate::pages::control::adding;
use crate::writing::to_the_end;
use crate::{drafting, people};

/// The form.
pub async fn add_page(
    State(portal): State<Arc<Portal>>,
    Path(amphi): Path<AmphiId>,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    let room = portal.admit(&headers, amphi, Role::Administrator).await?;
    form(&portal, &room, &[], &[])
}

fn form(
    portal: &Portal,
    room: &Room,
    fields: &[(String, String)],
    problems: &[Problem],
) -> Result<Html<String>, Failure> {
    let look = Look::at(room)?;
    Ok(Html(adding::render(&adding::AddingPage {
        page: portal.page(),
        snapshot: &look.snapshot,
        fields,
        problems,
        command_id: new_command_id(),
    })))
}

/// Adds whom the form names.
pub async fn add(
    State(portal): State<Arc<Portal>>,
    Path(amphi): Path<AmphiId>,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Failure> {
    let room = portal.admit(&headers, amphi, Role::Administrator).await?;
    let value =
        |name: &str| fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let id = CommandId(value("command_id").parse().map_err(|_| Failure::BadRequest)?);
    let reason = value("reason").trim().to_owned();
    let cells: Vec<(&str, &str)> =
        adding::FIELDS.iter().map(|field| (field.name, value(field.name))).collect();
    let intern = match read_one_intern(&cells) {
        Ok(intern) => intern,
        Err(problems) => return Ok(form(&portal, &room, &fields, &problems.0)?.into_response()),
    };
    let pool = portal.pool.clone();
    let outcome = to_the_end(async move { added(&pool, &room, intern, reason, id).await }).await?;
    let asked = Asked { action: "add".to_owned(), ..Asked::default() };
    Ok(Redirect::to(&super::after(amphi, &asked, outcome)).into_response())
}

/// `None`: not looked at; to be sent again with the same id.
async fn added(
    pool: &sqlx::PgPool,
    room: &Arc<Room>,
    intern: ImportedIntern,
    reason: String,
    id: CommandId,
) -> Result<Option<Outcome>, Failure> {
    let who = people::known_or_registered(pool, &intern).await?;
    let listed = room.read(|ledger| ledger.amphi().setup().map_or(0, |setup| setup.participants.len()));
    let participant = Box::new(Participant {
        intern: who,
        pseudonym: drafting::pseudonym(listed),
        extra_time_percent: intern.extra_time_percent,
        rank_basis: RankBasis::Imported { seniority: drafting::seniority(&intern) },
        supernumerary: intern.supernumerary,
    });
    let actor = amphi_engine::core::Actor::Administrator { id: ADMINISTRATOR_BY_LINK };
    let outcome = room.ask(actor, Command::Add { participant, reason }, id).await.ok();
    if matches!(outcome, Some(Outcome::Done { .. })) {
        people::completed_roster(pool, room).await?;
    }
    Ok(outcome)
}
