//! How many instructions the core, framing, a broadcast round and the journal's chain take, counted by callgrind.
//!
//! A count says what a change costs on a machine that does other things, too: it moves by thousandths from run to
//! run, where times move by halves. So it can be compared in CI, with a bound; what it cannot see are caches,
//! locks, and the system calls that are most of a delivery: those are `amphi-loadtest`'s to measure.
//!
//! Run by `tests/instructions.sh`. The program starts itself under callgrind, which counts, of every call, what
//! it cost; the cases are the functions that are called `measured_…`, each of which is called once.

#![allow(clippy::unwrap_used, reason = "a bench that panics has failed, as it should")]

#[path = "../tests/support/scene.rs"]
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
mod scene;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command as Process, ExitCode};
use std::sync::Arc;

use amphi_engine::core::opening::{Opening, OpeningRange};
use amphi_engine::core::{
    Actor, Amphi, CallRank, Chance, Change, Command, CommandId, Event, Forecast, Millis, PostNumber,
    SafetyNet, Timestamp,
};
use amphi_engine::fanout::{self, FanOut, Line, Sink};
use amphi_engine::frame::Frame;
use amphi_engine::journal::{Entry, Hash};
use amphi_engine::ledger::{Committed, Ledger, Prepared};
use amphi_engine::metrics::{Answer, Meters, Written};
use amphi_engine::protocol::{Role, ServerMessage};
use metrics::with_local_recorder;
use metrics_exporter_prometheus::PrometheusBuilder;
use scene::{ADMINISTRATOR, amphi, at, choose, intern, setup};
use uuid::Uuid;

const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.json");
/// How far a count may be from the expected one, in percent: another patch release of the compiler, or a processor
/// for which the C library copies otherwise, moves some by a few; an allocation or a pass over the list too many
/// moves its own by more.
const BOUND_PERCENT: u64 = 15;
/// What a case may move by in any case: the smallest ones are a few hundred instructions.
const SLACK: u64 = 100;
/// What the program is told when it runs under callgrind.
const INSIDE: &str = "--inside-callgrind";

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == INSIDE) {
        measure_everything();
        return ExitCode::SUCCESS;
    }
    let counted = count();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(EXPECTED, serde_json::to_string_pretty(&counted).unwrap() + "\n").unwrap();
    }
    let expected = std::fs::read_to_string(EXPECTED).unwrap_or_else(|_| "{}".to_owned());
    let expected: BTreeMap<String, u64> = serde_json::from_str(&expected).unwrap();
    if compare(&expected, &counted) {
        return ExitCode::SUCCESS;
    }
    eprintln!(
        "\nA count is more than {BOUND_PERCENT} % away from engine/benches/instructions.json. If that is meant (or \
         the compiler is another one), say so: UPDATE_GOLDEN=1 tests/instructions.sh, and commit what it wrote. \
         Where the instructions go: callgrind_annotate --inclusive=yes target/tmp/instructions.callgrind"
    );
    ExitCode::FAILURE
}

/// Shows what was counted beside what was expected; whether each is within the bound.
fn compare(expected: &BTreeMap<String, u64>, counted: &BTreeMap<String, u64>) -> bool {
    println!("{:28} {:>12} {:>12} {:>8}", "instructions", "expected", "counted", "");
    let mut all_well = expected.len() == counted.len();
    for (case, &now) in counted {
        let before = expected.get(case).copied().unwrap_or_default();
        let well = now.abs_diff(before) <= SLACK.max(before * BOUND_PERCENT / 100);
        let percent = (now as f64 / before.max(1) as f64 - 1.0) * 100.0;
        println!("{case:28} {before:12} {now:12} {percent:+7.1} %{}", if well { "" } else { "  <--" });
        all_well &= well;
    }
    all_well
}

/// Runs this program under callgrind; the count of each case, by its name.
fn count() -> BTreeMap<String, u64> {
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions.callgrind");
    let ran = Process::new("valgrind")
        // Names written out at every call, so that each can be read by itself.
        .args(["--tool=callgrind", "--compress-strings=no"])
        .arg(format!("--callgrind-out-file={}", written.display()))
        .arg(std::env::current_exe().unwrap())
        .arg(INSIDE)
        .output()
        .expect("valgrind is installed (apt install valgrind)");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    calls(&std::fs::read_to_string(written).unwrap())
}

/// What each case cost, with everything that it called: a call is three lines, whom, how often and from where, and
/// the line of the call with its cost.
fn calls(written: &str) -> BTreeMap<String, u64> {
    let lines: Vec<&str> = written.lines().collect();
    let case = |call: &[&str]| {
        let (_, name) = call[0].strip_prefix("cfn=")?.split_once("::measured_")?;
        assert!(call[1].starts_with("calls=1 "), "{name} is called once: {}", call[1]);
        Some((name.to_owned(), call[2].rsplit(' ').next()?.parse().ok()?))
    };
    lines.windows(3).filter_map(case).collect()
}

// --- what is counted -------------------------------------------------------------------------------

const INTERNS: u16 = 490;
const POSTS: u16 = 120;
/// Who has chosen already.
const CHOSEN: u16 = 200;
/// From here on, interns have wishes.
const WISHING_FROM: u16 = 240;
const VIEWERS: u16 = 1_000;
const TURN: Millis = Millis::from_minutes(3);

/// A session of 490 interns in which 200 have chosen, one after the other, and the next is in turn.
struct Session {
    ledger: Ledger,
    journal: Vec<Entry>,
    now: Timestamp,
}

impl Session {
    fn under_way() -> Self {
        let mut setup = setup(INTERNS, &vec![4; usize::from(POSTS)]);
        let range =
            OpeningRange { opens_at: at("09:00"), closes_at: at("09:00") + Millis::from_minutes(2_000) };
        setup.opening = Opening::new(vec![range]).unwrap();
        setup.turn_duration = TURN;
        let ledger = Ledger::replay(amphi(1), 1, &[], |_, _, _| {}).unwrap();
        let mut session = Self { ledger, journal: Vec::new(), now: at("08:00") };
        session.does(ADMINISTRATOR, &Command::Draft(Box::new(setup)));
        session.does(ADMINISTRATOR, &Command::Publish);
        session.does(ADMINISTRATOR, &Command::Open);
        for rank in WISHING_FROM..=INTERNS {
            let wishes = (0..10).map(|wish| PostNumber((rank + wish * 7) % POSTS + 1)).collect();
            let command = Command::SetWishes { rank: CallRank(rank), wishes, safety_net: SafetyNet::Never };
            session.does(intern(rank), &command);
        }
        for rank in 1..=CHOSEN {
            session.begins_turn();
            session.does(intern(rank), &choose(rank, rank % POSTS + 1));
        }
        session.begins_turn();
        session
    }

    /// Opens the next turn, which is not before its convoked time, and lets a minute of it pass.
    fn begins_turn(&mut self) {
        self.now = self.ledger.amphi().next_deadline().unwrap();
        self.does(Actor::Engine, &Command::Tick);
        self.now = self.now + Millis::from_minutes(1);
    }

    fn prepares(&self, actor: Actor, command: &Command) -> Prepared {
        let id = CommandId(Uuid::from_u128(self.journal.len() as u128));
        self.ledger.prepare(actor, command, Some(id), self.now.into()).unwrap()
    }

    fn does(&mut self, actor: Actor, command: &Command) {
        let prepared = self.prepares(actor, command);
        self.ledger.commit(&prepared).unwrap();
        self.journal.extend(prepared.append.entries);
    }
}

/// A socket that takes everything.
struct Swallow;

impl Sink for Swallow {
    fn try_write(&self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }
}

/// Everybody on the list, and whoever watches.
fn audience() -> FanOut {
    let mut audience = FanOut::default();
    for index in 1..=VIEWERS {
        let role = if index > INTERNS { Role::Spectator } else { Role::Intern { rank: CallRank(index) } };
        audience.join(&Line::new(role, Arc::new(Swallow)));
    }
    audience
}

fn measure_everything() {
    let mut session = Session::under_way();
    let (rank, chosen) = (CHOSEN + 1, choose(CHOSEN + 1, 7));
    let late = session.ledger.amphi().turn().unwrap().deadline;
    let mut after = session.ledger.amphi().clone();

    let events = measured_decide_choice(session.ledger.amphi(), rank, black_box(&chosen), session.now);
    measured_apply_choice(&mut after, session.now, black_box(&events));
    measured_check_invariants(black_box(&after));
    let change = measured_change(black_box(&after), &events);
    black_box(measured_decide_tick(black_box(session.ledger.amphi()), late));
    black_box(measured_forecasts(black_box(&after), session.now));
    black_box(measured_outlook(black_box(&after)));

    let told = measured_frame_change(change);
    let audience = audience();
    black_box(measured_broadcast_round(&audience, told));
    black_box(measured_frame_snapshot(black_box(&after)));
    black_box(measured_chain_entry(session.ledger.hash(), session.now, rank, black_box(&events[0])));
    let prepared = measured_prepare_choice(&session, rank, black_box(&chosen));
    black_box(measured_commit_choice(&mut session.ledger, black_box(&prepared)));
    black_box(measured_replay(black_box(&session.journal)));

    let recorder = PrometheusBuilder::new().build_recorder();
    let recorded = with_local_recorder(&recorder, Meters::resolve);
    measured_metering_on(black_box(&recorded));
}

#[inline(never)]
fn measured_decide_choice(amphi: &Amphi, rank: u16, choice: &Command, now: Timestamp) -> Vec<Event> {
    amphi.decide(intern(rank), choice, now).unwrap()
}

#[inline(never)]
fn measured_apply_choice(amphi: &mut Amphi, now: Timestamp, events: &[Event]) {
    events.iter().for_each(|event| amphi.apply(now, event));
}

#[inline(never)]
fn measured_check_invariants(amphi: &Amphi) {
    amphi.check().unwrap();
}

#[inline(never)]
fn measured_change(amphi: &Amphi, events: &[Event]) -> Change {
    amphi.change(events)
}

#[inline(never)]
fn measured_decide_tick(amphi: &Amphi, now: Timestamp) -> Vec<Event> {
    amphi.decide(Actor::Engine, &Command::Tick, now).unwrap()
}

#[inline(never)]
fn measured_forecasts(amphi: &Amphi, now: Timestamp) -> Vec<Option<Forecast>> {
    amphi.forecasts(now)
}

#[inline(never)]
fn measured_outlook(amphi: &Amphi) -> Vec<Option<Vec<Chance>>> {
    amphi.outlook()
}

#[inline(never)]
fn measured_frame_change(change: Change) -> Frame {
    Frame::of(&ServerMessage::Change { epoch: 1, from_seq: 800, seq: 803, change })
}

/// A change to 1,000 viewers, but for the system calls: 1,000 slices of the window, each offered to its socket.
#[inline(never)]
fn measured_broadcast_round(audience: &FanOut, frame: Frame) -> u64 {
    audience.broadcast(frame);
    let (mut sweep, _) = audience.begin_sweep();
    let (mut reached, mut lines) = (0, Vec::new());
    while audience.next_lines(&mut sweep, &mut lines) {
        reached += fanout::offer(&mut lines);
    }
    reached
}

/// What is made once for all who arrive between two changes.
#[inline(never)]
fn measured_frame_snapshot(amphi: &Amphi) -> Frame {
    let snapshot = Box::new(amphi.snapshot().unwrap());
    Frame::of(&ServerMessage::Snapshot { epoch: 1, seq: 803, snapshot })
}

#[inline(never)]
fn measured_chain_entry(previous: Hash, now: Timestamp, rank: u16, event: &Event) -> Entry {
    Entry::new(previous, 804, 1, None, now, &intern(rank), event)
}

/// Decide, chain, and say what is to be written.
#[inline(never)]
fn measured_prepare_choice(session: &Session, rank: u16, choice: &Command) -> Prepared {
    session.prepares(intern(rank), choice)
}

/// Apply, check the invariants, and say who is told what.
#[inline(never)]
fn measured_commit_choice(ledger: &mut Ledger, prepared: &Prepared) -> Committed {
    ledger.commit(prepared).unwrap()
}

/// What is measured of one choice that 1,000 viewers are told, with a recorder: as many values, however many the
/// viewers. Each of the four distributions makes room for what follows here, so that this is the most it costs.
#[inline(never)]
fn measured_metering_on(meters: &Meters) {
    meters.acknowledgement.of(Answer::Done).record(0.0021);
    meters.commit.of(Written::Committed).record(0.0013);
    meters.commit_commands.record(1.0);
    meters.broadcasts.increment(1);
    meters.deliveries.increment(1_000);
    meters.push.record(0.0074);
}

/// Reading the journal so far, as at a start.
#[inline(never)]
fn measured_replay(journal: &[Entry]) -> Ledger {
    Ledger::replay(amphi(1), 2, journal, |_, _, _| {}).unwrap()
}
