//! Clients that go away half way (C9): whatever the request was doing, what it leaves is clean.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use axum::body::Body;
use axum::http::{Method, header};
use sqlx::PgPool;
use tower::ServiceExt as _;

use crate::rights::each_request_that_is_served;
use crate::scene::setup;
use crate::site::{HTTPS, intern, with_site};

/// Polls `work` so many times, each time when it has been woken, and drops it; what it gave, if it was
/// done by then.
async fn dropped_at<T>(polls: usize, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| {
        let Some(fewer) = left.checked_sub(1) else { return Poll::Ready(None) };
        left = fewer;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

/// Waits until nothing is under way on any connection of `pool`, and says in which state they are.
async fn states(pool: &PgPool) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..pool.options().get_max_connections() {
        all.push(pool.acquire().await.unwrap());
    }
    let pids: Vec<i32> = {
        let mut pids = Vec::new();
        for connection in &mut all {
            let pid = sqlx::query_scalar("SELECT pg_backend_pid()");
            pids.push(pid.fetch_one(&mut **connection).await.unwrap());
        }
        pids
    };
    let asking = all.first_mut().unwrap();
    sqlx::query_scalar("SELECT state FROM pg_stat_activity WHERE pid = ANY($1) AND pid <> pg_backend_pid()")
        .bind(pids)
        .fetch_all(&mut **asking)
        .await
        .unwrap()
}

#[tokio::test]
async fn c9_a_transaction_that_is_dropped_at_each_await_leaves_its_connection_clean() {
    with_site(HTTPS, setup(2, &[2]), |site| async move {
        let transaction = async |pool: PgPool| {
            let mut transaction = pool.begin().await.unwrap();
            sqlx::query("SELECT 1").execute(&mut *transaction).await.unwrap();
            sqlx::query("CREATE TABLE half_done ()").execute(&mut *transaction).await.unwrap();
            transaction.rollback().await.unwrap();
        };
        let mut polls = 0;
        while dropped_at(polls, transaction(site.pool.clone())).await.is_none() {
            let states = states(&site.pool).await;
            assert!(states.iter().all(|state| state == "idle"), "dropped at poll {polls}: {states:?}");
            polls += 1;
        }
        assert!(polls >= 1, "it waits for the database");
    })
    .await;
}

#[tokio::test]
async fn c9_the_server_itself_ends_a_transaction_in_which_nothing_goes_on() {
    with_site(HTTPS, setup(2, &[2]), |site| async move {
        let mut transaction = site.pool.begin().await.unwrap();
        let told: String = sqlx::query_scalar("SHOW idle_in_transaction_session_timeout")
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
        assert_eq!(told, "15s");
        let pid: i32 =
            sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *transaction).await.unwrap();
        // Asked for last: from now on it may end at any moment.
        sqlx::query("SET LOCAL idle_in_transaction_session_timeout = 1")
            .execute(&mut *transaction)
            .await
            .unwrap();
        let open = async || -> bool {
            let there = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = $1)");
            there.bind(pid).fetch_one(&site.pool).await.unwrap()
        };
        while open().await {
            tokio::task::yield_now().await;
        }
        // Its connection is not given to anybody else.
        assert!(transaction.rollback().await.is_err());
        for _ in 0..site.pool.options().get_max_connections() {
            sqlx::query("SELECT 1").execute(&site.pool).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn c9_every_request_that_is_dropped_at_each_await_leaves_every_connection_clean() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        site.until("09:00").await;
        let routes = each_request_that_is_served(&site).await.len();
        let mut drops = 0;
        for route in 0..routes {
            for polls in 0.. {
                let (route, request) = each_request_that_is_served(&site).await.swap_remove(route);
                let answered = dropped_at(polls, site.router.clone().oneshot(request)).await;
                let states = states(&site.pool).await;
                assert!(states.iter().all(|state| state == "idle"), "{route}, at poll {polls}: {states:?}");
                if let Some(answer) = answered {
                    let status = answer.unwrap().status();
                    // A choice may have been made by one that was dropped: then there is a receipt, not a form.
                    assert!(!status.is_server_error(), "{route}: {status}");
                    break;
                }
                drops += 1;
            }
        }
        assert!(drops > routes, "{drops} requests of {routes} routes were dropped half way");
    })
    .await;
}

#[tokio::test]
async fn c9_signing_out_is_done_whole_also_when_the_browser_does_not_wait() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        let browser = site.browser(&[(1, intern(1))]).await;
        let request = browser.request(Method::POST, "/sortir").header(header::ORIGIN, HTTPS);
        let leaving = site.router.clone().oneshot(request.body(Body::empty()).unwrap());
        assert!(dropped_at(1, leaving).await.is_none(), "dropped at its first await");
        let left = || async {
            let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM sessions");
            count.fetch_one(&site.pool).await.unwrap()
        };
        while left().await > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
