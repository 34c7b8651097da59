//! Proxies: somebody acts in one's place, and in nobody else's (A5, 3.4).
//!
//! Who the holder is, how they proved it and what the document says is the portal's: the journal names no
//! person. Here stands who may act, which no page can get round.

use super::guards::checked_reason;
use super::{Decision, Outcome};
use crate::event::{Digest, Event};
use crate::identity::{CallRank, ProxyId};
use crate::policies::ProxyPolicy;
use crate::rejection::Rejection;

impl Decision {
    /// Until the turn opens, or once it is over: during it, a mail would come too late.
    pub(super) fn give_proxy(&mut self, rank: CallRank, proxy: ProxyId) -> Outcome {
        self.session_or_published()?;
        if self.setup().policies.proxies == ProxyPolicy::Off {
            return Err(Rejection::ProxiesOff);
        }
        self.has_turns()?;
        self.still_to_choose(rank)?;
        if self.amphi.proxies[rank.index()].is_some() {
            return Err(Rejection::ProxyAlreadyGiven);
        }
        if self.in_turn(rank).is_ok() {
            return Err(Rejection::ProxyTooLate);
        }
        self.emit(Event::ProxyGiven { rank, proxy });
        Ok(())
    }

    pub(super) fn file_proxy_document(&mut self, rank: CallRank, document: Digest) -> Outcome {
        self.session_or_published()?;
        self.still_to_choose(rank)?;
        self.may_act(rank)?;
        let proxy = self.given(rank)?;
        self.emit(Event::ProxyDocumentFiled { rank, proxy, document });
        Ok(())
    }

    /// Until the turn opens; from then on only the holder chooses, unless an administrator reverts.
    pub(super) fn revoke_proxy(&mut self, rank: CallRank) -> Outcome {
        self.session_or_published()?;
        self.still_to_choose(rank)?;
        let proxy = self.given(rank)?;
        if self.was_called(rank) {
            return Err(Rejection::ProxyTooLate);
        }
        self.emit(Event::ProxyRevoked { rank, proxy, reason: None });
        Ok(())
    }

    pub(super) fn revert_proxy(&mut self, rank: CallRank, reason: &str) -> Outcome {
        self.session_or_published()?;
        let reason = checked_reason(reason)?;
        self.still_to_choose(rank)?;
        let proxy = self.given(rank)?;
        self.emit(Event::ProxyRevoked { rank, proxy, reason: Some(reason) });
        Ok(())
    }

    fn given(&self, rank: CallRank) -> Result<ProxyId, Rejection> {
        self.amphi.proxies[rank.index()].map(|proxy| proxy.id).ok_or(Rejection::NoProxy)
    }
}
