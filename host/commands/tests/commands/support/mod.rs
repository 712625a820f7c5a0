//! A domain service on loopback, written by hand so that it can misbehave byte by byte.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mandate_commands::{Catalogue, Command, Outcome, Prepared, Request, Sender};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Longer than any test takes on a busy machine; reaching it is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// What the service does with every request.
#[derive(Clone)]
pub(crate) enum Script {
    /// Writes these bytes and closes.
    Answer(Vec<u8>),
    /// Writes these bytes and waits for the next request on the same connection.
    KeepAlive(Vec<u8>),
    /// Closes without reading or writing anything.
    CloseAtOnce,
    /// Reads the request, then closes without an answer.
    CloseAfterReading,
    /// Reads the request and never answers.
    Silence,
    /// Writes these bytes and then nothing, leaving the connection open.
    Stall(Vec<u8>),
    /// Writes these bytes in answer to a connection's first request; reads the next one and closes.
    KeepAliveOnce(Vec<u8>),
    /// Writes these bytes, then one byte of `x` every ten seconds for ever.
    Drip(Vec<u8>),
    /// Writes these bytes, then this many bytes of `x` in pieces, as long as anybody takes them.
    Flood(Vec<u8>, usize),
}

/// A running service.
pub(crate) struct Service {
    pub(crate) url: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    requests: Mutex<Vec<String>>,
    connections: Mutex<usize>,
    flooded: Mutex<usize>,
    received: Notify,
}

impl Service {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(State {
            requests: Mutex::default(),
            connections: Mutex::default(),
            flooded: Mutex::default(),
            received: Notify::new(),
        });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            // Connections end with the service, whatever they are waiting for.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                *shared.connections.lock().unwrap() += 1;
                connections.spawn(serve(stream, script.clone(), Arc::clone(&shared)));
            }
        });
        Self { url, state, task }
    }

    /// Answers every request with this status and JSON body.
    pub(crate) async fn answering(status: u16, body: &Value) -> Self {
        Self::start(Script::Answer(answer(status, "", &body.to_string()))).await
    }

    /// The requests so far, each as its head and body in text.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }

    /// The only request.
    pub(crate) fn request(&self) -> String {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "exactly one request: {requests:#?}");
        requests.into_iter().next().expect("one")
    }

    pub(crate) fn connections(&self) -> usize {
        *self.state.connections.lock().unwrap()
    }

    /// How many bytes of a flood were taken.
    pub(crate) fn flooded(&self) -> usize {
        *self.state.flooded.lock().unwrap()
    }

    /// Waits until a request has been read.
    pub(crate) async fn received(&self) {
        tokio::time::timeout(PATIENCE, self.state.received.notified()).await.expect("a request arrives");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A complete HTTP answer.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

async fn serve(mut stream: TcpStream, script: Script, state: Arc<State>) {
    if matches!(script, Script::CloseAtOnce) {
        return;
    }
    let mut served = 0;
    while let Some(request) = read_request(&mut stream).await {
        served += 1;
        state.requests.lock().unwrap().push(request);
        state.received.notify_one();
        match &script {
            Script::Answer(bytes) => {
                let _ = stream.write_all(bytes).await;
                return;
            }
            Script::KeepAlive(bytes) => {
                if stream.write_all(bytes).await.is_err() {
                    return;
                }
            }
            Script::KeepAliveOnce(bytes) => {
                if served > 1 || stream.write_all(bytes).await.is_err() {
                    return;
                }
            }
            Script::Drip(bytes) => {
                let _ = stream.write_all(bytes).await;
                while stream.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(10)).await;
                }
                return;
            }
            Script::CloseAtOnce | Script::CloseAfterReading => return,
            Script::Silence => std::future::pending().await,
            Script::Stall(bytes) => {
                let _ = stream.write_all(bytes).await;
                std::future::pending::<()>().await;
            }
            Script::Flood(head, total) => {
                let _ = stream.write_all(head).await;
                let piece = [b'x'; 16 << 10];
                while *state.flooded.lock().unwrap() < *total {
                    if stream.write_all(&piece).await.is_err() {
                        return;
                    }
                    *state.flooded.lock().unwrap() += piece.len();
                }
                return;
            }
        }
    }
}

/// Head and body of one request, or `None` once the other side has closed.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&piece[..n]),
        }
    }
}

/// A catalogue of one target at `url` and one command, `orders.reserve-line@1`, with more keys for both.
pub(crate) fn catalogue(url: &str, target: &str, command: &str) -> Arc<Catalogue> {
    let text = format!(
        r#"
[targets.orders]
url = "{url}"
{target}
[commands."orders.reserve-line@1"]
target = "orders"
path = "/commands/reserve-line"
timeout = "30s"
applied = [200, 201]
rejected = [409, 422]
unavailable = [503, 429]
undo = "nothing"
grants = [{{ tenants = ["*"], delegates = ["*"] }}]
{command}
"#
    );
    let environment = |name: &str| (name == "ORDERS_TOKEN").then(|| SECRET.to_owned());
    Arc::new(Catalogue::parse_with("catalogue.toml", &text, environment).unwrap_or_else(|error| panic!("{error}")))
}

/// What must never be seen.
pub(crate) const SECRET: &str = "s3cr3t-t0k3n";

pub(crate) fn command(catalogue: &Catalogue) -> &Command {
    catalogue.get("orders.reserve-line@1").expect("the command")
}

pub(crate) fn body() -> Value {
    json!({"orderId": "order-17", "line": 2})
}

/// A request with the usual key, tenant and trace.
pub(crate) fn request(body: &Value) -> Request<'_> {
    Request {
        key: "reserve:order-17:plan-2",
        tenant: Some("acme"),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        body,
    }
}

/// The usual request with the usual body, as it goes over the wire.
pub(crate) fn prepared(command: &Command) -> Prepared {
    command.prepare(&request(&body())).expect("it can be sent")
}

/// Sends the usual request to a service at `url`, with more keys for the command.
pub(crate) async fn send(url: &str, more: &str) -> Outcome {
    let catalogue = catalogue(url, "", more);
    let sender = Sender::new(Arc::clone(&catalogue)).expect("a sender");
    let command = command(&catalogue);
    let place = sender.place(command).await;
    tokio::time::timeout(PATIENCE, sender.send(place, command, prepared(command))).await.expect("an outcome in time")
}

/// Runs `work` until the service has read a request, then lets the clock run ahead to its next timer: what waits for an answer
/// that never comes times out at once.
pub(crate) async fn time_out_after_request<T: Send + 'static>(service: &Service, work: impl Future<Output = T> + Send + 'static) -> T {
    let work = tokio::spawn(work);
    service.received().await;
    tokio::time::pause();
    let done = work.await.expect("the work does not panic");
    tokio::time::resume();
    done
}
