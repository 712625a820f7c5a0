//! What claims read: what is due, by index and in its order, beside any number of rows that are not theirs.

use sqlx::{AssertSqlSafe, SqlSafeStr as _};
use uuid::Uuid;

use super::{on_both, texts};
use crate::batch::{Batch, cells};
use crate::claim::candidates::{self, Rank, priorities_sql};
use crate::claim::{self, Except};
use crate::db::{Dialect, Param, params};
use crate::external::fetch_sql;
use crate::{Fetch, FetchTopic, Store, delivery, start_timers};

/// How a claim looks at what is due at moment 10,000,000.
async fn plan(store: &Store, rank: Rank, excepted: bool) -> String {
    let nobody = || Except { instances: vec![Uuid::nil()], definitions: vec!["x".to_owned()] };
    let except = if excepted { nobody() } else { Except::NOTHING };
    let (sql, params) = candidates::look(rank, 10_000_000, 100, &except);
    explained(store, &sql, params, Scans::Allowed).await
}

/// Whether PostgreSQL may read whole tables, which connections that write tell it not to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scans {
    /// Where a table is filled: then an index is read because it is the right one, and not because nothing else may be.
    Allowed,
    /// As connections that write have it.
    Avoided,
}

/// How a statement is carried out on a connection that writes: on PostgreSQL by the plan that is made once, for whatever its parameters
/// are; it is carried out there, and undone.
async fn explained(store: &Store, sql: &str, params: Vec<Param>, scans: Scans) -> String {
    let lane = &store.inner().admin;
    if store.pool.dialect() == Dialect::Sqlite {
        let rows = lane.fetch(&format!("EXPLAIN QUERY PLAN {sql}"), params).await.expect("a plan");
        return rows.iter().map(|row| row.get::<String>(3).expect("a text")).collect::<Vec<_>>().join("\n");
    }
    assert_eq!(texts(lane, "SHOW plan_cache_mode").await, ["force_generic_plan"]);
    let (types, values): (Vec<&str>, Vec<String>) = params.iter().map(literal).unzip();
    let in_parentheses = |list: &[String]| if list.is_empty() { String::new() } else { format!("({})", list.join(", ")) };
    let types: Vec<String> = types.into_iter().map(str::to_owned).collect();
    let mut tx = lane.begin().await.expect("begun");
    if scans == Scans::Allowed {
        tx.fetch("SET LOCAL enable_seqscan = on", Vec::new()).await.expect("set");
    }
    let texts = [
        format!("PREPARE explained {} AS {}", in_parentheses(&types), Dialect::Postgres.render(sql)),
        format!("EXPLAIN (ANALYZE, TIMING OFF) EXECUTE explained {}", in_parentheses(&values)),
        "DEALLOCATE explained".to_owned(),
    ];
    let mut plan = Vec::new();
    for text in texts {
        let rows = tx
            .fetch_rendered(AssertSqlSafe(text.clone()).into_sql_str(), Vec::new())
            .await
            .unwrap_or_else(|error| panic!("{error}: {text}"));
        plan.extend(rows.iter().map(|row| row.get::<String>(0).expect("a text")));
    }
    tx.rollback().await;
    plan.join("\n")
}

fn array<T>(list: &[T], kind: &'static str, each: impl Fn(&T) -> String) -> (&'static str, String) {
    (kind, format!("ARRAY[{}]::{kind}", list.iter().map(each).collect::<Vec<_>>().join(", ")))
}

fn or_null<T>(value: Option<&T>, each: impl Fn(&T) -> String) -> String {
    value.map_or_else(|| "NULL".to_owned(), each)
}

/// A parameter's type on PostgreSQL, and its value as SQL has it.
fn literal(param: &Param) -> (&'static str, String) {
    let id = |id: &Uuid| format!("'{id}'::uuid");
    let text = |text: &String| format!("'{}'", text.replace('\'', "''"));
    match param {
        Param::I64(number) => ("bigint", number.to_string()),
        Param::Bool(flag) => ("boolean", flag.to_string()),
        Param::Text(value) => ("text", text(value)),
        Param::OptText(value) => ("text", or_null(value.as_ref(), text)),
        Param::Uuid(value) => ("uuid", id(value)),
        Param::Uuids(list) => array(list, "uuid[]", id),
        Param::Texts(list) => array(list, "text[]", text),
        Param::UuidColumn(list) => array(list, "uuid[]", |value| or_null(value.as_ref(), id)),
        Param::TextColumn(list) => array(list, "text[]", |value| or_null(value.as_ref(), text)),
        Param::I64Column(list) => array(list, "bigint[]", |value| or_null(value.as_ref(), i64::to_string)),
        Param::BoolColumn(list) => array(list, "boolean[]", |value| or_null(value.as_ref(), bool::to_string)),
        Param::Bytes(_) | Param::BytesColumn(_) | Param::Cell(_) => unreachable!("no claim has {param:?}"),
    }
}

/// Jobs of one instance each, with numbers from 1 on: these columns, in which `n` is the number. All have attempts left.
async fn fill(store: &Store, jobs: u32, due: &str, priority: &str) {
    fill_with(store, jobs, due, "3", priority).await;
}

async fn fill_with(store: &Store, jobs: u32, due: &str, retries: &str, priority: &str) {
    let numbers = format!("WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {jobs})");
    let fill = format!(
        "INSERT INTO job (instance_id, wait, activity, activity_id, kind, definition_id, due, retries, failures, exclusive, priority, behind, created, \
         suspended, takeovers) \
         {numbers} SELECT {{pg:gen_random_uuid()}}{{lite:randomblob(16)}}, n, 2, 'A', 'timer', 'p:1:x', {due}, {retries}, 0, TRUE, {priority}, FALSE, 0, FALSE, 0 \
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

/// A plan is made when a connection first asks, and kept until somebody has analysed the table: it may have been empty then.
#[tokio::test]
async fn what_claims_read_and_lock_is_found_by_the_same_index_whatever_is_known_of_the_tables() {
    on_both(async |store| {
        let (me, now) = (store.host(), 10_000_000_i64);
        let both = |lite: &'static str, pg: &'static str| if store.pool.dialect() == Dialect::Sqlite { lite } else { pg };
        let batch = |batch: &'static Batch, row| {
            let (sql, params) = batch.statements(store.pool.dialect(), vec![row]).pop().expect("one statement");
            (sql.as_str().to_owned(), params)
        };
        let nothing = || (Param::Uuids(vec![Uuid::nil()]), Param::Texts(vec!["x".to_owned()]));
        let timers = || vec![Param::I64(now), Param::I64(100), nothing().0, nothing().1, Param::Uuid(me.id)];
        let busy = || vec![Param::I64(now), Param::Uuid(me.id), nothing().0, nothing().1];
        let look = |rank| candidates::look(rank, now, 100, &Except::NOTHING);
        let key = both("SEARCH job USING PRIMARY KEY (instance_id=?", "Index Cond: ((instance_id = v.instance_id) AND (wait = v.wait))");
        let statements = || {
            [
                (look(Rank::None), vec!["job_claimable"]),
                (look(Rank::Priority(50)), vec!["job_prioritized ", both("(priority=? AND due<?)", "Index Cond: ((priority = $3) AND (due <= $1))")]),
                (look(Rank::Any), vec!["job_prioritized_due"]),
                ((priorities_sql(), params![now, 100]), vec!["job_prioritized ", both("(priority=? AND due<?)", "Index Cond: ((priority = level.priority) AND (due <= $1))")]),
                (batch(&claim::LOCK, cells![Uuid::nil(), 1_i64, me.id, me.epoch, now]), vec![key]),
                (batch(&claim::MOVE, cells![Uuid::nil(), 1_i64]), vec![key]),
                ((claim::next_sql(), params![now]), vec!["job_claimable", "job_prioritized_due", "start_timer_"]),
                ((claim::busy_sql(), busy()), vec!["job_claimable", "job_prioritized_due", "job_locked", "instance_job"]),
                ((start_timers::due_sql(), timers()), vec!["start_timer_"]),
            ]
        };
        for (filled, analysed) in [(false, false), (false, true), (true, false), (true, true)] {
            if filled && !analysed {
                // None of them has a priority.
                fill(&store, 20_000, "n * 1000", "0").await;
                let numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)";
                let id = "{pg:gen_random_uuid()}{lite:randomblob(16)}";
                for fill in [
                    format!(
                        "INSERT INTO instance (id, tenant, definition_id, started_at, revision, last_unit, suspended, snapshot, parts) {numbers} \
                         SELECT {id}, '', 'p:1:x', n, 1, {id}, FALSE, {{pg:''::bytea}}{{lite:x''}}, 0 FROM numbers"
                    ),
                    format!(
                        "INSERT INTO start_timer (id, firing, definition_id, activity_id, due, retries, priority, suspended, failures, given_up, created) \
                         {numbers} SELECT {id}, 1, 'p:1:x', 'S', n * 1000, 3, 0, FALSE, 0, 0, 0 FROM numbers"
                    ),
                ] {
                    store.inner().admin.fetch(&fill, Vec::new()).await.expect("rows");
                }
            }
            if analysed {
                store.inner().admin.fetch("ANALYZE", Vec::new()).await.expect("statistics");
            }
            // What is locked by its key reads all keys if the table was last analysed empty: a row costs nothing then.
            let joins = |sql: &str| sql.contains("FROM UNNEST") || sql.contains("JOIN UNNEST");
            for ((sql, params), wanted) in statements().into_iter().filter(|((sql, _), _)| filled || !analysed || !joins(sql)) {
                // A priority is looked up in a table of which the plan takes a third to have it; and whether anything is due, where all is.
                let scans = if filled && sql != priorities_sql() && sql != claim::busy_sql() { Scans::Allowed } else { Scans::Avoided };
                let plan = explained(&store, &sql, params, scans).await;
                let of = format!("filled: {filled}, analysed: {analysed}\n{sql}\n{plan}");
                assert!(wanted.iter().all(|index| format!("{plan}\n").contains(index)), "{wanted:?}, {of}");
                // Of timers that start processes there are few, and one condition of them in several cannot use an index.
                for table in ["job", "instance"] {
                    assert!(!plan.lines().any(|line| line.contains(&format!("Seq Scan on {table} "))), "{of}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_claim_does_not_look_at_jobs_that_are_not_due_yet() {
    on_both(async |store| {
        // Of the highest priority none is due, and of the next one one.
        fill(&store, 20_000, "20000000", "90").await;
        fill(&store, 20_000, "CASE WHEN n = 7 THEN 1 ELSE 20000000 END", "50").await;
        store.inner().admin.fetch("ANALYZE", Vec::new()).await.expect("statistics");
        let sql = priorities_sql();
        let rows = store.inner().admin.fetch(&sql, params![10_000_000, 100]).await.expect("priorities");
        let found: Vec<(i64, bool)> = rows.iter().map(|row| (row.get(0).expect("a number"), row.get(1).expect("a flag"))).collect();
        assert_eq!(found, [(90, false), (50, true)]);
        for plan in [
            explained(&store, &sql, params![10_000_000, 100], Scans::Avoided).await,
            plan(&store, Rank::Priority(50), false).await,
            plan(&store, Rank::Any, false).await,
        ] {
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

/// They have no attempts left, and were due before they failed for good.
#[tokio::test]
async fn a_claim_does_not_look_at_jobs_that_are_parked() {
    on_both(async |store| {
        // Of the highest priority all are parked; of another one and of those without, all but some that are due last: so many that
        // statistics, which are made of a sample, know of them.
        fill_with(&store, 20_000, "n", "0", "90").await;
        for priority in ["50", "0"] {
            fill_with(&store, 20_000, "n", "CASE WHEN n > 19600 THEN 3 ELSE 0 END", priority).await;
        }
        let lane = &store.inner().admin;
        lane.fetch("ANALYZE", Vec::new()).await.expect("statistics");
        let dropped = |plan: &str| -> u64 {
            let rows = |line: &str| line.trim().strip_prefix("Rows Removed by ")?.rsplit_once(": ")?.1.parse::<u64>().ok();
            plan.lines().filter_map(rows).sum()
        };
        for (rank, index) in [(Rank::None, "job_claimable"), (Rank::Priority(50), "job_prioritized"), (Rank::Any, "job_prioritized_due")] {
            let (sql, params) = candidates::look(rank, 10_000_000, 100, &Except::NOTHING);
            assert_eq!(lane.fetch(&sql, params).await.expect("jobs").len(), 100, "{rank:?}");
            let plan = plan(&store, rank, false).await;
            assert!(plan.contains(index) && !plan.contains("Seq Scan on job"), "{plan}");
            assert_eq!(dropped(&plan), 0, "{plan}");
        }
        let sql = priorities_sql();
        let rows = lane.fetch(&sql, params![10_000_000, 100]).await.expect("priorities");
        let found: Vec<i64> = rows.iter().map(|row| row.get(0).expect("a number")).collect();
        assert_eq!(found, [50]);
        let plan = explained(&store, &sql, params![10_000_000, 100], Scans::Avoided).await;
        // The end of the list of priorities, which has none.
        assert!(plan.contains("job_prioritized") && !plan.contains("Seq Scan on job") && dropped(&plan) <= 1, "{plan}");
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
            let plan = explained(&store, &sql, params, Scans::Allowed).await;
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
        let params = vec![Param::I64(50_000), Param::I64(100), Param::Uuids(Vec::new()), Param::Texts(Vec::new()), Param::Uuid(store.host().id)];
        let plan = explained(&store, &delivery::look(), params, Scans::Allowed).await;
        assert!(plan.contains("delivery_claimable") && !plan.contains("Seq Scan on delivery"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE FOR ORDER BY") && !plan.contains("Rows Removed"), "{plan}");
    })
    .await;
}
