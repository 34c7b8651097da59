//! uWebSockets, in C++: source only, so it is built by `--prepare --uwebsockets DIR` from a work tree outside this project.

use anyhow::Result;

use super::http::Plain;
use super::{Peer, Running, missing_file};
use crate::compare::stage::Stage;

const SERVER: &str = "uwebsockets.server";

/// See the [module](self).
pub struct UWebSockets;

impl Peer for UWebSockets {
    fn name(&self) -> &'static str {
        "uWebSockets"
    }

    fn about(&self) -> String {
        "C++, one topic, peers/uwebsockets.cpp; POST".to_owned()
    }

    fn missing(&self, stage: &Stage) -> Option<String> {
        let missing = missing_file(&stage.cache.join(SERVER))?;
        Some(format!("{missing} of a work tree given by --uwebsockets"))
    }

    fn start(&self, stage: &Stage) -> Result<Running> {
        let port = Stage::free_port()?;
        let process = stage.start(&stage.cache.join(SERVER), &[&port.to_string()], port)?;
        let dialect = Plain { address: process.address, confirmation: None };
        Running::peer(process, dialect)
    }
}
