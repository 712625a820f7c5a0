//! What browsers ask for on behalf of the pages that they show.
//!
//! There is no authentication yet, so whatever reaches the port may do everything, and a browser on the machine reaches it for any page
//! that somebody looks at. Two things about a request tell such a page: its `Origin`, and the `Host` under which the browser found this
//! one. A page whose name was made to lead to 127.0.0.1 after it was loaded (DNS rebinding) is of the same origin as what it asks for, but
//! under its own name.

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::Error;

/// The names under which a host answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hosts {
    /// Whatever a client calls it: for a network that is trusted.
    #[default]
    Any,
    /// `localhost`, loopback addresses, and these names or addresses, without ports.
    Loopback(Vec<String>),
}

impl Hosts {
    /// Whether a request is for this host. One that does not say whom it asks is not a browser's (RFC 9110, 7.2).
    fn know(&self, headers: &HeaderMap) -> bool {
        if *self == Self::Any {
            return true;
        }
        let Some(asked) = headers.get(header::HOST) else { return true };
        let Some(Place { name, .. }) = asked.to_str().ok().and_then(|asked| Place::read(asked, None)) else { return false };
        let is_loopback = name.parse().is_ok_and(|address: std::net::IpAddr| address.to_canonical().is_loopback());
        is_loopback || name == "localhost" || self.name(&name)
    }

    /// Whether an operator has named it as one of this host's.
    fn name(&self, name: &str) -> bool {
        let Self::Loopback(others) = self else { return false };
        others.iter().any(|other| name.eq_ignore_ascii_case(other.trim_start_matches('[').trim_end_matches(']')))
    }
}

/// Where a request goes to, or a page comes from.
#[derive(PartialEq, Eq)]
struct Place {
    /// In small letters, an IPv6 address without its brackets.
    name: String,
    port: Option<u16>,
}

impl Place {
    fn read(authority: &str, default_port: Option<u16>) -> Option<Self> {
        let authority: Authority = authority.parse().ok()?;
        let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        Some(Self { name, port: authority.port_u16().or(default_port) })
    }
}

/// What tells whether a host works.
const PROBES: [&str; 2] = ["/api/v1/health", "/api/v1/readiness"];

/// Refuses what must not reach any handler.
pub(crate) async fn guard(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    if request.uri().path().contains("%00") {
        return Error::Invalid("the path holds a NUL byte".to_owned()).into_response();
    }
    // Probes ask by address, and learn nothing that any page may not know.
    let is_probe = PROBES.contains(&request.uri().path());
    if !is_probe && !hosts.know(request.headers()) {
        let asked = String::from_utf8_lossy(request.headers()[header::HOST].as_bytes());
        let message = format!(
            "this host is asked as '{asked}', a name that any web page may have made lead here: ask 127.0.0.1 or localhost, have a proxy in between send one of these \
             as Host, or start the host with --allowed-hosts and that name"
        );
        return Error::with_status(StatusCode::MISDIRECTED_REQUEST, message).into_response();
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && is_foreign(request.headers(), &hosts) {
        let said =
            |name: HeaderName| String::from_utf8_lossy(request.headers().get(name).map_or(&[][..], HeaderValue::as_bytes)).into_owned();
        let message = format!(
            "web pages of another origin may not change anything here: this one is of '{}', and this host is asked as '{}'. If that is its own page behind a proxy, have \
             the proxy pass on Host, or start the host with --allowed-hosts and the page's name",
            said(header::ORIGIN),
            said(header::HOST)
        );
        return Error::with_status(StatusCode::FORBIDDEN, message).into_response();
    }
    next.run(request).await
}

/// Whether a web page of another origin sends the request. Browsers say so in `Origin`, and other clients send none. Without this check
/// any page that a developer looks at could deploy to the host on their machine. Desktop programs, such as the Modeler, say `file://`.
/// Behind a proxy the name that the page has may be another one than the `Host` that arrives here: an operator says which.
fn is_foreign(headers: &HeaderMap, hosts: &Hosts) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let origin = origin.to_str().unwrap_or("null");
    if origin.starts_with("file://") {
        return false;
    }
    let Some((scheme, authority)) = origin.split_once("://") else { return true };
    // A browser leaves out the port that its scheme implies (RFC 6454, 6.2), of which `Host` may or may not.
    let default_port = match scheme.to_ascii_lowercase().as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let Some(page) = Place::read(authority, default_port) else { return true };
    let asked = headers.get(header::HOST).and_then(|host| Place::read(host.to_str().ok()?, default_port));
    asked.as_ref() != Some(&page) && !hosts.name(&page.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a page of that origin is foreign to a host that is asked so.
    fn foreign(origin: Option<&'static str>, host: &'static str, named: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a host"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().expect("an origin"));
        }
        is_foreign(&headers, &Hosts::Loopback(named.iter().map(|&name| name.to_owned()).collect()))
    }

    #[test]
    fn pages_of_other_origins_are_foreign() {
        for origin in [None, Some("http://127.0.0.1:8080"), Some("file://")] {
            assert!(!foreign(origin, "127.0.0.1:8080", &[]), "{origin:?}");
        }
        for origin in ["https://evil.example", "null", "http://127.0.0.1:9090", "http://127.0.0.1", "http://evil.example:8080", "http://"] {
            assert!(foreign(Some(origin), "127.0.0.1:8080", &["cockpit.example"]), "{origin}");
        }
    }

    #[test]
    fn ports_that_a_scheme_implies_and_letters_do_not_make_a_page_foreign() {
        for (origin, host) in [
            ("https://cockpit.example", "cockpit.example:443"),
            ("http://cockpit.example", "cockpit.example:80"),
            ("https://cockpit.example", "Cockpit.Example"),
            ("https://cockpit.example:8443", "COCKPIT.example:8443"),
            ("http://[::1]", "[::1]:80"),
        ] {
            assert!(!foreign(Some(origin), host, &[]), "{origin} {host}");
        }
        for (origin, host) in [("https://cockpit.example", "cockpit.example:80"), ("http://cockpit.example", "cockpit.example:443")] {
            assert!(foreign(Some(origin), host, &[]), "{origin} {host}");
        }
    }

    #[test]
    fn a_page_that_a_proxy_serves_under_a_name_of_this_host_is_its_own() {
        for origin in ["https://cockpit.example", "https://Cockpit.example:8443", "http://[fd00::7]:81", "http://[fd00::8]"] {
            assert!(!foreign(Some(origin), "127.0.0.1:8080", &["cockpit.EXAMPLE", "fd00::7", "[fd00::8]"]), "{origin}");
        }
        for origin in ["https://cockpit.example.evil.example", "https://evil.example", "https://cockpit.example@evil.example", "null"] {
            assert!(foreign(Some(origin), "127.0.0.1:8080", &["cockpit.example"]), "{origin}");
        }
    }

    #[test]
    fn a_host_on_loopback_answers_under_names_of_its_own() {
        let headers = |host: Option<&'static str>| {
            let host = host.map(|host| (header::HOST, host.parse().expect("a host")));
            host.into_iter().collect::<HeaderMap>()
        };
        let hosts = Hosts::Loopback(vec!["mandate.internal".to_owned(), "10.0.0.7".to_owned()]);
        let own = ["127.0.0.1:8080", "127.3.3.3", "LOCALHOST:8080", "[::1]:8080", "[::ffff:127.0.0.1]", "Mandate.internal", "10.0.0.7:80"];
        for host in own.map(Some).into_iter().chain([None]) {
            assert!(hosts.know(&headers(host)), "{host:?}");
        }
        for host in ["evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.8", "[fe80::1]", "", "a b"] {
            assert!(!hosts.know(&headers(Some(host))), "{host}");
            assert!(Hosts::Any.know(&headers(Some(host))), "{host}");
        }
    }
}
