//! Uring: io_uring, the writes to all sockets handed to the kernel together, in one system call where the ring has room.

use std::net;

use anyhow::{Result, ensure};
use bytes::Bytes;
use tokio_uring::net::TcpStream;

use super::asynchronous::{self, Room};

/// Writes that the ring holds until the kernel is called: those of a whole room.
const RING_ENTRIES: u32 = 4_096;

struct Ring(Vec<TcpStream>);

impl Room for Ring {
    async fn join(&mut self, viewer: net::TcpStream) -> Result<()> {
        self.0.push(TcpStream::from_std(viewer));
        Ok(())
    }

    async fn tell(&mut self, message: Vec<u8>) -> Result<()> {
        let message = Bytes::from(message);
        let writes: Vec<_> = self.0.iter().map(|viewer| viewer.write(message.clone()).submit()).collect();
        for write in writes {
            let (written, _) = write.await;
            ensure!(written? == message.len(), "a viewer does not read: a yardstick has no queue");
        }
        Ok(())
    }
}

/// Listens on 127.0.0.1 until the publisher leaves.
///
/// # Errors
/// When it cannot listen, the kernel has no io_uring for us, or a viewer does not read what it is sent.
pub fn serve(port: u16) -> Result<()> {
    let runtime = tokio_uring::Runtime::new(tokio_uring::builder().entries(RING_ENTRIES))?;
    runtime.block_on(asynchronous::run(port, Ring(Vec::new())))
}
