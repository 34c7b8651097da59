//! A client that stops reading for a while, as a phone in a lift does.

use anyhow::Result;

use crate::client::Viewer;
use crate::wire;

impl Viewer {
    /// Stops reading, or reads again; only what is connected can.
    pub fn pause(&self, paused: bool) {
        if let Some(connection) = self.connection.get() {
            drop(self.room.wires.reactor.pause(connection, paused));
        }
    }

    /// Asks for a snapshot.
    ///
    /// # Errors
    /// When it is not connected.
    pub fn resync(&self) -> Result<()> {
        self.write(&wire::text_frame(r#"{"type":"resync"}"#))
    }
}
