//! What is answered: P1 and P3.

use amphi_engine::core::{Actor, AmphiId, Command, CommandId, Rejection};
use amphi_engine::protocol::{Outcome, Receipt, WishReceipt};

use super::deeds::carries_out;
use super::{Oracle, Promise};
use crate::names::CommandKind;

/// Something that was asked, once or several times, under one id.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Of which amphi.
    pub amphi: AmphiId,
    /// By whom.
    pub actor: Actor,
    /// What.
    pub command: Command,
    /// Under which id.
    pub id: CommandId,
    /// The first answer, and which server gave it.
    pub answer: Option<(usize, Outcome)>,
}

impl Oracle {
    /// Notes that something is about to be asked; gives its place among all that was.
    pub fn asks(&mut self, asked: Asked) -> usize {
        self.asked.push(asked);
        self.asked.len() - 1
    }

    /// Everything that was asked.
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// Somebody was answered.
    pub fn answered(&mut self, index: usize, server: usize, outcome: Outcome) {
        if self.silenced.contains(&server) {
            return;
        }
        let asked = self.asked[index].clone();
        let kind = CommandKind::of(&asked.command).name();
        self.tell(|| format!("server {server} answers {:?}: {outcome:?}", asked.command));
        match &outcome {
            Outcome::Done { seq, receipt, wishes } => {
                self.count(&format!("command.{kind}.done"));
                self.check_acknowledged(&asked, *seq, proof(receipt.as_deref(), wishes.as_deref()));
            }
            Outcome::Held { seq, .. } => {
                self.count(&format!("command.{kind}.held"));
                self.check_acknowledged(&asked, *seq, None);
            }
            Outcome::Refused { rejection } => {
                self.count(&format!("command.{kind}.refused"));
                self.count(&format!("refused.{}", code(rejection)));
            }
        }
        match &asked.answer {
            None => self.asked[index].answer = Some((server, outcome)),
            Some((_, first)) if *first == outcome => self.count("answer.first_again"),
            // Refusals are not in the journal: a new server may find that what was refused is possible now.
            Some((other, Outcome::Refused { .. })) if *other != server => {
                self.asked[index].answer = Some((server, outcome));
            }
            Some((_, first)) => {
                let what = format!("{kind} {}: first {first:?}, then {outcome:?}", asked.id);
                self.broken(Promise::P3, what);
            }
        }
    }

    /// P1: what is acknowledged is in the journal at that moment, under this id, with this hash.
    fn check_acknowledged(&mut self, asked: &Asked, seq: u64, proof: Option<(u64, &str)>) {
        let entry = seq.checked_sub(1).and_then(|index| {
            let entries = &self.book(asked.amphi).entries;
            entries.get(usize::try_from(index).ok()?)
        });
        let problem = match entry {
            None => Some("no such entry".to_owned()),
            Some(entry) if entry.command_id != Some(asked.id) => Some("it is another command's".to_owned()),
            Some(entry) => match entry.read_event() {
                Err(error) => Some(error.to_string()),
                Ok(event) if !carries_out(&asked.command, &event) => Some(format!("it says {event:?}")),
                Ok(_) => proof
                    .filter(|proof| *proof != (seq, &entry.hash.to_string()))
                    .map(|proof| format!("the receipt says {proof:?}")),
            },
        };
        if let Some(problem) = problem {
            let what = format!("{:?} acknowledged with entry {seq}: {problem}", asked.command);
            self.broken(Promise::P1, what);
        }
    }

    /// P1 and P3, once more in the end: whoever was answered finds it in the journal.
    pub fn check_answers(&mut self) {
        for index in 0..self.asked.len() {
            let asked = self.asked[index].clone();
            match &asked.answer {
                Some((_, Outcome::Done { seq, receipt, wishes })) => {
                    let proof = proof(receipt.as_deref(), wishes.as_deref());
                    self.check_acknowledged(&asked, *seq, proof);
                }
                Some((_, Outcome::Held { seq, .. })) => self.check_acknowledged(&asked, *seq, None),
                Some((_, Outcome::Refused { .. })) => {}
                None => {
                    let what = format!("{:?} was sent again and never answered", asked.command);
                    self.broken(Promise::Progress, what);
                }
            }
        }
    }
}

/// Entry and hash that a receipt names.
fn proof<'a>(receipt: Option<&'a Receipt>, wishes: Option<&'a WishReceipt>) -> Option<(u64, &'a str)> {
    let receipt = receipt.map(|receipt| (receipt.seq, receipt.hash.as_str()));
    receipt.or_else(|| wishes.map(|wishes| (wishes.seq, wishes.hash.as_str())))
}

/// The stable code of a refusal.
fn code(rejection: &Rejection) -> String {
    let json = serde_json::to_value(rejection).expect("a rejection is plain data");
    json["code"].as_str().expect("every rejection has a code").to_owned()
}
