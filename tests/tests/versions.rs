//! Version 2 beside version 1: every instance keeps the code it was started with.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use mandate_tests::operator::Operator;
use mandate_tests::orders;
use mandate_tests::program::root;
use mandate_tests::system::{Setup, System};
use mandate_tests::tally::tally;
use serde_json::json;

/// The process of both versions.
const PROCESS_KEY: &str = "orderFulfillment";

/// Orders of each version.
const ORDERS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn instances_finish_on_the_digests_of_their_version_though_the_host_restarts() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut setup = Setup::new(dir.path());
    // Slow enough that version 1's orders are half-way when version 2 comes.
    setup.faults = json!({ "seed": 3, "fulfillmentMillis": 2500 });
    let mut system = System::start(setup, 1).await?;
    let bundles = root().join("examples/order-service");
    let first = system.deploy(&bundles.join("bundle-v1")).await?;
    let operator = Operator::start(system.http().clone(), vec![system.host_url(0)]);
    orders::send(&system, "first", ORDERS).await?;
    let second = system.deploy(&bundles.join("bundle-v2")).await?;
    orders::send(&system, "second", ORDERS).await?;
    system.kill_host(0).await?;
    system.start_host(0).await?;
    orders::all_done(&system, 2 * ORDERS, Duration::from_secs(90)).await?;

    let tally = tally(&system).await?;
    tally.assert_sound()?;
    for (number, deployed) in [(1, &first), (2, &second)] {
        let bound: BTreeSet<String> = deployed["bindings"]
            .as_array()
            .context("bindings")?
            .iter()
            .filter_map(|binding| binding["digest"].as_str().map(str::to_owned))
            .collect();
        let version = tally.versions.get(&(PROCESS_KEY.to_owned(), number)).context("instances of the version")?;
        assert!(version.ends.values().sum::<usize>() >= ORDERS, "{version:?}");
        for digest in version.digests.values().flatten() {
            assert!(bound.contains(digest), "version {number} called {digest}, which it is not bound to");
        }
    }
    let reserve = |number: i64| tally.versions[&(PROCESS_KEY.to_owned(), number)].digests["reserve-line"].clone();
    assert!(reserve(1).is_disjoint(&reserve(2)), "version 2 reserves with another delegate");
    drop(operator);
    system.stop().await
}
