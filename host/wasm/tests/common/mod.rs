//! What the tests of the sandbox share: the guests, and a host's side that plays the engine.

#![allow(dead_code, unreachable_pub, reason = "every test binary uses its own part of this")]

use std::future::ready;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mandate_wasm::{
    Call, CancellationToken, Command, CommandError, Commands, Compiler, Config, Delegate, Level, Limits, Outcome, Returned, Sandbox, World,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// The bytes of a guest of `delegates/test`.
pub fn guest(name: &str) -> Vec<u8> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../delegates/target/wasm32-wasip2/release");
    let path = dir.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `make guests`", path.display()))
}

pub fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

pub fn config(dir: &TempDir) -> Config {
    Config { threads: 2, ..Config::new(dir.path().join("code"), Compiler::InProcess) }
}

/// A sandbox with a code cache that all tests of this run share, so that each guest is compiled once.
pub fn sandbox() -> Sandbox {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("code");
    Sandbox::new(Config { threads: 2, ..Config::new(dir, Compiler::InProcess) }).unwrap()
}

pub async fn prepare(sandbox: &Sandbox, name: &str) -> Delegate {
    let bytes = guest(name);
    sandbox.prepare(&digest(&bytes), &bytes).await.unwrap()
}

type Answer = Box<dyn Fn(&Command) -> Pin<Box<dyn Future<Output = Result<String, CommandError>> + Send>> + Send + Sync>;

/// Answers commands as it is told and remembers what it saw.
pub struct Fake {
    answer: Answer,
    pub issued: Mutex<Vec<Command>>,
    /// What the guest of the last command tells when it goes.
    pub gone: Mutex<CancellationToken>,
    pub log: Mutex<Vec<(Level, String)>>,
}

impl Fake {
    pub fn answering(answer: Result<String, CommandError>) -> Arc<Self> {
        Self::with(move |_| Box::pin(ready(answer.clone())))
    }

    pub fn with(
        answer: impl Fn(&Command) -> Pin<Box<dyn Future<Output = Result<String, CommandError>> + Send>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { answer: Box::new(answer), issued: Mutex::default(), gone: Mutex::default(), log: Mutex::default() })
    }

    pub fn ok() -> Arc<Self> {
        Self::answering(Ok(r#"{"valid":true}"#.into()))
    }

    pub fn names(&self) -> Vec<String> {
        self.issued.lock().unwrap().iter().map(|command| command.name.clone()).collect()
    }
}

impl Commands for Fake {
    fn issue(&self, command: Command, gone: CancellationToken) -> Pin<Box<dyn Future<Output = Result<String, CommandError>> + Send>> {
        *self.gone.lock().unwrap() = gone;
        let answer = (self.answer)(&command);
        self.issued.lock().unwrap().push(command);
        answer
    }

    fn log(&self, level: Level, message: &str) {
        self.log.lock().unwrap().push((level, message.to_owned()));
    }
}

pub fn call() -> Call {
    Call {
        definition_key: "orderFulfillment".into(),
        definition_version: 1,
        instance_id: "i-1".into(),
        business_key: Some("order-17".into()),
        activity_id: "validate".into(),
        attempt: 2,
        retries_left: 1,
        idempotency_key: "i-1/validate/1".into(),
        ..Call::default()
    }
}

pub fn world() -> World {
    World { seed: [7; 32], wall_clock_ms: 1_700_000_000_000 }
}

/// Generous in time, so that a busy machine does not decide a test; tests of a limit set theirs.
pub fn limits() -> Limits {
    Limits { wall: Duration::from_mins(2), cpu: Duration::from_secs(20), ..Limits::default() }
}

pub async fn run(delegate: &Delegate, variables: &str, limits: Limits, commands: &Arc<Fake>) -> Returned {
    let commands = Arc::clone(commands) as Arc<dyn Commands>;
    delegate.call(call(), variables.to_owned(), world(), limits, commands, CancellationToken::new()).await
}

/// Calls the guest `test-hostile`.
pub async fn hostile(delegate: &Delegate, mode: &str, amount: u64, limits: Limits) -> Returned {
    run(delegate, &mode_of(mode, amount), limits, &Fake::ok()).await
}

pub fn mode_of(mode: &str, amount: u64) -> String {
    format!(r#"{{"mode":"{mode}","amount":{amount}}}"#)
}

/// The limit that a call exceeded, and what was said about it.
pub fn limit(returned: &Returned) -> (&'static str, &str) {
    match &returned.outcome {
        Outcome::LimitExceeded { limit, message } => (limit, message),
        other => panic!("no limit was exceeded: {other:?}"),
    }
}

pub fn result(returned: &Returned) -> serde_json::Value {
    match &returned.outcome {
        Outcome::Result(text) => serde_json::from_str(text).unwrap(),
        other => panic!("no result: {other:?}"),
    }
}

pub fn trap(returned: &Returned) -> &str {
    match &returned.outcome {
        Outcome::Trapped(message) => message,
        other => panic!("no trap: {other:?}"),
    }
}
