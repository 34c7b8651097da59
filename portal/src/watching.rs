//! Who may watch the public screen, as the amphi's policy has it (3.6).

use std::sync::Arc;

use amphi_engine::core::{AmphiId, Status, WatchingPolicy};
use amphi_engine::protocol::Role;
use amphi_engine::room::Room;
use axum::http::HeaderMap;

use crate::Portal;
use crate::failure::Failure;
use crate::passes::By;

impl Portal {
    /// The room of an amphi, for whoever may see its public screen: with the link; without one where
    /// everybody may watch, once the amphi is published; administrators only where nobody may.
    ///
    /// # Errors
    /// As [`Portal::admit`]; whoever may not watch learns no more than about any other amphi.
    pub(crate) async fn admit_to_screen(
        &self,
        headers: &HeaderMap,
        amphi: AmphiId,
    ) -> Result<(Arc<Room>, By), Failure> {
        match self.admit_by(headers, amphi, Role::Spectator).await {
            Ok((room, _)) if watching(&room) == Some(WatchingPolicy::Nobody) => {
                self.admit_by(headers, amphi, Role::Administrator).await
            }
            Err(refusal @ (Failure::SignIn | Failure::NotAllowed | Failure::NotFound)) => {
                let room = self.registry.room(amphi).await.ok();
                let public = room.filter(|room| watching(room) == Some(WatchingPolicy::Everybody));
                public.map(|room| (room, By::Anybody)).ok_or(refusal)
            }
            decided => decided,
        }
    }
}

/// The policy of a published amphi; drafts are shown to nobody by it.
fn watching(room: &Room) -> Option<WatchingPolicy> {
    room.read(|ledger| {
        let amphi = ledger.amphi();
        let setup = amphi.setup().filter(|_| *amphi.status() != Status::Draft)?;
        Some(setup.policies.watching)
    })
}
