//! A pipe in memory that can be used as a socket is: with polls by one, and without waiting by everybody.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use amphi_engine::fanout::Sink;
use amphi_engine::wire::Wire;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One end of a pipe; dropping it closes both directions.
pub struct Pipe {
    reads: Arc<Mutex<Way>>,
    writes: Arc<Mutex<Way>>,
}

/// One direction.
#[derive(Default)]
struct Way {
    bytes: VecDeque<u8>,
    bytes_max: usize,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Two ends; each direction holds so many bytes that are not read.
pub fn pipe(bytes_max: usize) -> (Pipe, Pipe) {
    let way = || Arc::new(Mutex::new(Way { bytes_max, ..Way::default() }));
    let (there, back) = (way(), way());
    (Pipe { reads: Arc::clone(&back), writes: Arc::clone(&there) }, Pipe { reads: there, writes: back })
}

fn lock(way: &Mutex<Way>) -> MutexGuard<'_, Way> {
    way.lock().unwrap()
}

impl Way {
    fn close(&mut self) {
        self.closed = true;
        self.wake();
    }

    fn wake(&mut self) {
        [self.reader.take(), self.writer.take()].into_iter().flatten().for_each(Waker::wake);
    }

    fn read_ready(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.bytes.is_empty() && !self.closed {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn write_ready(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.bytes.len() >= self.bytes_max && !self.closed {
            self.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.bytes.len());
        self.bytes.drain(..count).zip(buffer).for_each(|(byte, place)| *place = byte);
        self.wake();
        count
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(self.bytes_max - self.bytes.len());
        self.bytes.extend(&bytes[..count]);
        self.wake();
        Ok(count)
    }
}

fn would_block<T>() -> io::Result<T> {
    Err(io::ErrorKind::WouldBlock.into())
}

impl Sink for Pipe {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut way = lock(&self.writes);
        if way.bytes.len() >= way.bytes_max && !way.closed { would_block() } else { way.write(bytes) }
    }
}

impl Wire for Pipe {
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut way = lock(&self.reads);
        if way.bytes.is_empty() && !way.closed { would_block() } else { Ok(way.read(buffer)) }
    }

    fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.reads).read_ready(context).map(Ok)
    }

    fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.writes).write_ready(context).map(Ok)
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut way = lock(&self.reads);
        way.read_ready(context).map(|()| {
            let count = way.read(buffer.initialize_unfilled());
            buffer.advance(count);
            Ok(())
        })
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut way = lock(&self.writes);
        way.write_ready(context).map(|()| way.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.writes).close();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        lock(&self.reads).close();
        lock(&self.writes).close();
    }
}
