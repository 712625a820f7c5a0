//! What claims read: what is due, by index and in its order, beside any number of rows that are not theirs.

use super::{on_both, texts};
use crate::batch::cells;
use crate::claim::candidates::{self, Rank, priorities_sql};
use crate::db::{Dialect, Param};
use crate::external::fetch_sql;
use crate::{Fetch, FetchTopic, Store, claim, delivery};

/// How a claim looks at what is due at moment 10,000,000.
async fn plan(store: &Store, rank: Rank, excepted: bool) -> String {
    let priority = if excepted { "$5" } else { "$3" };
    let sql = candidates::sql(rank, excepted).replace("$1", "10000000").replace("$2", "100").replace(priority, "50");
    let sql = match store.pool.dialect() {
        Dialect::Sqlite => sql.replace("$3", "'[]'").replace("$4", "'[]'"),
        Dialect::Postgres => sql.replace("$3", "ARRAY[gen_random_uuid()]").replace("$4", "ARRAY['x']"),
    };
    explained(store, &sql).await
}

/// How a statement is carried out on a lane that writes.
async fn explained(store: &Store, sql: &str) -> String {
    let lane = &store.inner().admin;
    let plan: Vec<String> = match store.pool.dialect() {
        Dialect::Sqlite => {
            let rows = lane.fetch(&format!("EXPLAIN QUERY PLAN {sql}"), Vec::new()).await.expect("a plan");
            rows.iter().map(|row| row.get::<String>(3).expect("a text")).collect()
        }
        Dialect::Postgres => texts(lane, &format!("EXPLAIN (ANALYZE, TIMING OFF) {sql}")).await,
    };
    plan.join("\n")
}

/// Jobs of one instance each, with numbers from 1 on: these columns, in which `n` is the number.
async fn fill(store: &Store, jobs: u32, due: &str, priority: &str) {
    let numbers = format!("WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {jobs})");
    let fill = format!(
        "INSERT INTO job (instance_id, wait, activity, activity_id, kind, definition_id, due, retries, failures, exclusive, priority, behind, created, \
         suspended, takeovers) \
         {numbers} SELECT {{pg:gen_random_uuid()}}{{lite:randomblob(16)}}, n, 2, 'A', 'timer', 'p:1:x', {due}, 3, 0, TRUE, {priority}, FALSE, 0, FALSE, 0 \
         FROM numbers"
    );
    store.inner().admin.fetch(&fill, Vec::new()).await.expect("rows");
}

#[tokio::test]
async fn claims_read_what_is_due_from_their_index_in_its_order() {
    on_both(async |store| {
        // Half of them are due, so many that it matters not to sort them; and of a hundred one has a priority, of three.
        fill(&store, 20_000, "n * 1000", "CASE WHEN n % 100 = 0 THEN 50 + n % 3 ELSE 0 END").await;
        store.inner().admin.fetch("ANALYZE", Vec::new()).await.expect("statistics");
        for excepted in [false, true] {
            for (rank, index) in
                [(Rank::None, "job_claimable"), (Rank::Priority(50), "job_prioritized"), (Rank::Any, "job_prioritized_due")]
            {
                let plan = plan(&store, rank, excepted).await;
                assert!(plan.contains(index), "{plan}");
                assert!(
                    !plan.contains("TEMP B-TREE FOR ORDER BY") && !plan.contains("Sort") && !plan.contains("Seq Scan on job"),
                    "{plan}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_claim_does_not_look_at_jobs_that_are_parked() {
    on_both(async |store| {
        // Of the highest priority all are parked, and of the next one as well, but for one.
        fill(&store, 20_000, "20000000", "90").await;
        fill(&store, 20_000, "CASE WHEN n = 7 THEN 1 ELSE 20000000 END", "50").await;
        store.inner().admin.fetch("ANALYZE", Vec::new()).await.expect("statistics");
        let sql = priorities_sql().replace("$1", "10000000").replace("$2", "100");
        let rows = store.inner().admin.fetch(&sql, Vec::new()).await.expect("priorities");
        let found: Vec<(i64, bool)> = rows.iter().map(|row| (row.get(0).expect("a number"), row.get(1).expect("a flag"))).collect();
        assert_eq!(found, [(90, false), (50, true)]);
        for plan in [explained(&store, &sql).await, plan(&store, Rank::Priority(50), false).await, plan(&store, Rank::Any, false).await] {
            assert!(plan.contains("job_prioritized") && !plan.contains("Seq Scan on job") && !plan.contains("actual rows=20000"), "{plan}");
            // The one row that may be dropped is the end of the list of priorities, which has none.
            let dropped = |line: &str| line.trim().strip_prefix("Rows Removed by Filter: ").is_some_and(|rows| rows != "0" && rows != "1");
            assert!(!plan.lines().any(dropped), "{plan}");
            // The highest priority is the last of its index.
            assert!(plan.lines().all(|line| !line.contains("SCAN j") || line.contains("USING INDEX job_prioritized")), "{plan}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_claim_does_not_look_at_exclusive_jobs_that_are_behind_another() {
    on_both(async |store| {
        fill(&store, 20_000, "1", "0").await;
        let one = "UPDATE job SET instance_id = (SELECT instance_id FROM job WHERE wait = 1), behind = wait > 1, kind = 'async-before'";
        store.inner().admin.fetch(one, Vec::new()).await.expect("one instance");
        let plan = plan(&store, Rank::None, false).await;
        // An index that does not hold them: without the condition the planner could not use it.
        assert!(plan.contains("job_claimable"), "{plan}");
        if store.pool.dialect() == Dialect::Postgres {
            assert!(plan.contains("Index Scan using job_claimable on job j") && plan.contains("(actual rows=1 loops=1)"), "{plan}");
            assert!(!plan.contains("Rows Removed"), "{plan}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_job_that_a_unit_has_changed_since_a_claim_found_it_is_not_locked() {
    on_both(async |store| {
        // The first is as it was found; the second has been put off since, and another job of the third's instance has become the next.
        fill(&store, 3, "CASE WHEN n = 2 THEN 500 ELSE 5 END", "0").await;
        store.inner().admin.fetch("UPDATE job SET behind = TRUE WHERE wait = 3", Vec::new()).await.expect("behind");
        let found = store.inner().admin.fetch("SELECT instance_id, wait FROM job ORDER BY wait", Vec::new()).await.expect("read");
        let me = store.host();
        let lock = async |due_by: Option<i64>| -> Vec<i64> {
            let name = |row: &crate::db::Row| (row.get::<uuid::Uuid>(0).expect("an id"), row.get::<i64>(1).expect("a number"));
            let rows = found.iter().map(name).map(|(instance, wait)| cells![instance, wait, me.id, me.epoch, due_by]).collect();
            let mut tx = store.inner().admin.begin().await.expect("begun");
            let mut locked: Vec<i64> = claim::lock(&mut tx, rows).await.expect("answered").iter().map(|job| job.wait).collect();
            tx.rollback().await;
            locked.sort_unstable();
            locked
        };
        assert_eq!(lock(Some(100)).await, [1]);
        // A unit hands its turn on to a job that it makes the next, and says when that is due.
        assert_eq!(lock(None).await, [1, 2, 3]);
    })
    .await;
}

#[tokio::test]
async fn fetches_read_external_tasks_from_their_index_in_its_order() {
    on_both(async |store| {
        let lane = &store.inner().admin;
        let numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)";
        let one = "{pg:gen_random_uuid()}{lite:randomblob(16)}";
        let fill = format!(
            "INSERT INTO external_task {numbers} SELECT {one}, n, 2, 'A', 'charge', 'p:1:x', 0, NULL, 0, NULL, NULL, n, '', NULL, FALSE, NULL, n \
             FROM numbers"
        );
        lane.fetch(&fill, Vec::new()).await.expect("rows");
        if store.pool.dialect() == Dialect::Postgres {
            lane.fetch("ANALYZE external_task", Vec::new()).await.expect("statistics");
        }
        let topic = |name: &str| FetchTopic { topic: name.into(), lock_ms: 1_000, ..FetchTopic::default() };
        for topics in [vec![topic("charge")], vec![topic("charge"), topic("mail")]] {
            let fetch = Fetch { worker: "w".into(), max: 100, topics, by_created: None, by_priority: true, now: 10_000_000 };
            let (sql, params) = fetch_sql(&fetch);
            let explain = match store.pool.dialect() {
                Dialect::Sqlite => "EXPLAIN QUERY PLAN",
                Dialect::Postgres => "EXPLAIN (ANALYZE, TIMING OFF)",
            };
            let column = if store.pool.dialect() == Dialect::Sqlite { 3 } else { 0 };
            let rows = lane.fetch(&format!("{explain} {sql}"), params).await.expect("a plan");
            let plan: Vec<String> = rows.iter().map(|row| row.get(column).expect("a text")).collect();
            let plan = plan.join("\n");
            assert!(plan.contains("external_task_fetchable"), "{plan}");
            assert!(!plan.contains("Seq Scan on external_task"), "{plan}");
            // Of several topics the best are sorted out; but no more are read of each than are asked for.
            let several = fetch.topics.len() > 1;
            assert!(several || (!plan.contains("TEMP B-TREE FOR ORDER BY") && !plan.contains("Sort")), "{plan}");
            assert!(!plan.contains("actual rows=20000"), "{plan}");
        }
    })
    .await;
}

#[tokio::test]
async fn claims_of_deliveries_do_not_look_at_those_that_are_parked() {
    on_both(async |store| {
        let lane = &store.inner().admin;
        let numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)";
        let one = "{pg:gen_random_uuid()}{lite:randomblob(16)}";
        let fill = format!(
            "INSERT INTO delivery (signal, n, kind, name, instance_id, wait, activity, definition_id, activity_id, variables, hops, due, retries, failures, \
             created, parked) {numbers} SELECT {one}, n, 'signal', 'alarm', {one}, 2, 2, 'p:1:x', 'A', 'null', 1, n, 3, 0, n, n < 19990 FROM numbers"
        );
        lane.fetch(&fill, Vec::new()).await.expect("rows");
        if store.pool.dialect() == Dialect::Postgres {
            lane.fetch("ANALYZE delivery", Vec::new()).await.expect("statistics");
        }
        let explain = match store.pool.dialect() {
            Dialect::Sqlite => "EXPLAIN QUERY PLAN",
            Dialect::Postgres => "EXPLAIN (ANALYZE, TIMING OFF)",
        };
        let column = if store.pool.dialect() == Dialect::Sqlite { 3 } else { 0 };
        let params = vec![Param::I64(50_000), Param::I64(100), Param::Uuids(Vec::new()), Param::Texts(Vec::new()), Param::Uuid(store.host().id)];
        let rows = lane.fetch(&format!("{explain} {}", delivery::look()), params).await.expect("a plan");
        let plan: Vec<String> = rows.iter().map(|row| row.get(column).expect("a text")).collect();
        let plan = plan.join("\n");
        assert!(plan.contains("delivery_claimable") && !plan.contains("Seq Scan on delivery"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE FOR ORDER BY") && !plan.contains("Rows Removed"), "{plan}");
    })
    .await;
}
