//! The whole life of one WebSocket: hello, welcome, then frames out and commands in until it ends.
//!
//! The connection's task reads, and sleeps otherwise: what goes out is written by whoever says it
//! (`fanout/`), and the task is woken only when a socket was full, a snapshot is needed, or it is over. It
//! never makes the room wait: what it cannot write in time closes it, and what it reads is bounded. It lasts
//! as long as what it came by is good: a session that ends, a right that is taken away closes it at once,
//! whatever it is doing.

mod incoming;
mod upgrade;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use amphi_core::{CommandId, LiveCommand, Millis, Rejection};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tungstenite::{Message, Utf8Bytes};

pub use incoming::{Heard, Incoming, Stop};
pub use upgrade::Upgrade;

use crate::arrivals::Place;
use crate::connections::Freed;
use crate::fanout::{End, Line, ViewerKey};
use crate::frame::Frame;
use crate::limits::{BLOCKED_AT_MOST, BUSY_RETRY_AFTER, FAREWELL_WITHIN, HELLO_WITHIN};
use crate::metrics::{Counted, Ending, meters};
use crate::protocol::{ClientMessage, CloseCode, Outcome, PROTOCOL_VERSION, Position, Role, ServerMessage};
use crate::room::{Room, addressed};
use crate::wire::Wire;

/// Who is at the other end of a socket.
pub struct Visitor {
    /// What they may see and do.
    pub role: Role,
    /// Cancelled when what they came by is good no longer: a session signed out, a token expired (S9).
    pub pass: CancellationToken,
    /// Their place among all live connections of this server.
    pub place: Place,
}

/// Serves one connection to `room` until it ends.
pub async fn serve(freed: Freed, room: Arc<Room>, visitor: Visitor) {
    let Freed { wire, unread, place: _place } = freed;
    let line = Line::new(visitor.role, Arc::clone(&wire) as Arc<dyn crate::fanout::Sink>);
    let mut connection = Connection { incoming: Incoming::new(Arc::clone(&wire)), wire, line };
    let stop = tokio::select! {
        biased;
        () = visitor.pass.cancelled() => Some(CloseCode::NotAllowed),
        stop = connection.converse(&room, &unread) => stop,
    };
    meters().connections_closed.of(Ending::from(stop)).increment(1);
    if let Some(code) = stop {
        connection.line.close(code);
        connection.say_farewell().await;
    }
}

struct Connection {
    wire: Arc<dyn Wire>,
    incoming: Incoming,
    line: Arc<Line>,
}

/// A place among the viewers, given up when it is dropped.
struct Seat<'a> {
    room: &'a Arc<Room>,
    key: ViewerKey,
    _open: Counted,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.room.leave(self.key);
    }
}

impl Connection {
    /// From `hello` to the end. Dropping it half way leaves the room, too.
    async fn converse(&mut self, room: &Arc<Room>, unread: &[u8]) -> Stop {
        let (resume, first_commands) = match Box::pin(timeout(HELLO_WITHIN, self.greet(unread))).await {
            Ok(Ok(greeting)) => greeting,
            Ok(Err(stop)) => return stop,
            Err(_) => return Some(CloseCode::Silent),
        };
        let key = match room.join(&self.line, resume) {
            Ok(key) => key,
            Err(code) => return Some(code),
        };
        let open = Counted::by(meters().connections.of(self.line.role().into()));
        let _seat = Seat { room, key, _open: open };
        room.pulse().watch(&self.line);
        for text in first_commands {
            if let Err(stop) = obey(&text, room, &self.line) {
                return stop;
            }
        }
        self.run(room).await
    }

    /// Waits for `hello`; returns what it asks for, and what has been said right after it.
    async fn greet(&mut self, unread: &[u8]) -> Result<(Option<Position>, Vec<Utf8Bytes>), Stop> {
        let mut texts = Vec::new();
        self.incoming.digest(unread, &mut hears(&mut texts, &self.line))?;
        while texts.is_empty() {
            self.incoming.ready().await.map_err(|_| None)?;
            self.incoming.read(hears(&mut texts, &self.line))?;
        }
        self.incoming.greeted();
        let first = texts.remove(0);
        match serde_json::from_str(&first) {
            Ok(ClientMessage::Hello { protocol: PROTOCOL_VERSION, resume }) => Ok((resume, texts)),
            Ok(ClientMessage::Hello { .. }) => Err(Some(CloseCode::UnsupportedProtocol)),
            Ok(_) | Err(_) => Err(Some(CloseCode::ProtocolError)),
        }
    }

    /// Runs until the connection ends; returns the code to close it with, unless the client is gone.
    async fn run(&mut self, room: &Arc<Room>) -> Stop {
        loop {
            match self.line.ended() {
                Some(End::Closed(code)) => return Some(code),
                Some(End::Gone) => return None,
                None => {}
            }
            if self.line.is_behind() {
                room.catch_up(&self.line);
            }
            let readable = match self.line.blocked_since() {
                None => {
                    tokio::select! {
                        biased;
                        () = self.line.news() => false,
                        ready = self.incoming.ready() => {
                            if ready.is_err() {
                                return None;
                            }
                            true
                        }
                    }
                }
                // Seldom and short: kept out of the task of a connection that is idle.
                Some(since) => match Box::pin(self.while_blocked(since)).await {
                    Ok(readable) => readable,
                    Err(stop) => return stop,
                },
            };
            if readable && let Err(stop) = self.read(room) {
                return stop;
            }
        }
    }

    /// The socket is full: waits until it can be written to again, or has been full for too long. Says whether
    /// something can be read meanwhile.
    async fn while_blocked(&self, since: Instant) -> Result<bool, Stop> {
        tokio::select! {
            biased;
            () = self.line.news() => Ok(false),
            ready = self.incoming.ready() => ready.map(|()| true).map_err(|_| None),
            ready = writable(&*self.wire) => {
                ready.map_err(|_| None)?;
                self.line.flush();
                Ok(false)
            }
            () = tokio::time::sleep_until(since + BLOCKED_AT_MOST) => Err(Some(CloseCode::TooSlow)),
        }
    }

    fn read(&mut self, room: &Arc<Room>) -> Result<(), Stop> {
        let line = &self.line;
        self.incoming.read(|heard| {
            line.heard();
            match heard {
                Heard::Message(Message::Text(text)) => obey(&text, room, line),
                Heard::Message(_) => Err(Some(CloseCode::ProtocolError)),
                Heard::Control(answer) => {
                    answer.into_iter().for_each(|answer| line.say(answer));
                    Ok(())
                }
            }
        })
    }

    /// Writes what is left, the close frame at its end. A courtesy: whoever does not read it finds out by the
    /// socket, and whoever has not read for long is not waited for again.
    async fn say_farewell(&self) {
        let too_slow = self.line.ended() == Some(End::Closed(CloseCode::TooSlow));
        let limit = if too_slow { Duration::ZERO } else { FAREWELL_WITHIN };
        let writing = async {
            self.line.flush();
            while !self.line.is_drained() && self.line.ended() != Some(End::Gone) {
                if writable(&*self.wire).await.is_err() {
                    return;
                }
                self.line.flush();
            }
        };
        // When it takes longer, nothing more can be done.
        let _ = timeout(limit, writing).await;
    }
}

/// Keeps the texts of a client that is not known yet.
fn hears<'a>(texts: &'a mut Vec<Utf8Bytes>, line: &'a Line) -> impl FnMut(Heard) -> Result<(), Stop> + 'a {
    |heard| {
        match heard {
            Heard::Message(Message::Text(text)) => texts.push(text),
            Heard::Message(_) => return Err(Some(CloseCode::ProtocolError)),
            Heard::Control(answer) => answer.into_iter().for_each(|answer| line.say(answer)),
        }
        Ok(())
    }
}

async fn writable(wire: &dyn Wire) -> io::Result<()> {
    std::future::poll_fn(|context| wire.poll_write_ready(context)).await
}

/// Does what a client has asked for.
fn obey(text: &str, room: &Arc<Room>, line: &Arc<Line>) -> Result<(), Stop> {
    match serde_json::from_str(text) {
        Ok(ClientMessage::Command { command_id, command }) => submit(room, line, command_id, command),
        Ok(ClientMessage::Clock { client_time }) => {
            line.say(Frame::of(&ServerMessage::Clock { client_time, server_time: room.now() }));
        }
        Ok(ClientMessage::Resync) => room.catch_up(line),
        Ok(ClientMessage::Hello { .. }) | Err(_) => return Err(Some(CloseCode::ProtocolError)),
    }
    Ok(())
}

fn submit(room: &Arc<Room>, line: &Arc<Line>, command_id: CommandId, command: LiveCommand) {
    if line.role() == Role::Spectator {
        // Not in the room's way: whoever may only look on must not fill its mailbox, nor push out of its memory what
        // others were refused.
        let outcome = Outcome::Refused { rejection: Rejection::Forbidden };
        return line.say(Frame::of(&ServerMessage::Outcome { command_id, outcome }));
    }
    let (actor, command) = addressed(line.role(), command);
    let owed = Owed { line: Arc::clone(line), command_id, paid: false };
    // What is not taken is dropped, and so answered.
    let _ = room.submit(actor, command, Some(command_id), move |outcome| owed.pay(outcome));
}

/// The one answer that is owed to a command: `busy`, when there is no outcome. Sent again with its id, it gets the one
/// that there is after all.
struct Owed {
    line: Arc<Line>,
    command_id: CommandId,
    paid: bool,
}

impl Owed {
    fn pay(mut self, outcome: Outcome) {
        self.paid = true;
        self.line.say(Frame::of(&ServerMessage::Outcome { command_id: self.command_id, outcome }));
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if !self.paid {
            let retry_after = Millis(i64::try_from(BUSY_RETRY_AFTER.as_millis()).unwrap_or(i64::MAX));
            self.line.say(Frame::of(&ServerMessage::Busy { command_id: self.command_id, retry_after }));
        }
    }
}
