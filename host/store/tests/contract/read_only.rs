//! Servers that take no writes: one that another one was promoted in place of, and one that somebody has switched to reads.

use mandate_store::query::DefinitionRow;
use mandate_store::{CommitError, Committed, Config, Error, Store};
use mandate_tests::postgres::Cluster;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::common::{LEASE, definition, start, unit};

async fn open(url: &str) -> Result<Store, Error> {
    Store::open(Config { lease: LEASE, ..Config::new(url) }).await
}

/// Hands starts in until one is refused by the server, and is tried again. Answers how many were stored before.
async fn refused(store: &Store, process: &DefinitionRow) -> (u32, JoinHandle<Result<Committed, CommitError>>) {
    let before = store.counters().retries;
    // Sessions that are there hear a little later of what the server is told.
    for stored in 0.. {
        let answer = tokio::spawn({
            let (store, start) = (store.clone(), unit(start(process, Uuid::now_v7())));
            async move { store.commit(start).await }
        });
        while !answer.is_finished() {
            if store.counters().retries > before {
                return (stored, answer);
            }
            tokio::task::yield_now().await;
        }
        answer.await.expect("the store answers").expect("nothing fails at once");
    }
    unreachable!("the server is told in the end")
}

/// Stored, unless the server took no writes for longer than a unit is tried.
async fn stored(answer: JoinHandle<Result<Committed, CommitError>>) -> u32 {
    match answer.await.expect("the store answers") {
        Ok(_) => 1,
        Err(CommitError::Database(Error::Connection(_))) => 0,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_does_not_write_to_a_standby_and_goes_on_when_it_is_promoted() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let url = cluster.create_database("a").expect("a database");
    let store = open(&url).await.expect("the store opens");
    let process = definition(&store, "p").await;
    cluster.kill().expect("killed");
    cluster.start_again_as_standby().expect("PostgreSQL starts again");

    let read = store.load_instance(Uuid::now_v7()).await.map(|row| row.is_none());
    assert!(matches!(read, Err(Error::Connection(_))), "it may lack what was written: {read:?}");
    let (before, answer) = refused(&store, &process).await;
    match open(&url).await {
        Err(Error::Connection(why)) => assert!(why.contains("a standby"), "{why}"),
        other => panic!("{other:?}"),
    }
    cluster.sql("a", "SELECT pg_promote()").expect("promoted");
    let all = before + stored(answer).await;
    assert_eq!(cluster.sql("a", "SELECT count(*) FROM instance").expect("read"), all.to_string());
    store.commit(unit(start(&process, Uuid::now_v7()))).await.expect("it goes on");
    store.close().await;
}

/// Also on connections that are there already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_to_a_server_that_takes_no_writes_any_more_is_not_kept() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let url = cluster.create_database("a").expect("a database");
    let store = open(&url).await.expect("the store opens");
    let process = definition(&store, "p").await;
    let switch = |how: &str| {
        let script = format!("SET default_transaction_read_only = off; ALTER SYSTEM {how}; SELECT pg_reload_conf();");
        cluster.script("a", &script).expect("it is told");
    };
    switch("SET default_transaction_read_only = on");

    let (before, answer) = refused(&store, &process).await;
    match open(&url).await {
        Err(Error::Connection(why)) => assert!(why.contains("default_transaction_read_only"), "{why}"),
        other => panic!("{other:?}"),
    }
    switch("RESET default_transaction_read_only");
    let all = before + stored(answer).await;
    assert_eq!(cluster.sql("a", "SELECT count(*) FROM instance").expect("read"), all.to_string());
    store.commit(unit(start(&process, Uuid::now_v7()))).await.expect("it goes on");
    store.close().await;
}
