//! Whom a command would touch, before it is given (3.7).

use serde::Serialize;

use crate::amphi::{Amphi, Standing, Status};
use crate::command::Command;
use crate::decide::Moment;
use crate::identity::{Actor, CallRank};
use crate::rejection::Rejection;
use crate::time::Millis;

/// What a command would change if it were given now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Participants whose standing would change, with what it is and what it would be.
    pub touched: Vec<(CallRank, Standing, Standing)>,
    /// The status it would lead to.
    pub status: Status,
    /// By how much the expected time of those still to come would move, at most (A7); negative is earlier.
    pub moves_others_by: Millis,
}

impl Amphi {
    /// What `command` would change. Nothing happens.
    ///
    /// # Errors
    /// The refusal that the command itself would meet.
    pub fn preview(&self, actor: Actor, command: &Command, moment: Moment) -> Result<Preview, Rejection> {
        let events = self.decide(actor, command, moment)?;
        let mut after = self.clone();
        for event in &events {
            after.apply(self.event_instant(moment.at), event);
        }
        let standings = self.standings.iter().zip(&after.standings).enumerate();
        let touched = standings
            .filter(|(_, (before, after))| before != after)
            .map(|(index, (before, after))| (CallRank::from_index(index), *before, *after))
            .collect();
        let expected = |amphi: &Self| amphi.forecasts(moment.at);
        let moves = expected(self)
            .into_iter()
            .zip(expected(&after))
            .filter_map(|(before, after)| Some(after?.expected - before?.expected));
        let moves_others_by = moves.max_by_key(|by| by.0.abs()).unwrap_or(Millis::ZERO);
        Ok(Preview { touched, status: after.status, moves_others_by })
    }
}
