//! Reads: that every filter is SQL which both databases understand, and what the less obvious ones mean.

use mandate_store::query::{
    Ask, AskKind, Asked, AskedValue, CallFilter, Comparison, DEFINITIONS, DefinitionFilter, DefinitionSort, DelegateFilter,
    DeploymentFilter, DeploymentSort, EventSubscriptionFilter, EventSubscriptionSort, ExecutionFilter, ExecutionSort, ExternalTaskFilter,
    ExternalTaskSort, HISTORY_TASKS, HistoryActivityFilter, HistoryActivitySort, HistoryIncidentFilter, HistoryIncidentSort,
    HistoryInstanceFilter, HistoryInstanceSort, HistoryTaskFilter, HistoryTaskSort, HistoryVariableFilter, HistoryVariableSort,
    IgnoringCase, IncidentFilter, IncidentName, IncidentOf, IncidentSort, IncidentState, InstanceFilter, InstanceSort, JobFilter, JobSort,
    OfInstances, Operand, OperationFilter, OperationSort, Order, Page, SortedKind, SubscriptionFilter, TASKS, TaskFilter, TaskSort,
    VariableCondition, VariableFilter, VariableOf, VariableSort,
};
use mandate_store::{
    EventKind, Except, Expect, HistoryLevel, InstanceHead, InstanceWrite, JobDefinitionName, JobRow, SubscriptionRow, TaskRow,
};
use uuid::Uuid;

use crate::common::{Fixture, definition, incident, job, live, start, started_with, subscription, task, task_asked, unit};

/// Lists and counts by a filter whose every field is set, in every order there is.
macro_rules! every {
    ($store:ident.$list:ident, $count:ident, $filter:expr, $sort:ident { $($by:ident)* }) => {
        let sort = [$(($sort::$by, Order::Asc), ($sort::$by, Order::Desc)),*];
        $store.$list($filter, Page { first: 1, max: 2 }, &sort).await.expect(stringify!($list));
        $store.$count($filter).await.expect(stringify!($count));
    };
}

/// Everything that a list can be asked.
fn all_of(asks: &'static [Ask]) -> Vec<Asked> {
    let value = |kind| match kind {
        AskKind::Text | AskKind::Like => AskedValue::Text("x".into()),
        AskKind::Texts => AskedValue::Texts(vec!["x".into(), "y".into()]),
        AskKind::Date | AskKind::Whole => AskedValue::Number(1),
        AskKind::Flag => AskedValue::Holds(true),
        AskKind::Either(_) => AskedValue::Holds(false),
    };
    asks.iter().map(|ask| ask.with(value(ask.kind))).collect()
}

/// The same lists and counts begin with what few have, whatever else is asked, as long as that names no instances.
pub(crate) async fn whatever_a_list_begins_with_takes_every_condition(fixture: Fixture) {
    for level in [HistoryLevel::Audit, HistoryLevel::None] {
        let store = fixture.open_with(level).await;
        if level == HistoryLevel::Audit {
            let element = "INSERT INTO element (id, definition_id, activity_id, name, kind, digest) VALUES (900, 'x', 'x', 'x', 'x', 'x')";
            fixture.raw(element).await;
        }
        let text = || Some("x".to_owned());
        let texts = || vec!["x".to_owned(), "y".to_owned()];
        let condition = |text: &str| VariableCondition {
            name: Some("x".to_owned()),
            comparison: Comparison::Equal,
            operand: Operand::Text(text.to_owned()),
            ignoring_case: IgnoringCase::default(),
        };
        let instances = || InstanceFilter {
            business_key_like: text(),
            definition_keys: texts(),
            definition_keys_not: texts(),
            deployment_id: text(),
            tenants: texts(),
            without_tenant: true,
            definition_without_tenant: true,
            started_after: Some(1),
            started_before: Some(1),
            variables: vec![condition("a")],
            calls: CallFilter { roots: true, leaves: true, ..CallFilter::default() },
            any: vec![InstanceFilter {
                incident: Some((Uuid::nil(), 1)),
                activity_ids: texts(),
                with_incident: true,
                ..InstanceFilter::default()
            }],
            ..InstanceFilter::default()
        };
        let past = || HistoryInstanceFilter {
            ids_not: vec![Uuid::nil()],
            business_key_like: text(),
            definition_keys: texts(),
            definition_keys_not: texts(),
            definition_name: text(),
            executed_after: Some(1),
            executed_before: Some(1),
            started_by: text(),
            started_before: Some(1),
            started_after: Some(1),
            tenants: texts(),
            without_tenant: true,
            variables: vec![condition("a")],
            any: vec![HistoryInstanceFilter {
                standing_at: texts(),
                active_activities: texts(),
                with_open_incident: true,
                ..HistoryInstanceFilter::default()
            }],
            ..HistoryInstanceFilter::default()
        };
        let executions = || ExecutionFilter {
            tenants: texts(),
            variables: vec![condition("a")],
            process_variables: vec![condition("b")],
            ..ExecutionFilter::default()
        };
        let (suspended, id, key) = (Some(true), text(), text());
        for (definition_id, definition_key) in [(None, None), (id.clone(), None), (None, key.clone()), (id, key)] {
            for filter in [
                InstanceFilter { activity_ids: texts(), suspended, with_incident: true, ..instances() },
                InstanceFilter { incident_code: text(), incident_message: text(), suspended, ..instances() },
                InstanceFilter { incident_message_like: text(), suspended: Some(false), ..instances() },
                InstanceFilter { suspended, ..instances() },
                instances(),
            ] {
                let filter =
                    || InstanceFilter { definition_id: definition_id.clone(), definition_key: definition_key.clone(), ..filter.clone() };
                every!(store.instances, count_instances, filter(), InstanceSort { Id DefinitionKey DefinitionId Tenant BusinessKey StartedAt });
                store.instances(filter(), Page { first: 1, max: 2 }, &[]).await.expect("understood");
                store.instance_ids(filter()).await.expect("understood");
            }
            for filter in [
                HistoryInstanceFilter { standing_at: texts(), active_activities: texts(), with_incidents: true, ..past() },
                HistoryInstanceFilter {
                    active_activities: texts(),
                    executed_activities: vec!["x".to_owned()],
                    with_open_incident: true,
                    ..past()
                },
                HistoryInstanceFilter { with_open_incident: true, with_incidents: true, with_jobs_retrying: true, ..past() },
                HistoryInstanceFilter {
                    incident: Some(IncidentOf { code: text(), ..IncidentOf::default() }),
                    states: vec!["ACTIVE".into()],
                    ..past()
                },
                HistoryInstanceFilter { with_incidents: true, finished: true, ..past() },
                past(),
            ] {
                let filter = || HistoryInstanceFilter {
                    definition_id: definition_id.clone(),
                    definition_key: definition_key.clone(),
                    ..filter.clone()
                };
                every!(store.history_instances, count_history_instances, filter(), HistoryInstanceSort { Id StartedAt EndedAt Duration Tenant });
                store.history_instances(filter(), Page { first: 1, max: 2 }, &[]).await.expect("understood");
            }
            for filter in [
                ExecutionFilter { activity_id: text(), incident_code: text(), suspended, ..executions() },
                ExecutionFilter { message: text(), signal: text(), activity_id: text(), suspended, ..executions() },
                ExecutionFilter { signal: text(), incident_message: text(), ..executions() },
                ExecutionFilter { incident_code_not: text(), incident_message_like: text(), suspended: Some(false), ..executions() },
                ExecutionFilter { suspended, ..executions() },
                executions(),
            ] {
                let filter =
                    || ExecutionFilter { definition_id: definition_id.clone(), definition_key: definition_key.clone(), ..filter.clone() };
                every!(store.executions, count_executions, filter(), ExecutionSort { Instance DefinitionKey DefinitionId Tenant });
                store.executions(filter(), Page { first: 1, max: 2 }, &[]).await.expect("understood");
            }
            for assignee in [None, text()] {
                let filter = || HistoryActivityFilter {
                    definition_id: definition_id.clone(),
                    definition_key: definition_key.clone(),
                    activity_id: text(),
                    name: text(),
                    name_like: text(),
                    kind: text(),
                    digest: text(),
                    assignee: assignee.clone(),
                    unfinished: true,
                    canceled: true,
                    complete_scope: true,
                    tenants: texts(),
                    ..HistoryActivityFilter::default()
                };
                every!(store.history_activities, count_history_activities, filter(), HistoryActivitySort { Id StartedAt EndedAt Tenant });
                store.history_activities(filter(), Page { first: 1, max: 2 }, &[]).await.expect("understood");
            }
        }
        let open = HistoryActivityFilter { unfinished: true, tenants: texts(), canceled: true, ..HistoryActivityFilter::default() };
        store.history_activities(open, Page { first: 1, max: 2 }, &[]).await.expect("understood");
        let named = EventSubscriptionFilter {
            name: text(),
            kind: text(),
            activity_id: text(),
            tenants: texts(),
            without_tenant: true,
            ..Default::default()
        };
        store.event_subscriptions(named, Page { first: 1, max: 2 }, &[]).await.expect("understood");
        store.close().await;
    }
}

pub(crate) async fn every_filter_and_every_order_is_understood(fixture: Fixture) {
    for level in [HistoryLevel::Audit, HistoryLevel::None] {
        let store = fixture.open_with(level).await;
        let id = Uuid::now_v7();
        let text = || Some("x".to_owned());
        let incident_name = IncidentName { instance: id, n: 1, at: Some(id) };
        let conditions = || -> Vec<VariableCondition> {
            let moment = Operand::Moment { text: "2026-01-02".into(), stored: "2026-01-02T00:00:00.000Z".into() };
            let operands = [Operand::Number("1.5".into()), Operand::Text("x".into()), Operand::Json("true".into()), moment];
            let comparisons = [Comparison::Equal, Comparison::NotEqual, Comparison::GreaterOrEqual, Comparison::Less];
            let exactly = IgnoringCase::default();
            let with = |comparison, operand, ignoring_case| VariableCondition { name: text(), comparison, operand, ignoring_case };
            let of = |operand: &Operand| comparisons.map(|it| with(it, operand.clone(), exactly));
            let like = |it| with(it, Operand::Text("x%".into()), exactly);
            let all: Vec<_> = operands.iter().flat_map(of).chain([Comparison::Like, Comparison::NotLike].map(like)).collect();
            let ignoring_case = IgnoringCase { name: true, text: true };
            all.iter().cloned().chain(all.iter().cloned().map(|it| VariableCondition { ignoring_case, ..it })).collect()
        };
        let texts = || vec!["x".to_owned(), "y".to_owned()];
        let calls = |id| CallFilter { of_super: Some(id), of_sub: Some(id), of_root: Some(id), roots: true, leaves: true };
        every!(store.deployments, count_deployments, DeploymentFilter {
            ids: texts(), name: text(), name_like: text(), source: text(), without_source: true, tenants: texts(), without_tenant: true,
            after: Some(1), before: Some(1),
        }, DeploymentSort { Id Name DeployedAt Tenant });
        every!(store.definitions, count_definitions, DefinitionFilter {
            ids: texts(), key: text(), version: Some(1), latest_version: true, version_tag: text(), deployment_id: text(), incident: Some((id, 1)),
            incident_code: text(), incident_code_not: text(), tenants: texts(), without_tenant: true, suspended: Some(true), asked: all_of(DEFINITIONS),
        }, DefinitionSort { Id Key Name Version VersionTag Category DeploymentId DeployedAt Tenant });
        every!(store.instances, count_instances, InstanceFilter {
            ids: vec![id], business_key: text(), business_key_like: text(), definition_id: text(), definition_key: text(),
            definition_keys: texts(), definition_keys_not: texts(), deployment_id: text(), tenants: texts(), without_tenant: true,
            definition_without_tenant: true, suspended: Some(false), with_incident: true, incident: Some((id, 1)), incident_code: text(), incident_code_not: text(), incident_message: text(),
            incident_message_like: text(), activity_ids: texts(), calls: calls(id), started_after: Some(1), started_before: Some(1), variables: conditions(), any: vec![InstanceFilter { incident: Some((id, 1)), activity_ids: texts(), definition_keys: texts(),
            with_incident: true, variables: conditions(), ..InstanceFilter::default() }],
        }, InstanceSort { Id DefinitionKey DefinitionId Tenant BusinessKey });
        every!(store.jobs, count_jobs, JobFilter {
            ids: vec![(id, 1), (id, 2)], instances: vec![id], definition_id: text(), definition_key: text(), activity_id: text(),
            execution: Some((id, 1)), acquired: true, failed_activity_id: text(), with_retries_left: true, no_retries_left: true, executable_at: Some(1), timers: true,
            priority_from: Some(1), priority_to: Some(1), job_definition: Some(JobDefinitionName {
                definition_id: "x".into(), activity_id: "y".into(), kind: "timer".into(),
            }),
            messages: true, with_exception: true, exception_message: text(), due_before: Some(1), due_after: Some(1),
            created_before: Some(1), created_after: Some(1), suspended: Some(true), tenants: texts(), without_tenant: true,
        }, JobSort { Id Instance DefinitionId DefinitionKey Retries Due Priority Tenant });
        every!(store.tasks, count_tasks, TaskFilter {
            ids: vec![(id, 1)], activities: vec![(id, 1)], instances: vec![id], process_variables: conditions(), task_variables: conditions(),
            candidate_user: text(), candidate_groups: texts(), candidate_group_like: text(), with_candidate_groups: Some(true),
            with_candidate_users: Some(false), include_assigned: false, asked: all_of(TASKS),
            any: vec![TaskFilter { with_candidate_groups: Some(false), with_candidate_users: Some(true), candidate_groups: texts(), candidate_group_like: text(), candidate_user: text(), task_variables: conditions(),
            asked: all_of(TASKS), ..TaskFilter::default() }],
        }, TaskSort { Id Instance Name NameIgnoringCase Description Due FollowUp Priority Created Updated Assignee Owner Tenant });
        let kinds = [SortedKind::String, SortedKind::Integer, SortedKind::Long, SortedKind::Double, SortedKind::Boolean, SortedKind::Date];
        let of = [VariableOf::Process, VariableOf::Execution, VariableOf::Task];
        let by = |(of, kind)| (TaskSort::Variable { of, name: "x".into(), kind }, Order::Desc);
        let sort: Vec<_> = of.into_iter().flat_map(|of| kinds.map(|kind| by((of, kind)))).collect();
        let some = TaskFilter { asked: all_of(TASKS), process_variables: conditions(), ..TaskFilter::default() };
        store.tasks(some, Page { first: 1, max: 2 }, &sort).await.expect("sorted by variables");
        every!(store.external_tasks, count_external_tasks, ExternalTaskFilter {
            ids: vec![(id, 1), (id, 2)], topic: text(), worker: text(), locked: Some((true, 1)), lock_until_before: Some(1),
            lock_until_after: Some(1), retries_left: Some(true), activity_ids: texts(), execution: Some((id, 1)), instances: vec![id],
            definition_id: text(), definition_name: text(), definition_name_like: text(), definition_keys: texts(), priority_from: Some(1), priority_to: Some(1), suspended: Some(false),
            tenants: texts(), variables: conditions(),
        }, ExternalTaskSort { Id LockUntil Instance DefinitionId DefinitionKey Tenant Priority Created });
        store.external_task_topics(ExternalTaskFilter { locked: Some((true, 1)), ..ExternalTaskFilter::default() }).await.expect("listed");
        every!(store.event_subscriptions, count_event_subscriptions, EventSubscriptionFilter {
            wait: Some((id, 1)), start: Some(("x".to_owned(), "y".to_owned())), kind: text(), name: text(), execution: Some((id, 1)),
            instance: Some(id), activity_id: text(), tenants: texts(), without_tenant: true,
        }, EventSubscriptionSort { Created Tenant });
        every!(store.incidents, count_incidents, IncidentFilter {
            name: Some(incident_name), cause: Some(incident_name), root: Some(incident_name), of_called: true, of_starts: true, instances: vec![id], activity: Some((id, 1)),
            definition_id: text(), definition_keys: texts(), business_key: text(), activity_id: text(), failed_activity_id: text(), job_definition_ids: texts(), code: text(), code_not: text(), message: text(), message_like: text(), wait: Some((id, 1)), created_before: Some(1),
            created_after: Some(1), tenants: texts(), without_tenant: true,
        }, IncidentSort { Id Created Code Message ActivityId Instance DefinitionId Cause Root Tenant });
        every!(store.history_instances, count_history_instances, HistoryInstanceFilter {
            ids: vec![id], ids_not: vec![id], business_key: text(), business_keys: texts(), business_key_like: text(), definition_id: text(),
            definition_key: text(), definition_keys: texts(), definition_keys_not: texts(), definition_name: text(), definition_name_like: text(), finished: true,
            unfinished: true, states: texts(), with_open_incident: true, incident: Some(IncidentOf { own: false, open: Some(false), ids: vec![(id, 1)], code: text(), code_not: text(), message: text(), message_like: text() }),
            with_incidents: true, with_jobs_retrying: false, standing_at: Vec::new(), active_activities: texts(), executed_activities: texts(), executed_after: Some(1), executed_before: Some(1),
            calls: calls(id), started_by: text(), started_before: Some(1), started_after: Some(1), finished_before: Some(1), finished_after: Some(1), tenants: texts(),
            without_tenant: true, variables: conditions(), any: vec![HistoryInstanceFilter { finished: true, states: texts(), standing_at: texts(), with_jobs_retrying: true, with_open_incident: true, incident: Some(IncidentOf { open: Some(true), code: text(), ..IncidentOf::default() }), executed_after: Some(1), variables: conditions(), ..HistoryInstanceFilter::default() }],
        }, HistoryInstanceSort {
            Id DefinitionId DefinitionKey DefinitionName DefinitionVersion BusinessKey StartedAt EndedAt Duration Tenant
        });
        every!(store.history_activities, count_history_activities, HistoryActivityFilter {
            id: Some((id, 1)), instance: Some(id), definition_id: text(), definition_key: text(), business_key: text(),
            activity_id: text(), name: text(), name_like: text(), kind: text(), digest: text(), assignee: text(), finished: true, unfinished: true,
            canceled: true, complete_scope: true, started_before: Some(1), started_after: Some(1), finished_before: Some(1), finished_after: Some(1),
            tenants: texts(), without_tenant: true, behind: Some(1),
        }, HistoryActivitySort { Id Instance ActivityId Name Kind StartedAt EndedAt Duration DefinitionId Occurrence Tenant });
        let of = || OfInstances {
            ids: vec![id],
            root: Some(id),
            definition_id: text(),
            definition_keys: texts(),
            business_key: text(),
            business_keys: texts(),
            business_key_like: text(),
            definition_name: text(),
            ended: Some(true),
            tenants: texts(),
            without_tenant: true,
        };
        every!(store.remembered_variables, count_remembered_variables, HistoryVariableFilter {
            of: of(), scopes: vec![(id, 1)], activities: vec![(id, 1), (id, 2)], tasks: vec![(id, 1)], names: texts(), name_like: text(), names_ignoring_case: level == HistoryLevel::Audit, value: conditions().pop(), kinds: texts(), removed_too: false,
        }, HistoryVariableSort { Instance Name Tenant });
        every!(store.remembered_tasks, count_remembered_tasks, HistoryTaskFilter {
            of: of(), ids: vec![(id, 1)], activities: vec![(id, 1)], process_variables: conditions(), task_variables: conditions(),
            asked: all_of(HISTORY_TASKS), any: vec![HistoryTaskFilter { of: of(), task_variables: conditions(), asked: all_of(HISTORY_TASKS),
            ..HistoryTaskFilter::default() }],
        }, HistoryTaskSort { Id Instance DefinitionId ActivityId Name Description Assignee Owner Priority Reason Due FollowUp Created Ended Duration Tenant });
        // An instance's business key and end are no filters of it.
        every!(store.remembered_incidents, count_remembered_incidents, HistoryIncidentFilter {
            of: OfInstances { ids: vec![id], definition_id: text(), definition_keys: texts(), tenants: texts(), without_tenant: true, ..OfInstances::default() },
            name: Some(incident_name), cause: Some(incident_name), root: Some(incident_name), activity: Some((id, 1)), activity_id: text(), failed_activity_id: text(), job_definition_ids: texts(),
            code: text(), code_not: text(), message: text(), message_like: text(), wait: Some((id, 1)), state: Some(IncidentState::Resolved),
            created_before: Some(1), created_after: Some(1), resolved_before: Some(1), resolved_after: Some(1),
        }, HistoryIncidentSort { Id Instance Message Created Resolved Code ActivityId DefinitionId DefinitionKey Cause Root State Tenant });
        every!(store.executions, count_executions, ExecutionFilter {
            ids: vec![(id, 1), (id, 2)], instance: Some(id), business_key: text(), definition_id: text(), definition_key: text(),
            activity_id: text(), message: text(), signal: text(), incident: Some((id, 1)), incident_code: text(), incident_code_not: text(),
            incident_message: text(), incident_message_like: text(), suspended: Some(true), tenants: texts(), variables: conditions(),
            process_variables: conditions(),
        }, ExecutionSort { Instance DefinitionKey DefinitionId Tenant });
        every!(store.variables, count_variables, VariableFilter {
            instances: vec![id], scopes: vec![(id, 1), (id, 2)], activities: vec![(id, 1)], tasks: vec![(id, 1)], name: text(), name_like: text(), values: conditions(),
            tenants: texts(),
        }, VariableSort { Name Kind Scope Tenant });
        every!(
            store.operations,
            count_operations,
            OperationFilter {
                operation: Some(id),
                instance: Some(id),
                activity: Some((id, 1)),
                wait: vec![((id, 1), texts())],
                definition_id: text(),
                definition_key: text(),
                job_definition_id: text(),
                deployment_id: text(),
                user: text(),
                operation_type: text(),
                entity_types: texts(),
                categories: texts(),
                property: text(),
                after: Some(1),
                before: Some(1),
            },
            OperationSort { At }
        );
        let waits = SubscriptionFilter {
            kind: Some(EventKind::Signal),
            name: text(),
            instance: Some(id),
            business_key: text(),
            correlation_key: text(),
            tenant: text(),
            without_tenant: true,
            definition_id: text(),
            activity_id: text(),
            active: true,
        };
        store.subscriptions(waits, Page { first: 1, max: 2 }).await.expect("subscriptions");
        let delegates =
            DelegateFilter { name: text(), version: text(), digest: text(), deployment_id: text(), tenants: texts(), without_tenant: true };
        store.list_delegates(delegates, Page { first: 1, max: 2 }).await.expect("delegates");
        store.delegates(Some("acme")).await.expect("delegates");
        store.activity_statistics("x").await.expect("statistics");
        store.start_events(EventKind::Message, "x", Some("acme"), true).await.expect("start messages");
        store.instance_ids(InstanceFilter { with_incident: true, ..InstanceFilter::default() }).await.expect("instances");
        store.instances_to_suspend("x", false).await.expect("instances");
        store.load_instances(vec![id]).await.expect("instances");
        store.hosts().await.expect("hosts");
        store.ping().await.expect("an answer");
        store.close().await;
    }
}

pub(crate) async fn tasks_are_found_by_candidates_and_assignees(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let mut write = start(&process, Uuid::now_v7());
    let mut assigned = task(&process, 2);
    assigned.assignee = Some("bob".into());
    let mut bare = task(&process, 3);
    bare.candidate_users.clear();
    bare.candidate_groups.clear();
    bare.due = None;
    write.put_tasks = vec![task(&process, 1), assigned, bare];
    store.commit(unit(write)).await.expect("stored");
    let waits = async |filter: TaskFilter| -> Vec<i64> {
        let listed = store.tasks(filter, Page::ALL, &[]).await.expect("read");
        listed.iter().map(|listed| listed.row.wait).collect()
    };
    let all = TaskFilter::default;
    assert_eq!(waits(TaskFilter { candidate_groups: vec!["ops".into()], ..all() }).await, [1]);
    assert_eq!(waits(TaskFilter { candidate_groups: vec!["ops".into()], include_assigned: true, ..all() }).await, [1, 2]);
    assert_eq!(waits(TaskFilter { candidate_groups: vec!["none".into(), "repair".into()], ..all() }).await, [1]);
    assert_eq!(waits(TaskFilter { candidate_user: Some("ann".into()), ..all() }).await, [1]);
    assert_eq!(waits(TaskFilter { candidate_user: Some("ops".into()), ..all() }).await, [0; 0], "a group is not a user");
    assert_eq!(waits(task_asked("assignee", AskedValue::Text("bob".into()))).await, [2]);
    assert_eq!(waits(task_asked("assigned", AskedValue::Holds(false))).await, [1, 3]);
    assert_eq!(waits(TaskFilter { with_candidate_groups: Some(false), ..all() }).await, [3]);
    assert_eq!(waits(TaskFilter { with_candidate_groups: Some(true), ..all() }).await, [1], "the other one is bob's");
    assert_eq!(waits(TaskFilter { with_candidate_groups: Some(true), include_assigned: true, ..all() }).await, [1, 2]);
    assert_eq!(waits(task_asked("withoutDueDate", AskedValue::Holds(true))).await, [3]);
    assert_eq!(waits(task_asked("processInstanceBusinessKey", AskedValue::Text("order-1".into()))).await, [1, 2, 3]);
    let due = store.tasks(all(), Page::ALL, &[(TaskSort::Due, Order::Desc)]).await.expect("read");
    assert_eq!(due[0].row.wait, 3, "without a due date: first when descending");
    assert_eq!(store.task(due[0].instance, 3).await.expect("read").as_ref(), Some(&due[0]));
}

pub(crate) async fn what_is_overdue_is_counted_and_listed_alike(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let one = async |jobs: Vec<JobRow>, tasks: Vec<TaskRow>, suspended: Option<bool>| {
        let mut write = start(&process, Uuid::now_v7());
        (write.put_jobs, write.put_tasks, write.suspended) = (jobs, tasks, suspended);
        let id = write.id;
        store.commit(unit(write)).await.expect("stored");
        id
    };
    let timer = |activity, due| JobRow { activity, kind: "event-timer".into(), ..job(&process, 7, due) };
    // A task that is due, with a boundary timer that should have fired, is one; beside it in the same instance a job is another.
    let both = one(vec![timer(3, 400), JobRow { activity: 5, ..job(&process, 1, 100) }], vec![task(&process, 2)], None).await;
    let scope = one(vec![timer(4, 400)], vec![TaskRow { due: None, ..task(&process, 2) }], None).await;
    one(vec![job(&process, 1, 9_000)], vec![TaskRow { due: Some(9_000), ..task(&process, 2) }], None).await;
    one(vec![JobRow { retries: 0, ..job(&process, 1, 100) }], Vec::new(), None).await;
    one(vec![JobRow { locked: true, ..job(&process, 1, 100) }], Vec::new(), None).await;
    one(vec![job(&process, 1, 100)], vec![task(&process, 2)], Some(true)).await;

    let expected = [(both, 3), (both, 5), (scope, 4)];
    assert_eq!(store.counts(501).await.expect("read").waits_overdue, 3);
    assert_eq!(store.overdue_instances(501, None, 10).await.expect("read"), [both, scope]);
    assert_eq!(store.overdue_instances(501, None, 1).await.expect("read"), [both]);
    assert_eq!(store.overdue_instances(501, Some(both), 10).await.expect("read"), [scope]);
    assert_eq!(store.overdue(501, vec![scope, both]).await.expect("read"), expected);
    assert_eq!(store.overdue(501, vec![scope]).await.expect("read"), expected[2..]);
    assert_eq!(store.counts(500).await.expect("read").waits_overdue, 3, "the timer is late, the task is not yet");
    assert_eq!(store.counts(400).await.expect("read").waits_overdue, 1);
    let due = store.counts(501).await.expect("read").jobs_due;
    store.set_definition_suspended(&process.id, true, |_| Vec::new()).await.expect("suspended");
    let counts = store.counts(501).await.expect("read");
    assert_eq!(
        (due, counts.jobs_due, counts.waits_overdue),
        (3, 0, 1),
        "jobs of a suspended definition are held back; its tasks can be done"
    );
}

pub(crate) async fn likes_respect_case_and_escapes(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    for key in ["Order-1", "order-2", "50%", "50x", "a_b", "aXb"] {
        let head = InstanceHead { business_key: Some(key.into()), ..crate::common::head(&process) };
        store.commit(unit(InstanceWrite::new(Uuid::now_v7(), Expect::New(head), live()))).await.expect("stored");
    }
    for (pattern, expected) in
        [("order-%", vec!["order-2"]), ("50\\%", vec!["50%"]), ("a\\_b", vec!["a_b"]), ("a_b", vec!["aXb", "a_b"]), ("%X%", vec!["aXb"])]
    {
        let filter = InstanceFilter { business_key_like: Some(pattern.into()), ..InstanceFilter::default() };
        let found = store.instances(filter, Page::ALL, &[(InstanceSort::BusinessKey, Order::Asc)]).await.expect("read");
        let found: Vec<_> = found.iter().filter_map(|row| row.business_key.as_deref()).collect();
        assert_eq!(found, expected, "{pattern}");
    }
    // The longest that a client may give; one byte more is an error on SQLite.
    let filter = InstanceFilter { business_key_like: Some("%".repeat(50_000)), ..InstanceFilter::default() };
    assert_eq!(store.count_instances(filter).await.expect("read"), 6);
}

pub(crate) async fn pages_neither_repeat_nor_skip(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let mut ids = Vec::new();
    for _ in 0..25 {
        ids.push(started_with(&store, &process, vec![job(&process, 1, 5), job(&process, 2, 5)]).await.0);
    }
    ids.sort_unstable();
    let mut seen = Vec::new();
    for first in (0..60).step_by(7) {
        let page = store.jobs(JobFilter::default(), Page { first, max: 7 }, &[(JobSort::Due, Order::Asc)]).await.expect("read");
        seen.extend(page.iter().map(|job| (job.instance, job.row.wait)));
    }
    let all: Vec<_> = ids.iter().flat_map(|id| [(*id, 1), (*id, 2)]).collect();
    assert_eq!(seen, all);
    let (mut after, mut walked) = (None, Vec::new());
    loop {
        let (page, last) = store.instances_after(after, 10).await.expect("read");
        walked.extend(page.iter().map(|row| row.id));
        if last.is_none() {
            break;
        }
        after = last;
    }
    assert_eq!(walked, ids);
}

pub(crate) async fn metrics_count_what_is_open(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    for due in [10, 20, 1_000] {
        let mut write = start(&process, Uuid::now_v7());
        write.put_jobs = vec![job(&process, 1, due)];
        write.put_tasks = vec![task(&process, 2)];
        write.put_subscriptions = vec![subscription(&process, 3, "paid")];
        write.put_incidents = vec![incident(&process, 4, Some(1))];
        store.commit(unit(write)).await.expect("stored");
    }
    store.claim(100, 1, &Except::NOTHING).await.expect("claimed");
    let counts = store.counts(100).await.expect("read");
    assert_eq!((counts.jobs_due, counts.open_incidents, counts.waits_overdue), (1, 3, 1));
    assert_eq!(counts.active_instances.len(), 1);
    assert_eq!((counts.active_instances[0].key.as_str(), counts.active_instances[0].instances), ("p", 3));
    let waiting = SubscriptionFilter { name: Some("paid".into()), business_key: Some("order-1".into()), ..Default::default() };
    assert_eq!(store.subscriptions(waiting, Page { first: 0, max: 2 }).await.expect("read").len(), 2);
    let hosts = store.hosts().await.expect("read");
    assert_eq!((hosts.len(), hosts[0].id, hosts[0].alive), (1, store.host().id, true));
}

pub(crate) async fn messages_of_many_callers_find_what_waits_for_them(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let wait_in = async |key: &str, suspended: bool, waits: Vec<SubscriptionRow>| {
        let mut write = start(&process, Uuid::now_v7());
        let Expect::New(head) = &mut write.expect else { unreachable!("it is a start") };
        head.business_key = Some(key.to_owned());
        (write.put_subscriptions, write.suspended) = (waits, suspended.then_some(true));
        store.commit(unit(write)).await.expect("stored");
    };
    for n in 0..20 {
        let second = SubscriptionRow { created: 4, ..subscription(&process, 4, "paid") };
        let waits = vec![subscription(&process, 3, "paid"), second, subscription(&process, 5, "shipped")];
        wait_in(&format!("order-{}", n % 15), n == 7, waits).await;
    }
    let keys: Vec<String> = (0..18).map(|n| format!("order-{n}")).collect();
    let asked = keys.iter().flat_map(|key| ["paid", "shipped", "PAID"].map(|message| (message, key.as_str()))).collect::<Vec<_>>();
    let answers = futures_util::future::join_all(asked.iter().map(|(message, key)| store.receivers(message, key))).await;
    for ((message, key), answer) in asked.into_iter().zip(answers) {
        let filter = SubscriptionFilter {
            name: Some(message.to_owned()),
            business_key: Some(key.to_owned()),
            active: true,
            ..SubscriptionFilter::default()
        };
        let listed = store.subscriptions(filter, Page::ALL).await.expect("read");
        assert_eq!(answer.expect("read"), Some(listed), "{message} {key}");
    }
    assert_eq!(store.receivers("paid", "order-\0").await.expect("read"), None, "what no store holds is refused by the list");
}
