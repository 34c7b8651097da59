//! The address under which people reach the site: read once, and written as browsers write an origin.
//!
//! Forms and sockets are taken only from pages of that very origin, byte for byte, and cookies belong to its host: an
//! address that no browser would say is refused here, before a site is served that refuses everybody.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use url::{Host, Url};

/// Reads `https://amphi.exemple.fr`: scheme, host and port, without a final slash.
///
/// # Errors
/// What to write instead.
pub fn parse_public_url(text: &str) -> Result<String, String> {
    let web = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = web.ok_or_else(|| format!("une adresse publique s’écrit en entier : {}", guess(text)))?;
    let origin = origin(&url);
    if url.host_str().is_none_or(|host| host.ends_with('.')) {
        return Err("le nom du site ne finit pas par un point".to_owned());
    }
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err(format!("une adresse publique est celle de tout un site, sans rien d’autre : {origin}"));
    }
    Ok(origin)
}

/// What was probably meant, or an example.
fn guess(text: &str) -> String {
    let named = |url: &Url| url.host_str().is_some_and(|host| host.contains('.'));
    let meant = Url::parse(&format!("https://{}", text.trim())).ok().filter(named);
    meant.map_or_else(|| "https://amphi.exemple.fr".to_owned(), |url| origin(&url))
}

/// In ASCII, in lower case, without a port that goes without saying.
fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The address that was given; it must be, where nobody can know it from where the server listens.
pub fn needed(public_url: Option<String>, listen: SocketAddr) -> anyhow::Result<Option<String>> {
    anyhow::ensure!(
        public_url.is_some() || !listen.ip().to_canonical().is_unspecified(),
        "à l’écoute de toutes les adresses ({listen}), indiquez celle que les navigateurs montrent : \
         --public-url https://amphi.exemple.fr"
    );
    Ok(public_url)
}

/// Where a server is reached that was given no other address.
pub fn reached_at(listens: SocketAddr) -> String {
    let everywhere = listens.ip().to_canonical().is_unspecified();
    let host = if everywhere { format!("localhost:{}", listens.port()) } else { listens.to_string() };
    let url = format!("http://{host}");
    Url::parse(&url).map_or(url, |url| origin(&url))
}

/// Leads whoever asks for this machine by another of its names to the one to which forms and cookies belong.
///
/// Taking forms from those names, too, would not do: under `localhost` a browser may have spoken to another program,
/// on the same port of `::1`.
pub async fn lead_home(State(home): State<Arc<str>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let looks =
        matches!(*request.method(), Method::GET | Method::HEAD) && !headers.contains_key(header::UPGRADE);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if looks && is_another_name(host, &home) {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        return Redirect::temporary(&format!("{home}{path}")).into_response();
    }
    next.run(request).await
}

/// Whether `host` is the server at `home`, which is on this machine, by another name of the machine.
fn is_another_name(host: &str, home: &str) -> bool {
    if home.strip_prefix("http://").is_none_or(|own| own == host) {
        return false;
    }
    let (Ok(asked), Ok(own)) = (Url::parse(&format!("http://{host}")), Url::parse(home)) else {
        return false;
    };
    is_this_machine(&asked)
        && is_this_machine(&own)
        && asked.port_or_known_default() == own.port_or_known_default()
        && asked.host() != own.host()
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_a_public_address_is_kept_as_browsers_say_it() {
        for (given, kept) in [
            ("https://amphi.fr", "https://amphi.fr"),
            ("https://amphi.fr/", "https://amphi.fr"),
            ("https://AMPHI.fr", "https://amphi.fr"),
            ("HTTPS://amphi.fr:443", "https://amphi.fr"),
            ("https://amphi.fr:8443", "https://amphi.fr:8443"),
            (" https://amphi.fr ", "https://amphi.fr"),
            ("https://amphí.fr", "https://xn--amph-ypa.fr"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(parse_public_url(given).as_deref(), Ok(kept), "{given}");
        }
    }

    #[test]
    fn s8_an_address_that_no_browser_says_is_refused_with_what_to_write() {
        for (given, write) in [
            ("amphi.fr", "https://amphi.fr"),
            ("Amphi.fr:8443", "https://amphi.fr:8443"),
            ("localhost:8080", "https://amphi.exemple.fr"),
            ("ftp://amphi.fr", "https://amphi.exemple.fr"),
            ("", "https://amphi.exemple.fr"),
            ("https://", "https://amphi.exemple.fr"),
            ("https://amphi.fr/chemin", "https://amphi.fr"),
            ("https://amphi.fr//", "https://amphi.fr"),
            ("https://amphi.fr?a=b", "https://amphi.fr"),
            ("https://amphi.fr#a", "https://amphi.fr"),
            ("https://moi@amphi.fr", "https://amphi.fr"),
            ("https://moi:secret@amphi.fr", "https://amphi.fr"),
            ("https://amphi.fr.", "point"),
        ] {
            let refusal = parse_public_url(given).unwrap_err();
            assert!(refusal.ends_with(write), "{given}: {refusal}");
        }
    }

    #[test]
    fn a_server_that_listens_everywhere_is_told_where_it_is_reached() {
        for (listen, needs_one, reached) in [
            ("0.0.0.0:8080", true, "http://localhost:8080"),
            ("[::]:8080", true, "http://localhost:8080"),
            ("[::ffff:0.0.0.0]:8080", true, "http://localhost:8080"),
            ("127.0.0.1:8080", false, "http://127.0.0.1:8080"),
            ("127.0.0.1:80", false, "http://127.0.0.1"),
            ("[::1]:8080", false, "http://[::1]:8080"),
            ("192.168.1.7:8080", false, "http://192.168.1.7:8080"),
        ] {
            let address: SocketAddr = listen.parse().unwrap();
            let refused = needed(None, address).map_err(|error| error.to_string()).err();
            assert_eq!(
                refused.is_some_and(|why| why.contains("--public-url https://")),
                needs_one,
                "{listen}"
            );
            let given = needed(Some("https://amphi.fr".to_owned()), address).unwrap();
            assert_eq!(given.as_deref(), Some("https://amphi.fr"));
            assert_eq!(reached_at(address), reached, "{listen}");
        }
    }

    #[test]
    fn s8_other_names_of_this_machine_lead_to_its_own() {
        let home = "http://127.0.0.1:8080";
        for (host, home, leads) in [
            ("localhost:8080", home, true),
            ("LOCALHOST:8080", home, true),
            ("[::1]:8080", home, true),
            ("127.0.0.2:8080", home, true),
            ("127.0.0.1:8080", "http://localhost:8080", true),
            ("localhost", "http://127.0.0.1", true),
            ("127.0.0.1:8080", home, false),
            ("localhost:8081", home, false),
            ("localhost", home, false),
            ("localhost.exemple.fr:8080", home, false),
            ("192.168.1.7:8080", home, false),
            ("", home, false),
            ("localhost:8080", "https://amphi.fr", false),
            ("localhost:8080", "http://192.168.1.7:8080", false),
        ] {
            assert_eq!(is_another_name(host, home), leads, "{host} for {home}");
        }
    }
}
