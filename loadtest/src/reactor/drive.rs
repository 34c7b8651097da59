//! A reactor beside other tasks of a tokio runtime: one task for all connections.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{ConnectionId, Event, Reactor};
use crate::clock;

/// Handshakes that take too long are given up at least this often.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Turns `reactor` for ever. With [`Settings::spin`](super::Settings::spin) this task, and so the thread, never sleeps.
///
/// # Errors
/// When the system's polling fails.
pub async fn drive<T>(
    reactor: Rc<Reactor<T>>,
    mut take: impl FnMut(ConnectionId, &T, Event<'_>, Instant),
) -> Result<()> {
    // An epoll can be waited for like a socket.
    #[allow(
        deprecated,
        reason = "what replaces it is `unsafe`; here the descriptor belongs to what is registered"
    )]
    let poll = AsyncFd::with_interest(reactor.registry.try_clone()?, Interest::READABLE)?;
    loop {
        if reactor.settings.spin {
            reactor.turn(clock::now(), &mut take)?;
            tokio::task::yield_now().await;
            continue;
        }
        let readable = tokio::time::timeout(LOOK_EVERY, poll.readable()).await;
        let ready = reactor.turn(clock::now(), &mut take)?;
        if let Ok(readable) = readable {
            let mut readable = readable?;
            // Only when it has nothing more to tell: it is told of news once.
            if ready == 0 {
                readable.clear_ready();
            }
        }
        tokio::task::yield_now().await;
    }
}
