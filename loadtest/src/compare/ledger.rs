//! Who must hear what, and who has: every message, at every viewer, in order, by its bytes.
//!
//! Peers are told what to say, so their messages are expected beforehand. Our server words its changes itself: there the
//! first viewer to hear one has it read by a [`Reader`], and everybody else must hear the same bytes. Invariant: a viewer
//! that hears anything but the next message, whole, is a fault; nothing is sampled.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

/// Reads a message that was not known before: which publications it tells.
pub type Reader = Box<dyn FnMut(&[u8]) -> Result<Vec<usize>>>;

/// One message.
struct Told {
    bytes: Vec<u8>,
    /// The publications that it tells; usually one.
    tells: Vec<usize>,
    heard_by: usize,
}

/// A publication that everybody knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// Which one.
    pub publication: usize,
    /// From its intended instant to the last viewer.
    pub after: Duration,
}

/// See the [module](self).
pub struct Ledger {
    told: Vec<Told>,
    /// Of each viewer, the message that must come next.
    next: Vec<usize>,
    reader: Option<Reader>,
    intended: HashMap<usize, Instant>,
    finished: Vec<Finished>,
    deliveries: u64,
}

impl Ledger {
    /// For so many viewers; with a reader, messages are learnt from the first who hears them.
    pub fn new(viewers: usize, reader: Option<Reader>) -> Self {
        Self {
            told: Vec::new(),
            next: vec![0; viewers],
            reader,
            intended: HashMap::new(),
            finished: Vec::new(),
            deliveries: 0,
        }
    }

    /// `publication` is published now; it was to be at `intended`, and `bytes` are what viewers will hear.
    pub fn published(&mut self, publication: usize, intended: Instant, bytes: Vec<u8>) {
        self.intended.insert(publication, intended);
        if self.reader.is_none() {
            self.told.push(Told { bytes, tells: vec![publication], heard_by: 0 });
        }
    }

    /// `viewer` heard `bytes`.
    ///
    /// # Errors
    /// When that is not what it must hear next: something lost, repeated or changed.
    pub fn heard(&mut self, viewer: usize, bytes: &[u8], now: Instant) -> Result<()> {
        let next = self.next[viewer];
        if next == self.told.len() {
            let Some(reader) = &mut self.reader else { bail!(self.complaint(viewer, bytes)) };
            let tells = reader(bytes)?;
            self.told.push(Told { bytes: bytes.to_vec(), tells, heard_by: 0 });
        }
        ensure!(self.told[next].bytes == bytes, self.complaint(viewer, bytes));
        self.next[viewer] = next + 1;
        let told = &mut self.told[next];
        told.heard_by += 1;
        self.deliveries += told.tells.len() as u64;
        if told.heard_by == self.next.len() {
            for publication in &told.tells {
                let intended = self.intended.get(publication).copied();
                let after = now.saturating_duration_since(intended.unwrap_or(now));
                self.finished.push(Finished { publication: *publication, after });
            }
        }
        Ok(())
    }

    fn complaint(&self, viewer: usize, bytes: &[u8]) -> String {
        let next = self.next[viewer];
        let what = match self.told.iter().position(|told| told.bytes == bytes) {
            Some(earlier) if earlier < next => format!("message {earlier} again"),
            Some(later) => format!("message {later}, and not those before it"),
            None => format!(
                "what nobody published: {:?}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(200)])
            ),
        };
        format!("viewer {viewer} must hear message {next} and heard {what}")
    }

    /// Publications that all viewers have heard, in the order in which the last one heard them.
    pub fn finished(&self) -> &[Finished] {
        &self.finished
    }

    /// Publications so far.
    pub fn publications(&self) -> usize {
        self.intended.len()
    }

    /// Publications times viewers that have heard them.
    pub fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// The median length of a message told.
    pub fn median_message_bytes(&self) -> Option<usize> {
        let mut lengths: Vec<usize> = self.told.iter().map(|told| told.bytes.len()).collect();
        lengths.sort_unstable();
        lengths.get(lengths.len() / 2).copied()
    }

    /// Whether everybody has heard everything.
    ///
    /// # Errors
    /// When not: how many have missed what.
    pub fn settle(&self) -> Result<()> {
        let behind = self.next.iter().filter(|next| **next < self.told.len()).count();
        ensure!(
            behind == 0 && self.finished.len() == self.publications(),
            "{} of {} publications reached all {} viewers; {behind} viewers lack some",
            self.finished.len(),
            self.publications(),
            self.next.len()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn two_viewers() -> Ledger {
        let mut ledger = Ledger::new(2, None);
        let now = clock::now();
        for number in 0..3 {
            ledger.published(number, now, vec![b'0' + number as u8]);
        }
        ledger
    }

    #[test]
    fn what_everybody_heard_is_finished() {
        let (mut ledger, now) = (two_viewers(), clock::now());
        ledger.heard(0, b"0", now).unwrap();
        assert!(ledger.finished().is_empty() && ledger.settle().is_err());
        ledger.heard(1, b"0", now).unwrap();
        assert_eq!(ledger.finished()[0].publication, 0);
        for (viewer, text) in [(0, b"1"), (0, b"2"), (1, b"1"), (1, b"2")] {
            ledger.heard(viewer, text, now).unwrap();
        }
        ledger.settle().unwrap();
        assert_eq!(ledger.deliveries(), 6);
    }

    #[test]
    fn lost_repeated_and_changed_messages_are_told_apart() {
        let mut ledger = two_viewers();
        let now = clock::now();
        ledger.heard(0, b"0", now).unwrap();
        let said = |problem: anyhow::Error| problem.to_string();
        assert!(said(ledger.heard(0, b"0", now).unwrap_err()).contains("message 0 again"));
        assert!(said(ledger.heard(0, b"2", now).unwrap_err()).contains("message 2, and not those before"));
        assert!(said(ledger.heard(0, b"x", now).unwrap_err()).contains("nobody published"));
        assert!(said(ledger.settle().unwrap_err()).contains("0 of 3"));
    }

    #[test]
    fn a_learnt_message_must_be_the_same_for_all_and_may_tell_several() {
        let mut ledger = Ledger::new(2, Some(Box::new(|bytes| Ok((0..bytes.len()).collect()))));
        let now = clock::now();
        ledger.published(0, now, Vec::new());
        ledger.published(1, now, Vec::new());
        ledger.heard(1, b"ab", now).unwrap();
        assert!(ledger.heard(0, b"xy", now).is_err());
        ledger.heard(0, b"ab", now).unwrap();
        ledger.settle().unwrap();
        assert_eq!((ledger.deliveries(), ledger.finished().len()), (4, 2));
    }
}
