//! `two-servers` (C7): two servers on one database, and amphis that share their interns.
//!
//! Races: one intern chooses in two amphis at the same instant, on two servers or on one; exactly one choice is
//! taken. Takeovers: the owner of an amphi stands still (SIGSTOP) with a choice in its socket, loses its lock, and
//! another server takes over; when the old owner goes on, it must not write any more.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::Signal;
use serde_json::Value;
use uuid::Uuid;

use crate::chaos::promises::check_across;
use crate::chaos::stage::{Amphi, Cast, Ending, import, ms_since};
use crate::chaos::verdict::{Check, Verdict, spread_ms};
use crate::chaos::{Run, say};
use crate::client::{Phase, Viewer};
use crate::clock;
use crate::cluster::Cluster;
use crate::command::{Action, Answer};
use crate::journal::Journal;
use crate::postgres_proxy::PostgresProxy;
use crate::processes::{freeze, signal};
use crate::raw_socket::RawSocket;
use crate::room::Room;
use crate::server_process::{Launch, ServerProcess};

/// C7: races of one intern.
const ONE_WINS: &str =
    "C7 one intern choosing in two amphis at the same instant gets one seat, and is told why";
/// C7: imports.
const SAME_PEOPLE: &str = "C7 the same e-mails imported twice are the same interns";
/// C7: races of servers.
const ONE_OWNS: &str = "C7 of two servers that want one amphi, one gets it";
/// C7: a stale owner.
const FENCED: &str = "C7 an owner that stood still and was succeeded writes nothing more, and says so";
/// Races of one pair of amphis.
const RACES_PER_PAIR: u64 = 25;
/// So many races for each takeover.
const RACES_PER_TAKEOVER: u64 = 25;
/// Longer than any amphi here takes.
const TURN: &str = "600s";
/// The second choice of a race is sent so much later, at most.
const APART_MS: f64 = 2.0;
/// Share of interns who pass in both amphis and race when all turns are over.
const LATE: f64 = 0.3;
/// A server looks after its lock every second: it misses it at one look, and has it back at the next.
const LOCK_BACK_WITHIN: Duration = Duration::from_millis(2_500);
/// Anything here happens within this.
const WITHIN: Duration = Duration::from_secs(30);

/// Plays `run.count` races, and takeovers beside them.
///
/// # Errors
/// When it cannot be played to its end.
pub async fn play(run: &Run) -> Result<Verdict> {
    let cluster = Cluster::start_new(run.keep.as_deref(), None).await?;
    let proxy = PostgresProxy::start(cluster.port()).await?;
    let mut launches = Vec::new();
    for port in [proxy.port, cluster.port()] {
        let mut launch = Launch::new(&run.server, run.keep.as_deref())?;
        launch.database_url = Some(cluster.url(port));
        launches.push(launch);
    }
    let (first, second) = (launches[0].clone().start().await?, launches[1].clone().start().await?);
    let mut house = House { first, second, proxy, semester: 0, verdict: Verdict::default() };
    let mut left = run.count;
    while left > 0 {
        let races = left.min(RACES_PER_PAIR);
        let seed = run.seed + house.semester;
        house.race(races, StdRng::seed_from_u64(seed)).await?;
        left -= races;
        if !house.verdict.holds() {
            say(
                "two-servers",
                &format!("violated; replay: --only two-servers --count {races} --seed {seed}"),
            );
            break;
        }
    }
    for takeover in 0..(run.count / RACES_PER_TAKEOVER).max(1) {
        house.take_over(StdRng::seed_from_u64(run.seed + takeover), takeover.is_multiple_of(2)).await?;
    }
    let House { first, second, proxy, verdict, .. } = house;
    first.stop().await?;
    second.stop().await?;
    drop(proxy);
    cluster.remove().await?;
    Ok(verdict)
}

struct House {
    first: ServerProcess,
    second: ServerProcess,
    /// Between the first server and the database.
    proxy: PostgresProxy,
    /// Each pair of amphis has another one, in which all are free again.
    semester: u64,
    verdict: Verdict,
}

impl House {
    /// Two amphis of the same interns; every intern races in both.
    async fn race(&mut self, races: u64, mut rng: StdRng) -> Result<()> {
        let interns = usize::try_from(races)?;
        let one = import(&self.first.launch, interns, TURN, self.semester).await?;
        let other = import(&self.second.launch, interns, TURN, self.semester).await?;
        // Every second pair on one server: there, the amphis hear of each other before the database says so.
        let on_two_servers = self.semester.is_multiple_of(2);
        let elsewhere = if on_two_servers { &self.second } else { &self.first };
        let one = Cast::gather(&self.first.authority, &one, 1).await?;
        let other = Cast::gather(&elsewhere.authority, &other, 1).await?;
        one.open().await?;
        other.open().await?;
        let mut check = Check::new(ONE_WINS);
        let mut late = Vec::new();
        for rank in 1..=u16::try_from(interns)? {
            for cast in [&one, &other] {
                cast.until("the turn of both", WITHIN, |cast| cast.in_turn() == Some(rank)).await?;
            }
            if rng.random_bool(LATE) {
                for cast in [&one, &other] {
                    let answer = cast.intern(rank)?.submit(Action::Pass, None).await?;
                    anyhow::ensure!(answer == Answer::Done, "passing was answered {answer:?}");
                }
                late.push(rank);
            } else {
                race_of(rank, &one, &other, &mut rng, &mut check).await?;
            }
        }
        for rank in late {
            check.count("late", 1);
            race_of(rank, &one, &other, &mut rng, &mut check).await?;
        }
        check.count("on_two_servers", if on_two_servers { races } else { 0 });
        self.verdict.add(check);
        let endings = [self.ending(&one, &self.first).await?, self.ending(&other, elsewhere).await?];
        self.verdict.add(same_people(&endings[0].journal, &endings[1].journal));
        self.verdict.add(check_across(&[&endings[0].journal, &endings[1].journal]));
        let [one, other] = endings;
        self.verdict.extend(one.checks);
        self.verdict.extend(other.checks);
        let servers = if on_two_servers { "two servers" } else { "one server" };
        say("two-servers", &format!("{races} races of interns in two amphis on {servers}"));
        self.semester += 1;
        Ok(())
    }

    async fn ending(&self, cast: &Cast, server: &ServerProcess) -> Result<Ending> {
        let placed = cast.everybody_placed();
        cast.finish(&server.launch, &placed).await
    }

    /// Both servers want an amphi; then its owner stands still, and the other one takes over.
    async fn take_over(&mut self, mut rng: StdRng, only_the_lock: bool) -> Result<()> {
        let amphi = import(&self.first.launch, 4, TURN, self.semester).await?;
        self.race_for(&amphi).await?;
        self.semester += 1;
        // The owner that is to stand still must be the one behind the proxy.
        let amphi = import(&self.first.launch, 4, TURN, self.semester).await?;
        self.semester += 1;
        let before = Cast::gather(&self.first.authority, &amphi, 1).await?;
        before.open().await?;
        choose(&before, 1, Uuid::new_v4(), &mut rng).await?;
        before.until("the second turn", WITHIN, |cast| cast.in_turn() == Some(2)).await?;

        freeze(self.first.pid).await;
        let began = clock::now();
        let (id, post) = (Uuid::new_v4(), before.free_post(0).context("no post is free")?);
        let asked = ask(before.intern(2)?, id, post);
        before
            .until("the choice to be sent", WITHIN, |cast| cast.room.deeds.borrow().contains_key(&id))
            .await?;
        let cut = self.proxy.cut_now(only_the_lock);
        let after = self.gather_at_the_successor(&amphi).await;
        let taken_over_ms = ms_since(began);
        // Before anything else, so that it never stays frozen.
        let after = match after {
            Ok(after) => after,
            Err(problem) => {
                signal(self.first.pid, Signal::CONT);
                return Err(problem);
            }
        };
        let again = if rng.random_bool(0.5) { id } else { Uuid::new_v4() };
        let chosen = choose(&after, 2, again, &mut rng).await;
        signal(self.first.pid, Signal::CONT);
        chosen?;
        let mut check = Check::new(FENCED);
        let everybody = before.everybody();
        let gone = |_: &Cast| everybody.iter().all(|viewer| viewer.phase() != Phase::Live);
        let noticed = before.until("the old owner to close its sockets", WITHIN, gone).await;
        check.examine(noticed.is_ok(), || format!("{noticed:?}"));
        check.examine(!asked.is_finished(), || {
            "the old owner answered a choice after it was succeeded".to_owned()
        });
        asked.abort();
        for rank in 3..=4 {
            choose(&after, rank, Uuid::new_v4(), &mut rng).await?;
        }
        adopt_deeds(&after.room, &before.room);
        let placed: BTreeSet<u16> = (1..=4).collect();
        let ending = after.finish(&self.second.launch, &placed).await?;
        let back = epochs_that_go_back(&ending.journal);
        check.examine(back.is_empty(), || format!("entries of an older epoch after a newer one: {back:?}"));
        check.figure("taken_over_after", spread_ms(&[taken_over_ms]));
        check.count("only_the_lock_was_lost", u64::from(only_the_lock));
        self.verdict.add(check);
        self.verdict.extend(ending.checks);
        // Until then, anybody may take over whatever it takes; and it could not say farewell when it is stopped.
        tokio::time::sleep(LOCK_BACK_WITHIN).await;
        let what = if only_the_lock { "its lock" } else { "all its connections" };
        say(
            "two-servers",
            &format!("a frozen owner lost {what} ({cut}); taken over after {taken_over_ms:.0} ms"),
        );
        Ok(())
    }

    /// Both servers are asked for an amphi at once.
    async fn race_for(&mut self, amphi: &Amphi) -> Result<()> {
        let welcomed = async |authority: &str| -> Result<()> {
            let room = Room::new(authority, &amphi.id, false).await?;
            let mut socket = RawSocket::open(&room, &amphi.doors.spectator, None).await?;
            socket.next_of("welcome").await?;
            Ok(())
        };
        let (one, other) = tokio::join!(welcomed(&self.first.authority), welcomed(&self.second.authority));
        let mut check = Check::new(ONE_OWNS);
        check.examine(one.is_ok() != other.is_ok(), || format!("one said {one:?}, the other {other:?}"));
        check.count("by_the_first", u64::from(one.is_ok()));
        self.verdict.add(check);
        Ok(())
    }

    async fn gather_at_the_successor(&self, amphi: &Amphi) -> Result<Cast> {
        let began = clock::now();
        loop {
            match Cast::gather(&self.second.authority, amphi, 1).await {
                Ok(cast) => return Ok(cast),
                Err(problem) if clock::now() > began + WITHIN => return Err(problem),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// Both choices at nearly the same instant; exactly one is taken, and the other told why not.
async fn race_of(rank: u16, one: &Cast, other: &Cast, rng: &mut StdRng, check: &mut Check) -> Result<()> {
    let apart = Duration::from_secs_f64(rng.random_range(0.0..APART_MS) / 1e3);
    let one_first = rng.random_bool(0.5);
    let posts = [one, other].map(|cast| cast.free_post(rng.random_range(0..1_000)));
    let chooses = async |cast: &Cast, post: Option<u16>, waits: bool| {
        if waits {
            clock::sleep_precisely(clock::now() + apart).await;
        }
        cast.intern(rank)?.submit(Action::Choose(post.context("no post is free")?), None).await
    };
    let (first, second) =
        tokio::join!(chooses(one, posts[0], !one_first), chooses(other, posts[1], one_first));
    let (first, second) = (first?, second?);
    let elsewhere = Answer::Refused("placed_elsewhere".to_owned());
    let right =
        (first == Answer::Done && second == elsewhere) || (second == Answer::Done && first == elsewhere);
    check.examine(right, || format!("rank {rank} was answered {first:?} and {second:?}"));
    check.count("won_by_the_later", u64::from((first == Answer::Done) != one_first));
    Ok(())
}

async fn choose(cast: &Cast, rank: u16, id: Uuid, rng: &mut StdRng) -> Result<()> {
    cast.until(&format!("the turn of rank {rank}"), WITHIN, |cast| cast.in_turn() == Some(rank)).await?;
    let post = cast.free_post(rng.random_range(0..1_000)).context("no post is free")?;
    let answer = cast.intern(rank)?.submit_as(id, Action::Choose(post), None).await?;
    anyhow::ensure!(answer == Answer::Done, "the choice of rank {rank} was answered {answer:?}");
    Ok(())
}

fn ask(viewer: &Rc<Viewer>, id: Uuid, post: u16) -> tokio::task::JoinHandle<Result<Answer>> {
    let viewer = Rc::clone(viewer);
    tokio::task::spawn_local(async move { viewer.submit_as(id, Action::Choose(post), None).await })
}

/// What was asked of the old owner is judged by the journal of the new one.
fn adopt_deeds(into: &Room, from: &Room) {
    let mut into_deeds = into.deeds.borrow_mut();
    for (id, deed) in from.deeds.borrow().iter() {
        match into_deeds.get_mut(id) {
            Some(known) => {
                known.sent += deed.sent;
                known.answers.splice(0..0, deed.answers.iter().cloned());
            }
            None => drop(into_deeds.insert(*id, deed.clone())),
        }
    }
    into.receipts.borrow_mut().extend(from.receipts.borrow().iter().cloned());
}

fn epochs_that_go_back(journal: &Journal) -> Vec<u64> {
    let pairs = journal.entries.windows(2).filter(|pair| pair[1].epoch < pair[0].epoch);
    pairs.map(|pair| pair[1].seq).collect()
}

fn same_people(one: &Journal, other: &Journal) -> Check {
    let mut check = Check::new(SAME_PEOPLE);
    let people = |journal: &Journal| -> Option<Vec<Value>> {
        let participants =
            journal.last_of("drafted").ok()?.payload["setup"]["participants"].as_array()?.clone();
        Some(participants.into_iter().map(|participant| participant["intern"].clone()).collect())
    };
    let (one, other) = (people(one).unwrap_or_default(), people(other).unwrap_or_default());
    check.examine(one.len() == other.len(), || format!("{} interns, then {}", one.len(), other.len()));
    for (one, other) in one.iter().zip(&other) {
        check.examine(one.is_string() && one == other, || format!("intern {one}, then {other}"));
    }
    check
}
