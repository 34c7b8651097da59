//! The same work for every server: steady, closed loop, eight in flight.
//!
//! Every cell is a fixed number of publications, so that all servers do the same. Latencies count from the intended
//! instant of a publication to its last viewer.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::audience::Audience;
use super::cpu::CpuReading;
use super::peers::{Dialect, Processes, Publication};
use crate::clock;

/// Whatever is published must have reached everybody within this time, or it counts as lost.
const HEARD_WITHIN: Duration = Duration::from_secs(30);
/// Publications under way in the cell *in flight*.
pub const IN_FLIGHT: usize = 8;

/// How much of each.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// Publications before anything is measured.
    pub warm_up: usize,
    /// Publications at a steady rate.
    pub steady: usize,
    /// Their rate.
    pub per_second: f64,
    /// Publications one by one.
    pub closed: usize,
    /// Publications eight at a time.
    pub in_flight: usize,
}

impl Workload {
    /// All of them.
    pub fn publications(&self) -> usize {
        self.warm_up + self.steady + self.closed + self.in_flight
    }
}

/// What one cell took.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    /// Publications times viewers.
    pub deliveries: u64,
    /// Seconds from the first publication to the last viewer of the last.
    pub wall_seconds: f64,
    /// CPU of the server.
    pub server_seconds: f64,
    /// CPU of its database.
    pub postgres_seconds: f64,
    /// CPU of this process.
    pub generator_seconds: f64,
    /// Of each publication, from its intended instant to the last viewer.
    pub last_viewer_ms: Vec<f64>,
}

impl Cell {
    /// CPU of the server per delivery.
    pub fn server_us_per_delivery(&self) -> f64 {
        self.server_seconds * 1e6 / self.deliveries.max(1) as f64
    }
}

/// The cells of one visit to one server.
#[derive(Debug, Clone, Default)]
pub struct Visit {
    /// At a steady rate.
    pub steady: Cell,
    /// The next when the last viewer has the former.
    pub closed: Cell,
    /// Eight under way.
    pub in_flight: Cell,
    /// Median length of a message.
    pub message_bytes: usize,
}

/// Publishes to an audience.
pub struct Play<'a> {
    audience: &'a Audience<'a>,
    dialect: &'a dyn Dialect,
    host: &'a dyn Processes,
    line: Option<TcpStream>,
    payload_bytes: usize,
    published: usize,
    answers: Vec<u8>,
    heard_within: Duration,
}

impl<'a> Play<'a> {
    /// Publishes over `line`, messages of `payload_bytes`.
    ///
    /// # Errors
    /// When the line is broken.
    pub fn new(
        audience: &'a Audience<'a>,
        dialect: &'a dyn Dialect,
        host: &'a dyn Processes,
        line: Option<TcpStream>,
        payload_bytes: usize,
    ) -> Result<Self> {
        if let Some(line) = &line {
            line.set_nonblocking(true)?;
        }
        let answers = Vec::new();
        let heard_within = HEARD_WITHIN;
        Ok(Self { audience, dialect, host, line, payload_bytes, published: 0, answers, heard_within })
    }

    /// Takes what has not reached everybody within this time for lost; else 30 s.
    pub fn patient(self, heard_within: Duration) -> Self {
        Self { heard_within, ..self }
    }

    /// Does the whole workload once.
    ///
    /// # Errors
    /// When anything was lost, repeated or changed.
    pub fn visit(mut self, workload: &Workload) -> Result<Visit> {
        self.one_by_one(workload.warm_up).context("warming up")?;
        let steady = self.steady(workload.steady, workload.per_second).context("at a steady rate")?;
        let closed = self.one_by_one(workload.closed).context("one by one")?;
        let in_flight = self.in_flight(workload.in_flight).context("eight in flight")?;
        let message_bytes = self.audience.with_ledger(|ledger| {
            ledger.settle()?;
            ledger.median_message_bytes().context("nothing was heard")
        })?;
        self.check_answers()?;
        Ok(Visit { steady, closed, in_flight, message_bytes })
    }

    /// `count` publications at `per_second`, whether those before have arrived or not.
    fn steady(&mut self, count: usize, per_second: f64) -> Result<Cell> {
        let start = clock::now() + Duration::from_millis(20);
        self.measured(count, |play| {
            for index in 0..count {
                let intended = start + Duration::from_secs_f64(index as f64 / per_second);
                play.audience.until(intended)?;
                play.publish(intended)?;
            }
            play.wait_for(play.published)
        })
    }

    fn one_by_one(&mut self, count: usize) -> Result<Cell> {
        self.measured(count, |play| {
            for _ in 0..count {
                play.publish(clock::now())?;
                play.wait_for(play.published)?;
            }
            Ok(())
        })
    }

    fn in_flight(&mut self, count: usize) -> Result<Cell> {
        self.measured(count, |play| {
            let begun = play.published;
            for _ in 0..count {
                // At most so many are under way, this one included.
                play.wait_for((play.published + 1).saturating_sub(IN_FLIGHT).max(begun))?;
                play.publish(clock::now())?;
            }
            play.wait_for(play.published)
        })
    }

    /// Waits until all viewers have heard `publications` in all.
    fn wait_for(&self, publications: usize) -> Result<()> {
        let enough =
            |audience: &Audience<'_>| audience.with_ledger(|ledger| ledger.finished().len()) >= publications;
        self.audience.turn_until(clock::now() + self.heard_within, enough)
    }

    fn measured(&mut self, count: usize, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<Cell> {
        let (first, deliveries) =
            self.audience.with_ledger(|ledger| (ledger.finished().len(), ledger.deliveries()));
        let (server, postgres, own) = (self.host.pids(), self.host.postgres(), [std::process::id()]);
        let before = [&server[..], &postgres, &own].map(CpuReading::of);
        let began = clock::now();
        work(self)?;
        let wall_seconds = clock::now().saturating_duration_since(began).as_secs_f64();
        let after = [&server[..], &postgres, &own].map(CpuReading::of);
        self.hear_answers()?;
        let used = |index: usize| after[index].seconds_since(&before[index]);
        self.audience.with_ledger(|ledger| {
            let finished = &ledger.finished()[first..];
            let numbers: HashSet<usize> = finished.iter().map(|finished| finished.publication).collect();
            ensure!(
                numbers.len() == count && finished.len() == count,
                "{} of {count} publications reached everybody, in {} messages",
                numbers.len(),
                finished.len()
            );
            Ok(Cell {
                deliveries: ledger.deliveries() - deliveries,
                wall_seconds,
                server_seconds: used(0),
                postgres_seconds: used(1),
                generator_seconds: used(2),
                last_viewer_ms: finished.iter().map(|finished| finished.after.as_secs_f64() * 1e3).collect(),
            })
        })
    }

    fn publish(&mut self, intended: Instant) -> Result<()> {
        let number = self.published;
        self.published += 1;
        let payload = payload(number, self.payload_bytes);
        let publication = self.dialect.publication(number, &payload);
        self.audience.with_ledger(|ledger| ledger.published(number, intended, payload.into_bytes()));
        match publication {
            Publication::OnLine(bytes) => {
                let line = self.line.as_mut().context("no publisher's connection")?;
                line.write_all(&bytes).context("publishing")
            }
            Publication::ByViewer(viewer, frame) => self.audience.say(viewer, &frame),
        }
    }

    fn hear_answers(&mut self) -> Result<()> {
        let Some(line) = &mut self.line else { return Ok(()) };
        let mut buffer = [0; 4_096];
        loop {
            match line.read(&mut buffer) {
                Ok(0) => bail!("the publisher's connection was closed"),
                Ok(read) => self.answers.extend_from_slice(&buffer[..read]),
                Err(problem) if problem.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(problem) => return Err(problem.into()),
            }
        }
    }

    /// HTTP only: no publication was refused.
    fn check_answers(&mut self) -> Result<()> {
        let answers = String::from_utf8_lossy(&self.answers);
        let refused = answers.split("HTTP/1.1 ").skip(1).find(|answer| !answer.starts_with('2'));
        ensure!(
            refused.is_none(),
            "a publication was answered {:?}",
            refused.and_then(|text| text.lines().next())
        );
        Ok(())
    }
}

/// What peers are told to say: as many bytes as one of our changes, each time something else.
fn payload(number: usize, bytes: usize) -> String {
    let mut text = format!(r#"{{"type":"change","number":{number},"filler":""#);
    let filler = bytes.saturating_sub(text.len() + 2);
    text.extend((0..filler).map(|at| char::from(b'a' + u8::try_from((at + number) % 26).unwrap_or(0))));
    text + "\"}"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_their_length_and_differ() {
        let payloads: Vec<String> = (0..200).map(|number| payload(number, 300)).collect();
        assert!(payloads.iter().all(|payload| payload.len() == 300));
        assert!(payloads.iter().all(|payload| serde_json::from_str::<serde_json::Value>(payload).is_ok()));
        let different: HashSet<&String> = payloads.iter().collect();
        assert_eq!(different.len(), 200);
    }
}
