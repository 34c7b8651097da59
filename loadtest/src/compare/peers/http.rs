//! What most peers have in common: a WebSocket whose text frames are the messages, published to by HTTP POST.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Result, ensure};

use super::{Dialect, Heard, Publication, Tell};
use crate::compare::stage::Process;
use crate::reactor::{Request, Target};
use crate::wire::{self, Upgrade};

/// See the [module](self).
pub struct Plain {
    /// Where the server listens.
    pub address: SocketAddr,
    /// What it sends first to one who listens, if it does.
    pub confirmation: Option<&'static str>,
}

impl Dialect for Plain {
    fn target(&self, _viewer: usize) -> Target {
        websocket(self.address, "/ws", "")
    }

    fn confirms(&self) -> bool {
        self.confirmation.is_some()
    }

    fn hear(&self, _kept: &mut Vec<u8>, frame: &[u8], tell: Tell<'_>) -> Result<()> {
        match self.confirmation {
            Some(confirmation) if frame == confirmation.as_bytes() => tell(Heard::Listening),
            _ => tell(Heard::Message(frame)),
        }
    }

    fn publication(&self, _number: usize, payload: &str) -> Publication {
        Publication::OnLine(post(self.address, "/publish", payload))
    }
}

/// A WebSocket at `path`.
pub fn websocket(address: SocketAddr, path: &str, headers: &str) -> Target {
    let request = Request { host: address.to_string(), path: path.to_owned(), headers: headers.to_owned() };
    Target { address, source: None, receive_buffer: None, request: Some(request) }
}

/// A POST on a connection that is held open.
pub fn post(address: SocketAddr, path: &str, payload: &str) -> Vec<u8> {
    let length = payload.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    (head + payload).into_bytes()
}

/// A publisher's connection that is a WebSocket.
///
/// # Errors
/// When the server does not agree.
pub fn websocket_line(process: &Process, path: &str) -> Result<TcpStream> {
    let mut line = process.connect()?;
    let upgrade = Upgrade::default();
    line.write_all(upgrade.request(&process.address.to_string(), path, "").as_bytes())?;
    let mut answer = Vec::new();
    let length = loop {
        if let Some(length) = wire::head_len(&answer)? {
            break length;
        }
        let mut piece = [0; 1_024];
        let read = line.read(&mut piece)?;
        ensure!(read > 0, "closed during the handshake");
        answer.extend_from_slice(&piece[..read]);
    };
    upgrade.check(&String::from_utf8_lossy(&answer[..length]))?;
    Ok(line)
}
