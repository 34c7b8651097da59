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
}

/// The home page.
pub fn render(page: PageContext<'_>, links: &[GrantLink]) -> String {
    html(&HomeTemplate { page, links })
}
