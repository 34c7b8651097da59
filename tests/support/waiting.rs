//! Waiting for facts: asked again and again, never for longer than a bound.

use std::time::Duration;

/// How long a fact may take on a loaded machine. A test that passes needs a fraction of it.
pub const FACT_MAX: Duration = Duration::from_secs(45);
const ASK_EVERY: Duration = Duration::from_millis(40);

/// Asks until the answer is `Some`.
///
/// # Panics
/// When it is never so.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        let mut pace = tokio::time::interval(ASK_EVERY);
        loop {
            pace.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    };
    match tokio::time::timeout(FACT_MAX, asking).await {
        Ok(answer) => answer,
        Err(_) => panic!("never came true within {FACT_MAX:?}: {what}"),
    }
}

/// Awaits `step`, which must end in time.
///
/// # Panics
/// When it does not.
pub async fn within<T>(what: &str, step: impl Future<Output = T>) -> T {
    match tokio::time::timeout(FACT_MAX, step).await {
        Ok(done) => done,
        Err(_) => panic!("did not end within {FACT_MAX:?}: {what}"),
    }
}

/// What the machine's clock shows, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "some stories are about the real clock")]
pub fn wall_clock_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
