//! What every answer says (W6): headers, error pages, compression, caching.

use std::io::Read as _;
use std::time::Duration;

use amphi_engine::protocol::Role;
use axum::body::Body;
use axum::http::{Method, Request, header};
use futures_util::StreamExt as _;
use serde_json::Value;

use crate::scene::setup;
use crate::site::{Answer, HTTP, HTTPS, fresh_id, intern, path, with_site};

/// The protective headers, as every answer has them.
const PROTECTION: &str = "\
content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'
cross-origin-opener-policy: same-origin
permissions-policy: camera=(), microphone=(), geolocation=()
referrer-policy: same-origin
x-content-type-options: nosniff
x-frame-options: DENY
";
const HSTS: &str = "max-age=63072000";

fn protection(answer: &Answer) -> String {
    let names = [
        "content-security-policy",
        "cross-origin-opener-policy",
        "permissions-policy",
        "referrer-policy",
        "x-content-type-options",
        "x-frame-options",
    ];
    names.iter().map(|name| format!("{name}: {}\n", answer.header(*name))).collect()
}

fn get(address: &str) -> Request<Body> {
    Request::get(address).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn w6_every_answer_protects_itself() {
    for (public_url, hsts) in [(HTTPS, HSTS), (HTTP, "")] {
        with_site(public_url, setup(2, &[2, 2]), |site| async move {
            site.until("09:00").await;
            let mut browser = site.browser(&[(1, intern(1)), (1, Role::Administrator)]).await;
            let own = path(1, intern(1));
            let id = fresh_id().to_string();
            let form = [("command_id", id.as_str()), ("action", "choose"), ("post", "1")];
            let tag = browser.get("/assets/base.css").await.header(header::ETAG).to_owned();
            let known = browser.request(Method::GET, "/assets/base.css").header(header::IF_NONE_MATCH, tag);
            let large = "x".repeat(20_000);
            let answers = [
                (200, "no-store", browser.get("/").await),
                (200, "no-store", browser.get(&own).await),
                (200, "no-store", browser.get(&path(1, Role::Administrator)).await),
                (200, "no-store", browser.get(&path(1, Role::Spectator)).await),
                (200, "no-store", browser.get("/sante").await),
                (200, "no-cache", browser.get("/assets/base.css").await),
                (304, "no-cache", browser.sends(known.body(Body::empty()).unwrap()).await),
                (303, "no-store", browser.get(&format!("/entrer/{}", site.token(1, intern(1)))).await),
                (303, "no-store", browser.post(&(own.clone() + "/commande"), &form).await),
                (200, "no-store", browser.get(&(own.clone() + "/recu")).await),
                (401, "no-store", site.answers(get(&own)).await),
                (403, "no-store", browser.get(&path(1, intern(2))).await),
                (403, "no-store", site.answers(Request::post("/sortir").body(Body::empty()).unwrap()).await),
                (404, "no-store", browser.get("/nulle-part").await),
                (405, "no-store", browser.get("/sortir").await),
                (422, "no-store", browser.post(&(own.clone() + "/commande"), &[("action", "pass")]).await),
                (413, "no-store", browser.post(&(own.clone() + "/commande"), &[("reason", &large)]).await),
                (400, "no-store", browser.get(&(own + "/direct")).await),
            ];
            for (status, caching, answer) in &answers {
                assert_eq!(answer.status, *status, "{}", String::from_utf8_lossy(&answer.body));
                assert_eq!(protection(answer), PROTECTION, "{status}");
                assert_eq!(answer.header(header::STRICT_TRANSPORT_SECURITY), hsts, "{status}");
                assert_eq!(answer.header(header::CACHE_CONTROL), *caching, "{status}");
                for name in ["server", "x-powered-by", "access-control-allow-origin"] {
                    assert_eq!(answer.header(name), "", "{status}");
                }
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_failure_is_one_page_with_a_number_and_without_internals() {
    with_site(HTTPS, setup(2, &[2, 2]), |site| async move {
        let mut browser = site.browser(&[(1, intern(1))]).await;
        let own = path(1, intern(1));
        let mut numbers = Vec::new();
        let cases = [
            (401, site.browser(&[]).await.get(&own).await),
            (403, browser.get(&path(1, intern(2))).await),
            (404, browser.get("/nulle-part").await),
            (405, browser.get("/sortir").await),
            (400, browser.get("/amphi/x/ecran").await),
            (422, browser.post(&(own.clone() + "/commande"), &[("command_id", "x")]).await),
        ];
        for (status, answer) in cases {
            let page = answer.text();
            assert_eq!(answer.status, status);
            assert!(
                page.contains(&format!("<html lang=\"fr\" data-page=\"erreur\" data-code=\"{status}\"")),
                "{page}"
            );
            let number = page.split("<code>").nth(1).unwrap().split("</code>").next().unwrap().to_owned();
            assert!(number.parse::<uuid::Uuid>().is_ok(), "{number}");
            numbers.push(number);
            for internal in
                ["sqlx", "axum", "Path", "deserialize", "UUID", "missing field", ".rs", "panicked"]
            {
                assert!(!page.contains(internal), "{status}: {internal}");
            }
        }
        numbers.sort();
        numbers.dedup();
        assert_eq!(numbers.len(), 6, "each failure has its own");
        let problem = site.answers(get(&own)).await;
        assert_eq!(problem.header(header::CONTENT_TYPE), "application/problem+json");
        let problem: Value = serde_json::from_slice(&problem.body).unwrap();
        assert_eq!(problem["status"], 401);
        assert!(problem["instance"].as_str().unwrap().parse::<uuid::Uuid>().is_ok());
    })
    .await;
}

#[tokio::test]
async fn without_a_database_pages_say_so_and_when_to_come_back() {
    with_site(HTTPS, setup(2, &[2, 2]), |site| async move {
        let mut browser = site.browser(&[(1, intern(1))]).await;
        site.pool.close().await;
        for address in [path(1, intern(1)), "/".to_owned()] {
            let answer = browser.get(&address).await;
            assert_eq!(answer.status, 503);
            assert_ne!(answer.header(header::RETRY_AFTER), "");
            let page = answer.text();
            assert!(
                page.contains("Rien de ce qui a été confirmé n’est perdu") && !page.contains("pool"),
                "{page}"
            );
        }
        assert_eq!(browser.get("/sante").await.status, 200);
        let token = format!("Bearer {}", site.token(1, intern(1)));
        let request = Request::get(path(1, intern(1))).header(header::AUTHORIZATION, token);
        let answer = site.answers(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 200, "what needs no database is served");
    })
    .await;
}

#[tokio::test]
async fn pages_are_compressed_for_whoever_asks() {
    with_site(HTTPS, setup(20, &[20, 20]), |site| async move {
        let mut browser = site.browser(&[(1, Role::Spectator)]).await;
        let address = path(1, Role::Spectator);
        let request = browser.request(Method::GET, &address).header(header::ACCEPT_ENCODING, "gzip, br");
        let packed = browser.sends(request.body(Body::empty()).unwrap()).await;
        assert_eq!(packed.header(header::CONTENT_ENCODING), "gzip");
        assert!(packed.header(header::VARY).contains("accept-encoding"));
        let mut page = String::new();
        flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut page).unwrap();
        let plain = browser.get(&address).await;
        assert_eq!(plain.header(header::CONTENT_ENCODING), "");
        assert!(packed.body.len() * 2 < plain.body.len());
        assert_eq!(page, plain.text(), "at one instant, the same page");
        let request = browser.request(Method::GET, "/sante").header(header::ACCEPT_ENCODING, "gzip");
        let small = browser.sends(request.body(Body::empty()).unwrap()).await;
        assert_eq!(small.header(header::CONTENT_ENCODING), "", "not worth it");
    })
    .await;
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    with_site(HTTPS, setup(2, &[2, 2]), |site| async move {
        let mut browser = site.browser(&[(1, intern(1))]).await;
        for address in
            [path(1, intern(1)), "/".to_owned(), "/sante".to_owned(), "/assets/base.css".to_owned()]
        {
            let (head, get) = (browser.request(Method::HEAD, &address), browser.get(&address).await);
            let head = browser.sends(head.body(Body::empty()).unwrap()).await;
            assert_eq!(
                (head.status, head.header(header::CONTENT_TYPE)),
                (get.status, get.header(header::CONTENT_TYPE))
            );
            assert!(head.body.is_empty() && !get.body.is_empty(), "{address}");
        }
    })
    .await;
}

#[tokio::test]
async fn assets_are_asked_for_each_time_and_sent_once() {
    with_site(HTTPS, setup(2, &[2, 2]), |site| async move {
        let page = site.browser(&[(1, intern(1))]).await.get(&path(1, intern(1))).await.text();
        let kinds = [
            (".css", "text/css; charset=utf-8"),
            (".js", "text/javascript; charset=utf-8"),
            (".svg", "image/svg+xml"),
        ];
        let linked: Vec<&str> = page.split(['"']).filter(|part| part.starts_with("/assets/")).collect();
        assert!(linked.len() >= 4, "{linked:?}");
        for address in linked {
            assert!(address.contains("?v="), "{address}");
            let answer = site.answers(get(address)).await;
            assert_eq!(answer.status, 200, "{address}");
            let kind = kinds.iter().find(|(ending, _)| address.split('?').next().unwrap().ends_with(ending));
            assert_eq!(answer.header(header::CONTENT_TYPE), kind.unwrap().1);
            let tag = answer.header(header::ETAG);
            let known = Request::get(address).header(header::IF_NONE_MATCH, tag).body(Body::empty());
            let unchanged = site.answers(known.unwrap()).await;
            assert_eq!((unchanged.status.as_u16(), unchanged.body.len()), (304, 0));
            assert_eq!(unchanged.header(header::ETAG), tag);
            let other = Request::get(address).header(header::IF_NONE_MATCH, "\"x\"").body(Body::empty());
            assert_eq!(site.answers(other.unwrap()).await.status, 200);
        }
    })
    .await;
}

#[tokio::test]
async fn s7_a_form_that_drips_in_is_given_up() {
    with_site(HTTPS, setup(2, &[2, 2]), |site| async move {
        let drip = futures_util::stream::repeat(())
            .then(async |()| tokio::time::sleep(Duration::from_secs(1)).await)
            .map(|()| Ok::<_, std::convert::Infallible>("x"));
        let request = Request::post(path(1, intern(1)) + "/commande")
            .header(header::ORIGIN, HTTPS)
            .header(header::AUTHORIZATION, format!("Bearer {}", site.token(1, intern(1))))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from_stream(drip))
            .unwrap();
        // Nothing asks the database until the form is there: time need not really pass.
        tokio::time::pause();
        let begun = tokio::time::Instant::now();
        let answer = site.answers(request).await;
        let waited = begun.elapsed();
        tokio::time::resume();
        assert_eq!(answer.status, 503);
        assert!(waited <= Duration::from_secs(16), "{waited:?}");
    })
    .await;
}
