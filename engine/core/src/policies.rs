//! Rules as data (3.6): what agencies and years decide differently, shown to everybody before the session.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// Most extension steps offered to an administrator: more would not be a choice but a slider.
pub const EXTENSION_STEPS_MAX: usize = 6;
/// Longest extension at a time.
pub const EXTENSION_MAX: Millis = Millis::from_minutes(30);

/// What may be decided per amphi; frozen with the list when the amphi is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    /// When somebody whose turn is over may still choose.
    pub late: LatePolicy,
    /// Whether a turn may open before its convoked time, once the one before is over. Whoever is called
    /// early loses nothing: the turn lasts at least until the end of the one convoked.
    pub early_opening: bool,
    /// Whether interns may be represented (A5).
    pub proxies: ProxyPolicy,
    /// Whether wishes may be committed when a turn expires (3.5).
    pub safety_net: bool,
    /// How participants see one another; administrators see names in any case.
    pub names: NamesPolicy,
    /// Who may watch besides participants and administrators.
    pub watching: WatchingPolicy,
    /// By how much a turn may be extended at a time, in ms, shortest first.
    pub extension_steps: Vec<Millis>,
    /// Whether, after the last turn, anyone placed may exchange their seat for a free one.
    pub vacancy_round: bool,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            late: LatePolicy::Now,
            early_opening: false,
            proxies: ProxyPolicy::Off,
            safety_net: false,
            names: NamesPolicy::Pseudonyms,
            watching: WatchingPolicy::WithLink,
            extension_steps: [1, 2, 5].map(Millis::from_minutes).to_vec(),
            vacancy_round: false,
        }
    }
}

impl Policies {
    /// Whether these can be applied.
    pub(crate) fn are_usable(&self) -> bool {
        let steps = &self.extension_steps;
        steps.len() <= EXTENSION_STEPS_MAX
            && steps.iter().all(|step| (Millis::from_secs(10)..=EXTENSION_MAX).contains(step))
            && steps.windows(2).all(|pair| pair[0] < pair[1])
    }
}

/// When somebody whose turn is over may still choose (3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LatePolicy {
    /// At once, among what remains (A4); the last seat of a post waits for an open turn (3.3).
    Now,
    /// Every late choice waits for the end of the turn in progress.
    AfterCurrentTurn,
    /// Only once the last turn is over.
    EndOfSession,
    /// Not any more: an administrator may assign them.
    Forfeit,
}

/// Whether interns may be represented (3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyPolicy {
    /// No.
    Off,
    /// Yes.
    On,
    /// Yes; the holder must file the signed document before choosing.
    WithDocument,
}

/// How participants see one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamesPolicy {
    /// By rank and pseudonym.
    Pseudonyms,
    /// By name.
    Names,
}

/// Who may watch besides participants and administrators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WatchingPolicy {
    /// Nobody.
    Nobody,
    /// Whoever has the link of the public screen.
    WithLink,
    /// Everybody.
    Everybody,
}
