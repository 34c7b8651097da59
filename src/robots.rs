//! Robots for the demonstration: interns like any other, over the public protocol.
//!
//! Each follows the amphi through its own personal link and chooses at some moment of its turn. They
//! have no door that an intern has not.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::{SinkExt as _, StreamExt as _};
use rand::RngExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::Message;
use uuid::Uuid;

/// How a robot behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Chooses during its turn.
    Punctual,
    /// Lets its turn pass, and chooses some turns later.
    Late,
}

/// One robot.
pub struct Robot {
    /// Its personal link.
    pub link: String,
    /// The path of its socket.
    pub socket: String,
    /// Its call rank.
    pub rank: u64,
    /// How it behaves.
    pub manner: Manner,
}

impl Robot {
    /// Follows the amphi until it is placed; comes back when the connection is lost.
    pub async fn run(self) {
        loop {
            match self.follow().await {
                Ok(()) => return,
                Err(error) => tracing::debug!(rank = self.rank, %error, "a robot reconnects"),
            }
            let pause = rand::rng().random_range(200..3_000);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn follow(&self) -> anyhow::Result<()> {
        let (site, token) = self.link.split_once("/entrer/").context("a link has a token")?;
        let address = format!("{}{}", site.replacen("http", "ws", 1), self.socket);
        let mut request = address.into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
        socket.send(Message::text(json!({ "type": "hello", "protocol": 1 }).to_string())).await?;
        let mut seen = Seen::default();
        let mut attempt = 0;
        loop {
            let Message::Text(text) = socket.next().await.context("the connection is lost")?? else {
                continue;
            };
            seen.take(&serde_json::from_str(&text)?);
            if seen.is_settled(self.rank) {
                return Ok(());
            }
            // One attempt per change of what it sees, after a moment of thought.
            if seen.may_choose(self) && attempt != seen.seq {
                attempt = seen.seq;
                let thinking = rand::rng().random_range(0.1..0.6) * seen.turn_ms / seen.speed;
                if self.manner == Manner::Punctual {
                    tokio::time::sleep(Duration::from_secs_f64(thinking / 1_000.0)).await;
                }
                if let Some(post) = seen.pick() {
                    let command = json!({
                        "type": "command", "command_id": Uuid::new_v4(), "action": "choose", "post": post,
                    });
                    socket.send(Message::text(command.to_string())).await?;
                }
            }
        }
    }
}

/// What a robot has seen of the amphi.
#[derive(Default)]
struct Seen {
    seq: u64,
    speed: f64,
    turn_ms: f64,
    current: Option<u64>,
    standings: Vec<String>,
    left: Vec<u64>,
}

impl Seen {
    fn take(&mut self, message: &Value) {
        match message["type"].as_str() {
            Some("welcome") => self.speed = message["speed"].as_f64().unwrap_or(1.0).max(0.001),
            Some("snapshot") => {
                let list = |name: &str| message[name].as_array().cloned().unwrap_or_default();
                self.turn_ms = message["turn_duration"].as_f64().unwrap_or(180_000.0);
                self.standings = list("participants").iter().map(|p| text(&p["standing"])).collect();
                self.left = list("posts").iter().map(|p| p["seats_left"].as_u64().unwrap_or(0)).collect();
                self.progress(message);
            }
            Some("change") => {
                for changed in message["participants"].as_array().into_iter().flatten() {
                    if let Some(standing) = slot(&mut self.standings, &changed["rank"]) {
                        *standing = text(&changed["standing"]);
                    }
                }
                for changed in message["posts"].as_array().into_iter().flatten() {
                    if let Some(left) = slot(&mut self.left, &changed["number"]) {
                        *left = changed["seats_left"].as_u64().unwrap_or(0);
                    }
                }
                self.progress(message);
            }
            _ => {}
        }
    }

    fn progress(&mut self, message: &Value) {
        self.seq = message["seq"].as_u64().unwrap_or(self.seq);
        self.current = message["turn"]["rank"].as_u64();
    }

    fn standing(&self, rank: u64) -> &str {
        usize::try_from(rank).ok().and_then(|rank| self.standings.get(rank - 1)).map_or("", String::as_str)
    }

    fn is_settled(&self, rank: u64) -> bool {
        matches!(self.standing(rank), "placed" | "placed_elsewhere" | "withdrawn")
    }

    fn may_choose(&self, robot: &Robot) -> bool {
        match robot.manner {
            Manner::Punctual => self.current == Some(robot.rank) || self.standing(robot.rank) == "late",
            Manner::Late => {
                self.standing(robot.rank) == "late" && self.current.is_some_and(|rank| rank > robot.rank + 3)
            }
        }
    }

    /// One of the first posts with a seat left: people mostly want the same ones.
    fn pick(&self) -> Option<usize> {
        let free: Vec<usize> =
            self.left.iter().enumerate().filter(|(_, left)| **left > 0).map(|(index, _)| index + 1).collect();
        let among = free.len().min(8);
        (among > 0).then(|| free[rand::rng().random_range(0..among)])
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn slot<'a, T>(list: &'a mut [T], number: &Value) -> Option<&'a mut T> {
    list.get_mut(usize::try_from(number.as_u64()?).ok()?.checked_sub(1)?)
}
