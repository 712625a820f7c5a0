//! That the pages of a list, put together, are the list.

use super::on_both;
use crate::query::{Comparison, HistoryInstanceFilter, IgnoringCase, InstanceFilter, Operand, Page, TaskFilter, VariableCondition};

/// Each instance has everything twice that a list may ask for. SQLite makes joins of such questions, and must not count the rows of a join.
#[tokio::test]
async fn a_page_begins_where_the_one_before_it_ends() {
    on_both(async |store| {
        let numbers = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 6)";
        let id = "{pg:CAST('f' || lpad(to_hex(n), 31, '0') AS UUID)}{lite:CAST('f' || substr('000000000000000' || n, -15) AS BLOB)}";
        let twice = "CROSS JOIN (SELECT 3 AS k UNION ALL SELECT 4) both_of";
        for fill in [
            "INSERT INTO deployment (id, tenant, deployed_at, content_digest, metadata) VALUES ('d', '', 1, '', '')".to_owned(),
            "INSERT INTO definition (id, key, version, tenant, startable_in_tasklist, starters, deployment_id, resource_name, identity, first_element, suspended) \
             VALUES ('p:1:x', 'p', 1, '', TRUE, '', 'd', 'p.bpmn', '', 1, FALSE)"
                .to_owned(),
            format!(
                "INSERT INTO instance (id, tenant, definition_id, started_at, revision, last_unit, suspended, snapshot, parts) {numbers} \
                 SELECT {id}, '', 'p:1:x', n, 1, {id}, FALSE, {{pg:''::bytea}}{{lite:x''}}, 0 FROM numbers"
            ),
            format!(
                "INSERT INTO history_instance (instance_id, tenant, definition_id, definition_key, started_at, state) {numbers} \
                 SELECT {id}, '', 'p:1:x', 'p', n, 'ACTIVE' FROM numbers"
            ),
            format!(
                "INSERT INTO job (instance_id, wait, activity, activity_id, kind, definition_id, due, retries, failures, exclusive, priority, behind, created, \
                 suspended, takeovers) SELECT id, k, k, 'A', 'async-before', 'p:1:x', 1, 2, 1, FALSE, 0, FALSE, 1, FALSE, 0 FROM instance {twice}"
            ),
            format!("INSERT INTO history_variable SELECT id, k, 'v', 'Long', '1', FALSE, 1, 1 FROM instance {twice}"),
            format!(
                "INSERT INTO history_activity (instance_id, n, parent, element, started_at, canceled, complete_scope) \
                 SELECT id, k, 1, 1, 9, FALSE, FALSE FROM instance {twice}"
            ),
            "INSERT INTO task (instance_id, wait, activity, activity_id, definition_id, candidate_users, candidate_groups, priority, created, suspended) \
             SELECT id, 5, 5, 'B', definition_id, '[]', '[\"a\",\"b\"]', 50, 1, FALSE FROM instance"
                .to_owned(),
            "INSERT INTO task_candidate (instance_id, wait, is_group, name) SELECT id, 5, TRUE, name FROM instance CROSS JOIN \
             (SELECT 'a' AS name UNION ALL SELECT 'b') both_of"
                .to_owned(),
        ] {
            store.inner().admin.fetch(&fill, Vec::new()).await.expect("rows");
        }
        let of_v = VariableCondition {
            name: Some("v".to_owned()),
            comparison: Comparison::Equal,
            operand: Operand::Number("1".to_owned()),
            ignoring_case: IgnoringCase::default(),
        };
        let pages = [0, 2, 4].map(|first| Page { first, max: 2 });
        let past = HistoryInstanceFilter::default;
        for filter in [
            HistoryInstanceFilter { with_jobs_retrying: true, ..past() },
            HistoryInstanceFilter { unfinished: true, variables: vec![of_v], ..past() },
            HistoryInstanceFilter { unfinished: true, executed_after: Some(5), ..past() },
            past(),
        ] {
            let mut listed = Vec::new();
            for page in pages {
                let rows = store.history_instances(filter.clone(), page, &[]).await.expect("read");
                listed.extend(rows.into_iter().map(|it| it.started_at));
            }
            assert_eq!(listed, [1, 2, 3, 4, 5, 6], "{filter:?}");
        }
        let groups = TaskFilter { candidate_groups: vec!["a".to_owned(), "b".to_owned()], ..TaskFilter::default() };
        let all = store.tasks(groups.clone(), Page::ALL, &[]).await.expect("read");
        let mut listed = Vec::new();
        for page in pages {
            listed.extend(store.tasks(groups.clone(), page, &[]).await.expect("read"));
        }
        assert_eq!((listed.len(), listed), (6, all));
        let mut live = Vec::new();
        for page in pages {
            live.extend(store.instances(InstanceFilter { activity_ids: vec!["A".to_owned()], ..InstanceFilter::default() }, page, &[]).await.expect("read"));
        }
        assert_eq!(live.iter().map(|it| it.started_at).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    })
    .await;
}
