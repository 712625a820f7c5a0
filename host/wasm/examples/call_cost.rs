//! What a call costs: `cargo run --release -p mandate-wasm --example call_cost [GUEST.wasm]`, after `make guests`.
//!
//! Prints µs per call for one caller and for sixteen, and the time to load and to compile the component. The guest must answer to
//! `{"orderId": …}` and may issue commands; without an argument it is `delegates/test/echo`, which parses JSON and issues one.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use mandate_wasm::{
    Call, CancellationToken, Command, CommandError, Commands, Compiler, Config, Delegate, Level, Limits, Outcome, Sandbox, World,
};
use sha2::{Digest, Sha256};

const CALLS: u32 = 20_000;

/// Answers at once.
struct AtOnce;

impl Commands for AtOnce {
    fn issue(&self, _: Command, _: CancellationToken) -> Pin<Box<dyn Future<Output = Result<String, CommandError>> + Send>> {
        Box::pin(std::future::ready(Ok(r#"{"valid":true}"#.to_owned())))
    }

    fn log(&self, _: Level, _: &str) {}
}

async fn calls(delegate: Delegate, count: u32) {
    let commands: Arc<dyn Commands> = Arc::new(AtOnce);
    for _ in 0..count {
        let variables = r#"{"orderId":"order-17","amounts":[1,2,3.5]}"#.to_owned();
        let world = World { seed: [7; 32], wall_clock_ms: 0 };
        let (limits, cancel) = (Limits::default(), CancellationToken::new());
        let returned = delegate.call(Call::default(), variables, world, limits, Arc::clone(&commands), cancel).await;
        assert!(matches!(returned.outcome, Outcome::Result(_)), "{returned:?}");
    }
}

#[tokio::main]
async fn main() {
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../delegates/target/wasm32-wasip2/release/test_echo.wasm");
    let path = std::env::args().nth(1).map_or(built, PathBuf::from);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `make guests`", path.display()));
    let digest = format!("{:x}", Sha256::digest(&bytes));
    let dir = tempfile::tempdir().expect("a temporary directory");
    for what in ["compile", "load"] {
        let sandbox = Sandbox::new(Config::new(dir.path(), Compiler::InProcess)).expect("a sandbox");
        let started = Instant::now();
        let delegate = sandbox.prepare(&digest, &bytes).await.expect("a delegate");
        println!("{what}: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
        calls(delegate.clone(), 100).await;
        for callers in [1, 16] {
            let started = Instant::now();
            let all: Vec<_> = (0..callers).map(|_| tokio::spawn(calls(delegate.clone(), CALLS / callers))).collect();
            for one in all {
                one.await.expect("calls do not panic");
            }
            println!("  {callers} caller(s): {:.1} µs per call", started.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS));
        }
    }
}
