//! Doors: the personal links of an amphi, and the socket each of them opens.
//!
//! Reads what `amphi links --json` prints: one object per line with `role`, `rank` and `url`. The
//! socket's address is computed from the table of `PROTOCOL.md`; [`resolve`] asks the server instead.

use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::wire;

/// What a door lets its holder do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The intern at this call rank.
    Intern(u16),
    /// Runs the session.
    Administrator,
    /// Looks on.
    Spectator,
}

impl Role {
    /// Path of the WebSocket of this role in `amphi`.
    pub fn socket_path(self, amphi: &str) -> String {
        match self {
            Self::Intern(rank) => format!("/amphi/{amphi}/rang/{rank}/direct"),
            Self::Administrator => format!("/amphi/{amphi}/regie/direct"),
            Self::Spectator => format!("/amphi/{amphi}/ecran/direct"),
        }
    }

    /// The call rank, for an intern.
    pub fn rank(self) -> Option<u16> {
        match self {
            Self::Intern(rank) => Some(rank),
            Self::Administrator | Self::Spectator => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intern(rank) => write!(f, "intern of rank {rank}"),
            Self::Administrator => f.write_str("administrator"),
            Self::Spectator => f.write_str("spectator"),
        }
    }
}

/// One personal link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// What it opens.
    pub role: Role,
    /// The secret at its end.
    pub token: String,
}

/// All the links of one amphi.
#[derive(Debug, Clone)]
pub struct Doors {
    /// By call rank, from 1.
    pub interns: Vec<Door>,
    /// The first administrator's.
    pub administrator: Door,
    /// The public screen's.
    pub spectator: Door,
}

#[derive(Deserialize)]
struct Line {
    amphi: Option<String>,
    role: String,
    rank: Option<u16>,
    url: String,
}

impl Doors {
    /// Reads the lines printed by `amphi links --json`.
    ///
    /// # Errors
    /// A line that is not such an object, a missing door, or ranks that are not 1, 2, 3…
    pub fn parse(text: &str) -> Result<Self> {
        let mut groups = Self::parse_all(text)?;
        ensure!(groups.len() <= 1, "links of several amphis");
        Ok(groups.pop().context("no link")?.1)
    }

    /// Reads the links of many amphis, as printed by `amphi links --all --json`, in that order.
    ///
    /// # Errors
    /// As [`Doors::parse`]; an amphi without interns is passed over.
    pub fn parse_all(text: &str) -> Result<Vec<(String, Self)>> {
        let mut groups: Vec<(String, Vec<Line>)> = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let line: Line = serde_json::from_str(line).with_context(|| format!("link line {line:?}"))?;
            let amphi = line.amphi.clone().unwrap_or_default();
            match groups.last_mut().filter(|(known, _)| *known == amphi) {
                Some((_, lines)) => lines.push(line),
                None => groups.push((amphi, vec![line])),
            }
        }
        groups.into_iter().map(|(amphi, lines)| Ok((amphi, Self::of(lines)?))).collect()
    }

    fn of(lines: Vec<Line>) -> Result<Self> {
        let (mut interns, mut administrator, mut spectator) = (Vec::new(), None, None);
        for line in lines {
            let token = line.url.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
            ensure!(!token.is_empty(), "a link without a token: {}", line.url);
            match (line.role.as_str(), line.rank) {
                ("intern", Some(rank)) => interns.push(Door { role: Role::Intern(rank), token }),
                ("administrator", _) => {
                    administrator.get_or_insert(Door { role: Role::Administrator, token });
                }
                ("spectator", _) => {
                    spectator.get_or_insert(Door { role: Role::Spectator, token });
                }
                (role, rank) => bail!("a link for {role:?} with rank {rank:?}"),
            }
        }
        interns.sort_by_key(|door| door.role.rank());
        for (index, door) in interns.iter().enumerate() {
            ensure!(
                door.role.rank().map(usize::from) == Some(index + 1),
                "the links skip rank {}",
                index + 1
            );
        }
        Ok(Self {
            interns,
            administrator: administrator.context("no administrator's link")?,
            spectator: spectator.context("no spectator's link")?,
        })
    }
}

/// What the server says a link opens.
#[derive(Debug, Deserialize)]
pub struct Resolved {
    /// `intern`, `administrator` or `spectator`.
    pub role: String,
    /// Which amphi.
    pub amphi: String,
    /// For an intern.
    pub rank: Option<u16>,
    /// Path of the socket.
    pub socket: String,
}

/// Asks the server at `authority` which door `token` opens.
///
/// # Errors
/// When it does not answer, or not as `PROTOCOL.md` says.
pub async fn resolve(authority: &str, token: &str) -> Result<Resolved> {
    let body = wire::get_json(authority, &format!("/entrer/{token}")).await?;
    serde_json::from_slice(&body).context("the answer to a link is not what the protocol says")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_in_any_order() {
        let doors = Doors::parse(
            r#"{"role":"intern","rank":2,"url":"http://h/entrer/b"}
               {"role":"administrator","url":"http://h/entrer/adm"}
               {"role":"intern","rank":1,"url":"http://h/entrer/a"}
               {"role":"spectator","url":"http://h/entrer/spec"}"#,
        )
        .unwrap();
        assert_eq!(doors.interns[1], Door { role: Role::Intern(2), token: "b".into() });
        assert_eq!(doors.spectator.token, "spec");
    }

    #[test]
    fn a_missing_rank_is_noticed() {
        let lines = r#"{"role":"intern","rank":2,"url":"http://h/entrer/b"}"#;
        assert!(Doors::parse(lines).unwrap_err().to_string().contains("rank 1"));
    }

    #[test]
    fn links_of_many_amphis_are_told_apart() {
        let lines: String = ["one", "two"]
            .iter()
            .map(|amphi| {
                format!(
                    r#"{{"amphi":"{amphi}","role":"administrator","url":"http://h/entrer/adm-{amphi}"}}
                       {{"amphi":"{amphi}","role":"spectator","url":"http://h/entrer/spec-{amphi}"}}
                       {{"amphi":"{amphi}","role":"intern","rank":1,"url":"http://h/entrer/i-{amphi}"}}
                    "#
                )
            })
            .collect();
        let all = Doors::parse_all(&lines).unwrap();
        let tokens: Vec<_> =
            all.iter().map(|(id, doors)| (id.as_str(), doors.interns[0].token.as_str())).collect();
        assert_eq!(tokens, [("one", "i-one"), ("two", "i-two")]);
        assert!(Doors::parse(&lines).is_err(), "one amphi was wanted");
    }
}
