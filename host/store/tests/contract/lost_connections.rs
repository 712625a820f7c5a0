//! Connections that are lost at the worst moment.
//!
//! A proxy stands between the store and PostgreSQL and cuts a connection when a COMMIT passes, or a statement of the committer that is a
//! transaction of its own: before the server sees it, right behind it,
//! or when its answer comes; or it keeps it back while the server dies. Whatever the store answers must be true.

use std::collections::HashMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use mandate_store::{CommitError, Committed, Config, Error, HistoryLevel, LedgerOpened, LedgerState, Origin, Store};
use mandate_tests::postgres::Cluster;
use mandate_tests::random::Random;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::common::{Fixture, LEASE, definition, end, job, start, started_with, step, unit};
use crate::ledger::{close, open};

/// A COMMIT in PostgreSQL's simple query protocol.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// Of a statement of the committer that may be a transaction of its own, when it is prepared; what runs it; and what a server says that is
/// in no transaction.
const ALONE: &[u8] = b"UPDATE host_commit SET nth = CASE WHEN nth <";
const EXECUTE: &[u8] = b"E\0\0\0\x09\0\0\0\0\0";
const IDLE: &[u8] = b"Z\0\0\0\x05I";

/// Whether a connection passes what commits.
#[derive(Default)]
struct Commits {
    /// It is the committer's.
    of_committer: bool,
    /// It is in no transaction.
    idle: bool,
}

impl Commits {
    fn asked(&mut self, bytes: &[u8]) -> bool {
        self.of_committer |= has(bytes, ALONE);
        has(bytes, COMMIT) || self.of_committer && self.idle && has(bytes, EXECUTE)
    }

    fn answered(&mut self, bytes: &[u8]) {
        self.idle = bytes.ends_with(IDLE);
    }
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Where a connection is cut.
const BEFORE: u64 = 1;
const BEHIND: u64 = 2;
const AT_THE_ANSWER: u64 = 3;
/// The same two once more, when the test says so.
const HELD_BEFORE: u64 = 4;
const HELD_AT_THE_ANSWER: u64 = 5;
/// Before the server sees it, which it does when the test says so.
const LATE: u64 = 6;

/// Stands in the server's place; `cut` says what to do with the next commit.
struct Proxy {
    url: String,
    cuts: Cuts,
    _folder: tempfile::TempDir,
}

/// What is cut.
#[derive(Clone)]
struct Cuts {
    cut: Arc<AtomicU64>,
    /// A connection is held.
    held: Arc<Semaphore>,
    /// It is to be cut now.
    release: Arc<Semaphore>,
}

impl Cuts {
    /// Holds a connection until the test says otherwise.
    async fn hold(&self) {
        self.held.add_permits(1);
        self.release.acquire().await.expect("it is never closed").forget();
    }
}

impl Proxy {
    fn before(url: &str) -> Self {
        let server = url.split("host=").nth(1).expect("a socket").to_owned();
        let folder = tempfile::Builder::new().prefix("mandate-proxy-").tempdir_in("/tmp").expect("a folder");
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).expect("a socket");
        let url = url.replace(&server, &folder.path().display().to_string());
        let cuts = Cuts { cut: Arc::new(AtomicU64::new(0)), held: Arc::new(Semaphore::new(0)), release: Arc::new(Semaphore::new(0)) };
        let armed = cuts.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // While there is no server, whoever connects is hung up on.
                if let Ok(server) = UnixStream::connect(format!("{server}/.s.PGSQL.5432")).await {
                    tokio::spawn(pass(client, server, armed.clone()));
                }
            }
        });
        Self { url, cuts, _folder: folder }
    }

    fn cut(&self, how: u64) {
        self.cuts.cut.store(how, Ordering::SeqCst);
    }
}

/// Passes bytes both ways until one side ends, or a cut is due.
async fn pass(mut client: UnixStream, mut server: UnixStream, cuts: Cuts) {
    let (mut from_client, mut from_server) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut commits = Commits::default();
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(n @ 1..) = read else { return };
                let bytes = &from_client[..n];
                let how = if commits.asked(bytes) { cuts.cut.swap(0, Ordering::SeqCst) } else { 0 };
                if how == HELD_BEFORE {
                    return cuts.hold().await;
                }
                if how == LATE {
                    drop(client);
                    cuts.hold().await;
                    server.write_all(bytes).await.expect("the server listens");
                    let _ = server.read(&mut from_server).await;
                    return cuts.held.add_permits(1);
                }
                if how == BEFORE || server.write_all(bytes).await.is_err() || how == BEHIND {
                    return;
                }
                if how == AT_THE_ANSWER || how == HELD_AT_THE_ANSWER {
                    let _ = server.read(&mut from_server).await;
                    if how == HELD_AT_THE_ANSWER {
                        cuts.hold().await;
                    }
                    return;
                }
            }
            read = server.read(&mut from_server) => {
                let Ok(n @ 1..) = read else { return };
                commits.answered(&from_server[..n]);
                if client.write_all(&from_server[..n]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What the store answered for a unit.
enum Asked {
    Step(Uuid, i64),
    Start(Uuid),
    End(Uuid),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_answered_around_a_lost_commit_is_true() {
    const SEED: u64 = 20_261_120;
    let fixture = Fixture::postgres("lost_commits");
    let proxy = Proxy::before(&fixture.url);
    let direct = fixture.open().await;
    let process = definition(&direct, "p").await;
    let store = Store::open(mandate_store::Config { url: proxy.url.clone(), ..fixture.config() }).await.expect("the store opens");
    let mut random = Random(SEED);
    let mut revisions: HashMap<Uuid, i64> = HashMap::new();
    for round in 0..90 {
        let how = [BEFORE, BEHIND, AT_THE_ANSWER][usize::try_from(round % 3).expect("small")];
        let mut asked = Vec::new();
        let mut units = Vec::new();
        for (id, revision) in &revisions {
            if random.chance(20) {
                asked.push(Asked::End(*id));
                units.push(unit(end(*id, *revision)));
            } else if random.chance(60) {
                asked.push(Asked::Step(*id, *revision));
                units.push(unit(step(*id, *revision)));
            }
        }
        for _ in 0..=random.below(4) {
            let id = Uuid::now_v7();
            asked.push(Asked::Start(id));
            units.push(unit(start(&process, id)));
        }
        proxy.cut(how);
        let answers = join_all(units.into_iter().map(|unit| store.commit(unit))).await;
        for (asked, answer) in asked.iter().zip(answers) {
            // Nothing was at fault, so in the end everything is stored, once.
            let committed = answer.unwrap_or_else(|error| panic!("seed {SEED}, round {round}: {error}"));
            match asked {
                Asked::Step(id, revision) => {
                    assert_eq!(committed.revisions, [(*id, revision + 1)]);
                    revisions.insert(*id, revision + 1);
                }
                Asked::Start(id) => drop(revisions.insert(*id, 1)),
                Asked::End(id) => drop(revisions.remove(id)),
            }
        }
    }
    assert_eq!(proxy.cuts.cut.load(Ordering::SeqCst), 0, "every cut was made");
    assert!(store.counters().retries >= 30, "commits that the server never saw were begun again");
    let (rows, _) = direct.instances_after(None, 100_000).await.expect("read");
    let stored: HashMap<Uuid, i64> = rows.iter().map(|row| (row.id, row.revision)).collect();
    assert_eq!(stored, revisions, "seed {SEED}");
}

/// A lone start that asks nothing goes to the server without BEGIN and COMMIT.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_start_is_stored_once_around_a_lost_statement() {
    let fixture = Fixture::postgres("lost_starts");
    let proxy = Proxy::before(&fixture.url);
    let store = Store::open(mandate_store::Config { url: proxy.url.clone(), ..fixture.config() }).await.expect("the store opens");
    let process = definition(&store, "p").await;
    started_with(&store, &process, Vec::new()).await;
    for (how, again) in [(BEFORE, 1), (BEHIND, 0), (AT_THE_ANSWER, 0)].into_iter().cycle().take(30) {
        // A connection that is new prepares it.
        started_with(&store, &process, Vec::new()).await;
        let before = store.counters();
        proxy.cut(how);
        started_with(&store, &process, Vec::new()).await;
        let after = store.counters();
        assert_eq!(proxy.cuts.cut.load(Ordering::SeqCst), 0, "it was cut");
        // What was on its way may have come before it was asked for, or not.
        assert!(how == BEHIND || after.retries - before.retries == again);
    }
    assert_eq!(fixture.count("instance").await, 61);
}

/// The server gets the statement when it was given up, stored by another one, and its instance is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_start_that_comes_late_is_not_stored_again() {
    let fixture = Fixture::postgres("late_starts");
    let proxy = Proxy::before(&fixture.url);
    let config = mandate_store::Config { url: proxy.url.clone(), history: HistoryLevel::None, ..fixture.config() };
    let store = Store::open(config).await.expect("the store opens");
    let process = definition(&store, "p").await;
    for _ in 0..2 {
        started_with(&store, &process, Vec::new()).await;
    }
    proxy.cut(LATE);
    let (id, _) = started_with(&store, &process, Vec::new()).await;
    store.commit(unit(end(id, 1))).await.expect("stored");
    assert_eq!(fixture.count("instance").await, 2);
    for _ in 0..2 {
        proxy.cuts.held.acquire().await.expect("it is never closed").forget();
        proxy.cuts.release.add_permits(1);
    }
    assert_eq!(fixture.count("instance").await, 2, "the server has answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_is_opened_once_around_a_lost_commit() {
    let fixture = Fixture::postgres("lost_opens");
    let proxy = Proxy::before(&fixture.url);
    let store = Store::open(mandate_store::Config { url: proxy.url.clone(), ..fixture.config() }).await.expect("the store opens");
    let process = definition(&store, "p").await;
    let (id, _) = started_with(&store, &process, vec![job(&process, 1, 5)]).await;
    for (round, how) in [BEFORE, BEHIND, AT_THE_ANSWER].into_iter().cycle().take(30).enumerate() {
        let asked = open(id, Origin::Job(1), &format!("k{round}"));
        proxy.cut(how);
        assert_eq!(store.ledger_open(asked.clone()).await.expect("opened"), LedgerOpened::Opened { attempt: 1 }, "round {round}");
        proxy.cut(how);
        store.ledger_close(close(&asked, 1, LedgerState::Applied)).await.expect("closed");
        let row = store.ledger_latest("acme", &asked.command, &asked.key).await.expect("read").expect("there");
        assert_eq!((row.attempt, row.state), (1, LedgerState::Applied));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_ended_lose_and_double_nothing() {
    const SEED: u64 = 7;
    let fixture = Fixture::postgres("ended_sessions");
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let (id, _) = started_with(&store, &process, Vec::new()).await;
    let mut random = Random(SEED);
    let mut revision = 1;
    for round in 0..40 {
        let commits = async {
            for _ in 0..=random.below(6) {
                match store.commit(unit(step(id, revision))).await {
                    Ok(_) => revision += 1,
                    Err(CommitError::Conflict) => panic!("seed {SEED}, round {round}: a unit was stored and answered as late"),
                    Err(other) => panic!("seed {SEED}, round {round}: {other}"),
                }
            }
        };
        let ending = async {
            tokio::task::yield_now().await;
            fixture
                .raw(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
                )
                .await;
        };
        tokio::join!(commits, ending);
        // Reads find their way back too.
        assert_eq!(store.load_instance(id).await.expect("read").expect("there").revision, revision);
    }
}

/// A host beside a server that can be killed, and a unit of it whose COMMIT is held.
struct Held {
    cluster: Cluster,
    proxy: Proxy,
    store: Store,
    instance: Uuid,
    answer: JoinHandle<Result<Committed, CommitError>>,
}

impl Held {
    async fn at(how: u64) -> Self {
        let cluster = Cluster::start_with("-c autovacuum=off").expect("PostgreSQL starts");
        let proxy = Proxy::before(&cluster.create_database("held").expect("a database"));
        let store = Store::open(Config { lease: LEASE, ..Config::new(&proxy.url) }).await.expect("the store opens");
        let process = definition(&store, "p").await;
        let instance = Uuid::now_v7();
        // From here on nothing but commits brings the log to the disk: what is not committed is gone with the server, and so is its id.
        let writer = cluster.sql("held", "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'").expect("read");
        assert!(Command::new("kill").args(["-STOP", &writer]).status().expect("it runs").success());
        proxy.cut(how);
        let answer = tokio::spawn({
            let (store, start) = (store.clone(), unit(start(&process, instance)));
            async move { store.commit(start).await }
        });
        proxy.cuts.held.acquire().await.expect("it is never closed").forget();
        Self { cluster, proxy, store, instance, answer }
    }

    /// The server dies and recovers, and gives ids of transactions to others.
    fn crash(&self) {
        self.cluster.kill().expect("killed");
        self.cluster.start_again().expect("PostgreSQL starts again");
        self.cluster.script("held", &"SELECT pg_current_xact_id();".repeat(20)).expect("each is a transaction");
    }

    fn run(&self, sql: &str) -> String {
        self.cluster.sql("held", sql).expect("a statement")
    }

    /// The connection is lost: what the store answers, and whether the instance is there, with which revision.
    async fn lose(&mut self) -> (Result<Committed, CommitError>, String) {
        self.proxy.cuts.release.add_permits(1);
        let answer = (&mut self.answer).await.expect("the store answers");
        (answer, self.run(&format!("SELECT revision FROM instance WHERE id = '{}'", self.instance)))
    }

    async fn next(&self) -> Result<Committed, CommitError> {
        self.store.commit(unit(step(self.instance, 1))).await
    }
}

/// The id of the transaction that was lost is another one's by then, and that one was committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_whose_commit_died_with_the_server_is_not_answered_as_stored() {
    let mut held = Held::at(HELD_BEFORE).await;
    let id = held.run("SELECT backend_xid FROM pg_stat_activity WHERE backend_xid IS NOT NULL");
    held.crash();
    assert_eq!(held.run(&format!("SELECT pg_xact_status('{id}'::xid8)")), "committed");
    let (answer, revision) = held.lose().await;
    match answer {
        Ok(_) => assert_eq!(revision, "1", "it was begun again"),
        // The server was away for longer than a unit is tried.
        Err(CommitError::Database(Error::Connection(_))) => assert_eq!(revision, ""),
        Err(other) => panic!("{other}"),
    }
    held.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_whose_commit_the_server_survived_is_stored_once() {
    let mut held = Held::at(HELD_AT_THE_ANSWER).await;
    held.crash();
    let (answer, revision) = held.lose().await;
    assert_eq!((answer.expect("stored").revisions, revision.as_str()), (vec![(held.instance, 1)], "1"));
    assert_eq!(held.store.counters().retries, 0, "it was not begun again");
    held.next().await.expect("the host goes on");
    held.store.close().await;
}

/// Another host has taken over while this one did not know what became of its unit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_was_fenced_around_a_commit_says_what_became_of_it() {
    for (how, stored) in [(HELD_AT_THE_ANSWER, true), (HELD_BEFORE, false)] {
        let mut held = Held::at(how).await;
        held.crash();
        held.run("UPDATE host SET epoch = epoch + 1, ended_at = 1");
        let (answer, revision) = held.lose().await;
        match answer {
            Ok(_) => assert!(stored),
            Err(CommitError::Fenced | CommitError::Database(Error::Connection(_))) => assert!(!stored),
            Err(other) => panic!("{other}"),
        }
        assert_eq!(revision, if stored { "1" } else { "" });
        assert!(matches!(held.next().await, Err(CommitError::Fenced)));
        held.store.close().await;
    }
}

/// Its rows were removed, or the database was put back to before it began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_the_database_has_forgotten_claims_nothing() {
    let mut held = Held::at(HELD_AT_THE_ANSWER).await;
    held.crash();
    held.run("DELETE FROM host_commit");
    let (answer, _) = held.lose().await;
    assert!(matches!(answer, Err(CommitError::Database(Error::Unclear(_)))), "{answer:?}");
    assert!(matches!(held.next().await, Err(CommitError::Fenced)), "without its trace nothing is written");
    held.store.close().await;
}

/// The session that a COMMIT was lost on is still at it: whatever else is written waits for it, also while the lease is renewed beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_waits_for_the_trace_of_the_one_before() {
    use sqlx::Connection as _;
    let fixture = Fixture::postgres("trace_waits");
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let instance = Uuid::now_v7();
    store.commit(unit(start(&process, instance))).await.expect("stored");
    for (aborts, revision) in [(true, 1), (false, 2)] {
        let mut before = sqlx::PgConnection::connect(&fixture.url).await.expect("a connection");
        sqlx::raw_sql("BEGIN; UPDATE host_commit SET nth = nth").execute(&mut before).await.expect("held");
        let answer = tokio::spawn({
            let (store, step) = (store.clone(), unit(step(instance, revision)));
            async move { store.commit(step).await }
        });
        while fixture.count("pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").await == 0 {
            assert!(!answer.is_finished(), "it waits for nothing");
        }
        fixture.raw("UPDATE host SET lease_until = lease_until + 1").await;
        sqlx::raw_sql(if aborts { "ROLLBACK" } else { "COMMIT" }).execute(&mut before).await.expect("over");
        assert_eq!(answer.await.expect("it ends").expect("stored").revisions, [(instance, revision + 1)]);
        before.close().await.expect("closed");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_a_commit_is_asked_beside_a_deletion_that_takes_long() {
    use sqlx::Connection as _;
    let fixture = Fixture::postgres("fate_beside_deletion");
    let proxy = Proxy::before(&fixture.url);
    let store = Store::open(Config { url: proxy.url.clone(), ..fixture.config() }).await.expect("the store opens");
    let (process, deleted) = (definition(&store, "p").await, definition(&store, "q").await);
    let mut other = sqlx::PgConnection::connect(&fixture.url).await.expect("a connection");
    sqlx::raw_sql("BEGIN; SELECT 1 FROM definition WHERE key = 'q' FOR UPDATE").execute(&mut other).await.expect("held");
    let deleting = tokio::spawn({
        let store = store.clone();
        async move { store.delete_deployment(&deleted.deployment_id, true, &[], &Vec::new(), 0).await }
    });
    while fixture.count("pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").await == 0 {
        assert!(!deleting.is_finished(), "it waits for nothing");
    }
    let instance = Uuid::now_v7();
    for (how, revision) in [(AT_THE_ANSWER, 1), (BEFORE, 2)] {
        proxy.cut(how);
        let write = if revision == 1 { start(&process, instance) } else { step(instance, 1) };
        assert_eq!(store.commit(unit(write)).await.expect("stored").revisions, [(instance, revision)]);
        assert_eq!(proxy.cuts.cut.load(Ordering::SeqCst), 0, "the cut was made");
    }
    assert!(!deleting.is_finished());
    other.close().await.expect("closed");
    deleting.await.expect("it ends").expect("deleted");
    store.close().await;
}
