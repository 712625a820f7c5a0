//! The benchmark's replicas of an instance: a host takes them for what it has made itself.

use mandate_bench::bulk::{self, Template};
use mandate_bench::database::Database;
use mandate_bench::host::{Host, Setup, order};
use mandate_runtime::Correlation;
use mandate_tests::postgres::Cluster;

/// Of which one is correlated.
const REPLICAS: u32 = 12;

#[tokio::test(flavor = "multi_thread")]
async fn replicas_of_a_waiting_instance_are_instances_on_sqlite() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite:{}", dir.path().join("mandate.db").display());
    replicate_and_go_on(Setup::new(url, dir.path().to_owned())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_of_a_waiting_instance_are_instances_on_postgres() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let url = cluster.create_database("bulk").expect("a database");
    replicate_and_go_on(Setup::new(url, dir.path().to_owned())).await;
}

async fn replicate_and_go_on(setup: Setup) {
    let host = Host::open(&setup, include_str!("../models/message.bpmn").to_owned(), false).await.expect("a host");
    let template = host.start(bulk::business_key("message", 0), order("order-17")).await.expect("an instance waits").id.0;
    host.close().await;
    let mut database = Database::connect(&setup.url).await.expect("a connection");
    bulk::replicate(&mut database, Template { id: template, prefix: "message" }, REPLICAS).await.expect("replicas");
    drop(database);

    let host = Host::join(&setup, "message".to_owned()).await.expect("a host");
    let report = host.runtime.check_store().await.expect("the store is read");
    assert_eq!(report.instances, u64::from(REPLICAS) + 1);
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    let correlation =
        Correlation { message: "paid".to_owned(), business_key: Some(bulk::business_key("message", 7)), ..Correlation::default() };
    host.runtime.correlate(correlation).await.expect("one replica waits under this key");
    let ended = mandate_runtime::query::HistoryInstanceFilter { finished: true, ..Default::default() };
    assert_eq!(host.runtime.reads().count_history_instances(ended).await.expect("history"), 1);
    host.close().await;
}
