//! A plan: everything that happens in one simulated world, as data.
//!
//! Steps are said relative to what is the case when they are played ("whoever is in turn", "a
//! millisecond before the deadline"): so most of them matter, and a plan of which steps were removed
//! still makes sense. The same plan always gives the same run.

use amphi_engine::core::{CommandId, InternId, Period, ProxyId, SafetyNet, Setup, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What the machines' clocks show when a world begins.
pub const MORNING: Timestamp = Timestamp(1_809_331_200_000);
/// The semester everybody chooses for.
pub const PERIOD: Period = Period { year: 2027, half: amphi_engine::core::Half::November };
/// Longest delay of a write after which its answer is given up (the engine's own bound).
pub const GIVE_UP_MS: u32 = amphi_engine::limits::JOURNAL_GIVE_UP_AFTER.as_millis() as u32;

/// One simulated world and what happens in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Where it came from; ids and small delays are drawn from it, too.
    pub seed: u64,
    /// Who and what there is.
    pub world: World,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// Who and what there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// Which clock the servers run by.
    pub clockwork: Clockwork,
    /// How many servers share the journal; amphis are dealt out to them in turn.
    pub servers: u8,
    /// One to three amphis, with people in common.
    pub amphis: Vec<PlannedAmphi>,
    /// Persons whose accounts speak against them when a session opens.
    #[serde(default)]
    pub ineligible: Vec<InternId>,
}

/// Which clock the servers run by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clockwork {
    /// The engine's own clock: the machine's wall clock is read once, when a server starts.
    Steady,
    /// A clock that shows whatever the wall clock shows: worse than any we ship, so that the core's own
    /// promises about time are tried, too.
    Loose,
}

/// One amphi, and how far it has come when the steps begin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedAmphi {
    /// List, posts, hours, policies.
    pub setup: Setup,
    /// How far.
    pub begun: Begun,
}

/// How far an amphi has come when the steps begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begun {
    /// It has a room and nothing else.
    Created,
    /// It has a list.
    Drafted,
    /// The list is frozen.
    Published,
    /// Turns follow one another.
    Opened,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name: command ids are drawn from it, so that they stay when other steps are removed.
    pub number: u32,
    /// When, after the step before.
    pub when: When,
    /// What.
    pub act: Act,
}

/// When a step is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// So many ms after the step before.
    After(u32),
    /// So many ms after (or before) the next deadline of an amphi, if it is near.
    AroundDeadline {
        /// Which amphi.
        amphi: u8,
        /// How long after.
        ms: i32,
    },
    /// So many ms after (or before) the announced end of the open turn.
    AroundAnnouncedEnd {
        /// Which amphi.
        amphi: u8,
        /// How long after.
        ms: i32,
    },
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Time passes.
    Wait,
    /// A device connects.
    Connect {
        /// To which amphi.
        amphi: u8,
        /// Whose it is.
        who: Onlooker,
    },
    /// A device loses its connection.
    Disconnect {
        /// Which of those that are connected.
        device: u8,
    },
    /// A device that was cut off comes back, and says where it was.
    Return {
        /// Which of those that are not connected.
        device: u8,
    },
    /// A device reads nothing any more.
    StopReading {
        /// Which.
        device: u8,
    },
    /// Every device reads again.
    ReadAgain,
    /// A device asks for a snapshot.
    Resync {
        /// Which.
        device: u8,
    },
    /// Somebody asks something.
    Ask {
        /// Of which amphi.
        amphi: u8,
        /// What.
        ask: Ask,
        /// How.
        how: How,
    },
    /// A command is sent once more, with the same id.
    Resend {
        /// How many commands ago.
        back: u8,
        /// By somebody else, who cannot have that id.
        stolen: bool,
    },
    /// Everything that was not answered is sent again.
    Retry,
    /// The next write of a server's journal suffers a fault.
    Write {
        /// Which server.
        server: u8,
        /// What becomes of it.
        fault: WriteFault,
    },
    /// The next reads of a server's journal fail.
    Read {
        /// Which server.
        server: u8,
        /// How many.
        times: u8,
    },
    /// A server's journal gives no answer for a while.
    Outage {
        /// Which server.
        server: u8,
        /// For how long.
        ms: u32,
    },
    /// `kill -9`.
    Crash {
        /// Which server.
        server: u8,
        /// How many task switches later.
        switches: u16,
        /// Whether a write that was under way still reaches the journal.
        write_lands: bool,
        /// How long until another one takes its place.
        down_ms: u32,
    },
    /// A server is stopped in good order, and another one started.
    Deploy {
        /// Which server.
        server: u8,
        /// How long that takes.
        down_ms: u32,
    },
    /// The journal takes a server for dead and another one starts, while the first goes on unaware.
    Replace {
        /// Which server.
        server: u8,
    },
    /// A machine's wall clock does something.
    Clock {
        /// Which server's machine.
        server: u8,
        /// What.
        shift: ClockShift,
    },
    /// Everything stands still, and time passes all the same (a machine that swaps, a paused guest).
    Stall {
        /// For how long.
        ms: u32,
    },
}

/// What a wall clock may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockShift {
    /// It jumps, forward or back.
    Jump {
        /// By how much.
        ms: i64,
    },
    /// It stands still.
    Freeze,
    /// It runs too fast or too slow.
    Drift {
        /// By so many millionths.
        ppm: i32,
    },
    /// It runs as it should, from what it shows.
    Steady,
}

/// What becomes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteFault {
    /// How long it takes.
    pub delay_ms: u32,
    /// What becomes of it then.
    pub fate: Fate,
}

/// How a write ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Written and answered: it was only slow.
    Written,
    /// Written, and the answer is lost.
    AnswerLost,
    /// Not written, and no answer.
    NotWritten,
    /// No answer, and it reaches the journal later, unless it is fenced by then.
    LandsLater {
        /// How much later.
        ms: u32,
    },
}

/// Who watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Onlooker {
    /// The intern of a rank (modulo the list).
    Intern(u16),
    /// An administrator.
    Administrator,
    /// Whoever holds the proxy of somebody who has given one.
    Holder(u8),
    /// The public screen.
    Spectator,
}

/// How something is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// As it should be.
    Properly,
    /// By whoever holds their proxy, if they have given one.
    ByHolder,
    /// By whoever held a proxy that was revoked, if there was one, for the one who gave it.
    ByFormerHolder,
    /// From two devices at once, with the same id.
    Twice,
    /// By somebody who has no right to.
    Wrongly,
    /// Of the server that was replaced and does not know it yet, if there is one.
    OfTheReplaced,
}

/// Whom a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// Whoever's turn is open.
    InTurn,
    /// One of those who are late.
    Late(u8),
    /// Whoever is called next.
    Next,
    /// One of those who hold a seat.
    Placed(u8),
    /// One of those who have given a proxy.
    Represented(u8),
    /// Somebody in turn or late who has a right to an extra seat.
    Supernumerary(u8),
    /// Somebody of the list (modulo its length).
    Rank(u16),
}

/// Which post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// One with seats left.
    Free(u8),
    /// One of which a single seat is left.
    LastSeat(u8),
    /// One without a seat.
    Taken(u8),
    /// Any number, one that does not exist included.
    Number(u16),
}

/// What somebody asks of an amphi.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Sets the list again.
    Draft,
    /// Freezes it.
    Publish,
    /// Opens the session.
    Open,
    /// Stops the clock.
    Suspend,
    /// Says why it is stopped.
    ExplainSuspension,
    /// Starts it again.
    Resume,
    /// Ends the session.
    Close,
    /// Ends it without effect.
    Annul,
    /// Takes a seat.
    Choose(Whom, Which),
    /// Takes a place without a seat.
    ChooseSupernumerary(Whom, Which),
    /// Takes a free seat for one's own.
    Exchange(Whom, Which),
    /// Says what one would like, best first, and when it is to be chosen by itself.
    SetWishes(Whom, Vec<Which>, SafetyNet),
    /// Names somebody who acts for them.
    GiveProxy(Whom),
    /// Files the signed document of a proxy.
    FileProxyDocument(Whom),
    /// Takes one's proxy back.
    RevokeProxy(Whom),
    /// An administrator ends it.
    RevertProxy(Whom),
    /// Takes a held choice back.
    ReleaseHeld(Whom),
    /// Ends one's own turn.
    Pass(Whom),
    /// Ends somebody's turn.
    EndTurn(Whom),
    /// Lengthens it by one of the steps.
    Extend(Whom, u8),
    /// An administrator chooses for somebody, by telephone.
    ChooseFor(Whom, Which),
    /// Adds somebody to the list.
    Add(u16),
    /// Undoes one choice.
    AnnulChoice(Whom),
    /// Undoes everything since a turn.
    Rewind(Whom),
    /// Gives somebody a seat without their choice.
    Assign(Whom, Which),
    /// Lets somebody in whose account speaks against them.
    Admit(Whom),
    /// Takes somebody out.
    Withdraw(Whom),
    /// What only the engine may ask.
    Meddle,
}

/// The amphi of an index.
pub fn amphi_id(index: usize) -> amphi_engine::core::AmphiId {
    amphi_engine::core::AmphiId(Uuid::from_u128(0xA000 + index as u128))
}

/// A person; the same number is the same person in every amphi.
pub fn person(number: u16) -> InternId {
    InternId(Uuid::from_u128(0x9000 + u128::from(number)))
}

/// The id of the command that a step of a plan sends.
pub fn command_id(seed: u64, step: u32) -> CommandId {
    CommandId(Uuid::from_u128((u128::from(mixed(seed)) << 64) | u128::from(step)))
}

/// The proxy that a step of a plan gives.
pub fn proxy_id(step: u32) -> ProxyId {
    ProxyId(Uuid::from_u128(0xB000_0000 + u128::from(step)))
}

/// Numbers that look random and are the same everywhere (splitmix64, one step).
pub fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
