//! The upgrade of a live page's socket; what happens on it afterwards is the engine's.

use std::sync::Arc;

use amphi_engine::arrivals::Importance;
use amphi_engine::core::{AmphiId, CallRank};
use amphi_engine::protocol::Role;
use amphi_engine::room::Room;
use amphi_engine::socket::{self, Upgrade, Visitor};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use crate::Portal;
use crate::failure::Failure;
use crate::passes::By;
use crate::security::may_upgrade;

/// The socket of the intern at that rank.
pub async fn intern(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    connect(portal, headers, amphi, Role::Intern { rank }, upgrade).await
}

/// The socket of the holder of that intern's proxy.
pub async fn holder(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    own_page(&headers, &portal)?;
    let (room, by, role) = portal.admit_holder(&headers, amphi, rank).await?;
    serve(&portal, room, by, role, upgrade)
}

/// The socket of the control room.
pub async fn control(
    State(portal): State<Arc<Portal>>,
    Path(amphi): Path<AmphiId>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    connect(portal, headers, amphi, Role::Administrator, upgrade).await
}

/// The socket of the public screen.
pub async fn screen(
    State(portal): State<Arc<Portal>>,
    Path(amphi): Path<AmphiId>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    connect(portal, headers, amphi, Role::Spectator, upgrade).await
}

async fn connect(
    portal: Arc<Portal>,
    headers: HeaderMap,
    amphi: AmphiId,
    role: Role,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    own_page(&headers, &portal)?;
    let (room, by) = match role {
        Role::Spectator => portal.admit_to_screen(&headers, amphi).await?,
        _ => portal.admit_by(&headers, amphi, role).await?,
    };
    serve(&portal, room, by, role, upgrade)
}

fn own_page(headers: &HeaderMap, portal: &Portal) -> Result<(), Failure> {
    if may_upgrade(headers, &portal.public_url) { Ok(()) } else { Err(Failure::Foreign) }
}

fn serve(
    portal: &Portal,
    room: Arc<Room>,
    by: By,
    role: Role,
    upgrade: Upgrade,
) -> Result<Response, Failure> {
    let importance = room.read(|ledger| Importance::of(role, ledger.amphi()));
    let place = portal.arrivals.admit(importance).map_err(|later| Failure::Crowded(later.after))?;
    let pass = portal.passes.issue(by);
    Ok(upgrade.then(move |freed| async move {
        socket::serve(freed, room, Visitor { role, pass: pass.ended(), place }).await;
        drop(pass);
    }))
}
