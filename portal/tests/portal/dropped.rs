//! Clients that go away half way (C9): whatever the request was doing, what it leaves is clean.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use amphi_engine::protocol::Role;
use axum::body::Body;
use axum::http::{Method, Request, header};
use sqlx::PgPool;
use tower::ServiceExt as _;

use crate::scene::setup;
use crate::site::{HTTPS, Site, fresh_id, intern, path, with_site};

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

/// Every kind of request that writes, and one that reads; each with the session that it needs.
async fn requests(site: &Site) -> Vec<(&'static str, Request<Body>)> {
    let get = |browser: &crate::site::Browser<'_>, address: &str| {
        browser.request(Method::GET, address).body(Body::empty()).unwrap()
    };
    let form = |browser: &crate::site::Browser<'_>, address: &str, body: String| {
        let request = browser.request(Method::POST, address).header(header::ORIGIN, HTTPS);
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        request.body(Body::from(body)).unwrap()
    };
    let stranger = site.browser(&[]).await;
    let known = site.browser(&[(1, intern(2)), (1, Role::Administrator)]).await;
    let link = format!("/entrer/{}", site.token(1, intern(2)));
    let chosen = format!("command_id={}&action=choose&post=1", fresh_id());
    vec![
        ("a link opened by a new browser", get(&stranger, &link)),
        ("a link opened by a known one", get(&known, &link)),
        ("a choice", form(&known, &(path(1, intern(2)) + "/commande"), chosen)),
        ("the control room", get(&known, &path(1, Role::Administrator))),
        ("signing out", form(&known, "/sortir", String::new())),
    ]
}

#[tokio::test]
async fn c9_a_request_that_is_dropped_at_each_await_leaves_every_connection_clean() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        site.until("09:00").await;
        let kinds = requests(&site).await.len();
        for kind in 0..kinds {
            for polls in 0.. {
                let (what, request) = requests(&site).await.swap_remove(kind);
                let answered = dropped_at(polls, site.router.clone().oneshot(request)).await;
                let states = states(&site.pool).await;
                assert!(states.iter().all(|state| state == "idle"), "{what}, at poll {polls}: {states:?}");
                if let Some(answer) = answered {
                    let status = answer.unwrap().status();
                    assert!(status.is_success() || status.is_redirection(), "{what}: {status}");
                    assert!(polls >= 1, "{what} waits for the database");
                    break;
                }
            }
        }
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
