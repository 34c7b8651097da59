//! The two yardsticks, each run as a process of its own: as fast as the kernel allows, and as most people do it.

pub mod naive;
pub mod raw;

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
}

/// Runs until killed.
///
/// # Errors
/// When it cannot listen, or cannot do what a yardstick must.
pub fn serve(args: &YardstickArgs) -> Result<()> {
    match args.kind {
        Kind::Raw => raw::serve(args.port),
        Kind::Naive => naive::serve(args.port),
    }
}
