//! Who may not take part is found when the session opens, and never called (3.1).

use amphi_engine::core::{CallRank, Event, Standing, Status};
use amphi_engine::protocol::Role;
use axum::http::header;

use crate::scene::{NOVEMBER, person, setup};
use crate::site::{Browser, HTTPS, Site, command, fresh_id, path, with_site};

/// The amphi of these tests, published and not open.
const NUMBER: u128 = 3;

async fn account(site: &Site, rank: u16, state: &str) {
    sqlx::query("UPDATE interns SET account_state = $2 WHERE id = $1")
        .bind(other(rank).0)
        .bind(state)
        .execute(&site.pool)
        .await
        .unwrap();
}

/// The people of amphi 3 are on no other list.
fn other(rank: u16) -> amphi_engine::core::InternId {
    amphi_engine::core::InternId(uuid::Uuid::from_u128(person(rank).0.as_u128() + (1 << 65)))
}

async fn published(site: &Site) {
    let mut setup = setup(5, &[3, 3]);
    for (rank, participant) in (1..).zip(&mut setup.participants) {
        participant.intern = other(rank);
    }
    assert_eq!(setup.period, NOVEMBER);
    site.publishes(NUMBER, setup).await;
}

async fn acts(browser: &mut Browser<'_>, action: &str, more: &[(&str, &str)]) -> String {
    let id = fresh_id().to_string();
    let form = path(NUMBER, Role::Administrator) + "/commande";
    let answer = browser.post(&form, &command(&id, action, more)).await;
    assert_eq!(answer.status, 303, "{action}");
    answer.header(header::LOCATION).to_owned()
}

#[tokio::test]
async fn r3_1_a_blocked_intern_is_found_at_opening_and_never_called() {
    with_site(HTTPS, setup(1, &[1]), |site| async move {
        published(&site).await;
        for (rank, state) in [(1, "blocked"), (3, "training_ended"), (4, "to_validate")] {
            account(&site, rank, state).await;
        }
        let mut browser = site.browser(&[(NUMBER, Role::Administrator)]).await;
        assert!(acts(&mut browser, "open", &[]).await.contains("refus-ineligible"));
        let room = site.room(NUMBER).await;
        assert_eq!(room.read(|ledger| ledger.amphi().status().clone()), Status::Published);

        let page = browser.get(&path(NUMBER, Role::Administrator)).await.text();
        let listed = page.split("id=\"ineligibles\"").nth(1).unwrap().split("</ul>").next().unwrap();
        for (rank, why) in [
            (1, "Son compte est bloqué."),
            (3, "Son internat est terminé."),
            (4, "Son compte n’est pas validé."),
        ] {
            let line = listed.split(&format!("data-rang=\"{rank}\"")).nth(1).unwrap();
            let line = line.split("</li>").next().unwrap();
            assert!(line.contains(why) && line.contains(&format!("NOM{rank}")), "{line}");
            assert!(line.contains("action=admit") && line.contains("action=withdraw"), "{line}");
        }
        assert!(!listed.contains("data-rang=\"2\""));

        // One is withdrawn, one admitted with a reason, one put right where accounts are kept.
        acts(&mut browser, "withdraw", &[("rank", "1"), ("reason", "Compte bloqué")]).await;
        acts(&mut browser, "admit", &[("rank", "3"), ("reason", "Prolongation accordée")]).await;
        assert!(acts(&mut browser, "open", &[]).await.contains("refus-ineligible"));
        account(&site, 4, "validated").await;
        assert!(acts(&mut browser, "open", &[]).await.contains("resultat=fait"));
        let standing = |rank| room.read(|ledger| ledger.amphi().standing(CallRank(rank)).unwrap());
        assert_eq!((standing(1), standing(3)), (Standing::Withdrawn, Standing::Waiting));
        // Nobody is called before the convoked time, which for rank 2 is this.
        site.clock.set(crate::scene::at("09:03"));
        let nobody = amphi_engine::core::Actor::Intern { rank: CallRank(0) };
        room.ask(nobody, amphi_engine::core::Command::Resume, fresh_id()).await.unwrap();
        assert_eq!(standing(2), Standing::InTurn, "the first who may is called first");
        let entries = site.registry.journal().load(room.id()).await.unwrap();
        let opened = |entry: &amphi_engine::journal::Entry| match entry.read_event().unwrap() {
            Event::TurnOpened { rank, .. } => Some(rank.0),
            _ => None,
        };
        assert_eq!(entries.iter().filter_map(opened).collect::<Vec<_>>(), [2]);
    })
    .await;
}

#[tokio::test]
async fn r3_1_whoever_is_no_longer_known_is_found_too() {
    with_site(HTTPS, setup(1, &[1]), |site| async move {
        published(&site).await;
        for statement in ["DELETE FROM roster WHERE intern_id = $1", "DELETE FROM interns WHERE id = $1"] {
            sqlx::query(statement).bind(other(2).0).execute(&site.pool).await.unwrap();
        }
        let mut browser = site.browser(&[(NUMBER, Role::Administrator)]).await;
        assert!(acts(&mut browser, "open", &[]).await.contains("refus-ineligible"));
    })
    .await;
}
