//! What every answer says to browsers, and which changes are refused before anybody looks at them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::Portal;
use crate::failure::Failure;
use crate::sessions::bearer;

/// Nothing but our own scripts, styles, images and connections; nobody frames us.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// For what other people made: should a browser show it after all, then as foreign matter.
const SANDBOXED_POLICY: &str = "default-src 'none'; sandbox; frame-ancestors 'none'; base-uri 'none'";

/// Marks an answer that holds what somebody uploaded.
#[derive(Debug, Clone, Copy)]
pub struct Sandboxed;

/// Sets the same protective headers on every answer, errors included.
pub async fn headers(State(portal): State<Arc<Portal>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let policy = match response.extensions().get::<Sandboxed>() {
        Some(Sandboxed) => SANDBOXED_POLICY,
        None => CONTENT_SECURITY_POLICY,
    };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, policy);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Not `no-referrer`: with it, browsers say `Origin: null` with forms, and we would refuse our own.
    set(header::REFERRER_POLICY, "same-origin");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()");
    if portal.public_url.starts_with("https://") {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=63072000");
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// Refuses whatever would change something and does not come from our own pages.
pub async fn refuse_foreign_changes(
    State(portal): State<Arc<Portal>>,
    request: Request,
    next: Next,
) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && !is_own_origin(request.headers(), &portal.public_url) {
        return Failure::Foreign.into_response();
    }
    next.run(request).await
}

/// Whether the request was made by one of our own pages. Absent is refused: every browser sends the
/// origin with forms and WebSockets. So are two: no browser sends them.
pub fn is_own_origin(headers: &HeaderMap, public_url: &str) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    origins.next().is_some_and(|origin| origin.as_bytes() == public_url.as_bytes())
        && origins.next().is_none()
}

/// Whether a WebSocket upgrade may go on: our own page, or a program that shows its token itself.
pub fn may_upgrade(headers: &HeaderMap, public_url: &str) -> bool {
    bearer(headers).is_some() || is_own_origin(headers, public_url)
}
