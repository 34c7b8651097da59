//! What is asked on the stage of `scene.rs`, in few words.

use amphi_core::{
    Actor, CallRank, Command, Digest, Ineligibility, Millis, Policies, PostNumber, ProxyId, SafetyNet, Setup,
};
use uuid::Uuid;

use crate::scene::participant;

/// The reason every act gives.
pub fn reason() -> String {
    "Motif".to_owned()
}

/// `setup`, with other policies.
pub fn with(mut setup: Setup, change: impl Fn(&mut Policies)) -> Setup {
    change(&mut setup.policies);
    setup
}

/// The proxy that `rank` gives first.
pub fn proxy(rank: u16) -> ProxyId {
    ProxyId(Uuid::from_u128(u128::from(rank)))
}

/// Whoever holds the proxy that `rank` gave first.
pub fn holder(rank: u16) -> Actor {
    Actor::Holder { rank: CallRank(rank), proxy: proxy(rank) }
}

pub fn give(rank: u16) -> Command {
    Command::GiveProxy { rank: CallRank(rank), proxy: proxy(rank) }
}

pub fn revoke(rank: u16) -> Command {
    Command::RevokeProxy { rank: CallRank(rank) }
}

pub fn revert(rank: u16) -> Command {
    Command::RevertProxy { rank: CallRank(rank), reason: reason() }
}

pub fn file(rank: u16) -> Command {
    Command::FileProxyDocument { rank: CallRank(rank), document: Digest([7; 32]) }
}

pub fn pass(rank: u16) -> Command {
    Command::Pass { rank: CallRank(rank) }
}

pub fn release_held(rank: u16) -> Command {
    Command::ReleaseHeld { rank: CallRank(rank) }
}

pub fn wishes(rank: u16, posts: &[u16], safety_net: SafetyNet) -> Command {
    let wishes = posts.iter().copied().map(PostNumber).collect();
    Command::SetWishes { rank: CallRank(rank), wishes, safety_net }
}

pub fn supernumerary(rank: u16, post: u16) -> Command {
    Command::Choose { rank: CallRank(rank), post: PostNumber(post), supernumerary: true }
}

pub fn exchange(rank: u16, post: u16) -> Command {
    Command::Exchange { rank: CallRank(rank), post: PostNumber(post) }
}

pub fn choose_for(rank: u16, post: u16) -> Command {
    let (rank, post) = (CallRank(rank), PostNumber(post));
    Command::ChooseFor { rank, post, supernumerary: false, reason: reason() }
}

pub fn assign(rank: u16, post: u16) -> Command {
    Command::Assign { rank: CallRank(rank), post: PostNumber(post), reason: reason() }
}

pub fn end_turn(rank: u16) -> Command {
    Command::EndTurn { rank: CallRank(rank), reason: reason() }
}

pub fn extend(rank: u16, minutes: i64) -> Command {
    Command::Extend { rank: CallRank(rank), by: Millis::from_minutes(minutes), reason: reason() }
}

pub fn annul_choice(rank: u16) -> Command {
    Command::AnnulChoice { rank: CallRank(rank), reason: reason() }
}

pub fn rewind(to: u16) -> Command {
    Command::Rewind { to: CallRank(to), reason: reason() }
}

/// Adds the intern who would be at `rank` of a longer list.
pub fn add(rank: u16) -> Command {
    Command::Add { participant: Box::new(participant(rank)), reason: reason() }
}

pub fn admit(rank: u16) -> Command {
    Command::Admit { rank: CallRank(rank), reason: reason() }
}

pub fn withdraw(rank: u16) -> Command {
    Command::Withdraw { rank: CallRank(rank), reason: reason() }
}

pub fn elsewhere(rank: u16) -> Command {
    Command::NotePlacedElsewhere { rank: CallRank(rank) }
}

pub fn no_longer_elsewhere(rank: u16) -> Command {
    Command::NoteNoLongerPlacedElsewhere { rank: CallRank(rank) }
}

pub fn ineligible(found: &[(u16, Ineligibility)]) -> Command {
    Command::NoteIneligible { found: found.iter().map(|(rank, what)| (CallRank(*rank), *what)).collect() }
}
