//! The engine from outside: rooms over a journal with planned faults and a clock that is told to move,
//! sockets over pipes in memory, the wire, and the offline check. No test waits for real time.

#![allow(clippy::unwrap_used)]

mod commands;
mod crash_points;
mod dashboard;
mod eligible;
mod elsewhere;
mod fan_out_model;
mod faulty;
mod hostile;
mod lies;
mod lies_of_policies;
mod noise;
mod outages;
mod ownership;
mod pipe;
mod pipes;
#[path = "../support/postgres.rs"]
mod postgres;
mod recovery;
mod represented;
#[path = "../support/scene.rs"]
mod scene;
mod sockets;
mod stage;
mod turns;
mod verifying;
mod verifying_worlds;
mod viewers;
mod wire;
