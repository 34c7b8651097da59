//! From what a plan says somebody asks to the command itself, as things stand.

use amphi_engine::core::{
    Actor, AdministratorId, Amphi, CallRank, Command, PostNumber, Setup, Standing, Timestamp,
};
use uuid::Uuid;

use crate::plan::{Ask, Whom, Which};

/// Who runs the sessions.
pub const ADMINISTRATOR: Actor = Actor::Administrator { id: AdministratorId(Uuid::from_u128(0xAD)) };

/// The command that `ask` means now, and who may issue it. `None`: there is nobody whom it concerns.
pub fn meant(ask: &Ask, amphi: &Amphi, setup: &Setup) -> Option<(Actor, Command)> {
    let reason = || "Incident en salle".to_owned();
    let command = match *ask {
        Ask::Draft => Command::Draft(Box::new(setup.clone())),
        Ask::Publish => Command::Publish,
        Ask::Open => Command::Open,
        Ask::Suspend => Command::Suspend { reason: reason() },
        Ask::Resume => Command::Resume,
        Ask::Close => Command::Close,
        Ask::Annul => Command::Annul { reason: reason() },
        Ask::Choose(whom, which) => Command::Choose { rank: rank(whom, amphi)?, post: post(which, amphi)? },
        Ask::ReleaseHeld(whom) => Command::ReleaseHeld { rank: rank(whom, amphi)? },
        Ask::Pass(whom) => Command::Pass { rank: rank(whom, amphi)? },
        Ask::EndTurn(whom) => Command::EndTurn { rank: rank(whom, amphi)?, reason: reason() },
        Ask::Withdraw(whom) => Command::Withdraw { rank: rank(whom, amphi)?, reason: reason() },
        Ask::Meddle => Command::Recover { down_since: Timestamp(0) },
    };
    Some((rightful(&command), command))
}

/// Who may issue `command`, of those who can ask.
pub fn rightful(command: &Command) -> Actor {
    match command {
        Command::Choose { rank, .. } | Command::ReleaseHeld { rank } | Command::Pass { rank } => {
            Actor::Intern { rank: *rank }
        }
        Command::Draft(_)
        | Command::Publish
        | Command::Open
        | Command::Suspend { .. }
        | Command::Resume
        | Command::Close
        | Command::Annul { .. }
        | Command::EndTurn { .. }
        | Command::Withdraw { .. }
        | Command::NotePlacedElsewhere { .. }
        | Command::Tick
        | Command::Recover { .. } => ADMINISTRATOR,
    }
}

/// Somebody who may not issue what `actor` may.
pub fn wrong(actor: Actor) -> Actor {
    match actor {
        Actor::Intern { rank } => Actor::Intern { rank: rank.next() },
        Actor::Administrator { .. } | Actor::Engine => Actor::Intern { rank: CallRank(1) },
    }
}

fn rank(whom: Whom, amphi: &Amphi) -> Option<CallRank> {
    match whom {
        Whom::InTurn => amphi.turn().map(|turn| turn.rank),
        Whom::Next => amphi.standing(amphi.next_rank()).map(|_| amphi.next_rank()),
        Whom::Late(nth) => one_of(nth, amphi, |standing| matches!(standing, Standing::Late { .. })),
        Whom::Placed(nth) => one_of(nth, amphi, |standing| matches!(standing, Standing::Placed { .. })),
        Whom::Rank(number) => {
            let people = u16::try_from(amphi.standings().len()).ok().filter(|people| *people > 0)?;
            Some(CallRank(number % people + 1))
        }
    }
}

fn one_of(nth: u8, amphi: &Amphi, stands: impl Fn(Standing) -> bool) -> Option<CallRank> {
    let ranks: Vec<CallRank> = amphi
        .standings()
        .iter()
        .enumerate()
        .filter(|(_, standing)| stands(**standing))
        .map(|(index, _)| CallRank::from_index(index))
        .collect();
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
