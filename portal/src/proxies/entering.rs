//! The holder's side: the link, the code, and the door that opens.
//!
//! Opening a link changes nothing: programs that read mails open links, too. A code is sent when the
//! person asks for it on the page, and has to be shown once in each browser; to one that has shown it, opening
//! the link again gives another thirty days.

use std::sync::Arc;

use amphi_engine::protocol::Role;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum_extra::extract::Form;
use serde::Deserialize;

use super::following::InRoom;
use super::letters::Letters;
use super::store::{self, Tried};
use super::{Record, code_hash, new_code, secret_hash};
use crate::Portal;
use crate::amphi::Look;
use crate::doors::Door;
use crate::failure::Failure;
use crate::pages::proxies::{self as pages, CodeState};
use crate::writing::to_the_end;
use crate::{people, sessions};

/// Path of a link.
pub(super) fn path(secret: &str) -> String {
    format!("/procuration/{secret}")
}

/// A code as somebody typed it.
#[derive(Debug, Deserialize)]
pub struct CodeForm {
    #[serde(default)]
    code: String,
}

/// The proxy of a link, in force.
///
/// # Errors
/// [`Failure::SignIn`] when there is no such link (any more), [`Failure::ProxyEnded`] when the proxy has
/// served or is over.
async fn of_link(portal: &Portal, secret: &str) -> Result<(Record, Look), Failure> {
    let record = store::by_secret(&portal.pool, &secret_hash(secret)).await?.ok_or(Failure::SignIn)?;
    let room = portal.registry.room(record.amphi).await?;
    match room.read(|ledger| InRoom::of(ledger.amphi(), record.rank, record.id)) {
        InRoom::InForce => Ok((record, Look::at(&room)?)),
        InRoom::Used | InRoom::Over | InRoom::Unknown => Err(Failure::ProxyEnded),
    }
}

fn door(record: &Record) -> Door {
    Door { amphi: record.amphi, role: Role::Holder { rank: record.rank, proxy: record.id } }
}

/// The link: asks for a code, or leads on when this browser has shown one.
pub async fn link(
    State(portal): State<Arc<Portal>>,
    Path(secret): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (record, look) = of_link(&portal, &secret).await?;
    let door = door(&record);
    let is_open = portal.open_doors(&headers).await?.iter().any(|(open, _)| *open == door);
    if let (true, Some(known)) = (is_open, portal.cookies().secret(&headers)) {
        let (pool, secret) = (portal.pool.clone(), known.clone());
        to_the_end(async move { sessions::renew(&pool, &secret).await }).await?;
        return Ok(portal.lets_in(&known, door));
    }
    let state = if record.code_waits { CodeState::Sent } else { CodeState::ToSend };
    Ok(ask(&portal, &secret, &record, &look, state).await?.into_response())
}

async fn ask(
    portal: &Portal,
    secret: &str,
    record: &Record,
    look: &Look,
    state: CodeState,
) -> Result<Html<String>, Failure> {
    let principal = people::name(&portal.pool, record.amphi, record.rank).await?;
    Ok(Html(pages::link(&pages::LinkPage {
        page: portal.page(),
        snapshot: &look.snapshot,
        principal: &principal,
        holder: &record.holder,
        path: &path(secret),
        state,
    })))
}

/// Sends a code to the holder's address.
pub async fn send_code(
    State(portal): State<Arc<Portal>>,
    Path(secret): Path<String>,
) -> Result<Response, Failure> {
    let (record, look) = of_link(&portal, &secret).await?;
    let sending = {
        let (portal, record, snapshot) = (Arc::clone(&portal), record.clone(), look.snapshot.clone());
        async move {
            let principal = people::name(&portal.pool, record.amphi, record.rank).await?;
            let code = new_code();
            let mut transaction = portal.pool.begin().await?;
            let number = store::new_code(&mut transaction, record.id, &code_hash(record.id, &code)).await?;
            if let Some(number) = number {
                let letters = Letters::new(&portal, &snapshot, &record, &principal);
                letters.code(&mut transaction, &code, number).await?;
                transaction.commit().await?;
            }
            Ok::<_, sqlx::Error>(number.is_some())
        }
    };
    if to_the_end(sending).await? {
        return Ok(Redirect::to(&path(&secret)).into_response());
    }
    let state = if record.code_waits { CodeState::SentJustNow } else { CodeState::NoMore };
    Ok(ask(&portal, &secret, &record, &look, state).await?.into_response())
}

/// Takes the code, and opens the door.
pub async fn confirm(
    State(portal): State<Arc<Portal>>,
    Path(secret): Path<String>,
    headers: HeaderMap,
    Form(form): Form<CodeForm>,
) -> Result<Response, Failure> {
    let (record, look) = of_link(&portal, &secret).await?;
    let code: String = form.code.chars().filter(|character| !character.is_whitespace()).collect();
    let known = portal.cookies().secret(&headers);
    let trying = {
        let (pool, record) = (portal.pool.clone(), record.clone());
        async move {
            let refused = match store::try_code(&pool, record.id, &code_hash(record.id, &code)).await? {
                Tried::Right => {
                    return sessions::open(&pool, known.as_deref(), door(&record)).await.map(Ok);
                }
                Tried::Wrong { left } if left > 0 => CodeState::Wrong { left },
                Tried::Wrong { .. } | Tried::NoCode => CodeState::Exhausted,
            };
            Ok::<_, sqlx::Error>(Err(refused))
        }
    };
    match to_the_end(trying).await? {
        Ok(session) => Ok(portal.lets_in(&session, door(&record))),
        Err(state) => Ok(ask(&portal, &secret, &record, &look, state).await?.into_response()),
    }
}
