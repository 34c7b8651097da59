//! sockudo, a Rust server of the Pusher protocol: looked for, and not tried yet.

use anyhow::{Result, bail};

use super::{Peer, Running};
use crate::compare::stage::Stage;

/// See the [module](self).
pub struct Sockudo {
    /// It takes nine minutes to build.
    pub wanted: bool,
}

impl Peer for Sockudo {
    fn name(&self) -> &'static str {
        "sockudo"
    }

    fn about(&self) -> String {
        "a Rust server of the Pusher protocol".to_owned()
    }

    fn missing(&self, _stage: &Stage) -> Option<String> {
        Some(if self.wanted { "its dialect is not written" } else { "nine minutes of building" }.to_owned())
    }

    fn start(&self, _stage: &Stage) -> Result<Running> {
        bail!("sockudo is not tried")
    }
}
