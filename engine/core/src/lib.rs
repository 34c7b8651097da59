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
mod rejection;
pub mod setup;
mod time;
mod view;

pub use amphi::{Amphi, GRACE, HeldChoice, Standing, Status, Turn};
pub use command::{Command, LiveCommand, REASON_CHARS_MAX};
pub use event::{ChoiceManner, Event, TurnOutcome};
pub use forecast::Forecast;
pub use identity::{Actor, AdministratorId, AmphiId, CallRank, CommandId, InternId, PostNumber};
pub use rejection::Rejection;
pub use setup::{Half, Participant, Period, Post, Setup};
pub use time::{Millis, Timestamp};
pub use view::{Change, ParticipantView, PostView, Progress, SeatsChange, Snapshot, StandingChange};
