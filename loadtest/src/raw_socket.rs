//! A bare connection, for what a well-behaved client does not do: asking for the first welcome after a
//! restart, not reading, not answering pings, flooding, vanishing.

use std::collections::VecDeque;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::door::Door;
use crate::room::Room;
use crate::wire::{self, Decoder, Frame};

/// See the [module](self).
pub struct RawSocket {
    stream: TcpStream,
    decoder: Decoder,
    texts: VecDeque<String>,
    /// Pongs that are still to be sent.
    answers: Vec<Vec<u8>>,
    closed: Option<Option<u16>>,
}

impl RawSocket {
    /// Connects by `door` and says hello. `receive_buffer`: how many bytes the kernel may keep for us unread.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses.
    pub async fn open(room: &Room, door: &Door, receive_buffer: Option<usize>) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(u32::try_from(bytes)?)?;
        }
        let mut stream = socket.connect(room.address).await?;
        stream.set_nodelay(true)?;
        let path = door.role.socket_path(&room.amphi);
        let rest = wire::upgrade(&mut stream, &room.authority, &path, &door.token).await?;
        let mut opened = Self {
            stream,
            decoder: Decoder::default(),
            texts: VecDeque::new(),
            answers: Vec::new(),
            closed: None,
        };
        opened.take(&rest)?;
        opened.say(r#"{"type":"hello","protocol":1}"#).await?;
        Ok(opened)
    }

    /// Sends one message.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn say(&mut self, message: &str) -> Result<()> {
        Ok(self.stream.write_all(&wire::text_frame(message)).await?)
    }

    /// Sends bytes as they are, which need not be a message.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Reads, and drops what it reads, until the connection ends; the code it was closed with, if there was one.
    pub async fn until_closed(&mut self) -> Option<u16> {
        while self.next().await.is_ok() {}
        self.closed.flatten()
    }

    /// The next message. Pings are answered while this waits, and only then.
    ///
    /// # Errors
    /// When the connection ends, with the close code if there was one.
    pub async fn next(&mut self) -> Result<String> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            if let Some(text) = self.texts.pop_front() {
                return Ok(text);
            }
            if let Some(code) = self.closed {
                bail!("closed by the server with {code:?}");
            }
            let read = self.stream.read(&mut buffer).await.context("the connection broke")?;
            anyhow::ensure!(read > 0, "the connection ended");
            self.take(&buffer[..read])?;
            for answer in std::mem::take(&mut self.answers) {
                self.stream.write_all(&answer).await?;
            }
        }
    }

    /// The next message of this type.
    ///
    /// # Errors
    /// As [`RawSocket::next`].
    pub async fn next_of(&mut self, kind: &str) -> Result<String> {
        let beginning = format!(r#"{{"type":"{kind}""#);
        loop {
            let text = self.next().await?;
            if text.starts_with(&beginning) {
                return Ok(text);
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let (texts, answers, closed) = (&mut self.texts, &mut self.answers, &mut self.closed);
        self.decoder.feed(bytes, |frame| match frame {
            Frame::Text(text) => texts.push_back(String::from_utf8_lossy(text).into_owned()),
            Frame::Close(code) => *closed = Some(code),
            Frame::Ping(payload) => answers.push(wire::pong_frame(payload)),
            Frame::Pong | Frame::Binary(_) => {}
        })
    }
}
