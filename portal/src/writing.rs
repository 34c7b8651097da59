//! The one way in which a handler writes: in a task that nobody drops.
//!
//! axum drops a handler when its client goes away. A statement or a transaction must not be cut short by
//! that: it would be done or not, and nobody would know which; and what comes after it (closing the
//! sockets of a session that has ended) would never be done.

use crate::failure::Failure;

/// Runs `work` to its end, also when whoever asked for it has gone.
pub(crate) async fn to_the_end<T, E>(
    work: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, Failure>
where
    T: Send + 'static,
    E: Into<Failure> + Send + 'static,
{
    match tokio::spawn(work).await {
        Ok(result) => result.map_err(Into::into),
        Err(error) => Err(Failure::Internal(error.to_string())),
    }
}
