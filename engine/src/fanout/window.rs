//! What everybody is told: one stream of frames per amphi, of which the latest are kept.
//!
//! A viewer is a place in this stream, not a queue: whatever it still lacks is one slice, the same bytes
//! for all who stand at the same place. Whoever is so far back that the window has moved on needs a
//! snapshot.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use tokio::time::Instant;

use crate::frame::Frame;
use crate::limits::WINDOW_BYTES_MAX;

/// The public frames of one amphi.
#[derive(Debug, Default)]
pub struct Window {
    frames: Mutex<Frames>,
}

#[derive(Debug, Default)]
struct Frames {
    /// How many have left the window.
    gone: u64,
    kept: VecDeque<Frame>,
    kept_bytes: usize,
    /// The slice that was asked for last: all viewers of a sweep ask for the same one.
    slice: Option<(u64, u64, Bytes)>,
    /// When the first frame since the last sweep began was said.
    said_at: Option<Instant>,
}

/// What a viewer lacks.
pub(super) enum Lacking {
    /// Nothing.
    Nothing,
    /// These bytes; afterwards it stands there.
    Bytes(Bytes, u64),
    /// More than is kept.
    Behind,
}

impl Window {
    fn frames(&self) -> MutexGuard<'_, Frames> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a frame; the oldest leave. The newest is kept, however long it is.
    pub(super) fn push(&self, frame: Frame) {
        let mut frames = self.frames();
        frames.said_at.get_or_insert_with(Instant::now);
        frames.kept_bytes += frame.bytes().len();
        frames.kept.push_back(frame);
        while frames.kept_bytes > WINDOW_BYTES_MAX && frames.kept.len() > 1 {
            frames.forget_oldest();
        }
    }

    /// Since when the sweep that begins now has been waited for.
    pub(super) fn take_said_at(&self) -> Option<Instant> {
        self.frames().said_at.take()
    }

    /// The place after the newest frame.
    pub(super) fn end(&self) -> u64 {
        self.frames().end()
    }

    /// What somebody at `from` lacks, up to the place `to`.
    pub(super) fn slice(&self, from: u64, to: u64) -> Lacking {
        let mut frames = self.frames();
        let to = to.min(frames.end());
        if from >= to {
            return Lacking::Nothing;
        }
        if from < frames.gone {
            return Lacking::Behind;
        }
        if let Some((_, _, bytes)) =
            frames.slice.as_ref().filter(|(start, end, _)| (*start, *end) == (from, to))
        {
            return Lacking::Bytes(bytes.clone(), to);
        }
        let index = |place: u64| usize::try_from(place - frames.gone).expect("a window is small");
        let wanted: Vec<Frame> = frames.kept.range(index(from)..index(to)).cloned().collect();
        let bytes = Frame::joined(&wanted).bytes().clone();
        frames.slice = Some((from, to, bytes.clone()));
        Lacking::Bytes(bytes, to)
    }
}

impl Frames {
    fn end(&self) -> u64 {
        self.gone + self.kept.len() as u64
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.kept.pop_front() {
            self.kept_bytes -= oldest.bytes().len();
            self.gone += 1;
        }
    }
}
