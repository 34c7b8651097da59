//! Who may have the minutes, and how they are made without holding up anybody.
//!
//! Administrators of the amphi only: minutes hold names. Documents are made off the threads that serve
//! sockets, and no more than a few at a time.

use std::sync::Arc;

use amphi_engine::core::{AmphiId, Timestamp};
use amphi_engine::journal::{Entry, header_line};
use amphi_engine::protocol::Role;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse as _, Response};
use tokio::sync::Semaphore;

use super::{Format, Names, RecordError, SessionRecord, file_name, names, page, write};
use crate::failure::Failure;
use crate::{Portal, audit, people};

/// Documents made at the same time: each takes a core for a moment, and the session needs the others.
const AT_ONCE: usize = 2;
static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);

/// What minutes are made from.
struct Material {
    amphi: AmphiId,
    entries: Vec<Entry>,
    names: Names,
    now: Timestamp,
}

impl Portal {
    async fn material(&self, headers: &HeaderMap, amphi: AmphiId) -> Result<Material, Failure> {
        let room = self.admit(headers, amphi, Role::Administrator).await?;
        let entries = self.registry.journal().load(amphi).await?;
        let roster = people::roster(&self.pool, amphi).await?;
        Ok(Material { amphi, entries, names: names(roster), now: room.now() })
    }
}

/// Does `work` where it holds up nobody, when a place is free. The place is given back when the work is
/// done, even when nobody waits for it any more.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let place = PLACES.acquire().await.map_err(|error| Failure::Internal(error.to_string()))?;
    let done = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(place);
        result
    });
    done.await.map_err(|error| Failure::Internal(error.to_string()))?
}

fn read(material: &Material) -> Result<SessionRecord, Failure> {
    let record = SessionRecord::read(material.amphi, &material.entries, &material.names, material.now);
    record.map_err(|error| match error {
        RecordError::NothingDrafted => Failure::NotFound,
        RecordError::Damaged(problem) => Failure::Internal(problem.to_string()),
    })
}

/// The minutes, to be read and printed.
pub async fn view(
    State(portal): State<Arc<Portal>>,
    Path(amphi): Path<AmphiId>,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    let material = portal.material(&headers, amphi).await?;
    let shared = Arc::clone(&portal);
    let html = apart(move || Ok(page::render(shared.page(), &read(&material)?))).await?;
    tracing::info!(target: audit::TARGET, %amphi, form = "page", "minutes were drawn up");
    Ok(Html(html))
}

/// The minutes, to be signed and kept.
pub async fn pdf(
    state: State<Arc<Portal>>,
    path: Path<AmphiId>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    file(state, path, headers, Format::Pdf).await
}

/// The minutes, for spreadsheets.
pub async fn xlsx(
    state: State<Arc<Portal>>,
    path: Path<AmphiId>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    file(state, path, headers, Format::Xlsx).await
}

/// The allocation, for other programs.
pub async fn csv(
    state: State<Arc<Portal>>,
    path: Path<AmphiId>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    file(state, path, headers, Format::Csv).await
}

async fn file(
    State(portal): State<Arc<Portal>>,
    Path(amphi): Path<AmphiId>,
    headers: HeaderMap,
    format: Format,
) -> Result<Response, Failure> {
    let material = portal.material(&headers, amphi).await?;
    let (name, bytes) = apart(move || {
        let record = read(&material)?;
        let bytes = write(&record, format).map_err(Failure::Internal)?;
        Ok((file_name(&record, format), bytes))
    })
    .await?;
    let (form, size) = (format.ending(), bytes.len());
    tracing::info!(target: audit::TARGET, %amphi, form, bytes = size, "minutes were drawn up");
    Ok(attachment(format.media_type(), &name, bytes))
}

/// The journal, for whoever wants to check it (`amphi verify`).
pub async fn journal(
    State(portal): State<Arc<Portal>>,
    Path(amphi): Path<AmphiId>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    portal.admit(&headers, amphi, Role::Administrator).await?;
    let entries = portal.registry.journal().load(amphi).await?;
    let bytes = apart(move || Ok(export(amphi, &entries).into_bytes())).await?;
    tracing::info!(target: audit::TARGET, %amphi, bytes = bytes.len(), "a journal was exported");
    Ok(attachment("application/x-ndjson", &format!("journal-{amphi}.jsonl"), bytes))
}

fn export(amphi: AmphiId, entries: &[Entry]) -> String {
    let mut text = header_line(amphi);
    text.push('\n');
    for entry in entries {
        text.push_str(&entry.line());
        text.push('\n');
    }
    text
}

fn attachment(media_type: &'static str, name: &str, bytes: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, media_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)], bytes)
        .into_response()
}
