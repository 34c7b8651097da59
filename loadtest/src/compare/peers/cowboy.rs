//! Cowboy 2.8, what Phoenix stands on: taken from RabbitMQ's package; the room is `peers/room.erl`.

use std::path::Path;

use anyhow::{Context, Result};

use super::http::{Plain, websocket_line};
use super::{Dialect, Host, Peer, Publication, Running, Tell, missing_file, missing_program};
use crate::compare::stage::Stage;
use crate::reactor::Target;
use crate::wire;

/// See the [module](self).
pub struct Cowboy;

impl Peer for Cowboy {
    fn name(&self) -> &'static str {
        "Cowboy"
    }

    fn about(&self) -> String {
        "Cowboy 2.8 on Erlang/OTP, a process per viewer, peers/room.erl; published to by a WebSocket"
            .to_owned()
    }

    fn missing(&self, stage: &Stage) -> Option<String> {
        missing_program("erl").or_else(|| missing_file(&stage.cache.join("cowboy/cowboy")))
    }

    fn start(&self, stage: &Stage) -> Result<Running> {
        let port = Stage::free_port()?.to_string();
        let directories = ["cowboy", "cowboy/cowboy", "cowboy/cowlib", "cowboy/ranch"];
        let directories = directories.map(|directory| stage.cache.join(directory));
        // No busy waiting: what a scheduler burns between two messages is not what a delivery costs.
        let mut arguments =
            vec!["+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none", "+Q", "65536", "-noinput", "-pa"];
        for directory in &directories {
            arguments.push(directory.to_str().context("a directory's name is not UTF-8")?);
        }
        arguments.extend(["-run", "room", "start", &port]);
        let process = stage.start(Path::new("erl"), &arguments, port.parse()?)?;
        let line = Some(websocket_line(&process, "/publish")?);
        let dialect = Box::new(Room(Plain { address: process.address, confirmation: Some("listening") }));
        Ok(Running { host: Host::Peer(process), dialect, line })
    }
}

/// As most peers, but published to by a WebSocket.
struct Room(Plain);

impl Dialect for Room {
    fn target(&self, viewer: usize) -> Target {
        self.0.target(viewer)
    }

    fn confirms(&self) -> bool {
        self.0.confirms()
    }

    fn hear(&self, kept: &mut Vec<u8>, frame: &[u8], tell: Tell<'_>) -> Result<()> {
        self.0.hear(kept, frame, tell)
    }

    fn publication(&self, _number: usize, payload: &str) -> Publication {
        Publication::OnLine(wire::text_frame(payload))
    }
}
