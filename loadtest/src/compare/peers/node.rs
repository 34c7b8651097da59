//! node's `ws` 8 and `socket.io` 4, from npm; the servers are `peers/ws.js` and `peers/socketio.js`.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::http::{Plain, post, websocket};
use super::{Dialect, Heard, Peer, Publication, Running, Tell, missing_file, missing_program, version_of};
use crate::compare::stage::Stage;
use crate::reactor::Target;
use crate::wire;

/// See the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// `ws`.
    Ws,
    /// `socket.io`.
    SocketIo,
}

impl Peer for Node {
    fn name(&self) -> &'static str {
        match self {
            Self::Ws => "node ws",
            Self::SocketIo => "socket.io",
        }
    }

    fn about(&self) -> String {
        let node = version_of("node", "--version");
        match self {
            Self::Ws => format!("ws 8 on node {node}, peers/ws.js; POST"),
            Self::SocketIo => {
                format!("socket.io 4 on node {node}, over WebSocket only, peers/socketio.js; POST")
            }
        }
    }

    fn missing(&self, stage: &Stage) -> Option<String> {
        let module = match self {
            Self::Ws => "node_modules/ws",
            Self::SocketIo => "node_modules/socket.io",
        };
        missing_program("node").or_else(|| missing_file(&stage.cache.join(module)))
    }

    fn start(&self, stage: &Stage) -> Result<Running> {
        let port = Stage::free_port()?;
        let script = stage.cache.join(if *self == Self::Ws { "ws.js" } else { "socketio.js" });
        let script = script.to_str().context("a file's name is not UTF-8")?;
        let process = stage.start(Path::new("node"), &[script, &port.to_string()], port)?;
        let address = process.address;
        match self {
            Self::Ws => Running::peer(process, Plain { address, confirmation: None }),
            Self::SocketIo => Running::peer(process, SocketIo(address)),
        }
    }
}

/// Engine.IO 4 (`0` open, `2` ping, `3` pong, `4` message) below Socket.IO 5 (`40` connected, `42` event).
struct SocketIo(SocketAddr);

impl Dialect for SocketIo {
    fn target(&self, _viewer: usize) -> Target {
        websocket(self.0, "/socket.io/?EIO=4&transport=websocket", "")
    }

    fn greeting(&self) -> Option<Vec<u8>> {
        Some(wire::text_frame("40"))
    }

    fn confirms(&self) -> bool {
        true
    }

    fn hear(&self, _kept: &mut Vec<u8>, frame: &[u8], tell: Tell<'_>) -> Result<()> {
        if let Some(event) = frame.strip_prefix(br#"42["change","#) {
            return tell(Heard::Message(event.strip_suffix(b"]").context("half an event")?));
        }
        match frame {
            [b'0', ..] => Ok(()),
            [b'2'] => tell(Heard::Answer(wire::text_frame("3"))),
            [b'4', b'0', ..] => tell(Heard::Listening),
            other => bail!("socket.io said {:?}", String::from_utf8_lossy(other)),
        }
    }

    fn publication(&self, _number: usize, payload: &str) -> Publication {
        Publication::OnLine(post(self.0, "/publish", payload))
    }
}
