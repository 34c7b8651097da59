//! The server under pages and sockets: HTTP/1.1 over any listener, with bounds.
//!
//! What axum's own server does, and three things it has no setting for: a request whose head does not
//! come, an answer that nobody reads, and more connections than there are places (S7). A connection that
//! has become a WebSocket keeps its place; its own bounds are in `socket.rs`.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::Body;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use crate::limits::{REQUEST_HEAD_WITHIN, SENT_AT_LEAST_BYTES, STUCK_AT_MOST};

/// Answers on `listener` until `stop` completes, then finishes what is under way. At most `places`
/// connections are open at once; further ones wait in the system's queue.
pub async fn serve<L: Listener>(
    mut listener: L,
    router: Router,
    places: usize,
    stop: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(places));
    let (connections, stopping) = (TaskTracker::new(), CancellationToken::new());
    let mut stop = pin!(stop);
    loop {
        let (io, place) = tokio::select! {
            () = &mut stop => break,
            next = next_connection(&mut listener, &places) => next,
        };
        connections.spawn(attend(Guarded::new(io, place), router.clone(), stopping.clone()));
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
async fn attend<I>(io: Guarded<I>, router: Router, stopping: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let traffic = io.traffic.clone();
    let answer = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(traffic.clone());
        router.clone().call(request)
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

/// How many bytes a connection has sent us; handlers find it among the request's extensions.
#[derive(Debug, Clone, Default)]
pub struct Traffic(Arc<AtomicU64>);

impl Traffic {
    /// Bytes received so far.
    pub fn received(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection that counts what it reads, does not stay stuck for ever, and holds its place.
struct Guarded<I> {
    io: I,
    traffic: Traffic,
    stuck: Option<Stuck>,
    _place: OwnedSemaphorePermit,
}

/// Since when not everything could be written.
struct Stuck {
    until: Pin<Box<Sleep>>,
    sent_bytes: usize,
}

impl<I> Guarded<I> {
    fn new(io: I, place: OwnedSemaphorePermit) -> Self {
        Self { io, traffic: Traffic::default(), stuck: None, _place: place }
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

impl<I: AsyncRead + Unpin> AsyncRead for Guarded<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        let read = (buffer.filled().len() - before) as u64;
        self.traffic.0.fetch_add(read, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Guarded<I> {
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
