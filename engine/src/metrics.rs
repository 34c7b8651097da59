//! What a server counts and times: every metric, named in this one place.
//!
//! Invariants: a name says what is measured, its unit last; a metric has at most one label, and the values of a
//! label are a closed enum. So every series is there from the start, none ever joins, and no amphi, person or
//! address can become one. Handles are resolved once, by [`meters`]: measuring is an atomic addition, and nothing
//! at all when the wiring has installed no recorder.
//! Deliberately absent: the recorder and the page that shows it (the wiring's), and everything per delivery: what
//! goes to a thousand sockets is counted once a sweep.

use std::marker::PhantomData;
use std::sync::LazyLock;

use ::metrics::{
    Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, SharedString, Unit, with_recorder,
};

use crate::protocol::{CloseCode, Outcome, Role};

/// Where the buckets of a duration end, in seconds. One scale for all, so that they can be laid over each other: from
/// half a group commit on a fast disk to the ten seconds after which the journal is given up; between them, the
/// bounds that are promised are bounds of buckets (3, 5, 8, 15 ms for choices, 50 and 100 ms for changes and pages,
/// 5 s for a blocked viewer).
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.002, 0.003, 0.005, 0.008, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Where the buckets of a group's size end: doubling, up to the largest group.
const COMMANDS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows; starts anew with the server.
    Counter,
    /// What is true now.
    Gauge,
    /// How often it was at most so much; the ends of its buckets.
    Histogram(&'static [f64]),
}

/// A metric, as it is published.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name, unit last.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// What its value is in.
    pub unit: Unit,
    /// What it says, in one sentence.
    pub help: &'static str,
    /// Its label, if it has one, and all the values that it can take.
    pub label: Option<(&'static str, &'static [&'static str])>,
}

impl Metric {
    const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, unit: Unit::Count, help, label: None }
    }

    const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, unit: Unit::Count, help, label: None }
    }

    const fn seconds(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Histogram(SECONDS), unit: Unit::Seconds, help, label: None }
    }

    /// The same, by `L`.
    const fn by<L: Labelled>(mut self) -> Self {
        self.label = Some((L::NAME, L::VALUES));
        self
    }
}

/// A label: a closed enum, whose values are known when the server starts.
pub trait Labelled: Copy {
    /// Its name.
    const NAME: &'static str;
    /// Its values, in the order of the enum.
    const VALUES: &'static [&'static str];
    /// Which of them this is.
    fn index(self) -> usize;
}

macro_rules! label {
    ($(#[$said:meta])* $label:ident as $name:literal { $($(#[$meant:meta])* $variant:ident: $value:literal,)+ }) => {
        $(#[$said])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $label { $($(#[$meant])* $variant,)+ }

        impl Labelled for $label {
            const NAME: &'static str = $name;
            const VALUES: &'static [&'static str] = &[$($value,)+];

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

label! {
    /// What a viewer may see.
    Audience as "role" {
        /// An intern.
        Intern: "intern",
        /// The holder of a proxy.
        Holder: "holder",
        /// An administrator.
        Administrator: "administrator",
        /// The public screen.
        Spectator: "spectator",
    }
}

impl From<Role> for Audience {
    fn from(role: Role) -> Self {
        match role {
            Role::Intern { .. } => Self::Intern,
            Role::Holder { .. } => Self::Holder,
            Role::Administrator => Self::Administrator,
            Role::Spectator => Self::Spectator,
        }
    }
}

label! {
    /// Why a live connection ended.
    Ending as "reason" {
        /// The client went.
        Left: "left",
        /// [`CloseCode::GoingAway`]
        GoingAway: "going_away",
        /// [`CloseCode::TooSlow`]
        TooSlow: "too_slow",
        /// [`CloseCode::Full`]
        Full: "full",
        /// [`CloseCode::Silent`]
        Silent: "silent",
        /// [`CloseCode::ProtocolError`]
        ProtocolError: "protocol_error",
        /// [`CloseCode::UnsupportedProtocol`]
        UnsupportedProtocol: "unsupported_protocol",
        /// [`CloseCode::NotAllowed`]
        NotAllowed: "not_allowed",
    }
}

impl From<Option<CloseCode>> for Ending {
    /// Without a code, the client was gone before we had anything to say.
    fn from(code: Option<CloseCode>) -> Self {
        match code {
            None => Self::Left,
            Some(CloseCode::GoingAway) => Self::GoingAway,
            Some(CloseCode::TooSlow) => Self::TooSlow,
            Some(CloseCode::Full) => Self::Full,
            Some(CloseCode::Silent) => Self::Silent,
            Some(CloseCode::ProtocolError) => Self::ProtocolError,
            Some(CloseCode::UnsupportedProtocol) => Self::UnsupportedProtocol,
            Some(CloseCode::NotAllowed) => Self::NotAllowed,
        }
    }
}

label! {
    /// How a command was answered.
    Answer as "answer" {
        /// Done, durably.
        Done: "done",
        /// Refused: nothing had to become durable.
        Refused: "refused",
    }
}

impl From<&Outcome> for Answer {
    fn from(outcome: &Outcome) -> Self {
        if matches!(outcome, Outcome::Refused { .. }) { Self::Refused } else { Self::Done }
    }
}

label! {
    /// What became of a group's one statement.
    Written as "result" {
        /// Committed.
        Committed: "committed",
        /// One of the group broke a constraint: each is written anew, by itself.
        Violation: "violation",
        /// No answer, or a broken one.
        Unknown: "unknown",
    }
}

label! {
    /// What became of an attempt to send a mail.
    Mailing as "result" {
        /// A server has taken it.
        Sent: "sent",
        /// Refused for now, tried again later.
        Refused: "refused",
        /// Refused for good.
        GivenUp: "given_up",
        /// No server could be asked.
        PutBack: "put_back",
    }
}

label! {
    /// The class of an HTTP answer.
    StatusClass as "class" {
        /// Upgrades to a live connection.
        Informational: "1xx",
        /// Pages.
        Success: "2xx",
        /// Elsewhere, or not modified.
        Redirection: "3xx",
        /// Not to be had, or not by this visitor.
        ClientError: "4xx",
        /// Our fault, or no room.
        ServerError: "5xx",
    }
}

impl StatusClass {
    /// The class of an HTTP status.
    pub fn of(status: u16) -> Self {
        match status {
            0..200 => Self::Informational,
            200..300 => Self::Success,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

/// Declares the metrics, the list of them, and what measures them.
macro_rules! metrics {
    ($($(#[$said:meta])* $field:ident: $handle:ty = $metric:expr;)+) => {
        /// Every metric, in the order in which a reader wants them.
        pub const ALL: &[Metric] = &[$($metric,)+];

        /// The handles of every metric, resolved once.
        pub struct Meters {
            $(#[doc = concat!("See the help of `", stringify!($field), "` in [`ALL`].")] pub $field: $handle,)+
        }

        impl Meters {
            /// Bound to the recorder that is installed now, which is told what each metric means.
            pub fn resolve() -> Self {
                with_recorder(|recorder| Self { $($field: <$handle>::resolve(&$metric, recorder),)+ })
            }
        }
    };
}

metrics! {
    rooms: Gauge =
        Metric::gauge("amphi_rooms", "Amphis in service on this server.");
    rooms_without_journal: Gauge =
        Metric::gauge("amphi_rooms_without_journal", "Amphis that cannot write to the journal now; they are suspended.");
    acknowledgement: Per<Answer, Histogram> = Metric::seconds(
        "amphi_acknowledgement_seconds",
        "From the arrival of a command to its answer; what is done is durable by then.",
    ).by::<Answer>();
    busy: Counter =
        Metric::counter("amphi_commands_busy_total", "Commands not looked at, because too many waited.");
    commit: Per<Written, Histogram> = Metric::seconds(
        "amphi_commit_seconds",
        "How long the one statement of a group commit took.",
    ).by::<Written>();
    commit_commands: Histogram = Metric {
        kind: Kind::Histogram(COMMANDS),
        ..Metric::gauge("amphi_commit_commands", "How many commands, of all amphis, one group commit wrote.")
    };
    deadline_lateness: Histogram = Metric::seconds(
        "amphi_deadline_lateness_seconds",
        "How long after it was due, or could first be done, a turn was ended or opened, durably; real time.",
    );
    reloads: Counter =
        Metric::counter("amphi_reloads_total", "Amphis read anew, because the outcome of a write was unknown.");
    heartbeats_failed: Counter =
        Metric::counter("amphi_heartbeats_failed_total", "Heartbeats that could not be written.");
    connections: Per<Audience, Gauge> =
        Metric::gauge("amphi_connections", "Live connections that have joined an amphi.").by::<Audience>();
    connections_closed: Per<Ending, Counter> =
        Metric::counter("amphi_connections_closed_total", "Live connections that ended.").by::<Ending>();
    arrivals_refused: Counter = Metric::counter(
        "amphi_arrivals_refused_total",
        "Connections told to come back: too many came at once, or every place was taken.",
    );
    viewers_blocked: Gauge =
        Metric::gauge("amphi_viewers_blocked", "Viewers whose socket takes nothing of what waits for them.");
    snapshots: Counter = Metric::counter(
        "amphi_snapshots_total",
        "Current snapshots given to viewers that fell behind, or found a gap.",
    );
    broadcasts: Counter =
        Metric::counter("amphi_broadcasts_total", "Frames for everybody: changes of an amphi, mostly.");
    deliveries: Counter = Metric::counter(
        "amphi_deliveries_total",
        "Viewers reached by sweeps, each with all the frames it lacked.",
    );
    push: Histogram = Metric::seconds(
        "amphi_push_seconds",
        "From a committed change to the last write of the sweep that tells everybody.",
    );
    mails: Per<Mailing, Counter> =
        Metric::counter("amphi_mails_total", "Attempts to send a mail.").by::<Mailing>();
    http: Per<StatusClass, Histogram> = Metric::seconds(
        "amphi_http_request_seconds",
        "From the head of an HTTP request to the head of its answer.",
    ).by::<StatusClass>();
}

/// The meters of this process, bound to the recorder that was installed when they were first asked for.
pub fn meters() -> &'static Meters {
    static METERS: LazyLock<Meters> = LazyLock::new(Meters::resolve);
    &METERS
}

/// One handle for each value of a label.
pub struct Per<L, H> {
    handles: Vec<H>,
    by: PhantomData<fn(L)>,
}

impl<L: Labelled, H> Per<L, H> {
    /// The one of `value`.
    pub fn of(&self, value: L) -> &H {
        &self.handles[value.index()]
    }
}

impl<L: Labelled, H: Handle> Per<L, H> {
    fn resolve(metric: &Metric, recorder: &dyn Recorder) -> Self {
        let labelled = |value: &&'static str| {
            let label = Label::from_static_parts(L::NAME, value);
            H::register(recorder, &Key::from_parts(metric.name, vec![label]))
        };
        H::describe(recorder, metric);
        Self { handles: L::VALUES.iter().map(labelled).collect(), by: PhantomData }
    }
}

/// What a recorder gives for a metric of each kind.
pub trait Handle: Sized {
    /// The handle of the series `key`.
    fn register(recorder: &dyn Recorder, key: &Key) -> Self;
    /// Says what `metric` means.
    fn describe(recorder: &dyn Recorder, metric: &Metric);

    /// The handle of a metric without a label.
    fn resolve(metric: &Metric, recorder: &dyn Recorder) -> Self {
        Self::describe(recorder, metric);
        Self::register(recorder, &Key::from_static_name(metric.name))
    }
}

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

macro_rules! handle {
    ($handle:ty, $register:ident, $describe:ident) => {
        impl Handle for $handle {
            fn register(recorder: &dyn Recorder, key: &Key) -> Self {
                recorder.$register(key, &METADATA)
            }

            fn describe(recorder: &dyn Recorder, metric: &Metric) {
                let help = SharedString::const_str(metric.help);
                recorder.$describe(metric.name.into(), Some(metric.unit), help);
            }
        }
    };
}

handle!(Counter, register_counter, describe_counter);
handle!(Gauge, register_gauge, describe_gauge);
handle!(Histogram, register_histogram, describe_histogram);

/// One more of what a gauge counts, until it is dropped.
pub struct Counted(&'static Gauge);

impl Counted {
    /// Counts one more.
    pub fn by(gauge: &'static Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
