//! Where requests come from (W3, S8): nothing changes, and no socket opens, but from our own pages.

use amphi_engine::protocol::Role;
use axum::body::Body;
use axum::http::{Method, Request, header};
use futures_util::StreamExt as _;
use serde_json::json;

use crate::connecting::{connect, first_words, serve};
use crate::scene::setup;
use crate::site::{HTTP, HTTPS, fresh_id, intern, path, with_site};

/// Origins that are not ours, though some look like it: the list of S8, and what else came to mind.
const FOREIGN: &[&[&str]] = &[
    // absent
    &[],
    &[""],
    // null
    &["null"],
    &["file://"],
    // http
    &["http://amphi.test"],
    // sub-domain
    &["https://www.amphi.test"],
    &["https://.amphi.test"],
    // suffix, and prefix
    &["https://amphi.test.evil.example"],
    &["https://evilamphi.test"],
    &["https://amphi.test@evil.example"],
    &["https://test"],
    // other port
    &["https://amphi.test:8443"],
    &["https://amphi.test:443"],
    &["https://amphi.test:"],
    // case
    &["https://AMPHI.TEST"],
    &["HTTPS://amphi.test"],
    // trailing dot, and other trailers
    &["https://amphi.test."],
    &["https://amphi.test/"],
    &["https://amphi.test/amphi"],
    &["https://amphi.test, https://amphi.test"],
    &["https://amphi.test https://amphi.test"],
    &["https://amphi.test\t"],
    &[" https://amphi.test"],
    // IP
    &["https://192.0.2.7"],
    &["https://[2001:db8::7]"],
    &["https://127.0.0.1"],
    // IDN: as browsers write it, as people do, and with a Cyrillic first letter
    &["https://xn--amphi-9ta.test"],
    &["https://amphí.test"],
    &["https://аmphi.test"],
    // somebody else
    &["https://evil.example"],
    // twice
    &["https://amphi.test", "https://amphi.test"],
    &["https://amphi.test", "https://evil.example"],
    &["https://evil.example", "https://amphi.test"],
];

fn with_origins(mut request: axum::http::request::Builder, origins: &[&str]) -> axum::http::request::Builder {
    for origin in origins {
        request = request.header(header::ORIGIN, origin.as_bytes());
    }
    request
}

#[tokio::test]
async fn w3_s8_nothing_changes_from_a_foreign_page() {
    with_site(HTTPS, setup(2, &[2, 2]), |site| async move {
        site.until("09:00").await;
        let before = site.positions().await;
        let mut browser = site.browser(&[(1, intern(1)), (1, Role::Administrator)]).await;
        let id = fresh_id().to_string();
        let forms = [
            (path(1, intern(1)) + "/commande", format!("command_id={id}&action=choose&post=1")),
            (path(1, Role::Administrator) + "/commande", format!("command_id={id}&action=annul&reason=x")),
            ("/sortir".to_owned(), String::new()),
            ("/nulle-part".to_owned(), String::new()),
        ];
        for origins in FOREIGN {
            for (address, body) in &forms {
                for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
                    let request = with_origins(browser.request(method.clone(), address), origins)
                        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                        .body(Body::from(body.clone()));
                    let answer = browser.sends(request.unwrap()).await;
                    assert_eq!(answer.status, 403, "{method} {address} from {origins:?}");
                }
            }
            // A token that is shown does not excuse it: programs use sockets.
            let token = format!("Bearer {}", site.token(1, intern(1)));
            let request = with_origins(Request::post(&forms[0].0), origins)
                .header(header::AUTHORIZATION, token)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Body::from(forms[0].1.clone()));
            assert_eq!(site.answers(request.unwrap()).await.status, 403);
        }
        assert_eq!(site.positions().await, before);
        assert_eq!(browser.get(&path(1, intern(1))).await.status, 200, "still signed in");
        let chosen =
            browser.post(&forms[0].0, &[("command_id", &id), ("action", "choose"), ("post", "1")]).await;
        assert!(chosen.header(header::LOCATION).contains("resultat=fait"), "our own page may");
    })
    .await;
}

#[tokio::test]
async fn s8_a_session_opens_its_socket_from_our_own_pages_only() {
    with_site(HTTPS, setup(2, &[2, 2]), |site| async move {
        let port = serve(&site).await;
        let browser = site.browser(&[(1, intern(1))]).await;
        let cookie = browser.cookie.clone().unwrap();
        for origins in FOREIGN {
            let mut headers = vec![("cookie", cookie.as_str())];
            headers.extend(origins.iter().map(|origin| ("origin", *origin)));
            // What surrounds a header is trimmed on the way; then it is ours.
            if origins.len() == 1 && origins[0].trim() == HTTPS {
                continue;
            }
            assert_eq!(connect(port, &path(1, intern(1)), &headers).await.err(), Some(403), "{origins:?}");
        }
        let own = connect(port, &path(1, intern(1)), &[("cookie", &cookie), ("origin", HTTPS)]).await;
        let welcome = first_words(&mut own.unwrap()).await;
        assert_eq!(welcome["role"], json!({"role": "intern", "rank": 1}));
        assert_eq!(site.room(1).await.presence().0.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn s8_on_a_machine_of_ones_own_the_address_and_the_port_count() {
    with_site(HTTP, setup(2, &[2, 2]), |site| async move {
        let port = serve(&site).await;
        let cookie = site.browser(&[(1, intern(1))]).await.cookie.unwrap();
        let foreign = [
            "https://127.0.0.1:8080",
            "http://127.0.0.1",
            "http://127.0.0.1:8081",
            "http://127.0.0.1:08080",
            "http://127.1:8080",
            "http://2130706433:8080",
            "http://localhost:8080",
            "http://[::1]:8080",
            "http://[::ffff:127.0.0.1]:8080",
        ];
        for origin in foreign {
            let refused =
                connect(port, &path(1, intern(1)), &[("cookie", &cookie), ("origin", origin)]).await;
            assert_eq!(refused.err(), Some(403), "{origin}");
        }
        assert!(connect(port, &path(1, intern(1)), &[("cookie", &cookie), ("origin", HTTP)]).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn w1_s9_each_role_on_each_socket_of_its_own_amphi_and_of_another() {
    with_site(HTTPS, setup(2, &[2, 2]), |site| async move {
        let port = serve(&site).await;
        let sockets = [path(1, intern(1)), path(1, Role::Administrator), path(1, Role::Spectator)];
        let visitors = [
            ((1, intern(1)), [101, 403, 403]),
            ((1, intern(2)), [403, 403, 403]),
            ((2, intern(1)), [404, 404, 404]),
            ((1, Role::Administrator), [403, 101, 101]),
            ((2, Role::Administrator), [404, 404, 404]),
            ((1, Role::Spectator), [403, 403, 101]),
            ((2, Role::Spectator), [404, 404, 404]),
        ];
        for ((number, role), expected) in visitors {
            let token = format!("Bearer {}", site.token(number, role));
            let cookie = site.browser(&[(number, role)]).await.cookie.unwrap();
            for (socket, status) in sockets.iter().zip(expected) {
                let by_token = connect(port, socket, &[("authorization", &token)]).await;
                assert_eq!(
                    by_token.err().unwrap_or(101),
                    status,
                    "{role:?} of {number} on {socket}, by token"
                );
                let by_session = connect(port, socket, &[("cookie", &cookie), ("origin", HTTPS)]).await;
                assert_eq!(
                    by_session.err().unwrap_or(101),
                    status,
                    "{role:?} of {number} on {socket}, by session"
                );
            }
        }
        for socket in &sockets {
            assert_eq!(connect(port, socket, &[("origin", HTTPS)]).await.err(), Some(401));
            assert_eq!(connect(port, socket, &[("authorization", "Bearer x")]).await.err(), Some(401));
        }
        let nowhere = format!("Bearer {}", site.token(9, Role::Spectator));
        let refused = connect(port, &path(9, Role::Spectator), &[("authorization", &nowhere)]).await;
        assert_eq!(refused.err(), Some(404), "a door to an amphi that does not exist");
    })
    .await;
}

#[tokio::test]
async fn when_every_place_is_taken_the_next_one_is_told_to_come_back() {
    with_site(HTTPS, setup(2, &[2, 2]), |site| async move {
        let port = serve(&site).await;
        let token = format!("Bearer {}", site.token(1, Role::Spectator));
        let screen = path(1, Role::Spectator);
        let mut sockets = Vec::new();
        for _ in 0..19 {
            sockets.push(connect(port, &screen, &[("authorization", &token)]).await.unwrap());
        }
        assert_eq!(connect(port, &screen, &[("authorization", &token)]).await.err(), Some(503));
        // The last place is for those who run the session, are near their turn, or late.
        let administrator = format!("Bearer {}", site.token(1, Role::Administrator));
        let control = path(1, Role::Administrator);
        let _last = connect(port, &control, &[("authorization", &administrator)]).await.unwrap();
        assert_eq!(connect(port, &control, &[("authorization", &administrator)]).await.err(), Some(503));
        let mut leaving = sockets.pop().unwrap();
        leaving.close(None).await.unwrap();
        while leaving.next().await.is_some_and(|message| message.is_ok()) {}
        while connect(port, &screen, &[("authorization", &token)]).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
