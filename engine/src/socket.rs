//! The whole life of one WebSocket: hello, welcome, then frames out and commands in until it ends.
//!
//! The connection belongs to one task. It never makes the room wait: what it cannot write in time
//! closes it, and what it reads is bounded in size, rate and duration. It lasts as long as what it came
//! by is good: a session that ends, a right that is taken away closes it at once, whatever it is doing.

use std::sync::Arc;
use std::time::Duration;

use amphi_core::{CommandId, LiveCommand, Millis};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::connections::Traffic;
use crate::fanout::{Batch, Frame, Outbox, ViewerKey, frame};
use crate::limits::{
    BLOCKED_AT_MOST, BUSY_RETRY_AFTER, CLIENT_MESSAGE_BYTES_MAX, COMMAND_WINDOW, COMMANDS_PER_WINDOW,
    CONTROLS_PER_WINDOW, FAREWELL_WITHIN, HELLO_WITHIN, MESSAGE_WITHIN, PING_EVERY, PONG_WITHIN,
    SOCKET_READ_BUFFER_BYTES, SOCKET_WRITE_BUFFER_BYTES,
};
use crate::protocol::{ClientMessage, CloseCode, PROTOCOL_VERSION, Position, Role, ServerMessage};
use crate::room::{Room, addressed};

/// Sets the bounds of a socket before it is upgraded.
pub fn bounded<F>(upgrade: WebSocketUpgrade<F>) -> WebSocketUpgrade<F> {
    upgrade
        .read_buffer_size(SOCKET_READ_BUFFER_BYTES)
        .write_buffer_size(SOCKET_WRITE_BUFFER_BYTES)
        .max_message_size(CLIENT_MESSAGE_BYTES_MAX)
        .max_frame_size(CLIENT_MESSAGE_BYTES_MAX)
}

/// Who is at the other end of a socket.
pub struct Visitor {
    /// What they may see and do.
    pub role: Role,
    /// Cancelled when what they came by is good no longer: a session signed out, a token expired (S9).
    pub pass: CancellationToken,
    /// What their connection receives.
    pub traffic: Traffic,
}

/// Serves one connection to `room` until it ends.
pub async fn serve(mut socket: WebSocket, room: Arc<Room>, visitor: Visitor) {
    let code = tokio::select! {
        biased;
        () = visitor.pass.cancelled() => Some(CloseCode::NotAllowed),
        code = converse(&mut socket, &room, &visitor) => code,
    };
    if let Some(code) = code {
        let reason = code.reason().into();
        let close = Message::Close(Some(CloseFrame { code: code as u16, reason }));
        // A courtesy: whoever does not read it finds out by the socket, and whoever has not read for long
        // is not waited for again.
        let limit = if code == CloseCode::TooSlow { Duration::ZERO } else { FAREWELL_WITHIN };
        let _ = timeout(limit, socket.send(close)).await;
    }
}

/// From `hello` to the end; returns the code to close with, unless the client is gone. Dropping it half
/// way leaves the room, too.
async fn converse(socket: &mut WebSocket, room: &Arc<Room>, visitor: &Visitor) -> Option<CloseCode> {
    let resume = match greet(socket).await {
        Ok(resume) => resume,
        Err(code) => return code,
    };
    let joined = match room.join(visitor.role, resume) {
        Ok(joined) => joined,
        Err(code) => return Some(code),
    };
    let seat = Seat { room, key: joined.key };
    let listening = Listening::to(visitor.traffic.clone());
    let mut connection = Connection { socket, seat, role: visitor.role, listening };
    tokio::select! {
        biased;
        code = joined.outbox.closing() => Some(code),
        code = connection.run(&joined.welcome, &joined.outbox) => code,
    }
}

/// A place among the viewers, given up when it is dropped.
struct Seat<'a> {
    room: &'a Arc<Room>,
    key: ViewerKey,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.room.leave(self.key);
    }
}

/// Waits for `hello`. `Err(None)`: the client is gone.
async fn greet(socket: &mut WebSocket) -> Result<Option<Position>, Option<CloseCode>> {
    let first = timeout(HELLO_WITHIN, async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_))) => return Err(Some(CloseCode::ProtocolError)),
                Some(Err(error)) => return Err(code_of(&error)),
                Some(Ok(Message::Close(_))) | None => return Err(None),
            }
        }
    })
    .await
    .map_err(|_| Some(CloseCode::Silent))??;
    match serde_json::from_str(&first) {
        Ok(ClientMessage::Hello { protocol: PROTOCOL_VERSION, resume }) => Ok(resume),
        Ok(ClientMessage::Hello { .. }) => Err(Some(CloseCode::UnsupportedProtocol)),
        Ok(_) | Err(_) => Err(Some(CloseCode::ProtocolError)),
    }
}

/// What to say to a client whose bytes could not be read: that its message is too long, if that is why;
/// else it is gone, or speaks no WebSocket. The library's errors have no type here, only words.
fn code_of(error: &axum::Error) -> Option<CloseCode> {
    error.to_string().starts_with("Space limit exceeded").then_some(CloseCode::ProtocolError)
}

struct Connection<'a> {
    socket: &'a mut WebSocket,
    seat: Seat<'a>,
    role: Role,
    listening: Listening,
}

impl Connection<'_> {
    /// Runs until the connection ends; returns the code to close it with, unless the client is gone.
    async fn run(&mut self, welcome: &Frame, outbox: &Arc<Outbox>) -> Option<CloseCode> {
        if let Err(code) = self.write(vec![welcome.clone()]).await {
            return code;
        }
        let mut heard_at = Instant::now();
        let mut pinged = false;
        loop {
            let silence_ends = heard_at + if pinged { PING_EVERY + PONG_WITHIN } else { PING_EVERY };
            let result = tokio::select! {
                batch = outbox.next() => self.carry_out(batch).await,
                message = self.socket.next() => {
                    heard_at = Instant::now();
                    pinged = false;
                    self.read(message, outbox)
                }
                () = tokio::time::sleep_until(silence_ends) => {
                    if pinged || self.listening.message_takes_too_long() {
                        Err(Some(CloseCode::Silent))
                    } else {
                        pinged = true;
                        self.send(Message::Ping(Vec::new().into())).await
                    }
                }
            };
            if let Err(code) = result {
                return code;
            }
        }
    }

    async fn carry_out(&mut self, batch: Batch) -> Result<(), Option<CloseCode>> {
        match batch {
            Batch::Frames(frames) => self.write(frames).await,
            Batch::Behind => {
                self.seat.room.catch_up(self.seat.key);
                Ok(())
            }
            Batch::Close(code) => Err(Some(code)),
        }
    }

    /// Writes everything that waits in one go.
    async fn write(&mut self, frames: Vec<Frame>) -> Result<(), Option<CloseCode>> {
        let socket = &mut *self.socket;
        let writing = async {
            for frame in frames {
                socket.feed(Message::Text(frame)).await?;
            }
            socket.flush().await
        };
        within(BLOCKED_AT_MOST, writing).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Option<CloseCode>> {
        within(BLOCKED_AT_MOST, self.socket.send(message)).await
    }

    fn read(
        &mut self,
        message: Option<Result<Message, axum::Error>>,
        outbox: &Arc<Outbox>,
    ) -> Result<(), Option<CloseCode>> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(content) | Message::Pong(content))) => {
                return self.listening.control(content.len());
            }
            Some(Ok(Message::Binary(_))) => return Err(Some(CloseCode::ProtocolError)),
            Some(Err(error)) => return Err(code_of(&error)),
            Some(Ok(Message::Close(_))) | None => return Err(None),
        };
        self.listening.message()?;
        match serde_json::from_str(&text) {
            Ok(ClientMessage::Command { command_id, command }) => {
                self.submit(command_id, command, outbox);
                Ok(())
            }
            Ok(ClientMessage::Clock { client_time }) => {
                let server_time = self.seat.room.now();
                outbox.push_personal(frame(&ServerMessage::Clock { client_time, server_time }));
                Ok(())
            }
            Ok(ClientMessage::Resync) => {
                self.seat.room.catch_up(self.seat.key);
                Ok(())
            }
            Ok(ClientMessage::Hello { .. }) | Err(_) => Err(Some(CloseCode::ProtocolError)),
        }
    }

    fn submit(&self, command_id: CommandId, command: LiveCommand, outbox: &Arc<Outbox>) {
        let (actor, command) = addressed(self.role, command);
        let answers = Arc::clone(outbox);
        let submitted = self.seat.room.submit(actor, command, Some(command_id), move |outcome| {
            answers.push_personal(frame(&ServerMessage::Outcome { command_id, outcome }));
        });
        if submitted.is_err() {
            let retry_after = Millis(i64::try_from(BUSY_RETRY_AFTER.as_millis()).unwrap_or(i64::MAX));
            outbox.push_personal(frame(&ServerMessage::Busy { command_id, retry_after }));
        }
    }
}

async fn within<E>(
    limit: Duration,
    writing: impl Future<Output = Result<(), E>>,
) -> Result<(), Option<CloseCode>> {
    match timeout(limit, writing).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(None),
        Err(_) => Err(Some(CloseCode::TooSlow)),
    }
}

/// Size of the smallest frame that a client can send: two bytes of head, four of mask.
const FRAME_HEAD_BYTES: u64 = 6;

/// What is heard from a client: how often, and whether what it begins it also ends.
///
/// The library hands out whole messages only, so that a message that drips in, in fragments between which
/// pings are answered, would never be seen. What is seen is that bytes arrive and no message ends.
struct Listening {
    messages: Rate,
    controls: Rate,
    traffic: Traffic,
    /// How many of the bytes received belong to frames that are done with.
    accounted: u64,
    /// Since when there have been others.
    unfinished_since: Option<Instant>,
}

impl Listening {
    fn to(traffic: Traffic) -> Self {
        let accounted = traffic.received();
        let (messages, controls) = (Rate::of(COMMANDS_PER_WINDOW), Rate::of(CONTROLS_PER_WINDOW));
        Self { messages, controls, traffic, accounted, unfinished_since: None }
    }

    /// A whole message has come.
    fn message(&mut self) -> Result<(), Option<CloseCode>> {
        // What of the next one has already come with it is forgiven.
        self.accounted = self.traffic.received();
        self.unfinished_since = None;
        if self.messages.allows() { Ok(()) } else { Err(Some(CloseCode::ProtocolError)) }
    }

    /// A ping or a pong has come.
    fn control(&mut self, content_bytes: usize) -> Result<(), Option<CloseCode>> {
        let frame_bytes = FRAME_HEAD_BYTES + content_bytes as u64;
        self.accounted = (self.accounted + frame_bytes).min(self.traffic.received());
        if self.message_takes_too_long() {
            return Err(Some(CloseCode::Silent));
        }
        if self.controls.allows() { Ok(()) } else { Err(Some(CloseCode::ProtocolError)) }
    }

    fn message_takes_too_long(&mut self) -> bool {
        if self.traffic.received() <= self.accounted {
            self.unfinished_since = None;
            return false;
        }
        self.unfinished_since.get_or_insert_with(Instant::now).elapsed() > MESSAGE_WITHIN
    }
}

/// Counts in fixed windows: coarse, and constant in memory.
struct Rate {
    per_window: u32,
    window_ends: Instant,
    left: u32,
}

impl Rate {
    fn of(per_window: u32) -> Self {
        Self { per_window, window_ends: Instant::now(), left: 0 }
    }

    fn allows(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.window_ends {
            (self.window_ends, self.left) = (now + COMMAND_WINDOW, self.per_window);
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}
