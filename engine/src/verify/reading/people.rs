//! Who takes part, and who acts for whom (A5, A8, 3.1, 3.4, 3.7).

use amphi_core::{CallRank, Ineligibility, Participant, ProxyId, ProxyPolicy, Round, Timestamp};

use super::{Gone, Mandate, Phase, Reading, Verdict, ensure};

impl Reading {
    /// Published or in session, and holding nothing here or elsewhere.
    pub(super) fn still_to_choose(&self, rank: CallRank) -> Verdict {
        self.listed(rank)?;
        let begun = self.phase == Phase::Published || self.in_session();
        let concerned = !self.gone.contains_key(&rank) && !self.allocation.contains_key(&rank);
        ensure(begun && concerned, || format!("le rang {rank} n’était plus concerné"))
    }

    pub(super) fn leave(&mut self, rank: CallRank, how: Gone) -> Verdict {
        self.listed(rank)?;
        ensure(!self.allocation.contains_key(&rank), || {
            format!("le rang {rank} est affecté ici, définitivement")
        })?;
        self.gone.insert(rank, how);
        self.held.retain(|(held, _)| *held != rank);
        Ok(())
    }

    /// At the end of the list, after everybody's planned time (3.7).
    pub(super) fn add(&mut self, participant: &Participant, planned_at: Option<Timestamp>) -> Verdict {
        let begun = self.phase == Phase::Published || self.in_session();
        let live = self.round() == Round::Live;
        let setup = self.setup.as_mut().filter(|_| begun).ok_or("quelqu’un a été ajouté sans liste")?;
        let known = setup.participants.iter().any(|listed| listed.intern == participant.intern);
        let in_order = match (self.planned_at.last(), planned_at) {
            (Some(last), Some(new)) => live && *last < new,
            (_, None) => !live,
            (None, Some(_)) => false,
        };
        ensure(!known && in_order, || "quelqu’un a été ajouté deux fois, ou avant d’autres".to_owned())?;
        setup.participants.push(participant.clone());
        self.planned_at.extend(planned_at);
        Ok(())
    }

    pub(super) fn check_eligibility(&mut self, found: &[(CallRank, Ineligibility)]) -> Verdict {
        ensure(self.phase == Phase::Published, || "conditions contrôlées trop tôt ou trop tard".to_owned())?;
        for (rank, _) in found {
            self.listed(*rank)?;
        }
        self.ineligible = found.iter().copied().collect();
        Ok(())
    }

    /// Where the policy allows it, one at a time, and not in the turn itself (3.4).
    pub(super) fn give_proxy(&mut self, rank: CallRank, proxy: ProxyId) -> Verdict {
        self.still_to_choose(rank)?;
        let allowed = self.round() == Round::Live
            && self.setup.as_ref().is_some_and(|setup| setup.policies.proxies != ProxyPolicy::Off);
        let in_turn = self.turn.as_ref().is_some_and(|turn| turn.rank == rank);
        let mandate = Mandate { proxy, document: false };
        let first = allowed && !in_turn && self.mandates.insert(rank, mandate).is_none();
        ensure(first, || format!("le rang {rank} ne pouvait pas donner cette procuration"))
    }

    pub(super) fn file_document(&mut self, rank: CallRank, proxy: ProxyId) -> Verdict {
        self.still_to_choose(rank)?;
        let mandate = self.mandates.get_mut(&rank).filter(|mandate| mandate.proxy == proxy);
        mandate.ok_or_else(|| format!("le rang {rank} n’a pas donné cette procuration"))?.document = true;
        Ok(())
    }

    /// By the intern until the turn opens; by an administrator until the choice (3.4).
    pub(super) fn end_proxy(&mut self, rank: CallRank, proxy: ProxyId, by_administrator: bool) -> Verdict {
        self.still_to_choose(rank)?;
        let in_time = by_administrator || !self.was_called(rank);
        let given = self.mandates.remove(&rank).is_some_and(|mandate| mandate.proxy == proxy);
        ensure(given && in_time, || format!("la procuration du rang {rank} ne pouvait pas prendre fin"))
    }
}
