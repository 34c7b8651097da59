//! Fan-out: one frame, made once, to every viewer of an amphi; nobody is waited for.
//!
//! Each viewer has an outbox, bounded in bytes. Whoever does not keep up gets no queue but one word,
//! "behind": what waited is dropped, and when the socket can be written to again it receives one
//! current snapshot instead. What is personal (answers, receipts) is few and never dropped: whoever
//! lets more of it wait than anybody needs is closed as too slow.
//!
//! The seam: a room hands frames to [`FanOut`], a connection takes batches from its [`Outbox`]; who
//! writes the bytes to which socket, in which task or process, is behind these two.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amphi_core::{CallRank, ProxyId};
use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use slab::Slab;
use tokio::sync::{Notify, SetOnce};

use crate::limits::{OUTBOX_BYTES_MAX, PERSONAL_BYTES_MAX};
use crate::protocol::{CloseCode, Role};

/// One message, serialised once and shared by all who receive it.
pub type Frame = Utf8Bytes;

/// Serialises `message`.
pub fn frame(message: &impl Serialize) -> Frame {
    serde_json::to_string(message).expect("messages are plain data").into()
}

/// What a connection has to do next.
#[derive(Debug)]
pub enum Batch {
    /// Write these, in order.
    Frames(Vec<Frame>),
    /// Public frames were dropped: ask the room for what is true now.
    Behind,
    /// Close.
    Close(CloseCode),
}

/// What waits for one connection.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: Mutex<Queue>,
    wake: Notify,
    /// Why the connection is to close; set once, and then nothing more is queued.
    closing: SetOnce<CloseCode>,
}

#[derive(Debug, Default)]
struct Queue {
    public: VecDeque<Frame>,
    public_bytes: usize,
    behind: bool,
    personal: VecDeque<Frame>,
    personal_bytes: usize,
}

impl Outbox {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a frame that everybody gets.
    pub fn push_public(&self, frame: &Frame) {
        let mut queue = self.queue();
        if queue.behind || self.closing.initialized() {
            return;
        }
        queue.public_bytes += frame.len();
        // One frame always fits: a snapshot may be larger than the bound.
        if queue.public_bytes > OUTBOX_BYTES_MAX && !queue.public.is_empty() {
            queue.fall_behind();
        } else {
            queue.public.push_back(frame.clone());
        }
        drop(queue);
        self.wake.notify_one();
    }

    /// Adds a frame for this connection alone; closes it as too slow when too much of this waits.
    pub fn push_personal(&self, frame: Frame) {
        let mut queue = self.queue();
        if self.closing.initialized() {
            return;
        }
        queue.personal_bytes += frame.len();
        // One frame always fits: the presence of a whole list may be larger than the bound.
        let fits = queue.personal_bytes <= PERSONAL_BYTES_MAX || queue.personal.is_empty();
        if fits {
            queue.personal.push_back(frame);
        }
        drop(queue);
        if fits {
            self.wake.notify_one();
        } else {
            self.close(CloseCode::TooSlow);
        }
    }

    /// Drops what waits for one current snapshot.
    pub fn fall_behind(&self) {
        self.queue().fall_behind();
        self.wake.notify_one();
    }

    /// Replaces whatever public frames wait.
    pub fn catch_up(&self, frames: Vec<Frame>) {
        let mut queue = self.queue();
        if self.closing.initialized() {
            return;
        }
        queue.behind = false;
        queue.public_bytes = frames.iter().map(|frame| frame.len()).sum();
        queue.public = frames.into();
        drop(queue);
        self.wake.notify_one();
    }

    /// Asks the connection to close: the first reason stands, and what waits is dropped.
    pub fn close(&self, code: CloseCode) {
        let mut queue = self.queue();
        // A second reason changes nothing.
        let _ = self.closing.set(code);
        *queue = Queue::default();
        drop(queue);
        self.wake.notify_one();
    }

    /// Completes when the connection is to close: also for one that is busy writing to a slow reader.
    pub async fn closing(&self) -> CloseCode {
        *self.closing.wait().await
    }

    /// The next thing to do; waits until there is one. Dropping it half way loses nothing.
    pub async fn next(&self) -> Batch {
        loop {
            if let Some(code) = self.closing.get() {
                return Batch::Close(*code);
            }
            if let Some(batch) = self.queue().take() {
                return batch;
            }
            self.wake.notified().await;
        }
    }
}

impl Queue {
    fn fall_behind(&mut self) {
        self.public.clear();
        self.public_bytes = 0;
        self.behind = true;
    }

    fn take(&mut self) -> Option<Batch> {
        if self.behind {
            return Some(Batch::Behind);
        }
        if self.public.is_empty() && self.personal.is_empty() {
            return None;
        }
        (self.public_bytes, self.personal_bytes) = (0, 0);
        Some(Batch::Frames(self.public.drain(..).chain(self.personal.drain(..)).collect()))
    }
}

/// One viewer of a room.
#[derive(Debug)]
pub struct Viewer {
    /// What it may see.
    pub role: Role,
    /// Where its frames go.
    pub outbox: Arc<Outbox>,
}

/// Names a viewer within its room.
pub type ViewerKey = usize;

/// The viewers of one amphi on this server.
#[derive(Debug, Default)]
pub struct FanOut {
    viewers: Slab<Viewer>,
}

impl FanOut {
    /// Adds a viewer.
    pub fn join(&mut self, viewer: Viewer) -> ViewerKey {
        self.viewers.insert(viewer)
    }

    /// Removes a viewer; it receives nothing more.
    pub fn leave(&mut self, key: ViewerKey) -> Option<Viewer> {
        self.viewers.try_remove(key)
    }

    /// The viewer of that name.
    pub fn viewer(&self, key: ViewerKey) -> Option<&Viewer> {
        self.viewers.get(key)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.viewers.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.viewers.is_empty()
    }

    /// Sends a change to everybody; whoever cannot keep up falls behind instead.
    pub fn broadcast(&self, frame: &Frame) {
        for (_, viewer) in &self.viewers {
            viewer.outbox.push_public(frame);
        }
    }

    /// Sends to everybody what must not be dropped.
    pub fn announce(&self, frame: &Frame) {
        for (_, viewer) in &self.viewers {
            viewer.outbox.push_personal(frame.clone());
        }
    }

    /// Sends to administrators only.
    pub fn to_administrators(&self, frame: &Frame) {
        for (_, viewer) in self.viewers.iter().filter(|(_, viewer)| viewer.role == Role::Administrator) {
            viewer.outbox.push_personal(frame.clone());
        }
    }

    /// Sends to every connection of one intern, and of the holder of their proxy.
    pub fn to_intern(&self, rank: CallRank, frame: &Frame) {
        let concerned = |role: Role| matches!(role, Role::Intern { rank: own } | Role::Holder { rank: own, .. } if own == rank);
        for (_, viewer) in self.viewers.iter().filter(|(_, viewer)| concerned(viewer.role)) {
            viewer.outbox.push_personal(frame.clone());
        }
    }

    /// The connections of one person in one role.
    pub fn of_person(&self, role: Role) -> impl Iterator<Item = &Viewer> {
        self.viewers.iter().map(|(_, viewer)| viewer).filter(move |viewer| viewer.role == role)
    }

    /// Makes everybody ask for a current snapshot.
    pub fn all_fall_behind(&self) {
        for (_, viewer) in &self.viewers {
            viewer.outbox.fall_behind();
        }
    }

    /// Closes the connections of the holder of a proxy that has ended (3.4).
    pub fn close_holders(&self, ended: ProxyId) {
        let holds = |role: Role| matches!(role, Role::Holder { proxy, .. } if proxy == ended);
        self.close_where(holds, CloseCode::NotAllowed);
    }

    /// Closes every connection whose role is meant.
    pub fn close_where(&self, is_meant: impl Fn(Role) -> bool, code: CloseCode) {
        for (_, viewer) in self.viewers.iter().filter(|(_, viewer)| is_meant(viewer.role)) {
            viewer.outbox.close(code);
        }
    }
}
