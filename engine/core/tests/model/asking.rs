//! What may be asked of the amphi of `reading.rs`, and what speaks against it; what then happens is in
//! `happening.rs`.
//!
//! Where several reasons speak against a command they are all named: which one is told first is not a
//! matter of the domain (the tables of `rules/` fix it where it matters).

use amphi_core::{
    Actor, CallRank, Command, Ineligibility, LatePolicy, Moment, PostNumber, ProxyPolicy, Rejection,
    SafetyNet, Standing, Status, Supernumerary,
};

use crate::reading::Minutes;

impl Minutes {
    /// What speaks against `command`; when nothing does, it has happened.
    pub fn ask(&mut self, actor: Actor, command: &Command, moment: Moment) -> Vec<Rejection> {
        if !may_ask(actor, command) {
            return vec![Rejection::Forbidden];
        }
        let mut after = self.clone();
        let now = moment.at.0.max(self.last_instant());
        if !matches!(command, Command::Recover { .. } | Command::NotePlacedElsewhere { .. }) {
            after.time_passes(now, moment.turn_attended);
        }
        let mut reasons = Vec::new();
        reasons.extend(after.against_state(command));
        match subject(command) {
            Some(rank) if rank.0 == 0 || rank.0 > after.interns() => {
                reasons.push(Rejection::UnknownRank { rank });
                reasons.extend(after.proxy_ended(actor));
            }
            Some(rank) => {
                reasons.extend(after.against_person(actor, command, rank));
                reasons.extend(after.against_matter(command, rank));
            }
            None => {}
        }
        reasons.extend(after.against_session(command));
        reasons.extend(said(command).filter(|reason| !can_be_said(reason)).map(|_| Rejection::ReasonNeeded));
        if reasons.is_empty() {
            after.happens(command, moment);
            *self = after;
        }
        reasons
    }

    fn against_state(&self, command: &Command) -> Option<Rejection> {
        use Rejection::{
            AlreadyOpen, AlreadyPublished, NotOpen, NotPublished, NotSuspended, Over, Suspended,
        };
        let closed = self.status() == Status::Closed;
        // Columns: draft, published, open, suspended, over.
        let refusals = match command {
            Command::Tick | Command::Recover { .. } => [None, None, None, None, None],
            Command::Draft(_) | Command::Publish => {
                [None, Some(AlreadyPublished), Some(AlreadyPublished), Some(AlreadyPublished), Some(Over)]
            }
            Command::Open | Command::NoteIneligible { .. } => {
                [Some(NotPublished), None, Some(AlreadyOpen), Some(AlreadyOpen), Some(Over)]
            }
            Command::Resume | Command::ExplainSuspension { .. } => {
                [Some(NotSuspended), Some(NotSuspended), Some(NotSuspended), None, Some(Over)]
            }
            Command::Annul { .. } => [None, None, None, None, (!closed).then_some(Over)],
            Command::Assign { .. } => {
                [Some(NotPublished), Some(NotOpen), None, None, (!closed).then_some(Over)]
            }
            Command::Close | Command::AnnulChoice { .. } | Command::Rewind { .. } => {
                [Some(NotPublished), Some(NotOpen), None, None, Some(Over)]
            }
            Command::Withdraw { .. }
            | Command::Add { .. }
            | Command::Admit { .. }
            | Command::SetWishes { .. }
            | Command::GiveProxy { .. }
            | Command::FileProxyDocument { .. }
            | Command::RevokeProxy { .. }
            | Command::RevertProxy { .. }
            | Command::NotePlacedElsewhere { .. }
            | Command::NoteNoLongerPlacedElsewhere { .. } => {
                [Some(NotPublished), None, None, None, Some(Over)]
            }
            Command::Suspend { .. }
            | Command::Choose { .. }
            | Command::ChooseFor { .. }
            | Command::Exchange { .. }
            | Command::Extend { .. }
            | Command::ReleaseHeld { .. }
            | Command::Pass { .. }
            | Command::EndTurn { .. } => {
                [Some(NotPublished), Some(NotOpen), None, Some(Suspended), Some(Over)]
            }
        };
        let column = match self.status() {
            Status::Draft => 0,
            Status::Published => 1,
            Status::Open => 2,
            Status::Suspended { .. } => 3,
            Status::Closed | Status::Annulled { .. } => 4,
        };
        refusals[column].clone()
    }

    fn proxy_ended(&self, actor: Actor) -> Option<Rejection> {
        let Actor::Holder { rank, proxy } = actor else { return None };
        let valid = self.proxy(rank.0).is_some_and(|given| given.id == proxy);
        (!valid).then_some(Rejection::ProxyEnded)
    }

    /// What speaks against it of where `rank` stands, and of who may act for them.
    fn against_person(&self, actor: Actor, command: &Command, rank: CallRank) -> Vec<Rejection> {
        let standing = self.standing(rank.0);
        let in_turn = self.turn().is_some_and(|turn| turn.rank == rank);
        let proxy = self.proxy(rank.0);
        let mut against = Vec::from_iter(self.proxy_ended(actor));
        let needs_a_free_person = matches!(
            command,
            Command::Choose { .. }
                | Command::ChooseFor { .. }
                | Command::Assign { .. }
                | Command::SetWishes { .. }
                | Command::GiveProxy { .. }
                | Command::FileProxyDocument { .. }
                | Command::RevokeProxy { .. }
                | Command::RevertProxy { .. }
        );
        let withdraws = matches!(command, Command::Withdraw { .. });
        match standing {
            Standing::Placed { post, .. } if needs_a_free_person || withdraws => {
                against.push(Rejection::AlreadyChosen { post });
            }
            Standing::PlacedElsewhere if needs_a_free_person => against.push(Rejection::PlacedElsewhere),
            Standing::Withdrawn if needs_a_free_person || withdraws => against.push(Rejection::Withdrawn),
            _ => {}
        }
        let acts = matches!(
            command,
            Command::Choose { .. }
                | Command::SetWishes { .. }
                | Command::Pass { .. }
                | Command::ReleaseHeld { .. }
        );
        let in_force = proxy.is_some() && !matches!(standing, Standing::Placed { .. });
        if acts && matches!(actor, Actor::Intern { .. }) && in_force && self.was_called(rank.0) {
            against.push(Rejection::ProxyActive);
        }
        let chooses = matches!(command, Command::Choose { .. } | Command::SetWishes { .. });
        let compulsory = self.policies().proxies == ProxyPolicy::WithDocument;
        let filed = proxy.is_some_and(|proxy| proxy.document.is_some());
        if chooses && compulsory && matches!(actor, Actor::Holder { .. }) && !filed {
            against.push(Rejection::DocumentMissing);
        }
        match command {
            Command::Choose { .. } | Command::ChooseFor { .. } => {
                against.extend(self.against_choosing_now(rank, standing));
            }
            Command::Pass { .. } | Command::EndTurn { .. } | Command::Extend { .. } if !in_turn => {
                against.push(Rejection::TurnNotInProgress { rank });
            }
            Command::ReleaseHeld { .. } if !self.held().iter().any(|held| held.rank == rank) => {
                against.push(Rejection::NothingHeld);
            }
            Command::GiveProxy { .. } => {
                against.extend(proxy.map(|_| Rejection::ProxyAlreadyGiven));
                against.extend(in_turn.then_some(Rejection::ProxyTooLate));
            }
            Command::RevokeProxy { .. } if self.was_called(rank.0) => against.push(Rejection::ProxyTooLate),
            Command::AnnulChoice { .. } | Command::Exchange { .. }
                if !matches!(standing, Standing::Placed { .. }) =>
            {
                against.push(Rejection::NotPlaced { rank });
            }
            Command::Rewind { to, .. } if !self.was_called(to.0) => {
                against.push(Rejection::NothingToRewind { to: *to });
            }
            Command::Admit { .. } if self.ineligible(rank.0).is_none() => {
                against.push(Rejection::NotIneligible { rank });
            }
            _ => {}
        }
        let of_a_proxy = matches!(
            command,
            Command::FileProxyDocument { .. } | Command::RevokeProxy { .. } | Command::RevertProxy { .. }
        );
        against.extend((of_a_proxy && proxy.is_none()).then_some(Rejection::NoProxy));
        against
    }

    fn against_choosing_now(&self, rank: CallRank, standing: Standing) -> Option<Rejection> {
        match (standing, self.policies().late) {
            (Standing::Waiting, _) => Some(Rejection::NotYourTurn),
            (Standing::Late { .. }, LatePolicy::EndOfSession) if !self.turns_are_over() => {
                Some(Rejection::LateAtEndOnly)
            }
            (Standing::Late { .. }, LatePolicy::Forfeit) if self.let_go(rank.0) => {
                Some(Rejection::TurnForfeited)
            }
            _ => None,
        }
    }

    /// What speaks against it of the post, the wishes, the time it asks for.
    fn against_matter(&self, command: &Command, rank: CallRank) -> Vec<Rejection> {
        let mut against = Vec::new();
        match command {
            Command::Choose { post, supernumerary, .. } | Command::ChooseFor { post, supernumerary, .. } => {
                against.extend(self.against_post(rank, *post, *supernumerary));
            }
            Command::Assign { post, .. } => {
                against.extend(self.against_post(rank, *post, false));
            }
            Command::Exchange { post, .. } => {
                against.extend(self.against_post(rank, *post, false));
                let own = self.held_now().get(&rank.0).is_some_and(|held| held.post == post.0);
                against.extend(own.then_some(Rejection::AlreadyChosen { post: *post }));
                let now = self.policies().vacancy_round && self.turns_are_over();
                against.extend((!now).then_some(Rejection::NoExchangeNow));
            }
            Command::SetWishes { wishes, safety_net, .. } => {
                let off = *safety_net != SafetyNet::Never && !self.policies().safety_net;
                against.extend(off.then_some(Rejection::SafetyNetOff));
                for (index, post) in wishes.iter().enumerate() {
                    against.extend(self.unknown(*post));
                    let twice = wishes[..index].contains(post);
                    against.extend(twice.then_some(Rejection::WishTwice { post: *post }));
                }
            }
            Command::Extend { by, .. } => {
                let steps = self.policies().extension_steps;
                against.extend((!steps.contains(by)).then_some(Rejection::NoSuchExtension { steps }));
            }
            _ => {}
        }
        against
    }

    fn unknown(&self, post: PostNumber) -> Option<Rejection> {
        let known = (1..=self.seats_left().len()).contains(&usize::from(post.0));
        (!known).then_some(Rejection::UnknownPost { post })
    }

    fn against_post(&self, rank: CallRank, post: PostNumber, supernumerary: bool) -> Option<Rejection> {
        if let Some(unknown) = self.unknown(post) {
            return Some(unknown);
        }
        let setup = self.setup.as_ref()?;
        let none_left = self.seats_left()[usize::from(post.0) - 1] == 0;
        let by = self.takers(post.0).last().copied().map(CallRank);
        let taken = none_left.then_some(Rejection::PostTaken { post, by });
        if !supernumerary {
            return taken;
        }
        let site = |post: u16| &setup.posts[usize::from(post) - 1].imotep;
        let another = self.held_now().values().any(|h| h.seat.is_none() && site(h.post) == site(post.0));
        match setup.participants[usize::from(rank.0) - 1].supernumerary {
            None => Some(Rejection::NotSupernumerary),
            Some(Supernumerary::Validating) if none_left => taken,
            Some(_) => another.then_some(Rejection::SupernumeraryTaken { post }),
        }
    }

    fn turns_remain(&self) -> Option<Rejection> {
        let open = |s: &&Standing| matches!(s, Standing::Waiting | Standing::InTurn);
        let remaining = self.standings().iter().filter(open).count() as u16;
        (remaining > 0).then_some(Rejection::TurnsRemain { remaining })
    }

    /// What speaks against it whomever it is about.
    fn against_session(&self, command: &Command) -> Option<Rejection> {
        match command {
            Command::Close => self.turns_remain(),
            Command::Assign { .. } => self.turns_remain().filter(|_| self.status() != Status::Closed),
            Command::GiveProxy { .. } => {
                (self.policies().proxies == ProxyPolicy::Off).then_some(Rejection::ProxiesOff)
            }
            Command::Publish => self.setup.is_none().then(|| unusable("it has no call list yet")),
            Command::Draft(setup) => {
                setup.participants.is_empty().then(|| unusable("the call list is empty"))
            }
            Command::Open => {
                let found = |r: &u16| self.ineligible(*r).is_some() && self.standing(*r) == Standing::Waiting;
                let ranks: Vec<_> = (1..=self.interns()).filter(found).map(CallRank).collect();
                (!ranks.is_empty()).then_some(Rejection::Ineligible { ranks })
            }
            Command::Add { participant, .. } => {
                let setup = self.setup.as_ref()?;
                let listed = setup.participants.iter().position(|p| p.intern == participant.intern);
                let slow = participant.extra_time_percent > 200;
                let rank = self.interns() + 1;
                match listed {
                    Some(index) => Some(Rejection::AlreadyListed { rank: CallRank(index as u16 + 1) }),
                    None => slow.then(|| unusable(&format!("rank {rank} has more than 200 % of extra time"))),
                }
            }
            Command::NoteIneligible { found } => {
                let unknown = |(rank, _): &&(CallRank, Ineligibility)| rank.0 == 0 || rank.0 > self.interns();
                found.iter().find(unknown).map(|(rank, _)| Rejection::UnknownRank { rank: *rank })
            }
            _ => None,
        }
    }
}

fn unusable(problem: &str) -> Rejection {
    Rejection::UnusableSetup { problem: problem.to_owned() }
}

/// Whom a command is about.
fn subject(command: &Command) -> Option<CallRank> {
    match command {
        Command::Choose { rank, .. }
        | Command::ChooseFor { rank, .. }
        | Command::Exchange { rank, .. }
        | Command::ReleaseHeld { rank }
        | Command::Pass { rank }
        | Command::SetWishes { rank, .. }
        | Command::GiveProxy { rank, .. }
        | Command::FileProxyDocument { rank, .. }
        | Command::RevokeProxy { rank }
        | Command::RevertProxy { rank, .. }
        | Command::EndTurn { rank, .. }
        | Command::Extend { rank, .. }
        | Command::Withdraw { rank, .. }
        | Command::AnnulChoice { rank, .. }
        | Command::Rewind { to: rank, .. }
        | Command::Assign { rank, .. }
        | Command::Admit { rank, .. }
        | Command::NotePlacedElsewhere { rank }
        | Command::NoteNoLongerPlacedElsewhere { rank } => Some(*rank),
        _ => None,
    }
}

/// The reason an administrator gives.
pub fn said(command: &Command) -> Option<&str> {
    match command {
        Command::Suspend { reason }
        | Command::ExplainSuspension { reason }
        | Command::Annul { reason }
        | Command::EndTurn { reason, .. }
        | Command::Extend { reason, .. }
        | Command::ChooseFor { reason, .. }
        | Command::Withdraw { reason, .. }
        | Command::Add { reason, .. }
        | Command::AnnulChoice { reason, .. }
        | Command::Rewind { reason, .. }
        | Command::Assign { reason, .. }
        | Command::RevertProxy { reason, .. }
        | Command::Admit { reason, .. } => Some(reason.trim()),
        _ => None,
    }
}

fn can_be_said(reason: &str) -> bool {
    (1..=500).contains(&reason.chars().count())
}

fn may_ask(actor: Actor, command: &Command) -> bool {
    let of_the_engine = matches!(
        command,
        Command::NotePlacedElsewhere { .. }
            | Command::NoteNoLongerPlacedElsewhere { .. }
            | Command::NoteIneligible { .. }
            | Command::Tick
            | Command::Recover { .. }
    );
    let by_oneself =
        matches!(command, Command::Exchange { .. } | Command::GiveProxy { .. } | Command::RevokeProxy { .. });
    let by_either = matches!(
        command,
        Command::Choose { .. }
            | Command::ReleaseHeld { .. }
            | Command::Pass { .. }
            | Command::SetWishes { .. }
    );
    let by_the_holder = matches!(command, Command::FileProxyDocument { .. });
    match actor {
        Actor::Intern { rank } => (by_oneself || by_either) && subject(command) == Some(rank),
        Actor::Holder { rank, .. } => (by_the_holder || by_either) && subject(command) == Some(rank),
        Actor::Engine => of_the_engine,
        Actor::Administrator { .. } => !(of_the_engine || by_oneself || by_either || by_the_holder),
    }
}
