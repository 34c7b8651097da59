//! `half-open` (S2): connections whose peer is gone without a word.
//!
//! To a server they look like clients that neither read nor answer pings, while the network takes what is sent
//! to them: that is what these do. They must be noticed, and what they held must be free again: descriptors, and
//! their interns' presence. The others must stay.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::chaos::stage::{Amphi, Cast, import, ms_since};
use crate::chaos::verdict::{Check, Verdict};
use crate::chaos::{Run, say};
use crate::client::Phase;
use crate::clock;
use crate::process_figures::ensure_descriptors;
use crate::processes::descriptors;
use crate::raw_socket::RawSocket;
use crate::room::Room;
use crate::server_process::Launch;

/// S2, as it is called in verdicts.
const NOTICED: &str = "S2 half-open connections are noticed within 30 s, and hold nothing any more";
/// See [`NOTICED`].
const NOTICED_WITHIN_MS: f64 = 30_000.0;
/// Whatever is held by then is held for ever.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(60);
/// Descriptors that come and go by themselves: connections to the database.
const OF_ITS_OWN: usize = 8;
/// Interns of the amphi; some connections are theirs, each one of another intern.
const INTERNS: usize = 20;
/// Those who stay and answer.
const WELL_BEHAVED: usize = 10;
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Plays `run.count` half-open connections at once.
///
/// # Errors
/// When it cannot be played to its end.
pub async fn play(run: &Run) -> Result<Verdict> {
    let vanishing = usize::try_from(run.count)?;
    ensure_descriptors(vanishing + WELL_BEHAVED + INTERNS)?;
    let server = Launch::new(&run.server, run.keep.as_deref())?.start().await?;
    let amphi = import(&server.launch, INTERNS, "600s", 0).await?;
    let room = Room::new(&server.authority, &amphi.id, false).await?;
    let mut presence = Presence::watch(&room, &amphi).await?;
    let stayers = Cast::only_spectators(&server.authority, &amphi, WELL_BEHAVED).await?;
    let before = descriptors(server.pid);
    let mut sockets = Vec::new();
    for number in 0..vanishing {
        let door = amphi.doors.interns.get(number).unwrap_or(&amphi.doors.spectator);
        let mut socket = RawSocket::open(&room, door, None).await?;
        // Welcomed: from now on, silence.
        socket.next_of("welcome").await?;
        sockets.push(socket);
    }
    let silent_since = clock::now();
    let with = descriptors(server.pid);
    ensure!(with >= before + vanishing, "{before} descriptors before, {with} with {vanishing} connections");
    let of_interns = vanishing.min(INTERNS);
    presence
        .until("they are here", |devices| devices.values().filter(|n| **n > 0).count() == of_interns)
        .await?;
    say("half-open", &format!("{vanishing} connections have fallen silent; {with} descriptors"));

    let mut check = Check::new(NOTICED);
    check.count("descriptors_before", before as u64);
    check.count("descriptors_with_them", with as u64);
    let (freed, gone) = tokio::join!(
        until_freed(server.pid, before + OF_ITS_OWN, silent_since),
        presence.until("they are gone", |devices| devices.values().all(|devices| *devices == 0)),
    );
    let after = descriptors(server.pid);
    check.examine(freed.is_some_and(|ms| ms <= NOTICED_WITHIN_MS), || {
        format!("after {freed:?} ms, {after} descriptors were open, {before} before")
    });
    let problem = gone.err().map(|problem| format!("{problem:#}"));
    check.examine(problem.is_none(), || problem.unwrap_or_default());
    let live = stayers.spectators.iter().filter(|viewer| viewer.phase() == Phase::Live).count();
    let reconnected = stayers.room.counts.reconnections.get();
    check.examine(live == WELL_BEHAVED && reconnected == 0, || {
        format!("{live} of {WELL_BEHAVED} who answer are still connected, {reconnected} had to come back")
    });
    check.examined = run.count;
    check.figure("all_closed_after_ms", freed.map(f64::round));
    check.count("descriptors_after", after as u64);
    say("half-open", &format!("all closed after {freed:?} ms; {after} descriptors"));
    let mut verdict = Verdict::default();
    verdict.add(check);
    drop(sockets);
    stayers.leave();
    server.stop().await?;
    Ok(verdict)
}

/// Milliseconds since `silent_since` until no more than `base` descriptors are open; `None` when that never was.
async fn until_freed(pid: u32, base: usize, silent_since: Instant) -> Option<f64> {
    while clock::now() < silent_since + GIVEN_UP_AFTER {
        if descriptors(pid) <= base {
            return Some(ms_since(silent_since));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    None
}

/// What an administrator is told of who is here.
struct Presence {
    socket: RawSocket,
    devices: HashMap<u64, u64>,
}

impl Presence {
    async fn watch(room: &Room, amphi: &Amphi) -> Result<Self> {
        let socket = RawSocket::open(room, &amphi.doors.administrator, None).await?;
        Ok(Self { socket, devices: HashMap::new() })
    }

    async fn until(&mut self, what: &str, holds: impl Fn(&HashMap<u64, u64>) -> bool) -> Result<()> {
        let hearing = async {
            while !holds(&self.devices) {
                let message: Value = serde_json::from_str(&self.socket.next_of("presence").await?)?;
                for intern in message["interns"].as_array().context("presence without interns")? {
                    let rank = intern["rank"].as_u64().context("presence without rank")?;
                    self.devices
                        .insert(rank, intern["devices"].as_u64().context("presence without devices")?);
                }
            }
            anyhow::Ok(())
        };
        let heard = tokio::time::timeout(GIVEN_UP_AFTER, hearing).await;
        heard.with_context(|| format!("the administrator was not told that {what}"))?
    }
}
