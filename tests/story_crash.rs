//! The server is killed in the middle of a turn, three times, with choices on their way (P1, P2, P3, P4, C5).
//!
//! Forty interns have let their turn pass and now choose all at once, while somebody's turn is open. Each
//! keeps what was answered, and sends again what was not. The first two kills leave Postgres the moment it
//! takes to shut down in order; the third takes it along, so that it must recover from its log.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use support::browser::Browser;
use support::client::{Client, receipt_code};
use support::house::{Amphi, House};
use support::journal::{Journal, event};
use support::processes;
use support::server::Server;
use support::waiting::{wall_clock_ms, within};
use tokio::sync::mpsc;
use uuid::Uuid;

const LATECOMERS: usize = 40;
const IN_TURN: usize = LATECOMERS + 1;
const KILLS: usize = 3;

/// One intern's choice, over as many connections as it takes.
struct Choice {
    rank: usize,
    id: Uuid,
    fields: Value,
    answer: Option<Value>,
    /// The epoch of the server that came after the kill, when it was not answered before.
    unanswered_until: Option<u64>,
}

/// What the room is told of a choice under way.
enum Step {
    Sent,
    Answered,
}

impl Choice {
    /// Half of them want the same few posts, the others look around.
    fn of(rank: usize) -> Self {
        let post = if rank.is_multiple_of(2) { rank % 8 / 2 + 1 } else { rank * 7 % 50 + 5 };
        let fields = json!({ "action": "choose", "post": post });
        Self { rank, id: Uuid::new_v4(), fields, answer: None, unanswered_until: None }
    }

    /// Sends it and waits for its answer, which may never come.
    async fn send(mut self, mut client: Client, steps: mpsc::UnboundedSender<Step>) -> Self {
        if client.command_as(self.id, &self.fields).await.is_ok() {
            let _ = steps.send(Step::Sent);
            self.answer = client.answer(self.id).await.ok();
            if self.answer.is_some() {
                let _ = steps.send(Step::Answered);
            }
        }
        self
    }

    /// Sends it again, with the same id; what was answered before is answered again.
    async fn send_again(&mut self, amphi: &Amphi) {
        let mut client = Client::intern(amphi, self.rank).await;
        client.command_as(self.id, &self.fields).await.unwrap();
        let again = client.answer(self.id).await.unwrap();
        match &self.answer {
            // A refusal changed nothing, and is not in the journal: later it may be another.
            Some(first) if first["result"] != "refused" => assert_eq!(&again, first, "rank {}", self.rank),
            Some(_) => self.answer = Some(again),
            None => {
                self.answer = Some(again);
                self.unanswered_until = client.state["epoch"].as_u64();
            }
        }
    }

    fn result(&self) -> &str {
        self.answer.as_ref().unwrap()["result"].as_str().unwrap()
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_three_kills_in_the_middle_of_a_turn() {
    let house = House::new();
    let mut server = house.serve(&[]).await;
    let address = server.address().to_owned();
    let amphi = house.import_open("lille-psychiatrie", &yesterday()).await;
    let_turns_pass(&amphi).await;
    let seats = seats(&Client::administrator(&amphi).await);

    let browser = Browser::open().await;
    browser.goto(amphi.intern(IN_TURN)).await;
    browser.sees("#mon-tour[data-etat=tour]").await;
    browser.sees("#connexion[data-etat=connecte]").await;
    browser.js("window.kept = 'since the beginning'").await;
    let loaded_at = browser.js("return performance.timeOrigin").await;

    let mut choices = Vec::new();
    let mut killed_at = Vec::new();
    for kill in 0..KILLS {
        let mut clients = Vec::new();
        for rank in (1..=LATECOMERS).filter(|rank| rank % KILLS == kill) {
            clients.push(Client::intern(&amphi, rank).await);
        }
        let deadline = Client::administrator(&amphi).await.state["turn"]["deadline"].clone();
        // The moment of the kill: nothing answered yet; something; half of it.
        let answered_before = [0, 1, clients.len() / 2][kill];
        let shown_before = browser.seq().await;
        let database_too = kill + 1 == KILLS;
        let victims = if database_too { processes::working_in(&house.cluster()) } else { Vec::new() };
        assert_eq!(!victims.is_empty(), database_too);
        let sent = kill_while_choosing(server, &victims, clients, answered_before).await;
        killed_at.push(wall_clock_ms());

        browser.sees("#connexion[data-etat=hors-ligne]").await;
        if kill == 0 {
            browser.sees_shown("#ligne-connexion").await;
        }
        server = house.serve_at(&address, &[]).await;
        let up_after_ms = wall_clock_ms() - killed_at[kill];

        let mut unanswered = 0;
        for mut choice in sent {
            unanswered += usize::from(choice.answer.is_none());
            choice.send_again(&amphi).await;
            choices.push(choice);
        }
        println!("kill {kill}: {unanswered} unanswered; in service again after {up_after_ms} ms");

        let after = Client::administrator(&amphi).await;
        assert_eq!(after.state["turn"]["rank"], IN_TURN, "the turn goes on");
        assert!(after.state["turn"]["deadline"].as_i64() > deadline.as_i64(), "the outage is given back");
        browser.sees("#connexion[data-etat=connecte]").await;
        browser.sees_seq(after.state["seq"].as_u64().unwrap()).await;
        assert!(browser.seq().await > shown_before);
        browser.sees("#mon-tour[data-etat=tour]").await;
    }
    assert_eq!(browser.js("return window.kept").await, "since the beginning");
    assert_eq!(browser.js("return performance.timeOrigin").await, loaded_at, "the page was not reloaded");

    // The turn that was killed three times ends as any other.
    browser.tap("#postes li:not([data-places='0']) .choisir").await;
    browser.tap("#confirmer").await;
    browser.sees_shown("#mon-tour[data-etat=place] #recu[data-code]").await;
    let mut receipts = vec![browser.attribute("#recu", "data-code").await.unwrap()];
    browser.close().await;

    let said = std::fs::read_to_string(house.data().join("server.log")).unwrap();
    assert!(said.contains("automatic recovery in progress"), "Postgres did not crash:\n{said}");
    let journal = house.export(&amphi.id).await;
    println!(
        "{} choices were written down by a server that did not live to say so",
        unsaid(&choices, &journal)
    );
    for choice in &choices {
        check_choice(choice, &journal);
    }
    receipts.extend(
        choices.iter().filter(|c| c.result() == "done").map(|c| receipt_code(c.answer.as_ref().unwrap())),
    );
    assert!(receipts.len() > KILLS, "a story in which hardly anybody got anything proves little");
    journal.verify(&receipts).await.success();
    check_commands(&choices, &journal);
    check_seats(&journal, &seats);
    check_time(&journal, &killed_at);

    let cluster = house.cluster();
    house.close(server).await;
    processes::all_gone_from(&cluster).await;
}

/// Opening hours that have passed, so that each turn opens as soon as the one before ends.
fn yesterday() -> String {
    let yesterday = chrono::DateTime::from_timestamp_millis(wall_clock_ms()).unwrap() - chrono::Days::new(1);
    yesterday.format("%Y-%m-%d 09:00-10:00").to_string()
}

/// Opens the session and lets the first forty turns pass; their interns may then choose at any time.
async fn let_turns_pass(amphi: &Amphi) {
    Client::administrator(amphi).await.done(json!({ "action": "open" })).await;
    for rank in 1..=LATECOMERS {
        Client::intern(amphi, rank).await.pass_in_turn().await;
    }
}

/// Everybody chooses at once; the server is killed as soon as everything is sent and so many are answered.
///
/// `victims` go first: the processes of its Postgres, when that is to crash as well.
async fn kill_while_choosing(
    server: Server,
    victims: &[i32],
    clients: Vec<Client>,
    answered_before: usize,
) -> Vec<Choice> {
    let expected = clients.len();
    let (steps, mut told) = mpsc::unbounded_channel();
    let mut choosing = Vec::new();
    for client in clients {
        let rank = usize::try_from(client.me["rank"].as_u64().unwrap()).unwrap();
        choosing.push(tokio::spawn(Choice::of(rank).send(client, steps.clone())));
    }
    drop(steps);
    let (mut sent, mut answered) = (0, 0);
    while sent < expected || answered < answered_before {
        match within("the choices go on", told.recv()).await.unwrap() {
            Step::Sent => sent += 1,
            Step::Answered => answered += 1,
        }
    }
    processes::kill_all(victims);
    server.kill_9().await;
    let mut choices = Vec::new();
    for task in choosing {
        choices.push(task.await.unwrap());
    }
    choices
}

fn seats(client: &Client) -> HashMap<u64, u64> {
    let posts = client.state["posts"].as_array().unwrap();
    posts.iter().map(|post| (post["number"].as_u64().unwrap(), post["seats"].as_u64().unwrap())).collect()
}

/// What was answered is in the journal, at the place and with the hash that the receipt names (P1).
fn check_choice(choice: &Choice, journal: &Journal) {
    let answer = choice.answer.as_ref().unwrap();
    match choice.result() {
        "done" => {
            let receipt = &answer["receipt"];
            let entry = journal.entry(receipt["seq"].as_u64().unwrap());
            assert_eq!(entry["hash"], receipt["hash"]);
            assert_eq!(entry["command_id"], json!(choice.id));
            assert_eq!(event(entry)["type"], "choice_committed");
            assert_eq!(event(entry)["rank"], choice.rank);
            assert_eq!(event(entry)["post"], receipt["post"]);
            assert_eq!(event(entry)["seat"], receipt["seat"]);
        }
        "held" => {
            let entry = journal.entry(answer["seq"].as_u64().unwrap());
            assert_eq!(entry["command_id"], json!(choice.id));
            assert_eq!(event(entry)["type"], "choice_held");
            // The turn has ended since; something became of it.
            let settled = |entry: &&Value| {
                ["choice_committed", "held_choice_refused"].contains(&event(entry)["type"].as_str().unwrap())
                    && event(entry)["rank"] == choice.rank
            };
            assert_eq!(journal.entries.iter().filter(settled).count(), 1, "rank {}", choice.rank);
        }
        "refused" => assert_eq!(answer["code"], "post_taken", "{answer}"),
        other => panic!("{other}"),
    }
}

/// How many choices were in the journal already when they were sent again.
fn unsaid(choices: &[Choice], journal: &Journal) -> usize {
    let before = |choice: &&Choice| {
        let entry = journal.entries.iter().find(|entry| entry["command_id"] == json!(choice.id));
        entry
            .zip(choice.unanswered_until)
            .is_some_and(|(entry, epoch)| entry["epoch"].as_u64().unwrap() < epoch)
    };
    choices.iter().filter(before).count()
}

/// Each command acted once at most, however often it was sent (P3).
fn check_commands(choices: &[Choice], journal: &Journal) {
    let acted = journal.commands();
    for choice in choices {
        let times = acted.get(&choice.id.to_string()).copied().unwrap_or_default();
        assert_eq!(times, usize::from(choice.result() != "refused"), "rank {}", choice.rank);
    }
}

/// Nobody has two seats, and no seat has two people (P2).
fn check_seats(journal: &Journal, seats: &HashMap<u64, u64>) {
    let (mut people, mut taken) = (HashSet::new(), HashSet::new());
    for entry in journal.of_type("choice_committed") {
        let number = |name: &str| event(entry)[name].as_u64().unwrap();
        assert!(people.insert(number("rank")), "rank {} is placed twice", number("rank"));
        assert!(taken.insert((number("post"), number("seat"))), "a seat of post {} twice", number("post"));
        assert!(number("seat") <= seats[&number("post")], "post {} is over-filled", number("post"));
    }
}

/// After each interruption the turn had at least what was left when the server was killed (P4).
fn check_time(journal: &Journal, killed_at: &[i64]) {
    let opened = journal.of_type("turn_opened").find(|entry| event(entry)["rank"] == IN_TURN).unwrap();
    let mut deadline = event(opened)["deadline"].as_i64().unwrap();
    let interruptions: Vec<&Value> = journal
        .of_type("service_interrupted")
        .filter(|entry| entry["seq"].as_u64() > opened["seq"].as_u64())
        .collect();
    assert_eq!(interruptions.len(), killed_at.len());
    for (entry, killed_at) in interruptions.into_iter().zip(killed_at) {
        let at = entry["at"].as_i64().unwrap();
        let next = event(entry)["deadline"].as_i64().unwrap();
        let (had, has) = (deadline - killed_at, next - at);
        assert!(has >= had, "{had} ms were left, {has} ms are");
        deadline = next;
    }
}
