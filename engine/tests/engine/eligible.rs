//! Eligibility is asked again before a session opens, never discovered after (3.1).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use amphi_engine::clock::ManualClock;
use amphi_engine::core::{CallRank, Command, Ineligibility, InternId, Rejection, Status};
use amphi_engine::eligibility::Eligibility;
use amphi_engine::journal::MemoryJournal;
use amphi_engine::protocol::{Role, ServerMessage};
use amphi_engine::registry::Registry;
use amphi_engine::room::Room;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::json;

use crate::pipes::{Server, command};
use crate::scene::{ADMINISTRATOR, at, intern, person, setup};
use crate::stage::{Viewer, done, fresh_id, publish, refused};

/// What is known of accounts: somebody's problem, or that nothing is known.
#[derive(Default)]
struct Accounts {
    known: Mutex<Option<Vec<(InternId, Ineligibility)>>>,
    asked: AtomicUsize,
}

impl Accounts {
    fn know(&self, found: &[(u16, Ineligibility)]) {
        let found = found.iter().map(|(rank, what)| (person(*rank), *what)).collect();
        *self.known.lock().unwrap() = Some(found);
    }
}

impl Eligibility for Accounts {
    fn check<'a>(
        &'a self,
        _: &'a [InternId],
    ) -> BoxFuture<'a, Result<Vec<(InternId, Ineligibility)>, String>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let known = self.known.lock().unwrap().clone().ok_or_else(|| "no answer".to_owned());
        async { known }.boxed()
    }
}

async fn published() -> (Arc<Accounts>, Arc<Room>) {
    let accounts = Arc::new(Accounts::default());
    let clock = Arc::new(ManualClock::at(at("08:00")));
    let registry = Registry::asking(Arc::new(MemoryJournal::new()), clock, accounts.clone());
    (accounts, publish(&registry, 1, setup(3, &[3])).await)
}

async fn opens(room: &Room) -> amphi_engine::protocol::Outcome {
    room.ask(ADMINISTRATOR, Command::Open, fresh_id()).await.unwrap()
}

#[tokio::test]
async fn r3_1_who_is_not_eligible_is_named_before_the_first_turn_and_nobody_is_called() {
    let (accounts, room) = published().await;
    accounts.know(&[(3, Ineligibility::TrainingEnded), (2, Ineligibility::Blocked)]);
    let mut control = Viewer::joins(&room, Role::Administrator, None);
    control.reads();
    let ranks = vec![CallRank(2), CallRank(3)];
    assert_eq!(refused(opens(&room).await), Rejection::Ineligible { ranks });
    assert_eq!(room.read(|ledger| ledger.amphi().status().clone()), Status::Published);
    let told: Vec<_> = control
        .reads()
        .into_iter()
        .filter_map(|message| match message {
            ServerMessage::Dossiers { dossiers } => Some(dossiers),
            _ => None,
        })
        .flatten()
        .map(|dossier| (dossier.rank.0, dossier.ineligible))
        .collect();
    let expected = [(1, None), (2, Some(Ineligibility::Blocked)), (3, Some(Ineligibility::TrainingEnded))];
    assert_eq!(told, expected);
    let reason = || "Dossier revu".to_owned();
    for command in [
        Command::Withdraw { rank: CallRank(2), reason: reason() },
        Command::Admit { rank: CallRank(3), reason: reason() },
    ] {
        done(room.ask(ADMINISTRATOR, command, fresh_id()).await.unwrap());
    }
    done(opens(&room).await);
}

#[tokio::test]
async fn r3_1_while_it_is_not_known_who_is_eligible_nothing_opens_and_the_same_id_may_ask_again() {
    let (accounts, room) = published().await;
    let id = fresh_id();
    assert!(room.ask(ADMINISTRATOR, Command::Open, id).await.is_err(), "no outcome: to be sent again");
    assert_eq!(room.read(|ledger| ledger.amphi().status().clone()), Status::Published);
    accounts.know(&[]);
    done(room.ask(ADMINISTRATOR, Command::Open, id).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn r3_1_while_it_is_not_known_who_is_eligible_whoever_opens_is_told_to_ask_again() {
    let (accounts, room) = published().await;
    let mut control = Server::of(&room, Role::Administrator).welcomes().await;
    control.says(command(1, &json!({"action": "open"}))).await;
    assert_eq!(control.answer().await["type"], "busy", "exactly one answer comes for each command");
    accounts.know(&[]);
    control.says(command(1, &json!({"action": "open"}))).await;
    assert_eq!(control.answer().await["result"], "done");
}

#[tokio::test]
async fn p6_nobody_is_asked_for_whoever_may_not_open_or_for_a_session_that_is_not_to_be_opened() {
    let (accounts, room) = published().await;
    accounts.know(&[]);
    let asked = || accounts.asked.load(Ordering::Relaxed);
    for nobody in [intern(1), intern(0)] {
        let refusal = refused(room.ask(nobody, Command::Open, fresh_id()).await.unwrap());
        assert_eq!((refusal, asked()), (Rejection::Forbidden, 0));
    }
    assert_eq!(room.read(|ledger| ledger.position().seq), 2, "and nothing is written");
    done(opens(&room).await);
    assert_eq!(refused(opens(&room).await), Rejection::AlreadyOpen);
    assert_eq!(asked(), 1);
}
