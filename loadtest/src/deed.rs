//! A deed: one command under one id, however often it was sent, and every answer to it.
//!
//! Plain data, so that an oracle can be fed with forged ones. Absent: `busy`, which says that the command was
//! not even looked at.

use serde_json::Value;
use uuid::Uuid;

use crate::command::Action;

/// See the [module](self).
#[derive(Debug, Clone)]
pub struct Deed {
    /// The command's id.
    pub id: Uuid,
    /// Who sent it.
    pub client: String,
    /// For an intern.
    pub rank: Option<u16>,
    /// What was asked.
    pub action: Action,
    /// How often it was sent.
    pub sent: u32,
    /// What was answered, in order.
    pub answers: Vec<Answered>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// Which life of the server gave it.
    pub server_life: u32,
    /// The `outcome` message, whole.
    pub outcome: Value,
}

impl Answered {
    /// `done`, `held` or `refused`.
    pub fn result(&self) -> &str {
        self.outcome["result"].as_str().unwrap_or_default()
    }

    /// Whether something happened: a refusal changes nothing, and only the server's memory holds it.
    pub fn is_effect(&self) -> bool {
        matches!(self.result(), "done" | "held")
    }
}

impl Deed {
    /// The first answer that says that something happened.
    pub fn effect(&self) -> Option<&Answered> {
        self.answers.iter().find(|answer| answer.is_effect())
    }
}
