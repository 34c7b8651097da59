//! A conversation with a mail server: what it takes, and at which step it refuses.
//!
//! The commands are given one by one, because lettre's own transport does not say at which step a mail was refused,
//! and only that tells a sender who is refused from a recipient who is not there. Connections are kept for the next
//! mail of a rush. Deliberately absent: what a refusal means for a mail (`sender.rs`).

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::{self, SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT};
use lettre::{Address, Message};
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use url::{Host, Url};

/// Longest wait for a connection.
const CONNECTED_WITHIN: Duration = Duration::from_secs(30);
/// Longest wait for a farewell that changes nothing any more.
const FAREWELL_WITHIN: Duration = Duration::from_secs(5);

/// A mail server, as it was configured.
#[derive(Clone)]
pub struct MailServer(Arc<Server>);

struct Server {
    host: String,
    port: u16,
    tls: Tls,
    credentials: Option<Credentials>,
    hello: ClientId,
    /// Open, and in nobody's hands: never more than were under way at the same time.
    idle: Mutex<Vec<AsyncSmtpConnection>>,
}

/// An address of a mail server that cannot be used. Does not repeat it: it holds a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("l’adresse du serveur de courriel s’écrit smtp://utilisateur:motdepasse@hôte:port ou smtps://…")]
pub struct MailServerError;

/// Where in the conversation a server refused, or was not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Reaching it, its greeting, TLS, signing in.
    Connecting,
    /// `MAIL FROM`: nothing of the mail but its sender has been said.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// `DATA` and the mail itself.
    Content,
}

/// A mail that was not taken.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Where.
    pub step: Step,
    /// The reply code (RFC 5321); `None` when there was no reply.
    pub code: Option<u16>,
    /// In the server's words, or in those of whoever could not reach it.
    pub said: String,
}

impl Refusal {
    fn at(step: Step) -> impl FnOnce(smtp::Error) -> Self {
        move |error| Self { step, code: error.status().map(u16::from), said: error.to_string() }
    }
}

impl MailServer {
    /// Reads `smtps://user:password@host:port`, or `smtp://…`, which asks for STARTTLS unless the host is
    /// this machine or the address says `?tls=opportunistic`.
    ///
    /// # Errors
    /// [`MailServerError`]
    pub fn from_url(url: &str) -> Result<Self, MailServerError> {
        Self::read(url).ok_or(MailServerError)
    }

    fn read(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let host = match url.host()? {
            Host::Ipv6(address) => address.to_string(),
            name => name.to_string(),
        };
        if host.is_empty() {
            return None;
        }
        let asked = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
        let parameters = || TlsParameters::new(host.clone()).ok();
        let (usual_port, tls) = match (url.scheme(), asked.as_deref()) {
            ("smtps", _) => (SUBMISSIONS_PORT, Tls::Wrapper(parameters()?)),
            ("smtp", Some("opportunistic")) => (SUBMISSION_PORT, Tls::Opportunistic(parameters()?)),
            ("smtp", None) if is_this_machine(&host) => (SMTP_PORT, Tls::None),
            ("smtp", None | Some("required")) => (SUBMISSION_PORT, Tls::Required(parameters()?)),
            _ => return None,
        };
        let decoded = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
        let credentials = match url.password() {
            Some(password) => Some(Credentials::new(decoded(url.username())?, decoded(password)?)),
            None => None,
        };
        let hello = match url.path().trim_matches('/') {
            "" => ClientId::default(),
            name => ClientId::Domain(name.to_owned()),
        };
        let port = url.port().unwrap_or(usual_port);
        Some(Self(Arc::new(Server { host, port, tls, credentials, hello, idle: Mutex::default() })))
    }

    /// Hands a mail over.
    pub(super) async fn take(&self, message: &Message) -> Result<(), Refusal> {
        let mut connection = self.0.open().await.map_err(Refusal::at(Step::Connecting))?;
        match converse(&mut connection, message).await {
            Ok(()) => {
                self.0.idle().push(connection);
                Ok(())
            }
            Err(refusal) => {
                farewell(connection).await;
                Err(refusal)
            }
        }
    }

    /// Closes what is open: a rush of mails is over.
    pub(super) async fn hang_up(&self) {
        while let Some(connection) = self.0.one_idle() {
            farewell(connection).await;
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Server {
    fn idle(&self) -> MutexGuard<'_, Vec<AsyncSmtpConnection>> {
        // Nothing in here panics half way.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn one_idle(&self) -> Option<AsyncSmtpConnection> {
        self.idle().pop()
    }

    /// A connection that was kept and still answers, or a new one.
    async fn open(&self) -> Result<AsyncSmtpConnection, smtp::Error> {
        while let Some(mut connection) = self.one_idle() {
            if connection.test_connected().await {
                return Ok(connection);
            }
        }
        self.connect().await
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, smtp::Error> {
        let from_the_start = match &self.tls {
            Tls::Wrapper(parameters) => Some(parameters.clone()),
            _ => None,
        };
        let address = (self.host.as_str(), self.port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            address,
            Some(CONNECTED_WITHIN),
            &self.hello,
            from_the_start,
            None,
        )
        .await?;
        match &self.tls {
            Tls::Required(parameters) => {
                connection.starttls(parameters.clone(), &self.hello).await?;
            }
            Tls::Opportunistic(parameters) if connection.can_starttls() => {
                connection.starttls(parameters.clone(), &self.hello).await?;
            }
            _ => {}
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

/// One mail, from its sender to its last line.
async fn converse(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<(), Refusal> {
    let (envelope, mail) = (message.envelope(), message.formatted());
    let mut parameters = Vec::new();
    if let Some(step) = with_accents(message) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            let said = "le serveur de courriel ne prend pas les adresses accentuées".to_owned();
            // As a server without the extension would say itself (RFC 6531, 3.5).
            return Err(Refusal { step, code: Some(553), said });
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !mail.is_ascii() && connection.server_info().supports_feature(Extension::EightBitMime) {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let sender = Mail::new(envelope.from().cloned(), parameters);
    connection.command(sender).await.map_err(Refusal::at(Step::Sender))?;
    for recipient in envelope.to() {
        let recipient = Rcpt::new(recipient.clone(), Vec::new());
        connection.command(recipient).await.map_err(Refusal::at(Step::Recipient))?;
    }
    connection.command(Data).await.map_err(Refusal::at(Step::Content))?;
    connection.message(&mail).await.map_err(Refusal::at(Step::Content))?;
    Ok(())
}

/// The step whose address holds more than ASCII, if one does.
fn with_accents(message: &Message) -> Option<Step> {
    let accented = |address: &Address| {
        let text: &str = address.as_ref();
        !text.is_ascii()
    };
    let envelope = message.envelope();
    if envelope.from().is_some_and(accented) {
        Some(Step::Sender)
    } else if envelope.to().iter().any(accented) {
        Some(Step::Recipient)
    } else {
        None
    }
}

/// Ends a connection politely, if the other side lets us.
async fn farewell(mut connection: AsyncSmtpConnection) {
    let _ = timeout(FAREWELL_WITHIN, connection.abort()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Port, and how the connection is protected.
    fn read(url: &str) -> Option<(u16, String)> {
        MailServer::read(url).map(|server| (server.0.port, format!("{:?}", server.0.tls)))
    }

    #[test]
    fn nothing_goes_to_another_machine_in_the_clear_unless_the_address_says_so() {
        let cases = [
            ("smtps://mail.exemple.fr", 465, "Wrapper"),
            ("smtp://u:p@mail.exemple.fr", 587, "Required"),
            ("smtp://u:p@mail.exemple.fr:25?tls=required", 25, "Required"),
            ("smtp://u:p@mail.exemple.fr?tls=opportunistic", 587, "Opportunistic"),
            ("smtp://u:tls=@mail.exemple.fr", 587, "Required"),
            ("smtp://127.0.0.1", 25, "None"),
            ("smtp://localhost:2525/amphi.exemple.fr", 2525, "None"),
            ("smtp://[::1]:2525", 2525, "None"),
            ("smtp://localhost.exemple.fr", 587, "Required"),
            ("smtp://127.exemple.fr", 587, "Required"),
        ];
        for (url, port, tls) in cases {
            assert_eq!(read(url), Some((port, tls.to_owned())), "{url}");
        }
        for wrong in
            ["mail.exemple.fr", "https://mail.exemple.fr", "smtp://mail.exemple.fr?tls=no", "smtp://"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
