//! Every bound of the engine, each with its reason, in one place.

use std::time::Duration;

/// Largest message from a client, in bytes: the largest command is a reason of 500 characters.
pub const CLIENT_MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// Read buffer that the WebSocket library keeps for each socket: a usual command. Bytes are read into a
/// buffer of the thread first; the library's default of 128 KiB would be kept by every idle connection.
pub const SOCKET_READ_BUFFER_BYTES: usize = 128;
/// How often a socket is read before others have their turn: 128 KiB of a flood.
pub const READS_PER_WAKE: usize = 16;
/// Sockets written to without a pause: about half a millisecond, which is what a command may have to wait.
pub const WRITES_PER_SLICE: usize = 64;
/// How long a new connection may stay without saying `hello`.
pub const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// After how long a silence a connection is pinged, at the latest…
pub const PING_EVERY: Duration = Duration::from_secs(18);
/// …by how much earlier it may be, so that those who came at the same moment are not pinged at the same moment: the pings of
/// 18,000 who arrived within three seconds take nine…
pub const PING_SPREAD: Duration = Duration::from_secs(6);
/// …and how long it may take to answer, less the second by which a ping may be late where many are due: with
/// [`PING_EVERY`], a half-open connection is noticed within 30 s (S2), with two to spare for that and a busy machine.
pub const PONG_WITHIN: Duration = Duration::from_secs(10);
/// How long a socket may take nothing of what waits before the viewer is closed as too slow (S1). Whoever takes
/// something, however slowly, stays.
pub const BLOCKED_AT_MOST: Duration = Duration::from_secs(5);
/// Public frames kept for viewers whose socket is full, in bytes; whoever lacks more gets one current snapshot.
pub const WINDOW_BYTES_MAX: usize = 64 * 1024;
/// Personal frames waiting for one viewer, in bytes; beyond, it is closed as too slow. Answers to all the
/// commands of a window, or the presence of 2,000 people twice over.
pub const PERSONAL_BYTES_MAX: usize = 256 * 1024;
/// How long the last word to a connection, its close frame, may take: together with the half second in
/// which a sign-out is noticed, within the second that S9 allows.
pub const FAREWELL_WITHIN: Duration = Duration::from_millis(400);
/// Commands one socket may send in [`COMMAND_WINDOW`]; a person in a hurry sends three.
pub const COMMANDS_PER_WINDOW: u32 = 30;
/// See [`COMMANDS_PER_WINDOW`].
pub const COMMAND_WINDOW: Duration = Duration::from_secs(10);
/// Pings and pongs one socket may send in [`COMMAND_WINDOW`]: a library that pings every second, twice over.
pub const CONTROLS_PER_WINDOW: u32 = 20;
/// How long one message may take to arrive in fragments; the longest one takes a phone a second.
pub const MESSAGE_WITHIN: Duration = Duration::from_secs(10);
/// How long the head of an HTTP request may take to arrive, and how long a connection may wait for one:
/// it is also how long a browser's idle connection is kept.
pub const REQUEST_HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long an answer may be stuck without [`SENT_AT_LEAST_BYTES`] of it going out…
pub const STUCK_AT_MOST: Duration = Duration::from_secs(30);
/// …so that who reads slower than a thousand bytes a second gives its place up.
pub const SENT_AT_LEAST_BYTES: usize = 32 * 1024;
/// Open connections of one intern: 2.5 are usual (phone, laptop, a second tab).
pub const SOCKETS_PER_PERSON_MAX: usize = 8;
/// Spectators, and interns whose turn is far, that are let in within [`ARRIVAL_WINDOW`]: what a core greets
/// when it does nothing else (35 µs each, measured with 2,000 viewers of one amphi; up to 120 when 18,000 storm 2,500
/// amphis), so that what waits behind a crowd is bounded.
pub const ARRIVALS_PER_WINDOW: usize = 2_500;
/// See [`ARRIVALS_PER_WINDOW`]: short, because whoever matters may have to wait for as long.
pub const ARRIVAL_WINDOW: Duration = Duration::from_millis(100);
/// One place in so many is kept for those who are near their turn, late, or run a session: 990 of the 19,800 of a
/// process that may have 20,000 descriptors, so that 18,000 others fit (F9).
pub const PLACES_RESERVED_ONE_IN: usize = 20;
/// How many turns before their own somebody is near it: half an hour of usual turns.
pub const NEAR_TURNS: u16 = 10;
/// When whoever was not let in may come back, at least; and at most three times that.
pub const COME_BACK_AFTER: Duration = Duration::from_secs(1);
/// Commands waiting for one amphi; beyond, the client is told `busy`. Twice the largest real
/// list (490) at once.
pub const MAILBOX_COMMANDS_MAX: usize = 1_024;
/// What a `busy` client is told to wait, at least.
pub const BUSY_RETRY_AFTER: Duration = Duration::from_millis(500);
/// Changes kept for clients that come back; some minutes of a busy amphi.
pub const RESUME_CHANGES_MAX: usize = 1_024;
/// Refusals remembered per amphi, so that a command sent again gets its first answer.
pub const REFUSALS_REMEMBERED_MAX: usize = 4_096;
/// Submissions written in one statement: beyond, the statement's latency grows faster than its yield.
pub const GROUP_COMMIT_MAX: usize = 256;
/// A write that takes longer is an interruption: screens say so, and the turn's clock stands still.
pub const JOURNAL_SLOW_AFTER: Duration = Duration::from_secs(3);
/// A write without an answer after this long has an unknown outcome: the room reloads.
pub const JOURNAL_GIVE_UP_AFTER: Duration = Duration::from_secs(10);
/// How often a server says that it is alive; also the most that a crash can stretch a turn (A10).
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// Pause before asking the journal again after a failure: it doubles from the first to the last.
pub const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Presence is told to administrators at most this often, however many come at once.
pub const PRESENCE_EVERY: Duration = Duration::from_millis(250);
/// Descriptors kept for the database and for files when connections are counted against the limit.
pub const DESCRIPTORS_RESERVED: u64 = 100;
/// Connections that live ones leave to pages: whoever finds every live place taken can still read.
pub const PAGE_CONNECTIONS_RESERVED: usize = 100;
