//! The table follows the rooms: whoever was not told is told, what has ended is closed.
//!
//! A proxy ends by a form, by an administrator's socket, by the end of the session, perhaps on another
//! server: so the room is asked, once a second, about every proxy that is not over as far as the table
//! knows. That mends a crash half way, too (see the folder's head), and there is no other way to end one. An amphi
//! that cannot be asked holds up no other.

use std::collections::BTreeMap;
use std::time::Duration;

use amphi_engine::core::{Amphi, AmphiId, CallRank, Event, ProxyId, Status};
use amphi_engine::journal::{JournalError, events_after};
use amphi_engine::room::Room;

use super::letters::Letters;
use super::store::Alive;
use super::{Record, new_secret, secret_hash, store};
use crate::Portal;
use crate::failure::Failure;
use crate::people;

/// How often the rooms are asked: a link is expected at once, and asking is one query when nothing is new.
const FOLLOWED_EVERY: Duration = Duration::from_secs(1);

/// Where a proxy stands, as the room says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InRoom {
    /// Its holder may act, or will.
    InForce,
    /// Its principal is placed. An annulled choice, or a rewind, puts it in force again.
    Used,
    /// The session is over.
    Over,
    /// It was ended, or the room has never heard of it.
    Unknown,
}

impl InRoom {
    pub fn of(amphi: &Amphi, rank: CallRank, proxy: ProxyId) -> Self {
        let is_it = |given: Option<ProxyId>| given == Some(proxy);
        if is_it(amphi.proxy(rank).map(|given| given.id)) {
            return Self::InForce;
        }
        if !is_it(amphi.proxy_given(rank).map(|given| given.id)) {
            return Self::Unknown;
        }
        match amphi.status() {
            Status::Closed | Status::Annulled { .. } => Self::Over,
            _ => Self::Used,
        }
    }
}

impl InRoom {
    fn asks_for_something(self, links_sent: i32) -> bool {
        match self {
            Self::InForce => links_sent == 0,
            Self::Used => false,
            Self::Over | Self::Unknown => true,
        }
    }
}

impl Portal {
    /// Follows the rooms; runs until it is dropped.
    pub async fn watch_proxies(&self) {
        let mut answers = true;
        loop {
            let followed = self.follow_proxies().await;
            if let (true, Err(error)) = (answers, &followed) {
                tracing::warn!(?error, "proxies could not be looked after; the next round tries again");
            }
            answers = followed.is_ok();
            tokio::time::sleep(FOLLOWED_EVERY).await;
        }
    }

    /// One round over all proxies.
    ///
    /// # Errors
    /// When the database does not say which there are. An amphi whose proxies could not be looked after is logged,
    /// and does not hold up the others.
    pub async fn follow_proxies(&self) -> Result<(), Failure> {
        let mut of_amphis: BTreeMap<AmphiId, Vec<Alive>> = BTreeMap::new();
        for alive in store::alive(&self.pool).await? {
            of_amphis.entry(alive.amphi).or_default().push(alive);
        }
        let amphis: Vec<AmphiId> = of_amphis.keys().copied().collect();
        // Without waiting for an owner that goes, as asking for a room would: the others would wait, too.
        for (amphi, opened) in self.registry.open_together(&amphis).await {
            let followed = match opened {
                Ok(()) => self.follow_amphi(amphi, &of_amphis[&amphi]).await,
                Err(JournalError::OwnedByAnother) => {
                    tracing::debug!(%amphi, "its proxies are looked after where it is in service");
                    continue;
                }
                Err(error) => Err(error.into()),
            };
            if let Err(error) = followed {
                tracing::warn!(%amphi, ?error, "its proxies could not be looked after; the next round tries again");
            }
        }
        Ok(())
    }

    /// One round over the proxies of one amphi; one that fails holds up no other. The first failure, if any.
    async fn follow_amphi(&self, amphi: AmphiId, proxies: &[Alive]) -> Result<(), Failure> {
        let room = self.registry.room(amphi).await?;
        let mut followed = Ok(());
        for alive in proxies {
            let in_room = room.read(|ledger| InRoom::of(ledger.amphi(), alive.rank, alive.id));
            // Nearly always nothing is to be done, and the table need not be asked again.
            if in_room.asks_for_something(alive.links_sent) {
                followed = followed.and(self.follow_proxy(alive.id, alive.settled).await);
            }
        }
        followed
    }

    /// Brings one proxy up to what the room says. `settled`: whoever wrote it down has had the time to
    /// give it.
    pub(super) async fn follow_proxy(&self, id: ProxyId, settled: bool) -> Result<(), Failure> {
        let Some(record) = store::by_id(&self.pool, id).await? else { return Ok(()) };
        if record.ended {
            return Ok(());
        }
        let room = self.registry.room(record.amphi).await?;
        match room.read(|ledger| InRoom::of(ledger.amphi(), record.rank, id)) {
            InRoom::InForce if record.links_sent == 0 => self.send_link(&room, &record).await.map(drop),
            InRoom::InForce | InRoom::Used => Ok(()),
            InRoom::Unknown if record.links_sent == 0 => {
                if settled {
                    store::forget(&self.pool, id).await?;
                }
                Ok(())
            }
            InRoom::Over => self.end_proxy(&room, &record, over_because(&room, record.rank)).await,
            InRoom::Unknown => {
                let reason = self.revoked_because(&record).await?;
                self.end_proxy(&room, &record, Some(reason)).await
            }
        }
    }

    /// Makes a new link, which replaces the one before, and sends it. `false`: not now.
    pub(super) async fn send_link(&self, room: &Room, record: &Record) -> Result<bool, Failure> {
        let Some((snapshot, expected_at)) = room.read(|ledger| {
            let amphi = ledger.amphi();
            let forecast = amphi.forecasts(room.now()).get(record.rank.index()).copied().flatten();
            Some((amphi.snapshot()?, forecast.map(|forecast| forecast.expected)))
        }) else {
            return Ok(false);
        };
        let principal = people::name(&self.pool, record.amphi, record.rank).await?;
        let secret = new_secret();
        let mut transaction = self.pool.begin().await?;
        let number =
            store::new_link(&mut transaction, record.id, &secret_hash(&secret), record.links_sent).await?;
        let Some(number) = number else { return Ok(false) };
        let letters = Letters::new(self, &snapshot, record, &principal);
        letters.given(&mut transaction, &secret, number, expected_at).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Closes what has ended, and tells the holder why, if they must be told.
    async fn end_proxy(&self, room: &Room, record: &Record, reason: Option<String>) -> Result<(), Failure> {
        let principal = people::name(&self.pool, record.amphi, record.rank).await?;
        let snapshot = room.read(|ledger| ledger.amphi().snapshot());
        let mut transaction = self.pool.begin().await?;
        let is_new = store::end(&mut transaction, record.id).await?;
        if let (true, Some(reason), Some(snapshot)) = (is_new, reason, snapshot) {
            let letters = Letters::new(self, &snapshot, record, &principal);
            letters.ended(&mut transaction, &reason).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// What the journal says about the end of a proxy.
    async fn revoked_because(&self, record: &Record) -> Result<String, Failure> {
        let mut after = 0;
        loop {
            let events = events_after(&self.pool, record.amphi, after).await?;
            let Some((last, _)) = events.last() else { break };
            after = *last;
            for (_, event) in events {
                match event {
                    Event::ProxyRevoked { proxy, reason: Some(reason), .. } if proxy == record.id => {
                        return Ok(format!("L’administration y a mis fin. Motif : {reason}"));
                    }
                    _ => {}
                }
            }
        }
        Ok("La personne que vous représentiez a repris sa procuration.".to_owned())
    }
}

/// Why the end of the session ends a proxy; nothing to say to a holder who has chosen.
fn over_because(room: &Room, rank: CallRank) -> Option<String> {
    room.read(|ledger| match ledger.amphi().status() {
        Status::Annulled { .. } => Some("La séance est annulée.".to_owned()),
        _ if ledger.receipt(rank).is_some() => None,
        _ => Some("La séance est terminée, et aucun poste n’a été choisi.".to_owned()),
    })
}
