//! A client of the live protocol, written from `engine/PROTOCOL.md`.

use std::collections::{HashMap, VecDeque};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use uuid::Uuid;

use super::house::Amphi;
use super::waiting::within;

const STANDING: [&str; 7] = ["standing", "since", "passed", "post", "seat", "at", "manner"];
const REPLACED_WHOLE: [&str; 11] = [
    "status",
    "reason",
    "since",
    "turn",
    "next_rank",
    "delay",
    "pace_permille",
    "held",
    "at",
    "seq",
    "epoch",
];

/// A connection is lost; what was sent and not answered may or may not have happened.
#[derive(Debug)]
pub struct Lost;

/// One live connection, and what it has been told.
pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    answers: VecDeque<Value>,
    pub welcome: Value,
    /// The public facts: the snapshot, with every change laid over it.
    pub state: Value,
    /// What only this intern is told.
    pub me: Value,
    /// What only administrators are told: how many connections each rank has.
    pub presence: HashMap<u64, u64>,
}

impl Client {
    /// Connects as the intern at `rank`.
    pub async fn intern(amphi: &Amphi, rank: usize) -> Self {
        Self::try_connect(amphi.intern(rank), &amphi.path(&format!("rang/{rank}"))).await.unwrap()
    }

    /// Connects as the administrator.
    pub async fn administrator(amphi: &Amphi) -> Self {
        Self::try_connect(&amphi.administrator, &amphi.path("regie")).await.unwrap()
    }

    /// Connects through a personal link to the page it opens, and waits for the snapshot.
    pub async fn try_connect(link: &str, page: &str) -> Result<Self, Lost> {
        let (site, token) = link.split_once("/entrer/").unwrap();
        let address = format!("{}{page}/direct", site.replacen("http", "ws", 1));
        let mut request = address.into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let connecting = within("a connection is made", tokio_tungstenite::connect_async(request)).await;
        let (socket, _) = connecting.map_err(|_| Lost)?;
        let mut client = Self {
            socket,
            answers: VecDeque::new(),
            welcome: Value::Null,
            state: Value::Null,
            me: Value::Null,
            presence: HashMap::new(),
        };
        client.send(&json!({ "type": "hello", "protocol": 1 })).await?;
        let first_words = async {
            while client.state.is_null()
                || (client.welcome["role"]["role"] == "intern" && client.me.is_null())
            {
                client.hear().await?;
            }
            Ok(())
        };
        within("the server tells what it knows", first_words).await?;
        Ok(client)
    }

    async fn send(&mut self, message: &Value) -> Result<(), Lost> {
        self.socket.send(Message::text(message.to_string())).await.map_err(|_| Lost)
    }

    /// Takes in the next message.
    pub async fn hear(&mut self) -> Result<(), Lost> {
        let message = within("the server says something", self.socket.next()).await;
        let Message::Text(text) = message.ok_or(Lost)?.map_err(|_| Lost)? else { return Ok(()) };
        let message: Value = serde_json::from_str(&text).unwrap();
        match message["type"].as_str().unwrap() {
            "welcome" => self.welcome = message,
            "snapshot" => self.state = message,
            "me" => self.me = message,
            "change" => self.overlay(&message),
            "presence" => {
                for intern in message["interns"].as_array().unwrap() {
                    self.presence
                        .insert(intern["rank"].as_u64().unwrap(), intern["devices"].as_u64().unwrap());
                }
            }
            "outcome" | "busy" => self.answers.push_back(message),
            _ => {}
        }
        Ok(())
    }

    fn overlay(&mut self, change: &Value) {
        assert_eq!(change["from_seq"], self.state["seq"], "a gap: {change}");
        for changed in change["participants"].as_array().unwrap() {
            let person = number(&mut self.state["participants"], &changed["rank"]).as_object_mut().unwrap();
            person.retain(|field, _| !STANDING.contains(&field.as_str()));
            person.extend(changed.as_object().unwrap().clone());
        }
        for changed in change["posts"].as_array().unwrap() {
            number(&mut self.state["posts"], &changed["number"])["seats_left"] =
                changed["seats_left"].clone();
        }
        let state = self.state.as_object_mut().unwrap();
        for field in REPLACED_WHOLE {
            match change.get(field) {
                Some(value) => drop(state.insert(field.to_owned(), value.clone())),
                None => drop(state.remove(field)),
            }
        }
    }

    /// Sends a command under `id`, without waiting for its answer.
    pub async fn command_as(&mut self, id: Uuid, fields: &Value) -> Result<(), Lost> {
        let mut message = json!({ "type": "command", "command_id": id });
        message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.send(&message).await
    }

    /// The answer to the command `id`.
    pub async fn answer(&mut self, id: Uuid) -> Result<Value, Lost> {
        // Bounded as a whole: a server that answers nothing goes on sending pings.
        within("a command is answered", async {
            loop {
                let of_it = |answer: &Value| answer["command_id"] == json!(id);
                if let Some(at) = self.answers.iter().position(of_it) {
                    return Ok(self.answers.remove(at).unwrap());
                }
                self.hear().await?;
            }
        })
        .await
    }

    /// Sends a command and waits for what became of it.
    pub async fn command(&mut self, fields: Value) -> Value {
        let id = Uuid::new_v4();
        self.command_as(id, &fields).await.unwrap();
        self.answer(id).await.unwrap()
    }

    /// Sends a command that must be done.
    pub async fn done(&mut self, fields: Value) -> Value {
        let outcome = self.command(fields.clone()).await;
        assert_eq!(outcome["result"], "done", "{fields}: {outcome}");
        outcome
    }

    /// Waits for its turn, and chooses `post`.
    pub async fn choose_in_turn(&mut self, post: u64) -> Value {
        let rank = self.me["rank"].as_u64().unwrap();
        self.until(&format!("the turn of rank {rank}"), |state| state["turn"]["rank"] == rank).await;
        self.done(json!({ "action": "choose", "post": post })).await
    }

    /// Waits for its turn, and lets it pass.
    pub async fn pass_in_turn(&mut self) -> Value {
        let rank = self.me["rank"].as_u64().unwrap();
        self.until(&format!("the turn of rank {rank}"), |state| state["turn"]["rank"] == rank).await;
        self.done(json!({ "action": "pass" })).await
    }

    /// Listens until the intern at `rank` is connected; administrators are told.
    pub async fn until_present(&mut self, rank: u64) {
        let hearing = async {
            while self.presence.get(&rank).is_none_or(|devices| *devices == 0) {
                self.hear().await.unwrap();
            }
        };
        within(&format!("rank {rank} is connected"), hearing).await;
    }

    /// Listens until `fact` is true of the public facts.
    pub async fn until(&mut self, what: &str, fact: impl Fn(&Value) -> bool) {
        let hearing = async {
            while !fact(&self.state) {
                self.hear().await.unwrap();
            }
        };
        within(what, hearing).await;
    }

    /// How the participant at `rank` stands.
    pub fn standing(&self, rank: usize) -> &str {
        self.state["participants"][rank - 1]["standing"].as_str().unwrap()
    }

    /// What is left of the turn in progress, by the server's clock at the welcome.
    pub fn turn_left_at_welcome(&self) -> i64 {
        self.state["turn"]["deadline"].as_i64().unwrap() - self.welcome["server_time"].as_i64().unwrap()
    }
}

fn number<'a>(list: &'a mut Value, from_one: &Value) -> &'a mut Value {
    let index = usize::try_from(from_one.as_u64().unwrap()).unwrap() - 1;
    &mut list[index]
}

/// The receipt of an outcome or a `me`, in one line.
pub fn receipt_code(message: &Value) -> String {
    let receipt = &message["receipt"];
    let text = |name: &str| receipt[name].as_str().unwrap().to_owned();
    format!("{}:{}:{}", text("amphi"), receipt["seq"], text("hash"))
}
