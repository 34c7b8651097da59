//! Logs: to stderr, readable or JSON; never a name, an address, a token or an IP.

use tracing_subscriber::EnvFilter;

/// Starts logging at `RUST_LOG`, or at warnings.
pub fn start(default_level: &str, json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_level));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if json {
        logs.json().init();
    } else {
        logs.compact().init();
    }
}
