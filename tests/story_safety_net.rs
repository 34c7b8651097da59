//! Wishes and safety net (3.5): ordered by keyboard and by drag, saved with a receipt; the intern leaves,
//! the turn expires, and the first wish still free is theirs.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use serde_json::{Value, json};
use support::browser::{Browser, FOCUSED};
use support::client::Client;
use support::house::{House, LATE_START, OPENING};
use support::journal::event;
use thirtyfour::prelude::*;

const ORDER: &str = "return [...document.querySelectorAll('#voeux-liste [data-voeu]')].map((row) => Number(row.dataset.voeu))";

async fn order(browser: &Browser) -> Value {
    browser.js(ORDER).await
}

fn grip(post: u64) -> String {
    format!("[data-voeu='{post}'] .poignee")
}

#[tokio::test]
async fn r3_5_the_first_wish_still_free_is_theirs_when_their_turn_expires_without_them() {
    let house = House::new();
    // Turns of half a minute, on a clock that goes four times as fast.
    let server = house.serve(&[&LATE_START[..], &["--speed", "4"]].concat()).await;
    let flags = ["--opening", OPENING, "--safety-net", "--turn", "30s"];
    let amphi = house.import_with("lille-psychiatrie", &flags).await;
    let browser = Browser::open().await;
    browser.goto(amphi.intern(2)).await;
    browser.sees("#connexion[data-etat=connecte]").await;
    for post in [1, 2, 3] {
        browser.tap(&format!("[data-poste='{post}'] .voeu")).await;
    }
    assert_eq!(order(&browser).await, json!([1, 2, 3]));
    browser.sees_shown("#voeux-marque").await;
    assert_eq!(browser.attribute("[data-poste='3'] .voeu", "aria-pressed").await.as_deref(), Some("true"));

    // By keyboard: the focus stays on what moves, and where it is is said.
    browser.js_with("document.querySelector(arguments[0]).focus()", vec![json!(grip(2))]).await;
    browser.press(Key::Up).await;
    assert_eq!(order(&browser).await, json!([2, 1, 3]));
    assert_eq!(
        browser.js("return document.activeElement.closest('[data-voeu]')?.dataset.voeu").await,
        "2",
        "{}",
        browser.js(FOCUSED).await
    );
    browser.sees_that("document.getElementById('annonces').textContent.includes('vœu 1 sur 3')").await;
    browser.press(Key::End).await;
    assert_eq!(order(&browser).await, json!([1, 3, 2]));
    browser.press(Key::Home).await;
    assert_eq!(order(&browser).await, json!([2, 1, 3]));

    // By drag: the third above the second.
    let (held, target) = (browser.sees(&grip(3)).await, browser.sees(&grip(1)).await);
    browser
        .js_with("arguments[0].scrollIntoView({ block: 'center' })", vec![target.to_json().unwrap()])
        .await;
    let chain = browser.driver().action_chain().click_and_hold_element(&held).move_to_element_center(&target);
    chain.move_by_offset(0, -12).release().perform().await.unwrap();
    assert_eq!(order(&browser).await, json!([2, 3, 1]));
    // By buttons.
    browser.tap("[data-voeu='1'] [data-vers='-1']").await;
    assert_eq!(order(&browser).await, json!([2, 1, 3]));

    // Not saved yet: a reload loses nothing.
    browser.tap("#filet input[value=if_absent]").await;
    browser.goto(&format!("{}{}", server.url, amphi.path("rang/2"))).await;
    browser.sees("#connexion[data-etat=connecte]").await;
    assert_eq!(order(&browser).await, json!([2, 1, 3]));
    browser.sees_shown("#voeux-marque").await;
    browser.tap("#voeux-enregistrer").await;
    browser.sees("#voeux[data-version='1']").await;
    browser.sees_shown("#voeux-recu").await;
    let receipt = browser.text("#voeux-recu code").await;
    assert!(browser.text("#voeux-etat").await.starts_with("Version 1 enregistrée à"));

    // Another device saves a newer one: it is shown, and what was not saved here can be taken up again.
    browser.tap("[data-voeu='3'] [data-vers=dehors]").await;
    let mut device = Client::intern(&amphi, 2).await;
    device.done(json!({ "action": "set_wishes", "wishes": [2, 1], "safety_net": "never" })).await;
    drop(device);
    browser.sees("#voeux[data-version='2']").await;
    assert_eq!(order(&browser).await, json!([2, 1]));
    browser.tap("#filet input[value=if_absent]").await;
    browser.tap("#voeux-enregistrer").await;
    browser.sees("#voeux[data-version='3']").await;

    // The intern leaves; the first wish is taken; the turn expires.
    browser.goto("about:blank").await;
    let mut control = Client::administrator(&amphi).await;
    control.done(json!({ "action": "open" })).await;
    let mut first = Client::intern(&amphi, 1).await;
    first.choose_in_turn(2).await;
    control.until("rank 2 is placed", |state| state["participants"][1]["standing"] == "placed").await;
    let placed = &control.state["participants"][1];
    assert_eq!((&placed["post"], &placed["manner"]), (&json!(1), &json!("safety_net")));

    browser.goto(&format!("{}{}", server.url, amphi.path("rang/2"))).await;
    browser.sees_shown("#mon-tour[data-etat=place] #recu[data-code]").await;
    let said = browser.text("#mon-tour").await;
    assert!(said.contains("filet de sécurité a retenu votre vœu n° 2"), "{said}");
    let choice = browser.attribute("#recu", "data-code").await.unwrap();
    let journal = house.export(&amphi.id).await;
    let verified = journal.verify(&[choice]).await.success();
    assert!(verified.contains("le rang 2 a obtenu le poste 1"), "{verified}");
    let versions: Vec<_> =
        journal.of_type("wishes_set").map(|entry| event(entry)["version"].clone()).collect();
    assert_eq!(versions, [1, 2, 3]);
    let of_receipt: u64 = receipt.split(':').nth(1).unwrap().parse().unwrap();
    assert!(journal.of_type("wishes_set").any(|entry| entry["seq"] == json!(of_receipt)), "{receipt}");
    assert_eq!(browser.console().await, [""; 0]);
    browser.close().await;
    house.close(server).await;
}
