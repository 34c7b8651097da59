//! The example client of `examples/`, written from `engine/PROTOCOL.md` alone, against the real server.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::process::Stdio;

use serde_json::json;
use support::client::Client;
use support::house::{Amphi, House, LATE_START};
use support::waiting::within;
use tokio::process::Command;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/follow_and_choose.py");

/// The example client, for the intern at `rank`, who wishes these posts.
fn example(amphi: &Amphi, rank: usize, wishes: &[&str]) -> Command {
    let python = std::env::var("AMPHI_PYTHON").expect(
        "AMPHI_PYTHON must name a python3 that has the package websockets; tests/all.sh makes one and says so",
    );
    let mut command = Command::new(python);
    command.arg(EXAMPLE).arg(amphi.intern(rank)).args(wishes).stdin(Stdio::null()).kill_on_drop(true);
    command
}

#[tokio::test]
async fn the_example_client_follows_chooses_and_prints_a_receipt_that_verifies() {
    let house = House::new();
    let server = house.serve(&LATE_START).await;
    let amphi = house.import("lille-pediatrie").await;
    let mut administrator = Client::administrator(&amphi).await;
    let program =
        example(&amphi, 2, &["1", "3", "5"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    administrator.until_present(2).await;
    administrator.done(json!({ "action": "open" })).await;
    // Its first wish goes to somebody else before its turn comes.
    Client::intern(&amphi, 1).await.choose_in_turn(1).await;

    let output = within("the example client ends", program.wait_with_output()).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{}\n{said}\n{complaints}", output.status);
    let last = said.lines().last().unwrap();
    let receipt = last.strip_prefix("placed in post 3; receipt ").unwrap_or_else(|| panic!("{said}"));
    let mut lines = said.lines();
    assert!(lines.next().unwrap().contains("rank 1 in_turn; delay 216"), "{said}");
    assert!(lines.next().unwrap().contains("rank 1 placed 1; rank 2 in_turn; delay 2"), "{said}");
    let journal = house.export(&amphi.id).await;
    let verified = journal.verify(&[receipt.to_owned()]).await.success();
    assert!(verified.contains("le rang 2 a obtenu le poste 3"), "{verified}");
    house.close(server).await;
}

#[tokio::test]
async fn the_example_client_comes_back_after_the_server_was_killed() {
    let house = House::new();
    let server = house.serve(&LATE_START).await;
    let address = server.address().to_owned();
    let amphi = house.import("lille-pediatrie").await;
    let program = example(&amphi, 1, &["5"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut administrator = Client::administrator(&amphi).await;
    administrator.until_present(1).await;
    server.kill_9().await;
    let server = house.serve_at(&address, &LATE_START).await;
    Client::administrator(&amphi).await.done(json!({ "action": "open" })).await;
    let output = within("the example client ends", program.wait_with_output()).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("disconnected; coming back"), "{said}");
    assert!(said.contains("placed in post 5; receipt "), "{said}");
    house.close(server).await;
}
