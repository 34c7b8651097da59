//! Raw: a plain non-blocking send loop of the same bytes to N TCP sockets, no protocol. The lower bound.
//!
//! The first connection publishes: each message is its length (four bytes, big-endian) and its bytes, which all other
//! connections are sent, one message at a time. It never reads from those, and gives up rather than lose a byte.
//! This is also what a reactor of one's own comes to: epoll, edge-triggered, and non-blocking sends.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Result, ensure};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(0);
const PUBLISHER: Token = Token(1);
/// How much of what is published is read at once.
const READ_BYTES: usize = 64 * 1024;

/// Those who are sent what is published.
pub(super) trait Room {
    /// One more.
    fn join(&mut self, viewer: TcpStream) -> Result<()>;

    /// Sends `message` to all of them.
    fn tell(&mut self, message: Vec<u8>) -> Result<()>;
}

impl Room for Vec<TcpStream> {
    fn join(&mut self, viewer: TcpStream) -> Result<()> {
        self.push(viewer);
        Ok(())
    }

    fn tell(&mut self, message: Vec<u8>) -> Result<()> {
        send_to_all(self, &message)
    }
}

/// Listens on 127.0.0.1 until the publisher leaves.
///
/// # Errors
/// When it cannot listen, or a viewer does not read what it is sent.
pub fn serve(port: u16) -> Result<()> {
    run(port, Vec::new())
}

/// The same for any `room`.
pub(super) fn run(port: u16, mut room: impl Room) -> Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(64);
    let mut publisher: Option<TcpStream> = None;
    let (mut published, mut buffer) = (Vec::new(), vec![0; READ_BYTES]);
    loop {
        poll.poll(&mut events, None)?;
        while let Ok((mut stream, _)) = listener.accept() {
            stream.set_nodelay(true)?;
            if publisher.is_none() {
                poll.registry().register(&mut stream, PUBLISHER, Interest::READABLE)?;
                publisher = Some(stream);
            } else {
                room.join(stream)?;
            }
        }
        let Some(publisher) = &mut publisher else { continue };
        loop {
            match publisher.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => published.extend_from_slice(&buffer[..read]),
                Err(problem) if problem.kind() == ErrorKind::WouldBlock => break,
                Err(problem) => return Err(problem.into()),
            }
            while let Some(message) = next_message(&mut published) {
                room.tell(message)?;
            }
        }
    }
}

/// The first whole message of what was `published`, taken out of it.
pub(super) fn next_message(published: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = u32::from_be_bytes(*published.first_chunk()?);
    let end = 4 + usize::try_from(length).ok()?;
    let message = published.get(4..end)?.to_vec();
    published.drain(..end);
    Some(message)
}

/// Writes `message` to each of `viewers`, and forgets those who left.
pub(super) fn send_to_all(viewers: &mut Vec<TcpStream>, message: &[u8]) -> Result<()> {
    let mut blocked = false;
    viewers.retain_mut(|viewer| match viewer.write(message) {
        Ok(written) => {
            blocked |= written < message.len();
            true
        }
        Err(problem) => {
            blocked |= problem.kind() == ErrorKind::WouldBlock;
            problem.kind() == ErrorKind::WouldBlock
        }
    });
    ensure!(!blocked, "a viewer does not read: a yardstick has no queue");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_by_their_length() {
        let mut bytes = vec![0, 0, 0, 2, b'a', b'b', 0, 0, 0, 1];
        assert_eq!(next_message(&mut bytes).unwrap(), b"ab");
        assert_eq!(next_message(&mut bytes), None);
        bytes.push(b'c');
        assert_eq!(next_message(&mut bytes).unwrap(), b"c");
        assert!(bytes.is_empty());
    }
}
