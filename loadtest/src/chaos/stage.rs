//! What every scenario needs: an amphi of made-up people, everybody connected, and the reckoning at the end.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::Days;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;

use crate::chain::Position;
use crate::chaos::promises::{self, Story};
use crate::chaos::verdict::Check;
use crate::client::{Phase, Viewer};
use crate::clock;
use crate::command::{Action, Answer};
use crate::crowd::reckon;
use crate::deed::Deed;
use crate::door::Doors;
use crate::journal::Journal;
use crate::room::{Patience, Room};
use crate::server_process::{Import, Launch};
use crate::state::Standing;
use crate::synthetic::{interns_csv, posts_csv, seats_for};

/// P5, as it is called in verdicts.
pub const P5: &str = "P5 every client's view is the server's, by every way it was told";

/// Clients come back sooner than the protocol asks, so that everything happens at once, and wait for an
/// answer through a frozen database.
const PATIENCE: Patience = Patience {
    first_return: Duration::from_millis(200),
    longest_return: Duration::from_secs(1),
    answer: Duration::from_secs(90),
};
/// Everybody must be back this long after the server is.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// Long enough for the planned times of the longest list to have passed.
const BEGUN_DAYS_AGO: Days = Days::new(30);
/// How often something that will come is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// An amphi that exists.
#[derive(Debug, Clone)]
pub struct Amphi {
    /// Its id.
    pub id: String,
    /// Its links.
    pub doors: Doors,
}

/// Imports an amphi of `interns` made-up people, always the same ones, whose planned times have all passed:
/// each turn opens when the one before ends. Each `semester` is another period, in which all are free again.
///
/// # Errors
/// When the import is refused.
pub async fn import(launch: &Launch, interns: usize, turn: &str, semester: u64) -> Result<Amphi> {
    let (people, posts) = (launch.file("interns.csv"), launch.file("posts.csv"));
    std::fs::write(&people, interns_csv(interns))?;
    std::fs::write(&posts, posts_csv(seats_for(interns)))?;
    let begun = clock::wall().checked_sub_days(BEGUN_DAYS_AGO).context("the beginning of time")?;
    let import = Import {
        interns: people,
        posts,
        title: "Essai de pannes".to_owned(),
        period: format!("{}-{}", 2027 + semester / 2, if semester.is_multiple_of(2) { "05" } else { "11" }),
        time_zone: "Europe/Paris".to_owned(),
        opening: vec![begun.format("%Y-%m-%d 09:00-10:00").to_string()],
        turn: turn.to_owned(),
    };
    let id = launch.import(&import).await?;
    let doors = launch.links(&id).await?;
    Ok(Amphi { id, doors })
}

/// Everybody who is connected to one amphi by one server.
pub struct Cast {
    /// What they share.
    pub room: Rc<Room>,
    /// Which amphi.
    pub amphi: Amphi,
    /// Runs it.
    pub administrator: Rc<Viewer>,
    /// By call rank.
    pub interns: Vec<Rc<Viewer>>,
    /// Look on.
    pub spectators: Vec<Rc<Viewer>>,
}

impl Cast {
    /// Connects everybody to the server at `authority`.
    ///
    /// # Errors
    /// When somebody cannot connect.
    pub async fn gather(authority: &str, amphi: &Amphi, spectators: usize) -> Result<Self> {
        let cast = Self::of(authority, amphi, amphi.doors.interns.len(), spectators).await?;
        cast.connect_everybody().await?;
        Ok(cast)
    }

    /// Connects only so many who look on.
    ///
    /// # Errors
    /// When somebody cannot connect.
    pub async fn only_spectators(authority: &str, amphi: &Amphi, spectators: usize) -> Result<Self> {
        let cast = Self::of(authority, amphi, 0, spectators).await?;
        for viewer in &cast.spectators {
            viewer.connect().await?;
        }
        Ok(cast)
    }

    /// Connects whoever is not connected yet.
    ///
    /// # Errors
    /// When somebody cannot connect.
    pub async fn connect_everybody(&self) -> Result<()> {
        for viewer in self.everybody() {
            viewer.connect().await?;
        }
        Ok(())
    }

    /// The first `interns` of the list and so many who look on; nobody is connected yet.
    ///
    /// # Errors
    /// When the server's address is none.
    pub async fn of(authority: &str, amphi: &Amphi, interns: usize, spectators: usize) -> Result<Self> {
        let mut room = Room::new(authority, &amphi.id, true).await?;
        room.patience = PATIENCE;
        let room = Rc::new(room);
        let doors = &amphi.doors;
        let viewer = |number: usize, door| Viewer::new(number, door, &room);
        let administrator = viewer(0, doors.administrator.clone());
        let interns: Vec<_> = doors
            .interns
            .iter()
            .take(interns)
            .enumerate()
            .map(|(index, door)| viewer(1 + index, door.clone()))
            .collect();
        let spectators =
            (0..spectators).map(|index| viewer(1 + interns.len() + index, doors.spectator.clone())).collect();
        Ok(Self { room: Rc::clone(&room), amphi: amphi.clone(), administrator, interns, spectators })
    }

    /// Everybody.
    pub fn everybody(&self) -> Vec<Rc<Viewer>> {
        let administrator = std::iter::once(&self.administrator);
        administrator.chain(&self.interns).chain(&self.spectators).cloned().collect()
    }

    /// The intern at `rank`.
    ///
    /// # Errors
    /// When there is none.
    pub fn intern(&self, rank: u16) -> Result<&Rc<Viewer>> {
        let index = usize::from(rank).wrapping_sub(1);
        self.interns.get(index).with_context(|| format!("nobody has rank {rank}"))
    }

    /// The administrator opens the session.
    ///
    /// # Errors
    /// When that is not done.
    pub async fn open(&self) -> Result<()> {
        let answer = self.administrator.submit(Action::Open, None).await?;
        ensure!(answer == Answer::Done, "opening was answered {answer:?}");
        Ok(())
    }

    /// Waits until `holds`; looks every few milliseconds.
    ///
    /// # Errors
    /// When it does not within `within`, or a client was told something against the protocol.
    pub async fn until(&self, what: &str, within: Duration, holds: impl Fn(&Self) -> bool) -> Result<()> {
        let began = clock::now();
        while !holds(self) {
            let (faults, found) = self.room.faults();
            ensure!(found == 0, "{found} faults while waiting for {what}; the first: {:?}", faults.first());
            ensure!(clock::now() < began + within, "waited {} s for {what}", within.as_secs());
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Waits until everybody is connected and knows a state; the instant at which that was so.
    ///
    /// # Errors
    /// When somebody is not back within a minute.
    pub async fn until_everybody_is_back(&self) -> Result<Instant> {
        let everybody = self.everybody();
        let back = |_: &Self| everybody.iter().all(|viewer| viewer.phase() == Phase::Live);
        self.until("everybody to be back", BACK_WITHIN, back).await?;
        Ok(clock::now())
    }

    /// How many interns have a seat, as far as anybody knows.
    pub fn placed(&self) -> usize {
        let chain = self.room.chain.borrow();
        let participants = chain.frontier().map_or(&[][..], |state| state.participants());
        participants.iter().filter(|one| Standing::of(one) == Standing::Placed).count()
    }

    /// The ranks that have a seat, as far as anybody knows.
    pub fn everybody_placed(&self) -> BTreeSet<u16> {
        let chain = self.room.chain.borrow();
        let ranks = 1..=u16::try_from(self.interns.len()).unwrap_or(u16::MAX);
        let state = chain.frontier();
        ranks.filter(|rank| state.is_some_and(|state| state.standing(*rank) == Standing::Placed)).collect()
    }

    /// Whose turn it is, as far as anybody knows.
    pub fn in_turn(&self) -> Option<u16> {
        let chain = self.room.chain.borrow();
        chain.frontier()?.fact("turn")["rank"].as_u64()?.try_into().ok()
    }

    /// A post that is free, as far as anybody knows: `pick` of those there are, modulo their number.
    pub fn free_post(&self, pick: usize) -> Option<u16> {
        let free = self.room.chain.borrow().frontier()?.free_posts();
        free.get(pick % free.len().max(1)).map(|(post, _)| *post)
    }

    /// Sends `how_many` commands again that were answered before, each by its own client: the answers are
    /// compared at the end (P3).
    ///
    /// # Errors
    /// When one is not answered.
    pub async fn ask_again(&self, how_many: usize, rng: &mut StdRng) -> Result<()> {
        let answered: Vec<_> = {
            let deeds = self.room.deeds.borrow();
            let effects = deeds.values().filter(|deed| deed.effect().is_some());
            let of_interns = effects.filter_map(|deed| Some((deed.id, deed.rank?, deed.action)));
            of_interns.sample(rng, how_many)
        };
        for (id, rank, action) in answered {
            self.intern(rank)?.submit_as(id, action, None).await?;
        }
        Ok(())
    }

    /// Closes the session if all have a seat, compares everything that was told, reads the journal, and judges: P1 to P5.
    ///
    /// `placed`: the ranks that must hold a seat.
    ///
    /// # Errors
    /// When the session cannot be closed, or the journal not be exported.
    pub async fn finish(&self, launch: &Launch, placed: &BTreeSet<u16>) -> Result<Ending> {
        self.until_everybody_is_back().await?;
        // An amphi of which only a part was played cannot be closed yet.
        if placed.len() == self.amphi.doors.interns.len() {
            let answer = self.administrator.submit(Action::Close, None).await?;
            ensure!(answer == Answer::Done, "closing was answered {answer:?}");
        }
        let whole = self.hear_the_whole_story().await?;
        let doors = &self.amphi.doors;
        let mut fresh = vec![doors.spectator.clone(), doors.administrator.clone()];
        fresh.extend(doors.interns.iter().take(1).cloned());
        let last_state = reckon(&self.room, &self.everybody(), &fresh).await?;
        self.leave();
        let file = launch.export(&self.amphi.id).await?;
        let journal = Journal::parse(&std::fs::read_to_string(&file)?)?;
        let deeds: Vec<Deed> = self.room.deeds.borrow().values().cloned().collect();
        let story = Story {
            journal: &journal,
            deeds: &deeds,
            receipts: &self.room.receipts.borrow(),
            announced: &self.room.chain.borrow().announced_deadlines(),
            last_state: &last_state,
            placed,
        };
        let mut checks = promises::check(&story).to_vec();
        checks.push(self.views(whole));
        Ok(Ending { journal, deeds, checks })
    }

    /// A newcomer says that it knows the very first state anybody was told, and is told all that happened
    /// since: so every change and every snapshot is compared with an unbroken story. Whether it was told.
    async fn hear_the_whole_story(&self) -> Result<bool> {
        let first = {
            let chain = self.room.chain.borrow();
            let base = chain.base().context("nobody was told a state")?;
            Position { epoch: base.epoch, seq: base.seq }
        };
        let resumed_before = self.room.counts.resumed.get();
        let number = 1 + self.interns.len() + self.spectators.len();
        let historian = Viewer::new(number, self.amphi.doors.spectator.clone(), &self.room);
        historian.remember(first);
        historian.connect().await?;
        let caught_up = |cast: &Self| {
            let chain = cast.room.chain.borrow();
            chain.frontier().map(|state| state.seq) <= historian.position().map(|at| at.seq)
        };
        self.until("the whole story", BACK_WITHIN, caught_up).await?;
        let resumed = self.room.counts.resumed.get() > resumed_before;
        historian.go_away();
        Ok(resumed)
    }

    /// Everybody goes for good.
    pub fn leave(&self) {
        self.room.over.set(true);
        self.everybody().iter().for_each(|viewer| viewer.go_away());
    }

    fn views(&self, told_the_whole_story: bool) -> Check {
        let mut check = Check::new(P5);
        let counts = &self.room.counts;
        check.examine(told_the_whole_story, || "the server did not tell the whole story again".to_owned());
        check.examined += counts.deliveries.get();
        let (faults, found) = self.room.faults();
        check.violations.extend(faults.into_iter().map(|fault| format!("{}: {}", fault.client, fault.what)));
        check.count("faults", found);
        check.count("reconnections", counts.reconnections.get());
        check.count("resumed", counts.resumed.get());
        check.count("by_snapshot_while_connected", counts.caught_up_by_snapshot.get());
        check
    }
}

impl Drop for Cast {
    /// After an error, too: nobody must come back for ever.
    fn drop(&mut self) {
        self.leave();
    }
}

/// What remains of an amphi.
pub struct Ending {
    /// Its journal.
    pub journal: Journal,
    /// Everything that was asked.
    pub deeds: Vec<Deed>,
    /// P1 to P5.
    pub checks: Vec<Check>,
}

/// All ranks up to `interns`.
pub fn all_ranks(interns: usize) -> BTreeSet<u16> {
    (1..=interns).filter_map(|rank| u16::try_from(rank).ok()).collect()
}

/// Milliseconds since `began`.
pub fn ms_since(began: Instant) -> f64 {
    clock::now().saturating_duration_since(began).as_secs_f64() * 1_000.0
}
