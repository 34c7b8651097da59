//! Commands: sent, answered once, sent again with the same id when the answer was lost.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::client::{Phase, Viewer};
use crate::clock;
use crate::deed::{Answered, Deed};
use crate::room::count;
use crate::state::{Standing, number};
use crate::wire;

/// Random addition to `retry_after`.
const BUSY_JITTER_MS: u64 = 50;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Takes a seat of this post.
    Choose(u16),
    /// Ends one's own turn.
    Pass,
    /// Opens the session.
    Open,
    /// Ends the session.
    Close,
}

impl Action {
    fn to_message(self, id: Uuid) -> String {
        let mut message = match self {
            Self::Choose(post) => json!({"action": "choose", "post": post}),
            Self::Pass => json!({"action": "pass"}),
            Self::Open => json!({"action": "open"}),
            Self::Close => json!({"action": "close"}),
        };
        message["type"] = "command".into();
        message["command_id"] = id.to_string().into();
        message.to_string()
    }
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is in the journal.
    Done,
    /// The choice waits for the open turn to end, since this journal entry.
    Held(u64),
    /// It changed nothing; why.
    Refused(String),
    /// It was not looked at.
    Busy(Duration),
}

/// A command that was sent and not answered yet.
#[derive(Debug)]
pub struct Pending {
    reply: oneshot::Sender<Answer>,
    choice: Option<usize>,
    is_choose: bool,
}

impl Viewer {
    /// Sends `action` and waits for its answer, through `busy` and lost connections, always with the same
    /// id. `choice` is the measured choice it stands for.
    ///
    /// # Errors
    /// When no answer comes, or this client failed.
    pub async fn submit(self: &Rc<Self>, action: Action, choice: Option<usize>) -> Result<Answer> {
        self.submit_as(Uuid::new_v4(), action, choice).await
    }

    /// The same under an id of the caller's: to send a command again, or by another connection.
    ///
    /// # Errors
    /// As [`Viewer::submit`].
    pub async fn submit_as(
        self: &Rc<Self>,
        id: Uuid,
        action: Action,
        choice: Option<usize>,
    ) -> Result<Answer> {
        let patience = self.room.patience.answer;
        let frame = wire::text_frame(&action.to_message(id));
        loop {
            self.connected().await?;
            let (reply, answer) = oneshot::channel();
            let is_choose = matches!(action, Action::Choose(_));
            self.pending.borrow_mut().insert(id, Pending { reply, choice, is_choose });
            if let Some(choice) = choice {
                self.room.timing.borrow_mut().sent(choice, clock::now());
            }
            if self.write(&frame).is_err() {
                // The reading side notices and comes back; the command is sent again then.
                self.pending.borrow_mut().remove(&id);
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            }
            self.note_sent(id, action);
            match tokio::time::timeout(patience, answer).await {
                Ok(Ok(Answer::Busy(retry_after))) => {
                    count(&self.room.counts.busy);
                    let jitter = Duration::from_millis(rand::random_range(0..BUSY_JITTER_MS));
                    tokio::time::sleep(retry_after + jitter).await;
                }
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(_connection_lost)) => {}
                Err(_elapsed) => {
                    self.fail(&format!("no answer to {action:?} within {} s", patience.as_secs()));
                    bail!("{}: no answer to {action:?}", self.name());
                }
            }
        }
    }

    fn note_sent(&self, id: Uuid, action: Action) {
        count(&self.room.counts.commands);
        self.room.sent.notify_waiters();
        let mut deeds = self.room.deeds.borrow_mut();
        let deed = deeds.entry(id).or_insert_with(|| Deed {
            id,
            client: self.name(),
            rank: self.door.role.rank(),
            action,
            sent: 0,
            answers: Vec::new(),
        });
        deed.sent += 1;
    }

    fn note_answer(&self, id: Uuid, message: &Value) {
        let answer = Answered { server_life: self.room.server_life.get(), outcome: message.clone() };
        if let Some(deed) = self.room.deeds.borrow_mut().get_mut(&id) {
            deed.answers.push(answer);
        }
    }

    async fn connected(&self) -> Result<()> {
        loop {
            match self.phase() {
                Phase::Live => return Ok(()),
                Phase::Failed => bail!("{} failed", self.name()),
                Phase::Away if !self.room.reconnect => bail!("{} is not connected", self.name()),
                Phase::Away | Phase::Hello | Phase::Welcomed => self.news.notified().await,
            }
        }
    }

    pub(crate) fn on_answer(&self, kind: &str, message: &Value, now: Instant) -> Result<()> {
        let id: Uuid = message["command_id"].as_str().context("an answer without command_id")?.parse()?;
        let pending = self.pending.borrow_mut().remove(&id);
        let pending = pending.with_context(|| format!("an answer to nothing, or a second one: {message}"))?;
        let answer = if kind == "busy" {
            Answer::Busy(Duration::from_millis(number(message, "retry_after")?))
        } else {
            self.note_answer(id, message);
            self.outcome(message, &pending, now)?
        };
        // Nobody waiting any more is no fault: the scenario has ended.
        drop(pending.reply.send(answer));
        Ok(())
    }

    fn outcome(&self, message: &Value, pending: &Pending, now: Instant) -> Result<Answer> {
        match message["result"].as_str() {
            Some("done") => {
                if let Some(choice) = pending.choice {
                    self.room.timing.borrow_mut().acknowledged(choice, now);
                }
                let seq = number(message, "seq")?;
                self.room.answered_seq.set(seq.max(self.room.answered_seq.get()));
                match message.get("receipt") {
                    Some(receipt @ Value::Object(_)) => self.on_receipt(receipt, Some(seq))?,
                    _ => ensure!(!pending.is_choose, "a choice was acknowledged without a receipt"),
                }
                Ok(Answer::Done)
            }
            Some("held") => {
                ensure!(pending.is_choose, "something else than a choice was held");
                count(&self.room.counts.held);
                Ok(Answer::Held(number(message, "seq")?))
            }
            Some("refused") => {
                let code = message["code"].as_str().context("a refusal without code")?;
                if code == "post_taken" {
                    count(&self.room.counts.post_taken);
                }
                Ok(Answer::Refused(code.to_owned()))
            }
            other => bail!("an outcome with result {other:?}"),
        }
    }

    /// After a choice was held by journal entry `since`: waits until it is settled; whether it brought a
    /// seat (and its receipt).
    ///
    /// Looks at the state and not for `held_refused`: a client that comes back to a snapshot never sees it.
    ///
    /// # Errors
    /// When this client fails meanwhile.
    pub async fn settled(&self, since: u64) -> Result<bool> {
        const LOOK_EVERY: Duration = Duration::from_millis(20);
        let rank = self.door.role.rank().context("only an intern's choice is held")?;
        loop {
            ensure!(self.phase() != Phase::Failed, "{} failed", self.name());
            if self.standing() == Standing::Placed && self.receipt().is_some() {
                return Ok(true);
            }
            if self.standing() == Standing::Late && self.position().is_some_and(|at| at.seq >= since) {
                let chain = self.room.chain.borrow();
                let state = chain.frontier().context("no state")?;
                if state.seq >= since && state.standing(rank) == Standing::Late && !state.is_held(rank) {
                    return Ok(false);
                }
            }
            // Nothing new in time is no error: the next look decides.
            drop(tokio::time::timeout(LOOK_EVERY, self.news.notified()).await);
        }
    }
}
