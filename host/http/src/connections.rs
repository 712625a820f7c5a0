//! The connections of a server: how many there may be, and for how long they may say nothing.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::Error;
use crate::patience::Answering;

/// From when a host begins to wait for a request until it has the whole head, which nobody needs a second for. A connection on which
/// nothing is asked is closed by it too: longer than the twenty seconds of Camunda 7's Tomcat, and clients keep an idle connection no
/// longer than a minute or look whether it is still there.
pub(crate) const HEAD: Duration = Duration::from_mins(1);

/// What the kernel keeps of an answer for a client that is slow to take it; Linux takes twice as many bytes for it, and left to itself up
/// to 4 MB. It says that there is room again when a third is free: ten seconds later where a client takes no more than it must
/// ([`LEAST_PER_SECOND`](crate::patience::LEAST_PER_SECOND)), and not after the end of [`PATIENCE`](crate::patience::PATIENCE).
const SEND_BUFFER: usize = 60 * 1024;

/// The most connections that are served at once: more than the clients and waiting workers of one host. What each may hold is bounded apart
/// from this.
const MOST: usize = 4096;

/// Connections beyond these that are told so, and how the host is: who watches it must not take it for dead because others have all
/// connections.
const RESERVE: usize = 32;

/// How long one of those lasts, from when it is accepted to the end of its answer: whoever is slow on it keeps it from somebody who asks.
const CROWDED: Duration = Duration::from_secs(5);

/// How often the log says that there are too many.
const SAY_CROWDED: Duration = Duration::from_mins(1);

/// How many connections this process may serve at once: half of the files that it may have open, since databases, domain services and
/// compiled components need some too.
pub(crate) fn most() -> usize {
    let Some(files) = getrlimit(Resource::Nofile).current else { return MOST };
    let half = usize::try_from(files / 2).unwrap_or(MOST);
    if half < MOST {
        tracing::info!(
            "at most {half} connections are served at once and not {MOST}, for this process may have only {files} files open (ulimit -n, LimitNOFILE)"
        );
    }
    half.min(MOST)
}

/// That a request came on a connection beyond those that are served.
#[derive(Clone, Copy)]
struct Crowded;

/// Beyond the connections that are served, answers who asks how the host is, and nobody else.
pub(crate) async fn turn_away(request: Request, next: Next) -> Response {
    let watches = matches!(request.uri().path(), "/api/v1/health" | "/api/v1/readiness" | "/metrics");
    if watches || request.extensions().get::<Crowded>().is_none() {
        return next.run(request).await;
    }
    let message = "this host has as many connections as it serves at once and nothing was done: come again, or ask another host";
    Error::with_status(StatusCode::SERVICE_UNAVAILABLE, message).into_response()
}

/// Serves until `shutdown` is done and what is asked then is answered, as many connections as `most` at once. A few more may each ask one
/// thing ([`turn_away`]); whoever comes then waits where the kernel keeps connections until they are accepted. axum's own `serve` sets no
/// limit for heads and can be given none: it waits for the first bytes of a connection to tell HTTP/2 apart, which it does not speak here.
pub(crate) async fn serve<L>(router: Router, mut listener: L, most: usize, shutdown: impl Future<Output = ()>)
where
    L: Listener<Io = TcpStream>,
{
    let stop = watch::Sender::new(false);
    let places = Arc::new(Semaphore::new(most + RESERVE));
    let mut said: Option<Instant> = None;
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.expect("nobody closes it");
            (place, listener.accept().await.0)
        };
        let (place, io) = tokio::select! {
            next = next => next,
            () = &mut shutdown => break,
        };
        let crowded = places.available_permits() < RESERVE;
        if crowded && said.is_none_or(|said| said.elapsed() >= SAY_CROWDED) {
            said = Some(Instant::now());
            tracing::warn!(
                "there are more connections than the {most} that this host serves at once: on further ones it answers 503, but for its health and metrics"
            );
        }
        if let Err(error) = set_socket_send_buffer_size(&io, SEND_BUFFER) {
            tracing::debug!("a connection keeps the system's buffer for answers: {error}");
        }
        let connection = connection(router.clone(), io, crowded, stop.subscribe());
        tokio::spawn(async move {
            if crowded {
                // It has ended, or it is dropped.
                let _ = tokio::time::timeout(CROWDED, connection).await;
            } else {
                connection.await;
            }
            drop(place);
        });
    }
    drop(listener);
    stop.send_replace(true);
    // Each connection has a receiver.
    stop.closed().await;
}

async fn connection(router: Router, io: impl AsyncRead + AsyncWrite + Unpin, crowded: bool, mut stop: watch::Receiver<bool>) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).keep_alive(!crowded);
    let service = TowerToHyperService::new(router.map_request(move |request: axum::http::Request<_>| -> Request {
        let mut request = request.map(axum::body::Body::new);
        if crowded {
            request.extensions_mut().insert(Crowded);
        }
        request
    }));
    let mut served = pin!(builder.serve_connection(TokioIo::new(Answering::new(io)), service));
    let stopped = async {
        // The sender lives until all connections have ended.
        drop(stop.wait_for(|stop| *stop).await);
    };
    let outcome = tokio::select! {
        outcome = served.as_mut() => outcome,
        () = stopped => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!("a connection ended early: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use axum::body::Body;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use futures_util::{StreamExt as _, stream};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;
    use tokio::time::{interval, sleep};

    use super::*;
    use crate::patience::PATIENCE;

    const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// A server that takes ten minutes for each answer to `/slow`, how to stop it, and a connection to it.
    async fn connected() -> (TcpStream, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let slow = async || {
            sleep(Duration::from_mins(10)).await;
            "at last"
        };
        let router = Router::new().route("/", get(async || "here")).route("/slow", get(slow));
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(router, listener, MOST, async move { drop(stopped.await) }));
        (TcpStream::connect(address).await.expect("connected"), stop, server)
    }

    /// What comes on a connection until it ends.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut rest = Vec::new();
        let _reset = stream.read_to_end(&mut rest).await;
        String::from_utf8_lossy(&rest).into_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_never_says_what_it_wants_ends() {
        for said in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\n"] {
            let (mut stream, _stop, _server) = connected().await;
            let begun = Instant::now();
            stream.write_all(said.as_bytes()).await.expect("written");
            assert_eq!(rest(&mut stream).await, "", "{said:?}");
            assert_eq!(begun.elapsed().as_secs(), HEAD.as_secs(), "{said:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_trickles_is_given_up_and_so_is_an_idle_connection() {
        let (stream, _stop, _server) = connected().await;
        let begun = Instant::now();
        let (mut from, mut to) = stream.into_split();
        let trickling = tokio::spawn(async move {
            let mut clock = interval(Duration::from_secs(5));
            while to.write_all(b"X").await.is_ok() {
                clock.tick().await;
            }
        });
        assert_eq!(from.read(&mut [0; 1]).await.unwrap_or(0), 0);
        assert_eq!(begun.elapsed().as_secs(), HEAD.as_secs());
        trickling.await.expect("it ends with the connection");

        let (mut stream, _stop, _server) = connected().await;
        stream.write_all(REQUEST.as_bytes()).await.expect("written");
        let begun = Instant::now();
        assert!(rest(&mut stream).await.ends_with("here"));
        assert_eq!(begun.elapsed().as_secs(), HEAD.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_its_time_also_over_the_shutdown() {
        let (mut stream, stop, server) = connected().await;
        stream.write_all(REQUEST.replace("/ ", "/slow ").as_bytes()).await.expect("written");
        sleep(Duration::from_mins(2)).await;
        stop.send(()).expect("it listens for the signal");
        assert!(rest(&mut stream).await.ends_with("at last"));
        server.await.expect("it has ended");
    }

    /// As one piece, or as many, one after the other.
    const ANSWERS: [&str; 2] = ["/whole", "/pieces"];

    const PIECE: usize = 64 * 1024;
    const PIECES: usize = 64;

    /// Answers with more than any buffer takes.
    fn long_answers() -> Router {
        let pieces = async || Body::from_stream(stream::iter(0..PIECES).map(|_| Ok::<_, std::io::Error>(vec![b'x'; PIECE])));
        Router::new().route("/whole", get(async || vec![b'x'; PIECE * PIECES])).route("/pieces", get(pieces))
    }

    /// A connection that takes a piece at a time, on which such an answer was asked for.
    async fn asked(path: &str) -> (DuplexStream, tokio::task::JoinHandle<()>, watch::Sender<bool>) {
        let (mut client, server) = tokio::io::duplex(PIECE);
        let stop = watch::Sender::new(false);
        let served = tokio::spawn(connection(long_answers(), server, false, stop.subscribe()));
        client.write_all(REQUEST.replace("/ ", &format!("{path} ")).as_bytes()).await.expect("written");
        (client, served, stop)
    }

    /// How much comes until the connection ends, to a client that takes so many bytes, and as many again after a pause.
    async fn taken(client: &mut DuplexStream, bytes: usize, pause: Duration) -> usize {
        let mut taken = 0;
        let mut buffer = vec![0; bytes];
        loop {
            sleep(pause).await;
            // What was written before an end can be read after it.
            match client.read_exact(&mut buffer).await {
                Ok(_) => taken += bytes,
                Err(_) => return taken,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_of_its_answer_is_given_up() {
        for path in ANSWERS {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
            let mut stream = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connected");
            let (stop, stopped) = oneshot::channel::<()>();
            let server = tokio::spawn(serve(long_answers(), listener, 1, async move { drop(stopped.await) }));
            stream.write_all(REQUEST.replace("/ ", &format!("{path} ")).as_bytes()).await.expect("written");
            stream.read_exact(&mut [0; 1]).await.expect("the answer begins");
            let begun = Instant::now();
            stop.send(()).expect("it listens for the signal");
            // It ends when its connections have.
            server.await.expect("it has ended");
            assert_eq!(begun.elapsed().as_secs(), PATIENCE.as_secs(), "{path}");
            let rest = rest(&mut stream).await;
            assert!(rest.len() < PIECE * PIECES, "{path}: {}", rest.len());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_trickles_is_given_up() {
        // A byte a second, what is enough after a pause that is too long, and at half the rate that is wanted.
        for (bytes, pause) in [(1, 1), (PIECE, 31), (20_480, 10)] {
            for path in ANSWERS {
                let (mut client, served, _stop) = asked(path).await;
                let begun = Instant::now();
                let trickling = tokio::spawn(async move { taken(&mut client, bytes, Duration::from_secs(pause)).await });
                served.await.expect("no panic");
                let lasted = begun.elapsed();
                assert!(lasted < Duration::from_mins(3), "{path}: {bytes} bytes each {pause} s: {lasted:?}");
                let taken = trickling.await.expect("no panic");
                assert!(taken < PIECE * PIECES, "{path}: {bytes} bytes each {pause} s: {taken}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_goes_on_is_given_however_long_it_takes() {
        // Pauses as long as they may be, each made good by what comes after it.
        for (bytes, pause) in [(8_192, 2), (40_960, 9), (PIECE, 15)] {
            for path in ANSWERS {
                let (mut client, served, _stop) = asked(path).await;
                let begun = Instant::now();
                let taken = taken(&mut client, bytes, Duration::from_secs(pause)).await;
                assert!(taken + bytes > PIECE * PIECES, "{path}: {bytes} bytes each {pause} s: {taken}");
                assert!(begun.elapsed() > 10 * HEAD, "it is meant to take long");
                served.await.expect("no panic");
            }
        }
    }

    /// A server of one connection.
    async fn crowded() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().route("/", get(async || "here")).route("/api/v1/health", get(async || "well")).layer(from_fn(turn_away));
        tokio::spawn(serve(router, listener, 1, std::future::pending()));
        address
    }

    /// What is answered on a connection of its own, until that ends.
    async fn answer(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(request.as_bytes()).await.expect("written");
        rest(&mut stream).await
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_the_connections_that_are_served_only_health_is_answered() {
        let address = crowded().await;
        let mut first = TcpStream::connect(address).await.expect("connected");
        first.write_all(REQUEST.as_bytes()).await.expect("written");
        first.read_exact(&mut [0; 1]).await.expect("the answer begins");
        let begun = Instant::now();

        let turned_away = answer(address, REQUEST).await.to_ascii_lowercase();
        assert!(turned_away.starts_with("http/1.1 503 ") && turned_away.contains("nothing was done"), "{turned_away}");
        assert!(turned_away.contains("\r\nconnection: close\r\n") && turned_away.contains("\r\nretry-after: "), "{turned_away}");
        let health = answer(address, &REQUEST.replace("/ ", "/api/v1/health ")).await;
        assert!(health.starts_with("HTTP/1.1 200 ") && health.ends_with("well"), "{health}");
        assert_eq!(begun.elapsed().as_secs(), 0, "they end with their answer");

        first.shutdown().await.expect("ended");
        rest(&mut first).await;
        assert!(answer(address, REQUEST).await.ends_with("here"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_at_all_waits_for_one() {
        let address = crowded().await;
        let mut silent = Vec::new();
        for _ in 0..=RESERVE {
            silent.push(TcpStream::connect(address).await.expect("connected"));
        }
        let begun = Instant::now();
        let health = answer(address, &REQUEST.replace("/ ", "/api/v1/health ")).await;
        assert!(health.ends_with("well"), "{health}");
        assert_eq!(begun.elapsed().as_secs(), CROWDED.as_secs());
    }

    /// Through the router that hosts serve.
    #[tokio::test]
    async fn who_is_turned_away_is_so_before_anything_is_read_of_what_he_sends() {
        use std::sync::atomic::{AtomicBool, Ordering};
        use std::task::Poll;

        use futures_util::FutureExt as _;
        use mandate_runtime::{ClockSource, Config, Runtime, StoreConfig, wasm};

        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = Config {
            store: StoreConfig::new(format!("sqlite:{}", folder.path().join("test.db").display())),
            sandbox: wasm::Config::new(folder.path().join("cache"), wasm::Compiler::InProcess),
            catalogue: None,
            execute_jobs: false,
            clock: ClockSource::System,
            history_cleanup: None,
        };
        let runtime = Runtime::open(config).await.expect("a runtime");
        let router = crate::router(runtime.clone(), crate::Options::default());
        // A body that never comes: the answer, if there is one, and whether the body was waited for.
        let ask = |crowded: bool| {
            let waited = Arc::new(AtomicBool::new(false));
            let waits = waited.clone();
            let body = stream::poll_fn(move |_| {
                waits.store(true, Ordering::Relaxed);
                Poll::<Option<Result<Vec<u8>, std::io::Error>>>::Pending
            });
            let body = Body::from_stream(body);
            let mut request =
                Request::post("/engine-rest/message").header("content-type", "application/json").body(body).expect("a request");
            if crowded {
                request.extensions_mut().insert(Crowded);
            }
            let answer = router.clone().oneshot(request).now_or_never();
            (answer.map(|answer| answer.expect("a router never fails").status()), waited.load(Ordering::Relaxed))
        };
        assert_eq!(ask(true), (Some(StatusCode::SERVICE_UNAVAILABLE), false));
        assert_eq!(ask(false), (None, true));
        runtime.shut_down(Duration::from_secs(5)).await;
    }
}
