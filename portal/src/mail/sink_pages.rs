//! The pages that show what a [`MailSink`] has kept: a list, and each mail as text, HTML and calendar entry.
//!
//! Whoever sees them holds everybody's personal links: only for demonstrations and rehearsals on this
//! machine. A mail's HTML is shown as foreign matter: in a sandboxed frame, without scripts, nothing fetched.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use mail_parser::{Address, Message, MessageParser, MimeHeaders as _, PartType};
use serde::Deserialize;

use super::sink::{KeptMail, MailSink};
use crate::assets;
use crate::pages::PageContext;
use crate::pages::wording::Zone;

/// Rows of the list; the filter finds the others.
const LISTED_MAX: usize = 200;

const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-src 'self'; \
                           form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// For the mail itself: its own styles, and links that open elsewhere.
const MAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; \
                           sandbox allow-popups allow-popups-to-escape-sandbox";

struct Pages {
    sink: Arc<MailSink>,
    public_url: String,
}

/// The pages under `/courriels`, to be merged with the site's.
pub fn router(sink: Arc<MailSink>, public_url: &str) -> Router {
    let pages = Arc::new(Pages { sink, public_url: public_url.to_owned() });
    Router::new()
        .route("/courriels", get(list))
        .route("/courriels/{number}", get(show))
        .route("/courriels/{number}/html", get(html))
        .route("/courriels/{number}/agenda.ics", get(calendar))
        .layer(axum::middleware::from_fn(headers))
        .with_state(pages)
}

async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // A mail's links must not say from which mail they were followed.
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CACHE_CONTROL, "no-store");
    response
}

/// A kept mail, read.
struct Shown {
    number: u64,
    time: String,
    subject: String,
    from: String,
    to: String,
    text: String,
    has_html: bool,
    calendar: Option<String>,
}

#[derive(Template)]
#[template(path = "mail/sink_list.html")]
struct ListPage<'a> {
    page: PageContext<'a>,
    mails: Vec<Shown>,
    filter: &'a str,
    found: usize,
    received: u64,
}

#[derive(Template)]
#[template(path = "mail/sink_mail.html")]
struct MailPage<'a> {
    page: PageContext<'a>,
    mail: Shown,
    paragraphs: Vec<Vec<Piece>>,
    older: Option<u64>,
    newer: Option<u64>,
}

/// A piece of a line of text: plain, or an address to follow.
enum Piece {
    Plain(String),
    Link(String),
}

#[derive(Debug, Deserialize)]
struct Filter {
    #[serde(default)]
    q: String,
}

async fn list(State(pages): State<Arc<Pages>>, Query(filter): Query<Filter>) -> Html<String> {
    let wanted = filter.q.trim().to_lowercase();
    let found: Vec<Shown> = pages
        .sink
        .mails()
        .iter()
        .filter_map(read)
        .filter(|mail| format!("{} {}", mail.to, mail.subject).to_lowercase().contains(&wanted))
        .collect();
    Html(rendered(&ListPage {
        page: pages.page(),
        found: found.len(),
        mails: found.into_iter().take(LISTED_MAX).collect(),
        filter: filter.q.trim(),
        received: pages.sink.received(),
    }))
}

async fn show(State(pages): State<Arc<Pages>>, Path(number): Path<u64>) -> Result<Html<String>, StatusCode> {
    let mail = pages.sink.mail(number).as_ref().and_then(read).ok_or(StatusCode::NOT_FOUND)?;
    let neighbour = |number: u64| pages.sink.mail(number).map(|mail| mail.number);
    Ok(Html(rendered(&MailPage {
        page: pages.page(),
        paragraphs: mail.text.lines().map(pieces).collect(),
        older: neighbour(number.wrapping_sub(1)),
        newer: neighbour(number + 1),
        mail,
    })))
}

async fn html(State(pages): State<Arc<Pages>>, Path(number): Path<u64>) -> Result<Response, StatusCode> {
    let mail = pages.sink.mail(number).ok_or(StatusCode::NOT_FOUND)?;
    let message = parsed(&mail).ok_or(StatusCode::NOT_FOUND)?;
    let html = html_of(&message).ok_or(StatusCode::NOT_FOUND)?;
    // Links open beside the frame: the site itself refuses to be framed.
    let html = html.replacen("<head>", "<head><base target=\"_blank\">", 1);
    Ok(([(header::CONTENT_SECURITY_POLICY, MAIL_POLICY)], Html(html)).into_response())
}

async fn calendar(State(pages): State<Arc<Pages>>, Path(number): Path<u64>) -> Result<Response, StatusCode> {
    let mail = pages.sink.mail(number).as_ref().and_then(read).ok_or(StatusCode::NOT_FOUND)?;
    let calendar = mail.calendar.ok_or(StatusCode::NOT_FOUND)?;
    let kind = [
        (header::CONTENT_TYPE, "text/calendar; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"convocation.ics\""),
    ];
    Ok((kind, calendar).into_response())
}

impl Pages {
    fn page(&self) -> PageContext<'_> {
        PageContext { public_url: &self.public_url, asset_url: assets::url }
    }
}

fn rendered(page: &impl Template) -> String {
    page.render().expect("writing to a string does not fail")
}

fn parsed(mail: &KeptMail) -> Option<Message<'_>> {
    MessageParser::default().parse(&*mail.raw)
}

fn read(mail: &KeptMail) -> Option<Shown> {
    let message = parsed(mail)?;
    Some(Shown {
        number: mail.number,
        time: Zone::named("Europe/Paris").time_to_the_second(mail.received_at),
        subject: message.subject().unwrap_or("(sans objet)").to_owned(),
        from: said(message.from()),
        to: said(message.to()),
        text: message.body_text(0).unwrap_or_default().into_owned(),
        has_html: html_of(&message).is_some(),
        calendar: calendar_of(&message),
    })
}

fn said(address: Option<&Address<'_>>) -> String {
    let addresses = address.into_iter().flat_map(Address::iter);
    let one = |address: &mail_parser::Addr<'_>| {
        let email = address.address().unwrap_or_default();
        address.name().map_or_else(|| email.to_owned(), |name| format!("{name} <{email}>"))
    };
    addresses.map(one).collect::<Vec<_>>().join(", ")
}

fn html_of(message: &Message<'_>) -> Option<String> {
    message.parts.iter().find_map(|part| match &part.body {
        PartType::Html(html) => Some(html.clone().into_owned()),
        _ => None,
    })
}

fn calendar_of(message: &Message<'_>) -> Option<String> {
    let part = message.parts.iter().find(|part| part.is_content_type("text", "calendar"))?;
    part.text_contents().map(ToOwned::to_owned)
}

/// A line, with its addresses told apart.
fn pieces(line: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some(start) = ["https://", "http://"].iter().filter_map(|scheme| rest.find(scheme)).min() {
        let (before, from) = rest.split_at(start);
        let end = from.find(char::is_whitespace).unwrap_or(from.len());
        let (address, after) = from.split_at(end);
        pieces.push(Piece::Plain(before.to_owned()));
        pieces.push(Piece::Link(address.to_owned()));
        rest = after;
    }
    pieces.push(Piece::Plain(rest.to_owned()));
    pieces
}
