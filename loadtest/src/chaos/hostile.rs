//! `hostile` (S7): floods, and what never ends, beside people who choose and look on.
//!
//! Blocks of choices without and with hostile clients take turns on the same server (`undisturbed.rs`). Those who flood
//! come back as soon as they are closed, until the block is over; the others begin something that they never finish, and
//! must be closed within the time that the protocol gives for it. They live on a thread of their own, so that the one that
//! measures does nothing for them.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

use crate::chaos::stage::{Amphi, Cast, import};
use crate::chaos::undisturbed::{BLOCKS, CHOICES, Choosing, INTERNS, TURN};
use crate::chaos::verdict::{Check, Verdict};
use crate::chaos::{Run, say};
use crate::clock;
use crate::door::Door;
use crate::process_figures::ensure_descriptors;
use crate::processes::descriptors;
use crate::raw_socket::RawSocket;
use crate::room::Room;
use crate::server_process::Launch;
use crate::wire;

/// P6, as it is called in verdicts.
const UNDISTURBED: &str = "P6/S7 who chooses is acknowledged as fast beside hostile clients";
/// S7: what becomes of them.
const CLOSED: &str = "S7 who floods, drips or never finishes is closed";
/// S7: what becomes of the others.
const UNHARMED: &str = "S7 whoever behaves stays connected, and nothing is left of the others";
/// Viewers who look on meanwhile.
const WATCHING: usize = 500;
/// Messages of one flood: more than the protocol allows in ten seconds (30 commands, 20 pings), in one go.
const FLOOD: usize = 60;
/// How long one who floods is away before the next flood.
const AWAY: Duration = Duration::from_millis(500);
/// Hostile clients do not all come at the same instant: within this.
const COME_WITHIN: Duration = Duration::from_secs(1);
/// Beyond the time that the protocol gives: the farewell, and what a busy machine makes of timers.
const LATER_AT_MOST: Duration = Duration::from_secs(2);
/// Between two bytes, or fragments, of what never ends.
const DRIP: Duration = Duration::from_secs(1);
/// What is open by then is open for ever.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(60);
/// Descriptors that come and go by themselves.
const OF_ITS_OWN: usize = 8;
/// The code of whoever breaks the protocol (`PROTOCOL.md`).
const PROTOCOL_ERROR: u16 = 4500;

/// What a hostile client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Commands, as fast as the socket takes them.
    Commands,
    /// Pings, likewise.
    Pings,
    /// Begins a request and says no more.
    Handshake,
    /// A byte of a request a second.
    Drip,
    /// Connects, and never says hello.
    Mute,
    /// A fragment of a message a second, and never the last one.
    Fragments,
}

const KINDS: [Kind; 6] =
    [Kind::Commands, Kind::Pings, Kind::Handshake, Kind::Drip, Kind::Mute, Kind::Fragments];

impl Kind {
    fn floods(self) -> bool {
        matches!(self, Self::Commands | Self::Pings)
    }

    /// How long the protocol lets this go on (`PROTOCOL.md`, "Limits").
    fn allowed(self) -> Duration {
        match self {
            Self::Commands | Self::Pings => Duration::ZERO,
            Self::Mute => Duration::from_secs(5),
            Self::Handshake | Self::Drip | Self::Fragments => Duration::from_secs(10),
        }
    }
}

/// How one attack ended.
#[derive(Debug)]
struct Ended {
    kind: Kind,
    after: Duration,
    code: Option<u16>,
}

impl Ended {
    fn as_it_should(&self) -> bool {
        let code = !self.kind.floods() || self.code == Some(PROTOCOL_ERROR);
        code && self.after <= self.kind.allowed() + LATER_AT_MOST
    }
}

/// Plays with `run.count` hostile clients at once in every second block.
///
/// # Errors
/// When it cannot be played to its end.
pub async fn play(run: &Run) -> Result<Verdict> {
    let hostile = usize::try_from(run.count)?;
    ensure!(hostile >= KINDS.len(), "at least {} hostile clients, please: one of each kind", KINDS.len());
    ensure_descriptors(WATCHING + BLOCKS * CHOICES + hostile)?;
    let server = Launch::new(&run.server, run.keep.as_deref())?.start().await?;
    let amphi = import(&server.launch, INTERNS, TURN, 0).await?;
    let cast = Cast::of(&server.authority, &amphi, BLOCKS * CHOICES, WATCHING).await?;
    cast.connect_everybody().await?;
    cast.open().await?;
    say("hostile", &format!("{WATCHING} viewers; {hostile} hostile clients in every second block"));
    let before = descriptors(server.pid);
    let mut choosing = Choosing::of(&cast, run.seed);
    let mut closed = Check::new(CLOSED);
    for block in 0..BLOCKS {
        if block % 2 == 0 {
            choosing.calm(block).await?;
            continue;
        }
        let crowd = Crowd::begin(&server.authority, &amphi, hostile);
        let chosen = choosing.disturbed(block).await;
        let ended = crowd.end().await?;
        chosen?;
        for attack in &ended {
            closed.examine(attack.as_it_should(), || format!("{attack:?}"));
        }
        let floods = ended.iter().filter(|attack| attack.kind.floods()).count();
        closed.count("floods", floods as u64);
        closed.count("endless", (ended.len() - floods) as u64);
        say("hostile", &format!("{floods} floods and {} who never end: closed", ended.len() - floods));
    }
    let mut unharmed = Check::new(UNHARMED);
    let lost = cast.room.counts.reconnections.get();
    unharmed.examine(lost == 0, || format!("{lost} who behave had to come back"));
    let after = descriptors(server.pid);
    unharmed.examine(after <= before + OF_ITS_OWN, || format!("{before} descriptors before, {after} after"));
    unharmed.figure("descriptors_before", before);
    unharmed.figure("descriptors_after", after);
    let mut verdict = Verdict::default();
    verdict.add(choosing.judge(UNDISTURBED));
    verdict.add(closed);
    verdict.add(unharmed);
    let placed = cast.everybody_placed();
    verdict.extend(cast.finish(&server.launch, &placed).await?.checks);
    server.stop().await?;
    Ok(verdict)
}

/// Hostile clients, on a thread of their own.
struct Crowd {
    over: Arc<AtomicBool>,
    ended: tokio::sync::oneshot::Receiver<Result<Vec<Ended>>>,
}

impl Crowd {
    fn begin(authority: &str, amphi: &Amphi, hostile: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (tell, ended) = tokio::sync::oneshot::channel();
        let (authority, amphi, is_over) = (authority.to_owned(), amphi.clone(), Arc::clone(&over));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let attacked = runtime.context("a runtime").and_then(|runtime| {
                runtime.block_on(LocalSet::new().run_until(attack(&authority, &amphi, hostile, &is_over)))
            });
            // Nobody waits for it only when the scenario has been given up.
            let _ = tell.send(attacked);
        });
        Self { over, ended }
    }

    /// No more floods; waits until all have been closed.
    async fn end(self) -> Result<Vec<Ended>> {
        self.over.store(true, Ordering::Relaxed);
        self.ended.await.context("the hostile clients broke off")?
    }
}

async fn attack(
    authority: &str,
    amphi: &Amphi,
    hostile: usize,
    over: &Arc<AtomicBool>,
) -> Result<Vec<Ended>> {
    let mut attacks = JoinSet::new();
    let room = Rc::new(Room::new(authority, &amphi.id, false).await?);
    for number in 0..hostile {
        let (room, door, over) = (Rc::clone(&room), amphi.doors.spectator.clone(), Arc::clone(over));
        attacks.spawn_local(async move {
            let kind = KINDS[number % KINDS.len()];
            tokio::time::sleep(COME_WITHIN.mul_f64(number as f64 / hostile as f64)).await;
            let mut ended = Vec::new();
            loop {
                let once = tokio::time::timeout(GIVEN_UP_AFTER, once(kind, &room, &door)).await;
                ended.push(once.with_context(|| format!("{kind:?}: still open"))??);
                if !kind.floods() || over.load(Ordering::Relaxed) {
                    return anyhow::Ok(ended);
                }
                tokio::time::sleep(AWAY).await;
            }
        });
    }
    let mut ended = Vec::new();
    while let Some(attack) = attacks.join_next().await {
        ended.extend(attack??);
    }
    Ok(ended)
}

/// One attack, until it has been ended.
async fn once(kind: Kind, room: &Room, door: &Door) -> Result<Ended> {
    let path = door.role.socket_path(&room.amphi);
    let ended = |began: Instant, code| Ended { kind, after: clock::now() - began, code };
    match kind {
        Kind::Commands | Kind::Pings => {
            let mut socket = RawSocket::open(room, door, None).await?;
            socket.next_of("welcome").await?;
            let one = match kind {
                Kind::Pings => wire::ping_frame(&[0; 125]),
                _ => wire::text_frame(r#"{"type":"resync"}"#),
            };
            let began = clock::now();
            // Closed while it still writes: that is the point.
            let _ = socket.write(&one.repeat(FLOOD)).await;
            Ok(ended(began, socket.until_closed().await))
        }
        Kind::Fragments => {
            let mut socket = RawSocket::open(room, door, None).await?;
            socket.next_of("welcome").await?;
            let began = clock::now();
            socket.write(&wire::first_fragment("{")).await?;
            let code = loop {
                tokio::select! {
                    code = socket.until_closed() => break code,
                    () = tokio::time::sleep(DRIP) => {}
                }
                if socket.write(&wire::next_fragment(" ")).await.is_err() {
                    break socket.until_closed().await;
                }
            };
            Ok(ended(began, code))
        }
        Kind::Mute => {
            let mut stream = TcpStream::connect(room.address).await?;
            wire::upgrade(&mut stream, &room.authority, &path, &door.token).await?;
            let began = clock::now();
            until_ended(&mut stream).await;
            Ok(ended(began, None))
        }
        Kind::Handshake | Kind::Drip => {
            let mut stream = TcpStream::connect(room.address).await?;
            let began = clock::now();
            stream
                .write_all(format!("GET {path} HTTP/1.1\r\nHost: {}\r\nX: ", room.authority).as_bytes())
                .await?;
            loop {
                tokio::select! {
                    () = until_ended(&mut stream) => break,
                    () = tokio::time::sleep(DRIP), if kind == Kind::Drip => {}
                }
                if stream.write_all(b"x").await.is_err() {
                    break;
                }
            }
            Ok(ended(began, None))
        }
    }
}

async fn until_ended(stream: &mut TcpStream) {
    let mut buffer = [0; 1_024];
    while !matches!(stream.read(&mut buffer).await, Ok(0) | Err(_)) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_lets_them_go_on_is_found() {
        let ended = |kind, seconds, code| Ended { kind, after: Duration::from_secs(seconds), code };
        assert!(ended(Kind::Commands, 1, Some(PROTOCOL_ERROR)).as_it_should());
        assert!(!ended(Kind::Commands, 1, None).as_it_should(), "it vanished, or was not told why");
        assert!(!ended(Kind::Pings, 3, Some(PROTOCOL_ERROR)).as_it_should());
        assert!(ended(Kind::Mute, 6, None).as_it_should());
        assert!(!ended(Kind::Mute, 8, None).as_it_should());
        assert!(ended(Kind::Drip, 11, None).as_it_should());
        assert!(!ended(Kind::Fragments, 13, None).as_it_should());
    }
}
