//! Instances that call each other.

use mandate_store::query::{
    CallFilter, HistoryIncidentFilter, HistoryIncidentSort, HistoryInstanceFilter, IncidentFilter, IncidentListed, IncidentName,
    IncidentRemembered, IncidentSort, IncidentState, InstanceFilter, OfInstances, Order, Page, Remembered,
};
use mandate_store::{CalledBy, CommitError, DeploymentDeletion, EndedIncident, IncidentRow, InstanceWrite, Store, Unit};
use uuid::Uuid;

use crate::common::{Fixture, definition, end, head, incident, live, resolved, start, step, unit};

/// A new instance that another one calls.
fn called(definition: &mandate_store::query::DefinitionRow, id: Uuid, by: Uuid, root: Uuid) -> InstanceWrite {
    let called_by = Some(CalledBy { instance: by, activity_id: "Call".into(), activity: 3, root });
    let head = mandate_store::InstanceHead { called_by, ..head(definition) };
    let mut write = InstanceWrite::new(id, mandate_store::Expect::New(head), live());
    write.history = start(definition, id).history;
    write
}

fn of_several(instances: Vec<InstanceWrite>) -> Unit {
    Unit { instances, ..unit(step(Uuid::nil(), 1)) }
}

/// The instances of a list by what they are called.
async fn found(store: &Store, calls: CallFilter, names: &[(Uuid, &str)]) -> String {
    let live = store.instances(InstanceFilter { calls: calls.clone(), ..InstanceFilter::default() }, Page::ALL, &[]).await.expect("a list");
    let past = HistoryInstanceFilter { calls, ..HistoryInstanceFilter::default() };
    let past = store.history_instances(past, Page::ALL, &[]).await.expect("a list");
    let name = |id: Uuid| names.iter().find(|(of, _)| *of == id).map_or("?", |(_, name)| name).to_owned();
    let joined = |ids: Vec<Uuid>| {
        let mut names: Vec<_> = ids.into_iter().map(name).collect();
        names.sort();
        names.join(" ")
    };
    format!("{} | {}", joined(live.iter().map(|it| it.id).collect()), joined(past.iter().map(|it| it.id).collect()))
}

pub(crate) async fn callers_and_what_they_called_find_each_other(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let [outer, middle, inner, lone] = [1, 2, 3, 4].map(|n| Uuid::from_u128(n << 64));
    let names = [(outer, "outer"), (middle, "middle"), (inner, "inner"), (lone, "lone")];
    let all = vec![start(&process, outer), called(&process, middle, outer, outer), called(&process, inner, middle, outer)];
    store.commit(of_several(all)).await.expect("stored");
    store.commit(unit(start(&process, lone))).await.expect("stored");
    let ask = async |calls: CallFilter| found(&store, calls, &names).await;
    assert_eq!(ask(CallFilter { of_super: Some(outer), ..CallFilter::default() }).await, "middle | middle");
    assert_eq!(ask(CallFilter { of_sub: Some(inner), ..CallFilter::default() }).await, "middle | middle");
    assert_eq!(ask(CallFilter { of_root: Some(outer), ..CallFilter::default() }).await, "inner middle outer | inner middle outer");
    assert_eq!(ask(CallFilter { roots: true, ..CallFilter::default() }).await, "lone outer | lone outer");
    assert_eq!(ask(CallFilter { leaves: true, ..CallFilter::default() }).await, "inner lone | inner lone");
    let (_, rows) = store.instance_with_rows(outer).await.expect("read").expect("there");
    assert_eq!(rows.called, [(middle, "Call".to_owned())]);
    // The innermost ends, and its caller hears of it: one of them too late is both.
    let late = store.commit(of_several(vec![end(inner, 1), step(middle, 7)])).await;
    assert!(matches!(late, Err(CommitError::Conflict)), "{late:?}");
    assert_eq!(store.revision(inner).await.expect("read"), Some(1));
    store.commit(of_several(vec![end(inner, 1), step(middle, 1)])).await.expect("stored");
    assert_eq!(ask(CallFilter { of_root: Some(outer), ..CallFilter::default() }).await, "middle outer | inner middle outer");
    store.close().await;
}

pub(crate) async fn incident_of_a_called_instance_stands_at_its_callers(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let [outer, middle, inner, other] = [1, 2, 3, 4].map(|n| Uuid::from_u128(n << 64));
    let all = vec![
        start(&process, outer),
        called(&process, middle, outer, outer),
        called(&process, inner, middle, outer),
        called(&process, other, outer, outer),
    ];
    store.commit(of_several(all)).await.expect("stored");
    let fails = |id, n| InstanceWrite { put_incidents: vec![incident(&process, n, None)], ..step(id, 1) };
    // The outermost has an incident of its own, with the same number as another's.
    store.commit(of_several(vec![fails(outer, 7), fails(inner, 7), fails(other, 9)])).await.expect("stored");
    let listed = async |filter: IncidentFilter| {
        let counted = store.count_incidents(filter.clone()).await.expect("counted");
        let by_activity = [(IncidentSort::ActivityId, Order::Asc)];
        let rows: Vec<IncidentListed> = store.incidents(filter, Page { first: 0, max: 100 }, &by_activity).await.expect("a list");
        assert_eq!(i64::try_from(rows.len()).expect("small"), counted);
        let show = |it: &IncidentListed| {
            let place = format!("{} {}#{}", it.instance.as_u128() >> 64, it.row.activity_id, it.row.activity);
            let cause = it.cause.as_ref().map(|cause| format!(" by {} of {}", cause.called.as_u128() >> 64, cause.root.as_u128() >> 64));
            format!("{place}: {}{}", it.row.n, cause.unwrap_or_default())
        };
        rows.iter().map(show).collect::<Vec<_>>()
    };
    let own = ["1 Task#2: 7", "3 Task#2: 7", "4 Task#2: 9"];
    let (of_middle, of_outer, of_other) = ("2 Call#3: 7 by 3 of 3", "1 Call#3: 7 by 2 of 3", "1 Call#3: 9 by 4 of 4");
    let everything = listed(IncidentFilter::default()).await;
    assert_eq!(everything, [of_other, of_outer, of_middle, own[0], own[1], own[2]]);
    let of_outer_only = IncidentFilter { instances: vec![outer], of_called: true, ..IncidentFilter::default() };
    assert_eq!(listed(of_outer_only).await, [of_other, of_outer]);
    let name = |instance, at| Some(IncidentName { instance, n: 7, at });
    assert_eq!(listed(IncidentFilter { name: name(outer, None), ..IncidentFilter::default() }).await, [own[0]]);
    assert_eq!(listed(IncidentFilter { name: name(inner, Some(outer)), ..IncidentFilter::default() }).await, [of_outer]);
    assert_eq!(listed(IncidentFilter { cause: name(inner, None), ..IncidentFilter::default() }).await, [of_middle, own[1]]);
    assert_eq!(listed(IncidentFilter { cause: name(inner, Some(middle)), ..IncidentFilter::default() }).await, [of_outer]);
    assert_eq!(listed(IncidentFilter { root: name(inner, None), ..IncidentFilter::default() }).await, [of_outer, of_middle, own[1]]);
    let failing = InstanceFilter { with_incident: true, ..InstanceFilter::default() };
    assert_eq!(store.count_instances(failing.clone()).await.expect("counted"), 4);
    let gone = InstanceWrite { remove_incidents: vec![resolved(7, 50)], ..step(inner, 2) };
    store.commit(unit(gone)).await.expect("stored");
    assert_eq!(listed(IncidentFilter::default()).await, [of_other, own[0], own[2]]);
    assert_eq!(store.count_instances(failing).await.expect("counted"), 2);
    store.close().await;
}

pub(crate) async fn history_has_incidents_of_called_instances_at_their_callers(fixture: Fixture) {
    let store = fixture.open().await;
    let (calls, process) = (definition(&store, "calls").await, definition(&store, "p").await);
    let [outer, middle, inner, other] = [1, 2, 3, 4].map(|n| Uuid::from_u128(n << 64));
    let all = vec![
        start(&calls, outer),
        called(&process, middle, outer, outer),
        InstanceWrite { put_incidents: vec![incident(&process, 7, Some(1))], ..called(&process, inner, middle, outer) },
        InstanceWrite { put_incidents: vec![incident(&process, 9, None)], ..start(&process, other) },
    ];
    store.commit(of_several(all)).await.expect("stored");
    let listed = async |filter: HistoryIncidentFilter| {
        let counted = store.count_remembered_incidents(filter.clone()).await.expect("counted");
        let by_activity = [(HistoryIncidentSort::ActivityId, Order::Asc)];
        let rows = store.remembered_incidents(filter, Page { first: 0, max: 100 }, &by_activity).await.expect("a list");
        assert_eq!(i64::try_from(rows.len()).expect("small"), counted);
        let show = |it: &Remembered<IncidentRemembered>| {
            let IncidentRemembered { incident, state, cause } = &it.row;
            let failed = incident.failed_activity_id.as_deref().unwrap_or("nothing");
            let cause = cause.as_ref().map(|cause| format!(" by {} of {}", cause.called.as_u128() >> 64, cause.root.as_u128() >> 64));
            let place = format!("{} {} for {failed}#{}", it.instance.as_u128() >> 64, incident.activity_id, incident.activity);
            format!("{place}: {}{} {state:?}", incident.n, cause.unwrap_or_default())
        };
        rows.iter().map(show).collect::<Vec<_>>()
    };
    let none = HistoryIncidentFilter::default;
    let of = |of: OfInstances| HistoryIncidentFilter { of, ..none() };
    let at = |state: &str| {
        [
            format!("1 Call for Call#3: 7 by 2 of 3 {state}"),
            format!("2 Call for Call#3: 7 by 3 of 3 {state}"),
            format!("3 Task for Send#2: 7 {state}"),
            "4 Task for Send#2: 9 Open".to_owned(),
        ]
    };
    assert_eq!(listed(none()).await, at("Open"));
    assert_eq!(listed(of(OfInstances { ids: vec![outer], ..OfInstances::default() })).await, at("Open")[..1]);
    assert_eq!(listed(of(OfInstances { definition_id: Some(calls.id.clone()), ..OfInstances::default() })).await, at("Open")[..1]);
    assert_eq!(listed(of(OfInstances { definition_id: Some(process.id.clone()), ..OfInstances::default() })).await, at("Open")[1..]);
    assert_eq!(listed(HistoryIncidentFilter { failed_activity_id: Some("Call".into()), ..none() }).await, at("Open")[..2]);
    assert_eq!(listed(HistoryIncidentFilter { failed_activity_id: Some("Send".into()), ..none() }).await, at("Open")[2..]);
    let of_job = HistoryIncidentFilter { job_definition_ids: vec![format!("{}:Task:async-before", process.id)], ..none() };
    assert_eq!(listed(of_job).await, at("Open")[2..3]);
    let name = Some(IncidentName { instance: inner, n: 7, at: None });
    assert_eq!(listed(HistoryIncidentFilter { root: name, ..none() }).await, at("Open")[..3]);
    let with_incidents = HistoryInstanceFilter { with_incidents: true, ..HistoryInstanceFilter::default() };
    assert_eq!(store.count_history_instances(with_incidents).await.expect("counted"), 4);

    // It says something else, is resolved, and another one of the same instance is deleted: so it is for those who have called it.
    let again = IncidentRow { failed_activity_id: Some("Sent".into()), ..incident(&process, 7, Some(1)) };
    store.commit(unit(InstanceWrite { put_incidents: vec![again], ..step(inner, 1) })).await.expect("stored");
    assert_eq!(listed(none()).await[2], "3 Task for Sent#2: 7 Open");
    for (revision, deleted, state) in [(2, false, "Resolved"), (3, true, "Deleted")] {
        let over = EndedIncident { n: 7, at: 50, deleted };
        store.commit(unit(InstanceWrite { remove_incidents: vec![over], ..step(inner, revision) })).await.expect("stored");
        assert_eq!(listed(none()).await[..2], at(state)[..2]);
        let states = [IncidentState::Open, IncidentState::Resolved, IncidentState::Deleted].map(|it| (format!("{it:?}"), it));
        for (shown, it) in states {
            let filter = HistoryIncidentFilter { state: Some(it), root: name, ..none() };
            assert_eq!(listed(filter).await.len(), if shown == state { 3 } else { 0 }, "{state}");
        }
    }
    store.close().await;
}

pub(crate) async fn deployment_goes_with_what_its_instances_called_and_not_under_a_caller(fixture: Fixture) {
    let store = fixture.open().await;
    let (calls, is_called) = (definition(&store, "calls").await, definition(&store, "called").await);
    let [outer, inner] = [1, 2].map(|n| Uuid::from_u128(n << 64));
    store.commit(of_several(vec![start(&calls, outer), called(&is_called, inner, outer, outer)])).await.expect("stored");
    let refused = store.delete_deployment(&is_called.deployment_id, true, &[], &Vec::new(), 0).await.expect("answered");
    assert_eq!(refused, DeploymentDeletion::Called { callers: 1 });
    let deleted = store.delete_deployment(&calls.deployment_id, true, &[], &Vec::new(), 0).await.expect("answered");
    assert!(matches!(deleted, DeploymentDeletion::Deleted { .. }), "{deleted:?}");
    assert_eq!(store.count_instances(InstanceFilter::default()).await.expect("counted"), 0);
    assert_eq!(store.count_history_instances(HistoryInstanceFilter::default()).await.expect("counted"), 0);
    store.close().await;
}
