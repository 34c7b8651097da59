//! "Me and my time": the one thing that matters on the intern's page, as words.
//!
//! A panel is a function of the public facts, the intern's rank, their forecast and the instant; the
//! same function is `assets/panel.js`, with the same phrases. An empty field is not shown.

use std::borrow::Cow;

use amphi_engine::core::{
    ChoiceManner, Forecast, Millis, PostNumber, Snapshot, Standing, Status, Timestamp, Turn,
};

use super::facts::{Choosing, Who, choosing, late_may_choose, late_rule, people_before, post_label};
use super::wording::{self, Zone, countdown, duration, say, say_by_late};

/// Further away than this, one is told when to come back…
const FAR: Millis = Millis::from_minutes(20);
/// …which is this long before the earliest instant.
const BE_BACK_BEFORE: Millis = Millis::from_minutes(10);
const MINUTE: i64 = 60_000;

/// The fields of `#mon-tour`; see [`super`] for the states.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Panel {
    pub state: &'static str,
    pub meaning: &'static str,
    pub label: String,
    pub time: String,
    pub machine_time: String,
    pub countdown: String,
    pub post: String,
    pub range: String,
    pub convoked: String,
    pub detail: String,
    pub advice: String,
}

/// What a panel is made from.
pub(super) struct Situation<'a> {
    pub snapshot: &'a Snapshot,
    pub who: Who<'a>,
    pub forecast: Option<Forecast>,
    pub now: Timestamp,
    pub zone: &'a Zone,
}

impl Panel {
    pub fn of(situation: &Situation<'_>) -> Self {
        let snapshot = situation.snapshot;
        let standing = snapshot
            .participants
            .get(situation.who.me.rank.index())
            .map_or(Standing::Withdrawn, |p| p.standing);
        match (&snapshot.now.status, standing) {
            (Status::Annulled { reason }, _) => annulled(reason),
            (_, Standing::Placed { .. }) => situation.placed(standing),
            (_, Standing::PlacedElsewhere) => {
                plain("ailleurs", "fait", "tour.ailleurs", "tour.ailleurs.detail")
            }
            (_, Standing::Withdrawn) => plain("retire", "arret", "tour.retire", "tour.retire.detail"),
            (Status::Closed, _) if !snapshot.round.has_turns() => {
                plain("clos", "calme", "session.close", "session.close.detail")
            }
            (Status::Closed, _) => plain("clos", "arret", "tour.clos", "tour.clos.detail"),
            (Status::Draft, _) => plain("brouillon", "calme", "tour.brouillon", "tour.brouillon.detail"),
            (Status::Suspended { reason, since }, _) => situation.suspended(standing, reason, *since),
            (_, Standing::InTurn) => situation.in_turn(),
            (_, Standing::Late { since, passed }) => situation.late(since, passed),
            (_, Standing::Waiting) if !snapshot.round.has_turns() => by_wishes(),
            (_, Standing::Waiting) => situation.waiting(),
        }
    }
}

fn plain(state: &'static str, meaning: &'static str, label: &str, detail: &str) -> Panel {
    Panel { state, meaning, label: say(label, &[]), detail: say(detail, &[]), ..Panel::default() }
}

/// In a round without turns: nobody is called, and what is wished for by the end decides (3.8).
fn by_wishes() -> Panel {
    let advice = say("session.voeux.conseil", &[]);
    Panel { advice, ..plain("voeux", "a-faire", "session.voeux", "session.voeux.detail") }
}

fn annulled(reason: &str) -> Panel {
    Panel {
        detail: say("tour.annule.detail", &[("motif", Cow::from(reason))]),
        advice: say("tour.annule.conseil", &[]),
        ..plain("annule", "arret", "tour.annule", "tour.annule.detail")
    }
}

impl Situation<'_> {
    fn waiting(&self) -> Panel {
        let Some(forecast) = self.forecast else {
            return plain("brouillon", "calme", "tour.brouillon", "tour.brouillon.detail");
        };
        let (zone, expected) = (self.zone, forecast.expected);
        let today = zone.same_day(expected, self.now);
        let (earliest, latest) =
            (zone.moment(forecast.earliest, expected), zone.moment(next_minute(forecast.latest), expected));
        let range = if zone.time(forecast.earliest) == zone.time(forecast.latest) {
            String::new()
        } else {
            say("tour.entre", &[("tot", Cow::from(earliest)), ("tard", Cow::from(latest))])
        };
        let before = people_before(self.snapshot, self.who.me.rank);
        let before_said = match before {
            0 => say("tour.devant.0", &[]),
            n => say("tour.devant", &[("n", Cow::from(n.to_string()))]),
        };
        let published = self.snapshot.now.status == Status::Published;
        let due = before == 0 && !published && expected <= self.now;
        let come_back = forecast.earliest - BE_BACK_BEFORE;
        Panel {
            state: "attente",
            meaning: "calme",
            label: if today {
                say("tour.attente", &[])
            } else {
                say("tour.attente.jour", &[("jour", Cow::from(zone.day(expected)))])
            },
            time: zone.time(expected),
            machine_time: zone.machine(expected),
            range,
            convoked: self.convoked(expected),
            detail: if published {
                say("tour.pas_ouverte", &[("devant", Cow::from(before_said))])
            } else {
                before_said
            },
            advice: if due {
                say("tour.a_l_instant", &[])
            } else if forecast.earliest - self.now > FAR {
                let key =
                    if zone.same_day(come_back, self.now) { "tour.revenir" } else { "tour.revenir.jour" };
                say(key, &[("heure", Cow::from(zone.moment(come_back, self.now)))])
            } else {
                say("tour.rester", &[])
            },
            ..Panel::default()
        }
    }

    /// The planned time, when it moved by a minute or more.
    fn convoked(&self, expected: Timestamp) -> String {
        let planned = self.snapshot.participants.get(self.who.me.rank.index()).and_then(|p| p.planned_at);
        planned
            .filter(|planned| (expected - *planned).0 >= MINUTE)
            .map_or_else(String::new, |planned| self.zone.moment(planned, expected))
    }

    fn in_turn(&self) -> Panel {
        let left = self.time_left();
        let deadline = self.snapshot.now.turn.as_ref().map_or(self.now, |turn| turn.deadline);
        let time = self.zone.time_to_the_second(deadline);
        if self.who.is_represented(self.snapshot) {
            return Panel {
                state: "represente",
                meaning: "calme",
                label: say("tour.represente", &[]),
                countdown: countdown(left),
                detail: say("tour.represente.detail", &[("heure", Cow::from(time))]),
                advice: say("tour.represente.conseil", &[]),
                ..Panel::default()
            };
        }
        Panel {
            state: "tour",
            meaning: "a-faire",
            label: say("tour.tour", &[]),
            countdown: countdown(left),
            detail: if self.who.document_is_missing() {
                say("tour.tour.document", &[])
            } else if left.0 > 0 {
                say("tour.tour.detail", &[("heure", Cow::from(time))])
            } else {
                say("tour.tour.ecoule", &[])
            },
            advice: say_by_late("tour.tour.conseil", self.snapshot.policies.late),
            ..Panel::default()
        }
    }

    fn late(&self, since: Timestamp, passed: bool) -> Panel {
        if let Some(held) = self.snapshot.now.held.iter().find(|held| held.rank == self.who.me.rank) {
            return Panel {
                state: "retenu",
                meaning: "retard",
                label: say("tour.retenu", &[]),
                post: post_label(held.post, self.snapshot),
                detail: match &self.snapshot.now.turn {
                    Some(turn) => say("tour.retenu.detail", &[("rang", Cow::from(turn.rank.to_string()))]),
                    None => say("tour.retenu.detail.sans", &[]),
                },
                advice: say("tour.retenu.conseil", &[]),
                ..Panel::default()
            };
        }
        let may = late_may_choose(self.snapshot, self.who);
        let detail = if may && self.who.is_represented(self.snapshot) {
            say("tour.retard.represente", &[])
        } else if may && self.who.document_is_missing() {
            say("tour.tour.document", &[])
        } else {
            say_by_late("tour.retard.detail", late_rule(self.snapshot, self.who))
        };
        // Of a choice that was undone one reads above: that turn did not end without one.
        let ended = if self.who.lost_their_choice(self.snapshot) {
            String::new()
        } else {
            let key = if passed { "tour.retard.passe" } else { "tour.retard.fini" };
            say(key, &[("quand", Cow::from(self.zone.when(since, self.now)))])
        };
        Panel {
            state: "retard",
            meaning: "retard",
            label: say("tour.retard", &[]),
            detail,
            advice: ended,
            ..Panel::default()
        }
    }

    fn placed(&self, standing: Standing) -> Panel {
        let Standing::Placed { post, seat, at, manner, .. } = standing else { return Panel::default() };
        let when = Cow::from(self.zone.when(at, self.now));
        let wish = self.wish_number(post).filter(|_| manner == ChoiceManner::SafetyNet);
        let detail = match wish {
            Some(n) => say("tour.place.filet", &[("quand", when), ("n", Cow::from(n.to_string()))]),
            None => {
                let key = if seat.is_some() { "tour.place.detail" } else { "tour.place.surnombre" };
                say(key, &[("quand", when), ("maniere", Cow::from(wording::manner(manner)))])
            }
        };
        let exchange = choosing(self.snapshot, self.who) == Choosing::Exchange;
        Panel {
            state: "place",
            meaning: "fait",
            label: say("tour.place", &[]),
            post: post_label(post, self.snapshot),
            detail,
            advice: say(if exchange { "tour.place.echange" } else { "tour.place.conseil" }, &[]),
            ..Panel::default()
        }
    }

    /// Which of their wishes `post` is, from 1.
    fn wish_number(&self, post: PostNumber) -> Option<usize> {
        let wishes = &self.who.me.wishes.as_ref()?.wishes;
        wishes.iter().position(|wish| *wish == post).map(|index| index + 1)
    }

    fn suspended(&self, standing: Standing, reason: &str, since: Timestamp) -> Panel {
        let time = Cow::from(self.zone.moment(since, self.now));
        let held = self.snapshot.now.held.iter().find(|held| held.rank == self.who.me.rank);
        let advice = match (standing, self.forecast, held) {
            (Standing::InTurn, ..) => {
                say("tour.suspendu.tour", &[("temps", Cow::from(duration(self.time_left())))])
            }
            (Standing::Waiting, Some(forecast), _) => {
                let expected = self.zone.when(forecast.expected, self.now);
                say("tour.suspendu.attente", &[("quand", Cow::from(expected))])
            }
            (Standing::Late { .. }, _, Some(held)) => {
                say("tour.suspendu.retenu", &[("poste", Cow::from(post_label(held.post, self.snapshot)))])
            }
            (Standing::Late { .. }, ..) => {
                say_by_late("tour.suspendu.retard", late_rule(self.snapshot, self.who))
            }
            _ => String::new(),
        };
        Panel {
            detail: say("tour.suspendu.depuis", &[("heure", time), ("motif", Cow::from(reason))]),
            advice,
            ..plain("suspendu", "arret", "tour.suspendu", "tour.suspendu")
        }
    }

    fn time_left(&self) -> Millis {
        self.snapshot.now.turn.as_ref().map_or(Millis::ZERO, |turn| time_left(turn, self.now))
    }
}

/// What is left of `turn` at `now`; what was kept, while the session is suspended (A10).
pub(super) fn time_left(turn: &Turn, now: Timestamp) -> Millis {
    turn.remaining_when_suspended.unwrap_or(turn.deadline - now).at_least_zero()
}

/// The latest instant is said as the minute after it, so that it is never too early.
fn next_minute(at: Timestamp) -> Timestamp {
    Timestamp((at.0 + MINUTE - 1).div_euclid(MINUTE) * MINUTE)
}
