//! Eligibility is asked again before a session opens, never discovered after (3.1).

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

use crate::scene::{ADMINISTRATOR, at, person, setup};
use crate::stage::{Viewer, done, fresh_id, publish, refused};

/// What is known of accounts: somebody's problem, or that nothing is known.
#[derive(Default)]
struct Accounts(Mutex<Option<Vec<(InternId, Ineligibility)>>>);

impl Accounts {
    fn know(&self, found: &[(u16, Ineligibility)]) {
        let found = found.iter().map(|(rank, what)| (person(*rank), *what)).collect();
        *self.0.lock().unwrap() = Some(found);
    }
}

impl Eligibility for Accounts {
    fn check<'a>(
        &'a self,
        _: &'a [InternId],
    ) -> BoxFuture<'a, Result<Vec<(InternId, Ineligibility)>, String>> {
        let known = self.0.lock().unwrap().clone().ok_or_else(|| "no answer".to_owned());
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
