//! From the journal to the outbox: who is told what, exactly once.
//!
//! A round reads on in each journal and looks at the expected times of the amphis in progress. For one
//! amphi, mails, what people were told and the cursor are written in one transaction that holds the
//! cursor: a crash leaves all of it or nothing, and two servers do not tell twice. Cheap when nothing
//! happens: one query for all journals, one for what everybody of the amphis in progress was told; an amphi in
//! which nobody's time has moved opens no transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use amphi_engine::clock::Clock;
use amphi_engine::core::{
    Amphi, AmphiId, CallRank, Event, Forecast, Millis, ReleasedSeat, Snapshot, Standing, Status, Timestamp,
};
use amphi_engine::journal::{JournalError, events_after};
use amphi_engine::ledger::Ledger;
use amphi_engine::protocol::Receipt;
use amphi_engine::registry::Registry;
use amphi_engine::room::Room;
use sqlx::PgPool;
use tokio::sync::watch;

use super::choices::Cause;
use super::convocation::{Person, Setting};
use super::message::{Mail, Recipient};
use super::told::{self, Cursor, Told, ToldOfAll, Unread};
use super::{MailSite, outbox};
use crate::people;

/// From this difference on somebody is told that their time has moved, unless the site says otherwise.
pub const MOVES_OVER: Millis = Millis::from_minutes(15);
/// Nobody is told of a later time within this after the last mail, in the amphi's clock: a delay that
/// swings must not send a mail at each swing. Of an earlier one they are told at once: they might miss it.
pub const LATER_AGAIN_AFTER: Millis = Millis::from_minutes(10);
/// How often is looked, in the amphi's clock…
const ROUND_EVERY: Millis = Millis::from_secs(20);
/// …but not more often than this in real time, however fast a rehearsal runs.
const ROUND_AT_LEAST: Millis = Millis::from_secs(1);
/// Between two amphis with news: mails are in no hurry, and the choices beside a round are. So short that a round of
/// 2,500 amphis ends before the next one begins.
const BETWEEN_NEWS: Duration = Duration::from_millis(5);

/// Tells people what happens in their amphi.
pub struct Announcer {
    /// The amphis.
    pub registry: Arc<Registry>,
    /// The database.
    pub pool: PgPool,
    /// The site that sends.
    pub site: MailSite,
    /// The wall clock: links and mails live in real time, also where an amphi's clock runs faster.
    pub wall: Arc<dyn Clock>,
    /// From which difference on a time has moved.
    pub moves_over: Millis,
}

/// Why an amphi could not be told about in this round; the next one tries again.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    /// Its journal or its room.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The expected times of an amphi.
struct Times {
    forecasts: Vec<Option<Forecast>>,
    /// Since when nothing goes on that would make a time: suspended, or not opened although it is time.
    standstill: Option<Timestamp>,
    /// Published, and its first turn has not come.
    to_come: bool,
    now: Timestamp,
}

impl Times {
    fn of(amphi: &Amphi, now: Timestamp) -> Self {
        let begins_at = amphi.planned_at().first().copied();
        let (standstill, to_come) = match amphi.status() {
            Status::Suspended { since, .. } => (Some(*since), false),
            Status::Published => (begins_at, begins_at.is_some_and(|begins_at| now <= begins_at)),
            _ => (None, false),
        };
        Self { forecasts: amphi.forecasts(now), standstill, to_come, now }
    }

    fn forecast(&self, rank: CallRank) -> Option<Forecast> {
        self.forecasts.get(rank.index()).copied().flatten()
    }

    /// Whose time has moved, with the forecast they are to be told.
    fn moved(&self, told: &ToldOfAll, over: Millis) -> BTreeMap<CallRank, Forecast> {
        if self.to_come {
            return BTreeMap::new();
        }
        let forecasts = told.iter().filter_map(|(rank, told)| Some((*rank, told, self.forecast(*rank)?)));
        forecasts
            .filter(|(_, told, forecast)| is_due(told, forecast.expected, self.now, self.standstill, over))
            .map(|(rank, _, forecast)| (rank, forecast))
            .collect()
    }
}

/// What one look at a room gives.
struct Look {
    snapshot: Snapshot,
    times: Times,
    receipts: BTreeMap<CallRank, Receipt>,
}

impl Look {
    fn at(ledger: &Ledger, now: Timestamp) -> Option<Self> {
        let amphi = ledger.amphi();
        let ranks = (0..amphi.standings().len()).map(CallRank::from_index);
        Some(Self {
            snapshot: amphi.snapshot()?,
            times: Times::of(amphi, now),
            receipts: ranks.filter_map(|rank| Some((rank, ledger.receipt(rank)?.clone()))).collect(),
        })
    }

    /// When somebody passes: as expected, or since their turn has opened.
    fn passes(&self, rank: CallRank) -> Option<Forecast> {
        let turn = self.snapshot.now.turn.as_ref().filter(|turn| turn.rank == rank);
        let since = |at| Forecast { earliest: at, expected: at, latest: at };
        self.times.forecast(rank).or(turn.map(|turn| since(turn.opened_at)))
    }

    fn over(&self) -> bool {
        matches!(self.snapshot.now.status, Status::Closed | Status::Annulled { .. })
    }
}

/// What is to be written for one amphi.
struct Telling {
    mails: Vec<Mail>,
    /// What everybody has been told, these mails included.
    told: ToldOfAll,
    watched: bool,
}

impl Announcer {
    /// Tells until `stop` says so.
    pub async fn run(self, mut stop: watch::Receiver<bool>, speed: f64) {
        let pause = Millis((ROUND_EVERY.0 as f64 / speed) as i64).clamp(ROUND_AT_LEAST, ROUND_EVERY);
        loop {
            let round = async {
                if let Err(error) = self.round().await {
                    tracing::warn!(%error, "nobody could be told anything");
                }
                self.wall.sleep_until(self.wall.now() + pause).await;
            };
            tokio::select! {
                () = round => {}
                // What a round leaves half done is as if not begun. An error means that nobody can stop us any
                // more: the process ends.
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Tells what is to be told now; says how many mails that made.
    ///
    /// # Errors
    /// When the database does not say which amphis there are. An amphi that cannot be told about is
    /// logged, and does not hold up the others.
    pub async fn round(&self) -> Result<usize, sqlx::Error> {
        let mut mails = 0;
        for unread in told::unread(&self.pool).await? {
            match self.tell_news(unread).await {
                Ok(told) => mails += told,
                Err(error) => tracing::warn!(amphi = %unread.amphi, %error, "its news could not be told"),
            }
            tokio::time::sleep(BETWEEN_NEWS).await;
        }
        for (amphi, told) in told::watched(&self.pool).await? {
            match self.tell_moves(amphi, &told).await {
                Ok(told) => mails += told,
                Err(error) => tracing::warn!(%amphi, %error, "its times could not be compared"),
            }
            // Comparing waits for nothing: others have their turn between two amphis.
            tokio::task::yield_now().await;
        }
        Ok(mails)
    }

    async fn tell_news(&self, unread: Unread) -> Result<usize, TellError> {
        let Unread { amphi, after } = unread;
        let mut events = events_after(&self.pool, amphi, after).await?;
        let room = self.registry.room(amphi).await?;
        let concerns_people = events.iter().any(|(_, event)| concerns_people(event));
        let people = if concerns_people { self.people(&room).await? } else { Vec::new() };
        // What is written but not yet applied waits for the next round: the room could not say anything
        // about it.
        let now = room.now();
        let look = |ledger: &Ledger| concerns_people.then(|| Look::at(ledger, now)).flatten();
        let (seq, look) = room.read(|ledger| (ledger.position().seq, look(ledger)));
        events.retain(|(entry, _)| *entry <= seq);
        let Some((last, _)) = events.last() else { return Ok(0) };
        let last = *last;
        let rewound = events.iter().any(|(_, event)| matches!(event, Event::Rewound { .. }));
        let called = if rewound { self.called_when_rewound(amphi, last).await? } else { BTreeMap::new() };
        let mut transaction = self.pool.begin().await?;
        let cursor = told::hold_cursor(&mut transaction, amphi).await?;
        if cursor.seq != after {
            // Somebody else has told it meanwhile.
            return Ok(0);
        }
        let before = told::of(&mut transaction, amphi).await?;
        let mut telling = Telling { mails: Vec::new(), told: before.clone(), watched: cursor.watched };
        if let Some(look) = look {
            self.tell(&look, &events, &people, &called, &mut telling);
        }
        let cursor = Cursor { seq: last, watched: telling.watched };
        told::move_cursor(&mut transaction, amphi, cursor).await?;
        self.write(transaction, amphi, &before, telling).await
    }

    /// `told`: what they were last told, as far as was read without holding the cursor.
    async fn tell_moves(&self, amphi: AmphiId, told: &ToldOfAll) -> Result<usize, TellError> {
        let room = self.registry.room(amphi).await?;
        let now = room.now();
        if room.read(|ledger| Times::of(ledger.amphi(), now)).moved(told, self.moves_over).is_empty() {
            return Ok(0);
        }
        let Some(look) = room.read(|ledger| Look::at(ledger, now)) else { return Ok(0) };
        let mut transaction = self.pool.begin().await?;
        let Cursor { watched, .. } = told::hold_cursor(&mut transaction, amphi).await?;
        let before = told::of(&mut transaction, amphi).await?;
        let moved = look.times.moved(&before, self.moves_over);
        if moved.is_empty() {
            // Somebody else has told it meanwhile.
            return Ok(0);
        }
        let people = self.people(&room).await?;
        let setting = Setting::new(&look.snapshot, &self.site, self.wall.now());
        let mut telling = Telling { mails: Vec::new(), told: before.clone(), watched };
        for person in &people {
            let (Some(forecast), Some(told)) = (moved.get(&person.rank), telling.told.get_mut(&person.rank))
            else {
                continue;
            };
            let sequence = told.sequence + 1;
            telling.mails.push(setting.moved(person, told.at, forecast, sequence, self.moves_over));
            *told = Told { at: forecast.expected, told_at: look.times.now, sequence };
        }
        self.write(transaction, amphi, &before, telling).await
    }

    /// By the entry of each rewind up to `last`: who had been called, and is to be called again (3.7). The state knows
    /// it no longer; rewinds are rare enough to read the journal for them.
    async fn called_when_rewound(
        &self,
        amphi: AmphiId,
        last: u64,
    ) -> Result<BTreeMap<u64, BTreeSet<CallRank>>, JournalError> {
        let (mut called, mut rewound) = (BTreeSet::new(), BTreeMap::new());
        let mut read = 0;
        while read < last {
            let events = events_after(&self.pool, amphi, read).await?;
            let Some((end, _)) = events.last() else { break };
            read = *end;
            for (seq, event) in &events {
                match event {
                    Event::TurnOpened { rank, .. } => {
                        called.insert(*rank);
                    }
                    Event::Rewound { to, .. } => {
                        rewound.insert(*seq, called.split_off(to));
                    }
                    _ => {}
                }
            }
        }
        Ok(rewound)
    }

    async fn people(&self, room: &Room) -> Result<Vec<Person>, sqlx::Error> {
        let roster = people::completed_roster(&self.pool, room).await?;
        let person = |entry: crate::pages::control::RosterEntry| Person {
            rank: entry.rank,
            recipient: Recipient {
                name: format!("{} {}", entry.first_name, entry.last_name),
                address: entry.email,
            },
        };
        Ok(roster.into_iter().map(person).collect())
    }

    /// What these entries mean to people. `called`: who had been called before each rewind.
    fn tell(
        &self,
        look: &Look,
        events: &[(u64, Event)],
        people: &[Person],
        called: &BTreeMap<u64, BTreeSet<CallRank>>,
        telling: &mut Telling,
    ) {
        let mut again = BTreeMap::new();
        let setting = Setting::new(&look.snapshot, &self.site, self.wall.now());
        let person = |rank: CallRank| people.iter().find(|person| person.rank == rank);
        for (seq, event) in events {
            match event {
                Event::Published { .. } => {
                    telling.watched = !look.over();
                    self.convoke(look, &setting, people, telling);
                }
                Event::ParticipantAdded { .. } => self.convoke(look, &setting, people, telling),
                Event::ChoiceCommitted { rank, reason, .. } => {
                    let cause = reason.as_deref().map_or(Cause::Ordinary, Cause::Administrator);
                    telling.chosen(person(*rank), cause, *seq, look, &setting);
                }
                Event::SeatExchanged { rank, .. } => {
                    telling.chosen(person(*rank), Cause::Ordinary, *seq, look, &setting);
                }
                Event::ChoiceRestored { rank, .. } => {
                    telling.chosen(person(*rank), Cause::StandsAgain, *seq, look, &setting);
                }
                Event::ChoiceAnnulled { rank, post, reason, .. } => {
                    telling
                        .mails
                        .extend(person(*rank).map(|person| setting.undone(person, *post, reason, *seq)));
                }
                Event::Rewound { released, reason, .. } => {
                    let undone = |seat: &ReleasedSeat| {
                        Some(setting.undone(person(seat.rank)?, seat.post, reason, *seq))
                    };
                    telling.mails.extend(released.iter().filter_map(undone));
                    let called = called.get(seq).into_iter().flatten();
                    again.extend(called.map(|rank| (*rank, reason.as_str())));
                }
                Event::Withdrawn { rank, reason } => {
                    telling.not_called(person(*rank), reason, *seq, &setting);
                }
                Event::PlacedElsewhere { rank } => {
                    let reason = "Vous avez déjà une affectation pour ce semestre, dans une autre séance.";
                    telling.not_called(person(*rank), reason, *seq, &setting);
                }
                Event::NoLongerPlacedElsewhere { rank } => {
                    self.convoke_again(person(*rank), look, &setting, telling);
                }
                Event::Annulled { reason } => telling.annulled(reason, look, &setting, people),
                Event::Closed { .. } => telling.watched = false,
                _ => {}
            }
        }
        for (rank, reason) in again {
            self.call_again(person(rank), reason, look, &setting, telling);
        }
    }

    /// Convokes whoever has not been; nobody, when the session is over before anybody could be told.
    fn convoke(&self, look: &Look, setting: &Setting<'_>, people: &[Person], telling: &mut Telling) {
        if look.over() {
            return;
        }
        let has_turns = look.snapshot.round.has_turns();
        for person in people {
            if telling.told.contains_key(&person.rank) {
                continue;
            }
            if !has_turns {
                telling.mails.push(setting.invitation(person));
            } else if let Some(forecast) = look.times.forecast(person.rank) {
                telling.mails.push(setting.convocation(person, &forecast, 0, self.moves_over));
                let told = Told { at: forecast.expected, told_at: look.times.now, sequence: 0 };
                telling.told.insert(person.rank, told);
            }
        }
    }

    /// Convokes somebody who was told that they would not pass.
    fn convoke_again(
        &self,
        person: Option<&Person>,
        look: &Look,
        setting: &Setting<'_>,
        telling: &mut Telling,
    ) {
        let Some(person) = person else { return };
        let (Some(told), Some(forecast)) =
            (telling.told.get_mut(&person.rank), look.times.forecast(person.rank))
        else {
            return;
        };
        *told = Told { at: forecast.expected, told_at: look.times.now, sequence: told.sequence + 1 };
        telling.mails.push(setting.convocation(person, &forecast, told.sequence, self.moves_over));
    }

    /// Tells somebody whose turn had come that it comes again, however little the hour differs: whoever has passed does
    /// not look any more.
    fn call_again(
        &self,
        person: Option<&Person>,
        reason: &str,
        look: &Look,
        setting: &Setting<'_>,
        telling: &mut Telling,
    ) {
        let Some(person) = person.filter(|_| !look.over()) else { return };
        let (Some(told), Some(forecast)) = (telling.told.get_mut(&person.rank), look.passes(person.rank))
        else {
            return;
        };
        *told = Told { at: forecast.expected, told_at: look.times.now, sequence: told.sequence + 1 };
        telling.mails.push(setting.called_again(person, &forecast, told.sequence, self.moves_over, reason));
    }

    async fn write(
        &self,
        mut transaction: sqlx::Transaction<'_, sqlx::Postgres>,
        amphi: AmphiId,
        before: &ToldOfAll,
        telling: Telling,
    ) -> Result<usize, TellError> {
        let new = outbox::enqueue(&mut transaction, &telling.mails, self.wall.now()).await?;
        let newly = telling.told.into_iter().filter(|(rank, told)| before.get(rank) != Some(told));
        told::note(&mut transaction, amphi, &newly.collect::<Vec<_>>()).await?;
        transaction.commit().await?;
        if new > 0 {
            tracing::info!(%amphi, mails = new, "people are told");
        }
        Ok(new)
    }
}

/// Whether somebody is told when this happens, or who is watched changes.
fn concerns_people(event: &Event) -> bool {
    matches!(
        event,
        Event::Published { .. }
            | Event::ParticipantAdded { .. }
            | Event::ChoiceCommitted { .. }
            | Event::SeatExchanged { .. }
            | Event::ChoiceRestored { .. }
            | Event::ChoiceAnnulled { .. }
            | Event::Rewound { .. }
            | Event::NoLongerPlacedElsewhere { .. }
            | Event::Withdrawn { .. }
            | Event::PlacedElsewhere { .. }
            | Event::Closed { .. }
            | Event::Annulled { .. }
    )
}

/// Whether somebody is to be told now that their turn is expected at `expected`.
///
/// While nothing goes on, the expected time recedes with the clock and is no promise: then each is told
/// once, and again when it goes on.
fn is_due(
    told: &Told,
    expected: Timestamp,
    now: Timestamp,
    standstill: Option<Timestamp>,
    over: Millis,
) -> bool {
    let (later, earlier) = (expected - told.at > over, told.at - expected > over);
    match standstill {
        Some(since) => (later || earlier) && told.told_at <= since,
        None => earlier || (later && now - told.told_at >= LATER_AGAIN_AFTER),
    }
}

impl Telling {
    /// Somebody has chosen. A choice that has been undone meanwhile has no receipt any more, or another one;
    /// then its end is told, and not its beginning.
    fn chosen(
        &mut self,
        person: Option<&Person>,
        cause: Cause<'_>,
        seq: u64,
        look: &Look,
        setting: &Setting<'_>,
    ) {
        let Some(person) = person else { return };
        let receipt = look.receipts.get(&person.rank).filter(|receipt| receipt.seq == seq);
        self.mails.extend(receipt.map(|receipt| setting.chosen(person, receipt, cause)));
    }

    /// Somebody will not pass. Whoever was never convoked has nothing to be told.
    fn not_called(&mut self, person: Option<&Person>, reason: &str, seq: u64, setting: &Setting<'_>) {
        let Some(person) = person else { return };
        let Some(told) = self.told.get_mut(&person.rank) else { return };
        self.mails.push(setting.not_called(person, reason, Some((told.at, told.sequence)), seq));
        told.sequence += 1;
    }

    /// Everybody is told, but those who know already that they will not pass; nobody, when nobody was told
    /// that there is a session.
    fn annulled(&mut self, reason: &str, look: &Look, setting: &Setting<'_>, people: &[Person]) {
        if !std::mem::take(&mut self.watched) {
            return;
        }
        for person in people {
            let participant = look.snapshot.participants.get(person.rank.index());
            let standing = participant.map(|participant| participant.standing);
            if matches!(standing, None | Some(Standing::PlacedElsewhere | Standing::Withdrawn)) {
                continue;
            }
            // A turn that has been is left in the calendar.
            let entry = self.told.get_mut(&person.rank).filter(|_| standing == Some(Standing::Waiting));
            let announced = entry.as_ref().map(|told| (told.at, told.sequence));
            self.mails.push(setting.annulled(person, reason, announced));
            if let Some(told) = entry {
                told.sequence += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NINE: Timestamp = Timestamp(1_809_334_800_000);

    fn minutes(minutes: i64) -> Timestamp {
        NINE + Millis::from_minutes(minutes)
    }

    #[test]
    fn a2_a_time_is_told_when_it_is_off_by_more_than_the_setting() {
        let told = Told { at: minutes(60), told_at: minutes(0), sequence: 0 };
        let due =
            |told: &Told, expected, now, standstill| is_due(told, expected, now, standstill, MOVES_OVER);
        for (expected, now, standstill, is_due) in [
            (minutes(75), minutes(30), None, false),
            (minutes(75) + Millis(1), minutes(30), None, true),
            (minutes(75) + Millis(1), minutes(10) - Millis(1), None, false),
            (minutes(75) + Millis(1), minutes(10), None, true),
            (minutes(45), minutes(1), None, false),
            (minutes(45) - Millis(1), minutes(1), None, true),
            (minutes(90), minutes(5), Some(minutes(0)), true),
            (minutes(90), minutes(30), Some(minutes(0) - Millis(1)), false),
        ] {
            assert_eq!(due(&told, expected, now, standstill), is_due, "{expected} at {now}");
        }
    }

    #[test]
    fn a2_a_delay_that_swings_does_not_flood() {
        let mut told = Told { at: minutes(600), told_at: minutes(0), sequence: 0 };
        // Every 20 seconds for 5 hours, 20 minutes to and fro.
        for round in 0..900 {
            let now = NINE + Millis::from_secs(20 * round);
            let expected = minutes(600 + 20 * (round % 2));
            if is_due(&told, expected, now, None, MOVES_OVER) {
                told = Told { at: expected, told_at: now, sequence: told.sequence + 1 };
            }
        }
        // A later time every 10 minutes at most, and an earlier one after each.
        assert!((30..=60).contains(&told.sequence), "{} mails", told.sequence);
    }
}
