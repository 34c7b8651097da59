//! The entrance: the doors this browser has open.

use askama::Template;

use super::{PageContext, html};

/// A door this browser may go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantLink {
    /// What it leads to: "Psychiatrie, Lille : votre rang, 12".
    pub label: String,
    /// Where.
    pub href: String,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomeTemplate<'a> {
    page: PageContext<'a>,
    links: &'a [GrantLink],
    signed_in: bool,
}

/// The home page. Who is `signed_in` may have no links: the proxy they came by has ended.
pub fn render(page: PageContext<'_>, links: &[GrantLink], signed_in: bool) -> String {
    html(&HomeTemplate { page, links, signed_in })
}
