//! Lists that read for long, and what is looked up beside them, on both databases.

use tokio::task::JoinHandle;
use uuid::Uuid;

use super::on_both;
use crate::claim::Except;
use crate::config::DEFAULT_POOL;
use crate::db::Dialect;
use crate::query::{DefinitionFilter, Page, SubscriptionFilter};
use crate::{Error, Store};

/// It reads until somebody ends it.
const ENDLESS: &str =
    "{pg:SELECT pg_sleep_for('1 hour')}{lite:WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n}";

/// Of each of them that PostgreSQL reads.
fn under_way(what: &str) -> String {
    format!("SELECT {what} FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep_for%' AND state = 'active'")
}

/// More of them than there are places, each of which is being read in.
async fn endless_lists(store: &Store) -> Vec<JoinHandle<Result<(), Error>>> {
    let read = || {
        let pool = store.pool.clone();
        tokio::spawn(async move { pool.fetch(ENDLESS, Vec::new()).await.map(drop) })
    };
    let lists: Vec<_> = (0..DEFAULT_POOL).map(|_| read()).collect();
    let places = store.pool.free_places().expect("lists have places");
    let are_read = async || {
        store.pool.dialect() == Dialect::Sqlite
            || store.inner().admin.fetch(&under_way("1"), Vec::new()).await.expect("read").len() >= places
    };
    while store.pool.free_places() > Some(0) || !are_read().await {
        assert!(lists.iter().all(|list| !list.is_finished()));
        tokio::task::yield_now().await;
    }
    lists
}

#[tokio::test]
async fn lists_that_read_for_long_keep_nothing_back_that_a_unit_or_a_claim_looks_up() {
    on_both(async |store| {
        // Nobody waits any more for these, which PostgreSQL reads on.
        for list in endless_lists(&store).await {
            list.abort();
            assert!(list.await.is_err_and(|ended| ended.is_cancelled()));
        }
        let lists = endless_lists(&store).await;
        store.ping().await.expect("answered");
        assert_eq!(store.revision(Uuid::nil()).await.expect("answered"), None);
        assert!(store.load_instance(Uuid::nil()).await.expect("answered").is_none());
        assert!(store.definition("p").await.expect("answered").is_none());
        assert!(store.newest_definitions("p", DefinitionFilter::default(), 2).await.expect("answered").is_empty());
        assert!(store.external_task_details(vec![(Uuid::nil(), 1)]).await.expect("answered").is_empty());
        let of_instance = SubscriptionFilter { instance: Some(Uuid::nil()), ..SubscriptionFilter::default() };
        assert!(store.subscriptions(of_instance, Page::ALL).await.expect("answered").is_empty());
        assert!(store.claim(1, 9, &Except::NOTHING).await.expect("answered").is_empty());
        // Those that have no place may have given up to wait for one.
        assert!(lists.iter().any(|list| !list.is_finished()));
        while lists.iter().any(|list| !list.is_finished()) {
            if store.pool.dialect() == Dialect::Postgres {
                store.inner().admin.fetch(&under_way("pg_cancel_backend(pid)"), Vec::new()).await.expect("cancelled");
            } else {
                lists.iter().for_each(JoinHandle::abort);
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(store.count_instances(crate::query::InstanceFilter::default()).await.expect("there is a place again"), 0);
    })
    .await;
}
