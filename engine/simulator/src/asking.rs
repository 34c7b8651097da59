//! From what a plan says somebody asks to the command itself, as things stand.

use amphi_engine::core::{
    Actor, AdministratorId, Amphi, CallRank, Command, Digest, Millis, PostNumber, Setup, Standing, Timestamp,
};
use uuid::Uuid;

use crate::plan::{Ask, Which, Whom, person, proxy_id};

/// Who runs the sessions.
pub const ADMINISTRATOR: Actor = Actor::Administrator { id: AdministratorId(Uuid::from_u128(0xAD)) };

/// The command that `ask`, made by `step`, means now. `None`: there is nobody whom it concerns.
pub fn meant(ask: &Ask, step: u32, amphi: &Amphi, setup: &Setup) -> Option<Command> {
    let reason = || "Incident en salle".to_owned();
    let rank = |whom| rank(whom, amphi);
    let post = |which| post(which, amphi);
    let command = match *ask {
        Ask::Draft => Command::Draft(Box::new(setup.clone())),
        Ask::Publish => Command::Publish,
        Ask::Open => Command::Open,
        Ask::Suspend => Command::Suspend { reason: reason() },
        Ask::ExplainSuspension => Command::ExplainSuspension { reason: format!("Incident {step}") },
        Ask::Resume => Command::Resume,
        Ask::Close => Command::Close,
        Ask::Annul => Command::Annul { reason: reason() },
        Ask::Choose(whom, which) => {
            Command::Choose { rank: rank(whom)?, post: post(which)?, supernumerary: false }
        }
        Ask::ChooseSupernumerary(whom, which) => {
            Command::Choose { rank: rank(whom)?, post: post(which)?, supernumerary: true }
        }
        Ask::Exchange(whom, which) => Command::Exchange { rank: rank(whom)?, post: post(which)? },
        Ask::ReleaseHeld(whom) => Command::ReleaseHeld { rank: rank(whom)? },
        Ask::Pass(whom) => Command::Pass { rank: rank(whom)? },
        Ask::SetWishes(whom, ref wishes, safety_net) => {
            let wishes = wishes.iter().filter_map(|which| post(*which)).collect();
            Command::SetWishes { rank: rank(whom)?, wishes, safety_net }
        }
        Ask::GiveProxy(whom) => Command::GiveProxy { rank: rank(whom)?, proxy: proxy_id(step) },
        Ask::FileProxyDocument(whom) => {
            Command::FileProxyDocument { rank: rank(whom)?, document: Digest([7; 32]) }
        }
        Ask::RevokeProxy(whom) => Command::RevokeProxy { rank: rank(whom)? },
        Ask::RevertProxy(whom) => Command::RevertProxy { rank: rank(whom)?, reason: reason() },
        Ask::EndTurn(whom) => Command::EndTurn { rank: rank(whom)?, reason: reason() },
        Ask::Extend(whom, nth) => {
            let steps = &setup.policies.extension_steps;
            let by = steps.get(usize::from(nth) % steps.len().max(1)).copied().unwrap_or(Millis(1));
            Command::Extend { rank: rank(whom)?, by, reason: reason() }
        }
        Ask::ChooseFor(whom, which) => {
            let (rank, post) = (rank(whom)?, post(which)?);
            Command::ChooseFor { rank, post, supernumerary: false, reason: reason() }
        }
        Ask::Withdraw(whom) => Command::Withdraw { rank: rank(whom)?, reason: reason() },
        Ask::Add(number) => {
            let mut participant = setup.participants.first()?.clone();
            participant.intern = person(number);
            Command::Add { participant: Box::new(participant), reason: reason() }
        }
        Ask::AnnulChoice(whom) => Command::AnnulChoice { rank: rank(whom)?, reason: reason() },
        Ask::Rewind(whom) => Command::Rewind { to: rank(whom)?, reason: reason() },
        Ask::Assign(whom, which) => {
            Command::Assign { rank: rank(whom)?, post: post(which)?, reason: reason() }
        }
        Ask::Admit(whom) => Command::Admit { rank: rank(whom)?, reason: reason() },
        Ask::Meddle => Command::Recover { down_since: Timestamp(0) },
    };
    Some(command)
}

/// Who may issue `command`, of those who can ask; whoever holds the proxy, if it is to be `by_holder`.
pub fn rightful(command: &Command, amphi: &Amphi, by_holder: bool) -> Actor {
    let holder =
        |rank: CallRank| amphi.proxy_given(rank).map(|proxy| Actor::Holder { rank, proxy: proxy.id });
    match *command {
        Command::Choose { rank, .. }
        | Command::ReleaseHeld { rank }
        | Command::Pass { rank }
        | Command::SetWishes { rank, .. } => {
            holder(rank).filter(|_| by_holder).unwrap_or(Actor::Intern { rank })
        }
        Command::FileProxyDocument { rank, .. } => holder(rank).unwrap_or(Actor::Intern { rank }),
        Command::Exchange { rank, .. } | Command::GiveProxy { rank, .. } | Command::RevokeProxy { rank } => {
            Actor::Intern { rank }
        }
        Command::Draft(_)
        | Command::Publish
        | Command::Open
        | Command::Suspend { .. }
        | Command::ExplainSuspension { .. }
        | Command::Resume
        | Command::Close
        | Command::Annul { .. }
        | Command::RevertProxy { .. }
        | Command::EndTurn { .. }
        | Command::Extend { .. }
        | Command::ChooseFor { .. }
        | Command::Withdraw { .. }
        | Command::Add { .. }
        | Command::AnnulChoice { .. }
        | Command::Rewind { .. }
        | Command::Assign { .. }
        | Command::Admit { .. }
        | Command::NoteIneligible { .. }
        | Command::NotePlacedElsewhere { .. }
        | Command::NoteNoLongerPlacedElsewhere { .. }
        | Command::Tick
        | Command::Recover { .. } => ADMINISTRATOR,
    }
}

/// The same, asked for somebody else; what holders may not ask for stays as it is.
pub fn on_behalf_of(principal: CallRank, command: Command) -> Command {
    let rank = principal;
    match command {
        Command::Choose { post, supernumerary, .. } => Command::Choose { rank, post, supernumerary },
        Command::Pass { .. } => Command::Pass { rank },
        Command::SetWishes { wishes, safety_net, .. } => Command::SetWishes { rank, wishes, safety_net },
        Command::ReleaseHeld { .. } => Command::ReleaseHeld { rank },
        other => other,
    }
}

/// Somebody who may not issue what `actor` may.
pub fn wrong(actor: Actor) -> Actor {
    match actor {
        Actor::Intern { rank } | Actor::Holder { rank, .. } => Actor::Intern { rank: rank.next() },
        Actor::Administrator { .. } | Actor::Engine => Actor::Intern { rank: CallRank(1) },
    }
}

fn rank(whom: Whom, amphi: &Amphi) -> Option<CallRank> {
    let setup = amphi.setup()?;
    let standing = |rank: CallRank| amphi.standing(rank);
    match whom {
        Whom::InTurn => amphi.turn().map(|turn| turn.rank),
        Whom::Next => standing(amphi.next_rank()).map(|_| amphi.next_rank()),
        Whom::Late(nth) => one_of(nth, amphi, |rank| matches!(standing(rank), Some(Standing::Late { .. }))),
        Whom::Placed(nth) => {
            one_of(nth, amphi, |rank| matches!(standing(rank), Some(Standing::Placed { .. })))
        }
        Whom::Represented(nth) => one_of(nth, amphi, |rank| amphi.proxy_given(rank).is_some()),
        Whom::Supernumerary(nth) => {
            let entitled = |rank: CallRank| setup.participants[rank.index()].supernumerary.is_some();
            let called = [Whom::InTurn, Whom::Late(nth)].map(|whom| self::rank(whom, amphi));
            called.into_iter().flatten().find(|rank| entitled(*rank))
        }
        Whom::Rank(number) => {
            let people = u16::try_from(amphi.standings().len()).ok().filter(|people| *people > 0)?;
            Some(CallRank(number % people + 1))
        }
    }
}

fn one_of(nth: u8, amphi: &Amphi, is_meant: impl Fn(CallRank) -> bool) -> Option<CallRank> {
    let ranks = (0..amphi.standings().len()).map(CallRank::from_index);
    let ranks: Vec<CallRank> = ranks.filter(|rank| is_meant(*rank)).collect();
    ranks.get(usize::from(nth) % ranks.len().max(1)).copied()
}

fn post(which: Which, amphi: &Amphi) -> Option<PostNumber> {
    let (nth, fits): (u8, fn(u16) -> bool) = match which {
        Which::Free(nth) => (nth, |left| left > 0),
        Which::LastSeat(nth) => (nth, |left| left == 1),
        Which::Taken(nth) => (nth, |left| left == 0),
        Which::Number(number) => {
            let posts = u16::try_from(amphi.seats_left().len()).ok().filter(|posts| *posts > 0)?;
            return Some(PostNumber(number % (posts + 1) + 1));
        }
    };
    let posts: Vec<PostNumber> = amphi
        .seats_left()
        .iter()
        .enumerate()
        .filter(|(_, left)| fits(**left))
        .map(|(index, _)| PostNumber::from_index(index))
        .collect();
    posts.get(usize::from(nth) % posts.len().max(1)).copied()
}
