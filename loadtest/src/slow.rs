//! A client that stops reading for a while, as a phone in a lift does.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use anyhow::Result;

use crate::client::Viewer;
use crate::wire;

/// Whether a client reads.
#[derive(Debug, Default)]
pub struct Pause {
    paused: Cell<bool>,
    reader: RefCell<Option<Waker>>,
}

impl Pause {
    /// Ready when the client may read.
    pub(crate) fn poll_over(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.paused.get() {
            return Poll::Ready(());
        }
        *self.reader.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Viewer {
    /// Stops reading, or reads again.
    pub fn pause(&self, paused: bool) {
        self.pause.paused.set(paused);
        if let Some(reader) = self.pause.reader.borrow_mut().take() {
            reader.wake();
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
