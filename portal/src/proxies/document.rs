//! The signed document: what it really is, how large it may be, and that the journal names it.
//!
//! Its bytes are kept before the room is told their SHA-256: a crash in between leaves bytes that nothing
//! names, never a name without bytes.

use std::sync::Arc;

use amphi_engine::core::{Actor, AmphiId, CallRank, Command, CommandId, Digest};
use amphi_engine::protocol::Role;
use axum::extract::multipart::{Multipart, MultipartError};
use axum::extract::{FromRequest as _, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::giving::{given, result_of};
use super::store;
use crate::Portal;
use crate::audit;
use crate::failure::Failure;
use crate::security::Sandboxed;
use crate::writing::to_the_end;

/// Largest document: a photograph of a page, or a scan of two.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Largest form that holds one.
pub(crate) const DOCUMENT_FORM_BYTES_MAX: usize = DOCUMENT_BYTES_MAX + 16 * 1024;
/// Documents taken in at once: what this server keeps in memory for them is bounded by it.
static TAKEN_IN_AT_ONCE: Semaphore = Semaphore::const_new(8);

/// What a form brought.
struct Upload {
    command_id: CommandId,
    bytes: Vec<u8>,
}

/// What the bytes are, by what they begin with; names and declared types say nothing.
fn kind_of(bytes: &[u8]) -> Option<&'static str> {
    let found = infer::get(bytes)?.mime_type();
    // A PDF is recognised by others in the middle of something else, too.
    let hidden = found == "application/pdf" && !bytes.starts_with(b"%PDF-");
    ["application/pdf", "image/jpeg", "image/png"].into_iter().find(|kind| *kind == found && !hidden)
}

async fn read(mut form: Multipart) -> Result<Option<Upload>, Failure> {
    let failure = |error: MultipartError| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Failure::TooLarge,
        _ => Failure::BadRequest,
    };
    let (mut command_id, mut bytes) = (None, None);
    while let Some(field) = form.next_field().await.map_err(failure)? {
        match field.name() {
            Some("command_id") => {
                let text = field.text().await.map_err(failure)?;
                command_id = Some(CommandId(text.parse().map_err(|_| Failure::BadRequest)?));
            }
            Some("document") => bytes = Some(field.bytes().await.map_err(failure)?.to_vec()),
            _ => return Err(Failure::BadRequest),
        }
    }
    let command_id = command_id.ok_or(Failure::BadRequest)?;
    // A form sent without a file has an empty one.
    Ok(bytes.filter(|bytes| !bytes.is_empty()).map(|bytes| Upload { command_id, bytes }))
}

/// Files the signed document of one's proxy.
pub async fn file(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
    request: Request,
) -> Result<Redirect, Failure> {
    // Before anything of it is looked at.
    let acting = portal.by_proxy(&headers, amphi, rank).await?;
    let page = acting.path();
    let Ok(_place) = TAKEN_IN_AT_ONCE.try_acquire() else {
        return Ok(Redirect::to(&format!("{page}?resultat=occupe")));
    };
    let form = Multipart::from_request(request, &()).await.map_err(|_| Failure::BadRequest)?;
    let refused = |why: &str| Ok(Redirect::to(&format!("{page}?document={why}")));
    let Some(upload) = read(form).await? else { return refused("vide") };
    if upload.bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(Failure::TooLarge);
    }
    let Some(kind) = kind_of(&upload.bytes) else { return refused("nature") };
    let Role::Holder { proxy, .. } = acting.role else { return Err(Failure::NotAllowed) };
    let room = Arc::clone(&acting.room);
    let filing = async move {
        let document = Digest(Sha256::digest(&upload.bytes).into());
        if !store::keep_document(&portal.pool, proxy, document, kind, &upload.bytes).await? {
            return Ok(None);
        }
        let command = Command::FileProxyDocument { rank, document };
        let actor = Actor::Holder { rank, proxy };
        Ok::<_, Failure>(Some(room.ask(actor, command, upload.command_id).await))
    };
    match to_the_end(filing).await? {
        None => refused("trop"),
        Some(outcome) => {
            Ok(Redirect::to(&format!("{page}?resultat={}&acte=document", result_of(outcome).to_query())))
        }
    }
}

/// The document of a rank's proxy, for administrators: to be saved, never shown inside our pages.
pub async fn download(
    State(portal): State<Arc<Portal>>,
    Path((amphi, rank)): Path<(AmphiId, CallRank)>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let room = portal.admit(&headers, amphi, Role::Administrator).await?;
    let (record, named) = given(&portal, &room, rank).await?.ok_or(Failure::NotFound)?;
    let document = match named {
        Some(named) => store::document(&portal.pool, record.id, named).await?,
        None => None,
    };
    let document = document.ok_or(Failure::NotFound)?;
    let proxy = record.id;
    tracing::info!(target: audit::TARGET, %amphi, %rank, %proxy, "a proxy's document was opened");
    let ending = match document.kind.as_str() {
        "application/pdf" => "pdf",
        "image/png" => "png",
        _ => "jpg",
    };
    let name = format!("attachment; filename=\"procuration-rang-{rank}.{ending}\"");
    let headers = [(header::CONTENT_TYPE, document.kind), (header::CONTENT_DISPOSITION, name)];
    let mut response = (headers, document.bytes).into_response();
    response.extensions_mut().insert(Sandboxed);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::kind_of;

    #[test]
    fn what_a_document_is_stands_in_its_first_bytes() {
        assert_eq!(kind_of(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3"), Some("application/pdf"));
        assert_eq!(kind_of(b"\xff\xd8\xff\xe0\0\x10JFIF"), Some("image/jpeg"));
        assert_eq!(kind_of(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), Some("image/png"));
        for other in
            [&b""[..], b"MZ\x90\0", b"PK\x03\x04", b"<svg xmlns=", b"<html>", b"GIF89a", b" %PDF-1.7"]
        {
            assert_eq!(kind_of(other), None, "{other:?}");
        }
    }
}
