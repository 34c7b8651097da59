//! An extra seat for whoever has the right (3.3), and, after the last turn, an exchange (3.6).

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use serde_json::json;
use support::browser::Browser;
use support::client::Client;
use support::house::{House, LATE_START, OPENING};

const INTERNS: &str = "email,nom,prenom,annee_concours,rang_national,effectif_promotion,semestres_valides,des,subdivision,surnombre
alix@exemple.fr,Alix,Ada,2024,10,9000,4,Psychiatrie,Lille,
blanc@exemple.fr,Blanc,Basile,2025,20,9000,2,Psychiatrie,Lille,non validant
";
const POSTS: &str = "imotep,etablissement,service,des,phase,places,criteres
1200001,CHU Lille Huriez,PMI,Psychiatrie,socle,1,
1200002,CH Arras,Urgences,Psychiatrie,socle,2,
";

#[tokio::test]
async fn r3_3_r3_6_a_full_post_is_taken_in_addition_and_seats_are_exchanged_after_the_last_turn() {
    let house = House::new();
    let server = house.serve(&LATE_START).await;
    let (interns, posts) = (house.file("interns.csv"), house.file("posts.csv"));
    std::fs::write(&interns, INTERNS).unwrap();
    std::fs::write(&posts, POSTS).unwrap();
    let flags = ["--opening", OPENING, "--vacancy-round"];
    let amphi = house.import_lists(&interns, &posts, &flags).await;
    let (first, second) = (Browser::open().await, Browser::open().await);
    first.goto(amphi.intern(1)).await;
    second.goto(amphi.intern(2)).await;
    second.sees("#connexion[data-etat=connecte]").await;
    Client::administrator(&amphi).await.done(json!({ "action": "open" })).await;
    first.sees("#mon-tour[data-etat=tour]").await;
    first.tap("[data-poste='1'] .choisir").await;
    first.tap("#confirmer").await;
    first.sees_shown("#mon-tour[data-etat=place]").await;
    first.sees("#postes[data-choix=non]").await;

    // The post is full; it can be chosen in addition, and the dialog says what that means.
    second.sees("#mon-tour[data-etat=tour]").await;
    second.sees("[data-poste='1'][data-places='0']").await;
    second.tap("[data-poste='1'] .choisir").await;
    second.sees_shown("#confirmation [data-role=surnombre]").await;
    let said = second.text("#confirmation").await;
    assert!(said.contains("complet") && said.contains("ne compte pas pour votre formation"), "{said}");
    second.tap("#confirmer").await;
    second.sees_shown("#mon-tour[data-etat=place] #recu[data-code]").await;
    assert!(second.text("#mon-tour").await.contains("en surnombre"));
    let extra = second.attribute("#recu", "data-code").await.unwrap();

    // The turns are over: the first may exchange, and is told what they leave.
    first.sees("#postes[data-choix=echange]").await;
    first.tap("[data-poste='2'] .choisir").await;
    first.sees_shown("dialog#confirmation[open]").await;
    assert!(
        first.text("#confirmation").await.contains("Vous quittez votre poste actuel : CHU Lille Huriez, PMI")
    );
    first.tap("#confirmer").await;
    first.sees_that("document.getElementById('mon-tour').textContent.includes('CH Arras')").await;
    first.sees("[data-poste='1'][data-places='1']").await;
    let exchanged = first.attribute("#recu", "data-code").await.unwrap();
    house.export(&amphi.id).await.verify(&[extra, exchanged]).await.success();
    for browser in [first, second] {
        assert_eq!(browser.console().await, [""; 0]);
        browser.close().await;
    }
    house.close(server).await;
}
