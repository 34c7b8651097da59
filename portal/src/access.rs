//! Who comes: the doors a request has open, from its session cookie or from a token it shows.

use std::sync::Arc;

use amphi_engine::clock::wall_clock_now;
use amphi_engine::core::AmphiId;
use amphi_engine::protocol::Role;
use amphi_engine::room::Room;
use axum::http::HeaderMap;

use crate::Portal;
use crate::doors::Door;
use crate::failure::Failure;
use crate::sessions::{self, bearer};

impl Portal {
    /// Every door this request has open.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] when the database does not answer.
    pub(crate) async fn open_doors(&self, headers: &HeaderMap) -> Result<Vec<Door>, Failure> {
        if let Some(token) = bearer(headers) {
            return Ok(self.verified(token).into_iter().collect());
        }
        match self.cookies().secret(headers) {
            Some(secret) => Ok(sessions::doors(&self.pool, &secret).await?),
            None => Ok(Vec::new()),
        }
    }

    /// The door that a personal link opens now.
    pub(crate) fn verified(&self, token: &str) -> Option<Door> {
        // Links are good for days of real time, also where an amphi's clock runs faster.
        self.links.verify(token, wall_clock_now().0 / 1_000)
    }

    /// The room of an amphi, for whoever has the door `role` open there. Administrators may also
    /// look at what spectators see.
    ///
    /// # Errors
    /// [`Failure::SignIn`] without any door, [`Failure::NotAllowed`] with others only.
    pub(crate) async fn admit(
        &self,
        headers: &HeaderMap,
        amphi: AmphiId,
        role: Role,
    ) -> Result<Arc<Room>, Failure> {
        let doors = self.open_doors(headers).await?;
        let opens = |door: &Door| {
            door.amphi == amphi
                && (door.role == role || (role == Role::Spectator && door.role == Role::Administrator))
        };
        if doors.iter().any(opens) {
            Ok(self.registry.room(amphi).await?)
        } else if doors.is_empty() {
            Err(Failure::SignIn)
        } else {
            Err(Failure::NotAllowed)
        }
    }
}
