//! The result pages of rounds without turns.

use std::sync::Arc;

use amphi_engine::core::{AmphiId, CallRank, Snapshot};
use amphi_engine::protocol::Role;
use amphi_engine::room::Room;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Html;

use super::RoundResult;
use super::page::{Reader, ResultPage, render};
use crate::Portal;
use crate::failure::Failure;

/// What the intern at `rank` may see.
pub(crate) async fn own(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    let room = portal.admit(&headers, amphi, Role::Intern { rank }).await?;
    show(&portal, &room, Reader::Intern(rank))
}

/// What administrators may see.
pub(crate) async fn all(
    State(portal): State<Arc<Portal>>,
    Path(amphi): Path<AmphiId>,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    let room = portal.admit(&headers, amphi, Role::Administrator).await?;
    show(&portal, &room, Reader::Administrator)
}

/// A live amphi has no such page: its choices speak for themselves.
fn show(portal: &Portal, room: &Room, reader: Reader) -> Result<Html<String>, Failure> {
    let seen: Option<(Snapshot, RoundResult)> =
        room.read(|ledger| Some((ledger.amphi().snapshot()?, RoundResult::of(ledger.amphi()))));
    let (snapshot, result) = seen.filter(|(seen, _)| !seen.round.has_turns()).ok_or(Failure::NotFound)?;
    Ok(Html(render(&ResultPage { page: portal.page(), snapshot: &snapshot, result: &result, reader })))
}
