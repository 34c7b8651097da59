//! The administrator runs a session in one browser, an intern follows in another: opening, suspension,
//! end of a turn, withdrawal, late choices, closing.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use serde_json::json;
use support::browser::Browser;
use support::client::Client;
use support::house::{House, LATE_START};
use support::journal::event;

/// Posts of `samples/lille-pediatrie` with one seat, and with three.
const SINGLE: u64 = 1;
const OTHER_SINGLE: u64 = 3;
const TRIPLE: u64 = 5;
const INTERNS: usize = 12;

#[tokio::test]
async fn an_administrator_opens_suspends_resumes_ends_withdraws_and_closes() {
    let house = House::new();
    let server = house.serve(&LATE_START).await;
    let amphi = house.import("lille-pediatrie").await;
    let (desk, phone) = (Browser::open().await, Browser::open().await);
    desk.goto(&amphi.administrator).await;
    phone.goto(amphi.intern(1)).await;
    phone.sees("#mon-tour[data-etat=attente]").await;
    desk.sees("#internes tr[data-rang='1'][data-presence=present]").await;
    desk.sees("#internes tr[data-rang='2'][data-presence=absent]").await;

    act(&desk, "open", None).await;
    phone.sees_shown("#mon-tour[data-etat=tour] #compte-a-rebours").await;
    desk.sees("#tour-en-cours[data-rang='1']").await;
    assert_eq!(desk.text("#nom-en-cours").await, amphi.name(1));

    a_few_seconds_pass(&desk).await;

    // One key suspends at once; then everybody is told why, and the countdown stands still.
    desk.press(thirtyfour::Key::F8).await;
    phone.sees("#mon-tour[data-etat=suspendu]").await;
    desk.sees_shown("dialog#acte[open] #apercu[data-acte=explain_suspension]").await;
    desk.fill("#acte-motif", "Alarme incendie, on évacue").await;
    desk.tap("#acte-confirmer").await;
    desk.sees_shown("#resultat[data-resultat=fait]").await;
    phone.sees_that("document.getElementById('mon-tour').textContent.includes('Alarme incendie')").await;
    let told = phone.text("#mon-tour").await;
    assert!(told.contains("Alarme incendie, on évacue"), "{told}");
    let left = desk.text("#compte-a-rebours").await;
    assert!(left.starts_with("4:"), "five minutes, of which some seconds have gone: {left}");
    assert!(told.contains("4 min"), "the time that will be left is not in: {told}");
    a_few_seconds_pass(&desk).await;
    assert_eq!(desk.text("#compte-a-rebours").await, left);
    let refused =
        Client::intern(&amphi, 1).await.command(json!({ "action": "choose", "post": SINGLE })).await;
    assert_eq!(refused["code"], "suspended");

    act(&desk, "resume", None).await;
    phone.sees("#mon-tour[data-etat=tour]").await;
    assert!(minutes_and_seconds(&desk.text("#compte-a-rebours").await) <= minutes_and_seconds(&left));
    desk.sees_that(&format!("document.getElementById('compte-a-rebours').textContent !== {left:?}")).await;

    // End of a turn: the intern keeps the right to choose, the next one is called.
    act(&desk, "end_turn", Some("Ne répond pas au téléphone")).await;
    phone.sees("#mon-tour[data-etat=retard]").await;
    desk.sees("#tour-en-cours[data-rang='2']").await;

    // Withdrawal of somebody who would have passed next.
    desk.tap("#internes tr[data-rang='3'] a[data-dossier]").await;
    desk.tap("#dossier a[data-acte=withdraw]").await;
    desk.sees_shown("#apercu[data-acte=withdraw] #acte-confirmer").await;
    let touched = desk.text("#acte [data-role=touches]").await;
    assert!(touched.contains(amphi.name(3)), "{} is not in: {touched}", amphi.name(3));
    desk.fill("#acte-motif", "Démission").await;
    desk.tap("#acte-confirmer").await;
    desk.sees("#internes tr[data-rang='3'][data-etat=withdrawn]").await;
    Client::intern(&amphi, 2).await.choose_in_turn(TRIPLE).await;
    desk.sees("#tour-en-cours[data-rang='4']").await;

    // Closing while turns remain is not offered; a page left open that asks all the same is told why.
    assert!(!desk.sees("a[data-acte=close]").await.is_displayed().await.unwrap());
    let page = desk.js_with(CLOSE_BY_FORM, vec![json!(amphi.path("regie"))]).await;
    let page = page.as_str().unwrap();
    assert!(page.contains("data-code=\"turns_remain\""), "{page}");
    assert!(page.contains("message-titre"), "{page}");
    let refused = Client::administrator(&amphi).await.command(json!({ "action": "close" })).await;
    assert_eq!((&refused["code"], &refused["remaining"]), (&json!("turns_remain"), &json!(INTERNS - 3)));

    // The rest of the list passes; then the session can be closed, and says so everywhere.
    for rank in 4..=INTERNS {
        Client::intern(&amphi, rank).await.pass_in_turn().await;
    }
    desk.sees_shown("a[data-acte=close]").await;
    act(&desk, "close", None).await;
    desk.sees("#amphi-etat[data-statut=closed]").await;
    phone.sees("#mon-tour[data-etat=clos]").await;

    let journal = house.export(&amphi.id).await;
    let said = journal.verify(&[]).await.success();
    assert!(said.contains("séance close"), "{said}");
    for kind in ["opened", "suspended", "resumed", "withdrawn", "closed"] {
        assert_eq!(journal.of_type(kind).count(), 1, "{kind}");
    }
    assert_eq!(desk.console().await, [""; 0]);
    assert_eq!(phone.console().await, [""; 0]);
    desk.close().await;
    phone.close().await;
    house.close(server).await;
}

#[tokio::test]
async fn a_late_choice_of_a_last_seat_waits_for_the_turn_then_is_placed_or_refused() {
    let house = House::new();
    let server = house.serve(&LATE_START).await;
    let amphi = house.import("lille-pediatrie").await;
    Client::administrator(&amphi).await.done(json!({ "action": "open" })).await;
    for rank in [1, 2] {
        Client::intern(&amphi, rank).await.pass_in_turn().await;
    }

    // Rank 3 could still take the seat that rank 1, late, would like: rank 1 waits, and is told for whom.
    let phone = Browser::open().await;
    phone.goto(amphi.intern(1)).await;
    phone.sees("#mon-tour[data-etat=retard]").await;
    let asked = choose(&phone, SINGLE).await;
    assert!(asked.contains("rang 3"), "{asked}");
    phone.sees_shown("#mon-tour[data-etat=retenu] #retirer").await;
    phone.sees("#resultat[data-resultat=en_attente]").await;

    // Taken back, and asked for again.
    phone.tap("#retirer button").await;
    phone.sees("#mon-tour[data-etat=retard]").await;
    choose(&phone, SINGLE).await;
    phone.sees("#mon-tour[data-etat=retenu]").await;

    // Rank 3 takes the very seat: rank 1 hears of it, and may go on.
    Client::intern(&amphi, 3).await.choose_in_turn(SINGLE).await;
    phone.sees_shown("#resultat[data-resultat=refus][data-code=held_refused]").await;
    phone.sees("#mon-tour[data-etat=retard]").await;
    phone.sees(&format!("[data-poste='{SINGLE}'][data-places='0']")).await;

    // The next last seat is wanted by nobody else: placed when the turn ends.
    choose(&phone, OTHER_SINGLE).await;
    phone.sees("#mon-tour[data-etat=retenu]").await;
    Client::intern(&amphi, 4).await.choose_in_turn(TRIPLE).await;
    phone.sees_shown("#mon-tour[data-etat=place] #recu[data-code]").await;
    let first = phone.attribute("#recu", "data-code").await.unwrap();

    // Where more seats are left, a late choice is final at once.
    phone.goto(amphi.intern(2)).await;
    phone.sees("#mon-tour[data-etat=retard]").await;
    choose(&phone, TRIPLE).await;
    phone.sees_shown("#mon-tour[data-etat=place] #recu[data-code]").await;
    let second = phone.attribute("#recu", "data-code").await.unwrap();

    let journal = house.export(&amphi.id).await;
    journal.verify(&[first, second]).await.success();
    let placed = journal.of_type("choice_committed").map(event);
    let manners: Vec<_> =
        placed.map(|e| (e["rank"].as_u64().unwrap(), e["manner"].as_str().unwrap())).collect();
    assert_eq!(manners, [(3, "in_turn"), (4, "in_turn"), (1, "late_held"), (2, "late")]);
    assert_eq!(phone.console().await, [""; 0]);
    phone.close().await;
    house.close(server).await;
}

/// Sends the form of a page that was rendered when closing was still thought possible.
const CLOSE_BY_FORM: &str = "
    const [path] = arguments;
    const body = new URLSearchParams({ command_id: crypto.randomUUID(), action: 'close' });
    return fetch(`${path}/commande`, { method: 'POST', body }).then((answer) => answer.text());";

/// Does an act of the control room, with its reason where it asks for one.
async fn act(desk: &Browser, act: &str, reason: Option<&str>) {
    desk.sees("#connexion[data-etat=connecte]").await;
    let control =
        if act == "resume" { "form[data-acte=resume] button" } else { &format!("a[data-acte={act}]") };
    desk.tap(control).await;
    if act != "resume" {
        desk.sees_shown("dialog#acte[open]").await;
        if let Some(reason) = reason {
            desk.fill("#acte-motif", reason).await;
        }
        desk.tap("#acte-confirmer").await;
        desk.sees_that("!document.getElementById('acte').open").await;
    }
    desk.sees_shown("#resultat[data-resultat=fait]").await;
}

/// Taps a post and confirms; gives what was asked.
async fn choose(phone: &Browser, post: u64) -> String {
    phone.sees("#connexion[data-etat=connecte]").await;
    phone.tap(&format!("[data-poste='{post}'] .choisir")).await;
    phone.sees_shown("dialog#confirmation[open] #confirmer").await;
    let asked = phone.text("#confirmation").await;
    phone.tap("#confirmer").await;
    phone.sees_that("!document.getElementById('confirmation').open").await;
    asked
}

/// The clock on the page goes on by three seconds.
async fn a_few_seconds_pass(browser: &Browser) {
    let now = browser.text("#horloge").await;
    let later = format!(
        "(() => {{ const s = (t) => t.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
            return s(document.getElementById('horloge').textContent) >= s({now:?}) + 3; }})()"
    );
    browser.sees_that(&later).await;
}

fn minutes_and_seconds(text: &str) -> u32 {
    let (minutes, seconds) = text.split_once(':').unwrap();
    minutes.parse::<u32>().unwrap() * 60 + seconds.parse::<u32>().unwrap()
}
