//! Scripts, styles and images, embedded in the binary and addressed by what they hold.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::failure::Failure;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/assets/"]
struct Assets;

/// The first digits of each asset's SHA-256.
static VERSIONS: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let version = |name: &str| {
        let hash = Assets::get(name)?.metadata.sha256_hash();
        Some(hash[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    };
    Assets::iter().filter_map(|name| Some((name.to_string(), version(&name)?))).collect()
});

/// The address of the asset `name`; it changes when the asset does.
pub fn url(name: &str) -> String {
    match VERSIONS.get(name) {
        Some(version) => format!("/assets/{name}?v={version}"),
        None => format!("/assets/{name}"),
    }
}

/// What the style sheet or script `name` holds, for pages that must stand alone; nothing when there is none.
pub fn text(name: &str) -> String {
    Assets::get(name).map_or_else(String::new, |asset| String::from_utf8_lossy(&asset.data).into_owned())
}

/// Serves an asset. Modules import one another without a version, so browsers must ask each time;
/// the entity tag makes that cheap.
pub async fn serve(Path(name): Path<String>, headers: axum::http::HeaderMap) -> Result<Response, Failure> {
    let asset = Assets::get(&name).ok_or(Failure::NotFound)?;
    let tag = format!("\"{}\"", VERSIONS.get(&name).map_or("", String::as_str));
    let caching = [(header::CACHE_CONTROL, "no-cache".to_owned()), (header::ETAG, tag.clone())];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok((axum::http::StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let kind = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        _ => "application/octet-stream",
    };
    Ok((caching, [(header::CONTENT_TYPE, kind)], asset.data).into_response())
}
