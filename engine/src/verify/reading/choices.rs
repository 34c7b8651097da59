//! Choices (A3, A4, 3.3, 3.5, 3.6, 3.8, P2).

use amphi_core::{
    Actor, CallRank, ChoiceManner, LatePolicy, PostNumber, ProxyPolicy, ReleasedSeat, Round, SafetyNet,
    Supernumerary,
};

use super::{Allocation, GRACE, Line, Made, Phase, Reading, Verdict, WishVersion, ensure};

impl Reading {
    fn seats_of(&self, post: PostNumber) -> u16 {
        let posts = self.setup.as_ref().map_or(&[][..], |setup| &setup.posts);
        posts.get(post.index()).map_or(0, |post| post.seats)
    }

    pub(super) fn free_seats(&self, post: PostNumber) -> usize {
        (1..=self.seats_of(post)).filter(|seat| !self.seats.contains(&(post, *seat))).count()
    }

    fn late_policy(&self) -> LatePolicy {
        self.setup.as_ref().map_or(LatePolicy::Now, |setup| setup.policies.late)
    }

    /// Late: the turn is over, and the intern may still choose (A4), now (3.6).
    fn may_choose_late(&self, rank: CallRank) -> bool {
        let now = match self.late_policy() {
            LatePolicy::Now | LatePolicy::AfterCurrentTurn => true,
            LatePolicy::EndOfSession => self.turns_are_over(),
            // Whoever let a turn go by, and not whose choice was undone, or whose turn was passed over.
            LatePolicy::Forfeit => !self.let_go.contains(&rank),
        };
        now && self.is_late(rank)
    }

    fn is_late(&self, rank: CallRank) -> bool {
        self.was_called(rank)
            && !self.gone.contains_key(&rank)
            && !self.allocation.contains_key(&rank)
            && self.turn.as_ref().is_none_or(|turn| turn.rank != rank)
    }

    /// Where the signed document is compulsory, a holder chooses with it only (3.4).
    fn document_is_there(&self, line: &Line, rank: CallRank) -> Verdict {
        let compulsory =
            self.setup.as_ref().is_some_and(|setup| setup.policies.proxies == ProxyPolicy::WithDocument);
        let by_holder = matches!(line.actor, Actor::Holder { .. });
        let filed = self.mandates.get(&rank).is_some_and(|mandate| mandate.document);
        ensure(!compulsory || !by_holder || filed, || {
            format!("le mandataire a choisi pour le rang {rank} sans le document signé")
        })
    }

    /// Held while somebody else's turn is open: the last seat of a post, or any where the policy says so.
    pub(super) fn hold(&mut self, line: &Line, rank: CallRank, post: PostNumber) -> Verdict {
        self.document_is_there(line, rank)?;
        let free = self.free_seats(post);
        let waits = free == 1 || self.late_policy() == LatePolicy::AfterCurrentTurn && free > 0;
        let fits = self.running() && self.turn.is_some() && self.may_choose_late(rank) && waits;
        ensure(fits, || format!("rien ne pouvait être mis en attente pour le rang {rank}"))?;
        if !self.held.contains(&(rank, post)) {
            self.held.retain(|(held, _)| *held != rank);
            self.held.push((rank, post));
        }
        Ok(())
    }

    /// What is held is settled in order of arrival, once the turn is over (3.3).
    pub(super) fn settle_held(&mut self, rank: CallRank, post: PostNumber) -> Verdict {
        let first = self.held.first() == Some(&(rank, post));
        ensure(first && self.turn.is_none(), || format!("aucune attente du rang {rank} n’était à régler"))?;
        self.held.remove(0);
        Ok(())
    }

    /// No seat twice, no person twice (P2); in one's turn, or after it, or as the manner says.
    pub(super) fn choose(
        &mut self,
        line: &Line,
        rank: CallRank,
        post: PostNumber,
        seat: Option<u16>,
        manner: ChoiceManner,
    ) -> Verdict {
        self.listed(rank)?;
        let fits = self.is_what_it_says(line, rank, post, manner)?;
        ensure(fits && !self.gone.contains_key(&rank), || {
            format!("le choix du rang {rank} n’est pas ce qu’il dit être")
        })?;
        if manner == ChoiceManner::Late && seat.is_some() && self.turn.is_some() {
            let waits = self.free_seats(post) == 1 || self.late_policy() == LatePolicy::AfterCurrentTurn;
            ensure(!waits, || {
                format!("le rang {rank}, après son tour, a pris une place du poste {post} à un tour ouvert")
            })?;
        }
        self.take(line, ReleasedSeat { rank, post, seat }, manner)
    }

    fn is_what_it_says(
        &mut self,
        line: &Line,
        rank: CallRank,
        post: PostNumber,
        manner: ChoiceManner,
    ) -> Result<bool, String> {
        let own_turn = self.turn.as_ref().filter(|turn| turn.rank == rank).map(|turn| turn.deadline);
        let (running, at) = (self.running(), line.at);
        Ok(match (manner, own_turn) {
            (ChoiceManner::InTurn, Some(deadline)) => {
                self.document_is_there(line, rank)?;
                running && at <= deadline
            }
            (ChoiceManner::InGrace, Some(deadline)) => {
                self.document_is_there(line, rank)?;
                running && at > deadline && at < deadline + GRACE
            }
            (ChoiceManner::SafetyNet, Some(deadline)) => {
                let caught = self.best_wish_free(rank) == Some(post) && self.has_net(rank);
                running && at >= deadline + GRACE && caught
            }
            (ChoiceManner::Late, None) => {
                self.document_is_there(line, rank)?;
                running && self.may_choose_late(rank)
            }
            (ChoiceManner::LateHeld, None) => {
                self.settle_held(rank, post)?;
                self.is_late(rank)
            }
            (ChoiceManner::Assigned, None) => {
                let placing = matches!(self.round(), Round::Live | Round::ByWishes);
                placing && (self.phase == Phase::Closed || self.in_session() && self.turns_are_over())
            }
            (ChoiceManner::ByWishes, None) => {
                let in_order = self.allocation.keys().all(|placed| *placed < rank);
                self.round() == Round::ByWishes
                    && self.in_session()
                    && in_order
                    && self.best_wish_free(rank) == Some(post)
            }
            _ => false,
        })
    }

    fn take(&mut self, line: &Line, taken: ReleasedSeat, manner: ChoiceManner) -> Verdict {
        if taken.seat.is_none() {
            self.check_supernumerary(taken.rank, taken.post)?;
        }
        self.held.retain(|(held, _)| *held != taken.rank);
        self.made.entry(taken.rank).or_default().push(Made { seq: line.seq, taken, manner });
        self.occupy(line, taken)
    }

    /// No seat twice, no person twice (P2).
    pub(super) fn occupy(&mut self, line: &Line, taken: ReleasedSeat) -> Verdict {
        let ReleasedSeat { rank, post, seat } = taken;
        if let Some(seat) = seat {
            let exists = (1..=self.seats_of(post)).contains(&seat);
            ensure(exists, || format!("le poste {post} n’a pas de place {seat}"))?;
            let free = self.seats.insert((post, seat));
            ensure(free, || format!("la place {seat} du poste {post} est donnée deux fois"))?;
        }
        let allocation = Allocation { post, seat, at: line.at, seq: line.seq, hash: line.hash.clone() };
        let before = self.allocation.insert(rank, allocation);
        ensure(before.is_none(), || format!("le rang {rank} est affecté deux fois"))
    }

    /// By right, one per site, and validating ones only where a seat is free (3.3).
    fn check_supernumerary(&self, rank: CallRank, post: PostNumber) -> Verdict {
        let setup = self.setup.as_ref().ok_or("un choix sans liste")?;
        let site = |post: PostNumber| setup.posts.get(post.index()).map(|post| post.imotep.as_str());
        let right = setup.participants.get(rank.index()).and_then(|participant| participant.supernumerary);
        let allowed = match right {
            Some(Supernumerary::Validating) => self.free_seats(post) > 0,
            Some(Supernumerary::NonValidating) => site(post).is_some(),
            None => false,
        };
        let others = self.allocation.values().filter(|taken| taken.seat.is_none());
        let alone = others.map(|taken| site(taken.post)).all(|other| other != site(post));
        ensure(allowed && alone, || {
            format!("le rang {rank} ne pouvait pas choisir le poste {post} en surnombre")
        })
    }

    /// A seat for another one, after the last turn, where the policy says so (3.6).
    pub(super) fn exchange(
        &mut self,
        line: &Line,
        from: ReleasedSeat,
        post: PostNumber,
        seat: u16,
    ) -> Verdict {
        let allowed = self.setup.as_ref().is_some_and(|setup| setup.policies.vacancy_round);
        ensure(allowed && self.running() && self.turns_are_over() && from.post != post, || {
            format!("le rang {} ne pouvait pas échanger sa place", from.rank)
        })?;
        self.undo(line.seq, from)?;
        self.take(line, ReleasedSeat { rank: from.rank, post, seat: Some(seat) }, ChoiceManner::Exchanged)
    }

    // --- wishes -----------------------------------------------------------------------------

    fn best_wish_free(&self, rank: CallRank) -> Option<PostNumber> {
        let (_, wishes, _) = self.wishes.get(&rank)?;
        wishes.iter().copied().find(|post| self.free_seats(*post) > 0)
    }

    fn has_net(&self, rank: CallRank) -> bool {
        self.wishes.get(&rank).is_some_and(|(_, _, net)| *net != SafetyNet::Never)
    }

    /// One version after the other, of posts that exist, none twice (3.5).
    pub(super) fn wish(
        &mut self,
        line: &Line,
        rank: CallRank,
        version: u32,
        wishes: &[PostNumber],
        net: SafetyNet,
    ) -> Verdict {
        self.still_to_choose(rank)?;
        self.document_is_there(line, rank)?;
        let before = self.wishes.get(&rank).map_or(0, |(version, _, _)| *version);
        let posts = self.setup.as_ref().map_or(0, |setup| setup.posts.len());
        let distinct = wishes.iter().enumerate().all(|(index, post)| !wishes[..index].contains(post));
        let known = wishes.iter().all(|post| post.index() < posts);
        let net_allowed = net == SafetyNet::Never
            || self.round() == Round::Live
                && self.setup.as_ref().is_some_and(|setup| setup.policies.safety_net);
        ensure(version == before + 1 && distinct && known && net_allowed, || {
            format!("les vœux du rang {rank} ne forment pas une liste possible")
        })?;
        let written = WishVersion { rank, version, at: line.at, hash: line.hash.clone() };
        self.wish_versions.insert(line.seq, written);
        self.wishes.insert(rank, (version, wishes.to_vec(), net));
        Ok(())
    }

    /// Nobody without a placement has a wish that is still free (3.8).
    pub(super) fn everybody_got_their_best_wish(&self) -> Verdict {
        let left_out = self
            .ranks()
            .filter(|rank| !self.allocation.contains_key(rank) && !self.gone.contains_key(rank))
            .find(|rank| self.best_wish_free(*rank).is_some());
        ensure(left_out.is_none(), || "quelqu’un a été oublié dont un vœu est libre".to_owned())
    }
}
