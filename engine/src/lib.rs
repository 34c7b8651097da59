#![doc = include_str!("../README.md")]

pub mod arrivals;
pub mod clock;
pub mod connections;
pub mod eligibility;
pub mod fanout;
pub mod frame;
pub mod journal;
pub mod ledger;
pub mod limits;
pub mod metrics;
pub mod persons;
pub mod presence;
pub mod protocol;
pub mod pulse;
pub mod registry;
pub mod room;
pub mod socket;
pub mod verify;
pub mod wire;

pub use amphi_core as core;
