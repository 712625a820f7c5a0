//! Jobs that are suspended, and job definitions of which operators have said something.

use mandate_store::query::{JobFilter, Page};
use mandate_store::{
    CommitError, Except, FiredTimer, JobDefinitionChange, JobDefinitionName, JobRevision, JobRow, NewStartTimer, OperationRow, Store, Unit,
};
use uuid::Uuid;

use crate::common::{Fixture, definition, job, start, started_with, step, unit, upload};

async fn claimed(store: &Store) -> Vec<i64> {
    store.claim(100, 10, &Except::NOTHING).await.expect("claimed").iter().map(|job| job.wait).collect()
}

fn named(definition_id: &str, kind: &str) -> JobDefinitionName {
    JobDefinitionName { definition_id: definition_id.to_owned(), activity_id: "Timer".into(), kind: kind.to_owned() }
}

async fn change(store: &Store, name: &JobDefinitionName, change: JobDefinitionChange, jobs: bool) {
    store.change_job_definitions(std::slice::from_ref(name), change, jobs, &[]).await.expect("written");
}

pub(crate) async fn a_job_that_is_suspended_is_nobodys_until_it_is_activated(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let held = |wait, due| JobRow { suspended: true, ..job(&process, wait, due) };
    let (id, _) = started_with(&store, &process, vec![held(1, 5), job(&process, 2, 6), held(3, 500)]).await;
    assert_eq!(store.counts(100).await.expect("read").jobs_due, 1);
    assert_eq!(claimed(&store).await, [2]);
    assert_eq!((claimed(&store).await, store.next_due(100).await.expect("read")), (vec![], None));
    let listed = |suspended| JobFilter { suspended: Some(suspended), ..JobFilter::default() };
    assert_eq!(store.count_jobs(listed(true)).await.expect("read"), 2);

    // Of one that is locked the lock stays, and it is locked no more once it is given back.
    let revision = |wait, suspended| JobRevision { wait, due: 5, retries: 3, priority: 0, suspended, behind: false };
    let mut write = step(id, 1);
    write.revise_jobs = vec![revision(1, false), revision(2, true)];
    store.commit(unit(write)).await.expect("stored");
    assert_eq!(store.locked().await.expect("read"), [(id, 2)]);
    assert_eq!(store.release(&[(id, 2)]).await.expect("released"), 1);
    assert_eq!(claimed(&store).await, [1]);

    // An instance that is suspended and activated takes all of its jobs along.
    for (revision, suspended) in [(2, true), (3, false)] {
        let mut write = step(id, revision);
        write.suspended = Some(suspended);
        store.commit(unit(write)).await.expect("stored");
    }
    assert_eq!(store.count_jobs(listed(true)).await.expect("read"), 0);
    assert_eq!(claimed(&store).await, [2]);
}

pub(crate) async fn who_does_not_know_of_a_change_of_job_definitions_makes_no_jobs(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let name = named(&process.id, "async-before");
    let makes = |seen| {
        let mut write = start(&process, Uuid::now_v7());
        write.put_jobs = vec![job(&process, 1, 5)];
        write.job_definitions = Some(seen);
        unit(write)
    };
    assert_eq!((store.job_definitions().await.expect("read").seen, store.job_definitions().await.expect("read").rows), (0, vec![]));
    store.commit(makes(0)).await.expect("stored");
    change(&store, &name, JobDefinitionChange::Suspended(true), false).await;
    change(&store, &name, JobDefinitionChange::Priority(Some(7)), true).await;
    let known = store.job_definitions().await.expect("read");
    assert_eq!((known.seen, known.rows.len()), (2, 1));
    assert_eq!((&known.rows[0].name, known.rows[0].suspended, known.rows[0].priority), (&name, true, Some(7)));

    // Its neighbours in one transaction are stored.
    let several = [makes(1), makes(2), unit(start(&process, Uuid::now_v7()))].map(|unit| store.commit(unit));
    let [old, new, none] = several;
    let (old, new, none) = tokio::join!(old, new, none);
    assert!(matches!(old, Err(CommitError::JobDefinitions)), "{old:?}");
    assert!(new.is_ok() && none.is_ok(), "{new:?} {none:?}");

    // That a definition is suspended is known likewise. One that is activated has its job definitions activated.
    for (seen, suspended) in [(3, true), (4, false)] {
        assert!(store.set_definition_suspended(&process.id, suspended, |_| Vec::new()).await.expect("written"));
        let known = store.job_definitions().await.expect("read");
        assert_eq!((known.seen, known.rows[0].suspended, known.rows[0].priority), (seen, suspended, Some(7)));
        assert_eq!(known.suspended, if suspended { vec![process.id.clone()] } else { vec![] });
    }
    change(&store, &named("nothing", "timer"), JobDefinitionChange::Suspended(true), true).await;
    change(&store, &name, JobDefinitionChange::Priority(None), false).await;
    assert_eq!(store.job_definitions().await.expect("read").rows, []);
    store.delete_deployment(&process.deployment_id, true, &[], &Vec::new(), 1).await.expect("deleted");
}

pub(crate) async fn a_change_of_job_definitions_is_stored_with_what_the_log_says_of_it(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let operation = |property: &str| OperationRow {
        operation: Uuid::now_v7(),
        at: 1,
        user: Some("ann".into()),
        annotation: None,
        operation_type: "SuspendJobDefinition".into(),
        entity_type: "JobDefinition".into(),
        category: "Operator".into(),
        property: Some(property.to_owned()),
        org_value: None,
        new_value: None,
        instance: None,
        tenant: None,
        definition_id: Some(process.id.clone()),
        definition_key: None,
        deployment_id: None,
        activity: None,
        wait: None,
        job_definition_id: None,
    };
    let suspend = async |property: &str| {
        let names = [named(&process.id, "timer")];
        store.change_job_definitions(&names, JobDefinitionChange::Suspended(true), false, &[operation(property)]).await
    };
    assert!(suspend("a\0b").await.is_err());
    assert_eq!(store.job_definitions().await.expect("read").rows, [], "neither is stored");
    suspend("suspensionState").await.expect("written");
    assert_eq!(store.job_definitions().await.expect("read").rows.len(), 1);
}

pub(crate) async fn a_timer_start_event_that_is_suspended_does_not_fire(fixture: Fixture) {
    let store = fixture.open().await;
    let timer = |due, priority| NewStartTimer { activity_id: "Timer".into(), due, cycle: Some("R/PT1H".into()), retries: 3, priority };
    let mut write = upload("p");
    write.definitions[0].start_timers = vec![timer(100, 0)];
    let process = store.deploy(write).await.expect("a deployment").definitions.remove(0);
    let due = async || store.claim_start_timers(500, 10, &[], &Except::NOTHING).await.expect("claimed");
    let name = named(&process.id, "timer");

    // A firing that is under way is not stored.
    let found = due().await;
    let fire = |row: &mandate_store::StartTimerRow| -> Unit {
        let mut write = start(&process, Uuid::now_v7());
        write.fired = Some(FiredTimer { id: row.id, firing: row.firing, at: 500, next: Some(timer(400, 0)) });
        unit(write)
    };
    change(&store, &name, JobDefinitionChange::Suspended(true), true).await;
    let late = store.commit(fire(&found[0])).await;
    assert!(matches!(late, Err(CommitError::Gone)), "{late:?}");
    store.release_start_timer(found[0].id).await.expect("released");
    assert_eq!((due().await, store.counts(500).await.expect("read").jobs_due), (vec![], 0));
    assert_eq!(store.next_due(0).await.expect("read"), None);
    let listed = store.jobs(JobFilter { job_definition: Some(name.clone()), ..JobFilter::default() }, Page::ALL, &[]).await.expect("read");
    assert_eq!(listed.iter().map(|job| job.row.suspended).collect::<Vec<_>>(), [true]);

    // It goes on by itself; what fires next is as its definition says.
    store.suspend_start_timers(&process.id, Some("Timer"), false, &[]).await.expect("written");
    change(&store, &name, JobDefinitionChange::Priority(Some(9)), false).await;
    let found = due().await;
    assert_eq!((found.len(), found[0].suspended, found[0].timer.priority), (1, false, 0));
    store.commit(fire(&found[0])).await.expect("stored");
    assert_eq!(due().await, []);
    change(&store, &name, JobDefinitionChange::Suspended(false), true).await;
    let found = due().await;
    assert_eq!((found[0].firing, found[0].timer.priority), (2, 9));
    let why = mandate_store::FailedFiring { code: "DELEGATE_FAILED".into(), failed_activity: None, detail: None };
    store.fail_start_timer(&found[0], &found[0], &why, Some(timer(450, 1)), 500).await.expect("stored");
    assert_eq!(due().await.iter().map(|row| row.timer.priority).collect::<Vec<_>>(), [9, 9]);
}
