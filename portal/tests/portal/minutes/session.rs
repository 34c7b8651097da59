//! Whole sessions, played on the core alone, in an instant: what they leave is a journal.

use amphi_engine::core::opening::{Opening, OpeningRange, local_instant};
use amphi_engine::core::{
    Actor, Amphi, AmphiId, CallRank, Command, CommandId, Half, Millis, Period, Policies, PostNumber, Round,
    Setup, Standing, Timestamp,
};
use amphi_engine::journal::{Entry, chained, genesis_hash};
use amphi_portal::drafting::{Frame, in_call_order, setup};
use amphi_portal::import::{Source, read_interns, read_posts};
use amphi_portal::minutes::{Names, PersonName, SessionRecord};
use chrono::NaiveDateTime;
use uuid::Uuid;

use crate::scene::ADMINISTRATOR;

/// A session under way, and its journal.
pub struct Session {
    pub amphi: Amphi,
    pub entries: Vec<Entry>,
    pub names: Names,
    pub now: Timestamp,
    dice: u64,
}

/// One of the samples, as `amphi import` would draft it.
pub fn sample(name: &str, zone: &str, days: &[(&str, &str)]) -> (Setup, Names) {
    let read = |file: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/samples");
        std::fs::read(format!("{folder}/{name}/{file}")).unwrap()
    };
    let interns = read_interns(&Source { file_name: "interns.csv", bytes: &read("interns.csv") }).unwrap();
    let posts = read_posts(&Source { file_name: "posts.csv", bytes: &read("posts.csv") }).unwrap();
    let ranked = in_call_order(interns.rows);
    let ids: Vec<_> = (1..=ranked.len() as u128)
        .map(|number| amphi_engine::core::InternId(Uuid::from_u128(number)))
        .collect();
    let frame = Frame {
        title: name.replace('-', " "),
        period: Period { year: 2027, half: Half::November },
        time_zone: zone.to_owned(),
        opening: opening(zone, days),
        turn_duration: None,
        round: Round::Live,
        policies: Policies::default(),
    };
    let name = |(index, (intern, _)): (usize, &(amphi_portal::import::ImportedIntern, _))| {
        let name = PersonName { last_name: intern.last_name.clone(), first_name: intern.first_name.clone() };
        (CallRank::from_index(index), name)
    };
    let names = ranked.iter().enumerate().map(name).collect();
    (setup(&frame, &ranked, &ids, &posts.rows), names)
}

/// A choice that uses a seat.
pub fn choice(rank: CallRank, post: PostNumber) -> Command {
    Command::Choose { rank, post, supernumerary: false }
}

/// A wall-clock time of `zone`.
pub fn local(zone: &str, text: &str) -> Timestamp {
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
    local_instant(zone.parse().unwrap(), time).unwrap()
}

fn opening(zone: &str, days: &[(&str, &str)]) -> Opening {
    let range =
        |(from, to): &(&str, &str)| OpeningRange { opens_at: local(zone, from), closes_at: local(zone, to) };
    Opening::new(days.iter().map(range).collect()).unwrap()
}

impl Session {
    /// Published a week before the first turn.
    pub fn published(setup: Setup, names: Names) -> Self {
        let begins = setup.opening.ranges()[0].opens_at;
        let id = AmphiId(Uuid::from_u128(0x2027));
        let now = begins - Millis::from_minutes(7 * 24 * 60);
        let mut session = Self { amphi: Amphi::new(id), entries: Vec::new(), names, now, dice: 1 };
        session.does(ADMINISTRATOR, &Command::Draft(Box::new(setup)));
        session.does(ADMINISTRATOR, &Command::Publish);
        session.until(begins - Millis::from_minutes(15));
        session
    }

    /// Published, and opened a quarter of an hour before the first turn.
    pub fn opened(setup: Setup, names: Names) -> Self {
        let mut session = Self::published(setup, names);
        session.does(ADMINISTRATOR, &Command::Open);
        session
    }

    /// Asks, and journals what comes of it; `None` when it was refused.
    pub fn asks(&mut self, actor: Actor, command: &Command) -> Option<()> {
        let events = self.amphi.decide(actor, command, self.now).ok()?;
        let at = self.amphi.event_instant(self.now);
        let (last_seq, hash) = match self.entries.last() {
            Some(entry) => (entry.seq, entry.hash),
            None => (0, genesis_hash(self.amphi.id())),
        };
        let id = CommandId(Uuid::from_u128(0xC000_0000 + u128::from(last_seq)));
        let naming = (actor != Actor::Engine).then_some((id, 0));
        self.entries.extend(chained(hash, last_seq, 1, naming, at, actor, &events));
        for event in &events {
            self.amphi.apply(at, event);
        }
        self.amphi.check().unwrap();
        Some(())
    }

    pub fn does(&mut self, actor: Actor, command: &Command) {
        self.asks(actor, command).unwrap_or_else(|| panic!("{command:?} was refused"));
    }

    /// Lets time pass until `instant`; whatever is due meanwhile happens in its time.
    pub fn until(&mut self, instant: Timestamp) {
        while let Some(due) = self.amphi.next_deadline().filter(|due| *due <= instant) {
            self.now = self.now.max(due);
            self.asks(Actor::Engine, &Command::Tick).unwrap();
        }
        self.now = instant;
    }

    pub fn after(&mut self, seconds: i64) {
        self.until(self.now + Millis::from_secs(seconds));
    }

    /// Out of service for so long.
    pub fn crashes(&mut self, seconds: i64) {
        let down_since = self.now;
        self.now = self.now + Millis::from_secs(seconds);
        self.does(Actor::Engine, &Command::Recover { down_since });
    }

    /// The same number each time a test runs.
    pub fn throw(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % sides
    }

    /// A post with a seat left, if there is one.
    pub fn some_post(&mut self) -> Option<PostNumber> {
        let left = self.amphi.seats_left();
        let free: Vec<usize> = (0..left.len()).filter(|index| left[*index] > 0).collect();
        if free.is_empty() {
            return None;
        }
        let pick = self.throw(free.len() as u64) as usize;
        Some(PostNumber::from_index(free[pick]))
    }

    /// Plays all turns: most choose, some pass, some miss their turn and choose later, a few leave; one
    /// suspension, one crash. Then closes.
    pub fn plays_to_the_end(&mut self) {
        let people = self.amphi.standings().len();
        loop {
            let next = self.amphi.next_deadline();
            let Some(turn) = self.amphi.turn().map(|turn| turn.rank) else {
                let Some(next) = next else { break };
                self.until(next);
                continue;
            };
            let seconds = 15 + self.throw(120) as i64;
            let actor = Actor::Intern { rank: turn };
            match self.throw(25) {
                0 => self.until(next.unwrap()),
                1 => {
                    self.after(seconds);
                    self.asks(actor, &Command::Pass { rank: turn });
                }
                _ => {
                    self.after(seconds);
                    let post = self.some_post().unwrap();
                    self.asks(actor, &choice(turn, post));
                }
            }
            if usize::from(turn.0) == people / 3 {
                self.incident();
            }
            if self.throw(9) == 0 {
                self.somebody_late();
            }
        }
        self.after(60);
        self.does(ADMINISTRATOR, &Command::Close);
    }

    fn incident(&mut self) {
        let reason = "Coupure du réseau de l’hôpital : les écrans de la salle sont éteints.".to_owned();
        if self.asks(ADMINISTRATOR, &Command::Suspend { reason }).is_some() {
            self.after(754);
            self.does(ADMINISTRATOR, &Command::Resume);
            self.after(5);
            self.crashes(31);
        }
        let rank = CallRank(u16::try_from(self.amphi.standings().len()).unwrap());
        let reason = "=Désistement reçu par courrier".to_owned();
        self.asks(ADMINISTRATOR, &Command::Withdraw { rank, reason });
    }

    fn somebody_late(&mut self) {
        let late = |standing: &Standing| matches!(standing, Standing::Late { .. });
        let Some(index) = self.amphi.standings().iter().position(late) else { return };
        let rank = CallRank::from_index(index);
        if let Some(post) = self.some_post() {
            self.asks(Actor::Intern { rank }, &choice(rank, post));
        }
    }

    pub fn record(&self) -> SessionRecord {
        SessionRecord::read(self.amphi.id(), &self.entries, &self.names, self.now).unwrap()
    }
}
