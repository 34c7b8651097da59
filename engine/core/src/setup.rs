//! What is frozen when an amphi is published: its list, its posts, its hours.
//!
//! Holds no name and no address: the journal that carries it can never forget, people may.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::call_list::RankBasis;
use crate::identity::{CallRank, InternId, PostNumber};
use crate::opening::Opening;
use crate::policies::{EXTENSION_STEPS_MAX, Policies};
use crate::time::{Millis, Timestamp};
use crate::wishes::Round;

/// Longest call list: 2.5 × the largest published one (490 interns), rounded up.
pub const PARTICIPANTS_MAX: usize = 2_000;
/// Most posts of one amphi, for the same reason.
pub const POSTS_MAX: usize = 5_000;
/// Most seats of one post.
pub const SEATS_MAX: u16 = 500;
/// Lists shorter than this get the longer default turn (3.1).
pub const SHORT_LIST_BELOW: usize = 30;
/// Posts must be at least this share of the interns (law, 3.1), in percent.
pub const SEATS_PERCENT_OF_INTERNS: usize = 107;

/// The semester that is chosen for: May–October or November–April.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    /// Calendar year in which the semester begins.
    pub year: u16,
    /// Which of the two.
    pub half: Half,
}

/// The two semesters of a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Half {
    /// May to October.
    May,
    /// November to April of the next year.
    November,
}

/// The text was not `YYYY-05` or `YYYY-11`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a period is written YYYY-05 (May to October) or YYYY-11 (November to April), not {0:?}")]
pub struct PeriodError(pub String);

impl TryFrom<String> for Period {
    type Error = PeriodError;
    fn try_from(text: String) -> Result<Self, PeriodError> {
        let parsed = text.split_once('-').and_then(|(year, month)| {
            let half = match month {
                "05" => Half::May,
                "11" => Half::November,
                _ => return None,
            };
            let year = (year.len() == 4).then(|| year.parse().ok())??;
            Some(Self { year, half })
        });
        parsed.ok_or(PeriodError(text))
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        let month = match period.half {
            Half::May => "05",
            Half::November => "11",
        };
        format!("{:04}-{month}", period.year)
    }
}

impl JsonSchema for Period {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Period".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[0-9]{4}-(05|11)$",
            "description": "The semester chosen for: YYYY-05 (May to October) or YYYY-11 (November to April)."
        })
    }
}

/// One intern on the call list; their rank is their position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Who, without saying who.
    pub intern: InternId,
    /// How the other participants see them.
    pub pseudonym: String,
    /// Individual extra time (A11), in percent of the turn; 33 for a third, 0 for none.
    pub extra_time_percent: u16,
    /// How they came to this rank.
    pub rank_basis: RankBasis,
    /// Their right to an extra seat (3.3), if they have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supernumerary: Option<Supernumerary>,
}

/// A right to choose without using a seat (*surnombre*): pregnancy, illness, disability, union work (law).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Supernumerary {
    /// The semester counts: at the intern's own rank, among posts still free.
    Validating,
    /// The semester does not count: also on a post already taken.
    NonValidating,
}

/// One post: a placement site opened with one seat or more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Post {
    /// IMOTEP number of the site.
    pub imotep: String,
    /// Hospital or practice.
    pub establishment: String,
    /// Ward.
    pub service: String,
    /// Specialty (DES) it is opened for.
    pub specialty: String,
    /// Phase of training (socle, approfondissement…); empty when not given.
    pub phase: String,
    /// Seats opened.
    pub seats: u16,
    /// What the file says besides (CHU, garde, ambulatoire…).
    pub criteria: Vec<String>,
}

/// Everything that publishing freezes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Title shown to everybody.
    pub title: String,
    /// The semester chosen for.
    pub period: Period,
    /// IANA name of the amphi's own time zone.
    pub time_zone: String,
    /// When turns may open.
    pub opening: Opening,
    /// How long a turn may last, before extra time.
    pub turn_duration: Millis,
    /// The call list, in call order.
    pub participants: Vec<Participant>,
    /// The offer.
    pub posts: Vec<Post>,
    /// What the session is for.
    #[serde(default)]
    pub round: Round,
    /// What this amphi decides where agencies differ (3.6).
    #[serde(default)]
    pub policies: Policies,
}

/// What makes a setup unusable; found when it is drafted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// Nobody on the list.
    #[error("the call list is empty")]
    NoParticipant,
    /// More people than [`PARTICIPANTS_MAX`].
    #[error("the call list has {0} interns; at most {PARTICIPANTS_MAX} fit in one amphi")]
    TooManyParticipants(usize),
    /// The same intern twice.
    #[error("ranks {0} and {1} are the same intern")]
    SameInternTwice(CallRank, CallRank),
    /// No post.
    #[error("there is no post")]
    NoPost,
    /// More posts than [`POSTS_MAX`].
    #[error("there are {0} posts; at most {POSTS_MAX} fit in one amphi")]
    TooManyPosts(usize),
    /// More seats than [`SEATS_MAX`].
    #[error("post {0} has more than {SEATS_MAX} seats")]
    TooManySeats(PostNumber),
    /// A turn of no time, or longer than an hour.
    #[error("a turn lasts from 10 seconds to 1 hour")]
    TurnDuration,
    /// More than three times the turn.
    #[error("rank {0} has more than 200 % of extra time")]
    ExtraTime(CallRank),
    /// Extension steps out of order or out of bounds.
    #[error("extension steps go up, from 10 seconds to 30 minutes, and are at most {EXTENSION_STEPS_MAX}")]
    ExtensionSteps,
    /// Not an IANA name.
    #[error("{0:?} is not an IANA time zone")]
    TimeZone(String),
}

impl Setup {
    /// The default turn: 3 min, 5 min for lists under 30 (3.1).
    pub fn default_turn_duration(participants: usize) -> Millis {
        if participants < SHORT_LIST_BELOW { Millis::from_minutes(5) } else { Millis::from_minutes(3) }
    }

    /// How long the turn of `rank` may last, extra time included (A11).
    pub fn turn_duration_of(&self, rank: CallRank) -> Millis {
        let extra = u32::from(self.participants[rank.index()].extra_time_percent);
        self.turn_duration.scaled_permille(1_000 + extra * 10)
    }

    /// Seats opened, all posts together.
    pub fn seats(&self) -> usize {
        self.posts.iter().map(|post| usize::from(post.seats)).sum()
    }

    /// The seats the law asks for: 107 % of the interns, rounded up (3.1).
    pub fn seats_required(&self) -> usize {
        (self.participants.len() * SEATS_PERCENT_OF_INTERNS).div_ceil(100)
    }

    /// Every planned passage time, laid over the opening ranges (A6, A11); none in a round without turns.
    pub fn plan(&self) -> Vec<Timestamp> {
        if !self.round.has_turns() {
            return Vec::new();
        }
        let mut cursor = self.opening.ranges()[0].opens_at;
        (0..self.participants.len())
            .map(|index| {
                let planned = self.opening.first_open_from(cursor);
                cursor = planned + self.turn_duration_of(CallRank::from_index(index));
                planned
            })
            .collect()
    }

    /// Everything that would make the amphi unusable.
    ///
    /// # Errors
    /// The first [`SetupError`] found.
    pub fn validate(&self) -> Result<(), SetupError> {
        let people = self.participants.len();
        if people == 0 {
            return Err(SetupError::NoParticipant);
        }
        if people > PARTICIPANTS_MAX {
            return Err(SetupError::TooManyParticipants(people));
        }
        if self.posts.is_empty() {
            return Err(SetupError::NoPost);
        }
        if self.posts.len() > POSTS_MAX {
            return Err(SetupError::TooManyPosts(self.posts.len()));
        }
        if let Some(index) = self.posts.iter().position(|post| post.seats > SEATS_MAX) {
            return Err(SetupError::TooManySeats(PostNumber::from_index(index)));
        }
        if !(Millis::from_secs(10)..=Millis::from_minutes(60)).contains(&self.turn_duration) {
            return Err(SetupError::TurnDuration);
        }
        if let Some(index) = self.participants.iter().position(|p| p.extra_time_percent > 200) {
            return Err(SetupError::ExtraTime(CallRank::from_index(index)));
        }
        if !self.policies.are_usable() {
            return Err(SetupError::ExtensionSteps);
        }
        if self.time_zone.parse::<chrono_tz::Tz>().is_err() {
            return Err(SetupError::TimeZone(self.time_zone.clone()));
        }
        let mut seen = std::collections::BTreeMap::new();
        for (index, participant) in self.participants.iter().enumerate() {
            let rank = CallRank::from_index(index);
            if let Some(first) = seen.insert(participant.intern, rank) {
                return Err(SetupError::SameInternTwice(first, rank));
            }
        }
        Ok(())
    }
}
