//! Who owns an amphi (C7): one server, and whoever is replaced says so and stops.

use std::sync::Arc;

use amphi_engine::clock::ManualClock;
use amphi_engine::core::Command;
use amphi_engine::journal::{AppendError, Journal as _, JournalError, MemoryJournal};
use amphi_engine::protocol::{CloseCode, Role};
use amphi_engine::registry::Registry;
use amphi_engine::room::Busy;

use crate::faulty::{Fault, FaultyJournal, no_answer};
use crate::scene::{ADMINISTRATOR, amphi, at, choose, intern, setup};
use crate::stage::{Stage, comes, done, fresh_id, id, publish, settle, stopped};

#[tokio::test]
async fn a_replaced_room_closes_its_viewers_and_stops() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    let mut screen = stage.watches(Role::Spectator);
    screen.reads();
    stage.journal.store.die();
    let successor = stage.journal.store.another_server();
    successor.acquire(amphi(1)).await.unwrap();
    let before = stage.entries().await;

    let asked = stage.sends_as(intern(1), choose(1, 1), id(1));
    assert!(asked.was_dropped().await, "no acknowledgement of what was not written");
    stopped(&stage.room).await;
    assert_eq!(screen.kinds(), "");
    assert_eq!(screen.closed, Some(CloseCode::GoingAway));
    assert_eq!(stage.room.ask(intern(1), choose(1, 1), id(1)).await, Err(Busy));
    assert_eq!(comes(&stage.room, Role::Spectator), Some(CloseCode::GoingAway));
    assert_eq!(stage.entries().await, before);
}

#[tokio::test]
async fn a_replaced_room_is_opened_anew_when_it_is_asked_for() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    stage.journal.plan(Fault::Refused(AppendError::Fenced));
    assert!(stage.sends(intern(1), choose(1, 1)).was_dropped().await);
    stopped(&stage.room).await;
    let again = stage.registry.room(amphi(1)).await.unwrap();
    assert!(!Arc::ptr_eq(&again, &stage.room));
    assert!(done(again.ask(intern(1), choose(1, 1), fresh_id()).await.unwrap()).is_some());
}

#[tokio::test]
async fn a_room_that_breaks_stops_rather_than_stay_silent() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    let mut screen = stage.watches(Role::Spectator);
    screen.reads();
    stage.journal.plan(Fault::Panics);
    assert!(stage.sends(intern(1), choose(1, 1)).was_dropped().await);
    stopped(&stage.room).await;
    screen.reads();
    assert_eq!(screen.closed, Some(CloseCode::GoingAway), "clients come back to a new room");
    let again = stage.registry.room(amphi(1)).await.unwrap();
    assert!(done(again.ask(intern(1), choose(1, 1), fresh_id()).await.unwrap()).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_live_owner_is_not_replaced_and_a_dead_one_is() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    let second = Registry::new(Arc::new(stage.journal.store.another_server()), Arc::new(stage.clock.clone()));
    assert_eq!(second.room(amphi(1)).await.err(), Some(JournalError::OwnedByAnother));
    assert!(stage.room.is_in_service());
    stage.journal.store.die();
    assert!(second.room(amphi(1)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_is_about_to_go_is_waited_for() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    let journal = FaultyJournal::new(stage.journal.store.another_server());
    journal.refuses_ownership(vec![JournalError::OwnedByAnother; 5]);
    let second = Registry::new(journal, Arc::new(stage.clock.clone()));
    stage.registry.stop().await.unwrap();
    assert!(second.room(amphi(1)).await.is_ok());
}

#[tokio::test]
async fn everybody_who_asks_at_once_gets_the_same_room() {
    let stage = Stage::begun(setup(2, &[1, 1])).await.crashes_and_returns("09:01").await;
    let second = Registry::new(stage.journal.clone(), Arc::new(stage.clock.clone()));
    let asked = futures_util::future::join_all((0..8).map(|_| second.room(amphi(1)))).await;
    let rooms: Vec<_> = asked.into_iter().map(Result::unwrap).collect();
    assert!(rooms.iter().all(|room| Arc::ptr_eq(room, &rooms[0])));
}

#[tokio::test]
async fn a_failed_opening_leaves_one_room_for_those_who_waited() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    stage.registry.stop().await.unwrap();
    let journal = FaultyJournal::new(stage.journal.store.another_server());
    journal.refuses_ownership([JournalError::Unavailable("no answer".to_owned())]);
    let second = Registry::new(journal, Arc::new(stage.clock.clone()));
    let (first, waited) = tokio::join!(second.room(amphi(1)), second.room(amphi(1)));
    assert_eq!(first.err(), Some(JournalError::Unavailable("no answer".to_owned())));
    let (waited, later) = (waited.unwrap(), second.room(amphi(1)).await.unwrap());
    assert!(Arc::ptr_eq(&waited, &later), "two rooms of one amphi would not hear of one another");
}

#[tokio::test]
async fn unknown_amphis_are_not_found_and_not_kept() {
    let stage = Stage::published(setup(1, &[1])).await;
    for _ in 0..2 {
        assert_eq!(stage.registry.room(amphi(9)).await.err(), Some(JournalError::NotFound));
    }
}

#[tokio::test]
async fn a_start_takes_every_unfinished_amphi_into_service() {
    let clock = ManualClock::at(at("08:00"));
    let store = MemoryJournal::new();
    let first = Registry::new(Arc::new(store.another_server()), Arc::new(clock.clone()));
    for number in 1..=3 {
        let room = publish(&first, number, setup(1, &[1])).await;
        if number == 2 {
            let annul = Command::Annul { reason: "Erreur".to_owned() };
            done(room.ask(ADMINISTRATOR, annul, fresh_id()).await.unwrap());
        }
    }
    first.stop().await.unwrap();
    let journal = FaultyJournal::new(store.another_server());
    journal.refuses_ownership([JournalError::Damaged("entry 1".to_owned())]);
    let second = Registry::new(journal, Arc::new(clock));
    assert_eq!(second.open_unfinished().await, Ok((1, 1)), "one damaged amphi keeps no other from opening");
    assert_eq!(second.open_unfinished().await, Ok((2, 0)));
}

/// Three amphis, published by a server that has stopped.
async fn three_left_behind() -> (MemoryJournal, ManualClock) {
    let (clock, store) = (ManualClock::at(at("08:00")), MemoryJournal::new());
    let first = Registry::new(Arc::new(store.another_server()), Arc::new(clock.clone()));
    for number in 1..=3 {
        publish(&first, number, setup(1, &[1])).await;
    }
    first.stop().await.unwrap();
    (store, clock)
}

#[tokio::test(start_paused = true)]
async fn f10_a_start_waits_for_owners_that_go_and_for_no_answer_in_common() {
    let (store, clock) = three_left_behind().await;
    let journal = FaultyJournal::new(store.another_server());
    let gone = || JournalError::Unavailable("no answer".to_owned());
    journal.refuses_ownership([JournalError::OwnedByAnother, gone(), JournalError::OwnedByAnother]);
    let second = Registry::new(journal.clone(), Arc::new(clock.clone()));
    assert_eq!(second.open_unfinished().await, Ok((3, 0)), "two had to be waited for, one to be asked alone");
    // A live owner is waited for in vain, and keeps what it has.
    let third = Registry::new(Arc::new(store.another_server()), Arc::new(clock));
    assert_eq!(third.open_unfinished().await, Ok((0, 3)));
    let room = second.room(amphi(2)).await.unwrap();
    done(room.ask(ADMINISTRATOR, Command::Open, fresh_id()).await.unwrap());
}

#[tokio::test]
async fn f10_who_asks_during_a_start_gets_the_room_that_the_start_opens() {
    let (store, clock) = three_left_behind().await;
    let journal = FaultyJournal::new(store.another_server());
    let second = Registry::new(journal, Arc::new(clock));
    let (before, opened, beside, during) = tokio::join!(
        second.room(amphi(1)),
        second.open_unfinished(),
        second.open_unfinished(),
        second.room(amphi(3)),
    );
    assert_eq!((opened, beside), (Ok((3, 0)), Ok((3, 0))));
    for (number, room) in [(1, before), (3, during)] {
        assert!(Arc::ptr_eq(&room.unwrap(), &second.room(amphi(number)).await.unwrap()));
    }
}

#[tokio::test]
async fn a_server_that_stops_opens_nothing_more() {
    let (store, clock) = three_left_behind().await;
    let second = Registry::new(Arc::new(store.another_server()), Arc::new(clock));
    second.stop().await.unwrap();
    assert_eq!(second.open_unfinished().await, Ok((0, 3)));
}

#[tokio::test(start_paused = true)]
async fn a_room_that_cannot_be_reloaded_stops() {
    for error in [JournalError::Damaged("entry 3".to_owned()), JournalError::OwnedByAnother] {
        let stage = Stage::begun(setup(2, &[1, 1])).await;
        let mut screen = stage.watches(Role::Spectator);
        stage.journal.plan(no_answer());
        stage.journal.refuses_ownership([error]);
        assert!(stage.sends(intern(1), choose(1, 1)).was_dropped().await);
        stopped(&stage.room).await;
        screen.reads();
        assert_eq!(screen.closed, Some(CloseCode::GoingAway));
    }
}

#[tokio::test]
async fn p5_a_server_that_was_succeeded_shows_nothing_more_of_the_amphi() {
    let stage = Stage::begun(setup(3, &[1, 1])).await;
    let mut screen = stage.watches(Role::Spectator);
    screen.reads();
    stage.registry.beat().await;
    settle(&stage.room).await;
    assert_eq!(screen.closed, None, "it is still its own");
    // Its lock is lost, and somebody else is quicker.
    stage.journal.store.die();
    let successor =
        Registry::new(Arc::new(stage.journal.store.another_server()), Arc::new(stage.clock.clone()));
    successor.room(amphi(1)).await.unwrap();
    stage.registry.beat().await;
    stopped(&stage.room).await;
    screen.reads();
    assert_eq!(screen.closed, Some(CloseCode::GoingAway), "to be opened again where the amphi is");
}
