//! From a request to a WebSocket, and to the plain connection under it.

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper::upgrade::OnUpgrade;
use tungstenite::Error;
use tungstenite::error::ProtocolError;
use tungstenite::handshake::server::create_response;

use crate::connections::{Freed, free};

/// A request that asks for a WebSocket.
pub struct Upgrade {
    answer: Response,
    upgraded: OnUpgrade,
}

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let mut request = Request::new(());
        (*request.method_mut(), *request.version_mut()) = (parts.method.clone(), parts.version);
        *request.headers_mut() = parts.headers.clone();
        let refusal = |status: StatusCode| (status, "a WebSocket is served here").into_response();
        let answer = create_response(&request).map_err(|error| match error {
            // A route for GET answers HEAD, too; a WebSocket does not.
            Error::Protocol(ProtocolError::WrongHttpMethod) => refusal(StatusCode::METHOD_NOT_ALLOWED),
            _ => refusal(StatusCode::BAD_REQUEST),
        })?;
        let upgraded =
            parts.extensions.remove::<OnUpgrade>().ok_or_else(|| refusal(StatusCode::UPGRADE_REQUIRED))?;
        Ok(Self { answer: answer.map(|()| Body::empty()), upgraded })
    }
}

impl Upgrade {
    /// Answers that the protocol is switched, and then hands the connection to `serve`.
    pub fn then<F>(self, serve: impl FnOnce(Freed) -> F + Send + 'static) -> Response
    where
        F: Future<Output = ()> + Send,
    {
        tokio::spawn(async move {
            match self.upgraded.await.map(free) {
                Ok(Ok(freed)) => serve(freed).await,
                Ok(Err(_)) => tracing::error!("a connection was upgraded that was not served by this server"),
                // The client went before it had read the answer.
                Err(error) => tracing::debug!(%error, "an upgrade was not finished"),
            }
        });
        self.answer
    }
}
