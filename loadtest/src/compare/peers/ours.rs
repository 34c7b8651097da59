//! Our server, the real one: authentication, journal, presence and limits are on. A publication is the choice of an intern
//! who has passed, over a connection of their own, durable before anybody hears of it; the others are spectators. All
//! are signed in by their links.
//!
//! What its CPU pays for beside the deliveries: reading and deciding commands, the journal's statements (Postgres itself is
//! told apart), acknowledgements and receipts.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context, Result, bail, ensure};
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Dialect, Heard, Host, Publication, Running, Tell};
use crate::client::Viewer;
use crate::clock;
use crate::command::{Action, Answer};
use crate::compare::ledger::Reader;
use crate::compare::stage::Stage;
use crate::door::{Door, Doors};
use crate::reactor::{Request, Target};
use crate::room::Room;
use crate::server_process::{Import, Launch, ServerProcess};
use crate::synthetic;
use crate::wire;

/// Starts, fills and stops it: see the head of this file.
pub struct OurServer {
    /// Which binary.
    pub binary: PathBuf,
}

impl OurServer {
    /// What it is.
    pub fn about() -> String {
        "the real server: authentication, journal, presence and limits on; interns' choices".to_owned()
    }

    /// Why it cannot be tried here, when it cannot.
    pub fn missing(&self) -> Option<String> {
        (!self.binary.is_file())
            .then(|| format!("no server at {}: build it, or name it", self.binary.display()))
    }

    /// Starts it with an amphi in which `choosers` interns have passed, and choose late: independently, in any order.
    ///
    /// # Errors
    /// When it does not start, or an intern cannot pass.
    pub async fn start(&self, stage: &Stage, choosers: usize) -> Result<Running> {
        let mut launch = Launch::new(&self.binary, None)?;
        launch.pin_to_core = stage.server_core;
        let process = launch.start().await?;
        match open_amphi(&process, choosers).await {
            Ok(live) => {
                Ok(Running { host: Host::Ours(Box::new(process)), dialect: Box::new(live), line: None })
            }
            Err(problem) => {
                process.stop().await?;
                Err(problem)
            }
        }
    }
}

async fn open_amphi(process: &ServerProcess, choosers: usize) -> Result<Live> {
    let amphi = process.import(&import(process, choosers)?).await?;
    let doors = process.links(&amphi).await?;
    ensure!(doors.interns.len() == choosers, "{} links for {choosers} interns", doors.interns.len());
    let room = Rc::new(Room::new(&process.authority, &amphi, false).await?);
    submit(&room, &doors.administrator, Action::Open).await?;
    for door in &doors.interns {
        submit(&room, door, Action::Pass).await?;
    }
    if let Some(fault) = room.faults().0.first() {
        bail!("while everybody passed: {} {}", fault.client, fault.what);
    }
    let (authority, address) = (room.authority.clone(), room.address);
    Ok(Live { authority, address, amphi, doors, begins_at: Rc::default() })
}

async fn submit(room: &Rc<Room>, door: &Door, action: Action) -> Result<()> {
    let viewer = Viewer::new(0, door.clone(), room);
    viewer.connect().await?;
    let answer = viewer.submit(action, None).await?;
    viewer.go_away();
    ensure!(answer == Answer::Done, "{} asked to {action:?} and was answered {answer:?}", door.role);
    Ok(())
}

/// Hours that began ten days ago: every planned time has passed.
fn import(process: &ServerProcess, interns: usize) -> Result<Import> {
    let (interns_file, posts) = (process.file("interns.csv"), process.file("posts.csv"));
    std::fs::write(&interns_file, synthetic::interns_csv(interns))?;
    std::fs::write(&posts, synthetic::posts_csv(synthetic::seats_for(interns)))?;
    Ok(Import {
        interns: interns_file,
        posts,
        title: "Comparaison".to_owned(),
        period: "2027-05".to_owned(),
        time_zone: "Europe/Paris".to_owned(),
        opening: vec![format!("{} 00:00-23:00", (clock::wall() - TimeDelta::days(10)).format("%Y-%m-%d"))],
        turn: "300s".to_owned(),
    })
}

/// The live protocol.
struct Live {
    authority: String,
    address: SocketAddr,
    amphi: String,
    doors: Doors,
    /// The position of the snapshot that everybody begins with.
    begins_at: Rc<Cell<Option<u64>>>,
}

impl Live {
    /// The first viewers are the interns.
    fn door(&self, viewer: usize) -> &Door {
        self.doors.interns.get(viewer).unwrap_or(&self.doors.spectator)
    }

    fn on_snapshot(&self, frame: &[u8]) -> Result<()> {
        let head = String::from_utf8_lossy(&frame[..frame.len().min(200)]).into_owned();
        let seq =
            head.split_once("\"seq\":").map(|(_, rest)| rest.split([',', '}']).next().unwrap_or_default());
        let seq: u64 = seq.context("a snapshot without seq")?.trim().parse()?;
        let begins_at = self.begins_at.get().unwrap_or(seq);
        ensure!(
            seq == begins_at,
            "a snapshot at {seq}, while all others began at {begins_at}: changes were skipped"
        );
        self.begins_at.set(Some(seq));
        Ok(())
    }
}

/// Which post the intern of that number takes: one seat each.
fn post_of(chooser: usize) -> usize {
    chooser / synthetic::SEATS_PER_POST + 1
}

impl Dialect for Live {
    fn target(&self, viewer: usize) -> Target {
        let door = self.door(viewer);
        let request = Request {
            host: self.authority.clone(),
            path: door.role.socket_path(&self.amphi),
            headers: wire::bearer(&door.token),
        };
        Target { address: self.address, source: None, receive_buffer: None, request: Some(request) }
    }

    fn greeting(&self) -> Option<Vec<u8>> {
        Some(wire::text_frame(r#"{"type":"hello","protocol":1}"#))
    }

    fn confirms(&self) -> bool {
        true
    }

    fn hear(&self, _kept: &mut Vec<u8>, frame: &[u8], tell: Tell<'_>) -> Result<()> {
        if frame.starts_with(br#"{"type":"change""#) {
            return tell(Heard::Message(frame));
        }
        if frame.starts_with(br#"{"type":"snapshot""#) {
            self.on_snapshot(frame)?;
            return tell(Heard::Listening);
        }
        if frame.starts_with(br#"{"type":"outcome""#) || frame.starts_with(br#"{"type":"busy""#) {
            let answer: Value = serde_json::from_slice(frame)?;
            ensure!(answer["result"] == "done", "a choice was answered {answer}");
        }
        Ok(())
    }

    fn publication(&self, number: usize, _payload: &str) -> Publication {
        let command = json!({
            "type": "command", "command_id": Uuid::new_v4().to_string(), "action": "choose",
            "post": post_of(number),
        });
        // Whoever chooses is a viewer, too.
        Publication::ByViewer(number, wire::text_frame(&command.to_string()))
    }

    fn reader(&self) -> Option<Reader> {
        let begins_at = Rc::clone(&self.begins_at);
        let mut position = None;
        Some(Box::new(move |bytes| {
            let change: Value = serde_json::from_slice(bytes)?;
            let expected = position.or(begins_at.get());
            let from = change["from_seq"].as_u64();
            ensure!(from == expected, "a change from {from:?}, and everybody is at {expected:?}");
            position = Some(change["seq"].as_u64().context("a change without seq")?);
            chosen(&change)
        }))
    }
}

/// The numbers of those who chose, who are the first to be placed there.
fn chosen(change: &Value) -> Result<Vec<usize>> {
    let participants = change["participants"].as_array().context("a change without participants")?;
    let placed = participants.iter().filter(|participant| participant["standing"] == "placed");
    placed
        .map(|participant| {
            let rank = participant["rank"].as_u64().context("a participant without rank")?;
            let chooser = usize::try_from(rank)?.checked_sub(1).context("rank 0")?;
            let post = participant["post"].as_u64();
            ensure!(
                post == Some(post_of(chooser) as u64),
                "rank {rank} chose post {} and has {post:?}",
                post_of(chooser)
            );
            Ok(chooser)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_tells_who_chose() {
        let change = json!({"participants": [
            {"rank": 1, "standing": "placed", "post": 1}, {"rank": 9, "standing": "late"},
            {"rank": 5, "standing": "placed", "post": 2},
        ]});
        assert_eq!(chosen(&change).unwrap(), [0, 4]);
        let wrong = json!({"participants": [{"rank": 5, "standing": "placed", "post": 3}]});
        assert!(chosen(&wrong).unwrap_err().to_string().contains("chose post 2"));
    }
}
