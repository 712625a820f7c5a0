//! Clients that are slow to send a body or to take an answer, and the end of a host's patience.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody as _};
use futures_util::{Stream, StreamExt as _, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, timeout};

/// The longest that a host waits for the next bytes of a body, and for a client to take the next bytes of an answer; a client whose network
/// fails for a moment is back before.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that earn a client another second of waiting. A telephone line sends more; a body of [`JSON_LIMIT`](crate::JSON_LIMIT) takes nine
/// minutes at the most.
pub(crate) const LEAST_PER_SECOND: u32 = 4096;

/// For how long a client may still keep this host waiting: for [`PATIENCE`], less what it has waited before, and more by what has come or
/// gone since. So neither a pause nor a trickle holds anything for ever, and what goes on may take as long as it does. What the host itself
/// takes in between does not count.
#[derive(Clone, Copy, Debug)]
struct Patience(Duration);

impl Patience {
    const WHOLE: Self = Self(PATIENCE);

    /// What is left when so many bytes have come, or gone, after so long.
    fn after(self, waited: Duration, bytes: usize) -> Self {
        let earned = Duration::from_secs(bytes as u64) / LEAST_PER_SECOND;
        Self(self.0.saturating_sub(waited).saturating_add(earned).min(PATIENCE))
    }
}

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>;

/// What becomes of a body, for whoever has given it to somebody else to read.
#[derive(Default)]
pub(crate) struct Incoming {
    given_up: Arc<AtomicBool>,
    begun: Arc<AtomicBool>,
    /// None: there was no body.
    chunks: Option<Arc<Mutex<Chunks>>>,
}

impl Incoming {
    /// Whether it was given up for its slowness.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Whether anybody has begun to read it.
    pub(crate) fn is_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Reads on when its reader does not any more, until it ends, is given up, or has had so many bytes.
    pub(crate) async fn drain(self, most: usize) {
        let Some(chunks) = self.chunks else { return };
        let mut chunks = Shared { chunks, begun: self.begun };
        let mut left = most;
        while let Some(Ok(chunk)) = chunks.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    }
}

/// A body of which one reads what another has left.
struct Shared {
    chunks: Arc<Mutex<Chunks>>,
    begun: Arc<AtomicBool>,
}

impl Stream for Shared {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.begun.store(true, Ordering::Relaxed);
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner).as_mut().poll_next(context)
    }
}

/// The same body, which ends with an error when its client has kept this host waiting for too long ([`Patience`]).
pub(crate) fn patient(body: Body) -> (Body, Incoming) {
    let mut incoming = Incoming::default();
    if body.is_end_stream() {
        return (body, incoming);
    }
    let flag = incoming.given_up.clone();
    let chunks = stream::try_unfold((body.into_data_stream(), Patience::WHOLE, flag), |(mut chunks, patience, flag)| async move {
        let begun = Instant::now();
        let Ok(next) = timeout(patience.0, chunks.next()).await else {
            flag.store(true, Ordering::Relaxed);
            return Err(BoxError::from("the body comes too slowly"));
        };
        let Some(chunk) = next.transpose()? else { return Ok(None) };
        let patience = patience.after(begun.elapsed(), chunk.len());
        Ok(Some((chunk, (chunks, patience, flag))))
    });
    let chunks: Chunks = Box::pin(chunks);
    let chunks = Arc::new(Mutex::new(chunks));
    incoming.chunks = Some(chunks.clone());
    (Body::from_stream(Shared { chunks, begun: incoming.begun.clone() }), incoming)
}

/// The same connection, on which a write fails when the client has kept this host waiting for too long to take what was written before
/// ([`Patience`]). While nothing is written, an answer is being made, it may be silent for as long as that takes.
#[derive(Debug)]
pub(crate) struct Answering<S> {
    stream: S,
    patience: Patience,
    /// Since when it takes nothing, and until when it may.
    stuck: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<S> Answering<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, patience: Patience::WHOLE, stuck: None }
    }

    /// What has come of a write.
    fn written(&mut self, written: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(outcome) = written {
            let waited = self.stuck.take().map_or(Duration::ZERO, |(since, _)| since.elapsed());
            self.patience = self.patience.after(waited, *outcome.as_ref().unwrap_or(&0));
            return Poll::Ready(outcome);
        }
        let (_, until) = self.stuck.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(self.patience.0))));
        ready!(until.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes its answer too slowly")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Answering<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Answering<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(written, context)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::to_bytes;
    use axum::extract::{DefaultBodyLimit, Multipart};
    use axum::http::{Request, StatusCode, header};
    use axum::middleware::from_fn;
    use axum::routing::post;
    use tower::ServiceExt as _;

    use super::*;
    use crate::server::read_body;

    /// Comes in pieces, one each so many seconds.
    fn pieces(pieces: Vec<Vec<u8>>, every: u64) -> Body {
        let clock = tokio::time::interval_at(Instant::now(), Duration::from_secs(every));
        Body::from_stream(stream::unfold((clock, pieces.into_iter()), |(mut clock, mut pieces)| async move {
            clock.tick().await;
            Some((Ok::<_, BoxError>(pieces.next()?), (clock, pieces)))
        }))
    }

    async fn upload(mut multipart: Multipart) -> Result<String, StatusCode> {
        let field = multipart.next_field().await.map_err(|_| StatusCode::BAD_REQUEST)?.ok_or(StatusCode::BAD_REQUEST)?;
        field.bytes().await.map(|bytes| bytes.len().to_string()).map_err(|_| StatusCode::BAD_REQUEST)
    }

    /// What is answered to a body of that many pieces of a size, as an upload and as anything else.
    async fn answers(size: usize, count: usize, every: u64) -> [(u16, String); 2] {
        let app = Router::new()
            .route("/upload", post(upload))
            .route("/", post(|text: String| async move { text.len().to_string() }))
            .layer(DefaultBodyLimit::disable())
            .layer(from_fn(read_body));
        let ask = async |path: &str, kind: &str, head: &str, tail: &str| {
            let mut body = vec![vec![b'x'; size]; count];
            body[0].splice(..0, head.bytes());
            body.last_mut().expect("there are some").extend(tail.bytes());
            let request = Request::post(path).header(header::CONTENT_TYPE, kind).body(pieces(body, every)).expect("a request");
            let answer = app.clone().oneshot(request).await.expect("answered");
            let (status, closes) = (answer.status(), answer.headers().get(header::CONNECTION).is_some());
            assert_eq!(closes, !status.is_success(), "what is not read to its end ends its connection");
            let text = to_bytes(answer.into_body(), 1_000).await.expect("a short text");
            (status.as_u16(), String::from_utf8_lossy(&text).into_owned())
        };
        let head = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n";
        [ask("/", "text/plain", "", "").await, ask("/upload", "multipart/form-data; boundary=b", head, "\r\n--b--\r\n").await]
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up() {
        let begun = Instant::now();
        // A byte a second, a piece after a pause that is too long, and one after the other at half the rate that is wanted.
        for (size, count, every) in [(1, 1_000, 1), (1_000_000, 2, 31), (40_960, 40, 20)] {
            for (status, text) in answers(size, count, every).await {
                assert!(status == 408 && text.contains("too slowly"), "{size} bytes each {every} s: {status} {text}");
            }
        }
        assert!(begun.elapsed() < Duration::from_mins(10), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_that_goes_on_is_read_however_long_it_takes() {
        // Pauses as long as they may be, each made good by what comes after it; and a body that is there at once.
        for (size, count, every) in [(40_960, 50, 9), (118_784, 17, 29), (1_000, 1, 1)] {
            for (status, text) in answers(size, count, every).await {
                assert_eq!((status, text), (200, (size * count).to_string()), "{size} bytes each {every} s");
            }
        }
    }
}
