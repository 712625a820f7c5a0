//! One call inside the sandbox: the store's data, the host's side of the imports, and the run itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wasmtime::{PoolConcurrencyLimitError, Store, UpdateDeadline};
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

use crate::bindings::DelegatePre;
use crate::bindings::mandate::delegate::{commands, logging, types};
use crate::call::{Call, Command, CommandError, Commands, Level, Outcome, World};
use crate::limits::Limits;
use crate::log::Log;
use crate::meter::{MemoryLimiter, Meter};
use crate::outcome::{Stop, answered, failed};
use crate::world;

/// WASI resources (streams, timers) that a guest may hold at once. Toolchains use a handful.
const MAX_RESOURCES: usize = 1000;
/// Handles to resources, a component's own included: more than the resources above, so that those are found out first.
const MAX_HANDLES: usize = 10_000;
/// How often to look whether the pool of instances has a free place again.
const POOL_RETRY: Duration = Duration::from_millis(5);

/// The data of a store: everything that one call has.
pub(crate) struct State {
    world: World,
    /// Made when the guest first asks for anything of it, for many delegates never do: two generators of random numbers with their seeds,
    /// two clocks and three streams are thirteen allocations.
    wasi: Option<WasiCtx>,
    table: ResourceTable,
    commands: Arc<dyn Commands>,
    /// The runtime the call came from, where commands run.
    home: Handle,
    /// The commands under way, so that the call can wait for them when the guest is gone.
    under_way: TaskTracker,
    /// Tells them when it is.
    gone: CancellationToken,
    meter: Arc<Meter>,
    pub(crate) memory: MemoryLimiter,
    pub(crate) limits: Limits,
    pub(crate) log: Arc<Log>,
}

/// A call that is ready to run on a guest thread.
pub(crate) struct Guest {
    pub(crate) pre: DelegatePre<State>,
    pub(crate) call: Call,
    pub(crate) variables: String,
    pub(crate) world: World,
    pub(crate) limits: Limits,
    pub(crate) commands: Arc<dyn Commands>,
    pub(crate) home: Handle,
    pub(crate) under_way: TaskTracker,
    pub(crate) gone: CancellationToken,
    pub(crate) meter: Arc<Meter>,
}

impl Guest {
    /// Runs the call to its end. Dropping the future at any await ends the guest.
    pub(crate) async fn run(self) -> Outcome {
        let call = self.call.into();
        let (mut store, delegate) = loop {
            let log = Log::new(Arc::clone(&self.commands), self.limits.log_lines);
            let mut table = ResourceTable::new();
            table.set_max_capacity(MAX_RESOURCES);
            let mut store = new_store(
                &self.pre,
                State {
                    world: self.world.clone(),
                    wasi: None,
                    table,
                    commands: Arc::clone(&self.commands),
                    home: self.home.clone(),
                    under_way: self.under_way.clone(),
                    gone: self.gone.clone(),
                    memory: MemoryLimiter::new(self.limits.memory, Arc::clone(&self.meter)),
                    meter: Arc::clone(&self.meter),
                    limits: self.limits.clone(),
                    log,
                },
            );
            match self.pre.instantiate_async(&mut store).await {
                Ok(delegate) => break (store, delegate),
                // The pool has room for all that are let in, up to a few beyond MAX_CONCURRENT_CALLS; others leave soon. What this one has
                // taken of it until then goes back first.
                Err(error) if error.is::<PoolConcurrencyLimitError>() => {
                    drop(store);
                    tokio::time::sleep(POOL_RETRY).await;
                }
                Err(error) => return failed(&error, store.data()),
            }
        };
        let outcome = match delegate.call_execute(&mut store, &call, &self.variables).await {
            Ok(answer) => answered(answer, &self.limits),
            Err(error) => failed(&error, store.data()),
        };
        store.data().log.finish();
        outcome
    }
}

fn new_store(pre: &DelegatePre<State>, state: State) -> Store<State> {
    let crossing = state.limits.crossing();
    let mut store = Store::new(pre.engine(), state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(crossing);
    store.set_max_component_handles(MAX_HANDLES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|cx| {
        let State { meter, limits, .. } = cx.data();
        if meter.spent_until_now() > limits.cpu {
            let message = format!("used more than the {} ms of CPU time allowed", limits.cpu.as_millis());
            return Err(Stop::limit("cpu", message).into());
        }
        // Tokio's own yield lets the others on this thread, timers included, go first. The next tick counts from the guest's return.
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    store
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = self.wasi.get_or_insert_with(|| world::wasi(&self.world, &self.log));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl types::Host for State {}

impl commands::Host for State {
    async fn issue(&mut self, command: commands::Command) -> wasmtime::Result<Result<String, commands::CommandError>> {
        let issued = self.meter.commands.fetch_add(1, Ordering::Relaxed);
        if issued >= self.limits.commands {
            self.meter.commands.store(issued, Ordering::Relaxed);
            let message = format!("issued more than the {} commands allowed", self.limits.commands);
            return Err(Stop::limit("commands", message).into());
        }
        let (size, allowed) = (command.body.len() as u64, self.limits.command_body);
        if size > allowed {
            let message = format!("a command's body has {size} bytes, more than the {allowed} allowed");
            return Err(Stop::limit("command-body", message).into());
        }
        let command = Command { name: command.name, body: command.body, key: command.key };
        // On its own task, so that nothing that happens to the guest tears a sending apart.
        let sending = self.under_way.spawn_on(self.commands.issue(command, self.gone.clone()), &self.home);
        self.meter.waits_for_command.store(true, Ordering::Relaxed);
        let answer = sending.await;
        self.meter.waits_for_command.store(false, Ordering::Relaxed);
        match answer {
            Ok(Ok(reply)) => Ok(Ok(reply)),
            Ok(Err(error)) => from_host(error).map(Err).map_err(Into::into),
            // A bug in the host, or its end: nobody knows what was sent, and the guest is not to go on as if somebody did.
            Err(_) => Err(Stop::Abort.into()),
        }
    }
}

impl logging::Host for State {
    fn log(&mut self, level: logging::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            logging::Level::Debug => Level::Debug,
            logging::Level::Info => Level::Info,
            logging::Level::Warn => Level::Warn,
            logging::Level::Error => Level::Error,
        };
        Ok(self.log.line(level, &message)?)
    }
}

fn from_host(error: CommandError) -> Result<commands::CommandError, Stop> {
    match error {
        CommandError::Rejected { code, message, reply } => {
            Ok(commands::CommandError::Rejected(commands::Rejection { code, message, reply }))
        }
        CommandError::Unavailable(message) => Ok(commands::CommandError::Unavailable(message)),
        CommandError::Unknown(message) => Ok(commands::CommandError::Unknown(message)),
        CommandError::Refused(message) => Ok(commands::CommandError::Refused(message)),
        CommandError::Abort => Err(Stop::Abort),
    }
}

impl From<Call> for types::Call {
    fn from(call: Call) -> Self {
        Self {
            tenant: call.tenant,
            definition_key: call.definition_key,
            definition_version: call.definition_version,
            version_tag: call.version_tag,
            instance_id: call.instance_id,
            business_key: call.business_key,
            activity_id: call.activity_id,
            attempt: call.attempt,
            retries_left: call.retries_left,
            idempotency_key: call.idempotency_key,
            traceparent: call.traceparent,
            extension_properties: call.extension_properties,
        }
    }
}
