//! Both cores: `raw`, but a second thread has half of the sockets and writes to them meanwhile.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use anyhow::{Result, ensure};
use mio::net::TcpStream;

use super::raw::{self, Room, send_to_all};

/// What the second thread is told.
enum News {
    Joined(TcpStream),
    Published(Arc<[u8]>),
}

struct BothCores {
    joined: usize,
    mine: Vec<TcpStream>,
    /// Of the second thread, which ends when it cannot write.
    others: Sender<News>,
}

impl BothCores {
    fn pass_on(&self, news: News) -> Result<()> {
        ensure!(self.others.send(news).is_ok(), "a viewer of the second thread does not read");
        Ok(())
    }
}

impl Room for BothCores {
    fn join(&mut self, viewer: TcpStream) -> Result<()> {
        self.joined += 1;
        if self.joined.is_multiple_of(2) {
            return self.pass_on(News::Joined(viewer));
        }
        self.mine.push(viewer);
        Ok(())
    }

    fn tell(&mut self, message: Vec<u8>) -> Result<()> {
        let message: Arc<[u8]> = message.into();
        self.pass_on(News::Published(Arc::clone(&message)))?;
        send_to_all(&mut self.mine, &message)
    }
}

fn write_to_the_others(news: &Receiver<News>) -> Result<()> {
    let mut viewers = Vec::new();
    while let Ok(news) = news.recv() {
        match news {
            News::Joined(viewer) => viewers.push(viewer),
            News::Published(message) => send_to_all(&mut viewers, &message)?,
        }
    }
    Ok(())
}

/// Listens on 127.0.0.1 until the publisher leaves.
///
/// # Errors
/// When it cannot listen, or a viewer does not read what it is sent.
pub fn serve(port: u16) -> Result<()> {
    let (others, news) = mpsc::channel();
    std::thread::spawn(move || write_to_the_others(&news));
    raw::run(port, BothCores { joined: 0, mine: Vec::new(), others })
}
