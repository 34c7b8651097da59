//! A line: what one viewer is still to be sent, and the socket that it goes to.
//!
//! Whoever adds something writes it at once, without waiting: the room's pump for everybody, the room for
//! one. What the socket does not take waits for the connection's task, which is woken to write on when it
//! can, to fetch a snapshot when the window has moved on, or to close. Frames arrive in the order in which
//! they were said. Memory is bounded: public frames are the window's, at most one slice of it is held, and
//! whoever lets too much that is personal wait is closed.

use std::collections::VecDeque;
use std::hint::black_box;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::window::{Lacking, Window};
use crate::frame::Frame;
use crate::limits::PERSONAL_BYTES_MAX;
use crate::metrics::meters;
use crate::protocol::{CloseCode, Role};

/// Pieces that one system call writes: a welcome with all that comes along is fewer.
const PIECES_PER_WRITE: usize = 8;

/// A socket, as those see it who write to it: they never wait.
///
/// It may be a TCP connection, one in memory, or one that lives in another process.
pub trait Sink: Send + Sync + 'static {
    /// Writes as much as fits now.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`]: nothing fits. Any other: the connection is gone.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Reads what a write will read, so that the processor has it by then.
    fn warm(&self) {}

    /// As [`Self::try_write`], of several pieces.
    ///
    /// # Errors
    /// The same.
    fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write(pieces.iter().find(|piece| !piece.is_empty()).map_or(&[], |piece| piece))
    }
}

/// What one viewer is still to be sent.
// In this order: what a sweep reads of each viewer lies together, beside the counts of its `Arc`.
#[repr(C)]
pub struct Line {
    state: Mutex<State>,
    sink: Arc<dyn Sink>,
    role: Role,
    news: Notify,
}

/// Small, because a sweep touches that of every viewer, and each is cold by then.
#[derive(Default)]
struct State {
    /// What everybody is told; none before the viewer has joined a room.
    public: Option<Arc<Window>>,
    /// Up to where this viewer has been told it.
    place: u64,
    /// The window has moved on: a snapshot is needed.
    behind: bool,
    /// What waits besides the rest of the window; usually nothing.
    waiting: Option<Box<Waiting>>,
    /// When something whole was last heard, and whether a ping has gone out since.
    heard_at: Option<Instant>,
    pinged: bool,
    end: Option<End>,
}

#[derive(Default)]
struct Waiting {
    /// Said to this viewer alone, each after what was public by then.
    personal: VecDeque<Personal>,
    personal_bytes: usize,
    /// Taken from the window and from the above, in order; the first piece may be partly written.
    under_way: VecDeque<Bytes>,
    cut: bool,
    /// Since when the socket has taken nothing of it.
    blocked: Option<Blocked>,
}

struct Personal {
    after: u64,
    frame: Frame,
    /// Brings the viewer up to date: a newer one makes it useless.
    catches_up: bool,
}

/// Since when a socket has taken nothing.
struct Blocked {
    since: Instant,
}

impl Blocked {
    fn now() -> Self {
        meters().viewers_blocked.increment(1.0);
        Self { since: Instant::now() }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        meters().viewers_blocked.decrement(1.0);
    }
}

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With a close frame.
    Closed(CloseCode),
    /// The other side is gone.
    Gone,
}

/// When a viewer is to be looked at next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Between the one and the other.
    Within(Instant, Instant),
    /// Never: it has ended.
    Ended,
}

impl Line {
    /// A line to a viewer of that role.
    pub fn new(role: Role, sink: Arc<dyn Sink>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), sink, role, news: Notify::new() })
    }

    /// What the viewer may see.
    pub fn role(&self) -> Role {
        self.role
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the viewer is told what everybody is told.
    pub(super) fn follow(&self, public: &Arc<Window>) {
        let mut state = self.state();
        state.place = public.end();
        state.public = Some(Arc::clone(public));
    }

    /// Says something to this viewer alone, as soon as the socket takes it, with whatever else waits; closes a
    /// viewer that lets too much of this wait.
    pub fn say(&self, frame: Frame) {
        let mut state = self.state();
        self.add_to(&mut state, frame);
        self.write_unless_blocked(&mut state);
    }

    /// As [`Self::say`], written with the next [`Self::offer`].
    pub fn add(&self, frame: Frame) {
        self.add_to(&mut self.state(), frame);
    }

    fn add_to(&self, state: &mut State, frame: Frame) {
        if state.end.is_some() {
            return;
        }
        // One always fits: the presence of a whole list may be larger than the bound, and so may its dossiers.
        let fits = |state: &State| {
            let waits = state.waiting.as_ref().map_or(0, |waiting| waiting.personal_bytes);
            waits == 0 || waits + frame.bytes().len() <= PERSONAL_BYTES_MAX
        };
        if !fits(state) {
            // What waits for the next sweep only says nothing of the viewer.
            self.write_unless_blocked(state);
            if !fits(state) {
                return self.end(state, CloseCode::TooSlow);
            }
        }
        state.queue(frame, false);
    }

    /// Queues the first words: the welcome, what is true now, and what concerns this viewer alone. Written with the
    /// next [`Self::offer`].
    pub fn welcome(&self, welcome: Frame, state: Option<Frame>, own: Vec<Frame>) {
        let mut line = self.state();
        line.queue(welcome, false);
        state.into_iter().for_each(|state| line.queue(state, true));
        own.into_iter().for_each(|frame| line.queue(frame, false));
    }

    /// Queues what brings the viewer up to date; whatever public frames wait are dropped for it. Written with
    /// the next [`Self::offer`].
    pub fn catch_up(&self, frames: impl IntoIterator<Item = Frame>) {
        let mut state = self.state();
        if state.end.is_some() {
            return;
        }
        state.behind = false;
        state.place = state.public.as_ref().map_or(0, |public| public.end());
        if let Some(waiting) = &mut state.waiting {
            waiting.personal.retain(|personal| !personal.catches_up);
        }
        for frame in frames {
            state.queue(frame, true);
        }
    }

    /// Drops what is public and waits, for one current snapshot.
    pub fn fall_behind(&self) {
        self.state().behind = true;
        self.news.notify_one();
    }

    /// Ends the line: the first reason stands, and what waits is dropped.
    pub fn close(&self, code: CloseCode) {
        let mut state = self.state();
        if state.end.is_none() {
            self.end(&mut state, code);
        }
    }

    fn end(&self, state: &mut State, code: CloseCode) {
        let waiting = state.waiting.get_or_insert_default();
        waiting.personal.clear();
        waiting.personal_bytes = 0;
        // A frame that was begun is finished, or what follows would be read as a part of it.
        waiting.under_way.truncate(usize::from(waiting.cut));
        waiting.under_way.push_back(Frame::close(code).bytes().clone());
        state.end = Some(End::Closed(code));
        self.news.notify_one();
    }

    /// Reads what [`Self::offer`] is about to read. Since the last sweep the kernel has used the caches for its own; of
    /// several viewers in a row, the processor fetches all at once what it would else wait for one by one.
    pub(super) fn warm(&self) {
        black_box(self.state.is_poisoned());
        self.sink.warm();
    }

    /// Writes what waits, unless the socket is known to be full; says whether the viewer was reached.
    pub fn offer(&self) -> bool {
        let mut state = self.state();
        self.write_unless_blocked(&mut state);
        state.blocked_since().is_none()
    }

    fn write_unless_blocked(&self, state: &mut State) {
        if state.blocked_since().is_none() && state.end.is_none() {
            self.write(state);
        }
    }

    /// Writes what waits; for the connection's task, when the socket can be written to again.
    pub fn flush(&self) {
        self.write(&mut self.state());
    }

    fn write(&self, state: &mut State) {
        // By far the most frequent: one slice of the window and nothing else, which the socket takes whole. What is
        // said meanwhile comes with a sweep of its own.
        if state.lacks_only_what_is_public()
            && let Some(slice) = state.next_piece()
        {
            let written = self.sink.try_write(&slice);
            if matches!(written, Ok(all) if all == slice.len()) {
                return;
            }
            state.waiting.get_or_insert_default().under_way.push_back(slice);
            if !self.has_written(written, state) {
                return;
            }
        }
        loop {
            while state.pieces_under_way() < PIECES_PER_WRITE
                && let Some(piece) = state.next_piece()
            {
                state.waiting.get_or_insert_default().under_way.push_back(piece);
            }
            let written = match state.waiting.as_ref().map_or(&VecDeque::new(), |waiting| &waiting.under_way)
            {
                pieces if pieces.is_empty() => break,
                pieces if pieces.len() == 1 => self.sink.try_write(&pieces[0]),
                pieces => {
                    let pieces: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
                    self.sink.try_write_vectored(&pieces)
                }
            };
            if !self.has_written(written, state) {
                return;
            }
        }
        state.waiting = None;
        if state.behind {
            self.news.notify_one();
        }
    }

    /// Accounts for a write; says whether the socket may take more.
    fn has_written(&self, written: io::Result<usize>, state: &mut State) -> bool {
        let Some(waiting) = &mut state.waiting else { return false };
        match written {
            Ok(count) if count > 0 => {
                waiting.advance(count);
                return true;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if waiting.blocked.is_none() {
                    waiting.blocked = Some(Blocked::now());
                    self.news.notify_one();
                }
            }
            Ok(_) | Err(_) => {
                state.waiting = None;
                state.end = Some(End::Gone);
                self.news.notify_one();
            }
        }
        false
    }

    /// Completes when the connection's task has something to look after.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// Since when the socket has taken nothing of what waits.
    pub fn blocked_since(&self) -> Option<Instant> {
        self.state().blocked_since()
    }

    /// Whether a snapshot is needed, and can be written.
    pub fn is_behind(&self) -> bool {
        let state = self.state();
        state.behind && state.end.is_none() && state.blocked_since().is_none()
    }

    /// Whether and how the line has ended.
    pub fn ended(&self) -> Option<End> {
        self.state().end
    }

    /// Whether everything that was said has been written.
    pub fn is_drained(&self) -> bool {
        self.state().waiting.is_none()
    }

    /// What waits for this viewer alone, in bytes.
    pub fn waiting_bytes(&self) -> usize {
        let state = self.state();
        let bytes = |waiting: &Waiting| {
            waiting.personal_bytes + waiting.under_way.iter().map(Bytes::len).sum::<usize>()
        };
        state.waiting.as_deref().map_or(0, bytes)
    }

    /// Something whole was heard of the viewer.
    pub fn heard(&self) {
        let mut state = self.state();
        (state.heard_at, state.pinged) = (Some(Instant::now()), false);
    }

    /// Pings a viewer of whom nothing was heard for long, and closes one that does not answer (S2).
    pub(crate) fn pulse(&self) -> Look {
        use crate::limits::{PING_EVERY, PING_SPREAD, PONG_WITHIN};
        let now = Instant::now();
        let mut state = self.state();
        if state.end.is_some() {
            return Look::Ended;
        }
        let to_ping_by = *state.heard_at.get_or_insert(now) + PING_EVERY;
        let to_answer_by = to_ping_by + PONG_WITHIN;
        match state.pinged {
            false if now < to_ping_by - PING_SPREAD => Look::Within(to_ping_by - PING_SPREAD, to_ping_by),
            true if now >= to_answer_by => {
                self.end(&mut state, CloseCode::Silent);
                Look::Ended
            }
            true => Look::Within(to_answer_by, to_answer_by),
            false => {
                state.pinged = true;
                state.queue(Frame::ping(), false);
                self.write_unless_blocked(&mut state);
                Look::Within(to_answer_by, to_answer_by)
            }
        }
    }
}

impl State {
    fn queue(&mut self, frame: Frame, catches_up: bool) {
        let after = self.public.as_ref().map_or(0, |public| public.end());
        let waiting = self.waiting.get_or_insert_default();
        if !catches_up {
            waiting.personal_bytes += frame.bytes().len();
        }
        waiting.personal.push_back(Personal { after, frame, catches_up });
    }

    /// The next piece to write, in the order in which things were said.
    fn next_piece(&mut self) -> Option<Bytes> {
        if self.end.is_some() {
            return None;
        }
        let personal = self.waiting.as_ref().and_then(|waiting| waiting.personal.front());
        let up_to = personal.map_or(u64::MAX, |personal| personal.after);
        if let Some(public) = self.public.as_ref().filter(|_| !self.behind) {
            match public.slice(self.place, up_to) {
                Lacking::Bytes(bytes, place) => {
                    self.place = place;
                    return Some(bytes);
                }
                Lacking::Behind => self.behind = true,
                Lacking::Nothing => {}
            }
        }
        let waiting = self.waiting.as_mut()?;
        let personal = waiting.personal.pop_front()?;
        if !personal.catches_up {
            waiting.personal_bytes = waiting.personal_bytes.saturating_sub(personal.frame.bytes().len());
        }
        Some(personal.frame.bytes().clone())
    }

    fn lacks_only_what_is_public(&self) -> bool {
        self.waiting.is_none() && !self.behind && self.end.is_none()
    }

    fn pieces_under_way(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.under_way.len())
    }

    fn blocked_since(&self) -> Option<Instant> {
        self.waiting.as_ref()?.blocked.as_ref().map(|blocked| blocked.since)
    }
}

impl Waiting {
    /// So many bytes of what is under way have gone out.
    fn advance(&mut self, mut written: usize) {
        if let Some(blocked) = &mut self.blocked {
            blocked.since = Instant::now();
        }
        while let Some(piece) = self.under_way.front_mut() {
            if written < piece.len() {
                *piece = piece.slice(written..);
                self.cut |= written > 0;
                return;
            }
            written -= piece.len();
            self.under_way.pop_front();
            self.cut = false;
        }
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting = self.waiting_bytes();
        f.debug_struct("Line")
            .field("role", &self.role)
            .field("waiting_bytes", &waiting)
            .finish_non_exhaustive()
    }
}
