//! The connections of a server: how many there may be, and for how long they may say nothing.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::patience::{Answering, LEAST_PER_SECOND, PATIENCE};

/// From when a host begins to wait for a request until it has the whole head, which nobody needs a second for. A connection on which nothing is asked is
/// closed by it too: longer than the twenty seconds of Camunda 7's Tomcat, and clients keep an idle connection no longer than a minute or look whether it is
/// still there.
pub(crate) const HEAD: Duration = Duration::from_mins(1);

/// What the kernel keeps of an answer for a client that is slow to take it; Linux takes twice as many bytes for it, and left to itself up to 4 MB. It says that
/// there is room again when a third is free: within [`PATIENCE`], also of a client that takes no more than it must.
const SEND_BUFFER: usize = LEAST_PER_SECOND as usize * PATIENCE.as_secs() as usize / 2;

/// Serves until `shutdown` is done and what is asked then is answered. axum's own `serve` sets
/// no limit for heads and can be given none: it waits for the first bytes of a connection to tell HTTP/2 apart, which it does not speak here.
pub(crate) async fn serve<L>(router: Router, mut listener: L, shutdown: impl Future<Output = ()>)
where
    L: Listener<Io = TcpStream>,
{
    let stop = watch::Sender::new(false);
    let mut shutdown = pin!(shutdown);
    loop {
        let (io, _) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        if let Err(error) = set_socket_send_buffer_size(&io, SEND_BUFFER) {
            tracing::debug!("a connection keeps the system's buffer for answers: {error}");
        }
        tokio::spawn(connection(router.clone(), io, stop.subscribe()));
    }
    drop(listener);
    stop.send_replace(true);
    // Each connection has a receiver.
    stop.closed().await;
}

async fn connection(router: Router, io: impl AsyncRead + AsyncWrite + Unpin, mut stop: watch::Receiver<bool>) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let service =
        TowerToHyperService::new(router.map_request(|request: axum::http::Request<_>| -> Request { request.map(axum::body::Body::new) }));
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
    use std::net::Ipv4Addr;

    use axum::body::Body;
    use axum::response::Response;
    use axum::routing::get;
    use futures_util::{StreamExt as _, stream};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;
    use tokio::time::{Instant, interval, sleep};

    use super::*;

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
        let server = tokio::spawn(serve(router, listener, async move { drop(stopped.await) }));
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
        let served = tokio::spawn(connection(long_answers(), server, stop.subscribe()));
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
            let server = tokio::spawn(serve(long_answers(), listener, async move { drop(stopped.await) }));
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
}
