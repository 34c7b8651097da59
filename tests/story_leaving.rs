//! Whoever may not be there any more is out at once (S9), and a handshake that never ends is ended (S7): with
//! the real binary, whose parts watch over it.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use support::client::Client;
use support::house::{Amphi, House, LATE_START};
use support::server::Server;
use support::tables;
use support::waiting::within;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Sends one request, as a browser would, and reads the whole answer.
async fn ask(server: &Server, request_line: &str, cookie: &str) -> String {
    let (address, url) = (server.address(), &server.url);
    let request = format!(
        "{request_line} HTTP/1.1\r\nHost: {address}\r\nOrigin: {url}\r\nCookie: {cookie}\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within("an answer comes", connection.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Opens a personal link; the cookie of the session that this makes.
async fn sign_in(server: &Server, link: &str) -> String {
    let (_, token) = link.split_once("/entrer/").unwrap();
    let answer = ask(server, &format!("GET /entrer/{token}"), "").await;
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// A window of a browser, live.
struct Window(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Window {
    async fn open(server: &Server, amphi: &Amphi, rank: usize, cookie: &str) -> Self {
        let address = format!("ws://{}{}/direct", server.address(), amphi.path(&format!("rang/{rank}")));
        let mut request = address.into_client_request().unwrap();
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        request.headers_mut().insert("origin", server.url.parse().unwrap());
        let (mut socket, _) =
            within("a connection is made", tokio_tungstenite::connect_async(request)).await.unwrap();
        socket.send(Message::text(r#"{"type":"hello","protocol":1}"#)).await.unwrap();
        let welcome = within("a welcome", socket.next()).await.unwrap().unwrap();
        assert!(welcome.to_text().unwrap().contains("\"welcome\""));
        Self(socket)
    }

    async fn closed(mut self) -> u16 {
        let ending = async {
            loop {
                if let Message::Close(frame) = self.0.next().await.unwrap().unwrap() {
                    return frame.unwrap().code.into();
                }
            }
        };
        within("the server closes the socket", ending).await
    }
}

#[tokio::test]
async fn s9_s7_who_signs_out_or_is_turned_out_is_out_and_who_never_comes_in_is_not_waited_for() {
    let house = House::new();
    let server = house.serve(&LATE_START).await;
    let amphi = house.import("lille-pediatrie").await;
    let mut never = TcpStream::connect(server.address()).await.unwrap();
    never.write_all(b"GET /amphi/").await.unwrap();

    let [first, second] = [sign_in(&server, amphi.intern(1)).await, sign_in(&server, amphi.intern(2)).await];
    let windows =
        [Window::open(&server, &amphi, 1, &first).await, Window::open(&server, &amphi, 1, &first).await];
    let blocked = Window::open(&server, &amphi, 2, &second).await;
    let mut administrator = Client::administrator(&amphi).await;
    administrator.until_present(2).await;

    let left = ask(&server, "POST /sortir", &first).await;
    assert!(left.starts_with("HTTP/1.1 303"), "{left}");
    for window in windows {
        assert_eq!(window.closed().await, 4502);
    }
    // The other session is the only one that is left.
    assert_eq!(tables::execute(&house.data(), "DELETE FROM sessions").await, 1);
    assert_eq!(blocked.closed().await, 4502);
    administrator.done(json!({ "action": "open" })).await;

    // Whoever takes something away leaves a line in the log, which is at warnings (domain 7).
    let desk = sign_in(&server, &amphi.administrator).await;
    for page in ["journal.jsonl", "pv"] {
        let taken = ask(&server, &format!("GET {}", amphi.path(page)), &desk).await;
        assert!(taken.starts_with("HTTP/1.1 200"), "{taken}");
    }
    let log = server.complaints();
    for line in ["amphi::audit", "a journal was exported", "minutes were drawn up"] {
        assert!(log.contains(line), "{line} is not in: {log}");
    }

    let mut rest = Vec::new();
    within("a handshake that is not finished ends", never.read_to_end(&mut rest)).await.unwrap();
    house.close(server).await;
}
