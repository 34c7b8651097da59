//! A whole choice without JavaScript: pages, forms, redirects, and what is said after each.

use amphi_engine::core::CallRank;
use axum::http::header;

use crate::scene::{self, setup};
use crate::site::{Answer, Browser, HTTP, Site, fresh_id, intern, path, with_site};

/// The value of a hidden field of a page's form.
fn field(page: &str, name: &str) -> String {
    let from = page.split(&format!("name=\"{name}\" value=\"")).nth(1);
    from.unwrap_or_else(|| panic!("no field {name} in {page}")).split('"').next().unwrap().to_owned()
}

/// Follows a redirect, as a browser does.
async fn followed(browser: &mut Browser<'_>, answer: &Answer) -> String {
    assert_eq!(answer.status, 303);
    let page = browser.get(answer.header(header::LOCATION)).await;
    assert_eq!(page.status, 200);
    page.text()
}

/// Chooses by the confirmation page; gives the page that comes after.
async fn chooses(browser: &mut Browser<'_>, rank: u16, post: u16) -> String {
    let own = path(1, intern(rank));
    let confirmation = browser.get(&format!("{own}/choisir/{post}")).await.text();
    let (id, action, post) =
        (field(&confirmation, "command_id"), field(&confirmation, "action"), field(&confirmation, "post"));
    assert!(confirmation.contains(&format!("<form method=\"post\" action=\"{own}/commande\">")));
    let fields = [("command_id", id.as_str()), ("action", &action), ("post", &post)];
    let sent = browser.post(&(own + "/commande"), &fields).await;
    followed(browser, &sent).await
}

async fn receipt_code(site: &Site, rank: u16) -> String {
    let room = site.room(1).await;
    room.read(|ledger| ledger.receipt(CallRank(rank)).map(|receipt| receipt.code())).unwrap()
}

#[tokio::test]
async fn a_choice_is_made_with_a_form_and_leaves_a_receipt() {
    with_site(HTTP, setup(3, &[1, 2]), |site| async move {
        let mut browser = site.browser(&[(1, intern(1))]).await;
        let own = path(1, intern(1));
        let waiting = browser.get(&own).await.text();
        assert!(waiting.contains("data-etat=\"attente\"") && waiting.contains("data-choix=\"non\""));
        let early = browser.get(&format!("{own}/choisir/1")).await.text();
        assert!(early.contains("Ce choix n’est pas possible") && !early.contains("name=\"command_id\""));

        site.until("09:00").await;
        let turn = browser.get(&own).await.text();
        assert!(turn.contains("data-etat=\"tour\"") && turn.contains(&format!("href=\"{own}/choisir/1\"")));
        let after = chooses(&mut browser, 1, 1).await;
        assert!(after.contains("data-resultat=\"fait\"") && after.contains("data-etat=\"place\""), "{after}");
        let code = receipt_code(&site, 1).await;
        assert!(after.contains(&format!("data-code=\"{code}\"")));
        let receipt = browser.get(&format!("{own}/recu")).await.text();
        assert!(receipt.contains(&code) && receipt.contains("Choix définitif"));
    })
    .await;
}

#[tokio::test]
async fn p3_a_form_sent_twice_acts_once_and_says_the_same() {
    with_site(HTTP, setup(3, &[1, 2]), |site| async move {
        site.until("09:00").await;
        let mut browser = site.browser(&[(1, intern(1))]).await;
        let id = fresh_id().to_string();
        let address = path(1, intern(1)) + "/commande";
        let fields = [("command_id", id.as_str()), ("action", "choose"), ("post", "2")];
        let first = browser.post(&address, &fields).await;
        let position = site.positions().await;
        let second = browser.post(&address, &fields).await;
        assert_eq!(second.header(header::LOCATION), first.header(header::LOCATION));
        assert_eq!(site.positions().await, position);
    })
    .await;
}

#[tokio::test]
async fn a_refusal_says_what_happened_what_is_still_true_and_what_to_do() {
    with_site(HTTP, setup(3, &[1, 2]), |site| async move {
        site.until("09:00").await;
        site.does(1, scene::intern(1), scene::choose(1, 1)).await;
        site.until("09:03").await;
        let mut browser = site.browser(&[(1, intern(2))]).await;
        let own = path(1, intern(2));
        let full = browser.get(&format!("{own}/choisir/1")).await.text();
        assert!(full.contains("Ce choix n’est pas possible"));
        // The form of a page that was opened while there was a seat.
        let id = fresh_id().to_string();
        let fields = [("command_id", id.as_str()), ("action", "choose"), ("post", "1")];
        let refused = browser.post(&format!("{own}/commande"), &fields).await;
        assert_eq!(
            refused.header(header::LOCATION),
            format!("{own}?resultat=refus-post_taken&poste=1&rang=1")
        );
        let page = followed(&mut browser, &refused).await;
        assert!(
            page.contains("data-resultat=\"refus\"") && page.contains("data-code=\"post_taken\""),
            "{page}"
        );
        assert!(page.contains("data-etat=\"tour\""), "it is still their turn");
        let after = chooses(&mut browser, 2, 2).await;
        assert!(after.contains("data-resultat=\"fait\""));
    })
    .await;
}

#[tokio::test]
async fn r3_3_a_held_choice_is_said_shown_and_can_be_taken_back() {
    with_site(HTTP, setup(3, &[1, 2]), |site| async move {
        site.until("09:00").await;
        site.does(1, scene::intern(1), scene::pass(1)).await;
        site.until("09:03").await;
        let mut browser = site.browser(&[(1, intern(1))]).await;
        let own = path(1, intern(1));
        let held = chooses(&mut browser, 1, 1).await;
        assert!(
            held.contains("data-resultat=\"en_attente\"") && held.contains("data-etat=\"retenu\""),
            "{held}"
        );
        assert_eq!(browser.get(&format!("{own}/recu")).await.status, 404, "nothing is final yet");
        let form = held.split("id=\"retirer\"").nth(1).unwrap();
        let fields = [("command_id", field(form, "command_id")), ("action", field(form, "action"))];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let released = browser.post(&format!("{own}/commande"), &fields).await;
        let page = followed(&mut browser, &released).await;
        assert!(page.contains("data-etat=\"retard\"") && page.contains("data-resultat=\"fait\""));

        chooses(&mut browser, 1, 1).await;
        site.does(1, scene::intern(2), scene::choose(2, 2)).await;
        let placed = browser.get(&own).await.text();
        assert!(placed.contains("data-etat=\"place\""));
        assert_eq!(browser.get(&format!("{own}/recu")).await.status, 200);
    })
    .await;
}

/// An act, its other fields, and what the page says afterwards.
type Step<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

#[tokio::test]
async fn an_administrator_runs_the_session_with_forms() {
    use amphi_engine::protocol::Role::Administrator;
    with_site(HTTP, setup(2, &[1, 2]), |site| async move {
        site.until("09:00").await;
        let mut browser = site.browser(&[(1, Administrator)]).await;
        let control = path(1, Administrator);
        let steps: [Step; 7] = [
            ("suspend", &[("reason", "")], "data-code=\"reason_needed\""),
            ("suspend", &[("reason", "Panne de réseau")], "data-statut=\"suspended\""),
            ("suspend", &[("reason", "Encore")], "data-code=\"suspended\""),
            ("resume", &[], "data-statut=\"open\""),
            ("end_turn", &[("rank", "2"), ("reason", "Absent")], "data-code=\"turn_not_in_progress\""),
            ("end_turn", &[("rank", "1"), ("reason", "Absent")], "data-resultat=\"fait\""),
            ("withdraw", &[("rank", "2"), ("reason", "Démission")], "data-resultat=\"fait\""),
        ];
        for (action, more, expected) in steps {
            let id = fresh_id().to_string();
            let fields = crate::site::command(&id, action, more);
            let sent = browser.post(&format!("{control}/commande"), &fields).await;
            let page = followed(&mut browser, &sent).await;
            assert!(page.contains(expected), "{action} {more:?}: no {expected}");
        }
        let id = fresh_id().to_string();
        let closed =
            browser.post(&format!("{control}/commande"), &crate::site::command(&id, "close", &[])).await;
        assert!(followed(&mut browser, &closed).await.contains("data-statut=\"closed\""));
    })
    .await;
}

#[tokio::test]
async fn an_address_typed_by_hand_shows_no_message() {
    with_site(HTTP, setup(2, &[1, 2]), |site| async move {
        let mut browser = site.browser(&[(1, intern(1))]).await;
        for query in
            ["resultat=", "resultat=bravo", "resultat=refus-", "resultat=refus-x&poste=zz", "%ff=%ff", "&&=&"]
        {
            let page = browser.get(&format!("{}?{query}", path(1, intern(1)))).await;
            assert_eq!(page.status, 200, "{query}");
            assert!(!page.text().contains("data-resultat="), "{query}");
        }
    })
    .await;
}
