//! NATS over WebSocket: Debian's `nats-server`; published to by a plain client connection.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::http::websocket;
use super::{Dialect, Heard, Host, Peer, Publication, Running, Tell, missing_program, version_of};
use crate::compare::stage::Stage;
use crate::reactor::Target;
use crate::wire;

const CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n";

/// See the [module](self).
pub struct Nats;

impl Peer for Nats {
    fn name(&self) -> &'static str {
        "NATS"
    }

    fn about(&self) -> String {
        format!(
            "nats-server {} over WebSocket; published to by a client connection",
            version_of("nats-server", "-v")
        )
    }

    fn missing(&self, _stage: &Stage) -> Option<String> {
        missing_program("nats-server")
    }

    fn start(&self, stage: &Stage) -> Result<Running> {
        let (port, client_port) = (Stage::free_port()?, Stage::free_port()?);
        let configuration = format!(
            "host: 127.0.0.1\nport: {client_port}\n\
             websocket {{\n  host: 127.0.0.1\n  port: {port}\n  no_tls: true\n}}\n"
        );
        let configuration = stage.write("nats.conf", &configuration)?;
        let process = stage.start(Path::new("nats-server"), &["-c", &configuration], port)?;
        let mut line = std::net::TcpStream::connect(("127.0.0.1", client_port))?;
        line.set_nodelay(true)?;
        line.write_all(CONNECT.as_bytes())?;
        let dialect = Box::new(Subjects(process.address));
        Ok(Running { host: Host::Peer(process), dialect, line: Some(line) })
    }
}

struct Subjects(SocketAddr);

impl Dialect for Subjects {
    fn target(&self, _viewer: usize) -> Target {
        websocket(self.0, "/", "")
    }

    fn greeting(&self) -> Option<Vec<u8>> {
        Some(wire::binary_frame(format!("{CONNECT}SUB room 1\r\nPING\r\n").as_bytes()))
    }

    fn confirms(&self) -> bool {
        true
    }

    /// Frames are pieces of a stream of lines.
    fn hear(&self, kept: &mut Vec<u8>, frame: &[u8], tell: Tell<'_>) -> Result<()> {
        kept.extend_from_slice(frame);
        let mut used = 0;
        while let Some(length) = line_length(&kept[used..]) {
            let line = &kept[used..used + length];
            let mut next = used + length + 2;
            if let Some(described) = line.strip_prefix(b"MSG ") {
                let bytes = std::str::from_utf8(described)?.rsplit(' ').next().unwrap_or_default();
                let end = next + bytes.parse::<usize>().context("a message without a length")?;
                if kept.len() < end + 2 {
                    break;
                }
                tell(Heard::Message(&kept[next..end]))?;
                next = end + 2;
            } else {
                match line {
                    b"PING" => tell(Heard::Answer(wire::binary_frame(b"PONG\r\n")))?,
                    b"PONG" => tell(Heard::Listening)?,
                    info if info.starts_with(b"INFO ") => {}
                    other => bail!("NATS said {:?}", String::from_utf8_lossy(other)),
                }
            }
            used = next;
        }
        kept.drain(..used);
        kept.shrink_to(0);
        Ok(())
    }

    fn publication(&self, _number: usize, payload: &str) -> Publication {
        Publication::OnLine(format!("PUB room {}\r\n{payload}\r\n", payload.len()).into_bytes())
    }
}

fn line_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|window| window == b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::super::heard_in_pieces;
    use super::*;

    #[test]
    fn messages_are_found_in_whatever_pieces_they_come() {
        let stream = b"INFO {}\r\nPONG\r\nMSG room 1 4\r\na\r\nb\r\nMSG room 1 1\r\nc\r\n";
        let dialect = Subjects(([127, 0, 0, 1], 1).into());
        for piece in 1..stream.len() {
            let (messages, listening) = heard_in_pieces(&dialect, stream, piece);
            assert_eq!(listening, 1);
            assert_eq!(messages, [&b"a\r\nb"[..], b"c"], "pieces of {piece}");
        }
    }
}
