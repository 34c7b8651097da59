//! The yardsticks, each run as a process of its own: as fast as the kernel allows (`raw`), and as most people do it
//! (`naive`). The others are `raw` with another way of writing to sockets, to choose between designs of a fan-out.

mod asynchronous;
pub mod both_cores;
pub mod naive;
pub mod pump;
pub mod raw;
pub mod tasks;
pub mod uring;

use anyhow::Result;
use clap::{Args, ValueEnum};

/// Runs a yardstick on 127.0.0.1 until it is killed.
#[derive(Debug, Clone, Args)]
pub struct YardstickArgs {
    /// Which
    #[arg(value_enum)]
    pub kind: Kind,
    /// Where it listens
    #[arg(long)]
    pub port: u16,
}

/// Which yardstick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The same bytes to each socket, without a protocol.
    Raw,
    /// A WebSocket room over axum, as most people write it.
    Naive,
    /// One task writes to all sockets, pausing now and then.
    Pump,
    /// A task per socket.
    Tasks,
    /// Two threads, each with half of the sockets.
    BothCores,
    /// All writes handed to the kernel together.
    Uring,
}

/// Runs until killed.
///
/// # Errors
/// When it cannot listen, or cannot do what a yardstick must.
pub fn serve(args: &YardstickArgs) -> Result<()> {
    match args.kind {
        Kind::Raw => raw::serve(args.port),
        Kind::Naive => naive::serve(args.port),
        Kind::Pump => pump::serve(args.port),
        Kind::Tasks => tasks::serve(args.port),
        Kind::BothCores => both_cores::serve(args.port),
        Kind::Uring => uring::serve(args.port),
    }
}
