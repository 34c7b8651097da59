//! Who owns an amphi: one server, who learns it when another one does.

use super::*;

/// A heartbeat that has noticed the takeover has not judged what was still being opened.
pub(super) async fn p5_an_amphi_that_was_lost_before_it_was_in_service_is_lost(stage: Stage) {
    let (first, _) = stage.owner(amphi(1)).await;
    first.dies().await;
    stage.server().await.acquire(amphi(1)).await.unwrap();
    assert_eq!(first.beats(&[]).await, Ok(Vec::new()));
    assert_eq!(first.beats(&[amphi(1)]).await, Ok(vec![amphi(1)]));
    assert_eq!(first.beats(&[amphi(1)]).await, Ok(vec![amphi(1)]), "as long as it is taken for its own");
}

pub(super) async fn p5_whoever_was_succeeded_learns_it_with_the_next_heartbeat(stage: Stage) {
    let (first, _) = stage.owner(amphi(1)).await;
    first.create(amphi(2), "Another", NOVEMBER).await.unwrap();
    first.acquire(amphi(2)).await.unwrap();
    let at = |seconds: i64| Timestamp(NOW.0 + seconds * 1_000);
    let in_service = [amphi(1), amphi(2)];
    assert_eq!(first.heartbeat(at(1), &in_service).await, Ok(Vec::new()));
    // Its lock is lost, not its life: somebody else takes one of its amphis.
    first.dies().await;
    stage.server().await.acquire(amphi(1)).await.unwrap();
    assert_eq!(first.beats(&in_service).await, Ok(vec![amphi(1)]));
}

pub(super) async fn f10_many_are_taken_in_one_go_each_with_its_own_answer(stage: Stage) {
    let (gone, pen) = stage.owner(amphi(1)).await;
    let written = pen.adds(Some(7), &[Event::Opened, Event::Opened]);
    gone.append(written.clone()).await.unwrap();
    gone.heartbeat(Timestamp(NOW.0 + 1_000), &[]).await.unwrap();
    let (_alive, _) = stage.owner(amphi(2)).await;
    gone.create(amphi(4), "Never owned", NOVEMBER).await.unwrap();
    gone.dies().await;
    let next = stage.server().await;
    let taken = next.take(&[amphi(4), amphi(3), amphi(2), amphi(1)]).await;
    let said: Vec<_> =
        taken.into_iter().map(|taken| taken.map(|taken| (taken.lease, taken.entries))).collect();
    let previous_seen_at = Some(Timestamp(NOW.0 + 1_000));
    assert_eq!(
        said,
        [
            Ok((Lease { epoch: 1, previous_seen_at: None }, Vec::new())),
            Err(JournalError::NotFound),
            Err(JournalError::OwnedByAnother),
            Ok((Lease { epoch: pen.epoch + 1, previous_seen_at }, written.entries.clone())),
        ]
    );
    let pen = pen.after(&written);
    assert_eq!(gone.append(pen.opens()).await, Err(AppendError::Fenced));
    assert_eq!(next.append(pen.with_epoch(pen.epoch + 1).opens()).await, Ok(()));
    assert!(next.take(&[]).await.is_empty());
}

pub(super) async fn f10_of_two_who_take_the_same_ones_each_amphi_has_one_owner(stage: Stage) {
    let amphis: Vec<AmphiId> = (1..=20).map(amphi).collect();
    let gone = stage.server().await;
    for amphi in &amphis {
        gone.create(*amphi, "Cardiologie", NOVEMBER).await.unwrap();
    }
    assert!(gone.take(&amphis).await.iter().all(Result::is_ok));
    gone.dies().await;
    let (left, right) = (stage.server().await, stage.server().await);
    let backwards: Vec<AmphiId> = amphis.iter().rev().copied().collect();
    let (by_left, mut by_right) = tokio::join!(left.take(&amphis), right.take(&backwards));
    by_right.reverse();
    for taken in by_left.into_iter().zip(by_right) {
        match taken {
            (Ok(taken), Err(JournalError::OwnedByAnother))
            | (Err(JournalError::OwnedByAnother), Ok(taken)) => assert_eq!(taken.lease.epoch, 2),
            other => panic!("both, or neither: {other:?}"),
        }
    }
}

pub(super) async fn a_live_owner_keeps_its_amphi(stage: Stage) {
    let (owner, pen) = stage.owner(amphi(1)).await;
    let other = stage.server().await;
    assert_eq!(other.acquire(amphi(1)).await, Err(JournalError::OwnedByAnother));
    assert_eq!(owner.append(pen.opens()).await, Ok(()), "the attempt took nothing away");
    let again = owner.acquire(amphi(1)).await.unwrap();
    assert!(again.epoch > pen.epoch, "its own owner may always begin anew");
}

pub(super) async fn a10_a_successor_learns_when_its_predecessor_was_last_seen(stage: Stage) {
    let (first, pen) = stage.owner(amphi(1)).await;
    let at = |seconds: i64| Timestamp(NOW.0 + seconds * 1_000);
    first.heartbeat(at(1), &[]).await.unwrap();
    first.heartbeat(at(2), &[]).await.unwrap();
    first.dies().await;
    let second = stage.server().await;
    let lease = second.acquire(amphi(1)).await.unwrap();
    assert_eq!(lease, Lease { epoch: pen.epoch + 1, previous_seen_at: Some(at(2)) });
    second.append(pen.with_epoch(lease.epoch).opens()).await.unwrap();
    second.heartbeat(at(5), &[]).await.unwrap();
    second.release_all(at(6)).await.unwrap();
    let third = stage.server().await;
    let lease = third.acquire_freed(amphi(1)).await;
    assert_eq!(lease, Lease { epoch: pen.epoch + 2, previous_seen_at: Some(at(6)) });
    // The third goes before it has written anything: it has given nothing back.
    third.release_all(at(9)).await.unwrap();
    let fourth = stage.server().await;
    let lease = fourth.acquire_freed(amphi(1)).await;
    assert_eq!(lease, Lease { epoch: pen.epoch + 3, previous_seen_at: Some(at(6)) });
}

pub(super) async fn c7_of_two_successors_one_gets_the_amphi(stage: Stage) {
    for number in 1..=10 {
        let (gone, pen) = stage.owner(amphi(number)).await;
        gone.dies().await;
        let (left, right) = (stage.server().await, stage.server().await);
        let leases = tokio::join!(left.acquire(amphi(number)), right.acquire(amphi(number)));
        let epoch = pen.epoch + 1;
        match leases {
            (Ok(lease), Err(JournalError::OwnedByAnother))
            | (Err(JournalError::OwnedByAnother), Ok(lease)) => assert_eq!(lease.epoch, epoch),
            other => panic!("both, or neither: {other:?}"),
        }
    }
}

pub(super) async fn whoever_was_replaced_writes_nothing(stage: Stage) {
    let (old, pen) = stage.owner(amphi(1)).await;
    old.append(pen.opens()).await.unwrap();
    let pen = pen.after(&pen.opens());
    old.dies().await;
    let new = stage.server().await;
    let lease = new.acquire(amphi(1)).await.unwrap();
    assert!(lease.epoch > pen.epoch);
    assert_eq!(old.append(pen.places(100, NOVEMBER, 1, 1)).await, Err(AppendError::Fenced));
    assert_eq!(new.load(amphi(1)).await.unwrap().len(), 1);
    let chosen = new.append(pen.with_epoch(lease.epoch).places(100, NOVEMBER, 1, 1)).await;
    assert_eq!(chosen, Ok(()), "neither the number nor the seat was used up");
}

pub(super) async fn old_and_new_owner_in_one_group(stage: Stage) {
    for old_first in [true, false] {
        let id = amphi(u128::from(old_first) + 1);
        let (server, old) = stage.owner(id).await;
        let new = old.with_epoch(server.acquire(id).await.unwrap().epoch);
        let mut group = [old.places(100, NOVEMBER, 1, 1), new.places(200 + id.0.as_u128(), NOVEMBER, 1, 1)];
        let mut expected = [Err(AppendError::Fenced), Ok(())];
        if !old_first {
            group.reverse();
            expected.reverse();
        }
        let answers = join_all(group.into_iter().map(|append| server.append(append))).await;
        assert_eq!(answers, expected);
        let entries = server.load(id).await.unwrap();
        assert_eq!(entries, new.opens().entries, "the new owner's, and nothing else");
        let placed = server.placed_elsewhere(amphi(9), NOVEMBER, &[person(100)]).await;
        assert_eq!(placed, Ok(Vec::new()));
    }
}

impl Server {
    /// A heartbeat after which everything is known: the first may find the connection broken, and makes a
    /// new one.
    async fn beats(&self, in_service: &[AmphiId]) -> Result<Vec<AmphiId>, JournalError> {
        match self.heartbeat(NOW, in_service).await {
            Err(_) => self.heartbeat(NOW, in_service).await,
            lost => lost,
        }
    }

    /// After a release; the database takes a moment to notice that the lock's connection is gone.
    async fn acquire_freed(&self, amphi: AmphiId) -> Lease {
        for _ in 0..10_000 {
            match self.acquire(amphi).await {
                Err(JournalError::OwnedByAnother) => tokio::task::yield_now().await,
                lease => return lease.unwrap(),
            }
        }
        panic!("it was never freed");
    }
}
