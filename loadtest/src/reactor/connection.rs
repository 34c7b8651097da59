//! One connection of a [`Reactor`](super::Reactor): its socket, its handshake, its frames.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use mio::net::TcpStream;
use mio::{Registry, Token};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::{ConnectionId, interest};
use crate::wire::{self, Decoder, Frame, Refusal, Upgrade};

/// What to connect to.
#[derive(Debug, Clone)]
pub struct Target {
    /// The server.
    pub address: SocketAddr,
    /// The address to come from; the system chooses when absent.
    pub source: Option<Ipv4Addr>,
    /// How many bytes the kernel may keep unread; the system's megabytes when absent.
    pub receive_buffer: Option<usize>,
    /// The upgrade to ask for; without one, frames are expected at once (a server without HTTP).
    pub request: Option<Request>,
}

/// An HTTP upgrade.
#[derive(Debug, Clone)]
pub struct Request {
    /// The `Host` header.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// More header lines, each with its `\r\n`: a cookie, an origin, a token.
    pub headers: String,
}

/// What a connection has to tell.
#[derive(Debug)]
pub enum Event<'a> {
    /// The handshake is done; the head of the server's answer.
    Opened(&'a str),
    /// A message, or a control frame; pings have been answered and closes agreed to.
    Frame(Frame<'a>),
    /// It is over; nothing more comes of it.
    Ended(&'a End),
}

/// How a connection ended that was not closed from this side.
#[derive(Debug)]
pub enum End {
    /// The server closed it.
    Closed,
    /// The network broke it, or never made it.
    Broken(io::Error),
    /// The upgrade was refused.
    Refused(Refusal),
    /// The server sent what it must not.
    Malformed(anyhow::Error),
    /// No upgrade in time.
    TimedOut,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the server closed the connection without a word"),
            Self::Broken(problem) => write!(f, "the connection broke: {problem}"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Malformed(problem) => write!(f, "{problem:#}"),
            Self::TimedOut => f.write_str("no upgrade in time"),
        }
    }
}

enum Stage {
    /// TCP is under way.
    Connecting(Option<Box<Request>>),
    /// Asked; the answer's head so far.
    Upgrading(Box<(Upgrade, Vec<u8>)>),
    Open,
}

pub(super) struct Connection<T> {
    pub id: ConnectionId,
    pub tag: T,
    pub stream: RefCell<TcpStream>,
    pub paused: Cell<bool>,
    /// From this side: what was read with it is told no more.
    pub closed: Cell<bool>,
    stage: RefCell<Stage>,
    decoder: RefCell<Decoder>,
}

impl<T> Connection<T> {
    /// Begins to connect.
    pub fn begin(
        id: ConnectionId,
        target: Target,
        tag: T,
        registry: &Registry,
    ) -> std::result::Result<Self, (T, io::Error)> {
        let connecting = || {
            let mut stream = connecting(&target)?;
            registry.register(&mut stream, Token(id.slot), interest())?;
            Ok(stream)
        };
        match connecting() {
            Ok(stream) => Ok(Self {
                id,
                tag,
                stream: RefCell::new(stream),
                paused: Cell::new(false),
                closed: Cell::new(false),
                stage: RefCell::new(Stage::Connecting(target.request.map(Box::new))),
                decoder: RefCell::default(),
            }),
            Err(problem) => Err((tag, problem)),
        }
    }

    pub fn is_connecting(&self) -> bool {
        matches!(*self.stage.borrow(), Stage::Connecting(_))
    }

    pub fn is_open(&self) -> bool {
        matches!(*self.stage.borrow(), Stage::Open)
    }

    /// Whether TCP is connected; if so, asks for the upgrade.
    pub fn finish_connecting(&self) -> std::result::Result<bool, End> {
        {
            let stream = self.stream.borrow();
            if let Some(problem) = stream.take_error().map_err(End::Broken)? {
                return Err(End::Broken(problem));
            }
            match stream.peer_addr() {
                Err(problem) if problem.kind() == io::ErrorKind::NotConnected => return Ok(false),
                connected => drop(connected.map_err(End::Broken)?),
            }
        }
        let mut stage = self.stage.borrow_mut();
        let Stage::Connecting(request) = &mut *stage else { return Ok(true) };
        *stage = match request.take() {
            None => Stage::Open,
            Some(request) => {
                let upgrade = Upgrade::default();
                let text = upgrade.request(&request.host, &request.path, &request.headers);
                self.write(text.as_bytes()).map_err(|problem| End::Broken(io::Error::other(problem)))?;
                Stage::Upgrading(Box::new((upgrade, Vec::new())))
            }
        };
        Ok(true)
    }

    /// Takes a piece of the answer to the upgrade; its head and what follows it, once that is whole.
    pub fn finish_upgrade(&self, bytes: &[u8]) -> std::result::Result<Option<(String, Vec<u8>)>, End> {
        let mut stage = self.stage.borrow_mut();
        let Stage::Upgrading(upgrading) = &mut *stage else { return Ok(None) };
        let (upgrade, so_far) = &mut **upgrading;
        so_far.extend_from_slice(bytes);
        let Some(length) = wire::head_len(so_far).map_err(End::Malformed)? else { return Ok(None) };
        let rest = so_far.split_off(length);
        let head = String::from_utf8_lossy(so_far).into_owned();
        upgrade.check(&head).map_err(|problem| match problem.downcast::<Refusal>() {
            Ok(refusal) => End::Refused(refusal),
            Err(problem) => End::Malformed(problem),
        })?;
        *stage = Stage::Open;
        Ok(Some((head, rest)))
    }

    /// Cuts `bytes` into frames for `take`, answers pings and closes; how many pings there were.
    pub fn decode(&self, bytes: &[u8], mut take: impl FnMut(Frame<'_>)) -> std::result::Result<u64, End> {
        let mut decoder = std::mem::take(&mut *self.decoder.borrow_mut());
        let mut pings = 0;
        let fed = decoder.feed(bytes, |frame| {
            if self.closed.get() {
                return;
            }
            // An answer that does not go out shows as the end of the connection.
            match &frame {
                Frame::Ping(payload) => {
                    pings += 1;
                    drop(self.write(&wire::pong_frame(payload)));
                }
                Frame::Close(_) => drop(self.write(&wire::close_frame())),
                Frame::Text(_) | Frame::Binary(_) | Frame::Pong => {}
            }
            take(frame);
        });
        *self.decoder.borrow_mut() = decoder;
        fed.map_err(End::Malformed)?;
        Ok(pings)
    }

    /// Sends `bytes`, whole and now.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        let written = (&*self.stream.borrow()).write(bytes).context("writing")?;
        ensure!(written == bytes.len(), "the server does not read what is written");
        Ok(())
    }
}

fn connecting(target: &Target) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target.address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(bytes) = target.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(source) = target.source {
        // The port is chosen with the connection: else one that is in use, or has been within the last minute, is not
        // shared, and looking for another takes the kernel longer than all the rest.
        setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    match socket.connect(&target.address.into()) {
        Err(problem) if problem.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
            Err(problem)
        }
        Ok(()) | Err(_) => Ok(TcpStream::from_std(socket.into())),
    }
}
