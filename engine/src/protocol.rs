//! The live protocol: every message that crosses a socket, version 1.
//!
//! JSON text frames, one message each. `PROTOCOL.md` is the page for client authors; the JSON Schema
//! beside it is generated from these types and checked by a test, so that a change of the wire shows
//! in review. Instants are UTC, whole milliseconds since 1970; durations are milliseconds.

use std::time::Duration;

use amphi_core::call_list::RankBasis;
use amphi_core::{
    AmphiId, CallRank, Chance, Change, ChoiceManner, CommandId, Ineligibility, LiveCommand, PostNumber,
    ProxyId, Rejection, SafetyNet, Supernumerary, UndoneChoice,
};
use amphi_core::{Millis, Period, Snapshot, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version spoken here; a client that says another one is closed with
/// [`CloseCode::UnsupportedProtocol`].
pub const PROTOCOL_VERSION: u32 = 1;

/// A message from a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// First message of every connection.
    Hello {
        /// [`PROTOCOL_VERSION`].
        protocol: u32,
        /// Where the client was, when it comes back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<Position>,
    },
    /// A command; answered by one [`ServerMessage::Outcome`] or [`ServerMessage::Busy`].
    Command {
        /// Made by the client (a random UUID), and the same when the command is sent again.
        command_id: CommandId,
        /// What is asked.
        #[serde(flatten)]
        command: LiveCommand,
    },
    /// Asks for the server's clock.
    Clock {
        /// Given back as it came.
        client_time: i64,
    },
    /// Asks for a snapshot: the client found a gap.
    Resync,
}

/// A position in the journal of an amphi, as a client last knew it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Position {
    /// Ownership epoch of the server it was told by.
    pub epoch: u64,
    /// Last journal entry it knows.
    pub seq: u64,
}

/// A message from the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// First message of every connection, before the snapshot or the missing changes.
    Welcome {
        /// [`PROTOCOL_VERSION`].
        protocol: u32,
        /// The server's clock now.
        server_time: Timestamp,
        /// How fast the server's clock runs against real time; 1 except in rehearsals.
        speed: f64,
        /// Where the journal stands now.
        position: Position,
        /// Whether changes since the client's position follow, instead of a snapshot.
        resumed: bool,
        /// What this connection may see and do.
        role: Role,
    },
    /// Everything public, at `seq`. Replaces whatever the client knew.
    Snapshot {
        /// Ownership epoch.
        epoch: u64,
        /// Journal entry up to which it is true.
        seq: u64,
        /// The facts.
        #[serde(flatten)]
        snapshot: Box<Snapshot>,
    },
    /// What one command changed. Applies to the state at `from_seq`, exactly.
    Change {
        /// Ownership epoch.
        epoch: u64,
        /// The client must be here; if it is not, it sends `resync`.
        from_seq: u64,
        /// The client is here afterwards.
        seq: u64,
        /// The facts.
        #[serde(flatten)]
        change: Change,
    },
    /// What only this intern, and the holder of their proxy, are told; sent after the snapshot, and again
    /// when it changes.
    Me(Box<Me>),
    /// For the intern, and the holder of their proxy: which of their wishes will probably have a seat left
    /// at their turn (3.8). Sent when they have wishes, and again whenever one of the answers changes.
    Outlook {
        /// In the order of the wishes.
        wishes: Vec<WishOutlook>,
    },
    /// What only administrators are told of participants. Whole at first, then only those that changed.
    Dossiers {
        /// By rank.
        dossiers: Vec<Dossier>,
    },
    /// Who is connected; administrators only. Whole at first, then only who changed.
    Presence {
        /// Interns whose presence is told.
        interns: Vec<Presence>,
        /// All connections of this amphi on this server, spectators included.
        connections: u32,
    },
    /// The answer to a command.
    Outcome {
        /// Which command.
        command_id: CommandId,
        /// What became of it.
        #[serde(flatten)]
        outcome: Outcome,
    },
    /// Too much is waiting; the command was not looked at. Send it again, with the same id.
    Busy {
        /// Which command.
        command_id: CommandId,
        /// When, at the earliest, in real ms; add some of your own at random.
        retry_after: Millis,
    },
    /// The server's clock.
    Clock {
        /// What the client sent.
        client_time: i64,
        /// The server's clock now.
        server_time: Timestamp,
    },
    /// Whether choices can be taken: `false` while the journal cannot be written. The clock of the
    /// turn stands still meanwhile (A10).
    Service {
        /// Whether they can.
        available: bool,
    },
}

/// What a connection may see and do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Role {
    /// An intern of the call list: sees what is public and what is their own; chooses for themselves.
    Intern {
        /// Their call rank.
        rank: CallRank,
    },
    /// The holder of a proxy: sees and does what the intern at `rank` does, for them (A5).
    Holder {
        /// Call rank of the principal.
        rank: CallRank,
        /// By which proxy.
        proxy: ProxyId,
    },
    /// Runs the session; is told who is present.
    Administrator,
    /// Sees what is public.
    Spectator,
}

/// What one intern is told about themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Me {
    /// Call rank.
    pub rank: CallRank,
    /// How the others see them.
    pub pseudonym: String,
    /// How they came to this rank.
    pub rank_basis: RankBasis,
    /// Individual extra time, in percent (A11).
    pub extra_time_percent: u16,
    /// Their right to an extra seat, if they have one (3.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supernumerary: Option<Supernumerary>,
    /// The proof of their choice, once there is one.
    pub receipt: Option<Receipt>,
    /// The proxy they have given, while it is in force (3.4).
    #[serde(default)]
    pub proxy: Option<GivenProxy>,
    /// Their wishes as last set, with the proof (3.5).
    #[serde(default)]
    pub wishes: Option<WishReceipt>,
    /// Their last choice that was undone, with the reason (3.7).
    #[serde(default)]
    pub undone: Option<UndoneChoice>,
}

/// The chance of one wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WishOutlook {
    /// Which post.
    pub post: PostNumber,
    /// Whether it will have a seat left.
    pub chance: Chance,
}

/// A proxy in force, as its principal, its holder and administrators are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GivenProxy {
    /// Since when (UTC, ms).
    pub since: Timestamp,
    /// Whether the signed document is there.
    pub document_filed: bool,
}

/// What administrators are told of one participant, besides what everybody sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dossier {
    /// Who.
    pub rank: CallRank,
    /// Their right to an extra seat.
    pub supernumerary: Option<Supernumerary>,
    /// Their proxy, while it is in force.
    pub proxy: Option<GivenProxy>,
    /// Their first wishes, at most [`WISHES_IN_DOSSIER`].
    pub first_wishes: Vec<PostNumber>,
    /// When their wishes are committed by themselves.
    pub safety_net: SafetyNet,
    /// What the eligibility check found against them.
    pub ineligible: Option<Ineligibility>,
    /// Their last choice that was undone.
    pub undone: Option<UndoneChoice>,
}

/// How many wishes a dossier shows: enough to see whether somebody will be quick.
pub const WISHES_IN_DOSSIER: usize = 3;

/// The proof of one version of somebody's wishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WishReceipt {
    /// Which amphi.
    pub amphi: AmphiId,
    /// Whose.
    pub rank: CallRank,
    /// From 1, one more each time.
    pub version: u32,
    /// Best first.
    pub wishes: Vec<PostNumber>,
    /// When the first one still free is committed by itself.
    pub safety_net: SafetyNet,
    /// When (UTC, ms).
    pub at: Timestamp,
    /// Its journal entry.
    pub seq: u64,
    /// SHA-256 of the journal up to that entry, in lower-case hexadecimal.
    pub hash: String,
}

impl WishReceipt {
    /// The receipt in one line, like [`Receipt::code`].
    pub fn code(&self) -> String {
        format!("{}:{}:{}", self.amphi, self.seq, self.hash)
    }
}

/// Presence of one intern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Presence {
    /// Who.
    pub rank: CallRank,
    /// How many connections of their own; 0 = gone.
    pub devices: u16,
    /// How many connections of the holder of their proxy.
    #[serde(default)]
    pub proxy_devices: u16,
    /// Since when this has been so (first connection, or the last one's end).
    pub since: Timestamp,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// It is in the journal, durably.
    Done {
        /// Its journal entry: the one that is what was asked. Its consequences may follow it.
        seq: u64,
        /// The proof, when the command was a choice.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt: Option<Box<Receipt>>,
        /// The proof, when the command set wishes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wishes: Option<Box<WishReceipt>>,
    },
    /// The choice is noted, durably, and waits for the open turn to end (3.3). Not final: what
    /// becomes of it comes with a later change, and `me` then carries the receipt.
    Held {
        /// Its journal entry.
        seq: u64,
        /// Which post.
        post: PostNumber,
    },
    /// It was refused and changed nothing.
    Refused {
        /// Why.
        #[serde(flatten)]
        rejection: Rejection,
    },
}

/// The proof of a choice: names one entry of the journal by its hash, and through it all before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// Which amphi.
    pub amphi: AmphiId,
    /// Its title.
    pub title: String,
    /// The semester chosen for.
    pub period: Period,
    /// Who chose.
    pub rank: CallRank,
    /// Which post.
    pub post: PostNumber,
    /// IMOTEP number of its site.
    pub imotep: String,
    /// Hospital or practice.
    pub establishment: String,
    /// Ward.
    pub service: String,
    /// Which of its seats, from 1; `None` for a supernumerary choice.
    pub seat: Option<u16>,
    /// When in the intern's time.
    pub manner: ChoiceManner,
    /// When.
    pub at: Timestamp,
    /// Journal entry of the choice.
    pub seq: u64,
    /// SHA-256 of the journal up to that entry, in lower-case hexadecimal.
    pub hash: String,
}

impl Outcome {
    /// Done at `seq`, with nothing to prove.
    pub(crate) fn done(seq: u64) -> Self {
        Self::Done { seq, receipt: None, wishes: None }
    }
}

impl Receipt {
    /// The receipt in one line, to be kept, printed, or given to `amphi verify --receipt`.
    pub fn code(&self) -> String {
        format!("{}:{}:{}", self.amphi, self.seq, self.hash)
    }
}

/// Why the server closed a socket. 4000–4499: reconnect, after a random delay; 4500–4999: do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum CloseCode {
    /// The server stops or restarts, or another server takes this amphi over.
    GoingAway = 4000,
    /// This connection did not read what it was sent.
    TooSlow = 4001,
    /// The server is full, or this account has too many connections; come back later.
    Full = 4002,
    /// Nothing heard: no `hello`, or no answer to a ping.
    Silent = 4003,
    /// A message that is not of this protocol, too long, or too many at once.
    ProtocolError = 4500,
    /// A protocol version not spoken here.
    UnsupportedProtocol = 4501,
    /// No right to be here; sign-out, revocation and blocking will close with it, too.
    NotAllowed = 4502,
}

impl CloseCode {
    /// The word that travels with the code.
    pub fn reason(self) -> &'static str {
        match self {
            Self::GoingAway => "going away",
            Self::TooSlow => "too slow",
            Self::Full => "full",
            Self::Silent => "silent",
            Self::ProtocolError => "protocol error",
            Self::UnsupportedProtocol => "unsupported protocol",
            Self::NotAllowed => "not allowed",
        }
    }
}

/// Longest random wait a client should put before reconnecting, so that all do not come at once.
pub const RECONNECT_JITTER_MAX: Duration = Duration::from_secs(3);
