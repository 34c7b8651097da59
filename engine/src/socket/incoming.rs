//! What a client sends: bytes to messages, bounded in size, rate and duration.
//!
//! Reading is the library's (`tungstenite`), over bytes that were read into one buffer of the thread: a
//! connection that is silent keeps none. Its answers to pings and to a close are handed on, not written.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use tokio::time::Instant;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

use crate::frame::Frame;
use crate::limits::{
    CLIENT_MESSAGE_BYTES_MAX, COMMAND_WINDOW, COMMANDS_PER_WINDOW, CONTROLS_PER_WINDOW, MESSAGE_WITHIN,
    READS_PER_WAKE, SOCKET_READ_BUFFER_BYTES,
};
use crate::protocol::CloseCode;
use crate::wire::Wire;

/// The buffer into which a thread reads, of whichever connection it looks at.
const THREAD_BUFFER_BYTES: usize = 8 * 1_024;

/// What is heard from one client.
pub struct Incoming {
    wire: Arc<dyn Wire>,
    context: WebSocketContext,
    messages: Rate,
    controls: Rate,
    received: u64,
    /// How many of the bytes received belong to frames that are done with.
    accounted: u64,
    /// Since when there have been others.
    unfinished_since: Option<Instant>,
}

/// Why nothing more is read: with this close code, or because the client is gone.
pub type Stop = Option<CloseCode>;

/// What a client has said.
#[derive(Debug)]
pub enum Heard {
    /// A message.
    Message(Message),
    /// A ping, a pong, or the client's close: to be answered with this, if with anything.
    Control(Option<Frame>),
}

impl Incoming {
    /// With the bounds of a client of ours.
    pub fn new(wire: Arc<dyn Wire>) -> Self {
        Self::bounded(wire, CLIENT_MESSAGE_BYTES_MAX)
    }

    /// With another bound on the length of a message, in bytes.
    pub fn bounded(wire: Arc<dyn Wire>, message_bytes_max: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(SOCKET_READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(message_bytes_max))
            .max_frame_size(Some(message_bytes_max));
        Self {
            wire,
            context: WebSocketContext::new(Role::Server, Some(config)),
            messages: Rate::of(COMMANDS_PER_WINDOW),
            controls: Rate::of(CONTROLS_PER_WINDOW),
            received: 0,
            accounted: 0,
            unfinished_since: None,
        }
    }

    /// The client has said hello: what it says from now on is counted.
    pub fn greeted(&mut self) {
        (self.messages, self.controls) = (Rate::of(COMMANDS_PER_WINDOW), Rate::of(CONTROLS_PER_WINDOW));
    }

    /// Waits until something can be read.
    pub async fn ready(&self) -> io::Result<()> {
        std::future::poll_fn(|context| self.wire.poll_read_ready(context)).await
    }

    /// Reads what is there, message by message, until nothing is left or `take` says stop.
    ///
    /// # Errors
    /// [`Stop`]
    pub fn read(&mut self, mut take: impl FnMut(Heard) -> Result<(), Stop>) -> Result<(), Stop> {
        let mut buffer = [0; THREAD_BUFFER_BYTES];
        // A flood must not keep the thread: what is left makes the connection ready again at once.
        for _ in 0..READS_PER_WAKE {
            match self.wire.try_read(&mut buffer) {
                Ok(0) => return Err(None),
                Ok(count) => self.digest(&buffer[..count], &mut take)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(None),
            }
        }
        Ok(())
    }

    /// Takes in bytes that were read elsewhere.
    ///
    /// # Errors
    /// [`Stop`]
    pub fn digest(
        &mut self,
        bytes: &[u8],
        take: &mut impl FnMut(Heard) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        self.received += bytes.len() as u64;
        let mut bridge = Bridge { unread: bytes, answer: Vec::new() };
        loop {
            match self.context.read(&mut bridge) {
                Ok(message @ (Message::Text(_) | Message::Binary(_) | Message::Frame(_))) => {
                    self.message()?;
                    take(Heard::Message(message))?;
                }
                Ok(Message::Ping(content) | Message::Pong(content)) => {
                    self.control(content.len())?;
                    // Reading on would write the answer, too; but what is said about a ping is said at once.
                    let _ = self.context.flush(&mut bridge);
                    take(Heard::Control(bridge.take_answer()))?;
                }
                Ok(Message::Close(_)) => {
                    let _ = self.context.flush(&mut bridge);
                    take(Heard::Control(bridge.take_answer()))?;
                    return Err(None);
                }
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break,
                Err(Error::Capacity(_)) => return Err(Some(CloseCode::ProtocolError)),
                Err(_) => return Err(None),
            }
        }
        if self.message_takes_too_long() { Err(Some(CloseCode::Silent)) } else { Ok(()) }
    }

    /// A whole message has come.
    fn message(&mut self) -> Result<(), Stop> {
        // What of the next one has already come with it is forgiven.
        self.accounted = self.received;
        self.unfinished_since = None;
        if self.messages.allows() { Ok(()) } else { Err(Some(CloseCode::ProtocolError)) }
    }

    /// A ping or a pong has come.
    fn control(&mut self, content_bytes: usize) -> Result<(), Stop> {
        let frame_bytes = FRAME_HEAD_BYTES + content_bytes as u64;
        self.accounted = (self.accounted + frame_bytes).min(self.received);
        if self.controls.allows() { Ok(()) } else { Err(Some(CloseCode::ProtocolError)) }
    }

    /// The library hands out whole messages only, so that one that drips in, in fragments between which pings
    /// are answered, would never be seen. What is seen is that bytes arrive and no message ends.
    fn message_takes_too_long(&mut self) -> bool {
        if self.received <= self.accounted {
            self.unfinished_since = None;
            return false;
        }
        self.unfinished_since.get_or_insert_with(Instant::now).elapsed() > MESSAGE_WITHIN
    }
}

/// Size of the smallest frame that a client can send: two bytes of head, four of mask.
const FRAME_HEAD_BYTES: u64 = 6;

/// Bytes that were read, as the library reads them, and what it writes meanwhile.
struct Bridge<'a> {
    unread: &'a [u8],
    answer: Vec<u8>,
}

impl Bridge<'_> {
    fn take_answer(&mut self) -> Option<Frame> {
        (!self.answer.is_empty()).then(|| Frame::framed(std::mem::take(&mut self.answer)))
    }
}

impl Read for Bridge<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.unread.read(buffer)
    }
}

impl Write for Bridge<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.answer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Counts in fixed windows: coarse, and constant in memory.
struct Rate {
    per_window: u32,
    window_ends: Instant,
    left: u32,
}

impl Rate {
    fn of(per_window: u32) -> Self {
        Self { per_window, window_ends: Instant::now(), left: 0 }
    }

    fn allows(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.window_ends {
            (self.window_ends, self.left) = (now + COMMAND_WINDOW, self.per_window);
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}
