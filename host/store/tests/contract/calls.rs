//! Instances that call each other.

use mandate_store::query::{CallFilter, HistoryInstanceFilter, InstanceFilter, Page};
use mandate_store::{CalledBy, CommitError, DeploymentDeletion, InstanceWrite, Store, Unit};
use uuid::Uuid;

use crate::common::{Fixture, definition, end, head, live, start, step, unit};

/// A new instance that another one calls.
fn called(definition: &mandate_store::query::DefinitionRow, id: Uuid, by: Uuid, root: Uuid) -> InstanceWrite {
    let called_by = Some(CalledBy { instance: by, activity_id: "Call".into(), root });
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
