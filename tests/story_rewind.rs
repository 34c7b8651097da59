//! Somebody who may not take part is found too late: the administrator looks at what going back would
//! undo, goes back with a reason, and those affected see it and choose again. The journal keeps both.
//! Where a turn let go by is lost, one choice is undone: whoever made it chooses again, and nobody else.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use serde_json::json;
use support::browser::Browser;
use support::client::Client;
use support::house::{House, LATE_START, OPENING};
use support::journal::event;

/// Posts of `samples/lille-pediatrie` with one seat, and with three.
const SINGLE: u64 = 1;
const OTHER_SINGLE: u64 = 3;
const TRIPLE: u64 = 5;
const REASON: &str = "Le rang 2 n’est plus en formation";

#[tokio::test]
async fn r3_7_a_rewind_is_previewed_reasoned_seen_and_chosen_anew() {
    let house = House::new();
    let server = house.serve(&LATE_START).await;
    let amphi = house.import("lille-pediatrie").await;
    Client::administrator(&amphi).await.done(json!({ "action": "open" })).await;
    for (rank, post) in [(1, TRIPLE), (2, SINGLE), (3, OTHER_SINGLE), (4, TRIPLE)] {
        Client::intern(&amphi, rank).await.choose_in_turn(post).await;
    }
    let [desk, phone, wall] = [Browser::open().await, Browser::open().await, Browser::open().await];
    desk.goto(&amphi.administrator).await;
    phone.goto(amphi.intern(3)).await;
    wall.goto(&amphi.spectator).await;
    phone.sees_shown("#mon-tour[data-etat=place] #recu[data-code]").await;
    let first = phone.attribute("#recu", "data-code").await.unwrap();
    for browser in [&desk, &phone, &wall] {
        browser.sees("#connexion[data-etat=connecte]").await;
        browser.js("window.never_reloaded = true").await;
    }
    let places = wall.text("#places-restantes").await;

    // Before anything is done, the administrator sees whom it touches, by name, and what they lose.
    desk.tap("#internes tr[data-rang='2'] a[data-dossier]").await;
    desk.tap("#dossier a[data-acte=rewind]").await;
    desk.sees_shown("#apercu[data-acte=rewind][data-pret] #acte-confirmer").await;
    let touched = desk.text("#acte [data-role=touches]").await;
    assert!(touched.contains("3 choix sont défaits"), "{touched}");
    for rank in [2, 3, 4] {
        assert!(touched.contains(amphi.name(rank)), "{} is not in: {touched}", amphi.name(rank));
    }
    assert!(!touched.contains(amphi.name(1)), "rank 1 chose before: {touched}");
    assert_eq!(desk.text("#amphi-etat").await, "En cours", "a preview changes nothing");

    // Somebody chooses meanwhile: the preview, still open, says so.
    Client::intern(&amphi, 5).await.choose_in_turn(TRIPLE).await;
    desk.sees_that("document.querySelector('#acte [data-role=touches]').textContent.includes('4 choix')")
        .await;

    desk.fill("#acte-motif", REASON).await;
    desk.tap("#acte-confirmer").await;
    desk.sees_shown("#resultat[data-resultat=fait]").await;
    desk.sees("#amphi-etat[data-statut=suspended]").await;

    // Those affected see it where they are, without a new page; so does the hall.
    phone.sees("#mon-tour[data-etat=suspendu]").await;
    phone.sees_that(&format!("document.getElementById('mon-tour').textContent.includes({REASON:?})")).await;
    assert!(!phone.sees("#recu").await.is_displayed().await.unwrap(), "the receipt is of a choice undone");
    wall.sees("#amphi-etat[data-statut=suspended]").await;
    wall.sees_that(&format!("document.getElementById('places-restantes').textContent !== {places:?}")).await;
    desk.sees("#internes tr[data-rang='1'][data-etat=placed]").await;
    for rank in [2, 3, 4, 5] {
        desk.sees(&format!("#internes tr[data-rang='{rank}'][data-etat=waiting]")).await;
    }

    // Rank 2 is taken out, and the session goes on with rank 3, who chooses again: what rank 2 had is free.
    desk.tap("#internes tr[data-rang='2'] a[data-dossier]").await;
    desk.tap("#dossier a[data-acte=withdraw]").await;
    desk.sees_shown("#apercu[data-acte=withdraw] #acte-confirmer").await;
    desk.fill("#acte-motif", REASON).await;
    desk.tap("#acte-confirmer").await;
    desk.sees("#internes tr[data-rang='2'][data-etat=withdrawn]").await;
    desk.tap("form[data-acte=resume] button").await;
    phone.sees("#mon-tour[data-etat=tour]").await;
    phone.tap(&format!("[data-poste='{SINGLE}'] .choisir")).await;
    phone.sees_shown("dialog#confirmation[open] #confirmer").await;
    phone.tap("#confirmer").await;
    phone.sees_shown("#mon-tour[data-etat=place] #recu[data-code]").await;
    let second = phone.attribute("#recu", "data-code").await.unwrap();
    assert_ne!(first, second);

    // The control room's journal, from the beginning of the session, keeps both choices of rank 3.
    desk.sees("#tour-en-cours[data-rang='4']").await;
    let chosen = "[...document.querySelectorAll('#journal li')].filter((li) => /pendant le tour/.test(li.textContent) && /Rang 3,/.test(li.textContent)).length === 2";
    desk.sees_that(chosen).await;
    desk.sees_that("/Retour au tour du rang 2/.test(document.getElementById('journal').textContent)").await;
    for browser in [&desk, &phone, &wall] {
        assert_eq!(browser.js("return window.never_reloaded").await, json!(true));
        assert_eq!(browser.console().await, [""; 0]);
    }

    // So does the journal itself, which anybody can check, with the receipt that stands.
    let journal = house.export(&amphi.id).await;
    journal.verify(&[second]).await.success();
    let rewound: Vec<_> = journal.of_type("rewound").map(event).collect();
    assert_eq!(rewound.len(), 1);
    assert_eq!((&rewound[0]["to"], &rewound[0]["reason"]), (&json!(2), &json!(REASON)));
    assert_eq!(rewound[0]["released"].as_array().unwrap().len(), 4);
    let of_rank_3: Vec<_> = journal
        .of_type("choice_committed")
        .map(event)
        .filter(|event| event["rank"] == 3)
        .map(|event| event["post"].as_u64().unwrap())
        .collect();
    assert_eq!(of_rank_3, [OTHER_SINGLE, SINGLE]);
    for browser in [desk, phone, wall] {
        browser.close().await;
    }
    house.close(server).await;
}

#[tokio::test]
async fn r3_6_r3_7_under_forfeit_whoever_lost_a_choice_chooses_again_and_whoever_let_a_turn_go_does_not() {
    let house = House::new();
    let server = house.serve(&LATE_START).await;
    let flags = ["--opening", OPENING, "--late", "forfeit"];
    let amphi = house.import_with("lille-pediatrie", &flags).await;
    Client::administrator(&amphi).await.done(json!({ "action": "open" })).await;
    let [undone, gone_by] = [Browser::open().await, Browser::open().await];
    undone.goto(amphi.intern(1)).await;
    gone_by.goto(amphi.intern(2)).await;
    for browser in [&undone, &gone_by] {
        browser.sees("#connexion[data-etat=connecte]").await;
        browser.js("window.never_reloaded = true").await;
    }
    Client::intern(&amphi, 1).await.choose_in_turn(TRIPLE).await;
    undone.sees("#mon-tour[data-etat=place]").await;

    // In turn, the page says what letting it go would cost; then that it did, and promises nothing.
    gone_by.sees("#mon-tour[data-etat=tour]").await;
    for part in ["#mon-tour .tour-conseil", "#passer-bloc p"] {
        let said = gone_by.text(part).await;
        assert!(said.contains("ne pourrez plus choisir"), "{part}: {said}");
    }
    let ends = json!({ "action": "end_turn", "rank": 2, "reason": "Ne répond pas" });
    Client::administrator(&amphi).await.done(ends).await;
    gone_by.sees("#mon-tour[data-etat=retard]").await;
    gone_by.sees("#postes[data-choix=non]").await;
    let announced = "document.getElementById('alertes-vocales').textContent.includes('ne se rattrape pas')";
    gone_by.sees_that(announced).await;

    // A choice undone is another matter: its page opens the list again, and the choice is taken.
    let annuls = json!({ "action": "annul_choice", "rank": 1, "reason": "Erreur de saisie" });
    Client::administrator(&amphi).await.done(annuls).await;
    undone.sees("#mon-tour[data-etat=retard]").await;
    undone.sees("#postes[data-choix=oui]").await;
    let notice = undone.text("#defait").await;
    assert!(notice.contains("Erreur de saisie") && notice.contains("Choisissez dès maintenant"), "{notice}");
    undone.tap(&format!("[data-poste='{TRIPLE}'] .choisir")).await;
    undone.sees_shown("dialog#confirmation[open] #confirmer").await;
    undone.tap("#confirmer").await;
    undone.sees_shown("#mon-tour[data-etat=place] #recu[data-code]").await;
    assert_eq!(gone_by.attribute("#postes", "data-choix").await.as_deref(), Some("non"));
    for browser in [undone, gone_by] {
        assert_eq!(browser.js("return window.never_reloaded").await, json!(true));
        assert_eq!(browser.console().await, [""; 0]);
        browser.close().await;
    }
    house.close(server).await;
}
