//! One page for every failure: what happened, with a request id and no internals.

use askama::Template;

use super::{PageContext, html};

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorTemplate<'a> {
    page: PageContext<'a>,
    status: u16,
    title: &'a str,
    message: &'a str,
    request_id: &'a str,
}

/// The error page; `message` says what is still true and what to do.
pub fn render(page: PageContext<'_>, status: u16, title: &str, message: &str, request_id: &str) -> String {
    html(&ErrorTemplate { page, status, title, message, request_id })
}
