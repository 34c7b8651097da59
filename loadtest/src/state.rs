//! What is public of an amphi, as a client keeps it: a snapshot, overlaid with changes.
//!
//! Works on plain JSON and follows `PROTOCOL.md` to the letter; it knows no rule of the domain, so a
//! server cannot be right by our sharing its code. Absent: any memory of how a state came to be.

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

/// What belongs to a standing and goes when the standing changes.
const STANDING_FIELDS: [&str; 7] = ["standing", "since", "passed", "post", "seat", "at", "manner"];
/// What is replaced whole by every change; absent from it means absent afterwards.
const PROGRESS_FIELDS: [&str; 9] =
    ["status", "reason", "since", "turn", "next_rank", "delay", "pace_permille", "held", "at"];
/// How many differences are told.
const DIFFERENCES_MAX: usize = 5;

/// Where somebody stands, as far as a client's decisions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Their turn has not come.
    Waiting,
    /// It is their turn.
    InTurn,
    /// Their turn is over.
    Late,
    /// They hold a seat.
    Placed,
    /// They are no longer concerned, or in a way unknown to us.
    Out,
}

impl Standing {
    /// The standing of a participant, of a snapshot or a change.
    pub fn of(participant: &Value) -> Self {
        match participant["standing"].as_str() {
            Some("waiting") => Self::Waiting,
            Some("in_turn") => Self::InTurn,
            Some("late") => Self::Late,
            Some("placed") => Self::Placed,
            _ => Self::Out,
        }
    }
}

/// Everything public, at one position.
#[derive(Debug, Clone, PartialEq)]
pub struct PublicState {
    /// Journal entry up to which it is true.
    pub seq: u64,
    /// Ownership epoch it was told in.
    pub epoch: u64,
    facts: Map<String, Value>,
}

impl PublicState {
    /// Reads a `snapshot` message.
    ///
    /// # Errors
    /// When it lacks what the protocol promises.
    pub fn from_snapshot(mut message: Value) -> Result<Self> {
        let (epoch, seq) = (number(&message, "epoch")?, number(&message, "seq")?);
        let facts = message.as_object_mut().context("a snapshot that is no object")?;
        for field in ["type", "epoch", "seq"] {
            facts.remove(field);
        }
        for list in ["participants", "posts", "held", "opening"] {
            ensure!(facts.get(list).is_some_and(Value::is_array), "a snapshot without {list}");
        }
        Ok(Self { seq, epoch, facts: std::mem::take(facts) })
    }

    /// Overlays a `change` message, as `PROTOCOL.md` says.
    ///
    /// # Errors
    /// When it does not apply here, or names a rank or a post that does not exist.
    pub fn overlay(&mut self, change: &Value) -> Result<()> {
        let from_seq = number(change, "from_seq")?;
        ensure!(from_seq == self.seq, "a change from {from_seq} on a state at {}", self.seq);
        for changed in array(change, "participants")? {
            let rank = number(changed, "rank")?;
            let participant = entry(&mut self.facts, "participants", "rank", rank)?;
            for field in STANDING_FIELDS {
                participant.remove(field);
            }
            let changed = changed.as_object().context("a participant that is no object")?;
            participant.extend(changed.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        for changed in array(change, "posts")? {
            let post = entry(&mut self.facts, "posts", "number", number(changed, "number")?)?;
            post.insert("seats_left".to_owned(), changed["seats_left"].clone());
        }
        for field in PROGRESS_FIELDS {
            match change.get(field) {
                Some(value) => self.facts.insert(field.to_owned(), value.clone()),
                None => self.facts.remove(field),
            };
        }
        self.seq = number(change, "seq")?;
        self.epoch = number(change, "epoch")?;
        Ok(())
    }

    /// One public fact; null when there is none of that name.
    pub fn fact(&self, name: &str) -> &Value {
        self.facts.get(name).unwrap_or(&Value::Null)
    }

    /// The participants, in call order.
    pub fn participants(&self) -> &[Value] {
        self.fact("participants").as_array().map_or(&[], Vec::as_slice)
    }

    /// Where `rank` stands.
    pub fn standing(&self, rank: u16) -> Standing {
        self.participants().get(usize::from(rank).wrapping_sub(1)).map_or(Standing::Out, Standing::of)
    }

    /// Number and seats left of every post that has some.
    pub fn free_posts(&self) -> Vec<(u16, u64)> {
        let posts = self.fact("posts").as_array().map_or(&[][..], Vec::as_slice);
        let free = posts.iter().filter_map(|post| {
            let number = u16::try_from(post["number"].as_u64()?).ok()?;
            Some((number, post["seats_left"].as_u64().filter(|seats| *seats > 0)?))
        });
        free.collect()
    }

    /// Whether a late choice of `rank` is waiting for the open turn to end.
    pub fn is_held(&self, rank: u16) -> bool {
        let held = self.fact("held").as_array().map_or(&[][..], Vec::as_slice);
        held.iter().any(|held| held["rank"] == rank)
    }

    /// In what `self` differs from `other`, in words; empty when all facts are equal.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.seq != other.seq {
            found.push(format!("seq: {} ≠ {}", self.seq, other.seq));
        }
        compare_objects("", &self.facts, &other.facts, &mut found);
        found
    }
}

/// A non-negative whole number of a message.
///
/// # Errors
/// When it is missing or something else.
pub fn number(message: &Value, field: &str) -> Result<u64> {
    message[field].as_u64().with_context(|| format!("{field} is {} and should be a number", message[field]))
}

fn array<'a>(message: &'a Value, field: &str) -> Result<&'a [Value]> {
    let list = message[field].as_array().with_context(|| format!("{field} is missing"))?;
    Ok(list)
}

fn entry<'a>(
    facts: &'a mut Map<String, Value>,
    list: &str,
    key: &str,
    wanted: u64,
) -> Result<&'a mut Map<String, Value>> {
    let index = usize::try_from(wanted)?.wrapping_sub(1);
    let found = facts.get_mut(list).and_then(|list| list.get_mut(index));
    let found = found.filter(|found| found[key].as_u64() == Some(wanted));
    found
        .and_then(Value::as_object_mut)
        .with_context(|| format!("there is no {key} {wanted} among the {list}"))
}

fn compare(path: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
    match (one, other) {
        _ if found.len() >= DIFFERENCES_MAX || one == other => {}
        (Value::Object(one), Value::Object(other)) => compare_objects(path, one, other, found),
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                compare(&format!("{path}/{index}"), one, other, found);
            }
        }
        _ => found.push(format!("{path}: {} ≠ {}", short(one), short(other))),
    }
}

fn compare_objects(
    path: &str,
    one: &Map<String, Value>,
    other: &Map<String, Value>,
    found: &mut Vec<String>,
) {
    for (key, value) in one {
        match other.get(key) {
            Some(other) => compare(&format!("{path}/{key}"), value, other, found),
            None => found.push(format!("{path}/{key}: {} ≠ absent", short(value))),
        }
    }
    for key in other.keys().filter(|key| !one.contains_key(*key)) {
        found.push(format!("{path}/{key}: absent ≠ {}", short(&other[key])));
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 80 { format!("{}…", text.chars().take(80).collect::<String>()) } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn snapshot() -> PublicState {
        PublicState::from_snapshot(json!({
            "type": "snapshot", "epoch": 1, "seq": 4, "amphi": "a", "opening": [], "held": [],
            "participants": [{"rank": 1, "pseudonym": "x", "standing": "late", "since": 3, "passed": false}],
            "posts": [{"number": 1, "seats": 2, "seats_left": 2}],
            "status": "suspended", "reason": "panne", "since": 5, "turn": null, "next_rank": 2,
            "delay": 0, "pace_permille": 600, "at": 5,
        }))
        .unwrap()
    }

    #[test]
    fn old_standing_fields_and_old_status_fields_go() {
        let mut state = snapshot();
        let placed =
            json!({"rank": 1, "standing": "placed", "post": 1, "seat": 1, "at": 9, "manner": "late"});
        let change = json!({
            "type": "change", "epoch": 1, "from_seq": 4, "seq": 6, "participants": [placed],
            "posts": [{"number": 1, "seats_left": 1}], "status": "open", "turn": null, "next_rank": 2,
            "delay": 0, "pace_permille": 600, "held": [], "at": 9,
        });
        state.overlay(&change).unwrap();
        assert_eq!(state.participants()[0].get("since"), None);
        assert_eq!(state.fact("reason"), &Value::Null);
        assert_eq!(state.standing(1), Standing::Placed);
        assert_eq!(state.free_posts(), vec![(1, 1)]);
        assert!(state.overlay(&change).is_err(), "it does not apply twice");
    }

    #[test]
    fn differences_name_the_place() {
        let mut other = snapshot();
        other.facts["participants"][0]["standing"] = json!("placed");
        let found = snapshot().differences(&other);
        assert_eq!(found, vec![r#"/participants/0/standing: "late" ≠ "placed""#]);
    }
}
