//! What an event does to seats, and whether it is what a command asked for. Each new kind of event or
//! command is told here, once.

use amphi_engine::core::{CallRank, Command, Event, PostNumber};

/// What an event does to seats.
pub enum Deed {
    /// Nothing.
    Nothing,
    /// Somebody takes a seat.
    Takes(CallRank, PostNumber, u16),
}

/// What `event` does to seats.
pub fn deed(event: &Event) -> Deed {
    match event {
        Event::ChoiceCommitted { rank, post, seat, .. } => Deed::Takes(*rank, *post, *seat),
        Event::Drafted { .. }
        | Event::Published { .. }
        | Event::Opened
        | Event::TurnOpened { .. }
        | Event::TurnClosed { .. }
        | Event::TurnSkipped { .. }
        | Event::ChoiceHeld { .. }
        | Event::HeldChoiceRefused { .. }
        | Event::HeldChoiceReleased { .. }
        | Event::Suspended { .. }
        | Event::Resumed { .. }
        | Event::ServiceInterrupted { .. }
        | Event::PlacedElsewhere { .. }
        | Event::Withdrawn { .. }
        | Event::Closed { .. }
        | Event::Annulled { .. } => Deed::Nothing,
    }
}

/// Whether `event` is what `command` asked for.
pub fn carries_out(command: &Command, event: &Event) -> bool {
    match (command, event) {
        (Command::Draft(asked), Event::Drafted { setup }) => asked == setup,
        (Command::Suspend { reason: asked }, Event::Suspended { reason })
        | (Command::Annul { reason: asked }, Event::Annulled { reason }) => asked == reason,
        (
            Command::Choose { rank: asked, post: wanted },
            Event::ChoiceCommitted { rank, post, .. } | Event::ChoiceHeld { rank, post },
        ) => (asked, wanted) == (rank, post),
        (Command::ReleaseHeld { rank: asked }, Event::HeldChoiceReleased { rank })
        | (Command::Withdraw { rank: asked, .. }, Event::Withdrawn { rank, .. })
        | (Command::NotePlacedElsewhere { rank: asked }, Event::PlacedElsewhere { rank }) => asked == rank,
        (Command::Pass { rank: asked } | Command::EndTurn { rank: asked, .. }, Event::TurnClosed { rank, .. }) => {
            asked == rank
        }
        (Command::Publish, Event::Published { .. })
        | (Command::Open, Event::Opened)
        | (Command::Resume, Event::Resumed { .. })
        | (Command::Close, Event::Closed { .. })
        | (Command::Recover { .. }, Event::ServiceInterrupted { .. })
        | (Command::Tick, _) => true,
        (
            Command::Draft(_)
            | Command::Publish
            | Command::Open
            | Command::Suspend { .. }
            | Command::Resume
            | Command::Close
            | Command::Annul { .. }
            | Command::Choose { .. }
            | Command::ReleaseHeld { .. }
            | Command::Pass { .. }
            | Command::EndTurn { .. }
            | Command::Withdraw { .. }
            | Command::NotePlacedElsewhere { .. }
            | Command::Recover { .. },
            _,
        ) => false,
    }
}
