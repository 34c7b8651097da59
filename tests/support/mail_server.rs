//! Somebody else's mail server, which outlives ours: takes every mail, and remembers whose it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// By recipient: the Message-IDs of what came for them.
pub type Received = BTreeMap<String, BTreeSet<String>>;

/// A mail server on a port of its own.
pub struct MailServer {
    received: Arc<Mutex<Received>>,
    /// Where it listens, as `--smtp-url` wants it.
    pub url: String,
}

impl MailServer {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Received>>::default();
        let into = Arc::clone(&received);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let into = Arc::clone(&into);
                // A sender that is killed breaks off: what it had not finished is no mail.
                tokio::spawn(async move { drop(take(stream, &into).await) });
            }
        });
        Self { received, url }
    }

    /// What has come so far.
    pub fn received(&self) -> Received {
        self.received.lock().unwrap().clone()
    }
}

async fn take(stream: TcpStream, into: &Mutex<Received>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 ready\r\n").await?;
    let (mut recipient, mut message_id, mut in_data) = (String::new(), String::new(), false);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let text = line.trim_end().to_owned();
        line.clear();
        let reply = if in_data {
            if let Some(id) = text.strip_prefix("Message-ID: ") {
                id.clone_into(&mut message_id);
            }
            if text != "." {
                continue;
            }
            in_data = false;
            into.lock().unwrap().entry(recipient.clone()).or_default().insert(message_id.clone());
            "250 taken"
        } else if let Some(path) = text.strip_prefix("RCPT TO:") {
            path.trim_matches(['<', '>']).clone_into(&mut recipient);
            "250 ok"
        } else if text == "DATA" {
            in_data = true;
            "354 go on"
        } else {
            "250 ok"
        };
        stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
    }
    Ok(())
}
