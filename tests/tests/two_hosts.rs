//! Two hosts on one PostgreSQL: one dies or sleeps through its lease, the other finishes everything, nothing is doubled.

use std::time::Duration;

use mandate_tests::operator::Operator;
use mandate_tests::orders;
use mandate_tests::postgres::Cluster;
use mandate_tests::program::root;
use mandate_tests::system::{Setup, System};
use mandate_tests::tally::tally;
use rustix::process::Signal;

/// Orders of each test.
const ORDERS: usize = 40;

/// How long a host that may not go on may take to end: its drain, half a minute, and as much again on a busy machine.
const DRAINED: Duration = Duration::from_secs(60);

async fn two_hosts(dir: &std::path::Path, cluster: &Cluster) -> anyhow::Result<System> {
    let mut setup = Setup::new(dir);
    setup.host_database = Some(cluster.create_database("host")?);
    setup.service_database = Some(cluster.create_database("orders")?);
    setup.faults = orders::faults(5);
    setup.lease = 3;
    let system = System::start(setup, 2).await?;
    system.deploy(&root().join("examples/order-service/bundle-v1")).await?;
    Ok(system)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_host_finishes_what_a_killed_host_began() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let cluster = Cluster::start()?;
    let mut system = two_hosts(dir.path(), &cluster).await?;
    let operator = Operator::start(system.http().clone(), vec![system.host_url(0)]);
    orders::send(&system, "order", ORDERS).await?;
    system.kill_host(1).await?;
    orders::all_done(&system, ORDERS, Duration::from_secs(120)).await?;
    tally(&system).await?.assert_sound()?;
    system.check_store().await?;
    drop(operator);
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_slept_through_its_lease_neither_writes_nor_sends_and_ends() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let cluster = Cluster::start()?;
    let mut system = two_hosts(dir.path(), &cluster).await?;
    let operator = Operator::start(system.http().clone(), vec![system.host_url(0)]);
    orders::send(&system, "order", ORDERS).await?;
    system.host(1)?.signal(Signal::STOP)?;
    // Three leases: the other host has long taken over.
    tokio::time::sleep(Duration::from_secs(9)).await;
    system.host(1)?.signal(Signal::CONT)?;
    // It finds itself taken over at its next renewal, drains and ends, so that whoever supervises it starts it anew.
    let status = system.host_ended(1, DRAINED).await?;
    assert_eq!(status.code(), Some(1), "{status}");
    let log = std::fs::read_to_string(dir.path().join("host-1.log"))?;
    assert!(log.contains("another host has taken over this one's work"), "{log}");
    orders::all_done(&system, ORDERS, Duration::from_secs(120)).await?;
    tally(&system).await?.assert_sound()?;
    system.check_store().await?;
    drop(operator);
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_slept_through_most_of_its_lease_forgets_no_job() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let cluster = Cluster::start()?;
    let mut setup = Setup::new(dir.path());
    setup.host_database = Some(cluster.create_database("host")?);
    setup.service_database = Some(cluster.create_database("orders")?);
    setup.faults = orders::faults(6);
    setup.lease = 4;
    // Alone: nobody takes over what it forgets.
    let system = System::start(setup, 1).await?;
    system.deploy(&root().join("examples/order-service/bundle-v1")).await?;
    let operator = Operator::start(system.http().clone(), vec![system.host_url(0)]);
    let (sent, slept) = tokio::join!(orders::send(&system, "order", ORDERS), async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            system.host(0)?.signal(Signal::STOP)?;
            // It may act for half of its lease after a renewal, and renews it at a third.
            tokio::time::sleep(Duration::from_millis(2_500)).await;
            system.host(0)?.signal(Signal::CONT)?;
        }
        anyhow::Ok(())
    });
    sent.and(slept)?;
    orders::all_done(&system, ORDERS, Duration::from_secs(120)).await?;
    tally(&system).await?.assert_sound()?;
    system.check_store().await?;
    drop(operator);
    system.stop().await
}
