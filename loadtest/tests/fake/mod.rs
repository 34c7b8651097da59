//! A small server of our own that speaks the live protocol, honestly or with one planted bug.
//!
//! It exists to test the generator: a checker that never objects proves nothing. It has no clock: a turn
//! ends by a choice or a pass, and the next one opens at once.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

pub const AMPHI: &str = "01980000-0000-7000-8000-000000000001";
/// The connection that a bug befalls.
const VICTIM: usize = 7;
/// The change at which it does.
const AT_CHANGE: u64 = 20;

/// What is wrong with this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    None,
    /// One client is not told one change.
    Loses,
    /// One client is told one change twice.
    Repeats,
    /// One client is told two changes the other way round.
    Reorders,
    /// One client is told another number of seats than the others.
    LiesToOne,
    /// Everybody is told a number of seats that the next snapshot does not confirm.
    LiesToAll,
    /// One choice is acknowledged and never told to anybody.
    AcknowledgesOnly,
    /// One receipt names another seat than the change.
    WrongReceipt,
    /// One choice is answered twice.
    AnswersTwice,
    /// One connection is closed.
    Drops,
    /// One change begins elsewhere than where everybody is.
    WrongFromSeq,
    /// Who comes back is told that nothing is missing, and one change is.
    ResumesWithAHole,
}

pub struct Fake {
    bug: Bug,
    state: Value,
    seq: u64,
    changes: u64,
    sessions: Vec<Session>,
    told: Vec<(u64, String)>,
}

struct Session {
    outbox: UnboundedSender<Message>,
    rank: Option<u64>,
    withheld: Option<String>,
}

/// Starts it; the address, and a file with its links.
pub async fn start(bug: Bug, interns: u64) -> (String, PathBuf) {
    let participants: Vec<_> = (1..=interns)
        .map(|rank| {
            json!({"rank": rank, "pseudonym": format!("p{rank}"), "planned_at": rank, "turn_duration": 1000,
                   "standing": "waiting"})
        })
        .collect();
    let posts: Vec<_> = (1..=interns)
        .map(|number| json!({"number": number, "service": "s", "seats": 3, "seats_left": 3}))
        .collect();
    let state = json!({
        "amphi": AMPHI, "title": "t", "period": "2027-05", "time_zone": "Europe/Paris", "opening": [],
        "turn_duration": 1000, "grace": 2000, "participants": participants, "posts": posts,
        "status": "published", "turn": null, "next_rank": 1, "delay": 0, "pace_permille": 600, "held": [], "at": 0,
    });
    let fake = Fake { bug, state, seq: 2, changes: 0, sessions: Vec::new(), told: Vec::new() };
    let fake = Rc::new(RefCell::new(fake));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(serve(Rc::clone(&fake), stream));
        }
    });
    let mut links = format!(
        "{}\n{}\n",
        json!({"role": "administrator", "url": format!("http://{authority}/entrer/adm")}),
        json!({"role": "spectator", "url": format!("http://{authority}/entrer/spec")}),
    );
    for rank in 1..=interns {
        let url = format!("http://{authority}/entrer/i{rank}");
        links += &format!("{}\n", json!({"role": "intern", "rank": rank, "url": url}));
    }
    let file = std::env::temp_dir().join(format!("links-{}.jsonl", uuid::Uuid::new_v4()));
    std::fs::write(&file, links).unwrap();
    (authority, file)
}

async fn serve(fake: Rc<RefCell<Fake>>, mut stream: TcpStream) {
    let mut first = [0; 12];
    while stream.peek(&mut first).await.unwrap_or(12) < 12 {}
    if first == *b"GET /entrer/" {
        // Closing with a request unread would reset the connection.
        drop(stream.read(&mut [0; 1024]).await);
        let body =
            json!({"role": "spectator", "amphi": AMPHI, "socket": format!("/amphi/{AMPHI}/ecran/direct")});
        let body = body.to_string();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        drop(stream.write_all((head + &body).as_bytes()).await);
        return;
    }
    let mut path = String::new();
    #[allow(clippy::result_large_err, reason = "the library's type")]
    let accepted = tokio_tungstenite::accept_hdr_async(stream, |request: &Request, response: Response| {
        path = request.uri().path().to_owned();
        Ok(response)
    });
    let Ok(socket) = accepted.await else { return };
    let rank = path.strip_suffix("/direct").and_then(|path| path.rsplit('/').next()?.parse().ok());
    let (mut sink, mut messages) = socket.split();
    let (outbox, mut inbox): (_, UnboundedReceiver<Message>) = unbounded_channel();
    tokio::task::spawn_local(async move {
        while let Some(message) = inbox.recv().await {
            if sink.send(message).await.is_err() {
                return;
            }
        }
        drop(sink.close().await);
    });
    let mut session = None;
    while let Some(Ok(message)) = messages.next().await {
        let Ok(text) = message.to_text() else { continue };
        let Ok(message) = serde_json::from_str::<Value>(text) else { continue };
        let mut fake = fake.borrow_mut();
        match message["type"].as_str() {
            Some("hello") => session = Some(fake.hello(&message, outbox.clone(), rank)),
            Some("command") => fake.command(session.unwrap(), &message),
            _ => {}
        }
    }
}

fn text(message: &Value) -> Message {
    Message::text(message.to_string())
}

impl Fake {
    fn hello(&mut self, message: &Value, outbox: UnboundedSender<Message>, rank: Option<u64>) -> usize {
        let resume = message["resume"]["seq"].as_u64();
        let welcome = json!({
            "type": "welcome", "protocol": 1, "server_time": 1_000, "speed": 1.0,
            "position": {"epoch": 1, "seq": self.seq}, "resumed": resume.is_some(), "role": "spectator",
        });
        outbox.send(text(&welcome)).unwrap();
        match resume {
            Some(seq) => {
                let hole = self.bug == Bug::ResumesWithAHole;
                for (_, change) in self.told.iter().filter(|told| told.0 >= seq).skip(usize::from(hole)) {
                    outbox.send(Message::text(change.clone())).unwrap();
                }
            }
            None => {
                let mut snapshot = self.state.clone();
                snapshot["type"] = "snapshot".into();
                snapshot["epoch"] = 1.into();
                snapshot["seq"] = self.seq.into();
                outbox.send(text(&snapshot)).unwrap();
            }
        }
        self.sessions.push(Session { outbox, rank, withheld: None });
        self.sessions.len() - 1
    }

    fn command(&mut self, session: usize, message: &Value) {
        let rank = self.sessions[session].rank;
        let mut done = json!({"type": "outcome", "command_id": message["command_id"], "result": "done"});
        let bug = (self.changes + 1 == AT_CHANGE).then_some(self.bug);
        match (message["action"].as_str(), rank) {
            (Some("open"), None) => {
                self.state["status"] = "open".into();
                let opened = self.call(1);
                self.tell(&[opened], &[]);
            }
            (Some("pass"), Some(rank)) => {
                let late = json!({"rank": rank, "standing": "late", "since": 5, "passed": true});
                self.stand(rank, &late);
                let opened = self.call(rank + 1);
                self.tell(&[late, opened], &[]);
            }
            (Some("choose"), Some(rank)) => {
                let post = message["post"].as_u64().unwrap();
                let left = self.state["posts"][post as usize - 1]["seats_left"].as_u64().unwrap();
                let (seat, at) = (4 - left, self.seq as i64);
                done["receipt"] = json!({
                    "amphi": AMPHI, "rank": rank, "post": post, "seat": seat, "manner": "in_turn", "at": at,
                    "seq": self.seq + 1, "hash": format!("{:064x}", self.seq + 1),
                });
                if bug == Some(Bug::WrongReceipt) {
                    done["receipt"]["seat"] = json!(seat + 1);
                }
                if bug == Some(Bug::AcknowledgesOnly) {
                    self.changes += 1;
                } else {
                    let placed = json!({"rank": rank, "standing": "placed", "post": post, "seat": seat, "at": at,
                                        "manner": "in_turn"});
                    self.stand(rank, &placed);
                    self.state["posts"][post as usize - 1]["seats_left"] = json!(left - 1);
                    let opened = self.call(rank + 1);
                    self.tell(&[placed, opened], &[json!({"number": post, "seats_left": left - 1})]);
                }
            }
            _ => done["result"] = "refused".into(),
        }
        done["seq"] = self.seq.into();
        let outbox = &self.sessions[session].outbox;
        outbox.send(text(&done)).unwrap();
        if bug == Some(Bug::AnswersTwice) {
            outbox.send(text(&done)).unwrap();
        }
    }

    fn stand(&mut self, rank: u64, standing: &Value) {
        let participant = self.state["participants"][rank as usize - 1].as_object_mut().unwrap();
        for field in ["standing", "since", "passed", "post", "seat", "at", "manner"] {
            participant.remove(field);
        }
        participant.extend(standing.as_object().unwrap().clone());
    }

    /// Opens the turn of `rank`, if there is such a rank.
    fn call(&mut self, rank: u64) -> Value {
        let standing = json!({"rank": rank, "standing": "in_turn"});
        if rank > self.state["participants"].as_array().unwrap().len() as u64 {
            self.state["turn"] = Value::Null;
            return Value::Null;
        }
        self.stand(rank, &standing);
        self.state["turn"] = json!({"rank": rank, "opened_at": self.seq, "deadline": 90_000});
        self.state["next_rank"] = json!(rank + 1);
        standing
    }

    fn tell(&mut self, participants: &[Value], posts: &[Value]) {
        self.changes += 1;
        let bug = (self.changes == AT_CHANGE).then_some(self.bug);
        let from_seq = self.seq;
        self.seq += 3;
        self.state["at"] = self.seq.into();
        let participants: Vec<_> = participants.iter().filter(|one| !one.is_null()).collect();
        let mut change = json!({
            "type": "change", "epoch": 1, "from_seq": from_seq, "seq": self.seq,
            "participants": participants, "posts": posts,
        });
        for field in ["status", "turn", "next_rank", "delay", "pace_permille", "held", "at"] {
            change[field] = self.state[field].clone();
        }
        let mut lie = change.clone();
        if let Some(post) = lie["posts"].get_mut(0) {
            post["seats_left"] = 77.into();
        }
        match bug {
            Some(Bug::LiesToAll) => change = lie.clone(),
            Some(Bug::WrongFromSeq) => change["from_seq"] = json!(from_seq - 1),
            _ => {}
        }
        let change = change.to_string();
        self.told.push((from_seq, change.clone()));
        for (index, session) in self.sessions.iter_mut().enumerate() {
            let bug = bug.filter(|_| index == VICTIM);
            let send = |text: &str| drop(session.outbox.send(Message::text(text)));
            match bug {
                Some(Bug::Loses) => {}
                Some(Bug::Repeats) => (0..2).for_each(|_| send(&change)),
                Some(Bug::LiesToOne) => send(&lie.to_string()),
                Some(Bug::Reorders) => session.withheld = Some(change.clone()),
                Some(Bug::Drops) => drop(session.outbox.send(Message::Close(None))),
                _ => {
                    send(&change);
                    if let Some(withheld) = session.withheld.take() {
                        send(&withheld);
                    }
                }
            }
        }
    }
}
