//! Every kind of command, event and act, by name: what was exercised is counted under these, and a new
//! kind does not compile until it has its place here.

use amphi_engine::core::{Command, Event};

use crate::plan::Act;

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
    Draft "draft", Publish "publish", Open "open", Suspend "suspend",
    ExplainSuspension "explain_suspension", Resume "resume", Close "close", Annul "annul",
    Choose "choose", Exchange "exchange", ReleaseHeld "release_held", Pass "pass", SetWishes "set_wishes",
    GiveProxy "give_proxy", FileProxyDocument "file_proxy_document", RevokeProxy "revoke_proxy",
    RevertProxy "revert_proxy", EndTurn "end_turn", Extend "extend", ChooseFor "choose_for",
    Withdraw "withdraw", Add "add", AnnulChoice "annul_choice", Rewind "rewind", Assign "assign",
    Admit "admit", NoteIneligible "note_ineligible", NotePlacedElsewhere "note_placed_elsewhere",
    NoteNoLongerPlacedElsewhere "note_no_longer_placed_elsewhere", Tick "tick", Recover "recover",
}

kinds! {
    /// A kind of event.
    EventKind of Event:
    Drafted "drafted", Published "published", Opened "opened", TurnOpened "turn_opened",
    TurnExtended "turn_extended", TurnClosed "turn_closed", TurnSkipped "turn_skipped",
    ChoiceCommitted "choice_committed", SeatExchanged "seat_exchanged", ChoiceAnnulled "choice_annulled",
    Rewound "rewound", ChoiceRestored "choice_restored", ChoiceHeld "choice_held", HeldChoiceRefused "held_choice_refused",
    HeldChoiceReleased "held_choice_released", Suspended "suspended",
    SuspensionExplained "suspension_explained", Resumed "resumed",
    ServiceInterrupted "service_interrupted", PlacedElsewhere "placed_elsewhere",
    NoLongerPlacedElsewhere "no_longer_placed_elsewhere", EligibilityChecked "eligibility_checked",
    Admitted "admitted", ParticipantAdded "participant_added", ProxyGiven "proxy_given",
    ProxyDocumentFiled "proxy_document_filed", ProxyRevoked "proxy_revoked", WishesSet "wishes_set",
    Withdrawn "withdrawn", Closed "closed", Annulled "annulled",
}

kinds! {
    /// A kind of act of a plan.
    ActKind of Act:
    Wait "wait", Connect "connect", Disconnect "disconnect", Return "return", StopReading "stop_reading",
    ReadAgain "read_again", Resync "resync", Ask "ask", Resend "resend", Retry "retry", Write "write",
    Read "read", Outage "outage", Crash "crash", Deploy "deploy", Replace "replace", Clock "clock",
    Stall "stall",
}
