//! One intern stands on two lists of the same period at once: a choice in one ends their part in the other.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use serde_json::json;
use support::browser::Browser;
use support::client::Client;
use support::house::{House, LATE_START};
use support::journal::event;

/// A post of `samples/lille-pediatrie` with three seats.
const TRIPLE: u64 = 5;

#[tokio::test]
async fn r3_1_who_chooses_in_one_amphi_is_placed_elsewhere_in_the_other() {
    let house = House::new();
    let server = house.serve(&LATE_START).await;
    // The same people, known by their addresses, and the same period.
    let (here, there) = (house.import("lille-pediatrie").await, house.import("lille-pediatrie").await);
    for amphi in [&here, &there] {
        Client::administrator(amphi).await.done(json!({ "action": "open" })).await;
    }
    let (phone, desk) = (Browser::open().await, Browser::open().await);
    phone.goto(there.intern(1)).await;
    desk.goto(&there.administrator).await;
    phone.sees("#mon-tour[data-etat=tour]").await;
    desk.sees("#tour-en-cours[data-rang='1']").await;

    // It is their turn in both. They choose here: there, their page says so at once, and their turn is over.
    Client::intern(&here, 1).await.choose_in_turn(TRIPLE).await;
    phone.sees("#mon-tour[data-etat=ailleurs]").await;
    desk.sees("#tour-en-cours[data-rang='2']").await;
    desk.sees("#internes tr[data-rang='1'][data-etat=placed_elsewhere]").await;
    assert_eq!(phone.attribute("#postes", "data-choix").await.as_deref(), Some("non"));
    let refused =
        Client::intern(&there, 1).await.command(json!({ "action": "choose", "post": TRIPLE })).await;
    assert_eq!(refused["code"], "placed_elsewhere");

    // The other way round, for somebody whose turn has not come here: it is skipped when it would have.
    Client::intern(&there, 2).await.choose_in_turn(TRIPLE).await;
    Client::intern(&there, 3).await.choose_in_turn(TRIPLE).await;
    Client::intern(&here, 4).await.choose_in_turn(TRIPLE).await;

    for (amphi, chose, skipped) in [(&here, [1, 4], [2, 3]), (&there, [2, 3], [1, 4])] {
        let journal = house.export(&amphi.id).await;
        journal.verify(&[]).await.success();
        let ranks = |kind: &str| -> Vec<u64> {
            journal.of_type(kind).map(event).map(|event| event["rank"].as_u64().unwrap()).collect()
        };
        assert_eq!(ranks("choice_committed"), chose);
        let mut elsewhere = ranks("placed_elsewhere");
        elsewhere.sort_unstable();
        assert_eq!(elsewhere, skipped);
    }
    for browser in [phone, desk] {
        assert_eq!(browser.console().await, [""; 0]);
        browser.close().await;
    }
    house.close(server).await;
}
