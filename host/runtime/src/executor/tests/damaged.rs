//! A store that does not agree with itself: what is damaged is told, and stands in nobody's way.

use super::*;

impl Host {
    /// Starts an instance with a variable that is stored apart, which is then lost. A timer of it is due.
    async fn start_and_lose_a_part(&self) -> InstanceId {
        let text = |text: &str| mandate_engine::Variable::from_json(&text.into());
        let start =
            Start::of_key("p", Variables::from([("wait".to_owned(), text("PT1H")), ("large".to_owned(), text(&"x".repeat(10_000)))]));
        let id = self.runtime.start(start).await.expect("it starts").id;
        let store = &self.inner().store;
        let (row, rows) = store.instance_with_rows(id.0).await.expect("read").expect("there");
        let [part] = &row.parts[..] else { panic!("{} parts", row.parts.len()) };
        let parts = mandate_store::Parts { count: 1, put: Vec::new(), remove: vec![(part.activity, part.variable.clone())] };
        let state = mandate_store::State::Live { snapshot: row.snapshot, parts };
        let mut write = InstanceWrite::new(id.0, Expect::Revision(row.revision), state);
        write.put_jobs = rows.jobs.into_iter().map(|job| JobRow { due: 1, ..job }).collect();
        store
            .commit(Unit { id: Uuid::now_v7(), instances: vec![write], start_key: None, newest: false, closes: Vec::new() })
            .await
            .expect("stored");
        id
    }

    async fn findings(&self) -> Vec<String> {
        self.runtime.check_store().await.expect("it goes on to the end").findings
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_of_which_a_part_is_lost_stands_in_nobodys_way() {
    on_both(async |host| {
        let lost = host.start_and_lose_a_part().await;
        host.inner().executor.expect_due(1);
        host.until("it is left alone", async || host.inner().executor.held_back.except(Instant::now()).instances == [lost.0]).await;
        let readable = host.start("PT1H").await;
        let reasons: BTreeMap<String, Reason> =
            host.waiting().await.into_iter().map(|waiting| (waiting.process_instance_id, waiting.reason)).collect();
        assert!(matches!(reasons[&readable.to_string()], Reason::Timer { .. }), "{reasons:?}");
        let told = &reasons[&lost.to_string()];
        assert!(matches!(told, Reason::Unreadable { message, .. } if message.contains("parts of it are missing")), "{told:?}");
        let report = host.runtime.check_store().await.expect("it goes on to the end");
        assert_eq!((report.instances, report.findings.len()), (2, 1), "{:?}", report.findings);
        assert!(report.findings[0].contains(&format!("instance {lost} cannot be read")), "{:?}", report.findings);
        host.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_belong_to_nothing_are_found() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let host = Host::open_with(Some(cluster.create_database("host").expect("a database")), false).await;
    let id = host.start("PT1H").await;
    let definition = host.inner().store.load_instance(id.0).await.expect("read").expect("there").definition_id;
    assert_eq!(host.findings().await, [""; 0]);
    let gone = Uuid::now_v7();
    let of = |table: &str| format!("table {table} has rows of instance {gone}");
    let subscription = format!("VALUES ('{id}', 99, 1, 't', 'nonsense', 'n', FALSE, '{definition}', 1, '')");
    let rows = [
        ("instance_part (instance_id, activity, variable, bytes)", format!("VALUES ('{gone}', 1, 'v', '')"), of("instance_part")),
        ("task_candidate (instance_id, wait, is_group, name)", format!("VALUES ('{gone}', 1, FALSE, 'ann')"), of("task_candidate")),
        (
            "job",
            format!("VALUES ('{gone}', 1, 1, 't', 'timer', '{definition}', 9, 1, 0, FALSE, 0, FALSE, 1, NULL, NULL, FALSE, NULL, NULL, 0)"),
            of("job"),
        ),
        (
            "history_variable (instance_id, scope, name, kind, json, removed, created, updated)",
            format!("VALUES ('{gone}', 1, 'v', 'Integer', '1', FALSE, 1, 1)"),
            of("history_variable"),
        ),
        (
            "subscription (instance_id, wait, activity, activity_id, kind, name, of_event, definition_id, created, tenant)",
            subscription,
            format!("instance {id}: what stands beside it cannot be read: 'nonsense' is no kind of event"),
        ),
        (
            "start_event (definition_id, kind, name, activity_id)",
            format!("VALUES ('{definition}', 'message', 'begin', 's')"),
            format!("definition {definition}: what starts it differs"),
        ),
    ];
    for (table, row, finding) in rows {
        cluster.sql("host", &format!("INSERT INTO {table} {row}")).expect("a row");
        let findings = host.findings().await;
        assert!(matches!(&findings[..], [one] if one.contains(&finding)), "{table}: {findings:?}");
        let name = table.split(' ').next().expect("a name");
        let which = if name == "start_event" {
            "name = 'begin'".to_owned()
        } else {
            format!("instance_id = '{gone}' OR '{name}' = 'subscription'")
        };
        cluster.sql("host", &format!("DELETE FROM {name} WHERE {which}")).expect("it is gone");
        assert_eq!(host.findings().await, [""; 0], "{table}");
    }
    host.close().await;
}
