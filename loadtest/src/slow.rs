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

    /// From the next connection on, the kernel keeps no more than about `bytes` unread: with its megabytes, the server
    /// would not even notice a pause.
    pub fn keep_unread(&self, bytes: usize) {
        self.receive_buffer.set(Some(bytes));
    }

    /// Asks for a snapshot.
    ///
    /// # Errors
    /// When it is not connected.
    pub fn resync(&self) -> Result<()> {
        self.write(&wire::text_frame(r#"{"type":"resync"}"#))
    }
}
