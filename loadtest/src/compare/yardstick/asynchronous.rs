//! What the yardsticks over tokio have in common: who joins, and what is published, in one task.
//!
//! The runtime has one thread, as the server has one core: no design pays for waking another thread.

use std::net::{Ipv4Addr, TcpStream};

use anyhow::Result;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::raw::next_message;

/// How much of what is published is read at once.
const READ_BYTES: usize = 64 * 1024;

/// Those who are sent what is published.
pub(super) trait Room {
    /// One more; ready to be written to afterwards.
    async fn join(&mut self, viewer: TcpStream) -> Result<()>;

    /// Sends `message` to all of them.
    async fn tell(&mut self, message: Vec<u8>) -> Result<()>;
}

/// Runs `room` on a runtime of one thread, until the publisher leaves.
pub(super) fn serve(port: u16, room: impl Room) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(port, room))
}

/// The same within a runtime that is there already.
pub(super) async fn run(port: u16, mut room: impl Room) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let (mut publisher, _) = listener.accept().await?;
    let mut published = Vec::new();
    loop {
        published.reserve(READ_BYTES);
        tokio::select! {
            // Whoever connected before a publication is sent it.
            biased;
            joined = listener.accept() => {
                let viewer = joined?.0;
                viewer.set_nodelay(true)?;
                room.join(viewer.into_std()?).await?;
            }
            read = publisher.read_buf(&mut published) => {
                if read? == 0 {
                    return Ok(());
                }
                while let Some(message) = next_message(&mut published) {
                    room.tell(message).await?;
                }
            }
        }
    }
}
