//! What a socket came by ends while it is open (S9): it is closed with 4502, and only it.

use amphi_engine::clock::wall_clock_now;
use amphi_engine::protocol::Role;
use amphi_portal::retention::forget_what_is_old;
use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use futures_util::FutureExt as _;
use sqlx::PgPool;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::connecting::{Socket, closed, connect, first_words, is_alive, serve};
use crate::scene::setup;
use crate::site::{Browser, HTTPS, Site, intern, path, seen_in, with_site};

const NOT_ALLOWED: u16 = 4502;

/// A window of `browser`, connected and welcomed.
async fn window(port: u16, browser: &Browser<'_>, page: &str) -> Socket {
    let cookie = browser.cookie.as_deref().unwrap();
    let mut socket = connect(port, page, &[("cookie", cookie), ("origin", HTTPS)]).await.unwrap();
    assert_eq!(first_words(&mut socket).await["type"], "welcome");
    socket
}

async fn program(port: u16, site: &Site, role: Role, expires_at: i64) -> Socket {
    let token = format!("Bearer {}", site.token_until(1, role, expires_at));
    let mut socket = connect(port, &path(1, role), &[("authorization", &token)]).await.unwrap();
    assert_eq!(first_words(&mut socket).await["type"], "welcome");
    socket
}

async fn newest_session(site: &Site) -> Uuid {
    let newest = sqlx::query_scalar("SELECT id FROM sessions ORDER BY created_at DESC LIMIT 1");
    newest.fetch_one(&site.pool).await.unwrap()
}

/// Checks once; about how many passes the database was asked.
async fn asked(site: &Site) -> usize {
    site.portal.passes.check(&site.pool, now()).await.unwrap()
}

fn now() -> i64 {
    wall_clock_now().0 / 1_000
}

#[tokio::test]
async fn s9_signing_out_in_one_window_closes_the_sockets_of_all_of_them_and_no_others() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        let port = serve(&site).await;
        let doors = [(1, intern(1)), (1, Role::Administrator), (2, Role::Spectator)];
        let mut browser = site.browser(&doors).await;
        // The same person elsewhere, by the same link: a session of its own.
        let phone = site.browser(&[(1, intern(1))]).await;
        let mut windows = Vec::new();
        for page in doors.map(|(number, role)| path(number, role)).iter().chain([&path(1, Role::Spectator)]) {
            windows.push(window(port, &browser, page).await);
        }
        let mut others = [
            window(port, &phone, &path(1, intern(1))).await,
            program(port, &site, intern(1), now() + 3_600).await,
        ];
        let cookie = browser.cookie.clone().unwrap();
        // Nobody watches the database here: it is the sign-out itself that closes them.
        assert_eq!(browser.post("/sortir", &[]).await.status, 303);
        for socket in &mut windows {
            assert_eq!(closed(socket).await, NOT_ALLOWED);
        }
        for socket in &mut others {
            is_alive(socket).await;
        }
        let again = connect(port, &path(1, intern(1)), &[("cookie", &cookie), ("origin", HTTPS)]).await;
        assert_eq!(again.err(), Some(401), "and the way back is closed");
        assert_eq!(site.room(1).await.presence().0[0].devices, 2, "those who left are not shown as there");
    })
    .await;
}

#[tokio::test]
async fn s9_a_session_or_a_door_that_ends_in_the_database_closes_its_sockets() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        let port = serve(&site).await;
        let endings = [
            ("deleted, by another server or an administrator", "DELETE FROM sessions WHERE id = $1"),
            ("expired", "UPDATE sessions SET expires_at = now() WHERE id = $1"),
            (
                "without this door any more",
                "DELETE FROM session_doors WHERE session_id = $1 AND role = 'intern'",
            ),
        ];
        let portal = site.portal.clone();
        let watching = tokio::spawn(async move { portal.watch_passes().await });
        let neighbour = site.browser(&[(1, intern(2))]).await;
        let mut neighbour = window(port, &neighbour, &path(1, intern(2))).await;
        for (case, ending) in endings {
            let browser = site.browser(&[(1, intern(1)), (1, Role::Spectator)]).await;
            let mut seat = window(port, &browser, &path(1, intern(1))).await;
            let mut screen = window(port, &browser, &path(1, Role::Spectator)).await;
            let session = newest_session(&site).await;
            sqlx::query(ending).bind(session).execute(&site.pool).await.unwrap();
            assert_eq!(closed(&mut seat).await, NOT_ALLOWED, "{case}");
            if ending.contains("session_doors") {
                is_alive(&mut screen).await;
            } else {
                assert_eq!(closed(&mut screen).await, NOT_ALLOWED, "{case}");
            }
            is_alive(&mut neighbour).await;
        }
        watching.abort();
    })
    .await;
}

/// What is asked grows with who comes and goes, not with who is there.
#[tokio::test]
async fn s9_nobody_is_asked_about_twice_unless_their_session_ends_on_whatever_server() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        let port = serve(&site).await;
        assert_eq!(asked(&site).await, 0);
        let mut open = Vec::new();
        for coming in [4, 8] {
            for number in 0..coming {
                // A rank may come by so many devices only.
                let seat = intern(1 + number % 3);
                let browser = site.browser(&[(1, seat)]).await;
                open.push((window(port, &browser, &path(1, seat)).await, browser));
            }
            assert_eq!(asked(&site).await, usize::from(coming), "those who have come");
            assert_eq!(asked(&site).await, 0, "{} are there", open.len());
        }
        let _program = program(port, &site, intern(1), now() + 3_600).await;
        let (mut seat, leaving) = open.swap_remove(5);
        let sign_out = leaving.request(Method::POST, "/sortir").header(header::ORIGIN, HTTPS);
        let sign_out = sign_out.body(Body::empty()).unwrap();
        assert_eq!(site.elsewhere().oneshot(sign_out).await.unwrap().status(), StatusCode::SEE_OTHER);
        assert_eq!(asked(&site).await, 1, "who has left, on another server");
        assert_eq!(closed(&mut seat).await, NOT_ALLOWED);
        assert_eq!(asked(&site).await, 0);
        for (socket, _) in &mut open {
            is_alive(socket).await;
        }
    })
    .await;
}

#[tokio::test]
async fn s9_time_alone_ends_a_session() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        let port = serve(&site).await;
        let [short, long] = [site.browser(&[(1, intern(1))]).await, site.browser(&[(1, intern(2))]).await];
        let mut short = window(port, &short, &path(1, intern(1))).await;
        let mut long = window(port, &long, &path(1, intern(2))).await;
        assert_eq!(asked(&site).await, 2);
        // The date comes nearer without anybody's noting it, as days do.
        sqlx::raw_sql(
            "ALTER TABLE sessions DISABLE TRIGGER USER;
             UPDATE sessions SET expires_at = now() WHERE created_at = (SELECT min(created_at) FROM sessions)",
        )
        .execute(&site.pool)
        .await
        .unwrap();
        assert_eq!(asked(&site).await, 1);
        assert_eq!(closed(&mut short).await, NOT_ALLOWED);
        is_alive(&mut long).await;
    })
    .await;
}

/// Transactions end in another order than they begin: none is passed over.
#[tokio::test]
async fn s9_a_session_whose_end_is_committed_late_ends_then() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        let port = serve(&site).await;
        let first = site.browser(&[(1, intern(1))]).await;
        let mut first_seat = window(port, &first, &path(1, intern(1))).await;
        let mut late = site.pool.begin().await.unwrap();
        sqlx::query("DELETE FROM sessions").execute(&mut *late).await.unwrap();
        let mut second = site.browser(&[(1, intern(2))]).await;
        let mut second_seat = window(port, &second, &path(1, intern(2))).await;
        assert_eq!(asked(&site).await, 2);
        second.post("/sortir", &[]).await;
        assert_eq!(closed(&mut second_seat).await, NOT_ALLOWED);
        asked(&site).await;
        is_alive(&mut first_seat).await;
        late.commit().await.unwrap();
        asked(&site).await;
        assert_eq!(closed(&mut first_seat).await, NOT_ALLOWED);
    })
    .await;
}

#[tokio::test]
async fn s9_a_session_that_is_made_to_last_longer_has_lost_nothing() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        let port = serve(&site).await;
        let mut browser = site.browser(&[(1, intern(1))]).await;
        let mut seat = window(port, &browser, &path(1, intern(1))).await;
        assert_eq!(asked(&site).await, 1);
        assert_eq!(browser.get(&format!("/entrer/{}", site.token(1, intern(1)))).await.status, 303);
        assert_eq!(asked(&site).await, 0, "the same session, for longer");
        is_alive(&mut seat).await;
        let shorter = "UPDATE sessions SET expires_at = expires_at - interval '1 day'";
        sqlx::query(shorter).execute(&site.pool).await.unwrap();
        assert_eq!(asked(&site).await, 1);
        is_alive(&mut seat).await;
    })
    .await;
}

#[tokio::test]
async fn s9_a_server_that_was_frozen_longer_than_losses_are_kept_asks_about_everybody() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        let port = serve(&site).await;
        let [leaving, staying] =
            [site.browser(&[(1, intern(1))]).await, site.browser(&[(1, intern(2))]).await];
        let mut leaves = window(port, &leaving, &path(1, intern(1))).await;
        let mut stays = window(port, &staying, &path(1, intern(2))).await;
        assert_eq!(asked(&site).await, 2);
        let asked_in = async |ahead: &'static str| {
            site.portal.passes.check(&seen_in(&site.pool, ahead).await, now()).await.unwrap()
        };
        assert_eq!(asked_in("59 minutes").await, 0, "what was lost meanwhile is still noted");
        // Meanwhile another server signs somebody out, and forgets it two days later.
        let ends =
            "DELETE FROM sessions WHERE id = (SELECT session_id FROM session_doors WHERE call_rank = 1)";
        sqlx::query(ends).execute(&site.pool).await.unwrap();
        forget_what_is_old(&seen_in(&site.pool, "2 days").await).await.unwrap();
        let noted: i64 =
            sqlx::query_scalar("SELECT count(*) FROM session_losses").fetch_one(&site.pool).await.unwrap();
        assert_eq!(noted, 0);
        assert_eq!(asked_in("2 days").await, 2, "everybody");
        assert_eq!(closed(&mut leaves).await, NOT_ALLOWED);
        is_alive(&mut stays).await;
    })
    .await;
}

#[tokio::test]
async fn s9_emptying_the_tables_of_sessions_ends_all_of_them() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        let port = serve(&site).await;
        let browser = site.browser(&[(1, intern(1))]).await;
        let mut seat = window(port, &browser, &path(1, intern(1))).await;
        assert_eq!(asked(&site).await, 1);
        sqlx::query("TRUNCATE sessions CASCADE").execute(&site.pool).await.unwrap();
        assert_eq!(asked(&site).await, 1);
        assert_eq!(closed(&mut seat).await, NOT_ALLOWED);
    })
    .await;
}

#[tokio::test]
async fn s9_the_socket_of_a_token_ends_when_the_token_does() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        let port = serve(&site).await;
        let expires_at = now() + 3_600;
        let mut short = program(port, &site, intern(1), expires_at).await;
        let mut long = program(port, &site, intern(1), expires_at + 1).await;
        let passes = &site.portal.passes;
        passes.check(&site.pool, expires_at - 1).await.unwrap();
        is_alive(&mut short).await;
        passes.check(&site.pool, expires_at).await.unwrap();
        assert_eq!(closed(&mut short).await, NOT_ALLOWED);
        is_alive(&mut long).await;
    })
    .await;
}

#[tokio::test]
async fn s9_a_database_that_does_not_answer_turns_nobody_out() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        let port = serve(&site).await;
        let browser = site.browser(&[(1, intern(1))]).await;
        let mut seat = window(port, &browser, &path(1, intern(1))).await;
        assert_eq!(asked(&site).await, 1);
        let gone = PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/nothing").unwrap();
        gone.close().await;
        assert!(site.portal.passes.check(&gone, now()).await.is_err());
        is_alive(&mut seat).await;
        assert_eq!(asked(&site).await, 1, "what happened meanwhile may not have been heard: everybody");
        is_alive(&mut seat).await;
        assert!(closed(&mut seat).now_or_never().is_none());
    })
    .await;
}

#[tokio::test]
async fn s9_a_link_opened_twice_makes_two_sessions_that_end_apart() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        let link = format!("/entrer/{}", site.token(1, intern(1)));
        let mut browsers = [site.browser(&[]).await, site.browser(&[]).await];
        for browser in &mut browsers {
            assert_eq!(browser.get(&link).await.status, 303, "a phone and a laptop open the same link");
        }
        let [mut phone, mut laptop] = browsers;
        assert_ne!(phone.cookie, laptop.cookie);
        phone.post("/sortir", &[]).await;
        assert_eq!(phone.get(&path(1, intern(1))).await.status, 401);
        assert_eq!(laptop.get(&path(1, intern(1))).await.status, 200);
    })
    .await;
}
