//! A season of amphis, brought to where a measurement begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use amphi_engine::clock::ManualClock;
use amphi_engine::core::{
    Actor, CallRank, Command, CommandId, InternId, Millis, PostNumber, SafetyNet, Setup, Timestamp,
};
use amphi_engine::journal::Journal;
use amphi_engine::protocol::Outcome;
use amphi_engine::registry::Registry;
use amphi_engine::room::Room;
use futures_util::future::join_all;
use uuid::Uuid;

use crate::scene::{ADMINISTRATOR, NOVEMBER, amphi, at, choose, intern, setup};

/// Turns of the scene follow one another at this pace when nobody chooses: 3 minutes and the grace.
const TURN: Millis = Millis::from_secs(182);

/// Amphis in service, and the clock they run by.
pub struct Season {
    pub clock: ManualClock,
    pub rooms: Vec<Arc<Room>>,
    pub interns: u16,
}

impl Season {
    /// `amphis` of them, published and opened, the first turn just begun. Nobody stands in two lists.
    pub async fn begun(journal: Arc<dyn Journal>, amphis: usize, interns: u16) -> Self {
        let clock = ManualClock::at(at("08:00"));
        let registry = Registry::new(journal, Arc::new(clock.clone()));
        let publish = (0..amphis).map(|number| publish(&registry, number, interns));
        let rooms = join_all(publish).await;
        let season = Self { clock, rooms, interns };
        season.at_turn(1).await;
        season
    }

    /// Until the turn of `rank` would begin if every one before had lapsed.
    pub async fn at_turn(&self, rank: u16) -> Timestamp {
        let now = at("09:00") + Millis(TURN.0 * i64::from(rank - 1));
        self.clock.set(now);
        settle(&self.rooms).await;
        now
    }

    /// The first `ranks` choose in their turn.
    pub async fn choose_in_turn(&self, ranks: u16) {
        for rank in 1..=ranks {
            self.clock.set(at("09:00") + Millis::from_secs(180 * i64::from(rank - 1)));
            join_all(self.rooms.iter().map(|room| done(room, intern(rank), choose(rank, rank)))).await;
        }
    }

    /// Every turn lapses: whoever is late may choose at any moment.
    pub async fn let_all_turns_lapse(&self) {
        for rank in 2..=self.interns + 1 {
            self.at_turn(rank).await;
        }
    }
}

async fn publish(registry: &Registry, number: usize, interns: u16) -> Arc<Room> {
    let number = number as u128 + 1;
    let setup = setup_of(number, interns);
    let room = registry.create(amphi(number), &setup.title, NOVEMBER).await.expect("a new amphi");
    for command in [Command::Draft(Box::new(setup)), Command::Publish, Command::Open] {
        done(&room, ADMINISTRATOR, command).await;
    }
    room
}

/// One seat for each, at as many posts; people of their own.
fn setup_of(number: u128, interns: u16) -> Setup {
    let mut setup = setup(interns, &vec![1; usize::from(interns)]);
    for (index, participant) in setup.participants.iter_mut().enumerate() {
        participant.intern = InternId(Uuid::from_u128(number << 64 | index as u128));
    }
    setup
}

/// Wishes for three posts.
pub fn wishes(rank: u16) -> Command {
    let wishes = (0..3).map(|next| PostNumber((rank + next - 1) % 20 + 1)).collect();
    Command::SetWishes { rank: CallRank(rank), wishes, safety_net: SafetyNet::Never }
}

/// Carries out a command, and waits until it is durable.
pub async fn done(room: &Room, actor: Actor, command: Command) {
    let outcome = room.ask(actor, command, fresh_id()).await.expect("the room takes it");
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
}

/// Waits until every room has done what it has before it.
pub async fn settle(rooms: &[Arc<Room>]) {
    join_all(rooms.iter().map(|room| room.ask(intern(0), Command::Resume, fresh_id()))).await;
}

fn fresh_id() -> CommandId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    CommandId(Uuid::from_u128(0xC000_0000_0000 + u128::from(NEXT.fetch_add(1, Ordering::Relaxed))))
}
