//! Wiring: database, journal, clock, registry and portal put together, and taken apart in order.

use std::sync::Arc;

use amphi_engine::arrivals::Arrivals;
use amphi_engine::clock::{Clock, SystemClock, wall_clock_now};
use amphi_engine::connections;
use amphi_engine::core::Timestamp;
use amphi_engine::journal::PostgresJournal;
use amphi_engine::registry::Registry;
use amphi_portal::eligibility::AccountStates;
use amphi_portal::links::LinkKey;
use amphi_portal::{Portal, router};
use anyhow::Context as _;
use axum::serve::ListenerExt as _;
use sqlx::PgPool;
use tokio::net::TcpListener;

use crate::descriptors::{connections_max, sockets_max};
use crate::mails::{MailSettings, Mails};
use crate::metrics;
use crate::public_url::{lead_home, reached_at};

/// The clock of this run: the real one, or a compressed one for rehearsals.
///
/// A compressed clock goes on from the latest instant any server has seen, so that a restart does not
/// throw a rehearsal back to the morning.
pub async fn clock(pool: &PgPool, speed: f64, start: Option<Timestamp>) -> anyhow::Result<Arc<dyn Clock>> {
    if speed == 1.0 && start.is_none() {
        return Ok(Arc::new(SystemClock::real()));
    }
    anyhow::ensure!((0.01..=100_000.0).contains(&speed), "--speed va de 0,01 à 100000");
    let seen = PostgresJournal::last_seen_at(pool).await?;
    let origin = start.unwrap_or_else(wall_clock_now);
    Ok(Arc::new(SystemClock::compressed(seen.map_or(origin, |seen| seen.max(origin)), speed)))
}

/// The registry of this process over `pool`.
pub async fn registry(pool: &PgPool, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Registry>> {
    let journal = PostgresJournal::start(pool.clone(), clock.now()).await?;
    let eligibility = Arc::new(AccountStates::new(pool.clone()));
    Ok(Registry::asking(journal, clock, eligibility))
}

/// A site that answers at `public_url`.
pub struct Site {
    /// Scheme, host and port, without a final slash.
    pub public_url: String,
    /// Its amphis.
    pub registry: Arc<Registry>,
    /// What signs its links.
    pub links: LinkKey,
    /// Who tells people what happens.
    pub mails: Mails,
}

impl Site {
    /// Starts to answer on `listener`, until `stop` completes; returns with the task that serves.
    pub async fn open(
        pool: &PgPool,
        registry: Arc<Registry>,
        listener: TcpListener,
        public_url: Option<String>,
        (mails, speed): (MailSettings, f64),
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<(Self, tokio::task::JoinHandle<()>)> {
        let address = listener.local_addr().context("l’adresse d’écoute")?;
        let public_url = public_url.unwrap_or_else(|| reached_at(address));
        let links = LinkKey::load(pool).await?;
        LinkKey::publish_address(pool, &public_url).await?;
        let (mails, mail_pages) = Mails::start(mails, pool, &registry, &links, &public_url, speed).await?;
        let portal = Arc::new(Portal {
            registry: Arc::clone(&registry),
            pool: pool.clone(),
            links: links.clone(),
            public_url: public_url.clone(),
            arrivals: Arrivals::new(sockets_max()),
            passes: Arc::default(),
        });
        let alive = Arc::clone(&registry);
        tokio::spawn(async move { alive.keep_alive().await });
        let listener = listener.tap_io(|stream| {
            // Frames are small and must leave at once; where this fails, they leave a little later.
            let _ = stream.set_nodelay(true);
        });
        let watching = Arc::clone(&portal);
        tokio::spawn(async move { watching.watch_passes().await });
        let following = Arc::clone(&portal);
        tokio::spawn(async move { following.watch_proxies().await });
        let forgetting = Arc::clone(&portal);
        tokio::spawn(async move { forgetting.watch_retention().await });
        let routes = router(portal).merge(mail_pages.unwrap_or_default());
        let home: Arc<str> = Arc::from(public_url.as_str());
        let routes = routes.layer(axum::middleware::from_fn_with_state(home, lead_home));
        let routes = routes.layer(axum::middleware::from_fn(metrics::time_request));
        let served = tokio::spawn(connections::serve(listener, routes, connections_max(), stop));
        Ok((Self { public_url, registry, links, mails }, served))
    }
}
