//! An amphi, the people on its list, and whoever tells them; on clocks that stand still.

use std::sync::Arc;

use amphi_engine::clock::ManualClock;
use amphi_engine::core::{Actor, CallRank, Command, InternId, Millis, Setup, Timestamp};
use amphi_engine::journal::PostgresJournal;
use amphi_engine::protocol::Outcome;
use amphi_engine::registry::Registry;
use amphi_engine::room::Room;
use amphi_portal::links::LinkKey;
use amphi_portal::mail::announcing::{Announcer, MOVES_OVER};
use amphi_portal::mail::{MailSite, Recipient};
use amphi_portal::people;
use sqlx::PgPool;

use crate::postgres::with_database;
use crate::scene::{ADMINISTRATOR, amphi, at};
use crate::site::fresh_id;

/// What stands in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Row {
    pub rank: i32,
    pub kind: String,
    pub recipient: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub calendar: Option<String>,
}

/// One amphi (number 1) and whoever tells its people.
pub struct Office {
    /// The amphi's clock.
    pub clock: ManualClock,
    /// Real time.
    pub wall: ManualClock,
    pub pool: PgPool,
    pub registry: Arc<Registry>,
    pub announcer: Announcer,
}

/// Real time in these tests: a day before the session.
pub fn yesterday() -> Timestamp {
    at("09:00") - Millis::from_minutes(24 * 60)
}

/// Runs `test` with an amphi that is drafted at 08:00, its people registered.
pub async fn with_office<F: Future<Output = ()>>(setup: Setup, test: impl FnOnce(Office) -> F) {
    with_office_from(at("08:00"), setup, test).await;
}

/// The same with an amphi whose clock shows `now`.
pub async fn with_office_from<F: Future<Output = ()>>(
    now: Timestamp,
    setup: Setup,
    test: impl FnOnce(Office) -> F,
) {
    with_database(|pool| async move {
        let office = Office::open_at(pool, now).await;
        office.draft(setup).await;
        let registry = Arc::clone(&office.registry);
        test(office).await;
        registry.stop().await.unwrap();
    })
    .await;
}

impl Office {
    pub async fn open(pool: PgPool) -> Self {
        Self::open_at(pool, at("08:00")).await
    }

    async fn open_at(pool: PgPool, now: Timestamp) -> Self {
        let (clock, wall) = (ManualClock::at(now), ManualClock::at(yesterday()));
        let journal = PostgresJournal::start(pool.clone(), now).await.unwrap();
        let registry = Registry::new(journal, Arc::new(clock.clone()));
        let announcer = Announcer {
            registry: Arc::clone(&registry),
            pool: pool.clone(),
            site: site(LinkKey::load(&pool).await.unwrap()),
            wall: Arc::new(wall.clone()),
            moves_over: MOVES_OVER,
        };
        Self { clock, wall, pool, registry, announcer }
    }

    /// Registers the people of `setup` under the ids it names, and drafts the amphi.
    pub async fn draft(&self, setup: Setup) {
        let ids: Vec<InternId> = setup.participants.iter().map(|participant| participant.intern).collect();
        for (index, id) in ids.iter().enumerate() {
            let rank = index + 1;
            // Not checked when it is compiled: no query of the portal's own registers chosen ids.
            sqlx::query("INSERT INTO interns (id, email, last_name, first_name) VALUES ($1, $2, $3, $4)")
                .bind(id.0)
                .bind(format!("interne{rank}@exemple.fr"))
                .bind("L’Héritier, \"dit\" <Émile>")
                .bind(format!("Zoé {rank}"))
                .execute(&self.pool)
                .await
                .unwrap();
        }
        self.registry.create(amphi(1), &setup.title, setup.period).await.unwrap();
        people::seat(&self.pool, amphi(1), &ids).await.unwrap();
        self.does(ADMINISTRATOR, Command::Draft(Box::new(setup))).await;
    }

    pub async fn room(&self) -> Arc<Room> {
        self.registry.room(amphi(1)).await.unwrap()
    }

    pub async fn does(&self, actor: Actor, command: Command) {
        let outcome = self.room().await.ask(actor, command, fresh_id()).await.unwrap();
        assert!(!matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
    }

    /// Moves the amphi's clock, and waits until its room has done what was due.
    pub async fn until(&self, when: &str) {
        self.clock.set(at(when));
        self.in_turn().await;
    }

    /// Whose turn it is, once the room has done what is due.
    pub async fn in_turn(&self) -> Option<u16> {
        let nobody = Actor::Intern { rank: CallRank(0) };
        let room = self.room().await;
        room.ask(nobody, Command::Resume, fresh_id()).await.unwrap();
        room.read(|ledger| ledger.amphi().progress().turn.map(|turn| turn.rank.0))
    }

    /// One round of telling: how many mails it made.
    pub async fn tells(&self) -> usize {
        self.announcer.round().await.unwrap()
    }

    /// The outbox, in the order in which it was written.
    pub async fn outbox(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = sqlx::query_as(
            "SELECT call_rank AS rank, kind, recipient, subject, body_text AS text, body_html AS html, calendar
             FROM outbox ORDER BY id",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        for row in &mut rows {
            row.text = row.text.replace('\u{a0}', " ");
            row.html = row.html.replace('\u{a0}', " ");
        }
        rows
    }

    /// Kind and rank of each mail in the outbox.
    pub async fn told(&self) -> Vec<(String, i32)> {
        self.outbox().await.into_iter().map(|row| (row.kind, row.rank)).collect()
    }
}

pub fn site(links: LinkKey) -> MailSite {
    MailSite {
        public_url: "https://amphi.test".to_owned(),
        links,
        from: Recipient { name: "Amphi".to_owned(), address: "amphi@amphi.test".to_owned() },
    }
}

/// `kind` for each of `ranks`, as [`Office::told`] says it.
pub fn each(kind: &str, ranks: impl IntoIterator<Item = i32>) -> Vec<(String, i32)> {
    ranks.into_iter().map(|rank| (kind.to_owned(), rank)).collect()
}
