//! Coming in by a personal link, going out, and the page in between.

use std::sync::Arc;

use amphi_engine::protocol::Role;
use amphi_engine::room::Room;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde_json::json;

use crate::Portal;
use crate::doors::Door;
use crate::failure::Failure;
use crate::pages::home::{self, GrantLink};
use crate::writing::to_the_end;
use crate::{people, sessions};

/// The doors this browser has open.
pub async fn home(State(portal): State<Arc<Portal>>, headers: HeaderMap) -> Result<Html<String>, Failure> {
    let mut links = Vec::new();
    let doors = portal.open_doors(&headers).await?;
    let signed_in = !doors.is_empty();
    for (door, _) in doors {
        if let Some(label) = label(&portal, door).await? {
            links.push(GrantLink { label, href: door.path() });
        }
    }
    Ok(Html(home::render(portal.page(), &links, signed_in)))
}

/// What a door leads to; nothing behind the door of a proxy that has ended.
async fn label(portal: &Portal, door: Door) -> Result<Option<String>, Failure> {
    let room = portal.registry.room(door.amphi).await.ok();
    let ask = |room: Arc<Room>| room.read(|ledger| ledger.amphi().setup().map(|setup| setup.title.clone()));
    let title = room.clone().and_then(ask).unwrap_or_else(|| "Amphi".to_owned());
    Ok(Some(match door.role {
        Role::Intern { rank } => format!("{title}\u{a0}: votre rang, {rank}"),
        Role::Holder { rank, proxy } => {
            let ended = room.is_some_and(|room| {
                room.read(|ledger| ledger.amphi().proxy_given(rank).is_none_or(|given| given.id != proxy))
            });
            if ended {
                return Ok(None);
            }
            let principal = people::name(&portal.pool, door.amphi, rank).await?;
            format!("{title}\u{a0}: procuration de {principal}, rang {rank}")
        }
        Role::Administrator => format!("{title}\u{a0}: régie"),
        Role::Spectator => format!("{title}\u{a0}: écran public"),
    }))
}

/// Opens the door of a personal link; programs are told which, browsers remember it.
pub async fn enter(
    State(portal): State<Arc<Portal>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (door, _) = portal.verified(&token).ok_or(Failure::SignIn)?;
    let for_program =
        headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"));
    if for_program {
        let socket = format!("{}/direct", door.path());
        let mut answer = json!({ "amphi": door.amphi, "socket": socket });
        answer["role"] = json!(door.role)["role"].take();
        if let Role::Intern { rank } = door.role {
            answer["rank"] = json!(rank);
        }
        return Ok(axum::Json(answer).into_response());
    }
    let secret = portal.cookies().secret(&headers);
    let pool = portal.pool.clone();
    let opening = async move { sessions::open(&pool, secret.as_deref(), door).await };
    let secret = to_the_end(opening).await?;
    Ok(portal.lets_in(&secret, door))
}

impl Portal {
    /// Leads on through `door`, and has the browser remember its session from now on; also one that knows it
    /// already, which would forget it otherwise before the session is over.
    pub(crate) fn lets_in(&self, secret: &str, door: Door) -> Response {
        let remember = [(header::SET_COOKIE, self.cookies().remember(secret))];
        (remember, Redirect::to(&door.path())).into_response()
    }
}

/// Signs this browser out, and closes the sockets of all its windows.
pub async fn leave(State(portal): State<Arc<Portal>>, headers: HeaderMap) -> Result<Response, Failure> {
    if let Some(secret) = portal.cookies().secret(&headers) {
        let (pool, passes) = (portal.pool.clone(), Arc::clone(&portal.passes));
        let ending = async move {
            let ended = sessions::end(&pool, &secret).await?;
            ended.into_iter().for_each(|session| passes.end_session(session));
            Ok::<_, Failure>(())
        };
        to_the_end(ending).await?;
    }
    let forget = [(header::SET_COOKIE, portal.cookies().forget())];
    Ok((forget, Redirect::to("/")).into_response())
}
