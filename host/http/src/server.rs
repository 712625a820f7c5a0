//! The listener, and what surrounds every request.

use std::any::Any;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use mandate_runtime::Runtime;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument;

use crate::connections;
use crate::patience::{Incoming, LEAST_PER_SECOND, PATIENCE, patient};
use crate::{DEFAULT_UPLOAD_LIMIT, Error, JSON_LIMIT, Options};

/// As much of a request is read on when it has been refused: as much again as an upload may have, unless an operator says otherwise.
const DRAINED: usize = DEFAULT_UPLOAD_LIMIT;

/// Serves until `shutdown` is done and the requests that are under way then are answered, at the longest [`Options::drain`]. From
/// `shutdown` on the host [winds down](Runtime::wind_down). Answers what is then left of that time, for the units of work that go on. A
/// connection whose client does not say what it wants is closed, and there are so many at once ([`connections`]); a listener that fails for
/// a moment is asked again.
pub async fn serve(
    runtime: Runtime,
    listener: TcpListener,
    options: Options,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Duration {
    let upkeep = options.prometheus.clone().map(|metrics| tokio::spawn(metrics.upkeep()));
    let drain = options.drain;
    let ending = runtime.clone();
    let (begun, mut draining) = watch::channel(None);
    let began = begun.subscribe();
    let signal = async move {
        shutdown.await;
        // Also clients that wait for external tasks would otherwise be waited for.
        ending.wind_down();
        begun.send_replace(Some(Instant::now()));
    };
    let server = connections::serve(crate::router(runtime, options), listener, connections::most(), signal);
    let overdue = async {
        // Without a signal the server ends by itself or not at all.
        if draining.wait_for(Option::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        () = server => {}
        () = overdue => {
            tracing::warn!("requests were still under way {} s after the shutdown began; their connections are closed", drain.as_secs());
        }
    }
    if let Some(upkeep) = upkeep {
        upkeep.abort();
    }
    began.borrow().map_or(drain, |began| drain.saturating_sub(began.elapsed()))
}

/// Whether a host may listen there. There is no authentication yet: whoever reaches the port may do everything.
///
/// # Errors
/// What is wrong with it and what to do.
pub fn check_listen(address: SocketAddr, insecure: bool) -> Result<(), String> {
    // An IPv4 address in IPv6 clothes reaches what the IPv4 address reaches.
    if insecure || address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err(format!(
        "{address} can be reached from other machines and there is no authentication yet: whoever reaches it may deploy, start and delete. \
         Listen on 127.0.0.1 behind a proxy that authenticates, or add --insecure if the network itself is trusted"
    ))
}

/// Reads a body before anybody answers: a connection on which the answer overtakes the rest of its request is closed by the server, and
/// what a client with a pool of connections has sent on it meanwhile is lost. An upload may be large and is read by its handler; where that
/// refuses it, the answer says that the connection closes ([`closing_behind`]). Nobody waits for a body for ever ([`patient`]).
pub(crate) async fn read_body(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let (body, incoming) = patient(body);
    let waits = waits_to_be_asked(&parts.headers);
    if is_upload(&parts.headers) {
        let response = next.run(Request::from_parts(parts, body)).await;
        if response.status().is_success() {
            return response;
        }
        // Whatever its handler has said of it.
        if incoming.is_given_up() {
            return too_slow();
        }
        return if waits && !incoming.is_begun() { closing(response) } else { closing_behind(incoming, response).await };
    }
    let Ok(bytes) = to_bytes(body, JSON_LIMIT).await else {
        if incoming.is_given_up() {
            return too_slow();
        }
        let message = format!("the body has more than {JSON_LIMIT} bytes, or ended early");
        return closing_behind(incoming, Error::with_status(StatusCode::PAYLOAD_TOO_LARGE, message).into_response()).await;
    };
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

fn is_upload(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.as_bytes().get(..10));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart/"))
}

/// Nothing was done: a handler acts when it has the whole body.
fn too_slow() -> Response {
    let message = format!(
        "the body came too slowly and nothing was done: bytes may be {} s apart, and at least {LEAST_PER_SECOND} of them must come a second",
        PATIENCE.as_secs()
    );
    closing(Error::with_status(StatusCode::REQUEST_TIMEOUT, message).into_response())
}

fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// An answer behind the rest of its request, or behind [`DRAINED`] of it: a connection that is closed with bytes that nobody has read is
/// reset, and whoever still sends them never sees the answer (RFC 9112, 9.6). Were the rest read behind the beginning of an answer, whoever
/// stops sending when it sees that would wait for its end, as this host would wait for the rest.
async fn closing_behind(incoming: Incoming, response: Response) -> Response {
    incoming.drain(DRAINED).await;
    closing(response)
}

/// Whether a client sends its body when it is asked to (RFC 9110, 10.1.1), which it is by whoever reads it.
fn waits_to_be_asked(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// One span per request: method, path and status, never a query string or a body, which may hold what people typed.
pub(crate) async fn trace(request: Request, next: Next) -> Response {
    let span = tracing::info_span!("request", method = %request.method(), path = request.uri().path(), status = tracing::field::Empty);
    let response = next.run(request).instrument(span.clone()).await;
    span.record("status", response.status().as_u16());
    span.in_scope(|| tracing::debug!("answered"));
    response
}

/// A handler panicked: a bug of ours. The client gets the shape it expects, the log the message.
pub(crate) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let message = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = message.unwrap_or("without a message"), "a handler panicked");
    Error::rest("the host made a mistake; its log says which").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_may_be_listened_on_without_insecure() {
        for address in ["127.0.0.1:8080", "127.8.7.6:1", "[::1]:8080", "[::ffff:127.0.0.1]:8080"] {
            check_listen(address.parse().expect("an address"), false).expect(address);
        }
        for address in ["0.0.0.0:8080", "192.168.1.4:8080", "[::]:8080", "[fe80::1]:8080", "[::ffff:10.0.0.1]:80"] {
            let address: SocketAddr = address.parse().expect("an address");
            let error = check_listen(address, false).expect_err("reachable");
            assert!(error.contains("--insecure"), "{error}");
            check_listen(address, true).expect("asked for");
        }
    }

    #[test]
    fn a_panic_has_the_shape_of_an_error() {
        let response = panicked(Box::new("boom"));
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    }
}
