#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]

pub mod chain;
pub mod client;
pub mod clock;
pub mod command;
pub mod crowd;
pub mod door;
pub mod journal;
pub mod last_seats;
pub mod opening;
pub mod oracle;
pub mod plan;
pub mod process_figures;
pub mod report;
pub mod robot;
pub mod room;
pub mod scenario_room;
pub mod scenario_whole;
pub mod server_clock;
pub mod server_process;
pub mod state;
pub mod synthetic;
pub mod timing;
pub mod turns;
pub mod venue;
pub mod wire;
