//! What operators' lists cost beside any number of rows that they do not show: that they read what they show by index.

use sqlx::{AssertSqlSafe, SqlSafeStr as _};
use uuid::Uuid;

use super::{on_both, plan};
use crate::db::Dialect;
use crate::query::{
    Comparison, ExecutionFilter, ExecutionSort, HistoryActivityFilter, HistoryIncidentFilter, HistoryIncidentSort, HistoryInstanceFilter,
    HistoryInstanceSort, IgnoringCase, IncidentState, InstanceFilter, InstanceSort, JobFilter, JobSort, Operand, Order, Page,
    VariableCondition, VariableFilter, jobs_sql, remembered_incidents_sql, tokens_sql, variables_sql,
};
use crate::{Config, Error, Store};

const PAGE: Page = Page { first: 0, max: 50 };

const DEPLOYMENT: &str = "INSERT INTO deployment (id, tenant, deployed_at, content_digest, metadata) VALUES ('d', '', 1, '', '')";

/// The definition of a key.
fn definition(key: &str) -> String {
    format!(
        "INSERT INTO definition (id, key, version, tenant, startable_in_tasklist, starters, deployment_id, resource_name, identity, first_element, suspended) \
         VALUES ('{key}:1:x', '{key}', 1, '', TRUE, '', 'd', 'p.bpmn', '', 1, FALSE)"
    )
}

/// Instances with numbers from 1 to 20,000, half of them of the definition `p:1:x`, whose jobs are due late; of a hundred the last job has
/// failed for good.
async fn fill(store: &Store) {
    let numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)";
    let id = "{pg:CAST('f' || lpad(to_hex(n), 31, '0') AS UUID)}{lite:CAST('f' || substr('000000000000000' || n, -15) AS BLOB)}";
    let of = "CASE WHEN n > 10000 THEN 'p:1:x' ELSE 'q:1:x' END";
    for fill in [
        DEPLOYMENT.to_owned(),
        definition("p"),
        definition("q"),
        format!(
            "INSERT INTO instance (id, tenant, definition_id, started_at, revision, last_unit, suspended, snapshot, parts) {numbers} \
             SELECT {id}, '', {of}, n, 1, {id}, FALSE, {{pg:''::bytea}}{{lite:x''}}, 0 FROM numbers"
        ),
        format!(
            "INSERT INTO history_instance (instance_id, tenant, definition_id, definition_key, started_at, state) {numbers} \
             SELECT {id}, '', {of}, CASE WHEN n > 10000 THEN 'p' ELSE 'q' END, n, 'ACTIVE' FROM numbers"
        ),
        format!(
            "INSERT INTO job (instance_id, wait, activity, activity_id, kind, definition_id, due, retries, failures, exclusive, priority, behind, created, \
             failure, suspended, takeovers) {numbers} SELECT {id}, 2, 2, 'A', 'timer', 'p:1:x', n * 1000, CASE WHEN n > 19900 THEN 0 ELSE 3 END, 0, TRUE, 0, \
             FALSE, 0, CASE WHEN n > 19900 THEN 'no' END, FALSE, 0 FROM numbers WHERE n > 10000"
        ),
        // Of an instance that has two it is the first that lists it.
        format!(
            "INSERT INTO incident (instance_id, n, activity, activity_id, definition_id, code, message, attempt, created, detail) {numbers} \
             SELECT {id}, k, 2, 'A', 'p:1:x', 'X', 'no', 1, n, '' FROM numbers CROSS JOIN (SELECT 3 AS k UNION ALL SELECT 4) both_of WHERE n > 19900"
        ),
        "ANALYZE".to_owned(),
    ] {
        store.inner().admin.fetch(&fill, Vec::new()).await.expect("rows");
    }
    // The store itself never asks SQLite for statistics.
    if store.pool.dialect() == Dialect::Sqlite {
        for drop in ["DELETE FROM sqlite_stat1", "DELETE FROM sqlite_stat4"] {
            store.inner().admin.fetch(drop, Vec::new()).await.expect("no statistics");
        }
    }
}

#[tokio::test]
async fn jobs_are_listed_by_the_index_of_what_is_asked() {
    on_both(async |store| {
        fill(&store).await;
        let due = [(JobSort::Due, Order::Asc)];
        let all = JobFilter::default;
        for (filter, sort, indexes) in [
            (all(), &[][..], &["instance_job"][..]),
            (JobFilter { timers: true, ..all() }, &[], &["instance_job"]),
            (all(), &due, &["job_claimable", "job_failed_due", "instance_job"]),
            (JobFilter { executable_at: Some(5), ..all() }, &[], &["job_claimable", "instance_job"]),
            (JobFilter { due_before: Some(5), ..all() }, &[], &["job_claimable", "instance_job"]),
            (JobFilter { no_retries_left: true, ..all() }, &[], &["job_failed_due"]),
            (JobFilter { no_retries_left: true, definition_id: Some("p:1:x".into()), ..all() }, &[], &["job_failed"]),
            (JobFilter { with_exception: true, ..all() }, &[], &["job_failure"]),
            (JobFilter { suspended: Some(true), ..all() }, &[], &["job_suspended"]),
        ] {
            let (sql, params) = jobs_sql(filter.clone(), PAGE, sort);
            let plan = plan(&store, &sql, params).await;
            assert!(indexes.iter().all(|index| plan.contains(index)), "{filter:?}\n{plan}");
            assert!(!plan.contains("SCAN instance") && !plan.contains("Seq Scan on instance"), "{filter:?}\n{plan}");
        }
    })
    .await;
}

#[tokio::test]
async fn instances_with_an_incident_are_listed_by_their_incidents_each_once() {
    on_both(async |store| {
        fill(&store).await;
        let filter = InstanceFilter { with_incident: true, ..InstanceFilter::default() };
        let past = HistoryInstanceFilter { with_open_incident: true, ..HistoryInstanceFilter::default() };
        for (sql, params) in
            [store.instances_sql(filter.clone(), PAGE, &[]).await, store.history_instances_sql(past.clone(), PAGE, &[]).await]
        {
            let plan = plan(&store, &sql, params).await;
            assert!(plan.contains("incident_1") || plan.contains("incident_pkey"), "{plan}");
            let scans = [
                "SCAN has",
                "SCAN i USING INDEX sqlite_autoindex_instance",
                "SCAN g",
                "Seq Scan on instance",
                "Seq Scan on history_instance",
            ];
            assert!(scans.iter().all(|scan| !plan.contains(scan)), "{plan}");
        }
        let listed = store.instances(filter.clone(), Page::ALL, &[]).await.expect("read");
        assert_eq!(listed.len(), 100);
        assert_eq!(store.count_instances(filter).await.expect("read"), 100);
        assert_eq!(store.history_instances(past, Page::ALL, &[]).await.expect("read").len(), 100);
    })
    .await;
}

#[tokio::test]
async fn live_instances_of_a_definition_are_listed_in_the_order_of_its_index() {
    on_both(async |store| {
        fill(&store).await;
        let live = |id: &str| InstanceFilter { definition_id: Some(id.to_owned()), ..InstanceFilter::default() };
        let past =
            |id: &str| HistoryInstanceFilter { definition_id: Some(id.to_owned()), unfinished: true, ..HistoryInstanceFilter::default() };
        for id in ["p:1:x", "q:1:x", "r:1:x"] {
            for (sql, params) in [store.instances_sql(live(id), PAGE, &[]).await, store.history_instances_sql(past(id), PAGE, &[]).await] {
                let plan = plan(&store, &sql, params).await;
                assert!(plan.contains("instance_definition") && !plan.contains("instance_started"), "{plan}");
                assert!(!plan.contains("TEMP B-TREE") && !plan.contains("Sort"), "{plan}");
            }
        }
        let first = store.instances(live("p:1:x"), PAGE, &[]).await.expect("read");
        assert_eq!(first.iter().map(|it| it.started_at).collect::<Vec<_>>(), (10_001..=10_050).collect::<Vec<_>>());
        let last = store.history_instances(past("q:1:x"), PAGE, &[(HistoryInstanceSort::StartedAt, Order::Desc)]).await.expect("read");
        assert_eq!(last.iter().map(|it| it.started_at).collect::<Vec<_>>(), (9_951..=10_000).rev().collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn those_that_live_are_not_sorted_by_when_they_ended() {
    on_both(async |store| {
        fill(&store).await;
        for by in [HistoryInstanceSort::EndedAt, HistoryInstanceSort::Duration] {
            let live = HistoryInstanceFilter { unfinished: true, ..HistoryInstanceFilter::default() };
            let (sql, params) = store.history_instances_sql(live, PAGE, &[(by, Order::Desc)]).await;
            let plan = plan(&store, &sql, params).await;
            assert!(!plan.contains("TEMP B-TREE") && !plan.contains("Sort"), "{plan}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_list_of_jobs_by_due_date_has_every_job_once() {
    on_both(async |store| {
        // Every combination of what puts a job into one part of the table or another.
        let id = "{pg:CAST(lpad(to_hex(n), 32, '0') AS UUID)}{lite:CAST(substr('0000000000000000' || n, -16) AS BLOB)}";
        let numbers = "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 63)";
        for fill in [
            DEPLOYMENT.to_owned(),
            definition("p"),
            format!(
                "INSERT INTO instance (id, tenant, definition_id, started_at, revision, last_unit, suspended, snapshot, parts) {numbers} \
                 SELECT {id}, '', 'p:1:x', n, 1, {id}, FALSE, {{pg:''::bytea}}{{lite:x''}}, 0 FROM numbers"
            ),
            format!(
                "INSERT INTO job (instance_id, wait, activity, activity_id, kind, definition_id, due, retries, failures, exclusive, priority, behind, created, \
                 failure, suspended, locked_by, locked_epoch, takeovers) {numbers} SELECT {id}, 2, 2, 'A', 'timer', 'p:1:x', 100 - n, n & 1, 0, TRUE, \
                 (n >> 1) & 1, (n >> 2) & 1 = 1, 0, CASE WHEN (n >> 3) & 1 = 1 THEN 'no' END, (n >> 4) & 1 = 1, CASE WHEN n > 31 THEN {id} END, 1, 0 FROM numbers"
            ),
        ] {
            store.inner().admin.fetch(&fill, Vec::new()).await.expect("rows");
        }
        let ids = async |filter: JobFilter, sort: &[(JobSort, Order)]| -> Vec<Uuid> {
            store.jobs(filter, Page { first: 0, max: 1_000 }, sort).await.expect("read").iter().map(|job| job.instance).collect()
        };
        let mut all = ids(JobFilter::default(), &[]).await;
        assert_eq!(all.len(), 64);
        all.reverse();
        assert_eq!(ids(JobFilter::default(), &[(JobSort::Due, Order::Asc)]).await, all);
        for filter in [
            JobFilter { no_retries_left: true, ..JobFilter::default() },
            JobFilter { with_exception: true, ..JobFilter::default() },
            JobFilter { suspended: Some(true), ..JobFilter::default() },
            JobFilter { due_before: Some(1_000), suspended: Some(false), with_retries_left: true, ..JobFilter::default() },
        ] {
            let listed = ids(filter.clone(), &[]).await;
            assert_eq!(store.count_jobs(filter.clone()).await.expect("read"), i64::try_from(listed.len()).expect("few"), "{filter:?}");
            assert!(!listed.is_empty() && listed.is_sorted_by(|a, b| a > b), "{filter:?}: by due date");
        }
    })
    .await;
}

#[tokio::test]
async fn tokens_of_a_definition_are_counted_alike_by_its_instances_and_by_what_waits() {
    on_both(async |store| {
        fill(&store).await;
        for definition in ["p:1:x", "q:1:x"] {
            let mut counts = Vec::new();
            for many in [false, true] {
                let rows = store.pool.fetch(&tokens_sql(many), vec![definition.into()]).await.expect("read");
                counts.push(
                    rows.iter().map(|row| (row.get::<String>(0).expect("an id"), row.get::<i64>(1).expect("a count"))).collect::<Vec<_>>(),
                );
            }
            let expected = if definition == "p:1:x" { vec![("A".to_owned(), 10_000)] } else { Vec::new() };
            assert_eq!(counts, [expected.clone(), expected]);
        }
    })
    .await;
}

/// Beside ten times as many that have ended, and whose ids come first: a variable of each, and of each that lives an incident, a task and
/// an open scope with a variable.
async fn fill_past(store: &Store) {
    let lane = &store.inner().admin;
    let numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 200000)";
    let id = "{pg:CAST(lpad(to_hex(n), 32, '0') AS UUID)}{lite:CAST(substr('0000000000000000' || n, -16) AS BLOB)}";
    let ended = format!(
        "INSERT INTO history_instance (instance_id, tenant, definition_id, definition_key, started_at, ended_at, state) {numbers} \
         SELECT {id}, '', 'p:1:x', 'p', n, n, 'COMPLETED' FROM numbers"
    );
    let one_each = "INSERT INTO history_variable SELECT instance_id, 1, 'a', 'Long', '1', FALSE, 1, 1 FROM history_instance";
    let failed = "INSERT INTO history_incident (instance_id, n, activity, activity_id, definition_id, code, message, attempt, created, detail, deleted) \
                  SELECT id, 3, 2, 'A', definition_id, 'X', 'no', 1, 1, '', FALSE FROM instance";
    let task = "INSERT INTO task (instance_id, wait, activity, activity_id, definition_id, candidate_users, candidate_groups, priority, created, suspended) \
                SELECT id, 4, 5, 'B', definition_id, '[]', '[]', 50, 1, FALSE FROM instance";
    let scope = "INSERT INTO history_activity (instance_id, n, parent, element, started_at, canceled, complete_scope) \
                 SELECT id, 6, 1, 1, 1, FALSE, FALSE FROM instance";
    let in_scope = "INSERT INTO history_variable SELECT id, 6, 'b', 'String', '\"x\"', FALSE, 1, 1 FROM instance";
    for rows in [&ended, one_each, failed, task, scope, in_scope] {
        lane.fetch(rows, Vec::new()).await.expect("rows");
    }
    if store.pool.dialect() == Dialect::Postgres {
        lane.fetch("ANALYZE", Vec::new()).await.expect("statistics");
    }
}

#[tokio::test]
async fn variables_of_live_instances_are_read_in_the_order_of_their_page() {
    on_both(async |store| {
        fill(&store).await;
        fill_past(&store).await;
        let like = |operand| {
            let name = Some("a".to_owned());
            vec![VariableCondition { name, comparison: Comparison::Equal, operand, ignoring_case: IgnoringCase::default() }]
        };
        let named = |name: &str| VariableFilter { name: Some(name.to_owned()), ..VariableFilter::default() };
        let number = VariableFilter { values: like(Operand::Number("1".to_owned())), ..VariableFilter::default() };
        let text = VariableFilter { values: like(Operand::Text("1".to_owned())), ..VariableFilter::default() };
        let found = store.instances(InstanceFilter::default(), Page { first: 0, max: 2 }, &[]).await.expect("read");
        let two = |n: i64| found.iter().map(|it| (it.id, n)).collect::<Vec<_>>();
        for (filter, count) in [
            (VariableFilter::default(), 40_000),
            (named("a"), 20_000),
            (number, 20_000),
            (text, 0),
            (VariableFilter { scopes: two(6), ..VariableFilter::default() }, 2),
            (VariableFilter { activities: two(1), ..VariableFilter::default() }, 2),
            (VariableFilter { tasks: two(4), ..VariableFilter::default() }, 0),
        ] {
            let (sql, params) = variables_sql(filter.clone(), PAGE, &[]);
            let plan = plan(&store, &sql, params).await;
            let pairs = [&filter.scopes, &filter.activities, &filter.tasks].iter().any(|pairs| !pairs.is_empty());
            assert!(!pairs || !plan.contains("SCAN i"), "{filter:?}\n{plan}");
            for whole in [
                "Seq Scan on instance",
                "Seq Scan on history_variable",
                "Seq Scan on history_activity",
                "Seq Scan on task",
                "hashed SubPlan",
                "Index Cond: (name",
            ] {
                assert!(!plan.contains(whole), "{filter:?}\n{plan}");
            }
            assert!(pairs || !plan.contains("TEMP B-TREE"), "{filter:?}\n{plan}");
            assert_eq!(store.count_variables(filter).await.expect("read"), count);
        }
        assert_eq!(store.count_variables(named("c")).await.expect("read"), 0);
    })
    .await;
}

#[tokio::test]
async fn open_incidents_are_read_in_their_order_and_not_in_that_of_all_instances() {
    on_both(async |store| {
        fill(&store).await;
        fill_past(&store).await;
        let open = HistoryIncidentFilter { state: Some(IncidentState::Open), ..HistoryIncidentFilter::default() };
        let (sql, params) = remembered_incidents_sql(open.clone(), PAGE, &[]);
        let plan = plan(&store, &sql, params).await;
        // SQLite takes them in that order as they are joined.
        let looked_up = store.pool.dialect() == Dialect::Sqlite || plan.contains("Index Cond: (instance_id = x.instance_id)");
        assert!(looked_up && !plan.contains("SCAN h"), "{plan}");
        assert_eq!(store.count_remembered_incidents(open).await.expect("read"), 20_000);
    })
    .await;
}

/// Their instances come first: a page has executions of no more instances than it has rows.
#[tokio::test]
async fn executions_are_those_of_the_instances_of_their_page() {
    on_both(async |store| {
        fill(&store).await;
        let lane = &store.inner().admin;
        let unused = definition("r");
        // Half of the instances wait for one message, and some of those for another one too.
        for rows in [
            &unused,
            "INSERT INTO subscription (instance_id, wait, activity, activity_id, kind, name, definition_id, created, of_event, tenant) \
             SELECT j.instance_id, k, k, 'A', 'message', CASE k WHEN 3 THEN 'paid' ELSE 'rare' END, j.definition_id, 1, FALSE, '' FROM job j \
             CROSS JOIN (SELECT 3 AS k UNION ALL SELECT 4) both_of WHERE k = 3 OR j.retries = 0",
            "INSERT INTO history_activity (instance_id, n, parent, element, started_at, ended_at, canceled, complete_scope) \
             SELECT i.id, k, 1, 1, 1, CASE k WHEN 6 THEN 2 END, FALSE, FALSE FROM instance i CROSS JOIN (SELECT 5 AS k UNION ALL SELECT 6) both_of",
        ] {
            lane.fetch(rows, Vec::new()).await.expect("rows");
        }
        if store.pool.dialect() == Dialect::Postgres {
            lane.fetch("ANALYZE", Vec::new()).await.expect("statistics");
        }
        let found = lane.fetch("SELECT id FROM instance WHERE started_at = 20000", Vec::new()).await.expect("read");
        let last: Uuid = found[0].get(0).expect("an id");
        // PostgreSQL reads small tables from end to end; and, by another name, all that wait for a message where that sorts.
        let whole_tables: &[&str] = match store.pool.dialect() {
            Dialect::Sqlite => &["SCAN subscription ", "SCAN job ", "SCAN history_activity ", "SCAN incident "],
            Dialect::Postgres => &["Seq Scan on subscription  (", "Seq Scan on job  (", "Seq Scan on history_activity  ("],
        };
        let reads_all = |plan: &str| whole_tables.iter().any(|scan| plan.lines().any(|line| format!("{line} ").contains(scan)));
        let all = ExecutionFilter::default;
        let named = |name: &str| Some(name.to_owned());
        let sorts = [&[][..], &[(ExecutionSort::Instance, Order::Desc)], &[(ExecutionSort::DefinitionKey, Order::Desc)]];
        // On the heap: they are kept while all is asked.
        let cases = Vec::from([
            (all(), 20_000 + 10_000 + 10_000 + 100 + 20_000, false),
            (ExecutionFilter { definition_key: named("q"), ..all() }, 20_000, false),
            (ExecutionFilter { message: named("paid"), ..all() }, 10_000, false),
            (ExecutionFilter { message: named("rare"), ..all() }, 100, false),
            (ExecutionFilter { message: named("nothing"), ..all() }, 0, false),
            // What tells executions of one instance apart is asked of all of them.
            (ExecutionFilter { message: named("rare"), signal: named("paid"), ..all() }, 0, true),
            (ExecutionFilter { message: named("rare"), incident_code: named("X"), ..all() }, 0, true),
            (ExecutionFilter { incident_code: named("X"), ..all() }, 100, true),
            (ExecutionFilter { activity_id: named("A"), ..all() }, 10_000 + 10_000 + 100, true),
            // Of one instance nothing else is read.
            (ExecutionFilter { instance: Some(last), ..all() }, 5, false),
            (ExecutionFilter { instance: Some(last), activity_id: named("A"), ..all() }, 3, false),
            (ExecutionFilter { instance: Some(last), incident_code: named("X"), ..all() }, 1, false),
            (ExecutionFilter { incident: Some((last, 3)), ..all() }, 1, false),
        ]);
        for (filter, count, may_read_all) in cases {
            assert_eq!(store.count_executions(filter.clone()).await.expect("read"), count, "{filter:?}");
            for sort in sorts {
                let (sql, params) = store.executions_sql(filter.clone(), Page { first: 2, max: 3 }, sort).await;
                let plan = plan(&store, &sql, params).await;
                if filter.message.is_some() && sort == sorts[2] {
                    // All that wait for it are sorted by what no index of theirs has.
                } else if filter.message.as_deref() == Some("paid") {
                    // Half of all wait for it: they are read in the order of a page.
                    assert!(!plan.contains("TEMP B-TREE FOR ORDER BY") && !plan.contains("Seq Scan on sub"), "{filter:?}\n{plan}");
                } else {
                    assert!(may_read_all || !reads_all(&plan), "{filter:?}\n{plan}");
                }
                let expected = store.executions(filter.clone(), Page::ALL, sort).await.expect("read");
                for first in [0, 50, 9_990] {
                    let page = store.executions(filter.clone(), Page { first, max: 50 }, sort).await.expect("read");
                    let rest = expected.get(first as usize..).unwrap_or_default();
                    assert_eq!(page, rest[..rest.len().min(50)], "{filter:?}, {sort:?}, from {first}");
                }
            }
        }
        let none = ExecutionFilter { definition_key: named("r"), ..all() };
        let (sql, params) = store.executions_sql(none.clone(), PAGE, &[]).await;
        let plan = plan(&store, &sql, params).await;
        assert!(plan.contains("instance_definition"), "{plan}");
        assert_eq!(store.executions(none, PAGE, &[]).await.expect("read"), []);
    })
    .await;
}

/// What stands at elements, in every way: once and twice in an instance, in one of its rows or in several, and what only looks so.
async fn fill_standing(store: &Store) {
    let lane = &store.inner().admin;
    let more = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 40)";
    let called = "{pg:'e0000000-0000-0000-0000-000000000000'::uuid}{lite:CAST('e000000000000000' AS BLOB)}";
    for rows in [
        "INSERT INTO element (id, definition_id, activity_id, kind) VALUES (1, 'p:1:x', 'A', ''), (2, 'q:1:x', 'A', ''), (3, 'p:1:x', 'B', ''), \
         (4, 'q:1:x', 'C', '')"
            .to_owned(),
        format!("INSERT INTO element (id, definition_id, activity_id, kind) {more} SELECT n + 100, 'q:1:x', 'D', '' FROM numbers"),
        // A hundred of those whose job is at A are in it, and ten of the others; some are in B twice, one in D.
        "INSERT INTO history_activity (instance_id, n, parent, element, started_at, ended_at, canceled, complete_scope) \
         SELECT id, 2, 1, 1, 1, CAST(NULL AS BIGINT), FALSE, FALSE FROM instance WHERE started_at BETWEEN 10001 AND 10100 UNION ALL \
         SELECT id, 3, 1, 2, 1, NULL, FALSE, FALSE FROM instance WHERE started_at <= 10 UNION ALL \
         SELECT id, k, 1, 3, 1, NULL, FALSE, FALSE FROM instance CROSS JOIN (SELECT 5 AS k UNION ALL SELECT 6) both_of WHERE started_at BETWEEN 10050 AND 10052 UNION ALL \
         SELECT id, 7, 1, 4, 1, 2, FALSE, FALSE FROM instance WHERE started_at < 5000 UNION ALL \
         SELECT id, k, 1, 100 + k, 1, NULL, FALSE, FALSE FROM instance CROSS JOIN (SELECT 8 AS k UNION ALL SELECT 9) both_of WHERE started_at = 7"
            .to_owned(),
        // Waits at B, of which history does not know.
        "INSERT INTO task (instance_id, wait, activity, activity_id, definition_id, candidate_users, candidate_groups, priority, created, suspended) \
         SELECT id, k, k, 'B', definition_id, '[]', '[]', 50, 1, FALSE FROM instance CROSS JOIN (SELECT 15 AS k UNION ALL SELECT 16) both_of WHERE started_at IN (3, 15000)"
            .to_owned(),
        format!(
            "INSERT INTO instance (id, tenant, definition_id, started_at, revision, last_unit, suspended, snapshot, parts, super_instance, super_activity, super_n) \
             SELECT {called}, '', 'q:1:x', 30000, 1, id, TRUE, {{pg:''::bytea}}{{lite:x''}}, 0, id, 'B', 20 FROM instance WHERE started_at = 4000"
        ),
        "UPDATE instance SET job_wait = 21, job_activity = 21, job_activity_id = 'B', job_kind = 'async-before', job_due = 1, job_retries = 3, job_exclusive = TRUE, \
         job_created = 1, job_host = id, job_epoch = 1 WHERE started_at = 4001"
            .to_owned(),
        // These trigger events there.
        "INSERT INTO subscription (instance_id, wait, activity, activity_id, kind, name, definition_id, created, of_event, tenant) \
         SELECT id, 22, 22, 'B', 'message', 'm', definition_id, 1, TRUE, '' FROM instance WHERE started_at = 4002"
            .to_owned(),
        "ANALYZE".to_owned(),
    ] {
        lane.fetch(&rows, Vec::new()).await.expect("rows");
    }
    if store.pool.dialect() == Dialect::Sqlite {
        for drop in ["DELETE FROM sqlite_stat1", "DELETE FROM sqlite_stat4"] {
            lane.fetch(drop, Vec::new()).await.expect("no statistics");
        }
    }
}

#[tokio::test]
async fn what_stands_at_an_element_is_found_by_it_each_once() {
    on_both(async |store| {
        fill(&store).await;
        fill_standing(&store).await;
        let everything = store.executions(ExecutionFilter::default(), Page::ALL, &[]).await.expect("read");
        let everything: Vec<(Uuid, i64)> = everything.iter().map(|it| (it.instance, it.n)).collect();
        let one_each = InstanceFilter::default;
        let past = HistoryInstanceFilter::default;
        let of = |ids: &[&str]| -> Vec<String> { ids.iter().map(|id| (*id).to_owned()).collect() };
        let cases: [(&[&str], usize, usize); 6] = [
            (&["A"], 10_010, 10_010),
            (&["B"], 7, 12),
            (&["C"], 0, 0),
            (&["D"], 1, 2),
            (&["A", "B", "D"], 10_012, 0),
            (&["nowhere"], 0, 0),
        ];
        for (at, instances, executions) in cases {
            let activity_ids = of(at);
            // As one of several alternatives it is looked for at each instance.
            let slowly = InstanceFilter { any: vec![InstanceFilter { activity_ids: activity_ids.clone(), ..one_each() }], ..one_each() };
            let filter = InstanceFilter { activity_ids: activity_ids.clone(), ..one_each() };
            let expected = store.instances(slowly, Page::ALL, &[]).await.expect("read");
            assert_eq!(expected.len(), instances, "{at:?}");
            assert_eq!(store.instances(filter.clone(), Page::ALL, &[]).await.expect("read"), expected, "{at:?}");
            assert_eq!(store.count_instances(filter.clone()).await.expect("read"), i64::try_from(instances).expect("few"), "{at:?}");
            for first in [0, 5, 60, 9_990] {
                let page = store.instances(filter.clone(), Page { first, max: 50 }, &[]).await.expect("read");
                let rest = expected.get(first as usize..).unwrap_or_default();
                assert_eq!(page, rest[..rest.len().min(50)], "{at:?}, from {first}");
            }
            let of_p = InstanceFilter { definition_key: Some("p".to_owned()), ..filter.clone() };
            let expected_of_p = expected.iter().filter(|it| it.definition_key == "p").count();
            assert_eq!(store.instances(of_p, Page { first: 0, max: 20_000 }, &[]).await.expect("read").len(), expected_of_p, "{at:?}");

            let slowly = |filter| HistoryInstanceFilter { any: vec![filter], ..past() };
            let standing = HistoryInstanceFilter { standing_at: activity_ids.clone(), ..past() };
            let active = HistoryInstanceFilter { active_activities: activity_ids.clone(), ..past() };
            for filter in [standing, active] {
                let mut expected = store.history_instances(slowly(filter.clone()), Page::ALL, &[]).await.expect("read");
                expected.sort_by_key(|it| it.id);
                assert_eq!(store.history_instances(filter.clone(), Page::ALL, &[]).await.expect("read"), expected, "{filter:?}");
                let few = store.history_instances(filter.clone(), Page { first: 1, max: 3 }, &[]).await.expect("read");
                assert_eq!(few, expected.iter().skip(1).take(3).cloned().collect::<Vec<_>>(), "{filter:?}");
                let count = i64::try_from(expected.len()).expect("few");
                assert_eq!(store.count_history_instances(filter.clone()).await.expect("read"), count, "{filter:?}");
            }

            let [activity_id] = &activity_ids[..] else { continue };
            let open =
                HistoryActivityFilter { activity_id: Some(activity_id.clone()), unfinished: true, ..HistoryActivityFilter::default() };
            let all =
                store.history_activities(HistoryActivityFilter { unfinished: true, ..HistoryActivityFilter::default() }, Page::ALL, &[]);
            let mut expected: Vec<_> = all.await.expect("read").into_iter().filter(|it| it.activity_id == *activity_id).collect();
            expected.sort_by_key(|it| (it.instance, it.n));
            assert_eq!(store.history_activities(open.clone(), Page::ALL, &[]).await.expect("read"), expected, "{at:?}");
            let few = store.history_activities(open.clone(), Page { first: 1, max: 3 }, &[]).await.expect("read");
            assert_eq!(few, expected.iter().skip(1).take(3).cloned().collect::<Vec<_>>(), "{at:?}");
            assert_eq!(store.count_history_activities(open).await.expect("read"), i64::try_from(expected.len()).expect("few"));
            let filter = ExecutionFilter { activity_id: Some(activity_id.clone()), ..ExecutionFilter::default() };
            let expected =
                store.executions(ExecutionFilter { ids: everything.clone(), ..filter.clone() }, Page::ALL, &[]).await.expect("read");
            assert_eq!(expected.len(), executions, "{at:?}");
            assert_eq!(store.count_executions(filter.clone()).await.expect("read"), i64::try_from(executions).expect("few"));
            for first in [0, 5, 9_990] {
                let page = store.executions(filter.clone(), Page { first, max: 50 }, &[]).await.expect("read");
                let rest = expected.get(first as usize..).unwrap_or_default();
                assert_eq!(page, rest[..rest.len().min(50)], "{at:?}, from {first}");
            }
        }
        // Nobody looks at all instances, or at all that is open.
        let filter = InstanceFilter { activity_ids: of(&["B"]), ..one_each() };
        let past = HistoryInstanceFilter { active_activities: of(&["B"]), ..past() };
        let executions = ExecutionFilter { activity_id: Some("B".to_owned()), ..ExecutionFilter::default() };
        for (sql, params) in [
            store.instances_sql(filter, PAGE, &[]).await,
            store.history_instances_sql(past, PAGE, &[]).await,
            store.executions_sql(executions, PAGE, &[]).await,
        ] {
            let plan = plan(&store, &sql, params).await;
            assert!(plan.contains("history_activity_open"), "{plan}");
            let whole = ["SCAN i", "SCAN has", "SCAN g", "SCAN history_activity", "Seq Scan on history_activity"];
            assert!(whole.iter().all(|scan| !plan.contains(scan)), "{plan}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_rare_or_sorted_by_definition_is_read_by_an_index() {
    on_both(async |store| {
        fill(&store).await;
        fill_past(&store).await;
        let lane = &store.inner().admin;
        for rows in [
            "UPDATE instance SET suspended = TRUE WHERE started_at IN (77, 15000)",
            "UPDATE history_incident SET ended_at = 5 WHERE instance_id IN (SELECT id FROM instance WHERE started_at IN (9, 12000))",
            "UPDATE history_incident SET created = 2 WHERE instance_id IN (SELECT id FROM instance WHERE started_at = 12000)",
        ] {
            lane.fetch(rows, Vec::new()).await.expect("rows");
        }
        if store.pool.dialect() == Dialect::Postgres {
            lane.fetch("ANALYZE", Vec::new()).await.expect("statistics");
        }
        let suspended = InstanceFilter { suspended: Some(true), ..InstanceFilter::default() };
        let failed = ExecutionFilter { incident_code: Some("X".to_owned()), ..ExecutionFilter::default() };
        let resolved = HistoryIncidentFilter { state: Some(IncidentState::Resolved), ..HistoryIncidentFilter::default() };
        let by_definition = [(InstanceSort::DefinitionKey, Order::Desc)];
        let by_creation = [(HistoryIncidentSort::Created, Order::Desc)];
        for (index, (sql, params)) in [
            ("instance_suspended", store.instances_sql(suspended.clone(), PAGE, &[]).await),
            ("instance_definition", store.instances_sql(InstanceFilter::default(), PAGE, &by_definition).await),
            ("incident_", store.executions_sql(failed.clone(), PAGE, &[]).await),
            ("history_incident_resolved", remembered_incidents_sql(resolved.clone(), PAGE, &[])),
            ("history_incident_created", remembered_incidents_sql(HistoryIncidentFilter::default(), PAGE, &by_creation)),
        ] {
            let plan = plan(&store, &sql, params).await;
            assert!(plan.contains(index), "{index}\n{plan}");
            for whole in
                ["SCAN i ", "SCAN has", "SCAN h ", "Seq Scan on instance", "Seq Scan on history_incident x", "Seq Scan on history_instance"]
            {
                assert!(!plan.contains(whole), "{index}\n{plan}");
            }
        }
        let started = |listed: Vec<crate::query::InstanceListed>| listed.iter().map(|it| it.started_at).collect::<Vec<_>>();
        assert_eq!(started(store.instances(suspended.clone(), PAGE, &[]).await.expect("read")), [77, 15_000]);
        assert_eq!(store.count_instances(suspended).await.expect("read"), 2);
        let last = Page { first: 9_999, max: 2 };
        assert_eq!(started(store.instances(InstanceFilter::default(), last, &by_definition).await.expect("read")), [1, 20_000]);
        assert_eq!(store.executions(failed, Page { first: 90, max: 50 }, &[]).await.expect("read").len(), 10);
        assert_eq!(store.remembered_incidents(resolved, PAGE, &[]).await.expect("read").len(), 2);
        let newest =
            store.remembered_incidents(HistoryIncidentFilter::default(), Page { first: 0, max: 1 }, &by_creation).await.expect("read");
        assert_eq!(newest.first().map(|it| it.row.incident.created), Some(2));
    })
    .await;
}

#[tokio::test]
async fn rows_that_are_too_large_together_are_not_read_to_their_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(Config::new(format!("sqlite:{}", folder.path().join("a.db").display()))).await.expect("it opens");
    let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, NULL, printf('%.1000c', 'x') FROM n";
    let read = async |sql: String| store.pool.fetch_within(AssertSqlSafe(sql).into_sql_str(), Vec::new(), 50_000).await;
    let refused = read(endless.to_owned()).await.err();
    assert!(matches!(&refused, Some(Error::Refused(why)) if why.starts_with("more than 50 of these rows")), "{refused:?}");
    assert_eq!(read(format!("{endless} LIMIT 50")).await.expect("there is room").len(), 50);
    store.close().await;
}
