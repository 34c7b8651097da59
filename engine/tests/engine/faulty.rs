//! A journal with planned faults, over one in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use amphi_engine::core::{AmphiId, InternId, Period, Timestamp};
use amphi_engine::journal::{Append, AppendError, Entry, Journal, JournalError, Lease, MemoryJournal};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

/// What happens to one write.
pub enum Fault {
    /// It is refused; nothing is written.
    Refused(AppendError),
    /// It is written, and the answer is lost.
    AnswerLost,
    /// It waits until it is let through, and then this happens.
    Hangs(Held, Box<Fault>),
    /// Nothing: it is written.
    None,
    /// The journal itself breaks.
    Panics,
}

/// Where a held write waits.
pub struct Held {
    reached: oneshot::Sender<()>,
    open: oneshot::Receiver<()>,
}

/// The test's side of a held write.
pub struct Gate {
    reached: oneshot::Receiver<()>,
    open: oneshot::Sender<()>,
}

impl Gate {
    fn new() -> (Held, Self) {
        let (reached, was_reached) = oneshot::channel();
        let (open, opened) = oneshot::channel();
        (Held { reached, open: opened }, Self { reached: was_reached, open })
    }

    /// Waits until the write stands at the gate.
    pub async fn reached(&mut self) {
        (&mut self.reached).await.unwrap();
    }

    /// Lets it through.
    pub fn open(self) {
        self.open.send(()).unwrap();
    }
}

pub struct FaultyJournal {
    pub store: MemoryJournal,
    writes: Mutex<VecDeque<Fault>>,
    acquisitions: Mutex<VecDeque<JournalError>>,
}

impl FaultyJournal {
    pub fn new(store: MemoryJournal) -> Arc<Self> {
        Arc::new(Self { store, writes: Mutex::default(), acquisitions: Mutex::default() })
    }

    /// Plans what happens to the next write that has no plan yet.
    pub fn plan(&self, fault: Fault) {
        self.writes.lock().unwrap().push_back(fault);
    }

    /// Makes the next write wait, and then suffer `fault`.
    pub fn holds(&self, fault: Fault) -> Gate {
        let (held, gate) = Gate::new();
        self.plan(Fault::Hangs(held, Box::new(fault)));
        gate
    }

    /// Plans that the next attempts to take an amphi over fail like this.
    pub fn refuses_ownership(&self, errors: impl IntoIterator<Item = JournalError>) {
        self.acquisitions.lock().unwrap().extend(errors);
    }

    async fn write(&self, append: Append, fault: Fault) -> Result<(), AppendError> {
        match fault {
            Fault::None => self.store.append(append).await,
            Fault::Refused(error) => Err(error),
            Fault::AnswerLost => {
                self.store.append(append).await?;
                Err(AppendError::Unknown("the answer is lost".to_owned()))
            }
            Fault::Hangs(held, then) => {
                held.reached.send(()).unwrap();
                held.open.await.unwrap();
                Box::pin(self.write(append, *then)).await
            }
            Fault::Panics => panic!("the journal breaks, as planned by the test"),
        }
    }
}

/// Nobody answers, and nothing is written.
pub fn no_answer() -> Fault {
    Fault::Refused(AppendError::Unknown("no answer".to_owned()))
}

impl Journal for FaultyJournal {
    fn create<'a>(
        &'a self,
        amphi: AmphiId,
        title: &'a str,
        period: Period,
    ) -> BoxFuture<'a, Result<(), JournalError>> {
        self.store.create(amphi, title, period)
    }

    fn acquire(&self, amphi: AmphiId) -> BoxFuture<'_, Result<Lease, JournalError>> {
        let planned = self.acquisitions.lock().unwrap().pop_front();
        async move {
            // As with a database, others run while the answer is under way.
            tokio::task::yield_now().await;
            match planned {
                Some(error) => Err(error),
                None => self.store.acquire(amphi).await,
            }
        }
        .boxed()
    }

    fn release_all(&self, now: Timestamp) -> BoxFuture<'_, Result<(), JournalError>> {
        self.store.release_all(now)
    }

    fn load(&self, amphi: AmphiId) -> BoxFuture<'_, Result<Vec<Entry>, JournalError>> {
        self.store.load(amphi)
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), AppendError>> {
        let fault = self.writes.lock().unwrap().pop_front().unwrap_or(Fault::None);
        self.write(append, fault).boxed()
    }

    fn placed_elsewhere<'a>(
        &'a self,
        amphi: AmphiId,
        period: Period,
        interns: &'a [InternId],
    ) -> BoxFuture<'a, Result<Vec<InternId>, JournalError>> {
        self.store.placed_elsewhere(amphi, period, interns)
    }

    fn unfinished(&self) -> BoxFuture<'_, Result<Vec<AmphiId>, JournalError>> {
        self.store.unfinished()
    }

    fn heartbeat<'a>(
        &'a self,
        now: Timestamp,
        in_service: &'a [AmphiId],
    ) -> BoxFuture<'a, Result<Vec<AmphiId>, JournalError>> {
        self.store.heartbeat(now, in_service)
    }
}
