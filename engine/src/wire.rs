//! A connection as the engine needs it: read and written without waiting, by whoever has it at hand.

use std::hint::black_box;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd as _;
use std::task::{Context, Poll};

use rustix::io::Errno;
use rustix::net::SendFlags;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::fanout::Sink;

/// A two-way connection. HTTP speaks over it with polls; after the upgrade, the connection's task reads it
/// and everybody who has something to say writes to it.
pub trait Wire: Sink + AsyncRead + AsyncWrite + Unpin + Sync {
    /// Reads what is there.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`]: nothing is. Any other: the connection is gone.
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Ready when reading is worth trying. One task at a time may wait.
    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ready when writing is worth trying. One task at a time may wait.
    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Sink for TcpStream {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        // The runtime keeps what it knows of a socket's readiness apart from the socket: one more cold cache line for
        // each delivery, a fiftieth of its cost. It is asked only when the socket is full, which it must know of to
        // wake who waits.
        match rustix::net::send(self, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Err(Errno::WOULDBLOCK) => Self::try_write(self, bytes),
            sent => Ok(sent?),
        }
    }

    fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        Self::try_write_vectored(self, pieces)
    }

    fn warm(&self) {
        black_box(self.as_raw_fd());
    }
}

impl Wire for TcpStream {
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Self::try_read(self, buffer)
    }

    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_read_ready(self, context)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_write_ready(self, context)
    }
}
