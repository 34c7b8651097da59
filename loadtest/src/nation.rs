//! Many amphis at once: founded by one import, connected, opened, chosen in by turns, and reckoned up.
//!
//! In each amphi sit its administrator, the interns near their turn, and spectators. All of their hours began long ago, so
//! that the end of a turn opens the next one at once, and the pace is the generator's. All connections share one
//! reactor, all latencies one tally. Absent: late choices, and turns that run out.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::TimeDelta;
use futures_util::{StreamExt, stream};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

use crate::client::{Phase, Viewer};
use crate::clock;
use crate::command::{Action, Answer};
use crate::crowd::{Arrival, all_caught_up, arrive, reckon};
use crate::door::Doors;
use crate::journal::Journal;
use crate::oracle::{Expected, examine};
use crate::room::{Fault, Room, Wires};
use crate::server_process::Launch;
use crate::state::Standing;
use crate::synthetic;
use crate::venue::{Venue, VenueArgs};

/// Commands and comparisons under way at the same time.
const AT_ONCE: usize = 64;
/// Longer than any run.
const TURN: &str = "3600s";
/// Everybody may take this long to know what one client knows.
const SETTLE_WITHIN: Duration = Duration::from_secs(30);
/// How often somebody is looked for whose turn it is.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Faults told in the report.
const FAULTS_TOLD_MAX: usize = 20;

/// How large.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Tells its amphis and interns from those of others on the same server.
    pub label: &'static str,
    /// Amphis.
    pub amphis: usize,
    /// Interns of each who are connected and choose.
    pub choosers: usize,
    /// Connections of all amphis together.
    pub connections: usize,
}

/// Everybody of one amphi.
pub struct Cast {
    /// What they share.
    pub room: Rc<Room>,
    /// Runs it.
    pub administrator: Rc<Viewer>,
    /// Choose, in this order.
    pub interns: Vec<Rc<Viewer>>,
    /// Look on.
    pub spectators: Vec<Rc<Viewer>>,
    /// The links.
    pub doors: Doors,
    /// A choice is under way.
    busy: Cell<bool>,
}

impl Cast {
    /// All of them.
    pub fn everybody(&self) -> impl Iterator<Item = &Rc<Viewer>> {
        std::iter::once(&self.administrator).chain(&self.interns).chain(&self.spectators)
    }

    /// The intern whose turn it is, if they are here and not choosing already.
    pub fn in_turn(&self) -> Option<&Rc<Viewer>> {
        let ready =
            |viewer: &&Rc<Viewer>| viewer.standing() == Standing::InTurn && viewer.phase() == Phase::Live;
        self.interns.iter().find(ready).filter(|_| !self.busy.get())
    }

    /// Lets `viewer` choose some free post; counted from `intended`.
    ///
    /// # Errors
    /// When the choice is answered with anything but a seat.
    pub async fn choose(&self, viewer: &Rc<Viewer>, intended: Instant, rng: &mut StdRng) -> Result<()> {
        let rank = viewer.door.role.rank().context("only interns choose")?;
        let post = {
            let chain = self.room.chain.borrow();
            let free = chain.frontier().context("no state")?.free_posts();
            free.choose(rng).context("no post is free")?.0
        };
        self.busy.set(true);
        let taken = self.take(viewer, rank, post, intended).await;
        self.busy.set(false);
        taken
    }

    async fn take(&self, viewer: &Rc<Viewer>, rank: u16, post: u16, intended: Instant) -> Result<()> {
        let choice = self.room.timing.borrow_mut().intend(rank, intended);
        let answer = viewer.submit(Action::Choose(post), Some(choice)).await?;
        ensure!(answer == Answer::Done, "{} chose post {post} and was answered {answer:?}", viewer.name());
        // The outcome may come before the change that everybody is told; who chooses next must know it.
        while viewer.standing() != Standing::Placed {
            ensure!(viewer.phase() != Phase::Failed, "{} failed", viewer.name());
            viewer.news.notified().await;
        }
        Ok(())
    }
}

/// See the [module](self).
pub struct Nation {
    /// The amphis.
    pub casts: Vec<Rc<Cast>>,
    /// Their connections.
    pub wires: Rc<Wires>,
}

impl Nation {
    /// Imports the amphis (or takes those of `--links`), and seats everybody; nobody is connected yet.
    ///
    /// # Errors
    /// When the import is refused, or there are too few amphis or interns.
    pub async fn found(venue: &Venue, args: &VenueArgs, wires: &Rc<Wires>, size: Size) -> Result<Self> {
        let least = size.amphis * (size.choosers + 1);
        ensure!(
            size.connections >= least,
            "{} connections are too few: {} amphis with an administrator and {} interns each are {least}",
            size.connections,
            size.amphis,
            size.choosers
        );
        let doors = match (&venue.process, &args.links) {
            (Some(process), _) => import(&process.launch, size).await?,
            (None, Some(file)) => Doors::parse_all(&std::fs::read_to_string(file)?)?,
            (None, None) => anyhow::bail!("--links is needed with --url (`amphi links --all --json`)"),
        };
        ensure!(doors.len() >= size.amphis, "{} amphis are fewer than {}", doors.len(), size.amphis);
        let mut nation = Self { casts: Vec::new(), wires: Rc::clone(wires) };
        let mut number = 0;
        let mut client = |door: &crate::door::Door, room: &Rc<Room>| {
            number += 1;
            Viewer::new(number - 1, door.clone(), room)
        };
        for (index, (amphi, doors)) in doors.into_iter().take(size.amphis).enumerate() {
            let room = Rc::new(Room::on(wires, &venue.authority, &amphi, true).await?);
            ensure!(doors.interns.len() >= size.choosers, "{} interns in {amphi}", doors.interns.len());
            let spare = size.connections - least;
            let spectators = spare / size.amphis + usize::from(index < spare % size.amphis);
            nation.casts.push(Rc::new(Cast {
                administrator: client(&doors.administrator, &room),
                interns: doors.interns[..size.choosers].iter().map(|door| client(door, &room)).collect(),
                spectators: (0..spectators).map(|_| client(&doors.spectator, &room)).collect(),
                room,
                doors,
                busy: Cell::new(false),
            }));
        }
        Ok(nation)
    }

    /// Everybody of every amphi.
    pub fn everybody(&self) -> impl Iterator<Item = &Rc<Viewer>> {
        self.casts.iter().flat_map(|cast| cast.everybody())
    }

    /// Connects everybody.
    ///
    /// # Errors
    /// When one cannot connect.
    pub async fn arrive(&self, server: Option<u32>) -> Result<Arrival> {
        let everybody: Vec<_> = self.everybody().cloned().collect();
        arrive(&everybody, server).await
    }

    /// Opens every session.
    ///
    /// # Errors
    /// When one is not opened.
    pub async fn open(&self) -> Result<()> {
        let opened = self.casts.iter().map(async |cast| {
            let answer = cast.administrator.submit(Action::Open, None).await?;
            ensure!(answer == Answer::Done, "opening was answered {answer:?}");
            let everybody: Vec<_> = cast.everybody().cloned().collect();
            all_caught_up(&cast.room, &everybody, SETTLE_WITHIN).await
        });
        let opened: Vec<Result<()>> = stream::iter(opened).buffer_unordered(AT_ONCE).collect().await;
        opened.into_iter().collect()
    }

    /// Choices at `rate` a second in all, each in the next amphi of a shuffled order, until `until` or until nobody is
    /// left to choose; how many were due and found nobody to make them.
    ///
    /// # Errors
    /// When one of them is not taken.
    pub async fn choose_until(&self, until: Instant, rate: f64, seed: u64) -> Result<u64> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut order: Vec<usize> = (0..self.casts.len()).collect();
        order.shuffle(&mut rng);
        let (begin, mut postponed) = (clock::now(), 0);
        let mut choosing = tokio::task::JoinSet::new();
        for number in 0.. {
            let intended = begin + Duration::from_secs_f64(f64::from(number) / rate);
            if intended >= until {
                break;
            }
            clock::sleep_precisely(intended).await;
            let cast = &self.casts[order[usize::try_from(number)? % order.len()]];
            let Some(viewer) = cast.in_turn().cloned() else {
                postponed += 1;
                continue;
            };
            // Before the task has run, too: when this one is late, two choices of one amphi may be due at once.
            cast.busy.set(true);
            let (cast, mut rng) = (Rc::clone(cast), StdRng::seed_from_u64(rng.random()));
            choosing.spawn_local(async move { cast.choose(&viewer, intended, &mut rng).await });
            while let Some(made) = choosing.try_join_next() {
                made??;
            }
        }
        while let Some(made) = choosing.join_next().await {
            made??;
        }
        Ok(postponed)
    }

    /// Choices at `rate` a second in all, each amphi at its own even share of it, until `until`: one that is due before
    /// its intern is in turn is made late instead of being passed over. How many were due and not made in time.
    ///
    /// # Errors
    /// When one of them is not taken.
    pub async fn choose_evenly(&self, until: Instant, rate: f64, seed: u64) -> Result<u64> {
        let (begin, amphis) = (clock::now(), self.casts.len());
        let choosing = self.casts.iter().enumerate().map(async |(index, cast)| {
            let mut rng = StdRng::seed_from_u64(seed + index as u64);
            let due =
                (index..).step_by(amphis).map(|number| begin + Duration::from_secs_f64(number as f64 / rate));
            let mut due = due.take_while(|intended| *intended < until);
            while let Some(intended) = due.next() {
                tokio::time::sleep_until(intended.into()).await;
                let viewer = loop {
                    if clock::now() >= until {
                        return Ok(1 + due.count() as u64);
                    }
                    match cast.in_turn() {
                        Some(viewer) => break viewer,
                        None => tokio::time::sleep(LOOK_EVERY).await,
                    }
                };
                cast.choose(viewer, intended, &mut rng).await?;
            }
            anyhow::Ok(0)
        });
        Ok(futures_util::future::try_join_all(choosing).await?.iter().sum())
    }

    /// Every amphi's next interns choose as fast as each is told that it is their turn, `each` of them an amphi.
    ///
    /// # Errors
    /// When one of the choices is not taken.
    pub async fn choose_all_at_once(&self, each: usize, seed: u64) -> Result<()> {
        let choosing = self.casts.iter().enumerate().map(async |(index, cast)| {
            let mut rng = StdRng::seed_from_u64(seed + index as u64);
            for _ in 0..each {
                let placed = |viewer: &&Rc<Viewer>| viewer.standing() != Standing::Placed;
                let Some(viewer) = cast.interns.iter().find(placed) else { return Ok(()) };
                while viewer.standing() == Standing::Waiting {
                    viewer.news.notified().await;
                }
                cast.choose(viewer, clock::now(), &mut rng).await?;
            }
            anyhow::Ok(())
        });
        futures_util::future::try_join_all(choosing).await.map(drop)
    }

    /// One choice after the other, `choices` in all, each in another amphi: first where the fewest have chosen.
    ///
    /// # Errors
    /// When one of them is not taken.
    pub async fn choose_one_by_one(&self, choices: usize, seed: u64) -> Result<()> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut casts: Vec<_> = self.casts.iter().collect();
        casts.sort_by_key(|cast| cast.room.receipts.borrow().len());
        for cast in casts.iter().cycle().take(choices) {
            let viewer = cast.in_turn().context("nobody is in turn")?;
            cast.choose(viewer, clock::now(), &mut rng).await?;
        }
        Ok(())
    }

    /// Cuts connections at `rate` a second until `until`; they come back as the protocol says. Not those of interns
    /// whose turn it is: what their own absence takes says nothing of the server. How many.
    pub async fn cut_until(&self, until: Instant, rate: f64, seed: u64) -> u64 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (begin, mut cut) = (clock::now(), 0);
        for number in 1.. {
            let at = begin + Duration::from_secs_f64(f64::from(number) / rate.max(1e-9));
            if at >= until {
                return cut;
            }
            tokio::time::sleep_until(at.into()).await;
            let Some(cast) = self.casts.choose(&mut rng) else { return cut };
            let all: Vec<_> = cast.everybody().collect();
            let away = |viewer: &&&Rc<Viewer>| {
                viewer.phase() == Phase::Live && viewer.standing() != Standing::InTurn
            };
            let all: Vec<_> = all.iter().filter(away).collect();
            if let Some(viewer) = all.choose(&mut rng) {
                viewer.cut();
                cut += 1;
            }
        }
        cut
    }

    /// Compares everybody with fresh snapshots, one an amphi, and every acknowledgement with its change.
    ///
    /// # Errors
    /// When a fresh client cannot connect.
    pub async fn reckon(&self) -> Result<()> {
        let reckoned = self.casts.iter().map(async |cast| {
            let everybody: Vec<_> = cast.everybody().cloned().collect();
            reckon(&cast.room, &everybody, std::slice::from_ref(&cast.doors.spectator)).await.map(drop)
        });
        let reckoned: Vec<Result<()>> = stream::iter(reckoned).buffer_unordered(AT_ONCE).collect().await;
        reckoned.into_iter().collect()
    }

    /// Every journal, exported into `folder`, against the rules, against every receipt and against what everybody was
    /// told at the end; what is wrong, and how many journals there were. `tolerance`: how late a timer may have been.
    ///
    /// # Errors
    /// When a journal is missing.
    pub fn judge(&self, folder: &Path, tolerance: Duration) -> Result<(Vec<String>, usize)> {
        let mut wrong = Vec::new();
        for cast in &self.casts {
            let amphi = &cast.room.amphi;
            let file = folder.join(format!("{amphi}.jsonl"));
            let journal = Journal::parse(
                &std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?,
            );
            let receipts = cast.room.receipts.borrow();
            let placed: BTreeSet<u16> = receipts.iter().map(|given| given.receipt.rank).collect();
            let expected = Expected { placed, nobody_else: true, speed: 1.0, timer_tolerance: tolerance };
            let chain = cast.room.chain.borrow();
            let state = chain.frontier().context("no state")?;
            match journal {
                Ok(journal) => wrong.extend(
                    examine(&journal, state, &receipts, &expected)
                        .violations
                        .into_iter()
                        .map(|what| format!("{amphi}: {what}")),
                ),
                Err(problem) => wrong.push(format!("{amphi}: the journal cannot be read: {problem:#}")),
            }
        }
        Ok((wrong, self.casts.len()))
    }

    /// The first faults of all amphis, and how many there were.
    pub fn faults(&self) -> (Vec<Fault>, u64) {
        let (mut told, mut found) = (Vec::new(), 0);
        for cast in &self.casts {
            let (faults, more) = cast.room.faults();
            told.extend(faults);
            found += more;
        }
        told.truncate(FAULTS_TOLD_MAX);
        (told, found)
    }

    /// A count of all rooms together.
    pub fn sum(&self, of: impl Fn(&Room) -> u64) -> u64 {
        self.casts.iter().map(|cast| of(&cast.room)).sum()
    }

    /// Nothing more is expected; everybody leaves.
    pub fn disperse(&self) {
        for cast in &self.casts {
            cast.room.over.set(true);
        }
        self.everybody().for_each(|viewer| viewer.go_away());
    }
}

/// Writes a manifest of `size.amphis` amphis and has it imported.
async fn import(launch: &Launch, size: Size) -> Result<Vec<(String, Doors)>> {
    let began = clock::now();
    // One more, so that a turn is open to the end.
    let listed = size.choosers + 1;
    let label = size.label;
    let folder = launch.file(&format!("lists-{label}"));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("posts.csv"), synthetic::posts_csv(synthetic::seats_for(listed)))?;
    let begun = (clock::wall() - TimeDelta::days(10)).format("%Y-%m-%d 00:00-23:00").to_string();
    let mut manifest = "titre;semestre;internes;postes;ouverture\n".to_owned();
    for amphi in 1..=size.amphis {
        let interns = synthetic::interns_csv_of(&format!("{label}{amphi}"), listed);
        std::fs::write(folder.join(format!("{amphi}.csv")), interns)?;
        manifest += &format!("Amphi {label} {amphi};2027-05;{amphi}.csv;posts.csv;{begun}\n");
    }
    let file = folder.join("manifest.csv");
    std::fs::write(&file, manifest)?;
    let ids = launch.import_manifest(&file, TURN).await?;
    let mut doors: HashMap<String, Doors> = launch.links_of_all().await?.into_iter().collect();
    let doors = ids.into_iter().map(|id| {
        let of_it = doors.remove(&id).with_context(|| format!("no links of {id}"))?;
        Ok((id, of_it))
    });
    let doors = doors.collect::<Result<Vec<_>>>()?;
    let seconds = clock::now().saturating_duration_since(began).as_secs_f64();
    eprintln!("{} amphis of {listed} interns imported in {seconds:.1} s", size.amphis);
    Ok(doors)
}
