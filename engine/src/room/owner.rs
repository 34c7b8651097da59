//! The one task that owns an amphi: the life of a command, and what happens when it is cut short.
//!
//! admit → seen before? answer the first outcome → decide → write, durably → apply → answer, with the change → tell.
//! Nothing is applied before it is written, so a refused or failed write leaves nothing to undo. When
//! it is not known whether a write took place, the room reloads from the journal and looks.
//!
//! A crash, a deploy and a journal that cannot be written are all suspensions (A10): afterwards, a
//! turn gets at least the time that was announced to it.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use amphi_core::planted::{self, Bug};
use amphi_core::{
    Actor, AmphiId, CallRank, Command, InternId, Moment, Period, PostNumber, Rejection, Standing, Status,
    Timestamp,
};
use tokio::sync::mpsc;

use super::live::{change_frame, remember};
use super::{Envelope, RecentChange, Room, Surroundings};
use crate::journal::{Append, AppendError, JournalError, NewAssignment, Place, Taken};
use crate::ledger::{Committed, Ledger, Prepared, changes_the_list};
use crate::limits::{JOURNAL_SLOW_AFTER, RESUME_CHANGES_MAX, RETRY_PAUSES};
use crate::metrics::{Counted, meters};
use crate::protocol::{CloseCode, Outcome};

/// An amphi as the journal has it.
pub(super) struct Loaded {
    pub(super) ledger: Ledger,
    pub(super) recent: VecDeque<RecentChange>,
    /// Last instant at which a previous owner was certainly in service.
    pub(super) down_since: Option<Timestamp>,
}

/// Takes ownership and reads the whole journal.
pub(super) async fn load(id: AmphiId, surroundings: &Surroundings) -> Result<Loaded, JournalError> {
    let lease = surroundings.journal.acquire(id).await?;
    let entries = surroundings.journal.load(id).await?;
    replay(id, &Taken { lease, entries })
}

/// What the journal comes to.
pub(super) fn replay(id: AmphiId, Taken { lease, entries }: &Taken) -> Result<Loaded, JournalError> {
    let mut recent = VecDeque::new();
    let resumable_from = entries.len().saturating_sub(RESUME_CHANGES_MAX);
    let ledger = Ledger::replay(id, lease.epoch, entries, |entry, event, amphi| {
        if changes_the_list(event) {
            recent.clear();
        } else if entry.seq > resumable_from as u64 {
            let from_seq = entry.seq - 1;
            let change = amphi.change(std::slice::from_ref(event));
            let frame = change_frame(lease.epoch, from_seq, entry.seq, change);
            remember(&mut recent, RecentChange { from_seq, frame });
        }
    })
    .map_err(|error| JournalError::Damaged(error.to_string()))?;
    ledger.amphi().check().map_err(JournalError::Damaged)?;
    let last_event_at = entries.last().map(|entry| entry.at);
    Ok(Loaded { ledger, recent, down_since: lease.previous_seen_at.max(last_event_at) })
}

/// Owns the amphi until the server stops or somebody else takes it over.
pub(super) async fn own(
    room: Arc<Room>,
    mut mailbox: mpsc::Receiver<Envelope>,
    down_since: Option<Timestamp>,
) {
    let owner = Owner { room, _in_service: Counted::by(&meters().rooms) };
    if owner.serve(&mut mailbox, down_since).await.is_break() {
        tracing::warn!(amphi = %owner.room.id, "the amphi goes out of service here");
    }
}

struct Owner {
    room: Arc<Room>,
    _in_service: Counted,
}

impl Drop for Owner {
    /// However the owner ends, by a fault of ours too: a room that nobody owns must not look alive.
    fn drop(&mut self) {
        // Before anybody can take the amphi into service anew, here.
        self.room.surroundings.persons.forget(self.room.id);
        self.room.in_service.store(false, Ordering::Release);
        let mut live = self.room.live();
        live.outage = None;
        live.fan_out.close_all(CloseCode::GoingAway);
    }
}

/// `Break`: this server no longer owns the amphi.
type Flow<T = ()> = ControlFlow<(), T>;

/// A command that was made true, or the invariant it violates.
type Applied = Result<Committed, String>;

/// What became of one attempt to carry out a command.
enum Attempt {
    /// Answered, one way or the other.
    Settled,
    /// The room was reloaded from the journal: look again.
    Again,
}

/// Nobody knows whether it was written.
struct Unknown {
    /// Since when the clock of the turn is to stand still.
    since: Timestamp,
}

impl Owner {
    async fn serve(&self, mailbox: &mut mpsc::Receiver<Envelope>, down_since: Option<Timestamp>) -> Flow {
        if let Some(down_since) = down_since.filter(|_| !planted::is(Bug::RecoverLeftOut)) {
            self.engine_command(Command::Recover { down_since }, self.room.now()).await?;
        }
        self.note_who_is_placed_elsewhere(self.room.now()).await?;
        let stopping = &self.room.surroundings.stopping;
        loop {
            let deadline = self.room.read(|ledger| ledger.amphi().next_deadline());
            let time_out = async {
                match deadline {
                    Some(deadline) => self.room.surroundings.clock.sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // What arrived before the deadline is looked at before it (A9).
                biased;
                () = stopping.cancelled() => return Flow::Continue(()),
                envelope = mailbox.recv() => match envelope {
                    Some(envelope) => {
                        let received_at = envelope.received_at;
                        self.handle(envelope).await?;
                        if self.room.placements_unheard.swap(false, Ordering::AcqRel) {
                            self.note_who_is_placed_elsewhere(received_at).await?;
                        }
                    }
                    None => return Flow::Break(()),
                },
                () = time_out => self.let_time_pass(self.room.now()).await?,
            }
        }
    }

    /// Carries out one command, whatever it takes.
    async fn handle(&self, mut envelope: Envelope) -> Flow {
        loop {
            let actor = envelope.actor;
            let recalled =
                envelope.command_id.and_then(|id| self.room.read(|ledger| ledger.recall(id, actor)));
            if let Some(outcome) = recalled {
                envelope.answer(outcome);
                return Flow::Continue(());
            }
            if !planted::is(Bug::TimeLookedAtLast) {
                // Up to the instant at which it will have happened: what time brings about is a write of its own.
                let happens_at = self.room.read(|ledger| ledger.amphi().event_instant(envelope.received_at));
                self.let_time_pass(happens_at).await?;
            }
            if self.is_about_to_open(&envelope) {
                self.note_who_is_placed_elsewhere(envelope.received_at).await?;
                if self.check_eligibility(envelope.received_at).await?.is_err() {
                    // Not opened, and not refused either: to be asked again with the same id.
                    return Flow::Continue(());
                }
            }
            match self.attempt(&mut envelope).await? {
                Attempt::Settled => break,
                Attempt::Again => {}
            }
        }
        // Somebody who has come to the list may be placed elsewhere: found out before their turn, as for everybody (3.1).
        if matches!(envelope.command, Command::Add { .. }) {
            self.note_who_is_placed_elsewhere(envelope.received_at).await?;
        }
        Flow::Continue(())
    }

    /// Whether others are to be asked first. Nothing is asked for whoever may not open, or of a session that is not
    /// to be opened.
    fn is_about_to_open(&self, envelope: &Envelope) -> bool {
        envelope.command == Command::Open
            && envelope.actor.may(&Command::Open)
            && self.room.read(|ledger| *ledger.amphi().status() == Status::Published)
    }

    /// Ends and opens the turns that were due by `now`.
    async fn let_time_pass(&self, now: Timestamp) -> Flow {
        let next_deadline = || self.room.read(|ledger| ledger.amphi().next_deadline());
        while let Some(due) = next_deadline().filter(|due| *due <= now) {
            // What an amphi that was opened or resumed late has to catch up with is not the clock's lateness.
            let possible_since = self.room.read(|ledger| ledger.amphi().last_event_at()).max(due);
            let attempt = self.attempt(&mut Envelope::from_engine(Command::Tick, now)).await?;
            if matches!(attempt, Attempt::Settled) {
                if next_deadline() == Some(due) {
                    tracing::error!(amphi = %self.room.id, %due, "time has passed and nothing has happened");
                    return Flow::Break(());
                }
                meters().deadline_lateness.record(self.room.real_time_since(possible_since));
            }
        }
        Flow::Continue(())
    }

    /// Carries out a command of the engine's own. One that belongs to somebody's command has the instant at which
    /// that was received: dated later, it would make time run out for those received in between, who wait (A9).
    async fn engine_command(&self, command: Command, at: Timestamp) -> Flow {
        let mut envelope = Envelope::from_engine(command, at);
        while let Attempt::Again = self.attempt(&mut envelope).await? {}
        Flow::Continue(())
    }

    /// One attempt; when nobody knows whether it was written, the room is reloaded.
    async fn attempt(&self, envelope: &mut Envelope) -> Flow<Attempt> {
        match self.attempt_once(envelope).await? {
            Ok(attempt) => Flow::Continue(attempt),
            Err(Unknown { since }) => {
                self.reload(since).await?;
                Flow::Continue(Attempt::Again)
            }
        }
    }

    /// Decide, write, apply, answer, tell; or refuse.
    async fn attempt_once(&self, envelope: &mut Envelope) -> Flow<Result<Attempt, Unknown>> {
        let prepared = {
            let live = self.room.live();
            let in_turn = live.ledger.amphi().turn().map(|turn| turn.rank);
            let turn_attended = in_turn.is_some_and(|rank| live.presence.is_here(rank));
            let moment = Moment { at: envelope.received_at, turn_attended };
            live.ledger.prepare(envelope.actor, &envelope.command, envelope.command_id, moment)
        };
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(rejection) => return self.refuse(envelope, rejection).map_continue(Ok),
        };
        if prepared.is_empty() {
            let seq = self.room.read(|ledger| ledger.position().seq);
            envelope.answer(Outcome::done(seq));
            return Flow::Continue(Ok(Attempt::Settled));
        }
        let started = self.room.now();
        let early = self.spoil(&prepared, envelope);
        let (written, was_slow) = self.write(prepared.append.clone()).await;
        match written {
            Ok(()) => {
                self.committed(&prepared, early, envelope)?;
                self.end_interruption(was_slow, started).await?;
                Flow::Continue(Ok(Attempt::Settled))
            }
            Err(AppendError::PersonTaken(intern)) => {
                self.end_interruption(was_slow, started).await?;
                self.taken_elsewhere(envelope, intern).await.map_continue(Ok)
            }
            Err(AppendError::SiteTaken) => {
                self.end_interruption(was_slow, started).await?;
                self.site_taken(envelope, &prepared).map_continue(Ok)
            }
            Err(AppendError::Fenced) => Flow::Break(()),
            Err(AppendError::Unknown(_)) if planted::is(Bug::UnknownTakenForFailure) => {
                self.refuse(envelope, Rejection::Suspended).map_continue(Ok)
            }
            Err(error @ (AppendError::Stale(_) | AppendError::Unknown(_))) => {
                tracing::warn!(amphi = %self.room.id, %error, "reloading from the journal");
                // A recovery that is not heard of still has its own outage to give back.
                let since = match envelope.command {
                    Command::Recover { down_since } => down_since.min(started),
                    _ => started,
                };
                Flow::Continue(Err(Unknown { since }))
            }
        }
    }

    /// What planted bugs do before a write; nothing, in a program that has none.
    fn spoil(&self, prepared: &Prepared, envelope: &mut Envelope) -> Option<Applied> {
        if planted::is(Bug::AcknowledgeBeforeCommit) {
            envelope.answer(Outcome::done(prepared.append.entries[0].seq));
        }
        #[cfg(feature = "planted-bugs")]
        if planted::is(Bug::BroadcastBeforeCommit) {
            self.room.live().broadcast_ahead(prepared);
        }
        planted::is(Bug::ApplyBeforeCommit).then(|| self.room.live().ledger.commit(prepared))
    }

    /// Writes, and tells everybody when it takes long. The answer is waited for in any case.
    async fn write(&self, append: Append) -> (Result<(), AppendError>, bool) {
        let mut writing = self.room.surroundings.journal.append(append);
        tokio::select! {
            biased;
            written = &mut writing => (written, false),
            () = tokio::time::sleep(JOURNAL_SLOW_AFTER) => {
                self.room.live().set_journal_available(false);
                (writing.await, true)
            }
        }
    }

    /// A write that took long was an interruption (A10), which its answer ends, whatever it says.
    async fn end_interruption(&self, was_slow: bool, down_since: Timestamp) -> Flow {
        if was_slow {
            Box::pin(self.engine_command(Command::Recover { down_since }, self.room.now())).await?;
            self.room.live().set_journal_available(true);
        }
        Flow::Continue(())
    }

    /// What is written becomes true: whoever asked is answered first, with what it changed; then everybody is told.
    fn committed(&self, prepared: &Prepared, early: Option<Applied>, envelope: &mut Envelope) -> Flow {
        {
            let mut live = self.room.live();
            match early.unwrap_or_else(|| live.ledger.commit(prepared)) {
                Ok(committed) => {
                    let outcome = committed.outcome.clone();
                    live.tell(committed, prepared.needs_snapshot());
                    // Before the sweep, which needs the lock; whoever asked gets all of it in one write.
                    envelope.answer(outcome);
                }
                Err(violation) => {
                    tracing::error!(amphi = %self.room.id, violation, "an invariant is violated; the amphi stops");
                    return Flow::Break(());
                }
            }
        }
        if prepared.needs_snapshot() {
            self.register_persons();
        }
        self.tell_of(prepared);
        Flow::Continue(())
    }

    /// Whoever was placed by what was written is no longer concerned elsewhere; whoever no longer is, is again.
    fn tell_of(&self, prepared: &Prepared) {
        let placed: Vec<InternId> = prepared.append.assignments.iter().map(|taken| taken.intern).collect();
        let given_back = prepared.gives_back();
        // Seldom: the list is copied for nobody else.
        let listed = if given_back.is_empty() { None } else { self.listed() };
        let interns = listed.map_or_else(Vec::new, |(_, interns)| interns);
        let given_back = given_back.iter().filter_map(|rank| interns.get(rank.index()).copied());
        let freed: Vec<InternId> = given_back.filter(|intern| !placed.contains(intern)).collect();
        self.tell_other_amphis(&placed, &freed);
    }

    fn tell_other_amphis(&self, placed: &[InternId], freed: &[InternId]) {
        // Most of what is written places nobody.
        if placed.is_empty() && freed.is_empty() {
            return;
        }
        let Some(period) = self.room.read(|ledger| ledger.amphi().setup().map(|setup| setup.period)) else {
            return;
        };
        let persons = &self.room.surroundings.persons;
        let tell = |intern: InternId, command: fn(CallRank) -> Command| {
            for (room, rank) in persons.others(period, intern, self.room.id) {
                // Its mailbox is full: then it asks for itself.
                if room.submit(Actor::Engine, command(rank), None, |_| {}).is_err() {
                    room.placements_unheard.store(true, Ordering::Release);
                }
            }
        };
        placed.iter().for_each(|intern| tell(*intern, |rank| Command::NotePlacedElsewhere { rank }));
        freed.iter().for_each(|intern| tell(*intern, |rank| Command::NoteNoLongerPlacedElsewhere { rank }));
    }

    fn refuse(&self, envelope: &mut Envelope, rejection: Rejection) -> Flow<Attempt> {
        if let Some(id) = envelope.command_id {
            self.room.live().ledger.remember_refusal(id, envelope.actor, rejection.clone());
        }
        envelope.answer(Outcome::Refused { rejection });
        Flow::Continue(Attempt::Settled)
    }

    /// The database knows of a placement in another amphi: note it, then see what is left to do.
    async fn taken_elsewhere(&self, envelope: &mut Envelope, intern: InternId) -> Flow<Attempt> {
        let Some(rank) = self.rank_of(intern) else { return Flow::Break(()) };
        Box::pin(self.engine_command(Command::NotePlacedElsewhere { rank }, envelope.received_at)).await?;
        // After the session nothing is noted any more, and asking again would get the same answer for ever.
        let noted = self.room.read(|ledger| ledger.amphi().standing(rank)) == Some(Standing::PlacedElsewhere);
        if !noted {
            return self.refuse(envelope, Rejection::PlacedElsewhere);
        }
        Flow::Continue(Attempt::Again)
    }

    /// Another amphi has taken the one supernumerary placement of that site and period (3.3): by a choice, or while
    /// one that a rewind would lead back to had been exchanged.
    fn site_taken(&self, envelope: &mut Envelope, prepared: &Prepared) -> Flow<Attempt> {
        let supernumerary = |assignment: &&NewAssignment| matches!(assignment.place, Place::Supernumerary(_));
        match prepared.append.assignments.iter().find(supernumerary) {
            Some(taken) => {
                self.refuse(envelope, Rejection::SupernumeraryTaken { post: PostNumber(taken.post) })
            }
            None => Flow::Break(()),
        }
    }

    /// Asks whose account allows them to take part, and notes it (3.1). `Err` when it is not known.
    async fn check_eligibility(&self, at: Timestamp) -> Flow<Result<(), ()>> {
        let Some((_, interns)) = self.listed() else { return Flow::Continue(Ok(())) };
        match self.room.surroundings.eligibility.check(&interns).await {
            Ok(found) => {
                let ranked = |(intern, what)| Some((self.rank_of(intern)?, what));
                let found = found.into_iter().filter_map(ranked).collect();
                self.engine_command(Command::NoteIneligible { found }, at).await?;
                Flow::Continue(Ok(()))
            }
            Err(problem) => {
                tracing::error!(amphi = %self.room.id, problem, "who is eligible could not be asked");
                Flow::Continue(Err(()))
            }
        }
    }

    /// Period and people of the list.
    fn listed(&self) -> Option<(Period, Vec<InternId>)> {
        self.room.read(|ledger| {
            let setup = ledger.amphi().setup()?;
            Some((setup.period, setup.participants.iter().map(|p| p.intern).collect()))
        })
    }

    fn rank_of(&self, intern: InternId) -> Option<CallRank> {
        self.room.read(|ledger| {
            let setup = ledger.amphi().setup()?;
            let index = setup.participants.iter().position(|p| p.intern == intern)?;
            Some(CallRank::from_index(index))
        })
    }

    fn register_persons(&self) {
        if let Some((period, interns)) = self.listed() {
            self.room.surroundings.persons.register(period, &interns, self.room.id, &self.room);
        }
    }

    /// Asks the journal who of the list is already placed for the period; nobody is found out later
    /// than at their turn, because the database refuses a second placement in any case.
    async fn note_who_is_placed_elsewhere(&self, at: Timestamp) -> Flow {
        self.register_persons();
        let over = |ledger: &Ledger| {
            matches!(ledger.amphi().status(), Status::Draft | Status::Closed | Status::Annulled { .. })
        };
        let Some((period, interns)) = self.listed().filter(|_| !self.room.read(over)) else {
            return Flow::Continue(());
        };
        match self.room.surroundings.journal.placed_elsewhere(self.room.id, period, &interns).await {
            Ok(placed) => {
                let thought = self.room.read(|ledger| ledger.amphi().standings().to_vec());
                for (index, intern) in interns.iter().enumerate() {
                    let rank = CallRank::from_index(index);
                    if placed.contains(intern) {
                        self.engine_command(Command::NotePlacedElsewhere { rank }, at).await?;
                    } else if thought.get(index) == Some(&Standing::PlacedElsewhere) {
                        self.engine_command(Command::NoteNoLongerPlacedElsewhere { rank }, at).await?;
                    }
                }
            }
            Err(error) => {
                tracing::warn!(amphi = %self.room.id, %error, "who is placed elsewhere could not be asked");
            }
        }
        Flow::Continue(())
    }

    /// Tells what a write did whose answer was lost: by the journal, nobody who waits for a command does.
    fn catch_up_others(&self, before: &BTreeSet<InternId>) {
        self.register_persons();
        let now = self.room.read(Ledger::placed);
        let [placed, freed] = [now.difference(before), before.difference(&now)];
        self.tell_other_amphis(&placed.copied().collect::<Vec<_>>(), &freed.copied().collect::<Vec<_>>());
    }

    /// Looks at what the journal really holds, and takes up service again: as often as it takes.
    ///
    /// While a journal can be read and not written (a full disk), each round reads it anew. That is a loop and no
    /// recursion, because it may last for hours.
    async fn reload(&self, down_since: Timestamp) -> Flow {
        self.room.live().set_journal_available(false);
        meters().reloads.increment(1);
        let (mut pause, longest) = RETRY_PAUSES;
        loop {
            // Before the first attempt, too: whatever makes every write fail must not make this spin.
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
            if self.room.surroundings.stopping.is_cancelled() {
                return Flow::Break(());
            }
            match load(self.room.id, &self.room.surroundings).await {
                Ok(loaded) => {
                    let before = self.room.read(Ledger::placed);
                    self.room.live().replace(loaded.ledger, loaded.recent);
                    self.catch_up_others(&before);
                    let mut envelope =
                        Envelope::from_engine(Command::Recover { down_since }, self.room.now());
                    if let Ok(Attempt::Settled) = Box::pin(self.attempt_once(&mut envelope)).await? {
                        break;
                    }
                }
                Err(JournalError::Unavailable(_)) => {}
                Err(error) => {
                    tracing::error!(amphi = %self.room.id, %error, "the amphi cannot be reloaded");
                    return Flow::Break(());
                }
            }
        }
        self.room.live().set_journal_available(true);
        Flow::Continue(())
    }
}
