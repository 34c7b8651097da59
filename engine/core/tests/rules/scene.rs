//! The stage on which the rules are played: one amphi, driven command by command.
//!
//! Every command that is taken is also checked against what must always hold: invariants, the overlay
//! of the change, and the replay of the journal. A test of a rule so proves those in passing.

use amphi_core::call_list::{RankBasis, Seniority};
use amphi_core::opening::{Opening, OpeningRange};
use amphi_core::{
    Actor, AdministratorId, Amphi, AmphiId, CallRank, Command, Event, Half, InternId, Millis, Moment,
    Participant, Period, Policies, Post, PostNumber, Rejection, Round, Setup, Standing, Status, Timestamp,
};
use chrono::{NaiveDate, NaiveTime};
use uuid::Uuid;

pub const ADMINISTRATOR: Actor = Actor::Administrator { id: AdministratorId(Uuid::from_u128(0xAD)) };

/// An instant of the day of the session, `"09:03"`, `"09:03:02.001"`; `"+1 09:00"` is the day after.
pub fn at(text: &str) -> Timestamp {
    let (days, clock) = match text.strip_prefix('+') {
        Some(rest) => rest.split_once(' ').map(|(days, clock)| (days.parse().unwrap(), clock)).unwrap(),
        None => (0, text),
    };
    let time =
        ["%H:%M", "%H:%M:%S%.f"].iter().find_map(|f| NaiveTime::parse_from_str(clock, f).ok()).unwrap();
    let day = NaiveDate::from_ymd_opt(2027, 5, 3).unwrap() + chrono::Days::new(days);
    Timestamp(day.and_time(time).and_utc().timestamp_millis())
}

pub fn intern(rank: u16) -> Actor {
    Actor::Intern { rank: CallRank(rank) }
}

pub fn choose(rank: u16, post: u16) -> Command {
    Command::Choose { rank: CallRank(rank), post: PostNumber(post), supernumerary: false }
}

pub fn seniority(semesters: u8, year: u16, national_rank: u32, cohort: u32) -> Seniority {
    Seniority { validated_semesters: semesters, competition_year: year, national_rank, cohort_size: cohort }
}

pub fn ranges(hours: &[(&str, &str)]) -> Opening {
    let range = |(from, to): &(&str, &str)| OpeningRange { opens_at: at(from), closes_at: at(to) };
    Opening::new(hours.iter().map(range).collect()).unwrap()
}

/// The intern who would be at `rank` of the list.
pub fn participant(rank: u16) -> Participant {
    Participant {
        intern: InternId(Uuid::from_u128(u128::from(rank))),
        pseudonym: format!("P{rank}"),
        extra_time_percent: 0,
        rank_basis: RankBasis::Imported { seniority: seniority(2, 2025, u32::from(rank), 9_000) },
        supernumerary: None,
    }
}

/// Turns of 3 minutes, from 09:00 to 12:00, 14:00 to 18:00 and on the next day.
pub fn setup(interns: u16, seats: &[u16]) -> Setup {
    let post = |seats: &u16| Post {
        imotep: "750000001".to_owned(),
        establishment: "CHU".to_owned(),
        service: "Cardiologie".to_owned(),
        specialty: "MCV".to_owned(),
        phase: String::new(),
        seats: *seats,
        criteria: Vec::new(),
    };
    Setup {
        title: "Cardiologie, Paris".to_owned(),
        period: Period { year: 2027, half: Half::November },
        time_zone: "Europe/Paris".to_owned(),
        opening: ranges(&[("09:00", "12:00"), ("14:00", "18:00"), ("+1 09:00", "+1 12:00")]),
        turn_duration: Millis::from_minutes(3),
        participants: (1..=interns).map(participant).collect(),
        posts: seats.iter().map(post).collect(),
        round: Round::Live,
        policies: Policies::default(),
    }
}

#[derive(Clone)]
pub struct Scene {
    pub amphi: Amphi,
    journal: Vec<(Timestamp, Event)>,
}

impl Scene {
    /// Nothing has happened yet.
    pub fn empty() -> Self {
        Self { amphi: Amphi::new(AmphiId(Uuid::from_u128(7))), journal: Vec::new() }
    }

    pub fn drafted(setup: Setup) -> Self {
        let mut scene = Self::empty();
        scene.does(Command::Draft(Box::new(setup)), "08:00");
        scene
    }

    pub fn published(setup: Setup) -> Self {
        let mut scene = Self::drafted(setup);
        scene.does(Command::Publish, "08:00");
        scene
    }

    /// Opened at 08:30, half an hour before the first turn.
    pub fn opened(setup: Setup) -> Self {
        let mut scene = Self::published(setup);
        scene.does(Command::Open, "08:30");
        scene
    }

    /// Opened, and the turn of rank 1 begun at 09:00 sharp.
    pub fn begun(setup: Setup) -> Self {
        let mut scene = Self::opened(setup);
        scene.tick("09:00");
        scene
    }

    /// Whoever has the right to issues `command`; it must be taken.
    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "reads better where it is called")]
    pub fn does(&mut self, command: Command, when: &str) -> Vec<Event> {
        self.play(rightful(&command), &command, at(when)).unwrap()
    }

    /// Whoever has the right to issues `command`; it must be refused, and change nothing.
    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "reads better where it is called")]
    pub fn refused(&mut self, command: Command, when: &str) -> Rejection {
        let before = self.amphi.clone();
        let refusal = self.play(rightful(&command), &command, at(when)).unwrap_err();
        assert_eq!(self.amphi, before);
        refusal
    }

    /// `actor` issues `command`; it must be taken.
    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "reads better where it is called")]
    pub fn does_as(&mut self, actor: Actor, command: Command, when: &str) -> Vec<Event> {
        self.play(actor, &command, at(when)).unwrap()
    }

    /// `actor` issues `command`; it must be refused, and change nothing.
    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "reads better where it is called")]
    pub fn refused_as(&mut self, actor: Actor, command: Command, when: &str) -> Rejection {
        let before = self.amphi.clone();
        let refusal = self.play(actor, &command, at(when)).unwrap_err();
        assert_eq!(self.amphi, before);
        refusal
    }

    #[track_caller]
    pub fn play(
        &mut self,
        actor: Actor,
        command: &Command,
        moment: impl Into<Moment>,
    ) -> Result<Vec<Event>, Rejection> {
        let moment = moment.into();
        let before = self.amphi.snapshot();
        let events = self.amphi.decide(actor, command, moment)?;
        let instant = self.amphi.event_instant(moment.at);
        for event in &events {
            self.amphi.apply(instant, event);
            self.journal.push((instant, event.clone()));
        }
        self.amphi.check().unwrap();
        assert_eq!(self.replayed(), self.amphi);
        if !matches!(command, Command::Draft(_) | Command::Publish | Command::Add { .. })
            && let Some(mut overlaid) = before
        {
            overlaid.overlay(&self.amphi.change(&events));
            assert_eq!(Some(overlaid), self.amphi.snapshot());
        }
        Ok(events)
    }

    /// The same amphi, from its journal alone.
    pub fn replayed(&self) -> Amphi {
        let mut amphi = Amphi::new(self.amphi.id());
        for (instant, event) in &self.journal {
            amphi.apply(*instant, event);
        }
        amphi
    }

    #[track_caller]
    pub fn tick(&mut self, when: &str) -> Vec<Event> {
        self.does(Command::Tick, when)
    }

    /// Time passes while nobody is connected for the turn.
    #[track_caller]
    pub fn tick_unattended(&mut self, when: &str) -> Vec<Event> {
        let moment = Moment { at: at(when), turn_attended: false };
        self.play(Actor::Engine, &Command::Tick, moment).unwrap()
    }

    #[track_caller]
    pub fn choose(&mut self, rank: u16, post: u16, when: &str) -> Vec<Event> {
        self.does(choose(rank, post), when)
    }

    #[track_caller]
    pub fn pass(&mut self, rank: u16, when: &str) -> Vec<Event> {
        self.does(Command::Pass { rank: CallRank(rank) }, when)
    }

    #[track_caller]
    pub fn suspend(&mut self, when: &str) -> Vec<Event> {
        self.does(Command::Suspend { reason: "Panne de réseau".to_owned() }, when)
    }

    #[track_caller]
    pub fn resume(&mut self, when: &str) -> Vec<Event> {
        self.does(Command::Resume, when)
    }

    #[track_caller]
    pub fn recover(&mut self, down_since: &str, when: &str) -> Vec<Event> {
        self.does(Command::Recover { down_since: at(down_since) }, when)
    }

    #[track_caller]
    pub fn withdraw(&mut self, rank: u16, when: &str) -> Vec<Event> {
        self.does(Command::Withdraw { rank: CallRank(rank), reason: "Démission".to_owned() }, when)
    }

    #[track_caller]
    pub fn elsewhere(&mut self, rank: u16, when: &str) -> Vec<Event> {
        self.does(Command::NotePlacedElsewhere { rank: CallRank(rank) }, when)
    }

    pub fn standing(&self, rank: u16) -> Standing {
        self.amphi.standing(CallRank(rank)).unwrap()
    }

    /// The post and manner of whoever is placed, as `"post manner"`; else the kind of standing.
    pub fn outcome(&self, rank: u16) -> String {
        match self.standing(rank) {
            Standing::Placed { post, manner, .. } => {
                format!("{post} {}", serde_json::to_value(manner).unwrap().as_str().unwrap())
            }
            other => serde_json::to_value(other).unwrap()["standing"].as_str().unwrap().to_owned(),
        }
    }

    /// Whose turn is open, and until when.
    pub fn turn(&self) -> Option<(u16, Timestamp)> {
        self.amphi.turn().map(|turn| (turn.rank.0, turn.deadline))
    }

    pub fn is_open(&self) -> bool {
        *self.amphi.status() == Status::Open
    }
}

/// Who may issue `command`, by the table of `command.rs`.
pub fn rightful(command: &Command) -> Actor {
    match command {
        Command::Choose { rank, .. }
        | Command::Exchange { rank, .. }
        | Command::ReleaseHeld { rank }
        | Command::Pass { rank }
        | Command::SetWishes { rank, .. }
        | Command::GiveProxy { rank, .. }
        | Command::RevokeProxy { rank } => Actor::Intern { rank: *rank },
        Command::NoteIneligible { .. }
        | Command::NotePlacedElsewhere { .. }
        | Command::NoteNoLongerPlacedElsewhere { .. }
        | Command::Tick
        | Command::Recover { .. } => Actor::Engine,
        _ => ADMINISTRATOR,
    }
}
