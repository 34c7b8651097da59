//! `kills` (C5): `kill -9` of the server under load, sometimes of its Postgres, too; and what is found after it.
//!
//! Interns choose as their turns come, some of them late, and some let their time run out. The server dies a
//! moment after one of them has sent something. Clients come back by themselves and send again what was not
//! answered; some ask again what was.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use crate::chaos::actors::set_to_act;
use crate::chaos::stage::{Cast, Ending, all_ranks, import, ms_since};
use crate::chaos::verdict::{Check, Verdict, percentile, spread_ms};
use crate::chaos::{Run, say};
use crate::clock;
use crate::processes::working_in;
use crate::raw_socket::RawSocket;
use crate::server_process::{Launch, ServerProcess};

/// C5, as it is called in verdicts.
const REOPENED: &str = "C5 open again after a kill, 95 of 100 within 5 s from exec to the first welcome";
/// Its limit.
const REOPENED_P95_MS: f64 = 5_000.0;
/// Kills of one amphi; its journal must not grow beyond what a server can tell again (1,024 entries).
const KILLS_PER_AMPHI: u64 = 10;
/// Interns of one amphi: so many, and so many more for each kill.
const INTERNS: (u64, u64) = (12, 4);
/// Those who look on.
const SPECTATORS: usize = 8;
/// A turn, and how fast the clock runs: one that runs out takes 4.4 s.
const TURN: &str = "20s";
/// See [`TURN`].
const SPEED: f64 = 5.0;
/// Longest pause of an intern before doing something.
const PAUSE: Duration = Duration::from_millis(150);
/// The server dies this long after a command was sent, at most: about as long as one takes.
const DIES_AFTER_MS: f64 = 3.0;
/// Share of kills that take Postgres along.
const WITH_POSTGRES: f64 = 0.4;
/// Answers that are asked for again after each restart.
const ASKED_AGAIN: usize = 5;
/// A session may take this long, outages included.
const SESSION_WITHIN: Duration = Duration::from_secs(300);

/// Plays amphi after amphi until `run.count` kills are done.
///
/// # Errors
/// When it cannot be played to its end.
pub async fn play(run: &Run) -> Result<Verdict> {
    let mut launch = Launch::new(&run.server, run.keep.as_deref())?;
    launch.speed = Some(SPEED);
    let mut server = launch.start().await?;
    let mut verdict = Verdict::default();
    let mut reopened = Reopened::default();
    let mut left = run.count;
    for amphi in 0.. {
        if left == 0 {
            break;
        }
        let kills = left.min(KILLS_PER_AMPHI);
        let seed = run.seed + amphi;
        let mut session = Session { kills, seed, reopened: &mut reopened, unanswered: HashMap::new() };
        let (after, ending) = session.play(server, amphi).await?;
        server = after;
        let unanswered = session.unanswered;
        verdict.extend(ending.checks.iter().cloned());
        reopened.count_the_unsaid(&ending, &unanswered);
        left -= kills;
        if !verdict.holds() {
            say(
                "kills",
                &format!("violated with seed {seed}; replay: --only kills --count {kills} --seed {seed}"),
            );
            break;
        }
    }
    verdict.add(reopened.check());
    server.stop().await?;
    Ok(verdict)
}

/// What the kills did, over all amphis.
#[derive(Default)]
struct Reopened {
    to_welcome_ms: Vec<f64>,
    /// Of these, those after which Postgres had to recover.
    recovered_ms: Vec<f64>,
    all_back_ms: Vec<f64>,
    unanswered: u64,
    unsaid: u64,
}

impl Reopened {
    /// Choices that were in the journal when the server died, and unanswered.
    fn count_the_unsaid(&mut self, ending: &Ending, unanswered: &HashMap<Uuid, u64>) {
        self.unanswered += unanswered.len() as u64;
        for entry in &ending.journal.entries {
            let id = entry.command_id.as_deref().and_then(|id| id.parse().ok());
            let died_in = id.and_then(|id: Uuid| unanswered.get(&id));
            self.unsaid += u64::from(died_in.is_some_and(|epoch| entry.epoch <= *epoch));
        }
    }

    fn check(&self) -> Check {
        let mut check = Check::new(REOPENED);
        let mut sorted = self.to_welcome_ms.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let p95 = percentile(&sorted, 0.95);
        check.examine(p95 <= REOPENED_P95_MS, || format!("the 95th percentile is {p95:.0} ms"));
        check.examined = self.to_welcome_ms.len() as u64;
        check.figure("exec_to_first_welcome", spread_ms(&self.to_welcome_ms));
        check.figure("of_these_with_postgres", spread_ms(&self.recovered_ms));
        check.figure("exec_to_everybody_back", spread_ms(&self.all_back_ms));
        check.count("kills", self.to_welcome_ms.len() as u64);
        check.count("commands_unanswered_at_a_kill", self.unanswered);
        check.count("of_these_already_in_the_journal", self.unsaid);
        check
    }
}

struct Session<'a> {
    kills: u64,
    seed: u64,
    reopened: &'a mut Reopened,
    /// Commands that a kill left unanswered, and the epoch in which the server died.
    unanswered: HashMap<Uuid, u64>,
}

impl Session<'_> {
    async fn play(&mut self, mut server: ServerProcess, semester: u64) -> Result<(ServerProcess, Ending)> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let interns = usize::try_from(INTERNS.0 + self.kills * INTERNS.1)?;
        let amphi = import(&server.launch, interns, TURN, semester).await?;
        let cast = Rc::new(Cast::gather(&server.authority, &amphi, SPECTATORS).await?);
        say(
            "kills",
            &format!("amphi of {interns} interns, {} kills to come, seed {}", self.kills, self.seed),
        );
        cast.open().await?;
        set_to_act(&cast, PAUSE, true, &mut rng);
        for kill in 0..self.kills {
            let everybody_acted = interns as u64 * kill / self.kills;
            self.wait_for_its_time(&cast, usize::try_from(everybody_acted)?).await?;
            server = self.kill(server, &cast, &mut rng).await?;
            cast.ask_again(ASKED_AGAIN, &mut rng).await?;
        }
        cast.until("everybody to hold a seat", SESSION_WITHIN, |cast| cast.placed() == interns).await?;
        let ending = cast.finish(&server.launch, &all_ranks(interns)).await?;
        Ok((server, ending))
    }

    /// Kills are spread over the session: the next one comes when so many have been called.
    async fn wait_for_its_time(&self, cast: &Cast, called: usize) -> Result<()> {
        let called_now = |cast: &Cast| {
            let chain = cast.room.chain.borrow();
            let next = chain.frontier().and_then(|state| state.fact("next_rank").as_u64()).unwrap_or(0);
            next > called as u64
        };
        cast.until("the next kill's turn", SESSION_WITHIN, called_now).await?;
        Ok(())
    }

    async fn kill(&mut self, server: ServerProcess, cast: &Cast, rng: &mut StdRng) -> Result<ServerProcess> {
        let with_postgres = rng.random_bool(WITH_POSTGRES);
        let victims =
            if with_postgres { working_in(&server.data_directory().join("data")) } else { Vec::new() };
        ensure!(!with_postgres || !victims.is_empty(), "no Postgres was found to be killed");
        let epoch = cast.room.chain.borrow().frontier().map_or(0, |state| state.epoch);
        the_moment(cast, rng).await;
        let launch = server.kill(&victims).await?;
        cast.room.server_life.set(cast.room.server_life.get() + 1);
        let unanswered: Vec<Uuid> = {
            let deeds = cast.room.deeds.borrow();
            deeds.values().filter(|deed| deed.answers.is_empty()).map(|deed| deed.id).collect()
        };
        let left_open = unanswered.len();
        self.unanswered.extend(unanswered.into_iter().map(|id| (id, epoch)));
        let began = clock::now();
        let (server, to_welcome) = tokio::join!(launch.start(), first_welcome(cast, began));
        let server = server?;
        let back = cast.until_everybody_is_back().await?;
        let all_back = back.saturating_duration_since(began).as_secs_f64() * 1e3;
        let to_welcome = to_welcome?;
        self.reopened.to_welcome_ms.push(to_welcome);
        self.reopened.all_back_ms.push(all_back);
        self.reopened.recovered_ms.extend(with_postgres.then_some(to_welcome));
        let whom = if with_postgres { "server and Postgres" } else { "server" };
        let number = self.reopened.to_welcome_ms.len();
        say(
            "kills",
            &format!(
                "kill {number}: {whom}, {left_open} commands unanswered; first welcome after {to_welcome:.0} ms, \
                 everybody back after {all_back:.0} ms, {} of {} have a seat",
                cast.placed(),
                cast.interns.len()
            ),
        );
        Ok(server)
    }
}

/// A moment after one of the next commands was sent.
async fn the_moment(cast: &Cast, rng: &mut StdRng) {
    /// Nobody sends anything any more: then the kill comes all the same.
    const QUIET: Duration = Duration::from_secs(5);
    for _ in 0..rng.random_range(1..=3) {
        drop(tokio::time::timeout(QUIET, cast.room.sent.notified()).await);
    }
    let moment = Duration::from_secs_f64(rng.random_range(0.0..DIES_AFTER_MS) / 1e3);
    clock::sleep_precisely(clock::now() + moment).await;
}

/// Milliseconds from `began` to the first welcome that a newcomer is given.
async fn first_welcome(cast: &Cast, began: Instant) -> Result<f64> {
    const GIVEN_UP_AFTER_MS: f64 = 120_000.0;
    const TRIED_AGAIN_AFTER: Duration = Duration::from_millis(5);
    loop {
        let attempt = async {
            let mut socket = RawSocket::open(&cast.room, &cast.amphi.doors.spectator, None).await?;
            socket.next_of("welcome").await
        };
        match attempt.await {
            Ok(_) => return Ok(ms_since(began)),
            Err(problem) if ms_since(began) > GIVEN_UP_AFTER_MS => {
                return Err(problem).context("nobody was welcomed within two minutes of the restart");
            }
            Err(_) => tokio::time::sleep(TRIED_AGAIN_AFTER).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_takes_too_long_to_open_again_is_found() {
        let mut reopened = Reopened { to_welcome_ms: vec![900.0; 20], ..Reopened::default() };
        assert!(reopened.check().holds());
        reopened.to_welcome_ms[3] = 5_001.0;
        assert!(reopened.check().holds(), "one in twenty may take longer");
        reopened.to_welcome_ms[4] = 5_001.0;
        assert!(!reopened.check().holds());
        assert!(!Reopened::default().check().holds(), "nothing was killed");
    }
}
