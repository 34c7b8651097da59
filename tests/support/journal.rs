//! An exported journal, read as any outsider would.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::Value;

use super::server::{Said, amphi};

/// The file, and its entries.
pub struct Journal {
    pub path: PathBuf,
    pub entries: Vec<Value>,
}

impl Journal {
    /// Reads the file; its first line is the header.
    pub fn read(path: PathBuf) -> Self {
        let text = std::fs::read_to_string(&path).unwrap();
        let entries = text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { path, entries }
    }

    /// What `amphi verify` says of it and of these receipts.
    pub async fn verify(&self, receipts: &[String]) -> Said {
        let mut arguments = vec!["verify", self.path.to_str().unwrap(), "--allocation"];
        for receipt in receipts {
            arguments.extend(["--receipt", receipt]);
        }
        amphi(&arguments).await
    }

    /// The entry at `seq`.
    pub fn entry(&self, seq: u64) -> &Value {
        let entry = &self.entries[usize::try_from(seq).unwrap() - 1];
        assert_eq!(entry["seq"], seq);
        entry
    }

    /// The entries whose event has this type.
    pub fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.entries.iter().filter(move |entry| event(entry)["type"] == kind)
    }

    /// How many entries each command id has caused first.
    pub fn commands(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for id in self.entries.iter().filter_map(|entry| entry["command_id"].as_str()) {
            *counts.entry(id.to_owned()).or_default() += 1;
        }
        counts
    }
}

/// What happened, of an entry.
pub fn event(entry: &Value) -> &Value {
    &entry["payload"]
}
