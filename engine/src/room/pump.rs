//! The pump of a room: goes through its viewers and writes to each what it lacks.
//!
//! One task per room, asleep while nothing is said. It pauses every few writes, so that commands, commits and
//! other rooms have their turn; what is said meanwhile goes along with the rest of the sweep, and those who were
//! swept before get it with the next one. It waits for nobody. When everybody has been told, it works out what the
//! news mean for those who have wishes, outside the room's lock: that takes milliseconds in a large amphi.

use std::sync::Arc;

use super::Room;
use super::live::foretold;
use crate::fanout::{self, Sweep};
use crate::metrics::meters;

/// Runs until the room goes out of service.
pub(super) async fn pump(room: Arc<Room>) {
    let news = room.live().fan_out.news();
    while room.is_in_service() {
        news.notified().await;
        let (mut sweep, said_at) = room.live().fan_out.begin_sweep();
        let (mut reached, mut lines) = (0, Vec::new());
        while room.more_lines(&mut sweep, &mut lines) {
            reached += fanout::offer(&mut lines);
            tokio::task::yield_now().await;
        }
        meters().deliveries.increment(reached);
        if let Some(said_at) = said_at.filter(|_| reached > 0) {
            meters().push.record(said_at.elapsed());
        }
        room.foretell();
    }
}

impl Room {
    /// Tells those who have wishes what is foretold of them now.
    fn foretell(&self) {
        // The lock is given back before anything is worked out.
        let wanted = self.live().wants_outlook();
        if let Some((seq, amphi)) = wanted {
            let outlooks = foretold(&amphi);
            self.live().tell_outlooks(seq, outlooks);
        }
    }

    fn more_lines(&self, sweep: &mut Sweep, lines: &mut Vec<Arc<fanout::Line>>) -> bool {
        self.live().fan_out.next_lines(sweep, lines)
    }
}
