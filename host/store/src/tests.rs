//! Tests of what only this crate sees: that every statement prepares, that claims use their index, that writes are durable.

use mandate_tests::postgres::Cluster;

use crate::batch::Batch;
use crate::claim::candidates_sql;
use crate::db::{Dialect, Lane, params};
use crate::{Config, Store, claim, deploy, ledger, write};

/// The multi-row statements of the crate.
fn batches() -> Vec<&'static Batch> {
    [
        claim::BATCHES,
        deploy::BATCHES,
        ledger::BATCHES,
        write::BATCHES,
        write::instances::BATCHES,
        write::tables::BATCHES,
        write::history::BATCHES,
    ]
    .concat()
}

async fn on_both(test: impl AsyncFn(Store)) {
    let folder = tempfile::tempdir().expect("a folder");
    let lite = Store::open(Config::new(format!("sqlite:{}", folder.path().join("a.db").display()))).await.expect("it opens");
    test(lite.clone()).await;
    lite.close().await;
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let postgres = Store::open(Config::new(cluster.create_database("a").expect("a database"))).await.expect("it opens");
    test(postgres.clone()).await;
    postgres.close().await;
}

async fn texts(lane: &Lane, sql: &str) -> Vec<String> {
    let rows = lane.fetch(sql, Vec::new()).await.expect(sql);
    rows.iter().map(|row| row.get(0).expect("a text")).collect()
}

#[tokio::test]
async fn every_multi_row_statement_prepares_on_both_databases() {
    let sources = [
        include_str!("claim.rs"),
        include_str!("deploy.rs"),
        include_str!("ledger/write.rs"),
        include_str!("write.rs"),
        include_str!("write/instances.rs"),
        include_str!("write/tables.rs"),
        include_str!("write/history.rs"),
    ];
    let written: usize = sources.iter().map(|source| source.matches(": Batch = ").count()).sum();
    assert_eq!(batches().len(), written, "a statement is missing from its file's BATCHES");
    on_both(async |store| {
        for batch in batches() {
            let sql = batch.render(store.pool.dialect());
            store.inner().admin.prepare(sql.clone()).await.unwrap_or_else(|error| panic!("{error}: {}", sql.as_str()));
        }
    })
    .await;
}

#[tokio::test]
async fn claims_use_their_index() {
    on_both(async |store| {
        let lane = &store.inner().admin;
        let plan = match store.pool.dialect() {
            Dialect::Sqlite => {
                let rows = lane.fetch(&format!("EXPLAIN QUERY PLAN {}", candidates_sql()), params![1_i64, 1_i64]).await.expect("a plan");
                rows.iter().map(|row| row.get::<String>(3).expect("a text")).collect::<Vec<_>>()
            }
            Dialect::Postgres => {
                // With enough rows that a plan without the index would be worse, most of them not due.
                let fill = "INSERT INTO job SELECT gen_random_uuid(), n, 2, 'A', 'timer', 'p:1:x', n * 1000, 3, 0, TRUE, 0, NULL, NULL, FALSE, \
                            NULL, NULL, 0 FROM generate_series(1, 20000) n";
                lane.fetch(fill, Vec::new()).await.expect("rows");
                lane.fetch("ANALYZE job", Vec::new()).await.expect("statistics");
                let sql = candidates_sql().replace("$1", "50000").replace("$2", "100");
                texts(lane, &format!("EXPLAIN {sql}")).await
            }
        };
        let text = plan.join("\n");
        assert!(text.contains("job_claimable"), "{text}");
        assert!(!text.contains("TEMP B-TREE FOR ORDER BY\n") && !text.contains("Seq Scan on job"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn commits_are_durable() {
    on_both(async |store| {
        let lane = &store.inner().admin;
        match store.pool.dialect() {
            Dialect::Sqlite => {
                assert_eq!(texts(lane, "PRAGMA journal_mode").await, ["wal"]);
                for (pragma, value) in [("synchronous", 2_i64), ("foreign_keys", 1)] {
                    let rows = lane.fetch(&format!("PRAGMA {pragma}"), Vec::new()).await.expect("a pragma");
                    assert_eq!(rows[0].get::<i64>(0).expect("a number"), value, "{pragma}");
                }
                let written = store.pool.fetch("DELETE FROM host", Vec::new()).await;
                assert!(written.is_err(), "readers cannot write");
            }
            Dialect::Postgres => {
                for setting in ["synchronous_commit", "fsync", "full_page_writes"] {
                    assert_eq!(texts(lane, &format!("SELECT current_setting('{setting}')")).await, ["on"], "{setting}");
                }
                assert_eq!(texts(lane, "SELECT current_setting('idle_in_transaction_session_timeout')").await, ["5s"]);
                let written = store.pool.fetch("DELETE FROM host", Vec::new()).await;
                assert!(written.is_err(), "readers cannot write");
            }
        }
    })
    .await;
}
