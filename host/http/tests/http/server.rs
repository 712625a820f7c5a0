//! The server over real sockets, on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mandate_http::{DEFAULT_DRAIN, Options, serve};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::common::{Host, review};

/// The longest that a server may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Duration>,
}

async fn server(host: &Host) -> Server {
    server_that_drains(host, DEFAULT_DRAIN).await
}

async fn server_that_drains(host: &Host, drain: Duration) -> Server {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move { drop(stopped.await) };
    let task = tokio::spawn(serve(host.runtime(), listener, Options { drain, ..Options::default() }, shutdown));
    Server { address, stop, task }
}

async fn exchange(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("read to the end");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_server_answers_and_ends_with_idle_connections_open() {
    let host = Host::open().await;
    let server = server(&host).await;
    let mut idle = TcpStream::connect(server.address).await.expect("connected");
    let mut asking = TcpStream::connect(server.address).await.expect("connected");
    let answer = exchange(&mut asking, "GET /api/v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("content-type: application/json\r\n"), "{answer}");

    server.stop.send(()).expect("it listens for the signal");
    tokio::time::timeout(PATIENCE, server.task).await.expect("it ends").expect("no panic");
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0, "the idle connection is closed");
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
    host.close().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_changes_nothing_about_its_start() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let server = server(&host).await;
    let body = json!({"businessKey": "hasty"}).to_string();
    let request = format!(
        "POST /engine-rest/process-definition/key/review/start HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(server.address).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("written");
    // What is written arrives before the end of the stream does; the answer is not waited for.
    drop(stream);
    host.wait_for_count("/engine-rest/task/count?processInstanceBusinessKey=hasty", 1).await;
    server.stop.send(()).expect("it listens for the signal");
    tokio::time::timeout(PATIENCE, server.task).await.expect("it ends").expect("no panic");
    host.close().await;
}

/// A request that is under way for certain: this host has asked for its body.
async fn asked_for_body(server: &Server, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.expect("connected");
    let head = format!(
        "POST /engine-rest/process-definition/key/review/start HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.expect("it is asked for");
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[tokio::test]
async fn what_requests_leave_of_the_drain_is_for_units_of_work() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let body = json!({"businessKey": "patient"}).to_string();
    let server = server_that_drains(&host, PATIENCE).await;
    let mut asking = asked_for_body(&server, &body).await;
    server.stop.send(()).expect("it listens for the signal");
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let answer = exchange(&mut asking, &body).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "it was under way: {answer}");
    let left = server.task.await.expect("no panic");
    assert!(left > Duration::ZERO && left < PATIENCE, "{left:?}");

    // One that never comes to its end.
    let server = server_that_drains(&host, Duration::ZERO).await;
    let _asking = asked_for_body(&server, &body).await;
    server.stop.send(()).expect("it listens for the signal");
    let left = tokio::time::timeout(PATIENCE, server.task).await.expect("it ends").expect("no panic");
    assert_eq!(left, Duration::ZERO);
    host.close().await;
}

/// What is answered is answered behind the whole request, so that the connection serves the next one.
#[tokio::test]
async fn a_refusal_waits_for_the_body_of_its_request() {
    let host = Host::open().await;
    let server = server(&host).await;
    for (method, path, status) in [("POST", "/engine-rest/task/x/wibble", "404"), ("PUT", "/engine-rest/version", "405")] {
        let mut stream = TcpStream::connect(server.address).await.expect("connected");
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("written");
        // Nobody answers a request that is not there yet.
        let early = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut [0; 1])).await;
        assert!(early.is_err(), "{path}: {early:?}");
        let answers = exchange(&mut stream, "{}GET /engine-rest/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
        assert_eq!(statuses, [status, "200"], "{path}: {answers}");
    }
    server.stop.send(()).expect("it listens for the signal");
    tokio::time::timeout(PATIENCE, server.task).await.expect("it ends").expect("no panic");
    host.close().await;
}

/// Clients that write their whole request before they read, as most do.
#[tokio::test]
async fn what_is_refused_while_it_is_still_sent_is_answered() {
    let host = Host::open().await;
    let server = server(&host).await;
    // More than sockets hold, and less than is read of what is refused.
    let rest = vec![b'x'; 32 * 1024 * 1024];
    let part = "--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n\r\n";
    for (path, kind, begin, status) in [
        // A part without a file name; another origin; and a JSON body that is too long.
        ("/engine-rest/deployment/create", "multipart/form-data; boundary=b\r\nX: y", part, "400"),
        ("/engine-rest/deployment/create", "multipart/form-data; boundary=b\r\nOrigin: http://evil.example", part, "403"),
        ("/engine-rest/task", "application/json", "{", "413"),
    ] {
        let mut stream = TcpStream::connect(server.address).await.expect("connected");
        let length = begin.len() + rest.len();
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{begin}");
        stream.write_all(head.as_bytes()).await.expect("written");
        stream.write_all(&rest).await.expect("it is read to its end");
        let answer = exchange(&mut stream, "").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.contains("\"message\":") && answer.ends_with('}'), "the whole answer: {answer}");
    }
    // Who asks before he sends is told at once, and sends nothing.
    let mut stream = TcpStream::connect(server.address).await.expect("connected");
    let head = "POST /engine-rest/deployment/create HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9999999\r\n\
                Origin: http://evil.example\r\nExpect: 100-continue\r\n\r\n";
    let answer = exchange(&mut stream, head).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("connection: close\r\n"), "{answer}");
    server.stop.send(()).expect("it listens for the signal");
    tokio::time::timeout(PATIENCE, server.task).await.expect("it ends").expect("no panic");
    host.close().await;
}
