//! A socket in memory, for tests and the simulator: full, but while its owner reads.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tungstenite::protocol::frame::FrameSocket;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use super::{Line, Sink};

/// What somebody who reads a [`Pocket`] is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A message.
    Text(String),
    /// The end.
    Close,
}

/// A socket in memory.
#[derive(Debug, Default)]
pub struct Pocket {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    open: bool,
    bytes: Vec<u8>,
}

impl Pocket {
    /// An empty one.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads everything that waits on `line`.
    pub fn read(&self, line: &Line) -> Vec<Said> {
        self.taken().open = true;
        line.flush();
        let mut taken = self.taken();
        taken.open = false;
        let mut frames = FrameSocket::new(io::Cursor::new(std::mem::take(&mut taken.bytes)));
        let mut said = Vec::new();
        while let Some(frame) = frames.read(None).expect("the engine writes sound frames") {
            match frame.header().opcode {
                OpCode::Data(Data::Text) => said.push(Said::Text(frame.to_text().expect("UTF-8").to_owned())),
                OpCode::Control(_) if frame.header().opcode == close() => said.push(Said::Close),
                _ => {}
            }
        }
        said
    }
}

fn close() -> OpCode {
    OpCode::Control(tungstenite::protocol::frame::coding::Control::Close)
}

impl Sink for Pocket {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = self.taken();
        if !taken.open {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        taken.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }
}
