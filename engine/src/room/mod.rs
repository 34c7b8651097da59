//! A room: one amphi in service on this server.
//!
//! One task owns the amphi (`owner.rs`): it alone decides, writes and applies, in the order in which
//! commands arrived. Everybody else reads under a short lock that is never held across an await, and
//! joins the fan-out under the same lock, so that a snapshot and the changes after it never leave a
//! gap between them.

mod live;
mod owner;
mod pump;

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amphi_core::{Actor, AmphiId, CallRank, Command, CommandId, LiveCommand, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::eligibility::Eligibility;
use crate::fanout::{FanOut, Line, ViewerKey};
use crate::frame::Frame;
use crate::journal::{Journal, JournalError, Taken};
use crate::ledger::Ledger;
use crate::limits::{MAILBOX_COMMANDS_MAX, PRESENCE_EVERY};
use crate::metrics::{Answer, Counted, meters};
use crate::persons::Persons;
use crate::presence::{Presence, Who};
use crate::protocol::{CloseCode, Outcome, PROTOCOL_VERSION, Position, Role, ServerMessage, WishOutlook};
use crate::pulse::Pulse;

/// What a room needs of the server it runs on.
#[derive(Clone)]
pub struct Surroundings {
    /// Where what happens is written.
    pub journal: Arc<dyn Journal>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who may take part.
    pub eligibility: Arc<dyn Eligibility>,
    /// Which other rooms concern the same people.
    pub persons: Arc<Persons>,
    /// What pings the connections of this server.
    pub pulse: Arc<Pulse>,
    /// Cancelled when the server stops: what is under way is finished, nothing new is begun.
    pub stopping: CancellationToken,
    /// The owner tasks.
    pub owners: TaskTracker,
}

/// One amphi in service.
pub struct Room {
    id: AmphiId,
    surroundings: Surroundings,
    live: Mutex<Live>,
    mailbox: mpsc::Sender<Envelope>,
    in_service: AtomicBool,
    /// Another room had something to say about who is placed there, and the mailbox was full.
    placements_unheard: AtomicBool,
}

/// What the lock protects.
struct Live {
    ledger: Ledger,
    fan_out: FanOut,
    presence: Presence,
    /// The latest changes, for clients that come back.
    recent: VecDeque<RecentChange>,
    /// What was last foretold of wishes, and for which books.
    outlook: Option<(u64, Outlooks)>,
    /// Who has come when that was not worked out for the books as they were, and has not been told theirs.
    awaiting_outlook: BTreeSet<CallRank>,
    /// The current snapshot, made once for all who ask for it between two changes.
    snapshot: Option<(u64, Frame)>,
    /// Counted as long as the journal cannot be written.
    outage: Option<Counted>,
}

/// What is foretold of each rank's wishes.
type Outlooks = Vec<Option<Vec<WishOutlook>>>;

struct RecentChange {
    from_seq: u64,
    frame: Frame,
}

/// A command on its way to the owner.
struct Envelope {
    actor: Actor,
    command: Command,
    command_id: Option<CommandId>,
    received_at: Timestamp,
    reply: Option<Box<dyn FnOnce(Outcome) + Send>>,
}

impl Envelope {
    /// A command of the engine itself, for which nobody waits.
    fn from_engine(command: Command, now: Timestamp) -> Self {
        Self { actor: Actor::Engine, command, command_id: None, received_at: now, reply: None }
    }

    /// Answers, once.
    fn answer(&mut self, outcome: Outcome) {
        if let Some(reply) = self.reply.take() {
            reply(outcome);
        }
    }
}

/// Too much is waiting, or the room is going out of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the amphi cannot take this command now")]
pub struct Busy;

impl Room {
    /// Takes an amphi into service: ownership, journal, what happened meanwhile, and its owner task.
    ///
    /// # Errors
    /// [`JournalError`]: unknown, owned by another live server, damaged, or no answer.
    pub async fn open(id: AmphiId, surroundings: Surroundings) -> Result<Arc<Self>, JournalError> {
        let loaded = owner::load(id, &surroundings).await?;
        Ok(Self::in_service(id, surroundings, loaded))
    }

    /// Takes an amphi into service that was taken over with many others.
    ///
    /// # Errors
    /// [`JournalError::Damaged`]
    pub(crate) fn open_taken(
        id: AmphiId,
        surroundings: Surroundings,
        taken: &Taken,
    ) -> Result<Arc<Self>, JournalError> {
        Ok(Self::in_service(id, surroundings, owner::replay(id, taken)?))
    }

    fn in_service(id: AmphiId, surroundings: Surroundings, loaded: owner::Loaded) -> Arc<Self> {
        // Stops with the server, or alone.
        let surroundings = Surroundings { stopping: surroundings.stopping.child_token(), ..surroundings };
        let (mailbox, commands) = mpsc::channel(MAILBOX_COMMANDS_MAX);
        let room = Arc::new(Self {
            id,
            surroundings,
            live: Mutex::new(Live::new(loaded.ledger, loaded.recent)),
            mailbox,
            in_service: AtomicBool::new(true),
            placements_unheard: AtomicBool::new(false),
        });
        let owner = owner::own(Arc::clone(&room), commands, loaded.down_since);
        room.surroundings.owners.spawn(owner);
        tokio::spawn(pump::pump(Arc::clone(&room)));
        room
    }

    /// Which amphi.
    pub fn id(&self) -> AmphiId {
        self.id
    }

    /// Whether this server still owns the amphi.
    pub fn is_in_service(&self) -> bool {
        self.in_service.load(Ordering::Acquire)
    }

    /// Goes out of service here: another server owns the amphi now.
    pub fn step_down(&self) {
        self.surroundings.stopping.cancel();
    }

    /// What time it is here.
    pub fn now(&self) -> Timestamp {
        self.surroundings.clock.now()
    }

    /// How much real time has passed since `instant`; none, when it has not come.
    fn real_time_since(&self, instant: Timestamp) -> Duration {
        let passed_ms = (self.now() - instant).0.max(0) as f64;
        Duration::from_secs_f64(passed_ms / 1_000.0 / self.speed())
    }

    /// How fast the clock runs.
    pub fn speed(&self) -> f64 {
        self.surroundings.clock.speed()
    }

    /// Looks at the books; `look` must be short, everybody waits for it.
    pub fn read<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.live().ledger)
    }

    /// Who is connected, as administrators are told, and how many connections there are in all.
    pub fn presence(&self) -> (Vec<crate::protocol::Presence>, u32) {
        let live = self.live();
        (live.presence.all(), u32::try_from(live.fan_out.len()).unwrap_or(u32::MAX))
    }

    /// Submits a command; `reply` is called once, when its outcome is durable.
    ///
    /// # Errors
    /// [`Busy`]: it was not even looked at. `reply` is dropped, now or later, when there is no outcome: the room went
    /// out of service, or could not ask what it must know first. Then the command may or may not have been written,
    /// and is to be sent again with the same id.
    pub fn submit(
        &self,
        actor: Actor,
        command: Command,
        command_id: Option<CommandId>,
        reply: impl FnOnce(Outcome) + Send + 'static,
    ) -> Result<(), Busy> {
        let (received_at, arrived) = (self.now(), Instant::now());
        let reply: Option<Box<dyn FnOnce(Outcome) + Send>> = Some(Box::new(move |outcome| {
            meters().acknowledgement.of(Answer::from(&outcome)).record(arrived.elapsed());
            reply(outcome);
        }));
        let envelope = Envelope { actor, command, command_id, received_at, reply };
        self.mailbox.try_send(envelope).map_err(|_| {
            meters().busy.increment(1);
            Busy
        })
    }

    /// Submits a command and waits for its outcome. Dropping the wait does not drop the command.
    ///
    /// # Errors
    /// [`Busy`]: not looked at, or no outcome is known: to be sent again with the same id.
    pub async fn ask(&self, actor: Actor, command: Command, id: CommandId) -> Result<Outcome, Busy> {
        let (reply, outcome) = oneshot::channel();
        self.submit(actor, command, Some(id), move |outcome| {
            // Nobody waits any more: the outcome is in the journal all the same.
            let _ = reply.send(outcome);
        })?;
        outcome.await.map_err(|_| Busy)
    }

    /// What pings the connections of this server.
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.surroundings.pulse
    }

    /// Adds a viewer, who is welcomed, gets the changes it missed or a snapshot, and everything from then on.
    ///
    /// # Errors
    /// The code to close the connection with.
    pub fn join(
        self: &Arc<Self>,
        line: &Arc<Line>,
        resume: Option<Position>,
    ) -> Result<ViewerKey, CloseCode> {
        let (now, role) = (self.now(), line.role());
        let mut live = self.live();
        if !self.is_in_service() {
            return Err(CloseCode::GoingAway);
        }
        let who = person(role);
        let me = match who {
            Some((rank, _)) => Some(live.admit(rank, role)?),
            None => None,
        };
        let missed = resume.and_then(|position| live.since(position));
        let resumed = missed.is_some();
        let welcome = Frame::of(&ServerMessage::Welcome {
            protocol: PROTOCOL_VERSION,
            server_time: now,
            speed: self.speed(),
            position: live.ledger.position(),
            resumed,
            role,
        });
        let state = match missed {
            Some(changes) => Some(Frame::joined(&changes)),
            None => live.snapshot_frame(),
        };
        let mut own = Vec::new();
        if let Some(me) = me {
            own.push(Frame::of(&ServerMessage::Me(Box::new(me))));
        }
        let key = live.fan_out.join(line);
        if let Some((rank, who)) = who {
            own.extend(live.outlook_on_arrival(rank));
            if live.presence.came(rank, who, now) {
                self.tell_presence_soon();
            }
        }
        if role == Role::Administrator {
            let interns = live.presence.all();
            own.push(live.presence_frame(interns));
            let dossiers = live.ledger.dossiers();
            own.push(Frame::of(&ServerMessage::Dossiers { dossiers }));
        }
        if !live.journal_available() {
            own.push(live::service_frame(false));
        }
        line.welcome(welcome, state, own);
        drop(live);
        line.offer();
        Ok(key)
    }

    /// Removes a viewer.
    pub fn leave(self: &Arc<Self>, key: ViewerKey) {
        let now = self.now();
        let mut live = self.live();
        let Some(line) = live.fan_out.leave(key) else { return };
        if let Some((rank, who)) = person(line.role())
            && live.presence.went(rank, who, now)
        {
            self.tell_presence_soon();
        }
    }

    /// Gives a viewer that fell behind, or found a gap, the current snapshot.
    pub fn catch_up(&self, line: &Line) {
        let mut live = self.live();
        // It may have missed that, too.
        let service = line.is_behind().then(|| live::service_frame(live.journal_available()));
        meters().snapshots.increment(1);
        line.catch_up(live.snapshot_frame().into_iter().chain(service));
        drop(live);
        line.offer();
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        // A panic under the lock is a bug of ours; what the journal holds is right in any case.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Many may come at once; administrators are told in one message.
    fn tell_presence_soon(self: &Arc<Self>) {
        let room = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(PRESENCE_EVERY).await;
            let mut live = room.live();
            let changed = live.presence.take_changed();
            let message = live.presence_frame(changed);
            live.fan_out.to_administrators(&message);
        });
    }
}

/// For which rank a connection is there, and whose it is.
pub(crate) fn person(role: Role) -> Option<(CallRank, Who)> {
    match role {
        Role::Intern { rank } => Some((rank, Who::Intern)),
        Role::Holder { rank, .. } => Some((rank, Who::Holder)),
        Role::Administrator | Role::Spectator => None,
    }
}

/// The command that `role` means by what it sent.
pub fn addressed(role: Role, live: LiveCommand) -> (Actor, Command) {
    let (actor, rank) = match role {
        Role::Intern { rank } => (Actor::Intern { rank }, rank),
        Role::Holder { rank, proxy } => (Actor::Holder { rank, proxy }, rank),
        // The identity of administrators comes with their accounts; until then, one per link.
        Role::Administrator => (Actor::Administrator { id: ADMINISTRATOR_BY_LINK }, CallRank(0)),
        // May do nothing: the core refuses an intern of no rank, whatever is asked.
        Role::Spectator => (Actor::Intern { rank: CallRank(0) }, CallRank(u16::MAX)),
    };
    let command = match live {
        LiveCommand::Choose { post, supernumerary } => Command::Choose { rank, post, supernumerary },
        LiveCommand::Exchange { post } => Command::Exchange { rank, post },
        LiveCommand::SetWishes { wishes, safety_net } => Command::SetWishes { rank, wishes, safety_net },
        LiveCommand::RevokeProxy => Command::RevokeProxy { rank },
        LiveCommand::ReleaseHeld => Command::ReleaseHeld { rank },
        LiveCommand::Pass => Command::Pass { rank },
        LiveCommand::Open => Command::Open,
        LiveCommand::Suspend { reason } => Command::Suspend { reason },
        LiveCommand::ExplainSuspension { reason } => Command::ExplainSuspension { reason },
        LiveCommand::Resume => Command::Resume,
        LiveCommand::Close => Command::Close,
        LiveCommand::Annul { reason } => Command::Annul { reason },
        LiveCommand::EndTurn { rank, reason } => Command::EndTurn { rank, reason },
        LiveCommand::Extend { rank, by, reason } => Command::Extend { rank, by, reason },
        LiveCommand::ChooseFor { rank, post, supernumerary, reason } => {
            Command::ChooseFor { rank, post, supernumerary, reason }
        }
        LiveCommand::Withdraw { rank, reason } => Command::Withdraw { rank, reason },
        LiveCommand::AnnulChoice { rank, reason } => Command::AnnulChoice { rank, reason },
        LiveCommand::Rewind { to, reason } => Command::Rewind { to, reason },
        LiveCommand::Assign { rank, post, reason } => Command::Assign { rank, post, reason },
        LiveCommand::RevertProxy { rank, reason } => Command::RevertProxy { rank, reason },
        LiveCommand::Admit { rank, reason } => Command::Admit { rank, reason },
    };
    (actor, command)
}

/// Who acts through an administrator's personal link, until administrators have accounts.
pub const ADMINISTRATOR_BY_LINK: amphi_core::AdministratorId =
    amphi_core::AdministratorId(uuid::Uuid::from_u128(0x6164_6d69_6e69_7374_7261_7465_7572_0001));
