//! A backup taken while a session runs is restored and proved by one command; one that was tampered with is
//! refused (Audit).

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use serde_json::json;
use support::client::{Client, receipt_code};
use support::house::{House, LATE_START};
use support::journal::Journal;
use support::server::amphi;
use support::tables;

#[tokio::test]
async fn a_backup_of_a_running_session_is_restored_and_proved() {
    let house = House::new();
    let server = house.serve(&LATE_START).await;
    let session = house.import("lille-pediatrie").await;
    let mut administrator = Client::administrator(&session).await;
    administrator.done(json!({ "action": "open" })).await;
    let mut first = Client::intern(&session, 1).await;
    let receipt = receipt_code(&first.choose_in_turn(1).await);

    let (data, backup) = (house.data(), house.file("copie.amphi"));
    let (data, backup) = (data.to_str().unwrap(), backup.to_str().unwrap());
    amphi(&["backup", "--data-directory", data, backup]).await.success();
    assert!(amphi(&["backup", "--data-directory", data, backup]).await.refusal().contains("existe déjà"));

    // A throw-away database first, then one that is kept.
    let proved = amphi(&["restore", backup]).await.success();
    assert!(proved.contains("1 places attribuées") && proved.contains("saine : 1 amphi"), "{proved}");
    let restored = house.directory("restored");
    let restored = restored.to_str().unwrap();
    amphi(&["restore", backup, "--data-directory", restored]).await.success();
    let again = amphi(&["restore", backup, "--data-directory", restored]).await.refusal();
    assert!(again.contains("pas vide"), "{again}");
    let export = house.file("restored.jsonl");
    let output = export.to_str().unwrap();
    amphi(&["export", "--data-directory", restored, &session.id, "--output", output]).await.success();
    Journal::read(export).verify(&[receipt]).await.success();

    // Somebody's seat is moved behind the journal's back: the next backup does not prove itself.
    assert_eq!(tables::execute(&house.data(), "UPDATE assignments SET seat = seat + 1").await, 1);
    let tampered = house.file("fausse.amphi");
    let tampered = tampered.to_str().unwrap();
    amphi(&["backup", "--data-directory", data, tampered]).await.success();
    let refused = amphi(&["restore", tampered]).await.refusal();
    assert!(refused.contains("ne sont pas les mêmes"), "{refused}");
    house.close(server).await;
}
