//! What a room keeps under its lock besides the books: frames made once, and those sent lately.

use std::collections::{BTreeSet, VecDeque};

use amphi_core::planted::{self, Bug};
use amphi_core::{Amphi, CallRank, Chance};

use super::{Live, Outlooks, RecentChange};
use crate::fanout::FanOut;
use crate::frame::Frame;
use crate::ledger::{Committed, Ledger};
use crate::limits::{RESUME_CHANGES_MAX, SOCKETS_PER_PERSON_MAX};
use crate::metrics::{Counted, meters};
use crate::presence::Presence;
use crate::protocol::{self, CloseCode, Me, Position, Role, ServerMessage, WishOutlook};

impl Live {
    pub(super) fn new(ledger: Ledger, recent: VecDeque<RecentChange>) -> Self {
        Self {
            ledger,
            fan_out: FanOut::default(),
            presence: Presence::default(),
            recent,
            outlook: None,
            awaiting_outlook: BTreeSet::new(),
            snapshot: None,
            outage: None,
        }
    }

    /// Lets a connection of that rank in, and says what its owner knows of themselves.
    pub(super) fn admit(&self, rank: CallRank, role: Role) -> Result<Me, CloseCode> {
        if let Role::Holder { rank, proxy } = role
            && self.ledger.amphi().proxy_given(rank).is_none_or(|given| given.id != proxy)
        {
            return Err(CloseCode::NotAllowed);
        }
        if self.fan_out.count_of(role) >= SOCKETS_PER_PERSON_MAX {
            return Err(CloseCode::Full);
        }
        self.ledger.me(rank).ok_or(CloseCode::NotAllowed)
    }

    /// The changes since `position`, if they are all still here.
    pub(super) fn since(&self, position: Position) -> Option<Vec<Frame>> {
        let now = self.ledger.position();
        if position.epoch > now.epoch || position.seq > now.seq {
            return None;
        }
        if position.seq == now.seq {
            return Some(Vec::new());
        }
        let start = self.recent.binary_search_by_key(&position.seq, |change| change.from_seq).ok()?;
        Some(
            self.recent
                .range(start + usize::from(planted::is(Bug::ResumeLeavesAGap))..)
                .map(|change| change.frame.clone())
                .collect(),
        )
    }

    /// The current snapshot; `None` before the amphi has been drafted.
    pub(super) fn snapshot_frame(&mut self) -> Option<Frame> {
        let position = self.ledger.position();
        if let Some((seq, ready)) = &self.snapshot
            && (*seq == position.seq || planted::is(Bug::SnapshotOfAnotherTime))
        {
            return Some(ready.clone());
        }
        let snapshot = Box::new(self.ledger.amphi().snapshot()?);
        let made = Frame::of(&ServerMessage::Snapshot { epoch: position.epoch, seq: position.seq, snapshot });
        self.snapshot = Some((position.seq, made.clone()));
        Some(made)
    }

    /// Shows everybody the whole state, in one frame for all.
    fn show_everybody(&mut self) {
        if let Some(snapshot) = self.snapshot_frame() {
            self.fan_out.broadcast(snapshot);
        }
    }

    pub(super) fn presence_frame(&self, interns: Vec<protocol::Presence>) -> Frame {
        let connections = u32::try_from(self.fan_out.len()).unwrap_or(u32::MAX);
        Frame::of(&ServerMessage::Presence { interns, connections })
    }

    /// Tells everybody what has not been written yet: the bug of that name.
    #[cfg(feature = "planted-bugs")]
    pub(super) fn broadcast_ahead(&self, prepared: &crate::ledger::Prepared) {
        let Position { epoch, seq } = self.ledger.position();
        let change = self.ledger.foretold(prepared);
        self.fan_out.broadcast(change_frame(epoch, seq, seq + prepared.append.entries.len() as u64, change));
    }

    /// Has everybody told what has been committed, with the next sweep.
    pub(super) fn tell(&mut self, committed: Committed, needs_snapshot: bool) {
        let Position { epoch, seq } = self.ledger.position();
        if needs_snapshot {
            self.recent.clear();
            self.show_everybody();
        } else {
            let from_seq = committed.from_seq;
            let change = change_frame(epoch, from_seq, seq, committed.change);
            self.fan_out.broadcast(change.clone());
            remember(&mut self.recent, RecentChange { from_seq, frame: change });
        }
        for rank in committed.told {
            if let Some(me) = self.ledger.me(rank) {
                self.fan_out.to_intern_along(rank, &Frame::of(&ServerMessage::Me(Box::new(me))));
            }
        }
        if !committed.dossiers.is_empty() {
            let dossiers = committed.dossiers.iter().filter_map(|rank| self.ledger.dossier(*rank)).collect();
            self.fan_out.to_administrators_along(&Frame::of(&ServerMessage::Dossiers { dossiers }));
        }
        for proxy in committed.ended_proxies {
            self.fan_out.close_holders(proxy);
        }
    }

    /// The books, and where they stand, when what is foretold of wishes (3.8) is older than they are and somebody
    /// who has wishes is here to be told.
    pub(super) fn wants_outlook(&self) -> Option<(u64, Amphi)> {
        let (seq, amphi) = (self.ledger.position().seq, self.ledger.amphi());
        let ranks = (0..amphi.standings().len()).map(CallRank::from_index);
        let mut with_wishes = ranks.filter(|rank| amphi.wishes(*rank).is_some());
        let wanted =
            self.current_outlook().is_none() && with_wishes.any(|rank| self.fan_out.has_somebody_for(rank));
        wanted.then(|| (seq, amphi.clone()))
    }

    /// Tells those who have wishes what will probably remain at their turn, where that has changed, or was not told them
    /// on arrival.
    pub(super) fn tell_outlooks(&mut self, seq: u64, now: Outlooks) {
        // Something has happened meanwhile, perhaps another list of wishes: the sweep for it works them out anew.
        if self.ledger.position().seq != seq {
            return;
        }
        let before = self.outlook.replace((seq, now));
        let Some((_, now)) = &self.outlook else { return };
        let awaiting = std::mem::take(&mut self.awaiting_outlook);
        let told = |rank: CallRank| {
            before
                .as_ref()
                .filter(|_| !awaiting.contains(&rank))
                .and_then(|(_, all)| all.get(rank.index())?.as_ref())
        };
        let ranked = now.iter().enumerate().map(|(index, foretold)| (CallRank::from_index(index), foretold));
        for (rank, foretold) in ranked.filter(|(rank, _)| self.fan_out.has_somebody_for(*rank)) {
            if let Some(wishes) = foretold.as_ref().filter(|wishes| told(rank) != Some(*wishes)) {
                self.fan_out.to_intern(rank, &outlook_frame(wishes));
            }
        }
    }

    /// What is foretold of everybody's wishes, if it has been worked out for the books as they are.
    fn current_outlook(&self) -> Option<&Outlooks> {
        let seq = self.ledger.position().seq;
        self.outlook.as_ref().filter(|(of, _)| *of == seq).map(|(_, all)| all)
    }

    /// What the intern at `rank` is told of their wishes on arrival; when it is still to be worked out, they are told
    /// with the next sweep.
    pub(super) fn outlook_on_arrival(&mut self, rank: CallRank) -> Option<Frame> {
        self.ledger.amphi().wishes(rank)?;
        match self.current_outlook() {
            Some(all) => all.get(rank.index())?.as_ref().map(|wishes| outlook_frame(wishes)),
            None => {
                self.awaiting_outlook.insert(rank);
                self.fan_out.ask_for_sweep();
                None
            }
        }
    }

    pub(super) fn journal_available(&self) -> bool {
        self.outage.is_none()
    }

    /// Tells everybody whether choices can be taken, when that changes.
    pub(super) fn set_journal_available(&mut self, available: bool) {
        if self.journal_available() != available {
            self.outage = (!available).then(|| Counted::by(&meters().rooms_without_journal));
            self.fan_out.broadcast(service_frame(available));
        }
    }

    /// Replaces the books after a reload: everybody asks anew what is true, and whoever is concerned by what was
    /// written without this server's hearing of it is told.
    pub(super) fn replace(&mut self, mut ledger: Ledger, recent: VecDeque<RecentChange>) {
        ledger.inherit_refusals(&mut self.ledger);
        let before = std::mem::replace(&mut self.ledger, ledger);
        self.recent = recent;
        self.outlook = None;
        self.snapshot = None;
        if !planted::is(Bug::ReloadNotTold) {
            self.show_everybody();
        }
        let ranks = 0..self.ledger.amphi().standings().len();
        let mut dossiers = Vec::new();
        for rank in ranks.map(CallRank::from_index) {
            let me = self.ledger.me(rank);
            if let Some(me) = me.filter(|me| before.me(rank).as_ref() != Some(me)) {
                self.fan_out.to_intern(rank, &Frame::of(&ServerMessage::Me(Box::new(me))));
            }
            let dossier = self.ledger.dossier(rank);
            dossiers.extend(dossier.filter(|dossier| before.dossier(rank).as_ref() != Some(dossier)));
            let proxy = |ledger: &Ledger| ledger.amphi().proxy_given(rank).map(|proxy| proxy.id);
            if let Some(ended) = proxy(&before).filter(|ended| proxy(&self.ledger) != Some(*ended)) {
                self.fan_out.close_holders(ended);
            }
        }
        if !dossiers.is_empty() {
            self.fan_out.to_administrators(&Frame::of(&ServerMessage::Dossiers { dossiers }));
        }
    }
}

fn outlook_frame(wishes: &[WishOutlook]) -> Frame {
    Frame::of(&ServerMessage::Outlook { wishes: wishes.to_vec() })
}

pub(super) fn service_frame(available: bool) -> Frame {
    Frame::of(&ServerMessage::Service { available })
}

pub(super) fn change_frame(epoch: u64, from_seq: u64, seq: u64, change: amphi_core::Change) -> Frame {
    Frame::of(&ServerMessage::Change { epoch, from_seq, seq, change })
}

pub(super) fn remember(recent: &mut VecDeque<RecentChange>, change: RecentChange) {
    if recent.len() == RESUME_CHANGES_MAX {
        recent.pop_front();
    }
    recent.push_back(change);
}

/// What is foretold of everybody's wishes, post by post: another list is another answer, even with the same
/// chances.
pub(super) fn foretold(amphi: &Amphi) -> Outlooks {
    let wishes = |(index, chances): (usize, Option<Vec<Chance>>)| {
        let list = amphi.wishes(CallRank::from_index(index))?;
        let each = list.wishes.iter().zip(chances?);
        Some(each.map(|(post, chance)| WishOutlook { post: *post, chance }).collect())
    };
    amphi.outlook().into_iter().enumerate().map(wishes).collect()
}
