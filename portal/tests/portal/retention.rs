//! What is kept for how long (4, 7): what is over goes, what is not stays.

use std::sync::Arc;

use amphi_engine::core::Command;
use amphi_engine::core::policies::ProxyPolicy;
use amphi_engine::protocol::Role;
use amphi_portal::mail::outbox;
use amphi_portal::mail::sender::{Round, Sender};
use amphi_portal::mail::server::MailServer;
use amphi_portal::retention::forget_what_is_old;
use uuid::Uuid;

use crate::mails::office::with_office;
use crate::proxies::{PDF, enters, files, gives, with_proxies};
use crate::scene::{ADMINISTRATOR, amphi, setup};
use crate::site::{HTTP, HTTPS, intern, path, seen_in, with_site};

#[tokio::test]
async fn r4_what_a_form_says_is_erased_after_twelve_months_is_erased_then_with_its_mails() {
    with_site(HTTP, with_proxies(ProxyPolicy::WithDocument), |site| async move {
        gives(&mut site.browser(&[(1, intern(2))]).await, 2, Uuid::new_v4()).await;
        let mut holder = site.browser(&[]).await;
        enters(&site, &mut holder).await;
        files(&mut holder, 2, PDF).await;
        // Mails are written all along, and go with the proxy, not as long after it as they came.
        let late = "UPDATE outbox SET created_at = now() + interval '11 months' WHERE kind = 'proxy_code'";
        sqlx::query(late).execute(&site.pool).await.unwrap();
        let kept = async || -> (i64, i64, i64) {
            sqlx::query_as(
                "SELECT (SELECT count(*) FROM proxies), (SELECT count(*) FROM proxy_documents),
                        (SELECT count(*) FROM outbox WHERE outbox::text ILIKE '%camille%')",
            )
            .fetch_one(&site.pool)
            .await
            .unwrap()
        };
        for (ahead, expected) in [("11 months 25 days", (1, 1, 2)), ("12 months 1 day", (0, 0, 0))] {
            forget_what_is_old(&seen_in(&site.pool, ahead).await).await.unwrap();
            assert_eq!(kept().await, expected, "{ahead}");
        }
        site.portal.follow_proxies().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn r7_to_whom_a_mail_went_is_forgotten_after_a_year_and_not_that_it_went() {
    with_site(HTTPS, setup(2, &[2, 2]), |site| async move {
        sqlx::query(
            "INSERT INTO outbox (id, amphi_id, call_rank, kind, recipient, recipient_name, subject, body_text, body_html,
                                 dedupe_key, created_at, next_attempt_at, sent_at, last_error)
             SELECT gen_random_uuid(), $1, rank, 'convocation', 'rang' || rank || '@exemple.fr', 'Ana NOM', 'Pour Ana',
                    body, body, 'convocation:' || rank, now() - age, due, sent, error
             FROM (VALUES (1, interval '11 months', '', NULL, now(), NULL),
                          (2, interval '13 months', '', NULL, now(), NULL),
                          (3, interval '13 months', 'Bonjour Ana', NULL, NULL, '550 rang3@exemple.fr: no such mailbox'),
                          (4, interval '13 months', 'Bonjour Ana', now(), NULL, NULL))
                  AS mail (rank, age, body, due, sent, error)",
        )
        .bind(amphi(1).0)
        .execute(&site.pool)
        .await
        .unwrap();
        assert_eq!(forget_what_is_old(&site.pool).await.unwrap(), 3);
        let rows: Vec<(i32, String, String)> =
            sqlx::query_as("SELECT call_rank, dedupe_key, outbox::text FROM outbox ORDER BY call_rank")
                .fetch_all(&site.pool)
                .await
                .unwrap();
        assert_eq!(rows.len(), 4, "kind, rank and key stay: nobody is told again");
        for (rank, key, row) in rows {
            assert_eq!(key, format!("convocation:{rank}"));
            assert_eq!(row.contains("exemple.fr") && row.contains("Ana"), rank == 1, "{row}");
            assert_eq!(row.contains("exemple.fr") || row.contains("Ana"), rank == 1, "{row}");
        }
        let standing = outbox::standing(&site.pool, amphi(1)).await.unwrap();
        assert_eq!((standing.waiting, standing.sent, standing.given_up), (0, 2, 2));
        let mut browser = site.browser(&[(1, Role::Administrator)]).await;
        let desk = browser.get(&(path(1, Role::Administrator) + "/courriels")).await.text();
        assert_eq!(desk.matches("Adresse effacée, 12 mois après").count(), 2, "{desk}");
    })
    .await;
}

#[tokio::test]
async fn a_mail_that_was_given_up_can_be_sent_as_it_is_for_thirty_days_and_opens_no_door_afterwards() {
    with_office(setup(1, &[1]), |office| async move {
        office.does(ADMINISTRATOR, Command::Publish).await;
        assert_eq!(office.tells().await, 1);
        // Written long before it is given up: only from then on its days are counted.
        let no_address =
            "UPDATE outbox SET recipient = 'sans adresse', created_at = now() - interval '40 days'";
        sqlx::query(no_address).execute(&office.pool).await.unwrap();
        forget_what_is_old(&office.pool).await.unwrap();
        let sender = Sender {
            pool: office.pool.clone(),
            server: MailServer::from_url("smtp://127.0.0.1:1").unwrap(),
            from: office.announcer.site.from.clone(),
            clock: Arc::new(office.wall.clone()),
        };
        assert_eq!(sender.send_due().await.unwrap(), Round { given_up: 1, ..Round::default() });
        for (ahead, is_kept) in [("29 days", true), ("31 days", false)] {
            forget_what_is_old(&seen_in(&office.pool, ahead).await).await.unwrap();
            let mail = office.outbox().await.remove(0);
            assert_eq!(mail.text.contains("/entrer/"), is_kept, "{ahead}");
            assert_eq!(mail.html.contains("/entrer/"), is_kept, "{ahead}");
            assert_eq!(mail.calendar.is_some(), is_kept, "{ahead}");
            // Who is to be told otherwise is still said.
            let failed = outbox::standing(&office.pool, amphi(1)).await.unwrap().failures.remove(0);
            assert_eq!(failed.recipient, "sans adresse", "{ahead}");
            assert!(!failed.error.is_empty(), "{ahead}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_that_is_over_is_forgotten_after_a_day_with_its_doors_and_so_is_what_was_lost() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        let mut browsers = Vec::new();
        for rank in 1..=3 {
            browsers.push(site.browser(&[(1, intern(rank))]).await);
        }
        for (rank, over_for) in [(1, "25 hours"), (2, "23 hours")] {
            sqlx::query(
                "UPDATE sessions SET expires_at = now() - $2::text::interval
                 WHERE id = (SELECT session_id FROM session_doors WHERE call_rank = $1)",
            )
            .bind(rank)
            .bind(over_for)
            .execute(&site.pool)
            .await
            .unwrap();
        }
        let kept = async || -> (Vec<i32>, i64, i64) {
            sqlx::query_as(
                "SELECT (SELECT array_agg(call_rank ORDER BY call_rank) FROM session_doors),
                        (SELECT count(*) FROM sessions), (SELECT count(*) FROM session_losses)",
            )
            .fetch_one(&site.pool)
            .await
            .unwrap()
        };
        // Two that were shortened, and a door that went with its session.
        for (ahead, expected) in [
            ("0", (vec![2, 3], 2, 3)),
            ("2 hours", (vec![3], 1, 4)),
            ("23 hours", (vec![3], 1, 4)),
            ("25 hours", (vec![3], 1, 0)),
            ("29 days", (vec![3], 1, 0)),
        ] {
            forget_what_is_old(&seen_in(&site.pool, ahead).await).await.unwrap();
            assert_eq!(kept().await, expected, "{ahead}");
        }
        assert_eq!(browsers[2].get(&path(1, intern(3))).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_sweep_forgets_however_many_there_are_and_waits_for_nobody() {
    with_site(HTTPS, setup(1, &[1]), |site| async move {
        sqlx::query(
            "INSERT INTO sessions (id, secret_hash, expires_at)
             SELECT gen_random_uuid(), sha256(number::text::bytea), now() - interval '2 days'
             FROM generate_series(1, 1700) AS number",
        )
        .execute(&site.pool)
        .await
        .unwrap();
        let mut another = site.pool.begin().await.unwrap();
        sqlx::query("SELECT id FROM sessions LIMIT 600 FOR UPDATE").execute(&mut *another).await.unwrap();
        assert_eq!(forget_what_is_old(&site.pool).await.unwrap(), 1_100);
        another.rollback().await.unwrap();
        assert_eq!(forget_what_is_old(&site.pool).await.unwrap(), 600);
        assert_eq!(forget_what_is_old(&site.pool).await.unwrap(), 0);
    })
    .await;
}
