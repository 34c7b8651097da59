//! Who comes: the doors a request has open, from its session cookie or from a token it shows.

use std::sync::Arc;

use amphi_engine::clock::wall_clock_now;
use amphi_engine::core::{AmphiId, CallRank};
use amphi_engine::protocol::Role;
use amphi_engine::room::Room;
use axum::http::HeaderMap;

use crate::Portal;
use crate::doors::Door;
use crate::failure::Failure;
use crate::passes::By;
use crate::sessions::{self, bearer};

impl Portal {
    /// Every door this request has open, and by what.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] when the database does not answer.
    pub(crate) async fn open_doors(&self, headers: &HeaderMap) -> Result<Vec<(Door, By)>, Failure> {
        if let Some(token) = bearer(headers) {
            let door = self.verified(token).map(|(door, expires_at)| (door, By::Token { expires_at }));
            return Ok(door.into_iter().collect());
        }
        let Some(secret) = self.cookies().secret(headers) else { return Ok(Vec::new()) };
        let Some((id, doors)) = sessions::doors(&self.pool, &secret).await? else { return Ok(Vec::new()) };
        Ok(doors.into_iter().map(|door| (door, By::Session { id, door })).collect())
    }

    /// The door that a personal link opens now, and until when (seconds since 1970).
    pub(crate) fn verified(&self, token: &str) -> Option<(Door, i64)> {
        // Links are good for days of real time, also where an amphi's clock runs faster.
        self.links.verify(token, wall_clock_now().0 / 1_000)
    }

    /// The room of an amphi, for whoever has the door `role` open there. Administrators may also
    /// look at what spectators see.
    ///
    /// # Errors
    /// [`Failure::SignIn`] without any door; [`Failure::NotFound`] with none to this amphi, so that nobody
    /// learns which amphis there are (W2); [`Failure::NotAllowed`] with another one to it.
    pub(crate) async fn admit(
        &self,
        headers: &HeaderMap,
        amphi: AmphiId,
        role: Role,
    ) -> Result<Arc<Room>, Failure> {
        Ok(self.admit_by(headers, amphi, role).await?.0)
    }

    /// As [`Portal::admit`]; says also by what, for connections that last longer than a request.
    pub(crate) async fn admit_by(
        &self,
        headers: &HeaderMap,
        amphi: AmphiId,
        role: Role,
    ) -> Result<(Arc<Room>, By), Failure> {
        let opens = |open: Role| open == role || (role == Role::Spectator && open == Role::Administrator);
        let (room, by, _) = self.admit_whoever(headers, amphi, opens).await?;
        Ok((room, by))
    }

    /// The room, for whoever holds a proxy of the intern at `rank`; and as whom (A5).
    ///
    /// # Errors
    /// As [`Portal::admit`]; [`Failure::ProxyEnded`] when that proxy was revoked or replaced.
    pub(crate) async fn admit_holder(
        &self,
        headers: &HeaderMap,
        amphi: AmphiId,
        rank: CallRank,
    ) -> Result<(Arc<Room>, By, Role), Failure> {
        let of_rank = |open: Role| matches!(open, Role::Holder { rank: of, .. } if of == rank);
        let (room, by, role) = self.admit_whoever(headers, amphi, of_rank).await?;
        let given = room.read(|ledger| ledger.amphi().proxy_given(rank).map(|given| given.id));
        match (role, given) {
            (Role::Holder { proxy, .. }, Some(given)) if proxy == given => Ok((room, by, role)),
            _ => Err(Failure::ProxyEnded),
        }
    }

    async fn admit_whoever(
        &self,
        headers: &HeaderMap,
        amphi: AmphiId,
        may: impl Fn(Role) -> bool,
    ) -> Result<(Arc<Room>, By, Role), Failure> {
        let doors = self.open_doors(headers).await?;
        if let Some((door, by)) = doors.iter().find(|(door, _)| door.amphi == amphi && may(door.role)) {
            Ok((self.registry.room(amphi).await?, *by, door.role))
        } else if doors.is_empty() {
            Err(Failure::SignIn)
        } else if doors.iter().any(|(door, _)| door.amphi == amphi) {
            Err(Failure::NotAllowed)
        } else {
            Err(Failure::NotFound)
        }
    }
}
