//! The server under pages and sockets: HTTP/1.1 over any listener, with bounds.
//!
//! What axum's own server does, and three things it has no setting for: a request whose head does not
//! come, an answer that nobody reads, and more connections than there are places (S7). A connection that
//! has become a WebSocket keeps its place; its own bounds are in `socket/`.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::upgrade::{Parts, Upgraded};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::limits::{REQUEST_HEAD_WITHIN, SENT_AT_LEAST_BYTES, STUCK_AT_MOST};
use crate::wire::Wire;

/// Answers on `listener` until `stop` completes, then finishes what is under way. At most `places`
/// connections are open at once; further ones wait in the system's queue.
pub async fn serve<L>(mut listener: L, router: Router, places: usize, stop: impl Future<Output = ()>)
where
    L: Listener<Io: Wire>,
{
    let places = Arc::new(Semaphore::new(places));
    let (connections, stopping) = (TaskTracker::new(), CancellationToken::new());
    let mut stop = pin!(stop);
    loop {
        let (io, place) = tokio::select! {
            () = &mut stop => break,
            next = next_connection(&mut listener, &places) => next,
        };
        let guarded = Guarded::new(Box::new(io), place);
        connections.spawn(attend(guarded, router.clone(), stopping.clone()));
    }
    drop(listener);
    stopping.cancel();
    connections.close();
    connections.wait().await;
}

/// A place first, then a connection for it.
async fn next_connection<L: Listener>(
    listener: &mut L,
    places: &Arc<Semaphore>,
) -> (L::Io, OwnedSemaphorePermit) {
    let place = Arc::clone(places).acquire_owned().await.expect("nobody closes the semaphore");
    (listener.accept().await.0, place)
}

/// Answers the requests of one connection, until it ends or becomes something else.
async fn attend(io: Guarded, router: Router, stopping: CancellationToken) {
    let answer = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        router.clone().call(request.map(Body::new))
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD_WITHIN)
        .serve_connection(TokioIo::new(io), answer)
        .with_upgrades();
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stopping.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        // Clients go away, and some never meant well; none of it is a fault of ours.
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A connection that is HTTP no longer.
pub struct Freed {
    /// The connection itself.
    pub wire: Arc<dyn Wire>,
    /// What of it has been read already.
    pub unread: Vec<u8>,
    /// Its place; given up when this is dropped.
    pub place: OwnedSemaphorePermit,
}

/// Gives back the connection under an upgraded one, without anything around it.
///
/// # Errors
/// When it was not served by [`serve`].
pub fn free(upgraded: Upgraded) -> Result<Freed, Upgraded> {
    let Parts { io, read_buf, .. } = upgraded.downcast::<TokioIo<Guarded>>()?;
    let Guarded { io, place, .. } = io.into_inner();
    // A copy: a slice would keep the whole buffer of HTTP alive as long as the connection.
    Ok(Freed { wire: Arc::from(io), unread: read_buf.to_vec(), place })
}

/// A connection that does not stay stuck for ever, and holds its place.
struct Guarded {
    io: Box<dyn Wire>,
    stuck: Option<Stuck>,
    place: OwnedSemaphorePermit,
}

/// Since when not everything could be written.
struct Stuck {
    until: Pin<Box<Sleep>>,
    sent_bytes: usize,
}

impl Guarded {
    fn new(io: Box<dyn Wire>, place: OwnedSemaphorePermit) -> Self {
        Self { io, stuck: None, place }
    }

    /// What a write of `asked` bytes gave, unless it has been stuck for too long.
    fn judge(
        &mut self,
        context: &mut Context<'_>,
        asked: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let sent_bytes = match written {
            Poll::Ready(Ok(sent_bytes)) if sent_bytes >= asked => {
                self.stuck = None;
                return written;
            }
            Poll::Ready(Ok(sent_bytes)) => sent_bytes,
            Poll::Ready(Err(_)) => return written,
            Poll::Pending => 0,
        };
        let stuck = self.stuck.get_or_insert_with(|| Stuck {
            until: Box::pin(tokio::time::sleep(STUCK_AT_MOST)),
            sent_bytes: 0,
        });
        stuck.sent_bytes += sent_bytes;
        while stuck.until.as_mut().poll(context).is_ready() {
            if stuck.sent_bytes < SENT_AT_LEAST_BYTES {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            stuck.sent_bytes = 0;
            stuck.until.as_mut().reset(Instant::now() + STUCK_AT_MOST);
        }
        written
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.judge(context, bytes.len(), written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.judge(context, slices.iter().map(|slice| slice.len()).sum(), written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
