//! Naive: a room over axum's WebSockets as most people write it. One broadcast channel, a task per viewer that wakes for
//! each message and serialises it, the library's default buffers. What one gets without measuring.

use std::net::Ipv4Addr;

use anyhow::Result;
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::broadcast::{self, Receiver, Sender};

/// Messages that a viewer may be behind.
const CHANNEL_MESSAGES: usize = 1_024;

/// What is published and told; fields in the order of the payload.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Change {
    #[serde(rename = "type")]
    kind: String,
    number: u64,
    filler: String,
}

/// Listens on 127.0.0.1 until it is killed.
///
/// # Errors
/// When it cannot listen.
pub fn serve(port: u16) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let (changes, _) = broadcast::channel::<Change>(CHANNEL_MESSAGES);
        let app = Router::new().route("/ws", get(join)).route("/publish", post(publish)).with_state(changes);
        Ok(axum::serve(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?, app).await?)
    })
}

async fn publish(State(changes): State<Sender<Change>>, Json(change): Json<Change>) {
    // Nobody listening is no error.
    drop(changes.send(change));
}

async fn join(upgrade: WebSocketUpgrade, State(changes): State<Sender<Change>>) -> Response {
    let changes = changes.subscribe();
    upgrade.on_upgrade(move |viewer| relay(viewer, changes))
}

/// Also reads what the viewer says, or nobody would notice that it has gone.
async fn relay(mut viewer: WebSocket, mut changes: Receiver<Change>) {
    loop {
        tokio::select! {
            change = changes.recv() => {
                let Ok(change) = change else { return };
                let Ok(text) = serde_json::to_string(&change) else { return };
                if viewer.send(Message::Text(text.into())).await.is_err() {
                    return;
                }
            }
            said = viewer.recv() => {
                let Some(Ok(_)) = said else { return };
            }
        }
    }
}
