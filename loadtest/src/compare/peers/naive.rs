//! The yardstick `naive`: axum's WebSockets as most people use them.

use anyhow::Result;

use super::http::Plain;
use super::{Peer, Running};
use crate::compare::stage::Stage;

/// See the [module](self).
pub struct Naive;

impl Peer for Naive {
    fn name(&self) -> &'static str {
        "naive"
    }

    fn about(&self) -> String {
        "axum ws as most people write it: broadcast channel, default buffers, serialised per socket; POST"
            .to_owned()
    }

    fn missing(&self, _stage: &Stage) -> Option<String> {
        None
    }

    fn start(&self, stage: &Stage) -> Result<Running> {
        let port = Stage::free_port()?;
        let process =
            stage.start(&stage.own_binary, &["yardstick", "naive", "--port", &port.to_string()], port)?;
        let dialect = Plain { address: process.address, confirmation: None };
        Running::peer(process, dialect)
    }
}
