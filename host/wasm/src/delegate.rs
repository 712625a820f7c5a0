//! A delegate that is ready to be called.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::{Call, Commands, Outcome, Returned, Stats, World};
use crate::guest::{Guest, State};
use crate::limits::Limits;
use crate::meter::{Meter, Metered};
use crate::outcome::exceeded;
use crate::sandbox::Inner;

/// A compiled component, ready to be called any number of times at once. Cheap to clone.
#[derive(Clone)]
pub struct Delegate {
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) sandbox: Arc<Inner>,
}

/// What is kept of a component once it is compiled and linked.
pub(crate) struct Loaded {
    pub(crate) digest: String,
    pub(crate) pre: crate::bindings::DelegatePre<State>,
}

impl Delegate {
    /// The SHA-256 of the component, in hex.
    pub fn digest(&self) -> &str {
        &self.loaded.digest
    }

    /// Calls the delegate once, in a fresh instance.
    ///
    /// `variables` is a JSON object; `limits` are capped by the operator's. The call first waits for a place within the memory
    /// budget, which counts as nothing. When `cancel` fires the guest is stopped at its next tick or host call. However it is
    /// stopped, its memory is given back, and a command that is under way is told so and awaited: when this returns, nothing of the call is
    /// running any more. Dropping the future stops the guest too, and a command under way then ends by itself.
    ///
    /// On a thread of [`Sandbox::threads`] the guest runs where it is called. Called from elsewhere it goes to one of those threads, and
    /// its answer comes back.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time enabled.
    pub async fn call(
        &self,
        call: Call,
        variables: String,
        world: World,
        limits: Limits,
        commands: Arc<dyn Commands>,
        cancel: CancellationToken,
    ) -> Returned {
        if self.sandbox.is_own_thread() {
            return self.call_here(call, variables, world, limits, commands, cancel).await;
        }
        let this = self.clone();
        let call = async move { this.call_here(call, variables, world, limits, commands, cancel).await };
        let mut task = Task(self.sandbox.threads().spawn(call));
        match (&mut task.0).await {
            Ok(returned) => returned,
            // The sandbox is being torn down around the call.
            Err(error) if error.is_cancelled() => Returned { outcome: Outcome::Cancelled, stats: Stats::default() },
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    async fn call_here(
        &self,
        call: Call,
        variables: String,
        world: World,
        limits: Limits,
        commands: Arc<dyn Commands>,
        cancel: CancellationToken,
    ) -> Returned {
        let limits = limits.capped_by(&self.sandbox.operator_limits);
        let size = variables.len() as u64;
        if size > limits.input {
            let message = format!("the variables have {size} bytes, more than the {} allowed", limits.input);
            return Returned { outcome: exceeded("input", message), stats: Stats::default() };
        }
        let place = tokio::select! {
            biased;
            place = self.sandbox.place(limits.memory) => place,
            () = cancel.cancelled() => return Returned { outcome: Outcome::Cancelled, stats: Stats::default() },
        };

        let started = Instant::now();
        let meter = Arc::new(Meter::default());
        let under_way = TaskTracker::new();
        let gone = cancel.child_token();
        let goes = gone.clone().drop_guard();
        let guest = Guest {
            pre: self.loaded.pre.clone(),
            call,
            variables,
            world,
            limits: limits.clone(),
            commands,
            home: self.sandbox.home.clone(),
            under_way: under_way.clone(),
            gone,
            meter: Arc::clone(&meter),
        };
        let running = self.sandbox.ticker.running();
        let mut guest = Metered::new(guest.run(), Arc::clone(&meter));
        // The guest goes first: as a rule it has answered before the others are even asked to watch.
        let outcome = tokio::select! {
            biased;
            outcome = &mut guest => outcome,
            () = cancel.cancelled() => Outcome::Cancelled,
            () = tokio::time::sleep(limits.wall) => too_slow(&limits, &meter),
        };
        drop((guest, running, goes, place));
        under_way.close();
        under_way.wait().await;
        let stats = Stats {
            cpu: meter.spent(),
            wall: started.elapsed(),
            commands: meter.commands.load(Ordering::Relaxed),
            peak_memory: meter.peak_memory(),
        };
        Returned { outcome, stats }
    }
}

/// A call on another thread, which does not outlive the interest in it.
struct Task(JoinHandle<Returned>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn too_slow(limits: &Limits, meter: &Meter) -> Outcome {
    let waiting = meter.waits_for_command.load(Ordering::Relaxed);
    let doing = if waiting { ", the last of them waiting for a command" } else { "" };
    exceeded("wall", format!("took longer than the {} ms allowed{doing}", limits.wall.as_millis()))
}
