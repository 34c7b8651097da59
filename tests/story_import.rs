//! Imports that do not publish, and imports that are run again: a draft is published when somebody says so, also while
//! a server runs; and no line of a manifest becomes two amphis.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::path::Path;

use serde_json::json;
use support::client::Client;
use support::house::{House, OPENING, sample};
use support::tables;

/// Rounds of mails follow one another at once: what was imported is at rest a second later, not twenty.
const QUICK_MAILS: [&str; 2] = ["--speed", "20"];
const UNKNOWN: &str = "00000000-0000-0000-0000-000000000001";

#[tokio::test]
async fn a_draft_is_published_by_command_while_a_server_has_it_and_only_once() {
    let house = House::new();
    let server = house.serve(&QUICK_MAILS).await;
    let lists = (sample("lille-pediatrie", "interns.csv"), sample("lille-pediatrie", "posts.csv"));
    let (interns, posts) = (Path::new(&lists.0), Path::new(&lists.1));
    let import = house.import_files(interns, posts, &["--opening", OPENING]).await;
    let stderr = import.stderr.clone();
    let id = import.success().trim().strip_prefix("amphi ").unwrap().to_owned();
    assert!(stderr.contains(&format!("amphi publish {id}")), "{stderr}");
    // The server reads its journal, and has it in service from then on.
    tables::at_rest(&house.data()).await;
    let amphi = house.links(&id).await;
    let watching = Client::administrator(&amphi).await;
    assert_eq!(watching.state["status"], "draft");

    let refusal = house.command(&["publish", UNKNOWN]).await.refusal();
    assert!(refusal.contains("il n’existe pas dans cette base"), "{refusal}");
    let said = house.command(&["publish", &id]).await.success();
    assert!(said.starts_with(&format!("amphi {id}\tpublié\n")), "{said}");
    let refusal = house.command(&["publish", &id]).await.refusal();
    assert!(refusal.contains("il est déjà publié"), "{refusal}");

    // The server takes it back, and convokes everybody.
    let after = tables::at_rest(&house.data()).await;
    assert_eq!(after["outbox"].0, i64::try_from(amphi.len()).unwrap());
    assert_eq!(Client::administrator(&amphi).await.state["status"], "published");
    house.close(server).await;
}

/// Imports a manifest of these lines; what is said of each.
async fn import(house: &House, lines: &[&str], more: &[&str]) -> String {
    let manifest = house.file("manifest.csv");
    std::fs::write(&manifest, format!("titre;semestre;internes;postes;ouverture\n{}", lines.concat()))
        .unwrap();
    let words = ["import", "--manifest", manifest.to_str().unwrap()];
    house.command(&[&words[..], more].concat()).await.success()
}

/// The ids of what was imported, line by line.
fn ids(said: &str) -> Vec<String> {
    said.lines().map(|line| line.split_whitespace().nth(1).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_manifest_that_is_imported_again_goes_on_and_creates_no_amphi_twice() {
    let house = House::new();
    let server = house.serve(&QUICK_MAILS).await;
    let line = |title: &str, name: &str| {
        let (interns, posts) = (sample(name, "interns.csv"), sample(name, "posts.csv"));
        format!("{title};2027-05;{interns};{posts};{OPENING}\n")
    };
    let [first, second] = [line("Lille", "lille-pediatrie"), line("La Réunion", "reunion-medecine-generale")];
    let lines = [first.as_str(), second.as_str()];

    // What an import that broke off leaves: a draft of the first line, which the server has in service.
    let draft = ids(&import(&house, &lines[..1], &[]).await);
    tables::at_rest(&house.data()).await;
    let said = import(&house, &lines, &["--publish"]).await;
    let both = ids(&said);
    assert_eq!((both.len(), &both[0]), (2, &draft[0]), "{said}");
    assert!(said.contains("\tLille\tbrouillon repris\n") && said.contains("\tLa Réunion\n"), "{said}");

    let before = tables::at_rest(&house.data()).await;
    let said = import(&house, &lines, &["--publish"]).await;
    assert_eq!(said.matches("\tdéjà publié, laissé tel quel\n").count(), 2, "{said}");
    assert_eq!(ids(&said), both);
    let after = tables::at_rest(&house.data()).await;
    for table in ["amphis", "events", "roster", "interns", "outbox"] {
        assert_eq!(after[table].0, before[table].0, "{table}");
    }
    assert_eq!(after["amphis"].0, 2);

    // An annulled one does not stand in the way of the one that is held instead.
    let amphi = house.links(&both[0]).await;
    Client::administrator(&amphi).await.done(json!({ "action": "annul", "reason": "Liste fausse" })).await;
    let again = ids(&import(&house, &lines, &["--publish"]).await);
    assert!(again[0] != both[0] && again[1] == both[1], "{again:?}");
    house.close(server).await;
}
