//! Statements that wait for others, on both databases.

use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use super::on_both;
use crate::batch::{Batch, Type, cells};
use crate::db::{Dialect, Lane, MOST_TEXTS};

static PUT_A: Batch = Batch::new("INSERT INTO a (n) SELECT v.n FROM {rows} WHERE TRUE", &[("n", Type::I64)]);
static PUT_B: Batch = Batch::new("INSERT INTO b (n, m) SELECT v.n, v.m FROM {rows} WHERE TRUE", &[("n", Type::I64), ("m", Type::I64)]);
static MOVE_A: Batch = Batch::new("UPDATE a SET n = v.to_n FROM {rows} WHERE a.n = v.n", &[("n", Type::I64), ("to_n", Type::I64)]);

async fn numbers(lane: &Lane) -> Vec<i64> {
    let sql = "SELECT n FROM a UNION ALL SELECT n * 100 + COALESCE(m, 0) FROM b ORDER BY 1";
    lane.fetch(sql, Vec::new()).await.expect("read").iter().map(|row| row.get(0).expect("a number")).collect()
}

#[tokio::test]
async fn what_is_gathered_is_there_for_what_is_asked_next_and_at_the_commit() {
    on_both(async |store| {
        let lane = &store.inner().admin;
        for table in ["CREATE TABLE a (n BIGINT PRIMARY KEY)", "CREATE TABLE b (n BIGINT PRIMARY KEY, m BIGINT)"] {
            lane.fetch(table, Vec::new()).await.expect("made");
        }
        let before = store.counters();
        let mut tx = lane.begin().await.expect("begun");
        tx.gather();
        PUT_A.later(&mut tx, vec![cells![1_i64], cells![2_i64]]).await.expect("taken");
        PUT_B.later(&mut tx, vec![cells![3_i64, None::<i64>]]).await.expect("taken");
        let count = tx.fetch("SELECT COUNT(*) FROM a WHERE n < $1", vec![9.into()]).await.expect("asked");
        assert_eq!(count[0].get::<i64>(0).expect("a number"), 2);
        // What one writes the next may change.
        MOVE_A.later(&mut tx, vec![cells![1_i64, 5_i64]]).await.expect("taken");
        MOVE_A.later(&mut tx, vec![cells![5_i64, 6_i64]]).await.expect("taken");
        PUT_B.later(&mut tx, vec![cells![4_i64, 7_i64]]).await.expect("taken");
        // More than are gathered.
        PUT_A.later(&mut tx, (10_i64..40).map(|n| cells![n]).collect()).await.expect("taken");
        PUT_B.later(&mut tx, vec![cells![8_i64, 1_i64]]).await.expect("taken");
        tx.commit().await.expect("stored");
        let after = store.counters();
        assert_eq!(after.rows - before.rows, 2 + 1 + 2 + 1 + 30 + 1);
        assert_eq!(after.commits - before.commits, 1);
        let expected: Vec<i64> = [2, 6].into_iter().chain(10..40).chain([300, 407, 801]).collect();
        assert_eq!(numbers(lane).await, expected);
    })
    .await;
}

#[tokio::test]
async fn what_is_gathered_is_stored_with_all_the_rest_or_not_at_all() {
    on_both(async |store| {
        let lane = &store.inner().admin;
        for table in ["CREATE TABLE a (n BIGINT PRIMARY KEY)", "CREATE TABLE b (n BIGINT PRIMARY KEY, m BIGINT)"] {
            lane.fetch(table, Vec::new()).await.expect("made");
        }
        lane.fetch("INSERT INTO b (n, m) VALUES (1, 0)", Vec::new()).await.expect("written");
        for asks in [false, true] {
            let mut tx = lane.begin().await.expect("begun");
            tx.gather();
            PUT_A.later(&mut tx, vec![cells![1_i64]]).await.expect("taken");
            PUT_B.later(&mut tx, vec![cells![1_i64, None::<i64>]]).await.expect("taken, and it is in the way");
            if asks {
                assert!(tx.fetch("SELECT 1", Vec::new()).await.is_err(), "it is in the way");
                tx.rollback().await;
            } else {
                tx.commit().await.expect_err("it is in the way");
            }
            // Nobody must wait for locks of a transaction that is over.
            if store.pool.dialect() == Dialect::Postgres {
                let left = "SELECT 1 FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
                assert!(store.pool.fetch(left, Vec::new()).await.expect("read").is_empty());
            }
            assert_eq!(numbers(lane).await, [100]);
        }
        let mut given_up = lane.begin().await.expect("begun");
        given_up.gather();
        PUT_A.later(&mut given_up, vec![cells![1_i64]]).await.expect("taken");
        drop(given_up);
        let mut rolled_back = lane.begin().await.expect("begun");
        rolled_back.gather();
        PUT_A.later(&mut rolled_back, vec![cells![1_i64]]).await.expect("taken");
        rolled_back.rollback().await;
        drop(lane.begin().await.expect("begun"));
        assert_eq!(numbers(lane).await, [100]);
        lane.begin().await.expect("begun").commit().await.expect("nothing is stored");
    })
    .await;
}

/// As many sets of statements as no connection would keep prepared.
#[tokio::test]
async fn what_is_one_set_of_tables_too_many_is_stored_statement_by_statement() {
    const OTHERS: usize = 5;
    on_both(async |store| {
        let lane = &store.inner().admin;
        for table in ["CREATE TABLE a (n BIGINT PRIMARY KEY)", "CREATE TABLE b (n BIGINT PRIMARY KEY, m BIGINT)"] {
            lane.fetch(table, Vec::new()).await.expect("made");
        }
        let mut spent = Vec::new();
        for n in 0..MOST_TEXTS + OTHERS {
            let before = store.counters();
            let mut tx = lane.begin().await.expect("begun");
            tx.gather();
            PUT_A.later(&mut tx, vec![cells![i64::try_from(n).expect("small")]]).await.expect("taken");
            let sql = AssertSqlSafe(format!("INSERT INTO b (n, m) SELECT {n}, 0")).into_sql_str();
            tx.later("b", sql, Vec::new(), 1).await.expect("taken");
            tx.commit().await.expect("stored");
            spent.push(store.counters().statements - before.statements);
        }
        // On SQLite BEGIN and COMMIT are among them.
        let alone = if store.pool.dialect() == Dialect::Sqlite { 4 } else { 2 };
        assert_eq!(spent[..MOST_TEXTS], [1; MOST_TEXTS]);
        assert_eq!(spent[MOST_TEXTS..], [alone; OTHERS]);
        let all = i64::try_from(MOST_TEXTS + OTHERS).expect("small");
        let both = lane.fetch("SELECT (SELECT COUNT(*) FROM a), (SELECT COUNT(*) FROM b)", Vec::new()).await.expect("read");
        assert_eq!((both[0].get::<i64>(0).expect("a number"), both[0].get::<i64>(1).expect("a number")), (all, all));
    })
    .await;
}
