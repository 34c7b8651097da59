//! What must be true before a command is looked at any closer.

use super::{Decision, Outcome};
use crate::amphi::{Standing, Status};
use crate::command::REASON_CHARS_MAX;
use crate::identity::{Actor, CallRank, PostNumber};
use crate::planted::{self, Bug};
use crate::policies::ProxyPolicy;
use crate::rejection::Rejection;
use crate::setup::Setup;

impl Decision {
    pub(super) fn still_a_draft(&self) -> Outcome {
        match self.amphi.status {
            Status::Draft => Ok(()),
            Status::Published | Status::Open | Status::Suspended { .. } => Err(Rejection::AlreadyPublished),
            Status::Closed | Status::Annulled { .. } => Err(Rejection::Over),
        }
    }

    pub(super) fn known_rank(&self, rank: CallRank) -> Result<Standing, Rejection> {
        self.amphi.standing(rank).ok_or(Rejection::UnknownRank { rank })
    }

    pub(super) fn known_post(&self, post: PostNumber) -> Outcome {
        if post.index() < self.amphi.seats_left.len() { Ok(()) } else { Err(Rejection::UnknownPost { post }) }
    }

    /// List, posts and policies; only asked for where the status says that they are there.
    pub(super) fn setup(&self) -> &Setup {
        self.amphi.setup.as_ref().expect("an amphi that left the draft has a setup")
    }

    /// The session is open, and its clock runs.
    pub(super) fn running(&self) -> Outcome {
        match self.amphi.status {
            Status::Open => Ok(()),
            Status::Suspended { .. } => Err(Rejection::Suspended),
            Status::Draft => Err(Rejection::NotPublished),
            Status::Published => Err(Rejection::NotOpen),
            Status::Closed | Status::Annulled { .. } => Err(Rejection::Over),
        }
    }

    /// The session is open or suspended.
    pub(super) fn session_exists(&self) -> Outcome {
        match self.running() {
            Err(Rejection::Suspended) => Ok(()),
            other => other,
        }
    }

    /// The session is published, open or suspended.
    pub(super) fn session_or_published(&self) -> Outcome {
        match self.running() {
            Err(Rejection::Suspended | Rejection::NotOpen) => Ok(()),
            other => other,
        }
    }

    /// This round has turns, and so choices one by one.
    pub(super) fn has_turns(&self) -> Outcome {
        if self.setup().round.has_turns() { Ok(()) } else { Err(Rejection::NoTurns) }
    }

    /// Every turn is over.
    pub(super) fn turns_are_over(&self) -> Outcome {
        let waiting = self.amphi.standings.iter().filter(|standing| standing.is_waiting()).count();
        let remaining = waiting + usize::from(self.amphi.turn.is_some());
        if remaining == 0 {
            return Ok(());
        }
        Err(Rejection::TurnsRemain { remaining: u16::try_from(remaining).expect("a call list is bounded") })
    }

    /// A holder who asks has a proxy that was not revoked (3.4).
    pub(super) fn holds_its_proxy(&self) -> Outcome {
        let Actor::Holder { rank, proxy: own } = self.actor else { return Ok(()) };
        match self.amphi.proxies.get(rank.index()) {
            Some(Some(proxy)) if proxy.id == own => Ok(()),
            _ if planted::is(Bug::RevokedHolderActs) => Ok(()),
            _ => Err(Rejection::ProxyEnded),
        }
    }

    /// The one who asks may act for `rank` now (3.4). Before the turn, principal and holder may both
    /// prepare; from its opening on, the holder alone acts.
    pub(super) fn may_act(&self, rank: CallRank) -> Outcome {
        let principal = matches!(self.actor, Actor::Intern { .. });
        let represented = self.amphi.proxy(rank).is_some() && self.was_called(rank);
        if principal && represented { Err(Rejection::ProxyActive) } else { Ok(()) }
    }

    /// The holder has filed the signed document, where one is compulsory (3.4).
    pub(super) fn document_is_there(&self, rank: CallRank) -> Outcome {
        let compulsory = self.setup().policies.proxies == ProxyPolicy::WithDocument;
        let by_holder = matches!(self.actor, Actor::Holder { .. });
        let filed = self.amphi.proxies[rank.index()].is_some_and(|proxy| proxy.document.is_some());
        if compulsory && by_holder && !filed { Err(Rejection::DocumentMissing) } else { Ok(()) }
    }

    /// Whether the turn of `rank` has opened, or was skipped.
    pub(super) fn was_called(&self, rank: CallRank) -> bool {
        rank < self.amphi.next_rank
    }

    /// `rank` holds nothing yet and is still concerned.
    pub(super) fn still_to_choose(&self, rank: CallRank) -> Result<Standing, Rejection> {
        match self.known_rank(rank)? {
            Standing::Placed { post, .. } => Err(Rejection::AlreadyChosen { post }),
            Standing::PlacedElsewhere => Err(Rejection::PlacedElsewhere),
            Standing::Withdrawn => Err(Rejection::Withdrawn),
            standing @ (Standing::Waiting | Standing::InTurn | Standing::Late { .. }) => Ok(standing),
        }
    }
}

/// The reason as it is kept: trimmed, and of a length that can be read out.
pub(super) fn checked_reason(reason: &str) -> Result<String, Rejection> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        return Err(Rejection::ReasonNeeded);
    }
    Ok(reason.to_owned())
}
