//! `amphi demo`: everything at once, on a database that is thrown away, with nothing to prepare.

use std::net::SocketAddr;
use std::sync::Arc;

use amphi_engine::clock::{SystemClock, wall_clock_now};
use amphi_engine::core::opening::{Opening, OpeningRange};
use amphi_engine::core::{AmphiId, CallRank, Command, Half, Millis, Period, Timestamp};
use amphi_engine::protocol::Role;
use amphi_portal::doors::Door;
use amphi_portal::drafting::Frame;
use amphi_portal::import::{Source, read_interns, read_posts};
use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;

use crate::database::Database;
use crate::import::{Lists, administrate, create};
use crate::links::link;
use crate::mails::MailSettings;
use crate::policies::PolicyArguments;
use crate::robots::{Manner, Robot};
use crate::serve::stop_signal;
use crate::site::{Site, registry};

const INTERNS: &[u8] = include_bytes!("../tests/samples/lille-psychiatrie/interns.csv");
const POSTS: &[u8] = include_bytes!("../tests/samples/lille-psychiatrie/posts.csv");
/// Real time before the first turn: enough to open two windows.
const FIRST_TURN_IN: Millis = Millis::from_secs(20);
/// The visitor's rank: three turns to watch, then theirs.
const VISITOR: CallRank = CallRank(4);
/// A robot that lets its turn pass and comes late.
const LATECOMER: CallRank = CallRank(2);

/// What `amphi demo` may be told.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Adresse et port d’écoute (port 0 : un port libre)
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADRESSE")]
    listen: SocketAddr,
    /// Combien de fois plus vite que le temps réel ; à 10, un tour de 3 minutes dure 18 secondes
    #[arg(long, default_value_t = 10.0, value_name = "N")]
    speed: f64,
    #[command(flatten)]
    policies: PolicyArguments,
}

/// Runs the demonstration until Ctrl-C.
pub async fn run(arguments: DemoArguments) -> anyhow::Result<()> {
    anyhow::ensure!((0.1..=10_000.0).contains(&arguments.speed), "--speed va de 0,1 à 10000");
    let listener = TcpListener::bind(arguments.listen).await.with_context(|| {
        format!("l’adresse {} n’est pas libre : choisissez-en une autre avec --listen", arguments.listen)
    })?;
    let database = Database::open_ephemeral().await?;
    let origin = wall_clock_now();
    let clock = Arc::new(SystemClock::compressed(origin, arguments.speed));
    let registry = registry(&database.pool, clock).await?;
    let begins_in = Millis((FIRST_TURN_IN.0 as f64 * arguments.speed) as i64);
    let frame = frame(registry.now() + begins_in, &arguments.policies)?;
    let amphi = create(&database.pool, &registry, &frame, sample()?, true).await?;
    let mails = (MailSettings::kept(), arguments.speed);
    let (site, serving) =
        Site::open(&database.pool, registry, listener, None, mails, std::future::pending()).await?;
    let room = site.registry.room(amphi).await?;
    administrate(&room, Command::Open).await?;
    send_robots(&site, amphi).await?;
    invite(&site, amphi, arguments.speed);
    tokio::select! {
        () = stop_signal()? => {}
        () = database.lost() => anyhow::bail!("la base de la démonstration s’est arrêtée"),
        result = serving => result?,
    }
    site.mails.stop().await;
    site.registry.stop().await?;
    database.close().await
}

/// A session of two days that begins in a moment.
fn frame(begins_at: Timestamp, policies: &PolicyArguments) -> anyhow::Result<Frame> {
    let ten_hours = Millis::from_minutes(600);
    let opening = Opening::new(vec![OpeningRange { opens_at: begins_at, closes_at: begins_at + ten_hours }])?;
    Ok(Frame {
        title: "Psychiatrie, Lille (démonstration)".to_owned(),
        period: Period { year: 2027, half: Half::May },
        time_zone: "Europe/Paris".to_owned(),
        opening,
        turn_duration: None,
        round: policies.round(),
        policies: policies.policies(),
    })
}

fn sample() -> anyhow::Result<Lists> {
    let interns = read_interns(&Source { file_name: "interns.csv", bytes: INTERNS })?;
    let posts = read_posts(&Source { file_name: "posts.csv", bytes: POSTS })?;
    Ok(Lists { interns, posts })
}

async fn send_robots(site: &Site, amphi: AmphiId) -> anyhow::Result<()> {
    let room = site.registry.room(amphi).await?;
    let count = room.read(|ledger| ledger.amphi().standings().len());
    for rank in (0..count).map(CallRank::from_index).filter(|rank| *rank != VISITOR) {
        let door = Door { amphi, role: Role::Intern { rank } };
        let robot = Robot {
            link: link(&site.links, &site.public_url, door),
            socket: format!("{}/direct", door.path()),
            rank: u64::from(rank.0),
            manner: if rank == LATECOMER { Manner::Late } else { Manner::Punctual },
        };
        tokio::spawn(robot.run());
    }
    Ok(())
}

/// Says what to open, in the order in which it is worth opening.
fn invite(site: &Site, amphi: AmphiId, speed: f64) {
    let url = |role| link(&site.links, &site.public_url, Door { amphi, role });
    let turn_secs = 180.0 / speed;
    let begins_secs = FIRST_TURN_IN.0 as f64 / 1_000.0;
    let mine_secs = begins_secs + turn_secs * f64::from(VISITOR.0 - 1);
    println!(
        "\nLa démonstration est prête. Premier tour dans {begins_secs:.0} secondes ; l’horloge va {speed} fois plus vite.\n\n\
         Vous êtes l’interne de rang {VISITOR} : votre tour vient dans {mine_secs:.0} secondes et dure {turn_secs:.0} secondes\n  \
         {}\n\n\
         L’administrateur de la séance\n  {}\n\n\
         L’écran public\n  {}\n\n\
         Les courriels que reçoivent les internes : convocations, changements d’heure, reçus\n  {}/courriels\n\n\
         Les autres internes sont des robots ; celui de rang {LATECOMER} viendra en retard. Ctrl-C arrête tout.",
        url(Role::Intern { rank: VISITOR }),
        url(Role::Administrator),
        url(Role::Spectator),
        site.public_url,
    );
}
