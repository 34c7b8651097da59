//! Choices: committed, held, exchanged, undone.

use amphi_engine::core::{CallRank, ChoiceManner, PostNumber, ReleasedSeat, Timestamp};

use super::super::record::{Act, ChoiceRecord, HeldEnd, HeldRecord, MadeBy, Undoing, UndoneBy};
use super::{Fact, Read, Reading};

impl Reading {
    pub(super) fn known_rank(&self, rank: CallRank) -> Read {
        let setup = self.setup.as_ref().ok_or("somebody is named before there is a list")?;
        setup.participants.get(rank.index()).map(|_| ()).ok_or("a rank that is not on the list")
    }

    pub(super) fn known_post(&self, post: PostNumber) -> Read {
        let setup = self.setup.as_ref().ok_or("a post is named before there is a list")?;
        setup.posts.get(post.index()).map(|_| ()).ok_or("a post that is not offered")
    }

    pub(super) fn committed(
        &mut self,
        fact: &Fact<'_>,
        rank: CallRank,
        (post, seat): (PostNumber, Option<u16>),
        manner: ChoiceManner,
        reason: Option<&str>,
    ) -> Read {
        self.known_rank(rank)?;
        self.known_post(post)?;
        let made_by = match manner {
            // Whatever ended the turn that had precedence committed it; it was made by whoever asked for it.
            ChoiceManner::LateHeld => self.waiting(rank).map_or(MadeBy::Intern, |held| held.made_by),
            ChoiceManner::SafetyNet | ChoiceManner::ByWishes => MadeBy::Wishes,
            ChoiceManner::InTurn
            | ChoiceManner::InGrace
            | ChoiceManner::Late
            | ChoiceManner::Exchanged
            | ChoiceManner::Assigned => fact.made_by(),
        };
        let settled = manner == ChoiceManner::LateHeld;
        self.settle_held(rank, fact.at, if settled { HeldEnd::Committed } else { HeldEnd::Replaced });
        self.choices.push(ChoiceRecord {
            rank,
            post,
            seat,
            manner,
            at: fact.at,
            seq: fact.entry.seq,
            hash: fact.entry.hash.to_string(),
            made_by,
            reason: reason.map(str::to_owned),
            undone: None,
        });
        if !settled && matches!(made_by, MadeBy::Administrator { .. }) {
            let assigned = manner == ChoiceManner::Assigned;
            let act = if assigned { Act::Assigned } else { Act::ChoseOnBehalf };
            self.note(fact, act, Some(rank), reason);
        }
        Ok(())
    }

    pub(super) fn exchanged(&mut self, fact: &Fact<'_>, rank: CallRank, post: PostNumber, seat: u16) -> Read {
        if !self.undo(fact.at, rank, UndoneBy::Exchanged, None) {
            return Err("an exchange by somebody who holds nothing");
        }
        self.committed(fact, rank, (post, Some(seat)), ChoiceManner::Exchanged, None)
    }

    pub(super) fn choice_annulled(&mut self, fact: &Fact<'_>, rank: CallRank, reason: &str) -> Read {
        if !self.undo(fact.at, rank, UndoneBy::Annulled, Some(reason)) {
            return Err("a choice is annulled that does not stand");
        }
        self.note(fact, Act::AnnulledChoice, Some(rank), Some(reason));
        Ok(())
    }

    pub(super) fn rewound(
        &mut self,
        fact: &Fact<'_>,
        to: CallRank,
        released: &[ReleasedSeat],
        reason: &str,
    ) -> Read {
        for seat in released {
            if !self.undo(fact.at, seat.rank, UndoneBy::Rewound, Some(reason)) {
                return Err("a choice is undone that does not stand");
            }
        }
        self.lapse_held(fact.at, HeldEnd::Lapsed);
        self.rewind_turns(fact.at, to);
        self.stop_clock(fact.at, &format!("retour au tour du rang {to} : {reason}"));
        self.note(fact, Act::Rewound, Some(to), Some(reason));
        Ok(())
    }

    /// What had been exchanged stands again as it was made, by a new entry.
    pub(super) fn restored(
        &mut self,
        fact: &Fact<'_>,
        rank: CallRank,
        (post, seat): (PostNumber, Option<u16>),
        manner: ChoiceManner,
    ) -> Read {
        let exchanged = |choice: &&ChoiceRecord| {
            let given_back = choice.undone.as_ref().is_some_and(|undoing| undoing.how == UndoneBy::Exchanged);
            let is_it = (choice.rank, choice.post, choice.seat) == (rank, post, seat);
            is_it && choice.manner == manner && given_back
        };
        let made =
            self.choices.iter().rev().find(exchanged).ok_or("what was never exchanged stands again")?;
        let restored = ChoiceRecord {
            seq: fact.entry.seq,
            hash: fact.entry.hash.to_string(),
            undone: None,
            ..made.clone()
        };
        self.choices.push(restored);
        Ok(())
    }

    /// Undoes the choice by which `rank` holds a post; says whether there was one.
    pub(super) fn undo(
        &mut self,
        at: Timestamp,
        rank: CallRank,
        how: UndoneBy,
        reason: Option<&str>,
    ) -> bool {
        let stands = |choice: &&mut ChoiceRecord| choice.rank == rank && choice.undone.is_none();
        let Some(choice) = self.choices.iter_mut().rev().find(stands) else { return false };
        choice.undone = Some(Undoing { at, how, reason: reason.map(str::to_owned) });
        true
    }

    fn waiting(&self, rank: CallRank) -> Option<&HeldRecord> {
        self.held.iter().find(|held| held.rank == rank && held.end.is_none())
    }

    pub(super) fn choice_held(
        &mut self,
        fact: &Fact<'_>,
        rank: CallRank,
        post: PostNumber,
        reason: Option<&str>,
    ) -> Read {
        self.known_rank(rank)?;
        self.known_post(post)?;
        if fact.administrator().is_some() {
            self.note(fact, Act::ChoseOnBehalf, Some(rank), reason);
        }
        // The same post again keeps its place: nothing new waits.
        if self.waiting(rank).is_some_and(|held| held.post == post) {
            return Ok(());
        }
        self.settle_held(rank, fact.at, HeldEnd::Replaced);
        self.held.push(HeldRecord { rank, post, at: fact.at, made_by: fact.made_by(), end: None });
        Ok(())
    }

    /// Ends what waits for `rank`, if anything does.
    pub(super) fn settle_held(&mut self, rank: CallRank, at: Timestamp, how: HeldEnd) {
        if let Some(held) = self.held.iter_mut().find(|held| held.rank == rank && held.end.is_none()) {
            held.end = Some((at, how));
        }
    }

    /// Ends everything that waits.
    pub(super) fn lapse_held(&mut self, at: Timestamp, how: HeldEnd) {
        for held in self.held.iter_mut().filter(|held| held.end.is_none()) {
            held.end = Some((at, how));
        }
    }
}
