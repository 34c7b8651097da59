//! The public pages on which receipts are checked.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use tokio::sync::Semaphore;

use super::{Code, PATH, look_up, render};
use crate::Portal;
use crate::audit;
use crate::failure::Failure;
use crate::minutes::RecordError;

/// Receipts checked at the same time: anyone may ask, and each takes a connection to the database, of
/// which the session needs most.
const AT_ONCE: usize = 2;
static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);

/// The form; with a code in it, on to the page of that code.
pub async fn form(State(portal): State<Arc<Portal>>, RawQuery(query): RawQuery) -> Response {
    let fields: Vec<(String, String)> =
        serde_urlencoded::from_str(query.as_deref().unwrap_or_default()).unwrap_or_default();
    let asked = fields.into_iter().find(|(name, _)| name == "code").map(|(_, code)| code).unwrap_or_default();
    match Code::read(&asked) {
        Some(code) => Redirect::to(&format!("{PATH}/{code}")).into_response(),
        None => Html(render(portal.page(), &asked, None)).into_response(),
    }
}

/// What is known of a receipt. Whatever is unknown, for whatever reason, gets one and the same answer.
pub async fn check(
    State(portal): State<Arc<Portal>>,
    Path(asked): Path<String>,
) -> Result<Html<String>, Failure> {
    let _place = PLACES.acquire().await.map_err(|error| Failure::Internal(error.to_string()))?;
    let journal = portal.registry.journal();
    let known = match Code::read(&asked) {
        Some(code) if journal.hash_at(code.amphi, code.seq).await? == Some(code.hash) => {
            let entries = journal.load(code.amphi).await?;
            let now = portal.registry.now();
            let looked = tokio::task::spawn_blocking(move || look_up(code, &entries, now)).await;
            match looked.map_err(|error| Failure::Internal(error.to_string()))? {
                Ok(known) => {
                    let Code { amphi, seq, .. } = code;
                    tracing::info!(target: audit::TARGET, %amphi, seq, "a receipt was checked");
                    Some(known)
                }
                // An entry before there is a list proves nothing to anybody.
                Err(RecordError::NothingDrafted) => None,
                Err(RecordError::Damaged(problem)) => return Err(Failure::Internal(problem.to_string())),
            }
        }
        _ => None,
    };
    Ok(Html(render(portal.page(), &asked, known)))
}
