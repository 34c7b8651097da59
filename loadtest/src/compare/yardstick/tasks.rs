//! Tasks: bytes framed once and shared, and a task per connection, woken through a channel of its own to write them.

use std::net;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::asynchronous::{self, Room};

/// Messages that a viewer may be behind.
const CHANNEL_MESSAGES: usize = 1_024;

struct Tasks(Vec<Sender<Arc<[u8]>>>);

impl Room for Tasks {
    async fn join(&mut self, viewer: net::TcpStream) -> Result<()> {
        let (sender, messages) = mpsc::channel(CHANNEL_MESSAGES);
        tokio::spawn(write_on(TcpStream::from_std(viewer)?, messages));
        self.0.push(sender);
        Ok(())
    }

    async fn tell(&mut self, message: Vec<u8>) -> Result<()> {
        let message: Arc<[u8]> = message.into();
        for viewer in &self.0 {
            viewer.try_send(Arc::clone(&message)).context("a viewer left, or does not read")?;
        }
        Ok(())
    }
}

async fn write_on(mut viewer: TcpStream, mut messages: Receiver<Arc<[u8]>>) -> Result<()> {
    while let Some(message) = messages.recv().await {
        viewer.write_all(&message).await?;
    }
    Ok(())
}

/// Listens on 127.0.0.1 until the publisher leaves.
///
/// # Errors
/// When it cannot listen, or a viewer does not read what it is sent.
pub fn serve(port: u16) -> Result<()> {
    asynchronous::serve(port, Tasks(Vec::new()))
}
