//! Bugs that the simulator plants to prove that it would find them (C4).
//!
//! Without the feature `planted-bugs`, which only the simulator's own runs switch on, nothing of this is in
//! a program: [`is`] is `false` when it is compiled, and what stands behind it is gone. House tests see to
//! it that no program we ship has the feature.

macro_rules! bugs {
    ($($(#[$doc:meta])+ $bug:ident),+ $(,)?) => {
        /// A bug that can be planted; each names the promise it breaks.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug { $($(#[$doc])+ $bug),+ }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$bug),+];
        }
    };
}

bugs! {
    /// P1: answered before it is written.
    AcknowledgeBeforeCommit,
    /// P1: made true before it is written.
    ApplyBeforeCommit,
    /// P5: told to everybody before it is written.
    BroadcastBeforeCommit,
    /// P1: a receipt with the hash of the entry before.
    ReceiptOfAnotherEntry,
    /// P1, P3: a write without an answer is taken for one that failed.
    UnknownTakenForFailure,
    /// P2: a seat is given although none is left.
    SeatCheckLeftOut,
    /// P2: the journal takes a second placement of a person.
    PersonCheckLeftOut,
    /// P2: the journal takes a second supernumerary of a site.
    SiteCheckLeftOut,
    /// P2: the journal goes on counting a seat that was given back.
    SeatNotGivenBack,
    /// P3: the journal's command ids are not read again after a crash.
    CommandIdsForgotten,
    /// P3: refusals are forgotten when the room reloads.
    RefusalsForgotten,
    /// P4, A9: a turn is closed at its deadline, without the grace.
    GraceLeftOut,
    /// A9: at the very deadline it counts as grace already (`>=` for `>`).
    DeadlineExclusive,
    /// A10: a crash is not a suspension.
    RecoverLeftOut,
    /// A10: after a crash the turn keeps its old deadline.
    CrashTakesTime,
    /// A10: after a suspension the turn keeps its old deadline.
    SuspensionTakesTime,
    /// A11: a turn opens without its extra time.
    ExtraTimeForgotten,
    /// A6, A9: what is asked counts before the time that has run out.
    TimeLookedAtLast,
    /// A6: turns open before they were convoked.
    CalledTooEarly,
    /// C10: an event is dated by a clock that went back.
    DatedBack,
    /// 3.3: what is held is not settled when the turn ends.
    HeldNotSettled,
    /// 3.4: a holder whose proxy was revoked may still act.
    RevokedHolderActs,
    /// P7: whoever asks may.
    AnybodyMay,
    /// P5: whoever comes back misses one change.
    ResumeLeavesAGap,
    /// P5: the snapshot of a while ago is given for the current one.
    SnapshotOfAnotherTime,
    /// P5: screens are not told that the room has reloaded.
    ReloadNotTold,
    /// P8: entries are not chained to the one before.
    HashNotChained,
    /// Journal: a server that was replaced may go on writing.
    FenceLeftOut,
}

/// Whether this program can have bugs planted at all.
pub const fn compiled_in() -> bool {
    cfg!(feature = "planted-bugs")
}

/// Whether `bug` is planted.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub const fn is(_: Bug) -> bool {
    false
}

#[cfg(feature = "planted-bugs")]
pub use selected::{is, plant};

#[cfg(feature = "planted-bugs")]
mod selected {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Bug;

    /// One more than the number of the planted bug; 0 for none.
    static PLANTED: AtomicUsize = AtomicUsize::new(0);

    /// Whether `bug` is planted.
    pub fn is(bug: Bug) -> bool {
        PLANTED.load(Ordering::Relaxed) == bug as usize + 1
    }

    /// Plants `bug` in the whole process, or none.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.store(bug.map_or(0, |bug| bug as usize + 1), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    /// The tests of the workspace are built like the programs we ship.
    #[test]
    fn c4_no_bug_is_planted_where_it_was_not_asked_for() {
        assert_eq!(super::compiled_in(), cfg!(feature = "planted-bugs"));
        #[cfg(not(feature = "planted-bugs"))]
        assert!(super::Bug::ALL.iter().all(|bug| !super::is(*bug)));
    }
}
