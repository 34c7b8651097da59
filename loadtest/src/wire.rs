//! WebSocket on the wire, from the client's side: upgrade, frames in, frames out.
//!
//! Written by hand for one reason: thousands of clients must fit on one core. A library reads each socket
//! into a buffer of its own and hands out an allocated, UTF-8-checked message; here all clients share one
//! read buffer and look at each frame where it lies. Absent: extensions, fragments sent by us, TLS.

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Longest head of an HTTP answer that is read.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Longest message that is read; a snapshot of 2,000 interns and 5,000 posts is under 3 MiB.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A connection at rest keeps no more than this.
const IDLE_BYTES_MAX: usize = 2 * 1024;

/// Upgrades `stream` to a WebSocket at `path`; gives back what was read beyond the answer's head.
///
/// # Errors
/// A refusal, with its status, or an answer that is no upgrade.
pub async fn upgrade(stream: &mut TcpStream, authority: &str, path: &str, token: &str) -> Result<Vec<u8>> {
    let upgrade = Upgrade::default();
    let request = upgrade.request(authority, path, &bearer(token));
    stream.write_all(request.as_bytes()).await?;
    let (head, rest) = read_head(stream).await?;
    upgrade.check(&head)?;
    Ok(rest)
}

/// The header line by which a program shows its token.
pub fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// One attempt to turn a connection into a WebSocket.
#[derive(Debug)]
pub struct Upgrade {
    key: String,
}

impl Default for Upgrade {
    fn default() -> Self {
        Self { key: generate_key() }
    }
}

/// The server answered an upgrade with something else.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after_seconds: Option<u64>,
    line: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "upgrade refused: {}", self.line)
    }
}

impl std::error::Error for Refusal {}

impl Upgrade {
    /// What to send; `headers` are lines, each with its end.
    pub fn request(&self, host: &str, path: &str, headers: &str) -> String {
        let key = &self.key;
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{headers}\r\n"
        )
    }

    /// Whether the head of the answer agrees.
    ///
    /// # Errors
    /// A [`Refusal`], or an answer that is no upgrade.
    pub fn check(&self, head: &str) -> Result<()> {
        let status = status_of(head)?;
        if status != 101 {
            let retry_after_seconds = header(head, "retry-after").and_then(|text| text.parse().ok());
            let line = head.lines().next().unwrap_or_default().to_owned();
            return Err(Refusal { status, retry_after_seconds, line }.into());
        }
        let accept = header(head, "sec-websocket-accept").unwrap_or_default();
        ensure!(accept == derive_accept_key(self.key.as_bytes()), "the upgrade's accept key is wrong");
        ensure!(header(head, "sec-websocket-extensions").is_none(), "an extension that was not asked for");
        Ok(())
    }
}

/// How many of `bytes` are the head of an HTTP answer, its empty line included; `None` before that has come.
///
/// # Errors
/// When it is longer than any head should be.
pub fn head_len(bytes: &[u8]) -> Result<Option<usize>> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    ensure!(end.is_some() || bytes.len() < HEAD_BYTES_MAX, "an HTTP head without end");
    Ok(end.map(|end| end + 4))
}

/// The body of the JSON document at `path`.
///
/// # Errors
/// Any status but 200, or a connection that breaks.
pub async fn get_json(authority: &str, path: &str) -> Result<Vec<u8>> {
    let (head, body) = get(authority, path, "Accept: application/json\r\n").await?;
    ensure!(status_of(&head)? == 200, "a link was answered {}", head.lines().next().unwrap_or_default());
    Ok(body)
}

/// Head and body of the answer to a request for `path`, on a connection of its own; `headers` are lines, each with its
/// end.
///
/// # Errors
/// A connection that breaks.
pub async fn get(authority: &str, path: &str, headers: &str) -> Result<(String, Vec<u8>)> {
    let mut stream =
        TcpStream::connect(authority).await.with_context(|| format!("connecting to {authority}"))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let (head, mut body) = read_head(&mut stream).await?;
    stream.read_to_end(&mut body).await?;
    if let Some(length) = header(&head, "content-length").and_then(|text| text.parse().ok()) {
        body.truncate(length);
    }
    Ok((head, body))
}

async fn read_head(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if let Some(length) = head_len(&bytes)? {
            let rest = bytes.split_off(length);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        ensure!(stream.read_buf(&mut bytes).await? > 0, "closed during the handshake");
    }
}

/// The status of the head of an HTTP answer.
///
/// # Errors
/// When it is none.
pub fn status_of(head: &str) -> Result<u16> {
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
    status.with_context(|| format!("not an HTTP answer: {head:?}"))
}

/// The first header of that name.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A whole message, or a control frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A text message.
    Text(&'a [u8]),
    /// A binary message: nothing of ours, but other servers send them.
    Binary(&'a [u8]),
    /// To be answered with the same bytes.
    Ping(&'a [u8]),
    /// An answer to a ping; nothing to do.
    Pong,
    /// The server closes, with this code if it gave one.
    Close(Option<u16>),
}

/// Cuts a stream of bytes into frames; keeps what is incomplete between reads.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Bytes of a frame whose end has not come yet.
    kept: Vec<u8>,
    /// Opcode and payload so far of a fragmented message whose last fragment has not come yet.
    fragments: Option<(u8, Vec<u8>)>,
}

impl Decoder {
    /// Takes `bytes` just read, and gives each complete frame to `take`.
    ///
    /// # Errors
    /// Bytes that a server must not send; the connection is then to be given up.
    pub fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(Frame<'_>)) -> Result<()> {
        if self.kept.is_empty() {
            let used = self.cut(bytes, &mut take)?;
            self.kept.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut kept = std::mem::take(&mut self.kept);
        kept.extend_from_slice(bytes);
        let used = self.cut(&kept, &mut take)?;
        kept.drain(..used);
        if kept.len() <= IDLE_BYTES_MAX {
            kept.shrink_to(IDLE_BYTES_MAX.min(kept.len()));
        }
        self.kept = kept;
        Ok(())
    }

    /// Gives out the complete frames at the beginning of `bytes`; how many bytes they were.
    fn cut(&mut self, bytes: &[u8], take: &mut impl FnMut(Frame<'_>)) -> Result<usize> {
        let mut used = 0;
        while let Some((first, payload_at, payload_len)) = head_of(&bytes[used..])? {
            let (begin, end) = (used + payload_at, used + payload_at + payload_len);
            let Some(payload) = bytes.get(begin..end) else { break };
            self.deliver(first, payload, take)?;
            used = end;
        }
        Ok(used)
    }

    fn deliver(&mut self, first: u8, payload: &[u8], take: &mut impl FnMut(Frame<'_>)) -> Result<()> {
        let last = first & 0x80 != 0;
        let mut whole = |opcode: u8, payload: &[u8]| match opcode {
            0x1 => take(Frame::Text(payload)),
            _ => take(Frame::Binary(payload)),
        };
        match (first & 0x0f, self.fragments.as_mut()) {
            (opcode @ (0x1 | 0x2), None) if last => whole(opcode, payload),
            (opcode @ (0x1 | 0x2), None) => self.fragments = Some((opcode, payload.to_vec())),
            (0x0, Some((_, so_far))) => {
                so_far.extend_from_slice(payload);
                ensure!(so_far.len() <= MESSAGE_BYTES_MAX, "a message without end");
                if last && let Some((opcode, payload)) = self.fragments.take() {
                    whole(opcode, &payload);
                }
            }
            (0x8, _) => {
                take(Frame::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))));
            }
            (0x9, _) => take(Frame::Ping(payload)),
            (0xa, _) => take(Frame::Pong),
            (opcode, _) => bail!("a frame of opcode {opcode} is out of place"),
        }
        Ok(())
    }
}

/// First byte, position and length of the payload of the frame that begins `bytes`, once its head is whole.
fn head_of(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>> {
    let [first, second, ..] = *bytes else { return Ok(None) };
    ensure!(first & 0x70 == 0, "a frame with reserved bits set");
    ensure!(second & 0x80 == 0, "a masked frame from a server");
    let (at, length) = match second {
        126 => match bytes.get(2..4).and_then(|raw| raw.try_into().ok()) {
            Some(raw) => (4, u64::from(u16::from_be_bytes(raw))),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10).and_then(|raw| raw.try_into().ok()) {
            Some(raw) => (10, u64::from_be_bytes(raw)),
            None => return Ok(None),
        },
        short => (2, u64::from(short)),
    };
    let length = usize::try_from(length)?;
    ensure!(length <= MESSAGE_BYTES_MAX, "a frame of {length} bytes");
    Ok(Some((first, at, length)))
}

/// A masked text frame.
pub fn text_frame(text: &str) -> Vec<u8> {
    masked_frame(0x1, text.as_bytes())
}

/// A masked binary frame.
pub fn binary_frame(payload: &[u8]) -> Vec<u8> {
    masked_frame(0x2, payload)
}

/// A ping, as a client sends it.
pub fn ping_frame(payload: &[u8]) -> Vec<u8> {
    masked_frame(0x9, payload)
}

/// The beginning of a text message that goes on in other frames.
pub fn first_fragment(text: &str) -> Vec<u8> {
    without_end(masked_frame(0x1, text.as_bytes()))
}

/// One more piece of such a message, and not the last one.
pub fn next_fragment(text: &str) -> Vec<u8> {
    without_end(masked_frame(0x0, text.as_bytes()))
}

fn without_end(mut frame: Vec<u8>) -> Vec<u8> {
    frame[0] &= 0x7f;
    frame
}

/// The answer to a ping.
pub fn pong_frame(payload: &[u8]) -> Vec<u8> {
    masked_frame(0xa, payload)
}

/// A closing frame without a code.
pub fn close_frame() -> Vec<u8> {
    masked_frame(0x8, &[])
}

fn masked_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mask: [u8; 4] = rand::random();
    let mut frame = Vec::with_capacity(payload.len() + 14);
    frame.push(0x80 | opcode);
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | u8::try_from(short).unwrap_or_default()),
        middle @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(middle).unwrap_or_default().to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..=125 => frame.push(short as u8),
            middle @ 126..=0xffff => {
                frame.push(126);
                frame.extend((middle as u16).to_be_bytes());
            }
            long => {
                frame.push(127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend(payload);
        frame
    }

    fn texts(decoder: &mut Decoder, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        decoder
            .feed(bytes, |frame| {
                if let Frame::Text(text) = frame {
                    out.push(text.to_vec());
                }
            })
            .unwrap();
        out
    }

    #[test]
    fn frames_of_every_length_survive_every_cut() {
        for length in [0, 1, 125, 126, 300, 65_535, 65_536, 70_000] {
            let payload = vec![b'a'; length];
            let mut bytes = server_frame(0x81, &payload);
            bytes.extend(server_frame(0x81, b"next"));
            for cut in [1, 2, 3, 5, 9, 11, length / 2 + 1, bytes.len() - 1] {
                let mut decoder = Decoder::default();
                let cut = cut.min(bytes.len());
                let mut got = texts(&mut decoder, &bytes[..cut]);
                got.extend(texts(&mut decoder, &bytes[cut..]));
                assert_eq!(got, vec![payload.clone(), b"next".to_vec()], "length {length}, cut {cut}");
                assert!(decoder.kept.capacity() <= IDLE_BYTES_MAX);
            }
        }
    }

    #[test]
    fn fragments_are_joined_around_a_ping() {
        let mut bytes = server_frame(0x01, b"one ");
        bytes.extend(server_frame(0x89, b"?"));
        bytes.extend(server_frame(0x80, b"message"));
        assert_eq!(texts(&mut Decoder::default(), &bytes), vec![b"one message".to_vec()]);
    }

    #[test]
    fn what_a_server_must_not_send_is_refused() {
        for bytes in [&[0xc1, 0][..], &[0x81, 0x80, 0, 0, 0, 0], &[0x83, 0], &[0x80, 0]] {
            assert!(Decoder::default().feed(bytes, |_| ()).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn what_we_send_is_masked_and_whole() {
        let frame = text_frame("bonjour");
        assert_eq!(frame[..2], [0x81, 0x80 | 7]);
        let unmasked: Vec<u8> =
            frame[6..].iter().zip(frame[2..6].iter().cycle()).map(|(b, m)| b ^ m).collect();
        assert_eq!(unmasked, b"bonjour");
    }
}
