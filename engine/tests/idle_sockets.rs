//! An idle socket is small (design §5): fails when somebody sets the WebSocket library's read buffer of
//! 128 KiB back. Alone in its file, because it measures the memory of its process.

#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use amphi_engine::arrivals::{Arrivals, Importance};
use amphi_engine::clock::SystemClock;
use amphi_engine::connections;
use amphi_engine::core::{AmphiId, Half, Period};
use amphi_engine::journal::MemoryJournal;
use amphi_engine::limits::SOCKET_READ_BUFFER_BYTES;
use amphi_engine::protocol::Role;
use amphi_engine::registry::Registry;
use amphi_engine::socket::{self, Upgrade, Visitor};
use axum::Router;
use axum::routing::get;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const SOCKETS: usize = 200;
/// Measured: 2 KiB here. The library's default read buffer alone would be 128.
const KIB_PER_SOCKET_MAX: usize = 16;

/// Memory of this process that is really there, in KiB.
fn resident_kib() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4
}

/// Upgrades by hand: a client library would bring buffers of its own into the measure.
fn connect(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = "GET /direct HTTP/1.1\r\nHost: amphi.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let hello = br#"{"type":"hello","protocol":1}"#;
    let mut frame = vec![0x81, 0x80 | hello.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(hello);
    stream.write_all(&frame).unwrap();
    let mut answer = Vec::new();
    while !answer.windows(9).any(|bytes| bytes == b"\"welcome\"") {
        let mut some = [0; 512];
        let length = stream.read(&mut some).unwrap();
        assert!(length > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&some[..length]);
    }
    stream
}

#[test]
fn an_idle_socket_costs_far_less_than_the_librarys_default_buffer() {
    const { assert!(SOCKET_READ_BUFFER_BYTES <= 1_024) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let address = runtime.block_on(async {
        let registry = Registry::new(Arc::new(MemoryJournal::new()), Arc::new(SystemClock::real()));
        let period = Period { year: 2027, half: Half::November };
        let room = registry.create(AmphiId(Uuid::from_u128(1)), "Amphi", period).await.unwrap();
        let arrivals = Arrivals::new(SOCKETS * 2);
        let upgrade = move |upgrade: Upgrade| {
            let room = Arc::clone(&room);
            let visitor = Visitor {
                role: Role::Spectator,
                pass: CancellationToken::new(),
                place: arrivals.admit(Importance::First).unwrap(),
            };
            async move { upgrade.then(move |freed| socket::serve(freed, room, visitor)) }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/direct", get(upgrade));
        tokio::spawn(connections::serve(listener, router, SOCKETS * 2, std::future::pending()));
        address
    });
    // The first ones also pay for what all share.
    let _first: Vec<TcpStream> = (0..20).map(|_| connect(address)).collect();
    let before = resident_kib();
    let _sockets: Vec<TcpStream> = (0..SOCKETS).map(|_| connect(address)).collect();
    let each = resident_kib().saturating_sub(before) / SOCKETS;
    assert!(each < KIB_PER_SOCKET_MAX, "{each} KiB per idle socket");
    println!("{each} KiB per idle socket");
}
