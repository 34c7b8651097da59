//! The routes, in one table, and what they share.

use std::sync::Arc;
use std::time::Duration;

use amphi_engine::arrivals::Arrivals;
use amphi_engine::registry::Registry;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::{get, post};
use sqlx::PgPool;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::timeout::TimeoutLayer;

use crate::links::LinkKey;
use crate::pages::PageContext;
use crate::passes::Passes;
use crate::proxies::{document, entering, giving, overseeing};
use crate::sessions::CookiePolicy;
use crate::{
    amphi, assets, control, entrance, failure, live, mail, minutes, receipts, rounds, security, wishes,
};

/// Largest body of a form: a reason of 500 characters, percent-encoded, and some fields.
const FORM_BYTES_MAX: usize = 16 * 1024;
/// Longest a page may take; a frozen database must not hold every connection.
const PAGE_WITHIN: Duration = Duration::from_secs(15);
/// Longest an upload may take: 5 MiB from a telephone with a poor connection (0.35 Mbit/s).
const UPLOAD_WITHIN: Duration = Duration::from_secs(120);
/// Answers smaller than this are not worth compressing.
const COMPRESS_ABOVE_BYTES: u16 = 1_024;

/// What every handler may use.
pub struct Portal {
    /// The amphis.
    pub registry: Arc<Registry>,
    /// The database, for people and sessions.
    pub pool: PgPool,
    /// What signs personal links.
    pub links: LinkKey,
    /// Scheme and host under which people reach this server, without a final slash.
    pub public_url: String,
    /// Places for live connections; what the process can hold, not what it would like to.
    pub arrivals: Arc<Arrivals>,
    /// By what the open ones came.
    pub passes: Arc<Passes>,
}

impl Portal {
    /// What pages need.
    pub(crate) fn page(&self) -> PageContext<'_> {
        PageContext { public_url: &self.public_url, asset_url: assets::url }
    }

    /// How sessions travel.
    pub(crate) fn cookies(&self) -> CookiePolicy {
        CookiePolicy { secure: self.public_url.starts_with("https://") }
    }
}

/// The whole site.
///
/// | route | who may |
/// |---|---|
/// | `GET /` | everybody; shows only the doors one's own session has open |
/// | `GET /entrer/{token}` | whoever holds a personal link |
/// | `POST /sortir` | everybody, for their own session |
/// | `… /amphi/{amphi}/rang/{rank}…` | the intern at that rank |
/// | `… /procuration/{secret}…` | whoever holds the link of a proxy in force |
/// | `… /amphi/{amphi}/mandat/{rank}…` | the holder of a proxy of the intern at that rank |
/// | `… /amphi/{amphi}/regie…` | administrators of that amphi |
/// | `GET /amphi/{amphi}/pv…`, `GET /amphi/{amphi}/journal.jsonl` | administrators of that amphi |
/// | `… /amphi/{amphi}/ecran…` | spectators and administrators of that amphi |
/// | `GET /recu`, `GET /recu/{code}` | everybody; shows no names |
/// | `GET /assets/{name}`, `GET /sante` | everybody |
pub fn router(portal: Arc<Portal>) -> Router {
    let pages = Router::new()
        .route("/", get(entrance::home))
        .route("/entrer/{token}", get(entrance::enter))
        .route("/sortir", post(entrance::leave))
        .route("/amphi/{amphi}/rang/{rank}", get(amphi::intern))
        .route("/amphi/{amphi}/rang/{rank}/choisir/{post}", get(amphi::choose))
        .route("/amphi/{amphi}/rang/{rank}/commande", post(amphi::intern_command))
        .route("/amphi/{amphi}/rang/{rank}/recu", get(amphi::receipt))
        .route("/amphi/{amphi}/rang/{rank}/resultat", get(rounds::routes::own))
        .route("/amphi/{amphi}/regie", get(control::page))
        .route("/amphi/{amphi}/regie/commande", post(control::command))
        .route("/amphi/{amphi}/regie/apercu", get(control::preview))
        .route("/amphi/{amphi}/regie/rang/{rank}", get(control::rank))
        .route("/amphi/{amphi}/regie/journal", get(control::journal_page))
        .route("/amphi/{amphi}/regie/nouveau", get(control::add_page))
        .route("/amphi/{amphi}/regie/ajouter", post(control::add))
        .route("/amphi/{amphi}/rang/{rank}/voeux", get(wishes::own))
        .route("/amphi/{amphi}/rang/{rank}/voeux/enregistrer", post(wishes::set_own))
        .route("/amphi/{amphi}/rang/{rank}/procuration", get(giving::page))
        .route("/amphi/{amphi}/rang/{rank}/procuration/verifier", post(giving::verify))
        .route("/amphi/{amphi}/rang/{rank}/procuration/donner", post(giving::give))
        .route("/amphi/{amphi}/rang/{rank}/procuration/revoquer", post(giving::revoke))
        .route("/amphi/{amphi}/rang/{rank}/procuration/renvoyer", post(giving::send_again))
        .route("/procuration/{secret}", get(entering::link))
        .route("/procuration/{secret}/code", post(entering::send_code))
        .route("/procuration/{secret}/confirmer", post(entering::confirm))
        .route("/amphi/{amphi}/mandat/{rank}", get(amphi::holder))
        .route("/amphi/{amphi}/mandat/{rank}/choisir/{post}", get(amphi::choose_by_proxy))
        .route("/amphi/{amphi}/mandat/{rank}/commande", post(amphi::holder_command))
        .route("/amphi/{amphi}/mandat/{rank}/recu", get(amphi::receipt_by_proxy))
        .route("/amphi/{amphi}/mandat/{rank}/voeux", get(wishes::of_principal))
        .route("/amphi/{amphi}/mandat/{rank}/voeux/enregistrer", post(wishes::set_of_principal))
        .route("/amphi/{amphi}/regie/procuration/{rank}", get(overseeing::page))
        .route("/amphi/{amphi}/regie/procuration/{rank}/document", get(document::download))
        .route("/amphi/{amphi}/regie/procuration/{rank}/fin", post(overseeing::revert))
        .route("/amphi/{amphi}/regie/resultat", get(rounds::routes::all))
        .route("/amphi/{amphi}/regie/courriels", get(mail::desk::show))
        .route("/amphi/{amphi}/ecran", get(amphi::screen))
        .route("/amphi/{amphi}/pv", get(minutes::routes::view))
        .route("/amphi/{amphi}/pv.pdf", get(minutes::routes::pdf))
        .route("/amphi/{amphi}/pv.xlsx", get(minutes::routes::xlsx))
        .route("/amphi/{amphi}/pv.csv", get(minutes::routes::csv))
        .route("/amphi/{amphi}/journal.jsonl", get(minutes::routes::journal))
        .route("/recu", get(receipts::routes::form))
        .route("/recu/{code}", get(receipts::routes::check))
        .route("/assets/{name}", get(assets::serve))
        .route("/sante", get(health))
        .fallback(failure::unknown_address)
        .layer(compression())
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, PAGE_WITHIN))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX));
    let uploads = Router::new()
        .route("/amphi/{amphi}/mandat/{rank}/document", post(document::file))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, UPLOAD_WITHIN))
        .layer(DefaultBodyLimit::max(document::DOCUMENT_FORM_BYTES_MAX));
    let sockets = Router::new()
        .route("/amphi/{amphi}/rang/{rank}/direct", get(live::intern))
        .route("/amphi/{amphi}/mandat/{rank}/direct", get(live::holder))
        .route("/amphi/{amphi}/regie/direct", get(live::control))
        .route("/amphi/{amphi}/ecran/direct", get(live::screen));
    guarded(pages.merge(uploads).merge(sockets), portal)
}

/// What holds for every route. From the outside in: protective headers on whatever is answered; a page
/// for every failure, a panic included; no change but from our own pages.
fn guarded(routes: Router<Arc<Portal>>, portal: Arc<Portal>) -> Router {
    routes
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&portal), security::refuse_foreign_changes))
        .layer(CatchPanicLayer::new())
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&portal), failure::dress))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&portal), security::headers))
        .with_state(portal)
}

/// Everything but what is compressed already, and never the small.
fn compression() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new()
        .compress_when(SizeAbove::new(COMPRESS_ABOVE_BYTES.into()).and(NotForContentType::IMAGES))
}

async fn health() -> &'static str {
    "ok\n"
}

#[cfg(test)]
mod tests {
    use amphi_engine::clock::SystemClock;
    use amphi_engine::journal::MemoryJournal;
    use axum::body::Body;
    use axum::http::{Request, header};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn breaks() -> &'static str {
        panic!("a secret of ours: {}", 40 + 2)
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_a_page_without_internals() {
        let portal = Arc::new(Portal {
            registry: Registry::new(Arc::new(MemoryJournal::new()), Arc::new(SystemClock::real())),
            pool: PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/nothing").expect("a URL"),
            links: LinkKey::fixed([1; 32]),
            public_url: "https://amphi.test".to_owned(),
            arrivals: Arrivals::new(1),
            passes: Arc::default(),
        });
        let routes = || Router::new().route("/panique", get(breaks));
        for (accept, kind) in [("text/html", "text/html; charset=utf-8"), ("*/*", "application/problem+json")]
        {
            let request = Request::get("/panique").header(header::ACCEPT, accept).body(Body::empty());
            let response = guarded(routes(), Arc::clone(&portal)).oneshot(request.expect("a request")).await;
            let response = response.expect("an answer");
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(response.headers()[header::CONTENT_TYPE], kind);
            assert!(response.headers().contains_key(header::CONTENT_SECURITY_POLICY));
            let body = response.into_body().collect().await.expect("a body").to_bytes();
            let body = String::from_utf8_lossy(&body);
            assert!(body.contains("faute de notre part") && !body.contains("secret"), "{body}");
        }
    }
}
