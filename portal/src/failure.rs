//! Failures: one page per failure, with a request id and no internals.
//!
//! Handlers answer with a [`Failure`]; `dress` turns it, and any bare error status of the framework,
//! into the page. What went wrong inside goes to the log, under the same id.

use std::sync::Arc;
use std::time::Duration;

use amphi_engine::journal::JournalError;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use uuid::Uuid;

use crate::Portal;
use crate::pages;

/// When to come back after a failure that is likely to pass.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Why a page cannot be shown.
#[derive(Debug)]
pub enum Failure {
    /// No session, or the link has expired.
    SignIn,
    /// Signed in, but not for this.
    NotAllowed,
    /// Not from our own pages.
    Foreign,
    /// The proxy by which they came is no longer in force.
    ProxyEnded,
    /// More than this page takes.
    TooLarge,
    /// There is no such thing.
    NotFound,
    /// What was sent is not what the form sends.
    BadRequest,
    /// The journal does not answer, or the amphi is moving to another server.
    Unavailable(String),
    /// Too many come at once, or every place for a live connection is taken: to come back after this long.
    Crowded(Duration),
    /// A fault of ours.
    Internal(String),
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::SignIn => StatusCode::UNAUTHORIZED,
            Self::NotAllowed | Self::Foreign => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::ProxyEnded => StatusCode::GONE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unavailable(_) | Self::Crowded(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.status();
        if let Self::Unavailable(cause) | Self::Internal(cause) = &self {
            tracing::warn!(status = status.as_u16(), cause, "a request could not be served");
        }
        let mut response = status.into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let after = if let Self::Crowded(after) = self { after } else { RETRY_AFTER };
            // In whole seconds, which is all that this header knows.
            let seconds = after.as_secs_f64().ceil();
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds as u64));
        }
        response
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            // What is meant is not here, and will not be in two seconds either: a link to another database.
            Some(refusal) if refusal.is_foreign_key_violation() => Self::NotFound,
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::NotFound => Self::NotFound,
            JournalError::OwnedByAnother | JournalError::Unavailable(_) => {
                Self::Unavailable(error.to_string())
            }
            JournalError::Damaged(_) => Self::Internal(error.to_string()),
        }
    }
}

/// Where no route leads.
pub async fn unknown_address() -> Failure {
    Failure::NotFound
}

/// Title and explanation of a failure: what happened, what is still true, what to do.
fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::UNAUTHORIZED => (
            "Vous n’êtes pas reconnu",
            "Ce lien n’est pas valable, ou il a expiré. Rien n’a changé dans votre dossier. Rouvrez le lien personnel \
             de votre convocation ; s’il ne fonctionne plus, demandez-en un autre à votre organisateur.",
        ),
        StatusCode::FORBIDDEN => (
            "Cette page ne vous est pas ouverte",
            "Votre lien personnel donne accès à une autre page, ou la demande ne venait pas de ce site. Rien n’a \
             changé. Repassez par l’accueil, ou rouvrez votre lien.",
        ),
        StatusCode::NOT_FOUND => (
            "Cette page n’existe pas",
            "L’adresse est incomplète, ou ce qu’elle désignait n’existe pas. Repassez par l’accueil, ou rouvrez votre \
             lien personnel.",
        ),
        StatusCode::GONE => (
            "Cette procuration a pris fin",
            "Elle a été révoquée, elle a servi, ou la séance est terminée : ce lien n’ouvre plus rien, et rien n’a été \
             choisi par cette demande. Si vous représentez encore cette personne, demandez-lui un nouveau lien.",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (
            "Ce fichier est trop lourd",
            "Un document signé pèse 5 Mo au plus. Rien n’a été enregistré. Revenez à la page précédente et déposez un \
             fichier plus léger : un PDF, ou une photo en qualité moyenne.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            "Le serveur ne peut pas répondre maintenant",
            "Rien de ce qui a été confirmé n’est perdu, et votre tour n’est pas perdu : le serveur garde l’heure. \
             Rechargez la page dans quelques secondes.",
        ),
        status if status.is_client_error() => (
            "Cette demande n’a pas pu être lue",
            "Elle ne correspond pas à ce que la page envoie. Rien n’a changé. Revenez à la page précédente et \
             rechargez-la.",
        ),
        _ => (
            "Le serveur a rencontré un problème",
            "C’est une faute de notre part. Rien de ce qui a été confirmé n’est perdu. Rechargez la page ; si cela se \
             répète, transmettez le numéro ci-dessous à votre organisateur.",
        ),
    }
}

/// Gives every error answer its page and its request id.
pub async fn dress(State(portal): State<Arc<Portal>>, request: Request, next: Next) -> Response {
    let wants_page = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let request_id = Uuid::now_v7().to_string();
    tracing::info!(request_id, status = status.as_u16(), "an error was answered");
    let (title, message) = words(status);
    let body = if wants_page {
        Html(pages::error::render(portal.page(), status.as_u16(), title, message, &request_id))
            .into_response()
    } else {
        problem(status, title, message, &request_id)
    };
    let mut dressed = (status, body).into_response();
    for kept in [header::RETRY_AFTER, header::ALLOW] {
        if let Some(value) = response.headers().get(&kept) {
            dressed.headers_mut().insert(kept, value.clone());
        }
    }
    dressed
}

/// The same for programs (RFC 9457).
fn problem(status: StatusCode, title: &str, detail: &str, request_id: &str) -> Response {
    let problem = serde_json::json!({
        "title": title, "status": status.as_u16(), "detail": detail, "instance": request_id,
    });
    ([(header::CONTENT_TYPE, "application/problem+json")], problem.to_string()).into_response()
}
