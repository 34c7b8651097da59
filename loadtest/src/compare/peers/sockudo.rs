//! sockudo, a Rust server of the Pusher protocol: looked for, and not tried yet.

use anyhow::{Result, bail};

use super::{Peer, Running};
use crate::compare::stage::Stage;

/// See the [module](self).
pub struct Sockudo;

impl Peer for Sockudo {
    fn name(&self) -> &'static str {
        "sockudo"
    }

    fn about(&self) -> String {
        "a Rust server of the Pusher protocol".to_owned()
    }

    fn missing(&self, _stage: &Stage) -> Option<String> {
        Some("its dialect, that of Pusher, is not written".to_owned())
    }

    fn start(&self, _stage: &Stage) -> Result<Running> {
        bail!("sockudo is not tried")
    }
}
