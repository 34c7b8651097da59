//! The intern's side: naming a holder, seeing where the proxy stands, sending the link again, taking the
//! proxy back.

use std::sync::Arc;

use amphi_engine::core::{AmphiId, CallRank, Command, CommandId, Digest, ProxyId};
use amphi_engine::protocol::Outcome;
use amphi_engine::room::{Busy, Room};
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum_extra::extract::Form;
use serde::Deserialize;

use super::{Holder, Record, store};
use crate::Portal;
use crate::acting::Acting;
use crate::amphi::{Look, flash, new_command_id, pairs};
use crate::failure::Failure;
use crate::import::email;
use crate::pages::Flash;
use crate::pages::proxies::{self as pages, Entered, Problems};
use crate::writing::to_the_end;

/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 100;
/// Longest instructions: one screen, read on a telephone during a turn.
const INSTRUCTIONS_CHARS_MAX: usize = 1_000;
/// Digits of a telephone number (ITU-T E.164), and of the shortest one in use here.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 6..=15;
/// Longest way of writing it.
const PHONE_CHARS_MAX: usize = 30;

/// The form by which a proxy is given; the first step has no command id of a deed yet.
#[derive(Debug, Deserialize)]
pub struct GiveForm {
    command_id: CommandId,
    #[serde(default)]
    name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    instructions: String,
}

/// A form that only says which command it is.
#[derive(Debug, Deserialize)]
pub struct BareForm {
    command_id: CommandId,
}

/// What the form holds, in one spelling, or what is wrong with it.
fn checked(form: &GiveForm) -> (Holder, String, Problems) {
    let mut problems = Problems::default();
    let name = form.name.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.is_empty() {
        problems.name = "Donnez le prénom et le nom de votre mandataire.".to_owned();
    } else if name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        problems.name = format!("Le nom compte {NAME_CHARS_MAX} caractères au plus.");
    }
    let email = email::normalise(form.email.trim()).unwrap_or_else(|problem| {
        problems.email = format!("Cette adresse {}.", problem.replace('\'', "’"));
        form.email.trim().to_owned()
    });
    let phone = form.phone.split_whitespace().collect::<Vec<_>>().join(" ");
    let digits = phone.chars().filter(char::is_ascii_digit).count();
    let phone_like = |c: char| c.is_ascii_digit() || " +.-()".contains(c);
    if !PHONE_DIGITS.contains(&digits) || phone.len() > PHONE_CHARS_MAX || !phone.chars().all(phone_like) {
        problems.phone = "Donnez un numéro de téléphone, par exemple 06 12 34 56 78.".to_owned();
    }
    let instructions = form.instructions.replace("\r\n", "\n").trim().to_owned();
    if instructions.chars().count() > INSTRUCTIONS_CHARS_MAX {
        problems.instructions =
            format!("Les consignes comptent {INSTRUCTIONS_CHARS_MAX} caractères au plus.");
    }
    (Holder { name, email, phone }, instructions, problems)
}

/// The proxy that the room has for this rank, with what the table knows of it.
pub(super) async fn given(
    portal: &Portal,
    room: &Room,
    rank: CallRank,
) -> Result<Option<(Record, Option<Digest>)>, Failure> {
    let given = room.read(|ledger| ledger.amphi().proxy_given(rank).map(|given| (given.id, given.document)));
    let Some((id, document)) = given else { return Ok(None) };
    Ok(store::by_id(&portal.pool, id).await?.map(|record| (record, document)))
}

/// Where one's proxy stands, or the form that gives one.
pub async fn page(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    let acting = portal.in_person(&headers, amphi, rank).await?;
    let query = pairs(query.as_deref());
    let act = query.iter().find(|(name, _)| name == "acte").map(|(_, value)| value.as_str());
    show(&portal, &acting, &Entered::default(), flash(&query), act).await
}

async fn show(
    portal: &Portal,
    acting: &Acting,
    entered: &Entered,
    flash: Option<Flash>,
    act: Option<&str>,
) -> Result<Html<String>, Failure> {
    let look = Look::at(&acting.room)?;
    let record = given(portal, &acting.room, acting.rank).await?;
    Ok(Html(pages::give(&pages::GivePage {
        page: portal.page(),
        snapshot: &look.snapshot,
        me: &acting.me()?,
        now: look.now,
        record: record.as_ref().map(|(record, _)| record),
        entered,
        flash,
        act,
        new_command_id: &new_command_id,
    })))
}

/// Shows what would happen, before it does; or the form again, with what is wrong.
pub async fn verify(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
    Form(form): Form<GiveForm>,
) -> Result<Html<String>, Failure> {
    let acting = portal.in_person(&headers, amphi, rank).await?;
    let (holder, instructions, problems) = checked(&form);
    let entered = Entered { holder, instructions, problems };
    if entered.problems.any() {
        return show(&portal, &acting, &entered, None, None).await;
    }
    let look = Look::at(&acting.room)?;
    Ok(Html(pages::verify(&pages::VerifyPage {
        page: portal.page(),
        snapshot: &look.snapshot,
        rank,
        entered: &entered,
        command_id: form.command_id,
    })))
}

/// Gives the proxy; see the folder's head for the order, and why.
pub async fn give(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
    Form(form): Form<GiveForm>,
) -> Result<Response, Failure> {
    let acting = portal.in_person(&headers, amphi, rank).await?;
    let (holder, instructions, problems) = checked(&form);
    if problems.any() {
        let entered = Entered { holder, instructions, problems };
        return Ok(show(&portal, &acting, &entered, None, None).await?.into_response());
    }
    let (room, command_id) = (Arc::clone(&acting.room), form.command_id);
    let giving = {
        let portal = Arc::clone(&portal);
        async move {
            let id = ProxyId(command_id.0);
            if !store::write_down(&portal.pool, (id, amphi, rank), &holder, &instructions).await? {
                return Err(Failure::BadRequest);
            }
            let outcome = asked(&room, rank, Command::GiveProxy { rank, proxy: id }, command_id).await;
            match &outcome {
                Ok(Outcome::Refused { .. }) => store::forget(&portal.pool, id).await?,
                // It is given, or nobody knows whether: the room does, and is asked.
                Ok(_) | Err(Busy) => portal.follow_proxy(id, false).await?,
            }
            Ok::<_, Failure>(outcome)
        }
    };
    Ok(back(&acting, "donner", to_the_end(giving).await?).into_response())
}

/// Takes the proxy back; the room refuses once the turn has opened.
pub async fn revoke(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
    Form(form): Form<BareForm>,
) -> Result<Redirect, Failure> {
    let acting = portal.in_person(&headers, amphi, rank).await?;
    let room = Arc::clone(&acting.room);
    let revoking = {
        let portal = Arc::clone(&portal);
        async move {
            let before = given(&portal, &room, rank).await?.map(|(record, _)| record.id);
            let outcome = asked(&room, rank, Command::RevokeProxy { rank }, form.command_id).await;
            if let Some(id) = before {
                portal.follow_proxy(id, false).await?;
            }
            Ok::<_, Failure>(outcome)
        }
    };
    Ok(back(&acting, "revoquer", to_the_end(revoking).await?))
}

/// Sends the holder another link, which replaces the one before.
pub async fn send_again(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
    Form(_): Form<BareForm>,
) -> Result<Redirect, Failure> {
    let acting = portal.in_person(&headers, amphi, rank).await?;
    let room = Arc::clone(&acting.room);
    let sending = {
        let portal = Arc::clone(&portal);
        async move {
            let in_force = room.read(|ledger| ledger.amphi().proxy(rank).is_some());
            match given(&portal, &room, rank).await? {
                Some((record, _)) if in_force => portal.send_link(&room, &record).await,
                _ => Ok(false),
            }
        }
    };
    let sent = to_the_end(sending).await?;
    let result = if sent { "fait" } else { "trop_tot" };
    Ok(Redirect::to(&format!("{}/procuration?resultat={result}&acte=renvoyer", acting.path())))
}

pub(super) async fn asked(
    room: &Room,
    rank: CallRank,
    command: Command,
    id: CommandId,
) -> Result<Outcome, Busy> {
    room.ask(amphi_engine::core::Actor::Intern { rank }, command, id).await
}

fn back(acting: &Acting, act: &str, outcome: Result<Outcome, Busy>) -> Redirect {
    let result = result_of(outcome).to_query();
    Redirect::to(&format!("{}/procuration?resultat={result}&acte={act}", acting.path()))
}

/// What became of it, as it is said on the page that comes next.
pub(super) fn result_of(outcome: Result<Outcome, Busy>) -> Flash {
    match outcome {
        Ok(Outcome::Refused { rejection }) => Flash::Refused(rejection),
        Ok(_) => Flash::Done,
        Err(Busy) => Flash::Busy,
    }
}
