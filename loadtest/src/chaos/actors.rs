//! Interns who act by themselves, whatever breaks around them, until they hold a seat.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::chaos::stage::Cast;
use crate::client::{Phase, Viewer};
use crate::command::{Action, Answer};
use crate::state::Standing;

/// How an intern spends the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Chooses in it.
    Punctual,
    /// Passes, and chooses later.
    Passing,
    /// Lets it run out, and chooses later.
    Absent,
}

/// Share of those who choose late, after passing…
const PASSING: f64 = 0.3;
/// …and of those who let their turn run out, where turns are short.
const ABSENT: f64 = 0.08;
/// Share of choices that go for the first post that is free: last seats are fought for.
const FOR_THE_FIRST_POST: f64 = 0.4;
/// What is waited for is looked at again after this, should nothing tell of it.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Pause after a refusal that the next change explains.
const EXPLAINED_SOON: Duration = Duration::from_millis(10);

impl Manner {
    fn random(rng: &mut StdRng) -> Self {
        let draw: f64 = rng.random();
        if draw < ABSENT {
            Self::Absent
        } else if draw < ABSENT + PASSING {
            Self::Passing
        } else {
            Self::Punctual
        }
    }
}

/// Sets every intern of `cast` to act, each after at most `pause` whenever something is to be done; what goes
/// wrong is a fault of the room.
///
/// `some_absent`: whether some let their turn run out.
pub fn set_to_act(cast: &Rc<Cast>, pause: Duration, some_absent: bool, rng: &mut StdRng) {
    for viewer in &cast.interns {
        let manner = match Manner::random(rng) {
            Manner::Absent if !some_absent => Manner::Passing,
            manner => manner,
        };
        let mut own = StdRng::seed_from_u64(rng.random());
        let (cast, viewer) = (Rc::downgrade(cast), Rc::clone(viewer));
        tokio::task::spawn_local(async move {
            while let Some(cast) = cast.upgrade() {
                let go_on = act(&cast, &viewer, manner, pause, &mut own).await;
                match go_on {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(_) if viewer.room.over.get() => return,
                    Err(problem) => return viewer.room.fault(viewer.name(), format!("{problem:#}")),
                }
            }
        });
    }
}

/// One step; whether there is another one to come.
async fn act(
    cast: &Cast,
    viewer: &Rc<Viewer>,
    manner: Manner,
    pause: Duration,
    rng: &mut StdRng,
) -> Result<bool> {
    match (viewer.standing(), manner) {
        (Standing::Placed | Standing::Out, _) => return Ok(false),
        (Standing::Waiting, _) | (Standing::InTurn, Manner::Absent) => {
            // Looks again now and then, so that nobody waits for ever in a room that is gone.
            drop(tokio::time::timeout(LOOK_AGAIN_AFTER, viewer.news.notified()).await);
        }
        (Standing::InTurn, Manner::Passing) => {
            tokio::time::sleep(pause.mul_f64(rng.random())).await;
            let answer = viewer.submit(Action::Pass, None).await?;
            settle(viewer, Action::Pass, &answer).await?;
        }
        (Standing::InTurn, Manner::Punctual) | (Standing::Late, _) => {
            tokio::time::sleep(pause.mul_f64(rng.random())).await;
            let pick = if rng.random_bool(FOR_THE_FIRST_POST) { 0 } else { rng.random_range(0..1_000) };
            let Some(post) = cast.free_post(pick) else { bail!("no post is free") };
            let answer = viewer.submit(Action::Choose(post), None).await?;
            settle(viewer, Action::Choose(post), &answer).await?;
        }
    }
    Ok(true)
}

/// Waits until the client knows what came of its command.
async fn settle(viewer: &Rc<Viewer>, action: Action, answer: &Answer) -> Result<()> {
    match answer {
        // The change that says so may come after the answer, and after a crash in between.
        Answer::Done => loop {
            let known = match action {
                Action::Choose(_) => matches!(viewer.standing(), Standing::Placed | Standing::Out),
                _ => viewer.standing() != Standing::InTurn,
            };
            if known || viewer.room.over.get() || viewer.phase() == Phase::Failed {
                return Ok(());
            }
            drop(tokio::time::timeout(LOOK_AGAIN_AFTER, viewer.news.notified()).await);
        },
        Answer::Held(since) => drop(viewer.settled(*since).await?),
        Answer::Refused(code) => match code.as_str() {
            "post_taken" | "not_your_turn" | "suspended" => tokio::time::sleep(EXPLAINED_SOON).await,
            _ => bail!("{} asked for {action:?} and was refused: {code}", viewer.name()),
        },
        Answer::Busy(_) => bail!("busy is handled by submit"),
    }
    Ok(())
}
