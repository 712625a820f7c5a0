//! What operators ask for beside the load: that it finds its rows by index, and locks them in one order.

use mandate_tests::postgres::Cluster;
use uuid::Uuid;

use super::{on_both, plan};
use crate::cleanup::ENDED_FROM;
use crate::db::params;
use crate::planned::{CarriedOut, Planned};
use crate::query::{ACTIVITY_FAILURES, failed_by_definition};
use crate::{Config, Store};

#[tokio::test]
async fn deliveries_that_were_given_up_are_counted_beside_any_number_of_others() {
    on_both(async |store| {
        let lane = &store.inner().admin;
        let numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)";
        let one = "{pg:gen_random_uuid()}{lite:randomblob(16)}";
        // A hundred of two hundred definitions have one that was given up, and many that are tried again.
        let fill = format!(
            "INSERT INTO delivery (signal, n, kind, name, instance_id, wait, activity, definition_id, activity_id, variables, hops, due, retries, failures, \
             created, parked) {numbers} SELECT {one}, n, 'signal', 'alarm', {one}, 2, 2, 'p:' || (n % 200), 'A', 'null', 1, n, \
             CASE WHEN n <= 100 THEN 0 ELSE 3 END, 1, n, FALSE FROM numbers"
        );
        lane.fetch(&fill, Vec::new()).await.expect("rows");
        lane.fetch("ANALYZE", Vec::new()).await.expect("statistics");
        for (sql, params) in [(failed_by_definition(), Vec::new()), (ACTIVITY_FAILURES.to_owned(), params!["p:7"])] {
            let plan = plan(&store, &sql, params).await;
            assert!(plan.contains("delivery_given_up") && !plan.contains("Seq Scan on delivery"), "{plan}");
            assert!(!plan.contains("SCAN v") && !plan.contains("SCAN delivery"), "{plan}");
        }
    })
    .await;
}

#[tokio::test]
async fn ended_instances_of_a_deleted_definition_are_looked_for_among_those_of_its_key() {
    on_both(async |store| {
        let lane = &store.inner().admin;
        let fill = "INSERT INTO history_instance (instance_id, tenant, definition_id, definition_key, started_at, ended_at, state) \
                    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000) \
                    SELECT {pg:gen_random_uuid()}{lite:randomblob(16)}, '', 'p:1:x', 'p' || (n % 200), n, n, 'COMPLETED' FROM numbers";
        lane.fetch(fill, Vec::new()).await.expect("rows");
        lane.fetch("ANALYZE", Vec::new()).await.expect("statistics");
        for from in [i64::MIN, 1_000] {
            let plan = plan(&store, ENDED_FROM, params!["p7", from, Uuid::nil(), 1_000_i64]).await;
            assert!(plan.contains("history_instance_key_") && !plan.contains("Seq Scan"), "{plan}");
            // PostgreSQL may sort the few of one key; more than are asked for it reads in order.
            assert!(plan.contains("ended_at") && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    })
    .await;
}

fn planned(id: Uuid) -> Planned {
    Planned {
        id,
        due: 10,
        change: "{}".into(),
        definition_id: None,
        user: None,
        annotation: None,
        created: 5,
        next: Some(10),
        attempts: 0,
        failure: None,
    }
}

/// Else somebody who carries a plan out by hand would be told half-way that another host has the rest.
#[tokio::test]
async fn what_a_plan_leaves_is_its_hosts_until_that_gives_it_back() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let url = cluster.create_database("a").expect("a database");
    let mut hosts = Vec::new();
    for _ in 0..2 {
        hosts.push(Store::open(Config::new(&url)).await.expect("it opens"));
    }
    let [a, b] = &hosts[..] else { unreachable!("two of them") };
    let [plan, rest] = [1, 2].map(Uuid::from_u128);
    assert!(a.plan(planned(plan), &[]).await.expect("planned"));
    assert!(a.lock_plan(plan, None).await.expect("asked").is_some());
    assert!(a.end_plan(&CarriedOut { id: plan, then: vec![planned(rest)] }, &[]).await.expect("answered"));
    assert_eq!(b.lock_plan(rest, None).await.expect("asked"), None);
    assert!(a.lock_plan(rest, None).await.expect("asked").is_some());
    a.unlock_plans().await.expect("given back");
    assert!(b.lock_plan(rest, None).await.expect("asked").is_some());
    for host in hosts {
        host.close().await;
    }
}

/// Else two plans that end at one moment, and each of which keeps the other, would wait for each other.
#[tokio::test]
async fn plans_that_end_lock_all_that_they_change_in_one_order() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let store = Store::open(Config::new(cluster.create_database("a").expect("a database"))).await.expect("it opens");
    let [first, second] = [1, 2].map(Uuid::from_u128);
    for id in [first, second] {
        assert!(store.plan(planned(id), &[]).await.expect("planned"));
    }
    for (id, other) in [(first, second), (second, first)] {
        store.hold_back_plan(id, other, 99).await.expect("held back");
    }
    let admin = &store.inner().admin;
    let mut other = store.inner().jobs.begin().await.expect("begun");
    other.fetch(&format!("SELECT 1 FROM planned WHERE id = '{first}' FOR UPDATE"), Vec::new()).await.expect("locked");
    let ended = CarriedOut { id: second, then: Vec::new() };
    let next = async {
        while store.pool.fetch("SELECT 1 FROM pg_locks WHERE NOT granted", Vec::new()).await.expect("read").is_empty() {
            tokio::task::yield_now().await;
        }
        let second = format!("SELECT 1 FROM planned WHERE id = '{second}' FOR UPDATE NOWAIT");
        let locked = other.fetch(&second, Vec::new()).await.map(|rows| rows.len());
        other.rollback().await;
        locked
    };
    let (ended, locked) = tokio::join!(store.end_plan(&ended, &[]), next);
    assert_eq!(locked.expect("nobody has it who waits for the first"), 1);
    assert!(ended.expect("answered"));
    let left = admin.fetch("SELECT next FROM planned", Vec::new()).await.expect("read");
    assert_eq!(left.iter().map(|row| row.get::<i64>(0).expect("a date")).collect::<Vec<_>>(), [10], "the other one has its turn");
    store.close().await;
}

/// Else it would wait for nothing, until the one that was to be tried again would have been.
#[tokio::test]
async fn a_plan_is_held_back_only_by_one_that_is_there() {
    on_both(async |store| {
        let [older, newer] = [1, 2].map(Uuid::from_u128);
        for id in [older, newer] {
            assert!(store.plan(planned(id), &[]).await.expect("planned"));
        }
        let next = async || store.planned(newer).await.expect("read").expect("there").next;
        let ended = CarriedOut { id: older, then: Vec::new() };
        store.hold_back_plan(newer, older, 99).await.expect("held back");
        assert_eq!(next().await, Some(99));
        assert!(store.end_plan(&ended, &[]).await.expect("ended"));
        assert_eq!(next().await, Some(10), "it has let go what it kept");
        // Somebody has seen it before that.
        store.hold_back_plan(newer, older, 99).await.expect("looked");
        assert_eq!(next().await, Some(10));
    })
    .await;
}

/// And not by one that is about to go.
#[tokio::test]
async fn a_plan_is_not_held_back_by_one_that_somebody_ends_at_that_moment() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let store = Store::open(Config::new(cluster.create_database("a").expect("a database"))).await.expect("it opens");
    let [older, newer] = [1, 2].map(Uuid::from_u128);
    for id in [older, newer] {
        assert!(store.plan(planned(id), &[]).await.expect("planned"));
    }
    let mut ending = store.inner().jobs.begin().await.expect("begun");
    ending.execute("DELETE FROM planned WHERE id = $1", params![older]).await.expect("deleted");
    let ends = async {
        while store.pool.fetch("SELECT 1 FROM pg_locks WHERE NOT granted", Vec::new()).await.expect("read").is_empty() {
            tokio::task::yield_now().await;
        }
        ending.commit().await
    };
    let (held, ended) = tokio::join!(store.hold_back_plan(newer, older, 99), ends);
    held.and(ended).expect("done");
    assert_eq!(store.planned(newer).await.expect("read").expect("there").next, Some(10));
    store.close().await;
}
