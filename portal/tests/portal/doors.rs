//! Coming in and going out (S9, W6): links, sessions, cookies.

use amphi_engine::clock::wall_clock_now;
use amphi_engine::core::{CallRank, ProxyPolicy};
use amphi_engine::protocol::Role;
use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};

use crate::proxies::represented;
use crate::rights::each_request_that_is_served;
use crate::scene::{amphi, setup};
use crate::site::{HTTP, HTTPS, Site, intern, path, with_site};

/// As each page of somebody who is signed in has it.
const SIGN_OUT: &str = "<form method=\"post\" action=\"/sortir\"><button class=\"bouton secondaire petit\">\
                        Se déconnecter</button></form>";

/// So many days go by for every session.
async fn days_go_by(site: &Site, days: i32) {
    sqlx::query(
        "UPDATE sessions SET created_at = created_at - make_interval(days => $1),
                             expires_at = expires_at - make_interval(days => $1)",
    )
    .bind(days)
    .execute(&site.pool)
    .await
    .unwrap();
}

#[tokio::test]
async fn w6_the_cookie_is_as_strict_as_the_site_allows() {
    let cases = [
        (HTTP, "amphi=", "; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000"),
        (HTTPS, "__Host-amphi=", "; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000; Secure"),
    ];
    for (public_url, name, flags) in cases {
        with_site(public_url, setup(2, &[3]), |site| async move {
            let mut browser = site.browser(&[]).await;
            let entered = browser.get(&format!("/entrer/{}", site.token(1, intern(1)))).await;
            assert_eq!(entered.header(header::LOCATION), path(1, intern(1)));
            let cookie = entered.header(header::SET_COOKIE).to_owned();
            let (pair, rest) = cookie.split_at(cookie.find(';').unwrap());
            assert_eq!(rest, flags);
            let secret = pair.strip_prefix(name).unwrap();
            assert_eq!(secret.len(), 43, "32 random bytes");
            let again = browser.get(&format!("/entrer/{}", site.token(1, intern(1)))).await;
            assert_eq!(again.header(header::SET_COOKIE), cookie, "the session is kept, and as long again");
            assert_eq!(browser.get(&path(1, intern(1))).await.status, 200);

            let left = browser.post("/sortir", &[]).await;
            assert_eq!((left.status.as_u16(), left.header(header::LOCATION)), (303, "/"));
            let forgotten = flags.replace("2592000", "0");
            assert_eq!(left.header(header::SET_COOKIE), format!("{name}{forgotten}"));
            browser.cookie = Some(pair.to_owned());
            assert_eq!(browser.get(&path(1, intern(1))).await.status, 401, "the old cookie opens nothing");
        })
        .await;
    }
}

#[tokio::test]
async fn only_a_hash_of_the_secret_is_stored() {
    with_site(HTTPS, setup(2, &[3]), |site| async move {
        let browser = site.browser(&[(1, intern(1))]).await;
        let secret = browser.cookie.unwrap();
        let secret = secret.split_once('=').unwrap().1;
        let stored: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT secret_hash FROM sessions").fetch_all(&site.pool).await.unwrap();
        assert_eq!(stored.len(), 1);
        assert!(
            stored[0].len() == 32 && !secret.as_bytes().windows(8).any(|part| stored[0].starts_with(part))
        );
    })
    .await;
}

#[tokio::test]
async fn s9_links_that_are_not_ours_or_are_over_open_nothing() {
    with_site(HTTPS, setup(2, &[3]), |site| async move {
        let now = wall_clock_now().0 / 1_000;
        let good = site.token(1, intern(1));
        let expired = site.token_until(1, intern(1), now - 1);
        let mut forged = good.clone().into_bytes();
        forged[25] = if forged[25] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        let cases = [
            (expired.as_str(), "expired"),
            (forged.as_str(), "changed"),
            (&good[..good.len() - 1], "cut"),
            ("x", "nonsense"),
            ("%C3%A9", "not even letters"),
            ("%00", "nothing"),
        ];
        for (token, case) in cases {
            let mut browser = site.browser(&[]).await;
            let answer = browser.get(&format!("/entrer/{token}")).await;
            assert_eq!(answer.status, 401, "{case}");
            assert_eq!(browser.cookie, None, "{case}");
            assert!(answer.text().contains("Rouvrez le lien personnel"), "{case}");
            let shown =
                Request::get(path(1, intern(1))).header(header::AUTHORIZATION, format!("Bearer {token}"));
            assert_eq!(
                site.answers(shown.body(Body::empty()).unwrap()).await.status,
                401,
                "{case}, as a bearer"
            );
        }
        let sessions: i64 =
            sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(&site.pool).await.unwrap();
        assert_eq!(sessions, 0);
        for scheme in ["bearer ", "Basic ", "Bearer", "Bearer  "] {
            let shown =
                Request::get(path(1, intern(1))).header(header::AUTHORIZATION, format!("{scheme}{good}"));
            assert_eq!(site.answers(shown.body(Body::empty()).unwrap()).await.status, 401, "{scheme:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn s9_a_session_ends_when_it_is_over() {
    with_site(HTTPS, setup(2, &[3]), |site| async move {
        let mut browser = site.browser(&[(1, intern(1))]).await;
        assert_eq!(browser.get(&path(1, intern(1))).await.status, 200);
        sqlx::query("UPDATE sessions SET expires_at = now()").execute(&site.pool).await.unwrap();
        assert_eq!(browser.get(&path(1, intern(1))).await.status, 401);
        let over = browser.cookie.clone();
        let entered = browser.get(&format!("/entrer/{}", site.token(1, intern(1)))).await;
        assert_eq!(entered.status, 303);
        assert_ne!(browser.cookie, over, "a new session, not the old one revived");
        assert_eq!(browser.get(&path(1, intern(1))).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn r7_thirty_days_begin_anew_when_the_link_is_opened_again() {
    with_site(HTTPS, setup(2, &[3]), |site| async move {
        let page = path(1, intern(1));
        let (mut again, mut once) =
            (site.browser(&[(1, intern(1))]).await, site.browser(&[(1, intern(1))]).await);
        let first = again.cookie.clone();
        days_go_by(&site, 29).await;
        let entered = again.get(&format!("/entrer/{}", site.token(1, intern(1)))).await;
        assert!(entered.header(header::SET_COOKIE).contains("; Max-Age=2592000"), "{entered:?}");
        assert_eq!(again.cookie, first, "the session is the same");
        days_go_by(&site, 2).await;
        assert_eq!(again.get(&page).await.status, 200, "on day 31");
        assert_eq!(once.get(&page).await.status, 401, "whose link was opened once");
        days_go_by(&site, 28).await;
        assert_eq!(again.get(&page).await.status, 401, "looking at pages does not lengthen it");
    })
    .await;
}

#[tokio::test]
async fn a_cookie_that_we_did_not_make_opens_nothing() {
    with_site(HTTPS, setup(2, &[3]), |site| async move {
        let mut browser = site.browser(&[(1, intern(1))]).await;
        let good = browser.cookie.clone().unwrap();
        let cases = [
            good.replace("__Host-", ""),
            format!("{good}x"),
            good[..good.len() - 1].to_owned(),
            "__Host-amphi=".to_owned(),
            "__Host-amphi=' OR 1=1 --".to_owned(),
        ];
        for cookie in cases {
            browser.cookie = Some(cookie.clone());
            assert_eq!(browser.get(&path(1, intern(1))).await.status, 401, "{cookie}");
        }
    })
    .await;
}

#[tokio::test]
async fn programs_are_told_which_door_a_link_opens() {
    with_site(HTTPS, setup(2, &[3]), |site| async move {
        let one = amphi(1).to_string();
        let cases = [
            (intern(2), json!({"role": "intern", "rank": 2, "amphi": one, "socket": path(1, intern(2)) + "/direct"})),
            (
                Role::Administrator,
                json!({"role": "administrator", "amphi": one, "socket": path(1, Role::Administrator) + "/direct"}),
            ),
            (
                Role::Spectator,
                json!({"role": "spectator", "amphi": one, "socket": path(1, Role::Spectator) + "/direct"}),
            ),
        ];
        for (role, expected) in cases {
            let request = Request::get(format!("/entrer/{}", site.token(1, role)))
                .header(header::ACCEPT, "application/json")
                .body(Body::empty());
            let answer = site.answers(request.unwrap()).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header(header::SET_COOKIE), "", "a program gets no session");
            assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), expected);
        }
        let request = Request::get("/entrer/x").header(header::ACCEPT, "application/json").body(Body::empty());
        let answer = site.answers(request.unwrap()).await;
        assert_eq!(answer.status, 401);
        assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap()["status"], 401);
    })
    .await;
}

#[tokio::test]
async fn the_home_page_shows_the_doors_of_this_browser_and_no_others() {
    with_site(HTTPS, setup(2, &[3]), |site| async move {
        let _somebody_else = site.browser(&[(2, Role::Administrator)]).await;
        let mut stranger = site.browser(&[]).await;
        assert!(!stranger.get("/").await.text().contains("/amphi/"));
        let mut browser = site.browser(&[(1, intern(1)), (2, Role::Spectator)]).await;
        let page = browser.get("/").await.text();
        assert_eq!(page.matches("href=\"/amphi/").count(), 2);
        for (number, role) in [(1, intern(1)), (2, Role::Spectator)] {
            assert!(page.contains(&format!("href=\"{}\"", path(number, role))), "{page}");
            assert_eq!(browser.get(&path(number, role)).await.status, 200);
        }
        browser.post("/sortir", &[]).await;
        assert!(!browser.get("/").await.text().contains("/amphi/"));
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_shown_counts_instead_of_the_session_not_besides_it() {
    with_site(HTTPS, setup(2, &[3]), |site| async move {
        let browser = site.browser(&[(1, Role::Administrator)]).await;
        let token = format!("Bearer {}", site.token(1, intern(1)));
        let request = |address: &str| {
            let request = browser.request(Method::GET, address).header(header::AUTHORIZATION, &token);
            request.body(Body::empty()).unwrap()
        };
        assert_eq!(site.answers(request(&path(1, intern(1)))).await.status, 200);
        assert_eq!(site.answers(request(&path(1, Role::Administrator))).await.status, 403);
    })
    .await;
}

#[tokio::test]
async fn who_is_signed_in_can_sign_out_on_each_of_their_pages_and_nobody_else_is_asked_to() {
    let mut setup = setup(3, &[2, 2]);
    setup.policies.proxies = ProxyPolicy::On;
    with_site(HTTPS, setup, |site| async move {
        let proxy = represented(&site, 3).await;
        site.until("09:00").await;
        let mut holder = site.browser(&[(1, Role::Holder { rank: CallRank(3), proxy })]).await;
        let mandate = path(1, Role::Holder { rank: CallRank(3), proxy });
        for below in ["", "/choisir/2", "/voeux"] {
            let page = holder.get(&(mandate.clone() + below)).await.text();
            assert!(page.contains(SIGN_OUT), "{below}: {page}");
        }
        // Whoever opens these, they ask nobody who they are.
        let of_nobody = ["/recu", "/recu/{code}", "/amphi/{amphi}/ecran"];
        let mut pages = 0;
        for (route, request) in each_request_that_is_served(&site).await {
            let answer = site.answers(request).await;
            if answer.status == 200 && answer.header(header::CONTENT_TYPE).starts_with("text/html") {
                pages += 1;
                assert_eq!(answer.text().contains(SIGN_OUT), !of_nobody.contains(&route), "{route}");
            }
        }
        assert!(pages >= 15, "{pages} pages were seen");
        let mut stranger = site.browser(&[]).await;
        for address in ["/", "/recu", "/nulle-part", mandate.as_str()] {
            assert!(!stranger.get(address).await.text().contains("/sortir"), "{address}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_button_signs_out() {
    with_site(HTTPS, setup(2, &[3]), |site| async move {
        let mut browser = site.browser(&[(1, intern(1)), (1, Role::Administrator)]).await;
        let page = browser.get(&path(1, intern(1))).await.text();
        let (before, _) = page.split_once("Se déconnecter").unwrap();
        let action = before.rsplit("action=\"").next().unwrap().split('"').next().unwrap();
        let left = browser.post(action, &[]).await;
        assert_eq!((left.status.as_u16(), left.header(header::LOCATION)), (303, "/"));
        assert_eq!(browser.cookie, None);
        assert!(!browser.get("/").await.text().contains(SIGN_OUT));
        let sessions: i64 =
            sqlx::query_scalar("SELECT count(*) FROM sessions").fetch_one(&site.pool).await.unwrap();
        assert_eq!(sessions, 0, "of all their windows");
    })
    .await;
}
