//! Panics of the thread that plays a world: tokio catches those of its tasks, the oracle must not miss
//! them.

use std::cell::RefCell;
use std::sync::Once;

/// Characters kept of what a panic says.
const SAID_MAX: usize = 2_000;

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Forgets what this thread's worlds did so far, and watches from now on.
pub fn forget() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let said = || panic.to_string().chars().take(SAID_MAX).collect();
            LAST.with_borrow_mut(|last| {
                last.get_or_insert_with(said);
            });
        }));
    });
    LAST.with_borrow_mut(|last| *last = None);
}

/// The first panic of this thread since [`forget`].
pub fn last() -> Option<String> {
    LAST.with_borrow(Clone::clone)
}
