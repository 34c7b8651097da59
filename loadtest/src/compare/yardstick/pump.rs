//! Pump: our fan-out, stripped. One task over tokio's sockets writes the same bytes to each, and pauses every few writes.

use std::net;

use anyhow::{Context, Result, ensure};
use tokio::net::TcpStream;

use super::asynchronous::{self, Room};

/// As many as the pump of `amphi` writes to between two pauses.
const WRITES_AT_ONCE: usize = 64;

struct Pump(Vec<TcpStream>);

impl Room for Pump {
    async fn join(&mut self, viewer: net::TcpStream) -> Result<()> {
        let viewer = TcpStream::from_std(viewer)?;
        viewer.writable().await?;
        self.0.push(viewer);
        Ok(())
    }

    async fn tell(&mut self, message: Vec<u8>) -> Result<()> {
        for viewers in self.0.chunks(WRITES_AT_ONCE) {
            for viewer in viewers {
                let written = viewer.try_write(&message).context("a yardstick has no queue")?;
                ensure!(written == message.len(), "a viewer does not read: a yardstick has no queue");
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// Listens on 127.0.0.1 until the publisher leaves.
///
/// # Errors
/// When it cannot listen, or a viewer does not read what it is sent.
pub fn serve(port: u16) -> Result<()> {
    asynchronous::serve(port, Pump(Vec::new()))
}
