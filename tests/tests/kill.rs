//! SIGKILL at random moments under load: nothing lost, nothing applied twice, the store agrees with itself.
//!
//! Three kills in the gate; `MANDATE_KILLS=100` for the long run (`make soak`).

use std::time::Duration;

use mandate_tests::moments::Moments;
use mandate_tests::operator::Operator;
use mandate_tests::orders;
use mandate_tests::postgres::Cluster;
use mandate_tests::program::root;
use mandate_tests::system::{Setup, System};
use mandate_tests::tally::tally;

/// Orders of a run per kill: enough that there are some under way at every kill.
const ORDERS_PER_KILL: usize = 20;

/// And of those that need more than the usual: multi-instance, calls, compensation.
const SPECIAL_PER_KILL: usize = 8;

fn kills() -> usize {
    std::env::var("MANDATE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_survives_kills_at_random_moments_on_sqlite() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    survive(Setup::new(dir.path()), Moments::seed(11)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_survives_kills_at_random_moments_on_postgres() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let cluster = Cluster::start()?;
    let mut setup = Setup::new(dir.path());
    setup.host_database = Some(cluster.create_database("host")?);
    setup.service_database = Some(cluster.create_database("orders")?);
    survive(setup, Moments::seed(12)).await
}

/// Sends orders while hosts and service are killed and started again in turn, then counts.
async fn survive(mut setup: Setup, seed: u64) -> anyhow::Result<()> {
    let kills = kills();
    let mut moments = Moments::new(seed);
    setup.faults = orders::faults(seed);
    let mut system = System::start(setup, 1).await?;
    for bundle in ["bundle-v1", "bundle-special"] {
        system.deploy(&root().join("examples/order-service").join(bundle)).await?;
    }
    let operator = Operator::start(system.http().clone(), vec![system.host_url(0)]);
    for kill in 0..kills {
        orders::send(&system, &format!("round-{kill}"), ORDERS_PER_KILL).await?;
        orders::send_special(&system, &format!("special-{kill}"), SPECIAL_PER_KILL).await?;
        moments.pass(Duration::from_millis(10), Duration::from_millis(1_500)).await;
        // Mostly the host; every third time the service with its relay.
        if kill % 3 == 2 {
            system.kill_service().await?;
            system.start_service().await?;
        } else {
            system.kill_host(0).await?;
            system.start_host(0).await?;
        }
    }
    let within = Duration::from_secs(120 + 3 * kills as u64);
    let orders = kills * (ORDERS_PER_KILL + SPECIAL_PER_KILL);
    orders::all_done(&system, orders, within).await?;
    let tally = tally(&system).await?;
    println!(
        "{kills} kills, {orders} orders: commands applied exactly once: {} of {}; {} sent again; operator: {:?}",
        tally.applied_once,
        tally.applied,
        tally.repeated_attempts,
        operator.done()
    );
    tally.assert_sound()?;
    system.check_store().await?;
    drop(operator);
    system.stop().await
}
