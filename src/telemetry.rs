//! Logs: to stderr, readable or JSON; never a name, an address, a token or an IP.

use amphi_portal::audit;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt, Targets};
use tracing_subscriber::layer::{Filter, Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

/// Starts logging at `RUST_LOG`, or at the level given; the audit lines are there in any case.
pub fn start(default_level: &str, json: bool) {
    let asked = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_level));
    let lines = tracing_subscriber::fmt::layer::<Registry>().with_writer(std::io::stderr);
    let lines = if json { lines.json().boxed() } else { lines.compact().boxed() };
    tracing_subscriber::registry().with(lines.with_filter(with_audit(asked))).init();
}

/// What is asked for, and the audit lines, which nobody may silence (domain 7).
fn with_audit(asked: EnvFilter) -> impl Filter<Registry> {
    FilterExt::<Registry>::or(asked, Targets::new().with_target(audit::TARGET, LevelFilter::INFO))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// What is written of one line of each kind when `asked` is the filter.
    fn written(asked: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = Arc::new(file.reopen().unwrap());
        let lines = tracing_subscriber::fmt::layer::<Registry>().with_ansi(false).with_writer(writer);
        let lines = lines.with_filter(with_audit(EnvFilter::new(asked)));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            tracing::info!(target: audit::TARGET, "taken away");
            tracing::warn!("a warning");
            tracing::info!("other news");
        });
        std::fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn what_is_taken_away_is_written_down_whatever_the_level_of_the_rest() {
        for (asked, warning, news) in [
            ("warn", true, false),
            ("info", true, true),
            ("off", false, false),
            ("error,amphi::audit=off", false, false),
        ] {
            let log = written(asked);
            assert!(log.contains("INFO amphi::audit: taken away"), "{asked}: {log}");
            assert_eq!(
                (log.contains("a warning"), log.contains("other news")),
                (warning, news),
                "{asked}: {log}"
            );
        }
    }
}
