//! The offline check on random amphis: whatever a room writes, with any policies, the second reading
//! finds sound and gives the same allocation.

use amphi_engine::core::{
    Actor, CallRank, Command, Digest, LatePolicy, Millis, Policies, PostNumber, ProxyId, ProxyPolicy,
    SafetyNet, Supernumerary,
};
use amphi_engine::verify::{Verified, verify};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use uuid::Uuid;

use crate::scene::{ADMINISTRATOR, setup};
use crate::stage::{Stage, done, settle, suspend};
use crate::verifying::exported;

const INTERNS: u16 = 5;

#[derive(Debug, Clone)]
enum Step {
    Asks(Actor, Command),
    Seconds(i64),
    Crash(i64),
}

#[derive(Debug, Clone)]
struct World {
    seats: Vec<u16>,
    extra: Vec<u16>,
    rights: Vec<Option<Supernumerary>>,
    policies: Policies,
    steps: Vec<Step>,
}

fn rank() -> impl Strategy<Value = CallRank> {
    (1..=INTERNS).prop_map(CallRank)
}

fn post() -> impl Strategy<Value = PostNumber> {
    (1..=4_u16).prop_map(PostNumber)
}

fn reason() -> String {
    "Motif".to_owned()
}

fn proxy(number: u128) -> ProxyId {
    ProxyId(Uuid::from_u128(number))
}

/// What interns and holders ask for, for themselves or for their principal.
fn people() -> impl Strategy<Value = (Actor, Command)> {
    let acting = (rank(), prop::option::weighted(0.3, 1..=2_u128)).prop_map(|(rank, held)| match held {
        Some(number) => (Actor::Holder { rank, proxy: proxy(number) }, rank),
        None => (Actor::Intern { rank }, rank),
    });
    let wishes = prop::collection::vec(post(), 0..=3);
    let net = prop_oneof![Just(SafetyNet::Never), Just(SafetyNet::AtExpiry), Just(SafetyNet::IfAbsent)];
    (acting, 0..20_u8, post(), any::<bool>(), wishes, net, 1..=2_u128).prop_map(
        |((actor, rank), what, post, flag, wishes, safety_net, number)| {
            let command = match what {
                0..=8 => Command::Choose { rank, post, supernumerary: flag && what == 0 },
                9..=10 => Command::Pass { rank },
                11 => Command::ReleaseHeld { rank },
                12..=14 => Command::SetWishes { rank, wishes, safety_net },
                15..=16 => Command::GiveProxy { rank, proxy: proxy(number) },
                17 => Command::FileProxyDocument { rank, document: Digest([7; 32]) },
                18 => Command::RevokeProxy { rank },
                _ => Command::Exchange { rank, post },
            };
            (actor, command)
        },
    )
}

/// What administrators and the engine ask for.
fn acts() -> impl Strategy<Value = (Actor, Command)> {
    (rank(), 0..16_u8, post(), prop_oneof![Just(1), Just(2), Just(7)]).prop_map(
        |(rank, what, post, minutes)| {
            let reason = reason();
            let command = match what {
                0 => suspend(),
                1..=3 => Command::Resume,
                4 => Command::Withdraw { rank, reason },
                5 => Command::EndTurn { rank, reason },
                6..=7 => Command::Extend { rank, by: Millis::from_minutes(minutes), reason },
                8 => Command::ChooseFor { rank, post, supernumerary: false, reason },
                9 => Command::AnnulChoice { rank, reason },
                10 => Command::Rewind { to: rank, reason },
                11 => Command::Assign { rank, post, reason },
                12 => Command::RevertProxy { rank, reason },
                13 => Command::ExplainSuspension { reason },
                14 => return (Actor::Engine, Command::NotePlacedElsewhere { rank }),
                _ => return (Actor::Engine, Command::NoteNoLongerPlacedElsewhere { rank }),
            };
            (ADMINISTRATOR, command)
        },
    )
}

fn policies() -> impl Strategy<Value = Policies> {
    let late = prop_oneof![
        3 => Just(LatePolicy::Now),
        1 => Just(LatePolicy::AfterCurrentTurn),
        1 => Just(LatePolicy::EndOfSession),
        1 => Just(LatePolicy::Forfeit),
    ];
    let proxies = prop_oneof![Just(ProxyPolicy::Off), Just(ProxyPolicy::On), Just(ProxyPolicy::WithDocument)];
    (late, proxies, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(late, proxies, early_opening, safety_net, vacancy_round)| Policies {
            late,
            proxies,
            early_opening,
            safety_net,
            vacancy_round,
            ..Policies::default()
        },
    )
}

fn worlds() -> impl Strategy<Value = World> {
    let step = prop_oneof![
        12 => people().prop_map(|(actor, command)| Step::Asks(actor, command)),
        4 => acts().prop_map(|(actor, command)| Step::Asks(actor, command)),
        8 => prop_oneof![1..=240_i64, 3_000..12_000_i64].prop_map(Step::Seconds),
        1 => (1..=400_i64).prop_map(Step::Crash),
    ];
    let right = prop_oneof![
        3 => Just(None),
        1 => Just(Some(Supernumerary::Validating)),
        1 => Just(Some(Supernumerary::NonValidating)),
    ];
    let people = usize::from(INTERNS);
    (
        prop::collection::vec(0..=2_u16, 1..=4),
        prop::collection::vec(prop_oneof![3 => Just(0), 1 => Just(33), 1 => Just(50)], people),
        prop::collection::vec(right, people),
        policies(),
        prop::collection::vec(step, 5..80),
    )
        .prop_map(|(seats, extra, rights, policies, steps)| World {
            seats,
            extra,
            rights,
            policies,
            steps,
        })
}

async fn play(world: World) -> (Stage, Verified) {
    let mut drafted = setup(INTERNS, &world.seats);
    for (index, participant) in drafted.participants.iter_mut().enumerate() {
        participant.extra_time_percent = world.extra[index];
        participant.supernumerary = world.rights[index];
    }
    drafted.policies = world.policies;
    let mut stage = Stage::opened(drafted).await;
    let later = |stage: &Stage, seconds| stage.now() + Millis::from_secs(seconds);
    for step in world.steps {
        match step {
            Step::Asks(actor, command) => drop(stage.does(actor, command).await),
            Step::Seconds(seconds) => {
                stage.clock.set(later(&stage, seconds));
                settle(&stage.room).await;
            }
            Step::Crash(seconds) => {
                stage.journal.store.die();
                let back_at = later(&stage, seconds);
                stage = stage.taken_over(back_at).await;
            }
        }
    }
    stage.does(ADMINISTRATOR, Command::Resume).await;
    for _ in 0..10 {
        stage.clock.set(later(&stage, 12_000));
        settle(&stage.room).await;
    }
    done(stage.does(ADMINISTRATOR, Command::Close).await);
    for number in 1..=INTERNS {
        let (rank, post) = (CallRank(number), PostNumber(1));
        stage.does(ADMINISTRATOR, Command::Assign { rank, post, reason: reason() }).await;
    }
    let journal = exported(1, &stage.entries().await);
    let verified = verify(journal.as_bytes()).unwrap_or_else(|fault| {
        let told = journal.lines().nth(fault.line - 1).unwrap_or_default();
        panic!("{fault}: {told}")
    });
    (stage, verified)
}

#[test]
fn p8_the_journal_of_any_amphi_verifies_with_the_same_allocation() {
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[0xA8; 32]);
    let mut kinds = std::collections::BTreeSet::new();
    let seen = std::cell::RefCell::new(&mut kinds);
    TestRunner::new_with_rng(config, seed)
        .run(&worlds(), |world| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            let runtime = runtime.expect("a runtime");
            let (stage, verified) = runtime.block_on(play(world));
            for entry in runtime.block_on(stage.entries()) {
                seen.borrow_mut().insert(entry.payload.split('"').nth(3).unwrap_or_default().to_owned());
            }
            for rank in 1..=INTERNS {
                let receipt = stage.receipt(rank);
                let read = verified.allocation.get(&CallRank(rank));
                assert_eq!(read.map(|a| (a.seq, a.hash.clone())), receipt.map(|r| (r.seq, r.hash)));
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    for kind in [
        "seat_exchanged",
        "choice_annulled",
        "rewound",
        "turn_extended",
        "proxy_given",
        "proxy_document_filed",
        "proxy_revoked",
        "wishes_set",
        "no_longer_placed_elsewhere",
        "held_choice_refused",
    ] {
        assert!(kinds.contains(kind), "no world had a {kind}");
    }
}
