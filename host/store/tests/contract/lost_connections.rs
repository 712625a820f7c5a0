//! Connections that are lost at the worst moment.
//!
//! A proxy stands between the store and PostgreSQL and cuts a connection when a COMMIT passes: before the server sees it, right behind it,
//! or when its answer comes. Whatever the store answers must be true.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use mandate_store::{CommitError, LedgerOpened, LedgerState, Origin, Store};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use uuid::Uuid;

use crate::common::{Fixture, Random, definition, end, job, start, started_with, step, unit};
use crate::ledger::{close, open};

/// A COMMIT in PostgreSQL's simple query protocol.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// Where a connection is cut.
const BEFORE: u64 = 1;
const BEHIND: u64 = 2;
const AT_THE_ANSWER: u64 = 3;

/// Stands in the server's place; `cut` says what to do with the next COMMIT.
struct Proxy {
    url: String,
    cut: Arc<AtomicU64>,
    _folder: tempfile::TempDir,
}

impl Proxy {
    fn before(fixture: &Fixture) -> Self {
        let server = fixture.url.split("host=").nth(1).expect("a socket").to_owned();
        let folder = tempfile::Builder::new().prefix("mandate-proxy-").tempdir_in("/tmp").expect("a folder");
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).expect("a socket");
        let url = fixture.url.replace(&server, &folder.path().display().to_string());
        let cut = Arc::new(AtomicU64::new(0));
        let armed = cut.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(format!("{server}/.s.PGSQL.5432")).await.expect("the server");
                tokio::spawn(pass(client, server, armed.clone()));
            }
        });
        Self { url, cut, _folder: folder }
    }
}

/// Passes bytes both ways until one side ends, or a cut is due.
async fn pass(mut client: UnixStream, mut server: UnixStream, cut: Arc<AtomicU64>) {
    let (mut from_client, mut from_server) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(n @ 1..) = read else { return };
                let bytes = &from_client[..n];
                let how = if bytes.windows(COMMIT.len()).any(|window| window == COMMIT) { cut.swap(0, Ordering::SeqCst) } else { 0 };
                if how == BEFORE || server.write_all(bytes).await.is_err() || how == BEHIND {
                    return;
                }
                if how == AT_THE_ANSWER {
                    let _ = server.read(&mut from_server).await;
                    return;
                }
            }
            read = server.read(&mut from_server) => {
                let Ok(n @ 1..) = read else { return };
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
    let proxy = Proxy::before(&fixture);
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
        proxy.cut.store(how, Ordering::SeqCst);
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
    assert_eq!(proxy.cut.load(Ordering::SeqCst), 0, "every cut was made");
    assert!(store.counters().retries >= 30, "commits that the server never saw were begun again");
    let rows = direct.instances_after(None, 100_000).await.expect("read");
    let stored: HashMap<Uuid, i64> = rows.iter().map(|row| (row.id, row.revision)).collect();
    assert_eq!(stored, revisions, "seed {SEED}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_is_opened_once_around_a_lost_commit() {
    let fixture = Fixture::postgres("lost_opens");
    let proxy = Proxy::before(&fixture);
    let store = Store::open(mandate_store::Config { url: proxy.url.clone(), ..fixture.config() }).await.expect("the store opens");
    let process = definition(&store, "p").await;
    let (id, _) = started_with(&store, &process, vec![job(&process, 1, 5)]).await;
    for (round, how) in [BEFORE, BEHIND, AT_THE_ANSWER].into_iter().cycle().take(30).enumerate() {
        let asked = open(id, Origin::Job(1), &format!("k{round}"));
        proxy.cut.store(how, Ordering::SeqCst);
        assert_eq!(store.ledger_open(asked.clone()).await.expect("opened"), LedgerOpened::Opened { attempt: 1 }, "round {round}");
        proxy.cut.store(how, Ordering::SeqCst);
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
