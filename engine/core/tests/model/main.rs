//! The core against a second reading of the rules, on random amphis and random commands.
//!
//! Deterministic: the seed is fixed, so a failure here fails everywhere. `AMPHI_CASES=20` plays twenty
//! times as many cases, `PROPTEST_RNG_SEED` other ones.

#![allow(clippy::unwrap_used)]

mod asking;
#[path = "../client_sum/mod.rs"]
mod client_sum;
mod futures;
mod happening;
mod promises;
mod reading;
mod rounds;
mod steps;
mod times;
mod worlds;

use amphi_core::{
    Actor, Amphi, AmphiId, CallRank, Command, Event, Moment, Rejection, Standing, Status, Timestamp,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use uuid::Uuid;

use crate::promises::{check_durations, check_forecasts, check_journal};
use crate::reading::Minutes;
use crate::steps::{Step, with_right};
use crate::worlds::{MORNING, World, worlds};

/// `cases`, times what `AMPHI_CASES` says, always from the same seed.
fn config(cases: u32) -> Config {
    let times = std::env::var("AMPHI_CASES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let default = Config::default();
    let rng_seed = match default.rng_seed {
        RngSeed::Random => RngSeed::Fixed(20_270_503),
        chosen @ RngSeed::Fixed(_) => chosen,
    };
    Config { cases: cases * times, failure_persistence: None, rng_seed, ..default }
}

/// The core, its journal, and the second reading beside it.
struct Play {
    amphi: Amphi,
    journal: Vec<(Timestamp, Event)>,
    minutes: Minutes,
    now: Timestamp,
}

impl Play {
    fn begin(world: &World) -> Self {
        let amphi = Amphi::new(AmphiId(Uuid::nil()));
        let now = Timestamp(MORNING);
        let mut play = Self { amphi, journal: vec![], minutes: Minutes::new(), now };
        let beginning = [Command::Draft(Box::new(world.setup.clone())), Command::Publish, Command::Open];
        for command in &beginning[..world.begun] {
            play.ask(with_right(command), command, now.into()).unwrap();
        }
        play
    }

    fn play(&mut self, step: &Step) -> Result<(), TestCaseError> {
        self.now = step.instant(&self.amphi, self.now);
        let (actor, command) = step.command(&self.amphi, self.now);
        self.ask(actor, &command, step.moment(self.now))
    }

    /// Asks both, and compares everything there is to compare.
    fn ask(&mut self, actor: Actor, command: &Command, moment: Moment) -> Result<(), TestCaseError> {
        let asked = format!("{command:?} by {actor:?} at {moment:?}");
        self.check_first_event(actor, command, moment, &asked)?;
        let before = self.amphi.clone();
        let answer = self.amphi.decide(actor, command, moment);
        let preview = self.amphi.preview(actor, command, moment);
        let reasons = self.minutes.ask(actor, command, moment);
        let events = match answer {
            Ok(events) => events,
            Err(refusal) => {
                let honest = reasons.contains(&refusal);
                prop_assert!(honest, "{asked}: refused {refusal:?}, which is not true of {reasons:?}");
                prop_assert_eq!(preview, Err(refusal), "{}", asked);
                return self.compare(&asked);
            }
        };
        prop_assert!(reasons.is_empty(), "{asked}: taken, in spite of {reasons:?}");
        let instant = self.amphi.event_instant(self.now);
        for event in &events {
            self.amphi.apply(instant, event);
            self.journal.push((instant, event.clone()));
        }
        prop_assert_eq!(self.amphi.check(), Ok(()), "{}", asked);
        promises::check_preview(&preview.unwrap(), &before, &self.amphi, &asked)?;
        let sent_whole = matches!(command, Command::Draft(_) | Command::Publish | Command::Add { .. });
        if let Some(mut overlaid) = before.snapshot().filter(|_| !sent_whole) {
            overlaid.overlay(&self.amphi.change(&events));
            prop_assert_eq!(Some(overlaid), self.amphi.snapshot(), "{}", asked);
        }
        self.compare(&asked)?;
        if matches!(command, Command::NotePlacedElsewhere { .. }) {
            // The one command that does not wait for what time has brought about: it comes right after.
            return self.ask(Actor::Engine, &Command::Tick, moment);
        }
        self.check_idempotent_tick(&asked)
    }

    /// Once time has passed at an instant, the first event of an answer at it is what was asked for. The
    /// room counts on it: it gives that event the command's id and reads the outcome off it.
    fn check_first_event(
        &self,
        actor: Actor,
        command: &Command,
        moment: Moment,
        asked: &str,
    ) -> Result<(), TestCaseError> {
        let mut amphi = self.amphi.clone();
        for event in amphi.decide(Actor::Engine, &Command::Tick, moment).unwrap() {
            amphi.apply(amphi.event_instant(moment.at), &event);
        }
        if let Ok(events) = amphi.decide(actor, command, moment)
            && let Some(first) = events.first()
        {
            prop_assert!(promises::is_what_was_asked(command, first), "{}: {:?}", asked, first);
        }
        Ok(())
    }

    /// After any command, time having passed changes nothing more at the same instant.
    fn check_idempotent_tick(&self, asked: &str) -> Result<(), TestCaseError> {
        let again = self.amphi.decide(Actor::Engine, &Command::Tick, self.now);
        prop_assert_eq!(again, Ok(vec![]), "{}: a tick at once still changes something", asked);
        if let Some(deadline) = self.amphi.next_deadline() {
            let just_before = deadline - amphi_core::Millis(1);
            let early = self.amphi.decide(Actor::Engine, &Command::Tick, just_before);
            // When the clock went back, the last event may lie at the deadline already.
            if just_before >= self.amphi.last_event_at() {
                prop_assert_eq!(early, Ok(vec![]), "{}: a tick before the deadline", asked);
            }
            let due = self.amphi.decide(Actor::Engine, &Command::Tick, deadline);
            prop_assert!(due.is_ok_and(|events| !events.is_empty()), "{}: a tick at the deadline", asked);
        }
        Ok(())
    }

    fn compare(&self, asked: &str) -> Result<(), TestCaseError> {
        let (amphi, minutes) = (&self.amphi, &self.minutes);
        prop_assert_eq!(amphi.status(), &minutes.status(), "{}", asked);
        prop_assert_eq!(amphi.standings(), minutes.standings(), "{}", asked);
        prop_assert_eq!(amphi.seats_left(), minutes.seats_left(), "{}", asked);
        prop_assert_eq!(amphi.held(), minutes.held(), "{}", asked);
        prop_assert_eq!(amphi.turn().cloned(), minutes.turn(), "{}", asked);
        prop_assert_eq!(amphi.last_event_at().0, minutes.last_instant(), "{}", asked);
        prop_assert_eq!(amphi.next_deadline().map(|t| t.0), minutes.next_deadline(), "{}", asked);
        prop_assert_eq!(amphi.pace_permille(), minutes.pace_permille(), "{}", asked);
        prop_assert_eq!(amphi.delay().0, minutes.delay(), "{}", asked);
        let planned: Vec<i64> = amphi.planned_at().iter().map(|t| t.0).collect();
        prop_assert_eq!(planned, minutes.planned(), "{}", asked);
        let beyond = amphi.standings().len() as u16 + 1;
        if beyond > 1 {
            prop_assert_eq!(amphi.next_rank().0, minutes.next_to_call().unwrap_or(beyond), "{}", asked);
        }
        let over = matches!(amphi.status(), Status::Closed | Status::Annulled { .. });
        for rank in (1..beyond).map(CallRank) {
            let proxy = minutes.proxy(rank.0);
            prop_assert_eq!(amphi.proxy_given(rank).copied(), proxy, "{}", asked);
            let placed = matches!(amphi.standing(rank), Some(Standing::Placed { .. }));
            prop_assert_eq!(amphi.proxy(rank).copied(), proxy.filter(|_| !placed && !over), "{}", asked);
            prop_assert_eq!(amphi.wishes(rank).cloned(), minutes.wishes(rank.0), "{}", asked);
            prop_assert_eq!(amphi.ineligibility(rank), minutes.ineligible(rank.0), "{}", asked);
            prop_assert_eq!(amphi.undone_choice(rank).cloned(), minutes.undone(rank.0), "{}", asked);
        }
        Ok(())
    }
}

fn run(cases: u32, steps: usize, test: impl Fn(World) -> Result<(), TestCaseError>) {
    let mut runner = TestRunner::new(config(cases));
    if let Err(failure) = runner.run(&worlds(steps), test) {
        panic!("{failure}");
    }
}

#[test]
fn model_the_core_and_the_second_reading_agree() {
    run(500, 60, |world| {
        let mut play = Play::begin(&world);
        for step in &world.steps {
            play.play(step)?;
        }
        Ok(())
    });
}

#[test]
fn p2_no_seat_and_no_person_twice_and_p4_no_turn_ends_early() {
    run(400, 60, |world| {
        let mut play = Play::begin(&world);
        for step in &world.steps {
            play.play(step)?;
        }
        check_durations(&play.amphi, &play.journal)?;
        check_journal(&play.journal)
    });
}

#[test]
fn p8_the_journal_replayed_gives_the_same_bytes() {
    run(150, 60, |world| {
        let mut play = Play::begin(&world);
        let mut replayed = Amphi::new(play.amphi.id());
        let mut read = 0;
        for step in &world.steps {
            play.play(step)?;
            for (at, event) in &play.journal[read..] {
                // Through JSON, as the journal keeps it.
                let kept = serde_json::to_string(event).unwrap();
                replayed.apply(*at, &serde_json::from_str(&kept).unwrap());
            }
            read = play.journal.len();
            prop_assert_eq!(
                serde_json::to_string(&replayed).unwrap(),
                serde_json::to_string(&play.amphi).unwrap()
            );
        }
        Ok(())
    });
}

#[test]
fn a7_forecasts_are_ordered_never_before_the_plan_and_the_clients_sum() {
    run(150, 60, |world| {
        let mut play = Play::begin(&world);
        for step in &world.steps {
            play.play(step)?;
            check_forecasts(&play.amphi, play.now)?;
        }
        Ok(())
    });
}

#[test]
fn a7_real_openings_lie_within_every_forecast_made_before() {
    let futures = proptest::collection::vec(futures::deeds(), 80);
    let mut runner = TestRunner::new(config(150));
    let result = runner.run(&(worlds(30), futures), |(world, deeds)| {
        let mut play = Play::begin(&world);
        for step in &world.steps {
            play.play(step)?;
            futures::check_honesty(&play, &deeds)?;
        }
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// The random amphis are worth something: everything that can happen does, and often.
#[test]
fn model_random_amphis_reach_every_kind_of_event_and_refusal() {
    let seen = std::cell::RefCell::new(std::collections::BTreeMap::<String, usize>::new());
    run(800, 80, |world| {
        let mut play = Play::begin(&world);
        for step in &world.steps {
            play.now = step.instant(&play.amphi, play.now);
            let (actor, command) = step.command(&play.amphi, play.now);
            let moment = step.moment(play.now);
            let counted = match play.amphi.decide(actor, &command, moment) {
                Ok(events) => events.iter().map(name_of).collect(),
                Err(refusal) => vec![code_of(&refusal)],
            };
            for name in counted {
                *seen.borrow_mut().entry(name).or_default() += 1;
            }
            play.ask(actor, &command, moment)?;
        }
        let placed = |s: &&Standing| matches!(s, Standing::Placed { .. });
        *seen.borrow_mut().entry("placed".to_owned()).or_default() +=
            play.amphi.standings().iter().filter(placed).count();
        Ok(())
    });
    let seen = seen.into_inner();
    for name in EVERY_KIND.split_whitespace() {
        assert!(seen.get(name).is_some_and(|times| *times >= 5), "{name} is too rare: {seen:#?}");
    }
    assert!(seen["placed"] > 300, "{seen:#?}");
}

fn name_of(event: &Event) -> String {
    let event = serde_json::to_value(event).unwrap();
    let detail = event.get("manner").or_else(|| event.get("outcome")).and_then(|d| d.as_str());
    [event["type"].as_str(), detail].into_iter().flatten().collect::<Vec<_>>().join(".")
}

fn code_of(refusal: &Rejection) -> String {
    serde_json::to_value(refusal).unwrap()["code"].as_str().unwrap().to_owned()
}

const EVERY_KIND: &str = "
    drafted published opened turn_opened turn_skipped choice_held held_choice_refused held_choice_released
    suspended resumed service_interrupted placed_elsewhere withdrawn closed annulled
    choice_committed.in_turn choice_committed.in_grace choice_committed.late choice_committed.late_held
    turn_closed.chosen turn_closed.expired turn_closed.passed turn_closed.ended_by_administrator
    turn_closed.no_longer_concerned
    forbidden not_published already_published already_open suspended not_suspended over turns_remain
    not_your_turn turn_not_in_progress already_chosen placed_elsewhere withdrawn post_taken unknown_post
    unknown_rank nothing_held reason_needed unusable_setup
    choice_committed.safety_net choice_committed.assigned turn_closed.safety_net turn_extended seat_exchanged
    choice_annulled rewound suspension_explained no_longer_placed_elsewhere eligibility_checked admitted
    participant_added proxy_given proxy_document_filed proxy_revoked wishes_set
    proxy_active proxy_ended proxy_already_given no_proxy proxy_too_late proxies_off document_missing
    safety_net_off wish_twice late_at_end_only turn_forfeited not_supernumerary supernumerary_taken
    no_such_extension nothing_to_rewind not_placed no_exchange_now ineligible not_ineligible already_listed";
