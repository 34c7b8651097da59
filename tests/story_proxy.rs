//! An absent intern is represented: the form, the mail, the code, the signed document, the choice; and a
//! holder whose proxy is revoked is shown out.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use serde_json::json;
use support::browser::Browser;
use support::client::Client;
use support::house::{Amphi, House, LATE_START, OPENING};
use support::waiting::until;

/// The text of a mail to `address` about `subject`, once it is there.
async fn mail(browser: &Browser, site: &str, address: &str, subject: &str) -> String {
    let row = format!(
        "[...document.querySelectorAll('#courriels li')].find((row) => row.textContent.includes({subject:?}))"
    );
    until(&format!("a mail to {address}: {subject}"), async || {
        browser.goto(&format!("{site}/courriels?q={address}")).await;
        (browser.js(&format!("return Boolean({row})")).await == json!(true)).then_some(())
    })
    .await;
    browser.js(&format!("({row}).querySelector('a').click()")).await;
    browser.text("#texte").await
}

fn link_in(mail: &str) -> String {
    mail.split_whitespace().find(|word| word.contains("/procuration/")).unwrap().to_owned()
}

fn code_in(mail: &str) -> String {
    let is_code = |word: &&str| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit());
    mail.split_whitespace().find(is_code).unwrap().to_owned()
}

/// The intern at `rank` names a holder.
async fn gives(browser: &Browser, amphi: &Amphi, rank: usize, name: &str, email: &str) {
    browser.goto(amphi.intern(rank)).await;
    browser.tap(".procuration-lien a").await;
    browser.fill("#p-nom", name).await;
    browser.fill("#p-courriel", email).await;
    browser.fill("#p-telephone", "06 12 34 56 78").await;
    browser.fill("#p-consignes", "D’abord le poste 1, sinon le plus proche.").await;
    browser.tap("#donner button").await;
    assert!(browser.text("main").await.contains("Ce qui va se passer"));
    browser.tap("#donner-confirmer").await;
    browser.sees_shown("#resultat[data-resultat=fait]").await;
    browser.sees("#procuration[data-etat=revocable]").await;
}

/// The holder opens the link of the mail, asks for the code, and shows it.
async fn enters(browser: &Browser, site: &str, email: &str) {
    let link = link_in(&mail(browser, site, email, "Procuration de").await);
    browser.goto(&link).await;
    browser.tap("#demander-code button").await;
    browser.sees_shown("#code").await;
    let code = code_in(&mail(browser, site, email, "Code de votre procuration").await);
    browser.goto(&link).await;
    browser.fill("#code", &code).await;
    browser.tap("#confirmer-code button").await;
    browser.sees("#mandat").await;
}

#[tokio::test]
async fn a5_an_absent_intern_is_represented_and_both_have_the_receipt() {
    let house = House::new();
    let server = house.serve(&[&LATE_START[..], &["--mail-sink"]].concat()).await;
    let amphi =
        house.import_with("lille-psychiatrie", &["--opening", OPENING, "--proxies", "document"]).await;
    let (principal, holder) = (Browser::open().await, Browser::open().await);
    gives(&principal, &amphi, 2, "Camille Roux", "camille@exemple.fr").await;
    enters(&holder, &server.url, "camille@exemple.fr").await;

    // Plainly for whom, with their words; and the document first.
    let band = holder.text("#mandat").await;
    let last_name = amphi.name(2).split(' ').next().unwrap();
    assert!(
        band.contains(last_name) && band.contains("rang 2") && band.contains("D’abord le poste 1"),
        "{band}"
    );
    let file = house.file("procuration.pdf");
    std::fs::write(&file, b"%PDF-1.7\n1 0 obj\n").unwrap();
    holder.sees_shown("#document-signe[data-etat=manque]").await;
    holder.sees("#fichier").await.send_keys(file.to_str().unwrap()).await.unwrap();
    holder.tap("#document button").await;
    holder.sees("#document-signe[data-etat=depose]").await;

    principal.goto(amphi.intern(2)).await;
    principal.sees("#connexion[data-etat=connecte]").await;
    let mut control = Client::administrator(&amphi).await;
    control.done(json!({ "action": "open" })).await;
    Client::intern(&amphi, 1).await.choose_in_turn(2).await;

    // The turn of rank 2: the holder chooses, the principal watches.
    principal.sees_shown("#mon-tour[data-etat=represente] #compte-a-rebours").await;
    principal.sees("#postes[data-choix=non]").await;
    holder.sees("#mon-tour[data-etat=tour]").await;
    holder.tap("[data-poste='1'] .choisir").await;
    holder.sees_shown("dialog#confirmation[open] #confirmer").await;
    assert!(holder.text("#confirmation").await.contains(last_name), "for whom, once more");
    holder.tap("#confirmer").await;
    holder.sees_shown("#mon-tour[data-etat=place] #recu[data-code]").await;
    principal.sees_shown("#mon-tour[data-etat=place] #recu[data-code]").await;
    let receipt = holder.attribute("#recu", "data-code").await.unwrap();
    assert_eq!(principal.attribute("#recu", "data-code").await.unwrap(), receipt);
    let said = house.export(&amphi.id).await.verify(&[receipt]).await.success();
    assert!(said.contains("le rang 2 a obtenu le poste 1"), "{said}");
    for browser in [principal, holder] {
        assert_eq!(browser.console().await, [""; 0]);
        browser.close().await;
    }
    house.close(server).await;
}

#[tokio::test]
async fn r3_4_a_holder_whose_proxy_is_revoked_is_shown_out_and_keeps_the_other_one() {
    let house = House::new();
    let server = house.serve(&[&LATE_START[..], &["--mail-sink"]].concat()).await;
    let amphi = house.import_with("lille-psychiatrie", &["--opening", OPENING, "--proxies", "on"]).await;
    let (principal, holder) = (Browser::open().await, Browser::open().await);
    gives(&principal, &amphi, 5, "Camille Roux", "camille@exemple.fr").await;
    enters(&holder, &server.url, "camille@exemple.fr").await;
    let first = holder.driver().current_url().await.unwrap();
    // Another intern trusts the same person, at another address; one browser holds both.
    let other = Browser::open().await;
    gives(&other, &amphi, 6, "Camille Roux", "c.roux@exemple.fr").await;
    enters(&holder, &server.url, "c.roux@exemple.fr").await;
    holder.goto(&server.url).await;
    assert_eq!(holder.count(".portes a[href*='/mandat/']").await, 2);

    holder.goto(first.as_str()).await;
    holder.sees("#connexion[data-etat=connecte]").await;
    principal.tap("#revoquer button").await;
    principal.sees_shown("#resultat[data-resultat=fait]").await;
    // The page closes by itself, and says why.
    holder.sees_that("document.body.textContent.includes('Cette procuration a pris fin')").await;
    assert!(mail(&holder, &server.url, "camille@exemple.fr", "Fin de procuration").await.contains("repris"));
    holder.goto(&server.url).await;
    assert_eq!(holder.count(".portes a[href*='/mandat/']").await, 1, "the other one stays");
    for browser in [principal, other, holder] {
        browser.close().await;
    }
    house.close(server).await;
}
