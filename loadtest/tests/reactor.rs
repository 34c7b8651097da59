//! The reactor against a WebSocket server of another make: every message arrives, in order, on every connection.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use amphi_loadtest::clock;
use amphi_loadtest::reactor::{ConnectionId, End, Event, Reactor, Request, Settings, Target, drive};
use amphi_loadtest::wire::{self, Frame};
use tokio_tungstenite::tungstenite::handshake::server::{Request as Asked, Response};
use tokio_tungstenite::tungstenite::{Message, WebSocket, accept_hdr};

/// Serves `connections`, one after the other is accepted, each by `serve` in a thread of its own.
fn server(
    connections: usize,
    serve: impl Fn(usize, TcpStream) + Clone + Send + 'static,
) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = std::thread::spawn(move || {
        let serving = (0..connections).map(|number| {
            let (stream, _) = listener.accept().unwrap();
            let serve = serve.clone();
            std::thread::spawn(move || serve(number, stream))
        });
        let serving: Vec<_> = serving.collect();
        serving.into_iter().for_each(|thread| thread.join().unwrap());
    });
    (address, accepting)
}

#[allow(clippy::result_large_err, reason = "the library's type")]
fn websocket(stream: TcpStream) -> WebSocket<TcpStream> {
    accept_hdr(stream, |asked: &Asked, response: Response| {
        assert_eq!(asked.uri().path(), "/direct");
        assert_eq!(asked.headers()["cookie"], "seance=1");
        assert_eq!(asked.headers()["origin"], "http://exemple.fr");
        Ok(response)
    })
    .unwrap()
}

fn target(address: SocketAddr, source: u8) -> Target {
    Target {
        address,
        source: Some([127, 0, 0, source].into()),
        receive_buffer: None,
        request: Some(Request {
            host: address.to_string(),
            path: "/direct".to_owned(),
            headers: "Cookie: seance=1\r\nOrigin: http://exemple.fr\r\n".to_owned(),
        }),
    }
}

fn soon() -> Instant {
    clock::now() + Duration::from_millis(100)
}

/// Turns until every connection has ended; what each was told, in order.
fn told(reactor: &Reactor<usize>, connections: usize) -> Vec<Vec<String>> {
    let mut told = vec![Vec::new(); connections];
    while reactor.connections() > 0 {
        reactor
            .turn(soon(), |id, number, event, _| {
                let said = match event {
                    Event::Opened(_) => {
                        reactor.send(id, &wire::text_frame("bonjour")).unwrap();
                        "opened".to_owned()
                    }
                    Event::Frame(Frame::Text(text)) => String::from_utf8(text.to_vec()).unwrap(),
                    Event::Frame(frame) => format!("{frame:?}"),
                    Event::Ended(end) => end.to_string(),
                };
                told[*number].push(said);
            })
            .unwrap();
    }
    told
}

#[test]
fn many_are_told_everything_in_order_and_answer_pings() {
    const CONNECTIONS: usize = 40;
    let (address, server) = server(CONNECTIONS, |_, stream| {
        let mut socket = websocket(stream);
        assert_eq!(socket.read().unwrap(), Message::text("bonjour"));
        socket.send(Message::Ping(vec![1, 2].into())).unwrap();
        for message in 0..50 {
            socket.send(Message::text(format!("message {message}"))).unwrap();
        }
        socket.send(Message::text("x".repeat(1_000_000))).unwrap();
        socket.send(Message::binary(vec![7])).unwrap();
        assert_eq!(socket.read().unwrap(), Message::Pong(vec![1, 2].into()));
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
    });
    let reactor = Reactor::new(Settings { at_once: 5, ..Settings::default() }).unwrap();
    for number in 0..CONNECTIONS {
        reactor.open(target(address, if number % 2 == 0 { 1 } else { 2 }), number);
    }
    let mut expected = vec!["opened".to_owned(), "Ping([1, 2])".to_owned()];
    expected.extend((0..50).map(|message| format!("message {message}")));
    expected.extend(["x".repeat(1_000_000), "Binary([7])".to_owned(), "Close(None)".to_owned()]);
    expected.push(End::Closed.to_string());
    for (number, told) in told(&reactor, CONNECTIONS).into_iter().enumerate() {
        assert!(told == expected, "connection {number} was told {:.300}", format!("{told:?}"));
    }
    assert_eq!(reactor.traffic().pings, CONNECTIONS as u64);
    server.join().unwrap();
}

#[test]
fn a_refusal_is_told_with_what_the_server_advises() {
    let (address, server) = server(1, |_, mut stream| {
        assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n\r\n").unwrap();
    });
    let reactor = Reactor::new(Settings::default()).unwrap();
    reactor.open(target(address, 1), ());
    let mut advice = None;
    while reactor.connections() > 0 {
        let take = |_: ConnectionId, (): &(), event: Event<'_>, _| {
            if let Event::Ended(End::Refused(refusal)) = event {
                advice = Some((refusal.status, refusal.retry_after_seconds));
            }
        };
        reactor.turn(soon(), take).unwrap();
    }
    assert_eq!(advice, Some((503, Some(2))));
    server.join().unwrap();
}

#[test]
fn nobody_there_and_never_answered_both_end_it() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = Settings { open_within: Duration::from_millis(20), ..Settings::default() };
    let reactor = Reactor::new(settings).unwrap();
    reactor.open(target(silent.local_addr().unwrap(), 1), 0);
    reactor.open(target(nobody, 1), 1);
    let told = told(&reactor, 2);
    assert_eq!(told[0], [End::TimedOut.to_string()]);
    assert!(told[1][0].starts_with("the connection broke"), "{told:?}");
}

#[test]
fn what_is_closed_is_heard_of_no_more_and_its_place_is_given_away() {
    let (address, server) = server(2, |_, stream| {
        let mut socket = websocket(stream);
        drop(socket.send(Message::text("first")));
        drop(socket.send(Message::text("second")));
        drop(socket.flush());
        while socket.read().is_ok() {}
    });
    let reactor = Reactor::new(Settings::default()).unwrap();
    let first = reactor.open(target(address, 1), 0);
    let mut told = Vec::new();
    while told.len() < 4 {
        reactor
            .turn(soon(), |id, number, event, _| {
                if let Event::Frame(Frame::Text(text)) = event {
                    told.push((*number, String::from_utf8(text.to_vec()).unwrap()));
                    if id == first {
                        reactor.close(first);
                        told.push((0, "closed".to_owned()));
                        reactor.open(target(address, 1), 1);
                    }
                }
            })
            .unwrap();
    }
    let expected = [(0, "first"), (0, "closed"), (1, "first"), (1, "second")];
    assert_eq!(told, expected.map(|(number, text)| (number, text.to_owned())));
    assert!(reactor.send(first, b"").is_err());
    drop(reactor);
    server.join().unwrap();
}

#[tokio::test]
async fn it_runs_beside_other_tasks_and_a_pause_loses_nothing() {
    let (address, server) = server(1, |_, stream| {
        let mut socket = websocket(stream);
        for message in 0..3 {
            assert_eq!(socket.read().unwrap(), Message::text("next"));
            socket.send(Message::text(message.to_string())).unwrap();
        }
        while socket.read().is_ok() {}
    });
    let reactor = Rc::new(Reactor::new(Settings::default()).unwrap());
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let driven = drive(Rc::clone(&reactor), move |_, (), event, _| match event {
        Event::Opened(_) => tell.send("opened".to_owned()).unwrap(),
        Event::Frame(Frame::Text(text)) => tell.send(String::from_utf8(text.to_vec()).unwrap()).unwrap(),
        Event::Frame(_) | Event::Ended(_) => {}
    });
    let id = reactor.open(target(address, 1), ());
    let talk = async {
        assert_eq!(told.recv().await.unwrap(), "opened");
        for message in 0..3 {
            reactor.pause(id, true).unwrap();
            reactor.send(id, &wire::text_frame("next")).unwrap();
            tokio::task::yield_now().await;
            reactor.pause(id, false).unwrap();
            assert_eq!(told.recv().await.unwrap(), message.to_string());
        }
    };
    tokio::select! {
        result = driven => panic!("the reactor stopped: {result:?}"),
        () = talk => {}
    }
    reactor.close(id);
    drop(reactor);
    server.join().unwrap();
}
