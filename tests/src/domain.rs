//! A domain service small enough to see through: it writes down what it is sent and answers as its path says.
//!
//! `/ok/…` applies and answers 200. `/busy-once/…` answers 503 the first time a key comes, and applies nothing. `/lost-once/…` applies and
//! hangs up without an answer the first time; `/cut-once/…` only hangs up. `/slow/…` takes half a second. `/held/…` applies and answers
//! when the test lets it go. `/no/…` answers 409 with the code `NO`. A key that was applied is not applied again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

/// How long `/slow/…` takes: long enough for a caller to go away meanwhile.
const SLOW: std::time::Duration = std::time::Duration::from_millis(500);

/// One application of a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The request's path.
    pub path: String,
    /// Its idempotency key.
    pub key: String,
    /// Its body.
    pub body: Value,
}

/// How long `/held/…` waits to be let go: longer than any test is patient.
const HELD: std::time::Duration = std::time::Duration::from_secs(120);

#[derive(Default)]
struct State {
    applied: Vec<Applied>,
    calls: BTreeMap<String, u32>,
}

/// Requests that wait for the test.
#[derive(Default)]
struct Gate {
    waiting: u32,
    /// How many may pass.
    open: u32,
}

/// The running service; its thread ends with the process.
#[derive(Clone)]
pub struct Domain {
    url: String,
    state: Arc<Mutex<State>>,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

impl Domain {
    /// Starts it on a free port.
    pub fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let domain = Self { url: format!("http://{}", listener.local_addr()?), state: Arc::default(), gate: Arc::default() };
        let serving = domain.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.answer(&stream));
            }
        });
        Ok(domain)
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Everything that was applied, in order.
    pub fn applied(&self) -> Vec<Applied> {
        self.state.lock().expect("no holder of this lock panics").applied.clone()
    }

    /// How many requests wait to be let go.
    pub fn held(&self) -> u32 {
        self.gate.0.lock().expect("no holder of this lock panics").waiting
    }

    /// Lets so many requests go, waiting ones and later ones.
    pub fn let_go(&self, requests: u32) {
        self.gate.0.lock().expect("no holder of this lock panics").open += requests;
        self.gate.1.notify_all();
    }

    /// Whoever comes from here on waits again, however many were let go and have not come.
    pub fn hold(&self) {
        self.gate.0.lock().expect("no holder of this lock panics").open = 0;
    }

    /// How often anything was sent under a key.
    pub fn calls(&self) -> BTreeMap<String, u32> {
        self.state.lock().expect("no holder of this lock panics").calls.clone()
    }

    /// A catalogue in which every delegate has a command per behaviour: `test.ok@1`, `test.busy-once@1`, `test.lost-once@1`, `test.no@1`,
    /// `test.slow@1`, `test.held@1` and, which can be neither asked nor repeated, `test.dark@1`, which is applied and loses its first
    /// answer, and `test.cut@1`, which is not applied the first time and loses its answer.
    pub fn catalogue(&self) -> String {
        let mut text = format!("[targets.domain]\nurl = \"{}\"\narrives-within = \"0s\"\n", self.url);
        for (name, path, honours_key) in [
            ("ok", "ok", true),
            ("busy-once", "busy-once", true),
            ("lost-once", "lost-once", true),
            ("no", "no", true),
            ("slow", "slow", true),
            ("held", "held", true),
            ("dark", "lost-once", false),
            ("cut", "cut-once", false),
        ] {
            let timeout = if name == "held" { "30s" } else { "5s" };
            let _ = write!(
                text,
                "\n[commands.\"test.{name}@1\"]\ntarget = \"domain\"\nmethod = \"POST\"\npath = \"/{path}/{name}\"\ntimeout = \"{timeout}\"\n\
                 applied = [200]\nrejected = [409]\nunavailable = [503]\nhonours-key = {honours_key}\nundo = \"nothing\"\n\
                 grants = [{{ tenants = [\"*\"], delegates = [\"*\"] }}]\n"
            );
        }
        text
    }

    fn answer(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let path = line.split(' ').nth(1)?.to_owned();
        let (mut key, mut length) = (String::new(), 0);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "idempotency-key" => value.trim().clone_into(&mut key),
                "content-length" => length = value.trim().parse().ok()?,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if path.starts_with("/slow/") {
            std::thread::sleep(SLOW);
        }
        if path.starts_with("/held/") {
            self.wait_to_be_let_go();
        }
        let (status, reply) = self.decide(&path, &key, body)?;
        let reply = reply.to_string();
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{reply}",
            reply.len()
        )
        .ok()
    }

    fn wait_to_be_let_go(&self) {
        let (gate, changed) = &*self.gate;
        let mut held = gate.lock().expect("no holder of this lock panics");
        held.waiting += 1;
        (held, _) = changed.wait_timeout_while(held, HELD, |gate| gate.open == 0).expect("no holder of this lock panics");
        held.open = held.open.saturating_sub(1);
        held.waiting -= 1;
    }

    /// None hangs up.
    fn decide(&self, path: &str, key: &str, body: Value) -> Option<(u16, Value)> {
        let mut state = self.state.lock().expect("no holder of this lock panics");
        let calls = state.calls.entry(key.to_owned()).or_default();
        *calls += 1;
        let first = *calls == 1;
        let known = state.applied.iter().any(|applied| applied.key == key);
        let apply = |state: &mut State| {
            if !known {
                state.applied.push(Applied { path: path.to_owned(), key: key.to_owned(), body });
            }
        };
        match path.split('/').nth(1)? {
            "busy-once" if first => Some((503, json!({}))),
            "lost-once" if first => {
                apply(&mut state);
                None
            }
            "cut-once" if first => None,
            "no" => Some((409, json!({ "code": "NO", "message": "told to refuse" }))),
            _ => {
                apply(&mut state);
                Some((200, json!({ "applied": key })))
            }
        }
    }
}
