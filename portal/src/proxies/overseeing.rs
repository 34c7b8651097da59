//! The administrator's side: who holds a rank's proxy, what they have shown, and ending it.

use std::sync::Arc;

use amphi_engine::core::{AmphiId, CallRank, CommandId, LiveCommand};
use amphi_engine::protocol::Role;
use amphi_engine::room::addressed;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::{Html, Redirect};
use axum_extra::extract::Form;
use serde::Deserialize;

use super::giving::{given, result_of};
use super::store;
use crate::amphi::{Look, flash, new_command_id, pairs};
use crate::failure::Failure;
use crate::pages::proxies as pages;
use crate::writing::to_the_end;
use crate::{Portal, people};

/// The form by which an administrator ends a proxy.
#[derive(Debug, Deserialize)]
pub struct RevertForm {
    command_id: CommandId,
    #[serde(default)]
    reason: String,
}

/// What there is to know about the proxy of a rank.
pub async fn page(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    let room = portal.admit(&headers, amphi, Role::Administrator).await?;
    let look = Look::at(&room)?;
    let me = room.read(|ledger| ledger.me(rank)).ok_or(Failure::NotFound)?;
    let given = given(&portal, &room, rank).await?;
    let document = match &given {
        Some((record, Some(named))) => store::document(&portal.pool, record.id, *named).await?,
        _ => None,
    };
    let document = given.as_ref().and_then(|(_, named)| *named).zip(document);
    let principal = people::name(&portal.pool, amphi, rank).await?;
    Ok(Html(pages::oversee(&pages::OverseePage {
        page: portal.page(),
        snapshot: &look.snapshot,
        me: &me,
        now: look.now,
        principal: &principal,
        record: given.as_ref().map(|(record, _)| record),
        document: document
            .as_ref()
            .map(|(digest, document)| (digest.to_string(), document.kind.as_str(), document.bytes.len())),
        flash: flash(&pairs(query.as_deref())),
        command_id: new_command_id(),
    })))
}

/// Ends the proxy of a rank, with a reason.
pub async fn revert(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
    Form(form): Form<RevertForm>,
) -> Result<Redirect, Failure> {
    let room = portal.admit(&headers, amphi, Role::Administrator).await?;
    let ending = {
        let portal = Arc::clone(&portal);
        async move {
            let before = given(&portal, &room, rank).await?.map(|(record, _)| record.id);
            let revert = LiveCommand::RevertProxy { rank, reason: form.reason };
            let (actor, command) = addressed(Role::Administrator, revert);
            let outcome = room.ask(actor, command, form.command_id).await;
            if let Some(id) = before {
                portal.follow_proxy(id, false).await?;
            }
            Ok::<_, Failure>(outcome)
        }
    };
    let result = result_of(to_the_end(ending).await?).to_query();
    Ok(Redirect::to(&format!("/amphi/{amphi}/regie/procuration/{rank}?resultat={result}")))
}
