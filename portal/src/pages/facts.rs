//! The amphi now: what every page says about it, derived from the public facts.
//!
//! The same sums as `assets/amphi.js`.

use std::borrow::Cow;

use amphi_engine::core::policies::LatePolicy;
use amphi_engine::core::{CallRank, Forecast, Millis, PostNumber, Snapshot, Standing, Status, Timestamp};
use amphi_engine::protocol::Me;

use super::mandate::Mandate;
use super::wording::{self, Zone, duration, say};
use super::{holder_path, intern_path};

/// How many of the last choices are shown.
const LAST_CHOICES: usize = 3;
/// Below this, the amphi is said to be on time.
const DELAY_SAID_FROM: Millis = Millis::from_minutes(1);

/// What stands in the section "the amphi now".
pub(super) struct AmphiNow {
    pub status: String,
    pub status_code: &'static str,
    pub passing: String,
    pub passing_rank: String,
    pub delay: String,
    pub delay_ms: i64,
    pub called: usize,
    pub total: usize,
    pub progress: String,
    pub last: Vec<LastChoice>,
}

/// One of the last choices.
pub(super) struct LastChoice {
    pub rank: CallRank,
    pub text: String,
    pub time: String,
    pub machine_time: String,
}

impl AmphiNow {
    pub fn of(snapshot: &Snapshot, zone: &Zone, forecasts: &[Option<Forecast>], now: Timestamp) -> Self {
        let (called, total) = (called(snapshot), snapshot.participants.len());
        Self {
            status: wording::status(&snapshot.now.status),
            status_code: wording::status_code(&snapshot.now.status),
            passing: passing(snapshot, zone, forecasts, now),
            passing_rank: snapshot.now.turn.as_ref().map_or_else(String::new, |turn| turn.rank.to_string()),
            delay: delay(snapshot.now.delay),
            delay_ms: snapshot.now.delay.0,
            called,
            total,
            progress: say(
                "amphi.progres",
                &[("faits", Cow::from(called.to_string())), ("total", Cow::from(total.to_string()))],
            ),
            last: last_choices(snapshot, zone),
        }
    }
}

/// Ranks whose turn is over.
pub(super) fn called(snapshot: &Snapshot) -> usize {
    let before = usize::from(snapshot.now.next_rank.0).saturating_sub(1);
    let open = usize::from(snapshot.now.turn.is_some());
    before.saturating_sub(open).min(snapshot.participants.len())
}

pub(super) fn delay(delay: Millis) -> String {
    if delay < DELAY_SAID_FROM {
        say("amphi.a_l_heure", &[])
    } else {
        say("amphi.retard", &[("duree", Cow::from(duration(Millis(delay.0 / 60_000 * 60_000))))])
    }
}

fn passing(snapshot: &Snapshot, zone: &Zone, forecasts: &[Option<Forecast>], now: Timestamp) -> String {
    if let Some(turn) = &snapshot.now.turn {
        let pseudonym = snapshot.participants.get(turn.rank.index()).map_or("", |p| p.pseudonym.as_str());
        return say(
            "amphi.passe",
            &[("rang", Cow::from(turn.rank.to_string())), ("pseudonyme", Cow::from(pseudonym.to_owned()))],
        );
    }
    let next =
        snapshot.participants.iter().find(|p| p.rank >= snapshot.now.next_rank && p.standing.is_waiting());
    let running = matches!(snapshot.now.status, Status::Open | Status::Published | Status::Suspended { .. });
    match next {
        None if running => say("amphi.fini", &[]),
        Some(next) if running => match forecasts.get(next.rank.index()).copied().flatten() {
            Some(forecast) => {
                let today = zone.same_day(forecast.expected, now);
                let time = zone.moment(forecast.expected, now);
                say(
                    if today { "amphi.personne.prochain" } else { "amphi.personne.prochain.jour" },
                    &[("rang", Cow::from(next.rank.to_string())), ("heure", Cow::from(time))],
                )
            }
            None => say("amphi.personne", &[]),
        },
        _ => say("amphi.personne", &[]),
    }
}

fn last_choices(snapshot: &Snapshot, zone: &Zone) -> Vec<LastChoice> {
    let mut placed: Vec<(Timestamp, CallRank, PostNumber)> = snapshot
        .participants
        .iter()
        .filter_map(|participant| match participant.standing {
            Standing::Placed { post, at, .. } => Some((at, participant.rank, post)),
            _ => None,
        })
        .collect();
    placed.sort_unstable_by(|a, b| b.cmp(a));
    let said = |(at, rank, post): (Timestamp, CallRank, PostNumber)| LastChoice {
        rank,
        text: say(
            "amphi.dernier",
            &[("rang", Cow::from(rank.to_string())), ("poste", Cow::from(post_label(post, snapshot)))],
        ),
        time: zone.time(at),
        machine_time: zone.machine(at),
    };
    placed.into_iter().take(LAST_CHOICES).map(said).collect()
}

/// "CHU Lille Huriez, PMI".
pub(super) fn post_label(post: PostNumber, snapshot: &Snapshot) -> String {
    snapshot.posts.get(post.index()).map_or_else(
        || say("poste.numero", &[("n", Cow::from(post.to_string()))]),
        |view| format!("{}, {}", view.post.establishment, view.post.service),
    )
}

/// How many people pass before `rank`, the turn in progress included.
pub(super) fn people_before(snapshot: &Snapshot, rank: CallRank) -> usize {
    let waiting = snapshot
        .participants
        .iter()
        .filter(|p| p.rank >= snapshot.now.next_rank && p.rank < rank && p.standing.is_waiting())
        .count();
    waiting + usize::from(snapshot.now.turn.as_ref().is_some_and(|turn| turn.rank < rank))
}

/// What somebody may do with a post at this moment; the core decides again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choosing {
    /// Nothing.
    No,
    /// Take it.
    Choose,
    /// Take it for the one they have (3.6).
    Exchange,
}

impl Choosing {
    /// As in `data-choix`.
    pub fn code(self) -> &'static str {
        match self {
            Self::No => "non",
            Self::Choose => "oui",
            Self::Exchange => "echange",
        }
    }
}

/// What `who` may do now.
pub(super) fn choosing(snapshot: &Snapshot, who: Who<'_>) -> Choosing {
    let standing = snapshot.participants.get(who.me.rank.index()).map(|p| p.standing);
    let kept_from_it = who.is_represented(snapshot) || who.document_is_missing();
    match standing {
        _ if snapshot.now.status != Status::Open => Choosing::No,
        Some(Standing::InTurn) if !kept_from_it => Choosing::Choose,
        Some(Standing::Late { .. }) if !kept_from_it && late_may_choose(snapshot, who) => Choosing::Choose,
        Some(Standing::Placed { .. }) if snapshot.policies.vacancy_round && turns_are_over(snapshot) => {
            Choosing::Exchange
        }
        _ => Choosing::No,
    }
}

/// The late policy (3.6) as it is by now for `who`, whose turn is over: what was put off to the end is due once
/// the end has come, and whose choice was undone has forfeited nothing.
pub(super) fn late_rule(snapshot: &Snapshot, who: Who<'_>) -> LatePolicy {
    match snapshot.policies.late {
        LatePolicy::EndOfSession if turns_are_over(snapshot) => LatePolicy::Now,
        LatePolicy::Forfeit if who.lost_their_choice(snapshot) => LatePolicy::Now,
        late => late,
    }
}

/// Whether it lets them choose at this moment; the core decides again.
pub(super) fn late_may_choose(snapshot: &Snapshot, who: Who<'_>) -> bool {
    matches!(late_rule(snapshot, who), LatePolicy::Now | LatePolicy::AfterCurrentTurn)
}

/// Whether nobody is in turn or still to be called.
pub(super) fn turns_are_over(snapshot: &Snapshot) -> bool {
    snapshot.now.turn.is_none() && !snapshot.participants.iter().any(|p| p.standing.is_waiting())
}

/// Who looks at a page of a rank: the intern, or the holder of their proxy.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub me: &'a Me,
    pub mandate: Option<&'a Mandate>,
}

impl Who<'_> {
    /// Whether only the holder acts: the turn of somebody who is represented has opened (3.4).
    pub fn is_represented(self, snapshot: &Snapshot) -> bool {
        self.mandate.is_none() && self.me.proxy.is_some() && self.me.rank < snapshot.now.next_rank
    }

    /// Whether they are late because their choice was undone, and not because they let a turn go by: after a
    /// rewind, the turn that comes again may be let go by like any other (3.7).
    pub fn lost_their_choice(self, snapshot: &Snapshot) -> bool {
        let standing = snapshot.participants.get(self.me.rank.index()).map(|p| p.standing);
        let Some(Standing::Late { since, .. }) = standing else { return false };
        self.me.undone.as_ref().is_some_and(|undone| undone.at >= since)
    }

    /// Whether the holder has to file the signed document first (3.4).
    pub fn document_is_missing(self) -> bool {
        self.mandate.is_some_and(Mandate::document_is_missing)
    }

    /// Path of their page.
    pub fn path(self, snapshot: &Snapshot) -> String {
        match self.mandate {
            None => intern_path(snapshot.amphi, self.me.rank),
            Some(_) => holder_path(snapshot.amphi, self.me.rank),
        }
    }
}

/// The rank whose turn makes a choice of the last seat of `post` by `rank` wait (3.3).
pub(super) fn would_wait_for(snapshot: &Snapshot, rank: CallRank, post: PostNumber) -> Option<CallRank> {
    let late = matches!(snapshot.participants.get(rank.index())?.standing, Standing::Late { .. });
    let last_seat = snapshot.posts.get(post.index())?.seats_left == 1;
    let every = snapshot.policies.late == LatePolicy::AfterCurrentTurn;
    let turn = snapshot.now.turn.as_ref()?;
    (late && (last_seat || every) && turn.rank != rank).then_some(turn.rank)
}
