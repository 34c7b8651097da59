//! Who watches, and what waits for them: joining, resuming, presence, and outboxes that stay small.

use amphi_engine::core::CallRank;
use amphi_engine::fanout::{Batch, FanOut, Frame, Outbox, Viewer as Connected};
use amphi_engine::limits::{OUTBOX_BYTES_MAX, PERSONAL_BYTES_MAX, PRESENCE_EVERY, SOCKETS_PER_PERSON_MAX};
use amphi_engine::protocol::{CloseCode, Position, Role, ServerMessage};
use futures_util::FutureExt as _;

use crate::scene::{ADMINISTRATOR, choose, intern, pass, setup};
use crate::stage::{Stage, Viewer, done, suspend};

const FIRST: Role = Role::Intern { rank: CallRank(1) };

// --- outboxes ------------------------------------------------------------------------------------

fn frame(fill: char, bytes: usize) -> Frame {
    fill.to_string().repeat(bytes).into()
}

fn waits(outbox: &Outbox) -> Option<Batch> {
    outbox.next().now_or_never()
}

/// The first character of each frame that waits.
fn letters(outbox: &Outbox) -> String {
    match waits(outbox) {
        Some(Batch::Frames(frames)) => frames.iter().map(|frame| &frame[..1]).collect(),
        other => format!("{other:?}"),
    }
}

#[test]
fn an_outbox_holds_up_to_its_bound_and_then_one_word() {
    let outbox = Outbox::default();
    let quarter = OUTBOX_BYTES_MAX / 4;
    "abcd".chars().for_each(|fill| outbox.push_public(&frame(fill, quarter)));
    assert_eq!(letters(&outbox), "abcd", "the bound itself fits");
    "abcd".chars().for_each(|fill| outbox.push_public(&frame(fill, quarter)));
    outbox.push_public(&frame('e', 1));
    assert!(matches!(waits(&outbox), Some(Batch::Behind)), "one byte more does not");
    outbox.push_public(&frame('f', 1));
    assert!(matches!(waits(&outbox), Some(Batch::Behind)), "and it stays so until there is a snapshot");
    outbox.catch_up(vec![frame('s', 10)]);
    outbox.push_public(&frame('g', 1));
    assert_eq!(letters(&outbox), "sg");
    assert!(waits(&outbox).is_none());
}

#[test]
fn a_frame_larger_than_the_bound_is_sent_all_the_same() {
    let outbox = Outbox::default();
    outbox.push_public(&frame('a', OUTBOX_BYTES_MAX * 3));
    assert_eq!(letters(&outbox), "a");
    outbox.catch_up(vec![frame('s', OUTBOX_BYTES_MAX * 3)]);
    assert_eq!(letters(&outbox), "s");
}

#[test]
fn what_is_personal_is_never_dropped_and_comes_after_what_is_public() {
    let outbox = Outbox::default();
    outbox.push_personal(frame('1', 5));
    outbox.push_public(&frame('a', OUTBOX_BYTES_MAX));
    outbox.push_public(&frame('b', OUTBOX_BYTES_MAX));
    outbox.push_personal(frame('2', OUTBOX_BYTES_MAX));
    assert!(matches!(waits(&outbox), Some(Batch::Behind)));
    outbox.catch_up(vec![frame('s', 1)]);
    outbox.push_public(&frame('c', 1));
    outbox.push_personal(frame('3', 5));
    assert_eq!(letters(&outbox), "sc123");
}

#[test]
fn s1_who_lets_too_much_that_is_personal_wait_is_closed_and_costs_nothing_more() {
    let outbox = Outbox::default();
    outbox.push_personal(frame('1', PERSONAL_BYTES_MAX * 2));
    assert_eq!(letters(&outbox), "1", "one always fits");
    "ab".chars().for_each(|fill| outbox.push_personal(frame(fill, PERSONAL_BYTES_MAX / 2)));
    assert_eq!(letters(&outbox), "ab", "the bound itself fits");
    "cd".chars().for_each(|fill| outbox.push_personal(frame(fill, PERSONAL_BYTES_MAX / 2)));
    outbox.push_personal(frame('e', 1));
    assert!(matches!(waits(&outbox), Some(Batch::Close(CloseCode::TooSlow))));
    for _ in 0..1_000 {
        outbox.push_personal(frame('f', PERSONAL_BYTES_MAX / 2));
        outbox.push_public(&frame('g', 1_000));
        outbox.catch_up(vec![frame('s', 1_000)]);
    }
    assert!(format!("{outbox:?}").len() < 512, "nothing is kept for it");
}

#[test]
fn the_first_reason_to_close_wins_over_everything_that_waits() {
    let outbox = Outbox::default();
    outbox.push_public(&frame('a', 1));
    outbox.push_personal(frame('1', 1));
    outbox.close(CloseCode::TooSlow);
    outbox.close(CloseCode::GoingAway);
    outbox.fall_behind();
    assert!(matches!(waits(&outbox), Some(Batch::Close(CloseCode::TooSlow))));
    outbox.catch_up(Vec::new());
    assert!(matches!(waits(&outbox), Some(Batch::Close(CloseCode::TooSlow))), "and it stays");
}

#[tokio::test]
async fn whoever_waits_is_woken_by_each_kind_of_news() {
    type News = fn(&Outbox);
    let news: [News; 5] = [
        |outbox| outbox.push_public(&frame('a', 1)),
        |outbox| outbox.push_personal(frame('1', 1)),
        Outbox::fall_behind,
        |outbox| outbox.catch_up(vec![frame('s', 1)]),
        |outbox| outbox.close(CloseCode::GoingAway),
    ];
    for tell in news {
        let outbox = std::sync::Arc::new(Outbox::default());
        let waiting = tokio::spawn({
            let outbox = std::sync::Arc::clone(&outbox);
            async move { outbox.next().await }
        });
        tokio::task::yield_now().await;
        tell(&outbox);
        waiting.await.unwrap();
    }
}

#[test]
fn s1_a_viewer_that_never_reads_costs_no_more_than_its_bound() {
    let mut fan_out = FanOut::default();
    let asleep = std::sync::Arc::new(Outbox::default());
    let awake = std::sync::Arc::new(Outbox::default());
    for outbox in [&asleep, &awake] {
        fan_out.join(Connected { role: Role::Spectator, outbox: std::sync::Arc::clone(outbox) });
    }
    let held = || format!("{asleep:?}").len();
    let mut most = 0;
    for _ in 0..2_000 {
        fan_out.broadcast(&frame('a', 400));
        most = most.max(held());
        assert_eq!(letters(&awake), "a", "nobody else notices");
    }
    assert!(most < OUTBOX_BYTES_MAX + 8 * 1_024, "{most} bytes, frames and what surrounds them");
    assert!(held() < 512, "once behind, nothing at all: {}", held());
}

// --- joining -------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn each_role_is_told_what_it_may_know_in_the_order_of_the_protocol() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    let cases = [
        (FIRST, "snapshot me"),
        (Role::Administrator, "snapshot presence dossiers"),
        (Role::Spectator, "snapshot"),
    ];
    for (role, expected) in cases {
        let mut viewer = stage.watches(role);
        let ServerMessage::Welcome { resumed, position, role: told, speed, server_time, .. } = viewer.welcome
        else {
            panic!("{:?}", viewer.welcome)
        };
        assert_eq!((resumed, position, told), (false, stage.position(), role));
        assert_eq!((speed, server_time), (1.0, stage.now()));
        assert_eq!(viewer.kinds(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_gets_what_they_missed_or_everything() {
    let stage = Stage::begun(setup(4, &[2, 2])).await;
    let start = stage.position();
    done(stage.does(ADMINISTRATOR, suspend()).await);
    let between = stage.position();
    done(stage.does(ADMINISTRATOR, amphi_engine::core::Command::Resume).await);
    done(stage.does(intern(1), choose(1, 1)).await);
    let now = stage.position();
    let (published, future) = (2, now.seq + 1);
    let cases = [
        (now, true, "nothing missed"),
        (between, true, "change change"),
        (start, true, "change change change"),
        (Position { seq: now.seq - 1, ..now }, false, "between two events of one command"),
        (Position { seq: future, ..now }, false, "ahead of the journal"),
        (Position { epoch: now.epoch + 1, ..now }, false, "of a server that came later"),
        (Position { seq: 0, ..now }, false, "before the draft"),
        (Position { seq: published - 1, ..now }, false, "before publication"),
    ];
    for (position, expected, case) in cases {
        let mut viewer = Viewer::joins(&stage.room, Role::Spectator, Some(position));
        let ServerMessage::Welcome { resumed, .. } = viewer.welcome else { panic!() };
        assert_eq!(resumed, expected, "{case}");
        let kinds = viewer.kinds();
        match (expected, position == now) {
            (true, true) => assert_eq!(kinds, ""),
            (true, false) => assert_eq!(kinds, case),
            (false, _) => assert_eq!(kinds, "snapshot", "{case}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn positions_stay_good_over_a_restart() {
    let stage = Stage::begun(setup(3, &[2, 2])).await;
    let known = stage.position();
    done(stage.does(intern(1), choose(1, 1)).await);
    let stage = stage.crashes_and_returns("09:03").await;
    let mut viewer = Viewer::joins(&stage.room, Role::Spectator, Some(known));
    let messages = viewer.reads();
    assert!(messages.iter().all(|message| matches!(message, ServerMessage::Change { .. })), "{messages:?}");
    let Some(ServerMessage::Change { epoch, seq, .. }) = messages.last() else { panic!() };
    assert_eq!(Position { epoch: *epoch, seq: *seq }, stage.position());
}

#[tokio::test(start_paused = true)]
async fn one_intern_has_eight_connections_and_no_more() {
    let stage = Stage::begun(setup(2, &[1, 1])).await;
    let mut viewers: Vec<_> = (0..SOCKETS_PER_PERSON_MAX).map(|_| stage.watches(FIRST)).collect();
    assert_eq!(stage.room.join(FIRST, None).err(), Some(CloseCode::Full));
    let second = Role::Intern { rank: CallRank(2) };
    assert!(stage.room.join(second, None).is_ok(), "the bound is of one person, not of the room");
    viewers.pop().unwrap().leaves();
    assert!(stage.room.join(FIRST, None).is_ok());
    for nobody in [0, 3, u16::MAX] {
        let role = Role::Intern { rank: CallRank(nobody) };
        assert_eq!(stage.room.join(role, None).err(), Some(CloseCode::NotAllowed), "rank {nobody}");
    }
}

#[tokio::test(start_paused = true)]
async fn presence_is_told_to_administrators_together_and_to_nobody_else() {
    let stage = Stage::begun(setup(3, &[1, 1])).await;
    let mut control = stage.watches(Role::Administrator);
    let mut screen = stage.watches(Role::Spectator);
    control.reads();
    screen.reads();
    let (phone, laptop) = (stage.watches(FIRST), stage.watches(FIRST));
    let other = stage.watches(Role::Intern { rank: CallRank(2) });
    phone.leaves();
    assert_eq!(control.kinds(), "", "not one message each");
    tokio::time::sleep(PRESENCE_EVERY * 2).await;
    let told = control.reads();
    let [ServerMessage::Presence { interns, connections }] = &told[..] else { panic!("{told:?}") };
    let devices: Vec<_> = interns.iter().map(|presence| (presence.rank.0, presence.devices)).collect();
    assert_eq!((devices, *connections), (vec![(1, 1), (2, 1)], 4));
    laptop.leaves();
    other.leaves();
    tokio::time::sleep(PRESENCE_EVERY * 2).await;
    let told = control.reads();
    let [ServerMessage::Presence { interns, connections: 2 }] = &told[..] else { panic!("{told:?}") };
    assert!(interns.iter().all(|presence| presence.devices == 0 && presence.since == stage.now()));
    assert_eq!(screen.kinds(), "");
    let (all, connections) = stage.room.presence();
    assert_eq!((all.len(), connections), (2, 2), "whoever was here is remembered as gone");
}

#[tokio::test(start_paused = true)]
async fn p7_a_receipt_goes_to_its_owner_on_every_device_and_to_nobody_else() {
    let stage = Stage::begun(setup(3, &[1, 2])).await;
    done(stage.does(intern(1), pass(1)).await);
    stage.until("09:03").await;
    let second = Role::Intern { rank: CallRank(2) };
    let roles = [FIRST, FIRST, second, Role::Administrator, Role::Spectator];
    let mut viewers = roles.map(|role| stage.watches(role));
    viewers.iter_mut().for_each(|viewer| drop(viewer.reads()));
    stage.does(intern(1), choose(1, 1)).await;
    let kinds = viewers.each_mut().map(Viewer::kinds);
    assert_eq!(kinds, ["change"; 5], "held: no receipt yet");
    done(stage.does(intern(2), choose(2, 2)).await);
    let kinds = viewers.each_mut().map(Viewer::kinds);
    assert_eq!(kinds, ["change me", "change me", "change me", "change", "change"]);
}
