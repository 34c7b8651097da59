#![doc = include_str!("../README.md")]

mod amphi;
mod apply;
pub mod call_list;
mod command;
mod decide;
mod event;
mod forecast;
mod identity;
mod invariants;
pub mod opening;
mod outlook;
pub mod planted;
pub mod policies;
mod preview;
mod rejection;
pub mod setup;
mod time;
mod view;
mod wishes;

pub use amphi::{Amphi, GRACE, HeldChoice, Proxy, Standing, Status, Turn, UndoneChoice};
pub use command::{Command, LiveCommand, REASON_CHARS_MAX};
pub use decide::Moment;
pub use event::{ChoiceManner, Digest, Event, Ineligibility, ReleasedSeat, TurnOutcome};
pub use forecast::Forecast;
pub use identity::{Actor, AdministratorId, AmphiId, CallRank, CommandId, InternId, PostNumber, ProxyId};
pub use outlook::Chance;
pub use policies::{LatePolicy, NamesPolicy, Policies, ProxyPolicy, WatchingPolicy};
pub use preview::Preview;
pub use rejection::Rejection;
pub use setup::{Half, Participant, Period, Post, Setup, Supernumerary};
pub use time::{Millis, Timestamp};
pub use view::{Change, ParticipantView, PostView, Progress, SeatsChange, Snapshot, StandingChange};
pub use wishes::{Round, SafetyNet, WishList};
