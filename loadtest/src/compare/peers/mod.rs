//! The servers compared: how each is found, started, listened to and published to.
//!
//! One file per peer. A peer knows how to say that it is missing, and why: none is dropped in silence. Messages are
//! triggered alike everywhere: one of them at a time, by the generator, over a connection that is held open (an HTTP POST
//! each where the server takes that; else a line of its own protocol; at ours, an intern's choice).

mod cowboy;
mod http;
mod mosquitto;
mod naive;
mod nats;
mod nchan;
mod node;
mod ours;
mod raw;
mod sockudo;
mod uwebsockets;

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

pub use self::ours::OurServer;
use super::ledger::Reader;
use super::stage::{Process, Stage};
use crate::process_figures::postgres_pids;
use crate::reactor::Target;
use crate::server_process::ServerProcess;

/// The yardstick that all ratios are taken of.
pub const RAW: &str = "raw";
/// Our server.
pub const OURS: &str = "amphi";

/// A server that ours is compared with.
pub trait Peer {
    /// For tables and `--only`.
    fn name(&self) -> &'static str;

    /// What it is, in a few words, and how it is published to.
    fn about(&self) -> String;

    /// Why it cannot be tried here, when it cannot.
    fn missing(&self, stage: &Stage) -> Option<String>;

    /// Starts it.
    ///
    /// # Errors
    /// When it does not start.
    fn start(&self, stage: &Stage) -> Result<Running>;
}

/// All peers, in the order in which they are told.
pub fn all() -> Vec<Box<dyn Peer>> {
    let mut peers: Vec<Box<dyn Peer>> = vec![
        Box::new(raw::PLAIN),
        Box::new(naive::Naive),
        Box::new(uwebsockets::UWebSockets),
        Box::new(nchan::Nchan),
        Box::new(node::Node::Ws),
        Box::new(node::Node::SocketIo),
        Box::new(cowboy::Cowboy),
        Box::new(nats::Nats),
        Box::new(mosquitto::Mosquitto),
        Box::new(sockudo::Sockudo),
    ];
    peers.extend(raw::DESIGNS.map(|design| Box::new(design) as Box<dyn Peer>));
    peers
}

/// Whether `name` is a design of a fan-out, which is of interest beside other designs only.
pub fn is_design(name: &str) -> bool {
    raw::DESIGNS.iter().any(|design| design.name() == name)
}

/// A server that runs, and how to speak with it.
pub struct Running {
    /// Its processes.
    pub host: Host,
    /// Its language.
    pub dialect: Box<dyn Dialect>,
    /// The publisher's connection, ready to publish; none where viewers publish.
    pub line: Option<TcpStream>,
}

impl Running {
    /// A peer that is published to at the port where it is listened to.
    fn peer(process: Process, dialect: impl Dialect + 'static) -> Result<Self> {
        let line = Some(process.connect()?);
        Ok(Self { host: Host::Peer(process), dialect: Box::new(dialect), line })
    }
}

/// The processes of a server.
pub enum Host {
    /// A peer.
    Peer(Process),
    /// Ours, with its Postgres.
    Ours(Box<ServerProcess>),
}

/// Whose CPU and memory are measured.
pub trait Processes {
    /// The server itself, now.
    fn pids(&self) -> Vec<u32>;

    /// Its database, which is told apart.
    fn postgres(&self) -> Vec<u32> {
        Vec::new()
    }
}

impl Processes for Host {
    fn pids(&self) -> Vec<u32> {
        match self {
            Self::Peer(process) => process.pids(),
            Self::Ours(process) => vec![process.pid],
        }
    }

    fn postgres(&self) -> Vec<u32> {
        match self {
            Self::Peer(_) => Vec::new(),
            Self::Ours(process) => postgres_pids(Some(process.pid), Some(&process.data_directory())),
        }
    }
}

impl Host {
    /// What it said last, for a visit that failed.
    pub fn last_words(&self) -> String {
        match self {
            Self::Peer(process) => process.end_of_log(),
            Self::Ours(_) => String::new(),
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// When our server does not stop cleanly.
    pub async fn stop(self) -> Result<()> {
        match self {
            Self::Peer(process) => drop(process),
            Self::Ours(process) => process.stop().await?,
        }
        Ok(())
    }
}

/// How a server speaks to its viewers, and is published to.
pub trait Dialect {
    /// Where viewer number `viewer` connects.
    fn target(&self, viewer: usize) -> Target;

    /// What a viewer says once it is connected, masked and framed.
    fn greeting(&self) -> Option<Vec<u8>> {
        None
    }

    /// Whether the server tells a viewer that it listens from now on; else it does so once it is connected.
    fn confirms(&self) -> bool {
        false
    }

    /// Understands `frame`, one WebSocket message; `kept` is the viewer's own, for what is not whole yet.
    ///
    /// # Errors
    /// When the server said what it must not, or `tell` objects.
    fn hear(&self, kept: &mut Vec<u8>, frame: &[u8], tell: Tell<'_>) -> Result<()>;

    /// How publication number `number` is made, of `payload` where the server is told what to say.
    fn publication(&self, number: usize, payload: &str) -> Publication;

    /// Reads messages that the server words itself.
    fn reader(&self) -> Option<Reader> {
        None
    }
}

/// Takes what was understood.
pub type Tell<'a> = &'a mut dyn FnMut(Heard<'_>) -> Result<()>;

/// What a viewer heard.
pub enum Heard<'a> {
    /// It will hear everything that is published from now on.
    Listening,
    /// A message.
    Message(&'a [u8]),
    /// It must answer with this frame.
    Answer(Vec<u8>),
}

/// What publishes.
pub enum Publication {
    /// These bytes on the publisher's line.
    OnLine(Vec<u8>),
    /// This frame from that viewer.
    ByViewer(usize, Vec<u8>),
}

/// Whether `program` is there: as a file, or on the search path.
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<_> = std::env::split_paths(&path).collect();
    directories.extend(["/usr/sbin", "/usr/bin"].map(Into::into));
    directories.iter().any(|directory| directory.join(program).is_file())
}

fn missing_program(program: &str) -> Option<String> {
    (!is_installed(program)).then(|| format!("no {program} here; `compare --prepare` installs it as root"))
}

fn missing_file(file: &Path) -> Option<String> {
    (!file.exists()).then(|| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        format!("no {name} in the cache; `compare --prepare` makes it")
    })
}

/// The first number with a point in it that `program` says of itself.
fn version_of(program: &str, argument: &str) -> String {
    let Ok(output) = Command::new(program).arg(argument).output() else { return "?".to_owned() };
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let words = said.split(|letter: char| !(letter.is_ascii_digit() || letter == '.'));
    words.map(|word| word.trim_matches('.')).find(|word| word.contains('.')).unwrap_or("?").to_owned()
}

/// What `dialect` hears in a stream that comes in pieces of this length: the messages, and how often that it listens.
#[cfg(test)]
fn heard_in_pieces(dialect: &dyn Dialect, stream: &[u8], piece: usize) -> (Vec<Vec<u8>>, usize) {
    let (mut kept, mut messages, mut listening) = (Vec::new(), Vec::new(), 0);
    for frame in stream.chunks(piece) {
        let mut tell = |heard: Heard<'_>| {
            match heard {
                Heard::Message(message) => messages.push(message.to_vec()),
                Heard::Listening => listening += 1,
                Heard::Answer(_) => anyhow::bail!("nothing was asked"),
            }
            Ok(())
        };
        dialect.hear(&mut kept, frame, &mut tell).unwrap();
    }
    (messages, listening)
}
