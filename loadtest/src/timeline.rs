//! What a run does second by second: told on standard error while it runs, kept for the report.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::AbortHandle;

use crate::clock;
use crate::process_figures::{cpu_seconds, cpu_seconds_of_all, family_of};
use crate::room::Wires;
use crate::timing::Tally;

/// How much time a sample covers.
const EVERY: Duration = Duration::from_secs(1);
/// Samples between two lines of progress, after the first ones.
const TOLD_EVERY: usize = 10;
/// Samples of which each has its line.
const TOLD_FIRST: usize = 5;

/// One second. CPU in cores: seconds per second.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sample {
    /// Since the beginning.
    pub second: f64,
    /// Connections held or under way.
    pub connections: usize,
    /// Changes delivered a second.
    pub deliveries_per_second: f64,
    /// Choices acknowledged a second.
    pub acknowledged_per_second: f64,
    /// The server's process.
    pub server_cores: f64,
    /// The databases' processes.
    pub postgres_cores: f64,
    /// This process.
    pub generator_cores: f64,
}

/// See the [module](self).
pub struct Timeline {
    wires: Vec<Rc<Wires>>,
    began: Instant,
    /// What is played now, for the lines of progress.
    scene: RefCell<&'static str>,
    server: Cell<Option<u32>>,
    postgres: RefCell<Vec<u32>>,
    samples: RefCell<Vec<Sample>>,
    /// Instants worth marking: when, and what.
    marks: RefCell<Vec<(f64, &'static str)>>,
    watching: RefCell<Option<AbortHandle>>,
}

#[derive(Clone, Copy)]
struct Reading {
    at: Instant,
    deliveries: u64,
    acknowledgements: u64,
    cpu: [f64; 3],
}

impl Timeline {
    /// Begins now, of all these connections together; needs a `LocalSet`.
    pub fn start(wires: &[&Rc<Wires>], server: Option<u32>, postgres: Vec<u32>) -> Rc<Self> {
        let timeline = Rc::new(Self {
            wires: wires.iter().copied().cloned().collect(),
            began: clock::now(),
            scene: RefCell::new("prepare"),
            server: Cell::new(server),
            postgres: RefCell::new(postgres),
            samples: RefCell::default(),
            marks: RefCell::default(),
            watching: RefCell::default(),
        });
        let watching = tokio::task::spawn_local(Rc::clone(&timeline).watch());
        *timeline.watching.borrow_mut() = Some(watching.abort_handle());
        timeline
    }

    /// Another server from now on.
    pub fn follow(&self, server: Option<u32>, postgres: Vec<u32>) {
        self.server.set(server);
        *self.postgres.borrow_mut() = postgres;
    }

    /// Something begins that is worth a mark in the charts.
    pub fn mark(&self, scene: &'static str) {
        *self.scene.borrow_mut() = scene;
        // Databases start a process for each connection. Not at each sample: looking for them takes milliseconds.
        let postgres = family_of(self.postgres.take());
        self.postgres.replace(postgres);
        let second = clock::now().saturating_duration_since(self.began).as_secs_f64();
        eprintln!("{second:7.1} s  {scene}");
        self.marks.borrow_mut().push((second, scene));
    }

    /// Ends it; what there was.
    pub fn stop(&self) -> (Vec<Sample>, Vec<(f64, &'static str)>) {
        if let Some(watching) = self.watching.borrow_mut().take() {
            watching.abort();
        }
        (self.samples.borrow().clone(), self.marks.borrow().clone())
    }

    fn read(&self) -> Reading {
        let sum = |of: fn(&Tally) -> u64| self.wires.iter().map(|wires| of(&wires.tally)).sum();
        Reading {
            at: clock::now(),
            deliveries: sum(|tally| tally.deliveries.get()),
            acknowledgements: sum(|tally| tally.acknowledgements.get()),
            cpu: [
                self.server.get().and_then(|pid| cpu_seconds(pid).ok()).unwrap_or(0.0),
                cpu_seconds_of_all(&self.postgres.borrow()),
                cpu_seconds(std::process::id()).unwrap_or(0.0),
            ],
        }
    }

    async fn watch(self: Rc<Self>) {
        let mut before = self.read();
        let mut due = before.at;
        loop {
            due += EVERY;
            tokio::time::sleep_until(due.into()).await;
            let now = self.read();
            let seconds = now.at.saturating_duration_since(before.at).as_secs_f64().max(1e-3);
            // A process that was replaced begins again at nothing.
            let cores = |index: usize| ((now.cpu[index] - before.cpu[index]) / seconds).max(0.0);
            let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
            let sample = Sample {
                second: now.at.saturating_duration_since(self.began).as_secs_f64(),
                connections: self.wires.iter().map(|wires| wires.reactor.connections()).sum(),
                deliveries_per_second: rate(now.deliveries, before.deliveries),
                acknowledged_per_second: rate(now.acknowledgements, before.acknowledgements),
                server_cores: cores(0),
                postgres_cores: cores(1),
                generator_cores: cores(2),
            };
            before = now;
            self.tell(&sample);
            self.samples.borrow_mut().push(sample);
        }
    }

    fn tell(&self, sample: &Sample) {
        let told = self.samples.borrow().len();
        if told >= TOLD_FIRST && !told.is_multiple_of(TOLD_EVERY) {
            return;
        }
        eprintln!(
            "{:7.1} s  {:<14} {:6} connections  {:8.0} deliveries/s  {:6.0} acknowledged/s  cores: server {:.2}, \
             Postgres {:.2}, generator {:.2}",
            sample.second,
            *self.scene.borrow(),
            sample.connections,
            sample.deliveries_per_second,
            sample.acknowledged_per_second,
            sample.server_cores,
            sample.postgres_cores,
            sample.generator_cores,
        );
    }
}
