//! Who may take part: asked again when a session opens, before anybody is called (3.1).
//!
//! The engine knows no accounts; whoever keeps them answers. That somebody is already placed for the
//! period is not asked here: the journal knows.

use amphi_core::{Ineligibility, InternId};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

/// Knows whose account allows them to take part.
pub trait Eligibility: Send + Sync + 'static {
    /// What speaks against these interns; nothing against those who are not named.
    ///
    /// An error, in words for the log, means that it is not known; then no session is opened.
    fn check<'a>(
        &'a self,
        interns: &'a [InternId],
    ) -> BoxFuture<'a, Result<Vec<(InternId, Ineligibility)>, String>>;
}

/// Everybody on the list may take part.
#[derive(Debug, Clone, Copy)]
pub struct EverybodyIsEligible;

impl Eligibility for EverybodyIsEligible {
    fn check<'a>(
        &'a self,
        _: &'a [InternId],
    ) -> BoxFuture<'a, Result<Vec<(InternId, Ineligibility)>, String>> {
        async { Ok(Vec::new()) }.boxed()
    }
}
