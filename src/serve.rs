//! `amphi serve`: the site, and every amphi that is not over, until it is told to stop.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::database::{Database, DatabaseSettings};
use crate::descriptors;
use crate::mails::{MailArguments, MailSettings};
use crate::metrics::{MetricsArguments, MetricsPage};
use crate::opening::parse_instant;
use crate::public_url::{needed, parse_public_url};
use crate::site::{Site, clock, registry};

/// How long open requests may take to end once we are told to stop.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// What `amphi serve` may be told.
#[derive(Debug, Args)]
pub struct ServeArguments {
    #[command(flatten)]
    database: DatabaseSettings,
    /// Adresse et port d’écoute (port 0 : un port libre)
    #[arg(long, env = "AMPHI_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADRESSE")]
    listen: SocketAddr,
    // Not as documentation: it would want to be a link.
    #[arg(
        long,
        env = "AMPHI_PUBLIC_URL",
        value_name = "URL",
        value_parser = parse_public_url,
        help = "Adresse du site telle que les navigateurs la montrent, par exemple https://amphi.exemple.fr ; par défaut \
                celle d’écoute, si c’en est une"
    )]
    public_url: Option<String>,
    /// Répétition : l’horloge va N fois plus vite que le temps réel
    #[arg(long, default_value_t = 1.0, value_name = "N")]
    speed: f64,
    /// Répétition : heure que l’horloge montre au départ, par exemple 2027-03-29T08:59:00+02:00
    #[arg(long, value_name = "INSTANT", value_parser = parse_instant)]
    clock_start: Option<amphi_engine::core::Timestamp>,
    #[command(flatten)]
    mails: MailArguments,
    #[command(flatten)]
    metrics: MetricsArguments,
}

/// Serves until SIGTERM or Ctrl-C.
pub async fn run(arguments: ServeArguments) -> anyhow::Result<()> {
    let public_url = needed(arguments.public_url, arguments.listen)?;
    let mails = MailSettings::of_server(arguments.mails, arguments.listen.ip().is_loopback())?;
    // Before anything that is measured is begun.
    let metrics = MetricsPage::open(&arguments.metrics).await?;
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("l’adresse {} n’est pas libre", arguments.listen))?;
    let database = Database::open_for_server(&arguments.database).await?;
    descriptors::announce();
    let clock = clock(&database.pool, arguments.speed, arguments.clock_start).await?;
    let registry = registry(&database.pool, clock).await?;
    let (opened, failed) = registry.open_unfinished().await?;
    let stopping = CancellationToken::new();
    let asked = stopping.clone().cancelled_owned();
    let (site, serving) =
        Site::open(&database.pool, registry, listener, public_url, (mails, arguments.speed), asked).await?;
    // Before anybody is told that we are here: whoever is told may say stop at once.
    let stop_asked = stop_signal()?;
    println!("listening {}", site.public_url);
    if let Some(metrics) = metrics {
        println!("metrics {}", metrics.url);
        tokio::spawn(metrics.serve(stopping.clone().cancelled_owned()));
    }
    tracing::info!(opened, failed, "serving");
    let lost = tokio::select! {
        () = stop_asked => false,
        () = database.lost() => true,
    };
    stopping.cancel();
    if lost {
        bail!(
            "la base privée s’est arrêtée ; rien de ce qui a été confirmé n’est perdu. Relancez amphi serve."
        );
    }
    // Before the rooms: it asks them.
    if tokio::time::timeout(STOP_WITHIN, site.mails.stop()).await.is_err() {
        tracing::warn!("some mails in hand were left for the next start");
    }
    site.registry.stop().await?;
    if tokio::time::timeout(STOP_WITHIN, serving).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
    database.close().await
}

/// Completes at SIGTERM or Ctrl-C, heard from now on.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
