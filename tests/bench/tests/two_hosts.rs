//! Two hosts on one PostgreSQL, both alive: they share the work and double none of it.

use std::collections::BTreeMap;

use mandate_bench::host::{Batch, Host, Setup, order};
use mandate_bench::scenarios;
use mandate_runtime::query::{HistoryActivityFilter, HistoryInstanceFilter, Page};
use mandate_tests::postgres::Cluster;

/// From all clients of both hosts.
const INSTANCES: Batch = Batch { name: "both", count: 300 };

/// What an instance of S1 goes through; its five tasks call the delegate.
const ACTIVITIES: [&str; 7] = ["confirm", "done", "price", "received", "reserve", "submit", "validate"];
const TASKS: u64 = 5;

/// The only test of its program: calls are counted by the process.
#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_on_one_database_do_everything_once() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let setup = Setup::new(cluster.create_database("shared").expect("a database"), dir.path().join("first"));
    let model = scenarios::find("S1").expect("it is in the table").model();
    let first = Host::open(&setup, model, false).await.expect("a host");
    let setup = Setup { dir: dir.path().join("second"), ..setup };
    let second = Host::join(&setup, first.process.clone()).await.expect("another host");

    let hosts = [&first, &second];
    let started = first.from_clients(INSTANCES.count, |number| {
        let key = INSTANCES.key(number);
        let variables = order(&key);
        async move { hosts[number as usize % hosts.len()].start(key, variables).await.map(drop) }
    });
    started.await.expect("all are started");
    first.until_ended(INSTANCES.count.into()).await.expect("all come to their end");

    for host in hosts {
        assert!(host.runtime.counters().units > 0, "a host has done nothing");
    }
    let reads = first.runtime.reads();
    let instances = reads.history_instances(HistoryInstanceFilter::default(), Page::ALL, &[]).await.expect("history");
    let mut done: BTreeMap<_, Vec<String>> = instances.iter().map(|instance| (instance.id, Vec::new())).collect();
    assert_eq!(done.len(), INSTANCES.count as usize);
    assert!(instances.iter().all(|instance| instance.state == "COMPLETED"));
    for activity in reads.history_activities(HistoryActivityFilter::default(), Page::ALL, &[]).await.expect("history") {
        assert!(activity.ended_at.is_some(), "{activity:?}");
        // The instance itself.
        if activity.activity_id == first.process {
            continue;
        }
        done.get_mut(&activity.instance).expect("an instance of the list").push(activity.activity_id);
    }
    for (instance, mut activities) in done {
        activities.sort();
        assert_eq!(activities, ACTIVITIES, "{instance:?}");
    }
    // Each task of each instance has been called for at least once, so that none can make up for another.
    assert_eq!(first.called(), u64::from(INSTANCES.count) * TASKS);
    second.close().await;
    first.close().await;
}
