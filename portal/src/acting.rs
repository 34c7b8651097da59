//! Who acts for a rank: the intern in person, or the holder of their proxy (A5). Each page and form of a
//! rank exists at two addresses, one for each; what they do is written once, for both.

use std::sync::Arc;

use amphi_engine::core::policies::ProxyPolicy;
use amphi_engine::core::{AmphiId, CallRank};
use amphi_engine::protocol::{Me, Role};
use amphi_engine::room::Room;
use axum::http::HeaderMap;

use crate::Portal;
use crate::failure::Failure;
use crate::pages::{self, Mandate, SignedDocument};
use crate::proxies;

/// Somebody who acts for a rank.
pub(crate) struct Acting {
    pub amphi: AmphiId,
    pub rank: CallRank,
    pub role: Role,
    pub room: Arc<Room>,
    /// For whom, when it is not for oneself.
    pub mandate: Option<Mandate>,
}

impl Acting {
    /// Path of their page; what they do lies below it.
    pub fn path(&self) -> String {
        match self.mandate {
            None => pages::intern_path(self.amphi, self.rank),
            Some(_) => pages::holder_path(self.amphi, self.rank),
        }
    }

    /// What the intern is told, and their holder.
    pub fn me(&self) -> Result<Me, Failure> {
        self.room.read(|ledger| ledger.me(self.rank)).ok_or(Failure::NotFound)
    }
}

impl Portal {
    /// The intern at `rank`, in person.
    pub(crate) async fn in_person(
        &self,
        headers: &HeaderMap,
        amphi: AmphiId,
        rank: CallRank,
    ) -> Result<Acting, Failure> {
        let role = Role::Intern { rank };
        let room = self.admit(headers, amphi, role).await?;
        Ok(Acting { amphi, rank, role, room, mandate: None })
    }

    /// The holder of a proxy of the intern at `rank`.
    pub(crate) async fn by_proxy(
        &self,
        headers: &HeaderMap,
        amphi: AmphiId,
        rank: CallRank,
    ) -> Result<Acting, Failure> {
        let (room, _, role) = self.admit_holder(headers, amphi, rank).await?;
        let Role::Holder { proxy, .. } = role else { return Err(Failure::NotAllowed) };
        let (principal, instructions) =
            proxies::principal(self, amphi, rank, proxy).await?.ok_or(Failure::ProxyEnded)?;
        let document = room.read(|ledger| {
            let amphi = ledger.amphi();
            let compulsory =
                amphi.setup().is_some_and(|setup| setup.policies.proxies == ProxyPolicy::WithDocument);
            match amphi.proxy_given(rank).map(|given| given.document.is_some()) {
                Some(true) => SignedDocument::Filed,
                _ if compulsory => SignedDocument::Missing,
                _ => SignedDocument::NotNeeded,
            }
        });
        Ok(Acting { amphi, rank, role, room, mandate: Some(Mandate { principal, instructions, document }) })
    }
}
