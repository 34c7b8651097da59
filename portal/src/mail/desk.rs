//! Where the mails of a session stand, for its administrators: what waits and why, what was given up.

use std::sync::Arc;

use amphi_engine::core::AmphiId;
use amphi_engine::protocol::Role;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Html;

use super::message::MailKind;
use super::outbox::{self, Standing};
use crate::Portal;
use crate::failure::Failure;
use crate::pages::{PageContext, control_path};
use crate::retention::MAILS_KEPT_MONTHS;

#[derive(Template)]
#[template(path = "mail/desk.html")]
struct DeskPage<'a> {
    page: PageContext<'a>,
    title: String,
    control: String,
    standing: Standing,
}

impl DeskPage<'_> {
    fn said<'a>(&self, kind: &'a str) -> &'a str {
        MailKind::said(kind)
    }

    fn kept_months(&self) -> i32 {
        MAILS_KEPT_MONTHS
    }
}

/// The mails of one session.
pub async fn show(
    State(portal): State<Arc<Portal>>,
    Path(amphi): Path<AmphiId>,
    headers: HeaderMap,
) -> Result<Html<String>, Failure> {
    let room = portal.admit(&headers, amphi, Role::Administrator).await?;
    let title = room.read(|ledger| ledger.amphi().setup().map(|setup| setup.title.clone()));
    let page = DeskPage {
        page: portal.page(),
        title: title.unwrap_or_default(),
        control: control_path(amphi),
        standing: outbox::standing(&portal.pool, amphi).await?,
    };
    Ok(Html(page.render().expect("writing to a string does not fail")))
}
