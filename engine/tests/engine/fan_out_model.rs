//! S4: any mix of publish, subscribe, lag, gaps, resumes and restarts. A client that does what PROTOCOL.md
//! says, and nothing else, always shows what the journal says at the position it shows.

use std::collections::BTreeMap;

use amphi_engine::core::{Amphi, CallRank, Command, Millis, Snapshot};
use amphi_engine::journal::Entry;
use amphi_engine::protocol::{Position, Role, ServerMessage};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::faulty::{Fault, no_answer};
use crate::scene::{ADMINISTRATOR, amphi, choose, intern, pass, setup};
use crate::stage::{Stage, Viewer, suspend};

/// A small world shows most mistakes, and is quick…
const SMALL: World = World { cases: 10_000, clients: 2, interns: 3, seats: &[1, 2], steps: 1..12, burst: 1 };
/// …and a larger one those that need many changes: windows that move on, long absences.
const LARGE: World =
    World { cases: 400, clients: 4, interns: 6, seats: &[1, 2, 2], steps: 10..60, burst: 20 };

struct World {
    cases: u32,
    clients: usize,
    interns: u16,
    seats: &'static [u16],
    steps: std::ops::Range<usize>,
    /// How many large changes come with [`Step::Burst`].
    burst: usize,
}

#[derive(Debug, Clone)]
enum Step {
    Choose {
        rank: u16,
        post: u16,
    },
    Pass {
        rank: u16,
    },
    SuspendAndResume,
    /// Enough large changes that whoever does not read falls behind.
    Burst,
    Withdraw {
        rank: u16,
    },
    TimePasses {
        seconds: i64,
    },
    /// A client reads, but at most so many messages; then its connection may be cut.
    Reads {
        client: usize,
        messages: usize,
        cut: bool,
    },
    Connects {
        client: usize,
        role: Role,
    },
    /// What waits for a client is dropped, as when it has not read for long.
    Lags {
        client: usize,
    },
    /// A frame goes missing on the way: never with TCP, but a client must not guess.
    Loses {
        client: usize,
    },
    AnswerLost,
    NoAnswer,
    Crash,
    Restart,
}

fn steps(world: &World) -> impl Strategy<Value = Vec<Step>> {
    let client = 0..world.clients;
    let (ranks, posts) = (1..=world.interns, 1..=world.seats.len() as u16);
    let role = prop_oneof![
        Just(Role::Spectator),
        Just(Role::Administrator),
        ranks.clone().prop_map(|rank| Role::Intern { rank: CallRank(rank) }),
    ];
    let step = prop_oneof![
        6 => (ranks.clone(), posts).prop_map(|(rank, post)| Step::Choose { rank, post }),
        3 => ranks.clone().prop_map(|rank| Step::Pass { rank }),
        2 => Just(Step::SuspendAndResume),
        1 => Just(Step::Burst),
        1 => ranks.prop_map(|rank| Step::Withdraw { rank }),
        5 => (1..=200_i64).prop_map(|seconds| Step::TimePasses { seconds }),
        8 => (client.clone(), 0..8_usize, prop::bool::weighted(0.25))
            .prop_map(|(client, messages, cut)| Step::Reads { client, messages, cut }),
        5 => (client.clone(), role).prop_map(|(client, role)| Step::Connects { client, role }),
        1 => client.clone().prop_map(|client| Step::Loses { client }),
        1 => client.prop_map(|client| Step::Lags { client }),
        1 => Just(Step::AnswerLost),
        1 => Just(Step::NoAnswer),
        1 => Just(Step::Crash),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, world.steps.clone())
}

/// A client, written from PROTOCOL.md.
#[derive(Default)]
struct Client {
    connection: Option<Viewer>,
    /// Read from the socket, not looked at yet.
    unread: Vec<ServerMessage>,
    shown: Option<Snapshot>,
    position: Option<Position>,
    /// Asked for a snapshot, and ignores changes until it comes.
    waits_for_snapshot: bool,
    fell_behind: usize,
}

impl Client {
    fn connects(&mut self, stage: &Stage, role: Role) {
        self.is_cut();
        let viewer = Viewer::joins(&stage.room, role, self.position);
        let ServerMessage::Welcome { resumed, .. } = viewer.welcome else { panic!("welcome comes first") };
        self.waits_for_snapshot = !resumed;
        self.connection = Some(viewer);
    }

    /// What was read from the socket and not looked at is lost with it.
    fn is_cut(&mut self) {
        self.unread.clear();
        if let Some(connection) = self.connection.take() {
            connection.leaves();
        }
    }

    /// Looks at `most` messages at most; says at how many.
    fn reads(&mut self, most: usize) -> usize {
        let Some(connection) = &mut self.connection else { return 0 };
        self.unread.extend(connection.reads());
        self.fell_behind += std::mem::take(&mut connection.fell_behind);
        let closed = connection.closed.is_some();
        let count = most.min(self.unread.len());
        for message in self.unread.drain(..count).collect::<Vec<_>>() {
            self.takes(message);
        }
        if closed && self.unread.is_empty() {
            self.connection = None;
        }
        count
    }

    fn takes(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Snapshot { epoch, seq, snapshot } => {
                self.shown = Some(*snapshot);
                self.position = Some(Position { epoch, seq });
                self.waits_for_snapshot = false;
            }
            ServerMessage::Change { epoch, from_seq, seq, change } => {
                let follows = self.position.is_some_and(|position| position.seq == from_seq);
                match &mut self.shown {
                    _ if self.waits_for_snapshot => {}
                    Some(shown) if follows => {
                        shown.overlay(&change);
                        self.position = Some(Position { epoch, seq });
                    }
                    _ => {
                        self.waits_for_snapshot = true;
                        self.connection.as_ref().expect("connected").resyncs();
                    }
                }
            }
            _ => {}
        }
    }

    fn loses_one(&mut self) {
        if let Some(connection) = &mut self.connection {
            self.unread.extend(connection.reads());
            let change = self.unread.iter().position(|m| matches!(m, ServerMessage::Change { .. }));
            if let Some(index) = change {
                self.unread.remove(index);
            }
        }
    }
}

/// What the journal says at each of its entries.
struct Truth {
    state: Amphi,
    at: BTreeMap<u64, Option<Snapshot>>,
}

impl Truth {
    fn new() -> Self {
        Self { state: Amphi::new(amphi(1)), at: BTreeMap::from([(0, None)]) }
    }

    /// Reads what has been written since.
    fn reads_on(&mut self, entries: &[Entry]) {
        for entry in &entries[self.at.len() - 1..] {
            self.state.apply(entry.at, &entry.read_event().unwrap());
            self.at.insert(entry.seq, self.state.snapshot());
        }
    }

    fn check(&self, client: &Client, name: usize) {
        if let (Some(position), Some(shown)) = (client.position, &client.shown) {
            assert_eq!(Some(shown), self.at[&position.seq].as_ref(), "client {name} at {position:?}");
        }
    }
}

async fn play(world: &World, steps: Vec<Step>) -> (usize, usize) {
    let mut stage = Stage::opened(setup(world.interns, world.seats)).await;
    let mut clients: Vec<Client> = (0..world.clients).map(|_| Client::default()).collect();
    for client in &mut clients {
        client.connects(&stage, Role::Spectator);
        client.reads(usize::MAX);
    }
    let (mut truth, mut checked) = (Truth::new(), 0);
    for step in steps {
        let now = stage.now();
        match step {
            Step::Choose { rank, post } => drop(stage.does(intern(rank), choose(rank, post)).await),
            Step::Pass { rank } => drop(stage.does(intern(rank), pass(rank)).await),
            Step::SuspendAndResume => suspend_and_resume(&stage, 1, suspend()).await,
            Step::Burst => {
                // The longest that a reason can be on the wire.
                let reason = "\u{1}".repeat(500);
                suspend_and_resume(&stage, world.burst, Command::Suspend { reason }).await;
            }
            Step::Withdraw { rank } => {
                let reason = "Démission".to_owned();
                stage.does(ADMINISTRATOR, Command::Withdraw { rank: CallRank(rank), reason }).await;
            }
            Step::TimePasses { seconds } => {
                stage.clock.set(now + Millis::from_secs(seconds));
                crate::stage::settle(&stage.room).await;
            }
            Step::Reads { client, messages, cut } => {
                let _ = clients[client].reads(messages);
                if cut {
                    clients[client].is_cut();
                }
            }
            Step::Connects { client, role } => clients[client].connects(&stage, role),
            Step::Lags { client } => {
                if let Some(connection) = &clients[client].connection {
                    connection.line.fall_behind();
                }
            }
            Step::Loses { client } => clients[client].loses_one(),
            Step::AnswerLost => stage.journal.plan(Fault::AnswerLost),
            Step::NoAnswer => stage.journal.plan(no_answer()),
            Step::Crash => {
                clients.iter_mut().for_each(Client::is_cut);
                stage.journal.store.die();
                stage = stage.taken_over(now).await;
            }
            Step::Restart => {
                stage.registry.stop().await.unwrap();
                stage = stage.taken_over(now).await;
            }
        }
        truth.reads_on(&stage.entries().await);
        for (name, client) in clients.iter().enumerate() {
            truth.check(client, name);
            checked += usize::from(client.shown.is_some());
        }
    }
    // A gap shows at the next change.
    crate::stage::done(stage.does(ADMINISTRATOR, Command::Annul { reason: "Fin".to_owned() }).await);
    for client in &mut clients {
        while client.reads(usize::MAX) > 0 {}
        if client.connection.is_none() {
            client.connects(&stage, Role::Spectator);
            while client.reads(usize::MAX) > 0 {}
        }
        assert_eq!(client.position, Some(stage.position()), "whoever reads on is up to date");
        assert_eq!(client.shown.as_ref(), Some(&stage.snapshot()));
    }
    (clients.iter().map(|client| client.fell_behind).sum(), checked)
}

async fn suspend_and_resume(stage: &Stage, times: usize, suspension: Command) {
    for _ in 0..times {
        stage.does(ADMINISTRATOR, suspension.clone()).await;
        stage.does(ADMINISTRATOR, Command::Resume).await;
    }
}

/// Plays all cases of a world; how often clients fell behind, and how many screens were compared.
fn explore(world: &World, seed: u8) -> (usize, usize) {
    let config = Config { cases: world.cases, failure_persistence: None, ..Config::default() };
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let totals = std::cell::Cell::new((0, 0));
    TestRunner::new_with_rng(config, seed)
        .run(&steps(world), |steps| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            let (behind, checked) = runtime.expect("a runtime").block_on(play(world, steps));
            let (all_behind, all_checked) = totals.get();
            totals.set((all_behind + behind, all_checked + checked));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    totals.get()
}

#[test]
fn s4_what_a_client_shows_is_what_the_journal_says_in_ten_thousand_small_worlds() {
    let (behind, checked) = explore(&SMALL, 0x54);
    assert!(behind > 100, "viewers fell behind only {behind} times: the model does not try it");
    assert!(checked > 100_000, "only {checked} screens were compared");
}

#[test]
fn s4_what_a_client_shows_is_what_the_journal_says_however_much_happens() {
    let (behind, checked) = explore(&LARGE, 0x55);
    assert!(behind > 100, "viewers fell behind only {behind} times: the model does not try it");
    assert!(checked > 40_000, "only {checked} screens were compared");
}
