//! The component by itself, and requests by themselves.

use std::pin::Pin;
use std::sync::Arc;

use anyhow::{bail, ensure};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use mandate_runtime::wasm::{
    Call, CancellationToken, Command, CommandError, Commands, Config, Delegate, Level, Limits, Outcome, Sandbox, World,
};
use sha2::{Digest as _, Sha256};

use crate::host::{self, CLIENTS, IN_FLIGHT, Setup};

/// The component, ready to be called.
pub(super) struct Calls {
    delegate: Delegate,
    variables: String,
}

/// The mode without commands issues none.
struct NoCommands;

impl Commands for NoCommands {
    fn issue(&self, _: Command, _: CancellationToken) -> Pin<Box<dyn Future<Output = Result<String, CommandError>> + Send>> {
        Box::pin(std::future::ready(Err(CommandError::Abort)))
    }

    fn log(&self, _: Level, _: &str) {}
}

impl Calls {
    /// Compiles or loads it.
    pub(super) async fn prepare(setup: &Setup) -> anyhow::Result<Self> {
        let sandbox = Sandbox::new(Config::new(setup.dir.join("components"), setup.compiler.clone()))?;
        let bytes = host::component()?;
        let digest = hex::encode(Sha256::digest(&bytes));
        let delegate = sandbox.prepare(&digest, &bytes).await?;
        Ok(Self { delegate, variables: host::order_json("run-17").to_string() })
    }

    /// One call and its answer.
    pub(super) async fn once(&self) -> anyhow::Result<String> {
        let call = Call {
            definition_key: "fiveAsynchronous".to_owned(),
            definition_version: 1,
            instance_id: "0199f2f0-3a51-7cc0-8b5c-2f4f6a1d9e11".to_owned(),
            business_key: Some("run-17".to_owned()),
            activity_id: "validate".to_owned(),
            attempt: 1,
            retries_left: 2,
            idempotency_key: "0".repeat(64),
            ..Call::default()
        };
        let world = World { seed: [7; 32], wall_clock_ms: 0 };
        let (variables, limits, cancel) = (self.variables.clone(), Limits::default(), CancellationToken::new());
        match self.delegate.call(call, variables, world, limits, Arc::new(NoCommands), cancel).await.outcome {
            Outcome::Result(answer) => Ok(answer),
            other => bail!("the delegate did not answer: {other:?}"),
        }
    }

    /// So many calls, one after the other from each of the clients.
    pub(super) async fn many(&self, count: u32) -> anyhow::Result<()> {
        let clients = (0..CLIENTS).map(|client| async move {
            for _ in (client..count).step_by(CLIENTS as usize) {
                self.once().await?;
            }
            anyhow::Ok(())
        });
        futures_util::future::try_join_all(clients).await.map(drop)
    }
}

/// So many requests to the stub, as many at once as the scenario has.
pub(super) async fn requests(client: &reqwest::Client, stub: &str, count: u32) -> anyhow::Result<()> {
    let url = format!("{stub}/do");
    let at_once = CLIENTS as usize * IN_FLIGHT;
    let body = serde_json::json!({ "orderId": "run-17" }).to_string();
    let one = |_| async {
        let request = client.post(&url).header("content-type", "application/json").header("idempotency-key", "0".repeat(64));
        let answer = request.body(body.clone()).send().await?;
        ensure!(answer.status().is_success(), "the stub answers {}", answer.status());
        answer.bytes().await?;
        anyhow::Ok(())
    };
    stream::iter(0..count).map(one).buffer_unordered(at_once).try_collect::<Vec<()>>().await.map(drop)
}
