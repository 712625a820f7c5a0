//! Tests of what only this crate sees: that every statement prepares, that writes are durable, and in files of their own what statements
//! read.

mod claims;
mod gathered;
mod lists;
mod operators;
mod pages;
mod reads;

use mandate_tests::postgres::Cluster;
use sqlx::{AssertSqlSafe, SqlSafeStr as _};
use uuid::Uuid;

use crate::batch::{Batch, cells};
use crate::db::{Dialect, Lane, Param};
use crate::message::{By, Who};
use crate::store::given_up;
use crate::{
    Config, Expect, HeldExternalTask, HistoryLevel, InstanceWrite, Parts, State, Store, Unit, claim, cleanup, delivery, deploy, external,
    job_definitions, ledger, message, query, start_timers, write,
};

/// The multi-row statements of the crate.
fn batches() -> Vec<&'static Batch> {
    [
        claim::BATCHES,
        delivery::BATCHES,
        message::BATCHES,
        deploy::BATCHES,
        external::BATCHES,
        ledger::BATCHES,
        write::BATCHES,
        write::instances::BATCHES,
        write::tables::BATCHES,
        write::history::BATCHES,
        start_timers::BATCHES,
        job_definitions::BATCHES,
        write::operations::BATCHES,
        query::BATCHES,
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

/// How a statement is carried out by a connection that reads, whose plan is free.
async fn plan(store: &Store, sql: &str, params: Vec<Param>) -> String {
    let (explain, column) = match store.pool.dialect() {
        Dialect::Sqlite => ("EXPLAIN QUERY PLAN", 3),
        Dialect::Postgres => ("EXPLAIN", 0),
    };
    let rows = store.pool.fetch(&format!("{explain} {sql}"), params).await.expect("a plan");
    rows.iter().map(|row| row.get::<String>(column).expect("a text")).collect::<Vec<_>>().join("\n")
}

async fn texts(lane: &Lane, sql: &str) -> Vec<String> {
    let rows = lane.fetch(sql, Vec::new()).await.expect(sql);
    rows.iter().map(|row| row.get(0).expect("a text")).collect()
}

#[test]
fn texts_are_compared_by_their_bytes_whatever_the_locale() {
    let schema = include_str!("../../../migrations/0001_init.postgres.sql");
    let columns = schema.lines().filter(|line| !line.trim_start().starts_with("--") && line.contains(" TEXT")).collect::<Vec<_>>();
    assert!(columns.len() > 100, "{}", columns.len());
    for column in columns {
        assert!(column.contains(" TEXT COLLATE \"C\""), "{column}");
    }
}

#[tokio::test]
async fn every_multi_row_statement_prepares_on_both_databases() {
    let sources = [
        include_str!("claim.rs"),
        include_str!("delivery.rs"),
        include_str!("delivery/incident.rs"),
        include_str!("delivery/parked.rs"),
        include_str!("deploy.rs"),
        include_str!("external.rs"),
        include_str!("ledger/write.rs"),
        include_str!("message.rs"),
        include_str!("write.rs"),
        include_str!("write/instances.rs"),
        include_str!("write/tables.rs"),
        include_str!("write/history.rs"),
        include_str!("start_timers.rs"),
        include_str!("job_definitions.rs"),
        include_str!("write/operations.rs"),
        include_str!("query/gathered.rs"),
    ];
    let written: usize = sources.iter().map(|source| source.matches(": Batch = ").count()).sum();
    assert_eq!(batches().len(), written, "a statement is missing from its file's BATCHES");
    on_both(async |store| {
        for batch in batches() {
            for rows in [1, 256] {
                let sql = batch.render(store.pool.dialect(), rows);
                store.inner().admin.prepare(sql.clone()).await.unwrap_or_else(|error| panic!("{error}: {}", sql.as_str()));
            }
        }
    })
    .await;
}

/// Each row that is written finds what it is about by an index, however many rows its table has. SQLite, which has no statistics here,
/// makes the same plan always. On PostgreSQL a connection that writes reads a table from end to end only if no index can be used.
#[tokio::test]
async fn no_statement_of_many_rows_reads_a_table_from_end_to_end() {
    on_both(async |store| {
        let sizes = match store.pool.dialect() {
            Dialect::Sqlite => crate::batch::SIZES.to_vec(),
            Dialect::Postgres => vec![1],
        };
        // The rows that are written, and what a recursion has found so far.
        let own = [" CONSTANT ROW", " (subquery-", "VALUES CLAUSE", "SCAN up"];
        let scans = |step: &String| step.contains("Seq Scan on ") || step.starts_with("SCAN ") && !own.iter().any(|own| step.contains(own));
        let mut scanning = Vec::new();
        for batch in batches() {
            for rows in &sizes {
                let steps = steps(&store, batch, *rows).await;
                if steps.iter().any(scans) {
                    scanning.push(format!("{}\n{}", batch.sql, steps.join("\n")));
                }
            }
        }
        assert!(scanning.is_empty(), "{}", scanning.join("\n\n"));
    })
    .await;
}

/// How a statement of so many rows is carried out on a connection that writes: on PostgreSQL whatever the rows are.
async fn steps(store: &Store, batch: &Batch, rows: usize) -> Vec<String> {
    let (lane, sql) = (&store.inner().admin, batch.render(store.pool.dialect(), rows));
    if store.pool.dialect() == Dialect::Sqlite {
        let plan = lane.fetch(&format!("EXPLAIN QUERY PLAN {}", sql.as_str()), Vec::new()).await.expect("a plan");
        return plan.iter().map(|row| row.get(3).expect("a text")).collect();
    }
    let nothing = vec!["NULL"; batch.columns.len()].join(", ");
    let mut tx = lane.begin().await.expect("begun");
    let mut steps = Vec::new();
    for text in [
        format!("PREPARE explained AS {}", sql.as_str()),
        format!("EXPLAIN EXECUTE explained ({nothing})"),
        "DEALLOCATE explained".to_owned(),
    ] {
        let rows = tx.fetch_rendered(AssertSqlSafe(text).into_sql_str(), Vec::new()).await.expect(batch.sql);
        steps.extend(rows.iter().map(|row| row.get::<String>(0).expect("a text")));
    }
    tx.rollback().await;
    steps
}

#[tokio::test]
async fn messages_find_what_waits_for_them_by_index() {
    on_both(async |store| {
        let lane = &store.inner().admin;
        let numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)";
        let id = "{pg:gen_random_uuid()}{lite:randomblob(16)}";
        for fill in [
            format!(
                "INSERT INTO subscription {numbers} SELECT {id}, n, 2, 'A', 'message', 'paid', FALSE, 'p:1:x', 5, '', 'order-' || n, 'key-' || n FROM numbers"
            ),
            format!(
                "INSERT INTO instance (id, tenant, definition_id, started_at, revision, last_unit, suspended, snapshot, parts) {numbers} \
                 SELECT {id}, '', 'p:1:x', n, 1, {id}, FALSE, {id_bytes}, 0 FROM numbers",
                id_bytes = "{pg:''::bytea}{lite:x''}"
            ),
        ] {
            lane.fetch(&fill, Vec::new()).await.expect("rows");
        }
        // With statistics of the moment before, of empty tables, and with those of the moment.
        for analyze in [false, true] {
            if analyze {
                lane.fetch("ANALYZE", Vec::new()).await.expect("statistics");
            }
            let rows = (0..60_i64).map(|n| cells![n, "paid", format!("order-{n}")]).collect();
            let (sql, params) = query::BATCHES[0].statements(store.pool.dialect(), rows).pop().expect("one statement");
            let plan = plan(&store, sql.as_str(), params).await;
            assert!(plan.contains("subscription_name") && !plan.contains("Seq Scan") && !plan.contains("AUTOMATIC"), "{plan}");
        }
    })
    .await;
}

#[tokio::test]
async fn messages_along_flows_and_their_receivers_find_each_other_by_index() {
    on_both(async |store| {
        let lane = &store.inner().admin;
        let numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)";
        let id = "{pg:gen_random_uuid()}{lite:randomblob(16)}";
        for fill in [
            format!("INSERT INTO subscription {numbers} SELECT {id}, n, 2, 'A', 'message', 'paid', FALSE, 'p:1:x', 5, '', 'order-' || n, 'key-' || n FROM numbers"),
            format!("INSERT INTO subscription {numbers} SELECT {id}, n, 2, 'A', 'message', 'paid', FALSE, 'p:1:x', 5, '', NULL, 'key-' || n FROM numbers"),
            format!("INSERT INTO message {numbers} SELECT {id}, 'paid', {id}, 'p:1:x', '', 'order-' || n, 'key-' || n, 'x', 1, n, n, 0, NULL FROM numbers"),
        ] {
            lane.fetch(&fill, Vec::new()).await.expect("rows");
        }
        let plan = async |sql: &str, params| plan(&store, sql, params).await;
        let message = |business_key: Option<&str>, key: Option<&str>| message::addressed_to("p:1:x", "paid", business_key, key);
        let begun = || (0..60_i64).map(|n| cells![n, "p", "", "paid", format!("order-{n}"), format!("key-{n}")]).collect();
        let unkeyed = match store.pool.dialect() {
            Dialect::Sqlite => "business_key=? AND correlation_key=?",
            Dialect::Postgres => "(business_key IS NULL) AND (correlation_key IS NULL))",
        };
        // With statistics of the moment before, of empty tables, and with those of the moment.
        for analyze in [false, true] {
            if analyze {
                lane.fetch("ANALYZE", Vec::new()).await.expect("statistics");
            }
            let asked = |business_key, key, by, who| message::awaiting_sql(&message(business_key, key), by, who);
            let by_key = asked(Some("order-7"), Some("key-7"), By::CorrelationKey, Who::Two);
            let by_business_key = asked(Some("order-7"), None, By::BusinessKey, Who::Two);
            let without_either = asked(None, Some("key-7"), By::BusinessKey, Who::Two);
            let others = asked(None, Some("key-7"), By::BusinessKey, Who::NotOf(Uuid::nil()));
            let oldest = asked(Some("order-7"), Some("key-7"), By::BusinessKey, Who::OldestOf(Uuid::nil()));
            let (woken, params) = query::BATCHES[1].statements(store.pool.dialect(), begun()).pop().expect("one statement");
            for (indices, plan) in [
                (&["subscription_correlation"][..], plan(&by_key.0, by_key.1).await),
                // Past those without a business key that wait under a key.
                (&["subscription_name", unkeyed][..], plan(&without_either.0, without_either.1).await),
                (&["subscription_name", unkeyed][..], plan(&others.0, others.1).await),
                (&[][..], plan(&oldest.0, oldest.1).await),
                (&["subscription_name"][..], plan(&by_business_key.0, by_business_key.1).await),
                (&["message_address", "message_correlation"][..], plan(woken.as_str(), params).await),
            ] {
                assert!(indices.iter().all(|index| plan.contains(index)), "{plan}");
                assert!(!plan.contains("Seq Scan on subscription") && !plan.contains("Seq Scan on message"), "{plan}");
                assert!(!plan.contains("SCAN s") && !plan.contains("SCAN m"), "{plan}");
            }
        }
    })
    .await;
}

/// Else two hosts that write the same two instances, each beside a worker's task of one of them, would wait for each other.
#[tokio::test]
async fn a_workers_task_is_locked_behind_all_instances_of_its_batch() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let store = Store::open(Config::new(cluster.create_database("a").expect("a database"))).await.expect("it opens");
    let admin = &store.inner().admin;
    let [first, second] = [1, 2].map(Uuid::from_u128);
    let rows = format!("(VALUES ('{first}'::uuid), ('{second}')) v (id)");
    for fill in [
        format!(
            "INSERT INTO instance (id, tenant, definition_id, started_at, revision, last_unit, suspended, snapshot, parts) \
             SELECT id, '', 'p:1:x', 1, 1, id, FALSE, '', 0 FROM {rows}"
        ),
        format!(
            "INSERT INTO external_task SELECT id, 3, 2, 'A', 'charge', 'p:1:x', 0, NULL, 0, NULL, NULL, 1, '', NULL, FALSE, 'w', 9 FROM {rows}"
        ),
    ] {
        admin.fetch(&fill, Vec::new()).await.expect("rows");
    }
    let write = |id: Uuid| InstanceWrite::new(id, Expect::Revision(1), State::Live { snapshot: Vec::new(), parts: Parts::default() });
    let of_worker = InstanceWrite { held_external_task: Some(HeldExternalTask { wait: 3, worker: "w".into() }), ..write(second) };
    let units =
        [write(first), of_worker].map(|it| Unit { id: it.id, instances: vec![it], start_key: None, newest: false, closes: Vec::new() });

    // Another host has the first of them.
    let mut other = admin.begin().await.expect("begun");
    other.fetch(&format!("SELECT 1 FROM instance WHERE id = '{first}' FOR UPDATE"), Vec::new()).await.expect("locked");
    let writing = async {
        let mut tx = store.inner().jobs.begin().await.expect("begun");
        let begun = write::begun::Begun { job_definitions: 0, definitions: None };
        let written = write::units(&mut tx, store.host(), HistoryLevel::None, &units.each_ref(), begun).await.expect("written");
        tx.rollback().await;
        written
    };
    let next = async {
        while store.pool.fetch("SELECT 1 FROM pg_locks WHERE NOT granted", Vec::new()).await.expect("read").is_empty() {
            tokio::task::yield_now().await;
        }
        let second = format!("SELECT 1 FROM instance WHERE id = '{second}' FOR UPDATE NOWAIT");
        let locked = other.fetch(&second, Vec::new()).await.map(|rows| rows.len());
        other.rollback().await;
        locked
    };
    let (written, locked) = tokio::join!(writing, next);
    assert!(written.iter().all(Result::is_ok), "{written:?}");
    assert_eq!(locked.expect("nobody has it who waits for the first"), 1);
    store.close().await;
}

#[tokio::test]
async fn the_cleanup_reads_what_is_due_from_its_index_in_its_order() {
    on_both(async |store| {
        let lane = &store.inner().admin;
        let numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)";
        // Half of them are due.
        let fill = format!(
            "INSERT INTO history_instance (instance_id, tenant, definition_id, definition_key, started_at, ended_at, state, removal_at) \
             {numbers} SELECT {{pg:gen_random_uuid()}}{{lite:randomblob(16)}}, '', 'p:1:x', 'p', n, n, 'COMPLETED', n * 1000 FROM numbers"
        );
        lane.fetch(&fill, Vec::new()).await.expect("rows");
        let activities = "INSERT INTO history_activity (instance_id, n, parent, element, started_at, canceled, complete_scope) \
                          SELECT instance_id, 2, 1, 1, 1, FALSE, FALSE FROM history_instance";
        lane.fetch(activities, Vec::new()).await.expect("rows");
        lane.fetch("ANALYZE", Vec::new()).await.expect("statistics");
        let nobody = "{pg:'00000000-0000-0000-0000-000000000000'}{lite:x''}";
        let sql = cleanup::due_sql();
        let sql = [("$1", "10000000"), ("$2", "100"), ("$3", "0"), ("$4", nobody)].iter().fold(sql, |sql, (of, to)| sql.replace(of, to));
        let plan = plan(&store, &sql, Vec::new()).await;
        assert!(plan.contains("history_instance_removal"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE FOR ORDER BY") && !plan.contains("Sort"), "{plan}");
        // Nor is a table read to count what one instance has.
        let whole = ["Seq Scan on history_instance", "Seq Scan on history_activity", "SCAN h", "SCAN t"];
        assert!(!whole.iter().any(|scan| plan.contains(scan)), "{plan}");
    })
    .await;
}

#[tokio::test]
async fn incidents_of_one_instance_or_definition_are_found_beside_any_number_of_others() {
    on_both(async |store| {
        let lane = &store.inner().admin;
        let numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)";
        let id = |n: &str| format!("{{pg:CAST(lpad(to_hex({n}), 32, '0') AS UUID)}}{{lite:CAST(substr('0000000000000000' || ({n}), -16) AS BLOB)}}");
        let (caller, called) = (id("n"), id("n + 20000"));
        // Each instance has called one that has failed; a definition has a hundred of either.
        for (of, definition) in [(&caller, "'p:' || (n % 200)"), (&called, "'q:' || (n % 200)")] {
            let fill = format!(
                "INSERT INTO history_instance (instance_id, tenant, definition_id, definition_key, started_at, ended_at, state) \
                 {numbers} SELECT {of}, '', {definition}, 'p', n, n, 'COMPLETED' FROM numbers"
            );
            lane.fetch(&fill, Vec::new()).await.expect("rows");
        }
        for fill in [
            format!(
                "INSERT INTO history_incident (instance_id, n, activity, activity_id, definition_id, code, message, attempt, created, detail, deleted) \
                 {numbers} SELECT {called}, 7, 2, 'A', 'q:' || (n % 200), 'X', 'y', 1, n, '', FALSE FROM numbers"
            ),
            format!("INSERT INTO history_incident_caller {numbers} SELECT {caller}, {called}, 7, {called}, 3, 'C', 'p:' || (n % 200) FROM numbers"),
        ] {
            lane.fetch(&fill, Vec::new()).await.expect("rows");
        }
        lane.fetch("ANALYZE", Vec::new()).await.expect("statistics");
        let one = lane.fetch("SELECT instance_id FROM history_incident_caller LIMIT 1", Vec::new()).await.expect("read");
        let one: uuid::Uuid = one[0].get(0).expect("an id");
        let name = query::IncidentName { instance: one, n: 7, at: None };
        let of = |of| query::HistoryIncidentFilter { of, ..query::HistoryIncidentFilter::default() };
        for filter in [
            of(query::OfInstances { ids: vec![one], ..query::OfInstances::default() }),
            of(query::OfInstances { definition_id: Some("p:7".into()), ..query::OfInstances::default() }),
            query::HistoryIncidentFilter { name: Some(name), ..query::HistoryIncidentFilter::default() },
            query::HistoryIncidentFilter { root: Some(name), ..query::HistoryIncidentFilter::default() },
            query::HistoryIncidentFilter { cause: Some(name), ..query::HistoryIncidentFilter::default() },
        ] {
            let (sql, params) = query::remembered_incidents_sql(filter.clone(), query::Page::ALL, &[]);
            let plan = plan(&store, &sql, params).await;
            // On SQLite `x` and `k` are the incidents and those of callers. Those of no instance have an index of their own, which holds
            // nothing else.
            let lines = plan.lines().filter(|line| !line.contains("history_incident_start"));
            let scanned = lines.filter(|line| ["SCAN x", "SCAN k", "Seq Scan on history_inc"].iter().any(|scan| line.contains(scan)));
            assert_eq!(scanned.count(), 0, "{filter:?}\n{plan}");
        }
    })
    .await;
}

/// Every connection that writes, looked at in its own session: a URL, a role or a database could have set it up otherwise.
#[tokio::test]
async fn every_connection_that_writes_is_durable() {
    on_both(async |store| {
        for (at, lane) in store.inner().lanes.iter().enumerate() {
            match store.pool.dialect() {
                Dialect::Sqlite => {
                    assert_eq!(texts(lane, "PRAGMA journal_mode").await, ["wal"], "lane {at}");
                    // FULL: the log is synchronised before a COMMIT is answered.
                    assert_eq!(number(lane, "PRAGMA synchronous").await, 2, "lane {at}");
                    assert_eq!(number(lane, "PRAGMA foreign_keys").await, 1, "lane {at}");
                }
                Dialect::Postgres => {
                    for setting in ["synchronous_commit", "fsync", "full_page_writes"] {
                        let sql = format!("SELECT current_setting('{setting}')");
                        assert_eq!(texts(lane, &sql).await, ["on"], "{setting} of lane {at}");
                    }
                    assert_eq!(texts(lane, "SELECT current_setting('idle_in_transaction_session_timeout')").await, ["5s"], "lane {at}");
                }
            }
        }
        let written = store.pool.fetch("DELETE FROM host", Vec::new()).await;
        assert!(written.is_err(), "readers cannot write");
    })
    .await;
}

/// What one session gives up, all of a host's may: a role's or a URL's settings reach every connection. The server gives up the others for
/// all of its databases.
#[tokio::test]
async fn a_session_that_gives_up_durability_is_found_out() {
    for (options, of_server) in [("", &[][..]), ("-c fsync=off", &["fsync"]), ("-c full_page_writes=off", &["full_page_writes"])] {
        let cluster = Cluster::start_with(options).expect("PostgreSQL starts");
        let url = cluster.create_database("a").expect("a database");
        let found = async || {
            let store = Store::open(Config::new(&url)).await.expect("it opens");
            let found = given_up(&store.inner().admin).await.expect("settings");
            store.close().await;
            found
        };
        assert_eq!(found().await, of_server);
        cluster.sql("a", "ALTER DATABASE a SET synchronous_commit = off").expect("a statement");
        assert_eq!(found().await, [of_server, &["synchronous_commit"]].concat());
    }
}

/// Whoever waits for a lock looks at what is there now: everything that is compared and written under locks rests on that.
#[tokio::test]
async fn every_connection_reads_what_is_committed_whatever_the_database_says() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let url = cluster.create_database("a").expect("a database");
    cluster.sql("a", "ALTER DATABASE a SET default_transaction_isolation = 'serializable'").expect("a statement");
    let store = Store::open(Config::new(&url)).await.expect("it opens");
    let sql = "SELECT current_setting('transaction_isolation')";
    for (at, lane) in store.inner().lanes.iter().enumerate() {
        assert_eq!(texts(lane, sql).await, ["read committed"], "lane {at}");
    }
    let read = store.pool.fetch(sql, Vec::new()).await.expect("read");
    assert_eq!(read[0].get::<String>(0).expect("a text"), "read committed");
    store.close().await;
}

async fn number(lane: &Lane, sql: &str) -> i64 {
    lane.fetch(sql, Vec::new()).await.expect(sql)[0].get(0).expect("a number")
}
