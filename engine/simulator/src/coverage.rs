//! What a campaign of some size must have exercised: a simulator that never plays a rule proves nothing
//! about it.

use crate::names::{ActKind, CommandKind, EventKind};
use crate::oracle::Counts;

/// From how many worlds on everything must have happened at least once.
pub const WORLDS_THAT_COVER: u64 = 2_000;

/// What must happen besides every kind of command, event and act.
const BESIDES: &[&str] = &[
    "answer.first_again",
    "command.choose.held",
    "command.choose_for.held",
    "fault.answer_lost",
    "fault.landed_later",
    "fault.lands_later",
    "fault.not_written",
    "fault.outage",
    "fault.read_failed",
    "fault.slow",
    "forecast.checked",
    "journal.fenced",
    "journal.person_taken",
    "journal.site_taken",
    "journal.verified",
    "retried",
    "screen.closed",
    "screen.compared",
    "screen.fell_behind",
    "screen.receipt_compared",
    "state.compared_bytes",
];

/// What never happened, of what must.
pub fn missing(counts: &Counts) -> Vec<String> {
    let commands = CommandKind::ALL.iter().filter(|kind| !is_the_engines(**kind));
    let commands = commands.map(|kind| format!("command.{}.done", kind.name()));
    // A seat exchanged, and then a rewind to between the two choices, is too rare to be owed by so few worlds; the
    // core's own random amphis play it.
    let events = EventKind::ALL.iter().filter(|kind| **kind != EventKind::ChoiceRestored);
    let events = events.map(|kind| format!("event.{}", kind.name()));
    let acts = ActKind::ALL.iter().map(|kind| format!("act.{}", kind.name()));
    let besides = BESIDES.iter().map(|name| (*name).to_owned());
    commands.chain(events).chain(acts).chain(besides).filter(|name| !counts.contains_key(name)).collect()
}

/// Commands that the engine gives itself: nobody is answered, and their events show that they happened.
fn is_the_engines(kind: CommandKind) -> bool {
    matches!(
        kind,
        CommandKind::NoteIneligible
            | CommandKind::NotePlacedElsewhere
            | CommandKind::NoteNoLongerPlacedElsewhere
            | CommandKind::Tick
            | CommandKind::Recover
    )
}
