//! The engine with everything around it, and how a component becomes callable.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::available_parallelism;

use sha2::{Digest, Sha256};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::bindings;
use crate::cache::Cache;
use crate::compile::{self, Compiler};
use crate::delegate::{Delegate, Loaded};
use crate::error::Error;
use crate::fit::{Misfit, inspect};
use crate::guest::State;
use crate::limits::Limits;
use crate::ticker::Ticker;
use crate::world;

const MIB: u64 = 1024 * 1024;
/// 64 calls at the default limit at once. It is a promise about the worst case: a Rust guest really takes 1 to 2 MiB.
const DEFAULT_MEMORY_BUDGET: u64 = 4096 * MIB;
/// Calls at once, however small their limits: each has a stack and places in the pool, which are reserved in advance.
const MAX_CONCURRENT_CALLS: u32 = 500;
/// Core modules, memories and tables that a component may have in one call, and for which the pool has room in all of them at once: no
/// component takes another one's. A `wasm32-wasip2` guest has one memory and two tables in three modules, one of `componentize-py` as many
/// in 38, and one more for each native library. Of modules the pool only counts how many there are; for memories and tables it reserves
/// address space, and it keeps some of them warm for their last user.
const MODULES_PER_CALL: u32 = 100;
const MEMORIES_PER_CALL: u32 = 4;
const TABLES_PER_CALL: u32 = 8;
/// Elements of the largest table: Python's interpreter has some 20,000 functions.
const MAX_TABLE_ELEMENTS: usize = 100_000;
/// Bytes of an instance's own data: Python's globals and imports go beyond wasmtime's default of 1 MiB in debug builds.
const MAX_INSTANCE_SIZE: usize = 4 * 1024 * 1024;
/// What a place in the pool keeps of its memory between calls and cleans by writing instead of by asking the system. Where Linux
/// tells which pages were touched (6.7 and later) that is all a small Rust guest has, and halves the cost of a call; elsewhere
/// every byte of it is written, so it is less.
const KEEP_RESIDENT: usize = 1024 * 1024;
const KEEP_RESIDENT_BLINDLY: usize = 128 * 1024;
/// The largest memory of 32-bit WebAssembly, and what every place in the pool reserves of the address space.
const MAX_MEMORY: usize = 4 << 30;
/// Compiled components kept in memory. Each is some hundred KiB to some ten MiB of code; what was not used for longest goes first.
const MAX_LOADED: usize = 500;

/// How a sandbox is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// A directory of this host's own for compiled code. It is made if missing, readable by its owner only.
    pub cache_dir: PathBuf,
    /// The key that authenticates compiled code. None: one is made at random and kept in the cache directory.
    pub cache_key: Option<[u8; 32]>,
    /// Bytes that the memory limits of all calls at once may add up to; further calls wait. A single call may always run.
    pub memory_budget: u64,
    /// The most that any call gets, whatever its manifest says.
    pub operator_limits: Limits,
    /// Where components are compiled.
    pub compiler: Compiler,
    /// Threads that run guests. At least one.
    pub threads: usize,
}

impl Config {
    /// The defaults: a budget of 4 GiB, [`Limits::ceiling`], a guest thread per core.
    pub fn new(cache_dir: impl Into<PathBuf>, compiler: Compiler) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            cache_key: None,
            memory_budget: DEFAULT_MEMORY_BUDGET,
            operator_limits: Limits::ceiling(),
            compiler,
            threads: available_parallelism().map_or(1, usize::from),
        }
    }
}

/// Compiles and calls delegates. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

/// What all clones, and the delegates that come from them, share.
pub(crate) struct Inner {
    engine: Engine,
    linker: Linker<State>,
    cache: Cache,
    compiler: Compiler,
    /// One component is compiled at a time: compilers are niced, but their memory adds up.
    compiling: Semaphore,
    pub(crate) operator_limits: Limits,
    pub(crate) ticker: Ticker,
    /// In MiB.
    budget: Arc<Semaphore>,
    budget_size: u32,
    loaded: RwLock<HashMap<String, Slot>>,
    uses: AtomicU64,
    preparing: Mutex<HashMap<String, Turn>>,
    /// Always there until the sandbox is dropped.
    guests: Option<Runtime>,
    /// Where commands run: apart from the guests.
    pub(crate) home: Handle,
}

/// Held by whoever makes a component ready; why it could not, for those who wait.
type Turn = Arc<tokio::sync::Mutex<Option<Error>>>;

struct Slot {
    loaded: Arc<Loaded>,
    /// Value of `uses` when it was last asked for.
    used: AtomicU64,
}

impl Sandbox {
    /// Sets up the engine, the guests' threads and the code cache. Commands of guests will run on the tokio runtime that this is called on.
    ///
    /// # Errors
    /// When the cache directory cannot be used, or the machine does not allow the address space that the pool reserves.
    pub fn new(config: Config) -> Result<Self, Error> {
        let engine = engine()?;
        let cache = Cache::open(config.cache_dir, config.cache_key, &engine)?;
        let linker = linker(&engine).map_err(|error| Error::Engine(format!("{error:#}")))?;
        let ticker = Ticker::start(&engine).map_err(|error| Error::Engine(error.to_string()))?;
        let guests = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(config.threads.max(1))
            .thread_name("mandate-guest")
            // A poll of a spinning guest lasts a whole tick, so both are counted in ticks here: new arrivals and timers must not wait
            // for the sixty polls that are usual.
            .global_queue_interval(2)
            .event_interval(4)
            .enable_all()
            .build()
            .map_err(|error| Error::Engine(error.to_string()))?;
        let budget_size = u32::try_from(config.memory_budget.div_ceil(MIB)).unwrap_or(u32::MAX).max(1);
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                linker,
                cache,
                compiler: config.compiler,
                compiling: Semaphore::new(1),
                operator_limits: config.operator_limits,
                ticker,
                budget: Arc::new(Semaphore::new(budget_size as usize)),
                budget_size,
                loaded: RwLock::default(),
                uses: AtomicU64::new(0),
                preparing: Mutex::default(),
                home: Handle::try_current().unwrap_or_else(|_| guests.handle().clone()),
                guests: Some(guests),
            }),
        })
    }

    /// The threads that guests run on, with their timers. Whoever calls delegates does best to run here too, for then a call needs no other
    /// thread; but nothing that must not wait for a guest's tick, which lasts [`TICK`](crate::TICK).
    pub fn threads(&self) -> &Handle {
        self.inner.threads()
    }

    /// The delegate, if it is in memory: never any I/O.
    pub fn loaded(&self, digest: &str) -> Option<Delegate> {
        let loaded = self.inner.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let slot = loaded.get(digest)?;
        slot.used.store(self.inner.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        Some(self.delegate(Arc::clone(&slot.loaded)))
    }

    /// Makes a component callable: from memory, else from the code cache, else by compiling it, which takes from 0.1 s (Rust) to 10 s
    /// (Python). Asked for the same component several times at once, it is done once, and one failure answers all who wait; whoever asks
    /// later has it tried again.
    ///
    /// # Errors
    /// When the bytes are not those of the digest (SHA-256 in lower-case hex), are no delegate, or do not compile.
    pub async fn prepare(&self, digest: &str, bytes: &[u8]) -> Result<Delegate, Error> {
        if let Some(delegate) = self.loaded(digest) {
            return Ok(delegate);
        }
        let turn = self.inner.turn(digest);
        let mut failed = turn.lock().await;
        if let Some(error) = &*failed {
            return Err(error.clone());
        }
        if let Some(delegate) = self.loaded(digest) {
            return Ok(delegate);
        }
        let prepared = self.load_or_compile(digest, bytes).await;
        // Other bytes under the same digest are another caller's mistake.
        *failed = prepared.as_ref().err().filter(|error| !matches!(error, Error::Digest { .. })).cloned();
        self.inner.end_turn(digest, &turn);
        prepared
    }

    async fn load_or_compile(&self, digest: &str, bytes: &[u8]) -> Result<Delegate, Error> {
        let (digest, bytes): (Arc<str>, Arc<[u8]>) = (digest.into(), bytes.into());
        let cached = {
            let (inner, digest, bytes) = (Arc::clone(&self.inner), Arc::clone(&digest), Arc::clone(&bytes));
            blocking(move || {
                check_digest(&digest, &bytes)?;
                let cached = inner.cache.load(&inner.engine, &digest);
                // What is in the cache was looked at before it was compiled; linking checks its imports again in any case.
                if cached.is_none() {
                    inspect(&bytes)?;
                }
                Ok(cached)
            })
            .await?
        };
        let component = match cached {
            Some(component) => component,
            None => self.compile(&digest, bytes).await?,
        };
        let pre = self.inner.linker.instantiate_pre(&component).and_then(bindings::DelegatePre::new);
        // What `inspect` cannot see: the types within WASI interfaces.
        let pre = pre.map_err(|error| Misfit::WrongWorld { problems: vec![format!("{error:#}")] })?;
        let loaded = Arc::new(Loaded { digest: digest.to_string(), pre });
        self.inner.keep(Arc::clone(&loaded));
        Ok(self.delegate(loaded))
    }

    async fn compile(&self, digest: &Arc<str>, bytes: Arc<[u8]>) -> Result<Component, Error> {
        let code = {
            let _alone = self.inner.compiling.acquire().await.expect("the semaphore is never closed");
            compile::compile(&self.inner.compiler, &self.inner.engine, bytes).await?
        };
        let (inner, digest) = (Arc::clone(&self.inner), Arc::clone(digest));
        blocking(move || {
            // The code comes from this process or from its own compiler. Only here is it held against the pool.
            let component = crate::cache::deserialize(&inner.engine, &code).map_err(|error| unloadable(&code, &error))?;
            inner.cache.store(&digest, &code);
            Ok(component)
        })
        .await
    }

    fn delegate(&self, loaded: Arc<Loaded>) -> Delegate {
        Delegate { loaded, sandbox: Arc::clone(&self.inner) }
    }
}

impl Inner {
    /// Waits for room for one call.
    pub(crate) async fn place(&self, memory: u64) -> OwnedSemaphorePermit {
        // No call is so small that more than MAX_CONCURRENT_CALLS fit, and none so large that it never fits.
        let least = (self.budget_size / MAX_CONCURRENT_CALLS).max(1);
        let wanted = u32::try_from(memory.div_ceil(MIB)).unwrap_or(u32::MAX).max(least).min(self.budget_size);
        Arc::clone(&self.budget).acquire_many_owned(wanted).await.expect("the semaphore is never closed")
    }

    pub(crate) fn threads(&self) -> &Handle {
        self.guests.as_ref().expect("taken by drop only").handle()
    }

    pub(crate) fn is_own_thread(&self) -> bool {
        Handle::try_current().is_ok_and(|current| current.id() == self.threads().id())
    }

    fn keep(&self, loaded: Arc<Loaded>) {
        let used = AtomicU64::new(self.uses.fetch_add(1, Ordering::Relaxed));
        let mut all = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(loaded.digest.clone(), Slot { loaded, used });
        if all.len() > MAX_LOADED {
            let oldest = all.iter().min_by_key(|(_, slot)| slot.used.load(Ordering::Relaxed)).map(|(digest, _)| digest.clone());
            oldest.map(|digest| all.remove(&digest));
        }
    }

    fn turn(&self, digest: &str) -> Turn {
        let mut preparing = self.preparing.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(preparing.entry(digest.to_owned()).or_default())
    }

    /// Whoever comes from now on takes another turn.
    fn end_turn(&self, digest: &str, turn: &Turn) {
        let mut preparing = self.preparing.lock().unwrap_or_else(PoisonError::into_inner);
        if preparing.get(digest).is_some_and(|latest| Arc::ptr_eq(latest, turn)) {
            preparing.remove(digest);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A runtime may not be dropped on an async thread, and the last clone may well be.
        if let Some(guests) = self.guests.take() {
            guests.shutdown_background();
        }
    }
}

fn engine() -> Result<Engine, Error> {
    let scan = PoolingAllocationConfig::is_pagemap_scan_available();
    let keep_resident = if scan { KEEP_RESIDENT } else { KEEP_RESIDENT_BLINDLY };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_stacks(MAX_CONCURRENT_CALLS)
        .total_component_instances(MAX_CONCURRENT_CALLS)
        .total_core_instances(MAX_CONCURRENT_CALLS * MODULES_PER_CALL)
        .total_memories(MAX_CONCURRENT_CALLS * MEMORIES_PER_CALL)
        .total_tables(MAX_CONCURRENT_CALLS * TABLES_PER_CALL)
        .max_core_instances_per_component(MODULES_PER_CALL)
        .max_memories_per_component(MEMORIES_PER_CALL)
        .max_tables_per_component(TABLES_PER_CALL)
        .max_memories_per_module(MEMORIES_PER_CALL)
        .max_tables_per_module(TABLES_PER_CALL)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_component_instance_size(MAX_INSTANCE_SIZE)
        .max_core_instance_size(MAX_INSTANCE_SIZE)
        .max_memory_size(MAX_MEMORY)
        .linear_memory_keep_resident(keep_resident)
        .table_keep_resident(keep_resident)
        .pagemap_scan(if scan { Enabled::Yes } else { Enabled::No });
    let mut config = compile::config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(|error| Error::Engine(format!("{error:#}")))
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    world::add_to_linker(&mut linker)?;
    bindings::Delegate::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

fn check_digest(expected: &str, bytes: &[u8]) -> Result<(), Error> {
    let found = hex::encode(Sha256::digest(bytes));
    if found == expected { Ok(()) } else { Err(Error::Digest { expected: expected.to_owned(), found }) }
}

/// Why the compiler's code does not load: what an engine without a pool takes is too large for the pool.
fn unloadable(code: &[u8], error: &wasmtime::Error) -> Error {
    let without_pool = Engine::new(&compile::config());
    if without_pool.is_ok_and(|engine| crate::cache::deserialize(&engine, code).is_ok()) {
        Error::Oversized(format!("{error:#}"))
    } else {
        Error::Foreign(format!("{error:#}"))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::Engine(format!("the sandbox itself failed: {error}"))),
    }
}
