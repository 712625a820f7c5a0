//! What browsers ask for on behalf of the pages that they show.
//!
//! There is no authentication yet, so whatever reaches the port may do everything, and a browser on the machine reaches it for any page
//! that somebody looks at. Two things about a request tell such a page: its `Origin`, and the `Host` under which the browser found this
//! one. A page whose name was made to lead to 127.0.0.1 after it was loaded (DNS rebinding) is of the same origin as what it asks for, but
//! under its own name.

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, header};
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
        let Self::Loopback(others) = self else { return true };
        let Some(asked) = headers.get(header::HOST) else { return true };
        let Some(authority) = asked.to_str().ok().and_then(|asked| asked.parse::<Authority>().ok()) else { return false };
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_loopback = name.parse().is_ok_and(|address: std::net::IpAddr| address.to_canonical().is_loopback());
        is_loopback || name.eq_ignore_ascii_case("localhost") || others.iter().any(|other| name.eq_ignore_ascii_case(other))
    }
}

/// Refuses what must not reach any handler.
pub(crate) async fn guard(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    if request.uri().path().contains("%00") {
        return Error::Invalid("the path holds a NUL byte".to_owned()).into_response();
    }
    if !hosts.know(request.headers()) {
        let asked = String::from_utf8_lossy(request.headers()[header::HOST].as_bytes());
        let message = format!(
            "this host is asked as '{asked}', a name that any web page may have made lead here: ask 127.0.0.1 or localhost, have a proxy in between send one of these \
             as Host, or start the host with --allowed-hosts and that name"
        );
        return Error::with_status(StatusCode::MISDIRECTED_REQUEST, message).into_response();
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && is_foreign(request.headers()) {
        let message = "web pages of another origin may not change anything here";
        return Error::with_status(StatusCode::FORBIDDEN, message).into_response();
    }
    next.run(request).await
}

/// Whether a web page of another origin sends the request. Browsers say so in `Origin`, and other clients send none. Without this check
/// any page that a developer looks at could deploy to the host on their machine. Desktop programs, such as the Modeler, say `file://`.
fn is_foreign(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let origin = origin.to_str().unwrap_or("null");
    if origin.starts_with("file://") {
        return false;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_none() || authority != host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_origins_are_foreign() {
        let headers = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "127.0.0.1:8080".parse().expect("a host"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().expect("an origin"));
            }
            headers
        };
        for origin in [None, Some("http://127.0.0.1:8080"), Some("file://")] {
            assert!(!is_foreign(&headers(origin)), "{origin:?}");
        }
        for origin in ["https://evil.example", "null", "http://127.0.0.1:9090", "http://evil.example:8080"] {
            assert!(is_foreign(&headers(Some(origin))), "{origin}");
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
