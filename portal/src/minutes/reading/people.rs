//! The people of the list: who came, who left, who is represented, who wished what.

use std::collections::BTreeMap;

use amphi_engine::core::{
    CallRank, Digest, Ineligibility, Participant, PostNumber, ProxyId, SafetyNet, Setup, Timestamp,
};

use super::super::record::{
    Act, FinalStanding, HeldEnd, IneligibleRecord, ParticipantRecord, ProxyEnd, ProxyRecord, WishRecord,
};
use super::{Fact, Names, Read, Reading};

impl Reading {
    pub(super) fn placed_elsewhere(&mut self, fact: &Fact<'_>, rank: CallRank) {
        self.settle_held(rank, fact.at, HeldEnd::Lapsed);
        self.elsewhere.push(rank);
    }

    pub(super) fn withdrew(&mut self, fact: &Fact<'_>, rank: CallRank, reason: &str) {
        self.withdrawn.insert(rank, reason.to_owned());
        self.settle_held(rank, fact.at, HeldEnd::Lapsed);
        self.note(fact, Act::Withdrew, Some(rank), Some(reason));
    }

    pub(super) fn added(
        &mut self,
        fact: &Fact<'_>,
        participant: &Participant,
        planned_at: Option<Timestamp>,
        reason: &str,
    ) -> Read {
        let setup = self.setup.as_mut().ok_or("somebody is added before there is a list")?;
        setup.participants.push(participant.clone());
        let rank = CallRank::from_index(setup.participants.len() - 1);
        self.planned_at.extend(planned_at);
        self.added_at.insert(rank, fact.at);
        self.note(fact, Act::AddedParticipant, Some(rank), Some(reason));
        Ok(())
    }

    /// A new check replaces the one before; who was admitted then is not found again.
    pub(super) fn eligibility_checked(&mut self, fact: &Fact<'_>, found: &[(CallRank, Ineligibility)]) {
        self.ineligible.retain(|one| one.admitted.is_some());
        let at = fact.at;
        self.ineligible.extend(found.iter().map(|(rank, found)| IneligibleRecord {
            rank: *rank,
            found: *found,
            at,
            admitted: None,
        }));
    }

    pub(super) fn admitted(&mut self, fact: &Fact<'_>, rank: CallRank, reason: &str) {
        for one in self.ineligible.iter_mut().filter(|one| one.rank == rank) {
            one.admitted = Some(reason.to_owned());
        }
        self.note(fact, Act::Admitted, Some(rank), Some(reason));
    }

    pub(super) fn proxy_given(&mut self, fact: &Fact<'_>, rank: CallRank, proxy: ProxyId) {
        let given = ProxyRecord { rank, proxy, given_at: fact.at, document: None, ended: None };
        self.proxies.push(given);
    }

    pub(super) fn proxy_document(
        &mut self,
        fact: &Fact<'_>,
        rank: CallRank,
        proxy: ProxyId,
        document: &Digest,
    ) {
        if let Some(given) = self.proxies.iter_mut().find(|given| given.proxy == proxy) {
            given.document = Some((fact.at, document.to_string()));
        }
        self.note(fact, Act::FiledProxyDocument, Some(rank), None);
    }

    pub(super) fn proxy_revoked(
        &mut self,
        fact: &Fact<'_>,
        rank: CallRank,
        proxy: ProxyId,
        reason: Option<&str>,
    ) {
        let administrator = fact.administrator();
        if let Some(given) = self.proxies.iter_mut().find(|given| given.proxy == proxy) {
            given.ended = Some(ProxyEnd { at: fact.at, administrator, reason: reason.map(str::to_owned) });
        }
        self.note(fact, Act::EndedProxy, Some(rank), reason);
    }

    pub(super) fn wishes_set(
        &mut self,
        fact: &Fact<'_>,
        rank: CallRank,
        version: u32,
        wishes: &[PostNumber],
        safety_net: SafetyNet,
    ) -> Read {
        self.known_rank(rank)?;
        wishes.iter().try_for_each(|post| self.known_post(*post))?;
        let (at, seq) = (fact.at, fact.entry.seq);
        self.wishes.push(WishRecord { rank, version, at, seq, wishes: wishes.to_vec(), safety_net });
        self.note(fact, Act::SetWishes, Some(rank), None);
        Ok(())
    }

    pub(super) fn participants(&self, setup: &Setup, names: &Names) -> Vec<ParticipantRecord> {
        let held_by: BTreeMap<CallRank, usize> = (self.choices.iter().enumerate())
            .filter(|(_, choice)| choice.undone.is_none())
            .map(|(index, choice)| (choice.rank, index))
            .collect();
        let standing = |rank: CallRank| match (held_by.get(&rank), self.withdrawn.get(&rank)) {
            (Some(&choice), _) => FinalStanding::Placed { choice },
            (None, Some(reason)) => FinalStanding::Withdrawn { reason: reason.clone() },
            (None, None) if self.elsewhere.contains(&rank) => FinalStanding::PlacedElsewhere,
            (None, None) => FinalStanding::Unplaced,
        };
        let line = |(index, participant): (usize, &Participant)| {
            let rank = CallRank::from_index(index);
            ParticipantRecord {
                rank,
                name: names.get(&rank).cloned(),
                pseudonym: participant.pseudonym.clone(),
                extra_time_percent: participant.extra_time_percent,
                supernumerary: participant.supernumerary,
                rank_basis: participant.rank_basis.clone(),
                added_at: self.added_at.get(&rank).copied(),
                planned_at: self.planned_at.get(index).copied(),
                standing: standing(rank),
            }
        };
        setup.participants.iter().enumerate().map(line).collect()
    }
}
