//! The store as the runtime sees it: opened, asked, closed.

use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::committer::{Committer, QUEUE, Request, WAITS};
use crate::config::{Config, HistoryLevel};
use crate::db::{Connections, Lane, Meter, Options, Pool, READ_PATIENCE, READ_TIMEOUT, Readers, refuse_standby};
use crate::lease::{HostRef, Lease};
use crate::lock::FileLock;
use crate::query::{Gathered, Reads};
use crate::wake::Wake;
use crate::{Error, checkpoints, hosts, lock, migrate};

/// How long a writer on SQLite waits for another: only readers of other processes, such as a backup, make it wait at all.
const SQLITE_BUSY: Duration = Duration::from_secs(10);

/// What the connection that writes keeps of the file in memory, in KiB with SQLite's sign for it: four times the default. What is not there
/// is looked for in the log, which is long while somebody reads for long, and then in the file.
const SQLITE_WRITER_CACHE: &str = "-8000";

/// Statements that a connection keeps prepared: on SQLite some 30 multi-row writes of five sizes each, on both databases what is gathered
/// of them in small transactions, a text for each set of tables that models come to write together (`MOST_TEXTS` in
/// `host/store/src/db/queue.rs`), and what is read.
const PREPARED: usize = 400;

/// The shortest lease that makes sense: below it, an ordinary pause of the database fences a host that is well.
const MIN_LEASE: Duration = Duration::from_secs(1);

/// The store. Cheap to clone. Reads are on [`Reads`], which it dereferences to.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) reads: Reads,
    /// Claims, releases and takeovers. Behind others' locks it waits hardly: an error [of a lock](Error::is_of_lock) is the end of it.
    pub(crate) jobs: Lane,
    /// Deployments and other rare, long writes.
    pub(crate) admin: Lane,
    /// Removal of history.
    pub(crate) cleanup: Lane,
    pub(crate) lease: Arc<Lease>,
    pub(crate) history: HistoryLevel,
    pub(crate) meter: Arc<Meter>,
    pub(crate) committer: mpsc::Sender<Request>,
    pub(crate) wake: Arc<Wake>,
    /// Every connection that writes.
    pub(crate) lanes: Vec<Lane>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    closed: AtomicBool,
    lock: Mutex<Option<Arc<FileLock>>>,
}

/// What the store has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Transactions committed.
    pub commits: u64,
    /// Statements of transactions for writes.
    pub statements: u64,
    /// Rows that they changed.
    pub rows: u64,
    /// Units of work and ledger entries stored.
    pub units: u64,
    /// Transactions of the committer that were begun again after a deadlock or a lost connection.
    pub retries: u64,
}

impl std::ops::Deref for Store {
    type Target = Reads;

    fn deref(&self) -> &Reads {
        &self.0.reads
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("host", &self.host()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a database: migrates it, takes this host's lease, and on SQLite takes over what the last process left.
    pub fn open(config: Config) -> BoxFuture<'static, Result<Self, Error>> {
        Box::pin(async move {
            if config.lease < MIN_LEASE {
                return Err(Error::Refused(format!("a lease lasts at least {MIN_LEASE:?}; {:?} is too short", config.lease)));
            }
            if config.url.starts_with("postgres://") || config.url.starts_with("postgresql://") {
                let options = PgConnectOptions::from_str(&config.url).map_err(|error| Error::Url(error.to_string()))?;
                let name = name_of(&options);
                open_postgres(config, options).await.map_err(|error| error.with_name(&name))
            } else if let Some(file) = config.url.strip_prefix("sqlite:") {
                let file = file.trim_start_matches("//").to_owned();
                open_sqlite(config, &file).await.map_err(|error| error.with_name(&file))
            } else {
                Err(Error::Url(format!("'{}' begins with neither sqlite: nor postgres://", scheme(&config.url))))
            }
        })
    }

    /// This host, in its epoch.
    pub fn host(&self) -> HostRef {
        self.0.lease.host
    }

    /// Whether this host may start a unit of work or send a command: it was not fenced, and its last renewal is no older than half a
    /// lease by a clock of its own. To be asked again right before anything leaves.
    pub fn may_act(&self) -> bool {
        self.0.lease.may_act()
    }

    /// Whether this host will never write again: another one has taken over, or its committer has ended before its time.
    pub fn is_fenced(&self) -> bool {
        self.0.lease.is_fenced()
    }

    /// Reads only, for those who should not write.
    pub fn reads(&self) -> Reads {
        self.0.reads.clone()
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        let meter = &self.0.meter;
        Counters {
            commits: meter.commits.load(Ordering::Relaxed),
            statements: meter.statements.load(Ordering::Relaxed),
            rows: meter.rows.load(Ordering::Relaxed),
            units: meter.units.load(Ordering::Relaxed),
            retries: meter.retries.load(Ordering::Relaxed),
        }
    }

    /// Stores what was handed in, gives back the jobs this host has locked, ends its lease and closes all connections. What is handed in
    /// later is refused. Further calls do nothing.
    pub fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.close())
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl Inner {
    async fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        // Answered when everything before it is stored.
        let (stopped, wait) = tokio::sync::oneshot::channel();
        if self.committer.send(Request::Stop(stopped)).await.is_ok() {
            let _ = wait.await;
        }
        self.lease.end();
        let tasks = std::mem::take(&mut *self.tasks.lock().expect("no holder of this lock panics"));
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!("a task of the store ended badly: {error}");
            }
        }
        if !self.lease.is_fenced()
            && let Err(error) = hosts::leave(&self.admin, self.lease.host).await
        {
            tracing::warn!("jobs stay locked until this host's lease ends: {error}");
        }
        for lane in &self.lanes {
            lane.close().await;
        }
        self.reads.pool.close().await;
        self.lock.lock().expect("no holder of this lock panics").take();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Its task would otherwise renew the lease of a store that nobody uses.
        self.lease.end();
    }
}

fn scheme(url: &str) -> &str {
    // Never the rest: it may hold a password.
    url.split([':', '/']).next().unwrap_or_default()
}

/// What is at a URL of PostgreSQL's, without the password.
fn name_of(options: &PgConnectOptions) -> String {
    let host = options.get_socket().map_or_else(|| options.get_host().into(), |socket| socket.to_string_lossy());
    let (port, user) = (options.get_port(), options.get_username());
    let database = options.get_database().unwrap_or(user);
    // A password with a slash, not encoded, makes what is behind the slash the database's name.
    let database = database.rsplit('@').next().unwrap_or_default();
    format!("database '{database}' at {host}:{port}, as user '{user}'")
}

async fn open_sqlite(config: Config, path: &str) -> Result<Store, Error> {
    if path.is_empty() || path.contains(":memory:") || path.contains('?') {
        return Err(Error::Url("a SQLite database is a file, without parameters".to_owned()));
    }
    let path = lock::resolved(Path::new(path))?;
    let lock = Arc::new(FileLock::acquire(&path)?);
    let base = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // Commits survive a power cut, not only the end of the process.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(SQLITE_BUSY)
        .foreign_keys(true)
        // A statement of many rows keeps what it would undo; in a file that is as much written again as half the log.
        .pragma("temp_store", "MEMORY")
        // Of every multi-row write there are several sizes; to prepare a large one takes as long as to run it.
        .statement_cache_capacity(PREPARED)
        .pragma("wal_autocheckpoint", checkpoints::PAGES.to_string())
        // What it was longer, beside somebody's long read, it gives back.
        .pragma("journal_size_limit", checkpoints::LONG.to_string())
        // As on PostgreSQL.
        .pragma("case_sensitive_like", "ON");
    // As on PostgreSQL, batches are joined with their tables row by row, by index. Otherwise SQLite, which has no statistics, would rather
    // read a table from end to end.
    let writing = base.clone().pragma("cache_size", SQLITE_WRITER_CACHE).pragma("automatic_index", "OFF");
    let options = Options::Sqlite(Box::new(writing));
    migrate::migrate(&options, config.migrate).await?;
    let meter = Arc::new(Meter::default());
    let writer = Lane::new(options, meter.clone());
    let left = hosts::take_over_all(&writer).await?;
    if left.jobs > 0 {
        tracing::info!(jobs = left.jobs, "took over jobs that the last process had locked");
    }
    let readers = Readers::open(base.pragma("query_only", "ON"), config.pool.max(1), READ_TIMEOUT).await?;
    let lanes = Lanes {
        commit: writer.clone(),
        jobs: writer.clone(),
        admin: writer.clone(),
        cleanup: writer.clone(),
        lease: writer.clone(),
        witness: writer,
    };
    let store = assemble(config, Connections::Sqlite(readers), lanes, meter, Some(lock), None).await?;
    let minding = tokio::spawn(checkpoints::mind(store.0.admin.clone(), path, store.0.lease.clone()));
    store.0.tasks.lock().expect("no holder of this lock panics").push(minding);
    Ok(store)
}

async fn open_postgres(config: Config, options: PgConnectOptions) -> Result<Store, Error> {
    let base = options.application_name(&format!("mandate {}", config.host_name)).options([
        // No statement here is worth compiling; the costs by which the server decides are fiction where a session forbids kinds of
        // scans.
        ("jit", "off"),
        // Whoever has waited for a lock sees what is there then, whatever a role or a database says.
        ("default_transaction_isolation", "read committed"),
    ]);
    migrate::migrate(&Options::Postgres(Box::new(base.clone())), config.migrate).await?;
    let meter = Arc::new(Meter::default());
    // A process that is stopped in the middle of a transaction must not hold its locks for longer than its lease: whoever takes
    // over waits for them. The same bound for waiting on others' locks, but for the committer and claims, behind which everybody waits.
    let patience = format!("{}ms", (config.lease / 2).as_millis());
    // Batches are joined with their tables row by row, by index: the order of the rows is then the order in which locks are taken. One plan
    // a statement, whatever the statistics of the day say and whatever its parameters are. So it must also be right if it was made when the
    // table was empty; of claims `host/store/src/tests/claims.rs` holds that. Two do not until autovacuum analyses
    // the table again, if it was last analysed empty: what locks jobs by their keys reads all keys, and the claim of timer start events,
    // of which there is one for each such element of the newest versions, all of these.
    let writing = base.clone().statement_cache_capacity(PREPARED).options([
        ("idle_in_transaction_session_timeout", patience.as_str()),
        ("lock_timeout", &patience),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        ("enable_seqscan", "off"),
        ("plan_cache_mode", "force_generic_plan"),
    ]);
    let hurried = writing.clone().options([("lock_timeout", format!("{}ms", WAITS.as_millis()))]);
    let lane = |options: &PgConnectOptions| Lane::new(Options::Postgres(Box::new(options.clone())), meter.clone());
    let patient = || lane(&writing);
    let lanes =
        Lanes { commit: lane(&hurried), jobs: lane(&hurried), admin: patient(), cleanup: patient(), lease: patient(), witness: patient() };
    warn_about_durability(&lanes.admin).await?;
    let timeout = format!("{}ms", READ_TIMEOUT.as_millis());
    let pool = PgPoolOptions::new()
        .max_connections(config.pool.max(1))
        .test_before_acquire(false)
        .acquire_timeout(READ_PATIENCE)
        .after_connect(|connection, _| Box::pin(refuse_standby(connection)))
        .connect_with(base.clone().options([("statement_timeout", timeout.as_str()), ("default_transaction_read_only", "on")]))
        .await?;
    assemble(config, Connections::Postgres(pool), lanes, meter, None, Some(base)).await
}

struct Lanes {
    commit: Lane,
    jobs: Lane,
    admin: Lane,
    cleanup: Lane,
    lease: Lane,
    /// For asking what became of a transaction of the committer, never on the connection that it was lost on. Made when that is asked.
    witness: Lane,
}

async fn assemble(
    config: Config,
    connections: Connections,
    lanes: Lanes,
    meter: Arc<Meter>,
    lock: Option<Arc<FileLock>>,
    shared: Option<PgConnectOptions>,
) -> Result<Store, Error> {
    let pool = Pool::for_lists(connections, config.pool);
    let lookups = pool.for_lookups();
    let dialect = pool.dialect();
    hosts::forget_ended(&lanes.admin).await?;
    let lease = Arc::new(Lease::take(lanes.lease.clone(), dialect, &config.host_name, config.lease).await?);
    let (sender, receiver) = mpsc::channel(QUEUE);
    let wake = Arc::new(Wake::default());
    let committer = Committer::new(
        lanes.commit.clone(),
        lanes.witness.clone(),
        lease.clone(),
        config.history,
        meter.clone(),
        lock.clone(),
        wake.clone(),
    );
    let mut tasks = vec![tokio::spawn(committer.run(receiver))];
    if let Some(options) = shared {
        tasks.push(tokio::spawn(wake.clone().speak(lanes.admin.clone(), lease.clone())));
        tasks.push(tokio::spawn(wake.clone().listen(options, lease.clone())));
        let lease = lease.clone();
        tasks.push(tokio::spawn(async move { lease.keep().await }));
    }
    Ok(Store(Arc::new(Inner {
        reads: Reads {
            gathered: Gathered::start(&lookups),
            pool,
            lookups,
            keeps_activities: config.history >= HistoryLevel::Activity,
            keeps_variables: config.history >= HistoryLevel::Audit,
            keeps_details: config.history >= HistoryLevel::Full,
        },
        jobs: lanes.jobs.clone(),
        admin: lanes.admin.clone(),
        cleanup: lanes.cleanup.clone(),
        lease,
        history: config.history,
        meter,
        committer: sender,
        wake,
        lanes: vec![lanes.commit, lanes.jobs, lanes.admin, lanes.cleanup, lanes.lease, lanes.witness],
        tasks: Mutex::new(tasks),
        closed: AtomicBool::new(false),
        lock: Mutex::new(lock),
    })))
}

/// A server that is set up to lose commits is said so loudly: every promise of the ledger rests on them.
async fn warn_about_durability(lane: &Lane) -> Result<(), Error> {
    for setting in given_up(lane).await? {
        tracing::error!(
            "the server has {setting}=off: a crash of it can lose commits that were acknowledged, and with them the record of commands that were sent"
        );
    }
    let rows = lane.fetch("SELECT current_setting('server_version_num')::bigint", Vec::new()).await?;
    let version: i64 = rows.first().map_or(Ok(0), |row| row.get(0))?;
    if version < OLDEST_POSTGRES {
        return Err(Error::Url(format!("the server has version {}; PostgreSQL 13 or newer is needed", version / 10_000)));
    }
    Ok(())
}

/// Which of the settings that durability needs a connection to PostgreSQL has switched off.
pub(crate) async fn given_up(lane: &Lane) -> Result<Vec<String>, Error> {
    let sql =
        "SELECT name FROM pg_settings WHERE name IN ('synchronous_commit', 'fsync', 'full_page_writes') AND setting = 'off' ORDER BY name";
    lane.fetch(sql, Vec::new()).await?.iter().map(|row| row.get(0)).collect()
}

/// The oldest version that is tested.
const OLDEST_POSTGRES: i64 = 130_000;
