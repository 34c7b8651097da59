//! `lost-answers` (C3): the connection to Postgres is cut while the answer to an append is on its way.
//!
//! The server does not know then whether the entry was written. Its clients ask again, by the same connection, by
//! another one, and once more when they have been answered; each command must act exactly once.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::chaos::actors::set_to_act;
use crate::chaos::stage::{Cast, all_ranks, import};
use crate::chaos::verdict::{Check, Verdict};
use crate::chaos::{Run, say};
use crate::client::Phase;
use crate::cluster::Cluster;
use crate::postgres_proxy::{Cut, PostgresProxy};
use crate::server_process::Launch;

/// C3, as it is called in verdicts.
const CUT: &str = "C3 answers of the journal were lost, and nothing was lost or done twice";
/// Cuts of one amphi; its journal must not grow beyond what a server can tell again (1,024 entries).
const CUTS_PER_AMPHI: u64 = 100;
/// Interns of one amphi.
const INTERNS: usize = 110;
/// Those who look on.
const SPECTATORS: usize = 4;
/// Longer than any amphi here takes: nobody's turn runs out by accident.
const TURN: &str = "300s";
/// Longest pause of an intern before doing something.
const PAUSE: Duration = Duration::from_millis(20);
/// Share of the choices that are cut…
const SHARE_OF_CHOICES: f64 = 0.7;
/// …and of all other appends: what a server writes after each outage must get through in the end.
const SHARE_OF_OTHERS: f64 = 0.25;
/// Of these, the answer is lost in this share…
const SHARE_ANSWER: f64 = 0.7;
/// …and the connection with the statement under way in this one; else the statement itself.
const SHARE_CONNECTION: f64 = 0.2;
/// Share of commands whose client loses its connection at the same time.
const SHARE_CLIENT_CUT: f64 = 0.1;
/// A session may take this long, reloads included.
const SESSION_WITHIN: Duration = Duration::from_secs(300);

/// Plays amphi after amphi until `run.count` appends were cut.
///
/// # Errors
/// When it cannot be played to its end.
pub async fn play(run: &Run) -> Result<Verdict> {
    let cluster = Cluster::start_new(run.keep.as_deref(), None).await?;
    let proxy = PostgresProxy::start(cluster.port()).await?;
    let mut launch = Launch::new(&run.server, run.keep.as_deref())?;
    launch.database_url = Some(cluster.url(proxy.port));
    let server = launch.start().await?;
    let mut verdict = Verdict::default();
    for amphi in 0.. {
        let so_far = proxy.cuts().cut.get();
        if so_far >= run.count {
            break;
        }
        let seed = run.seed + amphi;
        let mut rng = StdRng::seed_from_u64(seed);
        let amphi = import(&server.launch, INTERNS, TURN, amphi).await?;
        let cast = Rc::new(Cast::gather(&server.authority, &amphi, SPECTATORS).await?);
        cast.open().await?;
        let upto = run.count.min(so_far + CUTS_PER_AMPHI);
        proxy.cut_appends(cuts(upto - so_far, StdRng::seed_from_u64(rng.random())));
        set_to_act(&cast, PAUSE, false, &mut rng);
        let losing =
            tokio::task::spawn_local(lose_clients(Rc::clone(&cast), StdRng::seed_from_u64(rng.random())));
        let all = |cast: &Cast| cast.placed() == INTERNS;
        let played = cast.until("everybody to hold a seat", SESSION_WITHIN, all).await;
        losing.abort();
        played?;
        proxy.cut_appends(|_| None);
        cast.until_everybody_is_back().await?;
        cast.ask_again(INTERNS, &mut rng).await?;
        let ending = cast.finish(&server.launch, &all_ranks(INTERNS)).await?;
        verdict.extend(ending.checks);
        say(
            "lost-answers",
            &format!("amphi with seed {seed} ended; {} appends cut so far", proxy.cuts().cut.get()),
        );
        if !verdict.holds() {
            say("lost-answers", &format!("violated; replay: --only lost-answers --count 100 --seed {seed}"));
            break;
        }
    }
    verdict.add(check(&proxy, run.count));
    server.stop().await?;
    drop(proxy);
    cluster.remove().await?;
    Ok(verdict)
}

/// Cuts up to `left` appends, by chance.
fn cuts(left: u64, mut rng: StdRng) -> impl FnMut(bool) -> Option<Cut> + 'static {
    let left = Cell::new(left);
    move |is_choice| {
        let share = if is_choice { SHARE_OF_CHOICES } else { SHARE_OF_OTHERS };
        if left.get() == 0 || !rng.random_bool(share) {
            return None;
        }
        left.set(left.get() - 1);
        let draw: f64 = rng.random();
        Some(if draw < SHARE_ANSWER {
            Cut::Answer
        } else if draw < SHARE_ANSWER + SHARE_CONNECTION {
            Cut::Connection
        } else {
            Cut::Statement
        })
    }
}

/// Now and then somebody who has just sent something loses the connection.
async fn lose_clients(cast: Rc<Cast>, mut rng: StdRng) {
    loop {
        cast.room.sent.notified().await;
        if !rng.random_bool(SHARE_CLIENT_CUT) {
            continue;
        }
        let in_turn = cast.in_turn().and_then(|rank| cast.intern(rank).ok());
        if let Some(viewer) = in_turn.filter(|viewer| viewer.phase() == Phase::Live) {
            viewer.cut();
        }
    }
}

fn check(proxy: &PostgresProxy, wanted: u64) -> Check {
    let cuts = proxy.cuts();
    let mut check = Check::new(CUT);
    check.examine(cuts.cut.get() >= wanted, || format!("only {} of {wanted} cuts were made", cuts.cut.get()));
    check.examine(cuts.answers.get() > 0, || "no answer was lost".to_owned());
    check.examine(cuts.choices.get() > 0, || "no choice was hit".to_owned());
    check.examined = cuts.cut.get();
    check.count("appends", cuts.appends.get());
    check.count("cut", cuts.cut.get());
    check.count("answer_lost_after_commit", cuts.answers.get());
    check.count("connection_lost_meanwhile", cuts.connections.get());
    check.count("statement_lost", cuts.statements.get());
    check.count("of_these_somebodys_choice", cuts.choices.get());
    check
}
