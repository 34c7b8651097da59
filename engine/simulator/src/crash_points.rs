//! C2: the server is killed before and after every await of a command's path, for each kind of command.
//!
//! Enumerated, not sampled. The runtime lets one task run between two looks of the driver, so "so many
//! task switches after the command was sent" names every place at which a task can stand still: before and
//! after each call of the journal, in every pause, on the way through the mailbox. The world is set up
//! anew for each of them, the server killed there, another one started; the command is sent again with
//! the same id, and the oracle looks at everything. Each path is also walked with its write failing in
//! each way, so that the way back is crashed on, too; and with the write landing after the crash.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use amphi_engine::core::call_list::{RankBasis, Seniority};
use amphi_engine::core::opening::{Opening, OpeningRange};
use amphi_engine::core::{
    CallRank, Command, Digest, Millis, Participant, Policies, PostNumber, ProxyPolicy, Round, SafetyNet,
    Setup,
};
use amphi_engine::protocol::{Outcome, Role};

use crate::asking::rightful;
use crate::device::Device;
use crate::generate::post;
use crate::journal::Lag;
use crate::names::CommandKind;
use crate::oracle::{Counts, Promise, Violation};
use crate::plan::{
    Begun, Clockwork, Fate, MORNING, PERIOD, Plan, PlannedAmphi, World, WriteFault, amphi_id, person,
    proxy_id,
};
use crate::simulation::{Simulation, play};

/// A path has ended when the journal was not called for so many task switches…
const QUIET_SWITCHES: usize = 24;
/// …of which one in so many lets time pass, so that pauses end and slow writes arrive.
const SWITCHES_PER_PAUSE: usize = 6;
const PAUSE: Duration = Duration::from_millis(500);
/// No path is longer; one that is hangs.
const SWITCHES_MAX: usize = 2_000;
/// The points at which the second server of a pair is killed: its whole way into service fits in.
const SECOND_CRASHES: std::ops::RangeInclusive<usize> = 0..=40;
/// Slower than what screens are told about.
const SLOW_MS: u32 = 3_100;

/// How the write of the command fares, apart from the crash, and whether one that is under way when the
/// server dies still reaches the journal.
const FATES: [(WriteFault, bool); 6] = [
    (WriteFault { delay_ms: 0, fate: Fate::Written }, false),
    (WriteFault { delay_ms: 0, fate: Fate::AnswerLost }, false),
    (WriteFault { delay_ms: 0, fate: Fate::NotWritten }, false),
    (WriteFault { delay_ms: 0, fate: Fate::LandsLater { ms: 70 } }, false),
    (WriteFault { delay_ms: SLOW_MS, fate: Fate::Written }, false),
    (WriteFault { delay_ms: SLOW_MS, fate: Fate::Written }, true),
];

/// What was enumerated.
pub struct Enumerated {
    /// How many crashes, by kind of command.
    pub crashes: Counts,
    /// The first broken promise, and where.
    pub failure: Option<(String, Violation)>,
}

/// Crashes at every point of every kind of command; with `pairs`, also at every point of the way back
/// after each of these crashes.
pub fn enumerate(pairs: bool, jobs: usize) -> Enumerated {
    let next = AtomicUsize::new(0);
    let result = Mutex::new(Enumerated { crashes: Counts::new(), failure: None });
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(kind) = CommandKind::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let crashes = enumerate_kind(*kind, pairs);
                    let mut result = result.lock().expect("nobody panics under this lock");
                    match crashes {
                        Ok(count) => drop(result.crashes.insert(kind.name().to_owned(), count)),
                        Err(failure) => drop(result.failure.get_or_insert(failure)),
                    }
                }
            });
        }
    });
    result.into_inner().expect("nobody panics under this lock")
}

/// How many crashes there were; or the scene in which a promise was broken.
fn enumerate_kind(kind: CommandKind, pairs: bool) -> Result<u64, (String, Violation)> {
    let mut crashes = 0;
    for (fault, write_lands) in FATES {
        for point in 0.. {
            let scene = Scene { kind, fault, write_lands, point, second: None };
            let seconds = SECOND_CRASHES.filter(|_| pairs).map(Some);
            let mut ended = false;
            for scene in std::iter::once(None).chain(seconds).map(|second| Scene { second, ..scene }) {
                match scene.play().map_err(|violation| (format!("{scene:?}"), violation))? {
                    Reached::TheEnd => ended = true,
                    Reached::TheCrash => crashes += 1,
                }
            }
            if ended {
                break;
            }
        }
    }
    Ok(crashes)
}

/// One crash.
#[derive(Debug, Clone, Copy)]
struct Scene {
    kind: CommandKind,
    fault: WriteFault,
    write_lands: bool,
    /// How many task switches after the command was sent.
    point: usize,
    /// How many task switches after the next server came into service, that one dies, too.
    second: Option<usize>,
}

/// How far a scene came.
#[derive(PartialEq, Eq)]
enum Reached {
    TheCrash,
    TheEnd,
}

impl Scene {
    fn play(self) -> Result<Reached, Violation> {
        play(&plan(self.kind), Lag::OneSwitch, false, async |simulation| {
            simulation.begin().await;
            prepare(simulation, self.kind).await;
            simulation.devices.push(Device::new(0, Role::Intern { rank: CallRank(1) }));
            simulation.connect(simulation.devices.len() - 1).await;
            simulation.look().await?;
            let asked = self.set_off(simulation).await;
            let reached = self.switch(simulation).await;
            self.crash(simulation).await;
            simulation.retry().await;
            simulation.pass(Duration::from_millis(500)).await;
            simulation.look().await?;
            if let Some(asked) = asked {
                self.check_done(simulation, asked);
            }
            simulation.conclude().await?;
            Ok(reached)
        })
    }

    /// Sends the command, or makes the engine give it to itself.
    async fn set_off(self, simulation: &mut Simulation<'_>) -> Option<usize> {
        if let Some(server) = &simulation.machines[0].server {
            server.journal.plan_write(self.fault);
        }
        if let Some(command) = command(self.kind) {
            let state = simulation.oracle().book(amphi_id(0)).state();
            let actor = rightful(&command, &state, false);
            return Some(simulation.ask_once(STEP, 0, actor, command).await);
        }
        set_off_the_engine(simulation, self.kind).await;
        None
    }

    /// Lets task switches pass until the crash is due, or until nothing happens any more.
    async fn switch(self, simulation: &Simulation<'_>) -> Reached {
        let mut quiet = 0;
        for switch in 0..SWITCHES_MAX {
            if switch == self.point {
                return Reached::TheCrash;
            }
            let before = simulation.journal_calls();
            if switch % SWITCHES_PER_PAUSE == SWITCHES_PER_PAUSE - 1 {
                tokio::time::advance(PAUSE).await;
            } else {
                tokio::task::yield_now().await;
            }
            quiet = if simulation.journal_calls() == before { quiet + 1 } else { 0 };
            let slow = self.fault.delay_ms / u32::try_from(PAUSE.as_millis()).unwrap_or(1);
            if quiet > QUIET_SWITCHES + slow as usize * SWITCHES_PER_PAUSE {
                return Reached::TheEnd;
            }
        }
        simulation.oracle().broken(Promise::Sound, "a command's path has no end");
        Reached::TheEnd
    }

    async fn crash(self, simulation: &mut Simulation<'_>) {
        simulation.kill(0, self.write_lands, 30);
        if let Some(second) = self.second {
            simulation.pass(Duration::from_millis(31)).await;
            for _ in 0..second {
                tokio::task::yield_now().await;
            }
            simulation.kill(0, self.write_lands, 30);
        }
        simulation.pass(Duration::from_millis(u64::from(SLOW_MS) + 100)).await;
    }

    /// Each scene asks for something that can be done: a refusal means that it was done twice, or that the
    /// scene is set wrong.
    fn check_done(self, simulation: &Simulation<'_>, asked: usize) {
        let answer = simulation.oracle().asked()[asked].answer.clone();
        if !matches!(answer, Some((_, Outcome::Done { .. } | Outcome::Held { .. }))) {
            let what = format!("{} sent again after a crash: {answer:?}", self.kind.name());
            simulation.oracle().broken(Promise::P3, what);
        }
    }
}

/// The step that the command of a scene is named after.
const STEP: u32 = 1;
const FIRST: CallRank = CallRank(1);
const SECOND: CallRank = CallRank(2);
/// Posts of one seat, and of two.
const SINGLE: PostNumber = PostNumber(1);
const DOUBLE: PostNumber = PostNumber(3);

fn reason() -> String {
    "Incident en salle".to_owned()
}

fn chooses(rank: CallRank, post: PostNumber) -> Command {
    Command::Choose { rank, post, supernumerary: false }
}

/// The command of a scene; `None` for those that the engine gives itself.
fn command(kind: CommandKind) -> Option<Command> {
    let (rank, reason) = (FIRST, reason());
    Some(match kind {
        CommandKind::Draft => Command::Draft(Box::new(setup())),
        CommandKind::Publish => Command::Publish,
        CommandKind::Open => Command::Open,
        CommandKind::Suspend => Command::Suspend { reason },
        CommandKind::ExplainSuspension => Command::ExplainSuspension { reason: "Panne".to_owned() },
        CommandKind::Resume => Command::Resume,
        CommandKind::Close => Command::Close,
        CommandKind::Annul => Command::Annul { reason },
        CommandKind::Choose => chooses(rank, DOUBLE),
        CommandKind::Exchange => Command::Exchange { rank, post: SINGLE },
        CommandKind::ReleaseHeld => Command::ReleaseHeld { rank },
        CommandKind::Pass => Command::Pass { rank },
        CommandKind::SetWishes => {
            Command::SetWishes { rank, wishes: vec![SINGLE, DOUBLE], safety_net: SafetyNet::AtExpiry }
        }
        CommandKind::GiveProxy => Command::GiveProxy { rank: SECOND, proxy: proxy_id(STEP) },
        CommandKind::FileProxyDocument => {
            Command::FileProxyDocument { rank: SECOND, document: Digest([7; 32]) }
        }
        CommandKind::RevokeProxy => Command::RevokeProxy { rank: SECOND },
        CommandKind::RevertProxy => Command::RevertProxy { rank: SECOND, reason },
        CommandKind::EndTurn => Command::EndTurn { rank, reason },
        CommandKind::Extend => Command::Extend { rank, by: Millis::from_secs(10), reason },
        CommandKind::ChooseFor => Command::ChooseFor { rank, post: DOUBLE, supernumerary: false, reason },
        CommandKind::Withdraw => Command::Withdraw { rank, reason },
        CommandKind::Add => Command::Add { participant: Box::new(participant(9)), reason },
        CommandKind::AnnulChoice => Command::AnnulChoice { rank, reason },
        CommandKind::Rewind => Command::Rewind { to: rank, reason },
        CommandKind::Assign => Command::Assign { rank, post: DOUBLE, reason },
        CommandKind::Admit => Command::Admit { rank, reason },
        CommandKind::NoteIneligible
        | CommandKind::NotePlacedElsewhere
        | CommandKind::NoteNoLongerPlacedElsewhere
        | CommandKind::Tick
        | CommandKind::Recover => return None,
    })
}

/// Makes the engine give itself a command of this kind.
async fn set_off_the_engine(simulation: &mut Simulation<'_>, kind: CommandKind) {
    let administrator = crate::asking::ADMINISTRATOR;
    match kind {
        CommandKind::NoteIneligible => {
            simulation.ask_once(STEP, 0, administrator, Command::Open).await;
        }
        CommandKind::NotePlacedElsewhere => {
            let first = amphi_engine::core::Actor::Intern { rank: FIRST };
            simulation.ask_once(STEP, 1, first, chooses(FIRST, DOUBLE)).await;
        }
        CommandKind::NoteNoLongerPlacedElsewhere => {
            let annul = Command::AnnulChoice { rank: FIRST, reason: reason() };
            simulation.ask_once(STEP, 1, administrator, annul).await;
        }
        CommandKind::Recover => {
            simulation.kill(0, false, 0);
            simulation.pass(Duration::ZERO).await;
        }
        // Time is up.
        _ => tokio::time::advance(TURN + Duration::from_secs(3)).await,
    }
}

/// What must have happened before the command of a scene can be asked for.
async fn prepare(simulation: &mut Simulation<'_>, kind: CommandKind) {
    let end = |rank| Command::EndTurn { rank: CallRank(rank), reason: reason() };
    let before: Vec<Command> = match kind {
        CommandKind::ExplainSuspension | CommandKind::Resume => vec![Command::Suspend { reason: reason() }],
        CommandKind::Close | CommandKind::Assign => (1..=3).map(end).collect(),
        CommandKind::Exchange => vec![chooses(FIRST, DOUBLE), end(2), end(3)],
        CommandKind::ReleaseHeld => vec![end(1), chooses(FIRST, SINGLE)],
        CommandKind::FileProxyDocument | CommandKind::RevokeProxy | CommandKind::RevertProxy => {
            vec![Command::GiveProxy { rank: SECOND, proxy: proxy_id(STEP) }]
        }
        CommandKind::AnnulChoice | CommandKind::Rewind => vec![chooses(FIRST, DOUBLE)],
        CommandKind::Admit => vec![Command::Open],
        CommandKind::NoteNoLongerPlacedElsewhere => {
            simulation
                .insist_as(1, amphi_engine::core::Actor::Intern { rank: FIRST }, chooses(FIRST, DOUBLE))
                .await;
            simulation.pass(Duration::from_millis(100)).await;
            Vec::new()
        }
        _ => Vec::new(),
    };
    for command in before {
        let state = simulation.oracle().book(amphi_id(0)).state();
        let actor = rightful(&command, &state, false);
        simulation.insist_as(0, actor, command).await;
    }
}

/// The world of a scene: one server, three people, who also stand on the list of a second amphi.
fn plan(kind: CommandKind) -> Plan {
    let begun = match kind {
        CommandKind::Draft => Begun::Created,
        CommandKind::Publish => Begun::Drafted,
        CommandKind::Open | CommandKind::Admit | CommandKind::NoteIneligible => Begun::Published,
        _ => Begun::Opened,
    };
    let doubtful = matches!(kind, CommandKind::Admit | CommandKind::NoteIneligible);
    let ineligible = if doubtful { vec![person(1)] } else { Vec::new() };
    let second = PlannedAmphi { setup: setup(), begun: Begun::Opened };
    let elsewhere =
        matches!(kind, CommandKind::NotePlacedElsewhere | CommandKind::NoteNoLongerPlacedElsewhere);
    let mut amphis = vec![PlannedAmphi { setup: setup(), begun }];
    amphis.extend(elsewhere.then_some(second));
    let world = World { clockwork: Clockwork::Steady, servers: 1, amphis, ineligible };
    Plan { seed: 0, world, steps: Vec::new() }
}

const TURN: Duration = Duration::from_secs(30);

fn setup() -> Setup {
    let range = OpeningRange { opens_at: MORNING, closes_at: MORNING + Millis::from_minutes(60) };
    Setup {
        title: "Amphi".to_owned(),
        period: PERIOD,
        time_zone: "Pacific/Marquesas".to_owned(),
        opening: Opening::new(vec![range]).expect("one range"),
        turn_duration: Millis::from_secs(30),
        participants: (1..=3).map(participant).collect(),
        posts: vec![post(1), post(1), post(2)],
        round: Round::Live,
        policies: Policies {
            early_opening: true,
            proxies: ProxyPolicy::On,
            safety_net: true,
            extension_steps: vec![Millis::from_secs(10)],
            vacancy_round: true,
            ..Policies::default()
        },
    }
}

fn participant(number: u16) -> Participant {
    let seniority =
        Seniority { validated_semesters: 2, competition_year: 2025, national_rank: 1, cohort_size: 9_000 };
    Participant {
        intern: person(number),
        pseudonym: format!("P{number}"),
        extra_time_percent: 0,
        rank_basis: RankBasis::Imported { seniority },
        supernumerary: None,
    }
}
