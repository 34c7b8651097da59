//! Frames: messages as they stand on the wire, made once and shared by all who receive them.
//!
//! A server's frames are not masked, so one frame is the same bytes for everybody. WebSocket framing is
//! the library's (`tungstenite`); what is here keeps its result.

use axum::body::Bytes;
use serde::Serialize;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame as WebSocketFrame};

use crate::protocol::CloseCode;

/// Whole frames, ready to be written; cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// Serialises and frames a message of the protocol.
    pub fn of(message: &impl Serialize) -> Self {
        Self::text(serde_json::to_vec(message).expect("messages are plain data"))
    }

    /// Frames text.
    pub fn text(text: impl Into<Bytes>) -> Self {
        Self::made(WebSocketFrame::message(text, OpCode::Data(Data::Text), true))
    }

    /// Frames bytes.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::made(WebSocketFrame::message(bytes, OpCode::Data(Data::Binary), true))
    }

    /// Asks whether somebody is there.
    pub fn ping() -> Self {
        Self::made(WebSocketFrame::ping(Bytes::new()))
    }

    /// The last word.
    pub fn close(code: CloseCode) -> Self {
        let reason = code.reason().into();
        Self::made(WebSocketFrame::close(Some(CloseFrame { code: (code as u16).into(), reason })))
    }

    /// What the library has framed itself: its answers to pings and to a close.
    pub fn framed(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// Several, to be written at once.
    pub fn joined(frames: &[Self]) -> Self {
        match frames {
            [one] => one.clone(),
            several => Self(several.iter().map(|frame| &frame.0[..]).collect::<Vec<_>>().concat().into()),
        }
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    fn made(frame: WebSocketFrame) -> Self {
        let mut bytes = Vec::with_capacity(frame.len());
        frame.format(&mut bytes).expect("writing to memory does not fail");
        Self(bytes.into())
    }
}
