//! What operators did, and what they look for: executions, variables, candidates.

use mandate_store::query::{
    Comparison, ExecutionFilter, IgnoringCase, Operand, OperationFilter, OperationListed, OperationSort, Order, Page, TaskFilter,
    VariableCondition, VariableFilter,
};
use mandate_store::{CommitError, HistoryDeletion, HistoryLevel, HistoryRow, OperationRow, Store};
use uuid::Uuid;

use crate::cleanup::recorded;
use crate::common::{Fixture, begun, definition, end, start, step, subscription, task, unit};

pub(crate) fn operation(instance: Option<Uuid>, operation_type: &str, at: i64) -> OperationRow {
    OperationRow {
        operation: Uuid::now_v7(),
        at,
        user: Some("ann".into()),
        annotation: None,
        operation_type: operation_type.into(),
        entity_type: "Task".into(),
        category: "TaskWorker".into(),
        property: Some("assignee".into()),
        org_value: None,
        new_value: Some("bob".into()),
        instance,
        tenant: Some("acme".into()),
        definition_id: None,
        definition_key: Some("p".into()),
        deployment_id: None,
        activity: Some(2),
        wait: Some(3),
        job_definition_id: None,
    }
}

async fn listed(store: &Store, filter: OperationFilter) -> Vec<OperationListed> {
    store.operations(filter, Page::ALL, &[(OperationSort::At, Order::Asc)]).await.expect("read")
}

pub(crate) async fn an_operation_is_stored_with_what_it_did_or_not_at_all(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    store.commit(unit(start(&process, id))).await.expect("stored");
    let (mut lost, mut kept) = (step(id, 7), step(id, 1));
    lost.operations = vec![operation(Some(id), "Claim", 5)];
    kept.operations = vec![operation(Some(id), "Assign", 5), OperationRow { property: None, ..operation(Some(id), "Assign", 5) }];
    kept.operations[1].operation = kept.operations[0].operation;
    assert!(matches!(store.commit(unit(lost)).await, Err(CommitError::Conflict)));
    store.commit(unit(kept.clone())).await.expect("stored");
    let found = listed(&store, OperationFilter::default()).await;
    assert_eq!(found.iter().map(|it| it.ordinal).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(found.into_iter().map(|it| it.row).collect::<Vec<_>>(), kept.operations);

    let count = async |filter| store.count_operations(filter).await.expect("read");
    let of_task = |n, entity: &str| OperationFilter { wait: vec![((id, n), vec![entity.into()])], ..OperationFilter::default() };
    assert_eq!(count(of_task(3, "Task")).await, 2);
    assert_eq!(count(of_task(3, "Job")).await, 0);
    assert_eq!(count(of_task(4, "Task")).await, 0);
    let bounds = |after, before| OperationFilter { after: Some(after), before: Some(before), ..OperationFilter::default() };
    assert_eq!(count(bounds(5, 5)).await, 2, "the moments themselves are in it, as in Camunda 7");
    assert_eq!(count(bounds(6, 9)).await, 0);

    let mut nul = step(id, 2);
    nul.operations = vec![OperationRow { new_value: Some("\0".into()), ..operation(Some(id), "Claim", 6) }];
    assert!(matches!(store.commit(unit(nul)).await, Err(CommitError::Refused(_))));
}

pub(crate) async fn operations_go_with_their_history_and_its_deletion_is_kept(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let (id, other) = (Uuid::now_v7(), Uuid::now_v7());
    for instance in [id, other] {
        store.commit(unit(start(&process, instance))).await.expect("stored");
        let mut claimed = step(instance, 1);
        claimed.operations = vec![operation(Some(instance), "Claim", 5)];
        store.commit(unit(claimed)).await.expect("stored");
    }
    let deletion = operation(Some(id), "DeleteHistory", 9);
    assert_eq!(store.delete_history(id, std::slice::from_ref(&deletion)).await.expect("answered"), HistoryDeletion::Running);
    assert_eq!(store.delete_history(Uuid::now_v7(), std::slice::from_ref(&deletion)).await.expect("answered"), HistoryDeletion::NotFound);
    assert_eq!(store.count_operations(OperationFilter::default()).await.expect("answered"), 2);
    store.commit(unit(end(id, 2))).await.expect("stored");
    assert_eq!(recorded(&store, id).await.expect("it has ended")["operations"], 1);
    assert_eq!(store.delete_history(id, std::slice::from_ref(&deletion)).await.expect("answered"), HistoryDeletion::Deleted);
    assert_eq!(store.history_instance(id).await.expect("read"), None);
    let left = listed(&store, OperationFilter::default()).await;
    let left: Vec<_> = left.iter().map(|it| (it.row.instance, it.row.operation_type.as_str())).collect();
    assert_eq!(left, [(Some(other), "Claim"), (Some(id), "DeleteHistory")]);

    // What is about no instance is there as well, and a note reaches all that one operation did.
    let deployed = operation(None, "Create", 10);
    let upload = mandate_store::DeploymentWrite { operations: vec![deployed.clone()], ..crate::common::upload("q") };
    store.deploy(upload).await.expect("stored");
    let mut before = None;
    let annotated = store.annotate_operation(deployed.operation, Some("why"), |note| {
        before = Some(note);
        vec![operation(None, "SetAnnotation", 11)]
    });
    assert!(annotated.await.expect("answered"));
    assert_eq!(before, Some(None));
    assert!(!store.annotate_operation(Uuid::now_v7(), None, |_| Vec::new()).await.expect("answered"));
    let of = OperationFilter { operation: Some(deployed.operation), ..OperationFilter::default() };
    let noted = OperationRow { annotation: Some("why".into()), ..deployed };
    assert_eq!(listed(&store, of).await.into_iter().map(|it| it.row).collect::<Vec<_>>(), [noted]);
    assert_eq!(store.count_operations(OperationFilter::default()).await.expect("answered"), 4);
}

pub(crate) async fn a_host_without_history_keeps_no_operations(fixture: Fixture) {
    let store = fixture.open_with(HistoryLevel::None).await;
    let process = definition(&store, "p").await;
    let mut begun = start(&process, Uuid::now_v7());
    begun.operations = vec![operation(None, "Create", 1)];
    store.commit(unit(begun)).await.expect("stored");
    let told = |_| vec![operation(None, "SuspendProcessDefinition", 2)];
    assert!(store.set_definition_suspended(&process.id, true, told).await.expect("written"));
    assert_eq!(store.count_operations(OperationFilter::default()).await.expect("answered"), 0);
}

pub(crate) async fn candidates_that_are_taken_away_find_a_task_no_more(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    let mut begun = start(&process, id);
    begun.put_tasks = vec![task(&process, 2)];
    store.commit(unit(begun)).await.expect("stored");
    let found = async |group: &str| {
        let filter = TaskFilter { candidate_groups: vec![group.into()], ..TaskFilter::default() };
        store.count_tasks(filter).await.expect("read")
    };
    assert_eq!((found("ops").await, found("new").await), (1, 0));
    let mut recast = step(id, 1);
    recast.put_tasks = vec![mandate_store::TaskRow { candidate_groups: vec!["new".into()], ..task(&process, 2) }];
    recast.recast_tasks = vec![2];
    store.commit(unit(recast)).await.expect("stored");
    assert_eq!((found("ops").await, found("new").await), (0, 1));
}

fn variable(scope: i64, name: &str, kind: &str, json: &str) -> HistoryRow {
    HistoryRow::Variable { scope, name: name.into(), kind: kind.into(), json: json.into(), removed: false, at: 10 }
}

pub(crate) async fn variables_of_live_scopes_are_listed_and_compared(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    let activity = |n, ended| [Some(begun(&process, n, "Task", 10)), ended].into_iter().flatten();
    let mut write = start(&process, id);
    write.history.extend(activity(3, None));
    write.history.extend(activity(9, Some(HistoryRow::ActivityEnded { n: 9, canceled: false, complete_scope: true, at: 11 })));
    write.history.extend([
        variable(1, "amount", "Integer", "10"),
        variable(1, "name", "String", "\"Jörg \\\"50%\\\"\""),
        variable(1, "good", "Boolean", "true"),
        // A task's scope is its own number; what its activity has was mapped into that.
        variable(2, "amount", "Double", "2.5"),
        variable(3, "given", "Double", "2.5"),
        variable(9, "amount", "Integer", "7"),
    ]);
    write.put_tasks = vec![task(&process, 2)];
    write.put_subscriptions = vec![subscription(&process, 5, "paid")];
    store.commit(unit(write)).await.expect("stored");

    let all = store.variables(VariableFilter::default(), Page::ALL, &[]).await.expect("read");
    let found: Vec<_> = all.iter().map(|it| (it.row.scope, it.row.name.as_str(), it.of_task_in)).collect();
    assert_eq!(found, [(1, "amount", None), (1, "good", None), (1, "name", None), (2, "amount", Some(3)), (3, "given", None)]);
    for (filter, expected) in [
        (VariableFilter { tasks: vec![(id, 2)], ..VariableFilter::default() }, 1),
        (VariableFilter { activities: vec![(id, 3)], ..VariableFilter::default() }, 2),
        (VariableFilter { scopes: vec![(id, 3), (id, 9)], ..VariableFilter::default() }, 1),
    ] {
        assert_eq!(store.count_variables(filter.clone()).await.expect("answered"), expected, "{filter:?}");
    }
    let number = |text: &str| Operand::Number(text.into());
    let text = |text: &str| Operand::Text(text.into());
    for (name, comparison, operand, instances, tasks) in [
        ("amount", Comparison::Equal, number("10"), 1, 0),
        ("amount", Comparison::Equal, number("2.5"), 0, 1),
        ("amount", Comparison::Greater, number("9"), 1, 0),
        ("amount", Comparison::LessOrEqual, number("9"), 0, 1),
        ("amount", Comparison::Equal, text("10"), 0, 0),
        ("given", Comparison::Equal, number("2.5"), 0, 0),
        ("name", Comparison::Equal, text("Jörg \"50%\""), 1, 0),
        ("name", Comparison::NotEqual, text("x"), 1, 0),
        ("name", Comparison::Like, text("J%\"50\\%\""), 1, 0),
        ("name", Comparison::Like, text("j%"), 0, 0),
        ("name", Comparison::NotLike, text("j%"), 1, 0),
        ("name", Comparison::Greater, number("1"), 0, 0),
        ("good", Comparison::Equal, Operand::Json("true".into()), 1, 0),
        ("good", Comparison::Equal, Operand::Json("false".into()), 0, 0),
    ] {
        let conditions = vec![VariableCondition { name: Some(name.into()), comparison, operand, ignoring_case: IgnoringCase::default() }];
        let filter = mandate_store::query::InstanceFilter { variables: conditions.clone(), ..Default::default() };
        assert_eq!(store.count_instances(filter).await.expect("answered"), instances, "{conditions:?}");
        let of_task = TaskFilter { task_variables: conditions.clone(), ..TaskFilter::default() };
        assert_eq!(store.count_tasks(of_task).await.expect("answered"), tasks, "{conditions:?}");
        // Of the process are also those of its scopes that live, but a task's.
        let of_process = TaskFilter { process_variables: conditions.clone(), ..TaskFilter::default() };
        let found = if name == "given" { 1 } else { instances };
        assert_eq!(store.count_tasks(of_process).await.expect("answered"), found, "{conditions:?}");
    }

    // The letters of ASCII, on both databases; a text is itself, whatever it is made of.
    for (name, comparison, value, ignoring_case, instances) in [
        ("NAME", Comparison::Equal, "Jörg \"50%\"", IgnoringCase { name: true, text: false }, 1),
        ("NAME", Comparison::Equal, "jörg \"50%\"", IgnoringCase { name: true, text: false }, 0),
        ("name", Comparison::Equal, "jöRG \"50%\"", IgnoringCase { name: false, text: true }, 1),
        ("NAME", Comparison::Equal, "jöRG \"50%\"", IgnoringCase { name: false, text: true }, 0),
        ("name", Comparison::Like, "j%RG%", IgnoringCase { name: true, text: true }, 1),
        ("name", Comparison::NotLike, "j%RG%", IgnoringCase { name: true, text: true }, 0),
        ("name", Comparison::NotEqual, "JörG \"50%\"", IgnoringCase { name: true, text: true }, 0),
    ] {
        let condition = VariableCondition { name: Some(name.into()), comparison, operand: text(value), ignoring_case };
        let filter = mandate_store::query::InstanceFilter { variables: vec![condition.clone()], ..Default::default() };
        assert_eq!(store.count_instances(filter).await.expect("answered"), instances, "{condition:?}");
    }

    let executions = store.executions(ExecutionFilter::default(), Page::ALL, &[]).await.expect("read");
    assert_eq!(executions.iter().map(|it| it.n).collect::<Vec<_>>(), [1, 3, 4], "what is over is none");
    let at = |activity_id: &str| ExecutionFilter { activity_id: Some(activity_id.into()), ..ExecutionFilter::default() };
    assert_eq!(store.count_executions(at("Review")).await.expect("answered"), 1);
    assert_eq!(store.count_executions(ExecutionFilter { message: Some("paid".into()), ..at("Receive") }).await.expect("answered"), 1);
    assert_eq!(store.count_executions(ExecutionFilter { message: Some("lost".into()), ..at("Receive") }).await.expect("answered"), 0);
}
