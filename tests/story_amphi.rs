//! An amphi as people live it: an intern watches, chooses and keeps a receipt; with the pointer, with
//! the keyboard alone, without scripts; and the demonstration.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use nix::sys::signal::Signal;
use serde_json::json;
use support::browser::{Browser, FOCUSED};
use support::client::{Client, receipt_code};
use support::house::{House, LATE_START};
use support::journal::event;
use support::server::Server;
use thirtyfour::prelude::*;

/// One seat, two seats, two seats: see `samples/lille-psychiatrie/posts.csv`.
const SINGLE: u64 = 2;
const DOUBLE: u64 = 1;

#[tokio::test]
async fn an_intern_watches_chooses_and_keeps_a_receipt_that_anyone_can_check() {
    let house = House::new();
    let server = house.serve(&LATE_START).await;
    let amphi = house.import("lille-psychiatrie").await;
    let mut robots = Vec::new();
    for rank in 1..=3 {
        robots.push(Client::intern(&amphi, rank).await);
    }
    let posts = robots[0].state["posts"].clone();
    let seats = |post: u64| posts[usize::try_from(post).unwrap() - 1]["seats"].as_u64().unwrap();
    assert_eq!((seats(SINGLE), seats(DOUBLE)), (1, 2), "the sample is what this story needs");

    // Before the session: when will it be my turn?
    let phone = Browser::open().await;
    phone.be_a_phone(360, 780).await;
    phone.goto(amphi.intern(4)).await;
    phone.sees("#connexion[data-etat=connecte]").await;
    phone.sees_shown("#mon-tour[data-etat=attente] #heure-prevue[datetime]").await;
    let expected = phone.attribute("#heure-prevue", "datetime").await.unwrap();
    assert!(expected.starts_with("2027-03-29T13:"), "three turns after 15:00 in Paris: {expected}");
    assert!(phone.text("#mon-tour").await.contains("15 h"), "{}", phone.text("#mon-tour").await);

    // Those who run the room.
    let desk = Browser::open().await;
    desk.goto(&amphi.administrator).await;
    desk.new_tab(&amphi.spectator).await;
    desk.show_tab(0).await;
    desk.sees("#connexion[data-etat=connecte]").await;
    desk.tap("a[data-acte=open]").await;
    desk.tap("#acte-confirmer").await;
    desk.sees("#resultat[data-resultat=fait]").await;
    phone.sees("#amphi-etat[data-statut=open]").await;

    // The others choose; the list keeps its place and strikes what is gone.
    let first_item = "return document.querySelector('#postes > li').dataset.poste";
    let stands_first = phone.js(first_item).await;
    robots[0].choose_in_turn(SINGLE).await;
    phone.sees(&format!("[data-poste='{SINGLE}'][data-places='0']")).await;
    let struck = format!(
        "[...document.querySelectorAll('[data-poste=\"{SINGLE}\"] *')]
            .some((part) => getComputedStyle(part).textDecorationLine.includes('line-through'))"
    );
    phone.sees_that(&struck).await;
    phone.sees("#qui-passe[data-rang='2']").await;
    robots[1].choose_in_turn(DOUBLE).await;
    phone.sees(&format!("[data-poste='{DOUBLE}'][data-places='1']")).await;
    phone.sees("#derniers-choix li:first-child[data-rang='2']").await;
    assert_eq!(phone.js(first_item).await, stands_first, "the list does not move by itself");
    assert_eq!(phone.attribute("#postes", "data-choix").await.as_deref(), Some("non"));

    // Before one's turn there is nothing to choose with, and a choice all the same is refused.
    let choose = phone.sees(&format!("[data-poste='{DOUBLE}'] .choisir")).await;
    assert!(!choose.is_displayed().await.unwrap());
    let too_early = json!({ "action": "choose", "post": DOUBLE });
    let refused = Client::intern(&amphi, 4).await.command(too_early).await;
    assert_eq!((&refused["result"], &refused["code"]), (&json!("refused"), &json!("not_your_turn")));

    // My turn: tap, read, confirm.
    robots[2].choose_in_turn(3).await;
    phone.sees_shown("#mon-tour[data-etat=tour] #compte-a-rebours").await;
    phone.sees("#postes[data-choix=oui]").await;
    phone.tap(&format!("[data-poste='{DOUBLE}'] .choisir")).await;
    phone.sees_shown("dialog#confirmation[open] #confirmer").await;
    let asked = phone.text("#confirmation").await;
    let mine = &posts[usize::try_from(DOUBLE).unwrap() - 1];
    for repeated in [mine["establishment"].as_str().unwrap(), mine["service"].as_str().unwrap(), "définitif"]
    {
        assert!(asked.contains(repeated), "« {repeated} » is not in: {asked}");
    }
    phone.tap("#confirmer").await;
    phone.sees_shown("#mon-tour[data-etat=place] #recu[data-code]").await;
    phone.sees("#resultat[data-resultat=fait]").await;
    let receipt = phone.attribute("#recu", "data-code").await.unwrap();

    // Everybody hears of it.
    desk.sees("#internes tr[data-rang='4'][data-etat=placed]").await;
    let row = desk.text("#internes tr[data-rang='4']").await;
    assert!(row.contains(amphi.name(4)), "{} is not in: {row}", amphi.name(4));
    assert!(row.contains(mine["establishment"].as_str().unwrap()), "{row}");
    desk.show_tab(1).await;
    desk.sees("#qui-passe[data-rang='5']").await;
    desk.sees("#derniers-choix li[data-rang='4'], #suivants li[data-rang='6']").await;
    let screen = desk.js("return document.documentElement.outerHTML").await;
    let last_name = amphi.name(4).split(' ').next().unwrap();
    assert!(!screen.as_str().unwrap().contains(last_name), "a name on the public screen");

    // The receipt's own page, and the journal.
    phone.tap("#recu a[href$='/recu']").await;
    phone.sees("article#recu[data-code]").await;
    assert_eq!(phone.attribute("#recu", "data-code").await.unwrap(), receipt);
    let journal = house.export(&amphi.id).await;
    let said = journal.verify(std::slice::from_ref(&receipt)).await.success();
    assert!(said.contains("le rang 4 a obtenu le poste 1 (place 2)"), "{said}");
    let forged = receipt.replacen(':', ":1", 1);
    let refused = journal.verify(&[forged]).await.refusal();
    assert!(refused.contains("Reçu REFUSÉ"), "{refused}");

    assert_eq!(phone.console().await, [""; 0]);
    assert_eq!(desk.console().await, [""; 0]);
    phone.close().await;
    desk.close().await;
    house.close(server).await;
}

#[tokio::test]
async fn the_keyboard_alone_is_enough() {
    let house = House::new();
    let server = house.serve(&LATE_START).await;
    let amphi = house.import("lille-pediatrie").await;
    let browser = Browser::open().await;
    browser.goto(amphi.intern(1)).await;
    Client::administrator(&amphi).await.done(json!({ "action": "open" })).await;
    browser.sees("#mon-tour[data-etat=tour]").await;

    browser.tab_to("[data-poste='5'] .choisir").await;
    browser.press(Key::Enter).await;
    browser.sees_shown("dialog#confirmation[open]").await;
    assert_eq!(browser.js("return document.activeElement.id").await, "confirmation-titre");

    // Escape leads back to where one was.
    browser.press(Key::Escape).await;
    browser.sees_that("!document.getElementById('confirmation').open").await;
    let focused = browser.js("return document.activeElement.closest('[data-poste]')?.dataset.poste").await;
    assert_eq!(focused, "5", "{}", browser.js(FOCUSED).await);

    browser.press(Key::Enter).await;
    browser.sees_shown("dialog#confirmation[open]").await;
    browser.tab_to("#confirmer").await;
    browser.press(Key::Enter).await;
    browser.sees_shown("#mon-tour[data-etat=place] #recu[data-code]").await;
    browser.sees_that("document.activeElement.id === 'mon-tour-titre'").await;
    let receipt = browser.attribute("#recu", "data-code").await.unwrap();
    house.export(&amphi.id).await.verify(&[receipt]).await.success();
    assert_eq!(browser.console().await, [""; 0]);
    browser.close().await;
    house.close(server).await;
}

#[tokio::test]
async fn without_scripts_forms_are_enough() {
    let house = House::new();
    let server = house.serve(&LATE_START).await;
    let amphi = house.import("lille-pediatrie").await;
    let browser = Browser::open_without_scripts().await;
    browser.goto(amphi.intern(2)).await;
    browser.sees("#mon-tour[data-etat=attente] #heure-prevue[datetime]").await;
    browser.sees_shown("noscript .ligne").await;
    Client::administrator(&amphi).await.done(json!({ "action": "open" })).await;
    let mut first = Client::intern(&amphi, 1).await;
    let taken = first.choose_in_turn(1).await;
    assert_eq!(taken["receipt"]["post"], 1);

    // Nothing moves by itself; a reload shows the truth of the moment.
    browser.goto(amphi.intern(2)).await;
    browser.sees("#mon-tour[data-etat=tour]").await;
    browser.sees("[data-poste='1'][data-places='0']").await;

    // Somebody was quicker than a page left open: told why, and nothing is lost.
    browser.goto(&format!("{}{}", server.url, amphi.path("rang/2/choisir/1"))).await;
    browser.sees_shown(".message[data-sens=arret]").await;
    assert_eq!(browser.count("#confirmer").await, 0);
    browser.tap("main .retour a").await;

    browser.tap("[data-poste='5'] .choisir").await;
    browser.tap("#confirmer").await;
    browser.sees_shown("#resultat[data-resultat=fait]").await;
    browser.sees_shown("#mon-tour[data-etat=place] #recu[data-code]").await;
    let receipt = browser.attribute("#recu", "data-code").await.unwrap();
    let journal = house.export(&amphi.id).await;
    let said = journal.verify(&[receipt, receipt_code(&taken)]).await.success();
    assert!(said.contains("le rang 2 a obtenu le poste 5"), "{said}");
    assert_eq!(journal.of_type("choice_committed").map(|e| &event(e)["rank"]).collect::<Vec<_>>(), [1, 2]);
    browser.close().await;
    house.close(server).await;
}

#[tokio::test]
async fn the_demonstration_prints_addresses_that_work_and_its_robots_choose() {
    let house = House::new();
    let temporary = house.directory("temporary");
    let arguments = ["demo", "--listen", "127.0.0.1:0", "--speed", "60"];
    let mut demo = Server::spawn(&arguments, &[("TMPDIR", temporary.as_path())], &house.file("demo.log"));
    let mut addresses = Vec::new();
    while addresses.len() < 3 {
        let line = demo.line().await;
        addresses.extend(line.trim().starts_with("http://").then(|| line.trim().to_owned()));
    }
    let browser = Browser::open().await;
    browser.goto(&addresses[0]).await;
    browser.sees("html[data-page=interne]").await;
    browser.sees("#connexion[data-etat=connecte]").await;
    browser.sees_shown(".ligne-repetition").await;
    browser.new_tab(&addresses[1]).await;
    browser.sees("html[data-page=regie]").await;
    browser.sees("#internes tr[data-rang='106']").await;
    browser.new_tab(&addresses[2]).await;
    browser.sees("html[data-page=ecran]").await;

    // One robot chooses, one comes late, one chooses; then the visitor's turn comes.
    browser.sees("#qui-passe[data-rang='4']").await;
    browser.show_tab(0).await;
    browser.sees("#derniers-choix li[data-rang='3']").await;
    browser.sees("#postes [data-places='0']").await;
    browser.show_tab(1).await;
    browser.sees("#internes tr[data-rang='1'][data-etat=placed]").await;
    browser.sees("#internes tr[data-rang='4'][data-etat=late]").await;
    assert_eq!(browser.console().await, [""; 0]);
    browser.close().await;
    // Ctrl-C is what people end it with; nothing stays behind.
    demo.end_with(Signal::SIGINT).await;
    let left: Vec<_> = std::fs::read_dir(&temporary).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?}");
}
