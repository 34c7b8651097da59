//! Wiring of the mails: who tells, who sends, and where to; nothing of what is said. `amphi mails`, for whoever looks
//! after them.

use std::sync::Arc;

use amphi_engine::clock::{SystemClock, wall_clock_now};
use amphi_engine::core::{AmphiId, Millis};
use amphi_engine::registry::Registry;
use amphi_portal::links::LinkKey;
use amphi_portal::mail::announcing::{Announcer, MOVES_OVER};
use amphi_portal::mail::retry::{Retried, retry};
use amphi_portal::mail::sender::{Sender, mailbox};
use amphi_portal::mail::server::MailServer;
use amphi_portal::mail::sink::MailSink;
use amphi_portal::mail::{MailSite, Recipient, sink_pages};
use anyhow::Context as _;
use axum::Router;
use clap::{Args, Subcommand};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::database::{Database, DatabaseSettings};
use crate::opening::parse_duration;

/// What a server may be told about mails.
#[derive(Debug, Args)]
pub struct MailArguments {
    /// Serveur de courriel : smtps://utilisateur:motdepasse@hôte:port, ou smtp://… (avec STARTTLS)
    #[arg(long, env = "AMPHI_SMTP_URL", value_name = "URL", hide_env_values = true)]
    smtp_url: Option<String>,
    /// De qui viennent les courriels, par exemple « Amphi <amphi@exemple.fr> »
    #[arg(long, env = "AMPHI_MAIL_FROM", value_name = "ADRESSE", value_parser = parse_mailbox)]
    mail_from: Option<Recipient>,
    /// Répétition, sur cette machine seulement : garde les courriels et les montre à /courriels
    #[arg(long, conflicts_with = "smtp_url")]
    mail_sink: bool,
    /// Écart d’heure à partir duquel chacun est prévenu que son passage a changé ; par défaut 15m
    #[arg(long, value_name = "DURÉE", value_parser = parse_duration)]
    announce_moves_over: Option<Millis>,
}

fn parse_mailbox(text: &str) -> Result<Recipient, String> {
    mailbox(text)
}

/// Where mails go.
enum Destination {
    /// Nowhere: they wait in the outbox.
    Outbox,
    /// To a server.
    Server(MailServer),
    /// To a server of our own that keeps them.
    Sink,
}

/// How a site sends its mails.
pub struct MailSettings {
    destination: Destination,
    from: Recipient,
    moves_over: Millis,
}

impl MailSettings {
    /// The settings of `amphi serve`.
    pub fn of_server(arguments: MailArguments, listens_to_this_machine_only: bool) -> anyhow::Result<Self> {
        let moves_over = arguments.announce_moves_over.unwrap_or(MOVES_OVER);
        if arguments.mail_sink {
            anyhow::ensure!(
                listens_to_this_machine_only,
                "--mail-sink montre les liens personnels de tous : seulement avec une adresse d’écoute 127.0.0.1"
            );
            return Ok(Self { moves_over, ..Self::kept() });
        }
        let from = arguments.mail_from;
        let Some(url) = arguments.smtp_url else {
            let from = from.unwrap_or_else(of_this_machine);
            return Ok(Self { destination: Destination::Outbox, from, moves_over });
        };
        let from = from.context("indiquez aussi de qui viennent les courriels (--mail-from)")?;
        Ok(Self { destination: Destination::Server(MailServer::from_url(&url)?), from, moves_over })
    }

    /// Kept by a server of our own, and shown.
    pub fn kept() -> Self {
        Self { destination: Destination::Sink, from: of_this_machine(), moves_over: MOVES_OVER }
    }
}

fn of_this_machine() -> Recipient {
    Recipient { name: "Amphi".to_owned(), address: "amphi@localhost".to_owned() }
}

/// The tasks that tell and send.
pub struct Mails {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Mails {
    /// Starts them; the pages that show what is kept come along, if anything is.
    pub async fn start(
        settings: MailSettings,
        pool: &PgPool,
        registry: &Arc<Registry>,
        links: &LinkKey,
        public_url: &str,
        speed: f64,
    ) -> anyhow::Result<(Self, Option<Router>)> {
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let wall = Arc::new(SystemClock::real());
        let MailSettings { destination, from, moves_over } = settings;
        let (server, pages) = match destination {
            Destination::Outbox => {
                eprintln!("Aucun serveur de courriel (--smtp-url) : les courriels attendent dans la base.");
                (None, None)
            }
            Destination::Server(server) => (Some(server), None),
            Destination::Sink => {
                let listener =
                    TcpListener::bind("127.0.0.1:0").await.context("un port pour les courriels")?;
                let address = listener.local_addr().context("l’adresse des courriels")?;
                let sink = Arc::new(MailSink::default());
                tokio::spawn(Arc::clone(&sink).serve(listener));
                let server = MailServer::from_url(&format!("smtp://{address}"))?;
                (Some(server), Some(sink_pages::router(sink, public_url)))
            }
        };
        if let Some(server) = server {
            let sender = Sender { pool: pool.clone(), server, from: from.clone(), clock: wall.clone() };
            tasks.spawn(sender.run(stopping.clone()));
        }
        let site = MailSite { public_url: public_url.to_owned(), links: links.clone(), from };
        let announcer =
            Announcer { registry: Arc::clone(registry), pool: pool.clone(), site, wall, moves_over };
        tasks.spawn(announcer.run(stopping, speed));
        Ok((Self { stop, tasks }, pages))
    }

    /// Lets them finish what they have in hand.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// What `amphi mails` may be told.
#[derive(Debug, Args)]
pub struct MailsArguments {
    #[command(subcommand)]
    command: MailsCommand,
}

#[derive(Debug, Subcommand)]
enum MailsCommand {
    /// Remet en attente les courriels abandonnés, une fois réparé ce pour quoi le serveur de courriel les refusait
    Retry(RetryArguments),
}

#[derive(Debug, Args)]
struct RetryArguments {
    #[command(flatten)]
    database: DatabaseSettings,
    /// L’amphi ; par défaut, tous
    amphi: Option<Uuid>,
}

/// Does what is asked for with the mails of a database; a server may be running.
pub async fn run(arguments: MailsArguments) -> anyhow::Result<()> {
    let MailsCommand::Retry(RetryArguments { database, amphi }) = arguments.command;
    let database = Database::open(&database).await?;
    let retried = retry(&database.pool, amphi.map(AmphiId), wall_clock_now()).await;
    database.close().await?;
    let Retried { waiting, left } = retried?;
    println!("{waiting} courriel(s) remis en attente ; le serveur qui tourne, ou le prochain, les envoie.");
    if left > 0 {
        println!("{left} restent abandonnés : leur texte n’est plus gardé, ou leur code a expiré.");
    }
    Ok(())
}
