//! What the stories share: the real binary, a real browser, and clients of the live protocol.
//!
//! Invariant: nothing here knows more than a client does. Waiting is always for a fact, with a bound;
//! nothing of one test is seen by another: each has its own data directory, ports and browser profile.

// Every test binary compiles this anew and uses a part of it.
#![allow(dead_code, reason = "each story uses a part")]

pub mod browser;
pub mod client;
pub mod house;
pub mod journal;
pub mod mail_server;
pub mod processes;
pub mod server;
pub mod tables;
pub mod waiting;
