//! Every kind of command and event, by name: what was exercised is counted under these, and a new kind
//! does not compile until it has its place here.

use amphi_engine::core::{Command, Event};

macro_rules! kinds {
    ($(#[$doc:meta])* $kind:ident of $type:ident: $($variant:ident $name:literal),* $(,)?) => {
        $(#[$doc])*
        #[allow(missing_docs, reason = "they are those of the core")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $kind { $($variant),* }

        impl $kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Which kind it is.
            pub fn of(value: &$type) -> Self {
                match value { $($type::$variant { .. } => Self::$variant),* }
            }

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

kinds! {
    /// A kind of command.
    CommandKind of Command:
    Draft "draft", Publish "publish", Open "open", Suspend "suspend", Resume "resume", Close "close",
    Annul "annul", Choose "choose", ReleaseHeld "release_held", Pass "pass", EndTurn "end_turn",
    Withdraw "withdraw", NotePlacedElsewhere "note_placed_elsewhere", Tick "tick", Recover "recover",
}

kinds! {
    /// A kind of event.
    EventKind of Event:
    Drafted "drafted", Published "published", Opened "opened", TurnOpened "turn_opened",
    TurnClosed "turn_closed", TurnSkipped "turn_skipped", ChoiceCommitted "choice_committed",
    ChoiceHeld "choice_held", HeldChoiceRefused "held_choice_refused",
    HeldChoiceReleased "held_choice_released", Suspended "suspended", Resumed "resumed",
    ServiceInterrupted "service_interrupted", PlacedElsewhere "placed_elsewhere", Withdrawn "withdrawn",
    Closed "closed", Annulled "annulled",
}
