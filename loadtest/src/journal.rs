//! The exported journal, read on our own: header, then one entry a line.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::state::number;

/// One entry.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// When, ms since 1970 on the server's clock.
    pub at: i64,
    /// Ownership epoch of the server that wrote it.
    pub epoch: u64,
    /// The id of the command that asked for it, where it is what somebody asked.
    pub command_id: Option<String>,
    /// What happened; `type` says what kind.
    pub payload: Value,
    /// The journal's hash up to here.
    pub hash: String,
}

impl Entry {
    /// The kind of entry.
    pub fn kind(&self) -> &str {
        self.payload["type"].as_str().unwrap_or_default()
    }

    /// Whose it is, where it is somebody's.
    pub fn rank(&self) -> Option<u16> {
        self.payload["rank"].as_u64().and_then(|rank| rank.try_into().ok())
    }
}

/// A choice that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Its journal entry.
    pub seq: u64,
    /// When.
    pub at: i64,
    /// Who.
    pub rank: u16,
    /// Which post.
    pub post: u64,
    /// Which of its seats.
    pub seat: u64,
    /// When in the intern's time.
    pub manner: String,
}

/// A whole journal.
#[derive(Debug, Clone)]
pub struct Journal {
    /// First line.
    pub header: Value,
    /// The rest.
    pub entries: Vec<Entry>,
    by_seq: HashMap<u64, usize>,
}

impl Journal {
    /// Reads an export.
    ///
    /// # Errors
    /// A line that is not JSON or lacks a field; entries whose numbers do not follow one another.
    pub fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let header =
            serde_json::from_str(lines.next().context("an empty journal")?).context("journal header")?;
        let entries = lines.map(entry).collect::<Result<Vec<_>>>()?;
        ensure!(!entries.is_empty(), "a journal without entries");
        for pair in entries.windows(2) {
            ensure!(pair[1].seq == pair[0].seq + 1, "entry {} follows entry {}", pair[1].seq, pair[0].seq);
            ensure!(pair[1].at >= pair[0].at, "time runs backwards at entry {}", pair[1].seq);
        }
        let by_seq = entries.iter().enumerate().map(|(index, entry)| (entry.seq, index)).collect();
        Ok(Self { header, entries, by_seq })
    }

    /// The entry of that number.
    pub fn entry(&self, seq: u64) -> Option<&Entry> {
        self.by_seq.get(&seq).map(|index| &self.entries[*index])
    }

    /// The last entry of that kind.
    ///
    /// # Errors
    /// When there is none.
    pub fn last_of(&self, kind: &str) -> Result<&Entry> {
        let found = self.entries.iter().rev().find(|entry| entry.kind() == kind);
        found.with_context(|| format!("no {kind} in the journal"))
    }

    /// Every committed choice, in order.
    ///
    /// # Errors
    /// When one lacks a field.
    pub fn assignments(&self) -> Result<Vec<Assignment>> {
        let chosen = self.entries.iter().filter(|entry| entry.kind() == "choice_committed");
        chosen
            .map(|entry| {
                Ok(Assignment {
                    seq: entry.seq,
                    at: entry.at,
                    rank: entry.rank().context("a choice without rank")?,
                    post: number(&entry.payload, "post")?,
                    seat: number(&entry.payload, "seat")?,
                    manner: entry.payload["manner"].as_str().context("a choice without manner")?.to_owned(),
                })
            })
            .collect()
    }
}

fn entry(line: &str) -> Result<Entry> {
    let value: Value = serde_json::from_str(line).with_context(|| format!("journal line {line:.80}"))?;
    let at = instant(&value["at"]).with_context(|| format!("the instant of {line:.80}"))?;
    let payload = value["payload"].clone();
    ensure!(payload["type"].is_string(), "an entry without a type: {line:.80}");
    Ok(Entry {
        seq: number(&value, "seq")?,
        at,
        epoch: value["epoch"].as_u64().unwrap_or_default(),
        command_id: value["command_id"].as_str().map(str::to_owned),
        payload,
        hash: value["hash"].as_str().context("an entry without hash")?.to_owned(),
    })
}

/// Milliseconds since 1970, from such a number or from RFC 3339.
fn instant(value: &Value) -> Option<i64> {
    let text = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis());
    value.as_i64().or_else(|| value.as_str().and_then(text))
}
