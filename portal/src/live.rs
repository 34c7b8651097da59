//! The upgrade of a live page's socket; what happens on it afterwards is the engine's.

use std::sync::Arc;

use amphi_engine::connections::Traffic;
use amphi_engine::core::{AmphiId, CallRank};
use amphi_engine::protocol::Role;
use amphi_engine::room::Room;
use amphi_engine::socket::{self, Visitor};
use axum::Extension;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::sync::Semaphore;

use crate::Portal;
use crate::failure::Failure;
use crate::passes::By;
use crate::security::may_upgrade;

/// The socket of the intern at that rank.
pub async fn intern(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
    Extension(traffic): Extension<Traffic>,
) -> Result<Response, Failure> {
    connect(portal, headers, traffic, amphi, Role::Intern { rank }, upgrade).await
}

/// The socket of the holder of that intern's proxy.
pub async fn holder(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
    Extension(traffic): Extension<Traffic>,
) -> Result<Response, Failure> {
    own_page(&headers, &portal)?;
    let (room, by, role) = portal.admit_holder(&headers, amphi, rank).await?;
    serve(&portal, room, by, role, traffic, upgrade)
}

/// The socket of the control room.
pub async fn control(
    State(portal): State<Arc<Portal>>,
    Path(amphi): Path<AmphiId>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
    Extension(traffic): Extension<Traffic>,
) -> Result<Response, Failure> {
    connect(portal, headers, traffic, amphi, Role::Administrator, upgrade).await
}

/// The socket of the public screen.
pub async fn screen(
    State(portal): State<Arc<Portal>>,
    Path(amphi): Path<AmphiId>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
    Extension(traffic): Extension<Traffic>,
) -> Result<Response, Failure> {
    connect(portal, headers, traffic, amphi, Role::Spectator, upgrade).await
}

async fn connect(
    portal: Arc<Portal>,
    headers: HeaderMap,
    traffic: Traffic,
    amphi: AmphiId,
    role: Role,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Failure> {
    own_page(&headers, &portal)?;
    let (room, by) = match role {
        Role::Spectator => portal.admit_to_screen(&headers, amphi).await?,
        _ => portal.admit_by(&headers, amphi, role).await?,
    };
    serve(&portal, room, by, role, traffic, upgrade)
}

fn own_page(headers: &HeaderMap, portal: &Portal) -> Result<(), Failure> {
    if may_upgrade(headers, &portal.public_url) { Ok(()) } else { Err(Failure::Foreign) }
}

fn serve(
    portal: &Portal,
    room: Arc<Room>,
    by: By,
    role: Role,
    traffic: Traffic,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Failure> {
    let place = Semaphore::try_acquire_owned(Arc::clone(&portal.sockets))
        .map_err(|_| Failure::Unavailable("every place for a live connection is taken".to_owned()))?;
    let pass = portal.passes.issue(by);
    Ok(socket::bounded(upgrade).on_upgrade(move |socket| async move {
        socket::serve(socket, room, Visitor { role, pass: pass.ended(), traffic }).await;
        drop((pass, place));
    }))
}
