//! Interns as robots: each chooses in its turn, at a random point of it, among what remains.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::client::Viewer;
use crate::clock;
use crate::command::{Action, Answer};
use crate::room::Room;
use crate::state::Standing;

/// A robot chooses after at least and at most these shares of what was left of its turn when it saw it.
const SHARE_OF_TURN: (f64, f64) = (0.02, 0.85);
/// How often those who are not connected look whether it is time to come.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What the robots share.
#[derive(Default)]
pub struct Arena {
    /// A last seat that late interns race for; whoever is in turn may want it, too.
    pub wanted_by_late: Cell<Option<u16>>,
    /// Choices that were sent for a last seat at the same moment as others.
    pub races: Cell<u64>,
    /// Turns that ended before their robot's choice arrived.
    pub too_late: Cell<u64>,
}

/// Waits for the turn of `viewer`'s intern and chooses; ends when a seat is held for good.
///
/// # Errors
/// When the client failed, or a choice was refused for a reason that cannot be.
pub async fn choose_in_turn(viewer: &Rc<Viewer>, arena: &Arena, rng: &mut StdRng) -> Result<()> {
    loop {
        match viewer.standing() {
            Standing::Waiting => viewer.news.notified().await,
            Standing::Placed | Standing::Out => return Ok(()),
            Standing::InTurn => {
                think(viewer, rng).await;
                if viewer.standing() == Standing::Late {
                    arena.too_late.set(arena.too_late.get() + 1);
                }
                let rushed = arena.wanted_by_late.get().filter(|_| rng.random_bool(0.5));
                choose(viewer, rushed, rng).await?;
            }
            Standing::Late => choose(viewer, None, rng).await?,
        }
    }
}

/// Lets a random share of the turn go by.
async fn think(viewer: &Viewer, rng: &mut StdRng) {
    let Some(clock) = viewer.clock() else { return };
    let deadline = {
        let chain = viewer.room.chain.borrow();
        let turn = chain.frontier().map(|state| state.fact("turn").clone()).unwrap_or_default();
        if turn["rank"].as_u64() != viewer.door.role.rank().map(u64::from) {
            return;
        }
        turn["deadline"].as_i64().unwrap_or_default()
    };
    let left = clock.local(deadline).saturating_duration_since(clock::now());
    let share = rng.random_range(SHARE_OF_TURN.0..SHARE_OF_TURN.1);
    tokio::time::sleep(left.mul_f64(share)).await;
}

/// Chooses `wanted`, or a random post that is free; returns when it is known what came of it.
async fn choose(viewer: &Rc<Viewer>, wanted: Option<u16>, rng: &mut StdRng) -> Result<()> {
    let post = wanted.or_else(|| {
        let chain = viewer.room.chain.borrow();
        chain.frontier()?.free_posts().choose(rng).map(|(post, _)| *post)
    });
    submit_choice(viewer, post.context("no post is free")?).await?;
    Ok(())
}

/// Sends one choice and waits until it is settled; whether it brought a seat.
async fn submit_choice(viewer: &Rc<Viewer>, post: u16) -> Result<bool> {
    const RETRY_AFTER: Duration = Duration::from_millis(5);
    let rank = viewer.door.role.rank().context("only interns choose")?;
    let choice = viewer.room.timing.borrow_mut().intend(rank, clock::now());
    match viewer.submit(Action::Choose(post), Some(choice)).await? {
        Answer::Done => {
            while !matches!(viewer.standing(), Standing::Placed | Standing::Out) {
                anyhow::ensure!(viewer.phase() != crate::client::Phase::Failed, "{} failed", viewer.name());
                viewer.news.notified().await;
            }
            Ok(true)
        }
        Answer::Held(since) => viewer.settled(since).await,
        Answer::Refused(code) => match code.as_str() {
            "post_taken" => Ok(false),
            // The turn ended while the choice was on its way; the change that says so is coming.
            "not_your_turn" | "suspended" => {
                tokio::time::sleep(RETRY_AFTER).await;
                Ok(false)
            }
            _ => bail!("{} chose post {post} and was refused: {code}", viewer.name()),
        },
        Answer::Busy(_) => bail!("busy is handled by submit"),
    }
}

/// Comes when its turn has passed and some time has gone by, then chooses at once.
///
/// # Errors
/// When it cannot connect or choose.
pub async fn come_late_alone(viewer: Rc<Viewer>, arena: Rc<Arena>, wait: Duration, seed: u64) -> Result<()> {
    until_late(&viewer.room, std::slice::from_ref(&viewer)).await?;
    tokio::time::sleep(wait).await;
    viewer.connect().await?;
    choose_in_turn(&viewer, &arena, &mut StdRng::seed_from_u64(seed)).await
}

/// Several come late and want the same last seat at the same moment: twice while somebody's turn is open,
/// then when everybody has been called; whoever has none by then takes what is free.
///
/// # Errors
/// When one cannot connect or choose.
pub async fn race_for_last_seats(racers: Vec<Rc<Viewer>>, arena: Rc<Arena>, seed: u64) -> Result<()> {
    let Some(first) = racers.first() else { return Ok(()) };
    let room = Rc::clone(&first.room);
    until_late(&room, &racers).await?;
    for racer in &racers {
        racer.connect().await?;
    }
    for during_a_turn in [true, true, false] {
        let left: Vec<_> = racers.iter().filter(|racer| racer.standing() == Standing::Late).collect();
        if left.is_empty() {
            return Ok(());
        }
        let Some(post) = last_seat(&room, during_a_turn).await else { continue };
        arena.races.set(arena.races.get() + left.len() as u64);
        arena.wanted_by_late.set(during_a_turn.then_some(post));
        let results = join_all(left.into_iter().map(|racer| submit_choice(racer, post))).await;
        arena.wanted_by_late.set(None);
        results.into_iter().collect::<Result<Vec<bool>>>()?;
    }
    let mut rng = StdRng::seed_from_u64(seed);
    for racer in &racers {
        choose_in_turn(racer, &arena, &mut rng).await?;
    }
    Ok(())
}

/// Waits until everybody has been told that the turns of all these are over.
async fn until_late(room: &Room, viewers: &[Rc<Viewer>]) -> Result<()> {
    loop {
        {
            let chain = room.chain.borrow();
            let state = chain.frontier().context("no state")?;
            let waiting = |viewer: &Rc<Viewer>| {
                let standing = viewer.door.role.rank().map(|rank| state.standing(rank));
                matches!(standing, Some(Standing::Waiting | Standing::InTurn))
            };
            if !viewers.iter().any(waiting) {
                return Ok(());
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A post with one seat left, while a turn is open, or when none is and none is to come; `None` when there
/// will be no such moment.
async fn last_seat(room: &Room, during_a_turn: bool) -> Option<u16> {
    loop {
        {
            let chain = room.chain.borrow();
            let state = chain.frontier()?;
            let called = state.fact("next_rank").as_u64()? > state.participants().len() as u64;
            let turn_open = !state.fact("turn").is_null();
            let over = called && !turn_open;
            let last = state.free_posts().into_iter().find(|(_, left)| *left == 1);
            match last {
                Some((post, _)) if turn_open == during_a_turn && (during_a_turn || over) => {
                    return Some(post);
                }
                None if over => return None,
                _ if over && during_a_turn => return None,
                _ => {}
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
