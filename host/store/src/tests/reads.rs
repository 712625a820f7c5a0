//! Lists that read for long, and what is looked up beside them, on both databases.

use uuid::Uuid;

use super::on_both;
use crate::claim::Except;
use crate::config::DEFAULT_POOL;
use crate::db::Dialect;

/// It reads until somebody ends it.
const ENDLESS: &str =
    "{pg:SELECT pg_sleep_for('1 hour')}{lite:WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n}";

#[tokio::test]
async fn lists_that_read_for_long_keep_nothing_back_that_a_unit_or_a_claim_looks_up() {
    on_both(async |store| {
        let read = || {
            let pool = store.pool.clone();
            tokio::spawn(async move { pool.fetch(ENDLESS, Vec::new()).await.map(drop) })
        };
        let lists: Vec<_> = (0..DEFAULT_POOL).map(|_| read()).collect();
        while store.pool.free_places() > Some(0) {
            assert!(lists.iter().all(|list| !list.is_finished()));
            tokio::task::yield_now().await;
        }
        store.ping().await.expect("answered");
        assert_eq!(store.revision(Uuid::nil()).await.expect("answered"), None);
        assert!(store.load_instance(Uuid::nil()).await.expect("answered").is_none());
        assert!(store.definition("p").await.expect("answered").is_none());
        assert!(store.claim(1, 9, &Except::NOTHING).await.expect("answered").is_empty());
        // Those that have no place may have given up to wait for one.
        assert!(lists.iter().any(|list| !list.is_finished()));
        while lists.iter().any(|list| !list.is_finished()) {
            if store.pool.dialect() == Dialect::Postgres {
                let cancel =
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep_for%' AND state = 'active'";
                store.inner().admin.fetch(cancel, Vec::new()).await.expect("cancelled");
            } else {
                lists.iter().for_each(tokio::task::JoinHandle::abort);
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(store.count_instances(crate::query::InstanceFilter::default()).await.expect("there is a place again"), 0);
    })
    .await;
}
