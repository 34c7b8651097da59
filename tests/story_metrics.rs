//! What Prometheus reads of a server: nothing unless asked for; then every series from the start, moved by what
//! happens, with nobody's name in it.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::json;
use support::client::Client;
use support::house::{House, LATE_START};
use support::server::{Server, amphi};
use support::waiting::{until, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An HTTP answer, whole.
async fn get(address: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("an answer comes", connection.read_to_string(&mut answer)).await.unwrap();
    answer
}

/// Where the metrics of a server are.
struct Page {
    address: String,
}

impl Page {
    /// The server says it, after its own address.
    async fn of(server: &mut Server) -> Self {
        let line = server.line().await;
        let url = line.strip_prefix("metrics http://").unwrap_or_else(|| panic!("{line}"));
        Self { address: url.strip_suffix("/metrics").unwrap().to_owned() }
    }

    async fn text(&self) -> String {
        let answer = get(&self.address, "/metrics").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("\r\ncontent-type: text/plain; version=0.0.4"), "{answer}");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// Every series and its value.
    async fn read(&self) -> BTreeMap<String, f64> {
        let text = self.text().await;
        let lines = text.lines().filter(|line| line.starts_with("amphi_"));
        let value = |line: &str| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        };
        lines.map(value).collect()
    }

    /// Waits until `series` has `value`.
    async fn shows(&self, series: &str, value: f64) {
        until(series, async || (self.read().await[series] == value).then_some(())).await;
    }

    /// Waits until `series` has at least `value`.
    async fn reaches(&self, series: &str, value: f64) {
        until(series, async || (self.read().await[series] >= value).then_some(())).await;
    }
}

#[tokio::test]
async fn what_happens_moves_the_metrics_and_no_series_joins() {
    let house = House::new();
    let mut server = house.serve(&[&LATE_START[..], &["--metrics-listen", "127.0.0.1:0"]].concat()).await;
    let page = Page::of(&mut server).await;
    let before = page.read().await;
    assert_eq!(before["amphi_rooms"], 0.0);
    assert_eq!(before["amphi_acknowledgement_seconds_count{answer=\"done\"}"], 0.0);

    let amphi = house.import("lille-pediatrie").await;
    let mut administrator = Client::administrator(&amphi).await;
    administrator.done(json!({ "action": "open" })).await;
    let mut first = Client::intern(&amphi, 1).await;
    first.choose_in_turn(3).await;
    let refused = first.command(json!({ "action": "choose", "post": 4 })).await;
    assert_eq!(refused["result"], "refused");

    page.shows("amphi_rooms", 1.0).await;
    page.shows("amphi_acknowledgement_seconds_count{answer=\"done\"}", 2.0).await;
    page.shows("amphi_acknowledgement_seconds_count{answer=\"refused\"}", 1.0).await;
    page.reaches("amphi_deliveries_total", 2.0).await;
    page.reaches("amphi_push_seconds_count", 1.0).await;
    let after = page.read().await;
    let grown = |series: &str| after[series] - before[series];
    assert!(grown("amphi_http_request_seconds_count{class=\"1xx\"}") >= 2.0, "two live connections");
    assert_eq!(after["amphi_reloads_total"], 0.0);
    let written = grown("amphi_commit_seconds_count{result=\"committed\"}");
    assert!(written >= 2.0 && written == grown("amphi_commit_commands_count"), "{written}");
    assert!(grown("amphi_broadcasts_total") >= 2.0, "the opening and the choice");

    assert_eq!(after["amphi_connections{role=\"administrator\"}"], 1.0);
    assert_eq!(after["amphi_connections{role=\"intern\"}"], 1.0);
    drop(first);
    page.shows("amphi_connections{role=\"intern\"}", 0.0).await;
    page.shows("amphi_connections_closed_total{reason=\"left\"}", 1.0).await;

    let series = |page: &BTreeMap<String, f64>| page.keys().cloned().collect::<Vec<_>>();
    assert_eq!(series(&before), series(&after), "no series joins");
    let text = page.text().await;
    assert!(!text.contains(&amphi.id), "no amphi is a label");

    // Only there, and only that.
    let public = get(server.address(), "/metrics").await;
    assert!(public.starts_with("HTTP/1.1 404 "), "{public}");
    for elsewhere in ["/", "/sante", "/metrics/", "/recu"] {
        let answer = get(&page.address, elsewhere).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{elsewhere}: {answer}");
    }
    let address: SocketAddr = page.address.parse().unwrap();
    server.stop().await;
    assert!(TcpStream::connect(address).await.is_err(), "the page goes with the server");
}

/// Nobody comes, and every turn ends by itself: how late that was is told in real time. Planned times had passed
/// six hours before; that an amphi catches up is not the clock's lateness.
#[tokio::test]
async fn the_lateness_of_the_clock_is_seen() {
    let house = House::new();
    let swift = ["--speed", "600", "--metrics-listen", "127.0.0.1:0"];
    let mut server = house.serve(&[&LATE_START[..], &swift].concat()).await;
    let page = Page::of(&mut server).await;
    let amphi = house.import("lille-pediatrie").await;
    Client::administrator(&amphi).await.done(json!({ "action": "open" })).await;
    page.reaches("amphi_deadline_lateness_seconds_count", 3.0).await;
    let seen = page.read().await;
    let mean_seconds =
        seen["amphi_deadline_lateness_seconds_sum"] / seen["amphi_deadline_lateness_seconds_count"];
    assert!(mean_seconds < 10.0, "{mean_seconds}");
    server.stop().await;
}

#[tokio::test]
async fn the_page_is_not_opened_to_everybody() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:9464"] {
        let said = amphi(&["serve", "--metrics-listen", address]).await.refusal();
        assert!(said.contains("--metrics-listen"), "{said}");
    }
}
