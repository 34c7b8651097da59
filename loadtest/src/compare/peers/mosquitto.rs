//! Mosquitto: MQTT 3.1.1 over WebSocket, QoS 0; Debian's `mosquitto`. Packets are built by hand: four kinds are needed.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::http::websocket;
use super::{Dialect, Heard, Host, Peer, Publication, Running, Tell, missing_program, version_of};
use crate::compare::stage::Stage;
use crate::reactor::Target;
use crate::wire;

const TOPIC: &str = "room";
/// First bytes of the packets that are sent or understood (MQTT 3.1.1, 2.2.1).
const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;

/// See the [module](self).
pub struct Mosquitto;

impl Peer for Mosquitto {
    fn name(&self) -> &'static str {
        "Mosquitto"
    }

    fn about(&self) -> String {
        let version = version_of("mosquitto", "-h");
        format!("Mosquitto {version}, MQTT over WebSocket, QoS 0; published to by a client connection")
    }

    fn missing(&self, _stage: &Stage) -> Option<String> {
        missing_program("mosquitto")
    }

    fn start(&self, stage: &Stage) -> Result<Running> {
        let (port, client_port) = (Stage::free_port()?, Stage::free_port()?);
        let configuration = format!(
            "allow_anonymous true\npersistence false\nset_tcp_nodelay true\nlistener {client_port} 127.0.0.1\n\
             listener {port} 127.0.0.1\nprotocol websockets\n"
        );
        let configuration = stage.write("mosquitto.conf", &configuration)?;
        let process = stage.start(Path::new("mosquitto"), &["-c", &configuration], port)?;
        let mut line = std::net::TcpStream::connect(("127.0.0.1", client_port))?;
        line.set_nodelay(true)?;
        line.write_all(&connect())?;
        let mut answer = [0; 4];
        line.read_exact(&mut answer)?;
        ensure!(answer == [CONNACK, 2, 0, 0], "the publisher was answered {answer:?}");
        let dialect = Box::new(Mqtt(process.address));
        Ok(Running { host: Host::Peer(process), dialect, line: Some(line) })
    }
}

/// A clean session without keep-alive; the server makes up the name.
fn connect() -> Vec<u8> {
    packet(CONNECT, &[&text("MQTT"), &[4, 0x02, 0, 0], &text("")])
}

fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut packet = vec![first];
    let mut left = body.len();
    loop {
        // Seven bits a byte, the lowest first; the eighth says that more follow.
        let more = left > 0x7f;
        packet.push(u8::try_from(left & 0x7f).unwrap_or_default() | if more { 0x80 } else { 0 });
        left >>= 7;
        if !more {
            packet.extend(body);
            return packet;
        }
    }
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or_default();
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

struct Mqtt(SocketAddr);

impl Dialect for Mqtt {
    fn target(&self, _viewer: usize) -> Target {
        websocket(self.0, "/mqtt", "Sec-WebSocket-Protocol: mqtt\r\n")
    }

    fn greeting(&self) -> Option<Vec<u8>> {
        let subscribe = packet(SUBSCRIBE, &[&[0, 1], &text(TOPIC), &[0]]);
        Some(wire::binary_frame(&[connect(), subscribe].concat()))
    }

    fn confirms(&self) -> bool {
        true
    }

    /// Frames are pieces of a stream of packets.
    fn hear(&self, kept: &mut Vec<u8>, frame: &[u8], tell: Tell<'_>) -> Result<()> {
        kept.extend_from_slice(frame);
        let mut used = 0;
        while let Some((first, begin, end)) = packet_at(&kept[used..]) {
            let Some(body) = kept.get(used + begin..used + end) else { break };
            match first & 0xf0 {
                CONNACK => ensure!(body == [0, 0], "not let in: {body:?}"),
                SUBACK => {
                    ensure!(body == [0, 1, 0], "not subscribed: {body:?}");
                    tell(Heard::Listening)?;
                }
                PUBLISH => {
                    let message = body.strip_prefix(text(TOPIC).as_slice());
                    tell(Heard::Message(message.context("another topic")?))?;
                }
                other => bail!("an MQTT packet of kind {other:#x}"),
            }
            used += end;
        }
        kept.drain(..used);
        kept.shrink_to(0);
        Ok(())
    }

    fn publication(&self, _number: usize, payload: &str) -> Publication {
        Publication::OnLine(packet(PUBLISH, &[&text(TOPIC), payload.as_bytes()]))
    }
}

/// First byte, begin and end of the body of the packet that begins `bytes`, once its length is there.
fn packet_at(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (first, rest) = bytes.split_first()?;
    let last = rest.iter().take(4).position(|byte| byte & 0x80 == 0)?;
    let length = rest[..=last].iter().rev().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
    Some((*first, last + 2, last + 2 + length))
}

#[cfg(test)]
mod tests {
    use super::super::heard_in_pieces;
    use super::*;

    #[test]
    fn packets_are_found_in_whatever_pieces_they_come() {
        let (short, long) = ("a".repeat(10), "b".repeat(300));
        let publish = |payload: &str| packet(PUBLISH, &[&text(TOPIC), payload.as_bytes()]);
        let stream = [vec![CONNACK, 2, 0, 0, SUBACK, 3, 0, 1, 0], publish(&short), publish(&long)].concat();
        let dialect = Mqtt(([127, 0, 0, 1], 1).into());
        for piece in 1..stream.len() {
            let (messages, listening) = heard_in_pieces(&dialect, &stream, piece);
            assert_eq!(listening, 1);
            assert_eq!(messages, [short.as_bytes(), long.as_bytes()], "pieces of {piece}");
        }
    }
}
