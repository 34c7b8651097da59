//! Sockets of a site: upgrades need a real connection.

use std::time::Duration;

use axum::http::{HeaderValue, header};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::site::Site;

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A server on loopback.
pub async fn serve(site: &Site) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = site.router.clone();
    tokio::spawn(amphi_engine::connections::serve(listener, router, 50, std::future::pending()));
    port
}

/// Tries to open a socket; the status when it is refused.
pub async fn connect(port: u16, path: &str, headers: &[(&str, &str)]) -> Result<Socket, u16> {
    let mut request = format!("ws://127.0.0.1:{port}{path}/direct").into_client_request().unwrap();
    for (name, value) in headers {
        let name: header::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

pub async fn first_words(socket: &mut Socket) -> Value {
    socket.send(Message::text(r#"{"type":"hello","protocol":1}"#)).await.unwrap();
    next(socket).await
}

/// The next message of the protocol.
pub async fn next(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Asks for the clock and waits for the answer: the connection is alive.
pub async fn is_alive(socket: &mut Socket) {
    socket.send(Message::text(r#"{"type":"clock","client_time":7}"#)).await.unwrap();
    while next(socket).await["type"] != "clock" {}
}

/// Reads on until the server closes the socket; with which code. A test fails rather than hang.
pub async fn closed(socket: &mut Socket) -> u16 {
    let ending = async {
        loop {
            if let Message::Close(frame) = socket.next().await.expect("a message").expect("a close frame") {
                return frame.expect("a code").code.into();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ending).await.expect("the server closes the socket")
}
