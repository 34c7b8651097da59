//! Who watches, and what waits for them: joining, resuming, presence, and lines that stay small.

use std::sync::{Arc, Mutex};

use amphi_engine::core::CallRank;
use amphi_engine::fanout::{End, FanOut, Line, Pocket, Said, Sink, Sweep, offer};
use amphi_engine::frame::Frame;
use amphi_engine::limits::{PERSONAL_BYTES_MAX, PRESENCE_EVERY, SOCKETS_PER_PERSON_MAX, WINDOW_BYTES_MAX};
use amphi_engine::protocol::{CloseCode, Position, Role, ServerMessage};
use tungstenite::protocol::frame::FrameSocket;

use crate::scene::{ADMINISTRATOR, choose, intern, pass, setup};
use crate::stage::{Stage, Viewer, done, suspend};

const FIRST: Role = Role::Intern { rank: CallRank(1) };

// --- lines ---------------------------------------------------------------------------------------

fn frame(fill: char, bytes: usize) -> Frame {
    Frame::text(fill.to_string().repeat(bytes))
}

/// How long the text in a frame of so many bytes is.
fn text_bytes(wire_bytes: usize) -> usize {
    wire_bytes - if wire_bytes > 1 << 16 { 10 } else { 4 }
}

/// Somebody who watches, and reads when the test says so.
struct Watcher {
    line: Arc<Line>,
    pocket: Arc<Pocket>,
}

impl Watcher {
    fn joins(fan_out: &mut FanOut, role: Role) -> Self {
        let pocket = Pocket::new();
        let line = Line::new(role, pocket.clone());
        fan_out.join(&line);
        Self { line, pocket }
    }

    /// The first character of each message that waits.
    fn reads(&self) -> String {
        let letter = |said| match said {
            Said::Text(text) => text[..1].to_owned(),
            Said::Close => "end".to_owned(),
        };
        self.pocket.read(&self.line).into_iter().map(letter).collect()
    }
}

fn one_watcher() -> (FanOut, Watcher) {
    let mut fan_out = FanOut::default();
    let watcher = Watcher::joins(&mut fan_out, Role::Spectator);
    (fan_out, watcher)
}

/// What the pump does when it has been woken.
fn sweep(fan_out: &FanOut) {
    let (mut sweep, mut lines) = (Sweep::default(), Vec::new());
    while fan_out.next_lines(&mut sweep, &mut lines) {
        offer(&mut lines);
    }
}

#[test]
fn s1_a_window_holds_up_to_its_bound_and_whoever_lacks_more_gets_one_snapshot() {
    let (fan_out, viewer) = one_watcher();
    let quarter = text_bytes(WINDOW_BYTES_MAX / 4);
    "abcd".chars().for_each(|fill| fan_out.broadcast(frame(fill, quarter)));
    assert_eq!(viewer.reads(), "abcd", "the bound itself fits");
    "abcd".chars().for_each(|fill| fan_out.broadcast(frame(fill, quarter)));
    fan_out.broadcast(frame('e', 1));
    assert_eq!(viewer.reads(), "", "one byte more does not");
    assert!(viewer.line.is_behind());
    fan_out.broadcast(frame('f', 1));
    assert_eq!(viewer.reads(), "", "and it stays so until there is a snapshot");
    viewer.line.catch_up([frame('s', 10)]);
    fan_out.broadcast(frame('g', 1));
    assert_eq!(viewer.reads(), "sg");
    assert_eq!(viewer.reads(), "");
}

#[test]
fn a_frame_larger_than_the_window_is_sent_all_the_same() {
    let (fan_out, viewer) = one_watcher();
    fan_out.broadcast(frame('a', WINDOW_BYTES_MAX * 3));
    assert_eq!(viewer.reads(), "a");
    viewer.line.catch_up([frame('s', WINDOW_BYTES_MAX * 3)]);
    assert_eq!(viewer.reads(), "s");
}

#[test]
fn everything_arrives_in_the_order_in_which_it_was_said() {
    let (fan_out, viewer) = one_watcher();
    viewer.line.say(frame('1', 5));
    "ab".chars().for_each(|fill| fan_out.broadcast(frame(fill, 5)));
    viewer.line.say(frame('2', 5));
    viewer.line.say(frame('3', 5));
    fan_out.broadcast(frame('c', 5));
    assert_eq!(viewer.reads(), "1ab23c");
}

#[test]
fn what_is_personal_is_never_dropped() {
    let (fan_out, viewer) = one_watcher();
    viewer.line.say(frame('1', 5));
    "ab".chars().for_each(|fill| fan_out.broadcast(frame(fill, WINDOW_BYTES_MAX)));
    viewer.line.say(frame('2', WINDOW_BYTES_MAX));
    assert_eq!(viewer.reads(), "12");
    assert!(viewer.line.is_behind());
    viewer.line.say(frame('3', 5));
    viewer.line.catch_up([frame('r', 1)]);
    viewer.line.catch_up([frame('s', 1)]);
    fan_out.broadcast(frame('c', 1));
    assert_eq!(viewer.reads(), "3sc", "and a snapshot that was not read is replaced by the next");
}

#[test]
fn a_snapshot_replaces_the_first_state_and_not_the_first_words() {
    let (_, viewer) = one_watcher();
    // Full before it is welcomed: nothing of it is on its way yet.
    viewer.line.say(frame('p', 5));
    viewer.line.welcome(frame('w', 5), Some(frame('r', 5)), vec![frame('m', 5), frame('d', 5)]);
    viewer.line.catch_up([frame('s', 5)]);
    assert_eq!(viewer.reads(), "pwmds");
}

#[test]
fn s1_who_lets_too_much_that_is_personal_wait_is_closed_and_costs_nothing_more() {
    let (fan_out, viewer) = one_watcher();
    let half = text_bytes(PERSONAL_BYTES_MAX / 2);
    viewer.line.say(frame('1', PERSONAL_BYTES_MAX * 2));
    assert_eq!(viewer.reads(), "1", "one always fits");
    "abc".chars().for_each(|fill| viewer.line.say(frame(fill, half)));
    assert_eq!(viewer.reads(), "abc", "one on its way, and the bound itself");
    "def".chars().for_each(|fill| viewer.line.say(frame(fill, half)));
    viewer.line.say(frame('g', 1));
    assert_eq!(viewer.line.ended(), Some(End::Closed(CloseCode::TooSlow)));
    for _ in 0..1_000 {
        viewer.line.say(frame('f', half));
        fan_out.broadcast(frame('g', 1_000));
        viewer.line.catch_up([frame('s', 1_000)]);
    }
    // What was taken from the queue when the socket was full is the first piece, and not begun: nothing of it is kept.
    assert!(
        viewer.line.waiting_bytes() < 64,
        "a close frame, and nothing else: {}",
        viewer.line.waiting_bytes()
    );
    assert_eq!(viewer.reads(), "end");
}

/// The dossiers of a long list go with the next sweep; the answer that follows must not find them in its way.
#[test]
fn whoever_reads_is_not_closed_for_what_was_not_tried_yet() {
    let (_, viewer) = one_watcher();
    let most = text_bytes(PERSONAL_BYTES_MAX * 3 / 4);
    viewer.line.add(frame('d', most));
    viewer.line.say(frame('o', most));
    assert_eq!(viewer.line.ended(), None);
    assert_eq!(viewer.reads(), "do");
}

#[test]
fn the_first_reason_to_close_wins_over_everything_that_waits() {
    let (fan_out, viewer) = one_watcher();
    fan_out.broadcast(frame('a', 1));
    viewer.line.say(frame('1', 1));
    viewer.line.close(CloseCode::TooSlow);
    viewer.line.close(CloseCode::GoingAway);
    viewer.line.fall_behind();
    viewer.line.catch_up([frame('s', 1)]);
    assert_eq!(viewer.line.ended(), Some(End::Closed(CloseCode::TooSlow)));
    assert_eq!(viewer.reads(), "end");
}

/// A socket that takes so many bytes at a time, and then one refusal.
#[derive(Default)]
struct Narrow {
    each: usize,
    taken: Mutex<(Vec<u8>, bool)>,
}

impl Sink for Narrow {
    fn try_write(&self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut taken = self.taken.lock().unwrap();
        taken.1 = !taken.1;
        if !taken.1 {
            return Err(std::io::ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(self.each);
        taken.0.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}

#[test]
fn frames_stay_whole_however_little_a_socket_takes_and_whenever_it_is_closed() {
    for each in 1..40 {
        for closed_after in 0..60 {
            let narrow = Arc::new(Narrow { each, ..Narrow::default() });
            let line = Line::new(Role::Spectator, narrow.clone());
            let mut fan_out = FanOut::default();
            fan_out.join(&line);
            let mut flushed = 0;
            for round in 0..4_u8 {
                fan_out.broadcast(frame(char::from(b'a' + round), 7));
                line.say(frame(char::from(b'0' + round), 5));
                sweep(&fan_out);
                while flushed < closed_after * usize::from(round) / 3 {
                    line.flush();
                    flushed += 1;
                }
            }
            line.close(CloseCode::GoingAway);
            while !line.is_drained() {
                line.flush();
            }
            let bytes = std::mem::take(&mut narrow.taken.lock().unwrap().0);
            let mut frames = FrameSocket::new(std::io::Cursor::new(bytes));
            let mut letters = String::new();
            while let Some(frame) = frames.read(None).unwrap() {
                letters.push(frame.to_text().map_or('.', |text| text.chars().next().unwrap()));
            }
            let (said, end) = letters.split_at(letters.len() - 1);
            assert!("a0b1c2d3".starts_with(said), "{each} bytes at a time: {letters}");
            assert!(
                end.starts_with(|end: char| !end.is_ascii_alphanumeric()),
                "a close frame ends it: {letters}"
            );
        }
    }
}

#[tokio::test]
async fn the_connection_is_woken_when_its_socket_is_full_when_it_is_behind_and_when_it_is_over() {
    type Tell = fn(&FanOut, &Line);
    let tell: [Tell; 4] = [
        |fan_out, _| fan_out.broadcast(frame('a', 1)),
        |_, line| line.say(frame('1', 1)),
        |_, line| line.fall_behind(),
        |_, line| line.close(CloseCode::GoingAway),
    ];
    for tell in tell {
        let (fan_out, viewer) = one_watcher();
        let line = Arc::clone(&viewer.line);
        let waiting = tokio::spawn(async move { line.news().await });
        tokio::task::yield_now().await;
        tell(&fan_out, &viewer.line);
        sweep(&fan_out);
        waiting.await.unwrap();
    }
}

#[test]
fn s1_a_viewer_that_never_reads_costs_no_more_than_its_bound() {
    let (mut fan_out, asleep) = one_watcher();
    let awake = Watcher::joins(&mut fan_out, Role::Spectator);
    for _ in 0..2_000 {
        fan_out.broadcast(frame('a', 400));
        sweep(&fan_out);
        assert!(
            asleep.line.waiting_bytes() < 1_024,
            "what was on its way when the socket was full, and no more"
        );
        assert_eq!(awake.reads(), "a", "nobody else notices");
    }
    assert_eq!(asleep.reads(), "a", "what was on its way");
    assert!(asleep.line.is_behind(), "and then it needs a snapshot");
}

#[test]
fn those_who_take_part_are_told_before_those_who_watch() {
    let mut fan_out = FanOut::default();
    let roles = [Role::Spectator, FIRST, Role::Spectator, Role::Administrator];
    let _watchers = roles.map(|role| Watcher::joins(&mut fan_out, role));
    let mut lines = Vec::new();
    fan_out.next_lines(&mut Sweep::default(), &mut lines);
    let told: Vec<Role> = lines.iter().map(|line| line.role()).collect();
    assert_eq!(told, [FIRST, Role::Administrator, Role::Spectator, Role::Spectator]);
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
    let joins = |role| stage.room.join(&Line::new(role, Pocket::new()), None);
    assert_eq!(joins(FIRST).err(), Some(CloseCode::Full));
    let second = Role::Intern { rank: CallRank(2) };
    assert!(joins(second).is_ok(), "the bound is of one person, not of the room");
    viewers.pop().unwrap().leaves();
    assert!(joins(FIRST).is_ok());
    for nobody in [0, 3, u16::MAX] {
        let role = Role::Intern { rank: CallRank(nobody) };
        assert_eq!(joins(role).err(), Some(CloseCode::NotAllowed), "rank {nobody}");
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
