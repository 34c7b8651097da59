//! The yardstick `raw`: TCP, and no protocol but what the generator puts into the bytes. And the designs of a fan-out, which
//! differ from it in how they write, and in nothing else.

use std::net::SocketAddr;

use anyhow::Result;

use super::{Dialect, Heard, Peer, Publication, RAW, Running, Tell};
use crate::compare::stage::Stage;
use crate::reactor::Target;

/// See the [module](self).
pub struct Raw {
    name: &'static str,
    about: &'static str,
    /// Whether it may use the generator's core, too.
    has_both_cores: bool,
}

/// The lower bound.
pub const PLAIN: Raw = Raw {
    name: RAW,
    about: "a plain send loop of the same bytes to each TCP socket, no protocol; published to by a connection",
    has_both_cores: false,
};

/// Other ways to write the same bytes.
pub const DESIGNS: [Raw; 4] = [
    Raw {
        name: "pump",
        about: "raw, by one tokio task that pauses every 64 writes: our fan-out, stripped",
        has_both_cores: false,
    },
    Raw {
        name: "tasks",
        about: "raw, by a tokio task per connection, woken through a channel of shared bytes",
        has_both_cores: false,
    },
    Raw {
        name: "both-cores",
        about: "raw, by two threads with half of the sockets each; it may use the generator's core, too",
        has_both_cores: true,
    },
    Raw {
        name: "uring",
        about: "raw, by io_uring: the writes of a round submitted together",
        has_both_cores: false,
    },
];

impl Peer for Raw {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> String {
        self.about.to_owned()
    }

    fn missing(&self, _stage: &Stage) -> Option<String> {
        None
    }

    fn start(&self, stage: &Stage) -> Result<Running> {
        let port = Stage::free_port()?;
        let cores = if self.has_both_cores { stage.all_cores() } else { stage.server_cores() };
        let arguments = ["yardstick", self.name, "--port", &port.to_string()];
        let process = stage.start_on(cores, &stage.own_binary, &arguments, port)?;
        // The first connection is the publisher.
        let dialect = Bytes(process.address);
        Running::peer(process, dialect)
    }
}

struct Bytes(SocketAddr);

impl Dialect for Bytes {
    fn target(&self, _viewer: usize) -> Target {
        Target { address: self.0, source: None, receive_buffer: None, request: None }
    }

    fn hear(&self, _kept: &mut Vec<u8>, frame: &[u8], tell: Tell<'_>) -> Result<()> {
        tell(Heard::Message(frame))
    }

    /// The very bytes that the others send: a message in its frame.
    fn publication(&self, _number: usize, payload: &str) -> Publication {
        let frame = server_text_frame(payload);
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        Publication::OnLine([&length.to_be_bytes(), frame.as_slice()].concat())
    }
}

/// As a server sends it, unmasked.
fn server_text_frame(payload: &str) -> Vec<u8> {
    const WHOLE_TEXT: u8 = 0x81;
    let mut frame = match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => vec![WHOLE_TEXT, length],
        (_, Ok(length)) => [&[WHOLE_TEXT, 126][..], &length.to_be_bytes()].concat(),
        _ => [&[WHOLE_TEXT, 127][..], &(payload.len() as u64).to_be_bytes()].concat(),
    };
    frame.extend_from_slice(payload.as_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Decoder, Frame};

    #[test]
    fn frames_of_every_length_are_frames() {
        for length in [0, 125, 126, 300, 65_535, 65_536] {
            let payload = "a".repeat(length);
            let mut heard = 0;
            let taken = Decoder::default().feed(&server_text_frame(&payload), |frame| {
                assert_eq!(frame, Frame::Text(payload.as_bytes()));
                heard += 1;
            });
            taken.unwrap();
            assert_eq!(heard, 1);
        }
    }
}
