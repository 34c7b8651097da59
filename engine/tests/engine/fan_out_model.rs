//! S4 in small: any mix of changes, lag, gaps, resumes and restarts. A client that does what PROTOCOL.md
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

const CASES: u32 = 600;
const CLIENTS: usize = 4;

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
    /// A frame goes missing on the way: never with TCP, but a client must not guess.
    Loses {
        client: usize,
    },
    AnswerLost,
    NoAnswer,
    Crash,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let client = 0..CLIENTS;
    let role = prop_oneof![
        Just(Role::Spectator),
        Just(Role::Administrator),
        (1..=6_u16).prop_map(|rank| Role::Intern { rank: CallRank(rank) }),
    ];
    let step = prop_oneof![
        6 => (1..=6_u16, 1..=3_u16).prop_map(|(rank, post)| Step::Choose { rank, post }),
        3 => (1..=6_u16).prop_map(|rank| Step::Pass { rank }),
        2 => Just(Step::SuspendAndResume),
        1 => Just(Step::Burst),
        1 => (1..=6_u16).prop_map(|rank| Step::Withdraw { rank }),
        5 => (1..=200_i64).prop_map(|seconds| Step::TimePasses { seconds }),
        8 => (client.clone(), 0..8_usize, prop::bool::weighted(0.25))
            .prop_map(|(client, messages, cut)| Step::Reads { client, messages, cut }),
        5 => (client.clone(), role).prop_map(|(client, role)| Step::Connects { client, role }),
        1 => client.prop_map(|client| Step::Loses { client }),
        1 => Just(Step::AnswerLost),
        1 => Just(Step::NoAnswer),
        1 => Just(Step::Crash),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 10..60)
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
struct Truth(BTreeMap<u64, Option<Snapshot>>);

impl Truth {
    fn of(entries: &[Entry]) -> Self {
        let mut state = Amphi::new(amphi(1));
        let mut truth = BTreeMap::from([(0, None)]);
        for entry in entries {
            state.apply(entry.at, &entry.read_event().unwrap());
            truth.insert(entry.seq, state.snapshot());
        }
        Self(truth)
    }

    fn check(&self, client: &Client, name: usize) {
        if let (Some(position), Some(shown)) = (client.position, &client.shown) {
            assert_eq!(Some(shown), self.0[&position.seq].as_ref(), "client {name} at {position:?}");
        }
    }
}

async fn play(steps: Vec<Step>) -> (usize, usize) {
    let mut stage = Stage::opened(setup(6, &[1, 2, 2])).await;
    let mut clients: [Client; CLIENTS] = Default::default();
    let mut checked = 0;
    for step in steps {
        let now = stage.now();
        match step {
            Step::Choose { rank, post } => drop(stage.does(intern(rank), choose(rank, post)).await),
            Step::Pass { rank } => drop(stage.does(intern(rank), pass(rank)).await),
            Step::SuspendAndResume => suspend_and_resume(&stage, 1, suspend()).await,
            Step::Burst => {
                // The longest that a reason can be on the wire.
                let reason = "\u{1}".repeat(500);
                suspend_and_resume(&stage, 20, Command::Suspend { reason }).await;
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
        let truth = Truth::of(&stage.entries().await);
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

#[test]
fn s4_what_a_client_shows_is_what_the_journal_says() {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[0x54; 32]);
    let (mut behind, mut checked) = (0, 0);
    let totals = std::cell::RefCell::new((&mut behind, &mut checked));
    TestRunner::new_with_rng(config, seed)
        .run(&steps(), |steps| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            let (behind, checked) = runtime.expect("a runtime").block_on(play(steps));
            let mut totals = totals.borrow_mut();
            *totals.0 += behind;
            *totals.1 += checked;
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert!(behind > 100, "viewers fell behind only {behind} times: the model does not try it");
    assert!(checked > 10_000, "only {checked} screens were compared");
}
