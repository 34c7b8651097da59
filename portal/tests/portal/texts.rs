//! What people write (W4, W5 in small): stored as typed, shown as text, never markup.

use amphi_engine::core::{CallRank, Command};
use amphi_engine::protocol::Role;
use axum::body::Body;
use axum::http::Method;
use serde_json::Value;

use crate::scene::{ADMINISTRATOR, amphi, choose, intern as by, setup};
use crate::site::{HTTPS, Site, intern, path, with_site};

/// Written into every field; each begins with the field's own mark.
const PAYLOADS: [&str; 6] = [
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</title></textarea><svg/onload=alert(1)>",
    "<!--<script>\u{2028}alert(1)//",
    "{{7*7}}${7*7}&lt;b&gt;'; DROP TABLE interns; --",
];

/// The text that stands in a field: its mark, and a payload.
fn text(mark: &str, payload: &str) -> String {
    format!("{mark}{payload}")
}

/// Every field that people fill in before a session.
fn written(payload: &str) -> amphi_engine::core::Setup {
    let mut setup = setup(3, &[2, 2]);
    setup.title = text("titre", payload);
    for participant in &mut setup.participants {
        participant.pseudonym = text("pseudonyme", payload);
    }
    for post in &mut setup.posts {
        post.imotep = text("imotep", payload);
        post.establishment = text("etablissement", payload);
        post.service = text("service", payload);
        post.specialty = text("specialite", payload);
        post.phase = text("phase", payload);
        post.criteria = vec![text("critere", payload)];
    }
    setup.posts[1].specialty.push('2');
    setup.posts[1].phase.push('2');
    setup
}

/// Names and addresses, as `people.rs` keeps them.
async fn names(site: &Site, payload: &str) {
    sqlx::query(
        "UPDATE interns SET email = $2, last_name = $3, first_name = $4, phone = $5
         WHERE id = (SELECT intern_id FROM roster WHERE amphi_id = $1 AND call_rank = 1)",
    )
    .bind(amphi(1).0)
    .bind(text("adresse", payload))
    .bind(text("nom", payload))
    .bind(text("prenom", payload))
    .bind(text("telephone", payload))
    .execute(&site.pool)
    .await
    .unwrap();
}

/// A page without its data islands, and what stands in them.
fn without_islands(page: &str) -> (String, Vec<Value>) {
    let (mut rest, mut markup, mut islands) = (page, String::new(), Vec::new());
    while let Some(at) = rest.find("<script type=\"application/json\"") {
        let (before, island) = rest.split_at(at);
        let (opening, island) = island.split_at(island.find('>').unwrap() + 1);
        let (json, after) = island.split_once("</script>").unwrap();
        markup.push_str(before);
        markup.push_str(opening);
        islands.push(serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}")));
        rest = after;
    }
    (markup + rest, islands)
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// Undoes the escapes that a browser undoes.
fn unescaped(html: &str) -> String {
    html.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

/// Nothing that was typed is markup, and each field marked in `shown` appears just as it was typed.
fn assert_text(page: &str, payload: &str, shown: &[&str], what: &str) {
    let (markup, islands) = without_islands(page);
    assert!(!markup.contains(payload), "{what}: the payload stands in the page as it is");
    for markup_of_ours in ["<img src=x", "<svg/onload", "<script>alert", "' onmouseover='", "<!--<script"] {
        assert!(!markup.contains(markup_of_ours), "{what}: {markup_of_ours}");
    }
    let typed: Vec<String> = islands.iter().flat_map(strings).collect();
    let visible = unescaped(&markup);
    for mark in shown {
        let expected = text(mark, payload);
        let in_island = typed.iter().any(|text| text.contains(&expected));
        assert!(visible.contains(&expected) || in_island, "{what}: {mark} is not shown as it was typed");
    }
    for text in typed.iter().filter(|text| text.contains("alert")) {
        assert!(text.contains(payload), "{what}: the island changed what was typed: {text}");
    }
}

#[tokio::test]
async fn w4_w5_what_people_write_is_shown_as_they_wrote_it_and_is_never_markup() {
    for payload in PAYLOADS {
        with_site(HTTPS, written(payload), |site| async move {
            names(&site, payload).await;
            site.until("09:00").await;
            let doors = [(1, intern(1)), (1, intern(2)), (1, Role::Administrator), (1, Role::Spectator)];
            let mut browser = site.browser(&doors).await;
            let own = path(1, intern(1));
            let post = ["titre", "etablissement", "service"];
            let offer = ["titre", "pseudonyme", "etablissement", "service", "phase", "critere", "specialite"];
            let people = ["titre", "nom", "prenom", "telephone", "pseudonyme"];
            let pages: [(String, &[&str]); 5] = [
                ("/".to_owned(), &["titre"]),
                (own.clone(), &offer),
                (format!("{own}/choisir/1"), &post),
                (path(1, Role::Administrator), &people),
                (path(1, Role::Spectator), &["titre"]),
            ];
            for (address, shown) in pages {
                let page = browser.get(&address).await.text();
                assert_text(&page, payload, shown, &format!("{address} with {payload}"));
            }
            site.does(1, by(1), choose(1, 1)).await;
            let receipt = browser.get(&format!("{own}/recu")).await.text();
            assert_text(
                &receipt,
                payload,
                &["titre", "etablissement", "service", "imotep", "pseudonyme"],
                "receipt",
            );

            let reason = text("motif", payload);
            site.does(1, ADMINISTRATOR, Command::Suspend { reason: reason.clone() }).await;
            for (number, role) in doors {
                let page = browser.get(&path(number, role)).await.text();
                assert_text(&page, payload, &["motif"], &format!("{role:?}, suspended, with {payload}"));
            }
            site.does(1, ADMINISTRATOR, Command::Annul { reason }).await;
            let receipt = browser.get(&format!("{own}/recu")).await.text();
            assert_text(&receipt, payload, &["motif"], "the receipt of an annulled session");
            let title = site.room(1).await.read(|ledger| {
                assert!(matches!(
                    ledger.amphi().standing(CallRank(1)),
                    Some(amphi_engine::core::Standing::Placed { .. })
                ));
                ledger.amphi().setup().unwrap().title.clone()
            });
            assert_eq!(title, text("titre", payload), "stored as typed");
        })
        .await;
    }
}

#[tokio::test]
async fn w4_w5_what_an_address_says_is_text_too() {
    with_site(HTTPS, setup(3, &[2, 2]), |site| async move {
        let mut browser = site.browser(&[(1, intern(1))]).await;
        for payload in PAYLOADS {
            let typed = text("mot", payload);
            for field in ["q", "specialite", "phase", "critere", "tri", "resultat", "poste", "rang", "libres"]
            {
                let query = serde_urlencoded::to_string([(field, typed.as_str())]).unwrap();
                let page = browser.get(&format!("{}?{query}", path(1, intern(1)))).await;
                assert_eq!(page.status, 200);
                let shown: &[&str] = if field == "q" { &["mot"] } else { &[] };
                assert_text(&page.text(), payload, shown, &format!("{field}={payload}"));
            }
            let encoded = serde_urlencoded::to_string([("x", payload)]).unwrap();
            let path = format!("/{}", &encoded[2..].replace('+', "%20"));
            let request = browser.request(Method::GET, &path).body(Body::empty()).unwrap();
            let page = browser.sends(request).await.text();
            assert_text(&page, payload, &[], "an address that does not exist");
        }
    })
    .await;
}
